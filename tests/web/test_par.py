"""Pushed requests: announced by the client, opened by one browser, used once (RFC 9126)."""

from dataclasses import replace
from urllib.parse import urlencode

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.test import TestResponse

from oidc_bridge.config import Settings
from oidc_bridge.factory import create_app
from oidc_bridge.oidc.client import Client, ClientMetadata
from oidc_bridge.storage import read, write
from oidc_bridge.storage.apps import add_client, add_secret
from oidc_bridge.storage.authorizations import AuthorizationRow
from tests.conftest import Clock
from tests.driver import (
    HOMESERVER,
    ISSUER,
    WIKI,
    Person,
    authorize_query,
    query_of,
    redeem,
    secret_of,
)
from tests.fakes import NOW

KEY = RSAKey.generate_key(2048, {"kid": "wiki-1"})
SIGNER = replace(
    WIKI,
    id="signer",
    metadata=ClientMetadata(jwks={"keys": [KEY.as_dict(private=False)]}),
)
PUSHER = replace(
    WIKI, id="pusher", metadata=ClientMetadata(require_pushed_authorization_requests=True)
)

ONLY_SIGNER = replace(
    SIGNER, id="only", metadata=replace(SIGNER.metadata, require_signed_request_object=True)
)


@pytest.fixture(autouse=True)
def more_clients(app: Flask) -> None:
    with app.app_context():
        for client in (SIGNER, PUSHER, ONLY_SIGNER):
            write(lambda c, client=client: add_client(c, client, now=NOW))
            write(lambda c, client=client: add_secret(c, client.id, secret_of(client), now=NOW))
        app.extensions["oidc_bridge"].snapshots.forget()


def push(app: Flask, client: Client = WIKI, **changes: str | None) -> TestResponse:
    return app.test_client().post(
        "/par",
        data=authorize_query(client, **changes),
        base_url=ISSUER,
        auth=(client.id, secret_of(client)),
    )


def pushed(app: Flask, client: Client = WIKI, **changes: str | None) -> str:
    answer = push(app, client, **changes)
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["request_uri"])


def come(person: Person, request_uri: str, client: Client = WIKI, **more: str) -> TestResponse:
    query = {"client_id": client.id, "request_uri": request_uri, **more}
    return person.get("/authorize?" + urlencode(query))


def finish(person: Person, answer: TestResponse) -> TestResponse:
    if answer.location.startswith("/sign-in/"):
        answer = person.prove(answer.location)
    return person.decide(answer.location)


@pytest.mark.spec("RFC 9126", "2.2")
def test_a_pushed_request_is_named_by_what_nobody_can_guess(app: Flask) -> None:
    answer = push(app)

    body = answer.get_json()
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(body) == {"request_uri", "expires_in"}
    assert body["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert len(body["request_uri"].rpartition(":")[2]) >= 43  # 256 bits
    assert 5 <= body["expires_in"] <= 600
    assert pushed(app) != pushed(app)


@pytest.mark.spec("RFC 9126", "4")
def test_client_id_and_request_uri_are_enough(app: Flask, ann: Person) -> None:
    answer = finish(ann, come(ann, pushed(app, scope="openid profile")))

    sent = query_of(answer.location)
    assert sent["state"] == "state-1"
    assert redeem(app, sent["code"], WIKI).status_code == 200


@pytest.mark.spec("RFC 9126", "4")
def test_a7_nothing_in_the_url_changes_what_was_pushed(app: Flask, ann: Person) -> None:
    more = {
        "redirect_uri": "https://evil.example/",
        "state": "evil",
        "nonce": "evil",
        "scope": "openid email offline_access",
        "code_challenge": "e" * 43,
        "prompt": "none",
        "response_mode": "form_post",
        "login_hint": "evil.id",
    }

    answer = finish(ann, come(ann, pushed(app), **more))

    assert answer.location.startswith(WIKI.redirect_uris[0] + "&code=")
    assert query_of(answer.location)["state"] == "state-1"
    tokens = redeem(app, query_of(answer.location)["code"], WIKI)
    assert tokens.get_json()["scope"] == "openid profile"


@pytest.mark.spec("RFC 9126", "7.3")
def test_it_may_be_opened_again_until_it_is_used(app: Flask, ann: Person) -> None:
    request_uri = pushed(app)
    first = come(ann, request_uri)
    second = come(ann, request_uri)

    assert "code" in query_of(finish(ann, second).location)
    late = ann.decide(ann.get(first.location).location)

    assert late.status_code == 410
    assert "Location" not in late.headers
    assert come(ann, request_uri).status_code == 400


def test_a7_only_one_code_comes_of_it_in_however_many_browsers(
    app: Flask, ann: Person, bob: Person
) -> None:
    request_uri = pushed(app)
    answers = [(person, come(person, request_uri)) for person in (ann, bob)]

    ends = [finish(person, answer) for person, answer in answers]

    assert [end.status_code for end in ends] == [303, 410]
    with app.app_context(), read() as connection:
        assert len(connection.execute(AuthorizationRow.__table__.select()).all()) == 1


@pytest.mark.spec("RFC 9126", "7.2")
@pytest.mark.parametrize("case", ["used by another client", "too late", "unknown", "cut"])
def test_a7_a_request_uri_is_shown_to_be_over(
    app: Flask, ann: Person, clock: Clock, case: str
) -> None:
    request_uri, client = pushed(app), WIKI
    if case == "used by another client":
        client = HOMESERVER
    elif case == "too late":
        clock.advance(seconds=90)
    elif case == "unknown":
        request_uri = request_uri[:-1] + ("A" if request_uri[-1] != "A" else "B")
    else:
        request_uri = request_uri[:-1]

    answer = come(ann, request_uri, client, redirect_uri=client.redirect_uris[0])

    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert "request_uri_unknown" in answer.text


def test_a_request_that_was_opened_in_time_may_be_finished_later(
    app: Flask, ann: Person, clock: Clock
) -> None:
    answer = come(ann, pushed(app))
    clock.advance(minutes=5)

    assert "code" in query_of(finish(ann, answer).location)


@pytest.mark.spec("RFC 9126", "2.1")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"client_id": "synapse"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"request": "nonsense"}, "request_not_supported"),
        ({"id_token_hint": "nonsense"}, "invalid_request"),
        ({"dpop_jkt": "short"}, "invalid_request"),
        ({"state": "x" * 5000}, "invalid_request"),
        ({"state": "a\0b"}, "invalid_request"),
    ],
)
def test_what_authorize_would_refuse_is_refused_when_it_is_pushed(
    app: Flask, changes: dict[str, str | None], error: str
) -> None:
    answer = push(app, **changes)

    assert answer.status_code == 400
    assert answer.get_json()["error"] == error


