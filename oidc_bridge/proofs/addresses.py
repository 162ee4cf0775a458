"""Public key to address: the same 20 bytes in Bitcoin's and in Stacks' spelling.

A single-key address is RIPEMD-160 over SHA-256 of the public key, plus a version that tells
network and kind. Bitcoin writes it in Base58Check (``1...``), Stacks in c32check (``SP...``);
Blockstack Auth names an identity by the first, name services of today answer with the second.

Spec: Bitcoin wiki "Base58Check encoding"; SIP-005 section "Account System"; Blockstack DIDs.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs import ripemd160
from oidc_bridge.proofs.digits import BASE58, C32, read_digits, write_digits

_LONGEST = 64  # characters; a real address has at most 41


class Kind(Enum):
    """Network and kind of an address: its version bytes in Base58Check and in c32check."""

    MAINNET_SINGLE = (0x00, 22)
    MAINNET_MULTI = (0x05, 20)
    TESTNET_SINGLE = (0x6F, 26)
    TESTNET_MULTI = (0xC4, 21)


_BY_BASE58_VERSION = {kind.value[0]: kind for kind in Kind}
_BY_C32_VERSION = {kind.value[1]: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Address:
    """An address without its spelling. Two are equal if their 20 bytes and their kind are."""

    hash160: bytes
    kind: Kind = Kind.MAINNET_SINGLE

    @property
    def btc(self) -> str:
        """Its Bitcoin form, e.g. ``19ivfBqUxdwzb5qVsJjdugEQMb936MAzoc``."""
        return base58check_encode(self.kind.value[0], self.hash160)

    @property
    def c32(self) -> str:
        """Its Stacks form, e.g. ``SP1FTXPHVS8K3TW3JR4VX5NXR927EJA510M5XC8AZ``."""
        return c32check_encode(self.kind.value[1], self.hash160)

    @property
    def did(self) -> str:
        """Its DID, ``did:btc-addr:`` and the Bitcoin form: what ``iss`` says in a token."""
        return f"did:btc-addr:{self.btc}"


def hash160(data: bytes) -> bytes:
    """Return RIPEMD-160 of SHA-256 of *data*, 20 bytes."""
    return ripemd160.digest(hashlib.sha256(data).digest())


def public_key_to_address(public_key: bytes) -> Address:
    """Return the single-key mainnet address of a secp256k1 key.

    Args:
        public_key: SEC1 point as the token writes it: the compressed (33 bytes) and the
            uncompressed form (65 bytes) of one key have different addresses.
    """
    return Address(hash160(public_key))


def parse_address(text: str) -> Address:
    """Return the address that *text* spells, in either alphabet.

    Raises:
        ProofError: ``address_malformed`` for anything else: bad checksum, unknown version, a
            contract (``SP....name``), lower case, look-alike letters.
    """
    if text.startswith("S"):
        version, payload = c32check_decode(text)
        kind = _BY_C32_VERSION.get(version)
    else:
        version, payload = base58check_decode(text)
        kind = _BY_BASE58_VERSION.get(version)
    if kind is None or len(payload) != 20:
        raise ProofError("address_malformed", f"version {version}, {len(payload)} bytes")
    return Address(payload, kind)


def base58check_encode(version: int, payload: bytes) -> str:
    """Return *payload* with its version byte and checksum in Base58Check."""
    data = bytes([version]) + payload
    return write_digits(data + _checksum(data), BASE58)


def base58check_decode(text: str) -> tuple[int, bytes]:
    """Return version and payload of a Base58Check text.

    Raises:
        ProofError: ``address_malformed``.
    """
    data = _read(text, BASE58)
    if len(data) < 5 or data[-4:] != _checksum(data[:-4]):
        raise ProofError("address_malformed", "Base58Check checksum does not match")
    return data[0], data[1:-4]


def c32check_encode(version: int, payload: bytes) -> str:
    """Return *payload* in c32check: ``S``, the version as one character, payload and checksum."""
    checksum = _checksum(bytes([version]) + payload)
    return "S" + C32[version] + write_digits(payload + checksum, C32)


def c32check_decode(text: str) -> tuple[int, bytes]:
    """Return version and payload of a c32check text.

    Crockford's base 32 lets people write ``O`` for ``0``, ``I`` for ``1`` and lower case. No
    machine does, so neither is read here: an address has one spelling.

    Raises:
        ProofError: ``address_malformed``.
    """
    if len(text) < 3 or text[0] != "S" or text[1] not in C32:
        raise ProofError("address_malformed", "c32check begins with S and a version character")
    version = C32.index(text[1])
    data = _read(text[2:], C32)
    if len(data) < 4 or data[-4:] != _checksum(bytes([version]) + data[:-4]):
        raise ProofError("address_malformed", "c32check checksum does not match")
    return version, data[:-4]


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]


def _read(text: str, alphabet: str) -> bytes:
    try:
        return read_digits(text, alphabet, longest=_LONGEST)
    except ValueError as error:
        raise ProofError("address_malformed", str(error)) from error
