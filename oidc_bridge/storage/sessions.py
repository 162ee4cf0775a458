"""Browser sessions: where somebody is signed in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    ForeignKey,
    Index,
    Row,
    Text,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.identity import Identity, Profile
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime, new_id
from oidc_bridge.storage.accounts import AccountRow, IdentityRow, hold_account, recognise


class SessionRow(Base):
    """A browser in which somebody is signed in. The cookie's value is kept as a hash only."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    digest: Mapped[str] = mapped_column(Text, unique=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    identity_id: Mapped[str] = mapped_column(ForeignKey("identities.id"))
    authenticated_at: Mapped[datetime] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    user_agent: Mapped[str] = mapped_column(Text)
    # Names what its person may look at afterwards: who was told.
    sign_out_id: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index(
            "ix_sessions_sign_out_id",
            "sign_out_id",
            sqlite_where=text("sign_out_id IS NOT NULL"),
            postgresql_where=text("sign_out_id IS NOT NULL"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in, in this browser, and what their identity says today."""

    id: str
    account_id: str
    identity_id: str
    method: str
    address: str
    name: str | None
    name_checked_at: datetime | None
    profile: Profile
    authenticated_at: datetime
    created_at: datetime
    expires_at: datetime
    user_agent: str
    unconfirmed: tuple[str, ...] = ()


_ADD_SESSION = insert(SessionRow)

_SESSION_COLUMNS = (
    SessionRow.id,
    SessionRow.account_id,
    SessionRow.identity_id,
    IdentityRow.method,
    IdentityRow.subject,
    IdentityRow.name,
    IdentityRow.name_checked_at,
    IdentityRow.display_name,
    IdentityRow.picture,
    IdentityRow.email,
    SessionRow.authenticated_at,
    SessionRow.created_at,
    SessionRow.expires_at,
    SessionRow.user_agent,
    IdentityRow.unconfirmed,
)

_LIVE = (
    SessionRow.ended_at.is_(None),
    SessionRow.expires_at > bindparam("now", type_=UtcTime),
    AccountRow.blocked_at.is_(None),
)

_SESSIONS = (
    select(*_SESSION_COLUMNS)
    .join(IdentityRow, IdentityRow.id == SessionRow.identity_id)
    .join(AccountRow, AccountRow.id == SessionRow.account_id)
    .where(*_LIVE)
)

_SESSION_BY_DIGEST = _SESSIONS.where(SessionRow.digest == bindparam("digest"))

_SESSIONS_OF = _SESSIONS.where(SessionRow.account_id == bindparam("account_id")).order_by(
    SessionRow.authenticated_at.desc()
)

_RENEW_SESSION = (
    update(SessionRow)
    .where(SessionRow.id == bindparam("session_id"), SessionRow.ended_at.is_(None))
    .values(
        digest=bindparam("new_digest"),
        identity_id=bindparam("new_identity_id"),
        authenticated_at=bindparam("proved_at"),
        expires_at=bindparam("until"),
    )
)

_END_SESSIONS = (
    update(SessionRow)
    .where(
        SessionRow.account_id == bindparam("account"),
        SessionRow.id.in_(bindparam("ids", expanding=True)),
        SessionRow.ended_at.is_(None),
    )
    .values(ended_at=bindparam("now"), sign_out_id=bindparam("sign_out"))
)


def find_session(connection: Connection, cookie: str, *, now: datetime) -> Session | None:
    """Return the live session of *cookie*; a blocked account has none."""
    row = connection.execute(_SESSION_BY_DIGEST, {"digest": digest_of(cookie), "now": now}).first()
    return None if row is None else _to_session(row)


def sessions_of(connection: Connection, account_id: str, *, now: datetime) -> Sequence[Session]:
    """Return where an account is signed in, latest proof first."""
    rows = connection.execute(_SESSIONS_OF, {"account_id": account_id, "now": now})
    return [_to_session(row) for row in rows]


def sign_in(
    connection: Connection,
    identity: Identity,
    *,
    cookie: str,
    current: Session | None,
    user_agent: str,
    expires_at: datetime,
) -> Session:
    """Open a session for a proven identity; make its account if it is new.

    The browser's *current* session is renewed under the new *cookie* if it is the same account's,
    so that what hangs on it (devices at Synapse) stays tied to it.

    Raises:
        ProofError: ``app_key_changed`` (blockstack-auth section 8, A5), ``account_blocked``.
    """
    account_id, identity_id = recognise(connection, identity)
    hold_account(connection, account_id)
    now = identity.proved_at
    is_renewed = current is not None and current.account_id == account_id
    session = Session(
        id=current.id if current and is_renewed else new_id(),
        account_id=account_id,
        identity_id=identity_id,
        method=identity.method,
        address=identity.subject,
        name=identity.name.text if identity.name else None,
        name_checked_at=identity.name.checked_at if identity.name else None,
        profile=identity.profile,
        authenticated_at=now,
        created_at=current.created_at if current and is_renewed else now,
        expires_at=expires_at,
        user_agent=user_agent[:400],
        unconfirmed=identity.unconfirmed,
    )
    if is_renewed and _renew(connection, session, cookie):
        return session
    if is_renewed:  # it was ended elsewhere while the wallet answered
        session = replace(session, id=new_id(), created_at=now)
    _add(connection, session, cookie)
    return session


def _renew(connection: Connection, session: Session, cookie: str) -> bool:
    renewed = connection.execute(
        _RENEW_SESSION,
        {
            "session_id": session.id,
            "new_digest": digest_of(cookie),
            "new_identity_id": session.identity_id,
            "proved_at": session.authenticated_at,
            "until": session.expires_at,
        },
    )
    return renewed.rowcount == 1


def _add(connection: Connection, session: Session, cookie: str) -> None:
    connection.execute(
        _ADD_SESSION,
        {
            "id": session.id,
            "digest": digest_of(cookie),
            "account_id": session.account_id,
            "identity_id": session.identity_id,
            "authenticated_at": session.authenticated_at,
            "created_at": session.created_at,
            "expires_at": session.expires_at,
            "user_agent": session.user_agent,
        },
    )


def end_sessions(
    connection: Connection,
    account_id: str,
    session_ids: Sequence[str],
    *,
    now: datetime,
    sign_out_id: str | None = None,
) -> None:
    """End these sessions if they are the account's; a foreign id changes nothing."""
    connection.execute(
        _END_SESSIONS,
        {"account": account_id, "ids": session_ids, "now": now, "sign_out": sign_out_id},
    )


def _to_session(row: Row[*tuple[Any, ...]]) -> Session:
    return Session(
        id=row.id,
        account_id=row.account_id,
        identity_id=row.identity_id,
        method=row.method,
        address=row.subject,
        name=row.name,
        name_checked_at=row.name_checked_at,
        profile=Profile(row.display_name, row.picture, row.email),
        authenticated_at=row.authenticated_at,
        created_at=row.created_at,
        expires_at=row.expires_at,
        user_agent=row.user_agent,
        unconfirmed=tuple(row.unconfirmed),
    )
