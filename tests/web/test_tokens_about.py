"""Introspection and revocation: whose tokens, and what others learn of them."""

import json
from dataclasses import replace

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.client import Client, ClientMetadata
from oidc_bridge.oidc.policy import check_client
from oidc_bridge.storage import write
from oidc_bridge.storage.resource_servers import allow_introspection, deny_introspection
from oidc_bridge.web.oidc import tokens_about
from tests.conftest import Clock
from tests.driver import (
    HOMESERVER,
    ISSUER,
    WIKI,
    Person,
    ask_token,
    authorize_query,
    enrol,
    query_of,
    read_id_token,
    secret_of,
    userinfo,
)
from tests.fakes import NOW

OFFLINE = {"scope": "openid profile offline_access", "scopes": ("profile", "offline_access")}
API = replace(WIKI, id="api")
SPA = replace(WIKI, id="spa", auth_methods=("none",))
NOTHING = {"active": False}


def ask(
    app: Flask, path: str, token: object, client: Client = HOMESERVER, **more: str
) -> TestResponse:
    return app.test_client().post(
        path,
        data={"token": str(token), **more},
        base_url=ISSUER,
        auth=(client.id, secret_of(client)),
    )


def introspect(app: Flask, token: object, client: Client = HOMESERVER, **more: str) -> object:
    answer = ask(app, "/introspect", token, client, **more)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def revoke(app: Flask, token: object, client: Client = HOMESERVER, **more: str) -> None:
    answer = ask(app, "/revoke", token, client, **more)
    assert (answer.status_code, answer.data) == (200, b"")


def refresh(app: Flask, token: object, client: Client = HOMESERVER) -> dict[str, object]:
    form = {"grant_type": "refresh_token", "refresh_token": str(token)}
    return ask_token(app, form, client).get_json()


def allow(app: Flask, server: Client, client: Client) -> None:
    with app.app_context():
        write(lambda connection: allow_introspection(connection, server.id, client.id))


# --- introspection ---


@pytest.mark.spec("RFC 7662", "2.2")
def test_a_client_learns_what_its_access_token_is_worth(
    app: Flask, ann: Person, clock: Clock
) -> None:
    tokens = ann.tokens(**OFFLINE)

    assert introspect(app, tokens["access_token"]) == {
        "active": True,
        "iss": ISSUER,
        "client_id": "synapse",
        "sub": read_id_token(app, str(tokens["id_token"]))["sub"],
        "scope": "openid profile offline_access",
        "exp": int(clock().timestamp()) + 300,
        "token_type": "Bearer",
    }


def test_of_a_refresh_token_too_but_it_is_no_bearer_token(app: Flask, ann: Person) -> None:
    told = introspect(app, ann.tokens(**OFFLINE)["refresh_token"])

    assert told["active"] is True
    assert "token_type" not in told


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "nonsense"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_hint_never_hides_a_token(app: Flask, ann: Person, kind: str, hint: str) -> None:
    token = ann.tokens(**OFFLINE)[kind]

    assert introspect(app, token, token_type_hint=hint)["active"] is True


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_i2_another_client_learns_nothing(app: Flask, ann: Person, kind: str) -> None:
    assert introspect(app, ann.tokens(**OFFLINE)[kind], WIKI) == NOTHING


def test_i2_a_listed_resource_server_learns_of_access_tokens_only(app: Flask, ann: Person) -> None:
    enrol(app, API)
    tokens = ann.tokens(**OFFLINE)
    allow(app, API, HOMESERVER)

    assert introspect(app, tokens["access_token"], API)["client_id"] == "synapse"
    assert introspect(app, tokens["refresh_token"], API) == NOTHING


def test_i2_a_listing_is_for_one_client_and_one_direction(app: Flask, ann: Person) -> None:
    enrol(app, API)
    allow(app, API, WIKI)
    allow(app, HOMESERVER, API)

    assert introspect(app, ann.tokens()["access_token"], API) == NOTHING


