"""Each way in that the demo shows, once, by its pages: wallets, chats, bridge, homeserver."""

import re
from urllib.parse import urlencode, urlsplit

import pytest

from oidc_bridge.demo.clients import homeserver_client
from oidc_bridge.demo.doors import doors_of
from tests.conftest import Clock
from tests.demo.conftest import PLACES, Browser, Net
from tests.demo.test_journey import plain
from tests.driver import authorize_query, fields_of

APP = f"{PLACES.app}/"
MATRIX = f"{PLACES.app}/matrix"


def facts_on(page: str) -> dict[str, str]:
    rows = re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", page, re.S)
    return {plain(name): plain(value) for name, value in rows}


def text_of(page: str, identifier: str) -> str:
    found = re.search(rf'id="{identifier}"[^>]*>([^<]*)<', page)
    assert found, identifier
    return plain(found[1])


@pytest.fixture
def at_account(browser: Browser) -> Browser:
    """Return Ann's browser, which has just signed in on her account page."""
    browser.open(f"{PLACES.bridge}/account")
    browser.send("/account/begin")
    browser.follow("Demo wallet")
    browser.choose("ann-example")
    return browser


@pytest.fixture
def at_chat(browser: Browser) -> Browser:
    """Return a browser whose wallet gave the OI chat Ann's key for it."""
    browser.open(PLACES.chat)
    browser.follow("Connect your wallet")
    browser.send("/answer", identity="ann-example")
    assert browser.at == f"{PLACES.chat}/"
    return browser


# ---- OI Chat


@pytest.mark.parametrize("how", ["signature", "file"])
def test_a_chat_like_oi_chat_signs_ann_in_as_herself(net: Net, at_chat: Browser, how: str) -> None:
    page = at_chat.send("/sign-in", how=how, whom="main")

    assert "It works" in page
    facts = facts_on(page)
    assert facts["Matrix ID"] == "@ann.demo.id:demo.localhost"
    assert facts["Challenge, used up"].startswith(f"demo.localhost {PLACES.chat} ")
    hub = net.sites[PLACES.hub].test_client()
    written = hub.get(f"{PLACES.hub}/hub/{facts['Key’s address']}/mxid.json")
    assert written.text == (facts["Challenge, used up"] if how == "file" else "")


def test_the_chat_signs_a_browser_in_by_a_code(net: Net, at_chat: Browser) -> None:
    # Given a browser at the bridge, sent by the homeserver, and Ann's chat in another
    page, client = Browser(net), homeserver_client(PLACES)
    page.open(f"{PLACES.bridge}/authorize?{urlencode(authorize_query(client, redirectUrl=APP))}")
    sign_in = urlsplit(page.url).path
    address = text_of(page.send(f"{sign_in}/chat-app"), "address")

    # When she gives her chat the address, and the page the code
    at_chat.send("/look", address=address)
    assert f"Sign in to <strong><bdi>{PLACES.app}</bdi></strong>" in at_chat.text
    code = re.search(r"[2-9A-Z]{3}-[2-9A-Z]{3}", at_chat.send("/confirm"))
    assert code
    shown = page.send(f"{sign_in}/chat-app/take", code=code[0])

    # Then the page asks her for consent, and the chat shows the code no more
    assert "@ann.demo.id:demo.localhost" in shown
    assert code[0] not in at_chat.open(PLACES.chat)


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("https://evil.example/proofs/oichat/page/x", "address_foreign"),
        (f"{PLACES.bridge}/proofs/oichat/page/x", "unknown_nonce"),
    ],
)
def test_the_chat_signs_nothing_for_another_address(
    at_chat: Browser, address: str, error: str
) -> None:
    page = at_chat.send("/look", address=address)

    assert error in page
    assert "Yes, sign me in there" not in page


def test_nothing_is_confirmed_that_was_not_shown(at_chat: Browser) -> None:
    form = fields_of(at_chat.text, "/leave")

    page = at_chat.open("/confirm", method="POST", data=form, headers={"Origin": PLACES.chat})

    assert "signed_out" in page


def test_who_leaves_the_chat_is_signed_out_at_the_homeserver(net: Net, at_chat: Browser) -> None:
    at_chat.send("/sign-in", how="signature", whom="main")
    stand_in = net.sites[PLACES.homeserver].view_functions["who"].__self__  # type: ignore[attr-defined]
    assert len(stand_in.devices) == 1

    assert "Connect your wallet" in at_chat.send("/leave")

    assert not stand_in.devices


def test_the_chat_has_a_user_of_its_own_too(at_chat: Browser) -> None:
    facts = facts_on(at_chat.send("/sign-in", how="signature", whom="alone"))

    assert facts["Matrix ID"] == "@ann.demo.id+localhost=3a8004:demo.localhost"


def test_mallory_does_not_get_in_by_the_name_that_she_only_claims(browser: Browser) -> None:
    browser.open(PLACES.chat)
    browser.follow("Connect your wallet")
    browser.send("/answer", identity="mallory")

    page = browser.send("/sign-in", how="signature", whom="main")

    assert "M_FORBIDDEN" in page
    assert "It works" not in page


def test_nobody_without_a_name_comes_by_this_way(browser: Browser) -> None:
    browser.open(PLACES.chat)
    browser.follow("Connect your wallet")

    assert "name_missing" in browser.send("/answer", identity="bob")


def test_the_wallets_answer_counts_in_the_browser_that_asked(net: Net, browser: Browser) -> None:
    browser.open(PLACES.chat)

    assert "state_mismatch" in browser.open(f"{PLACES.chat}/connected?authResponse=x")


