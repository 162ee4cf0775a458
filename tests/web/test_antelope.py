"""The door for accounts of chains: every case of the vectors, and what an account is here."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from oidc_bridge import storage
from oidc_bridge.apps.whitelist import Say
from oidc_bridge.config import Settings
from oidc_bridge.errors import FetchError, ProofError
from oidc_bridge.factory import create_app
from oidc_bridge.identity import Identity
from oidc_bridge.oidc.client import Client
from oidc_bridge.sections import Antelope, AntelopeChain
from oidc_bridge.sitting import Proven
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow, IdentityRow, find_known, open_account
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.deletion import delete_account
from oidc_bridge.storage.export import export_of
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.nonces import announce, get_open
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.storage.people import block, find_person
from oidc_bridge.storage.personas import PersonaRow, add_persona
from oidc_bridge.storage.prune import prune_all
from oidc_bridge.storage.sessions import SessionRow, sessions_of
from oidc_bridge.storage.whitelist import AppRule, set_rule
from oidc_bridge.web.cards import device_of, whole_address
from oidc_bridge.web.doors.antelope import SignedIn, sign_in
from oidc_bridge.web.sign_out import end
from tests.conftest import Clock
from tests.driver import HOMESERVER, Person, enrol
from tests.fake_chain import EOS, NODE, SIGNED_AT, VECTORS, FakeChain
from tests.fakes import NOW, FakeFetch, FakeWallet
from tests.matrix.test_password import MISSPELT, SPELT

Case = dict[str, Any]

CHAT = Client(
    **{
        **{name: getattr(HOMESERVER, name) for name in HOMESERVER.__dataclass_fields__},
        "id": "chat",
        "server_name": VECTORS["server_name"],
    }
)
CASES = {case["id"]: case for case in VECTORS["cases"]}
ALICE = CASES["k1-header-31"]["login"]
SUBJECT = f"antelope:{EOS[:32]}:alicetester1"


class Door:
    """A bridge that takes a chain, and the homeserver that asks it."""

    def __init__(self, app: Flask, chain: FakeChain, clock: Clock) -> None:
        self.app, self.chain, self.clock = app, chain, clock
        self.client = enrol(app, CHAT)

    def announce(self, nonce: str, at: datetime) -> None:
        self.write(
            lambda c: announce(c, nonce, app="", address=nonce, challenge="not used here", now=at)
        )

    def announce_all(self, nonces: dict[str, dict[str, str]]) -> None:
        for nonce, about in nonces.items():
            self.announce(nonce, datetime.fromisoformat(about["issued_at"]))

    def enter(self, user: str, password: str, *, client: Client | None = None) -> SignedIn:
        with self.app.app_context():
            return sign_in(client or self.client, user, password, now=self.clock.now)

    def refusal(self, user: str, password: str) -> str:
        with pytest.raises(ProofError) as refused:
            self.enter(user, password)
        return refused.value.code

    def password(self, case: str, nonce: str = "fresh") -> str:
        """Return a case's password with a nonce of our own, announced just now."""
        self.announce(nonce, self.clock.now)
        parts = CASES[case].get("parts") or CASES[case]["steps"][0]["parts"]
        return f"{nonce}|{parts['message']}|{parts['signature']}"

    def write(self, work: Callable[[storage.Connection], object]) -> None:
        with self.app.app_context():
            write(work)

    def count(self, row: type) -> int:
        with self.app.app_context(), read() as connection:
            return connection.execute(select(func.count()).select_from(row)).scalar_one()

    def account_id(self, who: str = SUBJECT) -> str:
        with self.app.app_context(), read() as connection:
            return find_person(connection, who)


Open = Callable[..., Door]


@pytest.fixture
def open_door(settings: Settings, clock: Clock, fetch: FakeFetch) -> Iterator[Open]:
    """Return a function that opens a door with these settings of its chain."""
    made: list[Flask] = []

    def open_one(*, id: str = EOS, **policy: Any) -> Door:  # noqa: A002
        clock.now = SIGNED_AT
        chain = FakeChain()
        known = AntelopeChain(id=id, nodes=(f"{NODE}/",), **policy)
        ours = settings.model_copy(update={"antelope": Antelope(chains=(known,))})
        app = create_app(ours, clock=clock, fetch=fetch, post_json=chain)
        made.append(app)
        return Door(app, chain, clock)

    yield open_one
    for app in made:
        with app.app_context():
            storage.db.engine.dispose()


@pytest.fixture
def door(open_door: Open) -> Door:
    return open_door()


def policy_of(case: Case) -> dict[str, Any]:
    names = {"chain_id": "id", "allowed_permissions": "permissions"}
    wanted = {names[name]: value for name, value in case.get("policy", {}).items()}
    if "permissions" in wanted:
        wanted["permissions"] = frozenset(wanted["permissions"])
    return wanted


