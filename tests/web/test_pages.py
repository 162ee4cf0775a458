"""What every answer carries, and that looking changes nothing."""

import json

import pytest
from flask import Flask
from sqlalchemy import select

from oidc_bridge.oidc.metadata import discovery
from oidc_bridge.storage import Base, read
from tests.driver import ISSUER, Person


def everything(app: Flask) -> dict[str, list[object]]:
    with app.app_context(), read() as connection:
        return {
            name: sorted(map(repr, connection.execute(select(table))))
            for name, table in Base.metadata.tables.items()
        }


def test_no_get_changes_anything(app: Flask, ann: Person) -> None:
    """All routes but /authorize, which must keep the request (OIDC Core 3.1.2)."""
    sign_in = ann.authorize().location
    ann.tokens()
    consent = ann.prove(ann.authorize(prompt="login").location).location
    before = everything(app)

    urls = [sign_in, consent, "/sign-in/answer?challenge=x&authResponse=y"]
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.arguments and rule.rule != "/authorize":
            urls.append(rule.rule)
    for url in urls:
        assert ann.get(url).status_code < 500

    assert everything(app) == before


@pytest.mark.parametrize("path", ["/account", "/nothing-here"])
def test_pages_are_locked_down(ann: Person, path: str) -> None:
    headers = ann.get(path).headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Strict-Transport-Security"]


@pytest.mark.spec("OIDC Discovery", "4")
def test_discovery_is_what_the_module_says_and_may_be_kept(app: Flask) -> None:
    answer = app.test_client().get("/.well-known/openid-configuration", base_url=ISSUER)

    assert json.loads(answer.data) == discovery(ISSUER)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    etag = answer.headers["ETag"]
    again = app.test_client().get(
        "/.well-known/openid-configuration", base_url=ISSUER, headers={"If-None-Match": etag}
    )
    assert again.status_code == 304
    assert again.data == b""


@pytest.mark.spec("RFC 8414", "3")
def test_oauth_metadata_is_the_same_document(app: Flask) -> None:
    client = app.test_client()

    one = client.get("/.well-known/openid-configuration", base_url=ISSUER)
    other = client.get("/.well-known/oauth-authorization-server", base_url=ISSUER)

    assert one.data == other.data


def test_the_jwks_has_public_keys_only(app: Flask) -> None:
    keys = app.test_client().get("/jwks", base_url=ISSUER).get_json()["keys"]

    public = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}
    assert [key["kty"] for key in keys].count("RSA") == 2
    for key in keys:
        assert set(key) == {"kty", "kid", "use", "alg"} | public[key["kty"]]


def test_the_manifest_is_open_to_wallets(app: Flask) -> None:
    answer = app.test_client().get("/manifest.json", base_url=ISSUER)

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.get_json()["icons"][0]["src"] == f"{ISSUER}/static/icon.png"
    with app.test_client().get("/static/icon.png", base_url=ISSUER) as icon:
        assert icon.status_code == 200


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"])
def test_no_header_changes_the_issuer(app: Flask, header: str) -> None:
    answer = app.test_client().get(
        "/.well-known/openid-configuration", headers={header: "evil.example"}
    )

    assert answer.get_json()["issuer"] == ISSUER


def test_signs_of_life(app: Flask) -> None:
    client = app.test_client()

    assert client.get("/livez").data == b"ok\n"
    assert client.get("/readyz").data == b"ok\n"


def test_a_body_that_is_too_large_is_refused(ann: Person) -> None:
    ann.authorize()

    answer = ann.post("/sign-in/answer", {"authResponse": "x" * 300_000})

    assert answer.status_code == 413
    assert "too_large" in answer.text


def test_a_crash_is_a_page_with_a_reference_and_no_detail(
    app: Flask, ann: Person, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("oidc_bridge.web.account.home.current_session", broken)

    page = ann.get("/account")

    assert page.status_code == 500
    assert "secret detail" not in page.text
    reference = caplog.records[-1].getMessage().rpartition("reference=")[2]
    assert reference in page.text


def test_secrets_are_never_logged(
    app: Flask, ann: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    sign_in = ann.authorize(scope="openid profile offline_access").location
    fields, auth_request = ann.read_challenge(sign_in)
    answer = ann.wallet.answer(auth_request, now=ann.clock())
    ann.post("/sign-in/answer", {**fields, "authResponse": answer})
    tokens = ann.tokens(scope="openid profile offline_access", scopes=("profile", "offline_access"))
    ann.sign_out()

    cookie = ann.browser.get_cookie("__Host-browser", domain="bridge.example")
    assert cookie is not None
    secrets = [answer, auth_request, fields["csrf"], cookie.value, "nonce-1"]
    secrets += [str(tokens[name]) for name in ("access_token", "refresh_token", "id_token")]
    log = "\n".join(record.getMessage() for record in caplog.records)
    assert not [secret for secret in secrets if secret in log]


def test_d4_secrets_are_kept_as_hashes_only(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(scope="openid profile offline_access", scopes=("profile", "offline_access"))
    cookies = [
        ann.browser.get_cookie(name, domain="bridge.example")
        for name in ("__Host-browser", "__Host-session")
    ]
    secrets = [str(tokens[name]) for name in ("access_token", "refresh_token")]
    secrets += [cookie.value for cookie in cookies if cookie]
    secrets.append("synapse-sss")

    kept = "\n".join(row for rows in everything(app).values() for row in map(str, rows))

    assert len(secrets) == 5
    assert not [secret for secret in secrets if secret in kept]
