"""What happened to one app: its own events, all of them, and nobody else's."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Connection, select

from oidc_bridge.storage import read
from oidc_bridge.storage.event_log import PAGE
from oidc_bridge.storage.ledger import EventRow, record, record_all
from oidc_bridge.storage.rulings import rule_app
from oidc_bridge.storage.whitelist import AppRule
from tests.driver import WIKI, Person
from tests.fakes import NOW
from tests.web.admin.conftest import change
from tests.web.admin.test_events import rows_of, whats
from tests.web.admin.test_people import counted, next_page

Admins = Callable[..., Person]
CHAT = "https://chat.example"
URL = "/admin/apps/events"


def some_events(connection: Connection) -> None:
    """Of two apps at the homeserver, of a client that lives at the first one's address, and of
    nothing."""
    rule_app(connection, AppRule(CHAT, "allow"), now=NOW)
    rule_app(connection, AppRule("client:wiki", "allow"), now=NOW)
    record_all(connection, "person admitted", [{"app": CHAT, "who": "name:ann.btc"}], now=NOW)
    record(connection, "consent given", now=NOW, client_id="synapse", app=CHAT)
    record(connection, "consent denied", now=NOW, client_id="synapse", app=f"{CHAT}:8448")
    record(connection, "access narrowed", now=NOW, client_id="wiki", app=CHAT)
    record(connection, "own rule set", now=NOW, client_id="wiki", app="client:wiki")
    record(connection, "code redeemed", now=NOW, client_id="wiki")
    record(connection, "token revoked", now=NOW, client_id="synapse")
    record(connection, "keys rotated", now=NOW)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (CHAT, ["app ruled", "consent given", "person admitted"]),
        (f"{CHAT}:8448", ["consent denied"]),
        ("client:wiki", ["access narrowed", "app ruled", "code redeemed", "own rule set"]),
    ],
)
def test_an_app_has_its_own_events_and_no_others(
    app: Flask, an_admin: Admins, name: str, kinds: list[str]
) -> None:
    admin = an_admin("auditor")
    change(app, some_events)

    assert sorted(whats(admin.get(f"{URL}?app={name}").text)) == kinds
    assert sorted(str(row["kind"]) for row in rows_of(admin, "json", f"app={name}")) == kinds
    assert sorted(whats(admin.get(f"/admin/events?app={name}").text)) == kinds


def test_a_homeserver_is_not_its_apps(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("owner")
    change(app, some_events)

    assert rows_of(admin, "json", "app=client:synapse") == []


def test_what_a_sign_in_leaves_is_there(app: Flask, an_admin: Admins, ann: Person) -> None:
    admin = an_admin("owner")
    ann.tokens(WIKI)
    ann.tokens()

    wiki = whats(admin.get(f"{URL}?app=client:wiki").text)
    assert {"consent given", "code redeemed"} <= set(wiki)
    assert whats(admin.get(f"{URL}?app={CHAT}").text) == ["consent given"]


def test_an_app_manager_sees_their_own_apps_events_and_opens_nobody(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    ann.tokens()
    change(app, some_events)
    manager = an_admin("app manager", apps=(CHAT,))

    page = manager.get(f"{URL}?app={CHAT}").text

    assert "consent given" in whats(page)
    assert "/admin/people" not in page
    assert "session:" not in re.sub("<[^>]*>", "", page)
    assert "/admin/events" not in page
    assert manager.get(f"{URL}?app=client:wiki").status_code == 404
    assert manager.get("/admin/events").status_code == 403


@pytest.mark.parametrize("name", [CHAT, "client:wiki"])
def test_every_event_is_on_one_page_once_and_each_page_asks_as_often(
    app: Flask, an_admin: Admins, name: str
) -> None:
    admin = an_admin("owner")

    def many(connection: Connection) -> None:
        client = "wiki" if name == "client:wiki" else "synapse"
        for number in range(PAGE + 5):
            at = NOW + timedelta(seconds=number // 3)
            record(connection, "consent given", now=at, client_id=client, app=CHAT)
            record(connection, "own rule set", now=at, client_id=client, app=name)

    change(app, many)
    url, seen, asked = f"{URL}?app={name}", 0, set()
    while url:
        with counted(app) as statements:
            page = admin.get(url).text
        asked.add(len(statements))
        seen += len(whats(page))
        url = next_page(page)

    assert seen == 2 * (PAGE + 5)
    assert max(asked) <= 10


def test_an_app_of_which_nothing_is_known_is_not_found(an_admin: Admins) -> None:
    assert an_admin("owner").get(f"{URL}?app=https://nobody.example").status_code == 404


def test_an_event_without_an_app_has_none(app: Flask) -> None:
    change(app, lambda connection: record(connection, "keys rotated", now=NOW, app=""))

    with app.app_context(), read() as connection:
        kept = select(EventRow.app).where(EventRow.kind == "keys rotated")
        assert connection.execute(kept).scalars().all() == [None]


def test_what_strangers_wrote_is_harmless(app: Flask, an_admin: Admins) -> None:
    told = {"client_id": "synapse", "app": CHAT, "note": "<script>\u202e"}
    change(app, lambda connection: record(connection, "<b>kind", now=NOW, **told))

    page = an_admin("owner").get(f"{URL}?app={CHAT}").text

    assert "<b>kind" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
