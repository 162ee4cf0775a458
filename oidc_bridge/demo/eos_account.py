"""The demo's account of EOS, and how its wallet signs."""

import hmac
import itertools
from dataclasses import dataclass, field

from coincurve import PrivateKey

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.antelope_keys import parse_signature, write_base58
from oidc_bridge.proofs.jsontokens import CURVE_ORDER

NAME = "dianaexample"

_COMPRESSED = 27 + 4


@dataclass(frozen=True, slots=True)
class EosAccount:
    """An account with one key."""

    name: str
    key: bytes = field(repr=False)

    @property
    def public_key(self) -> str:
        """As nodes spell it."""
        return f"EOS{write_base58(PrivateKey(self.key).public_key.format(), '')}"

    def sign(self, digest: bytes) -> str:
        """Return a signature by secp256k1 that the chain would take.

        Three of four are not in its canonical form, and libraries of Bitcoin's world always make
        the same one. So it is made here, from the first nonce that fits.
        """
        nonces = (
            hmac.digest(self.key, digest + counter.to_bytes(4, "big"), "sha256")
            for counter in itertools.count()
        )
        made = (self._sign_with(digest, nonce) for nonce in nonces)
        return next(text for text in made if _is_canonical(text))

    def _sign_with(self, digest: bytes, nonce: bytes) -> str:
        """SEC 1 section 4.1.3, with the lower S; the header tells which key is to be recovered."""
        x, y = PrivateKey(nonce).public_key.point()
        r, z = x % CURVE_ORDER, int.from_bytes(digest, "big")
        d, k = (int.from_bytes(secret, "big") for secret in (self.key, nonce))
        s = pow(k, -1, CURVE_ORDER) * (z + r * d) % CURVE_ORDER
        is_high = s > CURVE_ORDER // 2
        low = CURVE_ORDER - s if is_high else s
        header = bytes([_COMPRESSED + ((y & 1) ^ is_high)])
        data = header + r.to_bytes(32, "big") + low.to_bytes(32, "big")
        return f"SIG_K1_{write_base58(data, 'K1')}"


def _is_canonical(signature: str) -> bool:
    try:
        parse_signature(signature)
    except ProofError:
        return False
    return True


def make_account(seed: bytes) -> EosAccount:
    """Return the account whose key comes from the demo's *seed*."""
    return EosAccount(NAME, hmac.digest(seed, b"EOS", "sha256"))
