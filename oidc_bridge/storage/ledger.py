"""The ledger: what happened, and what the outbox still has to tell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Text,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.storage import Base, UtcTime, new_id
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.personas import PersonaRow


class EventRow(Base):
    """Something that changed the state of the bridge, written in the same transaction."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_account_id_at", "account_id", "at"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcTime)
    kind: Mapped[str] = mapped_column(Text)
    account_id: Mapped[str | None] = mapped_column(Text)
    client_id: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, str]] = mapped_column(JSON)


class LogoutDeliveryRow(Base):
    """A logout token that a client must get. Tried until told, or given up."""

    __tablename__ = "logout_deliveries"
    __table_args__ = (
        Index(
            "ix_logout_deliveries_due",
            "next_try_at",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    uri: Mapped[str] = mapped_column(Text)
    sub: Mapped[str] = mapped_column(Text)
    sid: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    next_try_at: Mapped[datetime] = mapped_column(UtcTime)
    tries: Mapped[int] = mapped_column(Integer)
    done_at: Mapped[datetime | None] = mapped_column(UtcTime)
    outcome: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class LogoutDelivery:
    """A logout token to send now."""

    id: str
    client_id: str
    uri: str
    sub: str
    sid: str
    tries: int


_RECORD = insert(EventRow)
_A = AuthorizationRow
# The authorizations themselves may be revoked or long expired: the devices at the client are not.
_TO_TELL = (
    select(_A.sid, _A.client_id, PersonaRow.sub, ClientRow.backchannel_logout_uri)
    .join(PersonaRow, PersonaRow.id == _A.persona_id)
    .join(ClientRow, ClientRow.id == _A.client_id)
    .where(_A.code_spent_at.is_not(None), ClientRow.backchannel_logout_uri.is_not(None))
    .distinct()
)
_TO_TELL_OF_SESSIONS = _TO_TELL.where(_A.session_id.in_(bindparam("ids", expanding=True)))
_TO_TELL_OF_APP = _TO_TELL.where(
    _A.account_id == bindparam("account_id"),
    _A.client_id == bindparam("client_id"),
    _A.app == bindparam("app"),
)
_D = LogoutDeliveryRow
_NEXT = (
    select(_D.id)
    .where(_D.done_at.is_(None), _D.next_try_at <= bindparam("due", type_=UtcTime))
    .order_by(_D.next_try_at)
    .limit(bindparam("at_most"))
)
_CLAIM = (
    update(_D)
    .where(_D.id == bindparam("delivery"), _D.next_try_at <= bindparam("due", type_=UtcTime))
    .values(next_try_at=bindparam("lease"), tries=_D.tries + 1)
    .returning(_D.id, _D.client_id, _D.uri, _D.sub, _D.sid, _D.tries)
)
_SETTLE = (
    update(_D)
    .where(_D.id == bindparam("delivery"))
    .values(done_at=bindparam("done"), next_try_at=bindparam("again"), outcome=bindparam("result"))
)


def record(
    connection: Connection,
    kind: str,
    *,
    now: datetime,
    account_id: str | None = None,
    client_id: str | None = None,
    **detail: str,
) -> None:
    """Write an event. *detail* is for admins to read: no secrets, no tokens."""
    connection.execute(
        _RECORD,
        {
            "id": new_id(),
            "at": now,
            "kind": kind,
            "account_id": account_id,
            "client_id": client_id,
            "detail": detail,
        },
    )


def tell_of_sessions(connection: Connection, session_ids: Sequence[str], *, now: datetime) -> int:
    """Queue a logout token for every client that knows one of these sessions; return how many."""
    return _queue(connection, connection.execute(_TO_TELL_OF_SESSIONS, {"ids": session_ids}), now)


def tell_of_app(
    connection: Connection, account_id: str, client_id: str, app: str, *, now: datetime
) -> int:
    """Queue a logout token for all that one app has of an account; return how many."""
    which = {"account_id": account_id, "client_id": client_id, "app": app}
    return _queue(connection, connection.execute(_TO_TELL_OF_APP, which), now)


def _queue(connection: Connection, known: Iterable[Any], now: datetime) -> int:
    rows = [
        {
            "id": new_id(),
            "client_id": client_id,
            "uri": uri,
            "sub": sub,
            "sid": sid,
            "created_at": now,
            "next_try_at": now,
            "tries": 0,
            "outcome": "",
        }
        for sid, client_id, sub, uri in known
    ]
    if rows:
        connection.execute(insert(_D), rows)
    return len(rows)


def claim_deliveries(
    connection: Connection, *, now: datetime, lease: timedelta, at_most: int = 20
) -> Sequence[LogoutDelivery]:
    """Take what is due, so that no other process sends it while *lease* lasts."""
    due = connection.execute(_NEXT, {"due": now, "at_most": at_most}).scalars().all()
    claimed = []
    for delivery in due:
        row = connection.execute(
            _CLAIM, {"delivery": delivery, "due": now, "lease": now + lease}
        ).first()
        if row is not None:
            claimed.append(LogoutDelivery(*row))
    return claimed


def settle_delivery(
    connection: Connection,
    delivery_id: str,
    *,
    outcome: str,
    done_at: datetime | None,
    next_try_at: datetime,
) -> None:
    """Note how a try went; ``done_at`` ends it, whether told or given up."""
    connection.execute(
        _SETTLE,
        {
            "delivery": delivery_id,
            "done": done_at,
            "again": next_try_at,
            "result": outcome,
        },
    )
