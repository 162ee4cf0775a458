"""The queue of requests: let in, for a time, told no; several at once, and two admins at once."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Connection, insert, select
from werkzeug.test import TestResponse

from oidc_bridge.storage import read
from oidc_bridge.storage.access_requests import AccessRequestRow, ask_for_access
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.whitelist import AppRule, Listing, find_rule, listings_of, set_rule
from oidc_bridge.web.admin.moments import name_of
from tests.conftest import Clock
from tests.driver import HOMESERVER, Person, fields_of
from tests.fakes import NOW, FakeWallet
from tests.web.admin.conftest import account_of, change
from tests.web.admin.many import account_id, add_people
from tests.web.admin.test_people import counted

PAGE, DECIDE = "/admin/requests", "/admin/requests/decide"
CHAT, OTHER = "https://chat.example", "https://other.example"
HOSTILE = "<script>alert(1)</script>\u202e"
Admins = Callable[..., Person]


def ask(app: Flask, account: str, name: str = CHAT, *, note: str = "", minutes: int = 0) -> str:
    """Let somebody ask; return the request's id."""

    def keep(connection: Connection) -> None:
        ask_for_access(
            connection,
            account,
            HOMESERVER.id,
            name,
            app_title="Chat",
            person="ann.btc",
            note=note,
            now=NOW + timedelta(minutes=minutes),
        )

    change(app, keep)
    known = select(AccessRequestRow.id).where(
        AccessRequestRow.account_id == account, AccessRequestRow.app == name
    )
    with app.app_context(), read() as connection:
        return str(connection.execute(known).scalar_one())


@pytest.fixture
def three(app: Flask) -> list[str]:
    """Return the requests of three people."""
    change(app, lambda connection: add_people(connection, 3))
    return [ask(app, account_id(number), minutes=number) for number in range(3)]


def decide(person: Person, word: str, ids: Sequence[str], **more: str) -> TestResponse:
    csrf = fields_of(person.account_page(), "/account/sign-out")["csrf"]
    form = {"csrf": csrf, "decide": word, "until": "", "reason": "", **more}
    return person.post(DECIDE, {**form, "request": list(ids)})


def outcomes(app: Flask) -> dict[str, tuple[str | None, str]]:
    row = AccessRequestRow
    with app.app_context(), read() as connection:
        rows = connection.execute(select(row.id, row.outcome, row.reason))
        return {known: (outcome, reason) for known, outcome, reason in rows}


def listed(app: Flask, name: str = CHAT) -> Sequence[Listing]:
    with app.app_context(), read() as connection:
        return listings_of(connection, name)


def badge_of(page: str) -> str:
    """Return the count beside the place that leads to the requests."""
    (said,) = re.findall(r'<a href="/admin/requests"[^>]*>Requests(.*?)</a>', page)
    return re.sub(r"<[^>]+>", "", said)


def test_every_page_tells_how_many_wait_for_this_admin(
    app: Flask, an_admin: Admins, three: list[str]
) -> None:
    ask(app, account_id(0), OTHER)

    assert badge_of(an_admin("admin").get("/admin/people").text) == " 4 waiting"
    manager = an_admin("app manager", apps=(OTHER,))
    assert badge_of(manager.get("/admin/apps").text) == " 1 waiting"
    assert badge_of(an_admin("app manager").get("/admin").text) == ""


def test_more_than_the_eye_counts_are_many(app: Flask, an_admin: Admins) -> None:
    change(app, lambda connection: add_people(connection, 100))
    for number in range(100):
        ask(app, account_id(number))

    assert badge_of(an_admin("admin").get("/admin").text) == " 99+ waiting"


def test_the_answer_to_a_form_counts_nothing_that_it_has_just_decided(
    app: Flask, an_admin: Admins, three: list[str]
) -> None:
    admin = an_admin("admin")
    decide(an_admin("owner"), "approve", three[:1])

    answer = decide(admin, "approve", three)

    assert answer.status_code == 409
    assert badge_of(answer.text) == ""


