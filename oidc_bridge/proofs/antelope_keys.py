"""Keys and signatures of Antelope chains: EOS, which calls itself Vaulta, and its kin.

A key is a point on a curve, in one of several spellings with different checksums, so keys are
compared by their bytes. A signature says on which curve it was made, and the key is recovered from
it: ``K1`` is secp256k1, as wallets have it, ``R1`` is P-256, as phones have it.

Spec: the chain's own source (``fc/crypto``); docs/eos.md.
"""

from dataclasses import dataclass
from typing import Literal

from coincurve import PublicKey as Secp256k1Key
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs import ripemd160
from oidc_bridge.proofs.digits import BASE58, read_digits, write_digits
from oidc_bridge.proofs.jsontokens import CURVE_ORDER

Curve = Literal["K1", "R1"]

# Characters: a signature has at most 95, a key 51.
_LONGEST = 100
_LEGACY = "EOS"
_COMPRESSED = 27 + 4

# P-256: SEC 2 section 2.4.2.
_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_Point = tuple[int, int] | None  # None is the point at infinity


@dataclass(frozen=True, slots=True)
class Key:
    """A public key without its spelling: the curve and the compressed point, 33 bytes."""

    curve: Curve
    point: bytes

    def __str__(self) -> str:
        return f"PUB_{self.curve}_{write_base58(self.point, self.curve)}"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature in a form that the chain itself would take.

    Attributes:
        recovery_id: Which of up to four keys made it, 0 to 3.
    """

    curve: Curve
    recovery_id: int
    r: bytes
    s: bytes


def parse_key(text: str) -> Key:
    """Return the key that *text* spells, in the old form or in the new.

    Raises:
        ProofError: ``malformed_key``, also for kinds of keys that sign nobody in here.
    """
    spelt: tuple[tuple[str, Curve, str], ...] = (
        (_LEGACY, "K1", ""),
        ("PUB_K1_", "K1", "K1"),
        ("PUB_R1_", "R1", "R1"),
    )
    for prefix, curve, salt in spelt:
        if text.startswith(prefix):
            point = _read(text.removeprefix(prefix), salt, code="malformed_key")
            if len(point) != 33 or point[0] not in (2, 3):
                raise ProofError("malformed_key", "no compressed point")
            return Key(curve, point)
    raise ProofError("malformed_key", f"{text[:8]!a} begins no key that we know")


def parse_signature(text: str) -> Signature:
    """Return the signature that *text* spells.

    Raises:
        ProofError: ``unsupported_signature_type`` for WebAuthn, ``malformed_signature``,
            ``non_canonical_signature``.
    """
    if text.startswith("SIG_WA_"):
        raise ProofError("unsupported_signature_type", "WebAuthn")
    kinds: tuple[tuple[str, Curve], ...] = (("SIG_K1_", "K1"), ("SIG_R1_", "R1"))
    for prefix, curve in kinds:
        if text.startswith(prefix):
            data = _read(text.removeprefix(prefix), curve, code="malformed_signature")
            return _check_signature(curve, data)
    raise ProofError("malformed_signature", "begins with neither SIG_K1_ nor SIG_R1_")


def recover(signature: Signature, digest: bytes) -> Key:
    """Return the key that made *signature* over *digest*.

    That alone proves nothing: over any other text it recovers to some other key. The caller holds
    it against the keys of the account that the text names.

    Raises:
        ProofError: ``malformed_signature`` if there is no such key.
    """
    if signature.curve == "K1":
        return Key("K1", _recover_k1(signature, digest))
    return Key("R1", _recover_r1(signature, digest))


def _check_signature(curve: Curve, data: bytes) -> Signature:
    if len(data) != 65:
        raise ProofError("malformed_signature", f"{len(data)} bytes, expected 65")
    recovery_id = data[0] - _COMPRESSED
    if recovery_id not in range(4):
        raise ProofError("malformed_signature", f"header {data[0]}")
    signature = Signature(curve, recovery_id, data[1:33], data[33:])
    order = CURVE_ORDER if curve == "K1" else P256_ORDER
    # CVE-2022-21449: a verifier that takes zeros takes every message.
    if not all(0 < int.from_bytes(part, "big") < order for part in (signature.r, signature.s)):
        raise ProofError("malformed_signature", "r or s is out of range")
    if not _is_canonical(signature):
        raise ProofError("non_canonical_signature", "the chain itself would refuse it")
    return signature


def _is_canonical(signature: Signature) -> bool:
    """Return whether the chain would take it: else anybody could make a second one of the first."""
    if signature.curve == "R1":
        return int.from_bytes(signature.s, "big") <= P256_ORDER // 2
    return all(
        part[0] < 0x80 and (part[0] != 0 or part[1] >= 0x80) for part in (signature.r, signature.s)
    )


def _recover_k1(signature: Signature, digest: bytes) -> bytes:
    data = signature.r + signature.s + bytes([signature.recovery_id])
    try:
        return Secp256k1Key.from_signature_and_message(data, digest, hasher=None).format()
    except ValueError as error:
        raise ProofError("malformed_signature", "recovers to no key") from error


def _recover_r1(signature: Signature, digest: bytes) -> bytes:
    """Return r⁻¹(sR - eG): SEC 1 section 4.1.6. All of it is public, so time may tell of it."""
    r, s = int.from_bytes(signature.r, "big"), int.from_bytes(signature.s, "big")
    x = r + (P256_ORDER if signature.recovery_id & 2 else 0)
    try:
        sign = 2 + (signature.recovery_id & 1)
        point = _decompress(bytes([sign]) + x.to_bytes(32, "big"))
        inverse = pow(r, -1, P256_ORDER)
        e = int.from_bytes(digest, "big")
        found = _add(
            _multiply(s * inverse % P256_ORDER, point), _multiply(-e * inverse % P256_ORDER, _G)
        )
        if found is None:
            raise ValueError("the point at infinity")
        data = bytes([2 + (found[1] & 1)]) + found[0].to_bytes(32, "big")
        # A second opinion, by the library that everybody trusts.
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), data)
        key.verify(encode_dss_signature(r, s), digest, ECDSA(Prehashed(hashes.SHA256())))
    except (ValueError, OverflowError, InvalidSignature) as error:
        raise ProofError("malformed_signature", "recovers to no key") from error
    return data


def _decompress(data: bytes) -> tuple[int, int]:
    numbers = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), data).public_numbers()
    return numbers.x, numbers.y


def _add(first: _Point, second: _Point) -> _Point:
    if first is None or second is None:
        return first or second
    (x1, y1), (x2, y2) = first, second
    if x1 == x2:
        if (y1 + y2) % _P == 0:
            return None
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, _P) % _P
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, _P) % _P
    x = (slope * slope - x1 - x2) % _P
    return x, (slope * (x1 - x) - y1) % _P


def _multiply(factor: int, point: _Point) -> _Point:
    total: _Point = None
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    return total


def _checksum(data: bytes, salt: str) -> bytes:
    return ripemd160.digest(data + salt.encode())[:4]


def write_base58(data: bytes, salt: str) -> str:
    """Return *data* in Base58 with a checksum of the chain's own, as keys and signatures have."""
    return write_digits(data + _checksum(data, salt), BASE58)


def _read(text: str, salt: str, *, code: str) -> bytes:
    """Undo `write_base58`."""
    try:
        data = read_digits(text, BASE58, longest=_LONGEST)
    except ValueError as error:
        raise ProofError(code, str(error)) from error
    if data[-4:] != _checksum(data[:-4], salt):
        raise ProofError(code, "the checksum does not match")
    return data[:-4]
