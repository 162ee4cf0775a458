"""The whitelist through the HTTP door: which app, as whom, who is refused, and for how long."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import unquote

import pytest
from flask import Flask
from sqlalchemy import Connection, func, select

from oidc_bridge.storage import read, write
from oidc_bridge.storage.access_requests import (
    AccessRequestRow,
    access_requests,
    decide_access_requests,
)
from oidc_bridge.storage.admissions import admit
from oidc_bridge.storage.apps import set_unknown_apps
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.whitelist import (
    AppRule,
    Listing,
    PersonRuleRow,
    forget_person_rule,
    remove_rule,
    set_person_rule,
    set_rule,
)
from tests.conftest import Clock
from tests.driver import (
    HOMESERVER,
    WIKI,
    Person,
    ask_token,
    fields_of,
    query_of,
    read_id_token,
    redeem,
    userinfo,
)
from tests.fakes import NOW

CHAT_APP = "https://chat.example"
BOT = "https://bot.example"
BOT_URL = f"{BOT}/login"


@pytest.fixture(autouse=True)
def unknown_apps_are_asked_about(app: Flask) -> None:
    let_unknown(app, "ask")


def change(app: Flask, work: Callable[[Connection], object]) -> None:
    with app.app_context():
        write(work)
    app.extensions["oidc_bridge"].snapshots.forget()


def let_unknown(app: Flask, policy: str) -> None:
    change(app, lambda connection: set_unknown_apps(connection, HOMESERVER.id, policy))


def rule(app: Flask, name: str, say: str, **more: object) -> None:
    change(app, lambda connection: set_rule(connection, AppRule(name, say, **more), now=NOW))


def own_rule(app: Flask, name: str, say: str) -> None:
    account_id = only(app, PersonaRow.account_id)[0]
    change(app, lambda connection: set_person_rule(connection, account_id, name, say, now=NOW))


def only(app: Flask, column: object) -> list[str]:
    with app.app_context(), read() as connection:
        return list(connection.execute(select(column).distinct()).scalars())


def count(app: Flask, row: type) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def asked(person: Person, **changes: str | None) -> str:
    """Go as far as the first page after the proof; return where that is."""
    answer = person.authorize(**changes)
    if answer.location.startswith("/sign-in/"):
        answer = person.prove(answer.location)
    return str(answer.location)


def plain(page: str) -> str:
    return page.replace("<wbr>", "").replace("<bdi>", "").replace("</bdi>", "")


def known_as(app: Flask, person: Person, **changes: object) -> dict[str, object]:
    """Sign in all the way; return the ID token's claims."""
    return read_id_token(app, str(person.tokens(**changes)["id_token"]))


# ---- as whom


def test_an_unknown_app_is_offered_an_id_of_its_own_first(app: Flask, ann: Person) -> None:
    main = ann.wallet.address.c32.lower()

    page = plain(ann.get(asked(ann, redirectUrl=BOT_URL)).text)

    assert 'name="as" value="alone" checked' in page
    assert 'name="as" value="main">' in page
    assert f"@{main}+bot.example:matrix.example" in page
    assert f"@{main}:matrix.example" in page


def test_p3_two_apps_that_nobody_allowed_know_two_people(app: Flask, ann: Person) -> None:
    chat = known_as(app, ann)
    bot = known_as(app, ann, redirectUrl=BOT_URL)

    assert chat["sub"] != bot["sub"]
    assert str(chat["preferred_username"]).endswith("+chat.example")
    assert str(bot["preferred_username"]).endswith("+bot.example")


def test_an_app_that_the_operator_allows_knows_the_person_as_themselves(
    app: Flask, ann: Person
) -> None:
    rule(app, CHAT_APP, "allow")

    claims = known_as(app, ann)

    assert claims["preferred_username"] == ann.wallet.address.c32.lower()


def test_the_id_of_its_own_stays_the_apps_at_the_next_sign_in(app: Flask, ann: Person) -> None:
    first = known_as(app, ann, remember=True)

    again = ann.authorize()

    assert again.location.startswith(HOMESERVER.redirect_uris[0])
    answer = redeem(app, query_of(again.location)["code"]).get_json()
    assert read_id_token(app, answer["id_token"])["sub"] == first["sub"]


