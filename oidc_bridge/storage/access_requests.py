"""Requests for access: people who were refused an app and asked to be let in."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    Connection,
    ForeignKey,
    Index,
    Text,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import BridgeError
from oidc_bridge.storage import Base, UtcTime, new_id
from oidc_bridge.storage.authorizations import AuthorizationRow

Outcome = Literal["approved", "declined"]


class AccessRequestRow(Base):
    """One person's wish to use one app. At most one per account and app is undecided."""

    __tablename__ = "access_requests"
    __table_args__ = (
        Index(
            "uq_access_requests_open",
            "account_id",
            "app",
            unique=True,
            sqlite_where=text("decided_at IS NULL"),
            postgresql_where=text("decided_at IS NULL"),
        ),
        Index(
            "ix_access_requests_asked_at",
            "asked_at",
            sqlite_where=text("decided_at IS NULL"),
            postgresql_where=text("decided_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    app: Mapped[str] = mapped_column(Text)
    app_title: Mapped[str] = mapped_column(Text)
    person: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(UtcTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
    outcome: Mapped[Outcome | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, server_default="")


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Somebody's wish to use an app.

    Attributes:
        person: what they went by when they asked: their name, else their address.
        outcome: None while nobody has decided.
        reason: the operator's words about a decline.
    """

    id: str
    account_id: str
    client_id: str
    app: str
    app_title: str
    person: str
    note: str
    asked_at: datetime
    decided_at: datetime | None
    outcome: Outcome | None
    reason: str


_Q = AccessRequestRow
_COLUMNS: tuple[Any, ...] = (
    _Q.id,
    _Q.account_id,
    _Q.client_id,
    _Q.app,
    _Q.app_title,
    _Q.person,
    _Q.note,
    _Q.asked_at,
    _Q.decided_at,
    _Q.outcome,
    _Q.reason,
)
_LATEST = (
    select(*_COLUMNS)
    .where(_Q.account_id == bindparam("account_id"), _Q.app == bindparam("app"))
    .order_by(_Q.asked_at.desc())
    .limit(1)
)
_A = AuthorizationRow
# An app that has signed them in since needs no more words.
_IS_USED = (
    select(_A.id)
    .where(
        _A.account_id == _Q.account_id,
        _A.client_id == _Q.client_id,
        or_(_A.app == _Q.app, _Q.app.startswith("client:")),
        _A.created_at > _Q.decided_at,
    )
    .exists()
)
_NEWS = (
    select(*_COLUMNS)
    .where(
        _Q.account_id == bindparam("account_id"),
        _Q.decided_at > bindparam("since", type_=UtcTime),
        ~_IS_USED,
    )
    .order_by(_Q.decided_at.desc())
    .limit(10)
)
_DECIDE = (
    update(_Q)
    .where(_Q.id.in_(bindparam("requests", expanding=True)), _Q.decided_at.is_(None))
    .values(decided_at=bindparam("now"), outcome=bindparam("decided"), reason=bindparam("because"))
    .returning(*_COLUMNS)
)


def ask_for_access(
    connection: Connection,
    account_id: str,
    client_id: str,
    app: str,
    *,
    app_title: str,
    person: str,
    note: str,
    now: datetime,
) -> bool:
    """Keep a request; False if one is waiting already."""
    latest = find_access_request(connection, account_id, app)
    if latest is not None and latest.outcome is None:
        return False
    connection.execute(
        insert(_Q),
        {
            "id": new_id(),
            "account_id": account_id,
            "client_id": client_id,
            "app": app,
            "app_title": app_title,
            "person": person,
            "note": note,
            "asked_at": now,
        },
    )
    return True


def find_access_request(connection: Connection, account_id: str, app: str) -> AccessRequest | None:
    """Return a person's latest request for an app."""
    row = connection.execute(_LATEST, {"account_id": account_id, "app": app}).first()
    return None if row is None else AccessRequest(*row)


def decided_lately(
    connection: Connection, account_id: str, *, since: datetime
) -> Sequence[AccessRequest]:
    """Return what became of a person's requests since then, but of apps that they use already."""
    rows = connection.execute(_NEWS, {"account_id": account_id, "since": since})
    return [AccessRequest(*row) for row in rows]


def access_requests(
    connection: Connection, *, is_open: bool = True, at_most: int = 100
) -> Sequence[AccessRequest]:
    """Return the requests that wait, oldest first, or those that were decided, latest first."""
    if is_open:
        which = select(*_COLUMNS).where(_Q.decided_at.is_(None)).order_by(_Q.asked_at)
    else:
        decided = select(*_COLUMNS).where(_Q.decided_at.is_not(None))
        which = decided.order_by(_Q.decided_at.desc())
    return [AccessRequest(*row) for row in connection.execute(which.limit(at_most))]


def count_access_requests(connection: Connection, *, of: Collection[str] | None) -> int:
    """Return how many requests wait, of these apps alone if they are given."""
    waiting = select(func.count()).select_from(_Q).where(_Q.decided_at.is_(None))
    if of is not None:
        waiting = waiting.where(_Q.app.in_(of))
    return int(connection.execute(waiting).scalar_one())


def decide_access_requests(
    connection: Connection,
    request_ids: Sequence[str],
    outcome: Outcome,
    *,
    reason: str = "",
    now: datetime,
) -> Sequence[AccessRequest]:
    """Decide requests, each once; the caller changes the list.

    Raises:
        BridgeError: ``request_decided`` if there is none of an id, or somebody was quicker.
    """
    rows = connection.execute(
        _DECIDE, {"requests": request_ids, "now": now, "decided": outcome, "because": reason}
    )
    requests = [AccessRequest(*row) for row in rows]
    if missing := set(request_ids) - {request.id for request in requests}:
        raise BridgeError("request_decided", " ".join(sorted(missing)))
    return requests


def drop_open_requests(connection: Connection, account_id: str, *, where_also: str) -> None:
    """Forget what an account waits for and *where_also*, which takes it in, waits for too."""
    waits = select(_Q.app).where(_Q.account_id == where_also, _Q.decided_at.is_(None))
    connection.execute(
        delete(_Q).where(_Q.account_id == account_id, _Q.decided_at.is_(None), _Q.app.in_(waits))
    )
