"""My apps: what each gets and holds, less of it from now on, and a thousand of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, insert, select, update

from oidc_bridge.storage import db, read, write
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.my_apps import AppTitles, apps_of_sessions
from oidc_bridge.storage.sessions import SessionRow
from oidc_bridge.storage.tokens import RefreshTokenRow
from tests.conftest import Clock
from tests.driver import Person, ask_token, fields_of, query_of, redeem, userinfo
from tests.fakes import NOW
from tests.web.test_tokens_about import NOTHING, OFFLINE, introspect

EVERYTHING = {
    "scope": "openid profile email offline_access",
    "scopes": ("profile", "email", "offline_access"),
}


def app_url(person: Person) -> str:
    found = re.search(r'href="(/account/apps/(?!past)[^"/]+)"', person.account_page())
    assert found, "no app"
    return found[1]


def untick(person: Person, *left: str, url: str = "") -> Any:
    """Save the app's page with only *left* ticked."""
    url = url or app_url(person)
    fields = fields_of(person.get(url).text, f"{url}/scopes")
    return person.post(f"{url}/scopes", {**fields, "scope": list(left)})


def values(app: Flask, column: Any) -> list[Any]:
    with app.app_context(), read() as connection:
        return list(connection.execute(select(column)).scalars())


# ---- one app


def test_the_page_of_an_app_tells_all_that_it_gets_and_holds(ann: Person) -> None:
    ann.tokens(**OFFLINE)

    page = ann.get(app_url(ann)).text.replace("<wbr>", "")

    assert f"@{ann.wallet.address.c32.lower()}:matrix.example" in page
    assert "Ann Example" in page
    assert "1 browser" in page
    assert "Yes, until you take that back" in page


def test_an_app_without_lasting_access_is_said_to_have_none(ann: Person, clock: Clock) -> None:
    ann.tokens()
    clock.advance(hours=2)

    page = ann.get(app_url(ann)).text

    assert "until you take that back" not in page
    assert "<dt>Can ask about you now</dt><dd>No" in page


def test_what_is_required_has_no_box(ann: Person) -> None:
    ann.tokens()

    page = ann.get(app_url(ann)).text

    assert 'value="profile" checked' in page
    assert 'name="scope" value="openid"' not in page


# ---- less of it


def test_what_is_unticked_is_gone_from_userinfo_at_once(app: Flask, ann: Person) -> None:
    token = str(ann.tokens()["access_token"])
    assert userinfo(app, token).get_json()["name"] == "Ann Example"

    assert untick(ann).location.endswith("?done=narrowed")

    told = userinfo(app, token)
    assert told.status_code == 200
    assert "name" not in told.get_json()
    assert values(app, ConsentRow.granted) == [["openid"]]


