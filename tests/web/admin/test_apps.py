"""Apps on the admin pages: what is said of them, by whom, and two who say it at once."""

import html
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import insert, select

from oidc_bridge.apps.spelling import guess_app_name, read_app_name
from oidc_bridge.apps.whitelist import Say
from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.client import Unknown
from oidc_bridge.roles import Role
from oidc_bridge.storage import read
from oidc_bridge.storage.apps import set_unknown_apps
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.rulings import rule_app
from oidc_bridge.storage.whitelist import AppRule, find_rule, set_rule
from oidc_bridge.web.admin.moments import name_of
from tests.conftest import Clock
from tests.driver import HOMESERVER, WIKI, Person, enrol, fields_of
from tests.fakes import NOW
from tests.web.admin.conftest import account_of, change
from tests.web.admin.many import account_id, add_people, add_requests, app_name
from tests.web.admin.test_people import counted

CHAT = "https://chat.example"
PAGE = f"/admin/apps/one?app={CHAT}"
RULED = "/admin/apps/rule"
RULE = {"say": "deny", "audience": "everyone", "until": "", "note": ""}


def rule_of(app: Flask, name: str = CHAT) -> AppRule | None:
    with app.app_context(), read() as connection:
        return find_rule(connection, name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("HTTPS://Chat.Example:443/", CHAT),
        ("Element:", "element:"),
        ("client:wiki", "client:wiki"),
    ],
)
def test_an_app_has_one_name(text: str, name: str) -> None:
    assert read_app_name(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "chat.example", "chat.example:8448", f"{CHAT}/x", f"{CHAT}?x", "javascript:", "client:"],
)
def test_what_is_no_app_for_certain_is_refused(text: str) -> None:
    with pytest.raises(BridgeError, match="app_malformed"):
        read_app_name(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("chat.example", CHAT),
        ("Chat.Example:8448/x?y#z", f"{CHAT}:8448"),
        ("https://app.element.io/#/login", "https://app.element.io"),
        ("http://chat.example/x", "http://chat.example"),
        ("bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example/", "https://xn--bcher-kva.example"),
        # Browsers of today and of yesterday spell it in two ways.
        ("straße.example", None),
        ("", None),
        ("nonsense", None),
        ("javascript:", None),
        ("ftp://chat.example", None),
        ("https://u:p@chat.example", None),
        ("*.chat.example", None),
        ("a..example", None),
        ("\0.example", None),
    ],
)
def test_what_is_meant_perhaps_is_an_app(text: str, meant: str | None) -> None:
    assert guess_app_name(text) == meant


def test_an_app_is_added_and_refused_from_then_on(
    app: Flask, an_admin: Callable[..., Person], ann: Person
) -> None:
    admin = an_admin("admin")
    shown = admin.press_on("/admin/apps", "/admin/apps/add", address=f"{CHAT}/").text
    admin.post(
        "/admin/apps/rule",
        {**fields_of(shown, "/admin/apps/rule"), **RULE, "note": "=<script>"},
    )

    assert rule_of(app) == AppRule(CHAT, "deny", note="=<script>")
    assert "<script>" not in admin.get(PAGE).text.replace('<script src="', "")
    refused = ann.get(ann.prove(ann.authorize().location).location)
    assert refused.status_code == 403
    assert "app_denied" in refused.text
    with app.app_context(), read() as connection:
        (event,) = connection.execute(
            select(EventRow.detail).where(EventRow.kind == "app ruled")
        ).scalars()
    assert event["by"] == account_of(app, admin)
    assert event["before"] == ""


