"""My data: all of it as a file, and all of it deleted."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Connection, Table, func, insert, select
from werkzeug.test import TestResponse

from oidc_bridge.config import Settings
from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.storage import Base, deletion, people, read, write
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.challenges import ChallengeRow
from oidc_bridge.storage.chat_questions import ChatQuestionRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.export import LEFT_OUT, PARTS, export_of
from oidc_bridge.storage.handovers import HandoverRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.names import NameRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.prune import prune_all
from oidc_bridge.storage.pushed import PushedRow
from oidc_bridge.storage.requests import RequestRow
from oidc_bridge.storage.sessions import SessionRow
from oidc_bridge.storage.tokens import AccessTokenRow
from tests.conftest import Clock
from tests.driver import (
    HOMESERVER,
    WIKI,
    Person,
    ask_token,
    fields_of,
    read_id_token,
    userinfo,
)
from tests.fake_names import FakeNames
from tests.fakes import NOW
from tests.full_life import SECOND, SERVICE, Life, account_of, change, live, with_names
from tests.web.test_pages import everything

PAGE = "/account/data"
EXPORT, DELETE = f"{PAGE}/export", f"{PAGE}/delete"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return with_names(settings)


@pytest.fixture
def fetch() -> FakeNames:
    return FakeNames(SERVICE)


@pytest.fixture
def life(app: Flask, clock: Clock, fetch: FakeNames) -> Life:
    return live(app, clock, fetch)


def export(person: Person) -> dict[str, object]:
    answer = person.press_on(PAGE, EXPORT)
    assert answer.status_code == 200, answer.location
    return answer.get_json()


def delete(person: Person) -> TestResponse:
    """Ask, look at the page, and press its button."""
    asked = person.press_on(PAGE, DELETE)
    assert asked.status_code == 200, asked.location
    return person.post(DELETE, dict(fields_of(asked.text, DELETE)))


def by_operator(app: Flask, account_id: str, clock: Clock) -> None:
    change(
        app,
        lambda c: deletion.delete_account(c, account_id, now=clock(), by="operator"),
    )


def count(app: Flask, row: type) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def personal_tables() -> set[str]:
    """Return every table that names an account, or a row of a table that does."""
    known, tables = {"accounts"}, Base.metadata.tables
    while True:
        found = {
            name
            for name, table in tables.items()
            if any(key.column.table.name in known for key in table.foreign_keys)
            or "account_id" in table.columns
        }
        if found <= known:
            return known
        known |= found


def texts_with(app: Flask, text: str) -> set[str]:
    """Return the tables in which a text stands, however it is spelled."""
    return {table for table, rows in everything(app).items() if text.lower() in str(rows).lower()}


# ---- the file


def test_no_table_about_people_is_left_out_of_the_file_by_accident() -> None:
    covered = {part.table.name for part in PARTS} | set(LEFT_OUT)

    assert personal_tables() <= covered
    assert not {part.table.name for part in PARTS} & set(LEFT_OUT)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_of_every_column_it_is_said_whether_it_is_told(part: object) -> None:
    table: Table = part.table  # type: ignore[attr-defined]
    told, kept_back = set(part.told), part.kept_back  # type: ignore[attr-defined]

    assert told | kept_back == set(table.columns.keys())
    assert not told & kept_back
    assert not [name for name in told if "digest" in name or name == "account_id"]


def test_every_part_of_the_file_is_described() -> None:
    described = (Path(__file__).parents[2] / "docs/your-data.md").read_text()

    assert [part.name for part in PARTS if f"| `{part.name}` |" not in described] == []


def test_the_file_has_something_of_everything(life: Life) -> None:
    document = export(life.person)

    assert document["format"] == 1
    assert document["server"] == "https://bridge.example"
    assert [name for name, part in document.items() if not part] == []
    assert set(document) == {"format", "server", "made_at", *(part.name for part in PARTS)}


def test_the_file_tells_what_is_so(life: Life) -> None:
    document = export(life.person)

    account = document["account"]
    assert isinstance(account, dict)
    assert account["name"] == "annie.btc"
    assert account["email"] == "ann@mail.example"
    assert account["created_at"] == "2026-01-01T00:00:00Z"
    subjects = {known["subject"] for known in document["identities"]}  # type: ignore[attr-defined]
    assert {life.person.wallet.address.c32, SECOND.stx_address.c32} < subjects
    receipts = [known["receipt"] for known in document["consents"]]  # type: ignore[attr-defined]
    assert "chat.example" in {receipt["app"]["title"] for receipt in receipts}


def test_the_file_has_no_secret_and_not_the_accounts_number(app: Flask, life: Life) -> None:
    text = life.person.press_on(PAGE, EXPORT).text

    with app.app_context(), read() as connection:
        hidden = [life.account_id]
        for part in PARTS:
            for name in part.kept_back - {"id", "account_id", "who", "note", "uri", "next_try_at"}:
                values = connection.execute(select(part.table.c[name])).scalars()
                hidden += [str(value) for value in values if value]
        for table in LEFT_OUT:
            hidden += connection.execute(select(Base.metadata.tables[table].c.digest)).scalars()
    assert len(hidden) > 20
    assert [secret for secret in hidden if secret in text] == []


def test_the_file_has_nothing_of_anybody_else(life: Life, bob: Person) -> None:
    bob.tokens()

    text = bob.press_on(PAGE, EXPORT).text

    assert bob.wallet.address.c32 in text
    assert [trace for trace in life.traces if trace in text] == []


def test_there_is_no_file_of_somebody_who_is_gone(app: Flask) -> None:
    with app.app_context(), read() as connection, pytest.raises(PageError) as refused:
        export_of(connection, "nobody")

    assert refused.value.code == "signed_out"


def test_the_file_is_a_download_and_is_noted(app: Flask, ann: Person) -> None:
    ann.tokens()

    answer = ann.press_on(PAGE, EXPORT)

    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert "You downloaded your data" in ann.get("/account/activity").text


def test_a_thousand_apps_and_ten_thousand_grants_are_exported_and_deleted(
    app: Flask, ann: Person
) -> None:
    ann.tokens()
    account_id = account_of(app, ann.wallet)
    add_consents(app, account_id, 10_000)
    add_personas(app, account_id, 2_000)

    document = export(ann)

    assert len(document["consents"]) == 10_001  # type: ignore[arg-type]
    assert ann.press_on(PAGE, DELETE).status_code == 200
    assert delete(ann).status_code == 303
    assert count(app, ConsentRow) == 0


def add_consents(app: Flask, account_id: str, how_many: int) -> None:
    rows = [
        {
            "id": f"consent-{number:05}",
            "account_id": account_id,
            "client_id": HOMESERVER.id,
            "app": f"https://app-{number % 1000}.example",
            "app_title": f"app-{number % 1000}.example",
            "client_name": HOMESERVER.name,
            "localpart": "x",
            "scopes": ["openid"],
            "claims": [],
            "granted": ["openid"],
            "text_version": 1,
            "given_at": NOW + timedelta(seconds=number),
            "removed_at": None if number < 1000 else NOW + timedelta(days=1),
        }
        for number in range(how_many)
    ]
    change(app, lambda c: c.execute(insert(ConsentRow), rows))


def add_personas(app: Flask, account_id: str, how_many: int) -> None:
    rows = [
        {
            "id": f"persona-{number}",
            "account_id": account_id,
            "client_id": HOMESERVER.id,
            "app": f"https://app-{number}.example",
            "sub": f"sub-{number}",
            "localpart": f"ann+app-{number}.example",
            "created_at": NOW,
        }
        for number in range(how_many)
    ]
    change(app, lambda c: c.execute(insert(PersonaRow), rows))


# ---- a fresh proof


@pytest.mark.parametrize("action", [EXPORT, DELETE])
@pytest.mark.parametrize("minutes", [5, 6])
def test_who_sits_there_now_must_prove_who_they_are(
    app: Flask, ann: Person, clock: Clock, action: str, minutes: int
) -> None:
    ann.tokens()
    clock.advance(minutes=minutes)

    answer = ann.press_on(PAGE, action, confirm="yes" if action == DELETE and minutes > 5 else "")

    assert (answer.status_code == 303) == (minutes > 5)
    assert count(app, AccountRow) == 1
    if minutes > 5:
        back = ann.prove(answer.location)
        assert back.location == f"{PAGE}?done=confirmed"
        assert "Thank you, it is you" in ann.get(back.location).text
        assert ann.press_on(PAGE, action).status_code == 200


def test_a_page_that_was_left_open_deletes_nothing_any_more(
    app: Flask, ann: Person, clock: Clock
) -> None:
    ann.tokens()
    asked = ann.press_on(PAGE, DELETE)
    clock.advance(minutes=6)

    answer = ann.post(DELETE, dict(fields_of(asked.text, DELETE)))

    assert answer.location.startswith("/sign-in/")
    assert count(app, AccountRow) == 1


@pytest.mark.parametrize("confirm", ["", "no", "YES", "yes\0"])
def test_nothing_is_deleted_without_the_button_of_the_page(
    app: Flask, ann: Person, confirm: str
) -> None:
    ann.tokens()

    answer = ann.press_on(PAGE, DELETE, confirm=confirm)

    assert answer.status_code == 200
    assert "This cannot be undone" in answer.text
    assert count(app, AccountRow) == 1


@pytest.mark.parametrize("action", [EXPORT, DELETE])
def test_who_is_signed_out_gets_nothing(app: Flask, ann: Person, action: str) -> None:
    ann.tokens()
    fields = fields_of(ann.get(PAGE).text, action)
    ann.sign_out()

    assert ann.post(action, {**fields, "confirm": "yes"}).status_code == 401
    assert count(app, AccountRow) == 1


# ---- gone


def test_the_page_says_what_goes_and_what_stays(life: Life) -> None:
    page = re.sub(r"</?bdi>|<wbr>", "", life.person.press_on(PAGE, DELETE).text)

    assert "@ann.btc:matrix.example" in page
    assert "@ann.btc+bot.example:matrix.example" in page
    assert "Deactivate your Matrix account" in page
    assert "The access of 3 apps" in page
    cannot_be_told = page[page.index("These apps cannot be told") :]
    assert "The Wiki" in cannot_be_told
    assert "chat.example" not in cannot_be_told
    assert "Delete my account at Example ID</button>" in page


def test_afterwards_the_person_is_signed_out_and_told(app: Flask, ann: Person) -> None:
    ann.tokens()

    answer = delete(ann)

    assert ann.browser.get_cookie("__Host-session", domain="bridge.example") is None
    assert answer.status_code == 303
    assert "Your account is deleted" in ann.get(answer.location).text
    assert "/account/begin" in ann.account_page()


def test_nobody_else_is_told_that_their_account_is_deleted(
    app: Flask, ann: Person, bob: Person
) -> None:
    ann.tokens()
    bob.get("/account")
    gone = delete(ann).location

    assert bob.get(gone).location == "/account"
    ann.tokens()
    assert ann.get(gone).location == "/account"


# The second is that of the persona at app passwords, which were made under a later name.
DOCUMENTED = {"ann.btc": {"personas"}, "annie.btc": {"personas"}}
"""What stays, as docs/security.md says: the Matrix ID, which is the name here."""


def test_nothing_is_left_of_somebody_who_is_gone(app: Flask, life: Life) -> None:
    found = {trace for trace in life.traces if texts_with(app, trace)}
    assert {life.account_id, "Ann Example", "ann@mail.example", "It is me, Ann"} <= found

    delete(life.person)

    left = {trace: texts_with(app, trace) for trace in life.traces}
    assert {trace: tables for trace, tables in left.items() if tables} == DOCUMENTED


def test_the_tables_about_people_are_empty_when_the_only_one_is_gone(
    app: Flask, life: Life
) -> None:
    """Also a table that nobody has thought of yet."""
    before = {name for name in personal_tables() if everything(app)[name]}
    assert before == personal_tables()

    delete(life.person)

    rows = everything(app)
    assert {name for name in personal_tables() if rows[name]} == {"personas", "events"}
    with app.app_context(), read() as connection:
        assert connection.execute(select(PersonaRow.account_id).distinct()).scalars().all() == [
            None
        ]
        left = connection.execute(select(EventRow.kind, EventRow.account_id, EventRow.detail)).all()
    assert ("account deleted", None, {"by": "person"}) in [tuple(row) for row in left]
    assert {row.account_id for row in left} == {None}


def test_a_name_that_stays_nowhere_else_is_the_address(app: Flask, ann: Person) -> None:
    """Without a name the Matrix ID is the address."""
    ann.tokens()

    delete(ann)

    assert texts_with(app, ann.wallet.address.c32) == {"personas"}


def test_everybody_else_keeps_everything(app: Flask, life: Life, bob: Person) -> None:
    bob.tokens()
    bob_before = export(bob)

    delete(life.person)

    bob_after = export(bob)
    for name in ("account", "identities", "personas", "sessions", "consents", "authorizations"):
        assert bob_after[name] == bob_before[name]


def test_the_apps_are_told_by_the_name_that_they_know(app: Flask, ann: Person) -> None:
    tokens = ann.tokens()
    subject = read_id_token(app, str(tokens["id_token"]))["sub"]

    delete(ann)

    with app.app_context(), read() as connection:
        rows = connection.execute(
            select(LogoutDeliveryRow.client_id, LogoutDeliveryRow.sub, LogoutDeliveryRow.done_at)
        ).all()
    assert [tuple(row) for row in rows] == [("synapse", subject, None)]


def test_what_was_told_is_forgotten_at_the_next_tidying(
    app: Flask, ann: Person, bob: Person, clock: Clock
) -> None:
    for person in (ann, bob):
        person.tokens()
    delete(ann)
    bob.sign_out()

    def settle(connection: Connection) -> None:
        connection.execute(LogoutDeliveryRow.__table__.update().values(done_at=clock()))

    assert count(app, LogoutDeliveryRow) == 2
    tidy(app, clock)
    assert count(app, LogoutDeliveryRow) == 2  # they are still on their way
    change(app, settle)
    tidy(app, clock)
    assert count(app, LogoutDeliveryRow) == 1


def tidy(app: Flask, clock: Clock) -> None:
    with app.app_context():
        assert list(prune_all(now=clock(), token_life=timedelta(hours=1)))


def test_tokens_and_codes_are_worth_nothing_at_once(app: Flask, ann: Person) -> None:
    scope = "openid profile offline_access"
    tokens = ann.tokens(scope=scope, scopes=("profile", "offline_access"))

    delete(ann)

    assert userinfo(app, str(tokens["access_token"])).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    assert ask_token(app, form).get_json()["error"] == "invalid_grant"
    assert count(app, AccessTokenRow) == 0


def test_every_browser_is_signed_out(app: Flask, ann: Person) -> None:
    elsewhere = Person(app, ann.clock, ann.wallet)
    elsewhere.tokens()
    ann.tokens()

    delete(ann)

    assert "/account/begin" in elsewhere.account_page()
    assert count(app, SessionRow) == 0


@pytest.mark.parametrize("as_whom", ["main", "alone"])
def test_who_comes_back_is_somebody_new(app: Flask, ann: Person, as_whom: str) -> None:
    """Else whoever holds an old token, room or grant of the first would hold the second's."""
    if as_whom == "alone":
        enrol_asking(app)
    first = read_id_token(app, str(ann.tokens(as_whom=as_whom)["id_token"]))
    delete(ann)

    again = read_id_token(app, str(ann.tokens(as_whom=as_whom)["id_token"]))

    assert again["sub"] != first["sub"]
    assert again["preferred_username"] != first["preferred_username"]
    assert count(app, AccountRow) == 1


