"""A bridge that does not require PKCE of clients that authenticate (``require_pkce = false``)."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from oidc_bridge.config import Settings
from oidc_bridge.factory import create_app
from oidc_bridge.storage import read
from oidc_bridge.storage.authorizations import AuthorizationRow
from tests.conftest import Clock
from tests.driver import WIKI, Person, query_of, redeem
from tests.fakes import FakeFetch

WITHOUT = {"code_challenge": None, "code_challenge_method": None}


@pytest.fixture
def lenient(app: Flask, settings: Settings, clock: Clock, fetch: FakeFetch) -> Iterator[Flask]:
    """Return the same bridge with the other setting."""
    settings = settings.model_copy(update={"require_pkce": False})
    bridge = create_app(settings, clock=clock, fetch=fetch)
    yield bridge
    with bridge.app_context():
        bridge.extensions["sqlalchemy"].engine.dispose()


@pytest.fixture
def amy(lenient: Flask, clock: Clock, ann: Person) -> Person:
    return Person(lenient, clock, ann.wallet)


def test_a_code_without_a_challenge_is_redeemed_without_a_verifier(amy: Person) -> None:
    code = query_of(amy.sign_in(WIKI, **WITHOUT))["code"]

    answer = redeem(amy.app, code, WIKI, code_verifier=None)

    assert answer.status_code == 200, answer.text


@pytest.mark.spec("RFC 9700", "2.1.1")
def test_a_challenge_that_was_taken_out_on_the_way_is_noticed(amy: Person) -> None:
    code = query_of(amy.sign_in(WIKI, **WITHOUT))["code"]

    answer = redeem(amy.app, code, WIKI)

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_grant"


def test_a_verifier_that_was_taken_out_on_the_way_is_noticed(amy: Person) -> None:
    code = query_of(amy.sign_in(WIKI))["code"]

    answer = redeem(amy.app, code, WIKI, code_verifier=None)

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_request"


def test_where_each_needs_a_verifier_a_request_without_leaves_the_code_alone(ann: Person) -> None:
    code = query_of(ann.sign_in(WIKI))["code"]

    refused = redeem(ann.app, code, WIKI, code_verifier=None)

    assert refused.get_json()["error"] == "invalid_request"
    assert redeem(ann.app, code, WIKI).status_code == 200


def test_a_bridge_that_became_strict_again_takes_no_request_without(
    amy: Person, ann: Person
) -> None:
    amy.sign_in(WIKI, **WITHOUT)

    refused = ann.authorize(WIKI, **WITHOUT)

    assert query_of(refused.location)["error"] == "invalid_request"


def test_no_challenge_is_kept_as_an_empty_one(amy: Person) -> None:
    amy.sign_in(WIKI, **WITHOUT)

    with amy.app.app_context(), read() as connection:
        kept = connection.execute(select(AuthorizationRow.code_challenge)).scalars().all()

    assert kept == [""]
