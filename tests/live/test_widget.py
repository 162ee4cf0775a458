"""The account page in a frame of a Matrix client: its own library, tokens of a real Synapse."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from playwright.sync_api import BrowserContext, FrameLocator, Page, expect

from tests.live.loopback import CHAT_HOST
from tests.live.person import MatrixSession, SignsAs, Visitor
from tests.live.synapse import SERVER_NAME
from tests.live.test_pages import USER_AGENT, look_at
from tests.live.test_sign_in import is_signed_in
from tests.live.test_whitelist import ALONE, BOT, sign_in_to
from tests.live.tools import wait_for
from tests.live.wallet import new_person
from tests.live.widget_host import WidgetHost, need_widget_api
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]
Token = Mapping[str, Any]


@pytest.fixture(autouse=True)
def _library() -> None:
    need_widget_api()


@pytest.fixture
def ann(a_visitor: MakeVisitor) -> Visitor:
    return a_visitor(signer=SignsAs(new_person()), reduced_motion="reduce", user_agent=USER_AGENT)


def token_of(world: World, session: MatrixSession) -> Token:
    """Return a Matrix OpenID token as the person's Matrix client gets it."""
    path = f"v3/user/{session.user_id}/openid/request_token"
    answer = world.synapse.ask("POST", path, session.access_token, json={})
    assert answer.status_code == 200, answer.text
    token: Token = answer.json()
    assert token["matrix_server_name"] == SERVER_NAME
    return token


def widget_url(world: World) -> str:
    return f"{world.bridge.issuer}/widget"


def show(page: Page, url: str, token: Token | None = None) -> FrameLocator:
    """Open the Matrix client with the widget in it."""
    page.goto(url)
    page.evaluate("token => start(token)", dict(token or {}))
    return page.frame_locator("iframe[title=Widget]")


def expect_state(frame: FrameLocator, words: str, *, seconds: int = 5) -> None:
    heading = frame.get_by_role("heading", level=2, name=words)
    expect(heading).to_be_visible(timeout=1000 * seconds)
    expect(frame.locator("[data-state]:visible")).to_have_count(1)


def open_list(
    world: World, ann: Visitor, host: WidgetHost, *, session: MatrixSession | None = None
) -> tuple[FrameLocator, MatrixSession]:
    session = session or ann.sign_in()
    url = host.url(widget_url(world))
    frame = show(ann.page, url, token_of(world, session))
    expect(frame.get_by_text(f"You are {session.user_id}")).to_be_visible()
    return frame, session


# ---- the exchange, as Element's library does it