def test_the_second_of_two_sees_both_rules_and_takes_one(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    one, two = an_admin("admin"), an_admin("owner")
    shown = fields_of(two.get(PAGE).text, "/admin/apps/rule")
    one.press_on(PAGE, "/admin/apps/rule", **{**RULE, "say": "alone", "until": "2027-01-31"})

    clash = two.post("/admin/apps/rule", {**shown, **RULE})

    assert clash.status_code == 409
    assert "31 Jan 2027, 23:59" in clash.text
    assert rule_of(app) == AppRule(CHAT, "alone", until=datetime(2027, 2, 1, tzinfo=UTC))
    two.post("/admin/apps/rule", dict(fields_of(clash.text, "/admin/apps/rule")))
    assert rule_of(app) == AppRule(CHAT, "deny")


@pytest.mark.parametrize(
    "lie",
    [
        {"say": "maybe"},
        {"audience": "x"},
        {"until": "2020-01-01"},
        {"until": "9999-12-31"},
        {"until": "x"},
        {"note": "\u200b"},
        {"version": "x"},
        {"version": "9" * 17},
    ],
)
def test_a_form_that_cannot_be_ours_changes_nothing(
    app: Flask, an_admin: Callable[..., Person], lie: dict[str, str]
) -> None:
    answer = an_admin("admin").press_on(PAGE, "/admin/apps/rule", **{**RULE, **lie})

    assert answer.status_code in (400, 409)
    assert rule_of(app) is None


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 403), ("admin", 403), (None, 403), ("app manager", 303)]
)
def test_an_app_manager_does_not_allow_what_those_above_deny(
    app: Flask, an_admin: Callable[..., Person], clock: Clock, role: Role | None, status: int
) -> None:
    """None is the command line; what another app manager denies they may allow."""
    manager, form = an_admin("app manager", apps=(CHAT,)), {**RULE, "say": "allow"}
    manager.post("/admin/apps/rule", {**fields_of(manager.get(PAGE).text, RULED), **form})
    undo = {**fields_of(manager.get(PAGE).text, RULED), "at": name_of(clock.now)}
    clock.advance(minutes=1)
    if role is None:
        deny = AppRule(CHAT, "deny")
        change(app, lambda connection: rule_app(connection, deny, now=clock.now))
    else:
        above = an_admin(role, apps=(CHAT, "https://other.example"))
        above.post("/admin/apps/rule", {**fields_of(above.get(PAGE).text, RULED), **RULE})
    denied = rule_of(app)

    page = manager.get(PAGE).text
    assert ("Only they can change its rule" in page) == (status == 403)
    assert (RULED in page) == (status == 303)
    version = name_of(clock.now)
    answer = manager.post(RULED, {**undo, **form, "version": version})

    assert answer.status_code == status
    assert (rule_of(app) == denied) == (status == 403)


def test_a_deny_that_has_run_out_is_an_app_managers_to_change(
    app: Flask, an_admin: Callable[..., Person], clock: Clock
) -> None:
    over = AppRule(CHAT, "deny", until=clock.now)
    change(app, lambda connection: rule_app(connection, over, now=clock.now))
    manager = an_admin("app manager", apps=(CHAT,))

    form = {**fields_of(manager.get(PAGE).text, RULED), **RULE, "say": "allow"}

    assert manager.post(RULED, form).status_code == 303


def test_an_app_manager_takes_no_deny_back_that_those_above_made_theirs(
    app: Flask, an_admin: Callable[..., Person], clock: Clock
) -> None:
    manager, owner = an_admin("app manager", apps=(CHAT,)), an_admin("owner")
    for say in ("allow", "deny"):
        form = {**fields_of(manager.get(PAGE).text, RULED), **RULE, "say": say}
        done = manager.post(RULED, form).location
        clock.advance(seconds=1)
    undo = fields_of(manager.get(done).text, "/admin/apps/undo")
    owner.post(RULED, {**fields_of(owner.get(PAGE).text, RULED), **RULE, "note": "Ours."})

    assert manager.post("/admin/apps/undo", undo).status_code == 403


