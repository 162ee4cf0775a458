"""Signing keys: make, use, retire; the JWKS.

A key is ``next`` (published, not used), then ``active`` (signs), then ``retired`` (published
while a token that it signed may still be alive). So whoever caches the JWKS knows a key before
it meets the first token signed with it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from oidc_bridge.errors import ConfigError

ALGORITHM = "RS256"
State = Literal["next", "active", "retired"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and where it stands in its life."""

    kid: str
    key: RSAKey = field(repr=False)
    state: State
    created_at: datetime
    retired_at: datetime | None = None


def make_key(*, bits: int, state: State, now: datetime) -> SigningKey:
    """Return a fresh RSA key; its ``kid`` is its thumbprint (RFC 7638), so never re-used."""
    key = RSAKey.generate_key(bits, private=True)
    return SigningKey(key.thumbprint(), key, state, now)


def to_pem(signing_key: SigningKey) -> bytes:
    """Return the private key as PEM, to be sealed before it is kept."""
    return signing_key.key.as_pem(private=True)


def from_pem(pem: bytes) -> RSAKey:
    """Return the key that `to_pem` wrote."""
    return RSAKey.import_key(pem)


def jwks(keys: Sequence[SigningKey]) -> dict[str, Any]:
    """Return the public halves (RFC 7517 section 5)."""
    return {
        "keys": [
            {
                **known.key.as_dict(private=False),
                "kid": known.kid,
                "use": "sig",
                "alg": ALGORITHM,
            }
            for known in keys
        ]
    }


def active(keys: Sequence[SigningKey]) -> SigningKey:
    """Return the key that signs.

    Raises:
        ConfigError: ``keys_missing``, with the command to run.
    """
    for known in keys:
        if known.state == "active":
            return known
    raise ConfigError("keys_missing", "no active signing key: run `oidc-bridge init`")


def sign(claims: dict[str, Any], signing_key: SigningKey, *, typ: str) -> str:
    """Return *claims* as a signed JWT."""
    header = {"alg": ALGORITHM, "kid": signing_key.kid, "typ": typ}
    return jwt.encode(header, claims, signing_key.key)


def subject_of(id_token: str, keys: Sequence[SigningKey], *, issuer: str, audience: str) -> str:
    """Return the ``sub`` of an ID token that we once gave to *audience*, expired or not.

    Returns ``""``, which nobody's subject is, for anything else. As a hint (OIDC Core 3.1.2.1) it
    need not be fresh; it must be ours.
    """
    try:
        claims = jwt.decode(
            id_token, KeySet([known.key for known in keys]), algorithms=[ALGORITHM]
        ).claims
    except (JoseError, ValueError):
        return ""
    is_ours = claims.get("iss") == issuer and claims.get("aud") == audience
    return str(claims.get("sub", "")) if is_ours else ""


def as_bytes(document: Mapping[str, Any]) -> bytes:
    """Return a document as it is published: compact JSON, stable order."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
