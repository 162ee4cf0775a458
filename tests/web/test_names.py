"""Names at sign-in: found by address, chosen once, lost when sold, kept while nobody answers."""

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select

from oidc_bridge.config import Settings
from oidc_bridge.sections import NameLookup, Names
from oidc_bridge.storage import read
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.names import NameRow
from tests.conftest import Clock
from tests.driver import WIKI, Person, query_of, read_id_token, redeem
from tests.fake_names import FakeNames
from tests.fakes import FakeWallet

SERVICE = "https://names.example"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    services = (NameLookup(url=SERVICE, labels=frozenset({2}), system="v2"),)
    return settings.model_copy(update={"names": Names(services=services, cache=300)})


@pytest.fixture
def fetch() -> FakeNames:
    return FakeNames(SERVICE, "v2")


@pytest.fixture
def dora(app: Flask, clock: Clock) -> Person:
    return Person(app, clock, FakeWallet.named("dora", protocol="1.4.0"))


def address_of(person: Person) -> str:
    return person.wallet.stx_address.c32


def sign_in(person: Person, **changes: str | None) -> str:
    """Sign a message; return where that leads."""
    sign_in_url = person.authorize(**changes).location
    person.clock.advance(seconds=1)  # a proof counts from after the request
    answer = person.sign(sign_in_url)
    assert answer.status_code == 303, answer.text
    return answer.location


def localpart(app: Flask, person: Person, consent_url: str) -> str:
    code = query_of(person.decide(consent_url).location)["code"]
    claims = read_id_token(app, redeem(app, code).get_json()["id_token"])
    return str(claims["preferred_username"])


def goes_by(app: Flask) -> list[str | None]:
    with app.app_context(), read() as connection:
        return list(
            connection.execute(select(AccountRow.name).order_by(AccountRow.created_at)).scalars()
        )


def owned(app: Flask) -> set[str]:
    with app.app_context(), read() as connection:
        return set(connection.execute(select(NameRow.text)).scalars())


# ---- found


def test_the_name_of_the_signing_key_becomes_the_matrix_id(
    app: Flask, dora: Person, fetch: FakeNames
) -> None:
    fetch.give("dora.btc", address_of(dora))

    consent_url = sign_in(dora)

    assert "@dora.btc:matrix.example" in dora.get(consent_url).text.replace("<wbr>", "")
    assert localpart(app, dora, consent_url) == "dora.btc"


def test_somebody_elses_name_does_not(app: Flask, dora: Person, fetch: FakeNames) -> None:
    fetch.give("dora.btc", FakeWallet.named("bob").stx_address.c32)

    assert localpart(app, dora, sign_in(dora)) == address_of(dora).lower()


def test_services_are_asked_once_in_a_while(
    app: Flask, dora: Person, fetch: FakeNames, clock: Clock
) -> None:
    fetch.give("dora.btc", address_of(dora))
    sign_in(dora, prompt="login")
    asked = len(fetch.asked)
    sign_in(dora, prompt="login")
    assert len(fetch.asked) == asked

    clock.advance(seconds=301)
    sign_in(dora, prompt="login")

    assert len(fetch.asked) > asked


def test_no_name_is_looked_up_while_more_must_be_proved(dora: Person, fetch: FakeNames) -> None:
    dora.prove(dora.authorize().location)

    assert fetch.asked == []


# ---- several


@pytest.fixture
def with_two(dora: Person, fetch: FakeNames) -> Person:
    fetch.give("dora.btc", address_of(dora))
    fetch.give("dorothea.btc", address_of(dora))
    return dora


def test_of_several_names_one_is_chosen_before_consent(app: Flask, with_two: Person) -> None:
    question = sign_in(with_two)
    assert question.endswith("/name")
    page = with_two.get(question).text
    assert "dora.btc" in page
    assert "dorothea.btc" in page

    consent_url = with_two.press_on(question, question, name="dorothea.btc").location

    assert localpart(app, with_two, consent_url) == "dorothea.btc"
    assert goes_by(app) == ["dorothea.btc"]


def test_it_is_asked_once(with_two: Person) -> None:
    question = sign_in(with_two)
    with_two.press_on(question, question, name="dora.btc")

    assert sign_in(with_two, prompt="login").startswith("/consent/")


def test_none_may_be_chosen(app: Flask, with_two: Person) -> None:
    question = sign_in(with_two)

    consent_url = with_two.press_on(question, question, name="").location

    assert localpart(app, with_two, consent_url) == address_of(with_two).lower()
    assert sign_in(with_two, prompt="login").startswith("/consent/")


