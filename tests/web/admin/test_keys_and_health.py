"""The signing keys' page, and how the server is."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert, update

from oidc_bridge.oidc.keys import SIGNING_ALGORITHMS
from oidc_bridge.storage import read
from oidc_bridge.storage.health import KnownKey, NameAnswers, Outbox, keys_in_order, outbox_state
from oidc_bridge.storage.keys import SigningKeyRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.web.admin.health import (
    LATE,
    clock_check,
    database_check,
    key_checks,
    names_check,
    outbox_check,
)
from tests.conftest import Clock
from tests.driver import Person, fields_of
from tests.fakes import NOW, FakeFetch
from tests.web.admin.conftest import change
from tests.web.admin.test_people import counted, events_of_kind

Admins = Callable[..., Person]


def states(app: Flask) -> dict[str, str]:
    with app.app_context(), read() as connection:
        return {key.kid: key.state for key in keys_in_order(connection)}


def rotate(admin: Person) -> object:
    first = admin.press_on("/admin/keys", "/admin/keys/rotate")
    return admin.post("/admin/keys/rotate", fields_of(first.text, "/admin/keys/rotate"))


def test_the_page_shows_every_key_and_no_private_half(app: Flask, an_admin: Admins) -> None:
    page = an_admin("auditor").get("/admin/keys").text

    assert all(kid in page for kid in states(app))
    assert "PRIVATE" not in page
    assert "Rotate" not in page


@pytest.mark.usefixtures("keys_put_back")
def test_an_owner_rotates_and_what_comes_next_signs(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    before = states(app)

    rotate(an_admin("owner"))

    after = states(app)
    coming = {kid for kid, state in before.items() if state == "next"}
    assert {after[kid] for kid in coming} == {"active"}
    assert {after[kid] for kid, state in before.items() if state == "active"} == {"retired"}
    ((_, detail),) = events_of_kind(app, "keys rotated")
    assert set(detail["after"].split()) == coming
    assert ann.tokens()["id_token"]
    page = an_admin("auditor").get("/admin/keys").text
    assert page.count("Retired</td>") == 3


@pytest.mark.usefixtures("keys_put_back")
@pytest.mark.parametrize(("hours", "is_young"), [(23, True), (25, False)])
def test_who_rotates_is_told_of_next_keys_that_relying_parties_may_not_have(
    app: Flask, an_admin: Admins, *, hours: int, is_young: bool
) -> None:
    made = update(SigningKeyRow).values(created_at=NOW - timedelta(hours=hours))
    change(app, lambda connection: connection.execute(made))

    page = an_admin("owner").press_on("/admin/keys", "/admin/keys/rotate").text

    assert ("less than a day ago" in page) is is_young
    assert ("no relying party has to do anything" in page) is not is_young


@pytest.mark.parametrize("role", ["admin", "auditor", "app manager"])
def test_nobody_but_an_owner_rotates(app: Flask, an_admin: Admins, role: str) -> None:
    before = states(app)
    person = an_admin(role)
    csrf = fields_of(person.account_page(), "/account/sign-out")["csrf"]
    version = " ".join(sorted(kid for kid, state in before.items() if state == "active"))

    form = {"csrf": csrf, "confirm": "yes", "version": version}
    assert person.post("/admin/keys/rotate", form).status_code == 403
    assert states(app) == before


def test_keys_are_not_rotated_from_a_browser_that_was_left_open(
    app: Flask, an_admin: Admins, clock: Clock
) -> None:
    owner, before = an_admin("owner"), states(app)
    clock.advance(minutes=6)

    answer = rotate(owner)

    assert answer.location.startswith("/sign-in/")
    assert states(app) == before
    assert owner.prove(answer.location).location.startswith("/admin/keys")


@pytest.mark.usefixtures("keys_put_back")
def test_a_form_sent_twice_rotates_once(app: Flask, an_admin: Admins) -> None:
    owner = an_admin("owner")
    first = owner.press_on("/admin/keys", "/admin/keys/rotate")
    form = fields_of(first.text, "/admin/keys/rotate")
    owner.post("/admin/keys/rotate", form)
    before = states(app)

    assert owner.post("/admin/keys/rotate", form).status_code == 409
    assert states(app) == before


# ---- health


def test_a_server_that_is_well_says_so_and_asks_nobody_outside(
    app: Flask, an_admin: Admins, fetch: FakeFetch
) -> None:
    auditor = an_admin("auditor")
    before = list(fetch.calls)

    with counted(app) as seen:
        page = auditor.get("/admin/health").text

    assert "is as it must be" in page
    assert "Needs you" not in page
    assert "schema at head" in page
    assert "https://names.example" in page
    assert fetch.calls == before
    assert len(seen) <= 12


def test_a_schema_that_is_behind_needs_somebody() -> None:
    check = database_check("sqlite", "0012", "people")

    assert not check.is_well
    assert "oidc-bridge migrate" in check.says


@pytest.mark.parametrize("off", [timedelta(seconds=31), timedelta(seconds=-31)])
def test_a_clock_that_differs_from_the_databases_needs_somebody(off: timedelta) -> None:
    assert not clock_check(NOW, NOW + off, []).is_well
    assert clock_check(NOW, NOW + off / 2, []).is_well


def test_a_clock_that_says_less_than_when_a_key_was_made_needs_somebody() -> None:
    key = KnownKey("k", "RS256", "next", NOW + timedelta(minutes=1), None)

    assert not clock_check(NOW, None, [key]).is_well
    assert clock_check(NOW + timedelta(minutes=1), None, [key]).is_well


def all_keys() -> list[KnownKey]:
    return [
        KnownKey(f"{state} {algorithm}", algorithm, state, NOW - timedelta(days=9), None)
        for algorithm in SIGNING_ALGORITHMS
        for state in ("active", "next", "retired")
    ]


def test_keys_that_sign_are_named_with_their_age() -> None:
    checks = key_checks(all_keys(), NOW)

    assert [check.name for check in checks] == [f"Key {name}" for name in SIGNING_ALGORITHMS]
    assert {(check.is_well, check.says) for check in checks} == {(True, "made 9 days ago,")}


@pytest.mark.parametrize("gone", ["active ES256", "next RS256"])
def test_an_algorithm_without_one_of_its_two_keys_needs_somebody(gone: str) -> None:
    left = [key for key in all_keys() if key.kid != gone]

    unwell = [check.name for check in key_checks(left, NOW) if not check.is_well]

    assert unwell == [f"Key {gone.split()[1]}"]


def test_name_services_are_told_of_by_their_last_answer() -> None:
    assert names_check([], NameAnswers(None, None)).says == "none configured"
    assert "not asked" in names_check(["https://n.example"], NameAnswers(None, None)).says
    answered = names_check(["https://n.example"], NameAnswers(NOW, None))
    assert answered.at == NOW
    assert answered.is_well is None


def test_a_sign_out_that_nobody_could_be_told_of_for_long_needs_somebody(
    app: Flask,
) -> None:
    row = {"client_id": "wiki", "uri": "x", "sub": "s", "sid": "s", "tries": 1, "outcome": ""}
    times = {"next_try_at": NOW, "created_at": NOW}
    rows = [
        {**row, **times, "id": "1", "done_at": None},
        {**row, **times, "id": "2", "done_at": NOW, "outcome": "told"},
    ]
    change(app, lambda connection: connection.execute(insert(LogoutDeliveryRow), rows))

    with app.app_context(), read() as connection:
        outbox = outbox_state(connection, since=NOW - timedelta(days=7))

    assert outbox == Outbox(1, NOW, 0)
    assert outbox_check(outbox, NOW).is_well
    assert not outbox_check(outbox, NOW + LATE).is_well
    assert outbox_check(Outbox(0, None), NOW).is_well


def test_sign_outs_that_were_given_up_lately_need_somebody(app: Flask) -> None:
    row = {"client_id": "wiki", "uri": "x", "sub": "s", "sid": "s", "tries": 9, "done_at": NOW}
    times = {"next_try_at": NOW, "created_at": NOW}
    rows = [
        {**row, **times, "id": "1", "outcome": "answered 500"},
        {**row, **times, "id": "2", "outcome": "told"},
        {**row, **times, "id": "3", "outcome": "answered 500"}
        | {"created_at": NOW - timedelta(days=8)},
    ]
    change(app, lambda connection: connection.execute(insert(LogoutDeliveryRow), rows))

    with app.app_context(), read() as connection:
        outbox = outbox_state(connection, since=NOW - timedelta(days=7))

    assert outbox == Outbox(0, None, 1)
    check = outbox_check(outbox, NOW)
    assert not check.is_well
    assert "1 given up" in check.says
