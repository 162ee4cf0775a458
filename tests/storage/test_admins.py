"""Roles, where two change them at once."""

from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Thread

from flask import Flask
from sqlalchemy import Connection, insert

from oidc_bridge.errors import BridgeError
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.admins import admins, remove_admin, set_role
from tests.fakes import NOW

OWNERS = ("a" * 22, "b" * 22)


def test_two_owners_who_take_each_others_role_at_once_leave_one(app: Flask) -> None:
    def begin(connection: Connection) -> None:
        for owner in OWNERS:
            connection.execute(insert(AccountRow), {"id": owner, "created_at": NOW})
            set_role(connection, owner, "owner", now=NOW)

    both = Barrier(2)
    refused: list[str] = []

    def take(owner: str) -> None:
        def work(connection: Connection) -> None:
            remove_admin(connection, owner)
            with suppress(BrokenBarrierError):  # the other waits for us, as it should be
                both.wait(timeout=1)

        with app.app_context():
            try:
                write(work)
            except BridgeError as error:
                refused.append(error.code)

    with app.app_context():
        write(begin)
    threads = [Thread(target=take, args=(owner,)) for owner in OWNERS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with app.app_context(), read() as connection:
        assert len(admins(connection)) == 1
    assert refused == ["last_owner"]
