"""Wallets of every kind and mood on the sign-in page; each story ends at a real Synapse."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.live.bridge import new_bridge
from tests.live.browser import always, never, put_wallet_into, silently
from tests.live.person import AnswersAs, SignsAs, Visitor, mxid_of
from tests.live.tools import free_port
from tests.live.wallet import WalletError, new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]


def expect_alarm(visitor: Visitor, words: str) -> None:
    """Wait until the page says why the wallet did not do it."""
    expect(visitor.page.locator("[data-alert]")).to_contain_text(words)


def expect_question(visitor: Visitor, words: str) -> None:
    """Wait until the page asks for one more proof."""
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("One more step")
    expect(visitor.page.get_by_role("main")).to_contain_text(words)


# ---- wallets of today, and how each wants to be asked


def test_xverse_is_asked_for_its_account_and_signs_a_text_that_names_it(
    world: World, a_visitor: MakeVisitor
) -> None:
    person = new_person()
    wallet, old_functions = SignsAs(person), AnswersAs(person)
    ann = a_visitor(old_functions.in_page, brand="Xverse", signer=wallet)

    ann.come_from_chat()
    ann.choose_wallet("Xverse")
    ann.allow()

    assert ann.arrive().user_id == mxid_of(wallet)
    (signed,) = wallet.signed
    lines = signed["message"].splitlines()
    assert lines[0].startswith(f"localhost:{world.bridge.port} wants you to sign in")
    assert lines[1] == person.stx_address
    assert old_functions.answers == []  # a message that names our host is the better proof


@pytest.mark.parametrize(
    ("knows", "asked"),
    [
        ("stx_signMessage", {"message"}),
        ("stx_signStructuredMessage", {"domain", "message"}),
        ("signatureRequest", {"signatureRequest"}),
    ],
)
def test_a_wallet_that_signs_in_one_way_only_is_asked_in_that_way(
    a_visitor: MakeVisitor, knows: str, asked: set[str]
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet, knows=[knows])

    session = ann.sign_in()

    assert session.user_id == mxid_of(wallet)
    assert [set(signed) for signed in wallet.signed] == [asked]


# ---- an old extension, whose answer does not name our host


def test_an_old_extension_needs_a_signature_by_the_account_that_it_named(
    a_visitor: MakeVisitor,
) -> None:
    person, other = new_person(), new_person()
    old, wallet = AnswersAs(person), SignsAs(other)
    ann = a_visitor(old.in_page, brand="Xverse")
    put_wallet_into(ann.context, None, signer=wallet)

    ann.come_from_chat()
    ann.choose_wallet("Xverse")
    expect_question(ann, "Your wallet’s first answer does not say which site it is for")
    expect(ann.page.get_by_role("main").locator(".panel .address")).to_have_text(person.stx_address)
    ann.choose_wallet("Xverse")
    expect_alarm(ann, "This version of Xverse cannot sign messages.")
    ann.choose_wallet()
    expect(ann.page.get_by_role("heading", level=1)).to_have_text(
        "Your wallet answered with another account"
    )
    ann.page.get_by_role("button", name="Try again").click()
    expect_question(ann, person.stx_address)
    wallet.person = person
    ann.choose_wallet()
    ann.allow()
    known = ann.arrive()

    by_message = a_visitor(signer=SignsAs(person)).sign_in()
    assert known.user_id == by_message.user_id
    assert a_visitor(signer=SignsAs(other)).sign_in().user_id != known.user_id


def test_xverse_with_another_account_is_told_before_anything_is_signed(
    a_visitor: MakeVisitor,
) -> None:
    person, other = new_person(), new_person()
    old, wallet = AnswersAs(person), SignsAs(other)
    ann = a_visitor(old.in_page)
    put_wallet_into(ann.context, None, brand="Xverse", signer=wallet)

    ann.come_from_chat()
    ann.choose_wallet()
    expect_question(ann, person.stx_address)
    ann.choose_wallet("Xverse")
    expect_alarm(ann, "Xverse uses another account.")
    expect_alarm(ann, f"It uses {other.stx_address}. Switch to {person.stx_address}")
    assert wallet.signed == []
    wallet.person = person
    ann.choose_wallet("Xverse")
    ann.allow()

    assert ann.arrive().user_id == a_visitor(signer=SignsAs(person)).sign_in().user_id


# ---- wallets that do not do it


def window_stopped() -> bool:
    """Be a wallet whose window the browser did not let open."""
    raise WalletError("Popup was blocked by the browser")


@pytest.mark.parametrize(
    ("brand", "first", "words"),
    [
        ("Leather", never, "You said no in Leather, or closed its window."),
        ("Xverse", never, "You said no in Xverse, or closed its window."),
        ("Leather", window_stopped, "Your browser stopped the window of Leather."),
    ],
)
def test_a_wallet_that_did_not_sign_is_explained_and_may_be_asked_again(
    a_visitor: MakeVisitor, brand: str, first: Callable[[], bool], words: str
) -> None:
    wallet = SignsAs(new_person())
    moods = iter([first, always])
    ann = a_visitor(brand=brand, signer=wallet, willing=lambda: next(moods)())

    ann.come_from_chat()
    ann.choose_wallet(brand)
    expect_alarm(ann, words)
    assert wallet.signed == []
    ann.choose_wallet(brand)
    ann.allow()

    assert ann.arrive().user_id == mxid_of(wallet)


def test_a_silent_wallet_is_asked_in_another_way_when_the_person_wants_it(
    a_visitor: MakeVisitor,
) -> None:
    wallet = SignsAs(new_person())
    moods = iter([silently, always])
    ann = a_visitor(signer=wallet, willing=lambda: next(moods)())
    another_way = ann.page.get_by_role("button", name="Try another way")
    ann.page.clock.install()

    ann.come_from_chat()
    ann.choose_wallet()
    expect(ann.page.get_by_text("Waiting for Leather")).to_be_visible()
    expect(another_way).to_be_hidden()
    ann.page.clock.fast_forward("00:12")
    another_way.click()
    ann.allow()

    assert ann.arrive().user_id == mxid_of(wallet)
    assert [set(signed) for signed in wallet.signed] == [{"domain", "message"}]


def test_a_wallet_that_is_switched_on_late_is_found_by_looking_again(
    a_visitor: MakeVisitor,
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor()
    main = ann.page.get_by_role("main")

    ann.come_from_chat()
    expect(main).to_contain_text("No wallet found in this browser.")
    expect(main.get_by_role("button", name="On another device")).to_be_visible()
    expect(main.get_by_role("button", name="Leather")).to_have_count(0)
    ann.page.evaluate(put_wallet_into(ann.context, None, signer=wallet))
    main.get_by_role("button", name="Look again").click()
    ann.choose_wallet()
    ann.allow()

    assert ann.arrive().user_id == mxid_of(wallet)


# ---- a server that wants both proofs


def test_where_both_proofs_are_wanted_one_opens_nothing(
    tmp_path: Path, new_context: Callable[..., BrowserContext]
) -> None:
    bridge = new_bridge(tmp_path / "bridge", free_port(), sign_in={"accept": "both"})
    person = new_person()
    wallet, old_functions = SignsAs(person), AnswersAs(person)
    context = new_context()
    put_wallet_into(context, old_functions.in_page, signer=wallet)
    page = context.new_page()
    sign_out = page.get_by_role("button", name="Sign out", exact=True)

    with bridge.serve():
        page.goto(f"{bridge.issuer}/account")
        page.get_by_role("button", name="Sign in with your wallet").click()
        page.get_by_role("button", name="Leather").click()
        expect(page.get_by_role("main")).to_contain_text("This server asks for two proofs.")
        half_way = context.new_page()
        half_way.goto(f"{bridge.issuer}/account")
        expect(half_way.get_by_role("button", name="Sign in with your wallet")).to_be_visible()
        page.get_by_role("button", name="Leather").click()

        expect(sign_out).to_be_visible()
        assert (len(wallet.signed), len(old_functions.answers)) == (1, 1)
