"""What an operator decides, on both databases: lists in few statements, a request decided once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import select

from oidc_bridge.apps.spelling import read_who
from oidc_bridge.errors import BridgeError
from oidc_bridge.storage import db, read, write
from oidc_bridge.storage.access_requests import access_requests, ask_for_access
from oidc_bridge.storage.admissions import admit, dismiss, replace_list
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.rulings import approve, decline, forget_app, rule_app
from oidc_bridge.storage.whitelist import AppRule, Listing, find_rule, fitting_listings, listings_of
from tests.driver import HOMESERVER, Person
from tests.fakes import NOW

CHAT = "https://team.example"
OPERATORS = 6


@pytest.fixture
def account(app: Flask, ann: Person) -> str:
    """Ann, who is known here."""
    ann.tokens()
    with app.app_context(), read() as connection:
        found: str = connection.execute(select(PersonaRow.account_id)).scalars().first()
    return found


@pytest.fixture
def waiting(app: Flask, account: str) -> str:
    """A request of hers."""
    words = {"app_title": "team.example", "person": "ann", "note": ""}
    with app.app_context():
        write(lambda c: ask_for_access(c, account, HOMESERVER.id, CHAT, **words, now=NOW))
        with read() as connection:
            return access_requests(connection)[0].id


def test_a_list_is_added_to_replaced_and_taken_from(app: Flask) -> None:
    old = [Listing("name", f"p{number}.btc") for number in range(40)]
    new = [*old[:10], Listing("name", "p10.btc", note="new"), Listing("pattern", "*.b.btc")]
    with app.app_context():
        write(lambda c: rule_app(c, AppRule(CHAT, "allow", "listed"), now=NOW))

        counts = [
            write(lambda c: admit(c, CHAT, old, now=NOW)),
            write(lambda c: admit(c, CHAT, old, now=NOW)),
            write(lambda c: replace_list(c, CHAT, new, now=NOW)),
        ]
        gone = write(lambda c: dismiss(c, CHAT, [read_who("*.b.btc")], now=NOW))

        with read() as connection:
            left = list(listings_of(connection, CHAT))
            kinds = connection.execute(select(EventRow.kind)).scalars().all()
    assert counts == [40, 0, 1 + 1 + 29]
    assert gone == [Listing("pattern", "*.b.btc")]
    assert {(entry.who, entry.note) for entry in left} == {
        (entry.who, entry.note) for entry in new[:-1]
    }
    assert (kinds.count("person admitted"), kinds.count("person dismissed")) == (42, 30)


def test_what_lets_somebody_in_is_found(app: Flask, account: str, ann: Person) -> None:
    address = ann.wallet.address.c32
    with app.app_context():
        write(lambda c: rule_app(c, AppRule(CHAT, "allow", "listed"), now=NOW))
        entries = [Listing("address", address), Listing("address", "SPX"), Listing("name", "a.btc")]
        over = Listing("account", account, until=NOW)
        write(lambda c: admit(c, CHAT, [*entries, over], now=NOW))

        with read() as connection:
            found = fitting_listings(connection, account, CHAT, now=NOW)

    assert found == entries[:1]


@pytest.mark.parametrize("word", ["approve", "decline"])
def test_of_many_operators_at_once_one_decides(app: Flask, waiting: str, word: str) -> None:
    barrier = Barrier(OPERATORS)

    def decide(_: int) -> str:
        with app.app_context():
            barrier.wait(timeout=30)
            try:
                if word == "approve":
                    write(lambda c: approve(c, [waiting], until=None, now=NOW))
                else:
                    write(lambda c: decline(c, [waiting], reason="no", now=NOW))
            except BridgeError as error:
                return error.code
            finally:
                db.session.remove()
            return "decided"

    with ThreadPoolExecutor(OPERATORS) as pool:
        said = sorted(pool.map(decide, range(OPERATORS)))

    assert said == ["decided", *["request_decided"] * (OPERATORS - 1)]
    with app.app_context(), read() as connection:
        kinds = connection.execute(select(EventRow.kind)).scalars().all()
    assert kinds.count(f"access {word}d") == 1


def test_a_decision_that_cannot_be_carried_out_decides_nothing(app: Flask, waiting: str) -> None:
    with app.app_context():
        write(lambda c: rule_app(c, AppRule(CHAT, "deny"), now=NOW))

        with pytest.raises(BridgeError) as refused:
            write(lambda c: approve(c, [waiting], until=None, now=NOW))

        with read() as connection:
            assert [one.id for one in access_requests(connection)] == [waiting]
    assert refused.value.code == "app_denied"


def test_what_is_forgotten_leaves_no_list_behind(app: Flask, waiting: str, account: str) -> None:
    with app.app_context():
        write(lambda c: approve(c, [waiting], until=None, now=NOW))

        assert write(lambda c: forget_app(c, CHAT, now=NOW)) == 1

        with read() as connection:
            assert find_rule(connection, CHAT) is None
            assert fitting_listings(connection, account, CHAT, now=NOW) == []