def enrol_asking(app: Flask) -> None:
    change(
        app,
        lambda c: c.execute(Base.metadata.tables["clients"].update().values(unknown_apps="ask")),
    )


def test_a_buyer_of_the_name_does_not_get_its_old_matrix_id(
    app: Flask, life: Life, bob: Person, fetch: FakeNames, clock: Clock
) -> None:
    delete(life.person)
    fetch.transfer("ann.btc", bob.wallet.address.c32)

    claims = read_id_token(app, str(bob.tokens(as_whom="main")["id_token"]))

    assert claims["preferred_username"] == bob.wallet.address.c32.lower()


def test_an_app_that_asks_for_the_old_subject_gets_nobody(app: Flask, ann: Person) -> None:
    id_token = str(ann.tokens(WIKI)["id_token"])
    delete(ann)
    ann.tokens(WIKI)

    answer = ann.authorize(WIKI, id_token_hint=id_token, prompt="none")

    assert "error=login_required" in answer.location


def test_an_open_sign_in_elsewhere_makes_no_new_account(app: Flask, life: Life) -> None:
    """What was proved for another purpose, before the deletion, is gone with it."""
    before = len(everything(app)["authorization_requests"])

    delete(life.person)

    rows = str(everything(app)["authorization_requests"])
    assert 0 < len(everything(app)["authorization_requests"]) < before
    assert life.person.wallet.address.c32 not in rows


