"""The vectors at the HTTP door: no reject leaves a session, a code, or a 500.

The bridge here takes an ``authResponse`` alone, whoever made it; that today's need a message too is
told in `test_sittings`. ``--vectors FILE`` adds files of the same form.
"""

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from oidc_bridge.config import Settings
from oidc_bridge.identity import Challenge
from oidc_bridge.proofs.jsontokens import parse
from oidc_bridge.seal import Seal
from oidc_bridge.sections import SignInPolicy
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.challenges import keep_challenge
from oidc_bridge.storage.sessions import SessionRow
from tests.conftest import Clock
from tests.driver import Person
from tests.fakes import NAMES, FakeFetch
from tests.proofs.test_vectors import (  # noqa: F401  (the hook parametrises `case` here too)
    Case,
    instant,
    pytest_generate_tests,
    reason_codes,
    token_of,
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"sign_in": SignInPolicy(accept="authresponse")})


def test_vectors(case: Case, app: Flask, clock: Clock, fetch: FakeFetch, ann: Person) -> None:
    clock.now = instant(case["now"])
    answer_for(fetch, case)
    fields = open_attempt(app, ann, case)
    for earlier in case["first"]:
        assert post(ann, fields, earlier).status_code == 303
    sessions_before = count(app, SessionRow)

    answer = post(ann, fields, case)

    assert answer.status_code < 500
    refused = answer.status_code != 303
    assert count(app, AuthorizationRow) == 0
    assert count(app, SessionRow) == sessions_before + (0 if refused else 1)
    match case["expect"]:
        case "accept":
            assert not refused
            assert name_of_account(app) == case["expected"]["username"]
        case "reject" if refused:
            assert answer.status_code in (400, 413)
            assert any(f"{code}" in answer.text for code in reason_codes(case))
            assert "Set-Cookie" not in answer.headers
        case "reject":
            assert "alternative" in case, "accepted, and no alternative allows that"
            without = case["alternative"]["accept_with"]
            assert "username" not in without or name_of_account(app) == without["username"]
        case other:
            assert other == "either"


def answer_for(fetch: FakeFetch, case: Case) -> None:
    for path, canned in case.get("name_lookup", {}).items():
        fetch.answers[NAMES + path] = (canned["status"], canned["body"])
    for url, canned in case.get("documents", {}).items():
        fetch.answers[url] = (canned["status"], canned["body"])
    if "lying_lookup" in case:
        fetch.forbidden = (case["lying_lookup"]["origin"],)


def open_attempt(app: Flask, person: Person, case: Case) -> dict[str, str]:
    """Begin a sign-in whose challenge is the one that the case's request was made for."""
    sign_in_url = person.authorize().location
    fields, _ = person.read_challenge(sign_in_url)
    request = parse(case["auth_request"]).payload
    challenge = Challenge(
        id=f"vector-{case['name']}",
        secret=bytes.fromhex(case["transit_private_key"]),
        statement="Sign in to Example ID.",
        issued_at=instant(request["iat"]),
        expires_at=instant(request["exp"]),
    )
    browser = person.browser.get_cookie("__Host-browser", domain="bridge.example").value
    seal: Seal = app.extensions["oidc_bridge"].seal
    with app.app_context():
        write(
            lambda connection: keep_challenge(
                connection, challenge, sign_in_url.rpartition("/")[2], browser=browser, seal=seal
            )
        )
    return {**fields, "challenge": challenge.id}


def post(person: Person, fields: dict[str, str], case: Case) -> TestResponse:
    return person.post("/sign-in/answer", {**fields, "authResponse": token_of(case)})


def count(app: Flask, row: type) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def name_of_account(app: Flask) -> str | None:
    with app.app_context(), read() as connection:
        return connection.execute(select(AccountRow.name)).scalar_one()
