"""The token endpoint: who may redeem what, once."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from flask import Flask
from sqlalchemy import select, update

from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.ledger import EventRow
from tests.conftest import Clock
from tests.driver import (
    HOMESERVER,
    ISSUER,
    WIKI,
    Person,
    ask_token,
    query_of,
    read_id_token,
    redeem,
    secret_of,
    userinfo,
)


def code_of(person: Person, **changes: object) -> str:
    return query_of(person.sign_in(**changes))["code"]


@pytest.mark.spec("RFC 6749", "5.1")
def test_a_code_becomes_tokens(ann: Person) -> None:
    answer = redeem(ann.app, code_of(ann))

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = answer.get_json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"] == "openid profile"
    assert "refresh_token" not in tokens


@pytest.mark.spec("RFC 6749", "4.1.2")
def test_k2_a_code_is_good_once_and_a_second_use_ends_what_the_first_gave(
    app: Flask, ann: Person
) -> None:
    code = code_of(ann)
    tokens = redeem(app, code).get_json()

    again = redeem(app, code)

    assert again.status_code == 400
    assert again.get_json()["error"] == "invalid_grant"
    assert userinfo(app, tokens["access_token"]).status_code == 401
    with app.app_context(), read() as connection:
        kinds = connection.execute(select(EventRow.kind)).scalars().all()
    assert "code reused" in kinds


WRONG = {
    "redirect_uri": "https://matrix.example/_synapse/client/oidc/callback/",
    "code_verifier": "w" * 43,
}
URIS = {
    "": HOMESERVER.redirect_uris[0],
    "another uri": WRONG["redirect_uri"],
    "no uri": None,
}
# RFC 6749 5.2: what is left out makes the request malformed, whatever else is wrong with it.
BINDINGS = [
    pick for pick in product(("", "client"), URIS, ("", "verifier"), ("", "late")) if any(pick)
]


@pytest.mark.spec("RFC 6749", "4.1.3")
@pytest.mark.parametrize("wrong", BINDINGS, ids=lambda pick: "-".join(filter(None, pick)))
def test_k1_a_code_is_bound_to_client_redirect_uri_verifier_and_time(
    app: Flask, ann: Person, clock: Clock, wrong: tuple[str, str, str, str]
) -> None:
    other_client, uri, other_verifier, late = wrong
    code = code_of(ann)
    changes = {"redirect_uri": URIS[uri]}
    if other_verifier:
        changes["code_verifier"] = WRONG["code_verifier"]
    if late:
        clock.advance(seconds=61)

    answer = redeem(app, code, WIKI if other_client else HOMESERVER, **changes)

    assert answer.status_code == 400
    expected = "invalid_request" if uri == "no uri" else "invalid_grant"
    assert answer.get_json()["error"] == expected
    assert "access_token" not in answer.get_json()


@pytest.mark.parametrize(
    "changes", [{"redirect_uri": WRONG["redirect_uri"]}, {"code_verifier": "w" * 43}]
)
def test_a_failed_try_uses_the_code_up(app: Flask, ann: Person, changes: dict[str, str]) -> None:
    code = code_of(ann)
    redeem(app, code, **changes)

    assert redeem(app, code).get_json()["error"] == "invalid_grant"


def test_another_clients_try_does_not_use_the_code_up(app: Flask, ann: Person) -> None:
    code = code_of(ann)
    redeem(app, code, WIKI, redirect_uri=HOMESERVER.redirect_uris[0])

    assert redeem(app, code).status_code == 200


def test_another_clients_replay_does_not_end_the_tokens(app: Flask, ann: Person) -> None:
    code = code_of(ann)
    tokens = redeem(app, code).get_json()

    redeem(app, code, WIKI)

    assert userinfo(app, tokens["access_token"]).status_code == 200


@pytest.mark.spec("RFC 6749", "5.2")
@pytest.mark.parametrize("missing", ["code", "redirect_uri", "code_verifier", "grant_type"])
def test_each_parameter_is_needed(app: Flask, ann: Person, missing: str) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": code_of(ann),
        "redirect_uri": HOMESERVER.redirect_uris[0],
        "code_verifier": "v" * 43,
    }
    del form[missing]

    answer = ask_token(app, form)

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_request"


@pytest.mark.spec("RFC 6749", "5.2")
def test_a_wrong_secret_is_refused_and_leaves_the_code_alone(app: Flask, ann: Person) -> None:
    code = code_of(ann)

    answer = redeem(app, code, secret="wrong")

    assert answer.status_code == 401
    assert answer.get_json()["error"] == "invalid_client"
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert redeem(app, code).status_code == 200


def test_the_secret_may_be_posted(app: Flask, ann: Person) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": code_of(ann),
        "redirect_uri": HOMESERVER.redirect_uris[0],
        "code_verifier": "v" * 43,
        "client_id": HOMESERVER.id,
        "client_secret": secret_of(HOMESERVER),
    }

    answer = app.test_client().post("/token", data=form, base_url=ISSUER)

    assert answer.status_code == 200


def test_a_client_with_a_secret_must_show_it(app: Flask, ann: Person) -> None:
    form = {"grant_type": "authorization_code", "client_id": HOMESERVER.id, "code": code_of(ann)}

    answer = app.test_client().post("/token", data=form, base_url=ISSUER)

    assert answer.get_json()["error"] == "invalid_client"


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain"])
def test_k10_other_content_types_are_refused(app: Flask, content_type: str) -> None:
    answer = app.test_client().post("/token", data="{}", content_type=content_type, base_url=ISSUER)

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_request"


def test_k4_parameters_in_the_query_are_refused(app: Flask, ann: Person) -> None:
    answer = app.test_client().post(
        f"/token?grant_type=authorization_code&code={code_of(ann)}&code_verifier={'v' * 43}",
        data={"redirect_uri": HOMESERVER.redirect_uris[0]},
        base_url=ISSUER,
        auth=(HOMESERVER.id, secret_of(HOMESERVER)),
    )

    assert answer.get_json()["error"] == "invalid_request"


def test_a_blocked_person_gets_no_tokens_for_a_code(app: Flask, ann: Person, clock: Clock) -> None:
    code = code_of(ann)
    with app.app_context():
        write(lambda connection: connection.execute(update(AccountRow).values(blocked_at=clock())))

    assert redeem(app, code).get_json()["error"] == "invalid_grant"


def test_a_consent_taken_back_before_redemption_gives_nothing(app: Flask, ann: Person) -> None:
    code = code_of(ann)
    ann.remove_first_app()

    assert redeem(app, code).get_json()["error"] == "invalid_grant"


def test_signing_out_before_redemption_gives_nothing(app: Flask, ann: Person) -> None:
    code = code_of(ann)
    ann.sign_out()

    assert redeem(app, code).get_json()["error"] == "invalid_grant"


def test_k2_of_fifty_takers_of_one_code_exactly_one_wins(app: Flask, ann: Person) -> None:
    code = code_of(ann)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: redeem(app, code).status_code, range(50)))

    assert sorted(answers) == [200] + [400] * 49


OFFLINE = {"scope": "openid profile offline_access", "scopes": ("profile", "offline_access")}


def refresh(app: Flask, token: object, **changes: str) -> dict[str, object]:
    form = {"grant_type": "refresh_token", "refresh_token": str(token), **changes}
    return ask_token(app, form).get_json()


def test_a_refresh_token_rotates(app: Flask, ann: Person) -> None:
    first = ann.tokens(**OFFLINE)

    second = refresh(app, first["refresh_token"])

    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"] == "openid profile offline_access"
    before, after = (read_id_token(app, t["id_token"]) for t in (first, second))
    assert before["sub"] == after["sub"]
    assert before["auth_time"] == after["auth_time"]


def test_another_clients_refresh_is_refused_and_changes_nothing(app: Flask, ann: Person) -> None:
    first = ann.tokens(**OFFLINE)
    form = {"grant_type": "refresh_token", "refresh_token": str(first["refresh_token"])}

    assert ask_token(app, form, WIKI).get_json()["error"] == "invalid_grant"
    assert "access_token" in refresh(app, first["refresh_token"])


def test_a_refreshed_token_may_be_narrower_but_never_wider(app: Flask, ann: Person) -> None:
    first = ann.tokens(**OFFLINE)

    second = refresh(app, first["refresh_token"], scope="openid")

    assert second["scope"] == "openid"
    assert "name" not in userinfo(app, str(second["access_token"])).get_json()
    third = refresh(app, second["refresh_token"], scope="openid email")
    assert third["error"] == "invalid_scope"


def test_an_expired_refresh_token_is_refused(app: Flask, ann: Person, clock: Clock) -> None:
    first = ann.tokens(**OFFLINE)
    clock.advance(days=30)

    assert refresh(app, first["refresh_token"])["error"] == "invalid_grant"


def test_parallel_refreshes_give_one_success(app: Flask, ann: Person) -> None:
    first = ann.tokens(**OFFLINE)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: refresh(app, first["refresh_token"]), range(10)))

    assert sum("access_token" in answer for answer in answers) == 1


@pytest.mark.spec("Back-Channel Logout", "2.7")
@pytest.mark.spec("OIDC Core", "11")
def test_signing_out_leaves_what_was_given_to_last_beyond_it(app: Flask, ann: Person) -> None:
    lasting, short = ann.tokens(**OFFLINE), ann.tokens()
    ann.sign_out()

    assert "access_token" in refresh(app, lasting["refresh_token"])
    assert userinfo(app, str(short["access_token"])).status_code == 401


def test_signing_out_everywhere_ends_that_too(app: Flask, ann: Person) -> None:
    lasting = ann.tokens(**OFFLINE)
    ann.sign_out_everywhere()

    assert refresh(app, lasting["refresh_token"])["error"] == "invalid_grant"


def test_removing_access_ends_every_token(app: Flask, ann: Person) -> None:
    lasting = ann.tokens(**OFFLINE)
    ann.remove_first_app()

    assert refresh(app, lasting["refresh_token"])["error"] == "invalid_grant"
    assert userinfo(app, str(lasting["access_token"])).status_code == 401


def test_an_unticked_scope_is_gone_from_token_claims_and_refresh(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(scope="openid profile offline_access", scopes=("offline_access",))

    assert tokens["scope"] == "openid offline_access"
    again = refresh(app, tokens["refresh_token"])
    for given in (tokens, again):
        assert "name" not in read_id_token(app, str(given["id_token"]))
        assert "name" not in userinfo(app, str(given["access_token"])).get_json()


@pytest.mark.parametrize("kind", ["id_token", "refresh_token"])
def test_only_an_access_token_opens_userinfo(app: Flask, ann: Person, kind: str) -> None:
    assert userinfo(app, str(ann.tokens(**OFFLINE)[kind])).status_code == 401


def test_a_code_is_no_access_token(app: Flask, ann: Person) -> None:
    assert userinfo(app, code_of(ann)).status_code == 401


def test_an_expired_access_token_is_refused(app: Flask, ann: Person, clock: Clock) -> None:
    tokens = ann.tokens()
    clock.advance(seconds=300)

    answer = userinfo(app, str(tokens["access_token"]))

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.spec("RFC 6750", "3")
def test_userinfo_without_a_token_says_only_that_one_is_needed(app: Flask) -> None:
    answer = app.test_client().get("/userinfo", base_url=ISSUER)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="bridge.example"'