ADDRESS = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7"
OPEN = {
    "address": ({"login_hint": ADDRESS}, True),
    "address in lower case": ({"login_hint": ADDRESS.lower()}, True),
    "name": ({"login_hint": "Ann.btc"}, True),
    "localpart": ({"login_hint": "ann.old"}, True),
    "matrix id": ({"login_hint": "@ann.old:matrix.example"}, True),
    "another name": ({"login_hint": "joann.btc"}, False),
    "no hint": ({}, False),
    "proof": ({"proved": [{"subject": ADDRESS}]}, True),
    "proof that names the key": ({"proved": [{"subject": "SP1", "stx_address": ADDRESS}]}, True),
    "another proof": ({"proved": [{"subject": "SP1", "stx_address": None}]}, False),
    "subject": ({"subjects": ["ann's sub"]}, True),
    "another subject": ({"subjects": ["bob's sub"]}, False),
    "persona": ({"persona_id": "ann's persona"}, True),
    "another persona": ({"persona_id": "bob's persona"}, False),
}


@pytest.mark.parametrize(("held", "is_closed"), OPEN.values(), ids=OPEN)
def test_what_is_open_is_closed_only_if_it_is_about_the_person(
    app: Flask, clock: Clock, held: dict[str, object], is_closed: bool
) -> None:
    change(app, lambda c: add_ann(c, held))

    by_operator(app, "ann", clock)

    rows = everything(app)
    for table in ("authorization_requests", "challenges"):
        assert (rows[table] == []) == is_closed, table


