"""The homeserver of the demo without Synapse: whom it takes, and what it tells of them."""

from typing import Any

import pytest

from tests.demo.conftest import PLACES, Browser, Net
from tests.demo.test_doors import signed, text_of

CLIENT = f"{PLACES.homeserver}/_matrix/client/v3"
USERINFO = f"{PLACES.homeserver}/_matrix/federation/v1/openid/userinfo"


def log_in(net: Net, user: str, password: str) -> tuple[int, dict[str, Any]]:
    document = {"identifier": {"type": "m.id.user", "user": user}, "password": password}
    reply = net.ask("POST", f"{CLIENT}/login", document=document)
    return reply.status, reply.document()


@pytest.fixture
def diana(net: Net, browser: Browser) -> dict[str, Any]:
    """Sign the account of EOS in by its sentence; return what the homeserver answered."""
    sentence = text_of(browser.open(f"{PLACES.app}/matrix/eos"), "sentence")
    net.ask("POST", f"{PLACES.bridge}/c/nonce-1")
    status, answer = log_in(net, "dianaexample", f"nonce-1|{sentence}|{signed(browser, sentence)}")
    assert status == 200
    return answer


@pytest.mark.parametrize(
    "password", ["hunter2", "abp_" + "a2b3" * 8, "a|https://chat.example|b.id"]
)
def test_whom_the_bridge_does_not_know_is_not_taken(net: Net, password: str) -> None:
    status, answer = log_in(net, "ann.demo.id", password)

    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")


def test_other_ways_to_sign_in_are_not_known_here(net: Net) -> None:
    document = {"type": "m.login.token", "token": "x"}

    reply = net.ask("POST", f"{CLIENT}/login", document=document)

    assert (reply.status, reply.document()["errcode"]) == (400, "M_BAD_JSON")


def test_it_tells_what_it_was_told_and_no_session_of_the_bridges(diana: dict[str, Any]) -> None:
    told = diana["localhost.demo.told"]

    assert told.keys() == {"localpart", "display_name", "subject", "known"}
    assert diana["user_id"] == "@dianaexample:demo.localhost"


def test_an_openid_token_is_given_to_oneself_alone(net: Net, diana: dict[str, Any]) -> None:
    bearer = diana["access_token"]

    def ask(user_id: str) -> tuple[int, dict[str, Any]]:
        url = f"{CLIENT}/user/{user_id}/openid/request_token"
        reply = net.ask("POST", url, document={}, bearer=bearer)
        return reply.status, reply.document()

    assert ask("@ann.demo.id:demo.localhost")[0] == 403
    status, token = ask(diana["user_id"])
    assert (status, token["matrix_server_name"]) == (200, "demo.localhost")
    said = net.ask("GET", f"{USERINFO}?access_token={token['access_token']}")
    assert said.document() == {"sub": diana["user_id"]}
    assert net.ask("GET", f"{USERINFO}?access_token={bearer}").status == 401


def test_a_device_is_gone_after_signing_out(net: Net, diana: dict[str, Any]) -> None:
    bearer = diana["access_token"]
    assert net.ask("GET", f"{CLIENT}/account/whoami", bearer=bearer).status == 200

    net.ask("POST", f"{CLIENT}/logout", document={}, bearer=bearer)

    assert net.ask("GET", f"{CLIENT}/account/whoami", bearer=bearer).status == 401


def test_nobody_but_the_bridge_ends_a_session(net: Net, diana: dict[str, Any]) -> None:
    url = f"{PLACES.homeserver}/_synapse/client/oidc/backchannel_logout"

    assert net.ask("POST", url, form={"logout_token": "x.y.z"}).status == 400

    whoami = net.ask("GET", f"{CLIENT}/account/whoami", bearer=diana["access_token"])
    assert whoami.status == 200
