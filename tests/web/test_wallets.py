"""Several keys, one person: adding, removing, and joining what turns out to be one account."""

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from oidc_bridge.storage import read
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.sessions import SessionRow
from tests.conftest import Clock
from tests.driver import WIKI, Person, fields_of, query_of, read_id_token, redeem, userinfo
from tests.fakes import FakeWallet

OTHER = FakeWallet.named("another wallet")


@pytest.fixture
def dora(app: Flask, clock: Clock) -> Person:
    """Somebody with a wallet of today, signed in at the account page."""
    person = Person(app, clock, FakeWallet.named("dora", protocol="1.4.0"))
    person.sign(person.begin_account())
    return person


def count(app: Flask, row: type) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def addresses(app: Flask) -> set[str]:
    with app.app_context(), read() as connection:
        return set(connection.execute(select(IdentityRow.subject)).scalars())


def events(app: Flask) -> list[str]:
    with app.app_context(), read() as connection:
        return list(connection.execute(select(EventRow.kind).order_by(EventRow.at)).scalars())


def begin_to_add(person: Person) -> str:
    return person.press("/account/wallets/add").location


def prove_anew(person: Person) -> None:
    """Let the session be opened by the person's own wallet again."""
    person.sign(person.authorize(WIKI, prompt="login").location)


def any_csrf(person: Person) -> str:
    return fields_of(person.account_page(), "/account/sign-out")["csrf"]


def wallet_ids(app: Flask) -> dict[str, str]:
    with app.app_context(), read() as connection:
        rows = connection.execute(select(IdentityRow.subject, IdentityRow.id))
        return {row.subject: row.id for row in rows}


def remove(person: Person, app: Flask, address: str, **fields: str) -> TestResponse:
    path = f"/account/wallets/{wallet_ids(app)[address]}/remove"
    return person.press(path, **{"confirm": "yes", **fields})


# ---- adding


def test_a_second_wallet_opens_the_same_account(app: Flask, dora: Person) -> None:
    answer = dora.sign(begin_to_add(dora), wallet=OTHER)

    assert answer.location == "/account?done=wallet-added"
    assert count(app, AccountRow) == 1
    assert addresses(app) == {dora.wallet.stx_address.c32, OTHER.stx_address.c32}
    assert OTHER.stx_address.c32 in dora.account_page()
    assert "wallet added" in events(app)


def test_whoever_adds_a_wallet_is_signed_in_by_their_own(app: Flask, dora: Person) -> None:
    dora.sign(begin_to_add(dora), wallet=OTHER)

    with app.app_context(), read() as connection:
        opened_by = select(IdentityRow.subject).join(
            SessionRow, SessionRow.identity_id == IdentityRow.id
        )
        assert connection.execute(opened_by).scalars().all() == [dora.wallet.stx_address.c32]


def test_either_wallet_signs_in_from_then_on(app: Flask, dora: Person) -> None:
    dora.sign(begin_to_add(dora), wallet=OTHER)
    dora.browser = dora.new_browser()

    dora.sign(dora.begin_account(), wallet=OTHER)

    assert dora.wallet.stx_address.c32 in dora.account_page()


def test_the_text_says_what_is_being_agreed_to(dora: Person) -> None:
    text = dora.read_question(begin_to_add(dora)).text

    assert "Add this wallet to your account at Example ID." in text


def test_the_own_identity_key_needs_no_second_message(app: Flask, dora: Person) -> None:
    answer = dora.prove(begin_to_add(dora))

    assert answer.location == "/account?done=wallet-added"
    assert addresses(app) == {dora.wallet.stx_address.c32, dora.wallet.address.c32}