# the vectors


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["id"])
def test_vectors(case: Case, open_door: Open) -> None:
    door = open_door(**policy_of(case))
    accepted = 0
    door.announce_all(case.get("nonces", {}))
    for step in case.get("steps", [case]):
        if "now" in step:
            door.clock.now = datetime.fromisoformat(step["now"])
        elif "now" in case:
            door.clock.now = datetime.fromisoformat(case["now"])
        door.announce_all(step.get("nonces", {}) if step is not case else {})
        login, expect = step["login"], step["expect"]
        if expect["accept"]:
            signed_in = door.enter(login["user"], login["password"])
            assert signed_in.display_name == expect["account"]
            subject = f"antelope:{EOS[:32]}:{expect['account']}"
            assert door.account_id(subject)
            accepted += 1
        else:
            assert door.refusal(login["user"], login["password"]) == expect["reason"]
    assert door.count(AccountRow) == door.count(PersonaRow) == min(accepted, 1)
    assert door.count(EventRow) == accepted


def test_every_case_of_the_vectors_is_run() -> None:
    assert len(VECTORS["cases"]) == 43
    reasons = {
        step["expect"].get("reason")
        for case in VECTORS["cases"]
        for step in case.get("steps", [case])
    }
    assert set(VECTORS["reasons"]) - reasons == {
        "block_unknown",
        "block_in_future",
        "node_unavailable",
    }


# who signed in


def test_an_account_is_one_matrix_user_from_its_first_sign_in_on(door: Door) -> None:
    first = door.enter(ALICE["user"], door.password("k1-header-31", "one"))
    door.clock.now += timedelta(seconds=1)
    second = door.enter("alicetester1", door.password("owner-permission", "two"))

    assert (first.localpart, first.known) == ("alicetester1", False)
    assert second == SignedIn("alicetester1", "alicetester1", first.subject, True, second.session)
    assert len({first.session, second.session, ""}) == 3
    assert door.count(AccountRow) == door.count(IdentityRow) == 1


def test_the_subject_is_that_of_the_persona(door: Door) -> None:
    signed_in = door.enter("alicetester1", door.password("k1-header-31"))

    with door.app.app_context(), read() as connection:
        row = connection.execute(select(PersonaRow.__table__)).one()
    assert (row.sub, row.localpart, row.app) == (signed_in.subject, "alicetester1", "")
    assert row.client_id == CHAT.id


def test_a_name_with_a_dot_stands_behind_its_chain(door: Door) -> None:
    password = door.password("dotted-account", "one")
    signed_in = door.enter("alice.gm", password)

    assert signed_in.localpart == "eos+alice.gm"
    door.clock.now += timedelta(seconds=1)
    assert door.refusal(f"@eos+alice.gm:{CHAT.server_name}", door.password("dotted-account")) == (
        "replayed"
    )


def test_a_localpart_that_somebody_has_is_not_taken_over(door: Door) -> None:
    door.enter("bobtester111", door.password("k1-header-32", "bob"))

    def settle(connection: storage.Connection) -> None:
        bob = find_person(connection, f"antelope:{EOS[:32]}:bobtester111")
        add_persona(
            connection,
            bob,
            CHAT.id,
            localpart="alicetester1",
            now=SIGNED_AT,
            app="https://a.example",
        )

    door.write(settle)

    assert door.enter("alicetester1", door.password("k1-header-31")).localpart == "eos+alicetester1"


def test_each_homeserver_knows_the_account_by_a_subject_of_its_own(door: Door) -> None:
    other = enrol(door.app, HOMESERVER)
    first = door.enter("alicetester1", door.password("k1-header-31", "one"))
    password = door.password("owner-permission", "two")
    second = door.enter("alicetester1", password, client=other)

    assert first.subject != second.subject
    assert second.known is False
    assert door.count(AccountRow) == 1


# once


def test_a_try_that_fails_has_spent_its_nonce(door: Door) -> None:
    password = door.password("k1-header-31")

    assert door.refusal("bobtester111", password) == "account_mismatch"
    assert door.refusal("alicetester1", password) == "nonce_used"


def test_a_sentence_by_the_same_key_signs_in_once_whatever_the_nonce(door: Door) -> None:
    door.enter("alicetester1", door.password("k1-header-31", "one"))

    assert door.refusal("alicetester1", door.password("k1-header-31", "two")) == "replayed"


def test_it_is_kept_until_its_block_is_too_old(door: Door) -> None:
    door.enter("alicetester1", door.password("k1-header-31", "one"))
    for later in (268, 269):
        door.clock.now = SIGNED_AT + timedelta(seconds=later)
        with door.app.app_context():
            list(prune_all(now=door.clock.now, token_life=timedelta(0)))
        code = door.refusal("alicetester1", door.password("k1-header-31", f"at-{later}"))
        assert code == ("replayed" if later == 268 else "block_too_old")


