"""Registering clients, their secrets, and what holds for apps that no rule names."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import insert
from werkzeug.test import TestResponse

from oidc_bridge.errors import FetchError
from oidc_bridge.oidc.client import Client
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import read
from oidc_bridge.storage.apps import ClientRow, get_client, secrets_since
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.storage.registrations import RegistrationRow
from oidc_bridge.web.admin.moments import name_of
from tests.conftest import Clock
from tests.driver import HOMESERVER, WIKI, Person, fields_of, query_of, redeem, secret_of
from tests.fakes import NOW, FakeFetch
from tests.web.admin.conftest import change
from tests.web.admin.test_people import HOSTILE, counted, events_of_kind, next_page

Admins = Callable[..., Person]
PREVIEW = "/admin/clients/new/preview"
SYNAPSE = {"kind": "homeserver", "homeserver": "https://two.example", "id": "two"}
OTHER = {"kind": "web", "id": "notes", "redirect_uris": "https://notes.example/back"}


def known(app: Flask, client_id: str) -> Client:
    with app.app_context(), read() as connection:
        return get_client(connection, client_id)


def is_known(app: Flask, client_id: str) -> bool:
    return client_id in app.extensions["oidc_bridge"].snapshots.current().clients


def register(admin: Person, form: dict[str, str]) -> TestResponse:
    csrf = fields_of(admin.get("/admin/clients/new").text, PREVIEW)["csrf"]
    return admin.post("/admin/clients/new", {**form, "csrf": csrf})


def secret_on(page: str) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', page)
    assert found
    return found[1]


# ---- secrets


def press(admin: Person, what: str, client_id: str = "wiki", **more: str) -> TestResponse:
    page, action = f"/admin/clients/{client_id}", f"/admin/clients/{client_id}/{what}"
    first = admin.press_on(page, action, **more)
    assert first.status_code == 200
    return admin.post(action, fields_of(first.text, action))


def moments_of(app: Flask) -> list[str]:
    """How forms name Wiki's secrets, the latest first."""
    with app.app_context(), read() as connection:
        return [name_of(made_at) for made_at in secrets_since(connection, "wiki")]


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

    press(admin, "secret/end", made_at=moments_of(app)[1])

    assert redeem(app, code_of(ann), WIKI, secret=secret_of(WIKI)).status_code == 401
    assert redeem(app, code_of(ann), WIKI, secret=second).status_code == 200
    told = [detail for _, detail in events_of_kind(app, "client secret removed")]
    assert [(one["before"], one["after"]) for one in told] == [("2 valid", "1 valid")]


def test_a_new_secret_that_nobody_kept_is_ended_and_made_again(
    app: Flask, an_admin: Admins, ann: Person, clock: Clock
) -> None:
    admin = an_admin("admin")
    clock.advance(seconds=1)
    lost = secret_on(press(admin, "secret").text)
    assert '/admin/clients/wiki/secret"' not in admin.get("/admin/clients/wiki").text

    press(admin, "secret/end", made_at=moments_of(app)[0])
    clock.advance(seconds=1)
    another = secret_on(press(admin, "secret").text)

    assert redeem(app, code_of(ann), WIKI, secret=lost).status_code == 401
    for secret in (secret_of(WIKI), another):
        assert redeem(app, code_of(ann), WIKI, secret=secret).status_code == 200


def test_an_old_page_ends_no_secret_that_came_into_use_meanwhile(
    app: Flask, an_admin: Admins, clock: Clock
) -> None:
    admin, other, end = an_admin("admin"), an_admin("owner"), "/admin/clients/wiki/secret/end"
    clock.advance(seconds=1)
    press(admin, "secret")
    oldest, second = moments_of(app)[1], moments_of(app)[0]
    old_page = fields_of(admin.press_on("/admin/clients/wiki", end, made_at=second).text, end)
    press(other, "secret/end", made_at=oldest)
    clock.advance(seconds=1)
    press(other, "secret")

    assert admin.post(end, old_page).status_code == 409
    assert second in moments_of(app)


def test_the_only_secret_cannot_be_ended(app: Flask, an_admin: Admins) -> None:
    admin, end = an_admin("admin"), "/admin/clients/wiki/secret/end"
    form = fields_of(admin.get("/admin/clients/wiki").text, "/admin/clients/wiki/secret")
    form |= {"made_at": moments_of(app)[0], "confirm": "yes"}

    assert admin.post(end, form).status_code == 409
    assert len(moments_of(app)) == 1


def test_no_third_secret_is_made(app: Flask, an_admin: Admins, clock: Clock) -> None:
    admin, action = an_admin("admin"), "/admin/clients/wiki/secret"
    clock.advance(seconds=1)
    form = fields_of(admin.press_on("/admin/clients/wiki", action).text, action)
    press(admin, "secret")

    answer = admin.post(action, form | {"version": " ".join(moments_of(app))})

    assert answer.status_code == 409
    assert len(moments_of(app)) == 2


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


