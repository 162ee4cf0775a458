"""Proofs of possession: a token that only the holder of a key can use.

The client makes a key pair, signs each request with it, and sends the public half along; a token
given for such a request works only with proofs of the same key. There is no server nonce: a proof
is good for a minute and for one use, on whatever process it arrives (RFC 9449 section 11.1).

Sources: RFC 9449 sections 4.2, 4.3, 5, 7; RFC 7638.
"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote, urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from oidc_bridge.errors import BridgeError, SentError
from oidc_bridge.oidc.jose import (
    ANY_ALGORITHM,
    check_begun,
    read_header,
    read_jti,
    read_time,
    verify,
)

_LIFE = timedelta(seconds=60)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_RSA_MIN_BASE64 = 342  # 2048 bits


@dataclass(frozen=True, slots=True)
class DpopProof:
    """A verified proof; good once, so its ``jti`` is kept until it is too old anyway.

    ``jkt`` is the thumbprint of its key: what tokens are bound to.
    """

    jkt: str
    jti: str
    expires_at: datetime


def check_proof(
    proof: str, *, method: str, url: str, now: datetime, access_token: str | None = None
) -> DpopProof:
    """Return what a ``DPoP`` header proves, in the order of RFC 9449 section 4.3.

    Args:
        url: The endpoint as discovery names it, never as the request's ``Host`` does.
        access_token: The token that it is sent with, if any: it must be about that one.

    Raises:
        SentError: ``invalid_dpop_proof``.
    """
    try:
        return _check(proof, method=method, url=url, now=now, access_token=access_token)
    except BridgeError as error:
        raise SentError("invalid_dpop_proof", "The DPoP proof is not acceptable.") from error


def _check(
    proof: str, *, method: str, url: str, now: datetime, access_token: str | None
) -> DpopProof:
    header = read_header(proof)
    if header.get("typ") != "dpop+jwt":
        raise BridgeError("jwt_refused", "typ is not dpop+jwt")
    key = _read_key(header.get("jwk"))
    claims = verify(proof, key, allowed=ANY_ALGORITHM)
    jti = read_jti(claims)
    if claims.get("htm") != method:
        raise BridgeError("jwt_refused", "htm is another method")
    if _normal(claims.get("htu")) != _normal(url):
        raise BridgeError("jwt_refused", "htu is another address")
    made = read_time(claims, "iat")
    if made is None or made <= (now - _LIFE).timestamp():
        raise BridgeError("jwt_refused", "iat is missing or too long ago")
    check_begun(claims, now=now)
    ath = claims.get("ath")
    if access_token is not None and not (
        isinstance(ath, str) and compare_digest(ath.encode(), hash_of(access_token).encode())
    ):
        raise BridgeError("jwt_refused", "ath is not that of the access token")
    return DpopProof(key.thumbprint(), jti, now + 2 * _LIFE)


def hash_of(access_token: str) -> str:
    """Return what ``ath`` must be (RFC 9449 section 4.2)."""
    digest = hashlib.sha256(access_token.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def check_binding(bound_to: str | None, proof: DpopProof | None) -> None:
    """Return if nothing is bound, or the proof is by the key that it is bound to.

    Raises:
        SentError: ``invalid_grant``.
    """
    if bound_to is None:
        return
    if proof is None or not compare_digest(bound_to, proof.jkt):
        raise SentError("invalid_grant", "This is bound to another key, or no proof was sent.")


def _read_key(jwk: Any) -> Key:
    """Return the public key in a header: any key will do, it is only compared afterwards."""
    if not isinstance(jwk, dict) or _PRIVATE & set(jwk):
        raise BridgeError("jwt_refused", "jwk is no public key")
    kind, modulus = jwk.get("kty"), jwk.get("n")
    if kind not in ("EC", "OKP", "RSA"):
        raise BridgeError("jwt_refused", "jwk is of another kind")
    if kind == "RSA" and not (isinstance(modulus, str) and len(modulus) >= _RSA_MIN_BASE64):
        raise BridgeError("jwt_refused", "jwk is too short to be safe")
    try:
        return import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise BridgeError("jwt_refused", "jwk cannot be read") from error


def _normal(url: object) -> tuple[str, str, int | None, str]:
    """Return an address without what may differ (RFC 3986 section 6.2, RFC 9449 section 4.3)."""
    if not isinstance(url, str) or len(url) > 2048:
        raise BridgeError("jwt_refused", "htu is no address")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BridgeError("jwt_refused", "htu is no address") from error
    if port is None:
        port = {"https": 443, "http": 80}.get(parts.scheme)
    if "@" in parts.netloc:
        raise BridgeError("jwt_refused", "htu names a user")
    return parts.scheme, parts.hostname or "", port, unquote(parts.path)