def test_who_is_refused_by_a_rule_has_not_used_the_sentence_up(door: Door) -> None:
    say(door, "deny")
    assert door.refusal("alicetester1", door.password("k1-header-31", "one")) == "app_not_allowed"
    say(door, "allow")

    assert door.enter("alicetester1", door.password("k1-header-31", "two")).known is False


# who may not


def say(door: Door, word: Say, audience: Any = "everyone") -> None:
    rule = AppRule(f"client:{CHAT.id}", word, audience, None, "")
    door.write(lambda connection: set_rule(connection, rule, now=SIGNED_AT))


@pytest.mark.parametrize("word", ["deny", "alone"])
def test_a_homeserver_that_must_not_know_people_as_themselves_is_refused(
    door: Door, word: Say
) -> None:
    say(door, word)

    assert door.refusal("alicetester1", door.password("k1-header-31")) == "app_not_allowed"
    assert door.count(AccountRow) == door.count(PersonaRow) == 0


def test_only_people_on_the_list_may(door: Door) -> None:
    say(door, "allow", audience="listed")

    assert door.refusal("alicetester1", door.password("k1-header-31")) == "app_not_allowed"


@pytest.mark.parametrize(("unknown", "may"), [("ask", True), ("allow", True), ("alone", False)])
def test_without_a_rule_the_homeservers_policy_for_unknown_apps_counts(
    door: Door, unknown: Any, may: bool
) -> None:
    client = enrol(
        door.app,
        Client(
            **{
                **{name: getattr(CHAT, name) for name in CHAT.__dataclass_fields__},
                "id": "other",
                "unknown_apps": unknown,
            }
        ),
    )
    password = door.password("k1-header-31")
    if may:
        assert door.enter("alicetester1", password, client=client).localpart == "alicetester1"
        return
    with pytest.raises(ProofError) as refused:
        door.enter("alicetester1", password, client=client)
    assert refused.value.code == "app_not_allowed"


def test_a_blocked_account_stays_out(door: Door) -> None:
    door.enter("alicetester1", door.password("k1-header-31", "one"))
    account_id = door.account_id()
    door.write(lambda connection: block(connection, account_id, now=SIGNED_AT))

    assert door.refusal("alicetester1", door.password("owner-permission")) == "account_blocked"


@pytest.mark.parametrize("user", [*SPELT, "eos+{user}", "@eos+{user}+2:{server}"])
def test_the_user_is_spelt_as_people_spell_it(door: Door, user: str) -> None:
    typed = user.format(user="alicetester1", server="chat.example")

    signed_in = door.enter(typed.upper(), door.password("k1-header-31"))

    assert signed_in.localpart == "alicetester1"


@pytest.mark.parametrize("user", [*MISSPELT, "{user}+chat.example", "ann.id+{user}"])
def test_a_user_who_is_nobody_here_is_refused(door: Door, user: str) -> None:
    typed = user.format(user="alicetester1", server="chat.example")

    assert door.refusal(typed, door.password("k1-header-31")) == "account_mismatch"


def test_a_node_that_is_down_signs_nobody_in(door: Door) -> None:
    door.chain.changes["get_info"] = FetchError("fetch_failed", "refused")

    assert door.refusal("alicetester1", door.password("k1-header-31")) == "node_unavailable"
    assert door.count(AccountRow) == 0


def test_without_a_chain_nobody_signs_in_and_no_nonce_is_spent(app: Flask, clock: Clock) -> None:
    clock.now = SIGNED_AT
    door = Door(app, FakeChain(), clock)

    assert door.refusal("alicetester1", door.password("k1-header-31")) == "method_refused"
    with app.app_context(), read() as connection:
        get_open(connection, "fresh", now=clock.now)


def test_a_nodes_address_is_taken_with_or_without_a_slash(door: Door) -> None:
    door.enter("alicetester1", door.password("k1-header-31"))

    assert {url.rpartition("/")[0] for url, _ in door.chain.asked} == {f"{NODE}/v1/chain"}


def deliveries(door: Door) -> set[str]:
    with door.app.app_context(), read() as connection:
        return set(connection.execute(select(LogoutDeliveryRow.sid)).scalars())


def test_the_homeserver_is_told_when_the_person_is_blocked(door: Door) -> None:
    signed_in = door.enter("alicetester1", door.password("k1-header-31", "one"))
    account_id = door.account_id()
    door.write(lambda connection: block(connection, account_id, now=SIGNED_AT))

    assert deliveries(door) == {signed_in.session}


