"""Whole ways of those who look after the server, in Chromium, and what comes of them at Synapse.

That each admin page alone is good is held by `test_admin_pages`.
"""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.live.keyboard import press, tab_to
from tests.live.loopback import CLUB_HOST, GUILD_HOST
from tests.live.person import SignsAs, Visitor, mxid_of
from tests.live.test_pages import sign_in_to_account
from tests.live.test_whitelist import sign_in_to
from tests.live.wallet import new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]
MakeOwner = Callable[[], Visitor]

CLUB, GUILD = (f"https://{host}" for host in (CLUB_HOST, GUILD_HOST))
LISTED = "https://many.example.net"


@pytest.fixture
def an_owner(world: World, a_visitor: MakeVisitor) -> MakeOwner:
    """Put an owner in front of a browser of their own, on the first of the admin pages."""

    def make() -> Visitor:
        wallet = SignsAs(new_person())
        owner = a_visitor(signer=wallet)
        sign_in_to_account(world, owner)
        world.bridge.run("admin", "add", wallet.address, "--role", "owner")
        go(owner, world, "")
        return owner

    return make


def go(owner: Visitor, world: World, path: str) -> Page:
    owner.page.goto(f"{world.bridge.issuer}/admin{path}")
    return owner.page


def expect_heading(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


def expect_done(page: Page, words: str) -> None:
    expect(page.get_by_role("status")).to_have_text(words)


def rule(page: Page, say: str, audience: str = "everyone") -> None:
    """Save the rule of the app whose page this is."""
    page.get_by_label("What may it do?").select_option(say)
    page.get_by_label("Who may sign in?").select_option(audience)
    page.get_by_role("button", name="Save the rule").click()


def ask_for_access(somebody: Visitor, note: str) -> None:
    """Ask on the page that refuses."""
    somebody.page.get_by_role("textbox", name="A note to them").fill(note)
    somebody.page.get_by_role("button", name="Ask for access").click()
    expect(somebody.page.get_by_role("heading", name="You have asked for access")).to_be_visible()


# ---- an app, from its address to a sign-in


def test_an_app_is_added_and_its_sign_ins_are_as_its_page_says(
    world: World, a_visitor: MakeVisitor
) -> None:
    owner = a_visitor(signer=SignsAs(new_person()))
    become_owner(world, owner)
    page, wallet = owner.page, SignsAs(new_person())
    ann = a_visitor(signer=wallet)

    page.get_by_role("link", name="Apps").click()
    page.get_by_label("Its address").fill(f"{CLUB}/")
    page.get_by_role("button", name="Look at it first").click()
    expect_heading(page, f"Add {CLUB}")
    rule(page, "deny")
    expect_done(page, "Rule saved.")
    ann.come_from_chat(CLUB)
    ann.choose_wallet()
    expect_heading(ann.page, f"{CLUB_HOST} can’t be used here")

    rule(page, "allow", "listed")
    expect_done(page, "Rule saved.")
    ann.come_from_chat(CLUB)
    expect_heading(ann.page, f"You can’t use {CLUB_HOST} yet")
    page.get_by_role("link", name="Who may sign in").click()
    page.get_by_label("Who", exact=True).fill(wallet.address)
    page.get_by_role("button", name="Add", exact=True).click()
    expect_done(page, "1 entry new or changed.")

    assert sign_in_to(ann, CLUB).user_id == mxid_of(wallet)
    page.get_by_role("link", name="Apps").click()
    expect(page.get_by_role("row", name=CLUB)).to_contain_text("allow, listed people 1")


def become_owner(world: World, visitor: Visitor) -> None:
    """Do with the token what the command line says."""
    printed = world.bridge.run("admin", "token")
    (token,) = re.findall(r"\b[A-Za-z0-9_-]{43}\b", printed)
    page = go(visitor, world, "/token")
    page.get_by_role("button", name="Sign in with your wallet").click()
    visitor.choose_wallet()
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Become an owner").click()
    expect_heading(page, "Looking after Test ID")


# ---- five thousand people

_PEOPLE = 5_000
_FAULTS = {7: "@carol:example.org", 1_000: "dora.btc,2020-01-01", _PEOPLE: "a.btc,,a note,more"}
_MANY = "".join(
    f"{_FAULTS.get(line, f'person{line:05}.btc,2099-01-31,team {line}')}\r\n"
    for line in range(1, _PEOPLE + 1)
)


def paste(page: Page) -> None:
    page.context.grant_permissions(["clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", _MANY)
    page.get_by_label("One on each line").focus()
    page.keyboard.press("Control+V")


def choose_file(page: Page) -> None:
    what = {"name": "people.csv", "mimeType": "text/csv", "buffer": f"\ufeff{_MANY}".encode()}
    page.get_by_label("Or a file").set_input_files(what)  # type: ignore[arg-type]


@pytest.mark.parametrize("give", [paste, choose_file])
def test_five_thousand_people_are_looked_at_kept_and_taken_back(
    world: World, an_owner: MakeOwner, give: Callable[[Page], None]
) -> None:
    world.bridge.run("app", "allow", LISTED, "--for-listed-people")
    owner = an_owner()
    page = go(owner, world, f"/apps/list?app={LISTED}")

    give(page)
    page.get_by_role("button", name="Look at it first").click()
    expect(page.get_by_role("main")).to_contain_text("4997 entries are new or changed")
    faults = page.get_by_role("region", name="3 lines that cannot be taken")
    for line, what in _FAULTS.items():
        expect(faults.get_by_role("row", name=re.compile(f"^{line} {what}"))).to_be_visible()
    page.get_by_role("button", name="Put 4997 entries on the list and leave the others out").click()
    expect_done(page, "4997 entries new or changed.")
    expect(page.get_by_role("caption")).to_have_text("4997 entries")

    page.get_by_role("button", name="Take it back").click()
    expect_done(page, "Taken back: 4997 entries as before.")
    expect(page.get_by_text("The list is empty.")).to_be_visible()


# ---- two at once


def test_of_two_who_rule_the_second_sees_both_rules_and_chooses(
    world: World, an_owner: MakeOwner
) -> None:
    name = "https://race.example.net"
    first, second = an_owner(), an_owner()
    both = [go(owner, world, f"/apps/one?app={name}") for owner in (first, second)]

    rule(both[0], "deny")
    rule(both[1], "alone", "listed")
    expect_heading(both[1], "Somebody was quicker")
    expect(both[1].get_by_role("region", name="Yours")).to_contain_text("alone")
    theirs = both[1].get_by_role("region", name="What holds now")
    expect(theirs).to_contain_text("deny")
    both[1].get_by_role("button", name="Take yours").click()
    expect_done(both[1], "Rule saved.")
    expect(both[1].get_by_label("What may it do?")).to_have_value("alone")

    rule(both[0], "allow")
    expect_heading(both[0], "Somebody was quicker")
    both[0].get_by_role("link", name="Leave it as it is").click()
    expect_heading(both[0], name)
    expect(both[0].get_by_label("What may it do?")).to_have_value("alone")


def test_of_two_who_decide_a_request_the_second_is_told_what_holds(
    world: World, an_owner: MakeOwner, a_visitor: MakeVisitor
) -> None:
    world.bridge.run("app", "allow", GUILD, "--for-listed-people")
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    ann.come_from_chat(GUILD)
    ann.choose_wallet()
    ask_for_access(ann, f"Two look at {wallet.address}.")
    first, second = an_owner(), an_owner()
    both = [go(owner, world, "/requests") for owner in (first, second)]
    for page in both:
        page.get_by_role("row", name=wallet.address).get_by_role("checkbox").check()

    both[0].get_by_role("button", name="Approve those ticked").click()
    expect_done(both[0], "1 person was let in.")
    both[1].get_by_label("Why not?").fill("We do not know you.")
    both[1].get_by_role("button", name="Decline those ticked").click()

    expect_heading(both[1], "Nothing was decided")
    quicker = both[1].get_by_role("region", name="Somebody else was quicker")
    expect(quicker).to_contain_text("approved by")
    assert sign_in_to(ann, GUILD).user_id == mxid_of(wallet)


# ---- by keys alone


def test_by_keys_alone_who_asked_is_approved_and_gets_in(
    world: World, an_owner: MakeOwner, a_visitor: MakeVisitor
) -> None:
    world.bridge.run("app", "allow", GUILD, "--for-listed-people")
    owner, wallet = an_owner(), SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    ann.come_from_chat(GUILD)
    ann.choose_wallet()
    ask_for_access(ann, f"I am new here: {wallet.address}.")
    page = go(owner, world, "")

    press(page.get_by_role("link", name="Look at them"))
    expect_heading(page, "Requests for access")
    press(page.get_by_role("row", name=wallet.address).get_by_role("checkbox"), "Space")
    press(page.get_by_role("button", name="Approve those ticked"))
    expect_done(page, "1 person was let in.")

    assert sign_in_to(ann, GUILD).user_id == mxid_of(wallet)


def test_by_keys_alone_an_app_is_added(world: World, an_owner: MakeOwner) -> None:
    page = an_owner().page

    press(page.get_by_role("link", name="Apps"))
    tab_to(page.get_by_label("Its address"))
    page.keyboard.type("https://keys.example.net")
    page.keyboard.press("Enter")
    expect_heading(page, "Add https://keys.example.net")
    press(page.get_by_label("What may it do?"), "ArrowDown")
    press(page.get_by_role("button", name="Save the rule"))
    expect_done(page, "Rule saved.")
    expect(page.get_by_label("What may it do?")).to_have_value("allow")
    press(page.get_by_role("button", name="Take it back"))

    expect_done(page, "Taken back: the rule is as it was.")


def test_by_keys_alone_somebody_is_blocked_and_unblocked(
    world: World, an_owner: MakeOwner, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    ann.sign_in(remember=True)
    page = an_owner().page

    press(page.get_by_role("link", name="People"))
    tab_to(page.get_by_label("Find somebody"))
    page.keyboard.type(wallet.address)
    page.keyboard.press("Enter")
    press(page.get_by_role("rowheader").get_by_role("link"))
    press(page.get_by_role("button", name="Block…"))
    press(page.get_by_role("button", name="Block them"))
    expect_done(page, "Blocked, and signed out everywhere.")
    ann.come_from_chat()
    ann.choose_wallet()
    expect(ann.page.get_by_role("heading", level=1)).to_contain_text("block")

    press(page.get_by_role("button", name="Unblock"))
    expect_done(page, "They may sign in again.")
    ann.come_from_chat()
    ann.choose_wallet()  # their yes was kept
    assert ann.arrive().user_id == mxid_of(wallet)
