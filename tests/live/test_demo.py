"""The demo as people run it, in Chromium: its pages, and each way in, with a real Synapse too."""

import contextlib
import os
import random
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, FrameLocator, Page, expect

from oidc_bridge.demo.places import Places
from oidc_bridge.demo.synapse import REQUIREMENT
from oidc_bridge.demo.world import PORTS
from tests.live.synapse import need_synapse
from tests.live.test_pages import look_at
from tests.live.tools import REPOSITORY, running, wait_for

NewContext = Callable[..., BrowserContext]


def free_ports() -> Places:
    """Return ports in a row on which nobody listens."""
    for _ in range(100):
        places = Places(random.randrange(20_000, 30_000))  # noqa: S311
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(places.port, places.port + PORTS):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return places
    raise AssertionError("no ports in a row are free")


@contextlib.contextmanager
def demo(folder: Path, *options: str) -> Iterator[Places]:
    """Run the demo until the end of the block."""
    places = free_ports()
    command = [sys.executable, "-m", "oidc_bridge", "demo", "--port", str(places.port), *options]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "XDG_CACHE_HOME": str(folder)}
    with running(
        command,
        ready=f"{places.homeserver}/_matrix/client/v3/login",
        log=folder / "demo.log",
        cwd=folder,
        env=env,
    ):
        yield places


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    with demo(tmp_path_factory.mktemp("demo")) as places:
        yield places


