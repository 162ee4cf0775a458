"""The session cookie: what cannot be planted, read from a cache, or talked out of us (table S)."""

import re

import pytest
from flask import Flask

from tests.conftest import Clock
from tests.driver import ISSUER, Person, query_of


def cookie_of(person: Person, name: str = "__Host-session") -> str:
    cookie = person.browser.get_cookie(name, domain="bridge.example")
    return "" if cookie is None else cookie.value


def test_s1_a_planted_session_id_is_never_signed_in(ann: Person) -> None:
    ann.browser.set_cookie("__Host-session", "planted", domain="bridge.example", secure=True)

    ann.tokens()

    assert cookie_of(ann) not in ("", "planted")


def test_s1_the_id_is_new_at_each_proof_and_gone_at_sign_out(ann: Person, clock: Clock) -> None:
    ann.tokens()
    first = cookie_of(ann)
    sign_in = ann.authorize(prompt="login").location
    clock.advance(seconds=5)
    ann.prove(sign_in)
    second = cookie_of(ann)
    ann.sign_out()

    assert len({first, second, cookie_of(ann)}) == 3
    assert cookie_of(ann) == ""


@pytest.mark.parametrize("url", ["/account", "/end-session", "/signed-out"])
def test_s2_no_page_with_cookies_is_kept_by_a_cache(ann: Person, url: str) -> None:
    ann.tokens()

    answer = ann.get(url)

    assert answer.headers["Cache-Control"] == "no-store"
    if answer.status_code == 200:
        assert answer.headers["Vary"] == "Cookie"


def test_s2_the_cookies_are_this_hosts_alone(app: Flask, ann: Person) -> None:
    answer = ann.prove(ann.begin_account())

    cookies = answer.headers.getlist("Set-Cookie")
    assert cookies
    for cookie in cookies:
        assert cookie.startswith("__Host-")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    "cookie",
    [
        *("", "=", "=__Host-session=x", ";;;", "\x01", "session=x; session=y"),
        *("__Host-session", "__Host-session=", "__Host-session=\xff", '__Host-session="'),
        f"__Host-session={'x' * 5000}",
    ],
)
@pytest.mark.parametrize("url", ["/account", "/end-session"])
def test_s4_a_malformed_cookie_is_as_good_as_none(app: Flask, url: str, cookie: str) -> None:
    answer = app.test_client(use_cookies=False).get(
        url, base_url=ISSUER, headers={"Cookie": cookie}
    )

    assert answer.status_code in (200, 303)
    assert "Sign out" not in answer.text


@pytest.mark.parametrize("name", ["next", "redirect_uri", "return_to", "url", "RelayState"])
@pytest.mark.parametrize("path", ["/account", "/end-session", "/signed-out", "/"])
def test_s5_no_parameter_leads_away(ann: Person, path: str, name: str) -> None:
    answer = ann.get(f"{path}?{name}=https://evil.example/")

    assert "evil.example" not in answer.headers.get("Location", "") + answer.text


@pytest.mark.parametrize(
    "header",
    ["Host", "X-Forwarded-Host", "X-Forwarded-For", "X-Original-URL", "X-Rewrite-URL", "Forwarded"],
)
def test_s6_a_header_changes_neither_issuer_nor_address(ann: Person, header: str) -> None:
    value = "host=evil.example" if header == "Forwarded" else "evil.example"
    headers = {header: value}

    document = ann.browser.get(
        "/.well-known/openid-configuration", base_url=ISSUER, headers=headers
    ).get_json()
    left = ann.browser.get("/end-session", base_url=ISSUER, headers=headers)

    assert document["issuer"] == ISSUER
    assert left.location == "/signed-out"


def test_s7_a_session_ends_by_the_clock_however_it_was_used(ann: Person, clock: Clock) -> None:
    ann.tokens(remember=True)
    for _ in range(30):
        assert "Where you are signed in" in ann.account_page()
        clock.advance(days=1)

    assert not re.search("Where you are signed in", ann.account_page())
    answer = ann.authorize(prompt="none")
    assert query_of(answer.location)["error"] == "login_required"
