"""Clients that register themselves: closed by default, and each looks after itself alone."""

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from joserfc.jwk import ECKey
from sqlalchemy import select
from werkzeug.test import TestResponse

from oidc_bridge import storage
from oidc_bridge.config import Settings
from oidc_bridge.errors import FetchError
from oidc_bridge.factory import create_app
from oidc_bridge.logout import Courier
from oidc_bridge.oidc.client import Client
from oidc_bridge.ports import Fetched
from oidc_bridge.sections import Registration
from oidc_bridge.storage.apps import all_clients, get_client
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.registrations import add_initial_token, initial_tokens
from oidc_bridge.web.oidc.client_keys import keys_of
from tests.conftest import Clock
from tests.driver import ISSUER, Person, ask_token, query_of, redeem, userinfo
from tests.fakes import NOW, FakeFetch, FakeWallet

URI = "https://shop.example/cb"
TOKEN = "t" * 43
Make = Callable[..., Flask]


@pytest.fixture
def make(settings: Settings, clock: Clock, fetch: FakeFetch) -> Iterator[Make]:
    """Return a maker of bridges that differ in their rules of registration."""
    made = []

    def make_one(mode: str, **more: object) -> Flask:
        rules = Registration(mode=mode, **more)  # type: ignore[arg-type]
        known = settings.model_copy(update={"registration": rules})
        made.append(create_app(known, clock=clock, fetch=fetch))
        made[-1].testing = False
        return made[-1]

    yield make_one
    for app in made:
        with app.app_context():
            storage.db.engine.dispose()


@pytest.fixture
def open_app(make: Make) -> Flask:
    return make("open")


def register(app: Flask, token: str | None = None, **members: object) -> TestResponse:
    document = {"redirect_uris": [URI], "client_name": "The Shop", **members}
    return send(app, "POST", "/register", document, token)


def send(
    app: Flask, method: str, path: str, document: object = None, token: str | None = None
) -> TestResponse:
    return app.test_client().open(
        path.removeprefix(ISSUER),
        method=method,
        base_url=ISSUER,
        data=None if document is None else json.dumps(document),
        content_type=None if document is None else "application/json",
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
    )


def clients_in(app: Flask) -> int:
    with app.app_context(), storage.read() as connection:
        return len(all_clients(connection))


def give_token(app: Flask, *, uses: int = 1) -> None:
    until = NOW + timedelta(days=7)
    with app.app_context():
        storage.write(lambda c: add_initial_token(c, TOKEN, uses=uses, now=NOW, expires_at=until))


def read_client(app: Flask, client_id: str) -> Client:
    with app.app_context(), storage.read() as connection:
        return get_client(connection, client_id)


# --- who may register ---


def test_d2_registration_is_closed_by_default(app: Flask) -> None:
    before = clients_in(app)

    answer = register(app)

    assert answer.status_code == 403
    assert answer.get_json()["error"] == "access_denied"
    assert clients_in(app) == before


@pytest.mark.spec("RFC 7591", "3")
def test_d2_with_a_token_it_is_open_as_often_as_the_token_says(make: Make) -> None:
    app = make("token")
    give_token(app, uses=2)

    assert [register(app, TOKEN).status_code for _ in range(3)] == [201, 201, 401]
    assert clients_in(app) == 2


@pytest.mark.parametrize("token", [None, "x" * 43, "", "a b"])
def test_d2_without_a_good_token_it_is_closed(make: Make, token: str | None) -> None:
    app = make("token")
    give_token(app)

    answer = register(app, token)

    assert answer.status_code == 401
    assert answer.get_json()["error"] == "invalid_token"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert clients_in(app) == 0


def test_d2_an_expired_token_opens_nothing(make: Make, clock: Clock) -> None:
    app = make("token")
    give_token(app)

    clock.advance(days=7)

    assert register(app, TOKEN).status_code == 401


def test_a_refused_registration_uses_no_token_up(make: Make) -> None:
    app = make("token")
    give_token(app)

    assert register(app, TOKEN, redirect_uris=[]).status_code == 400
    assert register(app, TOKEN).status_code == 201


def test_the_last_use_of_a_token_is_taken_once(make: Make) -> None:
    app = make("token")
    give_token(app)

    with ThreadPoolExecutor(4) as pool:
        statuses = [each.status_code for each in pool.map(lambda _: register(app, TOKEN), range(4))]

    assert sorted(statuses) == [201, 401, 401, 401]
    with app.app_context(), storage.read() as connection:
        assert [token.uses_left for token in initial_tokens(connection)] == [0]


