"""An app asks us to sign somebody out: it happens to whom it is proven for, or is asked."""

import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from oidc_bridge import storage
from oidc_bridge.logout import Courier
from oidc_bridge.oidc.client import ClientMetadata
from oidc_bridge.ports import Fetched
from oidc_bridge.storage.apps import add_client, add_secret
from tests.conftest import Clock
from tests.driver import (
    CHAT,
    HOMESERVER,
    ISSUER,
    WIKI,
    Person,
    fields_of,
    query_of,
    read_id_token,
    secret_of,
    userinfo,
)
from tests.fakes import NOW
from tests.web.test_account import deliveries, live_sessions
from tests.web.test_my_apps import fill

RETURN = "https://shop.example/bye"
SHOP = replace(
    WIKI,
    id="shop",
    name="The Shop",
    redirect_uris=("https://shop.example/callback",),
    backchannel_logout_uri="https://shop.example/logout",
    metadata=ClientMetadata(post_logout_redirect_uris=(RETURN,)),
)


@pytest.fixture(autouse=True)
def _shop(app: Flask) -> None:
    def register(connection: storage.Connection) -> None:
        add_client(connection, SHOP, now=NOW)
        add_secret(connection, SHOP.id, secret_of(SHOP), now=NOW)

    with app.app_context():
        storage.write(register)
        app.extensions["oidc_bridge"].snapshots.forget()


def ask(person: Person, id_token: object = None, **parameters: str) -> TestResponse:
    given = dict(parameters)
    if id_token is not None:
        given["id_token_hint"] = str(id_token)
    return person.get("/end-session?" + urlencode(given))


def plain_text(answer: TestResponse) -> str:
    return re.sub(r"<[^>]*>", "", answer.text)


def say_yes(person: Person, question: TestResponse) -> TestResponse:
    assert question.status_code == 200, question.text
    action = "/end-session/confirm"
    return person.post(action, dict(fields_of(question.text, action)))


