"""An account of EOS on the sign-in page: a browser, a node on loopback, and what eosjs signs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.fake_chain import EOS
from tests.live.bridge import Bridge, new_bridge
from tests.live.loopback import served
from tests.live.test_chains import SENTENCE, Node, sentence, sign
from tests.live.test_pages import USER_AGENT, look_at
from tests.live.tools import free_port

NewContext = Callable[..., BrowserContext]


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def bridge(tmp_path: Path, node: Node) -> Iterator[Bridge]:
    with served(lambda path: (404, "text/plain", b""), take=node.take) as port:
        origin = f"http://127.0.0.1:{port}"
        antelope = {"web": True, "chains": [{"id": EOS, "nodes": [origin]}]}
        made = new_bridge(
            tmp_path / "bridge", free_port(), allow_private=(origin,), antelope=antelope
        )
        with made.serve():
            yield made


def ask(page: Page, bridge: Bridge, account: str) -> None:
    """Go to the sign-in page, and ask for the account's sentence."""
    page.goto(f"{bridge.issuer}/account")
    page.get_by_role("button", name="Sign in").click()
    ask_there(page, account)


def ask_there(page: Page, account: str) -> None:
    """Open the fold of the sign-in page, and ask for the account's sentence."""
    page.get_by_text("With an EOS account").click()
    page.get_by_label("Name of the account").fill(account)
    page.get_by_role("button", name="Show the sentence").click()


def bring(page: Page, node: Node, account: str = "alicetester1") -> None:
    """Let eosjs sign what the page shows, and bring the signature there."""
    shown = page.get_by_label("Sentence to sign").input_value()
    assert shown == sentence(account, **SENTENCE)
    signed = sign("eosjs", "K1", shown)
    node.keys[account] = signed["legacyKey"]
    page.get_by_label("Signature", exact=True).fill(signed["signature"])
    page.get_by_role("button", name="Sign in with this signature").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_what_eosjs_signs_opens_an_account(
    bridge: Bridge, node: Node, new_context: NewContext, scripts: bool
) -> None:
    page = new_context(java_script_enabled=scripts).new_page()
    ask(page, bridge, "alicetester1")

    bring(page, node)

    expect(page.get_by_role("main")).to_contain_text("alicetester1 on EOS (Vaulta)")


def test_the_sentence_can_be_copied(bridge: Bridge, new_context: NewContext) -> None:
    page = new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    ask(page, bridge, "alicetester1")

    page.get_by_role("button", name="Copy the sentence").click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == sentence("alicetester1", **SENTENCE)


def test_the_pages_are_good_in_every_size_and_colour(
    bridge: Bridge, new_context: NewContext, pictures_folder: Path
) -> None:
    page = new_context(user_agent=USER_AGENT).new_page()
    ask(page, bridge, "nobody_")
    expect(page.get_by_role("main")).to_contain_text("No account is called so")
    look_at(page, "chain-fault", pictures_folder)

    ask(page, bridge, "alicetester1")
    page.get_by_text("A new sentence, or another account").click()
    look_at(page, "chain", pictures_folder)

    page.goto(f"{bridge.issuer}/account")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("With an EOS account").click()
    look_at(page, "sign-in-chain", pictures_folder)
