"""A person clicks through the demo: app, bridge, wallet, consent, app."""

import html
import re
from urllib.parse import urlsplit

from oidc_bridge.demo.people import People
from tests.conftest import Clock
from tests.demo.conftest import PLACES, Browser, Net

APP = f"{PLACES.app}/"


def claims_on(page: str) -> dict[str, str]:
    rows = re.findall(r"<th scope=\"row\">(.*?)</th><td>(.*?)</td>", page, re.S)
    return {plain(name): plain(value) for name, value in rows}


def plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", text)).strip()


def test_ann_signs_in_by_the_name_that_she_owns(at_wallet: Browser) -> None:
    assert "Demo bridge" in at_wallet.text
    at_wallet.choose("ann-example")

    page = at_wallet.decide("allow", "profile", "email", "offline_access")

    assert at_wallet.url == APP
    claims = claims_on(page)
    assert claims["preferred_username"] == "ann.demo.id"
    assert claims["name"] == "Ann Example"
    assert claims["email"] == "ann@example.org"
    assert claims["iss"] == PLACES.bridge
    assert claims["aud"] == "demo-app"
    assert claims["refresh token"] == "yes"


def test_mallory_does_not_get_the_name_that_she_only_claims(
    at_wallet: Browser, people: People
) -> None:
    at_wallet.choose("mallory")

    claims = claims_on(at_wallet.decide("allow"))

    assert claims["preferred_username"] == people.find("mallory").wallet.address.c32.lower()
    assert "name" not in claims


def test_cleo_shows_her_picture_and_chooses_a_name(at_wallet: Browser) -> None:
    at_wallet.choose("cleo")
    at_wallet.send(urlsplit(at_wallet.url).path, name="cleo.btc")

    claims = claims_on(at_wallet.decide("allow", "profile"))

    assert claims["preferred_username"] == "cleo.btc"
    assert claims["picture"] == f"{PLACES.hub}/picture.png"
    assert claims["refresh token"] == "no"
    assert "Refresh" not in at_wallet.text


def test_a_new_identity_can_sign_in(at_wallet: Browser) -> None:
    at_wallet.send("/identities")
    at_wallet.choose("guest-1")

    assert claims_on(at_wallet.decide("allow", "profile"))["name"] == "Guest 1"


def test_tokens_are_refreshed(at_wallet: Browser) -> None:
    at_wallet.choose("bob")
    before = claims_on(at_wallet.decide("allow", "offline_access"))

    after = claims_on(at_wallet.send("/refresh"))

    assert after["sub"] == before["sub"]
    assert after["at_hash"] != before["at_hash"]
    assert after["times refreshed"] == "1"


def test_who_refuses_in_the_wallet_is_back_at_the_question(at_wallet: Browser) -> None:
    at_wallet.follow("Refuse")

    assert at_wallet.at.startswith(f"{PLACES.bridge}/sign-in/")
    at_wallet.follow("Demo wallet")
    at_wallet.choose("bob")
    assert "/consent/" in at_wallet.url


def test_a_no_at_consent_is_shown_by_the_app(at_wallet: Browser) -> None:
    at_wallet.choose("bob")

    page = at_wallet.decide("deny")

    assert at_wallet.url == APP
    assert "access_denied" in page
    assert claims_on(page) == {}


def test_sign_out_at_the_app_is_for_the_app_alone(at_wallet: Browser) -> None:
    at_wallet.choose("bob")
    at_wallet.decide("allow")

    page = at_wallet.send("/log-out")

    assert claims_on(page) == {}
    assert "/account/sign-out" in at_wallet.open(f"{PLACES.bridge}/account")


def test_sign_out_at_the_bridge_reaches_the_app(at_wallet: Browser, net: Net, clock: Clock) -> None:
    at_wallet.choose("bob")
    at_wallet.decide("allow")
    at_wallet.open(f"{PLACES.bridge}/account")
    at_wallet.send("/account/sign-out")

    assert net.deliver(clock) == 1

    page = at_wallet.open(PLACES.app)
    assert "signed_out" in page
    assert claims_on(page) == {}
