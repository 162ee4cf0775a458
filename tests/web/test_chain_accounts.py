"""An account of EOS on the sign-in page: each check alone, and where it leads."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from oidc_bridge import storage
from oidc_bridge.config import Settings
from oidc_bridge.errors import FetchError, ProofError
from oidc_bridge.factory import create_app
from oidc_bridge.matrix.password import SignedIn
from oidc_bridge.sections import Antelope, AntelopeChain
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.nonces import announce
from oidc_bridge.storage.people import block, find_person
from oidc_bridge.web.doors.antelope import sign_in
from tests.conftest import Clock
from tests.driver import (
    HOMESERVER,
    WIKI,
    Person,
    enrol,
    fields_of,
    query_of,
    read_id_token,
    read_question,
    redeem,
)
from tests.fake_chain import EOS, NODE, SIGNED_AT, VECTORS, FakeChain
from tests.fakes import FakeFetch, FakeWallet

CASES = {case["id"]: case for case in VECTORS["cases"]}
SUBJECT = f"antelope:{EOS[:32]}:alicetester1"
TELOS = "4667b205c6838ef70ff7988f6e8257e8be0e1284a2f59699054a018f743b1d11"
SENTENCE = CASES["k1-header-31"]["parts"]["message"]
SIGNATURE = CASES["k1-header-31"]["parts"]["signature"]
BY_OWNER = CASES["owner-permission"]["parts"]["signature"]


class Door:
    """A bridge whose sign-in page takes a chain, and Alice, who has an account there."""

    def __init__(self, app: Flask, chain: FakeChain, clock: Clock) -> None:
        self.app, self.chain, self.clock = app, chain, clock
        for client in (HOMESERVER, WIKI):
            enrol(app, client)
        self.alice = self.person("alice")

    def person(self, name: str) -> Person:
        return Person(self.app, self.clock, FakeWallet.named(name, protocol="1.4.0"))

    def ask(self, sign_in_url: str, person: Person | None = None, **wish: str) -> TestResponse:
        """Enter an account's name on the sign-in page."""
        wish = {"account": "alicetester1"} | wish
        query = "&".join(f"{name}={value}" for name, value in wish.items())
        return (person or self.alice).get(f"{sign_in_url}/chain?{query}")

    def fields(self, sign_in_url: str, person: Person | None = None, **wish: str) -> dict[str, str]:
        shown = self.ask(sign_in_url, person, **wish)
        assert shown.status_code == 200, shown.text
        return fields_of(shown.text, "/sign-in/chain")

    def prove(
        self,
        sign_in_url: str,
        person: Person | None = None,
        signature: str = SIGNATURE,
        **changes: str,
    ) -> TestResponse:
        """Bring the signature of the sentence that was shown."""
        permission = "owner" if signature == BY_OWNER else "active"
        form = self.fields(sign_in_url, person, permission=permission)
        form |= {"signature": signature} | changes
        return (person or self.alice).post("/sign-in/chain", dict(form))

    def by_password(self, signature: str, message: str) -> SignedIn:
        """Sign in at the homeserver by the same kind of sentence, as a password."""
        now = self.clock.now
        with self.app.app_context():
            write(lambda c: announce(c, "fresh", app="", address="a", challenge="x", now=now))
            return sign_in(HOMESERVER, "alicetester1", f"fresh|{message}|{signature}", now=now)

    def count(self, row: type) -> int:
        with self.app.app_context(), read() as connection:
            return connection.execute(select(func.count()).select_from(row)).scalar_one()

    def events(self) -> list[str]:
        with self.app.app_context(), read() as connection:
            return list(connection.execute(select(EventRow.kind).order_by(EventRow.at)).scalars())

    def owners(self) -> dict[str, str]:
        with self.app.app_context(), read() as connection:
            rows = connection.execute(select(IdentityRow.subject, IdentityRow.account_id))
            return {row.subject: row.account_id for row in rows}


Open = Callable[..., Door]


@pytest.fixture
def open_door(settings: Settings, clock: Clock, fetch: FakeFetch) -> Iterator[Open]:
    made: list[Flask] = []

    def open_one(
        *, web: bool = True, accept: str = "either", chains: tuple[str, ...] = (EOS,)
    ) -> Door:
        clock.now = SIGNED_AT
        chain = FakeChain()
        known = tuple(AntelopeChain(id=name, nodes=(NODE,)) for name in chains)
        ours = settings.model_copy(
            update={
                "antelope": Antelope(chains=known, web=web),
                "sign_in": settings.sign_in.model_copy(update={"accept": accept}),
            }
        )
        app = create_app(ours, clock=clock, fetch=fetch, post_json=chain)
        app.testing = False
        made.append(app)
        return Door(app, chain, clock)

    yield open_one
    for app in made:
        with app.app_context():
            storage.db.engine.dispose()


