"""The outbox: what clients must still be told, and how that went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    ForeignKey,
    Index,
    Integer,
    Select,
    Text,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.storage import Base, UtcTime, new_id
from oidc_bridge.storage.app_passwords import AppPasswordRow
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.registrations import has_registered_itself
from oidc_bridge.storage.sessions import SessionRow

# The outcome of a delivery that its client took.
TOLD = "told"


class LogoutDeliveryRow(Base):
    """A logout token that a client must get. Tried until told, or given up."""

    __tablename__ = "logout_deliveries"
    __table_args__ = (
        Index("ix_logout_deliveries_sid", "sid"),
        Index("ix_logout_deliveries_client_id_created_at", "client_id", "created_at"),
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
class Notice:
    """What became of one app at a sign-out; ``tries`` is None if its client cannot be told."""

    app_title: str
    signed_out_at: datetime
    tries: int | None
    is_over: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """A delivery as the operator reads it."""

    client_id: str
    created_at: datetime
    tries: int
    outcome: str
    done_at: datetime | None
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class LogoutDelivery:
    """A logout token to send now."""

    id: str
    client_id: str
    uri: str
    sub: str
    sid: str
    tries: int
    is_operators: bool


_A = AuthorizationRow
# Revoked or expired, what a client was given may still have a device there. A code that is being
# redeemed at this moment will have one.
_TO_TELL = (
    select(_A.id, _A.sid, _A.client_id, PersonaRow.sub, ClientRow.backchannel_logout_uri)
    .join(PersonaRow, PersonaRow.id == _A.persona_id)
    .join(ClientRow, ClientRow.id == _A.client_id)
    .where(
        _A.account_id == bindparam("account_id"),
        _A.signed_out_at.is_(None),
        ClientRow.backchannel_logout_uri.is_not(None),
        _A.code_spent_at.is_not(None) | (_A.code_expires_at > bindparam("now", type_=UtcTime)),
    )
)
_TO_TELL_OF_SESSIONS = _TO_TELL.where(_A.session_id.in_(bindparam("ids", expanding=True)))
# What a chat app's key let in by another Matrix client goes with the chat app.
_LET_IN = select(SessionRow.id).where(
    SessionRow.account_id == bindparam("account_id"), SessionRow.app == bindparam("app")
)
_TO_TELL_OF_APP = _TO_TELL.where(
    _A.client_id == bindparam("client_id"),
    (_A.app == bindparam("app")) | _A.session_id.in_(_LET_IN),
)
# A device that an app password opened at a homeserver has its ``sid``.
_W = AppPasswordRow
_TO_TELL_OF_APP_PASSWORDS = (
    select(_A.id, _A.sid, PersonaRow.client_id, PersonaRow.sub, ClientRow.backchannel_logout_uri)
    .join(_W, _W.authorization_id == _A.id)
    .join(PersonaRow, PersonaRow.id == _W.matrix_persona_id)
    .join(ClientRow, ClientRow.id == PersonaRow.client_id)
    .where(_A.signed_out_at.is_(None), ClientRow.backchannel_logout_uri.is_not(None))
)
_TO_TELL_OF_APP_PASSWORD = _TO_TELL_OF_APP_PASSWORDS.where(_W.id == bindparam("ended"))
_TO_TELL_OF_ALL_APP_PASSWORDS = _TO_TELL_OF_APP_PASSWORDS.where(
    _A.account_id == bindparam("account_id")
)
_TO_TELL_OF_DATES = _TO_TELL_OF_APP_PASSWORDS.where(
    _W.ends_at <= bindparam("now", type_=UtcTime)
).limit(100)
_TOLD = (
    update(_A)
    .where(_A.id.in_(bindparam("ids", expanding=True)))
    .values(signed_out_at=bindparam("now"))
)
_D = LogoutDeliveryRow
_NOTICES = (
    select(ConsentRow.app_title, SessionRow.ended_at, _D.tries, _D.done_at, _D.outcome)
    .select_from(SessionRow)
    .join(_A, _A.session_id == SessionRow.id)
    .join(
        ConsentRow,
        (ConsentRow.account_id == _A.account_id)
        & (ConsentRow.client_id == _A.client_id)
        & (ConsentRow.app == _A.app)
        & ConsentRow.removed_at.is_(None),
    )
    .outerjoin(_D, (_D.sid == _A.sid) & (_D.client_id == _A.client_id))
    .where(
        SessionRow.sign_out_id == bindparam("sign_out"),
        SessionRow.ended_at > bindparam("since", type_=UtcTime),
        _A.code_spent_at.is_not(None),
    )
    .distinct()
)
_LOG = select(
    _D.client_id, _D.created_at, _D.tries, _D.outcome, _D.done_at, _D.next_try_at
).order_by(_D.created_at.desc())
_NEXT = (
    select(_D.id)
    .where(_D.done_at.is_(None), _D.next_try_at <= bindparam("due", type_=UtcTime))
    .order_by(_D.next_try_at)
    .limit(bindparam("at_most"))
)
_CLAIM = (
    update(_D)
    .where(
        _D.id == bindparam("delivery"),
        _D.done_at.is_(None),
        _D.next_try_at <= bindparam("due", type_=UtcTime),
    )
    .values(next_try_at=bindparam("lease"), tries=_D.tries + 1)
    .returning(_D.id, _D.client_id, _D.uri, _D.sub, _D.sid, _D.tries)
)
_SETTLE = (
    update(_D)
    .where(_D.id == bindparam("delivery"), _D.tries == bindparam("try"), _D.done_at.is_(None))
    .values(done_at=bindparam("done"), next_try_at=bindparam("again"), outcome=bindparam("result"))
)


def tell_of_sessions(
    connection: Connection, account_id: str, session_ids: Sequence[str], *, now: datetime
) -> None:
    """Queue a logout token for every client that knows one of these sessions."""
    _queue(connection, _TO_TELL_OF_SESSIONS, now, account_id=account_id, ids=session_ids)


def tell_of_account(connection: Connection, account_id: str, *, now: datetime) -> None:
    """Queue a logout token for every client, also for what sessions that have expired gave, and
    app passwords."""
    _queue(connection, _TO_TELL, now, account_id=account_id)
    tell_of_app_passwords(connection, account_id, now=now)


def tell_of_app(
    connection: Connection, account_id: str, client_id: str, app: str, *, now: datetime
) -> None:
    """Queue a logout token for all that one app has of an account."""
    named = {"account_id": account_id, "client_id": client_id, "app": app}
    _queue(connection, _TO_TELL_OF_APP, now, **named)


def tell_of_app_password(connection: Connection, password_id: str, *, now: datetime) -> None:
    """Queue a logout token for what an app password opened at a homeserver."""
    _queue(connection, _TO_TELL_OF_APP_PASSWORD, now, ended=password_id)


def tell_of_app_passwords(connection: Connection, account_id: str, *, now: datetime) -> None:
    """Queue a logout token for what an account's app passwords opened at homeservers."""
    _queue(connection, _TO_TELL_OF_ALL_APP_PASSWORDS, now, account_id=account_id)


