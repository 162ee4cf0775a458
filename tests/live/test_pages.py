"""The pages as people see them: pictures of each, nothing sideways, nothing that axe objects to,
nothing that a keyboard misses.

The pictures go to the folder in ``OIDC_BRIDGE_TEST_SCREENSHOTS`` (else a scratch folder).
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Frame, Page, expect

from tests.fake_names import FakeNames
from tests.live.keyboard import what_keyboards_miss
from tests.live.person import SignsAs, Visitor
from tests.live.shops import come_from_shop, open_shop
from tests.live.tools import wait_for
from tests.live.wallet import FOLDER, Person, new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]

WIDTHS = (320, 1280)
COLOURS = ("light", "dark")
# Not "HeadlessChrome": the account page shows it, and the pictures are for people.
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/156.0.0.0 Safari/537.36"
)
# Without `resultTypes`, and without choosing here, all that is good would be told too: megabytes.
_OBJECTIONS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  const places = fault => JSON.stringify(fault.nodes.map(node => node.html));
  return violations.map(fault => `${fault.id}: ${fault.help}: ${places(fault)}`);
}"""


def at_sign_in(world: World, visitor: Visitor) -> None:
    visitor.come_from_chat()
    expect(visitor.page.get_by_role("button", name="Leather")).to_be_visible()


def at_wallet_said_no(world: World, visitor: Visitor) -> None:
    at_sign_in(world, visitor)
    visitor.page.evaluate(
        "() => { LeatherProvider.request = () => Promise.reject({ error: { code: 4001 } }) }"
    )
    visitor.choose_wallet()
    expect(visitor.page.get_by_role("alert").first).to_contain_text("You said no")


def at_consent(world: World, visitor: Visitor) -> None:
    visitor.come_from_chat()
    visitor.choose_wallet()
    expect(visitor.page.get_by_role("button", name="Allow", exact=True)).to_be_visible()


def at_confirm(world: World, visitor: Visitor) -> None:
    visitor.sign_in(remember=True)
    visitor.page.goto(f"{world.bridge.issuer}/account")
    visitor.page.get_by_role("button", name="Remove access").click()
    expect(visitor.page.get_by_role("link", name="Go back")).to_be_visible()


def at_account(world: World, visitor: Visitor) -> None:
    visitor.sign_in(remember=True)
    visitor.page.goto(f"{world.bridge.issuer}/account")
    expect(visitor.page.get_by_role("button", name="Remove access")).to_be_visible()


def at_receipt(world: World, visitor: Visitor) -> None:
    at_account(world, visitor)
    visitor.page.get_by_role("link", name="What you allowed").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("What you allowed")


def at_receipt_of_what_is_over(world: World, visitor: Visitor) -> None:
    at_confirm(world, visitor)
    visitor.page.get_by_role("button", name="Remove access").click()
    visitor.page.get_by_role("link", name="Activity").click()
    visitor.page.get_by_role("link", name="Receipt").first.click()
    expect(visitor.page.get_by_role("main")).to_contain_text("This is over")


def at_activity(world: World, visitor: Visitor) -> None:
    at_account(world, visitor)
    visitor.page.get_by_role("link", name="Activity").click()
    expect(visitor.page.get_by_role("main")).to_contain_text("You allowed")


def at_nothing_older(world: World, visitor: Visitor) -> None:
    at_activity(world, visitor)
    visitor.page.goto(f"{world.bridge.issuer}/account/activity?after=1.x")
    expect(visitor.page.get_by_role("main")).to_contain_text("Nothing older")


def at_my_app(world: World, visitor: Visitor) -> None:
    at_account(world, visitor)
    visitor.page.locator("#apps ~ ul h3 a").first.click()
    expect(visitor.page.get_by_role("heading", name="What it gets")).to_be_visible()


def at_rules(world: World, visitor: Visitor) -> None:
    at_account(world, visitor)
    visitor.page.get_by_role("link", name="Your rules").click()
    visitor.page.get_by_label("Address of the app").fill("https://evil.example")
    visitor.page.get_by_label("Cannot sign you in").check()
    visitor.page.get_by_role("button", name="Save").click()
    expect(visitor.page.get_by_role("heading", name="evil.example")).to_be_visible()


def at_rules_fault(world: World, visitor: Visitor) -> None:
    at_account(world, visitor)
    visitor.page.get_by_role("link", name="Your rules").click()
    visitor.page.get_by_label("Address of the app").fill("Chat")
    visitor.page.get_by_label("Cannot sign you in").check()
    visitor.page.get_by_role("button", name="Save").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("Nothing was saved")