def test_what_is_unticked_is_gone_from_introspection_at_once(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(**OFFLINE)

    untick(ann, "offline_access")

    for kind in ("access_token", "refresh_token"):
        told = introspect(app, tokens[kind])
        assert told["active"] is True
        assert told["scope"] == "openid offline_access"


def test_what_is_unticked_no_refresh_brings_back(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(**OFFLINE)

    untick(ann, "offline_access")

    form = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    wider = ask_token(app, {**form, "scope": "openid profile"})
    assert wider.get_json()["error"] == "invalid_scope"
    again = ask_token(app, form).get_json()
    assert again["scope"] == "openid offline_access"
    assert "name" not in userinfo(app, again["access_token"]).get_json()


def test_what_is_unticked_a_code_that_waits_does_not_give(app: Flask, ann: Person) -> None:
    code = query_of(ann.sign_in())["code"]

    untick(ann)

    assert redeem(app, code).get_json()["scope"] == "openid"


def test_without_lasting_access_no_refresh_token_works_and_nobody_is_called_a_thief(
    app: Flask, ann: Person
) -> None:
    tokens = ann.tokens(**OFFLINE)

    untick(ann, "profile")

    assert introspect(app, tokens["refresh_token"]) == NOTHING
    form = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    assert ask_token(app, form).get_json()["error"] == "invalid_grant"
    assert values(app, AuthorizationRow.revoked_at) == [None]
    assert values(app, RefreshTokenRow.digest) == []
    assert userinfo(app, str(tokens["access_token"])).get_json()["name"] == "Ann Example"


def test_without_lasting_access_nothing_outlives_its_session(app: Flask, ann: Person) -> None:
    token = str(ann.tokens(**OFFLINE)["access_token"])
    ann.sign_out()
    assert userinfo(app, token).status_code == 200
    ann.prove(ann.begin_account())

    untick(ann, "profile")

    assert userinfo(app, token).status_code == 401


def test_several_grants_with_other_scopes_are_narrowed_each(app: Flask, ann: Person) -> None:
    first = ann.tokens(**EVERYTHING)
    second = ann.tokens(**OFFLINE)

    untick(ann, "offline_access")

    for tokens in (first, second):
        assert "profile" not in introspect(app, tokens["access_token"])["scope"]


def test_another_app_keeps_what_it_has(app: Flask, ann: Person, clock: Clock) -> None:
    token = str(ann.tokens()["access_token"])
    clock.advance(seconds=1)
    ann.tokens(redirectUrl="https://other.example/")

    page = ann.account_page()
    assert page.index("other.example</bdi>") < page.index("chat.example</bdi>")
    untick(ann)

    assert userinfo(app, token).get_json()["name"] == "Ann Example"


def test_what_is_ticked_anew_is_given_only_after_the_app_has_asked(app: Flask, ann: Person) -> None:
    token = str(ann.tokens(remember=True, scopes=())["access_token"])

    answer = untick(ann, "profile")

    assert answer.location.endswith("?done=asked-again")
    assert values(app, ConsentRow.granted) == [["openid"]]
    assert "name" not in userinfo(app, token).get_json()
    assert ann.authorize().location.startswith("/consent/")


def test_what_is_left_as_it_was_stays_remembered(ann: Person) -> None:
    ann.tokens(remember=True)

    assert untick(ann, "profile").location.endswith("?done=same")

    assert not ann.authorize().location.startswith("/consent/")


@pytest.mark.parametrize("forged", ["email", "openid", "nonsense"])
def test_what_is_no_box_cannot_be_posted(app: Flask, ann: Person, forged: str) -> None:
    ann.tokens()

    answer = untick(ann, forged)

    assert answer.status_code == 400
    assert "form_malformed" in answer.text
    assert values(app, ConsentRow.granted) == [["openid", "profile"]]


# ---- whose it is


def test_nobody_sees_or_narrows_another_persons_app(app: Flask, ann: Person, bob: Person) -> None:
    token = str(ann.tokens()["access_token"])
    bob.tokens()
    url, own = app_url(ann), app_url(bob)
    fields = fields_of(bob.get(own).text, f"{own}/scopes")

    assert bob.get(url).status_code == 404
    assert bob.post(f"{url}/scopes", dict(fields)).status_code == 404

    assert userinfo(app, token).get_json()["name"] == "Ann Example"


@pytest.mark.parametrize("path", ["/account/apps/x", "/account/apps/past"])
def test_the_pages_of_apps_are_for_those_who_are_signed_in(ann: Person, path: str) -> None:
    answer = ann.get(path)

    assert answer.status_code == 401
    assert "signed_out" in answer.text


# ---- past ones


def test_an_app_whose_access_was_removed_is_listed_as_past_to_its_owner_alone(
    ann: Person, bob: Person
) -> None:
    ann.tokens()
    bob.tokens()
    url = app_url(ann)
    ann.remove_first_app()

    assert "chat.example" in ann.get("/account/apps/past").text
    assert "chat.example" not in bob.get("/account/apps/past").text
    assert ann.get(url).status_code == 404


# ---- a thousand of them


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def fill(app: Flask, apps: int, grants: int) -> None:
    """Give the only account this many further apps and authorizations."""
    with app.app_context():

        def add(connection: Any) -> None:
            consent = dict(connection.execute(select(ConsentRow.__table__)).mappings().one())
            given = dict(connection.execute(select(AuthorizationRow.__table__)).mappings().one())
            keys = [f"https://app{number:04}.example" for number in range(apps)]
            connection.execute(
                insert(ConsentRow),
                [
                    {**consent, "id": f"c{key[11:15]}", "app": key, "app_title": key[8:]}
                    for key in keys
                ],
            )
            connection.execute(
                insert(AuthorizationRow),
                [
                    {
                        **given,
                        "id": f"a{number}",
                        "app": keys[number % apps],
                        "code_digest": f"d{number}",
                        "created_at": NOW + timedelta(seconds=number),
                    }
                    for number in range(grants)
                ],
            )
            connection.execute(update(SessionRow).values(user_agent=""))

        write(add)


def test_a_thousand_apps_take_as_many_questions_as_one(
    app: Flask, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.tokens()
    # Clients and keys are read anew each second, by whatever page comes then: not counted here.
    monkeypatch.setattr("oidc_bridge.web.snapshot._MAX_AGE", 3600.0)
    pages = ("/account", "/account?page=3", "/account?q=app", app_url(ann), "/account/apps/past")
    before = {}
    for url in pages:
        with statements(app) as seen:
            ann.get(url)
        before[url] = len(seen)
    fill(app, 1_000, 10_000)

    for url in pages:
        with statements(app) as seen:
            assert ann.get(url).status_code == 200
        assert 0 < len(seen) == before[url], url


def test_a_browser_names_five_of_its_apps_and_counts_the_others(app: Flask, ann: Person) -> None:
    ann.tokens()
    fill(app, 1_000, 2_000)  # of each app two authorizations, and all of this browser

    page = ann.account_page().partition('id="sessions"')[2]

    assert re.findall(r"<li><bdi>(app\d{4})\.example</bdi></li>", page) == [
        f"app{number:04}" for number in range(5)
    ]
    assert "<li>and 996 more</li>" in page  # 995 of these, and the one that was there


def test_what_a_browser_signed_in_to_is_not_read_beyond_what_is_shown(
    app: Flask, ann: Person
) -> None:
    ann.tokens()
    fill(app, 50, 100)
    with app.app_context(), read() as connection:
        (session_id,) = connection.execute(select(SessionRow.id)).scalars()

        titles = apps_of_sessions(connection, [session_id], most=3)[session_id]

    assert titles == AppTitles(("app0000.example", "app0001.example", "app0002.example"), 51)


def test_apps_are_shown_twenty_at_a_time_newest_use_first(app: Flask, ann: Person) -> None:
    ann.tokens()
    assert 'type="search"' not in ann.account_page()
    fill(app, 30, 60)

    first, second = ann.account_page(), ann.get("/account?page=2").text

    shown = re.findall(r'href="/account/apps/c(\d{4})"', first)
    assert shown == [f"{number:04}" for number in range(29, 9, -1)]
    assert len(re.findall(r'<h3 class="name"><a href="/account/apps/', second)) == 11
    assert 'href="/account?page=2#apps"' in first
    assert 'type="search"' in first


@pytest.mark.parametrize("number", ["0", "-1", "x", "²", "99999", "9" * 50])
def test_a_page_that_does_not_exist_is_the_nearest_that_does(ann: Person, number: str) -> None:
    ann.tokens()

    answer = ann.get(f"/account?page={number}")

    assert answer.status_code == 200
    assert "chat.example" in answer.text


def test_apps_are_found_by_title_and_wildcards_mean_themselves(app: Flask, ann: Person) -> None:
    ann.tokens()
    fill(app, 30, 30)

    assert "app0007.example" in ann.get("/account?q=APP0007").text
    assert "1 found" in ann.get("/account?q=APP0007").text
    assert "0 found" in ann.get("/account?q=app%25").text
    assert "0 found" in ann.get("/account?q=app_007").text
