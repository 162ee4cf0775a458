"""The admin pages as those who look after the server see them, like `test_pages`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.fake_names import FakeNames
from tests.live.loopback import CHAT_HOST
from tests.live.person import SignsAs, Visitor
from tests.live.test_pages import (
    USER_AGENT,
    MakeVisitor,
    look_at,
    sign_in_to_account,
    sign_out,
)
from tests.live.test_whitelist import TEAM
from tests.live.wallet import new_person
from tests.live.world import World

LISTED = "https://listed.example"
SCOPED = "https://scoped.example"


def become_owner(world: World, visitor: Visitor, wallet: SignsAs) -> None:
    """Sign in to an app, which leaves something to look at, and get a role."""
    visitor.sign_in(remember=True)
    world.bridge.run("admin", "add", wallet.stx_address, "--role", "owner")


def at_admin(path: str) -> Callable[[World, Visitor, SignsAs, FakeNames], None]:
    """Return how an owner comes to an admin page."""

    def go(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
        become_owner(world, visitor, wallet)
        visitor.page.goto(f"{world.bridge.issuer}/admin{path}")
        expect(visitor.page.get_by_role("navigation", name="Admin")).to_be_visible()

    return go


def at_admin_person(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    at_admin(f"/people?find={wallet.stx_address}")(world, visitor, wallet, names)
    visitor.page.get_by_role("rowheader").get_by_role("link").first.click()
    expect(visitor.page.get_by_role("button", name="Block…")).to_be_visible()


def at_admin_blocked(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """Another person, who is blocked, with a note."""
    first = wallet.person
    sign_in_to_account(world, visitor)
    sign_out(world, visitor)
    wallet.person = new_person()
    at_admin(f"/people?find={first.stx_address}")(world, visitor, wallet, names)
    visitor.page.get_by_role("rowheader").get_by_role("link").first.click()
    visitor.page.get_by_label("For those who look after").fill("Called on Monday.")
    visitor.page.get_by_role("button", name="Save the note").click()
    visitor.page.get_by_role("button", name="Block…").click()
    visitor.page.get_by_role("button", name="Block them").click()
    expect(visitor.page.get_by_role("button", name="Unblock")).to_be_visible()


def at_admin_why(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    at_admin_person(world, visitor, wallet, names)
    visitor.page.get_by_role("link", name="Why can’t they sign in?").click()
    visitor.page.get_by_label("Address of the app").fill("https://app.element.io")
    visitor.page.get_by_role("button", name="Look").click()
    expect(visitor.page.get_by_text("What each rule says")).to_be_visible()


def at_admin_client(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    at_admin("/clients")(world, visitor, wallet, names)
    visitor.page.get_by_role("rowheader").get_by_role("link").first.click()
    visitor.page.get_by_text("What Synapse must be told").click()


def at_admin_client_addresses(
    world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames
) -> None:
    """Of a Synapse that runs with the YAML that it was given."""
    at_admin("/clients/synapse")(world, visitor, wallet, names)
    visitor.page.get_by_role("button", name="Do its addresses answer?").click()
    expect(visitor.page.get_by_role("cell", name="Good.")).to_have_count(3)


def at_admin_client_trial(
    world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames
) -> None:
    """Of whoever looks; the link begins the real sign-in, which ends at the app."""
    at_admin("/clients/synapse")(world, visitor, wallet, names)
    visitor.page.get_by_role("link", name="Test a sign-in").click()
    visitor.page.get_by_label("Person").fill(wallet.stx_address)
    visitor.page.get_by_label("Address of the chat app").fill(world.chat_url)
    visitor.page.get_by_role("button", name="Look").click()
    expect(visitor.page.get_by_text("Yes, at once")).to_be_visible()
    here = visitor.page.url
    visitor.page.get_by_role("link", name="Begin at").click()
    visitor.arrive()
    visitor.page.goto(here)


def at_admin_client_preview(
    world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames
) -> None:
    """Of a MAS that nobody has set up."""
    at_admin("/clients/new")(world, visitor, wallet, names)
    visitor.page.get_by_label("Public address of MAS").fill("https://account.invalid")
    form = visitor.page.locator("form", has_text="Public address of MAS")
    form.get_by_label("Server name").fill("example.org")
    form.get_by_label("Client id").fill(f"mas-{wallet.stx_address}")
    form.get_by_role("button", name="Look at this MAS").click()
    expect(visitor.page.get_by_role("cell", name="Not good.").first).to_be_visible()


def at_admin_secret(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    at_admin_client_preview(world, visitor, wallet, names)
    visitor.page.get_by_role("button", name="Register it").click()
    expect(visitor.page.get_by_text("shown this once")).to_be_visible()


def at_admin_role_give(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    at_admin("/roles")(world, visitor, wallet, names)
    visitor.page.get_by_label("Person").fill(wallet.stx_address)
    visitor.page.get_by_role("button", name="Show me who that is").click()
    expect(visitor.page.get_by_role("button", name="Yes, make them auditor")).to_be_visible()


def at_admin_role_fault(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    at_admin("/roles")(world, visitor, wallet, names)
    visitor.page.get_by_label("Person").fill("nobody-goes-by-this")
    visitor.page.get_by_role("button", name="Show me who that is").click()
    expect(visitor.page.get_by_text("Nobody has signed in here by this")).to_be_visible()


def at_admin_requests(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """Two people wait, one of them the owner who looks."""
    wait_for(TEAM, world, visitor)
    sign_out(world, visitor)
    wallet.person = new_person()
    wait_for(TEAM, world, visitor)
    world.bridge.run("admin", "add", wallet.stx_address, "--role", "owner")
    visitor.page.goto(f"{world.bridge.issuer}/admin/requests")
    expect(visitor.page.get_by_role("checkbox").nth(1)).to_be_visible()


def at_auditor_requests(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """The same for whoever may only read it."""
    wait_for(TEAM, world, visitor)
    world.bridge.run("admin", "add", wallet.stx_address, "--role", "auditor")
    visitor.page.goto(f"{world.bridge.issuer}/admin/requests")
    expect(visitor.page.get_by_role("table", name="Who waits")).to_be_visible()
    expect(visitor.page.get_by_role("checkbox")).to_have_count(0)


def at_admin_request_fault(
    world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames
) -> None:
    at_admin_requests(world, visitor, wallet, names)
    visitor.page.get_by_role("checkbox").first.check()
    visitor.page.get_by_role("button", name="Decline those ticked").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("Give a reason")
    expect(visitor.page.get_by_role("checkbox").first).to_be_checked()


def at_admin_quicker(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """The command line was quicker with one of two."""
    at_admin_requests(world, visitor, wallet, names)
    first = visitor.page.get_by_role("checkbox").first.get_attribute("value") or ""
    world.bridge.run("request", "decline", "--reason", "For the team only, sorry.", "--", first)
    for box in visitor.page.get_by_role("checkbox").all()[:2]:
        box.check()
    visitor.page.get_by_role("button", name="Approve those ticked").click()
    expect(visitor.page.get_by_role("heading", name="Somebody else was quicker")).to_be_visible()


def wait_for(app: str, world: World, visitor: Visitor) -> None:
    world.bridge.run("app", "allow", app, "--for-listed-people")
    visitor.come_from_chat(app)
    visitor.choose_wallet()
    visitor.page.get_by_role("button", name="Ask for access").click()
    expect(visitor.page.get_by_role("heading", name="You have asked for access")).to_be_visible()


def at_admin_list(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """A list with all kinds of entries, one of which was just added."""
    world.bridge.run("app", "allow", LISTED, "--for-listed-people")
    entries = ("*.team.btc", wallet.stx_address)
    world.bridge.run("app", "admit", LISTED, "--note", "The team, in a long note", *entries)
    at_admin(f"/apps/list?app={LISTED}")(world, visitor, wallet, names)
    visitor.page.get_by_label("Who", exact=True).fill(new_person().stx_address)
    visitor.page.get_by_label("Until").fill("2099-01-31")
    visitor.page.get_by_role("button", name="Add", exact=True).click()
    expect(visitor.page.get_by_role("button", name="Take it back")).to_be_visible()


def at_admin_preview(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    at_admin_list(world, visitor, wallet, names)
    lines = "bob.btc,2099-01-31,a note\n@carol:example.org\ncarol.btc,2020-01-01\nann.btc\n"
    visitor.page.get_by_label("One on each line").fill(lines)
    visitor.page.get_by_role("button", name="Look at it first").click()
    expect(visitor.page.get_by_role("heading", name="2 lines that cannot")).to_be_visible()


def at_admin_app(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """An app whose rule was just changed."""
    world.bridge.run("app", "allow", LISTED, "--for-listed-people")
    at_admin(f"/apps/one?app={LISTED}")(world, visitor, wallet, names)
    visitor.page.get_by_label("Note").fill(f"changed {wallet.stx_address}")
    visitor.page.get_by_role("button", name="Save the rule").click()
    expect(visitor.page.get_by_role("button", name="Take it back")).to_be_visible()


def at_admin_clash(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """The command line ruled while the page was open."""
    world.bridge.run("app", "allow", LISTED, "--for-listed-people")
    at_admin(f"/apps/one?app={LISTED}")(world, visitor, wallet, names)
    world.bridge.run("app", "allow", LISTED, "--note", f"quicker {wallet.stx_address}")
    visitor.page.get_by_role("button", name="Save the rule").click()
    expect(visitor.page.get_by_role("heading", name="Somebody was quicker")).to_be_visible()


def at_admin_add(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """An app whose site is nowhere."""
    at_admin("/apps")(world, visitor, wallet, names)
    visitor.page.get_by_label("Its address").fill("https://shop.invalid")
    visitor.page.get_by_role("button", name="Look at it first").click()
    expect(visitor.page.get_by_text("Nothing answers there")).to_be_visible()


def at_admin_scopes(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """What was just said of an app's scopes."""
    world.bridge.run("app", "allow", SCOPED)
    at_admin(f"/apps/scopes?app={SCOPED}")(world, visitor, wallet, names)
    visitor.page.get_by_label("May it have this?").nth(1).select_option("never")
    visitor.page.get_by_label("Why").nth(1).fill(f"So that {wallet.stx_address} is known by name.")
    visitor.page.get_by_role("button", name="Save").click()
    expect(visitor.page.get_by_role("button", name="Take it back")).to_be_visible()