@pytest.mark.parametrize("hint", ["ann.btc", "bob.btc", None])
def test_what_was_pushed_with_the_persons_name_is_forgotten(
    app: Flask, clock: Clock, hint: str | None
) -> None:
    change(app, lambda c: add_ann(c, {}))
    pushed = {"client_id": WIKI.id, "parameters": {"login_hint": hint} if hint else {}}
    times = {"opens_until": NOW, "expires_at": NOW}
    change(app, lambda c: c.execute(insert(PushedRow), {"digest": "d", **pushed, **times}))

    by_operator(app, "ann", clock)

    assert count(app, PushedRow) == (0 if hint == "ann.btc" else 1)


@pytest.mark.parametrize("subject", [ADDRESS, "SP1"])
def test_a_proof_left_for_another_browser_is_forgotten(
    app: Flask, clock: Clock, subject: str
) -> None:
    handover = {"id": "h", "request_id": "gone", "browser": "b", "digest": "d", "code": "c"}
    handover |= {"user_agent": "", "proved": {"subject": subject}}
    times = {"created_at": NOW, "expires_at": NOW}
    change(app, lambda c: add_ann(c, {}))
    change(app, lambda c: c.execute(insert(HandoverRow), {**handover, **times}))

    by_operator(app, "ann", clock)

    assert count(app, HandoverRow) == (0 if subject == ADDRESS else 1)


