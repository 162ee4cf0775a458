"""App passwords, as hashes. Whose one is, what it grants and its end stand in its authorization."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, ForeignKey, Row, Text, bindparam, insert, select, update
from sqlalchemy.orm import Mapped, aliased, mapped_column

from oidc_bridge.oidc.app_password import APP_PASSWORD, AppPassword, MatrixUser, Use
from oidc_bridge.seal import digest_of, new_secret
from oidc_bridge.storage import Base, UtcTime, new_id
from oidc_bridge.storage.authorizations import (
    FACTS,
    Authorization,
    AuthorizationRow,
    add_authorization,
    live,
    revoke,
    to_authorization,
)
from oidc_bridge.storage.personas import Persona, PersonaRow
from oidc_bridge.storage.sessions import Session


class AppPasswordRow(Base):
    """What an app password has beyond the authorization on which its access tokens hang.

    ``matrix_persona_id``: as whom it signs in at a homeserver, and so at which.
    """

    __tablename__ = "app_passwords"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    authorization_id: Mapped[str] = mapped_column(
        ForeignKey("authorizations.id", ondelete="CASCADE"), unique=True
    )
    digest: Mapped[str] = mapped_column(Text, unique=True)
    label: Mapped[str] = mapped_column(Text)
    ends_at: Mapped[datetime | None] = mapped_column(UtcTime, index=True)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_used_from: Mapped[str] = mapped_column(Text)
    last_used_for: Mapped[str] = mapped_column(Text)
    matrix_persona_id: Mapped[str | None] = mapped_column(
        ForeignKey("personas.id", ondelete="SET NULL")
    )


@dataclass(frozen=True, slots=True)
class NewAppPassword:
    """What the person has chosen; ``claims`` are the names of those that they were shown.

    ``matrix_persona_id``: as whom it signs in at a homeserver, if it does.
    """

    id: str
    label: str
    scopes: tuple[str, ...]
    claims: tuple[str, ...]
    ends_at: datetime | None
    matrix_persona_id: str | None = None


_W, _A, _M = AppPasswordRow, AuthorizationRow, aliased(PersonaRow)

# Ended ones are shown for the record, the latest of them.
_SHOWN = 200

_COLUMNS = (
    _W.id.label("password_id"),
    _W.label,
    _W.ends_at,
    _W.last_used_at,
    _W.last_used_from,
    _W.last_used_for,
    _M.client_id.label("homeserver"),
    _M.localpart.label("matrix_localpart"),
    _M.sub.label("matrix_sub"),
)
_MINE = (
    select(*_COLUMNS, _A.id, _A.scopes, _A.created_at, _A.revoked_at)
    .join(_A, _A.id == _W.authorization_id)
    .outerjoin(_M, _M.id == _W.matrix_persona_id)
    .where(_A.account_id == bindparam("account_id"))
)
_ALL_MINE = _MINE.order_by(_A.revoked_at.is_not(None), _A.created_at.desc(), _W.id).limit(_SHOWN)
_ONE_OF_MINE = _MINE.where(_W.id == bindparam("password_id"))
_LIVE = (
    live(*FACTS, *_COLUMNS, _A.revoked_at)
    .join(_W, _W.authorization_id == _A.id)
    .outerjoin(_M, _M.id == _W.matrix_persona_id)
    .where(_W.digest == bindparam("digest"))
)
_BY_DIGEST = (
    select(_A.id, _A.account_id, _W.id.label("password_id"))
    .join(_W, _W.authorization_id == _A.id)
    .where(_W.digest == bindparam("digest"), _A.revoked_at.is_(None))
)
_IS_KNOWN = select(_W.id).where(_W.id == bindparam("password_id"))
_NOTE_USE = (
    update(_W)
    .where(_W.id == bindparam("password_id"))
    .values(
        last_used_at=bindparam("now"),
        last_used_from=bindparam("address"),
        last_used_for=bindparam("use"),
    )
)


def is_app_password_known(connection: Connection, password_id: str) -> bool:
    """Return whether the form of this id was posted before, by whomever."""
    return connection.execute(_IS_KNOWN, {"password_id": password_id}).first() is not None


def add_app_password(
    connection: Connection,
    session: Session,
    persona: Persona,
    new: NewAppPassword,
    *,
    secret: str,
    now: datetime,
) -> None:
    """Keep the hash of *secret* (in its one spelling), and the authorization that it stands for."""
    authorization_id = new_id()
    add_authorization(
        connection,
        {
            "id": authorization_id,
            "client_id": APP_PASSWORD.id,
            "account_id": session.account_id,
            "session_id": session.id,
            "persona_id": persona.id,
            "app": "",
            "sid": new_id(),
            "scopes": list(new.scopes),
            "claims": list(new.claims),
            "redirect_uri": "",
            "code_challenge": "",
            # There is no code: this is the hash of what nobody knows, and it is spent.
            "code_digest": digest_of(new_secret()),
            "code_expires_at": now,
            "code_spent_at": now,
            "authenticated_at": session.authenticated_at,
            "created_at": now,
        },
    )
    connection.execute(
        insert(_W),
        {
            "id": new.id,
            "authorization_id": authorization_id,
            "digest": digest_of(secret),
            "label": new.label,
            "ends_at": new.ends_at,
            "last_used_from": "",
            "last_used_for": "",
            "matrix_persona_id": new.matrix_persona_id,
        },
    )


def app_passwords_of(connection: Connection, account_id: str) -> Sequence[AppPassword]:
    """Return an account's app passwords: those that nobody ended first, the youngest first."""
    return [_read(row) for row in connection.execute(_ALL_MINE, {"account_id": account_id})]


