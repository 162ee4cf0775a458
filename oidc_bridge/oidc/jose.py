"""JWTs that others have signed, verified; never by an algorithm or a key that only they name.

Sources: RFC 7515 sections 4.1 and 5.2; RFC 8725 sections 3.1 to 3.5.
"""

import json
import math
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key, KeySet
from joserfc.jws import JWSRegistry
from joserfc.registry import Header

from oidc_bridge.errors import BridgeError

# "EdDSA" is what everybody still says for Ed25519; RFC 9864 wants the curve's name instead.
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
# Clocks differ; a JWT "from the future" by less than this is from now.
LEEWAY_SECONDS = 10
_MAX_JWT = 8192


class Allowed(JWSRegistry):
    """The algorithms that may be used here; whatever a header says, there are no others."""

    max_header_length = 4096  # a DPoP proof carries its public key there

    def __init__(self, *algorithms: str) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        """Return the algorithm; joserfc's own would warn of the name ``EdDSA`` each time."""
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(f"{name!r} is not allowed here")
        return self.algorithms[name]


ANY_ALGORITHM = Allowed(*ALGORITHMS)


def read_header(token: str) -> Header:
    """Return the header of a compact JWS. Nothing of it is proven.

    Raises:
        BridgeError: ``jwt_malformed``.
    """
    header = _read_part(token, 0)
    if not isinstance(header.get("alg"), str):
        raise BridgeError("jwt_malformed", "no alg in the header")
    if "crit" in header:  # RFC 7515 4.1.11: what must be understood, we do not
        raise BridgeError("jwt_malformed", "crit in the header")
    return header


def find_kid(token: str) -> str | None:
    """Return which key a JWT says that it was signed with, to know whether ours may be too old."""
    try:
        kid = read_header(token).get("kid")
    except BridgeError:
        return None
    return kid if isinstance(kid, str) else None


def read_unproven(token: str) -> Mapping[str, Any]:
    """Return the claims before anything is known of the signature, to find whose they may be.

    Raises:
        BridgeError: ``jwt_malformed``.
    """
    return _read_part(token, 1)


def verify(token: str, keys: Key | KeySet, *, allowed: JWSRegistry) -> Mapping[str, Any]:
    """Return the claims of a JWT that one of *keys* signed.

    A key of a set is chosen by ``kid``; only a set of one needs none (OIDC Core section 10.1).

    Raises:
        BridgeError: ``jwt_malformed``, ``jwt_refused``.
    """
    read_header(token)
    try:
        return jwt.decode(token, keys, registry=allowed).claims
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise BridgeError("jwt_refused", str(error)) from error


def read_time(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a NumericDate (RFC 7519 section 2), None if there is none.

    Raises:
        BridgeError: ``jwt_refused`` if it is not a number that a date can be.
    """
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e12:
        raise BridgeError("jwt_refused", f"{name} is not a date")
    if not math.isfinite(value):
        raise BridgeError("jwt_refused", f"{name} is not a date")
    return float(value)


def check_begun(claims: Mapping[str, Any], *, now: datetime) -> None:
    """Return if neither ``iat`` nor ``nbf`` lies in the future.

    Raises:
        BridgeError: ``jwt_refused``.
    """
    for name in ("iat", "nbf"):
        begins = read_time(claims, name)
        if begins is not None and begins > now.timestamp() + LEEWAY_SECONDS:
            raise BridgeError("jwt_refused", f"{name} lies in the future")


def read_jti(claims: Mapping[str, Any]) -> str:
    """Return the JWT's own name, by which it is known when it comes again.

    Raises:
        BridgeError: ``jwt_refused``.
    """
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 512:
        raise BridgeError("jwt_refused", "jti is not a text of 1 to 512 characters")
    return jti


def _read_part(token: str, number: int) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _MAX_JWT or not token.isascii():
        raise BridgeError("jwt_malformed", "not three parts")
    try:
        part = json.loads(urlsafe_b64decode(parts[number] + "=" * (-len(parts[number]) % 4)))
    except (ValueError, RecursionError) as error:  # deep nesting ends in the latter
        raise BridgeError("jwt_malformed", f"part {number}") from error
    if not isinstance(part, dict):
        raise BridgeError("jwt_malformed", f"part {number} is no object")
    return part
