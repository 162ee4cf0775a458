"""The authorization endpoint: what is shown, what is sent back, what is kept."""

import base64
import json
from urllib.parse import urlencode

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import func, select

from oidc_bridge.storage import read
from oidc_bridge.storage.challenges import ChallengeRow
from oidc_bridge.storage.requests import RequestRow
from tests.conftest import Clock
from tests.driver import CHAT, HOMESERVER, WIKI, Person, authorize_query, query_of


def test_a_request_of_synapse_leads_to_the_sign_in_page(ann: Person) -> None:
    answer = ann.authorize()

    assert answer.status_code == 303
    assert answer.location.startswith("/sign-in/")
    page = ann.get(answer.location)
    assert page.status_code == 200
    assert "chat.example" in page.text
    assert "#/login" not in page.text  # the fragment is the app's own


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": "nobody"}, "client_unknown"),
        ({"client_id": None}, "client_unknown"),
        ({"redirect_uri": "https://evil.example/"}, "redirect_uri_mismatch"),
        ({"redirect_uri": None}, "redirect_uri_mismatch"),
        ({"redirect_uri": "https://evil.example/", "prompt": "none"}, "redirect_uri_mismatch"),
        ({"redirect_uri": "https://evil.example/", "scope": "nonsense"}, "redirect_uri_mismatch"),
        ({"redirect_uri": "https://evil.example/", "response_type": "x"}, "redirect_uri_mismatch"),
        ({"client_id": "nobody", "prompt": "none"}, "client_unknown"),
        ({"state": "x" * 8192}, "request_malformed"),
        ({"state": "a\0b"}, "request_malformed"),
    ],
)
def test_a3_while_the_target_is_in_doubt_an_error_is_shown(
    ann: Person, changes: dict[str, str | None], code: str
) -> None:
    answer = ann.authorize(**changes)

    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert code in answer.text


@pytest.mark.spec("RFC 6749", "4.1.2.1")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"request_uri": "https://x.example"}, "request_uri_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"nonce": "x" * 600}, "invalid_request"),
        ({"redirectUrl": "javascript:alert(1)"}, "invalid_request"),
    ],
)
def test_once_the_target_is_known_an_error_is_sent_back(
    ann: Person, changes: dict[str, str | None], error: str
) -> None:
    answer = ann.authorize(**changes)

    assert answer.status_code == 303
    assert answer.location.startswith(HOMESERVER.redirect_uris[0] + "?")
    sent = query_of(answer.location)
    assert sent["error"] == error
    assert sent["error_description"].isascii()
    assert sent["state"] == "state-1"
    assert sent["iss"] == "https://bridge.example"
    assert "code" not in sent


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state"])
def test_a8_a_repeated_parameter_that_decides_the_target_is_shown(ann: Person, name: str) -> None:

    query = authorize_query()
    answer = ann.get("/authorize?" + urlencode([*query.items(), (name, query[name])]))

    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a8_another_repeated_parameter_is_sent_back(ann: Person) -> None:

    query = urlencode([*authorize_query().items(), ("redirectUrl", "https://other.example/")])
    answer = ann.get("/authorize?" + query)

    assert query_of(answer.location)["error"] == "invalid_request"


def test_unknown_parameters_are_ignored(ann: Person) -> None:
    assert ann.authorize(foo="bar", display="page").location.startswith("/sign-in/")


@pytest.mark.spec("OIDC Core", "3.1.2.1")
def test_a_request_may_be_posted(ann: Person) -> None:

    answer = ann.post("/authorize", dict(authorize_query()))

    assert answer.location == "/authorize?" + urlencode(authorize_query())
    assert ann.get(answer.location).location.startswith("/sign-in/")


def test_a_registered_query_stays_in_the_redirect_uri(ann: Person) -> None:
    location = ann.sign_in(WIKI)

    assert location.startswith("https://wiki.example/callback?from=bridge&code=")


def test_a_request_keeps_one_row_and_one_challenge(app: Flask, ann: Person) -> None:
    ann.authorize()

    with app.app_context(), read() as connection:
        for row in (RequestRow, ChallengeRow):
            assert connection.execute(select(func.count()).select_from(row)).scalar_one() == 1


def test_a_refused_request_keeps_nothing(app: Flask, ann: Person) -> None:
    ann.authorize(scope="nonsense")

    with app.app_context(), read() as connection:
        assert connection.execute(select(func.count()).select_from(RequestRow)).scalar_one() == 0


