"""The whitelist's pages as people see them, like `test_pages`."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.live.person import SignsAs, Visitor
from tests.live.test_pages import USER_AGENT, look_at
from tests.live.test_whitelist import BOT, SHUT, TEAM, ask_to_confirm, sign_in_to
from tests.live.wallet import new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]


def at_unknown(world: World, visitor: Visitor) -> None:
    visitor.come_from_chat(BOT)
    visitor.choose_wallet()
    expect(visitor.page.get_by_role("main")).to_contain_text("you decide.")


def at_unknown_again(world: World, visitor: Visitor) -> None:
    visitor.sign_in()
    sign_in_to(visitor, BOT)
    visitor.come_from_chat(BOT)
    expect(visitor.page.get_by_role("main")).to_contain_text("Until now it knew you as")


def at_alone(world: World, visitor: Visitor) -> None:
    """An app that knew somebody as themselves and may not any more."""
    world.bridge.run("app", "allow", TEAM, "--for-everyone")
    visitor.sign_in()
    sign_in_to(visitor, TEAM, remember=True)
    world.bridge.run("app", "alone", TEAM)
    visitor.come_from_chat(TEAM)
    expect(visitor.page.get_by_role("heading", name="Why we ask again")).to_be_visible()


def at_denied(world: World, visitor: Visitor) -> None:
    world.bridge.run("app", "deny", SHUT)
    visitor.come_from_chat(SHUT)
    visitor.choose_wallet()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("can’t be used here")


def at_not_listed(world: World, visitor: Visitor) -> None:
    world.bridge.run("app", "allow", TEAM, "--for-listed-people")
    visitor.come_from_chat(TEAM)
    visitor.choose_wallet()
    expect(visitor.page.get_by_role("button", name="Ask for access")).to_be_visible()


def at_asked(world: World, visitor: Visitor) -> None:
    at_not_listed(world, visitor)
    visitor.page.get_by_role("button", name="Ask for access").click()
    expect(visitor.page.get_by_role("heading", name="You have asked for access")).to_be_visible()


def at_declined(world: World, visitor: Visitor) -> None:
    at_asked(world, visitor)
    (waiting,) = re.findall(r"(?m)^(\S+)  .*$", world.bridge.run("request", "list"))[-1:]
    world.bridge.run("request", "decline", waiting, "--reason", "For the team only, sorry.")
    visitor.page.reload()
    expect(visitor.page.get_by_role("main")).to_contain_text("“For the team only, sorry.”")


def at_which_id(world: World, visitor: Visitor) -> None:
    oneself = visitor.sign_in(remember=True)
    sign_in_to(visitor, BOT, remember=True)
    ask_to_confirm(world, visitor, oneself)


PAGES: dict[str, Callable[[World, Visitor], None]] = {
    "consent-unknown": at_unknown,
    "consent-unknown-again": at_unknown_again,
    "consent-alone": at_alone,
    "refused-denied": at_denied,
    "refused-not-listed": at_not_listed,
    "refused-asked": at_asked,
    "refused-declined": at_declined,
    "persona": at_which_id,
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_about_who_may_is_good_in_every_size_and_colour(
    name: str, world: World, a_visitor: MakeVisitor, pictures_folder: Path
) -> None:
    wallet = SignsAs(new_person())
    visitor = a_visitor(signer=wallet, reduced_motion="reduce", user_agent=USER_AGENT)
    PAGES[name](world, visitor)

    look_at(visitor.page, name, pictures_folder)