def at_change_of_a_rule(world: World, visitor: Visitor) -> None:
    at_rules(world, visitor)
    visitor.page.get_by_label("One of your apps").select_option(world.chat)
    visitor.page.get_by_label("Knows you only under an ID of its own").check()
    visitor.page.get_by_role("button", name="Save").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("Change your rule")


def at_import(world: World, visitor: Visitor) -> None:
    at_rules(world, visitor)
    visitor.page.get_by_role("link", name="Import your old list").click()
    visitor.page.get_by_label("What is in mxconf.json").fill(
        '{"userapps": ["https://a.example", "https://evil.example"]}'
    )
    visitor.page.get_by_role("button", name="Look at it").click()
    expect(visitor.page.get_by_role("checkbox")).to_have_count(1)


def at_data(world: World, visitor: Visitor) -> None:
    at_account(world, visitor)
    visitor.page.get_by_role("link", name="Your data").click()
    expect(visitor.page.get_by_role("button", name="Download my data")).to_be_visible()


def at_delete(world: World, visitor: Visitor) -> None:
    at_data(world, visitor)
    visitor.page.get_by_role("button", name="Delete my account").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("Delete your account")


def at_gone(world: World, visitor: Visitor) -> None:
    at_delete(world, visitor)
    visitor.page.get_by_role("button", name="Delete my account at").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Your account is deleted")


def sign_out(world: World, visitor: Visitor) -> None:
    visitor.page.goto(f"{world.bridge.issuer}/account")
    visitor.page.get_by_role("button", name="Sign out", exact=True).click()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("signed out")


def at_signed_out(world: World, visitor: Visitor) -> None:
    visitor.sign_in(remember=True)
    sign_out(world, visitor)
    # Until then the page looks again by itself.
    expect(visitor.page.get_by_role("main")).to_contain_text("Was told to sign you out")


def at_welcome(world: World, visitor: Visitor) -> None:
    visitor.page.goto(f"{world.bridge.issuer}/account")


def at_error(world: World, visitor: Visitor) -> None:
    visitor.page.goto(f"{world.bridge.issuer}/authorize?client_id=nobody")
    expect(visitor.page.get_by_text("Reference")).not_to_have_count(0)


def paste(visitor: Visitor, answer: str) -> None:
    visitor.page.get_by_text("Paste a wallet’s answer").click()
    visitor.page.get_by_label("The wallet’s answer").fill(answer)
    visitor.page.get_by_role("button", name="Sign in with this answer").click()


def at_failed(world: World, visitor: Visitor) -> None:
    """A wallet's answer that proves nothing."""
    at_sign_in(world, visitor)
    paste(visitor, "not.an.answer")
    expect(visitor.page.get_by_role("button", name="Try again")).to_be_visible()


def at_elsewhere(world: World, visitor: Visitor) -> None:
    """The page that waits for another device."""
    at_sign_in(world, visitor)
    visitor.page.get_by_role("button", name="On another device").click()
    visitor.page.get_by_text("Cannot scan?").click()
    expect(visitor.page.locator("#link")).to_contain_text("/d/")


def at_handover(world: World, visitor: Visitor) -> None:
    """What the other device is asked; a browser may well open its own link."""
    at_elsewhere(world, visitor)
    visitor.page.goto(visitor.page.locator("#link").inner_text())
    expect(visitor.page.get_by_role("button", name="No, stop it")).to_be_visible()


def at_handover_wallets(world: World, visitor: Visitor) -> None:
    at_handover(world, visitor)
    visitor.page.get_by_role("checkbox").check()
    visitor.page.get_by_role("button", name="Yes, it is mine").click()
    expect(visitor.page.get_by_role("button", name="Leather")).to_be_visible()


def at_handed_over(world: World, visitor: Visitor) -> None:
    at_handover_wallets(world, visitor)
    visitor.choose_wallet()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Confirmed")


def at_stopped(world: World, visitor: Visitor) -> None:
    at_handover(world, visitor)
    visitor.page.get_by_role("button", name="No, stop it").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Stopped")


def sign_in_to_account(world: World, visitor: Visitor) -> None:
    """Have an account of the bridge alone, which no homeserver knows."""
    visitor.page.goto(f"{world.bridge.issuer}/account")
    visitor.page.get_by_role("button", name="Sign in with your wallet").click()
    visitor.choose_wallet()
    expect(visitor.page.get_by_role("button", name="Add a wallet")).to_be_visible()


def go_to_app_passwords(world: World, visitor: Visitor) -> None:
    sign_in_to_account(world, visitor)
    visitor.page.get_by_role("link", name="App passwords").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("App passwords")


