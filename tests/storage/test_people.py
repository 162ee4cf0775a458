"""What an operator does about one person."""

import pytest
from flask import Flask

from oidc_bridge.errors import BridgeError
from oidc_bridge.storage import people, read, write
from tests.conftest import Clock
from tests.driver import Person, userinfo
from tests.fakes import FakeWallet


def find(app: Flask, who: str) -> str:
    with app.app_context(), read() as connection:
        return people.find_person(connection, who)


def look(app: Flask, who: str, clock: Clock) -> people.KnownPerson:
    with app.app_context(), read() as connection:
        return people.look_at(connection, people.find_person(connection, who), now=clock())


def change(app: Flask, name: str, who: str, clock: Clock) -> None:
    act = getattr(people, name)
    with app.app_context():
        write(lambda c: act(c, people.find_person(c, who), now=clock()))


def test_a_person_is_found_by_address_localpart_and_matrix_id(
    app: Flask, ann: Person, bob: Person
) -> None:
    ann.tokens()
    bob.tokens()
    address = ann.wallet.address.c32

    found = {
        find(app, who) for who in (address, address.lower(), f"@{address.lower()}:matrix.example")
    }

    assert len(found) == 1
    assert find(app, bob.wallet.address.c32) not in found


@pytest.mark.parametrize("who", ["", "@", "nobody", "SP000", "%"])
def test_nobody_is_nobody(app: Flask, ann: Person, who: str) -> None:
    ann.tokens()

    with pytest.raises(BridgeError) as refused:
        find(app, who)

    assert refused.value.code == "person_unknown"


def test_an_operator_sees_what_there_is(app: Flask, ann: Person, clock: Clock) -> None:
    ann.tokens()

    seen = look(app, ann.wallet.address.c32, clock)

    assert [identity.address for identity in seen.identities] == [ann.wallet.address.c32]
    assert [persona.client_id for persona in seen.personas] == ["synapse"]
    assert (seen.sessions, seen.blocked_at) == (1, None)


def test_a_blocked_person_is_out_at_once_and_everywhere(
    app: Flask, ann: Person, clock: Clock
) -> None:
    tokens = ann.tokens()

    change(app, "block", ann.wallet.address.c32, clock)

    assert userinfo(app, str(tokens["access_token"])).status_code == 401
    assert "/account/begin" in ann.account_page()
    refused = ann.prove(ann.authorize().location)
    assert refused.status_code == 403
    assert "account_blocked" in refused.text
    assert look(app, ann.wallet.address.c32, clock).sessions == 0


def test_an_unblocked_person_may_sign_in_again(app: Flask, ann: Person, clock: Clock) -> None:
    ann.tokens()
    change(app, "block", ann.wallet.address.c32, clock)

    change(app, "unblock", ann.wallet.address.c32, clock)

    assert ann.tokens()


def test_a_new_wallet_is_accepted_once(app: Flask, ann: Person, clock: Clock) -> None:
    ann.tokens()

    class Another(FakeWallet):
        def app_key(self, origin: str) -> bytes:
            return super().app_key(f"another wallet's salt {origin}")

    old, ann.wallet = ann.wallet, Another(ann.wallet.identity_key)
    assert ann.prove(ann.authorize(prompt="login").location).status_code == 400

    change(app, "accept_new_wallet", old.address.c32, clock)

    assert ann.prove(ann.authorize(prompt="login").location).status_code == 303
    ann.wallet = old
    again = ann.prove(ann.authorize(prompt="login").location)
    assert again.status_code == 400
    assert "app_key_changed" in again.text