@pytest.fixture(scope="module")
def with_synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Run it with the Synapse that is installed beside us, in the place of one from the index."""
    need_synapse()
    folder = tmp_path_factory.mktemp("demo-synapse")
    installed = folder / "oidc-bridge" / "synapse"
    installed.mkdir(parents=True)
    for name in ("bin", "lib", "pyvenv.cfg"):
        (installed / name).symlink_to(Path(sys.prefix) / name)
    (installed / "installed").write_text(REQUIREMENT)
    with demo(folder, "--synapse") as places:
        yield places


@pytest.fixture
def page(new_context: NewContext) -> Page:
    return new_context(reduced_motion="reduce").new_page()


def heading(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


def choose(page: Page, who: str) -> None:
    page.get_by_role("button", name=re.compile(f"^{who}")).click()


def connect(page: Page, places: Places, who: str = "Ann") -> None:
    page.goto(places.chat)
    page.get_by_role("link", name="Connect your wallet").click()
    choose(page, who)


def sign_in_at_chat(page: Page, places: Places, way: str = "By a signature") -> None:
    connect(page, places)
    page.get_by_role("button", name=way).click()
    heading(page, "It works")


def sign_in_by_eos(page: Page, places: Places) -> None:
    """Carry the sentence to the wallet and the signature back, as people do."""
    page.goto(f"{places.app}/matrix/eos")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the wallet with it").click()
    wallet = opened.value
    wallet.get_by_role("button", name="Sign it").click()
    signature = wallet.locator("#signature").inner_text()
    wallet.close()
    page.get_by_label("Signature").fill(signature)
    page.get_by_role("button", name="Sign in with this signature").click()
    heading(page, "It works")


def at_account(page: Page, places: Places) -> None:
    page.goto(f"{places.bridge}/account")
    page.get_by_role("button", name="Sign in with your wallet").click()
    page.get_by_role("link", name="Demo wallet").click()
    choose(page, "Ann")
    expect(page).to_have_url(f"{places.bridge}/account")


def make_one_time(page: Page, places: Places) -> tuple[str, str]:
    page.goto(f"{places.bridge}/account/one-time")
    page.get_by_role("button", name="Make a one-time password").click()
    return page.locator("#user").inner_text(), page.locator("#secret").inner_text()


def type_password(page: Page, places: Places, user: str, password: str) -> None:
    page.goto(f"{places.app}/matrix")
    page.get_by_label("User name").fill(user)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def at_widget(page: Page, places: Places) -> FrameLocator:
    page.goto(f"{places.app}/matrix/widget")
    expect(
        page.get_by_role("heading", name="May this widget learn your Matrix ID?")
    ).to_be_visible()
    return page.frame_locator("iframe[title=Widget]")


# ---- without Synapse


def test_the_widget_tells_whom_the_matrix_app_says_and_nobody_after_a_no(
    plain: Places, page: Page
) -> None:
    sign_in_by_eos(page, plain)
    frame = at_widget(page, plain)
    expect(frame.get_by_role("heading", name="Your Matrix client is asking you")).to_be_visible()

    page.get_by_role("button", name="Don’t allow").click()
    expect(frame.get_by_role("heading", name="You said no")).to_be_visible()
    frame.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="Allow", exact=True).click()

    expect(frame.get_by_text("You are @dianaexample:demo.localhost")).to_be_visible()


def test_the_old_way_by_a_file_is_read_from_the_demos_hub_by_https(
    plain: Places, page: Page
) -> None:
    sign_in_at_chat(page, plain, "By a file")

    expect(page.get_by_text("@ann.demo.id:demo.localhost")).to_be_visible()


def at_front(page: Page, places: Places) -> None:
    page.goto(places.app)


def at_refused(page: Page, places: Places) -> None:
    type_password(page, places, "ann.demo.id", "a wrong one")
    expect(page.get_by_text("M_FORBIDDEN")).to_be_visible()


def at_chat(page: Page, places: Places) -> None:
    page.goto(places.chat)


def at_eos(page: Page, places: Places) -> None:
    page.goto(f"{places.app}/matrix/eos")


def at_eos_signed(page: Page, places: Places) -> None:
    at_eos(page, places)
    page.goto(str(page.get_by_role("link", name="Open the wallet").get_attribute("href")))
    page.get_by_role("button", name="Sign it").click()
    heading(page, "Signed")


def at_asking_widget(page: Page, places: Places) -> None:
    sign_in_by_eos(page, places)
    at_widget(page, places)


PAGES: dict[str, Callable[[Page, Places], None]] = {
    "demo-front": at_front,
    "demo-matrix-refused": at_refused,
    "demo-matrix-in": sign_in_by_eos,
    "demo-chat": at_chat,
    "demo-chat-in": sign_in_at_chat,
    "demo-eos": at_eos,
    "demo-eos-signed": at_eos_signed,
    "demo-widget": at_asking_widget,
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_demo_is_good_in_every_size_and_colour(
    name: str, plain: Places, page: Page, pictures_folder: Path
) -> None:
    PAGES[name](page, plain)

    # Into a widget Tab goes out of our sight, so there the keyboard's way is not followed.
    has_widget = page.locator("iframe").count() > 0
    look_at(page, name, pictures_folder, frame=page.main_frame if has_widget else None)


# ---- with Synapse


def test_one_person_comes_to_synapse_by_each_door_and_leaves_by_one(
    with_synapse: Places, page: Page
) -> None:
    places = with_synapse
    sign_in_at_chat(page, places)
    expect(page.get_by_text("@ann.demo.id:demo.localhost")).to_be_visible()

    at_account(page, places)
    user, secret = make_one_time(page, places)
    type_password(page, places, user, secret)
    expect(page.get_by_text("@ann.demo.id:demo.localhost")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    type_password(page, places, user, secret)
    expect(page.get_by_text("M_FORBIDDEN")).to_be_visible()

    page.get_by_role("link", name="Sign in with Demo bridge").click()
    page.get_by_role("button", name="Allow", exact=True).click()
    heading(page, "It works")
    expect(page.get_by_text("@ann.demo.id:demo.localhost")).to_be_visible()
    frame = at_widget(page, places)
    page.get_by_role("button", name="Allow", exact=True).click()
    expect(frame.get_by_text("You are @ann.demo.id:demo.localhost")).to_be_visible()

    chat = places.chat.removeprefix("http://")
    frame.get_by_role("button", name=f"Remove access… {chat}").click()
    frame.get_by_role("button", name=f"Remove access of {chat}").click()
    expect(frame.get_by_text("Access removed.")).to_be_visible()

    def has_ended() -> bool:
        page.goto(places.chat)
        return page.get_by_text("M_UNKNOWN_TOKEN").is_visible()

    wait_for(has_ended, what="the sign-out at Synapse")


def test_the_chat_signs_another_browser_in_at_synapse(
    with_synapse: Places, page: Page, new_context: NewContext
) -> None:
    places, other = with_synapse, new_context().new_page()
    connect(page, places)
    other.goto(f"{places.app}/matrix")
    other.get_by_role("link", name="Sign in with Demo bridge").click()
    other.get_by_role("button", name="With a chat app").click()

    page.get_by_label("Address from the sign-in page").fill(other.locator("#address").inner_text())
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name="Yes, sign me in there").click()
    other.get_by_label("Code from your chat app").fill(page.locator(".match bdi").inner_text())
    other.get_by_role("button", name="Continue").click()
    other.get_by_role("button", name="Allow", exact=True).click()

    heading(other, "It works")
    expect(other.get_by_text("@ann.demo.id:demo.localhost")).to_be_visible()


def test_an_account_of_eos_and_an_app_password_sign_in_at_synapse(
    with_synapse: Places, page: Page
) -> None:
    sign_in_by_eos(page, with_synapse)
    expect(page.get_by_text("@dianaexample:demo.localhost")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()

    at_account(page, with_synapse)
    page.goto(f"{with_synapse.bridge}/account/passwords")
    page.get_by_label("Name", exact=True).fill("old phone")
    page.get_by_role("checkbox", name="Sign in to Matrix apps").check()
    page.get_by_role("button", name="Make it").click()
    type_password(page, with_synapse, "ann.demo.id", page.locator("#secret").inner_text())

    heading(page, "It works")