@pytest.mark.parametrize("secret", ["wrong", ""])
def test_only_the_client_itself_pushes(app: Flask, secret: str) -> None:
    answer = app.test_client().post(
        "/par", data=authorize_query(WIKI), base_url=ISSUER, auth=("wiki", secret)
    )

    assert answer.status_code == 401
    assert answer.get_json()["error"] == "invalid_client"


def test_a_homeserver_that_names_an_impossible_app_is_told(app: Flask) -> None:
    answer = push(app, HOMESERVER, redirectUrl="javascript:alert(1)")

    assert answer.get_json()["error"] == "invalid_request"


@pytest.mark.spec("RFC 9126", "2.3")
def test_a_push_is_a_post_of_a_form(app: Flask) -> None:
    client = app.test_client()

    assert client.get("/par", base_url=ISSUER).status_code == 405
    assert client.get("/par", base_url=ISSUER).get_json()["error"] == "invalid_request"
    assert client.post("/par", json={}, base_url=ISSUER).get_json()["error"] == "invalid_request"


@pytest.mark.spec("RFC 9126", "6")
def test_a_client_that_must_push_cannot_be_made_to_ask_by_a_link(app: Flask, ann: Person) -> None:
    refused = ann.authorize(PUSHER)

    assert query_of(refused.location)["error"] == "invalid_request"
    answer = finish(ann, come(ann, pushed(app, PUSHER), PUSHER))
    assert "code" in query_of(answer.location)


@pytest.mark.spec("RFC 9126", "5")
def test_a_server_can_demand_it_of_everybody(settings: Settings, clock: Clock, ann: Person) -> None:
    strict = create_app(
        settings.model_copy(update={"require_pushed_authorization_requests": True}), clock=clock
    )
    person = Person(strict, clock, ann.wallet)

    refused = person.authorize()

    assert query_of(refused.location)["error"] == "invalid_request"
    said = person.get("/.well-known/openid-configuration").get_json()
    assert said["require_pushed_authorization_requests"] is True
    with strict.app_context():
        strict.extensions["sqlalchemy"].engine.dispose()


def request_object(client: Client = SIGNER, **changes: object) -> str:
    claims = {
        **authorize_query(client),
        "iss": client.id,
        "aud": ISSUER,
        "exp": int(NOW.timestamp()) + 300,
        **changes,
    }
    return jwt.encode({"alg": "RS256", "kid": "wiki-1"}, claims, KEY)


def push_signed(app: Flask, client: Client = SIGNER, **changes: object) -> TestResponse:
    return app.test_client().post(
        "/par",
        data={"request": request_object(client, **changes), "state": "outside"},
        base_url=ISSUER,
        auth=(client.id, secret_of(client)),
    )


