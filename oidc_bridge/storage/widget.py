"""The widget's own sessions: a bearer token for some minutes, bound to a Matrix ID."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Text, bindparam, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.matrix.openid import MatrixOpenIDToken, MatrixUser
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.once import use_jti
from oidc_bridge.storage.personas import MAIN, PersonaRow

# For as long as a homeserver knows its token.
_SPENT_FOR = timedelta(hours=1)


class WidgetSessionRow(Base):
    """Somebody at a homeserver who opened the widget; their bearer token as a hash only.

    It names no account: whose Matrix ID it is, is asked anew at each use, so that whoever is
    blocked or deleted meanwhile has nothing more of it.
    """

    __tablename__ = "widget_sessions"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    localpart: Mapped[str] = mapped_column(Text, index=True)
    server_name: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


@dataclass(frozen=True, slots=True)
class WidgetSession:
    """A widget that is open."""

    user: MatrixUser
    opened_at: datetime


_W, _P = WidgetSessionRow, PersonaRow
_OPEN = insert(_W)
_FIND = select(_W.localpart, _W.server_name, _W.opened_at).where(
    _W.digest == bindparam("digest"), _W.expires_at > bindparam("now", type_=UtcTime)
)
_CLOSE = delete(_W).where(_W.digest == bindparam("bearer"))
# The main persona alone: an app that knows somebody under an ID of its own holds the tokens of
# that Matrix user, and must never learn by them who they are to others.
_ACCOUNTS = (
    select(_P.account_id)
    .join(AccountRow, AccountRow.id == _P.account_id)
    .where(
        _P.client_id.in_(bindparam("clients", expanding=True)),
        _P.localpart == bindparam("localpart"),
        _P.app == MAIN,
        AccountRow.blocked_at.is_(None),
    )
    .distinct()
)


def spend_matrix_token(connection: Connection, token: MatrixOpenIDToken, *, now: datetime) -> bool:
    """Use a Matrix OpenID token up; return whether it was fresh here.

    Homeservers let it be shown as often as one likes, by whomever it was given to.
    """
    owner = f"matrix openid {token.server_name}"
    return use_jti(connection, owner, token.access_token, expires_at=now + _SPENT_FOR)


def find_main_account(
    connection: Connection, client_ids: Collection[str], localpart: str
) -> str | None:
    """Return the account that is known by *localpart* itself at these clients, if it is one and
    not blocked."""
    asked = {"clients": list(client_ids), "localpart": localpart}
    found = connection.execute(_ACCOUNTS, asked).scalars().all()
    return found[0] if len(found) == 1 else None


def open_widget(
    connection: Connection, bearer: str, user: MatrixUser, *, now: datetime, expires_at: datetime
) -> None:
    """Let *bearer* stand for somebody at their homeserver."""
    connection.execute(
        _OPEN,
        {
            "digest": digest_of(bearer),
            "localpart": user.localpart,
            "server_name": user.server_name,
            "opened_at": now,
            "expires_at": expires_at,
        },
    )


def find_widget(connection: Connection, bearer: str, *, now: datetime) -> WidgetSession | None:
    """Return the widget of *bearer* while it is open."""
    row = connection.execute(_FIND, {"digest": digest_of(bearer), "now": now}).first()
    if row is None:
        return None
    return WidgetSession(MatrixUser(row.localpart, row.server_name), row.opened_at)


def close_widget(connection: Connection, bearer: str) -> None:
    """End the widget of *bearer*."""
    connection.execute(_CLOSE, {"bearer": digest_of(bearer)})
