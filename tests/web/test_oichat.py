"""OI Chat's doors: every case of the vectors with HTTP and database, and what they do not hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from coincurve import PrivateKey
from flask import Flask
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from oidc_bridge import storage
from oidc_bridge.apps.consent import reasons_to_ask
from oidc_bridge.apps.scope_rules import ScopeRule
from oidc_bridge.config import Settings
from oidc_bridge.errors import ProofError
from oidc_bridge.factory import create_app, make_oichat
from oidc_bridge.fetch import GuardedFetch
from oidc_bridge.oidc.client import Client
from oidc_bridge.sections import NameLookup, Names, OiChatDoor
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.admissions import admit
from oidc_bridge.storage.apps import get_client
from oidc_bridge.storage.consents import consents_of
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.nonces import NonceRow, announce, spend
from oidc_bridge.storage.outbox import LogoutDeliveryRow, tell_of_app
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.prune import prune_all
from oidc_bridge.storage.rulings import rule_scopes
from oidc_bridge.storage.whitelist import AppRule, Listing, set_person_rule, set_rule
from oidc_bridge.web.doors.oichat import sign_in
from oidc_bridge.web.doors.oichat_arrival import SignedIn
from tests.conftest import Clock
from tests.driver import HOMESERVER, ISSUER, Person, enrol, query_of, read_id_token, redeem
from tests.fakes import FakeWallet
from tests.matrix.test_password import MISSPELT, SPELT
from tests.oichat import CASES, CHAT, FILE, GAIA, NOW, PEOPLE, Web, profile_file, served

BOT = "https://calendar.example.org"
ALICE = PEOPLE["alice.id"]
BUCKET = ALICE["apps"][CHAT]["bucket"]
# A homeserver where apps that no rule names may have an ID of their own only.
SERVER = replace(
    HOMESERVER,
    id="chat-synapse",
    name="chat.example",
    redirect_uris=("https://chat.example/_synapse/client/oidc/callback",),
    server_name="chat.example",
    unknown_apps="alone",
)


class World:
    """A bridge whose web is the vectors', and a homeserver that brings it passwords."""

    def __init__(self, app: Flask, web: Web, clock: Clock) -> None:
        self.app, self.web, self.clock = app, web, clock
        self.browser = app.test_client()
        self.server = enrol(app, SERVER)
        self.say(CHAT, "allow")

    def say(self, app: str, say: Any, **rule: Any) -> None:
        with self.app.app_context():
            rule = {"audience": "everyone", "until": None, "note": "", **rule}
            write(lambda c: set_rule(c, AppRule(name=app, say=say, **rule), now=NOW))

    def ask(self, nonce: str, *, address: str = "127.0.0.1", **headers: str) -> TestResponse:
        from_where = {"REMOTE_ADDR": address}
        return self.browser.post(
            f"/c/{nonce}", base_url=ISSUER, headers=headers, environ_overrides=from_where
        )

    def post(self, at: str, **members: object) -> TestResponse:
        body = {"nonce": at, "appDomain": CHAT, "blockstackId": "alice.id", **members}
        return self.browser.post(f"/proofs/oichat/{at}", json=body, base_url=ISSUER)

    def sign_in(self, user: str, password: str, client: Client | None = None) -> SignedIn:
        with self.app.app_context(), self.app.test_request_context("/matrix/password"):
            return sign_in(client or self.server, user, password, now=self.clock())

    def refused(self, user: str, password: str, client: Client | None = None) -> str:
        with pytest.raises(ProofError) as caught:
            self.sign_in(user, password, client)
        return caught.value.code

    def write_file(self, nonce: str, bucket: str = BUCKET, **headers: str) -> str:
        """Ask for a challenge and write it into a bucket; return it."""
        challenge = str(self.ask(nonce, **headers).json["challenge"])  # type: ignore[index]
        self.web.over = {**self.web.over, bucket + "mxid.json": served(challenge)}
        return challenge

    def come(self, user: str, nonce: str, app: str = CHAT, name: str = "alice.id") -> SignedIn:
        """Sign in in the old way."""
        self.write_file(nonce, PEOPLE[name]["apps"][app]["bucket"])
        return self.sign_in(user, f"{nonce}|{app}|{name}")

    def count(self, row: Any) -> int:
        with self.app.app_context(), read() as connection:
            return connection.execute(select(func.count()).select_from(row)).scalar_one()


