"""App passwords: made and ended on the account page, and worth short tokens at the back door."""

import html
import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
import segno
from alembic import command
from flask import Flask
from sqlalchemy import Connection, func, select, update
from werkzeug.test import TestResponse

from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.app_passwords import AppPasswordRow
from oidc_bridge.storage.apps import add_client, all_clients, get_client, remove_client
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.migrations import alembic_config, migrate
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.prune import prune_all
from oidc_bridge.storage.resource_servers import allow_introspection
from oidc_bridge.storage.tokens import AccessTokenRow
from oidc_bridge.storage.whitelist import AppRule, set_person_rule, set_rule
from oidc_bridge.web.account.app_password_form import AT_MOST
from tests.conftest import Clock
from tests.driver import (
    CHALLENGE,
    ISSUER,
    WIKI,
    Person,
    ask_token,
    fields_of,
    read_id_token,
    secret_of,
    userinfo,
)
from tests.fakes import NOW, FakeWallet
from tests.web.test_pages import everything

PAGE = "/account/passwords"
AGENDA = {"label": "agenda", "scope": ["openid", "profile"]}
HALF_A_YEAR = timedelta(days=180)


@pytest.fixture
def ann(ann: Person) -> Person:
    """Ann, who has just signed in on her account page."""
    ann.prove(ann.begin_account())
    return ann


@pytest.fixture
def bob(bob: Person) -> Person:
    bob.prove(bob.begin_account())
    return bob


def post_form(person: Person, **fields: object) -> TestResponse:
    """Fill in the form and press the button."""
    hidden = fields_of(person.get(PAGE).text, PAGE)
    return person.post(PAGE, {**hidden, **AGENDA, **fields})


def secret_in(page: str) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', page)
    assert found, page
    return html.unescape(found[1])


def make(person: Person, **fields: object) -> str:
    """Make an app password; return it as the page shows it."""
    answer = post_form(person, **fields)
    assert answer.status_code == 200, answer.text
    return secret_in(answer.text)


def end_url(person: Person) -> str:
    found = re.search(rf"{PAGE}/[^/\"]+/end", person.get(PAGE).text)
    assert found, "no app password that works is listed"
    return found[0]


def end(person: Person) -> TestResponse:
    """End the only one."""
    return person.press_on(PAGE, end_url(person), confirm="yes")


def come_back(person: Person) -> None:
    """Prove who one is once more, signed in still or not any more."""
    is_out = "/account/begin" in person.get("/account").text
    person.prove(
        person.begin_account() if is_out else person.press_on(PAGE, f"{PAGE}/new").location
    )


def exchange(app: Flask, secret: str, **changes: str | None) -> TestResponse:
    form: dict[str, str | None] = {
        "grant_type": "refresh_token",
        "client_id": "app-password",
        "refresh_token": secret,
    }
    form |= changes
    sent = {name: value for name, value in form.items() if value is not None}
    return app.test_client().post("/token", data=sent, base_url=ISSUER)


def token(app: Flask, secret: str, **changes: str | None) -> str:
    answer = exchange(app, secret, **changes)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["access_token"])


def refused(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]


def revoke(app: Flask, what: str) -> None:
    form = {"client_id": "app-password", "token": what}
    answer = app.test_client().post("/revoke", data=form, base_url=ISSUER)
    assert (answer.status_code, answer.data) == (200, b"")


def works(app: Flask, access_token: str) -> bool:
    return userinfo(app, access_token).status_code == 200


def count(app: Flask, row: type) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def change(app: Flask, work: Callable[[Connection], object]) -> None:
    with app.app_context():
        write(work)
    app.extensions["oidc_bridge"].snapshots.forget()


# ---- made


def test_it_is_shown_once_in_the_answer_to_the_form(app: Flask, ann: Person) -> None:
    answer = post_form(ann)
    secret = secret_in(answer.text)

    assert re.fullmatch(r"abp_([a-z2-7]{4}-){7}[a-z2-7]{4}", secret)
    assert answer.headers["Cache-Control"] == "no-store"
    page = ann.get(PAGE).text
    assert "agenda" in page
    assert secret not in page
    assert secret.replace("-", "") not in page


def test_the_picture_says_what_the_text_says(ann: Person) -> None:
    page = post_form(ann).text

    code = segno.make(secret_in(page), error="m")
    drawn = code.svg_inline(border=4, dark="#000", light="#fff", omitsize=True)
    assert '<div class="qr" role="img"' in page
    assert drawn in page


