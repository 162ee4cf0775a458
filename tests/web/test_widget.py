"""The widget: who may show it, whose account it opens, what it tells, and what it takes away."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from oidc_bridge.config import Settings
from oidc_bridge.errors import FetchError
from oidc_bridge.sections import Homeserver, Widget
from oidc_bridge.storage import people, read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.once import UsedJtiRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.storage.prune import prune_all
from oidc_bridge.storage.widget import WidgetSessionRow
from tests.conftest import Clock
from tests.driver import HOMESERVER, ISSUER, WIKI, Person, fields_of, userinfo
from tests.fakes import FakeFetch
from tests.web.test_my_apps import values
from tests.web.test_tokens_about import OFFLINE

ELEMENT = "https://element.example"
INSIDE = "http://10.0.0.7:8008"
MANAGER = "/_matrix/integrations/v1/account"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    widget = Widget(
        clients=frozenset({ELEMENT, "https://other.example"}),
        homeservers=(Homeserver(server_name="matrix.example", url=INSIDE),),
    )
    return settings.model_copy(update={"widget": widget})


@pytest.fixture
def frame(app: Flask) -> FlaskClient:
    """Return a browser as a frame of another site has it: without any cookie."""
    return app.test_client(use_cookies=False)


def mxid_of(person: Person, suffix: str = "") -> str:
    return f"@{person.wallet.address.c32.lower()}{suffix}:matrix.example"


def token(fetch: FakeFetch, mxid: str, text: str = "one") -> dict[str, object]:
    """Return a Matrix OpenID token that the homeserver knows as *mxid*'s."""
    address = f"{INSIDE}/_matrix/federation/v1/openid/userinfo?access_token={text}"
    fetch.answers[address] = (200, {"sub": mxid})
    return {
        "access_token": text,
        "token_type": "Bearer",
        "matrix_server_name": "matrix.example",
        "expires_in": 3600,
    }


def show(frame: FlaskClient, shown: object, path: str = "/widget/session") -> TestResponse:
    return frame.post(path, json=shown, base_url=ISSUER)


def bearer(frame: FlaskClient, fetch: FakeFetch, person: Person, text: str = "one") -> str:
    answer = show(frame, token(fetch, mxid_of(person), text))
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["token"])


def ask(frame: FlaskClient, path: str, bearer: str, method: str = "GET") -> TestResponse:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return frame.open(path, method=method, base_url=ISSUER, headers=headers)


