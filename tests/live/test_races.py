"""What may be used once is used once, by however many at once; on both databases, two processes."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
import requests

from tests.live.bridge import new_bridge
from tests.live.plain import Form, Forms, PlainBrowser, RelyingParty
from tests.live.tools import free_port
from tests.live.wallet import Answer, new_person

TAKERS = 50
Taken = TypeVar("Taken")


def all_at_once(take: Callable[[], Taken]) -> list[Taken]:
    """Let fifty threads do the same at the same moment."""
    barrier = Barrier(TAKERS)

    def wait_and_take(_: int) -> Taken:
        barrier.wait(timeout=60)
        return take()

    with ThreadPoolExecutor(TAKERS) as pool:
        return list(pool.map(wait_and_take, range(TAKERS)))


@pytest.fixture
def relying_party(tmp_path: Path, database: str | None) -> Iterator[RelyingParty]:
    """A client of a bridge that is served by two processes."""
    homeserver = "http://localhost:1/"  # nobody there; no browser goes so far
    bridge = new_bridge(tmp_path / "bridge", free_port(), database=database, server__workers="2")
    scopes = ("openid", "profile", "offline_access")
    options = [word for scope in scopes for word in ("--scope", scope)]
    credentials = bridge.client_add("nobody", homeserver, *options)
    bridge.run("app", "allow", "https://chat.example")
    with bridge.serve():
        yield RelyingParty(bridge, credentials, f"{homeserver}_synapse/client/oidc/callback")


def ask_wallet(relying_party: RelyingParty, browser: PlainBrowser) -> tuple[Form, Answer]:
    """Go as far as the wallet's answer, which is filled in and not sent."""
    page = browser.get(relying_party.authorize_url())
    assert page.status_code == 200, page.text
    forms = Forms(page)
    # An old wallet: its answer is enough, so that one form makes one session.
    answer = new_person().answer(forms.auth_request, "blockstack")
    return forms.with_field("authResponse").set("authResponse", answer.auth_response), answer


def test_k2_one_code_redeemed_by_fifty_at_once_gives_one_token(relying_party: RelyingParty) -> None:
    browser = PlainBrowser(relying_party.bridge)
    form, _ = ask_wallet(relying_party, browser)
    consent = browser.submit(form)
    question = Forms(consent).with_field("shown").set("decision", "allow")
    code = relying_party.code_in(browser.submit(question))

    answers = all_at_once(lambda: relying_party.redeem(code))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: TAKERS - 1}
    refused = [answer.json()["error"] for answer in answers if answer.status_code == 400]
    assert set(refused) == {"invalid_grant"}
    # RFC 6749 4.1.2: a second use may be a thief's, so it ends what the first one got.
    (granted,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert relying_party.userinfo(granted["access_token"]).status_code == 401


def test_r1_one_refresh_token_used_by_fifty_at_once_gives_one_token_that_lives(
    relying_party: RelyingParty,
) -> None:
    browser = PlainBrowser(relying_party.bridge)
    form, _ = ask_wallet(relying_party, browser)
    consent = browser.submit(form)
    asked = Forms(consent).with_field("shown").set("scope", "profile", "offline_access")
    question = asked.set("decision", "allow")
    tokens = relying_party.redeem(relying_party.code_in(browser.submit(question))).json()

    answers = all_at_once(lambda: relying_party.refresh(tokens["refresh_token"]))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: TAKERS - 1}
    (granted,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert relying_party.userinfo(granted["access_token"]).status_code == 200
    assert relying_party.refresh(granted["refresh_token"]).status_code == 200


def test_one_answer_of_a_wallet_posted_fifty_times_makes_one_session(
    relying_party: RelyingParty,
) -> None:
    browser = PlainBrowser(relying_party.bridge)
    form, answer = ask_wallet(relying_party, browser)

    def press() -> tuple[requests.Response, PlainBrowser]:
        twin = browser.twin()
        return twin.post(form), twin

    pressed = all_at_once(press)

    assert Counter(answer.status_code for answer, _ in pressed) == {303: 1, 400: TAKERS - 1}
    ((_, signed_in),) = [(answer, twin) for answer, twin in pressed if answer.status_code == 303]
    others = [twin for answer, twin in pressed if answer.status_code != 303]
    assert not any("session" in twin.session.cookies for twin in others)
    account = signed_in.get(f"{relying_party.bridge.issuer}/account")
    assert answer.identity_stx_address in account.text
    assert re.findall(r'id="sessions".*?class="count">(\d+)<', account.text) == ["1"]


def test_a_healthy_client_of_the_same_bridge_is_not_hurt(relying_party: RelyingParty) -> None:
    """The control: one taker alone succeeds, so the failures above are not from something else."""
    browser = PlainBrowser(relying_party.bridge)
    form, answer = ask_wallet(relying_party, browser)
    question = Forms(browser.submit(form)).with_field("shown").set("decision", "allow")
    code = relying_party.code_in(browser.submit(question))

    tokens = relying_party.redeem(code).json()
    told = relying_party.userinfo(tokens["access_token"]).json()

    assert told["preferred_username"] == answer.identity_stx_address.lower()


def test_an_account_that_is_deleted_while_its_tokens_are_used_leaves_nothing(
    relying_party: RelyingParty,
) -> None:
    browser = PlainBrowser(relying_party.bridge)
    form, answer = ask_wallet(relying_party, browser)
    asked = Forms(browser.submit(form)).with_field("shown")
    question = asked.set("scope", "profile", "offline_access").set("decision", "allow")
    tokens = relying_party.redeem(relying_party.code_in(browser.submit(question))).json()
    page = browser.get(f"{relying_party.bridge.issuer}/account/data")
    ask = next(form for form in Forms(page).all if form.url.endswith("/delete"))
    sure = Forms(browser.submit(ask)).with_field("confirm")
    turns = iter(range(TAKERS))

    def take() -> tuple[str, requests.Response]:
        if next(turns) % 2:
            return "delete", browser.twin().post(sure)
        return "refresh", relying_party.refresh(tokens["refresh_token"])

    taken = all_at_once(take)

    deleted = Counter(answer.status_code for what, answer in taken if what == "delete")
    assert deleted == {303: 1, 401: TAKERS // 2 - 1}
    refreshed = [answer for what, answer in taken if what == "refresh"]
    assert {answer.status_code for answer in refreshed} <= {200, 400}
    for answered in refreshed:
        if answered.status_code == 200:
            token = answered.json()["access_token"]
            assert relying_party.userinfo(token).status_code == 401
    shown = browser.get(f"{relying_party.bridge.issuer}/account")
    assert answer.identity_stx_address not in shown.text
