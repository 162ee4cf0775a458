"""Request objects: an authorization request that the client signed (RFC 9101, OIDC Core 6.1).

RFC 9101 section 6.3 is followed, not Core's older rule of merging: only what is inside counts, so
nobody on the way can add to it. The client id stands outside too (section 5) and must be the same.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.client import Client

# For whoever reads one: longer than any other parameter, since it holds them all, signed.
MAX_REQUEST_OBJECT = 16_384
# RFC 8725 section 3.1: the client's key decides among these; ``none`` and HMAC are not among them.
_KEY_TYPES = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
ALGORITHMS = tuple(_KEY_TYPES)
# Section 10.8: a JWT that the client signed for another purpose says so here.
_TYPES = frozenset({None, "JWT", "jwt", "oauth-authz-req+jwt"})
# Keys come from the registration. Whoever names one here wants another believed (CVE-2026-27962).
_REFUSED_HEADERS = frozenset({"jwk", "jku", "x5c", "x5u", "crit", "b64"})
_CLAIMS = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
_SKEW = timedelta(seconds=10)
_LIFE = timedelta(minutes=60)


def open_request_object(
    parameters: Mapping[str, str], client: Client, keys: KeySet, *, issuer: str, now: datetime
) -> Mapping[str, str]:
    """Return the parameters in ``request``, in place of those around it.

    Args:
        keys: the public keys that *client* registered.

    Raises:
        SentError: ``request_not_supported`` if the client registered no keys,
            ``invalid_request_object`` (RFC 9101 section 6.2) for whatever is wrong.
    """
    if not keys.keys:
        raise SentError("request_not_supported", "This client has registered no keys to sign with.")
    header, claims = _verify(parameters["request"], keys)
    expected = client.metadata.request_object_signing_alg
    if expected is not None and header["alg"] != expected:
        raise _refusal(f"its alg must be {expected}, as registered")
    _check_times(claims, now)
    audience = claims.get("aud")
    if claims.get("iss") != client.id:
        raise _refusal("its iss must be the client")
    if issuer not in (audience if isinstance(audience, list) else [audience]):
        raise _refusal("its aud must be this server")
    if claims.get("client_id") != client.id:
        raise _refusal("its client_id must be the one outside")
    if {"request", "request_uri"} & set(claims):
        raise _refusal("it must not hold another request")
    return dict(_parameters(claims))


def _verify(token: str, keys: KeySet) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError) as error:
        raise _refusal("it is not a signed JWT") from error
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise _refusal(f"its alg must be of {', '.join(ALGORITHMS)}")
    if header.get("typ") not in _TYPES or _REFUSED_HEADERS & set(header):
        raise _refusal("its header says what it must not")
    for key in _candidates(keys, header.get("kid"), _KEY_TYPES[algorithm]):
        try:
            payload = jws.deserialize_compact(token, key, algorithms=[algorithm]).payload
            claims = json.loads(payload)
        except (JoseError, ValueError, RecursionError):
            continue
        if isinstance(claims, dict):
            return header, claims
    raise _refusal("it is not signed with a key that the client registered")


def _candidates(keys: KeySet, kid: object, key_type: str) -> Iterator[Key]:
    for key in keys.keys:
        fits_use = key.get("use") in (None, "sig")
        if key.key_type == key_type and fits_use and kid in (None, key.kid):
            yield key


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """RFC 9101 leaves ``exp`` open; without one, what was signed once could be used for ever."""
    moment, skew = now.timestamp(), _SKEW.total_seconds()
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    for name, value in times.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _refusal(f"its {name} must be a number")
    if "exp" not in times:
        raise _refusal("it must have an exp")
    if not moment - skew < times["exp"] <= moment + _LIFE.total_seconds() + skew:
        raise _refusal("its exp must be in the next 60 minutes")
    for name in ("nbf", "iat"):
        if name in times and not times[name] <= moment + skew:
            raise _refusal(f"its {name} is in the future")


def _parameters(claims: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each parameter as text (RFC 9101 section 4: numbers and objects are JSON's own)."""
    for name, value in claims.items():
        if name in _CLAIMS:
            continue
        if isinstance(value, dict):
            yield name, json.dumps(value)
        elif isinstance(value, str):
            if "\0" in value:
                raise _refusal("a value is not acceptable")
            if value:
                yield name, value
        elif isinstance(value, int) and not isinstance(value, bool):
            yield name, str(value)
        else:
            raise _refusal("a value is neither text, nor a whole number, nor an object")


def _refusal(what: str) -> SentError:
    return SentError("invalid_request_object", f"The request object is refused: {what}.")
