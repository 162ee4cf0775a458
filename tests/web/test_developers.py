"""Developers by name: what their profile says of them, fetched early and shown as their word."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import func, select

from oidc_bridge import storage
from oidc_bridge.errors import FetchError
from oidc_bridge.oidc.client import Client
from oidc_bridge.proofs.named_profile import FindProfile, find_profile
from oidc_bridge.proofs.names import NameService
from oidc_bridge.sightings import look_again, look_at
from oidc_bridge.storage.apps import all_clients, remove_client, update_client
from oidc_bridge.storage.developers import DeveloperRow, SeenProfile, all_profiles
from tests.conftest import Clock
from tests.driver import ISSUER, Person
from tests.fakes import FakeFetch
from tests.manifests import (
    DAVE,
    MALLORY,
    a_picture,
    a_statement,
    named_dave,
    profile_url,
)
from tests.web.test_manifests import (
    change,
    client_in,
    consent_page,
    document_of,
    eve,
    register,
    send,
    shop,
    the_page,
)

__all__ = ["eve", "shop"]

PICTURE = "https://pictures.example/dave.png"
IMAGE = [{"@type": "ImageObject", "name": "avatar", "contentUrl": PICTURE}]
CALLED = "They call themselves “Dave”."
LINK = f'<a href="{profile_url()}" rel="noreferrer nofollow">Profile'
BY_NAME = a_statement(iss="dave.btc")


def know_dave(fetch: FakeFetch, **options: object) -> None:
    fetch.answers |= named_dave(**{"image": IMAGE, **options})  # type: ignore[arg-type]
    fetch.answers[PICTURE] = (200, a_picture())


def signed_shop(app: Flask, statement: str = BY_NAME) -> Client:
    return client_in(app, register(app, statement))


def seen_in(app: Flask, client: Client) -> SeenProfile | None:
    with app.app_context(), storage.read() as connection:
        return all_profiles(connection).get(client.id)


def finding(fetch: FakeFetch) -> FindProfile:
    services = (NameService("https://names.example", frozenset({2}), "v1"),)
    return partial(find_profile, services=services, fetch=fetch, strangers=fetch)


def look(app: Flask, client: Client, fetch: FakeFetch, clock: Clock) -> None:
    with app.app_context():
        look_at(client, fetch=fetch, find_profile=finding(fetch), now=clock.now)
    app.extensions["oidc_bridge"].snapshots.forget()


def test_a_developer_may_sign_by_the_key_of_their_names_profile(
    shop: Flask, fetch: FakeFetch
) -> None:
    know_dave(fetch)

    statement = signed_shop(shop).statement

    assert statement is not None
    assert (statement.developer, statement.address) == ("dave.btc", DAVE.btc)


def test_a_key_that_the_name_does_not_lead_to_registers_nothing(
    shop: Flask, fetch: FakeFetch
) -> None:
    know_dave(fetch)

    foreign = a_statement(signed_by="mallory", iss="dave.btc")
    answer = send(shop, "POST", "/register", document_of(foreign))

    assert answer.get_json()["error"] == "invalid_software_statement"


def test_the_page_shows_what_the_developer_says_of_themselves(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    know_dave(fetch)

    page = the_page(eve, signed_shop(shop))

    assert "Signed by <strong>dave.btc</strong>. The site does not name this developer." in page
    assert f"Address: {DAVE.btc}" in page
    assert CALLED in page
    assert LINK in page
    assert "at gaia.blockstack.org" in page


def test_the_picture_is_ours_and_drawn_anew(shop: Flask, eve: Person, fetch: FakeFetch) -> None:
    know_dave(fetch)
    client = signed_shop(shop)
    seen = seen_in(shop, client)
    assert seen is not None

    page = the_page(eve, client)
    picture = shop.test_client().get(f"/logos/{seen.digest}.png", base_url=ISSUER)

    assert f'<img class="tile round" src="/logos/{seen.digest}.png" alt=""' in page
    assert PICTURE not in page
    assert picture.content_type == "image/png"
    assert picture.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert picture.data != a_picture()


def test_no_profile_is_asked_for_on_the_way_of_a_sign_in(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    know_dave(fetch)
    client = signed_shop(shop)
    fetch.forbidden = ("https://gaia.", PICTURE, "https://names.example/v1/names/dave")

    url = consent_page(eve, client)
    assert CALLED in " ".join(eve.get(url).text.replace("<bdi>", "").replace("</bdi>", "").split())
    eve.decide(url)
    assert eve.get("/account").status_code == 200


def test_my_app_shows_its_developers_face(shop: Flask, eve: Person, fetch: FakeFetch) -> None:
    know_dave(fetch)
    eve.decide(consent_page(eve, signed_shop(shop)))
    path = eve.get("/account").text.partition('href="/account/apps/')[2].partition('"')[0]

    page = eve.get(f"/account/apps/{path}").text

    assert LINK in page


def test_text_of_a_profile_is_text(shop: Flask, eve: Person, fetch: FakeFetch) -> None:
    know_dave(fetch, name="<b>Bank</b>\u202e\u200b\n of " + "x" * 300)

    page = the_page(eve, signed_shop(shop))

    assert "“&lt;b&gt;Bank&lt;/b&gt; of x" in page
    assert "x" * 49 not in page
    assert "\u202e" not in page


def test_an_address_that_signs_has_no_face(shop: Flask, eve: Person, fetch: FakeFetch) -> None:
    know_dave(fetch)

    client = signed_shop(shop, a_statement())

    assert seen_in(shop, client) is None
    assert 'class="face"' not in the_page(eve, client)


def test_a_face_goes_with_the_statement(
    shop: Flask, eve: Person, fetch: FakeFetch, clock: Clock
) -> None:
    know_dave(fetch)
    short = a_statement(iss="dave.btc", exp=int(clock.now.timestamp()) + 86_400)
    client = signed_shop(shop, short)
    assert CALLED in the_page(eve, client)

    clock.advance(days=1)

    assert 'class="face"' not in the_page(eve, client)


def test_the_face_of_somebody_who_bought_the_name_is_not_shown(
    shop: Flask, eve: Person, fetch: FakeFetch, clock: Clock
) -> None:
    know_dave(fetch)
    client = signed_shop(shop)
    bought = named_dave(owner="mallory", url=profile_url("mallory"), signed_by="mallory")
    fetch.answers |= bought

    look(shop, client, fetch, clock)

    seen = seen_in(shop, client)
    assert seen is not None
    assert (seen.fault or "").startswith("not_theirs")
    assert seen.digest is None
    assert 'class="face"' not in the_page(eve, client)


def test_a_face_of_an_earlier_signer_is_not_shown(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    know_dave(fetch)
    client = signed_shop(shop)
    with shop.app_context():
        storage.write(
            lambda connection: connection.execute(
                DeveloperRow.__table__.update().values(address=MALLORY.btc)
            )
        )
    shop.extensions["oidc_bridge"].snapshots.forget()

    assert 'class="face"' not in the_page(eve, client)


def test_a_hub_that_does_not_answer_leaves_the_face(
    shop: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    know_dave(fetch)
    client = signed_shop(shop)
    before = seen_in(shop, client)
    fetch.answers[profile_url()] = FetchError("fetch_failed")
    clock.advance(days=1)

    look(shop, client, fetch, clock)

    seen = seen_in(shop, client)
    assert before is not None
    assert seen is not None
    assert (seen.display_name, seen.digest) == ("Dave", before.digest)
    assert seen.answered_at == before.answered_at
    assert seen.fault is not None
    digest = shop.test_client().get(f"/logos/{seen.digest}.png", base_url=ISSUER)
    assert digest.status_code == 200


def test_a_face_from_a_hub_that_stays_silent_is_forgotten_in_the_end(
    shop: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    know_dave(fetch)
    seen = seen_in(shop, signed_shop(shop))

    assert seen is not None
    assert seen.is_shown_at(clock.now + timedelta(days=30, seconds=-1))
    assert not seen.is_shown_at(clock.now + timedelta(days=30))


def test_a_hub_that_answers_otherwise_takes_the_face(
    shop: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    know_dave(fetch)
    client = signed_shop(shop)
    fetch.answers[profile_url()] = (200, "[]")

    look(shop, client, fetch, clock)

    seen = seen_in(shop, client)
    assert seen is not None
    assert (seen.display_name, seen.digest, seen.answered_at) == ("", None, None)


@pytest.mark.parametrize(
    "answer", [(404, {}), (200, "<svg/>"), (200, b"x" * 300_000), FetchError("fetch_blocked")]
)
def test_a_picture_that_cannot_be_shown_takes_nothing_else(
    shop: Flask, eve: Person, fetch: FakeFetch, answer: object
) -> None:
    know_dave(fetch)
    fetch.answers[PICTURE] = answer  # type: ignore[assignment]
    client = signed_shop(shop)

    page = the_page(eve, client)

    seen = seen_in(shop, client)
    assert seen is not None
    assert seen.fault is not None
    assert CALLED in page
    assert 'tile round" src' not in page


def test_a_profile_that_cannot_be_had_stops_nobody(
    shop: Flask, eve: Person, fetch: FakeFetch
) -> None:
    know_dave(fetch, owner="dave")
    fetch.answers[profile_url()] = FetchError("fetch_failed")

    page = the_page(eve, signed_shop(shop))

    assert "Signed by <strong>dave.btc</strong>" in page
    assert 'class="face"' not in page


def test_profiles_are_looked_at_again_once_a_day(
    shop: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    know_dave(fetch)
    signed_shop(shop)

    def again() -> int:
        fetch.calls.clear()
        with shop.app_context():
            with storage.read() as connection:
                known = all_clients(connection)
            return look_again(known, fetch=fetch, find_profile=finding(fetch), now=clock.now)

    assert again() == 0
    clock.advance(days=1)
    assert again() == 2
    assert profile_url() in fetch.calls
    clock.advance(days=400)
    assert again() == 1
    assert profile_url() not in fetch.calls


def test_a_face_goes_when_an_address_signs_instead(
    shop: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    know_dave(fetch)
    client = signed_shop(shop)
    other = signed_shop(shop, a_statement(software_id="other"))

    with shop.app_context():
        changed = replace(client, statement=other.statement)
        storage.write(lambda connection: update_client(connection, changed))
    look(shop, changed, fetch, clock)

    assert seen_in(shop, client) is None


def test_a_face_is_gone_with_its_client(shop: Flask, fetch: FakeFetch, clock: Clock) -> None:
    know_dave(fetch)
    client = signed_shop(shop)

    with shop.app_context():
        storage.write(lambda connection: remove_client(connection, client.id))
    look(shop, client, fetch, clock)

    with shop.app_context(), storage.read() as connection:
        assert connection.execute(select(func.count(DeveloperRow.client_id))).scalar() == 0


def test_an_update_by_the_same_name_is_looked_at_anew(shop: Flask, fetch: FakeFetch) -> None:
    know_dave(fetch)
    registered = register(shop, BY_NAME)
    know_dave(fetch, name="Dave the Elder")

    newer = a_statement(iss="dave.btc", software_version="2.0")
    assert change(shop, registered, newer).status_code == 200

    seen = seen_in(shop, client_in(shop, registered))
    assert seen is not None
    assert seen.display_name == "Dave the Elder"