@pytest.fixture
def door(open_door: Open) -> Door:
    return open_door()


def code_of(answer: TestResponse) -> str:
    """Return the code that a page of failure tells developers."""
    assert answer.status_code in (400, 403, 404, 502), (answer.status_code, answer.location)
    found = re.search(r"<code>([a-z_]+)</code>", answer.text)
    assert found, answer.text
    return found[1]


# the way on


def test_the_page_shows_a_sentence_with_the_newest_final_block(door: Door) -> None:
    url = door.alice.authorize(WIKI).location

    assert f'action="{url}/chain"' in door.alice.get(url).text
    shown = door.ask(url).text
    found = re.search(r'<textarea id="sentence"[^>]*readonly[^>]*>([^<]*)</textarea>', shown)
    assert found and html.unescape(found[1]) == SENTENCE
    assert door.count(AccountRow) == 0


def test_a_signature_opens_an_account_and_consent_is_next(door: Door) -> None:
    answer = door.prove(door.alice.authorize(WIKI).location)
    assert answer.location.startswith("/consent/")
    assert "alicetester1" in door.alice.get(answer.location).text

    code = query_of(door.alice.decide(answer.location).location)["code"]
    assert read_id_token(door.app, redeem(door.app, code, WIKI).get_json()["id_token"])["sub"]
    assert list(door.owners()) == [SUBJECT]
    assert "signed in" in door.events()


def test_a_signature_may_come_broken_into_lines(door: Door) -> None:
    broken = f" {SIGNATURE[:40]}\r\n{SIGNATURE[40:]} \n"

    answer = door.prove(door.alice.authorize(WIKI).location, signature=broken)

    assert answer.location.startswith("/consent/")


def test_it_is_the_matrix_user_of_the_password(door: Door) -> None:
    answer = door.prove(door.alice.authorize(HOMESERVER).location)
    location = door.alice.decide(answer.location).location
    claims = read_id_token(
        door.app, redeem(door.app, query_of(location)["code"]).get_json()["id_token"]
    )
    owner = CASES["owner-permission"]["parts"]
    signed_in = door.by_password(owner["signature"], owner["message"])

    assert (signed_in.subject, signed_in.localpart) == (claims["sub"], "alicetester1")
    assert signed_in.known is True
    assert door.count(AccountRow) == 1


def test_two_chains_are_offered_by_name_and_the_chosen_one_is_asked(open_door: Open) -> None:
    door = open_door(chains=(TELOS, EOS))
    url = door.alice.authorize(WIKI).location

    assert "With an account of a chain" in door.alice.get(url).text
    assert door.fields(url, chain=EOS)["sentence"] == SENTENCE
    # The fake node follows EOS alone.
    assert code_of(door.ask(url, chain=TELOS)) == "wrong_chain"


# what is refused before anything is signed


def test_it_is_off_by_default(open_door: Open) -> None:
    door = open_door(web=False)
    url = door.alice.authorize(WIKI).location

    assert "/chain" not in door.alice.get(url).text
    assert code_of(door.ask(url)) == "not_found"


@pytest.mark.parametrize("accept", ["message", "both"])
def test_it_is_not_offered_where_proofs_must_name_us(open_door: Open, accept: str) -> None:
    door = open_door(accept=accept)
    url = door.alice.authorize(WIKI).location

    assert "/chain" not in door.alice.get(url).text
    assert code_of(door.ask(url)) == "not_found"


@pytest.mark.parametrize("account", ["alice6789012", "Alice Tester", "a" * 300, "alice.", "<b>"])
def test_what_is_no_accounts_name_is_asked_for_again(door: Door, account: str) -> None:
    answer = door.ask(door.alice.authorize(WIKI).location, account=account)

    assert answer.status_code == 400
    assert "No account is called so" in answer.text
    assert door.chain.asked == []


@pytest.mark.parametrize("wish", [{"chain": TELOS}, {"permission": "voting"}])
def test_what_the_form_does_not_offer_is_refused(door: Door, wish: dict[str, str]) -> None:
    assert code_of(door.ask(door.alice.authorize(WIKI).location, **wish)) == "form_malformed"


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"get_info": FetchError("fetch_failed", "refused")}, "node_unavailable"),
    ({"get_info": (200, VECTORS["chain"]["get_info"] | {"chain_id": TELOS})}, "wrong_chain"),
    (
        {
            "get_info": (
                200,
                VECTORS["chain"]["get_info"] | {"last_irreversible_block_num": 399999463},
            )
        },
        "block_too_old",
    ),
]


