"""Who comes in: every route of the admin pages, by every role and by nobody."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Connection, func, select
from werkzeug.test import TestResponse

from oidc_bridge.errors import BridgeError
from oidc_bridge.roles import (
    ALL_RIGHTS,
    NEEDS_FRESH_PROOF,
    OWN_APPS_ONLY,
    RIGHTS,
    ROLES,
    Admin,
    Role,
)
from oidc_bridge.storage import read
from oidc_bridge.storage.admins import AdminRow, add_admin_token, find_admin
from oidc_bridge.storage.admissions import admit
from oidc_bridge.storage.deletion import delete_account
from oidc_bridge.storage.joining import join_accounts
from oidc_bridge.storage.ledger import SOMEBODY_GONE, EventRow, record
from oidc_bridge.storage.notes import NOTE_CHANGED, find_note, set_note
from oidc_bridge.storage.people import block
from oidc_bridge.storage.whitelist import AppRule, Listing, find_rule, listings_of, set_rule
from oidc_bridge.web.admin.door import RIGHT_OF
from tests.conftest import Clock
from tests.driver import ISSUER, Person, fields_of
from tests.fakes import NOW, FakeWallet
from tests.web.admin.conftest import account_of, change

TOKEN = "t" * 43
# Who comes in, written out once more: o(wner), a(dmin), (app) m(anager), (auditor) r. What
# changes roles and keys is an owner's, and nothing that changes anything is an auditor's.
EXPECTED = {
    "admin_home.overview": "oamr",
    "admin_apps.overview": "oamr",
    "admin_apps.one": "oamr",
    "admin_apps.rule": "oam",
    "admin_apps.undo": "oam",
    "admin_app_add.look": "oa",
    "admin_app_events.overview": "oamr",
    "admin_app_scopes.overview": "oamr",
    "admin_app_scopes.keep": "oam",
    "admin_app_scopes.undo": "oam",
    "admin_lists.overview": "oamr",
    "admin_lists.download": "oamr",
    "admin_lists.add": "oam",
    "admin_lists.remove": "oam",
    "admin_lists.undo": "oam",
    "admin_list_import.preview": "oam",
    "admin_list_import.keep": "oam",
    "admin_list_removal.preview": "oam",
    "admin_list_removal.take": "oam",
    "admin_requests.overview": "oamr",
    "admin_requests.decide": "oam",
    "admin_people.overview": "oar",
    "admin_people.person": "oar",
    "admin_people.block": "oa",
    "admin_people.unblock": "oa",
    "admin_people.sign_out": "oa",
    "admin_people.note": "oa",
    "admin_why.ask": "oar",
    "admin_clients.overview": "oar",
    "admin_clients.client": "oar",
    "admin_clients.rotate": "oa",
    "admin_clients.end_secret": "oa",
    "admin_clients.unknown_apps": "oa",
    "admin_client_addresses.check": "oa",
    "admin_client_new.new": "oa",
    "admin_client_new.prove": "oa",
    "admin_client_new.preview": "oa",
    "admin_client_new.register": "oa",
    "admin_client_trial.ask": "oar",
    "admin_events.overview": "oar",
    "admin_events.export": "oar",
    "admin_keys.overview": "oar",
    "admin_keys.rotate": "o",
    "admin_health.overview": "oar",
    "admin_team.overview": "oar",
    "admin_team.choose": "o",
    "admin_team.give": "o",
    "admin_team.take": "o",
}
LETTERS = {"owner": "o", "admin": "a", "app manager": "m", "auditor": "r", None: "-"}
OWN, FOREIGN = "https://own.example", "https://foreign.example"
# Whoever is no admin yet comes here; see `web.admin.home`.
DOOR = {"admin_door.begin", "admin_door.token", "admin_door.take"}


def routes(app: Flask) -> list[tuple[str, str, str]]:
    """Return (endpoint, method, path) of every route of the admin pages."""
    adapter = app.url_map.bind("bridge.example", url_scheme="https")
    found = []
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/admin") or rule.endpoint in DOOR:
            continue
        path = adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, "x" * 22))
        found += [(rule.endpoint, method, path) for method in {"GET", "POST"} & rule.methods]
    return sorted(found)


def test_every_route_has_a_right_and_every_right_a_route_that_is_there(app: Flask) -> None:
    endpoints = {endpoint for endpoint, _, _ in routes(app)}

    assert set(RIGHT_OF) == endpoints
    assert set(EXPECTED) == endpoints


def test_every_right_is_somebodys() -> None:
    assert set(RIGHTS) == set(ALL_RIGHTS)
    assert all(RIGHTS.values())
    assert all("owner" in roles for roles in RIGHTS.values())


@pytest.mark.parametrize("role", [*ROLES, None])
def test_n_every_route_by_every_role(
    app: Flask, an_admin: Callable[..., Person], role: str | None
) -> None:
    person = an_admin(role)
    csrf = fields_of(person.account_page(), "/account/sign-out")["csrf"]

    for endpoint, method, path in routes(app):
        answer = (
            person.get(path)
            if method == "GET"
            else person.post(path, {"csrf": csrf, "confirm": "no"})
        )
        lets_in = LETTERS[role] in EXPECTED[endpoint]
        assert (answer.status_code != 403) == lets_in, f"{method} {path} by {role}"
        assert answer.status_code < 500, f"{method} {path} by {role}"


def test_an_app_manager_reads_and_changes_nothing_of_another_app_by_any_route(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    secret = "a note about another app"
    listing = Listing("name", "bob.btc", note=secret)
    rule = AppRule(FOREIGN, "alone", "listed", note=secret)
    change(app, lambda c: set_rule(c, AppRule(OWN, "allow", "listed"), now=NOW))
    change(app, lambda c: set_rule(c, rule, now=NOW))
    change(app, lambda c: admit(c, FOREIGN, [listing], now=NOW))
    manager = an_admin("app manager", apps=(OWN,))
    csrf = fields_of(manager.account_page(), "/account/sign-out")["csrf"]
    # Each form takes what it knows of these.
    form = {"csrf": csrf, "app": FOREIGN, "confirm": "yes", "version": "", "at": "1"}
    form |= {"say": "allow", "audience": "everyone", "until": "", "note": ""}
    form |= {"who": "bob.btc", "kind": "name", "text": "eve.btc", "decide": "approve", "reason": ""}

    for _, method, path in routes(app):
        if method == "GET":
            assert secret not in manager.get(f"{path}?app={FOREIGN}&find=about").text, path
        else:
            assert secret not in manager.post(path, dict(form)).text, path

    with app.app_context(), read() as connection:
        assert find_rule(connection, FOREIGN) == rule
        assert listings_of(connection, FOREIGN) == [listing]


def test_nobody_gets_the_door_and_no_form_is_taken_from_them(app: Flask) -> None:
    browser = app.test_client()

    for _, method, path in routes(app):
        answer = browser.open(path, method=method, base_url=ISSUER)
        if method == "GET":
            assert "Sign in with your wallet" in answer.text, path
        else:
            assert answer.status_code == 401, path


def test_every_form_wants_its_token(app: Flask, an_admin: Callable[..., Person]) -> None:
    person = an_admin("owner")

    for _, method, path in routes(app):
        if method == "POST":
            answer = person.post(path, {"confirm": "yes", "csrf": "x"})
            assert answer.status_code == 403, path
            assert "form_foreign" in answer.text, path


def test_an_app_manager_has_rights_for_their_own_apps_alone() -> None:
    manager = Admin("a", "app manager", frozenset({"https://chat.example"}))

    for right in OWN_APPS_ONLY:
        assert manager.may(right, app="https://chat.example")
        assert not manager.may(right, app="https://chat.example:8443")
    assert not manager.may("read people")
    assert not manager.may("change roles")


def test_a_blocked_admin_is_none(app: Flask, an_admin: Callable[..., Person]) -> None:
    person = an_admin("admin")
    account_id = account_of(app, person)

    change(app, lambda connection: block(connection, account_id, now=NOW))

    with app.app_context(), read() as connection:
        assert find_admin(connection, account_id) is None


# ---- becoming one


def keep_token(app: Flask, **more: object) -> None:
    from_now = {"expires_at": NOW.replace(year=NOW.year + 1), **more}
    change(app, lambda connection: add_admin_token(connection, TOKEN, **from_now))


def give_token(person: Person, token: str = TOKEN) -> int:
    page = person.get("/admin/token").text
    fields = fields_of(page, "/admin/token")
    return person.post("/admin/token", {**fields, "token": token}).status_code


def count_admins(app: Flask) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(AdminRow)).scalar_one()


def test_a_token_makes_one_owner(app: Flask, an_admin: Callable[..., Person]) -> None:
    keep_token(app)
    ann, bob = an_admin(None), an_admin(None, apps=("x",))

    assert give_token(ann) == 303
    assert ann.get("/admin").status_code == 200
    assert give_token(bob) == 400
    assert bob.get("/admin").status_code == 403


@pytest.mark.parametrize("token", ["u" * 43, TOKEN.upper(), " ", "x"])
def test_another_token_makes_nobody_anything(
    app: Flask, an_admin: Callable[..., Person], token: str
) -> None:
    keep_token(app)

    assert give_token(an_admin(None), token) == 400
    assert count_admins(app) == 0


def test_a_token_that_is_over_makes_nobody_anything(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    keep_token(app, expires_at=NOW)

    assert give_token(an_admin(None)) == 400
    assert count_admins(app) == 0


def test_whoever_is_not_signed_in_is_led_back_to_the_token(app: Flask, clock: Clock) -> None:
    person = Person(app, clock, FakeWallet.named("ann"))
    page = person.get("/admin/token").text
    begun = person.post("/admin/begin", dict(fields_of(page, "/admin/begin")))

    assert person.prove(begun.location).location == "/admin/token"


def come_in(person: Person, page: TestResponse, **fields: str) -> str:
    """Sign in at the door; return where that leads."""
    door = fields_of(page.text, "/admin/begin")
    return person.prove(person.post("/admin/begin", {**door, **fields}).location).location


@pytest.mark.parametrize(
    "url",
    ["/admin", "/admin/people?find=%C3%BC&show=blocked", "/admin/people/x/why", "/admin/roles"],
)
def test_whoever_is_not_signed_in_is_led_back_to_the_page_they_wanted(
    app: Flask, clock: Clock, url: str
) -> None:
    person = Person(app, clock, FakeWallet.named("ann"))

    assert come_in(person, person.get(url)) == url


@pytest.mark.parametrize(
    "place",
    [
        "",
        "https://evil.example/admin",
        "//evil.example/admin",
        "/\\evil.example",
        "//admin",
        "//admin/people",
        "/account",
        "/admin/../account",
        "/admin/people/x/block",
        "/admin\r\nSet-Cookie: a=b",
        "/admin?\r\nSet-Cookie: a=b",
        "/admin/people?find=\u00fc",
        "/admin?" + "x" * 2000,
        "account",
    ],
)
def test_the_door_leads_to_admin_pages_alone(app: Flask, clock: Clock, place: str) -> None:
    person = Person(app, clock, FakeWallet.named("ann"))

    assert come_in(person, person.get("/admin/people"), place=place) == "/admin"


@pytest.mark.parametrize(
    ("page", "led_to"),
    [
        (f"{ISSUER}/admin/people?find=x", "/admin/people?find=x"),
        ("https://evil.example/admin/people", "/admin"),
        (f"{ISSUER}.evil.example/admin/people", "/admin"),
        (f"{ISSUER}/admin/apps/list/preview", "/admin"),
        (None, "/admin"),
    ],
)
def test_whose_sign_in_ended_comes_back_to_the_form(
    app: Flask, clock: Clock, an_admin: Callable[..., Person], page: str | None, led_to: str
) -> None:
    admin = an_admin("admin")
    clock.advance(days=400)
    headers = {"Referer": page} if page else {}

    answer = admin.browser.post(
        "/admin/apps/rule", base_url=ISSUER, headers=headers, data={"note": "typed"}
    )

    assert answer.status_code == 401
    assert "Your sign-in has ended" in answer.text
    assert come_in(admin, answer) == led_to


@pytest.mark.parametrize("right", sorted(NEEDS_FRESH_PROOF))
def test_what_needs_a_fresh_proof_is_named(right: str) -> None:
    assert RIGHTS[right] <= {"owner", "admin"}


def test_nobody_is_let_in_by_the_first_page_that_asks(app: Flask, clock: Clock) -> None:
    """There is no page on which the first to come makes themselves an owner."""
    person = Person(app, clock, FakeWallet.named("first"))
    person.prove(person.begin_account())

    assert person.get("/admin").status_code == 403
    assert count_admins(app) == 0


# ---- accounts that go, and that become one


def test_the_last_owner_cannot_delete_their_account(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    owner = account_of(app, an_admin("owner"))

    with pytest.raises(BridgeError) as refused:
        change(app, lambda c: delete_account(c, owner, now=NOW, by="person"))

    assert refused.value.code == "last_owner"
    assert count_admins(app) == 1


def test_what_an_admin_did_stays_when_they_go_and_is_somebodys(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    an_admin("owner")
    gone, bob = account_of(app, an_admin("admin")), account_of(app, an_admin(None))

    def work(connection: Connection) -> None:
        record(connection, "role given", now=NOW, account_id=gone, role="admin")
        block(connection, bob, now=NOW, by=gone)
        set_note(connection, bob, "seen", by=gone, version="", now=NOW)
        delete_account(connection, gone, now=NOW, by="person")

    change(app, work)

    with app.app_context(), read() as connection:
        kept = connection.execute(select(EventRow.detail).where(EventRow.account_id == bob))
        assert {"by": SOMEBODY_GONE} in kept.scalars().all()
        note = find_note(connection, bob)
    assert note is not None
    assert (note.text, note.by) == ("seen", "")


@pytest.mark.parametrize("first", ROLES)
@pytest.mark.parametrize("second", [*ROLES, None])
def test_of_two_accounts_that_become_one_the_greater_role_stays(
    app: Flask, an_admin: Callable[..., Person], first: Role, second: Role | None
) -> None:
    keep = account_of(app, an_admin(second, apps=("https://a.example",)))
    gone = account_of(app, an_admin(first, apps=("https://b.example",)))

    change(app, lambda c: join_accounts(c, keep, gone, now=NOW))

    with app.app_context(), read() as connection:
        admin = find_admin(connection, keep)
    assert admin is not None
    assert admin.role == next(role for role in ROLES if role in (first, second))
    if (first, second) == ("app manager", "app manager"):
        assert admin.apps == {"https://a.example", "https://b.example"}
    assert count_admins(app) == 1


def test_notes_on_two_accounts_that_become_one_are_both_kept_and_both_go(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    admin, keep, gone = (
        account_of(app, an_admin(role, apps=(mark,)))
        for role, mark in (("owner", "a"), (None, "b"), (None, "c"))
    )

    def work(connection: Connection) -> None:
        for whom, text in ((keep, "one"), (gone, "two")):
            set_note(connection, whom, text, by=admin, version="", now=NOW)
            record(connection, NOTE_CHANGED, now=NOW, by=admin, person=whom, after=text)
        join_accounts(connection, keep, gone, now=NOW)

    change(app, work)

    with app.app_context(), read() as connection:
        note = find_note(connection, keep)
        assert find_note(connection, gone) is None
    assert note is not None
    assert note.text == "one\ntwo"
    change(app, lambda c: delete_account(c, keep, now=NOW, by="person"))
    with app.app_context(), read() as connection:
        noted = select(EventRow.id).where(EventRow.kind == NOTE_CHANGED)
        assert connection.execute(noted).all() == []