def test_a_stranger_without_a_token_has_us_fetch_nothing(make: Make, fetch: FakeFetch) -> None:
    register(make("token"), sector_identifier_uri="https://shop.example/sector")

    assert fetch.calls == []


def test_no_more_register_than_the_operator_wants(make: Make) -> None:
    app = make("open", limit=1)

    assert [register(app).status_code for _ in range(2)] == [201, 403]


# --- what a client gets ---


@pytest.mark.spec("RFC 7591", "3.2.1")
def test_d5_the_server_makes_id_and_secret(open_app: Flask) -> None:
    answer = register(open_app, client_id="admin", client_secret="chosen")

    told = answer.get_json()
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(told["client_secret"]) == 43
    assert told["client_secret_expires_at"] == 0
    assert told["client_id"] != "admin"
    assert told["client_id_issued_at"] == int(NOW.timestamp())
    assert told["registration_client_uri"] == f"{ISSUER}/register/{told['client_id']}"
    assert told["client_name"] == "The Shop"


@pytest.mark.parametrize("method", ["none", "private_key_jwt"])
def test_who_needs_no_secret_gets_none(open_app: Flask, method: str) -> None:
    key = ECKey.generate_key("P-256").as_dict(private=False)

    told = register(open_app, token_endpoint_auth_method=method, jwks={"keys": [key]}).get_json()

    assert "client_secret" not in told
    assert "client_secret_expires_at" not in told


def test_who_has_registered_can_sign_people_in(open_app: Flask, clock: Clock) -> None:
    told = register(open_app).get_json()
    client = read_client(open_app, told["client_id"])
    ann = Person(open_app, clock, FakeWallet.named("ann", display_name="Ann"))

    code = query_of(ann.sign_in(client))["code"]
    answer = redeem(open_app, code, client, secret=told["client_secret"])

    assert answer.status_code == 200


@pytest.mark.spec("OIDC Registration", "2")
def test_policy_and_terms_are_linked_with_their_host_on_both_pages(
    open_app: Flask, clock: Clock
) -> None:
    told = register(
        open_app,
        policy_uri="https://legal.example/privacy?a=1&b=2",
        tos_uri="https://legal.example/terms",
        logo_uri="https://shop.example/logo.png",
    ).get_json()
    client = read_client(open_app, told["client_id"])
    ann = Person(open_app, clock, FakeWallet.named("ann"))
    sign_in = ann.authorize(client).location

    pages = [ann.get(sign_in).text, ann.get(ann.prove(sign_in).location).text]

    for page in pages:
        assert 'href="https://legal.example/privacy?a=1&amp;b=2"' in page
        assert 'href="https://legal.example/terms"' in page
        assert "legal.example</bdi>" in page
        assert "shop.example" in page
        assert "logo.png" not in page  # a stranger's picture would see who signs in


def test_d7_markup_in_a_name_is_text_and_the_host_is_there(open_app: Flask, clock: Clock) -> None:
    told = register(open_app, client_name="<b>Your Bank</b>").get_json()
    client = read_client(open_app, told["client_id"])
    ann = Person(open_app, clock, FakeWallet.named("ann"))

    page = ann.get(ann.authorize(client).location).text

    assert "<b>Your Bank" not in page
    assert "&lt;b&gt;Your Bank" in page
    assert "shop.example" in page


def test_a_native_app_signs_people_in_at_the_port_that_it_got(
    open_app: Flask, clock: Clock
) -> None:
    told = register(
        open_app,
        redirect_uris=["http://127.0.0.1/cb", "example.shop.app:/cb"],
        application_type="native",
        token_endpoint_auth_method="none",
    ).get_json()
    client = read_client(open_app, told["client_id"])
    ann = Person(open_app, clock, FakeWallet.named("ann"))

    for uri in ("http://127.0.0.1:51004/cb", "example.shop.app:/cb"):
        location = ann.authorize(client, redirect_uri=uri).location
        if location.startswith("/sign-in/"):
            location = ann.prove(location).location
        page = ann.get(location)
        assert "An app on this device" in page.text
        allowed = page.headers["Content-Security-Policy"].partition("form-action ")[2].split()
        assert ("http://127.0.0.1:51004" if "//" in uri else "example.shop.app:") in allowed
        assert ann.decide(location).location.startswith(f"{uri}?code=")