def test_several_are_let_in_at_once_and_each_is_an_event_by_the_admin(
    app: Flask, an_admin: Admins, three: list[str]
) -> None:
    admin = an_admin("admin")

    answer = decide(admin, "approve", three[:2], until="2027-01-31")

    assert "2 people were let in." in admin.get(answer.location).text
    assert [outcomes(app)[known][0] for known in three] == ["approved", "approved", None]
    assert {entry.who for entry in listed(app)} == {account_id(0), account_id(1)}
    assert {f"{entry.until:%Y-%m-%d}" for entry in listed(app)} == {"2027-02-01"}
    with app.app_context(), read() as connection:
        assert find_rule(connection, CHAT) == AppRule(CHAT, "allow", "listed")
        kinds = ("access approved", "person admitted", "app ruled")
        details = connection.execute(select(EventRow.detail).where(EventRow.kind.in_(kinds)))
        by = [detail["by"] for detail in details.scalars()]
    assert by == [account_of(app, admin)] * 5


def test_who_is_told_no_reads_why(app: Flask, an_admin: Admins, three: list[str]) -> None:
    decide(an_admin("admin"), "decline", three[:1], reason=" For  staff only. ")

    assert outcomes(app)[three[0]] == ("declined", "For staff only.")
    assert listed(app) == []


@pytest.mark.parametrize(
    ("word", "more", "says"),
    [
        ("decline", {}, "Give a reason"),
        ("decline", {"reason": "\u200b"}, "signs that cannot be seen"),
        ("decline", {"reason": "x" * 301}, "too long"),
        ("approve", {"until": "2020-01-01"}, "This day is over"),
        ("approve", {"until": "x"}, "Write the day"),
        ("maybe", {}, "form_malformed"),
    ],
)
def test_what_cannot_be_decides_nothing_and_says_why(
    app: Flask, an_admin: Admins, three: list[str], word: str, more: dict[str, str], says: str
) -> None:
    answer = decide(an_admin("admin"), word, three[:1], **more)

    assert answer.status_code == 400
    assert says in answer.text
    assert set(outcomes(app).values()) == {(None, "")}


@pytest.mark.parametrize("ids", [[], ["x"] * 51, ["x" * 22], ["x\0"]])
def test_ticks_that_are_none_or_too_many_or_of_nothing_decide_nothing(
    app: Flask, an_admin: Admins, three: list[str], ids: list[str]
) -> None:
    ids = [f"{number:022d}" for number in range(51)] if len(ids) == 51 else ids

    answer = decide(an_admin("admin"), "approve", ids)

    assert answer.status_code in (400, 409)
    assert set(outcomes(app).values()) == {(None, "")}


def test_the_second_of_two_admins_is_told_who_was_quicker_and_the_rest_is_done(
    app: Flask, an_admin: Admins, three: list[str]
) -> None:
    first, second = an_admin("admin"), an_admin("owner")
    decide(first, "decline", three[:1], reason="No.")

    answer = decide(second, "approve", three[:2])

    assert answer.status_code == 409
    page = re.sub(r"</?bdi>", "", answer.text)
    assert "Somebody else was quicker" in page
    assert "declined by" in page
    assert first.wallet.address.c32[:4] in page
    assert outcomes(app)[three[0]] == ("declined", "No.")
    assert outcomes(app)[three[1]][0] == "approved"
    assert {entry.who for entry in listed(app)} == {account_id(1)}


def test_the_app_that_a_rule_denies_lets_nobody_in_and_the_request_waits(
    app: Flask, an_admin: Admins, three: list[str]
) -> None:
    change(app, lambda c: set_rule(c, AppRule(CHAT, "deny"), now=NOW))
    other = ask(app, account_id(0), OTHER)

    answer = decide(an_admin("admin"), "approve", [three[0], other])

    assert answer.status_code == 409
    assert "The app itself cannot be used" in answer.text
    assert outcomes(app)[three[0]] == (None, "")
    assert outcomes(app)[other][0] == "approved"


