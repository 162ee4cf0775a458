"""What the chat like OI Chat checks before it answers, and what its storage does not take."""

import json
from datetime import timedelta
from typing import Any

import pytest
from coincurve import PrivateKey

from oidc_bridge.demo.hub import Hub, writing_token
from oidc_bridge.demo.matrix import Homeserver
from oidc_bridge.demo.oichat import Connected, OiChatClient
from oidc_bridge.demo.outside import Reply
from oidc_bridge.demo.pages import DemoError
from oidc_bridge.demo.people import People
from oidc_bridge.proofs.jsontokens import sign
from oidc_bridge.proofs.profiles import read_signed_profile
from tests.demo.conftest import PLACES, Browser, Net
from tests.fakes import NOW

KEY = b"\x07" * 32
PUBLIC = PrivateKey(KEY).public_key.format().hex()
ANN = Connected("ann.demo.id", KEY)


def a_client(challenge: str, asked: list[str]) -> OiChatClient:
    """Return the chat at a bridge that gives *challenge*; what is asked is noted."""

    def ask(method: str, url: str, **how: Any) -> Reply:
        asked.append(url)
        return Reply(
            200, json.dumps({"challenge": challenge, "answer_url": PLACES.bridge}).encode()
        )

    return OiChatClient(PLACES, Homeserver(PLACES.homeserver, ask), ask)


@pytest.mark.parametrize(
    "challenge", [f"evil.example {PLACES.chat} x", "demo.localhost https://evil.example x"]
)
def test_a_challenge_for_another_server_or_app_is_not_answered(challenge: str) -> None:
    asked: list[str] = []

    with pytest.raises(DemoError) as refused:
        a_client(challenge, asked).sign_in(ANN, "signature", "main")

    assert refused.value.code == "challenge_foreign"
    assert len(asked) == 1


@pytest.mark.parametrize(
    "challenge", [f"evil.example {PLACES.bridge} x", "demo.localhost https://evil.example x"]
)
def test_what_waits_at_another_server_or_bridge_is_not_looked_at(challenge: str) -> None:
    def ask(method: str, url: str, **how: Any) -> Reply:
        told = {"nonce": "n", "challenge": challenge, "answer_url": url}
        return Reply(200, json.dumps({**told, "sign_in": {"app": "", "device": ""}}).encode())

    client = OiChatClient(PLACES, Homeserver(PLACES.homeserver, ask), ask)
    with pytest.raises(DemoError) as refused:
        client.look_up(f"{PLACES.bridge}/proofs/oichat/page/n")

    assert refused.value.code == "challenge_foreign"


def test_each_sign_in_has_a_nonce_of_its_own() -> None:
    asked: list[str] = []
    for _ in range(2):
        with pytest.raises(DemoError):
            a_client("other x", asked).sign_in(ANN, "signature", "main")

    assert len(set(asked)) == 2


def test_an_answer_made_for_another_question_is_refused(people: People) -> None:
    chat, transit = a_client("", []), PrivateKey().secret
    ann = people.find("ann-example")
    assert ann is not None
    _, _, request = chat.connect_url(transit, now=NOW).partition("authRequest=")
    answer = ann.wallet.answer(request, now=NOW)

    assert chat.read_answer(answer, transit, now=NOW).name == "ann.demo.id"
    for key, now in ((PrivateKey().secret, NOW), (transit, NOW + timedelta(days=60))):
        with pytest.raises(DemoError):
            chat.read_answer(answer, key, now=now)


def test_a_profile_tells_of_apps_that_asked_for_it_and_not_of_the_bridge(
    at_wallet: Browser, net: Net, people: People
) -> None:
    ann = people.find("ann-example")
    assert ann is not None
    profile = f"{PLACES.hub}/hub/{ann.wallet.address.btc}/profile.json"
    at_wallet.choose("ann-example")
    assert net.fetch(profile, max_bytes=0).status == 404

    at_wallet.open(f"{PLACES.chat}/connect")
    at_wallet.send("/answer", identity="ann-example")

    file = net.fetch(profile, max_bytes=10_000).body
    _, claim = read_signed_profile(file)
    assert list(claim["apps"]) == [PLACES.chat]  # type: ignore[call-overload]


def test_a_folders_own_key_writes_into_it(net: Net) -> None:
    folder = ANN.address.btc
    url = f"{PLACES.wallet}/store/{folder}/mxid.json"

    assert net.ask("POST", url, text="hello", bearer=writing_token(KEY)).status == 200

    read = net.fetch(f"{PLACES.hub}/hub/{folder}/mxid.json", max_bytes=100)
    assert (read.status, read.body) == (200, b"hello")


@pytest.mark.parametrize(
    "bearer",
    [
        "",
        "v1:x.y.z",
        writing_token(b"\x08" * 32),
        "v1:" + sign({"gaiaChallenge": "another hub", "iss": PUBLIC}, KEY),
    ],
    ids=["none", "garbage", "another key's", "foreign"],
)
def test_only_a_folders_own_key_writes_into_it(net: Net, bearer: str) -> None:
    folder = ANN.address.btc

    reply = net.ask("POST", f"{PLACES.wallet}/store/{folder}/mxid.json", text="x", bearer=bearer)

    assert reply.status == 400
    assert net.fetch(f"{PLACES.hub}/hub/{folder}/mxid.json", max_bytes=100).status == 404


def test_the_hub_forgets_the_oldest_when_there_is_very_much() -> None:
    hub = Hub(PLACES.hub)
    for number in range(300):
        hub.put("folder", str(number), b"x")

    assert len(hub.files) == 200
    assert ("folder", "299") in hub.files