def test_what_a_sentence_opened_is_among_the_places_where_they_are_signed_in(door: Door) -> None:
    signed_in = door.enter("alicetester1", door.password("k1-header-31", "one"))
    with door.app.app_context(), read() as connection:
        (session,) = sessions_of(connection, door.account_id(), now=SIGNED_AT)
    assert device_of(session.user_agent) == "matrix.example (one-time password)"
    assert session.authenticated_at == SIGNED_AT

    def leave(connection: storage.Connection) -> None:
        end(connection, session, [session.id], now=SIGNED_AT)

    door.write(leave)

    assert deliveries(door) == {signed_in.session}


def test_what_was_kept_for_it_opens_nothing_by_itself(door: Door) -> None:
    door.enter("alicetester1", door.password("k1-header-31", "one"))
    with door.app.app_context(), read() as connection:
        row = connection.execute(select(AuthorizationRow.__table__)).one()

    assert row.code_spent_at == row.code_expires_at == SIGNED_AT
    assert (row.app, row.redirect_uri, row.scopes) == ("", "", ["openid", "profile"])


# what becomes of it


def test_the_log_has_no_password(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        door.enter("alicetester1", door.password("k1-header-31", "one"))
        door.refusal("alicetester1", door.password("k1-header-31", "two"))

    signature = CASES["k1-header-31"]["parts"]["signature"]
    assert signature not in caplog.text
    assert "signed in method=antelope" in caplog.text


def test_the_persons_file_names_the_account(door: Door) -> None:
    door.enter("alicetester1", door.password("k1-header-31"))
    with door.app.app_context(), read() as connection:
        document = export_of(connection, door.account_id())

    assert [known["subject"] for known in document["identities"]] == [SUBJECT]
    assert [event["kind"] for event in document["events"]] == ["signed in"]


def test_who_was_deleted_is_somebody_new(door: Door) -> None:
    before = door.enter("alicetester1", door.password("k1-header-31", "one"))
    account_id = door.account_id()
    door.write(
        lambda connection: delete_account(connection, account_id, now=SIGNED_AT, by="person")
    )
    after = door.enter("alicetester1", door.password("owner-permission", "two"))

    assert after.localpart == "eos+alicetester1"
    assert after.subject != before.subject
    assert after.known is False


def test_an_operator_finds_the_account_by_any_of_its_names(door: Door) -> None:
    door.enter("alicetester1", door.password("k1-header-31"))

    found = {
        door.account_id(who) for who in (SUBJECT, "alicetester1", "@alicetester1:chat.example")
    }
    assert len(found) == 1


# the account page of somebody who has such an account too


def link(app: Flask, person: Person, *, since: datetime = NOW) -> None:
    """Give a person's account an account of a chain, as if both had been proved in one sitting."""
    identity = Identity("antelope", SUBJECT, since, names_host=False)

    def add(connection: storage.Connection) -> None:
        account_id = find_person(connection, person.wallet.stx_address.c32)
        open_account(
            connection, [Proven(identity, find_known(connection, identity))], account_id=account_id
        )

    with app.app_context():
        write(add)


@pytest.fixture
def dora(app: Flask, clock: Clock) -> Person:
    person = Person(app, clock, FakeWallet.named("dora", protocol="1.4.0"))
    person.sign(person.begin_account())
    link(app, person)
    return person


def test_the_account_page_shows_the_account_with_its_chain(dora: Person) -> None:
    page = dora.account_page()

    assert "Your account on a chain" in page
    assert "alicetester1 on EOS (Vaulta)" in page
    assert SUBJECT not in page


def test_an_account_of_a_chain_can_be_removed(app: Flask, dora: Person) -> None:
    with app.app_context(), read() as connection:
        wanted = select(IdentityRow.id).where(IdentityRow.subject == SUBJECT)
        identity_id = connection.execute(wanted).scalar_one()
    path = f"/account/wallets/{identity_id}/remove"

    assert "Your account on a chain (alicetester1)" in dora.press(path).text
    dora.press(path, confirm="yes")

    assert "alicetester1" not in dora.account_page()


def test_who_is_signed_in_by_it_sees_themselves_and_can_go_on(app: Flask, dora: Person) -> None:
    def reopen(connection: storage.Connection) -> None:
        chain = select(IdentityRow.id).where(IdentityRow.subject == SUBJECT).scalar_subquery()
        connection.execute(update(SessionRow).values(identity_id=chain))

    with app.app_context():
        write(reopen)
    page = dora.get(dora.authorize(HOMESERVER).location).text

    assert "alicetester1 on EOS (Vaulta)" in page
    assert "@alicetester1:<wbr>matrix.example" in page


def test_of_another_chain_the_id_is_shown() -> None:
    assert whole_address("antelope:73e4385a2708e6d7048834fbc1079f2f:alice.gm") == (
        "alice.gm on chain 73e4385a2708e6d7048834fbc1079f2f"
    )