@contextmanager
def made(settings: Settings, clock: Clock, **door: Any) -> Iterator[World]:
    web = Web()
    names = NameLookup(url="https://names.example", labels=frozenset({2, 3}), system="v1")
    given = {"enabled": True, "server_name": "chat.example", "gaia": GAIA, **door}
    settings = settings.model_copy(
        update={"oichat": OiChatDoor(**given), "names": Names(services=(names,))}
    )
    app = create_app(settings, clock=clock, fetch=web)
    app.testing = False
    try:
        yield World(app, web, clock)
    finally:
        with app.app_context():
            storage.db.engine.dispose()


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = NOW.astimezone(UTC)
    return clock


@pytest.fixture
def world(settings: Settings, clock: Clock) -> Iterator[World]:
    with made(settings, clock) as world:
        yield world


@pytest.mark.parametrize("user", SPELT)
def test_the_user_is_spelt_as_people_spell_it(world, user):
    for localpart in ("alice.id", "alice.id+chat.openintents.org", ALICE["apps"][CHAT]["address"]):
        typed = user.format(user=localpart, server="chat.example")

        signed_in = world.come(typed.upper(), f"n-{localpart}".replace("+", "-"))

        assert signed_in.localpart == localpart.lower()


@pytest.mark.parametrize("user", MISSPELT)
def test_a_user_who_is_nobody_here_is_refused(world, user):
    world.write_file("n")
    typed = user.format(user="alice.id", server="chat.example")

    assert world.refused(typed, f"n|{CHAT}|alice.id") == "localpart_mismatch"


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_vectors(case: dict[str, Any], settings: Settings, clock: Clock) -> None:
    policy = {**FILE["policy"], **case.get("policy", {})}
    with made(settings, clock, require_signature=policy["require_signature"]) as world:
        world.web.over = case["web"]
        for app in case.get("allowed_apps", []):
            _allow(world, case, app)
        for nonce, known in case["nonces"].items():
            _announce(world, nonce, known)
        if proof := case.get("posted_proof"):
            answer = world.browser.post(
                f"/proofs/oichat/{proof['nonce']}", json=proof, base_url=ISSUER
            )
            assert answer.status_code in (204, 400)
        for step in case.get("steps", [case]):
            _check(world, step)
        assert not set(world.web.calls) & set(case.get("must_not_fetch", []))


def _announce(world: World, nonce: str, known: dict[str, str]) -> None:
    at = datetime.fromisoformat(known["issued_at"])
    facts = {"app": "", "address": "x", "challenge": known["challenge"], "now": at}
    with world.app.app_context():
        write(lambda c: announce(c, nonce, **facts))


def _allow(world: World, case: dict[str, Any], app: str) -> None:
    """Let the person, who has been here before as the app's own user, allow the app."""
    before = dict(world.web.over)
    world.come(f"alice.id+{app.partition('//')[2]}", "earlier", app)
    world.web.over = before
    with world.app.app_context():
        with read() as connection:
            account_id = connection.execute(select(AccountRow.id)).scalar_one()
        write(lambda c: set_person_rule(c, account_id, app, "allow", now=NOW))


def _check(world: World, step: dict[str, Any]) -> None:
    login, expect = step["login"], step["expect"]
    if not expect["accept"]:
        accounts = world.count(AccountRow)
        code = world.refused(login["user"], login["password"])
        assert code in {expect["reason"], *expect.get("also_fine", [])}
        assert world.count(AccountRow) == accounts
        return
    signed_in = world.sign_in(login["user"], login["password"])
    assert signed_in.localpart == expect["localpart"]
    if "display_name" in expect:
        assert signed_in.display_name == expect["display_name"]


def test_a_challenge_names_the_server_and_the_app_and_where_the_answer_goes(world):
    answer = world.ask("1a.b-7", Origin=CHAT)

    told = answer.json
    server, app, secret = told.pop("challenge").split(" ")
    assert (server, app) == ("chat.example", CHAT)
    assert len(secret) == 43
    assert told == {
        "txid": "1ab7",
        "expires_in": 300,
        "publish": {"file": "mxid.json", "bucket_of": CHAT},
        "answer_url": f"{ISSUER}/proofs/oichat/1a.b-7",
    }
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_challenge_is_given_once_and_told_to_nobody_else(world):
    world.ask("n")

    again = world.ask("n")
    assert (again.status_code, again.json["error"]) == (409, "nonce_open")
    assert world.browser.get("/c/n", base_url=ISSUER).status_code == 405
    world.clock.advance(seconds=301)
    assert world.ask("n").status_code == 200