@pytest.mark.parametrize(("changes", "code"), CHANGES, ids=[code for _, code in CHANGES])
def test_a_node_that_is_of_no_use_makes_no_sentence(
    door: Door, changes: dict[str, Any], code: str
) -> None:
    door.chain.changes.update(changes)

    assert code_of(door.ask(door.alice.authorize(WIKI).location)) == code


# what is refused after


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"signature": "SIG_K1_x"}, "malformed_signature"),
        ({"signature": BY_OWNER}, "authority_not_satisfied"),
        ({"mark": "0" * 64}, "binding"),
        ({"sentence": CASES["login-as-full-mxid"]["parts"]["message"]}, "binding"),
        ({"sentence": SENTENCE.replace("alicetester1", "bobtester111")}, "binding"),
    ],
)
def test_what_does_not_fit_opens_nothing_and_closes_the_question(
    door: Door, changes: dict[str, str], code: str
) -> None:
    url = door.alice.authorize(WIKI).location
    form = door.fields(url) | {"signature": SIGNATURE}

    assert code_of(door.alice.post("/sign-in/chain", form | changes)) == code
    assert door.count(AccountRow) == 0
    assert code_of(door.alice.post("/sign-in/chain", dict(form))) == "replay"


def test_a_sentence_that_was_signed_for_another_question_is_of_no_use(door: Door) -> None:
    """What a person signed at one page cannot be brought to another, though the words agree."""
    first = door.fields(door.alice.authorize(WIKI).location)
    second = door.fields(door.alice.authorize(WIKI).location)
    assert first["sentence"] == second["sentence"]

    mixed = second | {"mark": first["mark"], "signature": SIGNATURE}
    assert code_of(door.alice.post("/sign-in/chain", mixed)) == "binding"


def test_a_sentence_is_too_old_when_its_block_is(door: Door) -> None:
    form = door.fields(door.alice.authorize(WIKI).location) | {"signature": SIGNATURE}
    door.clock.advance(seconds=271)

    assert code_of(door.alice.post("/sign-in/chain", dict(form))) == "block_too_old"


def test_a_question_that_waited_for_too_long_is_over(door: Door) -> None:
    form = door.fields(door.alice.authorize(WIKI).location) | {"signature": SIGNATURE}
    door.clock.advance(seconds=601)

    assert code_of(door.alice.post("/sign-in/chain", dict(form))) == "challenge_over"


def test_another_browser_cannot_bring_the_signature(door: Door) -> None:
    form = door.fields(door.alice.authorize(WIKI).location) | {"signature": SIGNATURE}
    mallory = door.person("mallory")
    csrf = door.fields(mallory.authorize(WIKI).location, mallory)["csrf"]

    assert code_of(mallory.post("/sign-in/chain", form | {"csrf": csrf})) == "challenge_unknown"
    assert door.count(AccountRow) == 0


def test_another_browser_cannot_ask_for_this_ones_sentence(door: Door) -> None:
    url = door.alice.authorize(WIKI).location
    mallory = door.person("mallory")
    mallory.authorize(WIKI)

    assert code_of(door.ask(url, mallory)) == "request_unknown"


def test_a_question_for_another_device_is_not_answered_so(door: Door) -> None:
    """No sentence names the code by which the two devices are compared."""
    url = door.alice.authorize(WIKI).location
    fields = fields_of(door.alice.get(url).text, f"{url}/elsewhere")
    shown = door.alice.get(door.alice.post(f"{url}/elsewhere", dict(fields)).location).text
    link = re.search(r"/d/[A-Za-z0-9_-]+", shown)
    assert link
    phone = door.person("phone")
    form = fields_of(phone.get(link[0]).text, f"{link[0]}/accept") | {"seen": "yes"}
    page = phone.get(phone.post(f"{link[0]}/accept", dict(form)).location).text

    assert "/chain" not in page
    asked = door.fields(url) | read_question(page).fields
    answer = phone.post("/sign-in/chain", asked | {"signature": SIGNATURE})
    assert code_of(answer) == "request_unknown"


def test_a_form_of_another_site_does_nothing(door: Door) -> None:
    form = door.fields(door.alice.authorize(WIKI).location) | {"signature": SIGNATURE}

    assert code_of(door.alice.post("/sign-in/chain", form | {"csrf": "x"})) == "form_foreign"
    answer = door.alice.post("/sign-in/chain", dict(form), Origin="https://evil.example")
    assert code_of(answer) == "form_foreign"
    assert door.alice.post("/sign-in/chain", dict(form)).location.startswith("/consent/")


