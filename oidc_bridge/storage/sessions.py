"""Browser sessions: where somebody is signed in."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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

from oidc_bridge.identity import Profile
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime, new_id
from oidc_bridge.storage.accounts import AccountRow, IdentityRow, Opened
from oidc_bridge.storage.names import NameRow


class SessionRow(Base):
    """A browser in which somebody is signed in. The cookie's value is kept as a hash only.

    ``app`` is of the chat app whose key opened it on the sign-in page; ``""`` if none did. Of such
    a session nobody has the cookie.
    """

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
    app: Mapped[str] = mapped_column(Text, server_default="")

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
    """Somebody signed in, in this browser, and what is known of them today.

    ``method`` and ``address`` are of the key that opened it; ``name``, last confirmed at
    ``name_checked_at``, and ``profile`` are the account's. ``app`` is the chat app whose key opened
    it, for one request and nothing else; ``""`` for a browser's own.
    """

    id: str
    account_id: str
    identity_id: str
    method: str
    address: str
    name: str | None
    name_checked_at: datetime | None
    must_choose_name: bool
    profile: Profile
    authenticated_at: datetime
    created_at: datetime
    expires_at: datetime
    user_agent: str
    unconfirmed: tuple[str, ...] = ()
    app: str = ""


_ADD_SESSION = insert(SessionRow)

# What is known of an account and of the key that opens it, whether a browser is signed in or not.
_KNOWN = (
    IdentityRow.id.label("identity_id"),
    IdentityRow.method,
    IdentityRow.subject,
    IdentityRow.unconfirmed,
    AccountRow.name,
    NameRow.confirmed_at,
    AccountRow.must_choose_name,
    AccountRow.display_name,
    AccountRow.picture,
    AccountRow.email,
)

_SESSION_COLUMNS = (
    SessionRow.id,
    SessionRow.account_id,
    *_KNOWN,
    SessionRow.authenticated_at,
    SessionRow.created_at,
    SessionRow.expires_at,
    SessionRow.user_agent,
    SessionRow.app,
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
    .outerjoin(NameRow, NameRow.text == AccountRow.name)
    .where(*_LIVE)
)

_SESSION_BY_ID = _SESSIONS.where(SessionRow.id == bindparam("id"))

_SESSION_BY_DIGEST = _SESSIONS.where(SessionRow.digest == bindparam("digest"))

_SESSIONS_OF = _SESSIONS.where(SessionRow.account_id == bindparam("account_id")).order_by(
    SessionRow.authenticated_at.desc()
)

_TO_BE = (
    select(IdentityRow.account_id, *_KNOWN)
    .join(AccountRow, AccountRow.id == IdentityRow.account_id)
    .outerjoin(NameRow, NameRow.text == AccountRow.name)
    .where(AccountRow.id == bindparam("account_id"), AccountRow.blocked_at.is_(None))
    .order_by(IdentityRow.last_proved_at.desc(), IdentityRow.id)
    .limit(1)
)

_BROWSERS = select(SessionRow.id, SessionRow.user_agent).where(
    SessionRow.account_id == bindparam("account_id"),
    SessionRow.id.in_(bindparam("ids", expanding=True)),
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

_EXTEND = (
    update(SessionRow)
    .where(SessionRow.id == bindparam("session_id"))
    .values(expires_at=bindparam("until"))
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


def find_session_by_id(connection: Connection, session_id: str, *, now: datetime) -> Session | None:
    """Return a live session whose cookie nobody has."""
    row = connection.execute(_SESSION_BY_ID, {"id": session_id, "now": now}).first()
    return None if row is None else _to_session(row)


def extend_session(connection: Connection, session_id: str, *, until: datetime) -> None:
    """Let a session that was only for a question last."""
    connection.execute(_EXTEND, {"session_id": session_id, "until": until})


def sessions_of(connection: Connection, account_id: str, *, now: datetime) -> Sequence[Session]:
    """Return where an account is signed in, latest proof first."""
    rows = connection.execute(_SESSIONS_OF, {"account_id": account_id, "now": now})
    return [_to_session(row) for row in rows]


def session_to_be(connection: Connection, account_id: str, *, now: datetime) -> Session | None:
    """Return the session that somebody would have if they signed in with the wallet that they
    used last; it is nowhere. A blocked account would have none."""
    row = connection.execute(_TO_BE, {"account_id": account_id}).first()
    if row is None:
        return None
    return Session(
        **_known(row),
        id="",
        authenticated_at=now,
        created_at=now,
        expires_at=now,
        user_agent="",
    )


def browsers_of(
    connection: Connection, account_id: str, session_ids: Collection[str]
) -> Mapping[str, str]:
    """Return the user agents of an account's sessions, by their ids, also of those that ended."""
    rows = connection.execute(_BROWSERS, {"account_id": account_id, "ids": list(session_ids)})
    return {row.id: row.user_agent for row in rows}


def open_session(
    connection: Connection,
    opened: Opened,
    *,
    cookie: str,
    current: Session | None,
    user_agent: str,
    proved_at: datetime,
    expires_at: datetime,
    app: str = "",
) -> Session:
    """Sign a browser in to an account that was just opened.

    The browser's *current* session is renewed under the new *cookie* if it is the same account's,
    so that what hangs on it (devices at Synapse) stays tied to it.
    """
    session_id = current.id if current and current.account_id == opened.account_id else None
    values = {
        "new_digest": digest_of(cookie),
        "new_identity_id": opened.identity_id,
        "proved_at": proved_at,
        "until": expires_at,
    }
    # Not renewed: it was ended elsewhere while the wallet answered.
    if session_id is None or not _renew(connection, session_id, values):
        session_id = new_id()
        connection.execute(
            _ADD_SESSION,
            {
                "id": session_id,
                "digest": digest_of(cookie),
                "account_id": opened.account_id,
                "identity_id": opened.identity_id,
                "authenticated_at": proved_at,
                "created_at": proved_at,
                "expires_at": expires_at,
                "user_agent": user_agent[:400],
                "app": app,
            },
        )
    row = connection.execute(_SESSION_BY_ID, {"id": session_id, "now": proved_at}).one()
    return _to_session(row)


def _renew(connection: Connection, session_id: str, values: dict[str, object]) -> bool:
    renewed = connection.execute(_RENEW_SESSION, {"session_id": session_id, **values})
    return renewed.rowcount == 1


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
        **_known(row),
        id=row.id,
        authenticated_at=row.authenticated_at,
        created_at=row.created_at,
        expires_at=row.expires_at,
        user_agent=row.user_agent,
        app=row.app,
    )


def _known(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    return {
        "account_id": row.account_id,
        "identity_id": row.identity_id,
        "method": row.method,
        "address": row.subject,
        "name": row.name,
        "name_checked_at": row.confirmed_at,
        "must_choose_name": row.must_choose_name,
        "profile": Profile(row.display_name, row.picture, row.email),
        "unconfirmed": tuple(row.unconfirmed),
    }
