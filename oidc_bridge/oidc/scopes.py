"""Scopes and single claims: what each releases, and the sentence the consent page shows for it.

A client may also ask for one claim alone (``claims``, OIDC Core section 5.5). It is asked for,
shown, granted and kept like a scope, under a name that no scope has: ``claim:email``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Person:
    """All that may be told about one person to one client.

    Attributes:
        sub: The persona's random subject at this client.
        localpart: The persona's Matrix localpart; also ``preferred_username``.
        name: Display name, self-described. ``picture``: an https URL. ``email``: unverified.
    """

    sub: str
    localpart: str
    name: str | None
    picture: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Scope:
    """What one scope means to a person."""

    title: str
    claims: tuple[str, ...]


SCOPES: Mapping[str, Scope] = MappingProxyType(
    {
        "openid": Scope("Your ID", ("preferred_username",)),
        "profile": Scope("Your display name and picture", ("name", "picture")),
        "email": Scope("Your e-mail address", ("email", "email_verified")),
        "offline_access": Scope("Stay signed in until you remove access", ()),
    }
)

_SINGLE = "claim:"

GRANTS: Mapping[str, Scope] = MappingProxyType(
    {
        **SCOPES,
        f"{_SINGLE}name": Scope("Your display name", ("name",)),
        f"{_SINGLE}picture": Scope("Your picture", ("picture",)),
        f"{_SINGLE}email": Scope("Your e-mail address", ("email", "email_verified")),
    }
)


def single_claims(
    names: Iterable[str], *, scopes: tuple[str, ...], allowed: Iterable[str]
) -> tuple[str, ...]:
    """Return what must be asked for besides *scopes*, so that the claims *names* may be told.

    Unknown claims are left out, and so are those that no scope *allowed* to the client would give.
    """
    covered = {claim for scope in scopes for claim in SCOPES[scope].claims}
    permitted = {claim for scope in allowed for claim in SCOPES[scope].claims}
    return tuple(
        f"{_SINGLE}{name}"
        for name in dict.fromkeys(names)
        if f"{_SINGLE}{name}" in GRANTS and name in permitted - covered
    )


def within(granted: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """Return those of *granted* (any of `GRANTS`) that a client with these scopes may have."""
    scopes = frozenset(allowed)
    permitted = {claim for scope in scopes if scope in SCOPES for claim in SCOPES[scope].claims}
    return tuple(
        name
        for name in granted
        if name in scopes or (name in GRANTS and name.removeprefix(_SINGLE) in permitted)
    )


def scope_text(granted: Iterable[str]) -> str:
    """Return the ``scope`` of an answer (RFC 6749 section 3.3): single claims are no scopes."""
    return " ".join(name for name in granted if name in SCOPES)


def claims_for(scopes: Iterable[str], person: Person) -> dict[str, str | bool]:
    """Return ``sub`` and the claims that *scopes* release; what a person lacks is left out.

    *scopes* are any of `GRANTS`.

    ``preferred_username`` goes with ``openid``: to a homeserver the localpart is as much the
    person's identifier as ``sub`` is, and without it Synapse has nobody to sign in.
    ``email_verified`` is always false: wallets do not verify addresses, and neither do we.
    """
    values: dict[str, str | bool | None] = {
        "preferred_username": person.localpart,
        "name": person.name,
        "picture": person.picture,
        "email": person.email,
        "email_verified": False if person.email else None,
    }
    claims: dict[str, str | bool] = {"sub": person.sub}
    for scope in scopes:
        for claim in GRANTS[scope].claims:
            value = values[claim]
            if value is not None:
                claims[claim] = value
    return claims
