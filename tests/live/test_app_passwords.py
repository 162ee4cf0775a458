"""An app password in Chromium: made by somebody, used by two programs, taken back."""

import re
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import expect

from tests.live.keyboard import press, tab_to
from tests.live.person import SignsAs, Visitor
from tests.live.qr import drawn_on, modules_of
from tests.live.wallet import new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]


def arrive(world: World, visitor: Visitor) -> None:
    """Sign in at the account page, and go to the app passwords."""
    visitor.page.goto(f"{world.bridge.issuer}/account")
    visitor.page.get_by_role("button", name="Sign in with your wallet").click()
    visitor.choose_wallet()
    visitor.page.get_by_role("link", name="App passwords").click()


def make(visitor: Visitor, label: str) -> str:
    """Fill in the form; return what the page shows."""
    visitor.page.get_by_label("Name", exact=True).fill(label)
    visitor.page.get_by_role("checkbox", name="Your display name").check()
    visitor.page.get_by_role("button", name="Make it").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Your new app password")
    return visitor.page.locator("#secret").inner_text()


def exchange(world: World, secret: str) -> requests.Response:
    form = {
        "grant_type": "refresh_token",
        "client_id": "app-password",
        "refresh_token": secret,
    }
    return requests.post(f"{world.bridge.issuer}/token", data=form, timeout=10)


def opens(world: World, access_token: str) -> bool:
    headers = {"Authorization": f"Bearer {access_token}"}
    return requests.get(f"{world.bridge.issuer}/userinfo", headers=headers, timeout=10).ok


def test_two_programs_use_it_and_the_button_stops_both(
    world: World, a_visitor: MakeVisitor
) -> None:
    ann = a_visitor(signer=SignsAs(new_person()))
    arrive(world, ann)
    secret = make(ann, "agenda")
    one, other = (exchange(world, secret).json()["access_token"] for _ in range(2))
    assert opens(world, one)
    assert opens(world, other)

    ann.page.get_by_role("link", name="I have kept it").click()
    ann.page.get_by_role("button", name="End… agenda").click()
    ann.page.get_by_role("button", name="End this app password").click()

    expect(ann.page.get_by_role("status")).to_contain_text("Ended")
    assert exchange(world, secret).json()["error"] == "invalid_grant"
    assert not opens(world, one)
    assert not opens(world, other)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_picture_is_the_text(world: World, a_visitor: MakeVisitor, colours: str) -> None:
    ann = a_visitor(signer=SignsAs(new_person()), color_scheme=colours, device_scale_factor=3)
    arrive(world, ann)

    secret = make(ann, "phone")

    assert drawn_on(ann.page) == modules_of(secret)


def test_the_button_copies_the_text(world: World, a_visitor: MakeVisitor) -> None:
    ann = a_visitor(signer=SignsAs(new_person()), permissions=["clipboard-read", "clipboard-write"])
    arrive(world, ann)
    secret = make(ann, "clipboard")

    ann.page.get_by_role("button", name="Copy the app password").click()

    expect(ann.page.get_by_role("button", name="Copied")).to_be_visible()
    assert ann.page.evaluate("navigator.clipboard.readText()") == secret


def test_a_reload_shows_the_list_and_makes_no_second(world: World, a_visitor: MakeVisitor) -> None:
    ann = a_visitor(signer=SignsAs(new_person()))
    arrive(world, ann)
    secret = make(ann, "reloaded")

    ann.page.reload()  # Chromium posts the form again

    expect(ann.page.get_by_role("heading", level=1)).to_have_text("App passwords")
    expect(ann.page.get_by_role("heading", name="reloaded")).to_have_count(1)
    assert secret not in ann.page.content()
    ann.page.go_back()
    assert secret not in ann.page.content()


def test_all_of_it_works_by_keyboard_alone(world: World, a_visitor: MakeVisitor) -> None:
    ann = a_visitor(signer=SignsAs(new_person()))
    arrive(world, ann)
    page = ann.page

    tab_to(page.get_by_label("Name", exact=True))
    page.keyboard.type("by keyboard")
    press(page.get_by_role("checkbox", name=re.compile("^Your ID")), "Space")
    press(page.get_by_role("button", name="Make it"))

    expect(page.locator("#secret")).to_contain_text("abp_")
    press(page.get_by_role("link", name="I have kept it"))
    press(page.get_by_role("button", name="End… by keyboard"))
    press(page.get_by_role("button", name="End this app password"))
    expect(page.get_by_role("status")).to_contain_text("Ended")
