"""Apps for people on a list: names count only while a service confirms who owns them."""

import pytest
from flask import Flask

from oidc_bridge.config import Settings
from oidc_bridge.sections import NameLookup, Names
from oidc_bridge.storage import write
from oidc_bridge.storage.admissions import admit
from oidc_bridge.storage.whitelist import AppRule, Listing, set_rule
from tests.conftest import Clock
from tests.driver import Person
from tests.fake_names import FakeNames
from tests.fakes import NOW, FakeWallet

SERVICE = "https://names.example"
CHAT_APP = "https://chat.example"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    services = (NameLookup(url=SERVICE, labels=frozenset({2}), system="v2"),)
    return settings.model_copy(update={"names": Names(services=services, cache=0)})


@pytest.fixture
def fetch() -> FakeNames:
    return FakeNames(SERVICE, "v2")


@pytest.fixture
def dora(app: Flask, clock: Clock, fetch: FakeNames) -> Person:
    person = Person(app, clock, FakeWallet.named("dora", protocol="1.4.0"))
    fetch.give("dora.btc", person.wallet.stx_address.c32)
    return person


def closed_to(app: Flask, entry: Listing) -> None:
    def close(connection: object) -> None:
        set_rule(connection, AppRule(CHAT_APP, "allow", "listed"), now=NOW)  # type: ignore[arg-type]
        admit(connection, CHAT_APP, [entry], now=NOW)  # type: ignore[arg-type]

    with app.app_context():
        write(close)


def sign_in(person: Person) -> str:
    sign_in_url = person.authorize(prompt="login").location
    person.clock.advance(seconds=1)  # type: ignore[attr-defined]
    return str(person.sign(sign_in_url).location)


@pytest.mark.parametrize(
    "entry", [Listing("name", "dora.btc"), Listing("pattern", "*.btc")], ids=lambda e: e.who
)
def test_the_owner_of_a_name_on_the_list_gets_in(app: Flask, dora: Person, entry: Listing) -> None:
    closed_to(app, entry)

    assert sign_in(dora).startswith("/consent/")


@pytest.mark.parametrize(
    "entry",
    [
        Listing("name", "adora.btc"),
        Listing("name", "ora.btc"),
        Listing("pattern", "*.dora.btc"),
        Listing("pattern", "*.tc"),
        Listing("pattern", "dora.btc"),
        Listing("name", "*.btc"),
    ],
    ids=lambda entry: f"{entry.kind} {entry.who}",
)
def test_p1_a_name_that_is_merely_like_one_on_the_list_does_not(
    app: Flask, dora: Person, entry: Listing
) -> None:
    closed_to(app, entry)

    assert sign_in(dora).startswith("/refused/")


def test_p1_whoever_has_sold_the_name_does_not_get_in_any_more(
    app: Flask, dora: Person, fetch: FakeNames
) -> None:
    closed_to(app, Listing("name", "dora.btc"))
    assert sign_in(dora).startswith("/consent/")

    fetch.give("dora.btc", FakeWallet.named("buyer", protocol="1.4.0").stx_address.c32)

    assert sign_in(dora).startswith("/refused/")