def told(frame: FlaskClient, bearer: str) -> Any:
    answer = ask(frame, "/widget/account", bearer)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def refused(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, str(answer.get_json()["error"])


def account_of(app: Flask) -> str:
    (account_id,) = values(app, AccountRow.id)
    return str(account_id)


# ---- the page


def test_only_the_clients_that_the_operator_named_may_frame_the_page(frame: FlaskClient) -> None:
    answer = frame.get("/widget?widgetId=w&parentUrl=https://evil.example", base_url=ISSUER)

    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert f"frame-ancestors {ELEMENT} https://other.example;" in policy
    assert "script-src 'self'; style-src 'self'" in policy
    assert "X-Frame-Options" not in answer.headers
    assert f'data-clients="{ELEMENT} https://other.example"' in answer.text
    assert "evil.example" not in answer.text


@pytest.mark.parametrize("path", ["/account", "/widget/nothing", "/widgets", "/nothing"])
def test_no_other_page_may_be_framed(frame: FlaskClient, path: str) -> None:
    frame.get("/widget", base_url=ISSUER)

    answer = frame.get(path, base_url=ISSUER)

    if answer.mimetype == "text/html":
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"


def test_the_page_says_nothing_of_anybody_and_sets_no_cookie(ann: Person) -> None:
    ann.tokens()

    answer = ann.get("/widget")

    assert ann.wallet.address.c32 not in answer.text
    assert "Set-Cookie" not in answer.headers


def test_every_state_that_the_script_shows_is_on_the_page(app: Flask, frame: FlaskClient) -> None:
    page = frame.get("/widget", base_url=ISSUER).text
    with frame.get("/static/widget.js", base_url=ISSUER) as answer:
        script = answer.text

    shown = set(re.findall(r'(?:show|settle)\("([a-z_]+)"\)', script))
    assert shown <= set(re.findall(r'data-state="([a-z_]+)"', page))
    assert shown >= {"outside", "stranger", "asking", "waiting", "blocked", "silent", "list"}


def test_the_page_has_no_script_and_no_style_within(frame: FlaskClient) -> None:
    page = frame.get("/widget", base_url=ISSUER).text

    assert re.findall(r"<script\b[^>]*>", page) == ['<script src="/static/widget.js" defer>']
    assert " style=" not in page
    assert "<form" not in page


# ---- off, as it is by default


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/widget"),
        ("POST", "/widget/session"),
        ("GET", "/widget/account"),
        ("POST", "/widget/apps/x/remove"),
        ("POST", "/widget/sessions/x/sign-out"),
        ("GET", MANAGER),
        ("POST", f"{MANAGER}/register"),
        ("POST", f"{MANAGER}/logout"),
    ],
)
def test_there_is_no_widget_until_it_is_configured(
    app: Flask, frame: FlaskClient, fetch: FakeFetch, settings: Settings, method: str, path: str
) -> None:
    app.extensions["oidc_bridge"] = _without_widget(app, settings)

    answer = frame.open(path, method=method, base_url=ISSUER, json=token(fetch, "@a:b"))

    assert answer.status_code == 404
    assert fetch.calls == []


def _without_widget(app: Flask, settings: Settings) -> Any:
    parts = app.extensions["oidc_bridge"]
    off = settings.model_copy(update={"widget": Widget()})
    return type(parts)(
        **{
            name: off if name == "settings" else getattr(parts, name)
            for name in parts.__dataclass_fields__
        }
    )


# ---- whose it is


