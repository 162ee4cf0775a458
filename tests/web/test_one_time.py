"""One-time passwords of the account page: for clients that know passwords alone."""

import html
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from oidc_bridge.config import Settings
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.nonces import NonceRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.whitelist import AppRule, set_rule
from tests.conftest import Clock
from tests.driver import ISSUER, Person, enrol, fields_of
from tests.fakes import FakeWallet
from tests.matrix.test_password import MISSPELT, SPELT
from tests.oichat import CHAT, NOW
from tests.web.test_oichat import SERVER, World, clock, made

PAGE = "/account/one-time"
__all__ = ["clock"]


@pytest.fixture
def world(settings: Settings, clock: Clock) -> Iterator[World]:
    with made(settings, clock) as world:
        yield world


@pytest.fixture
def ann(world: World) -> Person:
    """Ann, who has just signed in on her account page."""
    person = Person(world.app, world.clock, FakeWallet.named("ann"))
    person.prove(person.begin_account())
    return person


def make(person: Person) -> tuple[str, str]:
    """Make one; return user name and password as the page shows them."""
    answer = person.press_on(PAGE, PAGE)
    assert answer.status_code == 200, answer.text
    user, secret = (
        re.search(rf'<code id="{name}">([^<]+)</code>', answer.text) for name in ("user", "secret")
    )
    assert user and secret
    return html.unescape(user[1]), html.unescape(secret[1])


def test_it_signs_in_once(world, ann):
    user, secret = make(ann)

    signed_in = world.sign_in(f"@{user}:chat.example", secret)

    assert signed_in.localpart == user == ann.wallet.address.c32.lower()
    assert signed_in.session
    assert world.refused(user, secret) == "nonce_used"


@pytest.mark.parametrize("user", SPELT)
def test_the_user_is_spelt_as_people_spell_it(world, ann, user):
    localpart, secret = make(ann)
    typed = user.format(user=localpart, server="chat.example")

    assert world.sign_in(typed.upper(), secret).localpart == localpart


@pytest.mark.parametrize("user", MISSPELT)
def test_a_user_who_is_nobody_here_is_refused(world, ann, user):
    localpart, secret = make(ann)
    typed = user.format(user=localpart, server="chat.example")

    assert world.refused(typed, secret) == "localpart_mismatch"


def test_it_lasts_for_five_minutes(world, ann):
    user, secret = make(ann)
    world.clock.advance(seconds=301)

    assert world.refused(user, secret) == "nonce_expired"


def test_it_opens_the_account_of_who_made_it_and_no_other(world, ann):
    _, secret = make(ann)

    assert world.refused("alice.id", secret) == "localpart_mismatch"


def test_nobody_makes_one_by_guessing_or_by_asking_for_a_challenge(world, ann):
    user, secret = make(ann)
    nonce, rest = secret.split("|", 1)
    world.ask("n")

    assert world.refused(user, f"x{secret}") == "unknown_nonce"
    assert world.refused(user, f"n|{rest}") == "challenge_mismatch"
    assert world.post(nonce, publicKey="02" + "11" * 32, signature="30" * 70).status_code == 400


def test_it_is_no_apps_answer(world, ann):
    _, secret = make(ann)

    assert world.refused("alice.id", f"{secret.split('|')[0]}|{CHAT}|alice.id") == (
        "challenge_mismatch"
    )


def test_it_is_for_the_homeserver_that_the_operator_named(world, ann):
    user, secret = make(ann)
    elsewhere = enrol(world.app, replace(SERVER, id="other", server_name="other.example"))

    assert world.refused(user, secret, elsewhere) == "server_mismatch"


def test_a_fresh_proof_comes_first(world, ann):
    world.clock.advance(seconds=301)

    answer = ann.press_on(PAGE, PAGE)
    assert answer.location.startswith("/sign-in/")
    assert ann.prove(answer.location).location == f"{PAGE}?done=confirmed"


def test_nobody_makes_one_who_is_not_signed_in(world):
    stranger = Person(world.app, world.clock, FakeWallet.named("stranger"))

    assert stranger.get(PAGE).location == "/account"
    assert stranger.post(PAGE, {}).status_code in (400, 403)


def test_whoever_was_blocked_meanwhile_stays_out(world, ann):
    user, secret = make(ann)
    with world.app.app_context():
        write(lambda c: c.execute(update(AccountRow).values(blocked_at=NOW)))

    assert world.refused(user, secret) == "account_blocked"


def test_the_operators_rule_on_app_passwords_holds_for_it_too(world, ann):
    user, secret = make(ann)
    with world.app.app_context():
        write(lambda c: set_rule(c, AppRule("client:app-password", "deny"), now=NOW))

    assert world.refused(user, secret) == "app_not_allowed"
    assert ann.press_on(PAGE, PAGE).status_code == 400


def test_what_it_opened_is_signed_out_on_the_account_page(world, ann):
    user, secret = make(ann)
    world.clock.advance(seconds=1)
    signed_in = world.sign_in(user, secret)
    page = ann.get("/account").text
    assert "A Matrix client (one-time password)" in page

    latest, *_ = re.findall(r'action="(/account/sessions/[^"]+/sign-out)"', page)
    ann.press_on("/account", latest)

    with world.app.app_context(), read() as connection:
        told = connection.execute(select(LogoutDeliveryRow.sub, LogoutDeliveryRow.sid)).all()
    assert [tuple(row) for row in told] == [(signed_in.subject, signed_in.session)]


def test_the_secret_is_kept_as_a_hash_only(world, ann):
    _, secret = make(ann)

    with world.app.app_context(), read() as connection:
        kept = str(connection.execute(select(NonceRow.__table__)).mappings().all())
    assert secret.split("|")[0] not in kept


def test_a_person_may_have_thirty_in_five_minutes(world, ann):
    for _ in range(30):
        make(ann)

    assert ann.press_on(PAGE, PAGE).status_code == 400


def test_there_is_no_such_page_unless_a_homeserver_takes_such_passwords(app, clock):
    person = Person(app, clock, FakeWallet.named("ann"))
    person.prove(person.begin_account())

    assert person.get(PAGE).status_code == 404
    assert PAGE not in person.get("/account").text
    assert person.browser.get(PAGE, base_url=ISSUER).status_code == 404


def give_several_names(world: World) -> None:
    """Let everybody own names of which they have chosen none."""
    several = update(AccountRow).values(must_choose_name=True)
    with world.app.app_context():
        write(lambda connection: connection.execute(several))


def test_who_has_several_names_chooses_one_in_a_browser_first(world, ann):
    form = fields_of(ann.get(PAGE).text, PAGE)
    give_several_names(world)

    shown, made = ann.get(PAGE), ann.post(PAGE, form)

    assert "You have several names" in shown.text and f'action="{PAGE}"' not in shown.text
    assert made.status_code == 409 and "name_not_chosen" in made.text
    assert world.count(PersonaRow) == world.count(NonceRow) == 0


def test_a_choice_made_once_is_enough(world, ann):
    make(ann)
    give_several_names(world)

    user, secret = make(ann)

    assert world.sign_in(user, secret).localpart == user


def test_the_account_page_names_it_only_where_it_can_be_made(world, ann):
    assert PAGE in ann.account_page()

    with world.app.app_context():
        write(lambda c: c.execute(update(ClientRow).values(server_name="other.example")))
    world.app.extensions["oidc_bridge"].snapshots.forget()

    assert PAGE not in ann.account_page()