def test_a_reload_makes_no_second(app: Flask, ann: Person) -> None:
    fields = {**fields_of(ann.get(PAGE).text, PAGE), **AGENDA}
    first = ann.post(PAGE, fields)

    again = ann.post(PAGE, fields)

    assert again.location == f"{PAGE}?done=made"
    assert count(app, AppPasswordRow) == 1
    shown = ann.get(again.location).text
    assert "is made already" in shown
    assert secret_in(first.text) not in shown


def test_each_form_makes_another(app: Flask, ann: Person) -> None:
    assert make(ann) != make(ann)
    assert count(app, AppPasswordRow) == 2


@pytest.mark.parametrize(
    "password_id", ["", "short", "x" * 23, "x" * 21 + "/", "x" * 21 + "\n", "x" * 10_000]
)
def test_a_form_has_an_id_of_ours(app: Flask, ann: Person, password_id: str) -> None:
    answer = post_form(ann, id=password_id)

    assert answer.status_code == 400
    assert "form_malformed" in answer.text
    assert count(app, AppPasswordRow) == 0


def test_somebody_who_posts_anothers_form_again_learns_nothing_and_gets_nothing(
    app: Flask, ann: Person, bob: Person
) -> None:
    password_id = fields_of(ann.get(PAGE).text, PAGE)["id"]
    secret = make(ann, id=password_id)

    answer = post_form(bob, id=password_id, label="bob's")

    assert answer.location == f"{PAGE}?done=made"
    assert "agenda" not in bob.get(PAGE).text
    assert works(app, token(app, secret))