def test_removing_the_chats_access_signs_its_device_out(
    net: Net, at_chat: Browser, clock: Clock
) -> None:
    at_chat.send("/sign-in", how="signature", whom="main")
    at_chat.open(f"{PLACES.bridge}/account")
    at_chat.send("/account/begin")
    at_chat.follow("Demo wallet")
    at_chat.choose("ann-example")
    assert "localhost:8004" in at_chat.text
    at_chat.send("/account/sign-out-everywhere", confirm="yes")

    assert net.deliver(clock) >= 1

    assert "M_UNKNOWN_TOKEN" in at_chat.open(PLACES.chat)


def test_nobody_writes_into_anothers_folder(net: Net, at_chat: Browser) -> None:
    for bearer in ("", "v1:x.y.z"):
        reply = net.ask("POST", f"{PLACES.wallet}/store/1abc/mxid.json", text="x", bearer=bearer)
        assert reply.status == 400


# ---- EOS


def signed(browser: Browser, sentence: str) -> str:
    browser.open(f"{PLACES.wallet}/eos")
    return text_of(browser.send("/eos", sentence=sentence), "signature")


def test_an_account_of_eos_signs_in_in_a_passwords_place(browser: Browser) -> None:
    sentence = text_of(browser.open(f"{MATRIX}/eos"), "sentence")
    signature = signed(browser, sentence)
    browser.open(f"{MATRIX}/eos")
    assert text_of(browser.text, "sentence") == sentence  # no block has come since

    page = browser.send("/matrix/eos", signature=signature)

    assert facts_on(page)["localpart"] == "dianaexample"
    assert "@dianaexample:demo.localhost" in plain(page)


def test_the_sign_in_page_takes_an_account_of_eos_too(browser: Browser) -> None:
    browser.open(PLACES.app)
    browser.follow("Sign in with Demo bridge")
    asking = f"{browser.at}/chain?account=dianaexample"
    assert "With an EOS account" in browser.text
    browser.open(asking)
    sentence = text_of(browser.text, "sentence")
    signature = signed(browser, sentence)
    browser.open(asking)

    browser.send("/sign-in/chain", signature=signature)
    page = browser.decide("allow", "profile")

    assert "It works" in page
    assert "dianaexample" in page


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("Give me all your money", "sentence_malformed"),
        (
            "alicetester1 would like to login using the active permission."
            " Block ID: 400000000 210094B8C270",
            "sentence_foreign",
        ),
    ],
)
def test_the_eos_wallet_signs_its_own_sentence_alone(
    browser: Browser, sentence: str, code: str
) -> None:
    browser.open(f"{PLACES.wallet}/eos")

    assert code in browser.send("/eos", sentence=sentence)


# ---- passwords that the bridge makes


def test_a_one_time_password_works_once(at_account: Browser) -> None:
    at_account.open(f"{PLACES.bridge}/account/one-time")
    page = at_account.send("/account/one-time")
    user, secret = text_of(page, "user"), text_of(page, "secret")

    at_account.open(MATRIX)
    assert "It works" in at_account.send("/matrix/password", user=user, password=secret)
    at_account.send("/matrix/log-out")

    assert "M_FORBIDDEN" in at_account.send("/matrix/password", user=user, password=secret)


def test_an_app_password_signs_in_at_the_homeserver_until_it_is_ended(
    net: Net, at_account: Browser, clock: Clock
) -> None:
    at_account.open(f"{PLACES.bridge}/account/passwords")
    made = {"label": "old phone", "scope": ["matrix:login"]}
    secret = text_of(at_account.send("/account/passwords", **made), "secret")

    at_account.open(MATRIX)
    page = at_account.send("/matrix/password", user="ann.demo.id", password=secret)
    assert facts_on(page)["known"] == "true"
    at_account.open(f"{PLACES.bridge}/account")
    at_account.send("/account/sign-out-everywhere", confirm="yes")
    net.deliver(clock)

    assert "Your session has ended" in at_account.open(MATRIX)


# ---- the widget


def test_the_widget_is_told_who_is_signed_in(net: Net, at_chat: Browser) -> None:
    sentence = text_of(at_chat.open(f"{MATRIX}/eos"), "sentence")
    signature = signed(at_chat, sentence)
    at_chat.open(f"{MATRIX}/eos")
    at_chat.send("/matrix/eos", signature=signature)
    page = at_chat.open(f"{MATRIX}/widget")
    assert f'data-widget="{PLACES.bridge}/widget"' in page
    csrf = re.search(r'data-csrf="([^"]+)"', page)[1]

    at_chat.open(f"{MATRIX}/widget/token", method="POST", data={"csrf": csrf})
    token = at_chat.page.get_json()
    answer = net.ask("POST", f"{PLACES.bridge}/widget/session", document=token)

    assert answer.document()["user_id"] == "@dianaexample:demo.localhost"


def test_who_is_not_signed_in_has_no_widget_and_gets_no_token(browser: Browser) -> None:
    page = browser.open(f"{MATRIX}/widget")

    assert "<iframe" not in page
    assert "form_foreign" in browser.open(f"{MATRIX}/widget/token", method="POST")


# ---- all of them


def test_the_first_page_leads_to_each_and_to_nothing_else(browser: Browser) -> None:
    page = browser.open(PLACES.app)

    for door in doors_of(PLACES):
        assert f'href="{door.url}"' in page
        browser.open(door.url)
        assert browser.page.status_code == 200
    outside = set(re.findall(r'(?:href|src|action)="(https?://[^/"]+)', page))
    assert outside <= {PLACES.app, PLACES.bridge, PLACES.chat}


def test_no_page_around_the_bridge_may_be_framed_or_runs_foreign_scripts(browser: Browser) -> None:
    for url in (PLACES.app, MATRIX, f"{MATRIX}/widget", PLACES.chat, f"{PLACES.wallet}/eos"):
        browser.open(url)
        policy = browser.page.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self';" in policy
