"""Whole stories: a Matrix client, a real Synapse, the bridge, and a wallet, in a real browser."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import expect

from tests.live.loopback import CHAT_HOST, PNG, Pictures, WebWallet
from tests.live.person import AnswersAs, MatrixSession, SignsAs, Visitor, mxid_of
from tests.live.tools import wait_for
from tests.live.wallet import new_person, person_profile
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]


def whoami(world: World, session: MatrixSession) -> requests.Response:
    return world.synapse.ask("GET", "v3/account/whoami", session.access_token)


def is_signed_in(world: World, session: MatrixSession) -> bool:
    """Tell whether Synapse still takes the access token; if not, it must say why."""
    answer = whoami(world, session)
    if answer.status_code == 200:
        return True
    assert (answer.status_code, answer.json()["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    return False


# ---- signing in


def test_a_wallet_in_the_page_signs_in_to_synapse(world: World, a_visitor: MakeVisitor) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)

    session = ann.sign_in()

    assert whoami(world, session).json()["user_id"] == session.user_id == mxid_of(wallet)


def test_a_wallet_at_a_web_address_signs_in_to_synapse(
    world: World, a_visitor: MakeVisitor, a_web_wallet: WebWallet
) -> None:
    wallet = AnswersAs(new_person(), "blockstack")
    a_web_wallet.answer = wallet.at_web_address
    ann = a_visitor()

    ann.come_from_chat()
    ann.choose_web_wallet()
    ann.allow()

    assert ann.arrive().user_id == mxid_of(wallet)
    assert wallet.last.manifest  # blockstack.js loaded it, and found it of the same origin
    assert wallet.last.auth_response not in world.bridge.log.read_text()


def test_a_wallet_at_a_web_address_needs_no_javascript_of_ours(
    world: World, a_visitor: MakeVisitor, a_web_wallet: WebWallet
) -> None:
    wallet = AnswersAs(new_person(), "blockstack")
    a_web_wallet.answer = wallet.at_web_address
    # Without scripts the Matrix client does not work either, so the last step is read off.
    ann = a_visitor(java_script_enabled=False)

    ann.page.goto(world.sign_in_url)
    ann.choose_web_wallet()
    ann.page.get_by_role("button", name="Continue").click()
    ann.allow()
    ann.page.wait_for_url(re.compile(re.escape(world.chat)))
    (token,) = parse_qs(urlsplit(ann.page.url).query)["loginToken"]
    answer = world.synapse.ask("POST", "v3/login", json={"type": "m.login.token", "token": token})

    assert answer.json()["user_id"] == mxid_of(wallet)


def test_one_recovery_phrase_is_one_matrix_id_in_every_wallet(
    world: World, a_visitor: MakeVisitor, a_web_wallet: WebWallet
) -> None:
    ann = new_person()
    old, new = AnswersAs(ann, "blockstack"), AnswersAs(ann, "wallet-sdk")
    a_web_wallet.answer = old.at_web_address
    at_home, at_work = a_visitor(), a_visitor(new.in_page)

    at_home.come_from_chat()
    at_home.choose_web_wallet()
    at_home.allow()
    first = at_home.arrive()
    at_work.come_from_chat()
    at_work.choose_wallet()
    at_work.allow()
    second = at_work.arrive()

    assert first.user_id == second.user_id
    assert first.device_id != second.device_id


def test_display_name_and_picture_reach_matrix(
    world: World, a_visitor: MakeVisitor, a_web_wallet: WebWallet, a_picture_host: Pictures
) -> None:
    profile = person_profile("Ann of Arc", f"{a_picture_host.origin}/ann.png")
    a_web_wallet.answer = AnswersAs(new_person(profile), "blockstack").at_web_address
    ann = a_visitor()

    ann.come_from_chat()
    ann.choose_web_wallet()
    ann.allow()
    session = ann.arrive()
    shown = world.synapse.ask("GET", f"v3/profile/{session.user_id}", session.access_token).json()

    assert shown["displayname"] == "Ann of Arc"
    assert "/ann.png" in a_picture_host.asked
    media = shown["avatar_url"].removeprefix("mxc://")
    picture = world.synapse.ask("GET", f"v1/media/download/{media}", session.access_token)
    assert picture.content == PNG


def test_what_was_not_allowed_is_not_told(
    world: World, a_visitor: MakeVisitor, a_web_wallet: WebWallet
) -> None:
    wallet = AnswersAs(new_person(person_profile("Ann of Arc")), "blockstack")
    a_web_wallet.answer = wallet.at_web_address
    ann = a_visitor()

    ann.come_from_chat()
    ann.choose_web_wallet()
    ann.allow(all_scopes=False)
    session = ann.arrive()
    shown = world.synapse.ask("GET", f"v3/profile/{session.user_id}", session.access_token).json()

    localpart = session.user_id[1:].split(":")[0]
    assert shown["displayname"] == localpart  # Synapse's own choice where it is told none


def test_the_consent_page_names_the_matrix_client_and_the_matrix_id(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)

    ann.come_from_chat()
    ann.choose_wallet()

    main = ann.page.get_by_role("main")
    expect(main).to_contain_text(CHAT_HOST)
    expect(main).to_contain_text(mxid_of(wallet))


# ---- signing in again


def test_a_remembered_consent_needs_no_click(world: World, a_visitor: MakeVisitor) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    first = ann.sign_in(remember=True)

    ann.come_from_chat()
    second = ann.arrive()

    assert second.user_id == first.user_id
    assert second.device_id != first.device_id
    assert len(wallet.signed) == 1


def test_a_consent_that_is_not_remembered_is_asked_for_again(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    first = ann.sign_in()

    ann.come_from_chat()
    ann.allow()

    assert ann.arrive().user_id == first.user_id
    assert len(wallet.signed) == 1  # the session at the bridge is still good


def test_a_remembered_consent_holds_in_another_browser(
    world: World, a_visitor: MakeVisitor
) -> None:
    person = new_person()
    first = a_visitor(signer=SignsAs(person)).sign_in(remember=True)
    elsewhere = a_visitor(signer=SignsAs(person))

    elsewhere.come_from_chat()
    elsewhere.choose_wallet()  # and its form leads all the way to the Matrix client

    assert elsewhere.arrive().user_id == first.user_id


def test_another_browser_is_the_same_person(world: World, a_visitor: MakeVisitor) -> None:
    ann = new_person()

    sessions = [a_visitor(signer=SignsAs(ann)).sign_in() for _ in range(2)]

    assert sessions[0].user_id == sessions[1].user_id


def test_two_people_in_one_browser_are_two_matrix_ids(
    world: World, a_visitor: MakeVisitor, a_web_wallet: WebWallet
) -> None:
    bob_wallet = AnswersAs(new_person(), "blockstack")
    a_web_wallet.answer = bob_wallet.at_web_address
    browser = a_visitor(signer=SignsAs(new_person()))
    ann = browser.sign_in(remember=True)

    browser.page.goto(f"{world.bridge.issuer}/account")
    browser.page.get_by_role("button", name="Sign out", exact=True).click()
    browser.come_from_chat()
    browser.choose_web_wallet()
    browser.allow()

    assert browser.arrive().user_id == mxid_of(bob_wallet) != ann.user_id


# ---- saying no


def test_no_at_consent_is_told_by_synapse(world: World, a_visitor: MakeVisitor) -> None:
    ann = a_visitor(signer=SignsAs(new_person()))

    ann.come_from_chat()
    ann.choose_wallet()
    ann.refuse()

    ann.page.wait_for_url(re.compile(re.escape(f"{world.synapse.base_url}_synapse")))
    page = ann.page.get_by_role("main").or_(ann.page.locator("body")).first
    expect(page).to_contain_text("access_denied")
    expect(ann.page.locator("#errormsg")).to_have_text(re.compile(r"\w+ \w+"))


def test_no_in_the_wallet_can_be_thought_over(world: World, a_visitor: MakeVisitor) -> None:
    wallet = SignsAs(new_person())
    says = iter([False, True])
    ann = a_visitor(signer=wallet, willing=lambda: next(says))

    ann.come_from_chat()
    ann.choose_wallet()
    expect(ann.page.get_by_role("alert").first).to_contain_text("You said no in Leather")
    ann.choose_wallet()
    ann.allow()

    assert ann.arrive().user_id == mxid_of(wallet)


# ---- confirming an action


def delete_device(
    world: World, session: MatrixSession, device_id: str, uia: str | None = None
) -> requests.Response:
    """Ask Synapse to delete a device; it wants to know that it is really the person."""
    auth = {"auth": {"session": uia}} if uia else {}
    return world.synapse.ask("DELETE", f"v3/devices/{device_id}", session.access_token, json=auth)


def confirmation_url(world: World, uia: str) -> str:
    query = f"session={uia}"
    return f"{world.synapse.base_url}_matrix/client/v3/auth/m.login.sso/fallback/web?{query}"


def test_an_action_is_confirmed_by_a_new_answer_of_the_wallet(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    session = ann.sign_in(remember=True)
    ann.come_from_chat()
    other = ann.arrive()
    asked = delete_device(world, session, other.device_id)
    assert asked.status_code == 401
    uia = asked.json()["session"]

    ann.page.goto(confirmation_url(world, uia))
    ann.page.get_by_role("link", name="Continue with").click()
    # A live session and a remembered consent are not enough: whoever sits there must prove it.
    expect(ann.page.get_by_role("heading", level=1)).to_have_text("Confirm it is you")
    ann.choose_wallet()

    expect(ann.page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert len(wallet.signed) == 2
    assert delete_device(world, session, other.device_id, uia).status_code == 200
    assert not is_signed_in(world, other)


def test_an_action_is_not_confirmed_by_somebody_else(world: World, a_visitor: MakeVisitor) -> None:
    ann, mallory = (a_visitor(signer=SignsAs(new_person())) for _ in range(2))
    session = ann.sign_in()
    mallory.sign_in()  # known to this Synapse, but another person
    uia = delete_device(world, session, session.device_id).json()["session"]

    mallory.page.goto(confirmation_url(world, uia))
    mallory.page.get_by_role("link", name="Continue with").click()
    mallory.choose_wallet()

    expect(mallory.page.get_by_role("heading", level=1)).to_have_text("That doesn't look right")
    assert delete_device(world, session, session.device_id, uia).status_code == 403
    assert is_signed_in(world, session)


# ---- keys


def test_sign_in_goes_on_after_a_change_of_keys(world: World, a_visitor: MakeVisitor) -> None:
    def key_ids() -> set[str]:
        discovery = f"{world.bridge.issuer}/.well-known/openid-configuration"
        jwks_uri = requests.get(discovery, timeout=10).json()["jwks_uri"]
        return {key["kid"] for key in requests.get(jwks_uri, timeout=10).json()["keys"]}

    a_visitor(signer=SignsAs(new_person())).sign_in()  # Synapse has fetched the keys by now
    before = key_ids()

    world.bridge.run("keys", "rotate")
    wait_for(lambda: key_ids() - before, what="the new key is published")
    wallet = SignsAs(new_person())
    session = a_visitor(signer=wallet).sign_in()

    assert session.user_id == mxid_of(wallet)
    assert before & key_ids()  # tokens of the retired key can still be checked


# ---- signing out


def test_signing_out_at_the_bridge_ends_the_matrix_session(
    world: World, a_visitor: MakeVisitor
) -> None:
    person = new_person()
    ann, elsewhere = a_visitor(signer=SignsAs(person)), a_visitor(signer=SignsAs(person))
    session, other = ann.sign_in(), elsewhere.sign_in()

    ann.page.goto(f"{world.bridge.issuer}/account")
    ann.page.get_by_role("button", name="Sign out", exact=True).click()

    wait_for(lambda: not is_signed_in(world, session), what="Synapse forgets the access token")
    assert is_signed_in(world, other)  # another browser, another session


def test_signing_out_everywhere_ends_every_matrix_session(
    world: World, a_visitor: MakeVisitor
) -> None:
    person = new_person()
    ann, elsewhere = a_visitor(signer=SignsAs(person)), a_visitor(signer=SignsAs(person))
    sessions = [ann.sign_in(), elsewhere.sign_in()]

    ann.page.goto(f"{world.bridge.issuer}/account")
    ann.page.get_by_role("button", name="Sign out everywhere").click()
    ann.page.get_by_role("button", name="Sign out everywhere").click()  # yes, really

    wait_for(
        lambda: not any(is_signed_in(world, session) for session in sessions),
        what="Synapse forgets both access tokens",
    )
    elsewhere.page.goto(f"{world.bridge.issuer}/account")
    expect(elsewhere.page.get_by_role("button", name="Sign in with your wallet")).to_be_visible()


def test_removing_access_ends_the_matrix_session_and_asks_again(
    world: World, a_visitor: MakeVisitor
) -> None:
    ann = a_visitor(signer=SignsAs(new_person()))
    session = ann.sign_in(remember=True)

    ann.page.goto(f"{world.bridge.issuer}/account")
    ann.page.get_by_role("button", name="Remove access").click()
    ann.page.get_by_role("button", name="Remove access").click()

    wait_for(lambda: not is_signed_in(world, session), what="Synapse forgets the access token")
    ann.come_from_chat()
    ann.allow()
    assert ann.arrive().user_id == session.user_id


# ---- what Synapse runs with


def test_synapse_runs_with_the_printed_yaml(world: World) -> None:
    flows = world.synapse.ask("GET", "v3/login").json()["flows"]

    (sso,) = [flow for flow in flows if flow["type"] == "m.login.sso"]
    (provider,) = sso["identity_providers"]
    assert provider["id"] == f"oidc-{world.idp_id}"
    assert world.bridge.issuer in world.printed_yaml.read_text()


@pytest.mark.parametrize("path", ["authorize", "account", "sign-in/nowhere"])
def test_no_page_of_the_bridge_is_silent_about_an_error(world: World, path: str) -> None:
    answer = requests.get(f"{world.bridge.issuer}/{path}", timeout=10)

    assert answer.status_code < 500
    assert "<h1>" in answer.text
