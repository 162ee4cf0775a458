"""Tokens: what is read, what is refused, and with which code."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from coincurve import PrivateKey

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.jsontokens import (
    CURVE_ORDER,
    MAX_TOKEN_LENGTH,
    parse,
    parse_json,
    parse_public_key,
    recover,
    sign,
    verify,
)
from tests.fakes import HEADER, base64url, sign_raw

SECRET = hashlib.sha256(b"a key").digest()
KEY = PrivateKey(SECRET).public_key
TOKEN = sign({"name": "Ann"}, SECRET)


def refusal_of(text: str) -> str:
    with pytest.raises(ProofError) as refusal:
        verify(parse(text), KEY)
    return refusal.value.code


def with_signature(signature: bytes) -> str:
    return f"{TOKEN.rpartition('.')[0]}.{base64url(signature)}"


def signature_of(token: str) -> bytes:
    return parse(token).signature


def test_a_signed_token_is_read_and_verified():
    token = parse(TOKEN)

    verify(token, KEY)
    assert token.payload == {"name": "Ann"}


def test_the_header_is_the_one_that_every_library_writes():
    header = base64.urlsafe_b64decode(TOKEN.partition(".")[0] + "==")

    assert header == b'{"typ":"JWT","alg":"ES256K"}'


def test_equal_payloads_make_equal_tokens():
    assert sign({"name": "Ann"}, SECRET) == TOKEN


def test_text_beyond_ascii_survives():
    assert parse(sign({"name": "Алиса 🦊"}, SECRET)).payload == {"name": "Алиса 🦊"}


def test_high_s_is_as_good_as_low_s():
    r, s = signature_of(TOKEN)[:32], int.from_bytes(signature_of(TOKEN)[32:], "big")
    high = with_signature(r + (CURVE_ORDER - s).to_bytes(32, "big"))

    verify(parse(high), KEY)
    assert high != TOKEN


def test_another_keys_signature_is_refused():
    assert refusal_of(sign({"name": "Ann"}, hashlib.sha256(b"another").digest())) == "signature"


def test_a_changed_payload_is_refused():
    header, _, signature = TOKEN.split(".")

    assert refusal_of(f"{header}.{base64url(b'{}')}.{signature}") == "signature"


@pytest.mark.parametrize("length", [0, 1, 54, 63, 65, 70, 128])
def test_a_signature_of_another_length_is_refused(length):
    assert refusal_of(with_signature((signature_of(TOKEN) * 3)[:length])) == "signature"


def test_a_signature_with_a_zero_between_its_numbers_is_refused():
    r, s = signature_of(TOKEN)[:32], signature_of(TOKEN)[32:]

    assert refusal_of(with_signature(r + b"\0" + s)) == "signature"


def test_a_der_signature_is_refused():
    signed = TOKEN.rpartition(".")[0].encode()

    assert refusal_of(with_signature(PrivateKey(SECRET).sign(signed))) == "signature"


@pytest.mark.parametrize("number", [0, CURVE_ORDER, CURVE_ORDER + 1, 2**256 - 1])
@pytest.mark.parametrize("part", ["r", "s"])
def test_a_signature_number_out_of_range_is_refused(number, part):
    good, bad = signature_of(TOKEN), number.to_bytes(32, "big")

    forged = bad + good[32:] if part == "r" else good[:32] + bad

    assert refusal_of(with_signature(forged)) == "signature"


@pytest.mark.spec("Blockstack Auth", "jsontokens")
@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT", "alg": "none"},
        {"typ": "JWT", "alg": "None"},
        {"typ": "JWT", "alg": "HS256"},
        {"typ": "JWT", "alg": "ES256"},
        {"typ": "JWT", "alg": "es256k"},
        {"typ": "JWT", "alg": "ES256k"},
        {"typ": "JWT", "alg": ["ES256K"]},
        {"typ": "JWT", "alg": None},
        {"typ": "JWT"},
        {"typ": "JOSE+JSON", "alg": "ES256K"},
        {"alg": "ES256K"},
        {},
        {"typ": "JWT", "alg": "ES256K", "crit": ["exp"]},
        {"typ": "JWT", "alg": "ES256K", "crit": []},
        {"typ": "JWT", "alg": "ES256K", "jwk": {"kty": "EC"}},
        {"typ": "JWT", "alg": "ES256K", "jku": "https://evil.example"},
        {"typ": "JWT", "alg": "ES256K", "x5u": "https://evil.example"},
        {"typ": "JWT", "alg": "ES256K", "x5c": ["MIIB"]},
        {"typ": "JWT", "alg": "ES256K", "kid": "1"},
        {"typ": "JWT", "alg": "ES256K", "b64": False},
    ],
    ids=json.dumps,
)
def test_any_other_header_is_refused_though_well_signed(header):
    token = sign_raw(json.dumps(header).encode(), b"{}", SECRET)

    assert refusal_of(token) == "header_alg"


def test_alg_none_without_a_signature_is_refused_for_its_header():
    header = base64url(b'{"typ":"JWT","alg":"none"}')

    assert refusal_of(f"{header}.{base64url(b'{}')}.") == "header_alg"


def test_a_mac_keyed_with_the_public_key_is_refused():
    header = base64url(b'{"typ":"JWT","alg":"HS256"}')
    signed = f"{header}.{base64url(b'{}')}"
    mac = hmac.digest(KEY.format().hex().encode(), signed.encode(), "sha256")

    assert refusal_of(f"{signed}.{base64url(mac)}") == "header_alg"


@pytest.mark.parametrize("white_space", [b" ", b"\n", b"\t"])
def test_the_headers_members_count_and_not_its_bytes(white_space):
    header = b'{"alg":' + white_space + b'"ES256K","typ":"JWT"}'

    verify(parse(sign_raw(header, b"{}", SECRET)), KEY)


HEAD, BODY, SIGNATURE = TOKEN.split(".")


@pytest.mark.parametrize(
    "text",
    {
        "nothing": "",
        "one segment": HEAD,
        "two segments": f"{HEAD}.{BODY}",
        "four segments": f"{TOKEN}.{SIGNATURE}",
        "five segments": f"{TOKEN}.a.b",
        "padded": f"{HEAD}.{base64.urlsafe_b64encode(b'{}').decode()}.{SIGNATURE}",
        "padded signature": f"{TOKEN}==",
        "standard base64": f"{HEAD}.{BODY}.{'+' * 86}",
        "white space before": f" {TOKEN}",
        "white space after": f"{TOKEN}\n",
        "white space within": f"{HEAD}.{BODY[:4]} {BODY[4:]}.{SIGNATURE}",
        "not canonical": TOKEN[:-1] + chr(ord(TOKEN[-1]) + 1),
        "one character over": f"{HEAD}.{BODY}.{'A' * 5}",
        "not ASCII": f"{HEAD}.{BODY}é.{SIGNATURE}",
        "full-width": f"{HEAD}.Ａ{BODY[1:]}.{SIGNATURE}",
        "a NUL": f"{HEAD}\0.{BODY}.{SIGNATURE}",
        "a lone surrogate": f"{HEAD}\ud800.{BODY}.{SIGNATURE}",
        "JSON form": json.dumps({"header": [HEAD], "payload": BODY, "signature": [SIGNATURE]}),
        "header empty": f".{BODY}.{SIGNATURE}",
        "payload empty": f"{HEAD}..{SIGNATURE}",
        "header a list": sign_raw(b'[{"typ":"JWT","alg":"ES256K"}]', b"{}", SECRET),
    }.items(),
    ids=lambda item: item[0],
)
def test_another_form_is_malformed(text):
    assert refusal_of(text[1]) == "malformed"


@pytest.mark.parametrize(
    "payload",
    {
        "a list": b"[]",
        "a text": b'"a"',
        "null": b"null",
        "two values": b"{} {}",
        "not UTF-8": b'{"a":"\xff"}',
        "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
        "UTF-16": '{"a":1}'.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf{}",
        "the same member twice": b'{"iss":"a","iss":"b"}',
        "the same member twice within": b'{"a":[{"b":1,"b":1}]}',
        "the same member in two spellings": b'{"a":1,"\\u0061":2}',
        "NaN": b'{"a":NaN}',
        "Infinity": b'{"a":Infinity}',
        "minus Infinity": b'{"a":-Infinity}',
        "5000 digits": b'{"a":' + b"9" * 5000 + b"}",
        "deep lists": b'{"a":' + b"[" * 20000 + b"]" * 20000 + b"}",
        "deep objects": b'{"a":' * 8000 + b"1" + b"}" * 8000,
        "nested once too often": b'{"a":' * 65 + b"1" + b"}" * 65,
        "depth hidden by strings": b'{"}":' * 65 + b"1" + b"}" * 65,
        "depth hidden by escapes": b'{"\\"}":' * 65 + b"1" + b"}" * 65,
        "a comment": b"{}//",
        "single quotes": b"{'a':1}",
        "a trailing comma": b'{"a":1,}',
        "a control character": b'{"a":"\x01"}',
    }.items(),
    ids=lambda item: item[0],
)
def test_a_payload_that_is_no_plain_object_is_malformed_though_well_signed(payload):
    assert refusal_of(sign_raw(HEADER, payload[1], SECRET)) == "malformed"


def test_the_size_limit_is_exact():
    frame = len(sign_raw(HEADER, b"{}", SECRET))
    fitting = sign_raw(HEADER, b"{" + b" " * ((MAX_TOKEN_LENGTH - frame) * 3 // 4) + b"}", SECRET)

    assert MAX_TOKEN_LENGTH - 2 < len(fitting) <= MAX_TOKEN_LENGTH
    verify(parse(fitting), KEY)
    assert refusal_of("A" * MAX_TOKEN_LENGTH) == "malformed"
    assert refusal_of("A" * (MAX_TOKEN_LENGTH + 1)) == "too_large"


@pytest.mark.parametrize(
    "value",
    {
        "nothing": None,
        "no text": 2,
        "a list": [KEY.format().hex()],
        "empty": "",
        "upper case": KEY.format().hex().upper(),
        "with 0x": "0x" + KEY.format().hex(),
        "uncompressed": KEY.format(compressed=False).hex(),
        "hybrid": "06" + KEY.format(compressed=False).hex()[2:],
        "no prefix": KEY.format().hex()[2:],
        "a line end": KEY.format().hex() + "\n",
        "not on the curve": "02" + "00" * 31 + "05",
        "beyond the field": "02" + "ff" * 32,
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_no_compressed_key_is_refused(value):
    with pytest.raises(ProofError) as refusal:
        parse_public_key(value[1])

    assert refusal.value.code == "public_keys"


def test_a_number_beyond_floats_is_left_to_who_reads_it():
    assert parse_json(b"1e400") == float("inf")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a":' * 64 + b"1" + b"}" * 64,
        b'{"a":[' + b"{}," * 500 + b"{}]}",
        b'{"a":"' + b"{" * 500 + b'"}',
    ],
    ids=["nested 64 times", "long and flat", "brackets in a string"],
)
def test_nesting_that_is_not_too_deep_is_read(payload):
    assert parse(sign_raw(HEADER, payload, SECRET)).payload["a"]


def test_the_key_that_signed_is_among_those_that_can_have():
    for number in range(16):
        key = PrivateKey(bytes([number + 1]) * 32)
        token = parse(sign({"number": number}, key.secret))

        found = [other.format() for other in recover(token)]

        assert key.public_key.format() in found
        assert len(found) == 2


@pytest.mark.parametrize("signature", [b"", bytes(64), b"\xff" * 64, b"a" * 63, b"a" * 65])
def test_what_nobody_can_have_made_is_refused(signature):
    token = replace(parse(sign({}, b"k" * 32)), signature=signature)

    with pytest.raises(ProofError) as caught:
        recover(token)

    assert caught.value.code == "signature"