def test_a_door_that_was_closed_meanwhile_takes_nothing(door: Door, open_door: Open) -> None:
    form = door.fields(door.alice.authorize(WIKI).location) | {"signature": SIGNATURE}
    parts = door.app.extensions["oidc_bridge"]
    settings = parts.settings
    closed = settings.antelope.model_copy(update={"web": False})
    door.app.extensions["oidc_bridge"] = replace(
        parts, settings=settings.model_copy(update={"antelope": closed})
    )

    assert code_of(door.alice.post("/sign-in/chain", dict(form))) == "method_refused"


def test_a_blocked_account_stays_out(door: Door) -> None:
    door.prove(door.alice.authorize(WIKI).location)
    with door.app.app_context():
        write(lambda c: block(c, find_person(c, SUBJECT), now=SIGNED_AT))

    again = door.person("alice")
    answer = door.prove(again.authorize(WIKI).location, again, BY_OWNER)
    assert (answer.status_code, code_of(answer)) == (403, "account_blocked")


# once


def test_a_sentence_of_the_page_is_no_password_any_more(door: Door) -> None:
    door.prove(door.alice.authorize(WIKI).location)

    with pytest.raises(ProofError) as refused:
        door.by_password(SIGNATURE, SENTENCE)
    assert refused.value.code == "replayed"


def test_a_sentence_that_was_a_password_opens_nothing_on_the_page(door: Door) -> None:
    door.by_password(SIGNATURE, SENTENCE)

    assert code_of(door.prove(door.alice.authorize(WIKI).location)) == "replayed"


def test_it_opens_one_sign_in_on_the_page(door: Door) -> None:
    door.prove(door.alice.authorize(WIKI).location)
    again = door.person("alice")

    assert code_of(door.prove(again.authorize(WIKI).location, again)) == "replayed"
    door.clock.advance(seconds=1)
    assert door.prove(again.authorize(WIKI).location, again, BY_OWNER).location.startswith(
        "/consent/"
    )


# linked


def test_it_is_added_to_an_account_that_a_wallet_opened(door: Door) -> None:
    door.alice.sign(door.alice.begin_account())
    url = door.alice.press("/account/wallets/add").location
    assert "<h1>Add an EOS account</h1>" in door.ask(url).text
    answer = door.prove(url)

    assert answer.location == "/account?done=wallet-added"
    assert len(door.owners()) == 2
    assert len(set(door.owners().values())) == 1
    assert "wallet added" in door.events()
    assert "alicetester1 on EOS" in door.alice.account_page()


def test_an_account_with_a_key_that_names_us_asks_for_its_message_too(door: Door) -> None:
    door.alice.sign(door.alice.begin_account())
    door.prove(door.alice.press("/account/wallets/add").location)

    again = door.person("alice")
    url = again.authorize(WIKI).location
    assert door.prove(url, again, BY_OWNER).location == url
    question = again.read_question(url)
    assert question.address == next(key for key in door.owners() if key != SUBJECT)
    assert not question.auth_request
    assert f"{url}/chain" not in again.get(url).text
    assert again.sign(url).location.startswith("/consent/")


def test_it_is_not_enough_beside_somebody_elses_message(door: Door) -> None:
    door.alice.sign(door.alice.begin_account())
    door.prove(door.alice.press("/account/wallets/add").location)

    thief = door.person("thief")
    url = thief.authorize(WIKI).location
    door.prove(url, thief, BY_OWNER)
    question = thief.read_question(url)
    signed = thief.wallet.sign_message(question.text)

    assert code_of(thief.answer_message(question, signed)) == "wrong_account"
    assert len(set(door.owners().values())) == 1


def test_two_accounts_of_one_person_are_joined(door: Door) -> None:
    door.prove(door.alice.begin_account())
    door.clock.advance(seconds=1)
    other = door.person("other")
    other.sign(other.begin_account())
    answer = door.prove(other.press("/account/wallets/add").location, other, BY_OWNER)
    assert answer.location.endswith("/join")

    joined = other.press_on(answer.location, answer.location)

    assert joined.location == "/account?done=wallet-added"
    assert len(set(door.owners().values())) == 1


def test_while_a_message_is_asked_for_no_account_of_a_chain_will_do(door: Door) -> None:
    url = door.alice.authorize(WIKI).location
    form = door.fields(url) | {"signature": SIGNATURE}
    door.alice.prove(url)  # a wallet's answer that needs its message

    assert f"{url}/chain" not in door.alice.get(url).text
    assert door.ask(url).location == url
    assert code_of(door.alice.post("/sign-in/chain", dict(form))) == "replay"
    assert door.count(AccountRow) == 0


def test_nothing_of_it_stands_in_the_log(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        door.prove(door.alice.authorize(WIKI).location)

    assert SIGNATURE not in caplog.text
