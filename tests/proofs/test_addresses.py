"""Addresses, against what the JavaScript libraries derive and against published hashes."""

import hashlib
import json
from pathlib import Path

import pytest

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs import ripemd160
from oidc_bridge.proofs.addresses import (
    Address,
    Kind,
    base58check_decode,
    base58check_encode,
    c32check_decode,
    c32check_encode,
    hash160,
    parse_address,
    public_key_to_address,
)

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "blockstack.json").read_text(encoding="utf-8")
)
KEYS = VECTORS["test_keys"].items()

# From the authors' page, homes.esat.kuleuven.be/~bosselae/ripemd160.html.
RIPEMD160 = {
    b"": "9c1185a5c5e9fc54612808977ee8f548b2258d31",
    b"a": "0bdc9d2d256b3ee9daae347be6f4dc835a467ffe",
    b"abc": "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",
    b"message digest": "5d0689ef49d2fae572b881b123a85ffa21595f36",
    b"abcdefghijklmnopqrstuvwxyz": "f71c27109c692c1b56bbdceb5b9d2865b3708dbc",
    b"1234567890" * 8: "9b752e45573d4b39f4dbd3323cab82bf63326bfb",
}


@pytest.mark.parametrize("data", RIPEMD160)
def test_both_ripemds_give_the_published_hash(data):
    assert ripemd160.digest(data).hex() == RIPEMD160[data]
    assert ripemd160.digest_in_python(data).hex() == RIPEMD160[data]


def test_ripemd_works_where_openssl_lacks_it(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise ValueError("unsupported hash type ripemd160")

    monkeypatch.setattr(hashlib, "new", refuse)

    assert ripemd160.digest(b"abc").hex() == RIPEMD160[b"abc"]


@pytest.mark.parametrize(("who", "key"), KEYS, ids=[who for who, _ in KEYS])
def test_a_key_has_the_addresses_that_the_libraries_derive(who, key):
    address = public_key_to_address(bytes.fromhex(key["public_key"]))

    assert address.btc == key["btc_address"]
    assert address.c32 == key["stx_address"]
    assert address.did == f"did:btc-addr:{key['btc_address']}"
    assert Address(address.hash160, Kind.TESTNET_SINGLE).c32 == key["stx_address_testnet"]


def test_hash160_of_the_genesis_key_gives_the_first_address():
    genesis = bytes.fromhex(
        "04678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb6"
        "49f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5f"
    )

    assert hash160(genesis).hex() == "62e907b15cbf27d5425399ebf6f0fb50ebb88f18"
    assert public_key_to_address(genesis).btc == "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"


def test_both_spellings_of_an_address_are_the_same_address():
    alice = VECTORS["test_keys"]["alice"]

    assert parse_address(alice["btc_address"]) == parse_address(alice["stx_address"])


def test_the_same_bytes_of_another_kind_are_another_address():
    addresses = {Address(bytes(range(20)), kind) for kind in Kind}

    assert len(addresses) == 4
    assert {parse_address(address.c32) for address in addresses} == addresses
    assert {parse_address(address.btc) for address in addresses} == addresses


def test_versions_have_the_letters_that_people_know():
    letters = {kind: Address(bytes(20), kind).c32[:2] for kind in Kind}

    assert letters == {
        Kind.MAINNET_SINGLE: "SP",
        Kind.MAINNET_MULTI: "SM",
        Kind.TESTNET_SINGLE: "ST",
        Kind.TESTNET_MULTI: "SN",
    }


def test_leading_zero_bytes_are_kept():
    assert base58check_encode(0, bytes(20)) == "1111111111111111111114oLvT2"
    assert c32check_encode(22, bytes(20)) == "SP000000000000000000002Q6VF78"
    assert base58check_decode("1111111111111111111114oLvT2") == (0, bytes(20))
    assert c32check_decode("SP000000000000000000002Q6VF78") == (22, bytes(20))


GOOD = "SP1FTXPHVS8K3TW3JR4VX5NXR927EJA510M5XC8AZ"


@pytest.mark.parametrize(
    "text",
    {
        "nothing": "",
        "one letter": "S",
        "two letters": "SP",
        "a c32 checksum changed": GOOD[:-1] + "Y",
        "a version changed": "ST" + GOOD[2:],
        "lower case": GOOD.lower(),
        "lower case after SP": "SP" + GOOD[2:].lower(),
        "a letter O for a zero": GOOD.replace("0", "O"),
        "a contract": "SP000000000000000000002Q6VF78.bns",
        "a base58 checksum changed": "19ivfBqUxdwzb5qVsJjdugEQMb936MAzod",
        "a zero in base58": "09ivfBqUxdwzb5qVsJjdugEQMb936MAzoc",
        "white space": f"{GOOD} ",
        "a line end": f"{GOOD}\n",
        "not ASCII": "SP１",
        "a lone surrogate": "1\ud800",
        "a segwit address": "bc1qexampleexampleexample",
        "very long": "1" * 100_000,
        "an unknown base58 version": base58check_encode(1, bytes(20)),
        "an unknown c32 version": c32check_encode(1, bytes(20)),
        "19 bytes": base58check_encode(0, bytes(19)),
        "21 bytes": c32check_encode(22, bytes(21)),
        "no bytes": c32check_encode(22, b""),
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ProofError) as refusal:
        parse_address(text[1])

    assert refusal.value.code == "address_malformed"


def test_a_long_text_is_refused_before_it_costs_time():
    with pytest.raises(ProofError) as refusal:
        base58check_decode(base58check_encode(0, bytes(60)))

    assert refusal.value.detail == "67 characters"
