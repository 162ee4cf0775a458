"""Clarity values, the few that we write: what a structured message is made of.

Nothing is read here: a message is always made by us, and compared by its hash.

Spec: SIP-005, "Clarity value representation"; numbers are big-endian.
"""

from collections.abc import Mapping

from oidc_bridge.proofs.addresses import Address

_UINT, _PRINCIPAL, _TUPLE, _ASCII, _UTF8 = b"\x01", b"\x05", b"\x0c", b"\x0d", b"\x0e"


def uint(number: int) -> bytes:
    """Return an unsigned integer of 128 bits.

    Raises:
        OverflowError: if *number* is negative or longer.
    """
    return _UINT + number.to_bytes(16, "big")


def principal(address: Address) -> bytes:
    """Return a standard principal: an address without a contract."""
    return _PRINCIPAL + bytes([address.kind.value[1]]) + address.hash160


def string_ascii(text: str) -> bytes:
    """Return a ``string-ascii``.

    Raises:
        UnicodeEncodeError: if *text* is more than ASCII.
    """
    return _ASCII + _sized(text.encode("ascii"))


def string_utf8(text: str) -> bytes:
    """Return a ``string-utf8``; its length counts bytes."""
    return _UTF8 + _sized(text.encode("utf-8"))


def tuple_of(members: Mapping[str, bytes]) -> bytes:
    """Return a tuple of serialised *members*, sorted by their names as Clarity demands."""
    written = [
        len(name).to_bytes(1, "big") + name.encode("ascii") + value
        for name, value in sorted(members.items())
    ]
    return _TUPLE + len(written).to_bytes(4, "big") + b"".join(written)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
