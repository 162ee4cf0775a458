"""The door of the module in Synapse: whose password is it?"""

import logging
from collections.abc import Mapping
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import Connection, select, update
from werkzeug.test import TestResponse

from oidc_bridge.logout import Courier
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.oidc.client import Client
from oidc_bridge.ports import Fetched
from oidc_bridge.storage import read
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow, is_date_due
from oidc_bridge.storage.whitelist import AppRule, set_rule
from tests.conftest import Clock
from tests.driver import HOMESERVER, ISSUER, WIKI, Person, enrol, secret_of
from tests.fakes import NOW
from tests.matrix.test_password import MISSPELT, SPELT
from tests.web.test_app_passwords import (
    PAGE,
    change,
    end,
    end_url,
    exchange,
    make,
    post_form,
    refused,
    revoke,
    secret_in,
)

PATH = "/matrix/password"
MATRIX = ["matrix:login"]


@pytest.fixture
def ann(ann: Person) -> Person:
    """Ann, who has just signed in on her account page."""
    ann.prove(ann.begin_account())
    return ann


def ask(
    app: Flask, user: object, password: object, *, client: Client = HOMESERVER, secret: str = ""
) -> TestResponse:
    return app.test_client().post(
        PATH,
        json={"user": user, "password": password},
        base_url=ISSUER,
        auth=(client.id, secret or secret_of(client)),
    )


def is_let_in(app: Flask, user: str, password: str) -> bool:
    answer = ask(app, user, password)
    assert answer.status_code == 200
    said = answer.get_json()
    assert said["ok"] or said == {"ok": False}
    return bool(said["ok"])


def localpart_of(ann: Person) -> str:
    return ann.wallet.address.c32.lower()


def events(app: Flask, kind: str) -> list[dict[str, str]]:
    with app.app_context(), read() as connection:
        rows = connection.execute(select(EventRow.detail).where(EventRow.kind == kind))
        return list(rows.scalars())


def told(app: Flask) -> list[tuple[str, str, str]]:
    """Return which clients are told of the end of which subject's session."""
    row = LogoutDeliveryRow
    with app.app_context(), read() as connection:
        found = connection.execute(select(row.client_id, row.sub, row.sid)).all()
        return [(client, sub, sid) for client, sub, sid in found]


def block_everybody(connection: Connection) -> None:
    connection.execute(update(AccountRow).values(blocked_at=NOW))


def deliver(app: Flask, clock: Clock) -> None:
    """Let the outbox's worker work once; nobody answers it."""

    def post(url: str, fields: Mapping[str, str], *, is_operators: bool = False) -> Fetched:
        return Fetched(503, b"")

    parts = app.extensions["oidc_bridge"]
    with app.app_context():
        Courier(ISSUER, parts.seal, post, clock).deliver()


def enrol_second(app: Flask) -> Client:
    second = replace(
        HOMESERVER,
        id="second",
        server_name="second.example",
        redirect_uris=("https://second.example/_synapse/client/oidc/callback",),
    )
    parts = app.extensions["oidc_bridge"]
    both = frozenset({HOMESERVER.id, second.id})
    settings = parts.settings.model_copy(update={"synapse_modules": both})
    object.__setattr__(parts, "settings", settings)
    return enrol(app, second)


# ---- who it is


def test_an_app_password_says_who_it_is(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=[*MATRIX, "profile"])

    said = ask(app, localpart_of(ann), secret).get_json()

    assert said["ok"] is True
    assert said["localpart"] == localpart_of(ann)
    assert said["display_name"] == "Ann Example"
    assert said["known"] is True
    assert len(said["subject"]) == len(said["session"]) == 22


def test_whoever_ticked_no_profile_is_not_called_by_name(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=MATRIX)

    assert ask(app, localpart_of(ann), secret).get_json()["display_name"] is None


def test_the_subject_is_that_of_single_sign_on(app: Flask, ann: Person) -> None:
    first = make(ann, scope=MATRIX)
    by_password = ask(app, localpart_of(ann), first).get_json()
    by_sso = ann.tokens()

    claims = ann.app.test_client().get(
        "/userinfo",
        base_url=ISSUER,
        headers={"Authorization": f"Bearer {by_sso['access_token']}"},
    )
    assert claims.get_json()["sub"] == by_password["subject"]
    assert claims.get_json()["preferred_username"] == by_password["localpart"]


