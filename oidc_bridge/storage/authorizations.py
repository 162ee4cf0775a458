"""Authorizations: one person's answer to one request, and everything that comes from it.

One row is one code and the right to the tokens that it becomes. Revoking the row is one write
that ends the code and every token at once, because each is checked against it when it is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    Row,
    Select,
    Text,
    bindparam,
    cast,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.apps.whitelist import AsWhom
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.oidc.scopes import Person
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.personas import MAIN, PersonaRow
from oidc_bridge.storage.sessions import SessionRow


class AuthorizationRow(Base):
    """What one consent gave to one client: bound to client, redirect URI, PKCE, persona, scopes."""

    __tablename__ = "authorizations"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), index=True)
    persona_id: Mapped[str] = mapped_column(ForeignKey("personas.id"))
    app: Mapped[str] = mapped_column(Text)
    sid: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    claims: Mapped[list[str]] = mapped_column(JSON)
    nonce: Mapped[str | None] = mapped_column(Text)
    redirect_uri: Mapped[str] = mapped_column(Text)
    code_challenge: Mapped[str] = mapped_column(Text)
    dpop_jkt: Mapped[str | None] = mapped_column(Text)
    code_digest: Mapped[str] = mapped_column(Text, unique=True)
    code_expires_at: Mapped[datetime] = mapped_column(UtcTime)
    code_spent_at: Mapped[datetime | None] = mapped_column(UtcTime)
    authenticated_at: Mapped[datetime] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    signed_out_at: Mapped[datetime | None] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class Authorization:
    """A live authorization and the person it is about, as they are known today.

    Attributes:
        app: key of the app that it was given to.
        as_whom: how that app knows the person.
        scopes: what it may still give (for an access token: what that token may).
        expires_at: of the code or token by which it was found.
        dpop_jkt: thumbprint of the key to which the request bound the code, if it did.
    """

    id: str
    client_id: str
    account_id: str
    app: str
    as_whom: AsWhom
    sid: str
    scopes: tuple[str, ...]
    nonce: str | None
    redirect_uri: str
    code_challenge: str
    authenticated_at: datetime
    created_at: datetime
    expires_at: datetime
    dpop_jkt: str | None
    person: Person


_A, _P, _N = AuthorizationRow, PersonaRow, AccountRow

_ADD = insert(_A)

FACTS = (
    _A.id,
    _A.client_id,
    _A.account_id,
    _A.app,
    _A.sid,
    _A.scopes,
    _A.claims,
    _A.nonce,
    _A.redirect_uri,
    _A.code_challenge,
    _A.authenticated_at,
    _A.created_at,
    _A.code_expires_at,
    _A.dpop_jkt.label("code_jkt"),
    *(_P.sub, _P.localpart, _P.app.label("persona_of"), _N.display_name, _N.picture, _N.email),
)


def live(*columns: Any) -> Select[*tuple[Any, ...]]:
    """Authorizations that nobody revoked, of people whom nobody blocked."""
    return (
        select(*columns)
        .select_from(_A)
        .join(_P, _P.id == _A.persona_id)
        .join(_N, _N.id == _A.account_id)
        .where(_A.revoked_at.is_(None), _N.blocked_at.is_(None))
    )


_SPEND_CODE = (
    update(_A)
    .where(
        _A.code_digest == bindparam("digest"),
        _A.client_id == bindparam("client"),
        _A.code_spent_at.is_(None),
    )
    .values(code_spent_at=bindparam("now"))
    .returning(_A.id)
)

_OF_SPENT_CODE = (
    live(*FACTS)
    .join(SessionRow, SessionRow.id == _A.session_id)
    .where(_A.id == bindparam("id"), SessionRow.ended_at.is_(None))
)

_REVOKE_BY_CODE = (
    update(_A)
    .where(
        _A.code_digest == bindparam("digest"),
        _A.client_id == bindparam("client"),
        _A.revoked_at.is_(None),
    )
    .values(revoked_at=bindparam("now"))
    .returning(_A.account_id)
)

_REVOKE = (
    update(_A)
    .where(_A.id.in_(bindparam("ids", expanding=True)), _A.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)

_OFFLINE = '%"offline_access"%'

_REVOKE_OF_SESSIONS = (
    update(_A)
    .where(
        _A.session_id.in_(bindparam("ids", expanding=True)),
        _A.revoked_at.is_(None),
        _A.client_id != APP_PASSWORD.id,
        cast(_A.scopes, Text).not_like(_OFFLINE),
    )
    .values(revoked_at=bindparam("now"))
)

_REVOKE_OF_ACCOUNT = (
    update(_A)
    .where(_A.account_id == bindparam("account"), _A.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)

_IS_NAMED = select(_A.id).where(
    _A.session_id == bindparam("session_id"),
    _A.client_id == bindparam("client_id"),
    _A.sid == bindparam("sid"),
)


def is_session_named(connection: Connection, session_id: str, *, client_id: str, sid: str) -> bool:
    """Return whether a client knows this very session by *sid*."""
    known = {"session_id": session_id, "client_id": client_id, "sid": sid}
    return connection.execute(_IS_NAMED.limit(1), known).first() is not None


def add_authorization(connection: Connection, values: dict[str, Any]) -> None:
    """Insert an authorization with its code (see `web.steps.issue` for what it holds)."""
    connection.execute(_ADD, values)


def take_code(connection: Connection, code: str, *, client_id: str, now: datetime) -> str | None:
    """Take a code; return its authorization's id, or None if it is not this client's untaken one.

    One statement takes it, so of many takers at once exactly one gets it. Another client's try
    does not use it up.
    """
    taken = connection.execute(
        _SPEND_CODE, {"digest": digest_of(code), "client": client_id, "now": now}
    ).first()
    return None if taken is None else taken.id


def find_taken(connection: Connection, authorization_id: str) -> Authorization | None:
    """Return what a code that was just taken gives, if it still gives anything."""
    row = connection.execute(_OF_SPENT_CODE, {"id": authorization_id}).first()
    return None if row is None else to_authorization(row, row.scopes, row.code_expires_at)


def revoke_by_code(
    connection: Connection, code: str, *, client_id: str, now: datetime
) -> str | None:
    """End all that a code has given (RFC 6749 4.1.2: it was used twice). Returns the account."""
    row = connection.execute(
        _REVOKE_BY_CODE, {"digest": digest_of(code), "client": client_id, "now": now}
    ).first()
    return None if row is None else row.account_id


def revoke(connection: Connection, ids: Sequence[str], *, now: datetime) -> None:
    """End these authorizations, their codes and all their tokens."""
    connection.execute(_REVOKE, {"ids": ids, "now": now})


def revoke_of_sessions(
    connection: Connection, session_ids: Sequence[str], *, now: datetime
) -> None:
    """End what these sessions gave, but for what was given to last beyond them.

    OIDC Core section 11: ``offline_access`` is access while nobody is signed in. So is an app
    password, whatever its scopes.
    """
    connection.execute(_REVOKE_OF_SESSIONS, {"ids": session_ids, "now": now})


def revoke_of_account(connection: Connection, account_id: str, *, now: datetime) -> None:
    """End everything that an account has given to anybody."""
    connection.execute(_REVOKE_OF_ACCOUNT, {"account": account_id, "now": now})


def to_authorization(
    row: Row[*tuple[Any, ...]], scopes: Sequence[str], expires_at: datetime
) -> Authorization:
    return Authorization(
        id=row.id,
        client_id=row.client_id,
        account_id=row.account_id,
        app=row.app,
        as_whom="main" if row.persona_of == MAIN else "alone",
        sid=row.sid,
        scopes=tuple(scopes),
        nonce=row.nonce,
        redirect_uri=row.redirect_uri,
        code_challenge=row.code_challenge,
        authenticated_at=row.authenticated_at,
        created_at=row.created_at,
        expires_at=expires_at,
        dpop_jkt=row.code_jkt,
        # What has come to be known of them since they were asked is not told.
        person=Person(
            row.sub,
            row.localpart,
            name=row.display_name if "name" in row.claims else None,
            picture=row.picture if "picture" in row.claims else None,
            email=row.email if "email" in row.claims else None,
        ),
    )