def test_d4_no_secret_lies_open_anywhere(
    open_app: Flask, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = register(open_app).get_json()
    management = told["registration_access_token"]
    shown = send(open_app, "GET", told["registration_client_uri"], token=management).text

    with open_app.app_context(), storage.read() as connection:
        kept = "".join(
            str(row)
            for table in storage.db.metadatas[None].sorted_tables
            for row in connection.execute(select(table))
        )
    assert told["client_secret"] not in kept + shown + caplog.text
    assert management not in kept + caplog.text
    assert management not in told["registration_client_uri"]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"client_name": "x" * 10_000}, "invalid_client_metadata"),
        ({"client_name": "moc.knab\u202e"}, "invalid_client_metadata"),
        ({"client_name": '"\\\ud800'}, "invalid_client_metadata"),
        ({"logo_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
        ({"policy_uri": ["https://shop.example"]}, "invalid_client_metadata"),
        ({"contacts": [[[[]]]]}, "invalid_client_metadata"),
        ({"software_statement": "e30.e30.c2ln"}, "invalid_software_statement"),
        ({"software_statement": 7}, "invalid_software_statement"),
    ],
)
def test_hostile_metadata_is_refused_by_the_right_word(
    open_app: Flask, members: dict[str, object], code: str
) -> None:
    answer = register(open_app, **members)

    assert answer.status_code == 400
    assert answer.get_json()["error"] == code
    description = answer.get_json()["error_description"]
    assert description.isascii()
    assert not {'"', "\\"} & set(description)
    assert clients_in(open_app) == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":1,"a":2}', b"[" * 60_000, b"\xff"])
def test_a_body_that_is_no_object_is_refused(open_app: Flask, body: bytes) -> None:
    answer = open_app.test_client().post(
        "/register", base_url=ISSUER, data=body, content_type="application/json"
    )

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_client_metadata"


def test_a_form_is_no_registration(open_app: Flask) -> None:
    answer = open_app.test_client().post("/register", base_url=ISSUER, data={"a": "b"})

    assert answer.get_json()["error"] == "invalid_client_metadata"


def test_a_wrong_method_is_answered_in_json(open_app: Flask) -> None:
    answer = open_app.test_client().get("/register", base_url=ISSUER)

    assert answer.status_code == 405
    assert answer.get_json()["error"] == "invalid_request"


# --- sectors and keys elsewhere ---

SECTOR = "https://sector.example/uris.json"


@pytest.mark.spec("OIDC Registration", "5")
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((200, [URI]), 201),
        ((200, ["https://other.example/cb"]), 400),
        ((404, [URI]), 400),
        (FetchError("fetch_blocked"), 400),
        ((200, "x" * 20_000), 400),
    ],
)
def test_a_sector_must_name_the_redirect_uris(
    open_app: Flask, fetch: FakeFetch, answer: tuple[int, object] | FetchError, status: int
) -> None:
    fetch.answers[SECTOR] = answer

    got = register(open_app, sector_identifier_uri=SECTOR, subject_type="pairwise")

    assert got.status_code == status
    assert fetch.calls.count(SECTOR) == 1


JWKS = "https://shop.example/jwks"


def a_jwks(*kids: str) -> dict[str, object]:
    keys = [ECKey.generate_key("P-256").as_dict(private=False, kid=kid) for kid in kids]
    return {"keys": keys}


@pytest.fixture
def kids(open_app: Flask) -> Callable[..., list[str | None]]:
    told = register(open_app, jwks_uri=JWKS, token_endpoint_auth_method="private_key_jwt")
    client = read_client(open_app, told.get_json()["client_id"])

    def look(kid: str | None = None) -> list[str | None]:
        with open_app.app_context():
            return [key.kid for key in keys_of(client, kid=kid)]

    return look


@pytest.mark.spec("OIDC Core", "10.1.1")
def test_keys_are_fetched_once_and_again_for_one_that_is_new(
    kids: Callable[..., list[str | None]], fetch: FakeFetch, clock: Clock
) -> None:
    fetch.answers[JWKS] = (200, a_jwks("one"))
    assert kids("one") == kids("one") == ["one"]
    assert fetch.calls.count(JWKS) == 1

    fetch.answers[JWKS] = (200, a_jwks("one", "two"))
    clock.advance(seconds=59)
    assert kids("two") == ["one"]
    clock.advance(seconds=1)
    assert kids("two") == ["one", "two"]
    assert fetch.calls.count(JWKS) == 2