@pytest.mark.spec("RP-Initiated Logout", "2")
def test_the_hint_of_this_session_signs_out_without_a_question(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(SHOP)

    answer = ask(ann, tokens["id_token"], post_logout_redirect_uri=RETURN, state="xyz")

    assert answer.status_code == 303
    assert answer.location == f"{RETURN}?state=xyz"
    assert live_sessions(app) == 0
    assert [client for client, _, _ in deliveries(app)] == ["shop"]
    assert userinfo(app, str(tokens["access_token"])).status_code == 401
    assert "session=;" in answer.headers["Set-Cookie"]
    refused = ann.authorize(SHOP, prompt="none")
    assert query_of(refused.location)["error"] == "login_required"


def test_without_a_state_none_is_added(ann: Person) -> None:
    tokens = ann.tokens(SHOP)

    assert ask(ann, tokens["id_token"], post_logout_redirect_uri=RETURN).location == RETURN


@pytest.mark.spec("RP-Initiated Logout", "2")
def test_it_may_be_sent_as_a_form_too(app: Flask, ann: Person) -> None:
    """SameSite: a form of another site brings no cookie, so it becomes a link first."""
    tokens = ann.tokens(SHOP)
    form = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": RETURN}

    answer = ann.post("/end-session", form, Origin="https://shop.example")
    assert answer.status_code == 303
    assert live_sessions(app) == 1

    assert ann.get(answer.location).location == RETURN
    assert live_sessions(app) == 0


def test_a_form_too_long_for_an_address_is_refused(ann: Person) -> None:
    assert ann.post("/end-session", {f"x{n}": "x" * 4000 for n in range(3)}).status_code == 400


@pytest.mark.spec("RP-Initiated Logout", "2")
def test_an_expired_hint_is_a_hint(app: Flask, ann: Person, clock: Clock) -> None:
    tokens = ann.tokens(SHOP)
    clock.advance(days=20)

    assert ask(ann, tokens["id_token"], post_logout_redirect_uri=RETURN).location == RETURN
    assert live_sessions(app) == 0


@pytest.mark.spec("RP-Initiated Logout", "2")
def test_l1_without_a_hint_a_link_changes_nothing_and_asks(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(SHOP)

    question = ask(ann, client_id="shop", post_logout_redirect_uri=RETURN, state="xyz")

    assert question.status_code == 200
    assert "Sign out of <bdi>Example ID</bdi> – and of 1 app?" in question.text
    assert "The Shop" in question.text
    assert live_sessions(app) == 1
    assert deliveries(app) == []
    assert userinfo(app, str(tokens["access_token"])).status_code == 200

    answer = say_yes(ann, question)

    assert answer.location.startswith("/signed-out/")
    assert live_sessions(app) == 0


def test_of_many_apps_the_question_names_twenty_and_counts_all(app: Flask, ann: Person) -> None:
    ann.tokens()
    fill(app, 30, 30)

    question = ask(ann).text

    assert "– and of 31 apps?" in question
    assert question.count(".example</bdi></span></li>") == 20
    assert "<span>and 11 more</span>" in question


@pytest.mark.parametrize("parameters", [{}, {"state": "xyz"}, {"logout_hint": "ann"}])
def test_l1_a_bare_link_asks_and_then_says_that_it_is_done(
    app: Flask, ann: Person, parameters: dict[str, str]
) -> None:
    ann.tokens(SHOP)

    answer = say_yes(ann, ask(ann, **parameters))

    assert live_sessions(app) == 0
    assert "You are signed out" in ann.get(answer.location).text


def test_l1_the_question_wants_the_form_token(app: Flask, ann: Person) -> None:
    ann.tokens(SHOP)
    fields = fields_of(ask(ann).text, "/end-session/confirm")

    assert ann.post("/end-session/confirm", {**fields, "csrf": "x"}).status_code == 403
    foreign = ann.post("/end-session/confirm", dict(fields), Origin="https://evil.example")
    assert foreign.status_code == 403
    assert live_sessions(app) == 1


@pytest.mark.parametrize(
    "uri",
    ["https://evil.example/", f"{RETURN}?x=y", f"{RETURN}/", "//evil.example", "/\\evil.example"],
)
def test_l1_an_address_that_is_not_registered_is_never_followed(
    app: Flask, ann: Person, uri: str
) -> None:
    tokens = ann.tokens(SHOP)

    question = ask(ann, tokens["id_token"], post_logout_redirect_uri=uri)

    assert question.status_code == 200
    assert "The Shop asks us" in plain_text(question)
    assert live_sessions(app) == 1

    answer = say_yes(ann, question)

    assert answer.location.startswith("/signed-out/")
    assert live_sessions(app) == 0


def test_l1_the_answer_to_the_question_cannot_be_given_another_address(
    app: Flask, ann: Person
) -> None:
    ann.tokens(SHOP)
    fields = fields_of(ask(ann).text, "/end-session/confirm")

    answer = ann.post(
        "/end-session/confirm", {**fields, "post_logout_redirect_uri": "https://evil.example/"}
    )

    assert answer.location.startswith("/signed-out/")


@pytest.mark.spec("RP-Initiated Logout", "2")
def test_l2_the_hint_of_an_earlier_session_is_no_standing_right(app: Flask, ann: Person) -> None:
    old = ann.tokens(SHOP)["id_token"]
    ann.sign_out()
    fresh = ann.tokens(SHOP)

    question = ask(ann, old, post_logout_redirect_uri=RETURN)

    assert question.status_code == 200
    assert "The Shop" in question.text
    assert live_sessions(app) == 1
    assert userinfo(app, str(fresh["access_token"])).status_code == 200


def test_l2_the_hint_of_another_browser_ends_neither_session(app: Flask, ann: Person) -> None:
    elsewhere = Person(app, ann.clock, ann.wallet)
    foreign = elsewhere.tokens(SHOP)["id_token"]
    ann.tokens(SHOP)

    assert ask(ann, foreign).status_code == 200
    assert live_sessions(app) == 2


def test_l2_the_hint_of_another_person_asks(app: Flask, ann: Person, bob: Person) -> None:
    bobs = bob.tokens(SHOP)["id_token"]
    ann.tokens(SHOP)

    question = ask(ann, bobs, post_logout_redirect_uri=RETURN)

    assert question.status_code == 200
    assert live_sessions(app) == 2
    say_yes(ann, question)
    assert live_sessions(app) == 1
    assert "The Shop" in bob.account_page()


def test_l2_only_this_sessions_tokens_end(app: Flask, ann: Person) -> None:
    elsewhere = Person(app, ann.clock, ann.wallet)
    theirs = elsewhere.tokens(SHOP)
    mine = ann.tokens(SHOP)

    ask(ann, mine["id_token"])

    assert userinfo(app, str(mine["access_token"])).status_code == 401
    assert userinfo(app, str(theirs["access_token"])).status_code == 200
    assert live_sessions(app) == 1
    assert len(deliveries(app)) == 1


def test_the_question_answered_with_a_hint_of_ours_leads_back(app: Flask, ann: Person) -> None:
    old = ann.tokens(SHOP)["id_token"]
    ann.sign_out()
    ann.tokens(SHOP)
    question = ask(ann, old, post_logout_redirect_uri=RETURN, state="xyz")

    answer = say_yes(ann, question)

    assert answer.location == f"{RETURN}?state=xyz"
    # Chromium follows a form's redirects only to where the page allows.
    policy = question.headers["Content-Security-Policy"]
    assert "form-action 'self' https://shop.example" in policy


def test_saying_yes_twice_is_a_yes(app: Flask, ann: Person) -> None:
    ann.tokens(SHOP)
    question = ask(ann)

    say_yes(ann, question)
    again = say_yes(ann, question)

    assert again.location == "/signed-out"
    assert "You are signed out" in ann.get(again.location).text


def test_nobody_signed_in_is_not_asked(ann: Person) -> None:
    answer = ask(ann)

    assert answer.location == "/signed-out"


def test_a_request_without_cookies_takes_no_cookie_away(app: Flask, ann: Person) -> None:
    """A picture on a foreign page is such a request."""
    tokens = ann.tokens(SHOP)

    answer = app.test_client().get(
        f"/end-session?id_token_hint={tokens['id_token']}", base_url=ISSUER
    )

    assert "Set-Cookie" not in answer.headers
    assert live_sessions(app) == 1


def test_a_repeated_parameter_is_as_good_as_none(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(SHOP)
    hint = f"id_token_hint={tokens['id_token']}"

    assert ann.get(f"/end-session?{hint}&{hint}").status_code == 200
    twice = f"post_logout_redirect_uri={RETURN}&post_logout_redirect_uri={RETURN}"
    assert ann.get(f"/end-session?{hint}&{twice}").status_code == 200
    assert live_sessions(app) == 1


def test_a_name_of_a_client_is_text_on_the_question(app: Flask, ann: Person) -> None:
    """Only a hint names who asks; a client_id is anybody's to write."""
    ann.tokens(HOMESERVER, redirectUrl=CHAT)

    page = ask(ann, client_id="shop").text

    assert "The Shop" not in page
    assert "A link asks us" in page


# --- who was told ---


def courier(app: Flask, clock: Clock, status: int) -> Courier:
    def post(*_: object, **__: object) -> Fetched:
        return Fetched(status, b"")

    return Courier(ISSUER, app.extensions["oidc_bridge"].seal, post, clock)


def test_the_page_looks_again_until_each_app_was_tried(
    app: Flask, ann: Person, clock: Clock
) -> None:
    ann.tokens(SHOP)
    ann.tokens(WIKI)
    url = ann.sign_out().location

    first = ann.get(url)
    assert "Is being told" in first.text
    assert "Cannot be told from here" in first.text
    assert first.headers["Refresh"] == "2"

    with app.app_context():
        courier(app, clock, 200).deliver()

    then = ann.get(url)
    assert "Was told to sign you out" in then.text
    assert "Refresh" not in then.headers


def test_an_app_that_was_not_reached_is_said_to_be_tried_again(
    app: Flask, ann: Person, clock: Clock
) -> None:
    ann.tokens(SHOP)
    url = ann.sign_out().location

    with app.app_context():
        courier(app, clock, 503).deliver()

    page = ann.get(url)
    assert "Could not be reached yet" in page.text
    assert "Refresh" not in page.headers


def test_an_app_that_refuses_is_given_up_and_said_so(app: Flask, ann: Person, clock: Clock) -> None:
    ann.tokens(SHOP)
    url = ann.sign_out().location

    with app.app_context():
        for _ in range(5):
            courier(app, clock, 400).deliver()
            clock.advance(minutes=5)

    assert "Could not be told" in ann.get(url).text


def test_the_page_does_not_look_again_for_ever(ann: Person, clock: Clock) -> None:
    ann.tokens(SHOP)
    url = ann.sign_out().location

    clock.advance(minutes=1)

    assert "Refresh" not in ann.get(url).headers


def test_a_sign_out_is_shown_for_an_hour(ann: Person, clock: Clock) -> None:
    ann.tokens(SHOP)
    url = ann.sign_out().location

    clock.advance(hours=1)

    page = ann.get(url)
    assert page.status_code == 200
    assert "The Shop" not in page.text


def test_a_sign_out_that_never_was_shows_nothing(ann: Person) -> None:
    ann.tokens(SHOP)

    page = ann.get("/signed-out/AAAAAAAAAAAAAAAAAAAAAA")

    assert page.status_code == 200
    assert "The Shop" not in page.text


def test_what_ends_by_itself_is_in_the_id_token(app: Flask, ann: Person) -> None:
    """The hint and the logout token name the session alike."""
    claims = read_id_token(app, str(ann.tokens(SHOP)["id_token"]))

    ann.sign_out()

    assert deliveries(app) == [("shop", claims["sid"], claims["sub"])]
