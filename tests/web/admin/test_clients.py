"""Registering clients, their secrets, and what holds for apps that no rule names."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import insert, select
from werkzeug.test import TestResponse

from oidc_bridge.oidc.client import Client
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import read
from oidc_bridge.storage.apps import ClientRow, get_client
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from tests.conftest import Clock
from tests.driver import HOMESERVER, WIKI, Person, fields_of, query_of, redeem, secret_of
from tests.fakes import NOW
from tests.web.admin.conftest import account_of, change
from tests.web.admin.test_people import HOSTILE, counted, events_of_kind, next_page

Admins = Callable[..., Person]
SYNAPSE = {"kind": "homeserver", "homeserver": "https://two.example", "id": "two"}
OTHER = {"kind": "web", "id": "notes", "redirect_uris": "https://notes.example/back"}


def known(app: Flask, client_id: str) -> Client:
    with app.app_context(), read() as connection:
        return get_client(connection, client_id)


def is_known(app: Flask, client_id: str) -> bool:
    return client_id in app.extensions["oidc_bridge"].snapshots.current().clients


def register(admin: Person, form: dict[str, str]) -> TestResponse:
    csrf = fields_of(admin.get("/admin/clients/new").text, "/admin/clients/new")["csrf"]
    return admin.post("/admin/clients/new", {**form, "csrf": csrf})


def secret_on(page: str) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', page)
    assert found
    return found[1]


# ---- registering


def test_a_synapse_is_registered_by_its_public_address(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")

    page = register(admin, {**SYNAPSE, "server_name": "example.net"}).text

    two = known(app, "two")
    assert two.redirect_uris == ("https://two.example/_synapse/client/oidc/callback",)
    assert two.backchannel_logout_uri == (
        "https://two.example/_synapse/client/oidc/backchannel_logout"
    )
    assert (two.server_name, two.name, two.kind) == ("example.net", "example.net", "homeserver")
    assert two.unknown_apps == "ask"
    assert two.secret_digests == (digest_of(secret_on(page)),)
    assert f'client_secret: "{secret_on(page)}"'.replace('"', "&#34;") in page
    by = account_of(app, admin)
    after = two.redirect_uris[0]
    assert events_of_kind(app, "client added") == [(None, {"by": by, "after": after})]


def test_a_secret_is_shown_once_and_kept_as_a_hash(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")
    secret = secret_on(register(admin, OTHER).text)

    assert secret not in admin.get("/admin/clients/notes").text
    assert secret not in admin.get("/admin/events").text
    with app.app_context(), read() as connection:
        details = connection.execute(select(EventRow.detail)).scalars().all()
    assert secret not in str(details)


def test_a_client_that_keeps_no_secret_gets_none(app: Flask, an_admin: Admins) -> None:
    register(an_admin("admin"), {**OTHER, "public": "yes"})

    assert known(app, "notes").auth_methods == ("none",)
    assert known(app, "notes").secret_digests == ()


def test_somebody_can_sign_in_at_a_client_that_was_just_registered(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    secret = secret_on(register(an_admin("admin"), OTHER).text)

    client = known(app, "notes")
    answer = redeem(app, query_of(ann.sign_in(client))["code"], client, secret=secret)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {**SYNAPSE, "homeserver": "http://two.example"},
        {**SYNAPSE, "homeserver": "two.example"},
        {**SYNAPSE, "homeserver": "https://two.example/?x"},
        {**SYNAPSE, "homeserver": "https://user@two.example"},
        {**SYNAPSE, "homeserver": ""},
        {**SYNAPSE, "id": "t w o"},
        {**SYNAPSE, "id": ""},
        {**SYNAPSE, "id": "synapse"},
        {**OTHER, "redirect_uris": ""},
        {**OTHER, "redirect_uris": "https://a.example/# javascript:alert(1)"},
        {**OTHER, "redirect_uris": "https://a.example/?code=x"},
        {**OTHER, "backchannel_logout_uri": "nowhere"},
        {**OTHER, "post_logout_redirect_uris": "http://a.example"},
        {**OTHER, "name": "a\u202eb"},
        {**OTHER, "name": "x" * 201},
        {**OTHER, "name": "x" * 20_000},
        {**OTHER, "kind": "pigeon"},
        {**OTHER, "id": "a\0"},
    ],
)
def test_what_policy_does_not_take_is_not_registered(
    app: Flask, an_admin: Admins, wrong: dict[str, str]
) -> None:
    answer = register(an_admin("owner"), wrong)

    assert answer.status_code == 400
    assert events_of_kind(app, "client added") == []


def test_what_was_typed_comes_back_with_what_is_wrong(an_admin: Admins) -> None:
    page = register(an_admin("owner"), {**OTHER, "redirect_uris": "https://a.example/#<b>"}).text

    assert "must not have a fragment" in page
    assert "https://a.example/#&lt;b&gt;" in page
    assert 'value="notes"' in page


def test_registering_wants_a_fresh_proof_before_anything_is_typed(
    app: Flask, an_admin: Admins, clock: Clock
) -> None:
    admin = an_admin("admin")
    csrf = fields_of(admin.get("/admin/clients/new").text, "/admin/clients/new")["csrf"]
    clock.advance(minutes=6)

    refused = admin.post("/admin/clients/new", {**OTHER, "csrf": csrf})
    assert refused.location.startswith("/sign-in/")
    assert not is_known(app, "notes")

    page = admin.get("/admin/clients/new").text
    assert "redirect_uris" not in page
    asked = admin.press_on("/admin/clients/new", "/admin/clients/new/prove")
    back = admin.prove(asked.location).location
    assert back.startswith("/admin/clients/new")
    assert "redirect_uris" in admin.get(back).text


# ---- secrets


def press(admin: Person, what: str, client_id: str = "wiki", **more: str) -> TestResponse:
    page, action = f"/admin/clients/{client_id}", f"/admin/clients/{client_id}/{what}"
    first = admin.press_on(page, action)
    assert first.status_code == 200
    return admin.post(action, {**fields_of(first.text, action), **more})


def code_of(person: Person) -> str:
    return query_of(person.sign_in(WIKI))["code"]


def test_two_secrets_are_valid_while_one_replaces_the_other(
    app: Flask, an_admin: Admins, ann: Person, clock: Clock
) -> None:
    admin = an_admin("admin")
    clock.advance(seconds=1)
    second = secret_on(press(admin, "secret").text)
    for secret in (secret_of(WIKI), second):
        assert redeem(app, code_of(ann), WIKI, secret=secret).status_code == 200

    press(admin, "old-secrets")

    assert redeem(app, code_of(ann), WIKI, secret=secret_of(WIKI)).status_code == 401
    assert redeem(app, code_of(ann), WIKI, secret=second).status_code == 200
    told = [detail for _, detail in events_of_kind(app, "client secret removed")]
    assert [(one["before"], one["after"]) for one in told] == [("2 valid", "1 valid")]


def test_a_form_sent_twice_makes_no_third_secret(
    app: Flask, an_admin: Admins, clock: Clock
) -> None:
    admin = an_admin("admin")
    action = "/admin/clients/wiki/secret"
    clock.advance(seconds=1)
    form = fields_of(admin.press_on("/admin/clients/wiki", action).text, action)

    first, again = admin.post(action, form), admin.post(action, form)

    assert first.status_code == 200
    assert again.status_code == 409
    assert len(known(app, "wiki").secret_digests) == 2
    assert digest_of(secret_of(WIKI)) in known(app, "wiki").secret_digests


@pytest.mark.parametrize("what", ["secret", "old-secrets"])
def test_secrets_are_not_changed_from_a_browser_that_was_left_open(
    app: Flask, an_admin: Admins, clock: Clock, what: str
) -> None:
    admin = an_admin("owner")
    clock.advance(seconds=1)
    press(admin, "secret")
    before = known(app, "wiki").secret_digests
    clock.advance(minutes=6)

    answer = press(admin, what)

    assert answer.location.startswith("/sign-in/")
    assert known(app, "wiki").secret_digests == before
    assert admin.prove(answer.location).location.startswith("/admin/clients")


def test_a_synapses_new_secret_comes_inside_its_yaml(app: Flask, an_admin: Admins) -> None:
    page = press(an_admin("admin"), "secret", "synapse").text

    assert f"client_secret: &#34;{secret_on(page)}&#34;" in page
    assert "oidc_providers:" in page


# ---- apps that no rule names


def test_what_holds_for_unknown_apps_is_changed_with_before_and_after(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    admin = an_admin("admin")
    action = "/admin/clients/synapse/unknown-apps"

    admin.press_on("/admin/clients/synapse", action, unknown="deny")

    assert known(app, "synapse").unknown_apps == "deny"
    ((_, detail),) = events_of_kind(app, "unknown apps ruled")
    assert (detail["before"], detail["after"]) == ("allow", "deny")
    assert ann.prove(ann.authorize().location).location.startswith("/refused/")


def test_of_two_who_change_it_the_second_is_told(app: Flask, an_admin: Admins) -> None:
    admin, action = an_admin("admin"), "/admin/clients/synapse/unknown-apps"
    seen = fields_of(admin.get("/admin/clients/synapse").text, action)
    admin.post(action, {**seen, "unknown": "alone"})

    answer = admin.post(action, {**seen, "unknown": "deny"})

    assert answer.status_code == 409
    assert known(app, "synapse").unknown_apps == "alone"


@pytest.mark.parametrize("wanted", ["", "maybe", "DENY"])
def test_no_other_word_is_taken(app: Flask, an_admin: Admins, wanted: str) -> None:
    action = "/admin/clients/synapse/unknown-apps"

    answer = an_admin("admin").press_on("/admin/clients/synapse", action, unknown=wanted)

    assert answer.status_code == 400
    assert known(app, "synapse").unknown_apps == HOMESERVER.unknown_apps


# ---- pages


def test_the_delivery_log_shows_how_it_went(app: Flask, an_admin: Admins) -> None:
    row = {
        "uri": "https://matrix.example/x",
        "sub": "s",
        "sid": "s",
        "created_at": NOW,
        "next_try_at": NOW,
        "tries": 3,
    }
    rows = [
        {**row, "id": "1", "client_id": "synapse", "outcome": HOSTILE[0], "done_at": NOW},
        {**row, "id": "2", "client_id": "wiki", "outcome": "another's", "done_at": NOW},
    ]
    change(app, lambda connection: connection.execute(insert(LogoutDeliveryRow), rows))

    page = an_admin("auditor").get("/admin/clients/synapse").text

    assert "&lt;script&gt;" in page
    assert "given up" in page
    assert "another" not in page.partition('id="deliveries"')[2]


def test_an_auditor_reads_and_has_no_button(an_admin: Admins) -> None:
    auditor = an_admin("auditor")

    for path in ("/admin/clients", "/admin/clients/synapse"):
        page = auditor.get(path).text
        assert "<form" not in page
        assert "Register a client" not in page


def test_the_list_is_paged_and_asks_as_often(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("auditor")
    row = {"redirect_uris": [], "auth_methods": [], "scopes": [], "required_scopes": []}
    rows = [
        {**row, "id": f"c{n:04d}", "name": HOSTILE[n % 5][:200], "kind": "web", "created_at": NOW}
        for n in range(120)
    ]
    change(app, lambda connection: connection.execute(insert(ClientRow), rows))

    url, seen = "/admin/clients", []
    while url:
        with counted(app) as statements:
            page = admin.get(url).text
        assert len(statements) <= 3
        assert "<script>alert" not in page
        seen += re.findall(r"<code>([^<]+)</code>", page)
        url = next_page(page)

    assert seen == sorted([*(f"c{n:04d}" for n in range(120)), "synapse", "wiki"])
