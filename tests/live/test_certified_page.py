"""oidc-client-ts in Chromium: an app without a server, at another origin than the bridge's."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.live.browser import put_wallet_into
from tests.live.certified import EVERYTHING, Provider
from tests.live.page_app import PageApp
from tests.live.person import ALLOW, SignsAs
from tests.live.wallet import new_person

MakeContext = Callable[..., BrowserContext]


class Tab:
    """A browser's tab with the app in it, and a person with a wallet before it."""

    def __init__(self, context: BrowserContext, provider: Provider, app: PageApp) -> None:
        self.app, self.provider = app, provider
        self.wallet = SignsAs(new_person())
        put_wallet_into(context, None, signer=self.wallet)
        self.page: Page = context.new_page()

    def open(self, *, dpop: bool) -> None:
        """Open the app; the library does not send proofs to userinfo, so it asks there without."""
        settings = {
            "authority": self.provider.issuer,
            "client_id": "page",
            "redirect_uri": f"{self.app.origin}/",
            "post_logout_redirect_uri": f"{self.app.origin}/goodbye",
            "scope": EVERYTHING,
            "loadUserInfo": not dpop,
            "automaticSilentRenew": False,
            "dpop": dpop,
        }
        self.page.add_init_script(f"window.settings = {json.dumps(settings)}")
        self.page.goto(self.app.origin)

    def go(self, call: str) -> None:
        """Call what leaves the page."""
        self.page.evaluate(f"() => {{ manager.{call} }}")

    def sign_in(self) -> dict[str, Any]:
        """Return what the library keeps of the person."""
        self.go("signinRedirect()")
        self.page.get_by_role("button", name="Leather").click()
        self.page.get_by_role("button", name=ALLOW).wait_for()
        for box in self.page.get_by_role("checkbox").all():
            box.set_checked(box.get_attribute("name") == "scope")
        self.page.get_by_role("button", name=ALLOW).click()
        self.page.wait_for_url(f"{self.app.origin}/?*")
        return self.user("arrived")

    def user(self, promise: str) -> dict[str, Any]:
        known: dict[str, Any] = self.page.evaluate(
            f"""{promise}.then(({{ profile, access_token, refresh_token, token_type, scope }}) =>
                ({{ profile, access_token, refresh_token, token_type, scope }}))"""
        )
        return known

    def refusal(self, promise: str) -> str:
        """Return the error's word by the wire, or the library's own."""
        said: str = self.page.evaluate(
            f"{promise}.then(() => 'nothing was refused', error => error.error ?? error.message)"
        )
        return said

    def userinfo(self, scheme: str, token: str, proof: str | None = None) -> tuple[int, str]:
        """Return status and ``WWW-Authenticate``, as far as the page may read them."""
        status, challenge = self.page.evaluate(
            """async ([scheme, token, proof]) => {
                const url = await manager.metadataService.getUserInfoEndpoint();
                const headers = { Authorization: `${scheme} ${token}` };
                if (proof) headers.DPoP = proof;
                const answer = await fetch(url, { headers });
                return [answer.status, answer.headers.get('WWW-Authenticate') ?? ''];
            }""",
            [scheme, token, proof],
        )
        return status, challenge

    def proof(self) -> str:
        """Return a proof of the library's for one request to userinfo."""
        made: str = self.page.evaluate(
            """async () => {
                const url = await manager.metadataService.getUserInfoEndpoint();
                return manager.dpopProof(url, await manager.getUser(), 'GET');
            }"""
        )
        return made


@pytest.fixture
def tab(new_context: MakeContext, a_provider: Provider, a_page_app: PageApp) -> Tab:
    return Tab(new_context(), a_provider, a_page_app)


def test_an_app_in_a_page_goes_all_the_way(tab: Tab) -> None:
    tab.open(dpop=False)

    user = tab.sign_in()
    refreshed = tab.user("manager.signinSilent()")

    assert user["profile"]["preferred_username"] == tab.wallet.address.lower()
    assert user["token_type"] == refreshed["token_type"] == "Bearer"
    assert refreshed["profile"]["sub"] == user["profile"]["sub"]
    assert refreshed["access_token"] != user["access_token"]
    assert tab.userinfo("Bearer", refreshed["access_token"]) == (200, "")

    tab.page.evaluate("manager.revokeTokens(['access_token', 'refresh_token'])")
    status, challenge = tab.userinfo("Bearer", refreshed["access_token"])
    assert status == 401
    assert 'error="invalid_token"' in challenge
    tab.page.evaluate(
        """async token => {
            const user = await manager.getUser();
            user.refresh_token = token;  // revokeTokens() has forgotten it
            await manager.storeUser(user);
        }""",
        refreshed["refresh_token"],
    )
    assert tab.refusal("manager.signinSilent()") == "invalid_grant"

    tab.go("signoutRedirect({ state: 'bye' })")
    tab.page.wait_for_url(f"{tab.app.origin}/goodbye?*")
    assert (
        tab.page.evaluate("manager.signoutCallback().then(({ userState }) => userState)") == "bye"
    )
    tab.go("signinRedirect({ prompt: 'none' })")
    tab.page.wait_for_url(f"{tab.app.origin}/?*")
    assert tab.refusal("arrived") == "login_required"


def test_an_app_in_a_page_binds_its_tokens_to_a_key_that_never_leaves_it(tab: Tab) -> None:
    tab.open(dpop=True)

    user = tab.sign_in()
    refreshed = tab.user("manager.signinSilent()")
    token = refreshed["access_token"]

    assert user["token_type"] == refreshed["token_type"] == "DPoP"
    assert tab.userinfo("DPoP", token, tab.proof()) == (200, "")
    status, challenge = tab.userinfo("Bearer", token)
    assert (status, challenge.partition(" ")[0]) == (401, "DPoP")

    # Whoever steals the tokens has another key.
    tab.page.evaluate(
        """async () => {
            const kind = { name: 'ECDSA', namedCurve: 'P-256' };
            const keys = await crypto.subtle.generateKey(kind, false, ['sign']);
            await manager.settings.dpop.store.set('page', new oidc.DPoPState(keys));
        }"""
    )
    status, challenge = tab.userinfo("DPoP", token, tab.proof())
    assert status == 401
    assert 'error="invalid_token"' in challenge
    assert tab.refusal("manager.signinSilent()") == "invalid_grant"


def test_the_library_refuses_an_answer_that_it_did_not_ask_for(tab: Tab) -> None:
    tab.open(dpop=False)

    tab.page.goto(f"{tab.app.origin}/?code=stolen&state=unknown")

    assert tab.refusal("arrived") == "No matching state found in storage"
