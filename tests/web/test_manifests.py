"""Apps whose developers signed for them: registered, shown, asked about, and looked at."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from oidc_bridge import storage
from oidc_bridge.config import Settings
from oidc_bridge.errors import FetchError
from oidc_bridge.factory import create_app, make_strangers_fetch
from oidc_bridge.oidc.client import Client, SoftwareStatement
from oidc_bridge.proofs.named_profile import GAIA, FindProfile, find_profile
from oidc_bridge.proofs.names import NameService
from oidc_bridge.sections import Registration
from oidc_bridge.sightings import look_again, look_at
from oidc_bridge.storage.apps import all_clients, get_client, remove_client, update_client
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.sites import Site, all_logos, all_sites, keep_site
from tests.conftest import Clock
from tests.driver import HOMESERVER, ISSUER, Person, fields_of, query_of
from tests.fakes import NOW, FakeFetch, FakeWallet
from tests.manifests import DAVE, HOME, MALLORY, a_picture, a_statement

MANIFEST = f"{HOME}/manifest.json"
LOGO = f"{HOME}/logo.png"
NAMES = NameService("https://names.example", frozenset({2}), "legacy")
NOBODY = "Nobody stands behind this app but its address"
DISCLAIMER = "This server cannot vouch for apps; you decide."


@pytest.fixture
def shop(settings: Settings, clock: Clock, fetch: FakeFetch) -> Iterator[Flask]:
    """Return a bridge at which anybody may register an app."""
    known = settings.model_copy(update={"registration": Registration(mode="open")})
    bridge = create_app(known, clock=clock, fetch=fetch)
    bridge.testing = False
    yield bridge
    with bridge.app_context():
        storage.db.engine.dispose()


@pytest.fixture
def eve(shop: Flask, clock: Clock) -> Person:
    return Person(shop, clock, FakeWallet.named("eve", display_name="Eve"))


def send(
    app: Flask, method: str, path: str, document: object, token: str | None = None
) -> TestResponse:
    return app.test_client().open(
        path.removeprefix(ISSUER),
        method=method,
        base_url=ISSUER,
        data=json.dumps(document),
        content_type="application/json",
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
    )


def document_of(statement: str | None, **members: object) -> dict[str, object]:
    plain = {"client_name": "The Shop", "redirect_uris": [f"{HOME}/cb"]}
    signed = {} if statement is None else {"software_statement": statement}
    return {"token_endpoint_auth_method": "none", **plain, **signed, **members}


def register(app: Flask, statement: str | None = None, **members: object) -> dict[str, object]:
    answer = send(app, "POST", "/register", document_of(statement, **members))
    assert answer.status_code == 201, answer.text
    return dict(answer.get_json())


def refusal(answer: TestResponse) -> str:
    assert answer.status_code == 400
    return str(answer.get_json()["error"])


def client_in(app: Flask, registered: dict[str, object]) -> Client:
    with app.app_context(), storage.read() as connection:
        return get_client(connection, str(registered["client_id"]))


def consent_page(person: Person, client: Client, **changes: str | None) -> str:
    answer = person.authorize(client, **changes)
    if "/sign-in/" in answer.location:
        answer = person.prove(answer.location)
    assert "/consent/" in answer.location
    return answer.location


# --- registration ---


@pytest.mark.spec("RFC 7591", "2.3")
def test_what_the_developer_signed_is_what_is_registered(shop: Flask) -> None:
    statement = a_statement(required_scopes=["email"])

    answer = register(shop, statement, client_name="Mine", scope="openid", software_id="other")

    assert answer["client_name"] == "The Signed Shop"
    assert answer["scope"] == "openid profile email"
    assert answer["software_id"] == "shop"
    assert answer["software_version"] == "1.0"
    assert answer["software_statement"] == statement
    kept = client_in(shop, answer)
    assert kept.required_scopes == ("openid", "email")
    assert kept.statement is not None
    assert kept.statement.developer == DAVE.did


def test_a_statement_is_named_in_the_ledger(shop: Flask) -> None:
    register(shop, a_statement())

    with shop.app_context(), storage.read() as connection:
        detail = connection.execute(select(EventRow.detail)).scalar_one()
    assert detail["developer"] == DAVE.did
    assert detail["statement"] == "statement-1"


@pytest.mark.parametrize(
    "statement",
    [a_statement(signed_by="mallory"), a_statement()[:-9] + "AAAAAAAAA", a_statement(exp=1)],
)
def test_a_broken_or_foreign_signature_refuses(shop: Flask, statement: str) -> None:
    answer = send(shop, "POST", "/register", document_of(statement))

    assert refusal(answer) == "invalid_software_statement"
    with shop.app_context(), storage.read() as connection:
        assert list(all_clients(connection)) == []


def test_a_name_that_cannot_be_looked_up_approves_nothing(shop: Flask) -> None:
    answer = send(shop, "POST", "/register", document_of(a_statement(iss="dave.btc")))

    assert refusal(answer) == "unapproved_software_statement"


def test_a_developer_may_sign_by_name(shop: Flask, fetch: FakeFetch) -> None:
    owner = {"address": DAVE.c32, "status": "name-register"}
    fetch.answers["https://names.example/v1/names/dave.btc"] = (200, owner)

    kept = client_in(shop, register(shop, a_statement(iss="dave.btc")))

    assert kept.statement is not None
    assert (kept.statement.developer, kept.statement.address) == ("dave.btc", DAVE.btc)


def test_the_same_software_id_by_somebody_else_is_another_app(shop: Flask) -> None:
    first = register(shop, a_statement())
    second = register(shop, a_statement(signed_by="mallory", iss=MALLORY.did))

    assert first["client_id"] != second["client_id"]
    assert client_in(shop, first).developer_at(NOW) == DAVE.did
    assert client_in(shop, second).developer_at(NOW) == MALLORY.did


def change(app: Flask, registered: dict[str, object], statement: str | None) -> TestResponse:
    document = document_of(statement, client_id=registered["client_id"])
    uri, token = registered["registration_client_uri"], registered["registration_access_token"]
    return send(app, "PUT", str(uri), document, str(token))


@pytest.mark.parametrize(
    "statement",
    [None, a_statement(signed_by="mallory", iss=MALLORY.did), a_statement(software_id="bank")],
)
def test_d3_an_update_cannot_change_the_developer(shop: Flask, statement: str | None) -> None:
    registered = register(shop, a_statement())

    answer = change(shop, registered, statement)

    assert refusal(answer) == "unapproved_software_statement"
    assert client_in(shop, registered).developer_at(NOW) == DAVE.did


@pytest.mark.spec("RFC 7592", "2.2")
def test_d3_an_update_is_held_to_the_rules_of_a_statement(shop: Flask) -> None:
    registered = register(shop, a_statement())

    assert refusal(change(shop, registered, a_statement(iss=MALLORY.did))) == (
        "invalid_software_statement"
    )
    newer = change(shop, registered, a_statement(software_version="2.0"))
    assert newer.get_json()["software_version"] == "2.0"


# --- what people see ---


def the_page(person: Person, client: Client) -> str:
    """Return the consent page as it reads, on one line."""
    text = person.get(consent_page(person, client)).text
    for tag in ("<bdi>", "</bdi>", "<wbr>"):
        text = text.replace(tag, "")
    return " ".join(text.split())


def test_the_page_says_who_signed_and_that_the_site_agrees(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    fetch.answers[MANIFEST] = (200, {"did_authors": [f"did:stack:v0:{DAVE.btc}-0"]})

    page = the_page(eve, client_in(shop, register(shop, a_statement())))

    assert f"Signed by <strong>{DAVE.btc}</strong>. The site names this developer too." in page
    assert DISCLAIMER in page
    assert NOBODY not in page


def test_the_page_says_that_the_site_does_not_agree(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    fetch.answers[MANIFEST] = (200, {"did_authors": [MALLORY.did]})

    page = the_page(eve, client_in(shop, register(shop, a_statement())))

    assert f"Signed by <strong>{DAVE.btc}</strong>. The site does not name this developer." in page
    assert MALLORY.btc not in page
    assert DISCLAIMER in page


def test_the_page_says_whom_the_site_names_of_an_app_that_nobody_signed(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    fetch.answers[MANIFEST] = (200, {"did_authors": [MALLORY.did, DAVE.did]})

    page = the_page(eve, client_in(shop, register(shop)))

    assert (
        f"Unsigned: the site names <strong>{MALLORY.btc}</strong>,"
        f" <strong>{DAVE.btc}</strong>." in page
    )
    assert "Signed by" not in page
    assert DISCLAIMER in page


def test_the_page_says_when_there_is_nobody_and_shows_the_origin(shop: Flask, eve: Person) -> None:
    page = the_page(eve, client_in(shop, register(shop)))

    assert NOBODY in page
    assert '<p class="origin">' in page
    assert HOME in page.partition('<p class="origin">')[2].partition("</p>")[0]
    assert DISCLAIMER in page


NATIVE = {"application_type": "native", "redirect_uris": ["example.shop.app:/cb"]}


def test_an_app_on_a_device_may_be_signed_for_the_site_of_its_developer(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    fetch.answers[MANIFEST] = (200, {"did_authors": [DAVE.did]})

    page = the_page(eve, client_in(shop, register(shop, a_statement(**NATIVE))))

    assert f"Signed by <strong>{DAVE.btc}</strong>. The site names this developer too." in page


def test_behind_an_unsigned_app_on_a_device_is_nobody(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    """It may say which site is its own, but only a signature ties it to that site."""
    fetch.answers[MANIFEST] = (200, {"did_authors": [DAVE.did]})

    page = the_page(eve, client_in(shop, register(shop, client_uri=HOME, **NATIVE)))

    assert "Nobody stands behind this app." in page
    assert DAVE.btc not in page


def test_behind_a_chat_app_is_nobody_but_its_address(ann: Person) -> None:
    url = ann.prove(ann.authorize().location).location

    page = ann.get(url).text

    assert NOBODY in page
    assert "https://<wbr>chat.example" in page


def change_client(app: Flask, client: Client, **changes: object) -> None:
    with app.app_context():
        changed = replace(client, **changes)  # type: ignore[arg-type]
        storage.write(lambda connection: update_client(connection, changed))
    app.extensions["oidc_bridge"].snapshots.forget()


def test_a_statement_of_the_homeservers_says_nothing_about_a_chat_app(
    app: Flask, ann: Person
) -> None:
    signed = SoftwareStatement("a.b.c", DAVE.did, DAVE.btc, "", NOW + timedelta(days=1), ())
    change_client(app, HOMESERVER, statement=signed)

    page = ann.get(ann.prove(ann.authorize().location).location).text

    assert "Signed by" not in page
    assert NOBODY in page


def test_a_chat_apps_own_site_may_name_somebody(app: Flask, ann: Person) -> None:
    """Where it is known, since the same site also is a client's."""
    site = Site((DAVE.btc,), None, NOW, NOW)
    with app.app_context():
        storage.write(lambda connection: keep_site(connection, "https://chat.example", site))
    app.extensions["oidc_bridge"].snapshots.forget()

    page = ann.get(ann.prove(ann.authorize().location).location).text

    assert "Unsigned: the site names" in page
    assert DAVE.btc in page