def test_what_is_no_nonce_gets_no_challenge(world):
    assert world.ask("n n").status_code == 400
    assert world.ask("n" * 129).status_code == 400
    assert world.count(NonceRow) == 0


def test_one_address_may_have_thirty_open(world):
    block = "2a00:1450:4001:81b::"
    for number in range(30):
        assert world.ask(f"n{number}", address=f"{block}{number}").status_code == 200

    refused = world.ask("more", address=f"{block}ffff")
    assert (refused.status_code, refused.json["error"]) == (429, "nonces_many")
    assert world.ask("another", address="2a00:1450:4001:81c::1").status_code == 200
    world.clock.advance(seconds=301)
    assert world.ask("more", address=f"{block}ffff").status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "fd00::1"])
def test_behind_a_proxy_one_person_keeps_nobody_from_others(world, address):
    for number in range(60):
        assert world.ask(f"n{number}", address=address).status_code == 200


def test_behind_a_proxy_not_everything_is_kept(world, monkeypatch):
    monkeypatch.setattr("oidc_bridge.web.doors.oichat.MAX_OPEN_BEHIND_PROXY", 40)
    for number in range(40):
        assert world.ask(f"n{number}").status_code == 200

    assert world.ask("more").json["error"] == "nonces_many"


@pytest.mark.parametrize("origin", ["null", "http://chat.example", "https://chat.example/x", "x y"])
def test_what_is_no_apps_origin_is_not_taken_for_one(world, origin):
    assert world.ask("n", Origin=origin).json["publish"]["bucket_of"] == ""


def test_neither_a_nonce_nor_an_address_is_kept_as_it_came(world):
    world.ask("very-secret-nonce")

    with world.app.app_context(), read() as connection:
        kept = str(connection.execute(select(NonceRow.__table__)).mappings().one())
    assert "very-secret-nonce" not in kept
    assert "127.0.0.1" not in kept


def test_a_challenge_that_one_app_asked_for_is_no_answer_of_another(world):
    world.write_file("n", Origin="https://evil.example")

    assert world.refused("alice.id", f"n|{CHAT}|alice.id") == "challenge_mismatch"


def test_a_password_works_once_and_a_failed_try_uses_it_up(world):
    world.write_file("n")

    assert world.refused("bob.id", f"n|{CHAT}|alice.id") == "localpart_mismatch"
    assert world.refused("alice.id", f"n|{CHAT}|alice.id") == "nonce_used"


def test_a_password_is_for_the_homeserver_that_the_challenge_names(world):
    elsewhere = enrol(world.app, replace(SERVER, id="other", server_name="other.example"))
    world.write_file("n")

    assert world.refused("alice.id", f"n|{CHAT}|alice.id", elsewhere) == "server_mismatch"


def test_an_app_that_is_allowed_nothing_opens_no_account(world):
    world.say(BOT, "deny")
    world.write_file("n", ALICE["apps"][BOT]["bucket"])

    code = world.refused("alice.id+calendar.example.org", f"n|{BOT}|alice.id")
    assert code == "app_not_allowed"
    assert (world.count(AccountRow), world.count(PersonaRow)) == (0, 0)


def test_the_storage_is_not_asked_for_an_app_that_may_not(world):
    bucket = ALICE["apps"][BOT]["bucket"]
    world.write_file("n", bucket)

    assert world.refused("alice.id", f"n|{BOT}|alice.id") == "app_not_allowed"
    assert bucket + "mxid.json" not in world.web.calls


def test_a_list_that_names_the_person_lets_them_in_at_their_first_sign_in(world):
    world.say(CHAT, "allow", audience="listed")
    with world.app.app_context():
        write(lambda c: admit(c, CHAT, [Listing("pattern", "*.id")], now=NOW))

    assert world.come("alice.id", "n1").localpart == "alice.id"
    with pytest.raises(ProofError, match="app_not_allowed"):
        world.come("erin.btc", "n2", name="erin.btc")