def test_a_signed_in_person_with_a_remembered_consent_is_not_asked(ann: Person) -> None:
    ann.sign_in(remember=True)

    answer = ann.authorize()

    assert answer.location.startswith(HOMESERVER.redirect_uris[0])
    assert "code" in query_of(answer.location)


def test_prompt_none_is_silent_for_a_remembered_consent(ann: Person) -> None:
    ann.sign_in(remember=True)

    assert "code" in query_of(ann.authorize(prompt="none").location)


@pytest.mark.spec("OIDC Core", "3.1.2.6")
def test_a6_prompt_none_without_consent_is_told(ann: Person) -> None:
    ann.sign_in()

    assert query_of(ann.authorize(prompt="none").location)["error"] == "consent_required"


@pytest.mark.spec("OIDC Core", "3.1.2.1")
def test_a6_prompt_login_asks_for_a_fresh_proof(ann: Person, clock: Clock) -> None:
    ann.sign_in(remember=True)
    clock.advance(seconds=1)

    answer = ann.authorize(prompt="login")

    assert answer.location.startswith("/sign-in/")
    clock.advance(seconds=5)
    assert "code" in query_of(ann.prove(answer.location).location)


@pytest.mark.spec("OIDC Core", "3.1.2.1")
def test_a6_max_age_counts_from_the_proof(ann: Person, clock: Clock) -> None:
    ann.sign_in(remember=True)
    clock.advance(seconds=61)

    assert "code" in query_of(ann.authorize(max_age="62").location)
    assert ann.authorize(max_age="60").location.startswith("/sign-in/")
    assert ann.authorize(max_age="0").location.startswith("/sign-in/")


@pytest.mark.spec("OIDC Core", "3.1.2.1")
@pytest.mark.parametrize("prompt", ["consent", "select_account"])
def test_these_prompts_ask_again_despite_a_remembered_consent(ann: Person, prompt: str) -> None:
    ann.sign_in(remember=True)

    assert ann.authorize(prompt=prompt).location.startswith("/consent/")


def test_another_app_is_asked_about_anew(ann: Person) -> None:
    ann.sign_in(remember=True)

    answer = ann.authorize(redirectUrl="https://other.example/")

    assert answer.location.startswith("/consent/")


def test_the_same_app_with_another_path_is_the_same_app(ann: Person) -> None:
    ann.sign_in(remember=True)

    answer = ann.authorize(redirectUrl=CHAT + "?more")

    assert "code" in query_of(answer.location)


def test_an_expired_session_must_sign_in_again(ann: Person, clock: Clock) -> None:
    ann.sign_in(remember=True)
    clock.advance(days=31)

    assert ann.authorize().location.startswith("/sign-in/")


def test_a_silent_request_with_ones_own_hint_is_answered(ann: Person, clock: Clock) -> None:
    hint = str(ann.tokens(remember=True)["id_token"])
    clock.advance(days=2)  # as a hint it need not be fresh

    assert "code" in query_of(ann.authorize(prompt="none", id_token_hint=hint).location)


def forged(hint: str) -> str:
    key = RSAKey.generate_key(2048)
    claims = json.loads(base64.urlsafe_b64decode(hint.split(".")[1] + "=="))
    return jwt.encode({"alg": "RS256"}, claims, key)


HINTS = {
    "another person": "login_required",
    "another client": "invalid_request",
    "forged": "invalid_request",
    "nonsense": "invalid_request",
    "none": "invalid_request",
}


@pytest.mark.spec("OIDC Core", "3.1.2.1")
@pytest.mark.parametrize("whose", HINTS)
def test_a6_a_silent_request_with_another_hint_is_refused(
    ann: Person, bob: Person, whose: str
) -> None:
    own = str(ann.tokens(remember=True)["id_token"])
    hints = {
        "another person": lambda: str(bob.tokens()["id_token"]),
        "another client": lambda: str(ann.tokens(WIKI)["id_token"]),
        "forged": lambda: forged(own),
        "nonsense": lambda: "nonsense",
        "none": lambda: "eyJhbGciOiJub25lIn0." + own.split(".")[1] + ".",
    }

    answer = ann.authorize(prompt="none", id_token_hint=hints[whose]())

    assert query_of(answer.location)["error"] == HINTS[whose]