def test_an_app_that_nobody_uses_yet_is_open_to_its_manager(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    manager = an_admin("app manager", apps=("https://new.example",))

    page = manager.get("/admin/apps/one?app=https://new.example")

    assert page.status_code == 200
    assert "https://new.example" in manager.get("/admin/apps").text
    for tab in ("list", "scopes", "events"):
        assert manager.get(f"/admin/apps/{tab}?app=https://new.example").status_code == 200
    form = {**fields_of(page.text, "/admin/apps/rule"), **RULE}
    assert manager.post("/admin/apps/rule", form).status_code == 303


def test_an_app_manager_sees_and_changes_their_own_app_alone(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    other = "https://other.example"
    for name in (CHAT, other):
        change(app, lambda c, name=name: set_rule(c, AppRule(name, "allow"), now=NOW))
    manager = an_admin("app manager", apps=(CHAT,))

    assert other not in manager.get("/admin/apps").text
    assert manager.get(f"/admin/apps/one?app={other}").status_code == 404
    form = {**fields_of(manager.get(PAGE).text, "/admin/apps/rule"), **RULE}
    assert manager.post("/admin/apps/rule", {**form, "app": other}).status_code == 404
    assert manager.post("/admin/apps/rule", form).status_code == 303
    assert rule_of(app, other) == AppRule(other, "allow")


def test_the_list_of_apps_asks_as_often_whoever_uses_them(
    app: Flask, an_admin: Callable[..., Person], ann: Person
) -> None:
    admin = an_admin("admin")
    for number in range(60):
        name = f"https://app-{number:02}.example"
        change(app, lambda c, name=name: set_rule(c, AppRule(name, "allow"), now=NOW))
    ann.tokens()

    for url, shown in (("", 50), ("?skip=50", 11), ("?find=chat", 1)):
        with counted(app) as statements:
            page = admin.get(f"/admin/apps{url}").text
        assert len(statements) <= 9
        assert page.count('<th scope="row"') == shown


def test_who_uses_an_app_is_counted_until_they_take_it_back(
    app: Flask, an_admin: Callable[..., Person], ann: Person
) -> None:
    people = "<dt>People who use it</dt><dd>{}</dd>"
    admin = an_admin("admin")
    ann.tokens()
    ann.tokens(WIKI)

    assert people.format(1) in admin.get(PAGE).text
    assert people.format(1) in admin.get("/admin/apps/one?app=client:wiki").text
    ann.remove_first_app()
    ann.remove_first_app()
    assert people.format(0) in admin.get(PAGE).text
    assert "client:wiki" not in admin.get("/admin/apps").text


def names_in(page: str) -> list[str]:
    return re.findall(r'<th scope="row".*?<bdi>(.*?)</bdi>', page, re.S)


def some_apps(app: Flask) -> None:
    """Three with rules, of which the second has three people, the third one, and the first a
    request that waits."""
    says: tuple[Say, ...] = ("deny", "allow", "alone")
    for number, say in enumerate(says):
        rule = AppRule(app_name(number), say)
        change(app, lambda connection, rule=rule: set_rule(connection, rule, now=NOW))
    change(app, lambda connection: add_people(connection, 4))
    change(app, lambda connection: add_requests(connection, app_name(0), 1))
    yes = {"client_name": "x", "localpart": "x", "app_title": "x", "scopes": [], "claims": []}
    who = [(1, 1), (1, 2), (1, 3), (2, 4)]
    rows = [
        {
            **yes,
            "id": f"c{number}",
            "client_id": "synapse",
            "granted": [],
            "text_version": 1,
            "account_id": account_id(number - 1),
            "app": app_name(which),
            "given_at": NOW + timedelta(seconds=number),
        }
        for which, number in who
    ]
    change(app, lambda connection: connection.execute(insert(ConsentRow), rows))


@pytest.mark.parametrize("find", ["MyWiki", "mywiki", "CLIENT:MY"])
def test_an_app_is_found_whatever_the_case(
    app: Flask, an_admin: Callable[..., Person], find: str
) -> None:
    change(app, lambda c: set_rule(c, AppRule("client:MyWiki", "allow"), now=NOW))

    assert names_in(an_admin("admin").get(f"/admin/apps?find={find}").text) == ["client:MyWiki"]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", "012"),
        ("?way=down", "210"),
        ("?sort=rule", "120"),
        ("?sort=rule&way=down", "021"),
        ("?sort=people&way=down", "120"),
        ("?sort=people", "021"),
        ("?sort=last+yes&way=down", "210"),
        ("?sort=last+yes", "120"),
        ("?sort=waiting&way=down", "012"),
        ("?sort=waiting", "120"),
        ("?sort=note", "012"),
        ("?sort=people&way=down&find=app-0002", "2"),
    ],
)
def test_the_list_is_sorted_by_each_column_both_ways(
    app: Flask, an_admin: Callable[..., Person], query: str, numbers: str
) -> None:
    admin = an_admin("admin")
    some_apps(app)

    with counted(app) as statements:
        page = admin.get(f"/admin/apps{query}").text

    assert names_in(page) == [app_name(int(number)) for number in numbers]
    assert len(statements) <= 8
    way = "descending" if "way=down" in query else "ascending"
    assert page.count("aria-sort") == page.count(f'aria-sort="{way}"') == 1


