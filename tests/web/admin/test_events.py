"""The ledger's pages and files."""

import csv
import html
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Connection, insert

from oidc_bridge.storage import read
from oidc_bridge.storage.event_log import PAGE, kinds_of_events
from oidc_bridge.storage.ledger import EventRow, record
from tests.driver import Person
from tests.fakes import NOW
from tests.web.admin.conftest import account_of, change
from tests.web.admin.many import account_id, add_events
from tests.web.admin.test_people import counted, next_page

Admins = Callable[..., Person]


def whats(page: str) -> list[str]:
    cells = re.findall(r'<th scope="row" data-label="What">(.*?)</th>', page, re.S)
    return [html.unescape(re.sub(r"<[^>]*>|\s+", " ", cell)).strip() for cell in cells]


def rows_of(admin: Person, form: str, query: str = "") -> list[dict[str, object]]:
    answer = admin.get(f"/admin/events/events.{form}?{query}")
    assert answer.status_code == 200
    if form == "json":
        found: list[dict[str, object]] = json.loads(answer.text)
        return found
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_every_event_is_on_one_page_once_though_many_have_one_time(
    app: Flask, an_admin: Admins
) -> None:
    admin = an_admin("auditor")
    change(app, lambda connection: add_events(connection, 3 * PAGE, kind="code redeemed"))

    url, seen = "/admin/events?kind=code+redeemed", 0
    while url:
        page = admin.get(url).text
        assert set(whats(page)) == {"code redeemed"}
        seen += len(whats(page))
        url = next_page(page)

    assert seen == 3 * PAGE


def three(connection: Connection) -> None:
    about = {"account_id": account_id(1), "client_id": "synapse"}
    record(connection, "consent given", now=NOW, **about)
    record(connection, "name chosen", now=NOW - timedelta(days=2), account_id=account_id(2))
    record(connection, "client added", now=NOW - timedelta(days=4), client_id="wiki")


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("kind=consent+given", {"consent given"}),
        (f"person={account_id(2)}", {"name chosen"}),
        ("client=wiki", {"client added"}),
        (f"until={(NOW - timedelta(days=1)):%Y-%m-%d}", {"name chosen", "client added"}),
        (f"until={(NOW - timedelta(days=2)):%Y-%m-%d}", {"name chosen", "client added"}),
        (f"until={(NOW - timedelta(days=3)):%Y-%m-%d}", {"client added"}),
        ("kind=consent+given&client=wiki", set()),
        ("kind=none+such", set()),
    ],
)
def test_each_filter_leaves_what_fits(
    app: Flask, an_admin: Admins, query: str, kinds: set[str]
) -> None:
    admin = an_admin("auditor")
    change(app, three)

    assert set(whats(admin.get(f"/admin/events?{query}").text)) == kinds
    for form in ("csv", "json"):
        assert {row["kind"] for row in rows_of(admin, form, query)} == kinds


def test_since_leaves_out_what_was_before_that_day(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("auditor")
    change(app, three)

    kinds = set(whats(admin.get(f"/admin/events?since={NOW:%Y-%m-%d}").text))

    assert "consent given" in kinds
    assert not kinds & {"name chosen", "client added"}


def test_who_did_it_is_an_admin_by_name_or_the_command_line(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("owner")
    own = account_of(app, admin)

    def two(connection: Connection) -> None:
        record(connection, "person blocked", now=NOW, account_id=account_id(1), by=own)
        record(connection, "client added", now=NOW, client_id="wiki")

    change(app, two)

    by = {row["kind"]: row["by"] for row in rows_of(admin, "csv")}
    assert by["person blocked"] == admin.wallet.address.c32
    assert by["client added"] == "command line"
    assert by["signed in"] == ""


def test_kinds_are_all_kinds(app: Flask) -> None:
    change(app, three)

    with app.app_context(), read() as connection:
        assert kinds_of_events(connection) == ["client added", "consent given", "name chosen"]


def test_there_are_no_kinds_where_nothing_has_happened(app: Flask) -> None:
    with app.app_context(), read() as connection:
        assert kinds_of_events(connection) == []


@pytest.mark.parametrize("count", [10, 400])
def test_the_page_asks_as_often_however_much_happened(
    app: Flask, an_admin: Admins, count: int
) -> None:
    admin = an_admin("auditor")
    change(app, lambda connection: add_events(connection, count))
    admin.get("/admin/events")

    with counted(app) as seen:
        admin.get("/admin/events")

    assert len(seen) == 6


@pytest.mark.parametrize(
    "query", ["since=x", "until=9999-12-31", "at=x&id=y", "at=2020-01-01&id=y", "since=0001-01-01"]
)
def test_an_address_that_makes_no_sense_filters_nothing_and_is_no_crash(
    app: Flask, an_admin: Admins, query: str
) -> None:
    admin = an_admin("auditor")
    change(app, three)

    assert "consent given" in whats(admin.get(f"/admin/events?{query}").text)


# ---- files


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_of_a_file_is_a_formula(app: Flask, an_admin: Admins, sign: str) -> None:
    admin = an_admin("auditor")
    evil = f'{sign}HYPERLINK("https://evil.example","x")'
    detail = {"before": evil, "after": evil, evil: evil, "by": evil}
    row = {"id": "evil", "at": NOW, "kind": evil, "account_id": evil, "client_id": evil}
    change(app, lambda c: c.execute(insert(EventRow), {**row, "detail": detail}))

    text = admin.get("/admin/events/events.csv").text
    cells = [cell for line in csv.reader(io.StringIO(text, newline="")) for cell in line]

    assert f"'{evil}" in cells
    assert not [cell for cell in cells if cell.startswith(sign)]


@pytest.mark.parametrize(
    ("form", "kind"), [("csv", "text/csv; charset=utf-8"), ("json", "application/json")]
)
def test_a_file_has_a_name_of_ours_and_is_not_kept(an_admin: Admins, form: str, kind: str) -> None:
    answer = an_admin("auditor").get(f"/admin/events/events.{form}?kind=%0d%0aevil")

    assert answer.text
    assert answer.headers["Content-Disposition"] == f'attachment; filename="events.{form}"'
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Cache-Control"] == "no-store"


def test_another_form_is_not_found(an_admin: Admins) -> None:
    assert an_admin("auditor").get("/admin/events/events.xlsx").status_code == 404


def test_a_file_has_the_youngest_events_and_no_more_than_it_may(
    app: Flask, an_admin: Admins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oidc_bridge.web.admin.events.MOST_EXPORTED", 1_200)
    admin = an_admin("auditor")
    later = NOW + timedelta(days=1)
    change(app, lambda connection: add_events(connection, 1_500, at=later))

    with counted(app) as seen:
        rows = rows_of(admin, "json")

    assert [row["id"] for row in rows] == [f"esigned in{n:08d}" for n in range(1499, 299, -1)]
    assert len(seen) <= 3 + 2 * 3