def at_app_passwords_none(world: World, visitor: Visitor) -> None:
    go_to_app_passwords(world, visitor)
    expect(visitor.page.get_by_text("No app passwords")).to_be_visible()


def at_app_password_made(world: World, visitor: Visitor) -> None:
    """Just made, for all there is, and shown this once."""
    go_to_app_passwords(world, visitor)
    visitor.page.get_by_label("Name", exact=True).fill("Calendar on the old laptop in the kitchen")
    for box in visitor.page.get_by_role("checkbox").all():
        box.check()
    visitor.page.get_by_label("Last day").fill(f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}")
    visitor.page.get_by_role("button", name="Make it").click()
    visitor.page.get_by_text("Details for developers").click()
    expect(visitor.page.get_by_role("button", name="Copy the app password")).to_be_visible()


def at_app_passwords(world: World, visitor: Visitor) -> None:
    at_app_password_made(world, visitor)
    secret = visitor.page.locator("#secret").inner_text()
    form = {"grant_type": "refresh_token", "client_id": "app-password", "refresh_token": secret}
    assert requests.post(f"{world.bridge.issuer}/token", data=form, timeout=10).ok
    visitor.page.get_by_role("link", name="I have kept it").click()
    expect(visitor.page.get_by_text("for an access token")).to_be_visible()


def at_app_passwords_forgotten(world: World, visitor: Visitor) -> None:
    """Nobody has used it for 160 days, and the last proof is not fresh any more."""
    at_app_password_made(world, visitor)
    ago = int((datetime.now(UTC) - timedelta(days=160)).timestamp() * 1_000_000)
    with contextlib.closing(sqlite3.connect(world.bridge.folder / "bridge.db")) as database:
        database.execute(
            "UPDATE authorizations SET created_at = ? WHERE client_id = 'app-password'", (ago,)
        )
        database.execute("UPDATE app_passwords SET ends_at = NULL")
        database.execute("UPDATE sessions SET authenticated_at = ?", (ago,))
        database.commit()
    visitor.page.get_by_role("link", name="I have kept it").click()
    expect(visitor.page.get_by_text("Ends soon")).to_be_visible()
    expect(visitor.page.get_by_role("button", name="Make an app password…")).to_be_visible()


def at_app_passwords_fault(world: World, visitor: Visitor) -> None:
    go_to_app_passwords(world, visitor)
    visitor.page.get_by_label("Name", exact=True).fill(" ")
    visitor.page.get_by_role("button", name="Make it").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("Nothing was made")


def at_app_password_end(world: World, visitor: Visitor) -> None:
    at_app_passwords(world, visitor)
    visitor.page.get_by_role("button", name="End…").click()
    expect(visitor.page.get_by_role("link", name="Go back")).to_be_visible()


def at_app_passwords_ended(world: World, visitor: Visitor) -> None:
    at_app_password_end(world, visitor)
    visitor.page.get_by_role("button", name="End this app password").click()
    visitor.page.locator("summary").click()
    expect(visitor.page.get_by_text("Ended by you")).to_be_visible()


def add_wallet(world: World, visitor: Visitor, wallet: SignsAs, person: Person) -> None:
    """Choose *person* in the wallet, and add that account to the one that is signed in."""
    visitor.page.goto(f"{world.bridge.issuer}/account")
    visitor.page.get_by_role("button", name="Add a wallet").click()
    wallet.person = person
    visitor.choose_wallet()


