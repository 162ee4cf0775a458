"""The admin pages as those who look after the server see them, like `test_pages`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.live.browser import put_wallet_into
from tests.live.loopback import CHAT_HOST
from tests.live.person import SignsAs, Visitor
from tests.live.test_pages import (
    USER_AGENT,
    MakeVisitor,
    look_at,
    sign_in_to_account,
)
from tests.live.test_whitelist import TEAM
from tests.live.wallet import new_person
from tests.live.world import World

LISTED = "https://listed.example"
SCOPED = "https://scoped.example"


Owner = tuple[SignsAs, StorageState]
"""An owner's wallet, and a browser profile in which they are signed in."""
State = Callable[[World, Visitor, MakeVisitor], None]
"""How an owner comes to a page, with others who do something first."""


@pytest.fixture(scope="module")
def an_owner(world: World, browser: Browser) -> Owner:
    """Somebody who signed in to an app, which leaves something to look at, and got a role."""
    wallet = SignsAs(new_person())
    with browser.new_context(ignore_https_errors=True, user_agent=USER_AGENT) as context:
        put_wallet_into(context, None, signer=wallet)
        Visitor(world, context).sign_in(remember=True)
        state = context.storage_state()
    world.bridge.run("admin", "add", wallet.stx_address, "--role", "owner")
    return wallet, state


def at_admin(path: str) -> State:
    """Return how an owner comes to an admin page."""

    def go(world: World, owner: Visitor, others: MakeVisitor) -> None:
        owner.page.goto(f"{world.bridge.issuer}/admin{path}")
        expect(owner.page.get_by_role("navigation", name="Admin")).to_be_visible()

    return go


def go_to_person(world: World, owner: Visitor, address: str) -> None:
    owner.page.goto(f"{world.bridge.issuer}/admin/people?find={address}")
    owner.page.get_by_role("rowheader").get_by_role("link").first.click()
    expect(owner.page.get_by_role("button", name="Block…")).to_be_visible()


def at_admin_person(world: World, owner: Visitor, others: MakeVisitor) -> None:
    ann = SignsAs(new_person())
    others(signer=ann).sign_in(remember=True)
    go_to_person(world, owner, ann.address)


