"""What an operator does about one person: find, look, block, let in with another wallet."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from oidc_bridge.errors import BridgeError
from oidc_bridge.storage.accounts import AccountRow, IdentityRow, hold_account
from oidc_bridge.storage.authorizations import revoke_of_account
from oidc_bridge.storage.ledger import COMMAND_LINE, record
from oidc_bridge.storage.names import names_of
from oidc_bridge.storage.outbox import tell_of_account
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.sessions import end_sessions, sessions_of
from oidc_bridge.storage.whom import accounts_of


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """A key that opens the account."""

    method: str
    address: str
    names: Sequence[str]
    first_proved_at: datetime
    last_proved_at: datetime
    is_pinned: bool


@dataclass(frozen=True, slots=True)
class KnownPersona:
    """As whom a client knows them."""

    client_id: str
    localpart: str


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """All that an operator sees of one account."""

    account_id: str
    created_at: datetime
    blocked_at: datetime | None
    name: str | None
    identities: Sequence[KnownIdentity]
    personas: Sequence[KnownPersona]
    sessions: int


def find_person(connection: Connection, who: str) -> str:
    """Return the account of an address, a name, a localpart or a Matrix ID.

    Raises:
        BridgeError: ``person_unknown``, ``person_ambiguous`` (a localpart may be another person's
            at another homeserver).
    """
    found = accounts_of(connection, who)
    if not found:
        raise BridgeError("person_unknown", who)
    if len(found) > 1:
        raise BridgeError("person_ambiguous", f"{who} may be {len(found)} people: give an address")
    return found[0]


def look_at(connection: Connection, account_id: str, *, now: datetime) -> KnownPerson:
    """Return what is known of an account."""
    account = connection.execute(
        select(AccountRow.created_at, AccountRow.blocked_at, AccountRow.name).where(
            AccountRow.id == account_id
        )
    ).one()
    names: dict[str, list[str]] = defaultdict(list)
    for owned in names_of(connection, account_id):
        names[owned.identity_id].append(owned.text)
    identities = connection.execute(
        select(IdentityRow.__table__).where(IdentityRow.account_id == account_id)
    )
    personas = connection.execute(
        select(PersonaRow.client_id, PersonaRow.localpart)
        .where(PersonaRow.account_id == account_id)
        .order_by(PersonaRow.client_id)
    )
    return KnownPerson(
        account_id=account_id,
        created_at=account.created_at,
        blocked_at=account.blocked_at,
        name=account.name,
        identities=[
            KnownIdentity(
                row.method,
                row.subject,
                names[row.id],
                row.first_proved_at,
                row.last_proved_at,
                row.app_key is not None,
            )
            for row in identities
        ],
        personas=[KnownPersona(*row) for row in personas],
        sessions=len(sessions_of(connection, account_id, now=now)),
    )


def block(
    connection: Connection, account_id: str, *, now: datetime, by: str = COMMAND_LINE
) -> bool:
    """Keep somebody out, here and wherever they signed in from here, at once.

    Returns False, and changes nothing, if they are blocked already.
    """
    hold_account(connection, account_id)
    _end_all(connection, account_id, now)  # first: who is blocked has no sessions to be found
    if not _set_blocked(connection, account_id, now):
        return False
    record(connection, "person blocked", now=now, account_id=account_id, by=by)
    return True


def sign_out_everywhere(
    connection: Connection, account_id: str, *, now: datetime, by: str = COMMAND_LINE
) -> None:
    """End all that somebody is signed in to, and all that apps may do for them meanwhile."""
    hold_account(connection, account_id)
    sessions = _end_all(connection, account_id, now)
    record(
        connection,
        "signed out by admin",
        now=now,
        account_id=account_id,
        sessions=str(sessions),
        by=by,
    )


def unblock(
    connection: Connection, account_id: str, *, now: datetime, by: str = COMMAND_LINE
) -> bool:
    """Let somebody sign in again; False if they may already."""
    if not _set_blocked(connection, account_id, None):
        return False
    record(connection, "person unblocked", now=now, account_id=account_id, by=by)
    return True


def accept_new_wallet(connection: Connection, account_id: str, *, now: datetime) -> None:
    """Forget the pinned app keys: the next answer's is pinned instead."""
    connection.execute(
        update(IdentityRow).where(IdentityRow.account_id == account_id).values(app_key=None)
    )
    record(connection, "new wallet accepted", now=now, account_id=account_id, by=COMMAND_LINE)


def _end_all(connection: Connection, account_id: str, now: datetime) -> int:
    ids = [session.id for session in sessions_of(connection, account_id, now=now)]
    end_sessions(connection, account_id, ids, now=now)
    tell_of_account(connection, account_id, now=now)
    revoke_of_account(connection, account_id, now=now)
    return len(ids)


def _set_blocked(connection: Connection, account_id: str, at: datetime | None) -> bool:
    was = AccountRow.blocked_at.is_(None) if at else AccountRow.blocked_at.is_not(None)
    changed = connection.execute(
        update(AccountRow).where(AccountRow.id == account_id, was).values(blocked_at=at)
    )
    return changed.rowcount == 1
