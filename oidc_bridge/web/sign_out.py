"""Signing out: what ends with a session, and who is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from oidc_bridge.oidc.client import Client
from oidc_bridge.storage.authorizations import revoke_of_sessions
from oidc_bridge.storage.consents import apps_of_sessions
from oidc_bridge.storage.ledger import record, tell_of_sessions
from oidc_bridge.storage.sessions import Session, end_sessions, sessions_of
from oidc_bridge.web import bridge


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """What becomes of an app: ``pending`` (it is being told) or ``none`` (it cannot be)."""

    title: str
    state: str


def end(
    connection: Connection, session: Session, ids: Sequence[str], *, now: datetime
) -> Sequence[Outcome]:
    """End those of *ids* that are this person's sessions; return what becomes of the apps."""
    live = {known.id for known in sessions_of(connection, session.account_id, now=now)}
    ids = [session_id for session_id in ids if session_id in live]
    clients = bridge().snapshots.current().clients
    outcomes = {
        Outcome(title, "pending" if _can_be_told(clients.get(client_id)) else "none")
        for _, client_id, title in apps_of_sessions(connection, ids)
    }
    tell_of_sessions(connection, session.account_id, ids, now=now)
    revoke_of_sessions(connection, ids, now=now)
    end_sessions(connection, session.account_id, ids, now=now)
    record(
        connection,
        "signed out",
        now=now,
        account_id=session.account_id,
        sessions=str(len(ids)),
    )
    return sorted(outcomes)


def _can_be_told(client: Client | None) -> bool:
    return client is not None and client.backchannel_logout_uri is not None
