"""Blockstack's ECIES: how a wallet hands an app private key to the holder of a transit key.

Only the holder of the transit private key can read it, and each sign-in has its own. That is the
one thing that ties an ``authResponse`` to the request that we made.

Anyone can encrypt to a public key: as a proof it counts only inside a payload that the identity
key has signed.

Spec: npm ``blockstack`` and ``@stacks/encryption``, ``encryptECIES``. The field is lower-case hex
of the JSON text ``{"iv", "ephemeralPK", "cipherText", "mac", "wasString": true}``, values in hex;
keys from SHA-512 of the ECDH point's X; HMAC-SHA-256 over iv, ephemeralPK and cipherText, then
AES-256-CBC with PKCS#7.
"""

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass

from coincurve import PrivateKey, PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.jsontokens import parse_object

_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_SHAPE = {
    "iv": re.compile(r"[0-9a-f]{32}"),
    "ephemeralPK": re.compile(r"0[23][0-9a-f]{64}"),
    "cipherText": re.compile(r"(?:[0-9a-f]{32})+"),
    "mac": re.compile(r"[0-9a-f]{64}"),
}


@dataclass(frozen=True, slots=True)
class _Sealed:
    iv: bytes
    ephemeral_key: bytes
    cipher_text: bytes
    mac: bytes


def decrypt(field: str, private_key: bytes) -> bytes:
    """Return the text, as bytes, that *field* hides from all but the holder of *private_key*.

    Raises:
        ProofError: ``binding`` if it was made for another key, was changed, or has another shape
            than wallets make. The libraries' options (base64, binary content, uncompressed keys,
            signed envelopes) are refused: no wallet uses them here.
    """
    sealed = _parse(field)
    try:
        point = PublicKey(sealed.ephemeral_key)
    except ValueError as error:
        raise ProofError("binding", "ephemeralPK is no point on the curve") from error
    encryption_key, mac_key = _derive_keys(point, private_key)
    # Before decrypting: a padding error that depends on foreign bytes would be an oracle.
    if not hmac.compare_digest(_mac(mac_key, sealed), sealed.mac):
        raise ProofError("binding", "made for another transit key, or changed")
    decryptor = Cipher(AES(encryption_key), CBC(sealed.iv)).decryptor()
    padded = decryptor.update(sealed.cipher_text) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise ProofError("binding", "padding is not PKCS#7") from error


def encrypt(text: bytes, public_key: bytes) -> str:
    """Return *text* in the form that `decrypt` reads, for the holder of *public_key*'s secret."""
    ephemeral = PrivateKey()
    encryption_key, mac_key = _derive_keys(PublicKey(public_key), ephemeral.secret)
    iv = secrets.token_bytes(16)
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES(encryption_key), CBC(iv)).encryptor()
    cipher_text = encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
    unsigned = _Sealed(iv, ephemeral.public_key.format(), cipher_text, b"")
    written = {
        "iv": iv.hex(),
        "ephemeralPK": unsigned.ephemeral_key.hex(),
        "cipherText": cipher_text.hex(),
        "mac": _mac(mac_key, unsigned).hex(),
        "wasString": True,
    }
    return json.dumps(written, separators=(",", ":")).encode("ascii").hex()


def _parse(field: str) -> _Sealed:
    if not _HEX.fullmatch(field):
        raise ProofError("binding", "not lower-case hex")
    try:
        members = parse_object(bytes.fromhex(field))
    except ProofError as error:
        raise ProofError("binding", f"hex of something else: {error.detail}") from error
    if members.keys() != {*_SHAPE, "wasString"} or members["wasString"] is not True:
        raise ProofError("binding", "members are not those that wallets write")
    values = []
    for name, shape in _SHAPE.items():
        value = members[name]
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise ProofError("binding", f"{name} is not in its form")
        values.append(bytes.fromhex(value))
    return _Sealed(*values)


def _derive_keys(point: PublicKey, scalar: bytes) -> tuple[bytes, bytes]:
    # The bare X coordinate: coincurve's own ecdh() would hash the point.
    shared = hashlib.sha512(point.multiply(scalar).format()[1:]).digest()
    return shared[:32], shared[32:]


def _mac(key: bytes, sealed: _Sealed) -> bytes:
    covered = sealed.iv + sealed.ephemeral_key + sealed.cipher_text
    return hmac.digest(key, covered, "sha256")