@pytest.mark.parametrize("what", ["secret", "secret/end"])
def test_secrets_are_not_changed_from_a_browser_that_was_left_open(
    app: Flask, an_admin: Admins, clock: Clock, what: str
) -> None:
    admin = an_admin("owner")
    clock.advance(seconds=1)
    if what == "secret/end":
        press(admin, "secret")
    before, latest = known(app, "wiki").secret_digests, moments_of(app)[0]
    clock.advance(minutes=6)

    answer = press(admin, what, **({"made_at": latest} if what == "secret/end" else {}))

    assert answer.location.startswith("/sign-in/")
    assert known(app, "wiki").secret_digests == before
    assert admin.prove(answer.location).location.startswith("/admin/clients")


def test_a_synapses_new_secret_comes_inside_its_yaml(app: Flask, an_admin: Admins) -> None:
    page = press(an_admin("admin"), "secret", "synapse").text

    assert f"client_secret: &#34;{secret_on(page)}&#34;" in page
    assert "oidc_providers:" in page


def test_a_secret_and_its_yaml_can_be_copied(an_admin: Admins) -> None:
    """The script shows the buttons, and copies the text of what they name."""
    admin = an_admin("admin")

    made, shown = press(admin, "secret", "synapse").text, admin.get("/admin/clients/synapse").text

    for page, ids in ((made, ["secret", "yaml-text"]), (shown, ["yaml-text"])):
        assert '<script src="/static/copy.js" defer>' in page
        assert re.findall(r'data-copy="([^"]+)" hidden', page) == ids
        assert all(page.count(f'id="{one}"') == 1 for one in ids)
    assert '<p class="secret">' in made  # without a script, one click selects all of it


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


def test_of_two_who_change_it_the_second_sees_both_and_takes_one(
    app: Flask, an_admin: Admins
) -> None:
    admin, action = an_admin("admin"), "/admin/clients/synapse/unknown-apps"
    seen = fields_of(admin.get("/admin/clients/synapse").text, action)
    admin.post(action, {**seen, "unknown": "alone"})

    clash = admin.post(action, {**seen, "unknown": "deny"})

    assert clash.status_code == 409
    assert "<bdi>deny</bdi>" in clash.text
    assert "<bdi>alone</bdi>" in clash.text
    assert known(app, "synapse").unknown_apps == "alone"
    admin.post(action, dict(fields_of(clash.text, action)))
    assert known(app, "synapse").unknown_apps == "deny"


@pytest.mark.parametrize("wanted", ["", "maybe", "DENY"])
def test_no_other_word_is_taken(app: Flask, an_admin: Admins, wanted: str) -> None:
    action = "/admin/clients/synapse/unknown-apps"

    answer = an_admin("admin").press_on("/admin/clients/synapse", action, unknown=wanted)

    assert answer.status_code == 400
    assert known(app, "synapse").unknown_apps == HOMESERVER.unknown_apps


# ---- whether its addresses answer


def test_an_admin_asks_whether_addresses_answer_and_nothing_changes(
    app: Flask, an_admin: Admins, fetch: FakeFetch
) -> None:
    admin, page = an_admin("admin"), "/admin/clients/synapse"
    versions = "https://matrix.example/_matrix/client/versions"
    fetch.answers[versions] = (200, {"versions": ["v1.11"]})
    blocked = FetchError("fetch_blocked", "<i>10.0.0.1</i> is no public address")
    fetch.answers[HOMESERVER.redirect_uris[0]] = blocked
    before = known(app, "synapse")

    answer = admin.press_on(page, f"{page}/addresses")

    assert answer.status_code == 200
    for text in ("Synapse answers.", "allow_private", "until Synapse has loaded its YAML"):
        assert text in answer.text
    assert "<i>10" not in answer.text
    assert known(app, "synapse") == before


def test_what_a_stranger_registered_is_asked_as_a_strangers_address(
    app: Flask, an_admin: Admins, fetch: FakeFetch
) -> None:
    """An operator's `allow_private` is for what the operator typed."""
    admin, strict = an_admin("admin"), FakeFetch()
    parts = app.extensions["oidc_bridge"]
    app.extensions["oidc_bridge"] = replace(parts, strangers=strict)
    registered = {"registered_at": NOW, "digest": "d", "client_id": "wiki"}
    change(app, lambda connection: connection.execute(insert(RegistrationRow), registered))
    page = "/admin/clients/wiki"
    before = list(fetch.calls)

    admin.press_on(page, f"{page}/addresses")

    assert strict.calls == ["https://wiki.example/"]
    assert fetch.calls == before


def test_of_a_client_that_is_gone_nothing_is_asked(an_admin: Admins) -> None:
    admin = an_admin("admin")
    csrf = fields_of(admin.account_page(), "/account/sign-out")["csrf"]

    assert admin.post("/admin/clients/gone/addresses", {"csrf": csrf}).status_code == 404


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
        assert len(statements) <= 4
        assert "<script>alert" not in page
        seen += re.findall(r"<code>([^<]+)</code>", page)
        url = next_page(page)

    assert seen == sorted([*(f"c{n:04d}" for n in range(120)), "synapse", "wiki"])