def test_whoever_chooses_to_be_themselves_has_allowed_the_app(app: Flask, ann: Person) -> None:
    known_as(app, ann, redirectUrl=BOT_URL, as_whom="main", remember=True)

    again = ann.authorize(redirectUrl=BOT_URL)

    assert again.location.startswith(HOMESERVER.redirect_uris[0])
    assert only(app, PersonRuleRow.app) == [BOT]
    assert only(app, PersonRuleRow.say) == ["allow"]


def test_whoever_takes_the_suggestion_says_nothing_of_their_own(app: Flask, ann: Person) -> None:
    known_as(app, ann, redirectUrl=BOT_URL)

    assert count(app, PersonRuleRow) == 0


def test_a_person_may_be_stricter_than_the_operator(app: Flask, ann: Person) -> None:
    rule(app, CHAT_APP, "allow")

    claims = known_as(app, ann, as_whom="alone")

    assert str(claims["preferred_username"]).endswith("+chat.example")
    assert only(app, PersonRuleRow.say) == ["alone"]


@pytest.mark.parametrize("wanted", ["", "nobody", "main"])
def test_what_was_not_offered_cannot_be_posted(app: Flask, ann: Person, wanted: str) -> None:
    rule(app, CHAT_APP, "alone")
    url = asked(ann)
    form = {**fields_of(ann.get(url).text, url), "decision": "allow", "as": wanted}

    answer = ann.post(url, dict(form))

    assert answer.status_code == 400
    assert "form_malformed" in answer.text
    assert count(app, AuthorizationRow) == 0


def test_the_main_id_is_kept_for_its_owner_before_an_app_gets_one_of_its_own(
    app: Flask, ann: Person
) -> None:
    known_as(app, ann, redirectUrl=BOT_URL)

    main = ann.wallet.address.c32.lower()
    assert sorted(only(app, PersonaRow.localpart)) == [main, f"{main}+bot.example"]


def test_p4_only_the_whole_origin_counts(app: Flask, ann: Person) -> None:
    rule(app, CHAT_APP, "allow")

    for other in (
        "https://chat.example:8443/",
        "http://chat.example/",
        "https://chat.example.evil.example/",
        "https://evil-chat.example/",
        "https://chat.example@evil.example/",
    ):
        answer = ann.authorize(redirectUrl=other)
        if "error" in query_of(answer.location):
            continue  # no address of an app at all
        page = ann.get(asked(ann, redirectUrl=other)).text
        assert 'name="as" value="alone" checked' in page, other


def test_a_hint_that_names_ones_own_id_does_not_get_it_without_a_yes(
    app: Flask, ann: Person
) -> None:
    rule(app, CHAT_APP, "allow")
    hint = str(ann.tokens(remember=True)["id_token"])
    rule(app, CHAT_APP, "deny")
    change(app, lambda connection: remove_rule(connection, CHAT_APP))

    url = str(ann.authorize(id_token_hint=hint).location)
    answer = ann.decide(url)

    assert url.startswith("/consent/")
    tokens = redeem(app, query_of(answer.location)["code"]).get_json()
    assert read_id_token(app, tokens["id_token"])["preferred_username"] == (
        ann.wallet.address.c32.lower()
    )
    assert only(app, PersonRuleRow.say) == ["allow"]


# ---- on and off the list


def test_p3_an_app_that_comes_on_the_list_does_not_turn_one_user_into_another(
    app: Flask, ann: Person
) -> None:
    before = known_as(app, ann, remember=True)
    rule(app, CHAT_APP, "allow")

    again = ann.authorize()

    answer = redeem(app, query_of(again.location)["code"]).get_json()
    assert read_id_token(app, answer["id_token"])["sub"] == before["sub"]


def test_p3_an_app_that_comes_off_the_list_is_asked_about_and_the_change_is_told(
    app: Flask, ann: Person
) -> None:
    rule(app, CHAT_APP, "allow")
    known_as(app, ann, remember=True)
    rule(app, CHAT_APP, "alone")

    page = plain(ann.get(asked(ann)).text)

    assert "Why we ask again" in page
    assert f"Until now it knew you as <strong>@{ann.wallet.address.c32.lower()}:matrix" in page
    assert "nothing is moved or joined" in page