@pytest.mark.spec("RFC 9101", "5")
def test_a_signed_request_is_carried_out(ann: Person) -> None:
    query = urlencode({"client_id": "signer", "request": request_object(state="inside")})

    answer = finish(ann, ann.get("/authorize?" + query))

    assert answer.location.startswith(SIGNER.redirect_uris[0])
    assert query_of(answer.location)["state"] == "inside"


@pytest.mark.spec("RFC 9101", "6.3")
def test_what_stands_around_a_signed_request_does_not_count(ann: Person) -> None:
    outside = authorize_query(SIGNER, state="outside", redirect_uri="https://evil.example/")

    answer = ann.get("/authorize?" + urlencode({**outside, "request": request_object()}))

    assert query_of(finish(ann, answer).location)["state"] == "state-1"


@pytest.mark.spec("RFC 9101", "6.2")
def test_a_forged_request_is_told_to_the_address_around_it_if_that_is_good(ann: Person) -> None:
    forged = request_object()[:-8] + "AAAAAAAA"
    query = urlencode({**authorize_query(SIGNER), "request": forged})

    assert query_of(ann.get("/authorize?" + query).location)["error"] == "invalid_request_object"


def test_a_forged_request_leads_nowhere_if_no_good_address_is_around_it(ann: Person) -> None:
    forged = request_object(redirect_uri=WIKI.redirect_uris[0])[:-8] + "AAAAAAAA"

    answer = ann.get("/authorize?" + urlencode({"client_id": "signer", "request": forged}))

    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_signed_request_with_a_foreign_address_is_shown(ann: Person) -> None:
    query = {"client_id": "signer", "request": request_object(redirect_uri="https://evil.example/")}

    answer = ann.get("/authorize?" + urlencode(query))

    assert answer.status_code == 400
    assert "redirect_uri_mismatch" in answer.text


@pytest.mark.spec("RFC 9126", "3")
def test_a_signed_request_may_be_pushed(app: Flask, ann: Person) -> None:
    request_uri = push_signed(app, state="inside").get_json()["request_uri"]

    assert query_of(finish(ann, come(ann, request_uri, SIGNER)).location)["state"] == "inside"


def test_a_signed_request_that_is_too_long_for_a_link_may_be_pushed(app: Flask) -> None:
    answer = push_signed(app, claims={"userinfo": {f"x{number:03}": None for number in range(500)}})

    assert answer.status_code == 201, answer.text


@pytest.mark.spec("RFC 9449", "10")
def test_the_key_that_the_code_is_for_is_kept_with_it(app: Flask, ann: Person) -> None:
    finish(ann, come(ann, pushed(app, dpop_jkt="k" * 43)))

    with app.app_context(), read() as connection:
        row = connection.execute(AuthorizationRow.__table__.select()).one()
    assert row.dpop_jkt == "k" * 43


@pytest.mark.spec("RFC 9101", "10.5")
def test_a_client_that_must_sign_cannot_be_made_to_ask_unsigned(app: Flask, ann: Person) -> None:
    link = ann.authorize(ONLY_SIGNER)
    unsigned = push(app, ONLY_SIGNER)

    assert query_of(link.location)["error"] == "invalid_request"
    assert "signed" in query_of(link.location)["error_description"]
    assert (unsigned.status_code, unsigned.get_json()["error"]) == (400, "invalid_request")
    query = urlencode({"client_id": "only", "request": request_object(ONLY_SIGNER)})
    assert "code" in query_of(finish(ann, ann.get("/authorize?" + query)).location)
    request_uri = push_signed(app, ONLY_SIGNER).get_json()["request_uri"]
    assert "code" in query_of(finish(ann, come(ann, request_uri, ONLY_SIGNER)).location)


@pytest.mark.spec("RFC 9101", "10.5")
def test_an_unsigned_request_with_a_foreign_address_is_shown_whoever_must_sign(ann: Person) -> None:
    answer = ann.authorize(ONLY_SIGNER, redirect_uri="https://evil.example/")

    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.spec("RFC 9101", "10.5")
def test_a_server_can_demand_of_everybody_to_sign(
    settings: Settings, clock: Clock, ann: Person
) -> None:
    strict = create_app(
        settings.model_copy(update={"require_signed_request_object": True}), clock=clock
    )
    person = Person(strict, clock, ann.wallet)

    refused = person.authorize(SIGNER)
    query = urlencode({"client_id": "signer", "request": request_object()})
    signed = finish(person, person.get("/authorize?" + query))

    assert query_of(refused.location)["error"] == "invalid_request"
    assert push(strict, SIGNER).get_json()["error"] == "invalid_request"
    assert "code" in query_of(signed.location)
    said = person.get("/.well-known/openid-configuration").get_json()
    assert said["require_signed_request_object"] is True
    with strict.app_context():
        strict.extensions["sqlalchemy"].engine.dispose()