def test_an_unknown_kid_costs_one_fetch_a_minute(
    kids: Callable[..., list[str | None]], fetch: FakeFetch, clock: Clock
) -> None:
    fetch.answers[JWKS] = (200, a_jwks("one"))
    for number in range(20):
        kids(f"made-up-{number}")
        clock.advance(seconds=6)

    assert fetch.calls.count(JWKS) == 2


@pytest.mark.parametrize(
    "trouble",
    [FetchError("fetch_failed"), (500, {}), (200, "x"), (200, {"keys": []}), (200, [])],
)
def test_keys_that_cannot_be_had_are_those_of_before_or_none(
    kids: Callable[..., list[str | None]],
    fetch: FakeFetch,
    clock: Clock,
    trouble: FetchError | tuple[int, object],
) -> None:
    fetch.answers[JWKS] = trouble
    assert kids() == kids() == []
    assert fetch.calls.count(JWKS) == 1

    clock.advance(minutes=1)
    fetch.answers[JWKS] = (200, a_jwks("one"))
    assert kids() == ["one"]

    fetch.answers[JWKS] = trouble
    clock.advance(hours=1)
    assert kids() == ["one"]


# --- looking after it ---


@pytest.mark.spec("RFC 7592", "2.1")
def test_a_client_reads_what_it_registered(open_app: Flask) -> None:
    told = register(open_app).get_json()
    token = told["registration_access_token"]

    shown = send(open_app, "GET", told["registration_client_uri"], token=token)

    once = {"client_secret", "client_secret_expires_at"}
    assert shown.status_code == 200
    assert shown.get_json() == {name: told[name] for name in told if name not in once}


@pytest.mark.spec("RFC 7592", "2.2")
def test_an_update_replaces_everything(open_app: Flask) -> None:
    told = register(open_app, contacts=["ann@shop.example"]).get_json()
    token, uri = told["registration_access_token"], told["registration_client_uri"]
    wanted = {
        "client_id": told["client_id"],
        "client_secret": told["client_secret"],
        "redirect_uris": ["https://shop.example/new"],
        "client_name": "Shop",
    }

    answer = send(open_app, "PUT", uri, wanted, token)

    assert answer.status_code == 200, answer.text
    assert answer.get_json()["client_name"] == "Shop"
    assert "contacts" not in answer.get_json()
    changed = read_client(open_app, told["client_id"])
    assert changed.redirect_uris == ("https://shop.example/new",)
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    refused = ask_token(open_app, form, changed, secret=told["client_secret"])
    # Its secret is still good: what it registered for is what it may not do any more.
    assert refused.get_json()["error"] == "unauthorized_client"


def test_an_update_to_a_public_client_ends_the_secret_and_back_makes_another(
    open_app: Flask,
) -> None:
    told = register(open_app).get_json()
    token, uri = told["registration_access_token"], told["registration_client_uri"]
    wanted = {"client_id": told["client_id"], "redirect_uris": [URI]}

    send(open_app, "PUT", uri, {**wanted, "token_endpoint_auth_method": "none"}, token)
    assert read_client(open_app, told["client_id"]).secret_digests == ()

    again = send(open_app, "PUT", uri, wanted, token).get_json()
    assert again["client_secret"] != told["client_secret"]


BAD_UPDATES: dict[str, dict[str, object]] = {
    "no id": {"client_id": None},
    "another id": {"client_id": "wiki"},
    "a wrong secret": {"client_secret": "x" * 43},
    "a secret of another kind": {"client_secret": 7},
    "a secret that cannot be written": {"client_secret": "\ud800"},
    "our token": {"registration_access_token": "x"},
    "our address": {"registration_client_uri": "x"},
    "our date": {"client_id_issued_at": 1},
    "our expiry": {"client_secret_expires_at": 0},
    "a logo that runs": {"logo_uri": "javascript:alert(1)"},
    "a name that turns": {"client_name": "moc.knab\u202e"},
    "another's site": {"client_uri": "https://bank.example"},
}