@pytest.mark.parametrize("user", SPELT)
def test_the_user_is_a_localpart_or_a_whole_id(app: Flask, ann: Person, user: str) -> None:
    secret = make(ann, scope=MATRIX)
    typed = user.format(user=localpart_of(ann), server="matrix.example")

    assert is_let_in(app, typed.upper(), secret.upper())


@pytest.mark.parametrize("user", [*MISSPELT, "bob"])
def test_another_user_is_refused_though_the_password_is_right(
    app: Flask, ann: Person, user: str
) -> None:
    secret = make(ann, scope=MATRIX)

    assert not is_let_in(app, user.format(user=localpart_of(ann), server="matrix.example"), secret)
    assert events(app, "app password refused") == [
        {"label": "agenda", "code": "localpart_mismatch"}
    ]


def test_one_sees_what_it_was_used_for(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=MATRIX)
    ask(app, localpart_of(ann), secret)

    assert "to sign in to Matrix" in ann.get(PAGE).text
    assert "used at your Matrix server" in ann.get("/account/activity").text


# ---- who is refused


def test_a_password_that_nobody_made_is_nobodys(app: Flask, ann: Person) -> None:
    assert not is_let_in(app, localpart_of(ann), "abp_" + "a" * 32)


@pytest.mark.parametrize("password", ["", "hunter2", "a|b|c", "abp_short"])
def test_what_is_not_of_our_shapes_is_refused(app: Flask, ann: Person, password: str) -> None:
    make(ann, scope=MATRIX)

    assert not is_let_in(app, localpart_of(ann), password)


def test_one_without_the_scope_is_refused(app: Flask, ann: Person) -> None:
    secret = make(ann)

    assert not is_let_in(app, localpart_of(ann), secret)
    assert events(app, "app password refused")[0]["code"] == "app_password_elsewhere"


def test_one_that_was_ended_is_refused(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=MATRIX)
    end(ann)

    assert not is_let_in(app, localpart_of(ann), secret)


def test_one_whose_date_has_come_is_refused(app: Flask, ann: Person, clock: Clock) -> None:
    secret = make(ann, scope=MATRIX, ends_on=f"{NOW:%Y-%m-%d}")
    assert is_let_in(app, localpart_of(ann), secret)
    clock.advance(days=1)

    assert not is_let_in(app, localpart_of(ann), secret)


def test_its_use_keeps_it_alive(app: Flask, ann: Person, clock: Clock) -> None:
    secret = make(ann, scope=MATRIX)
    clock.advance(days=179)
    assert is_let_in(app, localpart_of(ann), secret)
    clock.advance(days=179)
    assert is_let_in(app, localpart_of(ann), secret)
    clock.advance(days=180)

    assert not is_let_in(app, localpart_of(ann), secret)


def test_the_operator_can_turn_them_off(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=MATRIX)
    rule = AppRule(f"client:{APP_PASSWORD.id}", "deny")
    change(app, lambda connection: set_rule(connection, rule, now=NOW))

    assert not is_let_in(app, localpart_of(ann), secret)
    assert events(app, "app password refused")[0]["code"] == "app_not_allowed"


def test_the_blocked_are_refused(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=MATRIX)
    change(app, block_everybody)

    assert not is_let_in(app, localpart_of(ann), secret)


def test_it_gives_no_access_token_with_the_scope(app: Flask, ann: Person) -> None:
    assert refused(exchange(app, make(ann, scope=MATRIX))) == (400, "invalid_grant")


# ---- who may ask


def test_a_stranger_may_not_ask(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=MATRIX)

    assert refused(ask(app, localpart_of(ann), secret, secret="wrong")) == (401, "invalid_client")
    nobody = app.test_client().post(PATH, json={"user": "a", "password": secret}, base_url=ISSUER)
    assert refused(nobody) == (401, "invalid_client")


def test_a_client_that_is_no_homeserver_may_not_ask(app: Flask) -> None:
    assert refused(ask(app, "a", "b", client=WIKI)) == (403, "unauthorized_client")