def test_a_stolen_answer_is_not_added_to_a_thiefs_account(
    app: Flask, dora: Person, clock: Clock
) -> None:
    """Dora's wallet answered a page of Mallory's; Mallory tries to own her identity key."""
    mallory = Person(app, clock, FakeWallet.named("mallory"))
    mallory.sign(mallory.begin_account())
    sign_in_url = begin_to_add(mallory)
    fields, auth_request = mallory.read_challenge(sign_in_url)
    stolen = dora.wallet.answer(auth_request, now=clock())

    answer = mallory.post("/sign-in/answer", {**fields, "authResponse": stolen})

    assert answer.location == sign_in_url
    assert mallory.read_question(sign_in_url).address == dora.wallet.stx_address.c32
    assert dora.wallet.address.c32 not in addresses(app)
    assert "wrong_account" in mallory.sign(sign_in_url).text


def test_after_a_while_one_must_confirm_first(app: Flask, dora: Person, clock: Clock) -> None:
    clock.advance(minutes=6)

    confirm = begin_to_add(dora)

    assert "Confirm at Example ID that it is you." in dora.read_question(confirm).text
    assert dora.sign(confirm).location == "/account?done=confirmed"
    assert dora.sign(begin_to_add(dora), wallet=OTHER).location == "/account?done=wallet-added"


def test_who_was_signed_out_meanwhile_adds_nothing(app: Flask, dora: Person) -> None:
    sign_in_url = begin_to_add(dora)
    question = dora.read_question(sign_in_url)
    dora.sign_out()

    answer = dora.answer_message(question, OTHER.sign_message(question.text))

    assert answer.status_code == 401
    assert addresses(app) == {dora.wallet.stx_address.c32}


def test_nobody_adds_without_being_signed_in(app: Flask, dora: Person, bob: Person) -> None:
    page = bob.get("/account").text
    csrf = fields_of(page, "/account/begin")["csrf"]

    assert bob.post("/account/wallets/add", {"csrf": csrf}).status_code == 401


def test_adding_ones_own_wallet_again_changes_nothing(app: Flask, dora: Person) -> None:
    answer = dora.sign(begin_to_add(dora))

    assert answer.location == "/account?done=wallet-added"
    assert count(app, AccountRow) == count(app, IdentityRow) == 1


# ---- removing


def test_a_removed_wallet_begins_anew(app: Flask, dora: Person) -> None:
    dora.sign(begin_to_add(dora), wallet=OTHER)
    prove_anew(dora)
    answer = remove(dora, app, OTHER.stx_address.c32)
    dora.browser = dora.new_browser()
    dora.sign(dora.begin_account(), wallet=OTHER)

    assert answer.location == "/account?done=wallet-removed"
    assert count(app, AccountRow) == 2


def test_removing_asks_first(app: Flask, dora: Person) -> None:
    dora.sign(begin_to_add(dora), wallet=OTHER)

    page = remove(dora, app, OTHER.stx_address.c32, confirm="")

    assert "Remove this wallet?" in page.text
    assert OTHER.stx_address.c32 in addresses(app)


def test_the_last_wallet_stays(app: Flask, dora: Person) -> None:
    path = f"/account/wallets/{wallet_ids(app)[dora.wallet.stx_address.c32]}/remove"
    csrf = any_csrf(dora)

    answer = dora.post(path, {"csrf": csrf, "confirm": "yes"})

    assert answer.status_code == 409
    assert "last_wallet" in answer.text
    assert count(app, IdentityRow) == 1


def test_browsers_that_it_signed_in_are_signed_out(app: Flask, dora: Person) -> None:
    dora.sign(begin_to_add(dora), wallet=OTHER)
    home = dora.browser
    dora.browser = dora.new_browser()
    dora.sign(dora.begin_account(), wallet=OTHER)
    elsewhere, dora.browser = dora.browser, home
    prove_anew(dora)

    remove(dora, app, OTHER.stx_address.c32)

    assert dora.wallet.stx_address.c32 in dora.account_page()
    dora.browser = elsewhere
    assert "/account/begin" in dora.account_page()


def test_nobody_removes_anothers_wallet(app: Flask, dora: Person, bob: Person) -> None:
    dora.sign(begin_to_add(dora), wallet=OTHER)
    bob.sign(bob.begin_account())
    path = f"/account/wallets/{wallet_ids(app)[OTHER.stx_address.c32]}/remove"
    csrf = any_csrf(bob)

    answer = bob.post(path, {"csrf": csrf, "confirm": "yes"})

    assert answer.status_code == 404
    assert OTHER.stx_address.c32 in addresses(app)


