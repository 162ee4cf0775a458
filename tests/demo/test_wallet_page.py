"""The demo wallet answers its own bridge, and nobody else."""

from urllib.parse import urlencode

import pytest

from oidc_bridge.demo.people import People
from oidc_bridge.proofs.jsontokens import sign
from oidc_bridge.proofs.names import NameService, check_service, names_of
from tests.demo.conftest import PLACES, Browser, Net
from tests.fakes import NOW

KEY = b"\x01" * 32
PUBLIC_KEY = "031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f"


def auth_request(**changes: object) -> str:
    claims = {
        "public_keys": [PUBLIC_KEY],
        "domain_name": PLACES.bridge,
        "redirect_uri": f"{PLACES.bridge}/sign-in/answer?challenge=x",
        "appDetails": {"name": "Demo bridge"},
    }
    return sign(claims | changes, KEY)


def ask(browser: Browser, text: str) -> str:
    return browser.open(f"{PLACES.wallet}/auth?{urlencode({'authRequest': text})}")


@pytest.mark.parametrize(
    "foreign",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{PLACES.bridge}@evil.example/"},
        {"redirect_uri": f"{PLACES.bridge}.evil.example/"},
        {"redirect_uri": PLACES.bridge},
        {"redirect_uri": f"{PLACES.bridge}/\\evil.example"},
        {"redirect_uri": f"{PLACES.bridge}/\r\nSet-Cookie: a=b"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": f"{PLACES.app}/callback"},
        {"domain_name": "https://evil.example"},
    ],
    ids=lambda change: next(iter(change.values())),
)
def test_a_request_from_elsewhere_is_refused(browser: Browser, foreign: dict[str, str]) -> None:
    page = ask(browser, auth_request(**foreign))

    assert browser.page.status_code == 400
    assert "request_foreign" in page
    assert "evil" not in page


def test_a_foreign_request_is_refused_in_the_form_too(browser: Browser) -> None:
    ask(browser, auth_request())

    page = browser.send(
        "/answer",
        identity="bob",
        authRequest=auth_request(redirect_uri="https://evil.example/"),
    )

    assert browser.page.status_code == 400
    assert "request_foreign" in page


@pytest.mark.parametrize("text", ["", "x", "a.b.c", auth_request()[:-4] + "AAAA"])
def test_what_is_no_signed_request_is_refused(browser: Browser, text: str) -> None:
    assert "request_malformed" in ask(browser, text)
    assert browser.page.status_code == 400


def test_the_page_says_who_asks_and_that_it_is_a_demo(browser: Browser, people: People) -> None:
    page = ask(browser, auth_request(appDetails={"name": "<b>Bridge</b>"}))

    assert "DEMO" in page
    assert "&lt;b&gt;Bridge&lt;/b&gt;" in page
    assert "localhost:8000" in page
    for person in people.all():
        assert person.wallet.address.c32 in page


def test_an_answer_needs_the_form_of_this_browser(browser: Browser) -> None:
    ask(browser, auth_request())

    assert "form_foreign" in browser.send("/answer", identity="bob", csrf="guessed")
    assert browser.page.status_code == 400


def test_nobody_unknown_answers(browser: Browser) -> None:
    ask(browser, auth_request())

    assert "identity_unknown" in browser.send("/answer", identity="nobody")


def test_identities_do_not_grow_without_end(browser: Browser, people: People) -> None:
    ask(browser, auth_request())
    for _ in range(30):
        browser.send("/identities")

    assert len(people.all()) == 12
    assert len({person.id for person in people.all()}) == 12


def test_the_name_service_knows_owners(browser: Browser, people: People) -> None:
    browser.open(f"{PLACES.wallet}/v1/names/ann.demo.id")
    assert browser.page.get_json()["address"] == people.find("ann-example").wallet.address.c32

    browser.open(f"{PLACES.wallet}/v1/names/nobody.demo.id")
    assert browser.page.status_code == 404


def test_the_name_services_know_both_names_of_one_person(net: Net, people: People) -> None:
    cleo = people.find("cleo").wallet.address
    services = (
        NameService(PLACES.wallet, frozenset({3})),
        NameService(PLACES.wallet, frozenset({2}), system="v2"),
    )

    report = names_of(
        cleo, claimed=(), known=("cleo.btc",), services=services, fetch=net.fetch, now=NOW
    )

    assert [name.text for name in report.confirmed] == ["cleo.btc", "cleo.demo.id"]
    assert report.is_complete
    for service in services:
        check_service(service, fetch=net.fetch)


def test_each_demo_has_keys_of_its_own() -> None:
    one, other = People(b"1" * 32, picture=""), People(b"2" * 32, picture="")

    addresses = {person.wallet.address for person in (*one.all(), *other.all())}
    assert len(addresses) == len(one.all()) + len(other.all())


def test_another_spelling_of_localhost_is_led_home(browser: Browser) -> None:
    client = browser.net.sites[PLACES.wallet].test_client()

    answer = client.get("/auth", base_url="http://127.0.0.1:8001")

    assert answer.location == f"{PLACES.wallet}/"
