"""An app is looked at before it is added: what its site says, and what it cannot do to us."""

import json
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from oidc_bridge.apps.web_manifest import read_web_manifest
from oidc_bridge.errors import FetchError, ProofError
from oidc_bridge.storage import read
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.sites import SiteRow
from oidc_bridge.storage.whitelist import AppRule, set_rule
from tests.driver import Person, fields_of
from tests.fakes import NOW, FakeFetch
from tests.manifests import DAVE, a_picture, a_statement
from tests.web.admin.conftest import change
from tests.web.admin.test_apps import RULE, rule_of

SHOP = "https://shop.example"
MANIFEST = f"{SHOP}/manifest.json"
Admins = Callable[..., Person]


def look(admin: Person, address: str = SHOP) -> str:
    answer = admin.press_on("/admin/apps", "/admin/apps/add", address=address)
    assert answer.status_code == 200, answer.text
    return answer.text


def looked_at(fetch: FakeFetch) -> list[str]:
    """Return the sites that were asked; the admin's own name was looked up when they signed in."""
    return [url for url in fetch.calls if not url.startswith("https://names.example/")]


def shop_says(fetch: FakeFetch, **members: object) -> None:
    fetch.answers[MANIFEST] = (200, {"name": "The Shop", **members})


def test_what_a_site_says_is_shown_and_nothing_is_kept_before_the_rule(
    app: Flask, an_admin: Admins, fetch: FakeFetch
) -> None:
    admin = an_admin("admin")
    shop_says(
        fetch,
        icons=[{"src": "/logo.svg"}, {"src": "logo.png"}],
        did_authors=[DAVE.did],
        software_statement=a_statement(required_scopes=["openid", "email"]),
    )
    fetch.answers[f"{SHOP}/logo.png"] = (200, a_picture())

    page = look(admin, f"{SHOP}/")

    assert "<bdi>The Shop</bdi>" in page
    assert 'src="data:image/png;base64,' in page
    assert re.search(rf"Signed by <strong>\s*<bdi>{DAVE.btc}</bdi></strong>", page)
    assert "names this developer too" in page
    assert re.findall(r'<span>(Your [^<]*) <span class="tag">(.*?)</span>', page) == [
        ("Your ID", "Needed"),
        ("Your display name and picture", "Your people’s choice"),
        ("Your e-mail address", "Needed"),
    ]
    assert rule_of(app, SHOP) is None
    with app.app_context(), read() as connection:
        assert connection.execute(select(func.count()).select_from(SiteRow)).scalar_one() == 0
        kinds = connection.execute(select(EventRow.kind)).scalars().all()
    assert not [kind for kind in kinds if kind.startswith("app")]

    saved = admin.post("/admin/apps/rule", {**fields_of(page, "/admin/apps/rule"), **RULE})

    assert saved.status_code == 303
    assert rule_of(app, SHOP) == AppRule(SHOP, "deny")


def test_only_the_page_with_drawings_shows_what_comes_with_it(
    an_admin: Admins, fetch: FakeFetch
) -> None:
    admin = an_admin("admin")
    shop_says(fetch)

    shown = admin.press_on("/admin/apps", "/admin/apps/add", address=SHOP)

    assert "img-src 'self' data:;" in shown.headers["Content-Security-Policy"]
    assert "img-src 'self';" in admin.get("/admin/apps").headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (FetchError("fetch_failed", "x"), "Nothing answers there"),
        ((503, ""), "Nothing answers there"),
        ((404, ""), "There is no manifest"),
        (FetchError("fetch_blocked", "x"), "not public"),
        (FetchError("fetch_too_large", "x"), "too large"),
        ((200, "<html>"), "is no manifest"),
        ((200, [1]), "is no manifest"),
        ((200, "[" * 5000), "is no manifest"),
    ],
)
def test_an_app_whose_site_tells_nothing_can_be_added_all_the_same(
    app: Flask,
    an_admin: Admins,
    fetch: FakeFetch,
    answer: tuple[int, object] | FetchError,
    words: str,
) -> None:
    admin = an_admin("admin")
    fetch.answers[MANIFEST] = answer

    page = look(admin)

    assert words in page
    admin.post("/admin/apps/rule", {**fields_of(page, "/admin/apps/rule"), **RULE})
    assert rule_of(app, SHOP) == AppRule(SHOP, "deny")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (a_statement("mallory"), "not of this address"),
        (
            a_statement(
                client_uri="https://other.example", redirect_uris=["https://other.example"]
            ),
            "another site",
        ),
        (a_statement(aud="https://elsewhere.example"), "names another server"),
        (a_statement(exp=1), "exp"),
        ("x", "malformed"),
    ],
)
def test_a_statement_that_does_not_hold_is_said_to_and_asks_for_nothing(
    an_admin: Admins, fetch: FakeFetch, statement: str, words: str
) -> None:
    shop_says(fetch, software_statement=statement)

    page = look(an_admin("admin"))

    assert "The statement at this site does not hold." in page
    assert words in page
    assert "Nobody stands behind this app but its address." in page
    assert "signed that it wants" not in page