def test_an_app_of_ones_own_list_that_comes_off_it_is_asked_about(app: Flask, ann: Person) -> None:
    known_as(app, ann, as_whom="main", remember=True)
    account_id = only(app, PersonaRow.account_id)[0]
    change(app, lambda connection: forget_person_rule(connection, account_id, CHAT_APP))

    page = ann.get(asked(ann)).text

    assert 'name="as" value="alone" checked' in page
    assert "The app will know you under another ID than before." in page
    assert "Until now it knew you as" in page


def test_a_rule_that_runs_out_says_nothing_any_more(app: Flask, ann: Person, clock: Clock) -> None:
    rule(app, CHAT_APP, "deny", until=NOW + timedelta(hours=1))
    assert asked(ann).startswith("/refused/")

    clock.advance(hours=1)

    assert asked(ann).startswith("/consent/")


# ---- refused

REFUSALS = {
    "the operator denies the app": ("app_denied", lambda app: rule(app, CHAT_APP, "deny")),
    "nobody knows the app, and only known ones are let in": (
        "app_unknown",
        lambda app: let_unknown(app, "deny"),
    ),
    "the app is for people on a list": (
        "not_listed",
        lambda app: rule(app, CHAT_APP, "allow", audience="listed"),
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_p1_whoever_is_refused_is_told_why_and_no_code_exists(
    app: Flask, ann: Person, case: str
) -> None:
    why, prepare = REFUSALS[case]
    prepare(app)

    url = asked(ann)
    page = ann.get(url)

    assert url.startswith("/refused/")
    assert page.status_code == 403
    assert f"<code>{why}</code>" in page.text
    assert "chat.example" in page.text
    assert count(app, AuthorizationRow) == 0


@pytest.mark.parametrize("case", REFUSALS)
def test_p1_a_refused_person_cannot_consent_by_the_address_of_the_page(
    app: Flask, ann: Person, case: str
) -> None:
    url = asked(ann)
    form = {**fields_of(ann.get(url).text, url), "decision": "allow", "as": "alone"}
    REFUSALS[case][1](app)

    answer = ann.post(url, dict(form))

    assert answer.location == url.replace("/consent/", "/refused/")
    assert count(app, AuthorizationRow) == 0


def test_ones_own_deny_refuses_and_says_that_it_is_ones_own(app: Flask, ann: Person) -> None:
    ann.tokens()
    own_rule(app, CHAT_APP, "deny")

    page = ann.get(asked(ann))

    assert page.status_code == 403
    assert "<code>own_rule</code>" in page.text
    assert "/ask" not in page.text


def test_a_silent_request_of_a_denied_app_gets_access_denied(app: Flask, ann: Person) -> None:
    ann.tokens()
    rule(app, CHAT_APP, "deny")

    answer = ann.authorize(prompt="none")

    assert query_of(answer.location)["error"] == "access_denied"


def test_going_back_tells_the_app_no(app: Flask, ann: Person) -> None:
    rule(app, CHAT_APP, "deny")
    url = asked(ann)

    answer = ann.press_on(url, f"{url}/leave")

    assert query_of(answer.location)["error"] == "access_denied"
    assert query_of(answer.location)["state"] == "state-1"


def test_another_account_may_try(app: Flask, ann: Person) -> None:
    rule(app, CHAT_APP, "allow", audience="listed")
    url = asked(ann)

    answer = ann.press_on(url, url.replace("/refused/", "/consent/") + "/switch")

    assert answer.location.startswith("/sign-in/")


def test_another_browser_cannot_look_or_ask(app: Flask, ann: Person, bob: Person) -> None:
    rule(app, CHAT_APP, "allow", audience="listed")
    url = asked(ann)
    bob.get("/account")

    assert bob.get(url).status_code == 404
    page = bob.get("/account").text
    csrf = fields_of(page, "/account/begin")["csrf"]
    assert bob.post(f"{url}/ask", {"csrf": csrf, "note": ""}).status_code == 404
    assert count(app, AccessRequestRow) == 0


NOT_ON_IT = {
    "another address": Listing("address", "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7"),
    "another name": Listing("name", "bob.id.blockstack"),
    "a name that ends so": Listing("name", "n.id.blockstack"),
    "a pattern of other names": Listing("pattern", "*.btc"),
    "a pattern that is no suffix of labels": Listing("pattern", "*.d.blockstack"),
    "the name of another kind": Listing("pattern", "ann.id.blockstack"),
    "an address as a name": Listing("name", "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7"),
}


def closed_to(app: Flask, entry: Listing) -> None:
    rule(app, CHAT_APP, "allow", audience="listed")
    change(app, lambda connection: admit(connection, CHAT_APP, [entry], now=NOW))


@pytest.mark.parametrize("case", NOT_ON_IT)
def test_p1_whoever_is_not_on_the_list_does_not_get_in(app: Flask, ann: Person, case: str) -> None:
    closed_to(app, NOT_ON_IT[case])

    assert asked(ann).startswith("/refused/")


def test_whoever_is_on_the_list_by_address_gets_in(app: Flask, ann: Person) -> None:
    closed_to(app, Listing("address", ann.wallet.address.c32))

    assert asked(ann).startswith("/consent/")


def test_p1_an_entry_that_runs_out_lets_nobody_in(app: Flask, ann: Person, clock: Clock) -> None:
    entry = Listing("address", ann.wallet.address.c32, until=NOW + timedelta(hours=1))
    closed_to(app, entry)
    assert asked(ann).startswith("/consent/")

    clock.advance(hours=1)

    assert asked(ann).startswith("/refused/")


def test_an_entry_for_one_app_says_nothing_of_another(app: Flask, ann: Person) -> None:
    closed_to(app, Listing("address", ann.wallet.address.c32))
    rule(app, BOT, "allow", audience="listed")

    assert asked(ann, redirectUrl=BOT_URL).startswith("/refused/")


# ---- asking for access


def test_a_refused_person_asks_once_and_sees_that_it_waits(app: Flask, ann: Person) -> None:
    rule(app, CHAT_APP, "allow", audience="listed")
    url = asked(ann)

    ann.press_on(url, f"{url}/ask", note="It is me,\r\n  Ann")
    page = ann.get(url).text
    csrf = fields_of(page, f"{url}/leave")["csrf"]
    ann.post(f"{url}/ask", {"csrf": csrf, "note": "again"})

    assert "You have asked for access" in page
    assert f'action="{url}/ask"' not in page
    with app.app_context(), read() as connection:
        (waiting,) = access_requests(connection)
    assert waiting.note == "It is me, Ann"
    assert waiting.app == CHAT_APP


def test_the_reason_of_a_decline_is_shown_and_one_may_ask_again(app: Flask, ann: Person) -> None:
    rule(app, CHAT_APP, "allow", audience="listed")
    url = asked(ann)
    ann.press_on(url, f"{url}/ask", note="")
    request_id = only(app, AccessRequestRow.id)[0]
    change(
        app,
        lambda connection: decide_access_requests(
            connection, [request_id], "declined", reason="Not <b>yet</b>", now=NOW
        ),
    )

    page = ann.get(url).text

    assert "Not &lt;b&gt;yet&lt;/b&gt;" in page
    assert f'action="{url}/ask"' in page


@pytest.mark.parametrize("note", ["x" * 301, "zero\u200bwidth", "\u202eright to left", "\0"])
def test_a_note_that_is_no_note_is_refused(app: Flask, ann: Person, note: str) -> None:
    rule(app, CHAT_APP, "allow", audience="listed")
    url = asked(ann)

    answer = ann.press_on(url, f"{url}/ask", note=note)

    assert answer.status_code == 400
    assert count(app, AccessRequestRow) == 0


def test_what_the_operator_has_decided_is_not_asked_about(app: Flask, ann: Person) -> None:
    rule(app, CHAT_APP, "deny")
    url = asked(ann)
    page = ann.get(url).text
    csrf = fields_of(page, f"{url}/leave")["csrf"]

    answer = ann.post(f"{url}/ask", {"csrf": csrf, "note": ""})

    assert f'action="{url}/ask"' not in page
    assert answer.status_code == 400
    assert count(app, AccessRequestRow) == 0


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("approved", "You may use"), ("declined", "You were not let in to")],
)
def test_the_account_page_tells_for_a_while_what_became_of_a_request(
    app: Flask, ann: Person, clock: Clock, outcome: str, words: str
) -> None:
    rule(app, CHAT_APP, "allow", audience="listed")
    url = asked(ann)
    ann.press_on(url, f"{url}/ask", note="")
    assert words not in ann.account_page()
    request_id = only(app, AccessRequestRow.id)[0]
    clock.advance(seconds=1)
    decided = clock()
    change(
        app,
        lambda connection: decide_access_requests(
            connection, [request_id], outcome, reason="Not yet", now=decided
        ),
    )

    assert words in ann.account_page()
    assert ("Not yet" in ann.account_page()) == (outcome == "declined")
    clock.advance(days=14)
    assert words not in ann.account_page()


