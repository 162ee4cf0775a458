"""Signing keys: make, use, retire; the JWKS.

A key is ``next`` (published, not used), then ``active`` (signs), then ``retired`` (published
while a token that it signed may still be alive). So whoever caches the JWKS knows a key before
it meets the first token signed with it. There is one of each for every algorithm that a client may
choose, so that none can register one that we cannot do.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey, import_key

from oidc_bridge.errors import BridgeError, ConfigError
from oidc_bridge.oidc.jose import Allowed, verify

Algorithm = Literal["RS256", "ES256", "EdDSA"]
# What every relying party accepts comes first: it signs for whoever chose nothing.
SIGNING_ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "ES256", "EdDSA")
_KEY_TYPE: Mapping[Algorithm, Literal["RSA", "EC", "OKP"]] = {
    "RS256": "RSA",
    "ES256": "EC",
    "EdDSA": "OKP",
}
OUR_ALGORITHMS = Allowed(*SIGNING_ALGORITHMS)
State = Literal["next", "active", "retired"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and where it stands in its life."""

    kid: str
    key: RSAKey | ECKey | OKPKey = field(repr=False)
    state: State
    created_at: datetime
    retired_at: datetime | None = None
    algorithm: Algorithm = "RS256"


def make_key(
    *, bits: int, state: State, now: datetime, algorithm: Algorithm = "RS256"
) -> SigningKey:
    """Return a fresh key; its ``kid`` is its thumbprint (RFC 7638), so never re-used.

    Args:
        bits: Of an RSA key; the others have the size that their algorithm says.
    """
    key: RSAKey | ECKey | OKPKey
    match algorithm:
        case "RS256":
            key = RSAKey.generate_key(bits, private=True)
        case "ES256":
            key = ECKey.generate_key("P-256", private=True)
        case "EdDSA":
            key = OKPKey.generate_key("Ed25519", private=True)
    return SigningKey(key.thumbprint(), key, state, now, algorithm=algorithm)


def to_pem(signing_key: SigningKey) -> bytes:
    """Return the private key as PEM, to be sealed before it is kept."""
    return signing_key.key.as_pem(private=True)


def from_pem(pem: bytes, algorithm: Algorithm = "RS256") -> RSAKey | ECKey | OKPKey:
    """Return the key that `to_pem` wrote."""
    return import_key(pem, _KEY_TYPE[algorithm])


def jwks(keys: Sequence[SigningKey]) -> dict[str, Any]:
    """Return the public halves (RFC 7517 section 5)."""
    return {
        "keys": [
            {
                **known.key.as_dict(private=False),
                "kid": known.kid,
                "use": "sig",
                "alg": known.algorithm,
            }
            for known in keys
        ]
    }


def active(keys: Sequence[SigningKey], algorithm: str = "RS256") -> SigningKey:
    """Return the key that signs with *algorithm*.

    Raises:
        ConfigError: ``keys_missing``, with the command to run.
    """
    for known in keys:
        if known.state == "active" and known.algorithm == algorithm:
            return known
    raise ConfigError("keys_missing", f"no active {algorithm} key: run `oidc-bridge init`")


def sign(claims: dict[str, Any], signing_key: SigningKey, *, typ: str) -> str:
    """Return *claims* as a signed JWT."""
    header = {"alg": signing_key.algorithm, "kid": signing_key.kid, "typ": typ}
    return jwt.encode(header, claims, signing_key.key, registry=OUR_ALGORITHMS)


def subject_of(id_token: str, keys: Sequence[SigningKey], *, issuer: str, audience: str) -> str:
    """Return the ``sub`` of an ID token that we once gave to *audience*, expired or not.

    Returns ``""``, which nobody's subject is, for anything else. As a hint (OIDC Core 3.1.2.1) it
    need not be fresh; it must be ours.
    """
    try:
        claims = verify(id_token, KeySet([known.key for known in keys]), allowed=OUR_ALGORITHMS)
    except BridgeError:
        return ""
    is_ours = claims.get("iss") == issuer and claims.get("aud") == audience
    return str(claims.get("sub", "")) if is_ours else ""


def as_bytes(document: Mapping[str, Any]) -> bytes:
    """Return a document as it is published: compact JSON, stable order."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