@pytest.mark.parametrize(
    ("address", "name"), [("element:", "element:"), ("client:wiki", "client:wiki")]
)
def test_what_has_no_site_is_not_looked_for(
    an_admin: Admins, fetch: FakeFetch, address: str, name: str
) -> None:
    answer = an_admin("admin").press_on("/admin/apps", "/admin/apps/add", address=address)

    assert answer.location == f"/admin/apps/one?app={name}"
    assert not looked_at(fetch)


def test_plain_http_is_asked_nothing(an_admin: Admins, fetch: FakeFetch) -> None:
    answer = an_admin("admin").press_on(
        "/admin/apps", "/admin/apps/add", address="http://a.example"
    )

    assert answer.status_code == 303
    assert not looked_at(fetch)


@pytest.mark.parametrize(
    ("typed", "guess"),
    [
        ("chat.example", "https://chat.example"),
        ("https://app.element.io/#/login", "https://app.element.io"),
        ("bücher.example", "https://xn--bcher-kva.example"),
        ("*.example", ""),
        ("client:nope", ""),
        ("nonsense", ""),
    ],
)
def test_what_is_no_app_is_shown_again_with_what_was_meant_perhaps(
    an_admin: Admins, fetch: FakeFetch, typed: str, guess: str
) -> None:
    answer = an_admin("admin").press_on("/admin/apps", "/admin/apps/add", address=typed)

    assert answer.status_code == 400
    assert f'value="{typed}" autocomplete' in answer.text
    assert 'id="wrong-address"' in answer.text
    assert "Find an app" in answer.text
    meant = re.findall(r'name="address" value="([^"]*)">\s*<button', answer.text)
    assert meant == ([guess] if guess else [])
    assert not looked_at(fetch)


def test_an_app_that_is_there_already_is_not_added_again(
    app: Flask, an_admin: Admins, fetch: FakeFetch
) -> None:
    change(app, lambda connection: set_rule(connection, AppRule(SHOP, "alone"), now=NOW))

    answer = an_admin("admin").press_on("/admin/apps", "/admin/apps/add", address=SHOP)

    assert answer.location == f"/admin/apps/one?app={SHOP}"
    assert not looked_at(fetch)


def test_what_a_hostile_site_says_stays_text(an_admin: Admins, fetch: FakeFetch) -> None:
    shop_says(
        fetch,
        name='<script>alert(1)</script>"\u202e',
        short_name="<b>\u2067Shop" + "x" * 5000,
        icons=[{"src": "https://spy.example/x.png"}, {"src": "javascript:x"}, {"src": 1}, 7],
        did_authors=[{"a": 1}, "did:btc-addr:<i>"],
        software_statement={"a": 1},
    )
    fetch.forbidden = ("https://spy.example",)

    page = look(an_admin("admin"))

    # The first name has a sign that cannot be seen; the second too. None is left.
    assert "alert(1)" not in page
    assert "<b>" not in page
    assert "spy.example" not in page
    assert '<span class="tile">' in page


@pytest.mark.parametrize("picture", [(200, b"<svg/>"), (404, ""), FetchError("fetch_failed", "x")])
def test_a_picture_that_cannot_be_drawn_is_left_out(
    an_admin: Admins, fetch: FakeFetch, picture: tuple[int, object] | FetchError
) -> None:
    shop_says(fetch, icons=[{"src": "/x.png"}])
    fetch.answers[f"{SHOP}/x.png"] = picture

    assert "data:image" not in look(an_admin("admin"))


@pytest.mark.parametrize("role", ["app manager", "auditor"])
def test_nobody_looks_at_sites_who_may_not_add_apps(
    an_admin: Admins, fetch: FakeFetch, role: str
) -> None:
    person = an_admin(role)
    csrf = fields_of(person.account_page(), "/account/sign-out")["csrf"]

    answer = person.post("/admin/apps/add", {"csrf": csrf, "address": SHOP})

    assert answer.status_code == 403
    assert not looked_at(fetch)


# ---- the manifest itself


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"name": " The \n Shop "}, "The Shop"),
        ({"name": "", "short_name": "Shop"}, "Shop"),
        ({"name": 7, "short_name": "Shop"}, "Shop"),
        ({"name": "x" * 500}, "x" * 100),
        ({"name": "\u200b"}, ""),
        ({}, ""),
    ],
)
def test_a_site_has_one_name_that_can_be_seen(members: dict[str, object], name: str) -> None:

    assert read_web_manifest(json.dumps(members).encode(), home=SHOP).name == name


@pytest.mark.parametrize(
    ("src", "icon"),
    [
        ("logo.png", f"{SHOP}/logo.png"),
        ("/a/logo.png?v=1", f"{SHOP}/a/logo.png?v=1"),
        (f"{SHOP}/x", f"{SHOP}/x"),
        ("//other.example/x.png", ""),
        ("https://shop.example:8443/x.png", ""),
        ("http://shop.example/x.png", ""),
        ("https://shop.example@evil.example/x.png", ""),
        ("data:image/png;base64,x", ""),
        ("logo.SVG?x=.png", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_an_icon_lies_at_the_site_itself(src: str, icon: str) -> None:

    body = json.dumps({"icons": [{"src": src}]}).encode()
    assert read_web_manifest(body, home=SHOP).icon == icon


def test_what_is_no_object_is_no_manifest() -> None:
    with pytest.raises(ProofError, match="malformed"):
        read_web_manifest(b"[]", home=SHOP)
