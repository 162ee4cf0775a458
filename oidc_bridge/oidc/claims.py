"""The ``claims`` parameter: single claims that a client asks for (OIDC Core section 5.5).

What comes of it: the names of claims to be put to the person, and whose ``sub`` the answer must
have. A claim that the person agreed to is told in the ID token and at userinfo alike, as those of
a scope are. ``essential`` promises nothing (5.5.1: not returning one is no error), and a ``value``
counts for ``sub`` and ``acr`` only, because no other claim of ours decides who may sign in.
"""

import json
from dataclasses import dataclass
from typing import Any

from oidc_bridge.errors import SentError

_PLACES = ("id_token", "userinfo")


@dataclass(frozen=True, slots=True)
class AskedClaims:
    """What ``claims`` asks for.

    Attributes:
        names: the claims, in order, without repeats.
        subjects: the answer must be about one of these; None if it may be about anybody.
    """

    names: tuple[str, ...] = ()
    subjects: frozenset[str] | None = None


def parse_claims(text: str | None) -> AskedClaims:
    """Return what *text*, the JSON of the parameter, asks for.

    Raises:
        SentError: ``invalid_request``; ``unmet_authentication_requirements`` if a certain ``acr``
            is essential (5.5.1.1): we claim none, so whoever insists must not be signed in.
    """
    if text is None:
        return AskedClaims()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SentError("invalid_request", "claims is not JSON.") from error
    if not isinstance(document, dict):
        raise SentError("invalid_request", "claims is not a JSON object.")
    names: dict[str, None] = {}
    subjects: frozenset[str] | None = None
    for place in _PLACES:
        for name, wish in _members(document, place).items():
            values = _values(wish)
            if name == "sub" and values is not None:
                subjects = values if subjects is None else subjects & values
            elif name == "acr" and values is not None and wish["essential"]:
                raise SentError(
                    "unmet_authentication_requirements", "This server claims no acr that is asked."
                )
            names[name] = None
    return AskedClaims(tuple(names), subjects)


def _members(document: dict[str, Any], place: str) -> dict[str, dict[str, Any]]:
    members = document.get(place) or {}
    if not isinstance(members, dict):
        raise SentError("invalid_request", f"claims has a {place} that is not an object.")
    wishes = {}
    for name, wish in members.items():
        if wish is not None and not isinstance(wish, dict):
            raise SentError("invalid_request", "claims has a member that is no object.")
        wish = {"essential": False, **(wish or {})}
        if not isinstance(wish["essential"], bool):
            raise SentError("invalid_request", "claims has an essential that is not a boolean.")
        wishes[name] = wish
    return wishes


def _values(wish: dict[str, Any]) -> frozenset[str] | None:
    """Return the values that will do; None if any will."""
    if "value" in wish:
        values = [wish["value"]]
    elif "values" in wish:
        values = wish["values"]
    else:
        return None
    if not isinstance(values, list):
        raise SentError("invalid_request", "claims has values that are not a list.")
    return frozenset(value for value in values if isinstance(value, str))