def find_app_password(
    connection: Connection, account_id: str, password_id: str
) -> AppPassword | None:
    """Return one of an account's; a foreign id is as unknown as none."""
    mine = {"account_id": account_id, "password_id": password_id}
    row = connection.execute(_ONE_OF_MINE, mine).first()
    return None if row is None else _read(row)


def find_by_app_password(
    connection: Connection, secret: str
) -> tuple[AppPassword, Authorization] | None:
    """Return what *secret* (in its one spelling) opens.

    Nothing if it was ended or its person is blocked. Whether its time is over, the app password
    says itself.
    """
    row = connection.execute(_LIVE, {"digest": digest_of(secret)}).first()
    if row is None:
        return None
    known = _read(row)
    return known, to_authorization(row, row.scopes, known.over_at)


def note_use(
    connection: Connection, password_id: str, use: Use, *, address: str, now: datetime
) -> None:
    """Remember the latest use; it is what keeps an app password alive."""
    used = {"password_id": password_id, "now": now, "address": address, "use": use}
    connection.execute(_NOTE_USE, used)


def end_app_password(
    connection: Connection, account_id: str, password_id: str, *, now: datetime
) -> AppPassword | None:
    """End one of an account's and all of its access tokens; None if it has no such one."""
    mine = {"account_id": account_id, "password_id": password_id}
    row = connection.execute(_ONE_OF_MINE, mine).first()
    if row is None:
        return None
    revoke(connection, [row.id], now=now)
    return _read(row)


def end_by_app_password(
    connection: Connection, secret: str, *, now: datetime
) -> tuple[str, str] | None:
    """End the app password *secret* (in its one spelling); return whose it was, and its id."""
    row = connection.execute(_BY_DIGEST, {"digest": digest_of(secret)}).first()
    if row is None:
        return None
    revoke(connection, [row.id], now=now)
    return str(row.account_id), str(row.password_id)


def _read(row: Row[*tuple[Any, ...]]) -> AppPassword:
    return AppPassword(
        id=row.password_id,
        label=row.label,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        ends_at=row.ends_at,
        last_used_at=row.last_used_at,
        last_used_from=row.last_used_from,
        last_used_for=row.last_used_for,
        ended_at=row.revoked_at,
        matrix=(
            MatrixUser(row.homeserver, row.matrix_localpart, row.matrix_sub)
            if row.homeserver is not None
            else None
        ),
    )
