"""The claims of what we sign: ID tokens, logout tokens, introspection answers."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LOGOUT_LIFE = timedelta(minutes=2)


def id_token_claims(
    *,
    issuer: str,
    client_id: str,
    person_claims: dict[str, str | bool],
    sid: str,
    nonce: str | None,
    authenticated_at: datetime,
    access_token: str,
    now: datetime,
    life: timedelta,
    algorithm: str = "RS256",
) -> dict[str, Any]:
    """Return the claims of an ID token (OIDC Core sections 2 and 3.1.3.6).

    The person's claims go in whole, because Synapse reads them here and nowhere else. They come
    first, so that no claim of a person can stand in the place of one of the protocol's.
    """
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        **person_claims,
        "iss": issuer,
        "aud": client_id,
        "iat": issued,
        "exp": issued + int(life.total_seconds()),
        "auth_time": int(authenticated_at.timestamp()),
        "sid": sid,
        "at_hash": left_half_hash(access_token, algorithm),
    }
    claims.pop("nonce", None)
    return claims if nonce is None else {**claims, "nonce": nonce}


def userinfo_claims(
    person_claims: Mapping[str, str | bool], *, issuer: str, client_id: str, is_signed: bool
) -> dict[str, Any]:
    """Return what userinfo tells; signed, it must say by whom and for whom (OIDC Core 5.3.2)."""
    if not is_signed:
        return dict(person_claims)
    return {**person_claims, "iss": issuer, "aud": client_id}


def logout_token_claims(
    *, issuer: str, client_id: str, sub: str, sid: str, jti: str, now: datetime
) -> dict[str, Any]:
    """Return the claims of a logout token (Back-Channel Logout 1.0 section 2.4).

    ``exp`` is recommended there and demanded by MAS; a ``nonce`` is prohibited.
    """
    issued = int(now.timestamp())
    return {
        "iss": issuer,
        "aud": client_id,
        "iat": issued,
        "exp": issued + int(_LOGOUT_LIFE.total_seconds()),
        "jti": jti,
        "sub": sub,
        "sid": sid,
        "events": {LOGOUT_EVENT: {}},
    }


def introspection_claims(
    facts: Mapping[str, Any], *, issuer: str, client_id: str, now: datetime
) -> dict[str, Any]:
    """Return the claims of a signed introspection answer (RFC 9701 section 5).

    All that is said of the token is one claim. Were its ``sub`` and ``exp`` the JWT's own, the
    answer could be taken for an access token (section 8.1).

    Args:
        client_id: Who asked. Nobody else may believe the answer.
    """
    return {
        "iss": issuer,
        "aud": client_id,
        "iat": int(now.timestamp()),
        "token_introspection": dict(facts),
    }


def left_half_hash(token: str, algorithm: str = "RS256") -> str:
    """Return the left half of the token's hash, base64url (``at_hash``, Core 3.1.3.6).

    The hash is the one inside the signature's algorithm: SHA-512 in Ed25519 (RFC 8032 5.1).
    """
    hash_name = "sha512" if algorithm == "EdDSA" else "sha256"
    digest = hashlib.new(hash_name, token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
