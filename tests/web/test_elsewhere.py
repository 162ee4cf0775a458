"""On another device: what each of the two browsers can do, and nobody else."""

import pytest
from flask import Flask
from sqlalchemy import func, select

from oidc_bridge.storage import read
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.handovers import HandoverRow
from oidc_bridge.storage.sessions import SessionRow
from tests.conftest import Clock
from tests.driver import WIKI, Person, fields_of, query_of
from tests.fakes import FakeWallet

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def laptop(app: Flask, clock: Clock) -> Person:
    """A browser without a wallet."""
    person = Person(app, clock, FakeWallet.named("nobody"))
    person.browser.environ_base["HTTP_USER_AGENT"] = FIREFOX
    return person


@pytest.fixture
def phone(app: Flask, clock: Clock) -> Person:
    """The same person's phone, with a wallet."""
    return Person(app, clock, FakeWallet.named("dora", protocol="1.4.0"))


def count(app: Flask, row: type) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def begin(laptop: Person, sign_in_url: str) -> str:
    """Ask for another device; return its link."""
    waiting = laptop.press_on(sign_in_url, f"{sign_in_url}/elsewhere").location
    assert waiting == f"{sign_in_url}/elsewhere"
    return link_on(laptop.get(waiting).text)


def link_on(page: str) -> str:
    link = page.partition("https://bridge.example/d/")[2][:32]
    assert len(link) == 32, page
    return f"/d/{link}"


def accept(phone: Person, link: str, **fields: str) -> str:
    """Say on the phone that the sign-in is one's own; return the page with its wallets."""
    answer = phone.press_on(link, f"{link}/accept", **{"seen": "yes", **fields})
    assert answer.status_code == 303, answer.text
    return answer.location


def state_at(laptop: Person, sign_in_url: str) -> dict[str, str]:
    return laptop.get(f"{sign_in_url}/elsewhere/state").get_json()


def take(laptop: Person, sign_in_url: str) -> str:
    page = f"{sign_in_url}/elsewhere"
    return laptop.press_on(page, f"{page}/take").location


# ---- the whole way