def at_admin_blocked(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """Somebody who is blocked, with a note."""
    ann = SignsAs(new_person())
    sign_in_to_account(world, others(signer=ann))
    go_to_person(world, owner, ann.address)
    owner.page.get_by_label("For those who look after").fill("Called on Monday.")
    owner.page.get_by_role("button", name="Save the note").click()
    owner.page.get_by_role("button", name="Block…").click()
    owner.page.get_by_role("button", name="Block them").click()
    expect(owner.page.get_by_role("button", name="Unblock")).to_be_visible()


def at_admin_why(world: World, owner: Visitor, others: MakeVisitor) -> None:
    at_admin_person(world, owner, others)
    owner.page.get_by_role("link", name="Why can’t they sign in?").click()
    owner.page.get_by_label("Address of the app").fill("https://app.element.io")
    owner.page.get_by_role("button", name="Look").click()
    expect(owner.page.get_by_text("What each rule says")).to_be_visible()


def at_admin_client(world: World, owner: Visitor, others: MakeVisitor) -> None:
    at_admin("/clients/synapse")(world, owner, others)
    owner.page.get_by_text("What Synapse must be told").click()


def at_admin_client_addresses(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """Of a Synapse that runs with the YAML that it was given."""
    at_admin("/clients/synapse")(world, owner, others)
    owner.page.get_by_role("button", name="Do its addresses answer?").click()
    expect(owner.page.get_by_role("cell", name="Good.")).to_have_count(3)


def at_admin_client_trial(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """Of somebody; the link begins a real sign-in of whoever looks, which ends at the app."""
    ann = SignsAs(new_person())
    others(signer=ann).sign_in(remember=True)
    at_admin("/clients/synapse")(world, owner, others)
    owner.page.get_by_role("link", name="Test a sign-in").click()
    owner.page.get_by_label("Person").fill(ann.address)
    owner.page.get_by_label("Address of the chat app").fill(world.chat_url)
    owner.page.get_by_role("button", name="Look").click()
    expect(owner.page.get_by_text("Yes, at once")).to_be_visible()
    here = owner.page.url
    owner.page.get_by_role("link", name="Begin at").click()
    owner.arrive()
    owner.page.goto(here)


def at_admin_client_new(world: World, owner: Visitor, others: MakeVisitor) -> None:
    at_admin("/clients/new")(world, owner, others)
    if owner.page.get_by_text("first confirm with your wallet").is_visible():
        owner.page.get_by_role("button", name="Confirm with your wallet").click()
        owner.choose_wallet()
    expect(owner.page.get_by_role("button", name="Look at this Synapse")).to_be_visible()


def at_admin_client_preview(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """Of a MAS that nobody has set up."""
    at_admin_client_new(world, owner, others)
    owner.page.get_by_label("Public address of MAS").fill("https://account.invalid")
    form = owner.page.locator("form", has_text="Public address of MAS")
    form.get_by_label("Server name").fill("example.org")
    form.get_by_label("Client id").fill(f"mas-{new_person().account}")
    form.get_by_role("button", name="Look at this MAS").click()
    expect(owner.page.get_by_role("cell", name="Not good.").first).to_be_visible()


def at_admin_secret(world: World, owner: Visitor, others: MakeVisitor) -> None:
    at_admin_client_preview(world, owner, others)
    owner.page.get_by_role("button", name="Register it").click()
    expect(owner.page.get_by_text("shown this once")).to_be_visible()


def at_admin_secrets(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """Of a client that has two, of which one can be ended."""
    client_id = f"two-{new_person().account}"
    world.bridge.run("client", "add", client_id, "--redirect-uri", "https://two.invalid/back")
    world.bridge.run("client", "secret", client_id)
    at_admin(f"/clients/{client_id}")(world, owner, others)
    expect(owner.page.get_by_role("button", name="End it")).to_have_count(2)


def at_admin_role_change(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """An app manager's apps stand in the form."""
    ann = SignsAs(new_person())
    others(signer=ann).sign_in(remember=True)
    role = ("--role", "app manager", "--app", LISTED, "--app", SCOPED)
    world.bridge.run("admin", "add", ann.stx_address, *role)
    at_admin("/roles")(world, owner, others)
    owner.page.get_by_role("link", name=f"Change… {ann.stx_address}").click()
    expect(owner.page.get_by_label("Apps of an app manager")).to_have_value(f"{LISTED} {SCOPED}")


def at_admin_role_take(world: World, owner: Visitor, others: MakeVisitor) -> None:
    at_admin_role_change(world, owner, others)
    owner.page.get_by_role("button", name="Take away…").last.click()
    expect(owner.page.get_by_text(f"They are app manager: {LISTED}")).to_be_visible()


def at_admin_role_give(world: World, owner: Visitor, others: MakeVisitor) -> None:
    ann = SignsAs(new_person())
    others(signer=ann).sign_in(remember=True)
    at_admin("/roles")(world, owner, others)
    owner.page.get_by_label("Person").fill(ann.address)
    owner.page.get_by_role("button", name="Show me who that is").click()
    expect(owner.page.get_by_role("button", name="Yes, make them auditor")).to_be_visible()


def at_admin_role_fault(world: World, owner: Visitor, others: MakeVisitor) -> None:
    at_admin("/roles")(world, owner, others)
    owner.page.get_by_label("Person").fill("nobody-goes-by-this")
    owner.page.get_by_role("button", name="Show me who that is").click()
    expect(owner.page.get_by_text("Nobody has signed in here by this")).to_be_visible()


def at_admin_requests(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """Two people wait."""
    at_admin("/requests")(world, owner, others)
    for _ in range(2 - owner.page.get_by_role("checkbox").count()):
        ask_for_access(world, others(signer=SignsAs(new_person())))
    owner.page.reload()
    expect(owner.page.get_by_role("checkbox").nth(1)).to_be_visible()


def ask_for_access(world: World, somebody: Visitor) -> None:
    world.bridge.run("app", "allow", TEAM, "--for-listed-people")
    somebody.come_from_chat(TEAM)
    somebody.choose_wallet()
    somebody.page.get_by_role("button", name="Ask for access").click()
    expect(somebody.page.get_by_role("heading", name="You have asked for access")).to_be_visible()


def at_admin_request_fault(world: World, owner: Visitor, others: MakeVisitor) -> None:
    at_admin_requests(world, owner, others)
    owner.page.get_by_role("checkbox").first.check()
    owner.page.get_by_role("button", name="Decline those ticked").click()
    expect(owner.page.get_by_role("alert")).to_contain_text("Give a reason")
    expect(owner.page.get_by_role("checkbox").first).to_be_checked()


def at_admin_quicker(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """The command line was quicker with one of two."""
    at_admin_requests(world, owner, others)
    first = owner.page.get_by_role("checkbox").first.get_attribute("value") or ""
    world.bridge.run("request", "decline", "--reason", "For the team only, sorry.", "--", first)
    for box in owner.page.get_by_role("checkbox").all()[:2]:
        box.check()
    owner.page.get_by_role("button", name="Approve those ticked").click()
    expect(owner.page.get_by_role("heading", name="Somebody else was quicker")).to_be_visible()


def at_admin_list(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """A list with all kinds of entries, one of which was just added."""
    world.bridge.run("app", "allow", LISTED, "--for-listed-people")
    entries = ("*.team.btc", new_person().stx_address)
    world.bridge.run("app", "admit", LISTED, "--note", "The team, in a long note", *entries)
    at_admin(f"/apps/list?app={LISTED}")(world, owner, others)
    owner.page.get_by_label("Who", exact=True).fill(new_person().stx_address)
    owner.page.get_by_label("Until").fill("2099-01-31")
    owner.page.get_by_role("button", name="Add", exact=True).click()
    expect(owner.page.get_by_role("button", name="Take it back")).to_be_visible()


def at_admin_preview(world: World, owner: Visitor, others: MakeVisitor) -> None:
    at_admin_list(world, owner, others)
    lines = "bob.btc,2099-01-31,a note\n@carol:example.org\ncarol.btc,2020-01-01\nann.btc\n"
    lines += "*.team.btc,2099-01-31,Another note than the one that is there\n"
    owner.page.get_by_label("One on each line").fill(lines)
    owner.page.get_by_role("button", name="Look at it first").click()
    expect(owner.page.get_by_role("heading", name="2 lines that cannot")).to_be_visible()


def at_admin_app(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """An app whose rule was just changed."""
    world.bridge.run("app", "allow", LISTED, "--for-listed-people")
    at_admin(f"/apps/one?app={LISTED}")(world, owner, others)
    owner.page.get_by_label("Note").fill(f"changed {new_person().account}")
    owner.page.get_by_role("button", name="Save the rule").click()
    expect(owner.page.get_by_role("button", name="Take it back")).to_be_visible()


def at_admin_clash(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """The command line ruled while the page was open."""
    world.bridge.run("app", "allow", LISTED, "--for-listed-people")
    at_admin(f"/apps/one?app={LISTED}")(world, owner, others)
    world.bridge.run("app", "allow", LISTED, "--note", f"quicker {new_person().account}")
    owner.page.get_by_role("button", name="Save the rule").click()
    expect(owner.page.get_by_role("heading", name="Somebody was quicker")).to_be_visible()


def at_admin_add(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """An app whose site is nowhere."""
    at_admin("/apps")(world, owner, others)
    owner.page.get_by_label("Its address").fill("https://shop.invalid")
    owner.page.get_by_role("button", name="Look at it first").click()
    expect(owner.page.get_by_text("Nothing answers there")).to_be_visible()


def at_admin_scopes(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """What was just said of an app's scopes."""
    world.bridge.run("app", "allow", SCOPED)
    at_admin(f"/apps/scopes?app={SCOPED}")(world, owner, others)
    owner.page.get_by_label("May it have this?").nth(1).select_option("never")
    owner.page.get_by_label("Why").nth(1).fill(f"So that {new_person().account} is known by name.")
    owner.page.get_by_role("button", name="Save").click()
    expect(owner.page.get_by_role("button", name="Take it back")).to_be_visible()


def at_admin_scopes_clash(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """Two have the page open, and the other one saved first."""
    at_admin_scopes(world, owner, others)
    other = owner.page.context.new_page()
    other.goto(owner.page.url)
    other.get_by_label("May it have this?").first.select_option("never")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_role("button", name="Take it back")).to_be_visible()
    other.close()
    owner.page.get_by_label("Why").nth(2).fill("x\N{ZERO WIDTH SPACE}" + "y" * 290)
    owner.page.get_by_role("button", name="Save").click()
    expect(owner.page.get_by_role("alert")).to_contain_text("Nothing was kept.")
    owner.page.get_by_label("Why").nth(2).fill("To write to you.")
    owner.page.get_by_role("button", name="Save").click()
    expect(owner.page.get_by_role("alert")).to_contain_text("Somebody was quicker.")


def at_admin_note_clash(world: World, owner: Visitor, others: MakeVisitor) -> None:
    """A note was saved in another tab while the page was open."""
    at_admin_person(world, owner, others)
    other = owner.context.new_page()
    other.goto(owner.page.url)
    for page, note in ((other, "Called on Monday.\nCalls back."), (owner.page, "x" * 300)):
        page.get_by_label("For those who look after").fill(note)
        page.get_by_role("button", name="Save the note").click()
        expect(page.get_by_role("navigation", name="Admin")).to_be_visible()
    other.close()
    expect(owner.page.get_by_role("heading", name="Somebody was quicker")).to_be_visible()


def at_admin_block(world: World, owner: Visitor, others: MakeVisitor) -> None:
    at_admin_person(world, owner, others)
    owner.page.get_by_role("button", name="Block…").click()
    expect(owner.page.get_by_role("button", name="Block them")).to_be_visible()


PAGES: dict[str, State] = {
    "admin-home": at_admin(""),
    "admin-roles": at_admin("/roles"),
    "admin-role-change": at_admin_role_change,
    "admin-role-take": at_admin_role_take,
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
    "admin-requests-fault": at_admin_request_fault,
    "admin-requests-quicker": at_admin_quicker,
    "admin-requests-decided": at_admin("/requests?show=decided"),
    "admin-people": at_admin("/people"),
    "admin-people-nobody": at_admin("/people?find=nobody-goes-by-this"),
    "admin-person": at_admin_person,
    "admin-person-block": at_admin_block,
    "admin-person-note-clash": at_admin_note_clash,
    "admin-person-blocked": at_admin_blocked,
    "admin-why": at_admin_why,
    "admin-events": at_admin("/events?kind="),
    "admin-clients": at_admin("/clients"),
    "admin-client": at_admin_client,
    "admin-client-addresses": at_admin_client_addresses,
    "admin-client-trial": at_admin_client_trial,
    "admin-client-preview": at_admin_client_preview,
    "admin-client-new": at_admin_client_new,
    "admin-client-secret": at_admin_secret,
    "admin-client-secrets": at_admin_secrets,
    "admin-keys": at_admin("/keys"),
    "admin-health": at_admin("/health"),
}


@pytest.mark.parametrize("name", PAGES)
def test_an_admin_page_is_good_in_every_size_and_colour(
    name: str,
    world: World,
    an_owner: Owner,
    a_visitor: MakeVisitor,
    pictures_folder: Path,
) -> None:
    wallet, state = an_owner
    owner = a_visitor(
        signer=wallet, storage_state=state, reduced_motion="reduce", user_agent=USER_AGENT
    )
    PAGES[name](world, owner, a_visitor)

    look_at(owner.page, name, pictures_folder)


def test_what_auditors_read_of_requests_is_good_in_every_size_and_colour(
    world: World, a_visitor: MakeVisitor, pictures_folder: Path
) -> None:
    wallet = SignsAs(new_person())
    auditor = a_visitor(signer=wallet, reduced_motion="reduce", user_agent=USER_AGENT)
    ask_for_access(world, auditor)
    world.bridge.run("admin", "add", wallet.stx_address, "--role", "auditor")
    auditor.page.goto(f"{world.bridge.issuer}/admin/requests")
    expect(auditor.page.get_by_role("table", name="Who waits")).to_be_visible()
    expect(auditor.page.get_by_role("checkbox")).to_have_count(0)

    look_at(auditor.page, "admin-requests-auditor", pictures_folder)