def test_the_account_page_says_who_stands_behind_an_app(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    fetch.answers[MANIFEST] = (200, {"did_authors": [DAVE.did]})
    eve.decide(consent_page(eve, client_in(shop, register(shop, a_statement()))))

    page = eve.get("/account").text

    assert "The site names this developer too" in page
    assert DAVE.btc in page
    assert DISCLAIMER in page


def test_what_the_developer_requires_is_fixed_on_the_page(shop: Flask, eve: Person) -> None:
    client = client_in(shop, register(shop, a_statement(required_scopes=["email"])))
    url = consent_page(eve, client, scope="openid profile email")

    page = eve.get(url).text

    assert 'name="scope" value="profile"' in page
    assert 'value="email"' not in page
    assert eve.decide(url, scopes=("email",)).status_code == 400


# --- asked again ---


def consented(app: Flask, person: Person, fetch: FakeFetch) -> Client:
    client = client_in(app, register(app, a_statement()))
    person.decide(consent_page(person, client), remember="yes")
    assert "code" in query_of(person.authorize(client).location)
    return client


def test_it_is_asked_again_when_the_statement_has_ended(
    shop: Flask, eve: Person, fetch: FakeFetch, clock: Clock
) -> None:
    brief = a_statement(exp=int(NOW.timestamp()) + 3600)
    client = client_in(shop, register(shop, brief))
    eve.decide(consent_page(eve, client), remember="yes")
    assert "code" in query_of(eve.authorize(client).location)

    clock.advance(hours=1)

    page = the_page(eve, client)
    assert "Somebody else stands behind the app than before." in page
    assert NOBODY in page


def test_it_is_asked_again_when_a_developer_comes(shop: Flask, eve: Person) -> None:
    registered = register(shop, scope="openid profile email", client_name="The Signed Shop")
    client = client_in(shop, registered)
    eve.decide(consent_page(eve, client), remember="yes")
    assert "code" in query_of(eve.authorize(client).location)

    assert change(shop, registered, a_statement()).status_code == 200

    assert "Somebody else stands behind" in the_page(eve, client_in(shop, registered))


def test_it_is_not_asked_again_when_the_site_changes_its_mind(
    shop: Flask, eve: Person, fetch: FakeFetch, clock: Clock
) -> None:
    client = consented(shop, eve, fetch)

    look(shop, client, fetch, clock)

    assert "code" in query_of(eve.authorize(client).location)


def test_a_yes_counts_only_for_the_developer_that_was_shown(
    shop: Flask, eve: Person, fetch: FakeFetch, clock: Clock
) -> None:
    fetch.answers[MANIFEST] = (200, {"did_authors": [DAVE.did]})
    client = client_in(shop, register(shop, a_statement()))
    url = consent_page(eve, client)
    shown = eve.get(url).text
    assert "The site names this developer too" in shown
    fetch.answers[MANIFEST] = (200, {"did_authors": [MALLORY.did]})
    form = {**fields_of(shown, url), "decision": "allow"}

    look(shop, client, fetch, clock)

    assert "consent_changed" in eve.post(url, dict(form)).text


# --- looking at sites ---


def finding(fetch: Callable[..., object]) -> FindProfile:
    return partial(find_profile, services=(NAMES,), fetch=fetch, strangers=fetch, gaia=GAIA)  # type: ignore[arg-type]


def look(app: Flask, client: Client, fetch: Callable[..., object], clock: Clock) -> None:
    with app.app_context():
        look_at(client, fetch=fetch, find_profile=finding(fetch), now=clock.now)  # type: ignore[arg-type]
    app.extensions["oidc_bridge"].snapshots.forget()


def authors_in(app: Flask) -> tuple[str, ...]:
    with app.app_context(), storage.read() as connection:
        return all_sites(connection)[HOME].authors


def test_no_site_is_asked_on_the_way_of_a_sign_in(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    client = client_in(shop, register(shop, a_statement(logo_uri=LOGO)))
    fetch.calls.clear()
    fetch.forbidden = (HOME,)

    eve.decide(consent_page(eve, client))
    eve.get("/account")

    assert not any(url.startswith(HOME) for url in fetch.calls)


@pytest.mark.parametrize(
    "silence", [FetchError("fetch_failed"), (503, "down"), (429, "later"), (500, {})]
)
def test_a_site_that_does_not_answer_is_what_it_was(
    shop: Flask, fetch: FakeFetch, clock: Clock, silence: object
) -> None:
    fetch.answers[MANIFEST] = (200, {"did_authors": [DAVE.did]})
    client = client_in(shop, register(shop))
    fetch.answers[MANIFEST] = silence  # type: ignore[assignment]

    look(shop, client, fetch, clock)

    assert authors_in(shop) == (DAVE.btc,)


@pytest.mark.parametrize(
    "said",
    [
        (404, {}),
        (200, "<!doctype html>"),
        (200, {"did_authors": []}),
        (200, "x" * 70_000),
        FetchError("fetch_blocked", "redirect"),
    ],
)
def test_a_site_that_answers_otherwise_names_nobody(
    shop: Flask, fetch: FakeFetch, clock: Clock, said: object
) -> None:
    fetch.answers[MANIFEST] = (200, {"did_authors": [DAVE.did]})
    client = client_in(shop, register(shop))
    fetch.answers[MANIFEST] = said  # type: ignore[assignment]

    look(shop, client, fetch, clock)

    assert authors_in(shop) == ()


def test_what_a_silent_site_said_is_forgotten_in_the_end(
    shop: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    fetch.answers[MANIFEST] = (200, {"did_authors": [DAVE.did]})
    register(shop)

    with shop.app_context(), storage.read() as connection:
        site = all_sites(connection)[HOME]

    assert site.authors_at(NOW + timedelta(days=30) - timedelta(seconds=1)) == (DAVE.btc,)
    assert site.authors_at(NOW + timedelta(days=30)) == ()


def test_sites_are_looked_at_again_once_a_day(shop: Flask, fetch: FakeFetch, clock: Clock) -> None:
    register(shop, logo_uri=LOGO)
    fetch.calls.clear()

    def again() -> int:
        with shop.app_context():
            with storage.read() as connection:
                known = all_clients(connection)
            return look_again(known, fetch=fetch, find_profile=finding(fetch), now=clock.now)

    assert again() == 0
    clock.advance(hours=23, minutes=59)
    assert again() == 0
    clock.advance(minutes=1)
    assert again() == 2
    assert fetch.calls == [MANIFEST, LOGO]
    assert again() == 0


def test_a_site_is_forgotten_with_its_last_client(
    shop: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    client = client_in(shop, register(shop, logo_uri=LOGO))

    with shop.app_context():
        storage.write(lambda connection: remove_client(connection, client.id))
        look_again([], fetch=fetch, find_profile=finding(fetch), now=clock.now)
        with storage.read() as connection:
            assert all_sites(connection) == {}
            assert all_logos(connection) == {}


def test_looking_at_a_client_that_is_gone_keeps_nothing(
    shop: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    fetch.answers[LOGO] = (200, a_picture())
    client = client_in(shop, register(shop, logo_uri=LOGO))
    with shop.app_context():
        storage.write(lambda connection: remove_client(connection, client.id))

    look(shop, client, fetch, clock)

    with shop.app_context(), storage.read() as connection:
        assert all_logos(connection) == {}


# --- logos ---


def logo_on(page: str) -> str:
    _, found, rest = page.partition('<img class="tile" src="')
    return rest.partition('"')[0] if found else ""


def test_d6_a_logo_is_served_by_us_as_we_drew_it(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    original = a_picture()
    fetch.answers[LOGO] = (200, original)
    client = client_in(shop, register(shop, logo_uri=LOGO))
    sign_in = eve.authorize(client).location

    url = logo_on(eve.get(sign_in).text)
    answer = eve.get(url)

    assert url.startswith("/logos/")
    assert answer.status_code == 200
    assert answer.content_type == "image/png"
    assert answer.data.startswith(b"\x89PNG")
    assert answer.data != original
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "Set-Cookie" not in answer.headers


def test_a_logo_is_on_the_consent_and_account_pages_too(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    fetch.answers[LOGO] = (200, a_picture())
    url = consent_page(eve, client_in(shop, register(shop, logo_uri=LOGO)))

    shown = logo_on(eve.get(url).text)
    eve.decide(url)

    assert shown.startswith("/logos/")
    assert logo_on(eve.get("/account").text) == shown


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ((200, "<svg xmlns='http://www.w3.org/2000/svg'/>"), "logo_unreadable"),
        ((200, a_picture() + bytes(300_000)), "fetch_too_large"),
        ((404, ""), "not_there"),
        (FetchError("fetch_blocked", "127.0.0.1 is no public address"), "fetch_blocked"),
        (FetchError("fetch_failed"), "fetch_failed"),
    ],
)
def test_d6_a_logo_that_cannot_be_shown_stops_nobody(
    shop: Flask, eve: Person, fetch: FakeFetch, said: object, code: str
) -> None:
    fetch.answers[LOGO] = said  # type: ignore[assignment]
    client = client_in(shop, register(shop, logo_uri=LOGO))

    page = eve.get(eve.authorize(client).location).text

    assert logo_on(page) == ""
    with shop.app_context(), storage.read() as connection:
        logo = all_logos(connection)[client.id]
    assert logo.digest is None
    assert str(logo.fault).startswith(code)


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "[::1]", "10.0.0.1"])
def test_f1_no_logo_and_no_site_is_asked_for_inside(
    shop: Flask, settings: Settings, clock: Clock, host: str
) -> None:
    """The real guard: it refuses before anything is connected."""
    home = f"https://{host}"
    uris = [f"{home}/cb"]
    registered = register(shop, redirect_uris=uris, client_uri=home, logo_uri=f"{home}/logo.png")
    client = client_in(shop, registered)

    look(shop, client, make_strangers_fetch(settings, exempt=frozenset()), clock)

    with shop.app_context(), storage.read() as connection:
        assert str(all_logos(connection)[client.id].fault).startswith("fetch_blocked")
        assert str(all_sites(connection)[home].fault).startswith("fetch_blocked")


def test_a_logo_stays_while_its_site_is_silent(
    shop: Flask, eve: Person, fetch: FakeFetch, clock: Clock
) -> None:
    fetch.answers[LOGO] = (200, a_picture())
    client = client_in(shop, register(shop, logo_uri=LOGO))
    fetch.answers[LOGO] = FetchError("fetch_failed")

    look(shop, client, fetch, clock)

    assert logo_on(eve.get(eve.authorize(client).location).text)


def test_a_logo_of_another_address_than_the_clients_is_not_shown(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    fetch.answers[LOGO] = (200, a_picture())
    client = client_in(shop, register(shop, logo_uri=LOGO))
    moved = replace(client.metadata, logo_uri=f"{HOME}/new.png")

    change_client(shop, client, metadata=moved)

    assert logo_on(eve.get(eve.authorize(client).location).text) == ""


@pytest.mark.parametrize("digest", ["0" * 64, "x", "..", "%2e%2e"])
def test_there_is_no_logo_but_those_that_we_drew(eve: Person, digest: str) -> None:
    assert eve.get(f"/logos/{digest}.png").status_code == 404