def test_the_widget_greets_the_person_and_lists_their_apps(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    frame, _ = open_list(world, ann, a_widget_host)

    expect(frame.get_by_role("heading", level=3, name=CHAT_HOST)).to_be_visible()
    expect(frame.locator('[data-list="sessions"] > li')).to_have_count(1)
    assert ann.page.evaluate("window.isReady") is True
    assert ann.page.evaluate("window.capabilities") == []


def test_somebody_who_is_asked_allows(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    session = ann.sign_in()
    url = a_widget_host.url(widget_url(world), how="ask")
    frame = show(ann.page, url, token_of(world, session))
    expect_state(frame, "Your Matrix client is asking you")

    ann.page.evaluate("decide(true)")

    expect(frame.get_by_text(f"You are {session.user_id}")).to_be_visible()


def test_somebody_who_is_asked_says_no_and_then_yes(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    session = ann.sign_in()
    url = a_widget_host.url(widget_url(world), how="ask")
    frame = show(ann.page, url, token_of(world, session))
    expect_state(frame, "Your Matrix client is asking you")

    ann.page.evaluate("decide(false)")

    expect_state(frame, "You said no")
    ann.page.evaluate("window.how = 'allow'")
    frame.get_by_role("button", name="Try again").click()
    expect(frame.get_by_text(f"You are {session.user_id}")).to_be_visible()


def test_somebody_who_said_no_for_ever_is_told_so(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    frame = show(ann.page, a_widget_host.url(widget_url(world), how="block"))

    expect_state(frame, "You said no")


@pytest.mark.parametrize("how", ["error", "never"])
def test_a_client_that_gives_no_token_is_named_as_the_reason(
    how: str, world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    frame = show(ann.page, a_widget_host.url(widget_url(world), how=how))

    # The page waits as long as the widget API does.
    expect_state(frame, "Your Matrix client does not say who you are", seconds=20)


# ---- whom it refuses


def test_a_token_that_says_it_is_of_another_server_is_refused(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    token = {**token_of(world, ann.sign_in()), "matrix_server_name": "elsewhere.example"}

    frame = show(ann.page, a_widget_host.url(widget_url(world)), token)

    expect_state(frame, "This is not your server")


def test_a_token_that_was_used_here_before_is_refused(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    token = token_of(world, ann.sign_in())
    first = requests.post(f"{widget_url(world)}/session", json=token, timeout=10)
    assert first.status_code == 200

    frame = show(ann.page, a_widget_host.url(widget_url(world)), token)

    expect_state(frame, "We could not make sure who you are")


def test_a_token_that_synapse_did_not_make_is_refused(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    token = {**token_of(world, ann.sign_in()), "access_token": "made-up"}

    answer = requests.post(f"{widget_url(world)}/session", json=token, timeout=10)

    assert (answer.status_code, answer.json()["error"]) == (401, "token_refused")


def test_the_user_of_one_app_alone_has_no_account_here(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    ann.sign_in()
    alone = sign_in_to(ann, BOT, as_whom=ALONE)

    frame = show(ann.page, a_widget_host.url(widget_url(world)), token_of(world, alone))

    expect_state(frame, "You have no account here yet")


@pytest.mark.parametrize("says", ["", "the truth of another"])
def test_a_stranger_cannot_frame_the_page(
    says: str,
    world: World,
    a_widget_host: WidgetHost,
    new_context: Callable[..., BrowserContext],
) -> None:
    page = new_context().new_page()

    url = a_widget_host.stranger_url(
        widget_url(world), says=f"{a_widget_host.origin}/" if says else ""
    )
    show(page, url)

    frame = page.locator("iframe").element_handle().content_frame()
    assert frame
    frame.wait_for_url("chrome-error://**")  # what Chromium shows in its place
    assert page.evaluate("window.opened") == []


def test_a_client_that_is_not_listed_is_not_spoken_to(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    url = a_widget_host.url(widget_url(world), says=f"{a_widget_host.stranger}/")

    frame = show(ann.page, url)

    expect_state(frame, "We do not know where this page is shown")
    assert ann.page.evaluate("window.opened") == []


def test_a_sibling_frame_that_knows_all_ids_cannot_slip_in_its_own_token(
    world: World, ann: Visitor, a_visitor: MakeVisitor, a_widget_host: WidgetHost
) -> None:
    mallory = a_visitor(signer=SignsAs(new_person()))
    token = token_of(world, mallory.sign_in())
    frame = show(ann.page, a_widget_host.url(widget_url(world), how="ask"))
    expect_state(frame, "Your Matrix client is asking you")
    (request_id,) = ann.page.evaluate("window.opened")
    for origin in (a_widget_host.origin, a_widget_host.stranger):
        name = f"sibling-{origin[-5:]}"
        ann.page.evaluate(
            """([name, src]) => new Promise((done) => {
                const frame = document.createElement("iframe");
                Object.assign(frame, { name, src, onload: done });
                document.body.append(frame);
            })""",
            [name, f"{origin}/sibling"],
        )
        sibling = ann.page.frame(name=name)
        assert sibling
        sibling.evaluate(_SLIP_IN, [request_id, dict(token)])

    # What the sibling sent came before this, which the page answers.
    version = ann.page.evaluate("api.transport.send('supported_api_versions', {})")

    assert version == {"supported_versions": ["0.0.1", "0.0.2"]}
    expect_state(frame, "Your Matrix client is asking you")
    ann.page.evaluate("token => { window.token = token; decide(true) }", dict(token))
    expect(frame.get_by_text("You are @")).to_be_visible()  # from above, the same is heard


_SLIP_IN = """([original_request_id, token]) => {
    const widget = parent.frames[0];
    const data = { state: "allowed", original_request_id, ...token };
    const common = { widgetId: "account", requestId: original_request_id };
    widget.postMessage({ ...common, api: "toWidget", action: "openid_credentials", data }, "*");
    widget.postMessage({ ...common, api: "fromWidget", action: "get_openid", response: data }, "*");
}"""


def test_credentials_that_were_not_asked_for_are_passed_over(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    frame = show(ann.page, a_widget_host.url(widget_url(world), how="ask"))
    expect_state(frame, "Your Matrix client is asking you")

    said = ann.page.evaluate(
        "api.transport.send('openid_credentials', { state: 'blocked', original_request_id: 'x' })"
    )

    assert said == {}
    expect_state(frame, "Your Matrix client is asking you")


def test_a_client_that_asks_what_the_page_does_not_know_is_told_so(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    show(ann.page, a_widget_host.url(widget_url(world), how="ask"))
    wait_for(lambda: ann.page.evaluate("window.isReady"), what="the widget")

    said = ann.page.evaluate(
        "api.transport.send('constructor', {}).then(() => 'done', (error) => error.message)"
    )

    assert said == "Unknown action"


# ---- what it does


def test_removing_the_app_in_the_widget_signs_the_matrix_session_out(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    frame, session = open_list(world, ann, a_widget_host)
    assert is_signed_in(world, session)

    frame.get_by_role("button", name=f"Remove access… {CHAT_HOST}").click()
    frame.get_by_role("button", name="Keep it").click()
    expect(frame.get_by_role("button", name="Keep it")).to_be_hidden()
    frame.get_by_role("button", name=f"Remove access… {CHAT_HOST}").click()
    frame.get_by_role("button", name=f"Remove access of {CHAT_HOST}").click()

    expect(frame.get_by_text("Access removed.")).to_be_focused()
    expect(frame.get_by_text("No app knows you")).to_be_visible()
    wait_for(lambda: not is_signed_in(world, session), what="the sign-out at Synapse")


def test_signing_a_browser_out_in_the_widget_signs_its_apps_out(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    frame, session = open_list(world, ann, a_widget_host)

    frame.get_by_role("button", name="Sign out…").click()
    frame.get_by_role("button", name=re.compile("^Sign out (?!…)")).click()

    expect(frame.get_by_text("Signed out there.")).to_be_focused()
    wait_for(lambda: not is_signed_in(world, session), what="the sign-out at Synapse")


def test_what_gives_opens_the_account_page_in_a_window_of_its_own(
    world: World, ann: Visitor, a_widget_host: WidgetHost
) -> None:
    frame, _ = open_list(world, ann, a_widget_host)

    with ann.page.expect_popup() as opened:
        frame.get_by_role("link", name="Make an app password").click()

    popup = opened.value
    expect(popup.get_by_role("heading", level=1)).to_have_text("App passwords")
    assert popup.url == f"{world.bridge.issuer}/account/passwords"
    assert popup.evaluate("window.opener") is None


def test_outside_of_a_frame_the_page_leads_to_the_ordinary_one(world: World, ann: Visitor) -> None:
    ann.page.goto(widget_url(world) + "?" + urlencode({"widgetId": "account"}))

    ann.page.get_by_role("link", name="Go to your account page").click()

    expect(ann.page.get_by_role("button", name="Sign in with your wallet")).to_be_visible()


def test_a_matrix_client_registers_as_at_an_integration_manager(world: World, ann: Visitor) -> None:
    manager = f"{world.bridge.issuer}/_matrix/integrations/v1/account"
    session = ann.sign_in()

    registered = requests.post(f"{manager}/register", json=token_of(world, session), timeout=10)

    bearer = {"Authorization": f"Bearer {registered.json()['token']}"}
    account = requests.get(manager, headers=bearer, timeout=10)
    assert account.json() == {"user_id": session.user_id}
    assert requests.post(f"{manager}/logout", headers=bearer, timeout=10).json() == {}
    assert requests.get(manager, headers=bearer, timeout=10).status_code == 401


# ---- how it looks


def at_asked(world: World, ann: Visitor, host: WidgetHost) -> None:
    frame = show(ann.page, host.url(widget_url(world), how="ask"))
    expect_state(frame, "Your Matrix client is asking you")


def at_asking(world: World, ann: Visitor, host: WidgetHost) -> None:
    # The page's patience, and nothing else, is held for as long as the pictures take.
    ann.context.add_init_script(
        "const real = setTimeout;"
        "window.setTimeout = (work, after) => after === 10_000 ? 0 : real(work, after)"
    )
    frame = show(ann.page, host.url(widget_url(world), how="never"))
    expect_state(frame, "Asking your Matrix client who you are")


def at_blocked(world: World, ann: Visitor, host: WidgetHost) -> None:
    expect_state(show(ann.page, host.url(widget_url(world), how="block")), "You said no")


def at_silent(world: World, ann: Visitor, host: WidgetHost) -> None:
    frame = show(ann.page, host.url(widget_url(world), how="error"))
    expect_state(frame, "Your Matrix client does not say who you are")


def at_other_server(world: World, ann: Visitor, host: WidgetHost) -> None:
    token = {**token_of(world, ann.sign_in()), "matrix_server_name": "elsewhere.example"}
    expect_state(show(ann.page, host.url(widget_url(world)), token), "This is not your server")


def at_no_account(world: World, ann: Visitor, host: WidgetHost) -> None:
    ann.sign_in()
    token = token_of(world, sign_in_to(ann, BOT, as_whom=ALONE))
    frame = show(ann.page, host.url(widget_url(world)), token)
    expect_state(frame, "You have no account here yet")


def at_failed(world: World, ann: Visitor, host: WidgetHost) -> None:
    token = {**token_of(world, ann.sign_in()), "access_token": "made-up"}
    frame = show(ann.page, host.url(widget_url(world)), token)
    expect_state(frame, "We could not make sure who you are")


def at_stranger(world: World, ann: Visitor, host: WidgetHost) -> None:
    frame = show(ann.page, host.url(widget_url(world), says="https://stranger.example/"))
    expect_state(frame, "We do not know where this page is shown")


def at_list(world: World, ann: Visitor, host: WidgetHost) -> None:
    session = ann.sign_in()
    sign_in_to(ann, BOT, as_whom=ALONE)
    open_list(world, ann, host, session=session)


def at_sure(world: World, ann: Visitor, host: WidgetHost) -> None:
    frame, _ = open_list(world, ann, host)
    frame.get_by_role("button", name="Remove access…").click()


def at_removed(world: World, ann: Visitor, host: WidgetHost) -> None:
    frame, _ = open_list(world, ann, host)
    frame.get_by_role("button", name="Remove access…").click()
    frame.get_by_role("button", name="Remove access of").click()
    expect(frame.get_by_text("Access removed.")).to_be_visible()


def at_over(world: World, ann: Visitor, host: WidgetHost) -> None:
    frame, _ = open_list(world, ann, host)
    ann.context.route(
        "**/widget/sessions/**",
        lambda route: route.fulfill(status=401, json={"error": "session_over"}),
    )
    frame.get_by_role("button", name="Sign out…").click()
    frame.get_by_role("button", name=re.compile("^Sign out (?!…)")).click()
    expect_state(frame, "This page was open for long")


PAGES: Mapping[str, Callable[[World, Visitor, WidgetHost], None]] = {
    "widget-asking": at_asking,
    "widget-waiting": at_asked,
    "widget-blocked": at_blocked,
    "widget-silent": at_silent,
    "widget-other-server": at_other_server,
    "widget-no-account": at_no_account,
    "widget-failed": at_failed,
    "widget-stranger": at_stranger,
    "widget-list": at_list,
    "widget-sure": at_sure,
    "widget-removed": at_removed,
    "widget-over": at_over,
}


@pytest.mark.parametrize("name", PAGES)
def test_a_state_of_the_widget_is_good_in_every_size_and_colour(
    name: str,
    world: World,
    ann: Visitor,
    a_widget_host: WidgetHost,
    pictures_folder: Path,
) -> None:
    PAGES[name](world, ann, a_widget_host)

    frame = ann.page.locator("iframe").element_handle().content_frame()
    assert frame
    look_at(ann.page, name, pictures_folder, frame=frame)


def test_outside_of_a_frame_the_page_is_good_too(
    world: World, ann: Visitor, pictures_folder: Path
) -> None:
    ann.page.goto(widget_url(world))

    look_at(ann.page, "widget-outside", pictures_folder)