@pytest.mark.parametrize(
    ("before", "outcome", "after"),
    [
        (AppRule(CHAT, "allow", until=NOW), "approved", AppRule(CHAT, "allow", "listed")),
        (
            AppRule(CHAT, "alone", until=NOW, note="tracks"),
            "approved",
            AppRule(CHAT, "alone", "listed", note="tracks"),
        ),
        (AppRule(CHAT, "deny", until=NOW), None, AppRule(CHAT, "deny", until=NOW)),
    ],
    ids=lambda case: case.say if isinstance(case, AppRule) else "",
)
def test_a_rule_that_has_run_out_is_taken_up_no_looser_than_it_was(
    app: Flask,
    an_admin: Admins,
    three: list[str],
    before: AppRule,
    outcome: str | None,
    after: AppRule,
) -> None:
    change(app, lambda c: set_rule(c, before, now=NOW - timedelta(days=1)))

    decide(an_admin("admin"), "approve", three[:1])

    assert outcomes(app)[three[0]][0] == outcome
    with app.app_context(), read() as connection:
        assert find_rule(connection, CHAT) == after


@pytest.mark.parametrize(("word", "reason"), [("approve", ""), ("decline", "No.")])
def test_many_are_decided_in_as_many_statements_as_one(
    app: Flask, an_admin: Admins, word: str, reason: str
) -> None:
    admin = an_admin("admin")
    change(app, lambda connection: add_people(connection, 40))
    waiting = [ask(app, account_id(number)) for number in range(40)]
    decide(admin, word, waiting[:1], reason=reason)

    with counted(app) as one:
        decide(admin, word, waiting[1:2], reason=reason)
    with counted(app) as many:
        decide(admin, word, waiting[2:], reason=reason)

    assert len(many) == len(one)
    assert {outcome for outcome, _ in outcomes(app).values()} == {f"{word}d"}


def test_a_slip_on_a_later_page_shows_that_page_with_what_was_ticked(
    app: Flask, an_admin: Admins, three: list[str]
) -> None:
    admin = an_admin("admin")
    after = f"{name_of(NOW)}.{three[0]}"

    slip = decide(admin, "decline", three[1:2], after=after).text
    done = decide(admin, "decline", three[1:2], reason="No.", after=after)

    assert f'value="{three[0]}"' not in slip
    assert re.findall(r'value="([^"]+)" [^>]* checked', slip) == three[1:2]
    assert f"after={after}" in done.location


def test_all_of_a_page_are_ticked_by_a_link(an_admin: Admins, three: list[str]) -> None:
    page = an_admin("admin").get(f"{PAGE}?tick=all").text

    assert re.findall(r'value="([^"]+)" [^>]* checked', page) == three


def test_an_app_manager_sees_the_whole_address_of_who_has_no_name(
    app: Flask, clock: Clock, an_admin: Admins
) -> None:
    change(app, lambda c: set_rule(c, AppRule(CHAT, "allow", "listed"), now=NOW))
    bob = Person(app, clock, FakeWallet.named("bob"))
    refused = bob.prove(bob.authorize().location).location
    bob.post(f"{refused}/ask", {**fields_of(bob.get(refused).text, f"{refused}/ask"), "note": ""})

    assert bob.wallet.address.c32 in an_admin("app manager", apps=(CHAT,)).get(PAGE).text


def test_what_lives_at_plain_http_is_never_let_in(app: Flask, an_admin: Admins) -> None:
    change(app, lambda connection: add_people(connection, 1))
    known = ask(app, account_id(0), "http://chat.example")

    decide(an_admin("admin"), "approve", [known])

    assert outcomes(app)[known] == (None, "")


def test_an_app_manager_sees_and_decides_their_own_app_alone(
    app: Flask, an_admin: Admins, three: list[str]
) -> None:
    foreign = ask(app, account_id(0), OTHER, note="of another app")
    manager = an_admin("app manager", apps=(CHAT,))

    assert "of another app" not in manager.get(PAGE).text
    assert three[0] in manager.get(PAGE).text
    assert "/admin/people/" not in manager.get(PAGE).text
    decide(manager, "approve", [three[0], foreign])

    assert outcomes(app)[three[0]][0] == "approved"
    assert outcomes(app)[foreign] == (None, "")


