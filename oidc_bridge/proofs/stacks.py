"""A signed message: we make a text that names our host, a wallet's STX key signs it.

It is what every Stacks wallet of today can do, a Ledger too, and its person reads in the wallet
whom they sign in to. The text is made from the challenge alone and is made anew to be verified:
no text that came from outside is ever read.

    us      "bridge.example wants you to sign in with your Stacks account: ... Nonce: ..."
    wallet  {signature: R, S and V in hex, publicKey: compressed, in hex}

Spec: the layout of EIP-4361 with "Stacks account"; the prefix of ``@stacks/encryption``,
``hashMessage``; SIP-018 for the structured encoding.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from coincurve import PublicKey

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Challenge, Identity, Invitation, StructuredMessage
from oidc_bridge.proofs import clarity
from oidc_bridge.proofs.addresses import Address, Kind, parse_address, public_key_to_address
from oidc_bridge.proofs.jsontokens import CURVE_ORDER, parse_public_key

Network = Literal["mainnet", "testnet"]

_CHAINS: dict[Network, tuple[int, Kind]] = {
    "mainnet": (1, Kind.MAINNET_SINGLE),
    "testnet": (0x80000000, Kind.TESTNET_SINGLE),
}
_PREFIX = b"\x17Stacks Signed Message:\n"
_STRUCTURED_PREFIX = b"SIP018"
# Any key or signature in any form is shorter; what is longer is not looked at.
_HEX = re.compile(r"(?:[0-9a-f]{2}){1,128}")


@dataclass(frozen=True, slots=True)
class Stacks:
    """Proves the STX key of a wallet by a message that names our host.

    Attributes:
        origin: Our web origin without a trailing slash.
        network: Which chain the text names, and how it spells an address. The identity is the
            mainnet address whatever the network: a key is one person on both.
    """

    origin: str
    network: Network = "mainnet"

    @property
    def method(self) -> str:
        """Name of this proof."""
        return "stacks"

    @property
    def host(self) -> str:
        """Who asks: host and, if it is not the usual one, port."""
        return urlsplit(self.origin).netloc

    def invite(self, challenge: Challenge) -> Invitation:
        """Return the text to be signed, in both encodings; the same for the same challenge.

        Raises:
            ValueError: if the statement is not one line of printable characters. It is our own
                text: a line end in it could write a second ``URI:``, a bidirectional override show
                another one, and to clean it here would have the person sign what nobody wrote.
        """
        return Invitation(self._text(challenge), self._structured(challenge))

    def verify(self, challenge: Challenge, answer: Mapping[str, str], *, now: datetime) -> Identity:
        """Return the identity whose key signed our text.

        Args:
            answer: ``signature``, ``publicKey``, and ``encoding`` (``text`` unless it says
                ``structured``).

        Raises:
            ProofError: ``request_expired``; ``malformed``; ``signature_form``; ``public_keys``;
                ``signature``; ``wrong_account``.
        """
        if now >= challenge.expires_at:
            raise ProofError("request_expired", f"at {challenge.expires_at:%FT%TZ}")
        encoding = answer.get("encoding", "text")
        if encoding not in ("text", "structured"):
            raise ProofError("malformed", "encoding is neither text nor structured")
        signature, shown = _hex_member(answer, "signature"), _hex_member(answer, "publicKey")
        check_form(signature)
        public_key = parse_public_key(shown.hex())
        if encoding == "text":
            digest = hash_message(self._text(challenge))
        else:
            digest = hash_structured(self._structured(challenge))
        check_signature(signature, digest, public_key)
        address = public_key_to_address(public_key.format())
        if challenge.address is not None and address != parse_address(challenge.address):
            raise ProofError("wrong_account", f"{address.c32}, not {challenge.address}")
        return Identity(self.method, address.c32, now, names_host=True)

    def _text(self, challenge: Challenge) -> str:
        chain_id, _ = _CHAINS[self.network]
        address = self._address(challenge)
        return "\n".join(
            [
                f"{self.host} wants you to sign in with your Stacks account:",
                *([address.c32] if address else []),
                "",
                _one_line(challenge.statement),
                "",
                f"URI: {self.origin}/sign-in",
                "Version: 1",
                f"Chain ID: {chain_id}",
                f"Nonce: {_nonce(challenge)}",
                f"Issued At: {challenge.issued_at:%FT%TZ}",
                f"Expiration Time: {challenge.expires_at:%FT%TZ}",
            ]
        )

    def _structured(self, challenge: Challenge) -> StructuredMessage:
        chain_id, _ = _CHAINS[self.network]
        address = self._address(challenge)
        domain = {
            "name": clarity.string_ascii(self.host),
            "version": clarity.string_ascii("1.0.0"),
            "chain-id": clarity.uint(chain_id),
        }
        message = {
            "action": clarity.string_ascii("sign-in"),
            "statement": clarity.string_utf8(_one_line(challenge.statement)),
            "uri": clarity.string_ascii(f"{self.origin}/sign-in"),
            "nonce": clarity.string_ascii(_nonce(challenge)),
            "issued-at": clarity.uint(int(challenge.issued_at.timestamp())),
            "expires-at": clarity.uint(int(challenge.expires_at.timestamp())),
        }
        if address is not None:
            message["address"] = clarity.principal(address)
        return StructuredMessage(clarity.tuple_of(domain).hex(), clarity.tuple_of(message).hex())

    def _address(self, challenge: Challenge) -> Address | None:
        """Return whom the challenge names, as the network spells it."""
        if challenge.address is None:
            return None
        return Address(parse_address(challenge.address).hash160, _CHAINS[self.network][1])


def hash_message(text: str) -> bytes:
    """Return what wallets sign for *text*: SHA-256 of prefix, length and UTF-8."""
    data = text.encode("utf-8")
    return hashlib.sha256(_PREFIX + _varint(len(data)) + data).digest()


def hash_structured(structured: StructuredMessage) -> bytes:
    """Return what wallets sign for a structured message (SIP-018)."""
    parts = (
        hashlib.sha256(bytes.fromhex(part)).digest()
        for part in (structured.domain, structured.message)
    )
    return hashlib.sha256(_STRUCTURED_PREFIX + b"".join(parts)).digest()


def check_form(signature: bytes) -> None:
    """Check that *signature* is what wallets write: R, S and V, 65 bytes, with a low S.

    Raises:
        ProofError: ``signature_form``.
    """
    if len(signature) != 65:
        raise ProofError("signature_form", f"{len(signature)} bytes, expected 65")
    # Old apps wrote V in front; Ethereum counts it from 27.
    if signature[64] > 3:
        raise ProofError("signature_form", "V is not 0 to 3")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    # CVE-2022-21449: a verifier that takes zeros takes every message.
    if not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER):
        raise ProofError("signature_form", "R or S is out of range")
    # Anybody can make the twin with n - S. Tokens come with either; a message's S is always low.
    if s > CURVE_ORDER // 2:
        raise ProofError("signature_form", "S is high")


def check_signature(signature: bytes, digest: bytes, public_key: PublicKey) -> None:
    """Check that *public_key* made *signature* over *digest*.

    Args:
        signature: In the form that `check_form` demands.

    Raises:
        ProofError: ``signature``.
    """
    # Security: recovery alone proves nothing. A signature over any text recovers to *some* key, so
    # a text for another host, an old nonce or a flipped V would sign in a stranger whom nobody is,
    # with an account of their own. Only the key that the wallet shows makes it a check.
    try:
        recovered = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except ValueError as error:
        raise ProofError("signature", "recovers to no key") from error
    if recovered.format() != public_key.format():
        raise ProofError("signature", "not made by the shown key over our text")


def _hex_member(answer: Mapping[str, str], name: str) -> bytes:
    value = answer.get(name)
    # The answer was JSON once, so its members may be of any type.
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise ProofError("malformed", f"{name} is not short lower-case hex")
    return bytes.fromhex(value)


def _nonce(challenge: Challenge) -> str:
    """Return 128 bits in hex, of which nobody learns anything about the secret.

    Another proof uses the secret as a private key, and the nonce is read by the world.
    """
    return hmac.digest(challenge.secret, b"oidc-bridge stacks nonce", "sha256")[:16].hex()


def _one_line(statement: str) -> str:
    # Not printable: controls, U+2028 and U+2029, bidirectional and invisible marks, surrogates.
    if not statement or not statement.isprintable():
        raise ValueError(f"a statement is one printable line: {statement!a}")
    return statement


def _varint(number: int) -> bytes:
    """Return Bitcoin's variable length integer."""
    if number < 0xFD:
        return number.to_bytes(1, "little")
    if number <= 0xFFFF:
        return b"\xfd" + number.to_bytes(2, "little")
    return b"\xfe" + number.to_bytes(4, "little")
