"""Whole ways through the bridge with Tab, Space and Enter, in Chromium.

That each page alone can be walked through is held by `test_pages.look_at`.
"""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.live.keyboard import press, tab_to, what_keyboards_miss
from tests.live.person import ALLOW, DONT_ALLOW, SignsAs, Visitor, mxid_of
from tests.live.test_sign_in import is_signed_in
from tests.live.test_whitelist import ALONE, BOT, ONESELF
from tests.live.tools import wait_for
from tests.live.wallet import new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]

NAME = re.compile("^Your display name")


@pytest.fixture
def wallet() -> SignsAs:
    return SignsAs(new_person())


@pytest.fixture
def ann(a_visitor: MakeVisitor, wallet: SignsAs) -> Visitor:
    return a_visitor(signer=wallet)


@pytest.mark.parametrize(
    ("fault", "html"),
    [
        ("Tab goes [1, 0]", "<button>one</button><button tabindex=1>two</button>"),
        ("Tab goes [0]", "<button>one</button><button tabindex=-1>two</button>"),
        ("Tab goes [0, -1]", "<button>one</button><p contenteditable>two</p>"),
        ("one does not see the focus", "<button style='outline: none'>one</button>"),
        ("one does not see the focus", "<a href=x style='position: fixed; left: -99px'>one</a>"),
        (
            "two</button> stands before",
            "<p style='display: grid'><button style='order: 2'>one</button>"
            "<button>two</button></p>",
        ),
        (
            "two</button> stands before",
            "<p style='display: flex; flex-direction: row-reverse'>"
            "<button>one</button><button>two</button></p>",
        ),
        (
            "does not lead out",
            "<button onkeydown=\"if (event.key == 'Tab') event.preventDefault()\">one</button>",
        ),
    ],
)
def test_a_page_with_this_fault_would_be_noticed(
    new_context: Callable[..., BrowserContext], fault: str, html: str
) -> None:
    page = new_context(viewport={"width": 320, "height": 800}).new_page()
    page.set_content("<style>:focus-visible { outline: 3px solid black }</style>" + html)

    found = what_keyboards_miss(page)

    assert fault in found[0]


def come_to_consent(world: World, ann: Visitor, origin: str) -> Page:
    page = ann.page
    page.goto(world.chat_url_at(origin))
    press(page.get_by_role("link", name="Continue with"))
    press(page.get_by_role("button", name="Leather"))
    expect(page.get_by_role("button", name=ALLOW)).to_be_visible()
    return page


def sign_in_and_go_home(world: World, ann: Visitor) -> Page:
    ann.sign_in(remember=True)
    ann.page.goto(f"{world.bridge.issuer}/account")
    return ann.page


def follow(page: Page, link: str, heading: str) -> None:
    press(page.get_by_role("link", name=link).first)
    expect(page.get_by_role("heading", level=1)).to_contain_text(heading)


def test_somebody_chooses_what_an_app_gets_and_as_whom_and_allows_it(
    world: World, ann: Visitor, wallet: SignsAs
) -> None:
    page = come_to_consent(world, ann, BOT)

    press(page.get_by_role("radio", name=ALONE), "ArrowDown")  # as browsers have it for choices
    expect(page.get_by_role("radio", name=ONESELF)).to_be_checked()
    press(page.get_by_role("checkbox", name=NAME), "Space")
    expect(page.get_by_role("checkbox", name=NAME)).to_be_checked()
    press(page.get_by_role("checkbox", name=NAME), "Space")
    expect(page.get_by_role("checkbox", name=NAME)).not_to_be_checked()
    press(page.get_by_role("button", name=ALLOW))

    assert ann.arrive().user_id == mxid_of(wallet)
    page.goto(f"{world.bridge.issuer}/account")
    follow(page, "bot", "bot")
    expect(page.get_by_role("checkbox", name=NAME)).not_to_be_checked()


