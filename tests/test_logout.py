"""The outbox: a logout token reaches its client, sooner or later, once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import select

from oidc_bridge.errors import FetchError
from oidc_bridge.logout import Courier
from oidc_bridge.ports import Fetched
from oidc_bridge.storage import read
from oidc_bridge.storage.outbox import LogoutDeliveryRow, delivery_log
from oidc_bridge.storage.prune import prune_all
from tests.conftest import Clock
from tests.driver import HOMESERVER, ISSUER, Person, read_id_token
from tests.fakes import FakeFetch


@dataclass
class Homeserver:
    """Takes logout tokens, or does not."""

    answers: list[int | FetchError] = field(default_factory=lambda: [200])
    got: list[tuple[str, str]] = field(default_factory=list)

    def __call__(
        self, url: str, fields: Mapping[str, str], *, is_operators: bool = False
    ) -> Fetched:
        assert is_operators
        assert list(fields) == ["logout_token"]
        self.got.append((url, fields["logout_token"]))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, FetchError):
            raise answer
        return Fetched(answer, b"")


def courier(app: Flask, clock: Clock, homeserver: Homeserver) -> Courier:
    return Courier(ISSUER, app.extensions["oidc_bridge"].seal, homeserver, clock)


def deliver(app: Flask, clock: Clock, homeserver: Homeserver) -> int:
    with app.app_context():
        return courier(app, clock, homeserver).deliver()


def outcomes(app: Flask) -> list[tuple[str, int, bool]]:
    row = LogoutDeliveryRow
    with app.app_context(), read() as connection:
        found = connection.execute(select(row.outcome, row.tries, row.done_at))
        return [(outcome, tries, done is not None) for outcome, tries, done in found]


@pytest.mark.spec("Back-Channel Logout", "2.5")
def test_l3_a_logout_token_is_what_synapse_and_mas_want(
    app: Flask, ann: Person, clock: Clock
) -> None:
    id_token = read_id_token(app, str(ann.tokens()["id_token"]))
    ann.sign_out()
    homeserver = Homeserver()

    assert deliver(app, clock, homeserver) == 1

    url, text = homeserver.got[0]
    assert url == HOMESERVER.backchannel_logout_uri
    keys = app.test_client().get("/jwks", base_url=ISSUER).get_json()
    token = jwt.decode(text, KeySet.import_key_set(keys), algorithms=["RS256"])
    assert token.header["typ"] == "logout+jwt"
    claims = token.claims
    assert claims["iss"] == ISSUER
    assert claims["aud"] == HOMESERVER.id
    assert claims["sid"] == id_token["sid"]
    assert claims["sub"] == id_token["sub"]
    assert claims["exp"] > claims["iat"]
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert claims["jti"]
    assert "nonce" not in claims
    assert outcomes(app) == [("told", 1, True)]


def test_l3_a_person_who_signs_out_waits_for_no_client(
    app: Flask, ann: Person, clock: Clock, fetch: FakeFetch
) -> None:
    """The view only keeps what is to be told: it opens no socket that could be slow."""
    ann.tokens()
    before = list(fetch.calls)

    assert ann.sign_out().status_code == 303

    assert fetch.calls == before
    assert outcomes(app) == [("", 0, False)]
    assert "Where you are signed in" not in ann.account_page()


def test_a_client_that_was_told_is_not_told_again(app: Flask, ann: Person, clock: Clock) -> None:
    ann.tokens()
    ann.sign_out()
    homeserver = Homeserver()
    deliver(app, clock, homeserver)
    clock.advance(hours=3)

    assert deliver(app, clock, homeserver) == 0


@pytest.mark.parametrize("trouble", [FetchError("fetch_failed"), 500, 503, 404])
def test_l3_trouble_is_tried_again_later(
    app: Flask, ann: Person, clock: Clock, trouble: int | FetchError
) -> None:
    ann.tokens()
    ann.sign_out()
    homeserver = Homeserver([trouble, 200])

    assert deliver(app, clock, homeserver) == 1
    assert deliver(app, clock, homeserver) == 0
    clock.advance(seconds=5)
    assert deliver(app, clock, homeserver) == 1

    assert outcomes(app) == [("told", 2, True)]
    assert homeserver.got[0][1] != homeserver.got[1][1]  # a fresh jti and times


@pytest.mark.spec("Back-Channel Logout", "2.8")
def test_a_token_that_is_refused_is_tried_a_few_times_only(
    app: Flask, ann: Person, clock: Clock
) -> None:
    ann.tokens()
    ann.sign_out()

    for _ in range(10):
        deliver(app, clock, Homeserver([400]))
        clock.advance(hours=1)

    assert outcomes(app) == [("status 400", 5, True)]


def test_after_two_days_it_is_given_up(app: Flask, ann: Person, clock: Clock) -> None:
    ann.tokens()
    ann.sign_out()
    homeserver = Homeserver([FetchError("fetch_failed")])

    for _ in range(70):
        deliver(app, clock, homeserver)
        clock.advance(hours=1)

    assert outcomes(app) == [("unreachable (fetch_failed)", 58, True)]
    assert len(homeserver.got) == 58


def test_a_worker_that_died_leaves_its_delivery_to_the_next(
    app: Flask, ann: Person, clock: Clock
) -> None:
    ann.tokens()
    ann.sign_out()

    def dying(*_: object, **__: object) -> Fetched:
        raise KeyboardInterrupt

    with app.app_context(), pytest.raises(KeyboardInterrupt):
        Courier(ISSUER, app.extensions["oidc_bridge"].seal, dying, clock).deliver()

    homeserver = Homeserver()
    assert deliver(app, clock, homeserver) == 0
    clock.advance(seconds=60)
    assert deliver(app, clock, homeserver) == 1
    assert outcomes(app)[0][2]


def test_the_operator_reads_each_delivery_youngest_first(
    app: Flask, ann: Person, clock: Clock
) -> None:
    ann.tokens()
    ann.sign_out()
    deliver(app, clock, Homeserver([503]))
    clock.advance(seconds=1)
    ann.tokens()
    ann.sign_out()

    with app.app_context(), read() as connection:
        everything = delivery_log(connection, client_id=None, at_most=10)
        assert delivery_log(connection, client_id="wiki", at_most=10) == []
        assert delivery_log(connection, client_id="synapse", at_most=1) == everything[:1]

    assert [(one.client_id, one.tries, one.outcome) for one in everything] == [
        ("synapse", 0, ""),
        ("synapse", 1, "status 503"),
    ]
    assert everything[1].next_try_at > everything[1].created_at
    assert all(one.done_at is None for one in everything)


def prune(app: Flask, clock: Clock) -> int:
    with app.app_context():
        return dict(prune_all(now=clock(), token_life=timedelta(hours=1)))["sign-out deliveries"]


@pytest.mark.parametrize("answer", [200, 400])
def test_a_delivery_that_is_settled_is_forgotten_after_ninety_days(
    app: Flask, ann: Person, clock: Clock, answer: int
) -> None:
    ann.tokens()
    ann.sign_out()
    for _ in range(5):
        deliver(app, clock, Homeserver([answer]))
        clock.advance(hours=1)
    assert outcomes(app)[0][2]

    clock.advance(days=90, hours=-5)
    assert prune(app, clock) == 0
    clock.advance(hours=5, seconds=1)
    assert prune(app, clock) == 1
    assert outcomes(app) == []


@pytest.mark.parametrize("tried", [0, 1])
def test_a_delivery_that_is_still_to_be_tried_is_never_forgotten(
    app: Flask, ann: Person, clock: Clock, tried: int
) -> None:
    ann.tokens()
    ann.sign_out()
    for _ in range(tried):
        deliver(app, clock, Homeserver([503]))

    clock.advance(days=1000)

    assert prune(app, clock) == 0
    assert deliver(app, clock, Homeserver()) == 1
    assert outcomes(app) == [("told", tried + 1, True)]


def test_l3_a_logout_token_is_no_hint_for_signing_out(
    app: Flask, ann: Person, clock: Clock
) -> None:
    """It has the issuer, the audience, the sid and the signature of one."""
    ann.tokens()
    ann.tokens(redirectUrl="https://other.example/")
    ann.remove_first_app()
    homeserver = Homeserver()
    deliver(app, clock, homeserver)

    answer = ann.get(f"/end-session?id_token_hint={homeserver.got[0][1]}")

    assert answer.status_code == 200
    assert "Sign out of" in answer.text