def test_a_blocked_person_stays_out(world):
    world.come("alice.id", "n1")
    with world.app.app_context():
        write(lambda c: c.execute(update(AccountRow).values(blocked_at=NOW)))
    world.write_file("n2")

    assert world.refused("alice.id", f"n2|{CHAT}|alice.id") == "account_blocked"


def test_a_person_is_one_account_and_one_matrix_user_however_often_they_come(world):
    first = world.come("alice.id", "n1")
    second = world.come("@alice.id:chat.example", "n2")

    assert (first.known, second.known) == (False, True)
    assert replace(first, known=True, session="") == replace(second, session="")
    assert first.session != second.session
    assert (world.count(AccountRow), world.count(IdentityRow), world.count(PersonaRow)) == (1, 1, 1)


def test_the_id_and_the_address_are_two_matrix_users_of_one_account(world):
    address = ALICE["identity"]["address"].lower()

    by_name, by_address = world.come("alice.id", "n1"), world.come(address, "n2")
    again, old = world.come("alice.id", "n3"), world.come(address, "n4")

    assert (by_name.localpart, by_address.localpart) == ("alice.id", address)
    assert (again.subject, old.subject) == (by_name.subject, by_address.subject)
    assert by_name.subject != by_address.subject
    assert world.count(AccountRow) == 1


def test_who_came_by_address_first_can_come_by_name_too(world):
    address = ALICE["identity"]["address"].lower()

    assert world.come(address, "n1").localpart == address
    assert world.come("alice.id", "n2").localpart == "alice.id"
    assert world.come(address, "n3").known is True


def test_the_apps_own_user_is_another_one_than_the_person(world):
    person = world.come("alice.id", "n1")
    bot = world.come("alice.id+calendar.example.org", "n2", BOT)

    assert bot.subject != person.subject
    assert bot.display_name is None


def test_somebody_elses_matrix_id_is_not_given_away(world):
    # Given Gina, whose wallet came by OI Chat and who sold her name to Alice's key
    world.come("gina.id", "n1", name="gina.id")
    world.web.over = {
        PEOPLE["gina.id"]["profile_url"]: profile_file("alice.id"),
        "https://names.example/v1/names/gina.id": served(
            {
                "address": ALICE["identity"]["address"],
                "zonefile": f'_http._tcp URI 10 1 "{PEOPLE["gina.id"]["profile_url"]}"',
            }
        ),
    }
    world.write_file("n2")

    # Then Alice owns the name, and not the Matrix user
    assert world.refused("gina.id", f"n2|{CHAT}|gina.id") == "localpart_mismatch"
    assert world.come("alice.id", "n3").localpart == "alice.id"


def test_no_app_is_on_loopback_for_a_bridge_that_is_not(world):
    asked = world.ask("n1", Origin="http://localhost:3000").get_json()

    assert len(asked["challenge"].split()) == 2  # no app is named
    assert world.refused("alice.id", "n1|http://localhost:3000|alice.id") == "malformed_app"


def test_an_app_on_loopback_asks_a_bridge_that_is_there_too(settings, clock):
    settings = settings.model_copy(update={"issuer": "http://localhost:8000"})
    with made(settings, clock) as world:
        asked = world.ask("n1", Origin="http://localhost:3000").get_json()
        code = world.refused("alice.id", "n1|http://localhost:3000|alice.id")

    assert asked["challenge"].split()[1] == "http://localhost:3000"
    assert code == "app_not_in_profile"


def test_an_app_that_is_never_to_have_the_profile_is_told_no_display_name(world):
    told = world.come("alice.id", "n1")
    never = [ScopeRule("profile", "never")]
    with world.app.app_context():
        write(lambda c: rule_scopes(c, CHAT, never, now=NOW))

    silent = world.come("alice.id", "n2")

    assert told.display_name
    assert silent.display_name is None
    assert silent.localpart == told.localpart


def test_name_and_picture_are_taken_at_the_first_sign_in_only(world):
    world.come("alice.id", "n1")
    with world.app.app_context():
        write(lambda c: c.execute(update(AccountRow).values(display_name="Al", picture=None)))

    world.come("alice.id", "n2")

    with world.app.app_context(), read() as connection:
        row = connection.execute(select(AccountRow.display_name, AccountRow.picture)).one()
    assert tuple(row) == ("Al", None)


