"""Many people and much that happened, written straight into the tables."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, insert

from oidc_bridge.proofs.addresses import Address
from oidc_bridge.storage.access_requests import ask_for_access
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.admissions import admit
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.names import NameRow
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.whitelist import AppRuleRow, Listing
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


def app_name(number: int) -> str:
    return f"https://app-{number:04d}.example"


def add_apps(
    connection: Connection, count: int, people: int, *, client_id: str = "synapse"
) -> None:
    """Add so many apps with a rule; everybody uses the first, and one of the others."""
    rule = {"say": "allow", "audience": "listed", "note": "", "changed_at": NOW}
    connection.execute(insert(AppRuleRow), [{"name": app_name(n), **rule} for n in range(count)])
    consent = {
        "client_id": client_id,
        "client_name": "x",
        "localpart": "x",
        "app_title": "x",
        "scopes": [],
        "claims": [],
        "granted": [],
        "text_version": 1,
    }
    for first in range(0, people, _AT_ONCE):
        connection.execute(
            insert(ConsentRow),
            [
                {
                    **consent,
                    "id": f"c{number}-{app}",
                    "account_id": account_id(number),
                    "app": app_name(app),
                    "given_at": NOW - timedelta(seconds=number),
                }
                for number in range(first, min(first + _AT_ONCE, people))
                for app in (0, 1 + number % (count - 1))
            ],
        )


def add_entries(connection: Connection, app: str, count: int) -> None:
    """Put the first so many people on the list of an app, by their addresses."""
    entries = [Listing("address", address(number), note="team") for number in range(count)]
    admit(connection, app, entries, now=NOW)


def add_requests(connection: Connection, app: str, count: int) -> None:
    """Let the first so many people wait for an app."""
    for number in range(count):
        who = {"app_title": "x", "person": name(number), "note": "please"}
        at = NOW - timedelta(days=1) + timedelta(seconds=number)
        ask_for_access(connection, account_id(number), "synapse", app, now=at, **who)
