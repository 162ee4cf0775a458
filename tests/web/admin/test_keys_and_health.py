"""The signing keys' page, and how the server is."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert

from oidc_bridge.storage import read
from oidc_bridge.storage.health import KnownKey, NameAnswers, Outbox, keys_in_order, outbox_state
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

    assert "All is as it must be" in page
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


def test_only_keys_that_sign_are_named_with_their_age() -> None:
    keys = [
        KnownKey("a", "RS256", "active", NOW - timedelta(days=9), None),
        KnownKey("b", "RS256", "next", NOW, None),
    ]

    assert [(check.name, check.says) for check in key_checks(keys, NOW)] == [
        ("Key RS256", "made 9 days ago,")
    ]


def test_name_services_are_told_of_by_their_last_answer() -> None:
    assert names_check([], NameAnswers(None, None)).says == "none configured"
    assert "not asked" in names_check(["https://n.example"], NameAnswers(None, None)).says
    assert names_check(["https://n.example"], NameAnswers(NOW, None)).at == NOW


def test_a_sign_out_that_nobody_could_be_told_of_for_long_needs_somebody(
    app: Flask,
) -> None:
    row = {"client_id": "wiki", "uri": "x", "sub": "s", "sid": "s", "tries": 1, "outcome": ""}
    times = {"next_try_at": NOW, "created_at": NOW}
    rows = [
        {**row, **times, "id": "1", "done_at": None},
        {**row, **times, "id": "2", "done_at": NOW, "created_at": NOW - timedelta(days=1)},
    ]
    change(app, lambda connection: connection.execute(insert(LogoutDeliveryRow), rows))

    with app.app_context(), read() as connection:
        outbox = outbox_state(connection)

    assert outbox == Outbox(1, NOW)
    assert outbox_check(outbox, NOW).is_well
    assert not outbox_check(outbox, NOW + LATE).is_well
    assert outbox_check(Outbox(0, None), NOW).is_well
