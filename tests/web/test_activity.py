"""My own activity: every kind of event in words, fifty at a time, nobody else's."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Connection, event, insert

from oidc_bridge.config import Settings
from oidc_bridge.storage import db, read, write
from oidc_bridge.storage.ledger import TOLD, EventRow, Place, events_of, record
from oidc_bridge.web.account.activity import WORDS
from tests.conftest import Clock
from tests.driver import Person
from tests.fake_names import FakeNames
from tests.fakes import NOW
from tests.full_life import SERVICE, Life, account_of, live, with_names
from tests.test_layers import TREE

PAGE = "/account/activity"
JSON = "/account/activity/activity.json"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return with_names(settings)


@pytest.fixture
def fetch() -> FakeNames:
    return FakeNames(SERVICE)


@pytest.fixture
def life(app: Flask, clock: Clock, fetch: FakeNames) -> Life:
    return live(app, clock, fetch)


def change(app: Flask, work: object) -> None:
    with app.app_context():
        write(work)  # type: ignore[arg-type]


def add_events(app: Flask, account_id: str, count: int, *, apart: timedelta) -> None:
    """Add events, the youngest last."""
    rows = [
        {
            "id": f"event-{number:05}",
            "at": NOW + timedelta(days=1) + number * apart,
            "kind": "name chosen",
            "account_id": account_id,
            "detail": {"name": f"number {number}"},
        }
        for number in range(count)
    ]
    change(app, lambda connection: connection.execute(insert(EventRow), rows))


def plain(text: str) -> str:
    return re.sub(r"</?bdi>", "", text)


def numbers(page: str) -> list[int]:
    return [int(number) for number in re.findall(r"number (\d+)", plain(page))]


def older(page: str) -> str | None:
    found = re.search(r'href="([^"]+)">Older<', page)
    return found[1] if found else None


# ---- words


def kinds_in(source: str) -> Iterator[str]:
    """Yield the kinds of events that a module records about an account.

    Raises:
        AssertionError: for a kind that cannot be read from the source.
    """
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and is_about_account(call, function):
                yield from texts_of(call.args[1], function)


def is_about_account(call: ast.Call, function: ast.FunctionDef) -> bool:
    match ast.unparse(call.func):
        case "record":
            return any(keyword.arg == "account_id" for keyword in call.keywords)
        case "record_all":
            # What each event has is in a dict of the same function.
            return any(
                isinstance(key, ast.Constant) and key.value == "account_id"
                for one in ast.walk(function)
                if isinstance(one, ast.Dict)
                for key in one.keys
            )
    return False


def texts_of(node: ast.expr, function: ast.FunctionDef) -> list[str]:
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp():
            return [*texts_of(node.body, function), *texts_of(node.orelse, function)]
        case ast.Name(name):
            values = [
                known.value
                for known in ast.walk(function)
                if isinstance(known, ast.Assign) and ast.unparse(known.targets[0]) == name
            ]
            assert values, f"what is {name} in {function.name}?"
            return [text for value in values for text in texts_of(value, function)]
    raise AssertionError(f"a kind of event that nobody can read: {ast.unparse(node)}")


def test_every_kind_of_event_about_an_account_has_words() -> None:
    kinds = {kind for source in TREE.values() for kind in kinds_in(source)}

    assert len(kinds) > 15
    assert kinds == set(WORDS)


def test_a_kind_that_is_chosen_in_the_code_is_found_too() -> None:
    source = """
def land():
    kind = "one" if x else "two"
    record(connection, kind, now=now, account_id=a)
    record(connection, "three", now=now, client_id=c)
    record_all(connection, "four", [{"account_id": a}], now=now)
def list_all():
    record_all(connection, "five", [{"app": a}], now=now)