def test_a_sign_in_is_among_the_events_and_its_password_is_not(world, caplog):
    caplog.set_level("DEBUG")
    world.come("alice.id", "very-secret-nonce")

    with world.app.app_context(), read() as connection:
        event = connection.execute(select(EventRow).where(EventRow.kind == "signed in")).one()
    assert event.client_id == SERVER.id
    told = {"method": "oichat", "app": CHAT, "as_whom": "main", "name": "alice.id"}
    assert told.items() <= event.detail.items()
    assert "very-secret-nonce" not in caplog.text.replace("/c/very-secret-nonce", "")


def test_an_app_of_a_name_holds_the_name_for_its_person(world):
    world.come("alice.id+calendar.example.org", "n1", BOT)

    with world.app.app_context(), read() as connection:
        kept = connection.execute(select(PersonaRow.app, PersonaRow.localpart)).all()
    assert set(map(tuple, kept)) == {("", "alice.id"), (BOT, "alice.id+calendar.example.org")}


def test_what_a_password_opened_is_ended_by_itself(world):
    # Given Alice in the chat and the calendar as its own user, both at the homeserver
    chat = world.come("alice.id", "n1")
    bot = world.come("alice.id+calendar.example.org", "n2", BOT)

    with world.app.app_context():
        with read() as connection:
            account_id = connection.execute(select(AccountRow.id)).scalar_one()
            apps = {known.app: known for known in consents_of(connection, account_id)}
        assert set(apps) == {CHAT, BOT}
        # When the calendar is taken off the list of her apps
        write(lambda c: tell_of_app(c, account_id, SERVER.id, BOT, now=NOW))

        # Then its device alone is signed out
        with read() as connection:
            told = connection.execute(select(LogoutDeliveryRow.sub, LogoutDeliveryRow.sid)).all()
    assert [tuple(row) for row in told] == [(bot.subject, bot.session)]
    assert chat.session != bot.session


def test_it_is_no_yes_to_what_is_asked_for_later(world):
    world.come("alice.id", "n1")

    with world.app.app_context(), read() as connection:
        account_id = connection.execute(select(AccountRow.id)).scalar_one()
        (known,) = consents_of(connection, account_id)
    question = known.consent.question
    assert reasons_to_ask(question, known.consent, now=NOW) == ("not_remembered",)


def by_sso(world: World) -> tuple[object, object]:
    """Let Alice's wallet sign her in at the homeserver; return localpart and subject."""
    key = bytes.fromhex(ALICE["identity"]["private_hex"])
    person = Person(world.app, world.clock, FakeWallet(key, username="alice.id"))
    landed = person.prove(person.authorize(world.server, redirectUrl=f"{CHAT}/").location)
    code = query_of(person.decide(landed.location, as_whom="main").location)["code"]
    claims = read_id_token(world.app, redeem(world.app, code, world.server).json["id_token"])
    return claims["preferred_username"], claims["sub"]


def test_who_came_by_sso_is_the_same_matrix_user_by_password(world):
    sso = by_sso(world)
    password = world.come("alice.id", "n1")

    assert (password.localpart, password.subject, password.known) == (*sso, True)
    assert world.count(AccountRow) == 1


def test_who_came_by_password_is_the_same_matrix_user_by_sso(world):
    password = world.come(ALICE["identity"]["address"].lower(), "n1")

    assert by_sso(world) == (password.localpart, password.subject)
    assert world.count(AccountRow) == 1


def signed(text: str, private_hex: str) -> dict[str, str]:
    key = PrivateKey(bytes.fromhex(private_hex))
    return {"publicKey": key.public_key.format().hex(), "signature": key.sign(text.encode()).hex()}


def test_a_posted_signature_signs_in_and_leaves_nothing_in_the_bucket(world):
    challenge = world.ask("n").json["challenge"]
    answer = world.post("n", **signed(challenge, ALICE["apps"][CHAT]["private_hex"]))

    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert world.sign_in("alice.id", f"n|{CHAT}|alice.id").localpart == "alice.id"
    assert BUCKET + "mxid.json" not in world.web.calls


