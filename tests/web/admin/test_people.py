"""Finding people, looking at one, and what can be done about them."""

import html
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import event, insert, select, update
from werkzeug.test import TestResponse

from oidc_bridge.storage import db, read
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.admins import set_role
from oidc_bridge.storage.directory import PAGE
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.notes import find_note, set_note
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.storage.people import block as block_person
from tests.conftest import Clock
from tests.driver import CHAT, HOMESERVER, Person, fields_of, query_of, redeem
from tests.fakes import NOW
from tests.web.admin.conftest import account_of, change
from tests.web.admin.many import account_id, add_people, address, name

Admins = Callable[..., Person]


@contextmanager
def counted(app: Flask) -> Iterator[list[str]]:
    """Give the statements that are run meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    snapshots = app.extensions["oidc_bridge"].snapshots
    with app.app_context():
        engine = db.engine
        # Else a snapshot that has grown old would be read anew, and counted.
        snapshots.forget()
        snapshots.current()
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def found_on(page: str) -> list[str]:
    """Return the accounts that a list links to, in its order."""
    return re.findall(r'<th[^>]*><a href="/admin/people/([A-Za-z0-9_-]+)">', page)


def next_page(page: str) -> str | None:
    found = re.search(r'href="([^"]*)" rel="next"', page)
    return html.unescape(found[1]) if found else None


def events_of_kind(app: Flask, kind: str) -> list[tuple[str | None, dict[str, str]]]:
    with app.app_context(), read() as connection:
        rows = connection.execute(
            select(EventRow.account_id, EventRow.detail).where(EventRow.kind == kind)
        )
        return [(row.account_id, row.detail) for row in rows]


# ---- finding


@pytest.mark.parametrize(
    "begin",
    [
        name(7),
        name(7).upper(),
        "person000007",
        address(7),
        address(7).lower(),
        address(7)[:39],
        "user-000007",
        "@user-000007",
        "@user-000007:matrix.example",
        "@user-000007:mat",
    ],
)
def test_somebody_is_found_by_what_something_of_theirs_begins_with(
    app: Flask, an_admin: Admins, begin: str
) -> None:
    change(app, lambda connection: add_people(connection, 20))

    page = an_admin("auditor").get(f"/admin/people?find={begin}").text

    assert account_id(7) in found_on(page)
    assert len(found_on(page)) <= 10


@pytest.mark.parametrize(
    "begin",
    ["erson", "person00000_", "person%", "@user-000007:other", "@user-000007:matrix.example.org"],
)
def test_nobody_is_found_by_what_nothing_of_theirs_begins_with(
    app: Flask, an_admin: Admins, begin: str
) -> None:
    change(app, lambda connection: add_people(connection, 20))

    assert (
        found_on(an_admin("auditor").get(f"/admin/people?{urlencode({'find': begin})}").text) == []
    )


def test_the_list_holds_everybody_once_the_latest_first(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("auditor")
    change(app, lambda connection: add_people(connection, 2 * PAGE + 10))

    url, seen = "/admin/people", []
    while url:
        page = admin.get(url).text
        assert len(found_on(page)) <= PAGE
        seen += found_on(page)
        url = next_page(page)

    assert seen == [
        account_of(app, admin),
        *(account_id(number) for number in reversed(range(2 * PAGE + 10))),
    ]


def test_a_search_with_many_fits_is_paged_and_misses_nobody(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("auditor")
    change(app, lambda connection: add_people(connection, 5 * PAGE))

    url, seen = "/admin/people?find=person", []
    while url:
        page = admin.get(url).text
        seen += found_on(page)
        url = next_page(page)

    assert seen == [account_id(number) for number in range(5 * PAGE)]


def test_somebody_who_fits_in_several_ways_is_there_once(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("auditor")

    def rename(connection: object) -> None:
        add_people(connection, 3)
        connection.execute(
            update(db.metadatas[None].tables["personas"])
            .where(db.metadatas[None].tables["personas"].c.account_id == account_id(1))
            .values(localpart="person000001.btc")
        )

    change(app, rename)

    assert found_on(admin.get("/admin/people?find=person000001").text) == [account_id(1)]


@pytest.mark.parametrize("count", [5, 3 * PAGE])
def test_pages_ask_as_often_however_many_people_there_are(
    app: Flask, an_admin: Admins, count: int
) -> None:
    admin = an_admin("auditor")
    change(app, lambda connection: add_people(connection, count))

    for url, most in (
        ("/admin/people", 5),
        ("/admin/people?show=blocked", 5),
        ("/admin/people?find=person", 5),
        ("/admin/people?find=@user", 5),
        (f"/admin/people/{account_id(1)}", 15),
    ):
        admin.get(url)
        with counted(app) as seen:
            assert admin.get(url).status_code == 200
        assert len(seen) <= most, (url, seen)


@pytest.mark.parametrize(
    "query", ["after=x&after_id=y", "after=2020&after_id=y", "find=" + "x" * 9999]
)
def test_an_address_that_makes_no_sense_is_no_crash(an_admin: Admins, query: str) -> None:
    assert an_admin("auditor").get(f"/admin/people?{query}").status_code == 200


# ---- one person


def test_a_persons_page_shows_what_they_have(app: Flask, an_admin: Admins, ann: Person) -> None:
    ann.tokens()
    admin = an_admin("admin")

    page = admin.get(f"/admin/people/{account_of(app, ann)}").text

    assert ann.wallet.address.c32 in page
    assert ":<wbr>matrix.example" in page
    assert "chat.example" in page
    assert "openid, profile" in page


@pytest.mark.parametrize("account", ["x" * 22, "nobody"])
@pytest.mark.parametrize("path", ["", "/why"])
def test_who_is_not_there_is_not_found(an_admin: Admins, account: str, path: str) -> None:
    assert an_admin("owner").get(f"/admin/people/{account}{path}").status_code == 404


HOSTILE = [
    "<script>alert(1)</script>",
    "\u202egnp.exe",
    "a\u200bb",
    "x" * 10_000,
    '=HYPERLINK("https://evil.example")',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_on_every_page(
    app: Flask, an_admin: Admins, ann: Person, text: str
) -> None:
    ann.tokens()
    account = account_of(app, ann)
    admin = an_admin("owner")
    own = account_of(app, admin)

    def write_it(connection: object) -> None:
        connection.execute(update(AccountRow).where(AccountRow.id == account).values(name=text))
        for table, column in (("consents", "app_title"), ("sessions", "user_agent")):
            rows = db.metadatas[None].tables[table]
            connection.execute(update(rows).values({column: text}))
        set_note(connection, account, text, by=own, version="", now=NOW)
        detail = {"before": text, "after": text, text[:50]: text, "by": account}
        connection.execute(
            insert(EventRow),
            {
                "id": "hostile",
                "at": NOW,
                "kind": text[:100],
                "account_id": account,
                "detail": detail,
            },
        )

    change(app, write_it)

    for path in (
        "/admin/people",
        f"/admin/people/{account}",
        f"/admin/people/{account}/why?client=synapse&app=https://chat.example",
        "/admin/events",
        f"/admin/events?person={account}",
    ):
        answer = admin.get(path)
        assert answer.status_code == 200, path
        assert "<script>alert" not in answer.text
        assert "\u202e" not in answer.text, path
        assert len(answer.text) < 100_000, path


# ---- block, unblock, sign out


def press(admin: Person, account: str, what: str, **more: str) -> TestResponse:
    page, action = f"/admin/people/{account}", f"/admin/people/{account}/{what}"
    return admin.press_on(page, action, **more)


def post_unoffered(admin: Person, account: str, what: str) -> TestResponse:
    """Post a form that the page may not have."""
    page = f"/admin/people/{account}"
    csrf = fields_of(admin.get(page).text, f"{page}/sign-out")["csrf"]
    return admin.post(f"{page}/{what}", {"csrf": csrf, "confirm": "yes"})


def test_who_is_blocked_is_out_everywhere_at_once(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    tokens = ann.tokens()
    account, admin = account_of(app, ann), an_admin("admin")

    asked = press(admin, account, "block")
    assert f"Block {ann.wallet.address.c32}?" in html.unescape(asked.text)
    assert ann.get("/account").status_code == 200
    assert "Sign out" in ann.account_page()
    press(admin, account, "block", confirm="yes")

    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    userinfo = app.test_client().get("/userinfo", base_url="https://bridge.example", headers=bearer)
    assert userinfo.status_code == 401
    assert "Sign out" not in ann.account_page()
    with app.app_context(), read() as connection:
        assert connection.execute(select(LogoutDeliveryRow.client_id)).scalars().all() == [
            "synapse"
        ]
    assert ann.prove(ann.authorize().location).status_code == 403
    by = account_of(app, admin)
    assert events_of_kind(app, "person blocked") == [(account, {"by": by})]


def test_who_is_unblocked_may_come_back(app: Flask, an_admin: Admins, ann: Person) -> None:
    ann.sign_in()
    account, admin = account_of(app, ann), an_admin("admin")
    press(admin, account, "block", confirm="yes")

    press(admin, account, "unblock")

    assert ann.prove(ann.authorize().location).status_code == 303
    assert len(events_of_kind(app, "person unblocked")) == 1


def test_who_is_blocked_already_is_not_blocked_twice(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    ann.sign_in()
    account, admin = account_of(app, ann), an_admin("admin")
    fields = fields_of(admin.get(f"/admin/people/{account}").text, f"/admin/people/{account}/block")

    for _ in range(2):
        admin.post(f"/admin/people/{account}/block", {**fields, "confirm": "yes"})

    assert len(events_of_kind(app, "person blocked")) == 1


def test_somebody_signed_out_everywhere_may_sign_in_again(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    code = query_of(ann.sign_in())["code"]
    account, admin = account_of(app, ann), an_admin("admin")

    assert (
        f"Sign {ann.wallet.address.c32} out everywhere?" in press(admin, account, "sign-out").text
    )
    press(admin, account, "sign-out", confirm="yes")

    assert redeem(app, code).status_code == 400
    assert "Sign out" not in ann.account_page()
    assert events_of_kind(app, "signed out by admin")[0][1]["sessions"] == "1"
    assert ann.prove(ann.authorize().location).status_code == 303


@pytest.mark.parametrize(
    ("role", "of", "status"),
    [
        ("admin", None, 303),
        ("admin", "owner", 403),
        ("admin", "auditor", 403),
        ("owner", "owner", 303),
    ],
)
def test_somebody_with_a_role_is_blocked_by_an_owner_only(
    app: Flask, an_admin: Admins, ann: Person, role: str, of: str | None, status: int
) -> None:
    ann.sign_in()
    account, admin = account_of(app, ann), an_admin(role)
    if of is not None:
        change(app, lambda connection: set_role(connection, account, of, now=NOW))

    answer = post_unoffered(admin, account, "block")

    assert answer.status_code == status
    assert len(events_of_kind(app, "person blocked")) == (status == 303)
    page = admin.get(f"/admin/people/{account}").text
    assert (f"They are {of}: an owner alone" in page) == (status == 403)
    assert ("Block…" in page or "Unblock" in page) == (status == 303)


@pytest.mark.parametrize(("role", "status"), [("admin", 403), ("owner", 303)])
def test_somebody_with_a_role_is_unblocked_by_an_owner_only(
    app: Flask, an_admin: Admins, ann: Person, role: str, status: int
) -> None:
    ann.sign_in()
    account, admin = account_of(app, ann), an_admin(role)
    change(app, lambda connection: set_role(connection, account, "auditor", now=NOW))
    change(app, lambda connection: block_person(connection, account, now=NOW))

    assert post_unoffered(admin, account, "unblock").status_code == status
    assert len(events_of_kind(app, "person unblocked")) == (status == 303)


def test_nobody_blocks_themselves(app: Flask, an_admin: Admins) -> None:
    owner = an_admin("owner")

    answer = post_unoffered(owner, account_of(app, owner), "block")

    assert answer.status_code == 403
    assert "not_yourself" in answer.text
    page = owner.get(f"/admin/people/{account_of(app, owner)}").text
    assert "This is you" in page
    assert "Block…" not in page


def test_an_auditor_sees_no_button(app: Flask, an_admin: Admins, ann: Person) -> None:
    ann.sign_in()

    page = an_admin("auditor").get(f"/admin/people/{account_of(app, ann)}").text

    assert "<form" not in page


# ---- notes


def test_a_note_is_kept_with_who_wrote_it(app: Flask, an_admin: Admins, ann: Person) -> None:
    ann.sign_in()
    account, admin = account_of(app, ann), an_admin("admin")

    press(admin, account, "note", text="Called on Monday")
    press(admin, account, "note", text="")

    assert [detail for _, detail in events_of_kind(app, "note changed")] != []
    told = {(d["before"], d["after"]) for _, d in events_of_kind(app, "note changed")}
    assert told == {("", "Called on Monday"), ("Called on Monday", "")}
    with app.app_context(), read() as connection:
        assert find_note(connection, account) is None


def test_a_note_is_measured_as_its_page_measures_it(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    ann.sign_in()
    account, admin = account_of(app, ann), an_admin("admin")
    text = "\n".join(["x" * 19] * 100) + "y"
    assert len(text) == 2000

    assert press(admin, account, "note", text=text.replace("\n", "\r\n")).status_code == 303

    assert note_of(app, account) == text


def test_a_note_that_is_too_long_stays_in_its_field(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    ann.sign_in()
    account, admin = account_of(app, ann), an_admin("admin")
    press(admin, account, "note", text="before")

    answer = press(admin, account, "note", text="z" * 2001)

    assert answer.status_code == 400
    assert "This is 2,001 characters long; 2,000 are kept." in answer.text
    assert f"{'z' * 2001}</textarea>" in answer.text
    assert note_of(app, account) == "before"
    action = f"/admin/people/{account}/note"
    assert admin.post(action, {**fields_of(answer.text, action), "text": "z"}).status_code == 303


@pytest.mark.parametrize(
    ("quicker", "shown"),
    [("first <b>", "<bdi>first &lt;b&gt;</bdi>"), ("", "There is nothing any more.")],
    ids=["changed", "forgot"],
)
def test_of_two_who_change_a_note_the_second_sees_both_and_takes_one(
    app: Flask, an_admin: Admins, ann: Person, clock: Clock, quicker: str, shown: str
) -> None:
    ann.sign_in()
    account = account_of(app, ann)
    first, second = an_admin("admin"), an_admin("owner")
    press(first, account, "note", text="before")
    action = f"/admin/people/{account}/note"
    seen = fields_of(second.get(f"/admin/people/{account}").text, action)
    clock.advance(seconds=1)
    press(first, account, "note", text=quicker)

    clash = second.post(action, {**seen, "text": "second <b>"})

    assert clash.status_code == 409
    assert "<bdi>second &lt;b&gt;</bdi>" in clash.text
    assert shown in clash.text
    assert note_of(app, account) == (quicker or None)
    second.post(action, dict(fields_of(clash.text, action)))
    assert note_of(app, account) == "second <b>"


def note_of(app: Flask, account: str) -> str | None:
    with app.app_context(), read() as connection:
        note = find_note(connection, account)
        return note.text if note else None


def test_a_note_is_not_shown_to_its_person(app: Flask, an_admin: Admins, ann: Person) -> None:
    ann.sign_in()
    press(an_admin("admin"), account_of(app, ann), "note", text="Called on Monday")

    assert "Called on Monday" not in ann.account_page()


# ---- why


def test_the_simulator_says_what_each_rule_says(
    app: Flask, an_admin: Admins, ann: Person, clock: Clock
) -> None:
    ann.sign_in()
    account, admin = account_of(app, ann), an_admin("auditor")

    page = admin.get(
        f"/admin/people/{account}/why?client={HOMESERVER.id}&app=https://CHAT.example:443/x#y"
    ).text

    assert "https://chat.example" in page
    assert "no rule names it" in page
    assert "Yes: as themselves" in page
    assert CHAT.startswith("https://chat.example")


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "chat.example", "https://a b", "\u202e"]
)
def test_an_address_that_no_app_has_is_said_to_be_one(
    app: Flask, an_admin: Admins, ann: Person, address: str
) -> None:
    ann.sign_in()

    query = urlencode({"client": "synapse", "app": address})
    page = an_admin("auditor").get(f"/admin/people/{account_of(app, ann)}/why?{query}")

    assert page.status_code == 200
    assert "No app can have this address" in page.text


def test_the_simulator_changes_nothing(app: Flask, an_admin: Admins, ann: Person) -> None:
    ann.sign_in()
    account, admin = account_of(app, ann), an_admin("auditor")

    with counted(app) as seen:
        admin.get(f"/admin/people/{account}/why?client=synapse&app=https://new.example")

    assert seen
    assert [text for text in seen if not text.lstrip().upper().startswith("SELECT")] == []
