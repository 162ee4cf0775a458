"""Many people and much that happened, written straight into the tables."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, insert

from oidc_bridge.proofs.addresses import Address
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.names import NameRow
from oidc_bridge.storage.personas import PersonaRow
from tests.fakes import NOW

_AT_ONCE = 5_000


def account_id(number: int) -> str:
    return f"a{number:021d}"


def address(number: int) -> str:
    return Address(number.to_bytes(20, "big")).c32


def add_people(connection: Connection, count: int, *, client_id: str = "synapse") -> None:
    """Add so many people, each with a wallet, a name, and an ID at a homeserver."""
    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, count))
        _add(connection, numbers, client_id)


def _add(connection: Connection, numbers: range, client_id: str) -> None:
    at = {number: NOW - timedelta(days=400) + timedelta(seconds=number) for number in numbers}
    connection.execute(
        insert(AccountRow),
        [{"id": account_id(n), "created_at": at[n], "name": name(n)} for n in numbers],
    )
    connection.execute(
        insert(IdentityRow),
        [
            {
                "id": f"i{account_id(n)}",
                "account_id": account_id(n),
                "method": "stacks",
                "subject": address(n),
                "unconfirmed": [],
                "first_proved_at": at[n],
                "last_proved_at": at[n],
            }
            for n in numbers
        ],
    )
    connection.execute(
        insert(NameRow),
        [
            {
                "text": name(n),
                "identity_id": f"i{account_id(n)}",
                "owner": address(n),
                "confirmed_at": at[n],
            }
            for n in numbers
        ],
    )
    connection.execute(
        insert(PersonaRow),
        [
            {
                "id": f"p{account_id(n)}",
                "account_id": account_id(n),
                "client_id": client_id,
                "app": "",
                "sub": f"s{account_id(n)}",
                "localpart": f"user-{n:06d}",
                "created_at": at[n],
            }
            for n in numbers
        ],
    )


def name(number: int) -> str:
    return f"person{number:06d}.btc"


def add_events(
    connection: Connection, count: int, *, kind: str = "signed in", at: datetime = NOW
) -> None:
    """Add so many events, of one person each; three have one time."""
    connection.execute(
        insert(EventRow),
        [
            {
                "id": f"e{kind}{n:08d}",
                "at": at + timedelta(seconds=n // 3),
                "kind": kind,
                "account_id": account_id(n),
                "client_id": "synapse" if n % 2 else None,
                "detail": {"method": "stacks"},
            }
            for n in range(count)
        ],
    )