def test_the_phone_proves_and_the_laptop_goes_on(app: Flask, laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.authorize().location
    link = begin(laptop, sign_in_url)
    states = [state_at(laptop, sign_in_url)["state"]]
    wallets = accept(phone, link)
    states.append(state_at(laptop, sign_in_url)["state"])
    done = phone.sign(wallets).location
    states.append(state_at(laptop, sign_in_url)["state"])

    consent = take(laptop, sign_in_url)

    assert states == ["waiting", "opened", "proved"]
    assert phone.get(done).status_code == 200
    assert phone.wallet.stx_address.c32 in laptop.get(consent).text
    assert "code" in query_of(laptop.decide(consent).location)


def test_each_page_of_a_browser_that_opens_its_own_link_shows_its_own_question(
    phone: Person,
) -> None:
    # Both questions are of one second: which of them is the later does not tell them apart.
    sign_in_url = phone.authorize().location
    wallets = accept(phone, begin(phone, sign_in_url))

    assert "on another device" in phone.read_question(wallets).text
    assert "on another device" not in phone.read_question(sign_in_url).text
    assert phone.sign(wallets).location.endswith("/done")


def test_the_phone_itself_is_not_signed_in(app: Flask, laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.authorize().location
    phone.sign(accept(phone, begin(laptop, sign_in_url)))

    assert count(app, SessionRow) == count(app, AccountRow) == 0
    assert "/account/begin" in phone.account_page()


def test_an_old_wallet_on_the_phone_will_do(app: Flask, laptop: Person, ann: Person) -> None:
    sign_in_url = laptop.authorize().location
    wallets = accept(ann, begin(laptop, sign_in_url))

    ann.prove(wallets)

    assert take(laptop, sign_in_url).startswith("/consent/")


def test_todays_answer_from_the_phone_is_asked_for_a_message(laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.authorize().location
    phone.prove(accept(phone, begin(laptop, sign_in_url)))

    assert take(laptop, sign_in_url) == sign_in_url
    assert laptop.read_question(sign_in_url).address == phone.wallet.stx_address.c32


def test_the_account_page_is_reached_too(laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.begin_account()
    phone.sign(accept(phone, begin(laptop, sign_in_url)))

    assert take(laptop, sign_in_url) == "/account"
    assert phone.wallet.stx_address.c32 in laptop.account_page()


def test_consent_is_asked_even_if_it_is_remembered(laptop: Person, phone: Person) -> None:
    """Who photographs the screen can prove themselves; the person must see as whom they go on."""
    phone.decide(phone.sign(phone.authorize(WIKI).location).location, remember=True)
    sign_in_url = laptop.authorize(WIKI).location
    other = phone.new_browser()
    phone.browser = other
    phone.sign(accept(phone, begin(laptop, sign_in_url)))

    assert take(laptop, sign_in_url).startswith("/consent/")


# ---- what the phone is told


def test_both_screens_show_one_code_and_the_phone_which_device_began(
    laptop: Person, phone: Person
) -> None:
    sign_in_url = laptop.authorize().location
    link = begin(laptop, sign_in_url)
    asked = phone.get(link).text
    text = phone.read_question(accept(phone, link)).text
    code = text.partition("which shows ")[2].partition(".")[0]

    assert "Firefox on Windows" in asked
    assert "Sign in to Example ID on another device (Firefox on Windows)" in text
    assert len(code) == 7
    assert code in asked
    assert code in laptop.get(f"{sign_in_url}/elsewhere").text


def test_nothing_happens_before_the_code_was_seen(laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.authorize().location
    link = begin(laptop, sign_in_url)

    answer = phone.press_on(link, f"{link}/accept")

    assert answer.location == f"{link}?missing=seen"
    assert state_at(laptop, sign_in_url)["state"] == "waiting"
    assert phone.get(answer.location).status_code == 200


def test_who_did_not_begin_it_ends_it(laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.authorize().location
    link = begin(laptop, sign_in_url)

    answer = phone.post(f"{link}/refuse", dict(fields_of(phone.get(link).text, f"{link}/accept")))

    assert answer.status_code == 200
    assert state_at(laptop, sign_in_url)["state"] == "refused"
    assert phone.get(link).status_code == 410


# ---- nobody else


def test_a_link_is_opened_once(laptop: Person, phone: Person, bob: Person) -> None:
    link = begin(laptop, laptop.authorize().location)
    fields = fields_of(bob.get(link).text, f"{link}/accept")
    accept(phone, link)

    late = bob.post(f"{link}/accept", {**fields, "seen": "yes"})

    assert late.status_code == 410
    assert "handover_over" in late.text
    assert bob.get(link).status_code == 410


def test_the_opened_page_is_no_other_browsers(laptop: Person, phone: Person, bob: Person) -> None:
    wallets = accept(phone, begin(laptop, laptop.authorize().location))
    bob.get("/account")

    assert bob.get(wallets).status_code == 404
    assert bob.get(f"{wallets}/done").status_code == 404


def test_another_browser_cannot_answer_for_the_phone(
    app: Flask, laptop: Person, phone: Person, bob: Person
) -> None:
    sign_in_url = laptop.authorize().location
    question = phone.read_question(accept(phone, begin(laptop, sign_in_url)))
    own = bob.read_question(bob.authorize().location)

    answer = bob.answer_message(
        own, bob.wallet.sign_message(question.text), challenge=question.fields["challenge"]
    )

    assert "challenge_unknown" in answer.text
    assert state_at(laptop, sign_in_url)["state"] == "opened"


def test_an_attackers_browser_that_polls_gets_nothing(
    laptop: Person, phone: Person, bob: Person
) -> None:
    sign_in_url = laptop.authorize().location
    phone.sign(accept(phone, begin(laptop, sign_in_url)))
    bob.get("/account")

    assert bob.get(f"{sign_in_url}/elsewhere/state").status_code == 404
    assert bob.get(f"{sign_in_url}/elsewhere").status_code == 404
    assert state_at(laptop, sign_in_url)["state"] == "proved"


def test_an_attackers_browser_that_takes_gets_nothing(
    app: Flask, laptop: Person, phone: Person, bob: Person
) -> None:
    sign_in_url = laptop.authorize().location
    phone.sign(accept(phone, begin(laptop, sign_in_url)))
    csrf = bob.read_question(bob.authorize().location).fields["csrf"]

    answer = bob.post(f"{sign_in_url}/elsewhere/take", {"csrf": csrf})

    assert answer.status_code == 404
    assert count(app, SessionRow) == 0
    assert take(laptop, sign_in_url).startswith("/consent/")


def test_the_phone_cannot_take_what_it_proved(app: Flask, laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.authorize().location
    wallets = accept(phone, begin(laptop, sign_in_url))
    csrf = phone.read_question(wallets).fields["csrf"]
    phone.sign(wallets)

    answer = phone.post(f"{sign_in_url}/elsewhere/take", {"csrf": csrf})

    assert answer.status_code == 404
    assert count(app, SessionRow) == 0


# ---- once, and for a while


def test_a_proof_is_taken_once(app: Flask, laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.authorize().location
    phone.sign(accept(phone, begin(laptop, sign_in_url)))
    page = f"{sign_in_url}/elsewhere"
    fields = fields_of(laptop.get(page).text, f"{page}/take")
    laptop.post(f"{page}/take", dict(fields))

    again = laptop.post(f"{page}/take", dict(fields))

    assert again.status_code == 400
    assert "replay" in again.text
    assert count(app, SessionRow) == 1


def test_nothing_is_taken_before_it_is_proved(app: Flask, laptop: Person) -> None:
    sign_in_url = laptop.authorize().location
    begin(laptop, sign_in_url)
    csrf = laptop.read_question(sign_in_url).fields["csrf"]

    answer = laptop.post(f"{sign_in_url}/elsewhere/take", {"csrf": csrf})

    assert answer.location == f"{sign_in_url}/elsewhere"
    assert count(app, SessionRow) == 0


def test_a_new_link_ends_the_one_before(laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.authorize().location
    first, second = begin(laptop, sign_in_url), begin(laptop, sign_in_url)

    assert first != second
    assert phone.get(first).status_code == 410
    assert phone.get(second).status_code == 200


def test_a_link_dies_after_a_while(laptop: Person, phone: Person, clock: Clock) -> None:
    sign_in_url = laptop.authorize().location
    link = begin(laptop, sign_in_url)
    clock.advance(minutes=10)

    assert phone.get(link).status_code == 410
    assert state_at(laptop, sign_in_url)["state"] == "over"


def test_a_proof_that_nobody_took_in_time_is_worth_nothing(
    app: Flask, laptop: Person, phone: Person, clock: Clock
) -> None:
    sign_in_url = laptop.authorize().location
    phone.sign(accept(phone, begin(laptop, sign_in_url)))
    page = f"{sign_in_url}/elsewhere"
    fields = fields_of(laptop.get(page).text, f"{page}/take")
    clock.advance(minutes=10)

    answer = laptop.post(f"{page}/take", dict(fields))

    assert answer.status_code == 400
    assert count(app, SessionRow) == 0


def test_cancelling_ends_the_link(laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.authorize().location
    link = begin(laptop, sign_in_url)

    laptop.press_on(f"{sign_in_url}/elsewhere", f"{sign_in_url}/cancel")

    assert phone.get(link).status_code == 410


def test_a_failed_try_on_the_phone_can_be_repeated_there(laptop: Person, phone: Person) -> None:
    sign_in_url = laptop.authorize().location
    wallets = accept(phone, begin(laptop, sign_in_url))
    question = phone.read_question(wallets)
    failed = phone.answer_message(question, phone.wallet.sign_message("another text"))

    again = phone.post(f"{wallets}/again", dict(fields_of(failed.text, f"{wallets}/again")))

    assert failed.status_code == 400
    assert again.location == wallets
    phone.sign(wallets)
    assert take(laptop, sign_in_url).startswith("/consent/")


def test_the_database_does_not_know_the_link(app: Flask, laptop: Person) -> None:
    link = begin(laptop, laptop.authorize().location)

    with app.app_context(), read() as connection:
        row = connection.execute(select(HandoverRow.__table__)).one()

    assert link.removeprefix("/d/") not in str(row)


@pytest.mark.parametrize("link", ["x", "0" * 32, "%00", "é", "x" * 500])
def test_an_odd_link_is_a_page_and_no_crash(phone: Person, link: str) -> None:
    answer = phone.get(f"/d/{link}")

    assert answer.status_code == 404
    assert "<h1>" in answer.text