"""

    assert set(kinds_in(source)) == {"one", "two", "four"}


def test_a_full_life_is_told_in_words(life: Life) -> None:
    page = plain(life.person.get(PAGE).text)

    for words in (
        "You signed in",
        "You allowed bot.example to sign you in",
        "You did not allow never.example to sign you in",
        "You removed the access of once.example",
        "You asked to be let in to closed.example",
        "You set your own rule for chat.example",
        "It may know you as yourself",
        "matrix.example took up your sign-in",
        "You joined another account of yours to this one",
        "annie.btc",
        "The people who run this server blocked your account",
        "Firefox on Linux",
    ):
        assert words in page, words
    assert "Something else" not in page


def test_what_is_for_admins_is_told_to_nobody(app: Flask, life: Life) -> None:
    def decide(connection: Connection) -> None:
        record(
            connection,
            "person blocked",
            now=NOW + timedelta(days=9),
            account_id=life.account_id,
            by="admin@example.org",
            note="reported by bob",
        )

    change(app, decide)

    for url in (PAGE, JSON):
        text = life.person.get(url).text
        assert "admin@" not in text
        assert "reported" not in text
        assert life.account_id not in text
    for told in life.person.get(JSON).get_json()["events"]:
        assert set(told["detail"]) <= TOLD


def test_nobody_sees_anothers_activity(life: Life, bob: Person) -> None:
    bob.tokens()

    assert "bot.example" not in bob.get(PAGE).text
    assert "bot.example" not in bob.get(JSON).text


@pytest.mark.parametrize("url", [PAGE, JSON])
def test_somebody_who_is_signed_out_sees_none(ann: Person, url: str) -> None:
    assert ann.get(url).status_code == 401


def test_a_hostile_app_is_shown_as_text(app: Flask, ann: Person) -> None:
    ann.tokens()
    account_id = account_of(app, ann.wallet)

    def note(connection: Connection) -> None:
        record(connection, "consent given", now=NOW, account_id=account_id, app="https://<b>x")

    change(app, note)

    assert "<b>x" not in ann.get(PAGE).text
    assert "&lt;b&gt;x" in ann.get(PAGE).text


# ---- pages


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(microseconds=1)], ids=["once", "apart"])
def test_pages_have_each_event_once_also_of_one_moment(
    app: Flask, ann: Person, apart: timedelta
) -> None:
    ann.tokens()
    add_events(app, account_of(app, ann.wallet), 120, apart=apart)

    seen, url, pages = [], PAGE, 0
    while url is not None:
        page = ann.get(url).text
        seen += numbers(page)
        url, pages = older(page), pages + 1

    assert seen == list(range(119, -1, -1))
    assert pages == 3


def test_what_happens_meanwhile_moves_nothing(app: Flask, ann: Person) -> None:
    ann.tokens()
    account_id = account_of(app, ann.wallet)
    add_events(app, account_id, 60, apart=timedelta(seconds=1))
    url = older(ann.get(PAGE).text)
    change(
        app,
        lambda c: record(c, "name chosen", now=NOW + timedelta(days=2), account_id=account_id),
    )

    assert url is not None
    assert numbers(ann.get(url).text) == list(range(9, -1, -1))


@pytest.mark.parametrize("count", [49, 50, 51])
def test_there_is_an_older_page_only_if_there_is_something_on_it(
    app: Flask, ann: Person, count: int
) -> None:
    ann.browser = ann.new_browser()
    ann.prove(ann.begin_account())  # one event
    add_events(app, account_of(app, ann.wallet), count - 1, apart=timedelta(seconds=1))

    assert (older(ann.get(PAGE).text) is not None) == (count > 50)


@pytest.mark.parametrize(
    "after", ["", "x", "1.", ".x", "-1.x", "1.x y", "9" * 18 + ".x", "1.x\0", "1." + "x" * 65]
)
def test_a_place_that_is_none_is_no_page(ann: Person, after: str) -> None:
    ann.tokens()

    answer = ann.browser.get(PAGE, query_string={"after": after}, base_url="https://bridge.example")

    assert answer.status_code == 404
    assert "not_found" in answer.text


def test_before_all_there_is_nothing(ann: Person) -> None:
    ann.tokens()

    assert "Nothing older" in ann.get(f"{PAGE}?after=1.x").text
    assert ann.get(f"{PAGE}?after={'9' * 17}.x").status_code == 200


def questions(app: Flask, person: Person, url: str) -> int:
    """Return how many statements a page costs."""
    asked: list[str] = []
    with app.app_context():
        engine = db.engine

    def count(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    event.listen(engine, "before_cursor_execute", count)
    try:
        assert person.get(url).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", count)
    return len(asked)


@pytest.mark.parametrize("url", [PAGE, JSON])
def test_a_long_life_costs_no_more_questions(
    app: Flask, ann: Person, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Clients and keys are read anew each second, which is another matter.
    monkeypatch.setattr("oidc_bridge.web.snapshot._MAX_AGE", 3600)
    ann.tokens()
    few = questions(app, ann, url)
    add_events(app, account_of(app, ann.wallet), 10_000, apart=timedelta(seconds=1))
    for _ in range(3):
        ann.tokens()

    assert questions(app, ann, url) == few


def test_the_ledger_is_read_by_its_index(app: Flask) -> None:
    with app.app_context(), read() as connection:
        asked: list[tuple[str, object]] = []

        def keep(*arguments: object) -> None:
            asked.append((str(arguments[2]), arguments[3]))

        event.listen(connection, "before_cursor_execute", keep)
        events_of(connection, "a", after=Place(NOW, "x"), at_most=50)
        statement, values = asked[0]
        if connection.dialect.name == "sqlite":
            explain, column, wanted = "EXPLAIN QUERY PLAN", 3, "(account_id=? AND at<?)"
        else:
            # A table of a few rows is read as a whole, unless that is not allowed.
            connection.exec_driver_sql("SET enable_seqscan = off")
            explain, column, wanted = "EXPLAIN", 0, "(at <= "
        rows = connection.exec_driver_sql(f"{explain} {statement}", values)  # type: ignore[arg-type]
        plan = "\n".join(row[column] for row in rows)
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql("RESET enable_seqscan")

    assert "ix_events_account_id_at" in plan
    assert wanted in plan, plan


# ---- as a file


def test_the_file_has_all_of_it(app: Flask, ann: Person) -> None:
    ann.tokens()
    add_events(app, account_of(app, ann.wallet), 120, apart=timedelta(seconds=1))

    answer = ann.get(JSON)

    assert answer.headers["Content-Disposition"] == 'attachment; filename="activity.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    events = answer.get_json()["events"]
    assert [told["detail"]["name"] for told in events[:2]] == ["number 119", "number 118"]
    assert len(events) == 123
    assert "You signed in" in {told["words"] for told in events[-3:]}
    assert events[-1]["at"] == "2026-01-01T00:00:00Z"