def at_second_step(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """Today's answer of Blockstack Auth is not enough at first sight."""
    at_sign_in(world, visitor)
    asked = visitor.page.locator("[data-auth-request]").first.get_attribute("data-auth-request")
    assert asked
    paste(visitor, wallet.person.answer(asked, "wallet-sdk").auth_response)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("One more step")


def at_name(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    """Names that are nearly as long as names can be."""
    names.give(f"first{wallet.stx_address.lower()}.btc", wallet.stx_address)
    names.give(f"second{wallet.stx_address.lower()}.btc", wallet.stx_address)
    visitor.come_from_chat()
    visitor.choose_wallet()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("Which name")


def at_two_wallets(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    second = new_person()
    visitor.sign_in()
    add_wallet(world, visitor, wallet, second)
    expect(visitor.page.get_by_role("main")).to_contain_text(second.stx_address)


def at_join(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    first, second = wallet.person, new_person()
    visitor.sign_in()
    sign_out(world, visitor)
    wallet.person = second
    sign_in_to_account(world, visitor)
    add_wallet(world, visitor, wallet, first)
    expect(visitor.page.get_by_role("button", name="Join the two accounts")).to_be_visible()


def at_clash(world: World, visitor: Visitor, wallet: SignsAs, names: FakeNames) -> None:
    first, second = wallet.person, new_person()
    visitor.sign_in()
    sign_out(world, visitor)
    wallet.person = second
    visitor.sign_in()
    add_wallet(world, visitor, wallet, first)
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("cannot be joined")


def at_shop(
    world: World, visitor: Visitor, *, signed: bool, named: bool, home: str = "https://shop.example"
) -> None:
    """Consent to an app that is no chat client."""
    shop = open_shop(world.bridge, signed=signed, named=named, home=home)
    come_from_shop(visitor.page, world.bridge, shop)
    expect(visitor.page.locator("main img.tile")).to_be_visible()
    visitor.choose_wallet()
    expect(visitor.page.get_by_role("button", name="Allow", exact=True)).to_be_visible()


def at_signed_shop(world: World, visitor: Visitor) -> None:
    at_shop(world, visitor, signed=True, named=True)
    expect(visitor.page.get_by_role("main")).to_contain_text("The site names this developer too")


def at_consent_with_reasons(world: World, visitor: Visitor) -> None:
    """The operator lets an app do without one thing, needs another, and says why."""
    shop = open_shop(world.bridge, signed=True, named=True)
    why = "So that we can write to you when something that you ordered is on its way to you."
    said = [
        {"scope": "profile", "say": "never"},
        {"scope": "email", "say": "required", "reason": why},
    ]
    apps = [{"app": f"client:{shop.id}", "say": "allow", "scopes": said}]
    file = world.bridge.folder / f"{shop.id}.json"
    file.write_text(json.dumps(apps))
    world.bridge.run("app", "import", str(file))
    come_from_shop(visitor.page, world.bridge, shop)
    visitor.choose_wallet()
    main = visitor.page.get_by_role("main")
    expect(main).to_contain_text(f"Why, in the words of Test ID: “{why}”")
    expect(main).not_to_contain_text("Your display name and picture")


def at_shop_of_somebody(world: World, visitor: Visitor) -> None:
    shop = open_shop(world.bridge, signed=True, named=True, called="Dave " + "Developer" * 12)
    come_from_shop(visitor.page, world.bridge, shop)
    visitor.choose_wallet()
    expect(visitor.page.get_by_role("main")).to_contain_text("They call themselves")
    expect(visitor.page.locator(".face img")).to_be_visible()


def at_shop_that_does_not_name_its_developer(world: World, visitor: Visitor) -> None:
    at_shop(world, visitor, signed=True, named=False)
    expect(visitor.page.get_by_role("main")).to_contain_text("does not name this developer")


def at_shop_that_nobody_signed(world: World, visitor: Visitor) -> None:
    at_shop(world, visitor, signed=False, named=True)
    expect(visitor.page.get_by_role("main")).to_contain_text("Unsigned: the site names")


def at_nobodys_shop(world: World, visitor: Visitor) -> None:
    home = f"https://{'a-very-long-name-' * 3}of-a-shop.example"
    at_shop(world, visitor, signed=False, named=False, home=home)
    expect(visitor.page.get_by_role("main")).to_contain_text("Nobody stands behind this app")


def at_account_with_shop(world: World, visitor: Visitor) -> None:
    at_signed_shop(world, visitor)
    shop = "https://shop.example/cb*"
    visitor.context.route(shop, lambda route: route.fulfill(body="Welcome to the shop"))
    visitor.allow()
    visitor.page.wait_for_url(shop)
    visitor.page.goto(f"{world.bridge.issuer}/account")
    expect(visitor.page.get_by_role("main")).to_contain_text("The site names this developer too")


WALLET_PAGES: dict[str, Callable[[World, Visitor, SignsAs, FakeNames], None]] = {
    "second-step": at_second_step,
    "name": at_name,
    "account-two-wallets": at_two_wallets,
    "join": at_join,
    "join-clash": at_clash,
}
"""What depends on names and on other accounts in the wallet."""

PAGES: dict[str, Callable[[World, Visitor], None]] = {
    "sign-in": at_sign_in,
    "sign-in-refused": at_wallet_said_no,
    "sign-in-failed": at_failed,
    "elsewhere": at_elsewhere,
    "handover": at_handover,
    "handover-wallets": at_handover_wallets,
    "handed-over": at_handed_over,
    "handover-stopped": at_stopped,
    "consent": at_consent,
    "consent-reasons": at_consent_with_reasons,
    "consent-signed": at_signed_shop,
    "consent-signed-by-name": at_shop_of_somebody,
    "consent-signed-only": at_shop_that_does_not_name_its_developer,
    "consent-named-only": at_shop_that_nobody_signed,
    "consent-nobody": at_nobodys_shop,
    "account-signed-app": at_account_with_shop,
    "error": at_error,
    "account": at_account,
    "account-welcome": at_welcome,
    "account-confirm": at_confirm,
    "account-signed-out": at_signed_out,
    "app-passwords-none": at_app_passwords_none,
    "app-password-made": at_app_password_made,
    "app-passwords": at_app_passwords,
    "app-passwords-forgotten": at_app_passwords_forgotten,
    "app-passwords-fault": at_app_passwords_fault,
    "app-password-end": at_app_password_end,
    "app-passwords-ended": at_app_passwords_ended,
    "account-receipt": at_receipt,
    "account-receipt-over": at_receipt_of_what_is_over,
    "account-activity": at_activity,
    "account-activity-empty": at_nothing_older,
    "account-app": at_my_app,
    "account-rules": at_rules,
    "account-rules-fault": at_rules_fault,
    "account-rule": at_change_of_a_rule,
    "account-import": at_import,
    "account-data": at_data,
    "account-delete": at_delete,
    "account-gone": at_gone,
}


def what_axe_objects_to(page: Page | Frame) -> list[str]:
    """Return axe-core's findings, each with its rule and the places on the page."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate((FOLDER / "node_modules/axe-core/axe.min.js").read_text())
    return list(page.evaluate(_OBJECTIONS))


def has_content(page: Page, picture: Path) -> bool:
    """Tell whether a picture shows anything; if not, take it again."""
    with Image.open(picture) as image:
        is_blank = image.convert("RGB").getcolors(maxcolors=2) is not None
    if is_blank:
        page.screenshot(path=picture, full_page=True)
    return not is_blank


def look_at(page: Page, name: str, folder: Path, *, frame: Frame | None = None) -> None:
    """Take a page's pictures in every size and colour, and hold what must be true in each.

    Args:
        frame: What is ours, if the page itself is somebody else's.
    """
    ours = frame or page
    sideways, objections, unreached = [], [], []
    for colour in COLOURS:
        # No picture is of a colour on its way to another.
        page.emulate_media(color_scheme=colour, reduced_motion="reduce")  # type: ignore[arg-type]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            picture = folder / f"{name}-{width}-{colour}.png"
            page.screenshot(path=picture, full_page=True)
            if frame:  # a process of its own, for which no picture waits
                wait_for(partial(has_content, page, picture), what="the frame's picture")
            root = "document.documentElement"
            if ours.evaluate(f"{root}.scrollWidth > {root}.clientWidth"):
                sideways.append(f"{width} {colour}")
            objections += [f"{width} {colour}: {text}" for text in what_axe_objects_to(ours)]
            if colour == COLOURS[0] and frame is None:
                unreached += [f"{width}: {text}" for text in what_keyboards_miss(page)]

    assert not sideways
    assert not objections
    assert not unreached


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_good_in_every_size_and_colour(
    name: str, world: World, a_visitor: MakeVisitor, pictures_folder: Path
) -> None:
    ann = SignsAs(new_person())
    visitor = a_visitor(signer=ann, reduced_motion="reduce", user_agent=USER_AGENT)
    PAGES[name](world, visitor)

    look_at(visitor.page, name, pictures_folder)


@pytest.mark.parametrize("name", WALLET_PAGES)
def test_a_page_about_wallets_is_good_in_every_size_and_colour(
    name: str,
    world: World,
    a_visitor: MakeVisitor,
    a_name_service: FakeNames,
    pictures_folder: Path,
) -> None:
    ann = SignsAs(new_person())
    visitor = a_visitor(signer=ann, reduced_motion="reduce", user_agent=USER_AGENT)
    WALLET_PAGES[name](world, visitor, ann, a_name_service)

    look_at(visitor.page, name, pictures_folder)


def test_a_receipt_prints_black_on_white_and_without_what_paper_cannot_do(
    world: World, a_visitor: MakeVisitor, pictures_folder: Path
) -> None:
    visitor = a_visitor(signer=SignsAs(new_person()), color_scheme="dark")
    at_receipt(world, visitor)
    page = visitor.page
    expect(page.get_by_role("link", name="Back to your activity")).to_be_visible()

    page.emulate_media(media="print")

    page.screenshot(path=pictures_folder / "account-receipt-print.png", full_page=True)
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(page.get_by_role("link", name="Back to your activity")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    ink = page.get_by_role("heading", level=1).evaluate("e => getComputedStyle(e).color")
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (ink, paper) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")
