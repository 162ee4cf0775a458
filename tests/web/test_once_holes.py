"""Holes that a security review found, each mended: how it should be, and is now."""

import logging
import re
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import Connection, func, select, text, update

from oidc_bridge.cli import cli
from oidc_bridge.config import Settings
from oidc_bridge.logout import Courier
from oidc_bridge.oidc.client import Client
from oidc_bridge.ports import Fetched
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.apps import add_client, add_secret
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.storage.prune import prune_all
from oidc_bridge.web import steps
from oidc_bridge.web.oidc import token
from tests.conftest import Clock
from tests.driver import (
    ISSUER,
    WIKI,
    Person,
    ask_token,
    authorize_query,
    query_of,
    read_id_token,
    redeem,
    secret_of,
    userinfo,
)
from tests.fakes import NOW, FakeFetch, FakeWallet

OFFLINE = "openid profile offline_access"


def refresh(app: Flask, token: object, **more: str) -> dict[str, object]:
    form = {"grant_type": "refresh_token", "refresh_token": str(token), **more}
    return ask_token(app, form).get_json()


def deliveries(app: Flask) -> list[tuple[str, object]]:
    with app.app_context(), read() as connection:
        rows = connection.execute(select(LogoutDeliveryRow.sid, LogoutDeliveryRow.done_at))
        return [(sid, done) for sid, done in rows]


def events(app: Flask) -> list[str]:
    with app.app_context(), read() as connection:
        return list(connection.execute(select(EventRow.kind)).scalars())


# ---- CSP and odd redirectUrl at an ordinary client


@pytest.mark.parametrize(
    "redirect_url",
    [
        "https://x;script-src-elem 'unsafe-inline' *;report-uri https://evil.example",
        "https://x *",
        "https://evil.example",
    ],
)
def test_a_link_cannot_change_the_content_security_policy(ann: Person, redirect_url: str) -> None:
    page = ann.get(ann.authorize(WIKI, redirectUrl=redirect_url).location)

    policy = page.headers["Content-Security-Policy"]
    assert policy.endswith("form-action 'self' https://wiki.example"), policy


@pytest.mark.parametrize("redirect_url", ["https://[", "https://\u0141.example", "https://\u212a"])
def test_an_odd_redirect_url_at_an_ordinary_client_is_no_crash(
    ann: Person, redirect_url: str
) -> None:
    sign_in = ann.authorize(WIKI, redirectUrl=redirect_url).location

    if sign_in.startswith("/"):
        page = ann.get(sign_in)
        assert page.status_code == 200
        page.headers["Content-Security-Policy"].encode("ascii")


# ---- back-channel log-out


def test_a_new_sign_in_is_not_known_by_the_sid_that_is_being_signed_out(
    app: Flask, ann: Person
) -> None:
    first = read_id_token(app, str(ann.tokens()["id_token"]))
    ann.remove_first_app()  # the homeserver may be down: the outbox tries for two days
    second = read_id_token(app, str(ann.tokens()["id_token"]))

    assert [sid for sid, _ in deliveries(app)] == [first["sid"]]
    assert second["sid"] != first["sid"]


def test_a_client_is_told_once_of_each_sign_in_that_is_over(app: Flask, ann: Person) -> None:
    """Else the tenth removal sends ten tokens for what has been over for years."""
    for _ in range(4):
        ann.tokens()
        ann.remove_first_app()
        ann.tokens()
        ann.sign_out()

    sids = [sid for sid, _ in deliveries(app)]
    assert len(sids) == len(set(sids)) == 8


def test_signing_out_everywhere_reaches_devices_of_sessions_that_have_expired(
    app: Flask, ann: Person, clock: Clock
) -> None:
    old = read_id_token(app, str(ann.tokens()["id_token"]))
    clock.advance(days=31)
    new = read_id_token(app, str(ann.tokens()["id_token"]))

    ann.sign_out_everywhere()

    assert {sid for sid, _ in deliveries(app)} == {old["sid"], new["sid"]}


