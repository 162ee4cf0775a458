"""Clarity values, against what the JavaScript libraries serialise."""

import json
from pathlib import Path

import pytest

from oidc_bridge.proofs import clarity
from oidc_bridge.proofs.addresses import parse_address

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "blockstack.json").read_text(encoding="utf-8")
)
SIGN_IN, ELSEWHERE, *_ = (
    case for case in VECTORS["message_signing"] if case["kind"] == "structured"
)


def a_domain(name: str) -> str:
    members = {
        "name": clarity.string_ascii(name),
        "version": clarity.string_ascii("1.0.0"),
        "chain-id": clarity.uint(1),
    }
    return clarity.tuple_of(members).hex()


@pytest.mark.spec("SIP-005", "Clarity values")
def test_a_domain_has_the_bytes_of_the_libraries():
    assert a_domain("Chat bridge") == SIGN_IN["domain"]
    assert a_domain("Other app") == ELSEWHERE["domain"]


@pytest.mark.spec("SIP-018", "message")
def test_a_message_has_the_bytes_of_the_libraries():
    members = {
        "uri": clarity.string_ascii(VECTORS["policy"]["redirect_uri"]),
        "statement": clarity.string_utf8("Grüße 🦊"),
        "nonce": clarity.string_ascii("4f1d2c3b5a697887"),
        "issued-at": clarity.uint(1767225600),
        "address": clarity.principal(parse_address(SIGN_IN["address"])),
        "action": clarity.string_ascii("sign-in"),
    }

    assert clarity.tuple_of(members).hex() == SIGN_IN["message"]


def test_a_tuple_is_sorted_whatever_the_order():
    one, two = clarity.uint(1), clarity.uint(2)

    assert clarity.tuple_of({"b": two, "a": one}) == clarity.tuple_of({"a": one, "b": two})


@pytest.mark.parametrize("number", [-1, 2**128])
def test_a_number_beyond_128_bits_is_refused(number):
    with pytest.raises(OverflowError):
        clarity.uint(number)


def test_ascii_is_ascii():
    with pytest.raises(UnicodeEncodeError):
        clarity.string_ascii("bücher.example")
