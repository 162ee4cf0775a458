"""Blockstack's JSON tokens: compact JWTs signed with ES256K, read strictly.

The JavaScript libraries never look at ``alg``, ignore a fourth segment and take the last of two
equal keys. We take exactly what real wallets write: header ``{"typ":"JWT","alg":"ES256K"}``,
canonical base64url, one JSON object, a signature of 64 bytes R and S. About half of all real
signatures have S in the upper half of the range, which libsecp256k1 calls invalid, so S is
normalised first. Signature bytes are therefore no identity of a token: never use them against
replay.

Spec: RFC 7515 section 3.1; RFC 8812 section 3.2; npm ``jsontokens`` 0.7 to 4.0.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from coincurve import PrivateKey, PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from oidc_bridge.errors import ProofError

MAX_TOKEN_LENGTH = 65536

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

_HEADER = {"typ": "JWT", "alg": "ES256K"}
_PUBLIC_KEY = re.compile(r"0[23][0-9a-f]{64}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_BRACKETS = re.compile(rb"[][{}]")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class JsonToken:
    """A token that is well formed. Nothing in it is proved before `verify`.

    Attributes:
        payload: The claims, as JSON values.
        signed: The bytes that the signature is over: header and payload segment with their dot.
        signature: As it came; `verify` wants R and S, 32 bytes each.
    """

    payload: Mapping[str, object]
    signed: bytes
    signature: bytes


def parse(text: str) -> JsonToken:
    """Return the token that *text* writes.

    Raises:
        ProofError: ``too_large`` above 64 KiB; ``malformed``; ``header_alg`` unless the header
            says what every wallet's says, member for member. That refuses ``none`` and ``HS256``,
            ``crit`` (RFC 7515 section 4.1.11) and every header that brings or names its own key
            (``jwk``, ``jku``, ``x5u``, ``x5c``, ``kid``).
    """
    if len(text) > MAX_TOKEN_LENGTH:
        raise ProofError("too_large", f"{len(text)} characters, at most {MAX_TOKEN_LENGTH}")
    segments = text.split(".")
    if len(segments) != 3:
        raise ProofError("malformed", f"{len(segments)} segments, expected 3")
    header, payload, signature = (_decode_segment(segment) for segment in segments)
    claims = parse_object(payload)
    found = parse_object(header)
    if found != _HEADER:
        alg = found.get("alg")
        shown = f"{alg[:20]!a}" if isinstance(alg, str) else type(alg).__name__
        raise ProofError("header_alg", f"alg {shown} in {len(found)} members, expected {_HEADER}")
    return JsonToken(claims, f"{segments[0]}.{segments[1]}".encode("ascii"), signature)


def verify(token: JsonToken, public_key: PublicKey) -> None:
    """Check the signature over *token*.

    Raises:
        ProofError: ``signature``.
    """
    if len(token.signature) != 64:
        raise ProofError("signature", f"{len(token.signature)} bytes, expected 64")
    r = int.from_bytes(token.signature[:32], "big")
    s = int.from_bytes(token.signature[32:], "big")
    # CVE-2022-21449: a verifier that takes zeros takes every message.
    if not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER):
        raise ProofError("signature", "R or S is out of range")
    der = encode_dss_signature(r, min(s, CURVE_ORDER - s))
    if not public_key.verify(der, token.signed):
        raise ProofError("signature", "not made by this key over these bytes")


def recover(token: JsonToken) -> tuple[PublicKey, ...]:
    """Return every key that can have made the signature over *token*: two as a rule.

    Each verifies by itself, whatever was signed, so it proves nothing until it is compared with a
    key or an address that was known before.

    Raises:
        ProofError: ``signature`` if no key can have made it.
    """
    keys = []
    for number in range(4):
        try:
            keys.append(
                PublicKey.from_signature_and_message(
                    token.signature + bytes([number]), token.signed
                )
            )
        except ValueError:  # of the wrong length, out of range, or no point for this number
            continue
    for key in keys:
        verify(token, key)
    if not keys:
        raise ProofError("signature", "no key can have made it")
    return tuple(keys)


def sign(payload: Mapping[str, object], private_key: bytes) -> str:
    """Return *payload* as a token signed with *private_key* (32 bytes).

    The nonce is RFC 6979's, so equal payloads make equal tokens. S is low.
    """
    signed = f"{_encode_segment(_write_json(_HEADER))}.{_encode_segment(_write_json(payload))}"
    # libsecp256k1's recoverable form is R, S and one byte more; its other form is DER.
    signature = PrivateKey(private_key).sign_recoverable(signed.encode("ascii"))[:64]
    return f"{signed}.{_encode_segment(signature)}"


def parse_public_key(value: object) -> PublicKey:
    """Return the key that a token's member writes: compressed, lower-case hex, on the curve.

    Raises:
        ProofError: ``public_keys``.
    """
    if not isinstance(value, str) or not _PUBLIC_KEY.fullmatch(value):
        raise ProofError("public_keys", "expected 66 lower-case hex digits, 02... or 03...")
    try:
        return PublicKey(bytes.fromhex(value))
    except ValueError as error:
        raise ProofError("public_keys", "no point on the curve") from error


def parse_object(data: bytes) -> dict[str, object]:
    """Return the JSON object that *data* writes; see `parse_json`."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise ProofError("malformed", f"JSON {type(value).__name__}, expected an object")
    return value


def parse_json(data: bytes) -> object:
    """Return the JSON value that *data* writes in UTF-8.

    Raises:
        ProofError: ``malformed`` also for equal keys in one object, ``NaN`` and ``Infinity``,
            integers beyond Python's limit of 4300 digits, and nesting deeper than 64.
    """
    _check_depth(data)
    try:
        value: object = _DECODER.decode(data.decode("utf-8"))
    # JSONDecodeError and UnicodeDecodeError are ValueErrors, and so is int()'s refusal.
    except (ValueError, RecursionError) as error:
        raise ProofError("malformed", f"not JSON: {type(error).__name__}") from error
    return value


def _check_depth(data: bytes) -> None:
    """Refuse what is nested deeper than any wallet nests; each Python's own limit is another."""
    if data.count(b"{") + data.count(b"[") <= _MAX_DEPTH:
        return
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRING.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > _MAX_DEPTH:
        raise ProofError("malformed", f"nested deeper than {_MAX_DEPTH}")


def _object_without_twins(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        raise ProofError("malformed", "two members of one object have the same name")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ProofError("malformed", f"{name} is not JSON")


# Made once: json.loads() would make one per call.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object_without_twins, parse_constant=_refuse_constant
)


def _decode_segment(segment: str) -> bytes:
    if not _BASE64URL.fullmatch(segment):
        raise ProofError("malformed", "a segment is not unpadded base64url")
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise ProofError("malformed", "a segment is cut short") from error
    # The last character may carry bits that decode to nothing: one token, several texts.
    if _encode_segment(data) != segment:
        raise ProofError("malformed", "a segment is not in its canonical form")
    return data


def _encode_segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _write_json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
