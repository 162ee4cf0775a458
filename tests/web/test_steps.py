"""A sign-in is a walk over pages: in no order is there a code without proof and yes (A5, A10)."""

import re
from collections.abc import Callable
from itertools import product

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from oidc_bridge.storage import read
from oidc_bridge.storage.authorizations import AuthorizationRow
from tests.driver import HOMESERVER, Person, fields_of, query_of, read_id_token, redeem


class Walk:
    """One browser with one open request, and the steps that it can try, in any order."""

    def __init__(self, person: Person) -> None:
        person.browser = person.new_browser()
        self.person = person
        self.sign_in = person.authorize().location
        self.consent = self.sign_in.replace("/sign-in/", "/consent/")
        # Both forms' hidden fields as of the beginning: whoever skips a step has nothing newer.
        self.answer, self.auth_request = person.read_challenge(self.sign_in)
        self.shown = "0" * 64
        self.steps: dict[str, Callable[[], TestResponse]] = {
            "prove": self.prove,
            "look": self.look,
            "allow": self.allow,
        }

    def prove(self) -> TestResponse:
        answer = self.person.wallet.answer(self.auth_request, now=self.person.clock())
        return self.person.post("/sign-in/answer", {**self.answer, "authResponse": answer})

    def look(self) -> TestResponse:
        page = self.person.get(self.consent)
        found = re.search(r'name="shown" value="([^"]*)"', page.text)
        self.shown = found[1] if found else self.shown
        return page

    def allow(self) -> TestResponse:
        form = {"csrf": self.answer["csrf"], "shown": self.shown, "as": "main"}
        return self.person.post(self.consent, {**form, "decision": "allow", "scope": ["profile"]})

    def take(self, step: str) -> bool:
        """Take a step; return whether it led to a code."""
        answer = self.steps[step]()
        assert answer.status_code < 500
        return "code=" in answer.headers.get("Location", "")


def count_codes(app: Flask) -> int:
    with app.app_context(), read() as connection:
        rows = select(func.count()).select_from(AuthorizationRow)
        return int(connection.execute(rows).scalar_one())


def test_a5_only_a_proof_a_look_and_a_yes_in_this_order_give_a_code_and_one(
    app: Flask, ann: Person
) -> None:
    expected = 0
    for order in product(("prove", "look", "allow"), repeat=4):
        walk = Walk(ann)

        codes = sum(walk.take(step) for step in order)

        is_whole = re.search("prove.*look.*allow", " ".join(order)) is not None
        assert codes == is_whole, order
        expected += is_whole
        assert count_codes(app) == expected, order


def test_a5_a_yes_to_one_request_is_no_yes_to_another(app: Flask, ann: Person) -> None:
    walk = Walk(ann)
    walk.take("prove")
    walk.take("look")
    other = ann.authorize(scope="openid profile email").location
    assert other.startswith("/consent/")
    form = {"csrf": walk.answer["csrf"], "shown": walk.shown, "decision": "allow"}

    answer = ann.post(other, {**form, "scope": ["profile"]})

    assert answer.status_code == 400
    assert "consent_changed" in answer.text
    assert count_codes(app) == 0


FORGED = {
    "response_type": "token",
    "response_mode": "fragment",
    "client_id": "wiki",
    "redirect_uri": "https://evil.example/",
    "redirectUrl": "https://evil.example/",
    "state": "evil",
    "nonce": "evil",
    "code_challenge": "e" * 43,
    "prompt": "none",
    "request_uri": "urn:ietf:params:oauth:request_uri:x",
    "account": "1",
    "sub": "evil",
}


@pytest.mark.parametrize("name", FORGED)
def test_a10_no_field_of_a_form_counts_for_the_request(app: Flask, ann: Person, name: str) -> None:
    """Keycloak CVE-2026-7571: fields of the log-in page turned a code into a token."""
    lie = {name: FORGED[name]}
    sign_in = ann.authorize().location
    fields, auth_request = ann.read_challenge(sign_in)
    answer = ann.wallet.answer(auth_request, now=ann.clock())
    consent = ann.post("/sign-in/answer", {**fields, "authResponse": answer, **lie}).location
    assert set(fields_of(ann.get(consent).text, consent)) == {"csrf", "shown"}

    location = ann.decide(consent, **lie).location

    assert location.startswith(f"{HOMESERVER.redirect_uris[0]}?code=")
    assert set(query_of(location)) == {"code", "iss", "state"}
    assert query_of(location)["state"] == "state-1"
    tokens = redeem(app, query_of(location)["code"]).get_json()
    claims = read_id_token(app, tokens["id_token"])
    assert (claims["nonce"], claims["aud"]) == ("nonce-1", "synapse")
    assert claims["sub"] != "evil"