def test_nothing_is_chosen_for_them(with_two: Person) -> None:
    question = sign_in(with_two)
    page = with_two.get(question).text

    answer = with_two.press_on(question, question)

    assert "checked" not in page
    assert answer.location == f"{question}?missing=name"
    assert with_two.get(answer.location).status_code == 200


@pytest.mark.parametrize("name", ["bob.btc", "DORA.btc", "dora", "\0", "x" * 5000])
def test_a_name_that_is_not_theirs_cannot_be_chosen(
    app: Flask, with_two: Person, fetch: FakeNames, name: str
) -> None:
    fetch.give("bob.btc", FakeWallet.named("bob").stx_address.c32)
    question = sign_in(with_two)

    answer = with_two.press_on(question, question, name=name)

    assert answer.status_code == 400
    assert goes_by(app) == [None]


def test_no_click_leads_around_the_question(with_two: Person) -> None:
    question = sign_in(with_two)
    request_id = question.split("/")[2]

    assert with_two.get(f"/consent/{request_id}").location == question
    assert with_two.authorize(prompt="consent").location.endswith("/name")


def test_a_silent_request_is_told_that_there_is_a_question(with_two: Person) -> None:
    sign_in(with_two)

    answer = with_two.authorize(prompt="none")

    assert query_of(answer.location)["error"] == "interaction_required"


def test_whoever_is_known_at_a_client_is_not_asked_there(
    app: Flask, dora: Person, fetch: FakeNames, clock: Clock
) -> None:
    dora.decide(sign_in(dora))
    fetch.give("dora.btc", address_of(dora))
    fetch.give("dorothea.btc", address_of(dora))
    clock.advance(seconds=301)

    assert sign_in(dora, prompt="login").startswith("/consent/")
    assert dora.authorize(WIKI).location.endswith("/name")


def test_another_browser_does_not_choose(app: Flask, with_two: Person, bob: Person) -> None:
    question = sign_in(with_two)
    csrf = bob.read_question(bob.authorize().location).fields["csrf"]

    answer = bob.post(question, {"csrf": csrf, "name": "dora.btc"})

    assert answer.status_code == 404
    assert None in goes_by(app)


def test_another_of_ones_names_is_chosen_on_the_account_page(app: Flask, with_two: Person) -> None:
    question = sign_in(with_two)
    with_two.press_on(question, question, name="dora.btc")

    answer = with_two.press("/account/wallets/name", name="dorothea.btc")

    assert answer.location == "/account?done=name-chosen"
    assert goes_by(app) == ["dorothea.btc"]


# ---- lost and sold


def test_a_sold_name_is_the_buyers_and_the_matrix_ids_stay(
    app: Flask, dora: Person, fetch: FakeNames, clock: Clock
) -> None:
    fetch.give("gold.btc", address_of(dora))
    assert localpart(app, dora, sign_in(dora)) == "gold.btc"
    buyer = Person(app, clock, FakeWallet.named("buyer"))
    fetch.transfer("gold.btc", address_of(buyer))
    clock.advance(seconds=301)

    consent_url = sign_in(buyer)
    page = buyer.get(consent_url).text

    assert "owned the name before you" in " ".join(page.split())
    assert localpart(app, buyer, consent_url) == address_of(buyer).lower()
    assert goes_by(app) == [None, "gold.btc"]
    again = sign_in(dora, prompt="login")
    assert "could not confirm that you own gold.btc" in " ".join(dora.get(again).text.split())
    assert localpart(app, dora, again) == "gold.btc"


def test_a_name_leaves_its_seller_when_the_buyer_comes(
    app: Flask, dora: Person, fetch: FakeNames, clock: Clock
) -> None:
    """Even if the seller never signs in again, nobody sees them under it."""
    fetch.give("gold.btc", address_of(dora))
    sign_in(dora)
    buyer = Person(app, clock, FakeWallet.named("buyer"))
    fetch.transfer("gold.btc", address_of(buyer))

    sign_in(buyer)

    assert "gold.btc" not in dora.account_page()
    assert "gold.btc" in buyer.account_page()


def test_a_name_that_comes_later_does_not_change_the_matrix_id(
    app: Flask, dora: Person, fetch: FakeNames, clock: Clock
) -> None:
    assert localpart(app, dora, sign_in(dora)) == address_of(dora).lower()
    fetch.give("dora.btc", address_of(dora))
    clock.advance(seconds=301)

    consent_url = sign_in(dora, prompt="login")

    assert "You own dora.btc now" in dora.get(consent_url).text
    assert localpart(app, dora, consent_url) == address_of(dora).lower()