def test_a_homeserver_without_the_module_may_not_ask_and_nobody_is_offered_it(
    app: Flask, ann: Person
) -> None:
    secret = make(ann, scope=MATRIX)
    object.__setattr__(
        app.extensions["oidc_bridge"],
        "settings",
        app.extensions["oidc_bridge"].settings.model_copy(update={"synapse_modules": frozenset()}),
    )

    assert refused(ask(app, localpart_of(ann), secret)) == (403, "unauthorized_client")
    assert "matrix:login" not in ann.get(PAGE).text
    answer = post_form(ann, scope=MATRIX)
    assert answer.status_code == 400
    assert "Choose a Matrix server" in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"user": "a"}',
        b'{"password": "a"}',
        b'{"user": 1, "password": "a"}',
        b'{"user": "a", "password": null}',
        b'{"user": "a", "password": "' + b"x" * 4097 + b'"}',
        b'{"user": "' + b"x" * 513 + b'", "password": "a"}',
        b"\xff",
    ],
    ids=range(10),
)
def test_what_is_no_question_is_an_invalid_request(app: Flask, body: bytes) -> None:
    answer = app.test_client().post(
        PATH,
        data=body,
        content_type="application/json",
        base_url=ISSUER,
        auth=(HOMESERVER.id, secret_of(HOMESERVER)),
    )

    assert refused(answer) == (400, "invalid_request")


def test_no_page_may_read_the_answer(app: Flask, ann: Person) -> None:
    answer = ask(app, localpart_of(ann), make(ann, scope=MATRIX))

    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_k4_no_password_is_in_any_log(
    app: Flask, ann: Person, caplog: pytest.LogCaptureFixture
) -> None:
    secret = make(ann, scope=MATRIX)
    with caplog.at_level(logging.DEBUG):
        for user, password in (
            (localpart_of(ann), secret),
            ("bob", secret),
            (localpart_of(ann), "correct horse"),
            (localpart_of(ann), "abp_" + "b" * 32),
        ):
            ask(app, user, password)

    assert "matrix password refused code=localpart_mismatch" in caplog.text
    for said in (secret, secret.replace("-", ""), "correct horse", "b" * 32):
        assert said not in caplog.text


# ---- its end is the device's


def test_the_button_signs_its_devices_out(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=MATRIX)
    said = ask(app, localpart_of(ann), secret).get_json()

    end(ann)

    assert told(app) == [(HOMESERVER.id, said["subject"], said["session"])]


def test_ending_one_that_is_not_for_matrix_tells_nobody(app: Flask, ann: Person) -> None:
    make(ann)

    end(ann)

    assert told(app) == []


def test_whoever_holds_it_signs_its_devices_out(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=MATRIX)

    revoke(app, secret)
    revoke(app, secret)

    assert len(told(app)) == 1


def test_signing_out_everywhere_signs_its_devices_out(app: Flask, ann: Person) -> None:
    make(ann, scope=MATRIX)

    ann.sign_out_everywhere()

    assert len(told(app)) == 1


def test_signing_one_browser_out_does_not(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=MATRIX)

    ann.sign_out()

    assert told(app) == []
    assert is_let_in(app, localpart_of(ann), secret)


def test_its_date_signs_its_devices_out_once(app: Flask, ann: Person, clock: Clock) -> None:
    make(ann, scope=MATRIX, ends_on=f"{NOW:%Y-%m-%d}")
    make(ann, ends_on=f"{NOW:%Y-%m-%d}")
    deliver(app, clock)
    assert told(app) == []
    clock.advance(days=1)

    deliver(app, clock)
    deliver(app, clock)

    assert len(told(app)) == 1
    with app.app_context(), read() as connection:
        assert not is_date_due(connection, now=clock.now)


def test_one_that_is_ended_before_its_date_is_told_of_once(
    app: Flask, ann: Person, clock: Clock
) -> None:
    make(ann, scope=MATRIX, ends_on=f"{NOW:%Y-%m-%d}")
    end(ann)
    clock.advance(days=1)

    deliver(app, clock)

    assert len(told(app)) == 1


# ---- where there are several homeservers


def test_it_is_made_for_one_homeserver(app: Flask, ann: Person) -> None:
    second = enrol_second(app)
    assert "At which server?" in ann.get(PAGE).text

    answer = post_form(ann, scope=MATRIX, homeserver=second.id)
    secret = secret_in(answer.text)

    assert f"@{localpart_of(ann)}:<wbr>second.example" in answer.text
    assert not is_let_in(app, localpart_of(ann), secret)
    assert ask(app, localpart_of(ann), secret, client=second).get_json()["ok"]


def test_a_homeserver_that_is_not_offered_cannot_be_chosen(app: Flask, ann: Person) -> None:
    answer = post_form(ann, scope=MATRIX, homeserver=WIKI.id)

    assert answer.status_code == 400
    assert "Choose a Matrix server" in answer.text


def test_where_there_is_one_nobody_is_asked_which(ann: Person) -> None:
    assert "At which server?" not in ann.get(PAGE).text
    make(ann, scope=MATRIX)
    assert f"@{localpart_of(ann)}:matrix.example" in ann.get(PAGE).text
    assert end_url(ann)
