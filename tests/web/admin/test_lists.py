"""The list of who may sign in: found, added, taken off, many at once, as a file, taken back."""

import csv
import html
import io
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse, encode_multipart

from oidc_bridge.storage import read
from oidc_bridge.storage.admissions import admit
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.list_files import read_list
from oidc_bridge.storage.whitelist import AppRule, Listing, find_rule, listings_of, set_rule
from tests.conftest import Clock
from tests.driver import ISSUER, Person, fields_of
from tests.fakes import NOW
from tests.web.admin.conftest import account_of, change
from tests.web.admin.many import account_id, add_people, address
from tests.web.admin.test_people import counted

CHAT, OTHER = "https://chat.example", "https://other.example"
LIST = "/admin/apps/list"
PAGE = f"{LIST}?app={CHAT}"
ADD, REMOVE, UNDO = f"{LIST}/add", f"{LIST}/remove", f"{LIST}/undo"
PREVIEW, KEEP = f"{LIST}/import", f"{LIST}/import/keep"
DAY = datetime(2027, 2, 1, tzinfo=UTC)  # the end of the last day of January
Admins = Callable[..., Person]


@pytest.fixture(autouse=True)
def _a_rule(app: Flask) -> None:
    for name in (CHAT, OTHER):
        change(app, lambda c, name=name: set_rule(c, AppRule(name, "allow", "listed"), now=NOW))


def listed(app: Flask, name: str = CHAT) -> Sequence[Listing]:
    with app.app_context(), read() as connection:
        return listings_of(connection, name)


def put(app: Flask, *entries: Listing, name: str = CHAT) -> None:
    change(app, lambda c: admit(c, name, entries, now=NOW - timedelta(days=1)))


def add(person: Person, who: str, **more: str) -> TestResponse:
    return person.press_on(PAGE, ADD, **{"who": who, "until": "", "note": "", **more})


def paste(person: Person, text: str) -> TestResponse:
    """Paste a text and, if it is shown what is in it, press the button."""
    shown = person.press_on(PAGE, PREVIEW, text=text)
    if shown.status_code != 200 or KEEP not in shown.text:
        return shown
    return person.post(KEEP, {**fields_of(shown.text, KEEP), "text": text})


def post_as_browsers_do(person: Person, url: str, form: dict[str, str]) -> TestResponse:
    """Send a form as multipart, in which a character has at most four bytes."""
    boundary, data = encode_multipart(form)
    kind = f'multipart/form-data; boundary="{boundary}"'
    return person.browser.post(url, data=data, content_type=kind, base_url=ISSUER)


def undo(person: Person, led: TestResponse) -> TestResponse:
    return person.press_on(led.location, UNDO)


def details_of(app: Flask, kind: str, by: str) -> list[dict[str, str]]:
    query = select(EventRow.detail).where(EventRow.kind == kind)
    with app.app_context(), read() as connection:
        return [told for told in connection.execute(query).scalars() if told["by"] == by]


# ---- one


def test_somebody_is_added_and_taken_off_by_the_admin_of_the_event(
    app: Flask, an_admin: Admins
) -> None:
    admin = an_admin("admin")
    by = account_of(app, admin)

    led = add(admin, "Ann.BTC", until="2027-01-31", note="=1+1")

    (entry,) = listed(app)
    assert (entry.kind, entry.who, entry.note) == ("name", "ann.btc", "=1+1")
    assert f"{entry.until:%F %T}" == "2027-02-01 00:00:00"
    assert "1 entry new or changed" in admin.get(led.location).text
    assert [told["who"] for told in details_of(app, "person admitted", by)] == ["name:ann.btc"]
    admin.press_on(PAGE, REMOVE)
    assert listed(app) == []
    assert [told["who"] for told in details_of(app, "person dismissed", by)] == ["name:ann.btc"]