@pytest.mark.parametrize("path", ["/account/wallets/add", "/account/wallets/name"])
def test_a_form_without_its_token_changes_nothing(app: Flask, dora: Person, path: str) -> None:
    before = events(app)

    answer = dora.post(path, {"name": ""})

    assert answer.status_code == 403
    assert events(app) == before


# ---- two accounts of one person


@pytest.fixture
def both(app: Flask, dora: Person, clock: Clock) -> Person:
    """Dora, who has used another wallet at the wiki, and now wants to add it."""
    other = Person(app, clock, OTHER)
    other.decide(other.sign(other.authorize(WIKI).location).location)
    return dora


def begin_to_join(person: Person) -> str:
    answer = person.sign(begin_to_add(person), wallet=OTHER)
    assert answer.location.endswith("/join"), answer.text
    return answer.location


def test_a_wallet_with_an_account_of_its_own_is_not_just_added(app: Flask, both: Person) -> None:
    page = both.get(begin_to_join(both)).text

    assert count(app, AccountRow) == 2
    assert "The Wiki" in page
    assert OTHER.stx_address.c32 in page


def test_joined_accounts_are_one_and_nothing_is_lost(app: Flask, both: Person) -> None:
    join = begin_to_join(both)

    answer = both.press_on(join, join)

    assert answer.location == "/account?done=wallet-added"
    assert count(app, AccountRow) == 1
    page = both.account_page()
    assert "The Wiki" in page
    assert {both.wallet.stx_address.c32, OTHER.stx_address.c32} <= addresses(app)
    assert "accounts joined" in events(app)


def test_a_joined_account_is_the_same_to_every_client(app: Flask, dora: Person) -> None:
    other = Person(app, dora.clock, OTHER)
    consent = other.sign(other.authorize(WIKI).location).location
    code = query_of(other.decide(consent).location)["code"]
    before = redeem(app, code, WIKI).get_json()
    join = begin_to_join(dora)
    dora.press_on(join, join)

    after = userinfo(app, before["access_token"]).get_json()
    dora.browser = dora.new_browser()
    again = dora.sign(dora.authorize(WIKI).location).location
    tokens = redeem(app, query_of(dora.decide(again).location)["code"], WIKI).get_json()

    sub = read_id_token(app, before["id_token"])["sub"]
    assert after["sub"] == sub
    assert read_id_token(app, tokens["id_token"])["sub"] == sub


def test_accounts_that_one_server_knows_both_are_not_joined(app: Flask, both: Person) -> None:
    both.decide(both.authorize(WIKI).location)

    join = begin_to_join(both)
    page = both.get(join).text
    answer = both.post(join, {"csrf": any_csrf(both)})

    assert f'action="{join}"' not in page
    assert OTHER.stx_address.c32.lower() in page
    assert answer.status_code == 409
    assert count(app, AccountRow) == 2


def test_another_browser_does_not_join(app: Flask, both: Person, bob: Person) -> None:
    join = begin_to_join(both)
    csrf = bob.read_question(bob.authorize().location).fields["csrf"]

    assert bob.post(join, {"csrf": csrf}).status_code == 404
    assert bob.get(join).status_code == 404
    assert count(app, AccountRow) == 2


def test_joining_ends_with_the_time_for_it(app: Flask, both: Person, clock: Clock) -> None:
    join = begin_to_join(both)
    clock.advance(minutes=11)

    answer = both.post(join, {"csrf": any_csrf(both)})

    assert answer.status_code == 404
    assert count(app, AccountRow) == 2


def test_a_sitting_that_opens_one_account_has_nothing_to_join(app: Flask, dora: Person) -> None:
    sign_in_url = dora.authorize(prompt="login").location

    assert dora.get(f"{sign_in_url}/join").status_code == 404
    assert count(app, SessionRow) == 1
