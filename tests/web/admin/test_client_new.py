"""Registering clients: what follows from a short form is shown before anything is kept."""

import html
import re
from collections.abc import Callable

import pytest
import yaml
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from oidc_bridge.errors import FetchError
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import read
from oidc_bridge.storage.ledger import EventRow
from tests.conftest import Clock
from tests.driver import ISSUER, Person, fields_of, query_of, redeem
from tests.fakes import FakeFetch
from tests.web.admin.conftest import account_of
from tests.web.admin.test_clients import (
    OTHER,
    PREVIEW,
    SYNAPSE,
    is_known,
    known,
    register,
    secret_on,
)
from tests.web.admin.test_people import events_of_kind

Admins = Callable[..., Person]
NEW = "/admin/clients/new"
ULID = "01HFVBY12TMNTYTBV8W921M5FA"
MAS = {
    "kind": "mas",
    "mas": "https://account.example.net/",
    "server_name": "example.net",
    "id": "mas",
    "provider_id": ULID,
}


def look(admin: Person, form: dict[str, str]) -> TestResponse:
    csrf = fields_of(admin.get(NEW).text, PREVIEW)["csrf"]
    return admin.post(PREVIEW, {**form, "csrf": csrf})


def asked_of_two(fetch: FakeFetch) -> list[str]:
    return [url for url in fetch.calls if url.startswith("https://two.example")]


# ---- looking first


@pytest.mark.parametrize("form", [SYNAPSE, MAS, OTHER])
def test_what_would_be_registered_is_shown_and_nothing_is_kept(
    app: Flask, an_admin: Admins, form: dict[str, str]
) -> None:
    admin = an_admin("admin")

    page = look(admin, {**form, "name": "Two"}).text
    assert "Nothing is registered yet" in page
    assert not is_known(app, form["id"])

    admin.post(NEW, dict(fields_of(page, NEW)))
    client = known(app, form["id"])
    assert client.name == "Two"
    for uri in filter(None, (*client.redirect_uris, client.backchannel_logout_uri)):
        assert uri in page


def test_that_nobody_answers_is_shown_and_keeps_nothing_back(
    app: Flask, an_admin: Admins, fetch: FakeFetch
) -> None:
    admin = an_admin("admin")
    base = "https://two.example"
    fetch.answers[f"{base}/_matrix/client/versions"] = FetchError("fetch_failed", "<b>SSLError")

    page = look(admin, SYNAPSE).text
    assert "Nobody answers (&lt;b&gt;SSLError)" in page

    assert admin.post(NEW, dict(fields_of(page, NEW))).status_code == 200
    assert is_known(app, "two")
    assert asked_of_two(fetch) == [
        f"{base}/_matrix/client/versions",
        f"{base}/_synapse/client/oidc/callback",
        f"{base}/_synapse/client/oidc/backchannel_logout",
    ]


def test_what_was_typed_can_be_changed(an_admin: Admins) -> None:
    admin = an_admin("admin")
    two = "https://notes.example/back https://notes.example/b2"
    shown = look(admin, {**OTHER, "redirect_uris": two})

    page = admin.post(PREVIEW, dict(fields_of(shown.text, PREVIEW))).text

    assert two in page
    assert 'value="notes"' in page


@pytest.mark.parametrize("taken", [{"id": "synapse"}, {"id": "s p"}, {"homeserver": "nowhere"}])
def test_what_cannot_be_registered_is_asked_nowhere(
    an_admin: Admins, fetch: FakeFetch, taken: dict[str, str]
) -> None:
    answer = look(an_admin("admin"), {**SYNAPSE, **taken})

    assert answer.status_code == 400
    assert "Nothing was registered." in answer.text
    assert asked_of_two(fetch) == []


def test_nothing_is_asked_for_a_browser_that_was_left_open(
    an_admin: Admins, clock: Clock, fetch: FakeFetch
) -> None:
    admin = an_admin("admin")
    csrf = fields_of(admin.get(NEW).text, PREVIEW)["csrf"]
    clock.advance(minutes=6)

    answer = admin.post(PREVIEW, {**SYNAPSE, "csrf": csrf})

    assert answer.location.startswith("/sign-in/")
    assert asked_of_two(fetch) == []


# ---- a MAS


def test_a_mas_is_registered_with_its_id_and_gets_its_yaml(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")
    page = register(admin, MAS).text

    client = known(app, "mas")
    assert client.redirect_uris == (f"https://account.example.net/upstream/callback/{ULID}",)
    assert client.backchannel_logout_uri == (
        f"https://account.example.net/upstream/backchannel-logout/{ULID}"
    )
    assert (client.kind, client.server_name, client.name) == (
        "homeserver",
        "example.net",
        "example.net",
    )
    (provider,) = yaml.safe_load(yaml_on(page))["upstream_oauth2"]["providers"]
    assert provider["id"] == ULID
    assert (provider["issuer"], provider["client_id"]) == (ISSUER, "mas")
    assert digest_of(provider["client_secret"]) in client.secret_digests
    again = admin.get("/admin/clients/mas").text
    assert "Homeserver with MAS" in again
    assert yaml.safe_load(yaml_on(again))["upstream_oauth2"]["providers"][0]["id"] == ULID
    assert provider["client_secret"] not in again


def test_an_id_is_made_for_a_mas_that_has_none(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")
    page = look(admin, {**MAS, "provider_id": ""}).text

    done = admin.post(NEW, dict(fields_of(page, NEW))).text

    (provider,) = yaml.safe_load(yaml_on(done))["upstream_oauth2"]["providers"]
    (uri,) = known(app, "mas").redirect_uris
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", provider["id"])
    assert uri == f"https://account.example.net/upstream/callback/{provider['id']}"
    assert uri in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"server_name": ""},
        {"mas": ""},
        {"mas": "http://account.example.net"},
        {"mas": "https://account.example.net/?x"},
        {"provider_id": "1"},
        {"provider_id": ULID.lower()},
    ],
)
def test_a_mas_that_cannot_be_is_not_registered(
    app: Flask, an_admin: Admins, wrong: dict[str, str]
) -> None:
    for answer in (
        register(an_admin("admin"), {**MAS, **wrong}),
        look(an_admin("owner"), MAS | wrong),
    ):
        assert answer.status_code == 400
    assert not is_known(app, "mas")


def test_somebody_signs_in_at_a_mas_and_its_chat_app_is_known(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    """MAS passes on as ``redirectUrl`` where its own client wants the person back."""
    secret = secret_on(register(an_admin("admin"), MAS).text)
    client = known(app, "mas")

    asked = ann.authorize(client, redirectUrl="https://app.element.io/?no_universal_links=true")
    consent = ann.prove(asked.location).location
    assert "app.element.io" in ann.get(consent).text
    code = query_of(ann.decide(consent).location)["code"]

    assert redeem(app, code, client, secret=secret).status_code == 200


def yaml_on(page: str) -> str:
    found = re.search(r"<pre[^>]*>(.*?)</pre>", page, re.S)
    assert found
    return html.unescape(found[1])


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
    csrf = fields_of(admin.get("/admin/clients/new").text, PREVIEW)["csrf"]
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
