"""Names: whom we ask, what we believe, and that we fail closed."""

import hashlib

import pytest

from oidc_bridge.errors import ConfigError, FetchError, ProofError
from oidc_bridge.identity import Name
from oidc_bridge.proofs.addresses import Address, Kind
from oidc_bridge.proofs.names import NameService, look_up
from tests.fakes import NAMES, NOW, FakeFetch

ANN = Address(hashlib.sha256(b"ann").digest()[:20])
SERVICE = NameService(NAMES, frozenset({2, 3}))
URL = f"{NAMES}/v1/names/ann.id"


def ask(fetch: FakeFetch, text: str = "ann.id", services: tuple[NameService, ...] = (SERVICE,)):
    return look_up(text, services=services, fetch=fetch, holder=ANN, now=NOW)


def refusal_of(fetch: FakeFetch, text: str = "ann.id", **more: object) -> str:
    with pytest.raises(ProofError) as refusal:
        ask(fetch, text, **more)
    return refusal.value.code


def answering(status: int, body: object) -> FakeFetch:
    return FakeFetch({URL: (status, body)})


@pytest.mark.parametrize("owner", [ANN.btc, ANN.c32])
@pytest.mark.parametrize("status", ["registered", "name-register", "name-update"])
def test_the_holder_owns_the_name_in_either_spelling(owner, status):
    name = ask(answering(200, {"address": owner, "status": status}))

    assert name == Name("ann.id", owner, NOW)


def test_a_name_of_three_labels_is_looked_up_whole():
    url = f"{NAMES}/v1/names/ann.id.blockstack"
    fetch = FakeFetch({url: (200, {"address": ANN.c32, "status": "registered_subdomain"})})

    assert ask(fetch, "ann.id.blockstack").text == "ann.id.blockstack"
    assert fetch.calls == [url]


@pytest.mark.parametrize(
    "owner",
    {
        "somebody else": Address(bytes(20)).c32,
        "somebody else in base58": Address(bytes(20)).btc,
        "the same bytes on testnet": Address(ANN.hash160, Kind.TESTNET_SINGLE).c32,
        "the same bytes as a multi-signature": Address(ANN.hash160, Kind.MAINNET_MULTI).c32,
        "the same bytes as a script": Address(ANN.hash160, Kind.MAINNET_MULTI).btc,
        "a contract of the holder": f"{ANN.c32}.vault",
        "nothing": "",
        "no address": "ann",
        "lower case": ANN.c32.lower(),
    }.items(),
    ids=lambda item: item[0],
)
def test_another_owner_is_refused(owner):
    fetch = answering(200, {"address": owner[1], "status": "name-register"})

    assert refusal_of(fetch) == "username_owner"


GOOD = {"address": ANN.c32, "status": "name-register"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"error": "cannot find name"}),
        (404, GOOD),
        (201, GOOD),
        (203, GOOD),
        (301, GOOD),
        (503, "upstream error"),
        (200, "<html>"),
        (200, ""),
        (200, b"\xff"),
        (200, [GOOD]),
        (200, "null"),
        (200, {}),
        (200, {"status": "name-register"}),
        (200, {**GOOD, "address": None}),
        (200, {**GOOD, "address": 1}),
        (200, {**GOOD, "address": [ANN.c32]}),
        (200, {**GOOD, "status": "name-revoke"}),
        (200, {**GOOD, "status": "revoked"}),
        (200, {**GOOD, "status": 1}),
        (200, f'{{"address":"x","address":"{ANN.c32}"}}'),
        (200, "[" * 60000),
        (200, b" " * 65537),
    ],
)
def test_any_other_answer_is_no_answer(status, body):
    assert refusal_of(answering(status, body)) == "username_lookup"


@pytest.mark.parametrize("code", ["fetch_blocked", "fetch_too_large", "fetch_failed"])
def test_a_failed_fetch_is_no_answer(code):
    assert refusal_of(FakeFetch({URL: FetchError(code)})) == "username_lookup"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "ann",
        "ann.",
        ".id",
        "ann..id",
        "a.b.c.d",
        "Ann.id",
        "ann.ID",
        "ann.id\n",
        " ann.id",
        "ann.id ",
        "ann\0.id",
        "ann.id?x=1",
        "ann.id#",
        "ann/../bob.id",
        "..%2fbob.id",
        "ann%2eid",
        "аnn.id",  # Cyrillic
        "ann。id",
        "ann.id１",
        "ann\ud800.id",
        "a" * 49 + ".id",
        "ann." + "i" * 21,
        "ann.id" * 10000,
    ],
)
def test_what_is_no_name_is_not_asked_for(text):
    fetch = FakeFetch()

    assert refusal_of(fetch, text) == "username_lookup"
    assert fetch.calls == []


@pytest.mark.parametrize("text", ["a" * 48 + ".id", "ann." + "i" * 20, "a_n-n0.x-_1", "_._"])
def test_the_grammar_takes_what_chains_take(text):
    fetch = FakeFetch({f"{NAMES}/v1/names/{text}": (200, GOOD)})

    assert ask(fetch, text).text == text


def test_a_service_is_asked_only_for_the_labels_it_is_trusted_with():
    two = NameService("https://two.example/", frozenset({2}))
    three = NameService("https://three.example", frozenset({3}))
    fetch = FakeFetch()

    assert refusal_of(fetch, "ann.id", services=(three, two)) == "username_lookup"
    assert refusal_of(fetch, "ann.id.x", services=(two, three)) == "username_lookup"
    assert refusal_of(fetch, "ann.id.x", services=(two,)) == "username_lookup"
    assert fetch.calls == [
        "https://two.example/v1/names/ann.id",
        "https://three.example/v1/names/ann.id.x",
    ]


def test_there_is_no_second_opinion():
    second = NameService("https://second.example", frozenset({2}))
    fetch = FakeFetch({"https://second.example/v1/names/ann.id": (200, GOOD)})

    assert refusal_of(fetch, services=(SERVICE, second)) == "username_lookup"


def test_without_a_service_no_name_is_confirmed():
    assert refusal_of(FakeFetch(), services=()) == "username_lookup"


@pytest.mark.parametrize("labels", [set(), {1}, {4}, {2, 4}])
def test_a_service_that_could_never_be_asked_is_a_mistake(labels):
    with pytest.raises(ConfigError) as mistake:
        NameService(NAMES, frozenset(labels))

    assert mistake.value.code == "name_labels_unknown"


def test_bns_v2_has_no_names_of_three_labels():
    with pytest.raises(ConfigError) as mistake:
        NameService(NAMES, frozenset({3}), system="v2")

    assert mistake.value.code == "name_labels_unknown"


def test_a_service_of_an_unknown_system_is_a_mistake():
    with pytest.raises(ConfigError) as mistake:
        NameService(NAMES, frozenset({2}), system="v3")

    assert mistake.value.code == "name_system_unknown"
