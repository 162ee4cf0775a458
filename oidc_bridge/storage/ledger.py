"""The ledger: what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BindParameter,
    Connection,
    Index,
    Text,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.storage import Base, UtcTime, new_id


class EventRow(Base):
    """Something that changed the state of the bridge, written in the same transaction."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_account_id_at", "account_id", "at"),
        Index("ix_events_at_id", "at", "id"),
        Index("ix_events_kind_at", "kind", "at"),
        Index("ix_events_client_id_at", "client_id", "at"),
        Index(
            "ix_events_app_at",
            "app",
            "at",
            sqlite_where=text("app IS NOT NULL"),
            postgresql_where=text("app IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcTime)
    kind: Mapped[str] = mapped_column(Text)
    account_id: Mapped[str | None] = mapped_column(Text)
    client_id: Mapped[str | None] = mapped_column(Text)
    # As in the detail; here to be found by.
    app: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, str]] = mapped_column(JSON)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an account, as its person may see it."""

    id: str
    at: datetime
    kind: str
    client_id: str | None
    detail: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the ledger: events come after it that are older. Two may have one time."""

    at: datetime
    id: str


# Who did it, where nobody was signed in; an admin's account otherwise.
COMMAND_LINE = "command line"
# Who did it, where that admin's account is no more.
SOMEBODY_GONE = "somebody who is gone"

# What a person may read of an event's detail; whatever else is in it is for admins, and may be
# about somebody else: who decided, which account was joined.
TOLD = frozenset(
    {
        *("app", "as_whom", "code", "consent", "label", "method", "name", "reason", "say"),
        *("role", "scopes", "sessions"),
    }
)

_E = EventRow
_RECORD = insert(EventRow)
_HAD_ROLE = (
    select(_E.id).where(_E.account_id == bindparam("account_id"), _E.kind == "role given").limit(1)
)
_BY = select(_E.id, _E.detail).where(_E.detail["by"].as_string() == bindparam("account_id"))
_TELL = update(_E).where(_E.id == bindparam("event")).values(detail=bindparam("told"))
_OF_ACCOUNT = (
    select(_E.id, _E.at, _E.kind, _E.client_id, _E.detail)
    .where(_E.account_id == bindparam("account_id"))
    .order_by(_E.at.desc(), _E.id.desc())
)
_PAGE = _OF_ACCOUNT.limit(bindparam("at_most"))
_at: BindParameter[datetime] = bindparam("before_at", type_=UtcTime)
# The first condition follows from the second; it lets the index be read from there on.
_NEXT_PAGE = _PAGE.where(_E.at <= _at, (_E.at < _at) | (_E.id < bindparam("before_id")))


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
    connection.execute(_RECORD, _row(kind, now, account_id, client_id, **detail))


def record_all(
    connection: Connection, kind: str, events: Sequence[Mapping[str, str]], *, now: datetime
) -> None:
    """Write events in one statement however many they are; each has what `record` takes."""
    if events:
        connection.execute(_RECORD, [_row(kind, now, **event) for event in events])


def _row(
    kind: str,
    now: datetime,
    account_id: str | None = None,
    client_id: str | None = None,
    **detail: str,
) -> Mapping[str, Any]:
    return {
        "id": new_id(),
        "at": now,
        "kind": kind,
        "account_id": account_id,
        "client_id": client_id,
        "app": detail.get("app") or None,
        "detail": detail,
    }


def events_of(
    connection: Connection, account_id: str, *, after: Place | None = None, at_most: int
) -> Sequence[Event]:
    """Return what happened to an account, youngest first, from a place in the ledger on.

    Of the detail all is there; who shows it to a person shows what is `TOLD`.
    """
    asked = {"account_id": account_id, "at_most": at_most}
    if after is None:
        rows = connection.execute(_PAGE, asked)
    else:
        rows = connection.execute(
            _NEXT_PAGE, {**asked, "before_at": after.at, "before_id": after.id}
        )
    return [Event(*row) for row in rows]


def was_done_by(connection: Connection, account_id: str, by: str) -> None:
    """Let all that *account_id* did as an admin have been done by *by* from now on.

    The whole ledger is read for whoever ever had a role, and for nobody else.
    """
    if connection.execute(_HAD_ROLE, {"account_id": account_id}).first() is None:
        return
    done = connection.execute(_BY, {"account_id": account_id}).all()
    if done:
        connection.execute(
            _TELL, [{"event": row.id, "told": {**row.detail, "by": by}} for row in done]
        )