def test_who_was_let_in_by_a_request_is_shown_by_name_and_can_be_taken_off(
    app: Flask, an_admin: Admins
) -> None:
    change(app, lambda c: add_people(c, 1))
    put(app, Listing("account", account_id(0), note="asked"))
    admin = an_admin("admin")

    page = admin.get(PAGE).text

    assert "Asked to be let in" in page
    admin.press_on(PAGE, REMOVE)
    assert listed(app) == []


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"who": "@ann:example.org"}, "This is a Matrix ID"),
        ({"who": "*"}, "This is no address"),
        ({"who": "ann.btc", "until": "2020-01-01"}, "This day is over"),
        ({"who": "ann.btc", "until": "x"}, "Write the day"),
        ({"who": "ann.btc", "note": "\u200b"}, "The note is too long"),
    ],
)
def test_what_cannot_be_an_entry_is_told_and_stays_in_the_form(
    app: Flask, an_admin: Admins, form: dict[str, str], says: str
) -> None:
    who = form.pop("who")

    answer = add(an_admin("admin"), who, **form)

    assert answer.status_code == 400
    assert says in answer.text
    assert f'value="{who}"' in answer.text
    assert listed(app) == []


def test_an_app_without_a_rule_has_no_list(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")
    form = {**fields_of(admin.get(PAGE).text, ADD), "who": "ann.btc", "until": "", "note": ""}

    answer = admin.post(ADD, {**form, "app": "https://none.example"})

    assert answer.status_code == 400
    assert "app_unruled" in answer.text
    assert admin.get(f"{LIST}?app=https://none.example").status_code == 404


def test_an_app_manager_reads_and_changes_the_list_of_their_own_app_alone(
    app: Flask, an_admin: Admins
) -> None:
    put(app, Listing("name", "bob.btc"), name=OTHER)
    manager = an_admin("app manager", apps=(CHAT,))
    form = fields_of(manager.get(PAGE).text, ADD)
    foreign = {**form, "app": OTHER}

    assert add(manager, "ann.btc").status_code == 303
    for url in (LIST, f"{LIST}/list.csv"):
        assert manager.get(f"{url}?app={OTHER}").status_code == 404
    entry = {"who": "bob.btc", "kind": "name", "until": "", "note": "", "at": "1", "text": "x.btc"}
    for action in (ADD, REMOVE, UNDO, PREVIEW, KEEP):
        assert manager.post(action, {**foreign, **entry}).status_code == 404, action
    assert listed(app, OTHER) == [Listing("name", "bob.btc")]


def test_an_auditor_reads_and_changes_nothing(app: Flask, an_admin: Admins) -> None:
    put(app, Listing("name", "bob.btc"))
    auditor = an_admin("auditor")

    page = auditor.get(PAGE).text

    assert "bob.btc" in page
    assert ADD not in page
    assert REMOVE not in page


# ---- many at once


def test_what_is_pasted_is_shown_line_by_line_before_it_is_kept(
    app: Flask, an_admin: Admins
) -> None:
    put(app, Listing("name", "same.btc"), Listing("name", "other.btc", note="old"))
    admin = an_admin("admin")
    text = "who,until,note\nsame.btc\nother.btc,,new\n<b>x</b>\nnew.btc,2020-01-01\nann.btc\n"

    shown = admin.press_on(PAGE, PREVIEW, text=text)

    page = re.sub(r"</?bdi>", "", shown.text)
    assert "2 entries are new or changed, 1 of them in the place of another" in page
    assert "1 on the list already as they are" in page
    assert "2 lines that cannot be taken" in page
    for line, words in (("4", "This is no address"), ("5", "This day is over")):
        assert re.search(rf'data-label="Line">{line}</th>.*?{words}', page, re.DOTALL)
    assert "<b>x" not in page
    assert len(listed(app)) == 2

    assert paste(admin, text).status_code == 303
    assert listed(app) == [
        Listing("name", "ann.btc"),
        Listing("name", "other.btc", note="new"),
        Listing("name", "same.btc"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ann.btc;2027-01-31;a, b\nbob.btc\n",
        "ann.btc\t2027-01-31\ta, b\nbob.btc",
        "\ufeffWho;Until;Note\r\nann.btc;2027-01-31;a, b\r\n;;\r\n\r\nbob.btc;;\r\n",
        'who,until,note\rann.btc,2027-01-31,"a, b"\r,,\rbob.btc,,,\r',
    ],
    ids=["semicolons", "tabs", "of a spreadsheet", "old line ends"],
)
def test_a_list_is_read_as_spreadsheets_write_it(text: str) -> None:
    found = read_list(text, now=NOW)

    assert found.faults == []
    assert [(one.who, one.note) for one in found.entries] == [("ann.btc", "a, b"), ("bob.btc", "")]
    assert f"{found.entries[0].until:%F}" == "2027-02-01"


def test_a_matrix_id_is_told_where_its_address_is(app: Flask, an_admin: Admins) -> None:
    shown = an_admin("admin").press_on(PAGE, PREVIEW, text="@ann:example.org\nann:x\nann.btc\n")

    assert shown.text.count("This is a Matrix ID. Find its person among People") == 1
    assert shown.text.count("This is no address") == 1


def test_a_line_that_is_no_csv_leaves_the_others(app: Flask, an_admin: Admins) -> None:
    text = f'ann.btc\n"bob.btc\ncat.btc,"a"b\n{"x" * 140_000}\ndan.btc\n'

    paste(an_admin("admin"), text)

    assert [fault.line for fault in read_list(text, now=NOW).faults] == [2, 3, 4]
    assert [entry.who for entry in listed(app)] == ["ann.btc", "dan.btc"]


def test_what_somebody_else_put_meanwhile_is_not_written_over(app: Flask, an_admin: Admins) -> None:
    admin, other = an_admin("admin"), an_admin("owner")
    text = "ann.btc,,mine\nbob.btc\n"
    shown = admin.press_on(PAGE, PREVIEW, text=text)
    add(other, "ann.btc", until="2027-01-31", note="do not touch")

    answer = admin.post(KEEP, {**fields_of(shown.text, KEEP), "text": text})

    assert answer.status_code == 409
    page = re.sub(r"</?bdi>", "", answer.text)
    assert "Somebody changed these entries" in page
    assert 'mine <span class="quiet">instead of do not touch' in page
    assert "31 Jan 2027, 23:59 UTC" in page
    assert [(one.who, one.note) for one in listed(app)] == [("ann.btc", "do not touch")]
    assert admin.post(KEEP, {**fields_of(answer.text, KEEP), "text": text}).status_code == 303
    assert [(one.who, one.note) for one in listed(app)] == [("ann.btc", "mine"), ("bob.btc", "")]


def test_who_is_listed_already_is_shown_before_their_entry_is_replaced(
    app: Flask, an_admin: Admins
) -> None:
    put(app, Listing("name", "ann.btc", NOW + timedelta(days=9), "do not touch"))
    admin = an_admin("admin")

    shown = add(admin, "ann.btc", note='new, "as typed"')

    assert "do not touch" in shown.text
    assert [one.note for one in listed(app)] == ["do not touch"]
    text = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", shown.text, re.DOTALL)
    assert text
    admin.post(KEEP, {**fields_of(shown.text, KEEP), "text": html.unescape(text[1])})
    assert listed(app) == [Listing("name", "ann.btc", note='new, "as typed"')]


def test_who_is_listed_as_they_are_typed_is_no_change(app: Flask, an_admin: Admins) -> None:
    put(app, Listing("name", "ann.btc", note="x"))

    answer = add(an_admin("admin"), "ann.btc", note="x")

    assert "count=0" in answer.location


def test_a_file_is_read_as_what_is_pasted(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")
    form = fields_of(admin.get(PAGE).text, PREVIEW)
    file = (io.BytesIO(b"\xef\xbb\xbfann.btc\r\n"), "list.csv")

    shown = admin.post(PREVIEW, {**form, "text": "", "file": file})

    assert "1 entry is new or changed" in shown.text


def test_a_mended_file_counts_instead_of_what_stands_in_the_field(
    app: Flask, an_admin: Admins
) -> None:
    admin = an_admin("admin")
    form = fields_of(admin.get(PAGE).text, PREVIEW)
    file = (io.BytesIO(b"mended.btc\n"), "list.csv")

    shown = admin.post(PREVIEW, {**form, "text": "old.btc\n", "file": file})

    assert "mended.btc" in shown.text
    assert "old.btc" not in shown.text


def test_a_file_in_another_encoding_is_told_at_the_list(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")
    form = fields_of(admin.get(PAGE).text, PREVIEW)
    file = (io.BytesIO("ann.btc,,für alle".encode("latin-1")), "list.csv")

    answer = admin.post(PREVIEW, {**form, "text": "", "file": file})

    assert answer.status_code == 400
    assert "no text in UTF-8 or UTF-16" in answer.text
    assert listed(app) == []


def test_a_whole_list_of_five_thousand_can_be_added_again(app: Flask, an_admin: Admins) -> None:
    text = "who,until,note\r\n" + "".join(f"{address(number)},,\r\n" for number in range(5000))

    assert paste(an_admin("admin"), text).status_code == 303

    assert len(listed(app)) == 5000


def test_five_thousand_of_the_longest_notes_are_not_too_much(app: Flask, an_admin: Admins) -> None:
    note = "\U0001f512" * 300
    text = "".join(f"{address(number)},2027-01-31,{note}\r\n" for number in range(5000))
    admin = an_admin("admin")

    shown = post_as_browsers_do(
        admin, PREVIEW, {**fields_of(admin.get(PAGE).text, PREVIEW), "text": text}
    )
    led = post_as_browsers_do(admin, KEEP, {**fields_of(shown.text, KEEP), "text": text})

    assert led.status_code == 303
    assert len(listed(app)) == 5000


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        ("", 400, "There is nobody in it"),
        ("who,until,note\n", 400, "There is nobody in it"),
        ("a.btc\n" * 5001, 400, "At most 5000 lines"),
        ("x" * 2_500_001, 400, "in parts"),
        ("x" * 10_500_000, 413, "At most 5,000 lines"),
        ("who\n" + "a.btc\n" * 5001, 400, "At most 5000 lines"),
        ("ann.btc\0", 400, "no text in UTF-8 or UTF-16"),
    ],
    ids=["empty", "head", "lines", "long", "huge", "headed", "nul"],
)
def test_a_text_that_cannot_be_a_list_is_told_and_nothing_is_kept(
    app: Flask, an_admin: Admins, text: str, status: int, says: str
) -> None:
    admin = an_admin("admin")

    answer = admin.press_on(PAGE, PREVIEW, text=text)

    assert answer.status_code == status
    assert says in answer.text
    if status == 400:
        assert 'aria-describedby="text-hint wrong" aria-invalid="true"' in answer.text
    assert listed(app) == []


def test_five_thousand_lines_are_kept_and_taken_back_in_one_press_each(
    app: Flask, an_admin: Admins, clock: Clock
) -> None:
    admin = an_admin("admin")
    put(app, Listing("address", address(7), note="before"))
    text = "".join(f"{address(number)},2027-01-31,team {number}\r\n" for number in range(5000))

    with counted(app) as statements:
        led = paste(admin, text)

    assert led.status_code == 303
    assert len(listed(app)) == 5000
    assert len(statements) < 40
    clock.advance(minutes=9)
    with counted(app) as statements:
        back = undo(admin, led)
    assert len(statements) < 40
    assert "5000 entries as before" in admin.get(back.location).text
    assert listed(app) == [Listing("address", address(7), note="before")]


# ---- taken back


def test_what_somebody_changed_since_is_not_taken_back(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")
    led = paste(admin, "ann.btc\nbob.btc\n")
    put(app, Listing("name", "bob.btc", note="by another"))

    back = undo(admin, led)

    assert "Others were changed since, and stay" in admin.get(back.location).text
    assert listed(app) == [Listing("name", "bob.btc", note="by another")]


def test_what_was_taken_back_already_is_told_so(app: Flask, an_admin: Admins, clock: Clock) -> None:
    put(app, Listing("name", "ann.btc", note="before"))
    admin = an_admin("admin")
    form = fields_of(admin.get(paste(admin, "ann.btc\nbob.btc\n").location).text, UNDO)
    clock.advance(seconds=1)
    admin.post(UNDO, form)

    again = admin.get(admin.post(UNDO, form).location).text

    assert "This has been taken back already." in again
    assert "Others were changed since" not in again
    assert listed(app) == [Listing("name", "ann.btc", note="before")]


def test_who_was_taken_off_is_put_back(app: Flask, an_admin: Admins) -> None:
    put(app, Listing("name", "ann.btc", NOW + timedelta(days=9), "kept"))
    admin = an_admin("admin")

    undo(admin, admin.press_on(PAGE, REMOVE))

    assert listed(app) == [Listing("name", "ann.btc", NOW + timedelta(days=9), "kept")]


def test_after_ten_minutes_nothing_is_taken_back(
    app: Flask, an_admin: Admins, clock: Clock
) -> None:
    admin = an_admin("admin")
    led = add(admin, "ann.btc")
    form = fields_of(admin.get(led.location).text, UNDO)
    clock.advance(minutes=10)

    answer = admin.post(UNDO, dict(form))

    assert answer.status_code == 400
    assert "undo_over" in answer.text
    assert UNDO not in admin.get(led.location).text
    assert len(listed(app)) == 1


def test_the_button_stays_while_the_admin_looks_around(
    app: Flask, an_admin: Admins, clock: Clock
) -> None:
    admin = an_admin("admin")
    add(admin, "ann.btc")
    clock.advance(minutes=9)
    assert UNDO in admin.get(PAGE).text
    assert UNDO not in an_admin("owner").get(PAGE).text

    admin.press_on(PAGE, UNDO)

    assert listed(app) == []


def test_what_another_did_since_is_the_last_change(
    app: Flask, an_admin: Admins, clock: Clock
) -> None:
    admin = an_admin("admin")
    add(admin, "ann.btc")
    clock.advance(seconds=1)
    add(an_admin("owner"), "bob.btc")

    assert UNDO not in admin.get(PAGE).text


def test_nobody_takes_back_what_another_did(app: Flask, an_admin: Admins) -> None:
    admin, other = an_admin("admin"), an_admin("owner")
    form = fields_of(admin.get(add(admin, "ann.btc").location).text, UNDO)
    csrf = fields_of(other.account_page(), "/account/sign-out")["csrf"]

    answer = other.post(UNDO, {**form, "csrf": csrf})

    assert answer.status_code == 400
    assert "undo_over" in answer.text
    assert len(listed(app)) == 1


@pytest.mark.parametrize("at", ["", "x", "-1", "9" * 17, "9" * 18, "\u0661"])
def test_a_moment_that_is_none_takes_nothing_back(app: Flask, an_admin: Admins, at: str) -> None:
    admin = an_admin("admin")
    form = fields_of(admin.get(add(admin, "ann.btc").location).text, UNDO)

    assert admin.post(UNDO, {**form, "at": at}).status_code == 400
    assert admin.get(f"{PAGE}&done=added&count=1&at={at}").status_code == 200
    assert len(listed(app)) == 1


RULE = {"say": "deny", "audience": "everyone", "until": "", "note": ""}
RULED, UNDO_RULE = "/admin/apps/one", "/admin/apps/undo"


def rule(person: Person, name: str) -> TestResponse:
    return person.press_on(f"{RULED}?app={name}", "/admin/apps/rule", **RULE)


def test_a_rule_is_taken_back(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")

    admin.press_on(rule(admin, CHAT).location, UNDO_RULE)

    with app.app_context(), read() as connection:
        assert find_rule(connection, CHAT) == AppRule(CHAT, "allow", "listed")


def test_a_rule_that_was_new_is_forgotten(app: Flask, an_admin: Admins) -> None:
    admin, name = an_admin("admin"), "https://new.example"

    back = admin.press_on(rule(admin, name).location, UNDO_RULE)

    assert admin.get(back.location).status_code == 200
    with app.app_context(), read() as connection:
        assert find_rule(connection, name) is None


@pytest.mark.parametrize("since", ["ruled", "listed"])
def test_a_rule_that_somebody_built_on_stays(app: Flask, an_admin: Admins, since: str) -> None:
    admin, name = an_admin("admin"), "https://new.example"
    led = rule(admin, name)
    if since == "ruled":
        change(app, lambda c: set_rule(c, AppRule(name, "alone"), now=NOW))
    else:
        put(app, Listing("name", "ann.btc"), name=name)

    answer = admin.press_on(led.location, UNDO_RULE)

    assert answer.status_code == 409
    with app.app_context(), read() as connection:
        assert find_rule(connection, name) is not None


# ---- as a file, and page by page


def test_the_file_is_harmless_and_can_be_put_on_a_list_again(app: Flask, an_admin: Admins) -> None:
    change(app, lambda c: add_people(c, 1))
    until = NOW + timedelta(days=9)
    notes = ("=cmd|'/c'!A1", "+1", "-1", "@x", 'a "b", c', "'quoted", "'=1", "plain")
    notes += ("ok;=1+1", "ok;'=1", "\uff1d1+1", "a;b")
    put(app, *(Listing("name", f"n{n}.btc", until, note) for n, note in enumerate(notes)))
    put(app, Listing("account", account_id(0)), Listing("pattern", "*.team.btc"))
    put(app, Listing("name", "day.btc", DAY))

    answer = an_admin("auditor").get(f"{LIST}/list.csv?app={CHAT}")

    disposition = answer.headers["Content-Disposition"]
    assert disposition == 'attachment; filename="who-may-sign-in.csv"'
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert ["day.btc", "2027-01-31", ""] in rows
    again = read_list(answer.text, now=NOW)
    assert again.faults == []
    assert set(again.entries) == {
        *(Listing("name", f"n{n}.btc", until, note) for n, note in enumerate(notes)),
        Listing("name", "day.btc", DAY),
        Listing("address", address(0)),
        Listing("pattern", "*.team.btc"),
    }


def test_the_list_is_paged_and_searched_and_asks_as_often(app: Flask, an_admin: Admins) -> None:
    put(app, *(Listing("name", f"n{n:03}.btc") for n in range(100)))
    put(app, *(Listing("pattern", f"*.p{n:03}.btc") for n in range(20)))
    admin = an_admin("admin")

    url, seen = PAGE, []
    while url:
        with counted(app) as statements:
            page = admin.get(url).text
        assert len(statements) <= 10
        seen += re.findall(r'name="who" value="([^"]+)"', page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        url = following[1].replace("&amp;", "&") if following else ""

    assert [who for who in seen if who] == [
        *(f"n{n:03}.btc" for n in range(100)),
        *(f"*.p{n:03}.btc" for n in range(20)),
    ]
    found = admin.get(f"{PAGE}&find=N01").text
    assert re.findall(r'name="who" value="([^"]+)"', found) == [
        f"n{n:03}.btc" for n in range(10, 20)
    ]
    assert "Nobody" in admin.get(f"{PAGE}&find=%25").text


@pytest.mark.parametrize("find", ["Berlin", "berlin", "BERLIN", "Zed", "Grüße"])
def test_an_entry_is_found_by_its_name_and_note_whatever_the_case(
    app: Flask, an_admin: Admins, find: str
) -> None:
    put(app, Listing("name", "zed.btc", None, "Team Berlin, Grüße"), Listing("name", "bob.btc"))

    found = an_admin("admin").get(f"{PAGE}&find={find}").text

    assert "zed.btc" in found
    assert "bob.btc" not in found
