"""Who stands behind an app: four states, told apart by who signed and whom the site names."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from oidc_bridge.apps.developer import Developer, find_developer, home_of, read_authors
from oidc_bridge.errors import ProofError
from oidc_bridge.oidc.client import ClientMetadata, SoftwareStatement
from oidc_bridge.proofs.addresses import Address, Kind, base58check_encode
from tests.driver import HOMESERVER, WIKI
from tests.fakes import NOW
from tests.manifests import DAVE, MALLORY

SIGNED = SoftwareStatement(
    text="a.b.c",
    developer=DAVE.did,
    address=DAVE.btc,
    jti="",
    expires_at=NOW + timedelta(days=1),
    required_scopes=("openid",),
)
NAMED = replace(SIGNED, developer="dave.btc")
STATES = {
    "both": (SIGNED, [MALLORY.btc, DAVE.btc], Developer("agreed", "", (DAVE.btc,))),
    "both, by name": (NAMED, [DAVE.btc], Developer("agreed", "dave.btc", (DAVE.btc,))),
    "signed only": (SIGNED, [], Developer("signed", "", (DAVE.btc,))),
    "the site names another": (SIGNED, [MALLORY.btc], Developer("signed", "", (DAVE.btc,))),
    "named only": (None, [DAVE.btc], Developer("named", "", (DAVE.btc,))),
    "neither": (None, [], Developer("nobody")),
}


@pytest.mark.parametrize("case", STATES)
def test_the_state_is(case):
    statement, authors, expected = STATES[case]

    assert find_developer(statement, authors, now=NOW) == expected


def test_nobody_stands_behind_an_app_when_the_statement_has_ended():
    ended = replace(SIGNED, expires_at=NOW)

    assert find_developer(ended, [], now=NOW) == Developer("nobody")
    assert find_developer(ended, [DAVE.btc], now=NOW).state == "named"


def authors(*listed: object) -> tuple[str, ...]:
    return read_authors(json.dumps({"name": "Chat", "did_authors": listed}).encode())


def test_a_did_of_stacks_has_the_address_in_its_middle():
    assert authors(f"did:stack:v0:{DAVE.btc}-0") == (DAVE.btc,)


def test_a_did_of_an_off_chain_name_is_the_same_key():
    off_chain = base58check_encode(63, DAVE.hash160)

    assert off_chain.startswith("S")
    assert authors(f"did:stack:v0:{off_chain}-12") == (DAVE.btc,)


def test_each_is_listed_once_and_in_order():
    both = (f"did:btc-addr:{MALLORY.btc}", DAVE.did, f"did:stack:v0:{DAVE.btc}-0")

    assert authors(*both) == (MALLORY.btc, DAVE.btc)


MULTI = Address(DAVE.hash160, Kind.MAINNET_MULTI).btc


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        [DAVE.did],
        "",
        DAVE.btc,
        "did:web:shop.example",
        f"did:stack:v1:{DAVE.btc}-0",
        f"did:stack:v0:{DAVE.btc}",
        f"did:stack:v0:{DAVE.btc}-x",
        f"did:btc-addr:{MULTI}",
        f"did:btc-addr:{DAVE.c32}",
        f"did:btc-addr:{DAVE.btc[:-1]}1",
        f"{DAVE.did}\n",
        "did:btc-addr:" + "1" * 1000,
    ],
)
def test_what_is_no_did_of_one_key_is_passed_over(entry):
    assert authors(entry, MALLORY.did) == (MALLORY.btc,)


def test_a_list_is_read_to_a_limit():
    assert authors(*[MALLORY.did] * 20, DAVE.did) == (MALLORY.btc,)


@pytest.mark.parametrize("body", [b"{}", b'{"did_authors":"x"}', b'\xef\xbb\xbf{"did_authors":{}}'])
def test_a_manifest_may_name_nobody(body):
    assert read_authors(body) == ()


@pytest.mark.parametrize("body", [b"", b"<!doctype html>", b"[]", b"\xff", b"[" * 60_000])
def test_what_is_no_manifest_says_so(body):
    with pytest.raises(ProofError) as caught:
        read_authors(body)

    assert caught.value.code == "malformed"


def test_a_clients_home_is_what_it_says_or_where_it_is_answered():
    assert home_of(WIKI) == "https://wiki.example"
    said = replace(WIKI, metadata=ClientMetadata(client_uri="https://Home.example/about"))
    assert home_of(said) == "https://home.example"
    native = replace(WIKI, redirect_uris=("org.wiki.app:/cb",))
    assert home_of(native) is None
    assert home_of(HOMESERVER) is None
