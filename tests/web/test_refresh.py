"""Refresh tokens: each good once, a lost answer made good once, a stolen one the end of all."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import Connection, event, func, select, update

from oidc_bridge.storage import db, read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.apps import ClientRow, remove_client
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.sessions import SessionRow
from tests.conftest import Clock
from tests.driver import (
    HOMESERVER,
    WIKI,
    Person,
    ask_token,
    enrol,
    query_of,
    redeem,
    userinfo,
)

OFFLINE = {"scope": "openid profile offline_access", "scopes": ("profile", "offline_access")}
GRACE = 6.0
TOO_LATE = 30.0


def refresh(app: Flask, tokens: dict[str, object], **changes: str) -> dict[str, object]:
    form = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    return ask_token(app, form | changes).get_json()


def events(app: Flask) -> Counter[str]:
    with app.app_context(), read() as connection:
        return Counter(connection.execute(select(EventRow.kind)).scalars())


@pytest.mark.spec("RFC 9700", "4.14.2")
def test_r1_a_refresh_token_that_comes_again_ends_its_family(
    app: Flask, ann: Person, clock: Clock
) -> None:
    first = ann.tokens(**OFFLINE)
    second = refresh(app, first)
    clock.advance(seconds=TOO_LATE)

    assert refresh(app, first)["error"] == "invalid_grant"
    assert refresh(app, second)["error"] == "invalid_grant"
    assert userinfo(app, str(second["access_token"])).status_code == 401
    assert events(app)["refresh token reused"] == 1


@pytest.mark.parametrize("after", [0, GRACE, TOO_LATE])
def test_r1_an_older_generation_ends_the_family_at_any_time(
    app: Flask, ann: Person, clock: Clock, after: float
) -> None:
    first = ann.tokens(**OFFLINE)
    third = refresh(app, refresh(app, first))
    clock.advance(seconds=after)

    assert refresh(app, first)["error"] == "invalid_grant"
    assert refresh(app, third)["error"] == "invalid_grant"


def test_r1_a_lost_answer_is_made_good_and_what_was_lost_is_withdrawn(
    app: Flask, ann: Person, clock: Clock
) -> None:
    first = ann.tokens(**OFFLINE)
    lost = refresh(app, first)
    clock.advance(seconds=GRACE)

    again = refresh(app, first)

    assert "access_token" in again
    assert again["refresh_token"] != lost["refresh_token"]
    following = refresh(app, again)
    assert "access_token" in following
    # Whoever holds what was lost is not the client.
    assert refresh(app, lost)["error"] == "invalid_grant"
    assert refresh(app, following)["error"] == "invalid_grant"


@pytest.mark.parametrize("after", [GRACE, TOO_LATE])
def test_r1_a_lost_answer_is_made_good_once(
    app: Flask, ann: Person, clock: Clock, after: float
) -> None:
    first = ann.tokens(**OFFLINE)
    refresh(app, first)
    clock.advance(seconds=GRACE)
    again = refresh(app, first)
    clock.advance(seconds=after)

    assert refresh(app, first)["error"] == "invalid_grant"
    assert refresh(app, again)["error"] == "invalid_grant"


def test_r1_another_client_has_no_grace(app: Flask, ann: Person, clock: Clock) -> None:
    first = ann.tokens(**OFFLINE)
    second = refresh(app, first)
    clock.advance(seconds=GRACE)
    form = {"grant_type": "refresh_token", "refresh_token": str(first["refresh_token"])}

    assert ask_token(app, form, WIKI).get_json()["error"] == "invalid_grant"
    assert "access_token" in refresh(app, second)


def test_r1_a_revoked_family_has_no_grace(app: Flask, ann: Person, clock: Clock) -> None:
    first = ann.tokens(**OFFLINE)
    refresh(app, first)
    ann.remove_first_app()
    clock.advance(seconds=GRACE)

    assert refresh(app, first)["error"] == "invalid_grant"


def test_r1_of_fifty_refreshes_at_once_exactly_one_succeeds_and_nobody_is_signed_out(
    app: Flask, ann: Person
) -> None:
    first = ann.tokens(**OFFLINE)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: refresh(app, first), range(50)))

    (granted,) = [answer for answer in answers if "access_token" in answer]
    assert {answer["error"] for answer in answers if answer is not granted} == {"invalid_grant"}
    assert "access_token" in refresh(app, granted)


def test_r1_of_fifty_who_lost_the_answer_exactly_one_succeeds(
    app: Flask, ann: Person, clock: Clock
) -> None:
    first = ann.tokens(**OFFLINE)
    refresh(app, first)
    clock.advance(seconds=GRACE)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: refresh(app, first), range(50)))

    (granted,) = [answer for answer in answers if "access_token" in answer]
    assert "access_token" in refresh(app, granted)


def test_r1_a_family_that_goes_while_its_token_is_looked_at_is_unknown(
    app: Flask, ann: Person
) -> None:
    """Another process deletes its account between the first look and the spending."""
    tokens = ann.tokens(**OFFLINE)
    gone: list[str] = []

    def forget(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not gone and statement.startswith("SELECT") and "refresh_tokens" in statement:
            gone.append(statement)
            connection.exec_driver_sql("DELETE FROM refresh_tokens")

    with app.app_context():
        event.listen(db.engine, "after_cursor_execute", forget)

    assert refresh(app, tokens)["error"] == "invalid_grant"
    assert gone
    assert events(app)["refresh token reused"] == 0


def test_r2_a_refresh_token_dies_of_idleness(app: Flask, ann: Person, clock: Clock) -> None:
    tokens = ann.tokens(**OFFLINE)
    clock.advance(days=29)
    tokens = refresh(app, tokens)
    assert "access_token" in tokens
    clock.advance(days=30)

    assert refresh(app, tokens)["error"] == "invalid_grant"


def test_r2_a_family_dies_of_old_age_however_busy_it_is(
    app: Flask, ann: Person, clock: Clock
) -> None:
    tokens = ann.tokens(**OFFLINE)
    for _ in range(8):
        clock.advance(days=20)
        tokens = refresh(app, tokens)
        assert "access_token" in tokens
    clock.advance(days=20)

    assert refresh(app, tokens)["error"] == "invalid_grant"


@pytest.mark.spec("RFC 6749", "6")
def test_r3_a_narrower_access_token_leaves_the_refresh_token_as_wide_as_it_was(
    app: Flask, ann: Person
) -> None:
    narrow = refresh(app, ann.tokens(**OFFLINE), scope="openid")
    assert narrow["scope"] == "openid"

    assert refresh(app, narrow)["scope"] == "openid profile offline_access"


@pytest.mark.spec("OIDC Core", "12")
def test_r3_without_openid_there_is_no_id_token(app: Flask, ann: Person) -> None:
    answer = refresh(app, ann.tokens(**OFFLINE), scope="profile")

    assert answer["scope"] == "profile"
    assert "id_token" not in answer


@pytest.mark.parametrize("scope", ["openid email", "openid admin", "OPENID"])
def test_r3_more_than_was_granted_is_refused_and_costs_nothing(
    app: Flask, ann: Person, scope: str
) -> None:
    tokens = ann.tokens(**OFFLINE)

    assert refresh(app, tokens, scope=scope)["error"] == "invalid_scope"
    assert "access_token" in refresh(app, tokens)


def test_r3_a_scope_that_the_client_may_not_have_any_more_is_gone_at_the_next_refresh(
    app: Flask, ann: Person
) -> None:
    tokens = ann.tokens(**OFFLINE)
    with app.app_context():
        write(
            lambda c: c.execute(
                update(ClientRow)
                .where(ClientRow.id == "synapse")
                .values(scopes=["openid", "offline_access"])
            )
        )
    app.extensions["oidc_bridge"].snapshots.forget()

    again = refresh(app, tokens)

    assert again["scope"] == "openid offline_access"
    assert "name" not in userinfo(app, str(again["access_token"])).get_json()


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token"])
def test_a_client_uses_only_the_grants_it_is_registered_for(app: Flask, grant: str) -> None:
    other = {"authorization_code": "refresh_token", "refresh_token": "authorization_code"}[grant]
    metadata = replace(HOMESERVER.metadata, grant_types=(other,))
    client = enrol(app, replace(HOMESERVER, id="half", metadata=metadata))
    form = {
        "grant_type": grant,
        "code": "c",
        "redirect_uri": "r",
        "code_verifier": "v",
        "refresh_token": "t",
    }

    answer = ask_token(app, form, client)

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "unauthorized_client"


def test_a_client_that_never_refreshes_gets_no_refresh_token(app: Flask, ann: Person) -> None:
    metadata = replace(WIKI.metadata, grant_types=("authorization_code",))
    client = enrol(app, replace(WIKI, id="half", metadata=metadata))

    assert "refresh_token" not in ann.tokens(client, **OFFLINE)


# --- K7, P1: whether it may still be is asked at each grant ---


def block(app: Flask, ann: Person) -> None:
    with app.app_context():
        write(lambda c: c.execute(update(AccountRow).values(blocked_at=ann.clock())))


def remove(app: Flask, ann: Person) -> None:
    ann.remove_first_app()


def sign_out_everywhere(app: Flask, ann: Person) -> None:
    ann.sign_out_everywhere()


def forget_client(app: Flask, ann: Person) -> None:
    with app.app_context():
        write(lambda connection: remove_client(connection, "synapse"))
    app.extensions["oidc_bridge"].snapshots.forget()


def take_every_scope(app: Flask, ann: Person) -> None:
    with app.app_context():
        write(lambda c: c.execute(update(ClientRow).values(scopes=["email"])))
    app.extensions["oidc_bridge"].snapshots.forget()


def revoke_authorization(app: Flask, ann: Person) -> None:
    with app.app_context():
        write(lambda c: c.execute(update(AuthorizationRow).values(revoked_at=ann.clock())))


def end_session(app: Flask, ann: Person) -> None:
    with app.app_context():
        write(lambda c: c.execute(update(SessionRow).values(ended_at=ann.clock())))


CHANGES = {
    "the account is blocked": block,
    "access was removed": remove,
    "signed out everywhere": sign_out_everywhere,
    "the client is gone": forget_client,
    "the client may have nothing any more": take_every_scope,
    "the authorization is revoked": revoke_authorization,
}


@pytest.mark.parametrize("change", [*CHANGES, "the session has ended"])
def test_k7_p1_a_code_gives_nothing_after(app: Flask, ann: Person, change: str) -> None:
    code = query_of(ann.sign_in(**OFFLINE))["code"]
    (CHANGES | {"the session has ended": end_session})[change](app, ann)

    answer = redeem(app, code)

    assert answer.status_code in (400, 401)
    assert answer.get_json()["error"] in ("invalid_grant", "invalid_client")


@pytest.mark.parametrize("change", CHANGES)
def test_k7_p1_a_refresh_token_gives_nothing_after(app: Flask, ann: Person, change: str) -> None:
    tokens = ann.tokens(**OFFLINE)
    CHANGES[change](app, ann)

    assert refresh(app, tokens)["error"] in ("invalid_grant", "invalid_client")


@pytest.mark.parametrize("change", [c for c in CHANGES if "may have nothing" not in c])
def test_r4_an_access_token_opens_nothing_after(app: Flask, ann: Person, change: str) -> None:
    tokens = ann.tokens(**OFFLINE)
    CHANGES[change](app, ann)

    assert userinfo(app, str(tokens["access_token"])).status_code == 401


def test_k7_without_any_of_this_both_grants_work(app: Flask, ann: Person) -> None:
    """The control: the refusals above are not from something else."""
    assert "access_token" in refresh(app, ann.tokens(**OFFLINE))
    with app.app_context(), read() as connection:
        revoked = select(func.count()).where(AuthorizationRow.revoked_at.is_not(None))
        assert connection.execute(revoked).scalar_one() == 0
