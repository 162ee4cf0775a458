"""What a client may wish for: how it is answered, about whom, and which single claims."""

import json
import re
from dataclasses import replace

import pytest
from flask import Flask

from tests.conftest import Clock
from tests.driver import (
    HOMESERVER,
    WIKI,
    Person,
    enrol,
    fields_of,
    query_of,
    read_id_token,
    redeem,
    userinfo,
)


def subject(person: Person) -> str:
    return str(
        read_id_token(person.app, str(person.tokens(WIKI, remember=True)["id_token"]))["sub"]
    )


def wish(**members: object) -> str:
    return json.dumps(members)


# --- form_post ---


@pytest.mark.spec("Form Post Response Mode", "2")
def test_a_code_travels_in_a_form_that_leads_to_the_client_only(app: Flask, ann: Person) -> None:
    consent = ann.prove(ann.authorize(WIKI, response_mode="form_post").location).location

    page = ann.decide(consent)

    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Content-Security-Policy"].endswith("form-action https://wiki.example")
    fields = fields_of(page.text, WIKI.redirect_uris[0])
    assert set(fields) == {"code", "iss", "state"}
    assert "<button" in page.text  # for browsers without JavaScript
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=", page.text)
    assert redeem(app, fields["code"], WIKI).status_code == 200


def test_a_homeserver_may_lead_on_to_the_app(ann: Person) -> None:
    consent = ann.prove(ann.authorize(response_mode="form_post").location).location

    policy = ann.decide(consent).headers["Content-Security-Policy"]

    assert policy.endswith("form-action https://matrix.example https://chat.example")


@pytest.mark.spec("RFC 9207", "2")
def test_an_error_travels_as_the_answer_would(ann: Person) -> None:
    page = ann.authorize(WIKI, response_mode="form_post", prompt="none")

    fields = fields_of(page.text, WIKI.redirect_uris[0])
    assert fields["error"] == "login_required"
    assert fields["iss"] == "https://bridge.example"
    assert fields["state"] == "state-1"


@pytest.mark.parametrize("decision", ["deny", "cancel"])
def test_a_no_travels_so_too(ann: Person, decision: str) -> None:
    sign_in = ann.authorize(WIKI, response_mode="form_post").location
    if decision == "deny":
        page = ann.decide(ann.prove(sign_in).location, "deny")
    else:
        action = f"{sign_in}/cancel"
        page = ann.post(action, dict(fields_of(ann.get(sign_in).text, action)))

    assert fields_of(page.text, WIKI.redirect_uris[0])["error"] == "access_denied"


def test_a4_a_hostile_state_stays_text(ann: Person) -> None:
    state = "\"'><script>alert(1)</script>&amp;"

    page = ann.authorize(WIKI, response_mode="form_post", prompt="none", state=state)

    assert "<script>alert" not in page.text
    assert fields_of(page.text, WIKI.redirect_uris[0])["state"] == state


def test_a4_a_hostile_redirect_uri_stays_an_attribute(app: Flask, ann: Person) -> None:
    uri = "https://wiki.example/c?a='onx=alert(1)&b=(&lt;)*'&amp;"
    client = enrol(app, replace(WIKI, id="odd", redirect_uris=(uri,)))

    page = ann.authorize(client, response_mode="form_post", prompt="none")

    assert page.status_code == 200
    assert "'onx=" not in page.text
    assert fields_of(page.text, uri)["error"] == "login_required"


@pytest.mark.spec("RFC 9207", "2")
@pytest.mark.parametrize("outcome", ["code", "error"])
@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_a9_an_answer_names_the_issuer_and_holds_no_token(
    ann: Person, mode: str, outcome: str
) -> None:
    prompt = {"code": None, "error": "none"}[outcome]
    answer = ann.authorize(WIKI, response_mode=mode, prompt=prompt)
    if outcome == "code":
        answer = ann.decide(ann.prove(answer.location).location)

    if mode == "query":
        assert "#" not in answer.location
        sent = query_of(answer.location)
        assert sent.pop("from") == "bridge"
    else:
        sent = fields_of(answer.text, WIKI.redirect_uris[0])
    expected = {"code": {"code"}, "error": {"error", "error_description"}}[outcome]
    assert set(sent) == expected | {"iss", "state"}
    assert (sent["iss"], sent["state"]) == ("https://bridge.example", "state-1")


# --- about whom ---


@pytest.mark.spec("OIDC Core", "3.1.2.1")
@pytest.mark.parametrize("way", ["hint", "claims"])
def test_whoever_else_is_signed_in_is_asked_to_step_aside(
    ann: Person, bob: Person, clock: Clock, way: str
) -> None:
    anns = ann.tokens(WIKI, remember=True)
    subject(bob)
    clock.advance(seconds=5)
    sub = str(read_id_token(ann.app, str(anns["id_token"]))["sub"])
    wishes = {
        "hint": {"id_token_hint": str(anns["id_token"])},
        "claims": {"claims": wish(id_token={"sub": {"value": sub}})},
    }[way]
    ann.browser, bob.browser = bob.browser, ann.browser  # Ann sits down at Bob's

    answer = ann.authorize(WIKI, **wishes)
    assert answer.location.startswith("/sign-in/")
    assert ann.get(answer.location).status_code == 200
    clock.advance(seconds=5)
    answer = ann.prove(answer.location)

    code = query_of(answer.location)["code"]
    tokens = redeem(ann.app, code, WIKI).get_json()
    assert read_id_token(ann.app, tokens["id_token"])["sub"] == sub