@pytest.mark.parametrize("subject", [ADDRESS, "SP1"])
def test_what_a_chat_app_proved_for_a_browser_is_forgotten(
    app: Flask, clock: Clock, subject: str
) -> None:
    question = {"id": "q", "request_id": "gone", "browser": "b", "digest": "d", "challenge": "c"}
    question |= {"client_id": "synapse", "asks": "", "user_agent": ""}
    question |= {"proved": {"subject": subject}, "created_at": NOW, "expires_at": NOW}
    change(app, lambda c: add_ann(c, {}))
    change(app, lambda c: c.execute(insert(ChatQuestionRow), question))

    by_operator(app, "ann", clock)

    assert count(app, ChatQuestionRow) == (0 if subject == ADDRESS else 1)


def add_ann(connection: Connection, held: dict[str, object]) -> None:
    """Add an account, and a request of some browser that holds something."""
    connection.execute(insert(AccountRow), {"id": "ann", "created_at": NOW})
    times = {"first_proved_at": NOW, "last_proved_at": NOW}
    key = {"id": "key", "account_id": "ann", "method": "stacks", "subject": ADDRESS}
    connection.execute(insert(IdentityRow), {**key, "unconfirmed": [], **times})
    name = {"text": "ann.btc", "identity_id": "key", "owner": ADDRESS, "confirmed_at": NOW}
    connection.execute(insert(NameRow), name)
    persona = {"id": "ann's persona", "account_id": "ann", "client_id": WIKI.id, "app": ""}
    persona |= {"sub": "ann's sub", "localpart": "ann.old"}
    connection.execute(insert(PersonaRow), {**persona, "created_at": NOW})
    request = {"id": "r", "browser": "b", "scopes": [], "ask_anyway": False, "subjects": []}
    connection.execute(insert(RequestRow), {**request, "proved": [], "expires_at": NOW, **held})
    challenge = {"id": "c", "browser": "b", "request_id": "r", "statement": "", "secret": b""}
    times = {"issued_at": NOW, "expires_at": NOW}
    connection.execute(insert(ChallengeRow), {**challenge, **times})


