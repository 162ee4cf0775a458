"""The demo chat signs in as Matrix clients do."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from oidc_bridge.demo.matrix import Chat, Homeserver
from oidc_bridge.demo.outside import Reply
from oidc_bridge.demo.pages import make_flask
from tests.demo.conftest import PLACES
from tests.demo.test_journey import plain
from tests.driver import fields_of

FLOWS = {
    "flows": [
        {"type": "m.login.sso", "identity_providers": [{"id": "oidc-stacks", "name": "Wallets"}]},
        {"type": "m.login.token"},
    ]
}


class FakeHomeserver:
    """Knows one login token, and the sessions that came of it."""

    def __init__(self) -> None:
        self.login_tokens = {"good"}
        self.sessions: set[str] = set()

    def __call__(self, method: str, url: str, **how: Any) -> Reply:
        assert url.startswith(f"{PLACES.homeserver}/_matrix/client/")
        path = url.removeprefix(f"{PLACES.homeserver}/_matrix/client")
        bearer = how.get("bearer")
        match method, path:
            case "GET", "/v3/login":
                return reply(FLOWS)
            case "POST", "/v3/login":
                return self._log_in(how["document"])
            case "GET", "/v3/profile/%40ann.id%3Ahs":
                return reply({"displayname": "Ann", "avatar_url": "mxc://hs/pic"})
            case _ if bearer not in self.sessions:
                return reply({"errcode": "M_UNKNOWN_TOKEN", "error": "Unknown"}, 401)
            case "GET", "/v3/account/whoami":
                return reply({"user_id": "@ann.id:hs", "device_id": "DEVICE"})
            case "GET", "/v1/media/download/hs/pic":
                return Reply(200, b"\x89PNG", "image/png")
            case "POST", "/v3/logout":
                self.sessions.remove(bearer)
                return reply({})
        raise AssertionError(f"{method} {path}")

    def _log_in(self, document: dict[str, str]) -> Reply:
        assert document["type"] == "m.login.token"
        if document["token"] not in self.login_tokens:
            return reply({"errcode": "M_FORBIDDEN", "error": "Invalid login token"}, 403)
        self.login_tokens.remove(document["token"])
        self.sessions.add("access-1")
        return reply({"user_id": "@ann.id:hs", "device_id": "DEVICE", "access_token": "access-1"})


def reply(document: dict[str, Any], status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode())


@pytest.fixture
def homeserver() -> FakeHomeserver:
    return FakeHomeserver()


@pytest.fixture
def visitor(homeserver: FakeHomeserver) -> FlaskClient:
    app = make_flask("app", service="Demo bridge", origin=PLACES.app)
    back = f"{PLACES.app}/matrix/signed-in"
    app.register_blueprint(Chat(Homeserver(PLACES.homeserver, homeserver), "hs", back).views())
    return app.test_client()


def get(visitor: FlaskClient, path: str) -> str:
    return visitor.get(path, base_url=PLACES.app, follow_redirects=True).text


def begin(visitor: FlaskClient) -> str:
    """Go to the homeserver; return where it would send the browser back to."""
    to = visitor.get("/matrix/login", base_url=PLACES.app).location
    assert to.startswith(f"{PLACES.homeserver}/_matrix/client/v3/login/sso/redirect/oidc-stacks?")
    return parse_qs(urlsplit(to).query)["redirectUrl"][0].removeprefix(PLACES.app)


def test_ann_signs_in_and_out(visitor: FlaskClient, homeserver: FakeHomeserver) -> None:
    assert "Sign in with Wallets" in get(visitor, "/matrix")

    page = get(visitor, f"{begin(visitor)}&loginToken=good")

    assert "@ann.id:hs" in plain(page)
    assert "DEVICE" in page
    assert visitor.get("/matrix/picture", base_url=PLACES.app).data == b"\x89PNG"
    fields = fields_of(page, "/matrix/log-out")
    visitor.post("/matrix/log-out", data=fields, base_url=PLACES.app)
    assert homeserver.sessions == set()
    assert "Sign in with Wallets" in get(visitor, "/matrix")


def test_a_session_that_the_homeserver_ended_is_shown_as_ended(
    visitor: FlaskClient, homeserver: FakeHomeserver
) -> None:
    get(visitor, f"{begin(visitor)}&loginToken=good")
    homeserver.sessions.clear()

    page = get(visitor, "/matrix")

    assert "Your session has ended" in page
    assert "M_UNKNOWN_TOKEN" in page
    assert visitor.get("/matrix/picture", base_url=PLACES.app).status_code == 400


def test_a_login_token_that_somebody_slips_in_is_not_used(
    visitor: FlaskClient, homeserver: FakeHomeserver
) -> None:
    begin(visitor)

    page = get(visitor, "/matrix/signed-in?state=guessed&loginToken=good")

    assert "state_mismatch" in page
    assert homeserver.login_tokens == {"good"}


def test_a_refused_login_token_is_shown(visitor: FlaskClient) -> None:
    page = get(visitor, f"{begin(visitor)}&loginToken=bad")

    assert "M_FORBIDDEN" in page
    assert "Sign in with Wallets" in page