@pytest.mark.parametrize("change", [{"revoked": True}, {"status": "expired", "is_valid": False}])
def test_a_revoked_or_expired_name_is_lost(
    app: Flask, dora: Person, fetch: FakeNames, clock: Clock, change: dict[str, object]
) -> None:
    fetch.give("dora.btc", address_of(dora))
    sign_in(dora)
    fetch.give("dora.btc", FakeWallet.named("nobody").stx_address.c32, **change)
    clock.advance(seconds=301)

    sign_in(dora, prompt="login")

    assert goes_by(app) == [None]
    assert owned(app) == set()


# ---- while nobody answers


@pytest.mark.parametrize("how", ["timeout", "500", "html", "redirect", "truncated"])
def test_a_service_that_is_down_costs_a_new_name_and_not_the_sign_in(
    app: Flask, dora: Person, fetch: FakeNames, how: str
) -> None:
    fetch.give("dora.btc", address_of(dora))
    fetch.fail(how)

    consent_url = sign_in(dora)

    assert "could not ask" in dora.get(consent_url).text
    assert localpart(app, dora, consent_url) == address_of(dora).lower()


@pytest.mark.parametrize("how", ["timeout", "500", "html", "redirect", "truncated"])
def test_a_name_known_before_stays_with_its_date(
    app: Flask, dora: Person, fetch: FakeNames, clock: Clock, how: str
) -> None:
    fetch.give("dora.btc", address_of(dora))
    sign_in(dora)
    fetch.fail(how)
    clock.advance(days=3)

    sign_in(dora, prompt="login")

    assert goes_by(app) == ["dora.btc"]
    page = dora.account_page()
    assert "2026-01-01T00:00:01Z" in page  # last confirmed


def test_the_next_sign_in_asks_again(app: Flask, dora: Person, fetch: FakeNames) -> None:
    fetch.give("dora.btc", address_of(dora))
    fetch.fail("500")
    sign_in(dora)
    fetch.fail(None)

    sign_in(dora, prompt="login")

    assert goes_by(app) == ["dora.btc"]


# ---- no service


def trust_nobody(app: Flask) -> None:
    """As after a restart without name services."""
    parts = app.extensions["oidc_bridge"]
    app.extensions["oidc_bridge"] = replace(parts, name_services=())


def test_without_a_service_a_claimed_name_is_a_doubt(
    app: Flask, clock: Clock, fetch: FakeNames
) -> None:
    trust_nobody(app)
    cleo = Person(app, clock, FakeWallet.named("cleo", username="cleo.id.blockstack"))

    page = cleo.get(cleo.prove(cleo.authorize().location).location).text

    assert "We could not confirm that it is yours" in page
    assert fetch.asked == []
    assert goes_by(app) == [None]
    assert owned(app) == set()


def test_without_a_service_nothing_is_said_of_names_that_nobody_claimed(
    app: Flask, dora: Person
) -> None:
    trust_nobody(app)

    page = dora.get(sign_in(dora)).text

    assert "We could not" not in page


def test_without_a_service_a_name_confirmed_before_stays(
    app: Flask, dora: Person, fetch: FakeNames, clock: Clock
) -> None:
    fetch.give("dora.btc", address_of(dora))
    sign_in(dora)
    trust_nobody(app)
    clock.advance(days=3)

    sign_in(dora, prompt="login")

    assert goes_by(app) == ["dora.btc"]
    assert owned(app) == {"dora.btc"}


# ---- two keys


def test_both_keys_names_are_one_persons(
    app: Flask, dora: Person, fetch: FakeNames, clock: Clock
) -> None:
    fetch.give("dora.btc", address_of(dora))
    dora.sign(dora.begin_account())
    other = FakeWallet.named("another wallet")
    fetch.give("other.btc", other.stx_address.c32)

    dora.sign(dora.press("/account/wallets/add").location, wallet=other)

    assert owned(app) == {"dora.btc", "other.btc"}
    assert goes_by(app) == ["dora.btc"]


def test_a_removed_key_takes_its_names_along(app: Flask, dora: Person, fetch: FakeNames) -> None:
    fetch.give("dora.btc", address_of(dora))
    dora.sign(dora.begin_account())
    dora.sign(dora.press("/account/wallets/add").location, wallet=FakeWallet.named("other"))
    with app.app_context(), read() as connection:
        mine = select(IdentityRow.id).where(IdentityRow.subject == address_of(dora))
        path = f"/account/wallets/{connection.execute(mine).scalar_one()}/remove"

    dora.press(path, confirm="yes")

    assert goes_by(app) == [None]
    assert owned(app) == set()