@pytest.mark.spec("RFC 7592", "2.2")
@pytest.mark.parametrize("case", BAD_UPDATES)
def test_d3_an_update_is_held_to_the_rules_of_a_registration(open_app: Flask, case: str) -> None:
    told = register(open_app).get_json()
    document = {"client_id": told["client_id"], "redirect_uris": [URI], **BAD_UPDATES[case]}

    answer = send(
        open_app,
        "PUT",
        told["registration_client_uri"],
        document,
        told["registration_access_token"],
    )

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_client_metadata"
    assert read_client(open_app, told["client_id"]).name == "The Shop"


def test_a_sign_in_that_is_open_ends_with_an_update(open_app: Flask, clock: Clock) -> None:
    """It keeps a redirect URI that the client may just have taken back."""
    told = register(open_app).get_json()
    client = read_client(open_app, told["client_id"])
    ann = Person(open_app, clock, FakeWallet.named("ann"))
    sign_in = ann.authorize(client).location
    wanted = {"client_id": client.id, "redirect_uris": ["https://shop.example/new"]}

    token = told["registration_access_token"]
    assert send(open_app, "PUT", told["registration_client_uri"], wanted, token).status_code == 200

    assert ann.get(sign_in).status_code == 404


@pytest.mark.spec("RFC 7592", "2.3")
def test_a_client_that_goes_takes_all_with_it(open_app: Flask, clock: Clock) -> None:
    told = register(open_app).get_json()
    token, uri = told["registration_access_token"], told["registration_client_uri"]
    client = read_client(open_app, told["client_id"])
    ann = Person(open_app, clock, FakeWallet.named("ann", display_name="Ann"))
    code = query_of(ann.sign_in(client))["code"]
    tokens = redeem(open_app, code, client, secret=told["client_secret"]).get_json()

    removed = send(open_app, "DELETE", uri, token=token)

    assert (removed.status_code, removed.headers.get("Content-Type")) == (204, None)
    assert clients_in(open_app) == 0
    assert userinfo(open_app, tokens["access_token"]).status_code == 401
    with open_app.app_context(), storage.read() as connection:
        assert connection.execute(select(AuthorizationRow.id)).first() is None
    assert send(open_app, "GET", uri, token=token).status_code == 401
    assert ann.authorize(client).status_code == 400


@pytest.mark.spec("RFC 7592", "2.1")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_d1_a_token_is_good_for_its_own_client_alone(open_app: Flask, method: str) -> None:
    first, second = register(open_app).get_json(), register(open_app).get_json()
    uri = second["registration_client_uri"]
    document = {"client_id": second["client_id"], "redirect_uris": [URI]}
    if method != "PUT":
        document = {}

    for token in (first["registration_access_token"], first["client_secret"], "x" * 43, None):
        answer = send(open_app, method, uri, document, token)
        assert answer.status_code == 401
        assert answer.get_json()["error"] == "invalid_token"

    gone = send(open_app, method, "/register/nobody", document, first["registration_access_token"])
    assert gone.status_code == 401
    assert clients_in(open_app) == 2


def test_d1_an_operators_client_cannot_be_managed_by_anybody(app: Flask) -> None:
    assert send(app, "GET", "/register/synapse", token="x" * 43).status_code == 401


@pytest.mark.spec("RFC 7592", "2.2")
def test_where_registration_was_closed_nothing_changes_any_more(
    make: Make, open_app: Flask
) -> None:
    told = register(open_app).get_json()
    token, uri = told["registration_access_token"], told["registration_client_uri"]
    closed = make("closed")
    document = {"client_id": told["client_id"], "redirect_uris": [URI]}

    assert send(closed, "PUT", uri, document, token).status_code == 403
    assert send(closed, "GET", uri, token=token).status_code == 200
    assert send(closed, "DELETE", uri, token=token).status_code == 204


# --- what strangers may have us call ---


def test_f1_a_logout_token_goes_to_a_stranger_through_the_guard(
    open_app: Flask, clock: Clock
) -> None:
    told = register(open_app, backchannel_logout_uri="https://shop.example/logout").get_json()
    client = read_client(open_app, told["client_id"])
    ann = Person(open_app, clock, FakeWallet.named("ann"))
    code = query_of(ann.sign_in(client))["code"]
    redeem(open_app, code, client, secret=told["client_secret"])
    ann.sign_out()
    seen = []

    def post(url: str, fields: object, *, is_operators: bool = False) -> Fetched:
        seen.append((url, is_operators))
        return Fetched(200, b"")

    with open_app.app_context():
        Courier(ISSUER, open_app.extensions["oidc_bridge"].seal, post, clock).deliver()

    assert seen == [("https://shop.example/logout", False)]
