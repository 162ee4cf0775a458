"""Enough proof, at the HTTP door: messages, second questions, and what a thief can bring."""

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import func, select

from oidc_bridge.config import Settings
from oidc_bridge.sections import SignInPolicy
from oidc_bridge.storage import people, read, write
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.challenges import ChallengeRow
from oidc_bridge.storage.sessions import SessionRow
from tests.conftest import Clock
from tests.driver import Person, query_of, read_id_token, redeem
from tests.fakes import FakeWallet


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """A bridge that accepts ``either``, or what a test says."""
    policy = SignInPolicy(accept=getattr(request, "param", "either"))
    return settings.model_copy(update={"sign_in": policy})


def accepting(accept: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("settings", [accept], indirect=True)


@pytest.fixture
def dora(app: Flask, clock: Clock) -> Person:
    """Somebody with a wallet of today."""
    return Person(app, clock, FakeWallet.named("dora", protocol="1.4.0"))


def count(app: Flask, row: type) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def identities(app: Flask) -> set[tuple[str, str]]:
    with app.app_context(), read() as connection:
        rows = connection.execute(select(IdentityRow.method, IdentityRow.subject))
        return {(method, subject) for method, subject in rows}


def is_second_question(answer: object, sign_in_url: str) -> bool:
    return answer.status_code == 303 and answer.location == sign_in_url  # type: ignore[attr-defined]


# ---- a message


def test_a_signed_message_signs_in(app: Flask, dora: Person) -> None:
    answer = dora.sign(dora.authorize().location)

    assert answer.location.startswith("/consent/")
    assert identities(app) == {("stacks", dora.wallet.stx_address.c32)}


def test_a_message_names_our_host_and_what_is_agreed_to(dora: Person) -> None:
    text = dora.read_question(dora.authorize().location).text

    assert text.startswith("bridge.example wants you to sign in with your Stacks account:\n")
    assert "\nSign in to Example ID.\n" in text


def test_structured_data_signs_in_too(app: Flask, dora: Person) -> None:
    question = dora.read_question(dora.authorize().location)
    signed = dora.wallet.sign_structured(question.domain, question.message)

    answer = dora.answer_message(question, signed, encoding="structured")

    assert answer.location.startswith("/consent/")


def test_the_address_is_the_matrix_id_of_somebody_without_a_name(app: Flask, dora: Person) -> None:
    answer = dora.sign(dora.authorize().location)
    code = query_of(dora.decide(answer.location).location)["code"]
    claims = read_id_token(app, redeem(app, code).get_json()["id_token"])

    assert claims["preferred_username"] == dora.wallet.stx_address.c32.lower()


def test_a_message_for_another_question_is_refused_and_the_question_spent(
    app: Flask, dora: Person
) -> None:
    sign_in_url = dora.authorize().location
    other = dora.read_question(dora.authorize().location)
    question = dora.read_question(sign_in_url)

    answer = dora.answer_message(question, dora.wallet.sign_message(other.text))

    assert answer.status_code == 400
    assert "<code>signature</code>" in answer.text
    assert count(app, SessionRow) == 0
    again = dora.answer_message(question, dora.wallet.sign_message(question.text))
    assert "replay" in again.text


@pytest.mark.parametrize("field", ["signature", "publicKey", "encoding", "method", "challenge"])
@pytest.mark.parametrize("text", ["", "\0", "é", "00", "x" * 100_000, None])
def test_odd_messages_are_refused_and_no_crash(
    app: Flask, dora: Person, field: str, text: str | None
) -> None:
    question = dora.read_question(dora.authorize().location)
    signed = dora.wallet.sign_message(question.text)
    form: dict[str, object] = {**question.fields, "method": "stacks", "encoding": "text", **signed}
    form[field] = text
    if text is None:
        del form[field]

    answer = dora.post("/sign-in/answer", form)

    assert answer.status_code == 400
    assert count(app, SessionRow) == 0


# ---- the second question


def test_todays_answer_at_first_sight_is_asked_for_a_message(app: Flask, dora: Person) -> None:
    sign_in_url = dora.authorize().location

    answer = dora.prove(sign_in_url)

    assert is_second_question(answer, sign_in_url)
    assert "session" not in str(answer.headers.getlist("Set-Cookie"))
    assert count(app, AccountRow) == count(app, SessionRow) == 0
    question = dora.read_question(sign_in_url)
    assert question.auth_request == ""
    assert question.address == dora.wallet.stx_address.c32
    assert f"\n{question.address}\n" in question.text


def test_both_keys_of_the_wallet_then_open_one_account(app: Flask, dora: Person) -> None:
    sign_in_url = dora.authorize().location
    dora.prove(sign_in_url)

    answer = dora.sign(sign_in_url)

    assert answer.location.startswith("/consent/")
    assert count(app, AccountRow) == count(app, SessionRow) == 1
    assert identities(app) == {
        ("blockstack", dora.wallet.address.c32),
        ("stacks", dora.wallet.stx_address.c32),
    }


def test_later_either_key_finds_the_account(app: Flask, dora: Person) -> None:
    sign_in_url = dora.authorize().location
    dora.prove(sign_in_url)
    dora.sign(sign_in_url)
    dora.browser = dora.new_browser()

    answer = dora.sign(dora.authorize().location)

    assert answer.location.startswith("/consent/")
    assert count(app, AccountRow) == 1


def test_todays_answer_of_somebody_with_a_message_key_is_asked_for_it(
    app: Flask, dora: Person
) -> None:
    first = dora.authorize().location
    dora.prove(first)
    dora.sign(first)
    dora.browser = dora.new_browser()
    sign_in_url = dora.authorize().location

    answer = dora.prove(sign_in_url)

    assert is_second_question(answer, sign_in_url)
    assert dora.sign(sign_in_url).location.startswith("/consent/")


def test_a_stolen_answer_and_a_message_of_the_thiefs_open_nothing(
    app: Flask, dora: Person, clock: Clock
) -> None:
    """A5 with a second step: Mallory's page got Dora's wallet to answer Mallory's attempt."""
    mallory = Person(app, clock, FakeWallet.named("mallory"))
    sign_in_url = mallory.authorize().location
    fields, auth_request = mallory.read_challenge(sign_in_url)
    stolen = dora.wallet.answer(auth_request, now=clock())
    mallory.post("/sign-in/answer", {**fields, "authResponse": stolen})

    answer = mallory.sign(sign_in_url)

    assert answer.status_code == 400
    assert "wrong_account" in answer.text
    assert count(app, AccountRow) == count(app, SessionRow) == 0


def test_the_wrong_account_can_be_put_right(app: Flask, dora: Person) -> None:
    sign_in_url = dora.authorize().location
    dora.prove(sign_in_url)
    dora.sign(sign_in_url, wallet=FakeWallet.named("another account"))

    dora.press_on(sign_in_url, f"{sign_in_url}/again")

    assert dora.sign(sign_in_url).location.startswith("/consent/")


def test_what_was_proved_can_be_forgotten(app: Flask, dora: Person) -> None:
    sign_in_url = dora.authorize().location
    dora.prove(sign_in_url)

    dora.press_on(sign_in_url, f"{sign_in_url}/start-over")

    other = FakeWallet.named("another wallet")
    assert dora.sign(sign_in_url, wallet=other).location.startswith("/consent/")
    assert identities(app) == {("stacks", other.stx_address.c32)}


def test_a_first_proof_waits_a_short_while_only(app: Flask, dora: Person, clock: Clock) -> None:
    sign_in_url = dora.authorize().location
    dora.prove(sign_in_url)
    clock.advance(minutes=11)

    dora.press_on(sign_in_url, f"{sign_in_url}/again")
    dora.sign(sign_in_url)

    assert identities(app) == {("stacks", dora.wallet.stx_address.c32)}


def test_an_answer_that_nothing_could_confirm_is_refused(app: Flask, dora: Person) -> None:
    def forget_address(claims: dict[str, object]) -> None:
        claims["profile"] = {}

    answer = dora.prove(dora.authorize().location, change=forget_address)

    assert answer.status_code == 400
    assert "bond_missing" in answer.text
    assert count(app, AccountRow) == 0


def test_an_old_wallets_answer_stands_alone(app: Flask, ann: Person) -> None:
    assert ann.prove(ann.authorize().location).location.startswith("/consent/")


def test_one_key_is_one_person_whatever_it_signs(app: Flask, dora: Person) -> None:
    dora.sign(dora.authorize().location)
    same_key = Person(app, dora.clock, FakeWallet(dora.wallet.stx_key))

    same_key.prove(same_key.authorize().location)

    assert count(app, AccountRow) == 1
    assert len(identities(app)) == 2


def test_a_blocked_person_stays_out_by_every_key(app: Flask, dora: Person, clock: Clock) -> None:
    sign_in_url = dora.authorize().location
    dora.prove(sign_in_url)
    dora.sign(sign_in_url)
    with app.app_context():
        write(
            lambda c: people.block(c, people.find_person(c, dora.wallet.address.c32), now=clock())
        )

    answer = dora.sign(dora.authorize().location)

    assert answer.status_code == 403
    assert "account_blocked" in answer.text


# ---- an app key that changed


def test_the_linked_key_accepts_a_new_app_key(app: Flask, dora: Person) -> None:
    sign_in_url = dora.authorize().location
    dora.prove(sign_in_url)
    dora.sign(sign_in_url)
    dora.browser = dora.new_browser()
    other_program = OtherProgram(dora.wallet.identity_key, protocol="1.4.0")
    dora.wallet = other_program
    sign_in_url = dora.authorize().location

    assert is_second_question(dora.prove(sign_in_url), sign_in_url)
    assert "answered differently" in dora.get(sign_in_url).text
    assert dora.sign(sign_in_url).location.startswith("/consent/")


class OtherProgram(FakeWallet):
    """Another wallet program with the same keys: it derives its app keys in another way."""

    def app_key(self, origin: str) -> bytes:
        return FakeWallet(self.identity_key[::-1]).app_key(origin)


# ---- what the operator accepts


@accepting("both")
def test_both_proofs_in_either_order(app: Flask, dora: Person, ann: Person) -> None:
    sign_in_url = dora.authorize().location

    assert is_second_question(dora.sign(sign_in_url), sign_in_url)
    assert dora.read_question(sign_in_url).text == ""
    assert dora.prove(sign_in_url).location.startswith("/consent/")

    sign_in_url = ann.authorize().location
    assert is_second_question(ann.prove(sign_in_url), sign_in_url)
    assert ann.sign(sign_in_url).location.startswith("/consent/")


@accepting("both")
def test_both_proofs_every_time(app: Flask, dora: Person) -> None:
    first = dora.authorize().location
    dora.sign(first)
    dora.prove(first)
    dora.browser = dora.new_browser()
    sign_in_url = dora.authorize().location

    assert is_second_question(dora.sign(sign_in_url), sign_in_url)
    assert count(app, SessionRow) == 1


@accepting("both")
def test_two_proofs_of_two_people_are_refused(app: Flask, dora: Person) -> None:
    sign_in_url = dora.authorize().location
    dora.sign(sign_in_url, wallet=FakeWallet.named("mallory"))

    answer = dora.prove(sign_in_url)

    assert "wrong_account" in answer.text
    assert count(app, AccountRow) == 0


@accepting("message")
def test_an_answer_is_refused_where_only_messages_count(app: Flask, ann: Person) -> None:
    question = ann.read_question(ann.authorize().location)
    form = {**question.fields, "method": "blockstack", "authResponse": "a.b.c"}

    answer = ann.post("/sign-in/answer", form)

    assert question.auth_request == ""
    assert answer.status_code == 400
    assert "method_refused" in answer.text


@accepting("authresponse")
def test_a_message_is_refused_where_only_answers_count(app: Flask, dora: Person) -> None:
    question = dora.read_question(dora.authorize().location)

    answer = dora.answer_message(question, dora.wallet.sign_message("anything"))

    assert question.text == ""
    assert "method_refused" in answer.text
    assert dora.prove(dora.authorize().location).location.startswith("/consent/")


# ---- a text for one account


def ask_for_account(person: Person, challenge: str, address: str) -> object:
    page = person.read_question(person.authorize().location)
    form = {"csrf": page.fields["csrf"], "challenge": challenge, "address": address}
    return person.post("/sign-in/message", form)


def test_a_wallet_that_tells_its_account_first_gets_a_text_that_names_it(
    app: Flask, dora: Person
) -> None:
    question = dora.read_question(dora.authorize().location)
    address = dora.wallet.stx_address.c32
    named = dora.post("/sign-in/message", {**question.fields, "address": address}).get_json()

    assert f"\n{address}\n" in named["text"]
    answer = dora.answer_message(
        replace(question, fields={**question.fields, "challenge": named["challenge"]}),
        dora.wallet.sign_message(named["text"]),
    )
    assert answer.location.startswith("/consent/")


def test_that_text_is_good_for_that_account_only(app: Flask, dora: Person) -> None:
    question = dora.read_question(dora.authorize().location)
    address = dora.wallet.stx_address.c32
    named = dora.post("/sign-in/message", {**question.fields, "address": address}).get_json()

    answer = dora.answer_message(
        replace(question, fields={**question.fields, "challenge": named["challenge"]}),
        FakeWallet.named("another account").sign_message(named["text"]),
    )

    assert "wrong_account" in answer.text


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "address_malformed"),
        ("SP000", "address_malformed"),
        ("1" * 34, "address_malformed"),
        ("SP2W5GM4JMK6BCYN0GGY4HGHJRDX.vault", "address_malformed"),
        ("x" * 100, "form_malformed"),
    ],
)
def test_an_odd_account_is_refused_as_json(dora: Person, address: str, code: str) -> None:
    question = dora.read_question(dora.authorize().location)

    answer = dora.post("/sign-in/message", {**question.fields, "address": address})

    assert (answer.status_code, answer.get_json()) == (400, {"error": code})


def test_the_second_question_cannot_be_put_to_another_account(dora: Person) -> None:
    sign_in_url = dora.authorize().location
    dora.prove(sign_in_url)
    question = dora.read_question(sign_in_url)
    other = FakeWallet.named("another account").stx_address.c32

    answer = dora.post("/sign-in/message", {**question.fields, "address": other})

    assert answer.get_json() == {"error": "wrong_account"}


def test_nobody_elses_question_can_be_put_anew(app: Flask, dora: Person, ann: Person) -> None:
    question = dora.read_question(dora.authorize().location)
    before = count(app, ChallengeRow)
    address = ann.wallet.stx_address.c32

    answer = ask_for_account(ann, question.fields["challenge"], address)

    assert answer.get_json() == {"error": "challenge_unknown"}  # type: ignore[attr-defined]
    assert count(app, ChallengeRow) == before + 1  # her own, for opening her own page