def test_an_auditor_decides_nothing(app: Flask, an_admin: Admins, three: list[str]) -> None:
    answer = decide(an_admin("auditor"), "approve", three)

    assert answer.status_code == 403
    assert set(outcomes(app).values()) == {(None, "")}


def test_an_auditor_reads_who_waits_and_what_was_decided_and_has_no_button(
    app: Flask, an_admin: Admins, three: list[str]
) -> None:
    decide(an_admin("admin"), "decline", three[:1], reason="Not yet.")
    auditor = an_admin("auditor")

    waits, decided = auditor.get(PAGE).text, auditor.get(f"{PAGE}?show=decided").text

    assert [account_id(number) in waits for number in range(3)] == [False, True, True]
    assert "Not yet." in decided
    for page in (waits, decided):
        assert "<form" not in page
        assert "<input" not in page
    assert f'href="{PAGE}"' in auditor.get("/admin").text


def test_what_strangers_wrote_is_harmless(app: Flask, an_admin: Admins) -> None:
    change(app, lambda connection: add_people(connection, 1))
    ask(app, account_id(0), note=HOSTILE * 100)

    page = an_admin("admin").get(PAGE).text

    assert "<script>alert" not in page
    assert "\u202e" not in page


def test_the_queue_is_paged_and_each_page_asks_as_often(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")
    change(app, lambda connection: add_people(connection, 120))
    rows = [
        {
            "id": f"{number:022d}",
            "account_id": account_id(number),
            "client_id": HOMESERVER.id,
            "app": CHAT,
            "app_title": "Chat",
            "person": "x",
            "note": "",
            "asked_at": NOW + timedelta(seconds=number // 7),
        }
        for number in range(120)
    ]
    change(app, lambda connection: connection.execute(insert(AccessRequestRow), rows))

    url, seen = PAGE, []
    while url:
        with counted(app) as statements:
            page = admin.get(url).text
        assert len(statements) <= 4
        seen += re.findall(r'name="request" value="([^"]+)"', page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        url = following[1].replace("&amp;", "&") if following else ""

    assert seen == [f"{number:022d}" for number in range(120)]


def test_who_was_let_in_gets_in(app: Flask, clock: Clock, an_admin: Admins) -> None:
    change(app, lambda c: set_rule(c, AppRule(CHAT, "allow", "listed"), now=NOW))
    ann = Person(app, clock, FakeWallet.named("ann"))
    refused = ann.prove(ann.authorize().location).location
    ann.post(f"{refused}/ask", {**fields_of(ann.get(refused).text, f"{refused}/ask"), "note": ""})
    waiting = re.findall(r'name="request" value="([^"]+)"', an_admin("admin").get(PAGE).text)

    decide(an_admin("owner"), "approve", waiting)

    assert len(waiting) == 1
    assert ann.authorize().location.startswith("/consent/")


def test_the_requests_of_one_app_are_its_own_and_stay_so_after_a_decision(
    app: Flask, an_admin: Admins, three: list[str]
) -> None:
    other = "https://other.example"
    theirs = ask(app, account_id(0), other)
    admin = an_admin("admin")

    page = admin.get(f"{PAGE}?app={other}").text
    decided = decide(admin, "decline", [theirs], reason="No.", app=other)

    assert re.findall(r'name="request" value="([^"]+)"', page) == [theirs]
    assert f"app={other}" in decided.location.replace("%3A", ":").replace("%2F", "/")
    assert "Nobody waits" in admin.get(decided.location).text
    assert admin.get(f"{PAGE}?app={CHAT}").text.count('name="request"') == 3


def test_an_app_manager_finds_nothing_by_the_name_of_another_app(
    app: Flask, an_admin: Admins, three: list[str]
) -> None:
    manager = an_admin("app manager", apps=("https://other.example",))

    assert "Nobody waits" in manager.get(f"{PAGE}?app={CHAT}").text