def test_an_app_that_is_used_already_is_no_news(app: Flask, ann: Person, clock: Clock) -> None:
    rule(app, CHAT_APP, "allow", audience="listed")
    url = asked(ann)
    ann.press_on(url, f"{url}/ask", note="")
    request_id = only(app, AccessRequestRow.id)[0]
    change(
        app,
        lambda connection: decide_access_requests(connection, [request_id], "approved", now=NOW),
    )
    rule(app, CHAT_APP, "allow")
    clock.advance(seconds=1)
    assert "You may use" in ann.account_page()

    ann.tokens()

    assert "You may use" not in ann.account_page()


# ---- every grant asks again

REVERSALS = {
    "the operator denies the app": lambda app: rule(app, CHAT_APP, "deny"),
    "the operator lets it be alone only": lambda app: rule(app, CHAT_APP, "alone"),
    "it is for people on a list now": lambda app: rule(app, CHAT_APP, "allow", audience="listed"),
    "the person denies it": lambda app: own_rule(app, CHAT_APP, "deny"),
    "the person wants to be alone there": lambda app: own_rule(app, CHAT_APP, "alone"),
}


@pytest.mark.parametrize("case", REVERSALS)
def test_k7_between_code_and_token(app: Flask, ann: Person, case: str) -> None:
    rule(app, CHAT_APP, "allow")
    code = query_of(ann.sign_in())["code"]

    REVERSALS[case](app)
    answer = redeem(app, code)

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_grant"


