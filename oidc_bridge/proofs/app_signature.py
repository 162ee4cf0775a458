"""A signature that an app makes with its own key, in the way of ``blockstack`` 19's storage.

Source: npm ``blockstack`` 19, ``storage.putFile`` with ``sign``: ECDSA over the file's SHA-256.
"""

import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.jsontokens import CURVE_ORDER, parse_public_key

# The longest signature there is has 72 bytes.
_SIGNATURE = re.compile(r"(?:[0-9a-f]{2}){8,72}")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature over the challenge, as ``mxid.json.sig`` writes it: all in lower-case hex.

    Attributes:
        public_key: Compressed.
        signature: DER, with a low or a high S.
    """

    public_key: str
    signature: str


def read_signature(public_key: object, signature: object) -> Signature:
    """Return a signature whose parts have the form of one.

    Raises:
        ProofError: ``signature_invalid``.
    """
    try:
        parse_public_key(public_key)
    except ProofError as error:
        raise ProofError("signature_invalid", error.detail) from error
    if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
        raise ProofError("signature_invalid", "signature is not short lower-case hex")
    return Signature(str(public_key), signature)


def check_signature(text: str, signed: Signature) -> None:
    """Check that the key of *signed* made it over *text*.

    Raises:
        ProofError: ``signature_invalid``.
    """
    key = parse_public_key(signed.public_key)
    try:
        r, s = decode_dss_signature(bytes.fromhex(signed.signature))
    except ValueError as error:
        raise ProofError("signature_invalid", "not DER") from error
    # CVE-2022-21449: a verifier that takes zeros takes every message.
    if not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER):
        raise ProofError("signature_invalid", "R or S is out of range")
    # The JavaScript library does not lower S, and libsecp256k1 takes a low one only.
    der = encode_dss_signature(r, min(s, CURVE_ORDER - s))
    if not key.verify(der, text.encode()):
        raise ProofError("signature_invalid", "not made by this key over the challenge")
