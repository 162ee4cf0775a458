"""What an account is opened by, and what is known of its person afterwards."""

from dataclasses import replace
from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from oidc_bridge.identity import Identity, Profile
from oidc_bridge.sitting import MESSAGE, RESPONSE, Proven
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow, Opened, find_known, open_account
from tests.fakes import NOW

ANN = Profile("Ann", "https://pictures.example/ann.png", "ann@example.org")
ANSWER = Identity(RESPONSE, "SP-ANN", NOW, names_host=False, profile=ANN)
SIGNATURE = Identity(MESSAGE, "SP-COINS", NOW, names_host=True)


def open_by(app: Flask, *identities: Identity) -> Opened:
    with app.app_context():
        return write(
            lambda connection: open_account(
                connection,
                [Proven(identity, find_known(connection, identity)) for identity in identities],
            )
        )


def described(app: Flask, opened: Opened) -> Profile:
    columns = (AccountRow.display_name, AccountRow.picture, AccountRow.email)
    with app.app_context(), read() as connection:
        row = connection.execute(select(*columns).where(AccountRow.id == opened.account_id)).one()
        return Profile(*row)


def test_a_new_account_is_described_by_the_proof_that_says_something(app: Flask) -> None:
    assert described(app, open_by(app, ANSWER, SIGNATURE)) == ANN


def test_a_wallet_that_says_nothing_takes_nothing_away(app: Flask) -> None:
    open_by(app, ANSWER, SIGNATURE)

    assert described(app, open_by(app, SIGNATURE)) == ANN


def test_a_new_account_of_somebody_who_says_nothing_is_not_described(app: Flask) -> None:
    assert described(app, open_by(app, SIGNATURE)) == Profile()


def test_who_comes_again_is_described_by_what_they_say_today(app: Flask) -> None:
    first = open_by(app, ANSWER)
    today = replace(ANSWER, proved_at=NOW + timedelta(days=1), profile=Profile(display_name="Anna"))

    second = open_by(app, today)

    assert second == first
    assert described(app, second) == Profile(display_name="Anna")


def test_of_two_descriptions_the_latest_counts(app: Flask) -> None:
    later = replace(SIGNATURE, profile=Profile(display_name="Anna"))

    assert described(app, open_by(app, ANSWER, later)) == Profile(display_name="Anna")