def test_i2_a_listing_that_was_taken_back_is_over(app: Flask, ann: Person) -> None:
    enrol(app, API)
    token = ann.tokens()["access_token"]
    allow(app, API, HOMESERVER)
    with app.app_context():
        write(lambda connection: deny_introspection(connection, "api", "synapse"))

    assert introspect(app, token, API) == NOTHING


def introspect_signed(
    app: Flask, token: object, client: Client, accept: str = "application/token-introspection+jwt"
) -> TestResponse:
    return app.test_client().post(
        "/introspect",
        data={"token": str(token)},
        base_url=ISSUER,
        auth=(client.id, secret_of(client)),
        headers={"Accept": accept},
    )


def read_signed(app: Flask, answer: TestResponse) -> tuple[dict[str, object], dict[str, object]]:
    keys = KeySet.import_key_set(app.test_client().get("/jwks", base_url=ISSUER).get_json())
    opened = jwt.decode(answer.text, keys, algorithms=["RS256", "ES256", "EdDSA"])
    return opened.header, opened.claims


@pytest.mark.spec("RFC 9701", "5")
def test_whoever_asks_for_it_gets_the_answer_signed(app: Flask, ann: Person) -> None:
    token = ann.tokens(**OFFLINE)["access_token"]

    answer = introspect_signed(app, token, HOMESERVER)

    assert answer.status_code == 200
    assert answer.content_type == "application/token-introspection+jwt"
    assert answer.headers["Cache-Control"] == "no-store"
    header, claims = read_signed(app, answer)
    assert (header["typ"], header["alg"]) == ("token-introspection+jwt", "RS256")
    assert claims == {
        "iss": ISSUER,
        "aud": "synapse",
        "iat": int(NOW.timestamp()),
        "token_introspection": introspect(app, token),
    }