@pytest.mark.parametrize("case", REVERSALS)
def test_r3_at_the_next_refresh(app: Flask, ann: Person, case: str) -> None:
    rule(app, CHAT_APP, "allow")
    tokens = ann.tokens(scope="openid profile offline_access", scopes=("profile", "offline_access"))

    REVERSALS[case](app)
    form = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    answer = ask_token(app, form)

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_grant"


@pytest.mark.parametrize("case", REVERSALS)
def test_p1_at_userinfo_and_introspection(app: Flask, ann: Person, case: str) -> None:
    rule(app, CHAT_APP, "allow")
    access_token = str(ann.tokens()["access_token"])
    assert userinfo(app, access_token).status_code == 200

    REVERSALS[case](app)

    assert userinfo(app, access_token).status_code == 401
    answer = app.test_client().post(
        "/introspect",
        data={"token": access_token},
        base_url="https://bridge.example",
        auth=(HOMESERVER.id, f"synapse-{'s' * 40}"),
    )
    assert answer.get_json() == {"active": False}


def test_what_an_app_has_alone_lasts_while_it_may_be_alone(app: Flask, ann: Person) -> None:
    access_token = str(ann.tokens()["access_token"])

    rule(app, CHAT_APP, "alone")

    assert userinfo(app, access_token).status_code == 200


def test_a_client_that_is_itself_the_app_is_denied_by_its_id(app: Flask, ann: Person) -> None:
    access_token = str(ann.tokens(WIKI)["access_token"])

    rule(app, "client:wiki", "deny")

    assert userinfo(app, access_token).status_code == 401
    assert asked_of(ann).startswith("/refused/")