FAULTS = {
    "no name": ({"label": ""}, "1 to 60 signs"),
    "a blank name": ({"label": "  "}, "1 to 60 signs"),
    "a long name": ({"label": "x" * 61}, "1 to 60 signs"),
    "a name that turns text around": ({"label": "a\N{RIGHT-TO-LEFT OVERRIDE}b"}, "1 to 60 signs"),
    "a name of two lines": ({"label": "a\nb"}, "1 to 60 signs"),
    "a name with a NUL": ({"label": "a\0b"}, "1 to 60 signs"),
    "no scope": ({"scope": []}, "at least one"),
    "a scope that nobody offers": ({"scope": ["offline_access"]}, "at least one"),
    "no day": ({"ends_on": "soon"}, "from today on"),
    "a day that is not": ({"ends_on": "2027-02-30"}, "from today on"),
    "yesterday": ({"ends_on": f"{NOW - timedelta(days=1):%Y-%m-%d}"}, "from today on"),
    "the end of time": ({"ends_on": "9999-12-31"}, "from today on"),
    "a day and more": ({"ends_on": "2027-01-01T00:00:00"}, "from today on"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_wrong_is_said_at_its_field(app: Flask, ann: Person, case: str) -> None:
    fields, words = FAULTS[case]

    answer = post_form(ann, **fields)

    assert answer.status_code == 400
    assert words in answer.text
    assert answer.text.count('class="wrong"') == 1
    assert count(app, AppPasswordRow) == 0


def test_a_name_of_sixty_signs_and_a_last_day_today_are_good(
    app: Flask, ann: Person, clock: Clock
) -> None:
    secret = make(ann, label="ü" * 60, ends_on=f"{NOW:%Y-%m-%d}")

    assert works(app, token(app, secret))
    clock.now = NOW.replace(hour=23, minute=59, second=59)
    assert exchange(app, secret).get_json()["expires_in"] == 1
    clock.advance(seconds=1)
    assert refused(exchange(app, secret)) == (400, "invalid_grant")


def test_what_was_filled_in_is_kept_when_something_is_wrong(ann: Person) -> None:
    page = post_form(ann, label="my <agenda>", ends_on="soon").text

    assert 'value="my &lt;agenda&gt;"' in page
    assert re.search(r'value="profile" checked', page)
    assert not re.search(r'value="email" checked', page)


def test_there_are_fifty_at_most_and_ended_ones_do_not_count(app: Flask, ann: Person) -> None:
    for _ in range(AT_MOST):
        make(ann)

    full = post_form(ann)
    end(ann)

    assert full.status_code == 400
    assert f"You have {AT_MOST} app passwords" in full.text
    assert make(ann)


def test_the_page_says_that_a_matrix_session_is_a_full_one(ann: Person) -> None:
    assert "full Matrix session" in ann.get(PAGE).text
    assert "a Matrix app is fully you" in post_form(ann, scope=["matrix:login"]).text
    assert "a Matrix app is fully you" not in post_form(ann).text


# ---- a fresh proof


def test_without_a_fresh_proof_there_is_no_form_but_a_way_to_it(
    app: Flask, ann: Person, clock: Clock
) -> None:
    clock.advance(minutes=5, seconds=1)

    page = ann.get(PAGE).text
    assert 'name="label"' not in page
    sign_in = ann.press_on(PAGE, f"{PAGE}/new").location
    back = ann.prove(sign_in).location

    assert back == f"{PAGE}?done=confirmed"
    assert "Thank you, it is you" in ann.get(back).text
    assert works(app, token(app, make(ann)))


def test_with_one_the_way_leads_to_the_form(ann: Person) -> None:
    csrf = fields_of(ann.get(PAGE).text, PAGE)["csrf"]

    assert ann.post(f"{PAGE}/new", {"csrf": csrf}).location == f"{PAGE}#make"


def test_a_form_that_was_open_too_long_makes_nothing(app: Flask, ann: Person, clock: Clock) -> None:
    fields = {**fields_of(ann.get(PAGE).text, PAGE), **AGENDA}
    clock.advance(minutes=5, seconds=1)

    answer = ann.post(PAGE, fields)

    assert answer.location.startswith("/sign-in/")
    assert count(app, AppPasswordRow) == 0


def test_five_minutes_are_fresh(app: Flask, ann: Person, clock: Clock) -> None:
    fields = {**fields_of(ann.get(PAGE).text, PAGE), **AGENDA}
    clock.advance(minutes=5)

    assert ann.post(PAGE, fields).status_code == 200


def test_nobody_who_is_not_signed_in_sees_or_makes_any(app: Flask, ann: Person) -> None:
    page = ann.get(PAGE).text
    fields = {**fields_of(page, PAGE), **AGENDA}
    ann.sign_out()

    assert ann.get(PAGE).location == "/account"
    answer = ann.post(PAGE, fields)
    assert (answer.status_code, count(app, AppPasswordRow)) == (401, 0)
    assert ann.post(f"{PAGE}/new", fields).status_code == 401


def test_a_foreign_form_token_makes_nothing(app: Flask, ann: Person, bob: Person) -> None:
    csrf = fields_of(bob.get(PAGE).text, PAGE)["csrf"]

    answer = post_form(ann, csrf=csrf)

    assert answer.status_code == 403
    assert count(app, AppPasswordRow) == 0


def test_another_site_makes_nothing(app: Flask, ann: Person) -> None:
    fields = {**fields_of(ann.get(PAGE).text, PAGE), **AGENDA}

    answer = ann.post(PAGE, fields, Origin="https://evil.example")

    assert answer.status_code == 403
    assert count(app, AppPasswordRow) == 0


def test_looking_changes_nothing(app: Flask, ann: Person) -> None:
    make(ann)
    before = everything(app)

    for url in (PAGE, end_url(ann), f"{PAGE}/new", f"{PAGE}?done=ended"):
        ann.get(url)

    assert everything(app) == before


# ---- at the token endpoint


@pytest.mark.spec("RFC 6749", "6")
def test_it_is_worth_a_short_access_token_and_nothing_else(app: Flask, ann: Person) -> None:
    answer = exchange(app, make(ann))

    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.get_json()
    assert told.pop("access_token")
    assert told == {"token_type": "Bearer", "expires_in": 300, "scope": "openid profile"}


@pytest.mark.spec("OIDC Core", "12.2")
def test_userinfo_tells_what_an_id_token_would_have(app: Flask, ann: Person) -> None:
    access_token = token(app, make(ann))

    claims = userinfo(app, access_token).get_json()

    assert claims.pop("sub")
    assert claims == {
        "preferred_username": ann.wallet.address.c32.lower(),
        "name": "Ann Example",
    }


def test_typed_as_people_type_it(app: Flask, ann: Person) -> None:
    secret = make(ann)

    for typed in (secret.upper(), secret.replace("-", ""), secret.replace("-", " "), f" {secret} "):
        assert works(app, token(app, typed))


UNKNOWN = {
    "nothing of ours": "x",
    "well formed": "abp_" + "a" * 32,
    "another prefix": "ghp_" + "a" * 32,
    "a hash": "0" * 64,
    "4 kB": "abp_" + "a" * 4_000,
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_is_none_is_refused(app: Flask, ann: Person, case: str) -> None:
    make(ann)

    assert refused(exchange(app, UNKNOWN[case])) == (400, "invalid_grant")


def test_10_kb_of_it_are_refused(app: Flask, ann: Person) -> None:
    assert refused(exchange(app, make(ann) + " " * 10_000)) == (400, "invalid_request")


def test_one_sign_off_is_refused(app: Flask, ann: Person) -> None:
    secret = make(ann)
    other = secret[:-1] + ("b" if secret.endswith("a") else "a")

    assert refused(exchange(app, other)) == (400, "invalid_grant")


def test_it_never_rotates_and_two_programs_do_not_disturb_each_other(
    app: Flask, ann: Person, clock: Clock
) -> None:
    secret = make(ann)

    first = token(app, secret)
    clock.advance(seconds=60)
    second = token(app, secret)

    assert first != second
    assert works(app, first)
    assert works(app, second)
    clock.advance(seconds=240)
    assert not works(app, first)
    assert works(app, second)
    assert works(app, token(app, secret))


def test_a_program_may_ask_for_less(app: Flask, ann: Person) -> None:
    secret = make(ann)

    answer = exchange(app, secret, scope="openid").get_json()

    assert answer["scope"] == "openid"
    assert "name" not in userinfo(app, answer["access_token"]).get_json()
    assert exchange(app, secret).get_json()["scope"] == "openid profile"


@pytest.mark.parametrize("scope", ["openid email", "offline_access", "matrix:login", "admin"])
def test_and_never_for_more(app: Flask, ann: Person, scope: str) -> None:
    secret = make(ann, scope=["openid", "profile", "matrix:login"])

    assert refused(exchange(app, secret, scope=scope)) == (400, "invalid_scope")


def test_what_opens_a_homeserver_is_not_handed_on(app: Flask, ann: Person) -> None:
    both = make(ann, scope=["openid", "matrix:login"])
    only = make(ann, scope=["matrix:login"])

    assert exchange(app, both).get_json()["scope"] == "openid"
    assert refused(exchange(app, only)) == (400, "invalid_grant")


def test_without_the_scope_there_is_no_name(app: Flask, ann: Person) -> None:
    claims = userinfo(app, token(app, make(ann, scope=["openid"]))).get_json()

    assert set(claims) == {"sub", "preferred_username"}


def test_what_became_known_since_it_was_made_is_not_told(app: Flask, ann: Person) -> None:
    secret = make(ann, scope=["openid", "email"])
    change(app, lambda c: c.execute(update(AccountRow).values(email="ann@example.org")))

    assert "email" not in userinfo(app, token(app, secret)).get_json()
    assert "email" in userinfo(app, token(app, make_anew(ann, scope=["email"]))).get_json()


def make_anew(person: Person, **fields: object) -> str:
    """Make one more, with what the account says today."""
    return make(person, **fields)


def test_another_client_gets_nothing_for_it(app: Flask, ann: Person) -> None:
    secret = make(ann)
    form = {"grant_type": "refresh_token", "refresh_token": secret}

    assert refused(ask_token(app, form, WIKI)) == (400, "invalid_grant")
    assert works(app, token(app, secret))


def test_a_refresh_token_of_another_client_is_none(app: Flask, ann: Person) -> None:
    asked = {"scope": "openid offline_access", "scopes": ("offline_access",)}
    refresh_token = str(ann.tokens(WIKI, **asked)["refresh_token"])

    assert refused(exchange(app, refresh_token)) == (400, "invalid_grant")
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    assert ask_token(app, form, WIKI).status_code == 200


def test_a_dpop_proof_is_looked_at(app: Flask, ann: Person) -> None:
    form = {"grant_type": "refresh_token", "client_id": "app-password", "refresh_token": make(ann)}

    answer = app.test_client().post(
        "/token", data=form, base_url=ISSUER, headers={"DPoP": "not.a.proof"}
    )

    assert refused(answer) == (400, "invalid_dpop_proof")


# ---- the person it is


def test_every_app_password_tells_the_same_person_and_no_other_client_does(
    app: Flask, ann: Person, bob: Person
) -> None:
    subs = [userinfo(app, token(app, make(ann))).get_json()["sub"] for _ in range(2)]
    bobs = userinfo(app, token(app, make(bob))).get_json()["sub"]
    at_wiki = read_id_token(app, str(ann.tokens(WIKI)["id_token"]))["sub"]

    assert subs[0] == subs[1]
    assert len({subs[0], bobs, at_wiki}) == 3


# ---- its ends


def test_ending_asks_first(app: Flask, ann: Person) -> None:
    access_token = token(app, make(ann))

    asked = ann.press_on(PAGE, end_url(ann))

    assert asked.status_code == 200
    assert "agenda" in asked.text
    assert f'href="{PAGE}"' in asked.text
    assert works(app, access_token)


def test_of_matrix_sessions_only_those_hear_whom_it_concerns(ann: Person) -> None:
    make(ann)
    assert "Matrix apps" not in ann.press_on(PAGE, end_url(ann)).text
    end(ann)

    make(ann, scope=["matrix:login"])

    text = ann.press_on(PAGE, end_url(ann)).text
    assert "Matrix apps that signed in with it are signed out" in text


def test_the_button_ends_it_and_its_access_tokens_at_once(app: Flask, ann: Person) -> None:
    secret, other = make(ann, label="other"), make(ann)
    access_token, others = token(app, secret), token(app, other)
    change(
        app,
        lambda c: c.execute(
            update(AuthorizationRow)
            .where(AuthorizationRow.id == authorization_of(c, "agenda"))
            .values(created_at=NOW + timedelta(seconds=1))
        ),
    )

    answer = end(ann)  # the youngest comes first

    assert answer.location == f"{PAGE}?done=ended"
    assert refused(exchange(app, other)) == (400, "invalid_grant")
    assert not works(app, others)
    assert works(app, access_token)
    assert works(app, token(app, secret))
    assert "Ended by you" in ann.get(PAGE).text


def authorization_of(connection: Connection, label: str) -> str:
    row = AppPasswordRow
    found = select(row.authorization_id).where(row.label == label)
    return str(connection.execute(found).scalar_one())


def test_its_date_ends_it_and_its_access_tokens(app: Flask, ann: Person, clock: Clock) -> None:
    secret = make(ann, ends_on=f"{NOW + timedelta(days=2):%Y-%m-%d}")
    clock.now = (NOW + timedelta(days=2)).replace(hour=23, minute=58, second=0)

    answer = exchange(app, secret).get_json()

    assert answer["expires_in"] == 120
    assert works(app, answer["access_token"])
    clock.advance(seconds=120)
    assert not works(app, answer["access_token"])
    assert refused(exchange(app, secret)) == (400, "invalid_grant")
    come_back(ann)
    assert "Its date has come" in ann.get(PAGE).text


def test_180_unused_days_end_it_and_a_use_begins_them_anew(
    app: Flask, ann: Person, clock: Clock
) -> None:
    used, unused = make(ann, label="used"), make(ann, label="unused")
    clock.now = NOW + HALF_A_YEAR - timedelta(seconds=1)
    token(app, used)
    clock.now = NOW + HALF_A_YEAR

    assert refused(exchange(app, unused)) == (400, "invalid_grant")
    assert works(app, token(app, used))
    come_back(ann)
    page = ann.get(PAGE).text
    assert "Nobody used it for 180 days" in page
    clock.advance(days=180)
    assert refused(exchange(app, used)) == (400, "invalid_grant")


def test_a_refused_try_is_no_use(app: Flask, ann: Person, clock: Clock) -> None:
    secret = make(ann)
    clock.now = NOW + HALF_A_YEAR - timedelta(seconds=1)
    exchange(app, secret, scope="email")
    clock.now = NOW + HALF_A_YEAR

    assert refused(exchange(app, secret)) == (400, "invalid_grant")


def test_the_page_warns_thirty_days_before(ann: Person, clock: Clock) -> None:
    make(ann)
    clock.now = NOW + timedelta(days=149)
    come_back(ann)
    assert "Ends soon" not in ann.get(PAGE).text
    clock.now = NOW + timedelta(days=150)
    come_back(ann)

    assert "Ends soon" in ann.get(PAGE).text


def test_a_blocked_account_gets_nothing_at_once(app: Flask, ann: Person) -> None:
    secret = make(ann)
    access_token = token(app, secret)

    change(app, lambda c: c.execute(update(AccountRow).values(blocked_at=NOW)))

    assert not works(app, access_token)
    assert refused(exchange(app, secret)) == (400, "invalid_grant")


def test_the_operator_can_forbid_them_all(app: Flask, ann: Person) -> None:
    secret = make(ann)
    access_token = token(app, secret)

    change(app, lambda c: set_rule(c, AppRule("client:app-password", "deny"), now=NOW))

    assert not works(app, access_token)
    assert refused(exchange(app, secret)) == (400, "invalid_grant")


def test_so_can_the_person(app: Flask, ann: Person) -> None:
    secret = make(ann)
    with app.app_context(), read() as connection:
        account_id = connection.execute(select(AccountRow.id)).scalar_one()

    change(app, lambda c: set_person_rule(c, account_id, "client:app-password", "deny", now=NOW))

    assert refused(exchange(app, secret)) == (400, "invalid_grant")


def test_signing_out_leaves_it_alone(app: Flask, ann: Person) -> None:
    secret = make(ann)
    access_token = token(app, secret)

    ann.sign_out()

    assert works(app, access_token)
    assert works(app, token(app, secret))


def test_signing_out_everywhere_ends_it(app: Flask, ann: Person) -> None:
    secret = make(ann)
    access_token = token(app, secret)

    assert "app passwords stop working" in ann.press("/account/sign-out-everywhere").text
    ann.sign_out_everywhere()

    assert not works(app, access_token)
    assert refused(exchange(app, secret)) == (400, "invalid_grant")
    come_back(ann)
    assert "Ended by you" in ann.get(PAGE).text


def test_tidying_leaves_it_alone(app: Flask, ann: Person, clock: Clock) -> None:
    secret = make(ann)
    with app.app_context():
        list(prune_all(now=NOW + timedelta(days=90), token_life=timedelta(minutes=5)))

    clock.advance(days=90)
    assert works(app, token(app, secret))


@pytest.mark.spec("RFC 7009", "2.1")
def test_an_access_token_that_is_revoked_goes_alone(app: Flask, ann: Person) -> None:
    secret = make(ann)
    one, other = token(app, secret), token(app, secret)

    revoke(app, one)

    assert not works(app, one)
    assert works(app, other)
    assert works(app, token(app, secret))


@pytest.mark.spec("RFC 7009", "2.1")
def test_an_app_password_that_is_revoked_takes_its_access_tokens_along(
    app: Flask, ann: Person
) -> None:
    secret, other = make(ann), make(ann)
    access_token, others = token(app, secret), token(app, other)

    revoke(app, secret.upper())

    assert not works(app, access_token)
    assert refused(exchange(app, secret)) == (400, "invalid_grant")
    assert works(app, others)


def test_another_client_revokes_nothing(app: Flask, ann: Person) -> None:
    secret = make(ann)
    access_token = token(app, secret)

    for what in (secret, access_token):
        app.test_client().post(
            "/revoke", data={"token": what}, base_url=ISSUER, auth=(WIKI.id, secret_of(WIKI))
        )

    assert works(app, access_token)
    assert works(app, token(app, secret))


def test_the_app_password_client_revokes_nothing_of_others(app: Flask, ann: Person) -> None:
    tokens = ann.tokens(WIKI)

    revoke(app, str(tokens["access_token"]))

    assert works(app, str(tokens["access_token"]))


@pytest.mark.parametrize("confirm", ["", "yes"])
def test_nobody_sees_or_ends_anothers(app: Flask, ann: Person, bob: Person, confirm: str) -> None:
    secret = make(ann)
    make(bob, label="bob's own")
    url = end_url(ann)
    fields = fields_of(bob.get(PAGE).text, end_url(bob))

    answer = bob.post(url, {**fields, "confirm": confirm})

    assert answer.status_code == 404
    assert "agenda" not in answer.text
    assert "agenda" not in bob.get(PAGE).text
    assert works(app, token(app, secret))


@pytest.mark.parametrize("confirm", ["", "yes"])
def test_one_that_never_was_is_as_unknown(ann: Person, confirm: str) -> None:
    make(ann)
    fields = fields_of(ann.get(PAGE).text, end_url(ann))

    answer = ann.post(f"{PAGE}/never-was/end", {**fields, "confirm": confirm})

    assert answer.status_code == 404


# ---- what it is not for


def bearer(access_token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}"}


def test_it_opens_no_page_of_the_account(app: Flask, ann: Person) -> None:
    secret = make(ann)
    access_token = token(app, secret)
    stranger = app.test_client()

    for word in (secret, access_token):
        for cookie in ("__Host-session", "__Host-browser"):
            stranger.set_cookie(cookie, word, domain="bridge.example", secure=True)
        door = stranger.get("/account", base_url=ISSUER, headers=bearer(word))
        assert "Sign in with your wallet" in door.text
        assert ann.wallet.address.c32 not in door.text
        listed = stranger.get(PAGE, base_url=ISSUER, headers=bearer(word))
        assert listed.location == "/account"


POSTS: Mapping[str, dict[str, str]] = {
    PAGE: {"label": "another", "scope": "openid", "id": "x" * 22},
    f"{PAGE}/new": {},
    "/account/wallets/add": {},
    "/account/wallets/name": {},
    "/account/sign-out-everywhere": {"confirm": "yes"},
}


@pytest.mark.parametrize("path", POSTS)
def test_it_changes_nothing_of_the_account(app: Flask, ann: Person, path: str) -> None:
    access_token = token(app, make(ann))
    stranger = Person(app, ann.clock, FakeWallet.named("stranger"))
    csrf = fields_of(stranger.get("/account").text, "/account/begin")["csrf"]

    answer = stranger.post(path, {**POSTS[path], "csrf": csrf}, **bearer(access_token))

    assert answer.status_code == 401
    assert "signed_out" in answer.text
    assert count(app, AppPasswordRow) == 1


def test_nobody_is_sent_to_it_with_a_code(app: Flask, ann: Person) -> None:
    query = {
        "response_type": "code",
        "client_id": "app-password",
        "redirect_uri": "https://evil.example/callback",
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }

    shown = ann.browser.get("/authorize", query_string=query, base_url=ISSUER)
    pushed = app.test_client().post("/par", data=query, base_url=ISSUER)

    assert "redirect_uri_mismatch" in shown.text
    assert shown.status_code == 400
    assert refused(pushed) == (400, "invalid_request")


def test_it_redeems_no_code(app: Flask) -> None:
    form = {"grant_type": "authorization_code", "code": "x", "redirect_uri": "x"}
    form |= {"code_verifier": "v" * 43, "client_id": "app-password"}

    answer = app.test_client().post("/token", data=form, base_url=ISSUER)

    assert refused(answer) == (400, "unauthorized_client")


# ---- introspection


def introspect(app: Flask, what: str, client_id: str, secret: str) -> TestResponse:
    return app.test_client().post(
        "/introspect", data={"token": what}, base_url=ISSUER, auth=(client_id, secret)
    )


def test_whoever_has_no_secret_learns_nothing_of_tokens(app: Flask, ann: Person) -> None:
    form = {"client_id": "app-password", "token": token(app, make(ann))}

    answer = app.test_client().post("/introspect", data=form, base_url=ISSUER)

    assert refused(answer) == (401, "invalid_client")


def test_a_resource_server_learns_of_access_tokens_once_it_is_allowed_and_never_of_the_password(
    app: Flask, ann: Person
) -> None:
    secret = make(ann)
    access_token = token(app, secret, scope="openid")
    nothing = {"active": False}
    assert introspect(app, access_token, WIKI.id, secret_of(WIKI)).get_json() == nothing

    change(app, lambda c: allow_introspection(c, WIKI.id, "app-password"))

    told = introspect(app, access_token, WIKI.id, secret_of(WIKI)).get_json()
    assert (told["active"], told["client_id"], told["scope"]) == (True, "app-password", "openid")
    assert introspect(app, secret, WIKI.id, secret_of(WIKI)).get_json() == nothing
    end(ann)
    assert introspect(app, access_token, WIKI.id, secret_of(WIKI)).get_json() == nothing


# ---- the built-in client


def test_the_operator_does_not_see_or_change_the_client(app: Flask) -> None:
    with app.app_context(), read() as connection:
        assert APP_PASSWORD.id not in {client.id for client in all_clients(connection)}
        for work in (get_client, remove_client):
            with pytest.raises(BridgeError) as unknown:
                work(connection, APP_PASSWORD.id)
            assert unknown.value.code == "client_unknown"
        with pytest.raises(BridgeError) as taken:
            add_client(connection, APP_PASSWORD, now=NOW)
        assert taken.value.code == "client_exists"


# ---- what is kept


def test_the_secret_is_kept_nowhere(
    app: Flask, ann: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = make(ann)
    token(app, secret)
    exchange(app, secret, scope="email")
    end(ann)
    exchange(app, secret)

    log = "\n".join(record.getMessage() for record in caplog.records)
    kept = "\n".join(row for rows in everything(app).values() for row in map(str, rows))
    assert "token refused code=invalid_grant client=app-password" in log
    for spelling in (secret, secret.replace("-", ""), secret[4:13]):
        assert spelling not in log
        assert spelling not in kept


def test_the_ledger_tells_of_making_and_ending(app: Flask, ann: Person) -> None:
    make(ann)
    end(ann)
    revoke(app, make(ann, label="second"))

    with app.app_context(), read() as connection:
        rows = connection.execute(
            select(EventRow.kind, EventRow.account_id, EventRow.client_id, EventRow.detail)
            .where(EventRow.kind.startswith("app password"))
            .order_by(EventRow.at)
        ).all()
        (account_id,) = connection.execute(select(AccountRow.id)).scalars()
    assert {(row.account_id, row.client_id) for row in rows} == {(account_id, "app-password")}
    told = sorted((row.kind, str(sorted(row.detail.items()))) for row in rows)
    assert told == [
        ("app password ended", "[('by', 'whoever holds it')]"),
        ("app password ended", "[('label', 'agenda')]"),
        ("app password made", "[('label', 'agenda'), ('scopes', 'openid profile')]"),
        ("app password made", "[('label', 'second'), ('scopes', 'openid profile')]"),
    ]


def test_the_page_tells_of_the_latest_use(app: Flask, ann: Person, clock: Clock) -> None:
    secret = make(ann)
    assert "Not yet" in ann.get(PAGE).text
    clock.advance(minutes=1)
    form = {"grant_type": "refresh_token", "client_id": "app-password", "refresh_token": secret}
    app.test_client().post(
        "/token", data=form, base_url=ISSUER, environ_base={"REMOTE_ADDR": "8.8.4.4"}
    )

    page = ann.get(PAGE).text

    assert f"{clock.now:%Y-%m-%dT%H:%M:%SZ}" in page
    assert "for an access token, from 8.8.4.4" in page


def test_an_inside_address_is_our_proxys_and_not_told(app: Flask, ann: Person) -> None:
    token(app, make(ann))

    assert "127.0.0.1" not in ann.get(PAGE).text


# ---- two accounts become one


def join(person: Person, other: FakeWallet) -> TestResponse:
    """Add *other*, whose account is another one, and join the two."""
    sign_in = person.press("/account/wallets/add").location
    page_url = person.sign(sign_in, wallet=other).location
    page = person.get(page_url).text
    person.post(page_url, dict(fields_of(page, page_url)))
    return page


@pytest.fixture
def dora(app: Flask, clock: Clock) -> Person:
    person = Person(app, clock, FakeWallet.named("dora", protocol="1.4.0"))
    person.sign(person.begin_account())
    return person


@pytest.fixture
def eve(app: Flask, clock: Clock) -> Person:
    clock.advance(seconds=1)
    person = Person(app, clock, FakeWallet.named("eve", protocol="1.4.0"))
    person.sign(person.begin_account())
    return person


def test_joining_ends_those_of_the_younger_account_if_both_have_some(
    app: Flask, dora: Person, eve: Person
) -> None:
    olds, youngs = make(dora), make(eve)
    access_token = token(app, youngs)
    sub = userinfo(app, token(app, olds)).get_json()["sub"]

    page = join(eve, dora.wallet)

    assert "Those of the younger account stop working" in page
    assert "Nothing is lost" not in page
    assert count(app, AccountRow) == 1
    assert userinfo(app, token(app, olds)).get_json()["sub"] == sub
    assert refused(exchange(app, youngs)) == (400, "invalid_grant")
    assert not works(app, access_token)
    assert count(app, PersonaRow) == 2
    assert userinfo(app, token(app, make(eve))).get_json()["sub"] == sub


@pytest.mark.parametrize("who", ["dora", "eve"])
def test_joining_keeps_those_of_the_only_account_that_has_some(
    app: Flask, dora: Person, eve: Person, who: str
) -> None:
    secret = make({"dora": dora, "eve": eve}[who])
    sub = userinfo(app, token(app, secret)).get_json()["sub"]

    page = join(eve, dora.wallet)

    assert "Nothing is lost" in page
    assert count(app, AccountRow) == 1
    assert userinfo(app, token(app, secret)).get_json()["sub"] == sub
    assert "agenda" in eve.get(PAGE).text


def test_going_back_to_before_them_leaves_nothing_that_points_nowhere(
    app: Flask, ann: Person
) -> None:
    access_token = str(ann.tokens(WIKI)["access_token"])
    token(app, make(ann))
    change(app, lambda c: allow_introspection(c, WIKI.id, "app-password"))
    url = app.config["SQLALCHEMY_DATABASE_URI"]

    command.downgrade(alembic_config(url), "0013")
    with app.app_context(), read() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        left = connection.execute(select(AuthorizationRow.client_id)).scalars().all()
    migrate(url)

    assert left == [WIKI.id]
    assert works(app, access_token)
    assert works(app, token(app, make(ann)))


def test_access_tokens_are_hashed_like_others(app: Flask, ann: Person) -> None:
    access_token = token(app, make(ann))

    with app.app_context(), read() as connection:
        (digest,) = connection.execute(select(AccessTokenRow.digest)).scalars()
    assert access_token not in digest