def test_a_token_opens_the_account_of_its_matrix_user(
    app: Flask, frame: FlaskClient, ann: Person, bob: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    bob.tokens(WIKI)

    answer = show(frame, token(fetch, mxid_of(ann)))

    said = answer.get_json()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert said["user_id"] == mxid_of(ann)
    assert said["expires_in"] == 900
    assert "Set-Cookie" not in answer.headers
    assert [known["host"] for known in told(frame, said["token"])["apps"]] == ["chat.example"]


def test_a_token_makes_no_account(app: Flask, frame: FlaskClient, fetch: FakeFetch) -> None:
    answer = show(frame, token(fetch, "@nobody:matrix.example"))

    assert refused(answer) == (403, "account_unknown")
    assert values(app, AccountRow.id) == []
    assert values(app, WidgetSessionRow.digest) == []


def test_a_token_of_another_server_is_refused(
    frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    fetch.calls.clear()
    shown = {**token(fetch, mxid_of(ann)), "matrix_server_name": "evil.example"}

    assert refused(show(frame, shown)) == (403, "server_unknown")
    assert fetch.calls == []


def test_a_user_of_another_server_is_refused(
    frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    mxid = mxid_of(ann).replace("matrix.example", "evil.example")

    assert refused(show(frame, token(fetch, mxid))) == (403, "user_malformed")


def test_a_token_that_ran_out_is_refused(frame: FlaskClient, ann: Person, fetch: FakeFetch) -> None:
    ann.tokens()
    shown = token(fetch, mxid_of(ann))
    fetch.answers = {url: (401, {"errcode": "M_UNKNOWN_TOKEN"}) for url in fetch.answers}

    assert refused(show(frame, shown)) == (401, "token_refused")


def test_a_token_is_taken_once(frame: FlaskClient, ann: Person, fetch: FakeFetch) -> None:
    ann.tokens()
    bearer(frame, fetch, ann)

    again = show(frame, token(fetch, mxid_of(ann)))

    assert refused(again) == (403, "token_spent")
    assert bearer(frame, fetch, ann, "two")


def test_a_token_that_opened_nothing_is_spent_too(
    frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    shown = token(fetch, mxid_of(ann))
    assert refused(show(frame, shown)) == (403, "account_unknown")
    ann.tokens()

    assert refused(show(frame, shown)) == (403, "token_spent")


def test_a_token_that_was_not_confirmed_is_not_spent(
    app: Flask, frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    shown = token(fetch, mxid_of(ann))
    known = dict(fetch.answers)
    fetch.answers = {url: FetchError("fetch_failed") for url in known}
    assert refused(show(frame, shown)) == (502, "server_unreachable")

    fetch.answers = known  # type: ignore[assignment]

    assert show(frame, shown).status_code == 200


def test_a_spent_token_is_kept_for_an_hour_as_a_hash_alone(
    app: Flask, frame: FlaskClient, ann: Person, fetch: FakeFetch, clock: Clock
) -> None:
    ann.tokens()
    bearer(frame, fetch, ann, "secret-token")

    (digest,) = values(app, UsedJtiRow.digest)
    (until,) = values(app, UsedJtiRow.expires_at)
    assert "secret-token" not in digest
    assert (until - clock()).total_seconds() == 3600


def test_a_user_that_one_app_alone_knows_does_not_open_the_account(
    frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    """The app has that user's tokens: it must not learn who they are to others."""
    ann.tokens()
    ann.tokens(redirectUrl="https://bot.example/", as_whom="alone")

    alone = show(frame, token(fetch, mxid_of(ann, "+bot.example")))

    assert refused(alone) == (403, "account_unknown")
    assert bearer(frame, fetch, ann, "two")


def test_somebody_who_is_blocked_is_let_in_no_more(
    app: Flask, frame: FlaskClient, ann: Person, fetch: FakeFetch, clock: Clock
) -> None:
    ann.tokens()
    with app.app_context():
        account_id = account_of(app)
        write(lambda connection: people.block(connection, account_id, now=clock()))

    assert refused(show(frame, token(fetch, mxid_of(ann)))) == (403, "account_unknown")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff\xfe", b'{"access_token": 1}', b"[" * 100_000]
)
def test_what_is_no_token_is_refused(frame: FlaskClient, body: bytes) -> None:
    for path in ("/widget/session", f"{MANAGER}/register"):
        assert frame.post(path, data=body, base_url=ISSUER).status_code == 400


# ---- the bearer token


@pytest.mark.parametrize("shown", ["", "nonsense", "ä", "a b", "x" * 5000])
def test_without_a_bearer_token_nothing_is_told_or_taken(frame: FlaskClient, shown: str) -> None:
    for method, path in (
        ("GET", "/widget/account"),
        ("POST", "/widget/apps/x/remove"),
        ("POST", "/widget/sessions/x/sign-out"),
    ):
        assert refused(ask(frame, path, shown, method)) == (401, "session_over")


def test_a_cookie_opens_nothing_here(ann: Person) -> None:
    ann.tokens()

    assert ann.get("/widget/account").status_code == 401
    assert ann.post("/widget/apps/x/remove", {}).status_code == 401


def test_a_bearer_token_is_kept_as_a_hash_and_works_for_a_quarter_of_an_hour(
    app: Flask, frame: FlaskClient, ann: Person, fetch: FakeFetch, clock: Clock
) -> None:
    ann.tokens()
    mine = bearer(frame, fetch, ann)

    assert mine not in values(app, WidgetSessionRow.digest)
    clock.advance(minutes=14, seconds=59)
    assert told(frame, mine)
    clock.advance(seconds=1)
    assert refused(ask(frame, "/widget/account", mine)) == (401, "session_over")
    clock.advance(seconds=1)
    with app.app_context():
        pruned = dict(prune_all(now=clock(), token_life=clock() - clock()))
    assert pruned["widget sessions"] == 1


def test_a_bearer_token_of_somebody_who_was_blocked_is_worth_nothing(
    app: Flask, frame: FlaskClient, ann: Person, fetch: FakeFetch, clock: Clock
) -> None:
    ann.tokens()
    mine = bearer(frame, fetch, ann)
    with app.app_context():
        account_id = account_of(app)
        write(lambda connection: people.block(connection, account_id, now=clock()))

    assert refused(ask(frame, "/widget/account", mine)) == (401, "session_over")
    assert refused(ask(frame, "/widget/apps/x/remove", mine, "POST")) == (401, "session_over")


def test_a_bearer_token_goes_with_the_account(
    app: Flask, frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    mine = bearer(frame, fetch, ann)

    page = ann.post(
        "/account/data/delete", fields_of(ann.get("/account/data").text, "/account/data/delete")
    )
    fields = fields_of(page.text, "/account/data/delete")
    assert ann.post("/account/data/delete", dict(fields)).status_code == 303

    assert refused(ask(frame, "/widget/account", mine)) == (401, "session_over")
    assert values(app, WidgetSessionRow.digest) == []


# ---- what it tells


def test_the_list_tells_of_apps_and_browsers(
    frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    ann.tokens(WIKI, scope="openid profile email", scopes=("email",))

    said = told(frame, bearer(frame, fetch, ann))

    assert said["user_id"] == mxid_of(ann)
    assert said["opened_at"] == "2026-01-01T00:00:00Z"
    assert said["apps_total"] == 2
    assert {app["title"] for app in said["apps"]} == {"chat.example", "The Wiki"}
    (session,) = said["sessions"]
    assert sorted(session["apps"]) == ["The Wiki", "chat.example"]


def test_the_list_has_no_key_no_address_and_no_id_that_one_app_alone_knows(
    frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    ann.tokens(redirectUrl="https://bot.example/", as_whom="alone")

    answer = ask(frame, "/widget/account", bearer(frame, fetch, ann))

    assert "+bot.example" not in answer.text
    assert "Ann Example" not in answer.text
    assert ann.wallet.address.c32 not in answer.text
    (bot,) = [app for app in answer.get_json()["apps"] if app["host"] == "bot.example"]
    assert bot["is_alone"] is True


def test_that_it_was_opened_stands_in_the_activity(
    frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    bearer(frame, fetch, ann)

    assert "opened inside of a Matrix client" in ann.get("/account/activity").text


# ---- what it takes away


def test_removing_an_app_ends_its_tokens_and_tells_it(
    app: Flask, frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    access = str(ann.tokens(**OFFLINE)["access_token"])
    mine = bearer(frame, fetch, ann)
    (item,) = told(frame, mine)["apps"]

    assert ask(frame, f"/widget/apps/{item['id']}/remove", mine, "POST").status_code == 200

    assert userinfo(app, access).status_code == 401
    assert told(frame, mine)["apps"] == []
    assert values(app, LogoutDeliveryRow.client_id) == [HOMESERVER.id]
    assert "You removed the access of chat.example" in ann.get("/account/activity").text


def test_an_app_of_somebody_else_is_as_unknown_as_none(
    app: Flask, frame: FlaskClient, ann: Person, bob: Person, fetch: FakeFetch
) -> None:
    bob.tokens()
    theirs = told(frame, bearer(frame, fetch, bob))["apps"][0]["id"]
    ann.tokens()
    mine = bearer(frame, fetch, ann, "two")

    assert refused(ask(frame, f"/widget/apps/{theirs}/remove", mine, "POST")) == (404, "not_found")
    assert refused(ask(frame, "/widget/apps/none/remove", mine, "POST")) == (404, "not_found")
    assert len(told(frame, bearer(frame, fetch, bob, "three"))["apps"]) == 1


def test_signing_a_browser_out_ends_what_hangs_on_it(
    app: Flask, frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    access = str(ann.tokens()["access_token"])
    mine = bearer(frame, fetch, ann)
    (session,) = told(frame, mine)["sessions"]

    path = f"/widget/sessions/{session['id']}/sign-out"
    assert ask(frame, path, mine, "POST").status_code == 200

    assert userinfo(app, access).status_code == 401
    assert told(frame, mine)["sessions"] == []
    assert "Sign in with your wallet" in ann.account_page()


def test_a_browser_of_somebody_else_stays_signed_in(
    frame: FlaskClient, ann: Person, bob: Person, fetch: FakeFetch
) -> None:
    bob.tokens()
    (theirs,) = told(frame, bearer(frame, fetch, bob))["sessions"]
    ann.tokens()

    path = f"/widget/sessions/{theirs['id']}/sign-out"
    ask(frame, path, bearer(frame, fetch, ann, "two"), "POST")

    assert "Where you are signed in" in bob.account_page()


def test_what_the_widget_did_is_told_apart_in_the_ledger(
    app: Flask, frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    mine = bearer(frame, fetch, ann)
    ask(frame, f"/widget/apps/{told(frame, mine)['apps'][0]['id']}/remove", mine, "POST")

    with app.app_context(), read() as connection:
        found = select(EventRow.detail).where(EventRow.kind == "access removed")
        (detail,) = connection.execute(found).scalars()
    assert detail["by"] == "widget"
    assert "session" not in detail


# ---- MSC1961


def test_a_matrix_client_registers_asks_and_logs_out(
    app: Flask, frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()

    mine = show(frame, token(fetch, mxid_of(ann)), f"{MANAGER}/register").get_json()["token"]

    assert ask(frame, MANAGER, mine).get_json() == {"user_id": mxid_of(ann)}
    in_query = frame.get(f"{MANAGER}?access_token={mine}", base_url=ISSUER)
    assert in_query.get_json() == {"user_id": mxid_of(ann)}
    assert ask(frame, f"{MANAGER}/logout", mine, "POST").get_json() == {}
    assert ask(frame, MANAGER, mine).status_code == 401
    assert values(app, WidgetSessionRow.digest) == []


@pytest.mark.parametrize(("path", "method"), [(MANAGER, "GET"), (f"{MANAGER}/logout", "POST")])
def test_an_integration_managers_refusal_is_in_the_words_of_matrix(
    frame: FlaskClient, path: str, method: str
) -> None:
    for shown in ("", "nonsense"):
        answer = ask(frame, path, shown, method)

        assert answer.status_code == 401
        assert answer.get_json()["errcode"] == "M_UNKNOWN_TOKEN"


def test_a_token_is_taken_once_by_both_doors_together(
    frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    bearer(frame, fetch, ann)

    again = show(frame, token(fetch, mxid_of(ann)), f"{MANAGER}/register")

    assert again.status_code == 403
    assert again.get_json()["errcode"] == "M_FORBIDDEN"


def test_the_widget_takes_no_bearer_token_in_an_address(
    frame: FlaskClient, ann: Person, fetch: FakeFetch
) -> None:
    ann.tokens()
    mine = bearer(frame, fetch, ann)

    answer = frame.get(f"/widget/account?access_token={mine}", base_url=ISSUER)

    assert refused(answer) == (401, "session_over")


def test_no_secret_comes_into_the_log(
    frame: FlaskClient, ann: Person, fetch: FakeFetch, caplog: pytest.LogCaptureFixture
) -> None:
    ann.tokens()
    caplog.set_level("DEBUG")
    mine = bearer(frame, fetch, ann, "matrix-secret")
    show(frame, token(fetch, mxid_of(ann), "matrix-secret"))
    ask(frame, "/widget/account", mine)
    ask(frame, "/widget/account", "other-secret")

    assert "token_spent" in caplog.text
    assert "session_over" in caplog.text
    for secret in ("matrix-secret", "other-secret", mine):
        assert secret not in caplog.text