def asked_of(person: Person) -> str:
    answer = person.authorize(WIKI)
    if answer.location.startswith("/sign-in/"):
        answer = person.prove(answer.location)
    return str(answer.location)


# ---- re-authentication: a homeserver that names no app


def test_one_id_is_confirmed_without_a_question(app: Flask, ann: Person) -> None:
    alone = known_as(app, ann)

    url = asked_anew(ann)

    answer = redeem(app, query_of(url)["code"]).get_json()
    assert read_id_token(app, answer["id_token"])["sub"] == alone["sub"]


def test_whoever_has_several_ids_says_which_one_it_is(app: Flask, ann: Person) -> None:
    rule(app, CHAT_APP, "allow")
    main = known_as(app, ann)
    bot = known_as(app, ann, redirectUrl=BOT_URL)

    for claims in (main, bot):
        url = asked_anew(ann)
        page = plain(ann.get(url).text)
        mxid = f"@{claims['preferred_username']}:matrix.example"
        (persona,) = re.findall(rf'value="([^"]+)"[^>]*><span><strong>{re.escape(mxid)}<', page)
        answer = ann.press_on(url, url, persona=persona)
        tokens = redeem(app, query_of(answer.location)["code"]).get_json()
        confirmed = read_id_token(app, tokens["id_token"])
        assert confirmed["sub"] == claims["sub"]
        assert tokens["scope"] == "openid"


def asked_anew(person: Person) -> str:
    """Begin a re-authentication and prove who one is, as it always wants."""
    sign_in_url = person.authorize(redirectUrl=None).location
    person.clock.advance(seconds=1)  # type: ignore[attr-defined]
    return str(person.prove(sign_in_url).location)


def test_nobody_is_confirmed_as_somebody_elses_persona(
    app: Flask, ann: Person, bob: Person
) -> None:
    bob.tokens()
    theirs = only(app, PersonaRow.id)
    rule(app, CHAT_APP, "allow")
    ann.tokens()
    ann.tokens(redirectUrl=BOT_URL)
    url = asked_anew(ann)

    for persona in (*theirs, "nobody"):
        answer = ann.press_on(url, url, persona=persona)
        assert answer.status_code == 400
        assert "form_malformed" in answer.text


def test_p1_an_id_whose_app_is_denied_confirms_nothing(app: Flask, ann: Person) -> None:
    ann.tokens()
    rule(app, CHAT_APP, "deny")

    assert asked_anew(ann).startswith("/refused/")


def test_p1_an_id_whose_access_was_removed_is_not_offered(app: Flask, ann: Person) -> None:
    rule(app, CHAT_APP, "allow")
    ann.tokens()
    ann.tokens(redirectUrl=BOT_URL)
    ann.remove_first_app()

    answer = asked_anew(ann)

    assert answer.startswith(HOMESERVER.redirect_uris[0])


def test_where_apps_must_be_known_one_that_does_not_say_who_it_is_is_refused(
    app: Flask, ann: Person
) -> None:
    for policy, why in (("deny", "app_unknown"), ("alone", "app_unnamed")):
        let_unknown(app, policy)
        url = asked_anew(ann)
        assert f"<code>{why}</code>" in ann.get(url).text


# ---- somebody else than the one who was asked for


def test_a_yes_by_another_person_than_the_client_asked_for_gives_no_code(
    app: Flask, ann: Person, bob: Person
) -> None:
    hint = str(ann.tokens(WIKI)["id_token"])
    url = str(ann.authorize(WIKI, id_token_hint=hint, prompt="consent").location)
    page = ann.get(url).text
    ann.sign_out()
    ann.wallet = bob.wallet
    ann.prove(ann.begin_account())

    answer = ann.post(url, {**fields_of(page, url), "decision": "allow"})

    assert query_of(answer.location)["error"] == "login_required"
    assert "code" not in query_of(unquote(answer.location))


def test_consents_of_one_app_at_a_time(app: Flask, ann: Person) -> None:
    known_as(app, ann)
    known_as(app, ann, as_whom="main")

    with app.app_context(), read() as connection:
        standing = connection.execute(
            select(ConsentRow.as_whom).where(ConsentRow.removed_at.is_(None))
        ).scalars()
        assert list(standing) == ["main"]