@pytest.mark.parametrize("scope", ["openid profile", OFFLINE])
def test_signing_out_while_a_code_is_redeemed_tells_the_client(
    app: Flask, ann: Person, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    scopes = tuple(s for s in scope.split() if s != "openid")
    code = query_of(ann.sign_in(scope=scope, scopes=scopes))["code"]
    signing_out = threading.Thread(target=ann.sign_out)
    check_code = token.check_code

    def slowly(*args: object, **kwargs: object) -> None:
        signing_out.start()
        time.sleep(1)
        check_code(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(token, "check_code", slowly)

    answer = redeem(app, code)
    signing_out.join()

    # Either the client got nothing, or it is told.
    assert answer.status_code == 400 or len(deliveries(app)) == 1


def test_a_delivery_that_was_made_is_not_opened_again_by_a_slow_worker(
    app: Flask, ann: Person, clock: Clock, settings: Settings
) -> None:
    ann.tokens()
    ann.sign_out()

    def quick(_url: str, _fields: object, *, is_operators: bool = False) -> Fetched:
        return Fetched(200, b"")

    def slow(_url: str, _fields: object, *, is_operators: bool = False) -> Fetched:
        clock.advance(seconds=61)  # the lease has run out, and another worker takes it
        Courier(ISSUER, settings.seal(), quick, clock).deliver()
        assert all(done is not None for _, done in deliveries(app))
        return Fetched(503, b"")

    with app.app_context():
        Courier(ISSUER, settings.seal(), slow, clock).deliver()

    assert all(done is not None for _, done in deliveries(app))


def test_a_batch_of_deliveries_is_done_before_another_worker_may_take_it(
    app: Flask, ann: Person, clock: Clock, settings: Settings
) -> None:
    """Each may take as long as a fetch may; the lease must be longer than all together."""
    for _ in range(21):
        ann.tokens()
        ann.sign_out()
    told: list[object] = []

    def slow(_url: str, fields: dict[str, str], *, is_operators: bool = False) -> Fetched:
        clock.advance(seconds=3.9)
        told.append(fields["logout_token"])
        if len(told) == 17:  # another worker looks for work
            another.deliver()
        return Fetched(200, b"")

    def quick(_url: str, fields: dict[str, str], *, is_operators: bool = False) -> Fetched:
        told.append(fields["logout_token"])
        return Fetched(200, b"")

    another = Courier(ISSUER, settings.seal(), quick, clock)
    with app.app_context():
        Courier(ISSUER, settings.seal(), slow, clock).deliver()

    assert len(told) == 21


# ---- consent


def test_access_that_was_removed_is_asked_for_again_whatever_the_request_leaves_out(
    ann: Person, clock: Clock
) -> None:
    ann.tokens(remember=True)
    ann.remove_first_app()
    location = ann.authorize(redirectUrl=None).location
    clock.advance(minutes=1)

    answer = ann.prove(location)

    assert answer.location.startswith("/consent/")


def test_what_is_unticked_on_the_page_is_not_granted_even_if_an_earlier_yes_covers_it(
    app: Flask, ann: Person, clock: Clock
) -> None:
    ann.tokens(remember=True)
    ann.sign_out()
    sign_in_url = ann.authorize().location  # one tab
    ann.prove(ann.begin_account())  # another tab: signed in again
    consent_url = ann.get(sign_in_url).location
    assert consent_url.startswith("/consent/")

    code = query_of(ann.decide(consent_url, scopes=()).location)["code"]

    assert redeem(app, code).get_json()["scope"] == "openid"


def test_a_code_made_while_access_was_removed_gives_nothing(
    app: Flask, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.tokens(remember=True)
    page = ann.account_page()
    found = re.search(r"/account/apps/[^/]+/remove", page)
    assert found
    add_authorization = steps.add_authorization
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf
    other_tab = ann.new_browser()
    for name in ("__Host-browser", "__Host-session"):
        cookie = ann.browser.get_cookie(name, domain="bridge.example")
        assert cookie
        other_tab.set_cookie(name, cookie.value, domain="bridge.example", secure=True)

    answers: list[int] = []

    def remove() -> None:
        form = {"csrf": csrf[1], "confirm": "yes"}
        answers.append(other_tab.post(found[0], data=form, base_url=ISSUER).status_code)

    removing = threading.Thread(target=remove)

    def after_the_removal(*args: object) -> None:
        removing.start()
        removing.join(1)  # either it is done, or it waits for us
        add_authorization(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "add_authorization", after_the_removal)
    code = query_of(ann.authorize().location)["code"]
    removing.join()
    assert answers == [303]
    monkeypatch.undo()

    assert redeem(app, code).status_code == 400


def test_claims_that_came_later_are_not_sent_before_the_person_is_asked(
    app: Flask, ann: Person, clock: Clock
) -> None:
    scope = "openid profile email offline_access"
    tokens = ann.tokens(scope=scope, scopes=("email", "offline_access"))
    assert "email" not in userinfo(app, str(tokens["access_token"])).get_json()

    ann.wallet = FakeWallet.named("ann", display_name="Ann", email="ann@mail.example")
    location = ann.authorize(WIKI, prompt="login").location
    clock.advance(seconds=9)
    assert ann.prove(location).location.startswith("/consent/")

    assert "email" not in userinfo(app, str(tokens["access_token"])).get_json()
    again = refresh(app, tokens["refresh_token"])
    assert "email" not in read_id_token(app, str(again["id_token"]))


TWO_HOSTS = Client(
    id="shop",
    name="The Shop",
    kind="web",
    redirect_uris=("https://shop.example/callback", "https://other.example/callback"),
    secret_digests=(),
    auth_methods=("client_secret_basic",),
    scopes=("openid", "profile"),
    required_scopes=("openid",),
)


def test_the_page_names_the_host_that_the_person_really_goes_to(app: Flask, ann: Person) -> None:
    with app.app_context():

        def register(connection: Connection) -> None:
            add_client(connection, TWO_HOSTS, now=NOW)
            add_secret(connection, "shop", secret_of(TWO_HOSTS), now=NOW)

        write(register)
    app.extensions["oidc_bridge"].snapshots.forget()

    location = ann.authorize(TWO_HOSTS, redirect_uri=TWO_HOSTS.redirect_uris[1]).location
    page = ann.get(ann.prove(location).location).text

    assert "other.example" in page
    assert "shop.example" not in page


@pytest.mark.parametrize("redirect_url", ["element://sso", "http://chat.example/"])
def test_an_app_that_anybody_can_pretend_to_be_is_asked_about_each_time(
    ann: Person, redirect_url: str
) -> None:
    """RFC 8252 section 8.6: no automatic yes for what cannot be assured."""
    ann.sign_in(remember=True, redirectUrl=redirect_url)

    answer = ann.authorize(redirectUrl=redirect_url)

    assert answer.location.startswith("/consent/")


def test_the_page_tells_an_app_in_clear_from_one_on_https(ann: Person) -> None:
    consent = ann.prove(ann.authorize(redirectUrl="http://chat.example/").location).location

    assert "http://chat.example" in ann.get(consent).text


# ---- token endpoint


@pytest.mark.spec("RFC 6749", "5.1")
def test_tokens_are_not_kept_by_old_caches_either(ann: Person) -> None:
    """RFC 6749 section 5.1 and OIDC Core 3.1.3.3 ask for both headers."""
    answer = redeem(ann.app, query_of(ann.sign_in())["code"])

    assert (answer.headers["Cache-Control"], answer.headers.get("Pragma")) == (
        "no-store",
        "no-cache",
    )


def test_a_refused_scope_does_not_use_the_refresh_token_up(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(scope=OFFLINE, scopes=("profile", "offline_access"))

    wide = refresh(app, tokens["refresh_token"], scope="openid email")

    assert wide["error"] == "invalid_scope"
    assert "access_token" in refresh(app, tokens["refresh_token"])


@pytest.mark.parametrize("how", ["signed out", "blocked"])
def test_a_first_use_is_not_noted_as_a_reuse(
    app: Flask, ann: Person, clock: Clock, how: str
) -> None:
    code = query_of(ann.sign_in(scope=OFFLINE, scopes=("profile", "offline_access")))["code"]
    if how == "signed out":
        ann.sign_out()
    else:
        with app.app_context():
            write(lambda c: c.execute(update(AccountRow).values(blocked_at=clock.now)))

    assert redeem(app, code).status_code == 400
    assert "code reused" not in events(app)


def test_protocol_endpoints_answer_json_even_when_they_fail(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app.test_client()
    answers = [client.get("/token", base_url=ISSUER)]
    answers.append(client.post("/token", data={"code": "x" * 300_000}, base_url=ISSUER))

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(token, "find_by_access_token", broken)
    answers.append(userinfo(app, "x"))

    assert [a.status_code for a in answers] == [405, 413, 500]
    assert [a.mimetype for a in answers] == ["application/json"] * 3


def test_a_browser_may_send_a_bearer_token_from_another_origin(app: Flask) -> None:
    answer = app.test_client().options(
        "/userinfo",
        base_url=ISSUER,
        headers={
            "Origin": "https://spa.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        },
    )

    assert answer.headers.get("Access-Control-Allow-Origin") == "*"
    assert "authorization" in answer.headers.get("Access-Control-Allow-Headers", "").lower()


def test_a_script_of_another_origin_can_read_the_token_endpoints_errors(app: Flask) -> None:
    assert redeem(app, "nonsense").headers.get("Access-Control-Allow-Origin") == "*"


# ---- authorize


def test_a_request_posted_from_another_site_leaves_other_sign_ins_alone(ann: Person) -> None:
    """SameSite=Lax: the browser sends no cookie with it, but takes the one that it gets."""
    posted = ann.app.test_client(use_cookies=False).post(
        "/authorize",
        data=authorize_query(),
        base_url=ISSUER,
        headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    )

    assert "__Host-browser" not in posted.headers.get("Set-Cookie", "")


def test_a_removed_clients_request_is_a_page_and_no_crash(app: Flask, ann: Person) -> None:
    """For up to a second the snapshot still knows it."""
    assert ann.authorize(WIKI).status_code == 303
    with app.app_context():
        write(lambda c: c.execute(text("DELETE FROM clients WHERE id = 'wiki'")))

    assert ann.authorize(WIKI).status_code < 500


# ---- sign-in


def test_a_proof_made_while_the_old_session_ends_opens_a_new_one(
    app: Flask, ann: Person, clock: Clock, fetch: FakeFetch
) -> None:
    ann.tokens(remember=True)
    fields, auth_request = ann.read_challenge(ann.authorize(prompt="login").location)
    clock.advance(seconds=9)
    ann.wallet = FakeWallet.named("ann", display_name="Ann Example", username="ann.id.blockstack")
    answer = ann.wallet.answer(auth_request, now=ann.clock())
    page = ann.account_page()
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf
    other_tab = ann.new_browser()
    for name in ("__Host-browser", "__Host-session"):
        cookie = ann.browser.get_cookie(name, domain="bridge.example")
        assert cookie
        other_tab.set_cookie(name, cookie.value, domain="bridge.example", secure=True)
    ask = type(fetch).__call__

    class Meanwhile(FakeFetch):
        def __call__(self, url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
            other_tab.post("/account/sign-out", data={"csrf": csrf[1]}, base_url=ISSUER)
            return ask(fetch, url, max_bytes=max_bytes)

    parts = app.extensions["oidc_bridge"]
    app.extensions["oidc_bridge"] = replace(parts, fetch=Meanwhile())

    location = ann.post("/sign-in/answer", {**fields, "authResponse": answer}).location

    assert redeem(app, query_of(location)["code"]).status_code == 200
    assert "Sign out everywhere" in ann.account_page()


def test_a_blocked_person_is_told_so_with_a_403(app: Flask, ann: Person, clock: Clock) -> None:
    ann.tokens()
    with app.app_context():
        write(lambda c: c.execute(update(AccountRow).values(blocked_at=clock.now)))

    answer = ann.prove(ann.authorize().location)

    assert "This account is blocked" in answer.text
    assert answer.status_code == 403


def test_a_reload_of_the_cleaned_landing_address_does_not_frighten(ann: Person) -> None:
    """answer.js leaves /sign-in/answer alone in the address bar."""
    ann.authorize()

    assert "We did not ask for this answer" not in ann.get("/sign-in/answer").text


def test_signing_out_does_not_promise_to_tell_a_client_that_cannot_be_told(ann: Person) -> None:
    ann.tokens(WIKI)

    page = ann.get(ann.sign_out().location).text

    assert "We keep trying" not in page
    assert "Cannot be told from here" in page


# ---- logs and files


@pytest.mark.parametrize(
    "path",
    [
        "/authorize?client_id=x%0aINFO%20sign-in%20accepted%20method=blockstack",
        "/authorize?client_id=%1b%5b2J",
        "/sign-in/answer?challenge=x%0aINFO%20forged",
        "/sign-in/answer?challenge=x%e2%80%a8INFO%20forged",
    ],
)
def test_a_line_of_the_log_is_one_line(
    ann: Person, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(logging.INFO)
    ann.authorize()
    ann.get(path)

    messages = [record.getMessage() for record in caplog.records]
    assert messages
    assert all(message.isprintable() for message in messages), messages


def test_a_database_error_does_not_log_what_people_and_clients_sent(
    app: Flask, ann: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        write(lambda c: c.execute(text("ALTER TABLE authorization_requests RENAME TO away")))
    try:
        answer = ann.authorize(nonce="nonce-secret", state="state-secret")
        assert answer.status_code == 500
    finally:
        with app.app_context():
            write(lambda c: c.execute(text("ALTER TABLE away RENAME TO authorization_requests")))

    assert "nonce-secret" not in caplog.text
    assert "state-secret" not in caplog.text
    assert "chat.example/#/login" not in caplog.text


def test_init_writes_a_configuration_that_only_its_owner_may_read(tmp_path: Path) -> None:
    """It may hold the password of the database."""
    path = tmp_path / "config.toml"

    result = CliRunner().invoke(
        cli, ["--config", str(path), "init", "--issuer", "https://id.example.org"]
    )

    assert result.exit_code == 0, result.output
    assert path.stat().st_mode & 0o077 == 0


def test_codes_that_nobody_redeemed_are_tidied_away(app: Flask, ann: Person, clock: Clock) -> None:
    """No device hangs on their sid; a page that asks with prompt=none makes one each time."""
    ann.tokens(remember=True)
    for _ in range(3):
        ann.authorize(prompt="none")
    clock.advance(days=2)

    with app.app_context():
        list(prune_all(now=clock.now, token_life=timedelta(hours=1)))
        with read() as connection:
            kept = connection.execute(
                select(func.count()).select_from(AuthorizationRow)
            ).scalar_one()

    assert kept == 1


@pytest.mark.parametrize("path", ["//account", "/sign-in//x"])
def test_no_redirect_is_made_of_the_host_header(app: Flask, path: str) -> None:
    answer = app.test_client().get(
        path, base_url="http://evil.example", environ_overrides={"PATH_INFO": path}
    )

    assert "evil.example" not in answer.headers.get("Location", "")
