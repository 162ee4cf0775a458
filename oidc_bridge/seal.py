"""Secrets at rest: wrapped with the operator's key, or kept as a hash if only ever compared."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from oidc_bridge.errors import ConfigError

_NONCE_BYTES = 12


def new_secret() -> str:
    """Return 256 random bits as 43 characters of ``A-Za-z0-9_-``."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Return what is kept of a random secret that is only ever compared: its SHA-256, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Seal:
    """Wraps small secrets with AES-256-GCM and makes keyed digests.

    Args:
        key: 32 random bytes, from the operator's key file. Losing it loses the signing keys.
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != 32:
            raise ConfigError("key_malformed", f"expected 32 bytes, got {len(self.key)}")

    def close(self, secret: bytes, *, purpose: str) -> bytes:
        """Return *secret* encrypted; it opens only for the same *purpose*."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, secret, purpose.encode())

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Return what was closed.

        Raises:
            ConfigError: ``seal_broken`` if it was closed with another key or for another purpose.
        """
        nonce, box = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self.key).decrypt(nonce, box, purpose.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: cut off within the nonce
            raise ConfigError("seal_broken", f"{purpose}: was the key file changed?") from error

    def digest(self, text: str, *, purpose: str) -> str:
        """Return a keyed SHA-256 (hex) of *text*, different for each *purpose*."""
        return hmac.new(self.key, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()
