"""What an app's card may say: a software statement's claims, read and held to every rule.

Who signed it is not looked at here; see `oidc_bridge.apps.manifest`.

Spec: RFC 7591 section 2.3; RFC 7519 section 4.1; RFC 8252 section 7.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from oidc_bridge.errors import BridgeError, ProofError
from oidc_bridge.origins import LOOPBACK, read_origin
from oidc_bridge.proofs.addresses import Address, parse_address
from oidc_bridge.proofs.jsontokens import JsonToken, parse

LONGEST_LIFE = timedelta(days=400)
DID = "did:btc-addr:"

_LEEWAY = timedelta(minutes=5)
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+){1,2}")
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+:.*", re.S)
_MAX_ID = 200
_MAX_TEXT = 2000
# What the token says of itself; all else in it is client metadata.
_OF_TOKEN = frozenset({"iss", "sub", "aud", "iat", "nbf", "exp", "jti", "required_scopes"})
# RFC 7591 section 2.3 lets a statement say anything; these would be about one registration, not
# about the software.
_NOT_OF_SOFTWARE = frozenset({"client_id", "client_secret", "software_statement"})
_AT_HOME = ("logo_uri", "policy_uri", "tos_uri")


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement that keeps every rule, and whose signature nobody has looked at yet.

    Attributes:
        issuer: ``did:btc-addr:<address>``, or a Blockstack name.
        required_scopes: What people cannot untick; always with ``openid``.
        members: The client metadata in it.
    """

    text: str
    token: JsonToken
    issuer: str
    jti: str
    expires_at: datetime
    required_scopes: tuple[str, ...]
    members: Mapping[str, object]


def read_draft(text: object, *, audience: str | None, now: datetime) -> Draft:
    """Return the statement in *text*, held to every rule that can be checked without its signer.

    Args:
        audience: None if nobody knows yet where it will be sent.

    Raises:
        BridgeError: ``invalid_software_statement``; the detail begins with the claim at fault.
    """
    if not isinstance(text, str):
        raise invalid("expected a compact JWS")
    try:
        token = parse(text)
    except ProofError as error:
        raise invalid(f"{error.code}: {error.detail}") from error
    claims = token.payload
    issuer = _read_issuer(claims.get("iss"))
    expires_at = _read_times(claims, now=now)
    _check_audience(claims.get("aud"), audience)
    for name in sorted(_NOT_OF_SOFTWARE & claims.keys()):
        raise invalid(f"{name}: has no place in a statement")
    _text(claims, "software_id")
    _text(claims, "client_name")
    for name in ("software_version", "jti"):
        if name in claims:
            _text(claims, name)
    _check_addresses(claims)
    _check_contacts(claims.get("contacts", []))
    return Draft(
        text=text,
        token=token,
        issuer=issuer,
        jti=str(claims.get("jti", "")),
        expires_at=expires_at,
        required_scopes=_read_required(claims),
        members={name: value for name, value in claims.items() if name not in _OF_TOKEN},
    )


def _read_issuer(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_ID:
        raise invalid("iss: expected did:btc-addr:<address>, or a Blockstack name")
    if not value.startswith("did:"):
        if not _NAME.fullmatch(value):
            raise invalid("iss: neither did:btc-addr:<address> nor a Blockstack name")
        return value
    try:
        address = parse_address(value.removeprefix(DID))
    except ProofError as error:
        raise invalid(f"iss: {error.detail}") from error
    if address != Address(address.hash160) or address.did != value:
        raise invalid("iss: not the Bitcoin form of a single key's address on the main network")
    return value


def _read_times(claims: Mapping[str, object], *, now: datetime) -> datetime:
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    if issued_at > now + _LEEWAY:
        raise invalid("iat: is in the future")
    if expires_at <= now:
        raise invalid(f"exp: ended at {expires_at:%FT%TZ}")
    if expires_at <= issued_at:
        raise invalid("exp: is not after iat")
    if expires_at - issued_at > LONGEST_LIFE:
        raise invalid(f"exp: more than {LONGEST_LIFE.days} days after iat")
    if "nbf" in claims and _time(claims, "nbf") > now + _LEEWAY:
        raise invalid("nbf: is in the future")
    return expires_at


def _time(claims: Mapping[str, object], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 33:
        raise invalid(f"{name}: expected whole seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


def _check_audience(value: object, audience: str | None) -> None:
    """RFC 7519 section 4.1.3: whoever is not named, if anybody is, must refuse."""
    if value is None or audience is None:
        return
    if value != audience and not (isinstance(value, list) and audience in value):
        raise invalid("aud: names another server")


def _check_addresses(claims: Mapping[str, object]) -> None:
    """All addresses are at ``client_uri``, the origin that the developer signs for."""
    client_uri = _text(claims, "client_uri")
    home = _origin_of("client_uri", client_uri)
    if not home.startswith("https://") or client_uri.removesuffix("/") != home:
        raise invalid("client_uri: expected an https origin, without a path")
    uris = claims.get("redirect_uris")
    if not isinstance(uris, list) or not uris:
        raise invalid("redirect_uris: expected a list of at least one")
    for uri in uris:
        _check_redirect_uri(uri, home)
    for name in _AT_HOME:
        if name in claims and _origin_of(name, _text(claims, name)) != home:
            raise invalid(f"{name}: is not on {home}")


def _check_redirect_uri(uri: object, home: str) -> None:
    """At home, on loopback, or at a private scheme with a dot (RFC 8252 section 7)."""
    if not isinstance(uri, str) or not uri:
        raise invalid("redirect_uris: one is no text")
    if _PRIVATE_USE.fullmatch(uri):
        return
    origin = _origin_of("redirect_uris", uri)
    if origin != home and read_origin(uri).host not in LOOPBACK:
        raise invalid(f"redirect_uris: {uri!r} is not on {home}")


def _check_contacts(value: object) -> None:
    if not isinstance(value, list) or not all(isinstance(contact, str) for contact in value):
        raise invalid("contacts: expected a list of texts")


def _read_required(claims: Mapping[str, object]) -> tuple[str, ...]:
    asked = _text(claims, "scope").split()
    required = claims.get("required_scopes", ["openid"])
    if not isinstance(required, list) or not all(isinstance(scope, str) for scope in required):
        raise invalid("required_scopes: expected a list of scopes")
    if "openid" not in asked:
        raise invalid("scope: does not hold openid")
    if not set(required) <= set(asked):
        raise invalid("required_scopes: holds what scope does not")
    return tuple(dict.fromkeys(("openid", *required)))


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise invalid(f"{name}: expected text")
    if len(value) > _MAX_TEXT:
        raise invalid(f"{name}: more than {_MAX_TEXT} characters")
    return value


def _origin_of(name: str, uri: str) -> str:
    try:
        return str(read_origin(uri))
    except ValueError as error:
        raise invalid(f"{name}: {uri!r}: {error}") from error


def invalid(detail: str) -> BridgeError:
    return BridgeError("invalid_software_statement", detail)