def at_admin_scopes_clash(
    world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames
) -> None:
    """Two have the page open, and the other one saved first."""
    at_admin_scopes(world, visitor, wallet, names)
    other = visitor.page.context.new_page()
    other.goto(visitor.page.url)
    other.get_by_label("May it have this?").first.select_option("never")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_role("button", name="Take it back")).to_be_visible()
    other.close()
    visitor.page.get_by_label("Why").nth(2).fill("x\N{ZERO WIDTH SPACE}" + "y" * 290)
    visitor.page.get_by_role("button", name="Save").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("Nothing was kept.")
    visitor.page.get_by_label("Why").nth(2).fill("To write to you.")
    visitor.page.get_by_role("button", name="Save").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("Somebody was quicker.")


PAGES: dict[str, Callable[[World, Visitor, SignsAs, FakeNames], None]] = {
    "admin-home": at_admin(""),
    "admin-roles": at_admin("/roles"),
    "admin-role-give": at_admin_role_give,
    "admin-role-fault": at_admin_role_fault,
    "admin-apps": at_admin("/apps?sort=people&way=down"),
    "admin-app-add": at_admin_add,
    "admin-app-scopes": at_admin_scopes,
    "admin-app-scopes-clash": at_admin_scopes_clash,
    "admin-app-events": at_admin(f"/apps/events?app=https://{CHAT_HOST}"),
    "admin-app": at_admin_app,
    "admin-app-clash": at_admin_clash,
    "admin-list": at_admin_list,
    "admin-list-preview": at_admin_preview,
    "admin-requests": at_admin_requests,
    "admin-requests-auditor": at_auditor_requests,
    "admin-requests-fault": at_admin_request_fault,
    "admin-requests-quicker": at_admin_quicker,
    "admin-requests-decided": at_admin("/requests?show=decided"),
    "admin-people": at_admin("/people"),
    "admin-people-nobody": at_admin("/people?find=nobody-goes-by-this"),
    "admin-person": at_admin_person,
    "admin-person-blocked": at_admin_blocked,
    "admin-why": at_admin_why,
    "admin-events": at_admin("/events?kind="),
    "admin-clients": at_admin("/clients"),
    "admin-client": at_admin_client,
    "admin-client-addresses": at_admin_client_addresses,
    "admin-client-trial": at_admin_client_trial,
    "admin-client-preview": at_admin_client_preview,
    "admin-client-new": at_admin("/clients/new"),
    "admin-client-secret": at_admin_secret,
    "admin-keys": at_admin("/keys"),
    "admin-health": at_admin("/health"),
}


@pytest.mark.parametrize("name", PAGES)
def test_an_admin_page_is_good_in_every_size_and_colour(
    name: str,
    world: World,
    a_visitor: MakeVisitor,
    a_name_service: FakeNames,
    pictures_folder: Path,
) -> None:
    wallet = SignsAs(new_person())
    visitor = a_visitor(signer=wallet, reduced_motion="reduce", user_agent=USER_AGENT)
    PAGES[name](world, visitor, wallet, a_name_service)

    look_at(visitor.page, name, pictures_folder)