@pytest.mark.spec("RFC 9701", "4")
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/token-introspection+jwt;q=0, */*", "application/json"),
        ("application/token-introspection+jwt;q=0.1, application/json", "application/json"),
        (
            "application/json;q=0.5, application/token-introspection+jwt",
            "application/token-introspection+jwt",
        ),
        ("nonsense,,;q=x", "application/json"),
    ],
)
def test_the_answer_is_of_the_kind_that_is_accepted(
    app: Flask, ann: Person, accept: str, kind: str
) -> None:
    answer = introspect_signed(app, ann.tokens()["access_token"], HOMESERVER, accept)

    assert (answer.status_code, answer.content_type) == (200, kind)


@pytest.mark.spec("RFC 9701", "5")
def test_i2_a_signed_answer_tells_no_more_than_a_plain_one(app: Flask, ann: Person) -> None:
    enrol(app, API)
    tokens = ann.tokens(**OFFLINE)
    stranger = introspect_signed(app, tokens["access_token"], API)
    allow(app, API, HOMESERVER)
    listed = introspect_signed(app, tokens["access_token"], API)
    too_much = introspect_signed(app, tokens["refresh_token"], API)

    for answer in (stranger, too_much):
        assert read_signed(app, answer)[1]["token_introspection"] == NOTHING
    claims = read_signed(app, listed)[1]
    assert claims["aud"] == "api"
    assert claims["token_introspection"]["client_id"] == "synapse"


@pytest.mark.spec("RFC 9701", "6")
def test_a_client_registers_the_algorithm_of_signed_answers(app: Flask, ann: Person) -> None:
    client = enrol(
        app,
        replace(WIKI, id="ec", metadata=ClientMetadata(introspection_signed_response_alg="ES256")),
    )

    answer = introspect_signed(app, ann.tokens(client)["access_token"], client)

    assert read_signed(app, answer)[0]["alg"] == "ES256"


def test_a_signed_answer_opens_nothing(app: Flask, ann: Person) -> None:
    signed = introspect_signed(app, ann.tokens()["access_token"], HOMESERVER).text

    assert userinfo(app, signed).status_code == 401
    assert query_of(ann.authorize(id_token_hint=signed).location)["error"] == "invalid_request"


@pytest.mark.parametrize("more", ["a", "a" * 10_000, " ", "\t"])
def test_i4_an_id_that_goes_on_is_another_one_and_never_cut(
    app: Flask, ann: Person, more: str
) -> None:
    longest = enrol(app, replace(WIKI, id="a" * 64))
    longer = replace(longest, id=longest.id + more)
    token = str(ann.tokens(longest)["access_token"])
    auth = (longer.id, secret_of(longest))
    post = app.test_client().post
    by_header = [
        post(path, data={"token": token, **authorize_query(longest)}, base_url=ISSUER, auth=auth)
        for path in ("/introspect", "/revoke", "/par", "/token")
    ]
    form = {"client_id": longer.id, "client_secret": secret_of(longest), "token": token}
    by_form = [post(path, data=form, base_url=ISSUER) for path in ("/introspect", "/revoke")]
    shown = ann.authorize(longer)

    assert {answer.status_code for answer in by_header + by_form} <= {400, 401}
    assert 400 <= shown.status_code < 500
    assert "Location" not in shown.headers
    assert introspect(app, token, longest)["active"] is True


def test_i4_a_subject_that_goes_on_is_nobodys(app: Flask, ann: Person) -> None:
    sub = str(read_id_token(app, str(ann.tokens(WIKI, remember=True)["id_token"]))["sub"])

    def ask_for(subject: str) -> TestResponse:
        claims = json.dumps({"id_token": {"sub": {"value": subject}}})
        return ann.authorize(WIKI, prompt="none", claims=claims)

    assert "code" in query_of(ask_for(sub).location)
    assert query_of(ask_for(sub + "x").location)["error"] == "login_required"
    too_long = ask_for(sub + "x" * 10_000)
    assert 400 <= too_long.status_code < 500
    assert "Location" not in too_long.headers


def test_i4_no_id_is_registered_that_is_longer_than_what_is_kept() -> None:
    check_client(replace(WIKI, id="a" * 64))
    for length in (65, 10_000):
        with pytest.raises(BridgeError) as caught:
            check_client(replace(WIKI, id="a" * length))
        assert caught.value.code == "client_id_malformed"


def test_dead_tokens_are_not_active(app: Flask, ann: Person, clock: Clock) -> None:
    tokens = ann.tokens(**OFFLINE)
    code = query_of(ann.sign_in())["code"]
    refresh(app, tokens["refresh_token"])

    for dead in (tokens["refresh_token"], tokens["id_token"], code, "unknown", "x" * 4096):
        assert introspect(app, dead) == NOTHING
    clock.advance(seconds=300)
    assert introspect(app, tokens["access_token"]) == NOTHING


def test_removed_access_is_not_active(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(**OFFLINE)
    ann.remove_first_app()

    for kind in ("access_token", "refresh_token"):
        assert introspect(app, tokens[kind]) == NOTHING


@pytest.mark.spec("RFC 7662", "2.1")
def test_i2_whoever_does_not_prove_who_they_are_learns_nothing(app: Flask, ann: Person) -> None:
    enrol(app, SPA)
    token = str(ann.tokens()["access_token"])

    for form in ({}, {"client_id": "spa"}, {"client_id": "synapse"}):
        answer = app.test_client().post(
            "/introspect", data={"token": token, **form}, base_url=ISSUER
        )
        assert answer.status_code == 401
        assert answer.get_json()["error"] == "invalid_client"
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_an_access_token_does_not_open_introspection(app: Flask, ann: Person) -> None:
    token = str(ann.tokens()["access_token"])

    answer = app.test_client().post(
        "/introspect",
        data={"token": token},
        base_url=ISSUER,
        headers={"Authorization": f"Bearer {token}"},
    )

    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
def test_a_token_must_be_named_in_a_form(app: Flask, path: str) -> None:
    browser = app.test_client()
    auth = (WIKI.id, secret_of(WIKI))

    for request in (
        {"data": {}},
        {"data": {"x": "y"}},
        {"json": {"token": "x"}},
        {"data": {"token": ["x", "y"]}},
        {"data": {"token": "x"}, "query_string": {"token": "x"}},
    ):
        answer = browser.post(path, base_url=ISSUER, auth=auth, **request)
        assert answer.status_code == 400
        assert answer.get_json()["error"] == "invalid_request"
    assert browser.get(path, base_url=ISSUER).status_code == 405


# --- revocation ---


@pytest.mark.spec("RFC 7009", "2.1")
def test_an_access_token_that_is_revoked_goes_alone(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(**OFFLINE)

    revoke(app, tokens["access_token"])

    assert userinfo(app, str(tokens["access_token"])).status_code == 401
    assert "access_token" in refresh(app, tokens["refresh_token"])


@pytest.mark.spec("RFC 7009", "2.1")
def test_r4_a_refresh_token_that_is_revoked_takes_its_family_along(app: Flask, ann: Person) -> None:
    first = ann.tokens(**OFFLINE)
    second = refresh(app, first["refresh_token"])

    revoke(app, first["refresh_token"], token_type_hint="access_token")

    for tokens in (first, second):
        assert userinfo(app, str(tokens["access_token"])).status_code == 401
    assert refresh(app, second["refresh_token"])["error"] == "invalid_grant"


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_i1_another_clients_token_is_untouched(app: Flask, ann: Person, kind: str) -> None:
    tokens = ann.tokens(**OFFLINE)

    revoke(app, tokens[kind], WIKI)

    assert userinfo(app, str(tokens["access_token"])).status_code == 200
    assert "access_token" in refresh(app, tokens["refresh_token"])


def test_i1_a_resource_server_reads_and_does_not_revoke(app: Flask, ann: Person) -> None:
    enrol(app, API)
    allow(app, API, HOMESERVER)
    token = ann.tokens()["access_token"]

    revoke(app, token, API)

    assert introspect(app, token, API)["active"] is True


def test_an_answer_without_a_body_says_no_type_of_it(app: Flask, ann: Person) -> None:
    answer = ask(app, "/revoke", ann.tokens()["access_token"])

    # oidc-client-ts refuses a revocation that is answered with a page's type.
    assert "Content-Type" not in answer.headers
    assert "Content-Security-Policy" not in answer.headers


@pytest.mark.spec("RFC 7009", "2.2")
def test_an_unknown_token_is_answered_like_one_that_was_ended(app: Flask) -> None:
    revoke(app, "unknown")


def test_a_public_client_revokes_its_own(app: Flask, ann: Person) -> None:
    enrol(app, SPA)
    code = query_of(ann.sign_in(SPA))["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": SPA.redirect_uris[0],
        "code_verifier": "v" * 43,
        "client_id": "spa",
    }
    browser = app.test_client()
    token = browser.post("/token", data=form, base_url=ISSUER).get_json()["access_token"]

    form = {"token": token, "client_id": "spa"}
    assert browser.post("/revoke", data=form, base_url=ISSUER).status_code == 200

    assert userinfo(app, token).status_code == 401


@pytest.mark.parametrize("secret", ["wrong", None])
def test_nobody_revokes_in_the_name_of_a_client(
    app: Flask, ann: Person, secret: str | None
) -> None:
    token = str(ann.tokens()["access_token"])
    form = {"token": token, "client_id": "synapse"} | ({"client_secret": secret} if secret else {})

    answer = app.test_client().post("/revoke", data=form, base_url=ISSUER)

    assert answer.get_json()["error"] == "invalid_client"
    assert userinfo(app, token).status_code == 200


@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
def test_i1_a_database_that_fails_is_not_taken_for_a_yes(
    app: Flask, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fail(_connection: Connection, *_: object, **__: object) -> None:
        raise OperationalError("select", {}, Exception("gone"))

    for name in ("find_token", "end_token"):
        monkeypatch.setattr(tokens_about, name, fail)

    answer = ask(app, path, "x")

    assert answer.status_code == 500
    assert answer.get_json()["error"] == "server_error"