def test_a_posted_signature_of_another_key_is_refused_at_the_sign_in(world):
    challenge = world.ask("n").json["challenge"]
    world.post("n", **signed(challenge, ALICE["identity"]["private_hex"]))

    assert world.refused("alice.id", f"n|{CHAT}|alice.id") == "signature_invalid"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"nonce": "m"}, "malformed_password"),
        ({"nonce": 1}, "malformed_password"),
        ({"appDomain": "chat.openintents.org"}, "malformed_app"),
        ({"blockstackId": "alice"}, "malformed_name"),
        ({"blockstackId": "a|b.id"}, "malformed_password"),
        ({"publicKey": "x"}, "signature_invalid"),
        ({"signature": None}, "signature_invalid"),
        (signed("another text", "11" * 32), "signature_invalid"),
    ],
)
def test_an_answer_of_another_form_is_refused_and_an_earlier_one_stays(world, change, code):
    challenge = world.ask("n").json["challenge"]
    good = signed(challenge, ALICE["apps"][CHAT]["private_hex"])
    world.post("n", **good)

    answer = world.post("n", **{**good, **change})

    assert (answer.status_code, answer.json["error"]) == (400, code)
    assert world.sign_in("alice.id", f"n|{CHAT}|alice.id").localpart == "alice.id"


def test_an_answer_needs_a_question_that_is_open(world):
    good = signed("x", "11" * 32)
    unknown = world.post("n", **good)
    world.ask("n")
    world.clock.advance(seconds=301)
    late = world.post("n", **good)
    world.ask("m")
    world.refused("alice.id", f"m|{CHAT}|alice.id")
    used = world.post("m", **good)

    assert (unknown.status_code, unknown.json["error"]) == (404, "unknown_nonce")
    assert (late.status_code, late.json["error"]) == (410, "nonce_expired")
    assert (used.status_code, used.json["error"]) == (410, "nonce_used")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"nonce": "n", "nonce": "n"}'])
def test_an_answer_that_is_no_json_object_is_refused(world, body):
    world.ask("n")
    answer = world.browser.post("/proofs/oichat/n", data=body, base_url=ISSUER)

    assert answer.status_code == 400


def test_a_long_answer_is_not_read(world):
    answer = world.browser.post("/proofs/oichat/n", data=b"x" * 5000, base_url=ISSUER)

    assert (answer.status_code, answer.json["error"]) == (400, "too_large")


def test_a_script_of_any_origin_may_ask_first(world):
    answer = world.browser.options("/proofs/oichat/n", base_url=ISSUER, headers={"Origin": CHAT})

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]


def test_the_doors_are_closed_unless_the_operator_opens_them(app):
    browser = app.test_client()

    for path in ("/c/n", "/proofs/oichat/n"):
        answer = browser.post(path, json={}, base_url=ISSUER)
        assert (answer.status_code, answer.json["error"]) == (404, "not_found")
    with app.app_context(), read() as connection:
        client = get_client(connection, HOMESERVER.id)
    with app.test_request_context("/"), pytest.raises(ProofError, match="not_found"):
        sign_in(client, "alice.id", f"n|{CHAT}|alice.id", now=NOW)


def test_two_at_once_spend_a_nonce_once(world):
    world.ask("n")

    with world.app.app_context():
        write(lambda c: spend(c, "n", now=NOW))
        with pytest.raises(ProofError, match="nonce_used"):
            write(lambda c: spend(c, "n", now=NOW))


def test_prune_forgets_nonces_that_are_over(world):
    world.ask("old")
    world.clock.advance(seconds=200)
    world.ask("new")
    now = world.clock() + timedelta(seconds=101)

    with world.app.app_context():
        gone = dict(prune_all(now=now, token_life=timedelta(seconds=300)))

    assert gone["nonces of chat apps"] == 1
    assert world.count(NonceRow) == 1


def test_a_hub_of_the_operators_own_may_be_inside_and_nothing_else_may(settings: Settings) -> None:
    door = OiChatDoor(
        enabled=True,
        server_name="chat.example",
        gaia=frozenset({"https://10.0.0.7", "https://gaia.example"}),
    )
    private = frozenset({"https://10.0.0.7", "http://10.0.0.8:3999"})

    core = make_oichat(settings.model_copy(update={"oichat": door, "allow_private": private}))

    assert core is not None
    assert isinstance(core.strangers, GuardedFetch)
    assert core.strangers.exempt == {"https://10.0.0.7"}