def test_somebody_says_no(world: World, ann: Visitor) -> None:
    page = come_to_consent(world, ann, BOT)

    press(page.get_by_role("button", name=DONT_ALLOW))

    expect(page.locator("body")).to_contain_text("access_denied")


def test_enter_in_a_box_gives_nothing_away(world: World, ann: Visitor) -> None:
    page = come_to_consent(world, ann, BOT)

    press(page.get_by_role("checkbox", name=NAME), "Space")
    press(page.get_by_role("checkbox", name=NAME), "Enter")

    expect(page.locator("body")).to_contain_text("access_denied")


def test_every_page_of_the_account_is_come_to(world: World, ann: Visitor) -> None:
    page = sign_in_and_go_home(world, ann)

    follow(page, "chat.", "chat.")
    follow(page, "What you allowed", "What you allowed")
    follow(page, "Back to your activity", "Your activity")
    follow(page, "Receipt", "What you allowed")
    follow(page, "Home", "Your account")
    follow(page, "Apps of earlier", "Apps of earlier")
    follow(page, "Back to your account", "Your account")
    follow(page, "Your rules", "Your rules")
    follow(page, "Import your old list", "Import your old list")
    follow(page, "App passwords", "App passwords")
    follow(page, "Your data", "Your data")


def test_somebody_unticks_a_scope_and_then_takes_the_app_away(world: World, ann: Visitor) -> None:
    session = ann.sign_in(remember=True)
    page = ann.page
    page.goto(f"{world.bridge.issuer}/account")
    follow(page, "chat.", "chat.")
    expect(page.get_by_role("checkbox", name=NAME)).to_be_checked()

    press(page.get_by_role("checkbox", name=NAME), "Space")
    press(page.get_by_role("button", name="Save"))
    expect(page.get_by_role("status")).to_contain_text("The app gets no more than this")
    expect(page.get_by_role("checkbox", name=NAME)).not_to_be_checked()
    assert is_signed_in(world, session)

    press(page.get_by_role("button", name="Remove access…"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Remove access of")
    press(page.get_by_role("button", name="Remove access"))
    expect(page.get_by_role("status")).to_contain_text("Access removed")
    wait_for(
        lambda: not is_signed_in(world, session),
        what="Synapse was told",
        log=world.bridge.log,
    )
    ann.come_from_chat()
    expect(page.get_by_role("button", name=ALLOW)).to_be_visible()


def test_a_rule_is_set_and_forgotten(world: World, ann: Visitor) -> None:
    page = sign_in_and_go_home(world, ann)
    follow(page, "Your rules", "Your rules")

    tab_to(page.get_by_label("Address of the app"))
    page.keyboard.type("https://evil.example")
    press(page.get_by_label("Cannot sign you in"), "Space")
    press(page.get_by_role("button", name="Save"))
    expect(page.get_by_role("heading", name="evil.example")).to_be_visible()
    press(page.get_by_role("button", name="Forget this rule evil.example"))

    expect(page.get_by_text("No rules yet")).to_be_visible()


def test_one_of_ones_apps_is_chosen_for_a_rule(world: World, ann: Visitor) -> None:
    page = sign_in_and_go_home(world, ann)
    follow(page, "Your rules", "Your rules")

    press(page.get_by_label("One of your apps"), "ArrowDown")
    press(page.get_by_label("Cannot sign you in"), "Space")
    press(page.get_by_role("button", name="Save"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Change your rule for chat.")
    press(page.get_by_role("button", name="Change the rule"))

    expect(page.get_by_role("heading", name="chat.")).to_be_visible()


def test_deleting_is_asked_about_and_given_up(world: World, ann: Visitor) -> None:
    page = sign_in_and_go_home(world, ann)
    follow(page, "Your data", "Your data")

    press(page.get_by_role("button", name="Delete my account…"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Delete your account")
    follow(page, "Go back, change nothing", "Your data")
