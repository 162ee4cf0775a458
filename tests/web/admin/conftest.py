"""Admins in every role, each with a browser in which they are signed in."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Connection, select

from oidc_bridge.roles import Role
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import IdentityRow
from oidc_bridge.storage.admins import set_role
from tests.conftest import Clock
from tests.driver import Person
from tests.fakes import NOW, FakeWallet


def account_of(app: Flask, person: Person) -> str:
    """Return the account of somebody who has signed in."""
    known = select(IdentityRow.account_id).where(IdentityRow.subject == person.wallet.address.c32)
    with app.app_context(), read() as connection:
        return str(connection.execute(known).scalar_one())


def change(app: Flask, work: Callable[[Connection], object]) -> None:
    with app.app_context():
        write(work)
    app.extensions["oidc_bridge"].snapshots.forget()


@pytest.fixture
def an_admin(app: Flask, clock: Clock) -> Callable[..., Person]:
    """Return somebody signed in who has this role; None for nobody special."""

    def make(role: Role | None, *, apps: tuple[str, ...] = ()) -> Person:
        person = Person(app, clock, FakeWallet.named(f"{role} {apps}"))
        person.prove(person.begin_account())
        if role is not None:
            account_id = account_of(app, person)
            change(
                app,
                lambda connection: set_role(connection, account_id, role, apps=apps, now=NOW),
            )
        return person

    return make