def test_a_column_leads_to_its_other_way_and_the_search_goes_along(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    admin = an_admin("admin")
    some_apps(app)

    page = admin.get("/admin/apps?find=app&sort=people&way=down").text

    heads = re.findall(r'<th scope="col".*?href="(.*?)"', page, re.S)
    assert [html.unescape(url) for url in heads] == [
        "/admin/apps?find=app",
        "/admin/apps?find=app&sort=rule",
        "/admin/apps?find=app&sort=people",
        "/admin/apps?find=app&sort=last+yes&way=down",
        "/admin/apps?find=app&sort=waiting&way=down",
    ]


def test_a_client_with_people_is_sorted_among_the_apps(
    app: Flask, an_admin: Callable[..., Person], ann: Person
) -> None:
    admin = an_admin("admin")
    some_apps(app)
    ann.tokens(WIKI)

    page = admin.get("/admin/apps?sort=people&way=down").text

    assert names_in(page) == [app_name(1), "client:wiki", app_name(2), app_name(0)]


# ---- the form of a rule


def chosen(page: str) -> list[str]:
    return re.findall(r'<option value="(\w*)" selected', page)


@pytest.mark.parametrize(
    ("unknown", "say"), [("allow", "allow"), ("alone", "alone"), ("deny", "deny"), ("ask", "")]
)
def test_a_new_rule_begins_with_what_holds_now(
    app: Flask, an_admin: Callable[..., Person], unknown: Unknown, say: str
) -> None:
    change(app, lambda c: set_unknown_apps(c, HOMESERVER.id, unknown))
    admin = an_admin("admin")

    page = admin.get(PAGE).text

    assert chosen(page) == [say, "everyone"]
    assert "Anyone with a wallet can sign in" in page
    assert "<dt>Without a rule</dt>" in page
    if not say:
        answer = admin.press_on(PAGE, "/admin/apps/rule", **{**RULE, "say": ""})
        assert answer.status_code == 400
        assert 'id="wrong-say"' in answer.text
        assert rule_of(app) is None


def test_where_homeservers_differ_nothing_is_chosen(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    enrol(app, replace(HOMESERVER, id="other", unknown_apps="deny"))

    page = an_admin("admin").get(PAGE).text

    assert chosen(page) == ["", "everyone"]
    assert "At other: deny; at synapse: allow" in page


@pytest.mark.parametrize(
    ("name", "lie", "field"),
    [
        (CHAT, {"until": "2020-01-01"}, "until"),
        (CHAT, {"until": "x"}, "until"),
        (CHAT, {"note": "a\u200bb"}, "note"),
        (CHAT, {"note": "x" * 301}, "note"),
        ("http://chat.example", {"say": "allow"}, "say"),
        ("client:wiki", {"say": "alone"}, "say"),
    ],
)
def test_a_rule_that_cannot_be_is_shown_again_with_what_was_typed(
    app: Flask, an_admin: Callable[..., Person], name: str, lie: dict[str, str], field: str
) -> None:
    change(app, lambda c: set_rule(c, AppRule(name, "deny"), now=NOW))
    typed = {"say": "deny", "audience": "listed", "until": "", "note": "a long note", **lie}
    url = f"/admin/apps/one?app={name}"
    admin = an_admin("admin")
    version = fields_of(admin.get(url).text, "/admin/apps/rule")["version"]

    answer = admin.press_on(url, "/admin/apps/rule", **typed)

    assert answer.status_code == 400
    assert f'id="wrong-{field}"' in answer.text
    assert answer.text.count('aria-invalid="true"') == 1
    assert f'value="{typed["note"]}"' in answer.text
    assert f'value="{typed["until"]}"' in answer.text
    assert "listed" in chosen(answer.text)
    assert fields_of(answer.text, "/admin/apps/rule")["version"] == version
    assert rule_of(app, name) == AppRule(name, "deny")


def test_a_day_that_is_over_meanwhile_is_not_kept_again(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    over = AppRule(CHAT, "deny", until=NOW - timedelta(days=1))
    change(app, lambda c: set_rule(c, over, now=NOW))
    day = (NOW - timedelta(days=1, microseconds=1)).date().isoformat()

    answer = an_admin("admin").press_on(PAGE, "/admin/apps/rule", **{**RULE, "until": day})

    assert "This day is over." in answer.text
    assert rule_of(app) == over


def test_who_saves_what_holds_already_changes_nothing_and_takes_nothing_back(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    admin = an_admin("admin")
    admin.press_on(PAGE, "/admin/apps/rule", **RULE)

    led = admin.press_on(PAGE, "/admin/apps/rule", **RULE)

    page = admin.get(led.location).text
    assert "Nothing changed" in page
    assert "Take it back" not in page
    with app.app_context(), read() as connection:
        kinds = connection.execute(select(EventRow.kind)).scalars().all()
    assert kinds.count("app ruled") == 1


# ---- clients


def test_a_rule_of_a_homeserver_says_for_whom_it_is(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    page = an_admin("admin").get("/admin/apps/one?app=client:synapse").text

    assert "This rule is for people who sign in there without an app" in page
    assert 'href="/admin/clients/synapse#unknown"' in page
    assert "Deny: nobody can sign in there without an app" in page
    assert "Deny: nobody can sign in to it" not in page
    wiki = an_admin("admin").get("/admin/apps/one?app=client:wiki").text
    assert "without an app" not in wiki
    assert chosen(wiki) == ["allow", "everyone"]


def test_a_client_that_there_is_not_has_no_form(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    assert an_admin("admin").get("/admin/apps/one?app=client:nope").status_code == 404


def test_app_passwords_are_denied_by_their_rule(
    app: Flask, an_admin: Callable[..., Person]
) -> None:
    url = "/admin/apps/one?app=client:app-password"

    assert an_admin("admin").press_on(url, "/admin/apps/rule", **RULE).status_code == 303
    assert rule_of(app, "client:app-password") == AppRule("client:app-password", "deny")
