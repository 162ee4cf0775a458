"""The ledger: what happened."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import JSON, Connection, Index, Text, insert
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.storage import Base, UtcTime, new_id


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


_RECORD = insert(EventRow)


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


def record_all(
    connection: Connection, kind: str, details: Sequence[Mapping[str, str]], *, now: datetime
) -> None:
    """Write an event for each of *details*, in one statement however many they are."""
    if details:
        same = {"at": now, "kind": kind, "account_id": None, "client_id": None}
        connection.execute(
            _RECORD, [{"id": new_id(), **same, "detail": dict(detail)} for detail in details]
        )
