"""Accounts, the identities that open them, and their browser sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    Row,
    Text,
    UniqueConstraint,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Identity, Profile
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime, new_id


class AccountRow(Base):
    """One person here. The id is random and never leaves the bridge."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    blocked_at: Mapped[datetime | None] = mapped_column(UtcTime)


class IdentityRow(Base):
    """A key that opens an account. A name is what it owns today; it never owns the account."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("method", "subject"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    method: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    app_key: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    name_checked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    display_name: Mapped[str | None] = mapped_column(Text)
    picture: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    unconfirmed: Mapped[list[str]] = mapped_column(JSON)
    first_proved_at: Mapped[datetime] = mapped_column(UtcTime)
    last_proved_at: Mapped[datetime] = mapped_column(UtcTime)


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
_ADD_ACCOUNT = insert(AccountRow)
_ADD_IDENTITY = insert(IdentityRow)
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
_KNOWN_IDENTITY = (
    select(IdentityRow.id, IdentityRow.account_id, IdentityRow.app_key, AccountRow.blocked_at)
    .join(AccountRow, AccountRow.id == IdentityRow.account_id)
    .where(IdentityRow.method == bindparam("method"), IdentityRow.subject == bindparam("subject"))
)
_REFRESH_IDENTITY = (
    update(IdentityRow)
    .where(IdentityRow.id == bindparam("identity_id"))
    .values(
        name=bindparam("name"),
        name_checked_at=bindparam("name_checked_at"),
        display_name=bindparam("display_name"),
        picture=bindparam("picture"),
        email=bindparam("email"),
        unconfirmed=bindparam("unconfirmed"),
        last_proved_at=bindparam("now"),
    )
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
    .values(ended_at=bindparam("now"))
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
) -> str:
    """Open a session for a proven identity and return its account's id; make both if new.

    The browser's *current* session is renewed under the new *cookie* if it is the same account's,
    so that what hangs on it (devices at Synapse) stays tied to it.

    Raises:
        ProofError: ``app_key_changed`` (blockstack-auth section 8, A5), ``account_blocked``.
    """
    account_id, identity_id = _recognise(connection, identity)
    now = identity.proved_at
    if current is not None and current.account_id == account_id:
        connection.execute(
            _RENEW_SESSION,
            {
                "session_id": current.id,
                "new_digest": digest_of(cookie),
                "new_identity_id": identity_id,
                "proved_at": now,
                "until": expires_at,
            },
        )
        return account_id
    connection.execute(
        _ADD_SESSION,
        {
            "id": new_id(),
            "digest": digest_of(cookie),
            "account_id": account_id,
            "identity_id": identity_id,
            "authenticated_at": now,
            "created_at": now,
            "expires_at": expires_at,
            "user_agent": user_agent[:400],
        },
    )
    return account_id


def end_sessions(
    connection: Connection, account_id: str, session_ids: Sequence[str], *, now: datetime
) -> None:
    """End these sessions if they are the account's; a foreign id changes nothing."""
    connection.execute(_END_SESSIONS, {"account": account_id, "ids": session_ids, "now": now})


def _recognise(connection: Connection, identity: Identity) -> tuple[str, str]:
    """Return ids of account and identity row; make them at first sight, refresh them later."""
    known = connection.execute(
        _KNOWN_IDENTITY, {"method": identity.method, "subject": identity.subject}
    ).first()
    facts = {
        "name": identity.name.text if identity.name else None,
        "name_checked_at": identity.name.checked_at if identity.name else None,
        "display_name": identity.profile.display_name,
        "picture": identity.profile.picture,
        "email": identity.profile.email,
        "unconfirmed": list(identity.unconfirmed),
    }
    now = identity.proved_at
    if known is None:
        account_id, identity_id = new_id(), new_id()
        connection.execute(_ADD_ACCOUNT, {"id": account_id, "created_at": now})
        connection.execute(
            _ADD_IDENTITY,
            {
                "id": identity_id,
                "account_id": account_id,
                "method": identity.method,
                "subject": identity.subject,
                "app_key": identity.app_key,
                "first_proved_at": now,
                "last_proved_at": now,
                **facts,
            },
        )
        return account_id, identity_id
    if known.blocked_at is not None:
        raise ProofError("account_blocked", f"account={known.account_id}")
    if known.app_key != identity.app_key:
        raise ProofError("app_key_changed", f"identity={known.id}")
    connection.execute(_REFRESH_IDENTITY, {"identity_id": known.id, "now": now, **facts})
    return known.account_id, known.id


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