# ---- by the operator


def test_an_operator_deletes_as_the_person_does(app: Flask, life: Life, clock: Clock) -> None:
    by_operator(app, life.account_id, clock)

    left = {trace: texts_with(app, trace) for trace in life.traces}
    assert {trace: tables for trace, tables in left.items() if tables} == DOCUMENTED
    assert "/account/begin" in life.person.account_page()


def test_a_block_is_not_lifted_by_deleting(app: Flask, ann: Person, clock: Clock) -> None:
    ann.tokens()
    account_id = account_of(app, ann.wallet)
    change(app, lambda c: people.block(c, account_id, now=clock()))
    before = everything(app)

    with pytest.raises(BridgeError) as refused:
        by_operator(app, account_id, clock)

    assert refused.value.code == "person_blocked"
    assert everything(app) == before


def test_all_of_it_happens_or_nothing(
    app: Flask, life: Life, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(app)

    def broken(*_: object, **__: object) -> None:
        raise LookupError

    monkeypatch.setattr(deletion, "record", broken)  # the last step
    with app.app_context(), pytest.raises(LookupError):
        write(lambda c: deletion.delete_account(c, life.account_id, now=clock(), by="operator"))

    assert everything(app) == before


def test_a_second_press_finds_nobody(app: Flask, ann: Person) -> None:
    ann.tokens()
    asked = ann.press_on(PAGE, DELETE)
    fields = dict(fields_of(asked.text, DELETE))
    ann.post(DELETE, fields)

    assert ann.post(DELETE, fields).status_code == 401
