"""On another device: a laptop without a wallet, a phone with one, and somebody in between."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.live.person import ALLOW, SignsAs, Visitor, mxid_of
from tests.live.qr import drawn_on, modules_of
from tests.live.wallet import new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]

_FETCH_STATUS = "async address => (await fetch(address)).status"
# The form's token is of the page that sends it.
_POST_STATUS = """async address => {
  const csrf = document.querySelector('input[name=csrf]').value;
  const body = new URLSearchParams({ csrf });
  return (await fetch(address, { method: 'POST', body })).status;
}"""


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def ask_for_another_device(laptop: Visitor) -> str:
    """Press the button for it; return the link that the page shows."""
    laptop.page.get_by_role("button", name="On another device").click()
    laptop.page.get_by_text("Cannot scan?").click()
    return laptop.page.locator("#link").inner_text()


def begin(laptop: Visitor) -> str:
    """Come from chat and ask for another device; return its link."""
    laptop.come_from_chat()
    return ask_for_another_device(laptop)


def code_on(page: Page) -> str:
    (code,) = re.findall(r"[2-9A-Z]{3}-[2-9A-Z]{3}", page.locator(".match").inner_text())
    return str(code)


def accept(phone: Visitor, link: str) -> None:
    """Open the link on the phone, and say that the sign-in is one's own."""
    phone.page.goto(link)
    phone.page.get_by_role("checkbox").check()
    phone.page.get_by_role("button", name="Yes, it is mine").click()


def prove(phone: Visitor) -> None:
    phone.choose_wallet()
    expect(heading(phone.page)).to_have_text("Confirmed")


def is_at_the_door(world: World, visitor: Visitor) -> bool:
    """Tell whether this browser is signed in to nothing at the bridge."""
    visitor.page.goto(f"{world.bridge.issuer}/account")
    expect(heading(visitor.page)).to_have_text("Your account")
    door = visitor.page.get_by_role("button", name="Sign in with your wallet")
    return door.is_visible()


# ---- the whole way


def test_the_phone_proves_and_the_laptops_tab_moves_on_by_itself(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    laptop, phone = a_visitor(), a_visitor(signer=wallet)
    link = begin(laptop)
    phone.page.goto(link)
    codes = [code_on(laptop.page), code_on(phone.page)]

    accept(phone, link)
    expect(laptop.page.get_by_role("status")).to_contain_text("Opened on")
    prove(phone)
    expect(laptop.page.get_by_role("main")).to_contain_text(mxid_of(wallet))  # nobody pressed
    laptop.allow()

    assert laptop.arrive().user_id == mxid_of(wallet)
    assert codes[0] == codes[1]
    (signed,) = wallet.signed
    assert f"which shows {codes[0]}" in signed["message"]
    assert is_at_the_door(world, phone)
    assert not is_at_the_door(world, laptop)


def test_the_laptop_needs_no_javascript(world: World, a_visitor: MakeVisitor) -> None:
    wallet = SignsAs(new_person())
    laptop, phone = a_visitor(java_script_enabled=False), a_visitor(signer=wallet)
    laptop.page.goto(world.sign_in_url)
    link = ask_for_another_device(laptop)
    accept(phone, link)
    prove(phone)

    laptop.page.get_by_role("button", name="Continue").click()  # the page reloads itself

    expect(laptop.page.get_by_role("button", name=ALLOW)).to_be_visible()
    expect(laptop.page.get_by_role("main")).to_contain_text(mxid_of(wallet))


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_picture_is_the_link(a_visitor: MakeVisitor, colours: str) -> None:
    laptop = a_visitor(color_scheme=colours, device_scale_factor=3)
    link = begin(laptop)
    drawn = drawn_on(laptop.page)

    assert drawn == modules_of(link)


# ---- saying no


def test_no_on_the_phone_is_told_on_the_laptop(a_visitor: MakeVisitor) -> None:
    laptop, phone = a_visitor(), a_visitor(signer=SignsAs(new_person()))
    link = begin(laptop)

    phone.page.goto(link)
    phone.page.get_by_role("button", name="No, stop it").click()

    expect(heading(phone.page)).to_have_text("Stopped")
    expect(laptop.page.get_by_role("alert")).to_contain_text("Stopped on")
    expect(laptop.page.get_by_role("button", name="Get a new code")).to_be_visible()
    expect(laptop.page.locator(".qr")).to_be_hidden()


# ---- nobody else


def test_an_attacker_who_has_every_address_gets_nothing(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    laptop, phone = a_visitor(), a_visitor(signer=wallet)
    mallory = a_visitor(signer=SignsAs(new_person()))
    link = begin(laptop)
    address = laptop.page.url
    accept(phone, link)
    expect(laptop.page.get_by_role("status")).to_contain_text("Opened on")
    assert laptop.page.evaluate(_FETCH_STATUS, f"{address}/state") == 200
    # The laptop hears nothing for a while, so that the proof lies there for whoever may take it.
    laptop.page.route("**/elsewhere/state", lambda route: route.abort())
    prove(phone)
    expect(laptop.page.get_by_role("alert")).to_contain_text("We could not be reached")

    late = mallory.page.goto(link)
    assert late
    assert late.status == 410
    expect(heading(mallory.page)).to_have_text("This link is used up")
    mallory.come_from_chat()  # a sign-in of their own: a cookie, and a form's token that is good
    expect(mallory.page.get_by_role("button", name="Leather")).to_be_visible()
    assert mallory.page.evaluate(_FETCH_STATUS, f"{address}/state") == 404
    assert mallory.page.evaluate(_POST_STATUS, f"{address}/take") == 404
    assert is_at_the_door(world, mallory)

    laptop.page.unroute("**/elsewhere/state")
    expect(laptop.page.get_by_role("main")).to_contain_text(mxid_of(wallet))
    laptop.allow()
    assert laptop.arrive().user_id == mxid_of(wallet)