@pytest.mark.spec("OIDC Core", "5.5.1")
def test_a6_the_client_is_never_given_another_than_it_asked_for(
    ann: Person, bob: Person, clock: Clock
) -> None:
    hint = str(ann.tokens(WIKI)["id_token"])
    subject(bob)

    for browser in (bob.browser, bob.new_browser()):
        bob.browser = browser
        clock.advance(seconds=5)
        answer = bob.authorize(WIKI, id_token_hint=hint)
        clock.advance(seconds=5)
        answer = bob.prove(answer.location)

        assert query_of(answer.location)["error"] == "login_required"


def test_another_account_at_the_consent_page_is_no_way_around(
    ann: Person, bob: Person, clock: Clock
) -> None:
    hint = str(ann.tokens(WIKI)["id_token"])
    consent = ann.authorize(WIKI, id_token_hint=hint).location
    assert consent.startswith("/consent/")
    clock.advance(seconds=5)
    switch = f"{consent}/switch"
    sign_in = ann.post(switch, dict(fields_of(ann.get(consent).text, switch))).location
    clock.advance(seconds=5)
    ann.wallet = bob.wallet

    assert query_of(ann.prove(sign_in).location)["error"] == "login_required"


def test_a_silent_request_about_somebody_else_is_refused(ann: Person, bob: Person) -> None:
    other, own = subject(bob), subject(ann)

    for who, key in ((other, "error"), (own, "code")):
        claims = wish(id_token={"sub": {"values": [who]}})
        assert key in query_of(ann.authorize(WIKI, prompt="none", claims=claims).location)


def test_a_login_hint_is_shown_and_nothing_more(ann: Person) -> None:
    assert "bob.id" in ann.get(ann.authorize(WIKI, login_hint="bob.id").location).text
    assert "Bob" not in ann.get(ann.authorize(WIKI, login_hint="Bob, call 555").location).text


# --- single claims ---


@pytest.mark.spec("OIDC Core", "5.5")
@pytest.mark.parametrize("ticked", [True, False])
def test_a_single_claim_is_told_if_the_person_agrees(app: Flask, ann: Person, ticked: bool) -> None:
    asked = wish(userinfo={"name": {"essential": True}, "unknown": None})
    consent = ann.prove(ann.authorize(WIKI, scope="openid", claims=asked).location).location
    page = ann.get(consent).text
    assert "Your display name" in page
    assert "Ann Example" in page

    answer = ann.decide(consent, scopes=("claim:name",) if ticked else ())

    tokens = redeem(app, query_of(answer.location)["code"], WIKI).get_json()
    assert tokens["scope"] == "openid"
    told = userinfo(app, tokens["access_token"]).get_json()
    assert told.get("name") == ("Ann Example" if ticked else None)
    assert "picture" not in told
    assert "email" not in told


def test_a_claim_that_a_scope_holds_is_asked_once(ann: Person) -> None:
    asked = wish(userinfo={"name": None})
    consent = ann.prove(ann.authorize(WIKI, claims=asked).location).location

    assert 'value="claim:name"' not in ann.get(consent).text


def test_a_remembered_yes_does_not_cover_a_new_claim(ann: Person) -> None:
    ann.sign_in(WIKI, scope="openid", scopes=(), remember=True)

    assert "code" in query_of(ann.authorize(WIKI, scope="openid").location)
    asked = wish(id_token={"name": None})
    assert ann.authorize(WIKI, scope="openid", claims=asked).location.startswith("/consent/")


def test_no_scope_is_called_like_a_claim(ann: Person) -> None:
    consent = ann.prove(ann.authorize(WIKI, scope="openid claim:email").location).location

    assert "claim:email" not in ann.get(consent).text


def test_the_account_page_lists_a_claim_that_was_given(ann: Person) -> None:
    ann.sign_in(WIKI, scope="openid", scopes=("claim:name",), claims=wish(userinfo={"name": None}))

    assert "Your display name" in ann.account_page()


# --- what is only accepted ---


@pytest.mark.spec("OIDC Core", "3.1.2.1")
@pytest.mark.parametrize(
    "changes",
    [
        {"display": "popup"},
        {"ui_locales": "de fr"},
        {"claims_locales": "de"},
        {"acr_values": "phr 1"},
        {"claims": wish(id_token={"acr": {"values": ["phr"]}})},
        {"extra": "foobar"},
    ],
)
def test_a_voluntary_wish_is_no_reason_to_refuse(ann: Person, changes: dict[str, str]) -> None:
    assert "code" in query_of(ann.sign_in(WIKI, **changes))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a8_a_state_of_6_kilobytes_is_refused_cleanly(ann: Person, method: str) -> None:
    changes = {"state": "s" * 6000}
    if method == "GET":
        answer = ann.authorize(WIKI, **changes)
    else:
        answer = ann.get(ann.post("/authorize", {**changes, "client_id": "wiki"}).location)

    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.spec("MSC4191", "actions")
@pytest.mark.parametrize("state", ["signed in", "signed out"])
def test_each_account_action_lands_on_its_part_of_the_page(ann: Person, state: str) -> None:
    if state == "signed in":
        ann.sign_in(HOMESERVER)
    said = ann.get("/.well-known/openid-configuration").get_json()

    for action in said["account_management_actions_supported"]:
        answer = ann.get(f"/account?action={action}")
        path, _, part = answer.location.partition("#")
        assert path == "/account"
        if state == "signed in":
            assert f'id="{part}"' in ann.get(path).text
    assert ann.get("/account?action=org.matrix.nonsense").status_code == 200