def tell_of_dates(connection: Connection, *, now: datetime) -> None:
    """Queue a logout token for what app passwords opened whose date has come."""
    _queue(connection, _TO_TELL_OF_DATES, now)


def is_date_due(connection: Connection, *, now: datetime) -> bool:
    """Return whether there is anything for `tell_of_dates`."""
    return connection.execute(_TO_TELL_OF_DATES, {"now": now}).first() is not None


def _queue(
    connection: Connection,
    which: Select[*tuple[Any, ...]],
    now: datetime,
    **more: object,
) -> None:
    known = connection.execute(which, {"now": now, **more}).all()
    if not known:
        return
    connection.execute(_TOLD, {"ids": [row.id for row in known], "now": now})
    targets = {(row.sid, row.client_id, row.sub, row.backchannel_logout_uri) for row in known}
    connection.execute(
        insert(_D),
        [
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
            for sid, client_id, sub, uri in targets
        ],
    )


def is_delivery_due(connection: Connection, *, now: datetime) -> bool:
    """Return whether there is anything to claim."""
    return connection.execute(_NEXT, {"due": now, "at_most": 1}).first() is not None


def claim_delivery(
    connection: Connection, *, now: datetime, lease: timedelta
) -> LogoutDelivery | None:
    """Take one that is due, so that no other process sends it while *lease* lasts."""
    for delivery in connection.execute(_NEXT, {"due": now, "at_most": 8}).scalars().all():
        row = connection.execute(
            _CLAIM, {"delivery": delivery, "due": now, "lease": now + lease}
        ).first()
        if row is not None:
            is_operators = not has_registered_itself(connection, row.client_id)
            return LogoutDelivery(*row, is_operators=is_operators)
    return None


def settle_delivery(
    connection: Connection,
    delivery: LogoutDelivery,
    *,
    outcome: str,
    done_at: datetime | None,
    next_try_at: datetime,
) -> None:
    """Note how a try went; ``done_at`` ends it, whether told or given up.

    Nothing is noted if the lease ran out and another process has taken it since.
    """
    connection.execute(
        _SETTLE,
        {
            "delivery": delivery.id,
            "try": delivery.tries,
            "done": done_at,
            "again": next_try_at,
            "result": outcome,
        },
    )


def notices_of(connection: Connection, sign_out_id: str, *, since: datetime) -> Sequence[Notice]:
    """Return what became of the apps of a sign-out, if it was after *since*."""
    rows = connection.execute(_NOTICES, {"sign_out": sign_out_id, "since": since})
    return [
        Notice(title, ended_at, tries, done_at is not None, outcome or "")
        for title, ended_at, tries, done_at, outcome in rows
        if ended_at is not None
    ]


def delivery_log(
    connection: Connection, *, client_id: str | None, at_most: int
) -> Sequence[LoggedDelivery]:
    """Return the latest deliveries, youngest first; of one client if it is named."""
    which = _LOG if client_id is None else _LOG.where(_D.client_id == client_id)
    return [LoggedDelivery(*row) for row in connection.execute(which.limit(at_most))]
