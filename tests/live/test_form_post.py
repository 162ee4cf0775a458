"""An answer by ``form_post`` in a real browser: it posts itself, or the person presses Continue."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from authlib.common.security import generate_token
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from playwright.sync_api import BrowserContext, Page, expect

from tests.live.certified import Provider
from tests.live.page_app import PageApp
from tests.live.person import ALLOW
from tests.live.test_pages import look_at
from tests.live.wallet import new_person

MakeContext = Callable[..., BrowserContext]


class Asking:
    """One request for an answer by POST to the page app."""

    def __init__(self, provider: Provider, app: PageApp) -> None:
        self.issuer, self.redirect_uri = provider.issuer, f"{app.origin}/posted"
        self.state, self.verifier = generate_token(), generate_token(48)

    @property
    def url(self) -> str:
        query = {
            "response_type": "code",
            "response_mode": "form_post",
            "client_id": "page",
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile",
            "state": self.state,
            "nonce": generate_token(),
            "code_challenge": create_s256_code_challenge(self.verifier),
            "code_challenge_method": "S256",
        }
        return f"{self.issuer}/authorize?{urlencode(query)}"

    def redeem(self, code: str) -> requests.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": "page",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return requests.post(f"{self.issuer}/token", data=form, timeout=10)


@pytest.fixture
def asking(a_provider: Provider, a_page_app: PageApp) -> Asking:
    a_page_app.posted.clear()
    return Asking(a_provider, a_page_app)


def allow(page: Page, url: str) -> None:
    """Sign in by a pasted signature, which needs no script of the page, and say yes."""
    page.goto(url)
    page.get_by_text("Paste a wallet’s answer").click()
    signed = new_person().sign_message(page.locator("#text").inner_text())
    page.get_by_label("Signature").fill(signed["signature"])
    page.get_by_label("Public key").fill(signed["publicKey"])
    page.get_by_role("button", name="Sign in with this signature").click()
    page.get_by_role("button", name=ALLOW).click()


@pytest.mark.spec("Form Post Response Mode", "2")
@pytest.mark.parametrize("with_scripts", [True, False], ids=["with scripts", "without scripts"])
def test_the_code_arrives_by_post(
    with_scripts: bool, new_context: MakeContext, asking: Asking, a_page_app: PageApp
) -> None:
    page = new_context(java_script_enabled=with_scripts).new_page()

    allow(page, asking.url)
    if not with_scripts:
        go_on = page.get_by_role("button", name="Continue")
        expect(go_on).to_be_visible()
        assert a_page_app.posted == []
        go_on.click()
    page.wait_for_url(asking.redirect_uri)

    (posted,) = a_page_app.posted
    assert set(posted) == {"code", "state", "iss"}
    assert (posted["state"], posted["iss"]) == (asking.state, asking.issuer)
    assert asking.redeem(posted["code"]).status_code == 200


def test_the_page_that_posts_is_good_in_every_size_and_colour(
    new_context: MakeContext, asking: Asking, pictures_folder: Path
) -> None:
    context = new_context(reduced_motion="reduce")
    context.route("**/static/post.js", lambda route: route.abort())  # else it is gone at once
    page = context.new_page()
    allow(page, asking.url)
    expect(page.get_by_role("button", name="Continue")).to_be_visible()

    look_at(page, "form-post", pictures_folder)
