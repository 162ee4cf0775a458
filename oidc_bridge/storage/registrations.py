"""Clients that registered themselves, and the tokens that let them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    ForeignKey,
    Integer,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import BridgeError
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime, new_id


class InitialTokenRow(Base):
    """An initial access token (RFC 7591 section 3), as a hash."""

    __tablename__ = "initial_access_tokens"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    digest: Mapped[str] = mapped_column(Text, unique=True)
    uses_left: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)


class RegistrationRow(Base):
    """A client that registered itself, and the hash of its registration access token (RFC 7592)."""

    __tablename__ = "registrations"

    client_id: Mapped[str] = mapped_column(
        ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True
    )
    digest: Mapped[str] = mapped_column(Text, unique=True)
    registered_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class InitialToken:
    """An initial access token as the operator reads it."""

    id: str
    uses_left: int
    created_at: datetime
    expires_at: datetime


_I, _R = InitialTokenRow, RegistrationRow
_LIVE = (
    _I.digest == bindparam("token"),
    _I.uses_left > 0,
    _I.expires_at > bindparam("now", type_=UtcTime),
)
_IS_LIVE = select(_I.id).where(*_LIVE)
_SPEND = update(_I).where(*_LIVE).values(uses_left=_I.uses_left - 1).returning(_I.id)


def add_initial_token(
    connection: Connection, token: str, *, uses: int, now: datetime, expires_at: datetime
) -> str:
    """Keep the hash of an initial access token; return the id by which it is known."""
    token_id = new_id()
    connection.execute(
        insert(_I),
        {
            "id": token_id,
            "digest": digest_of(token),
            "uses_left": uses,
            "created_at": now,
            "expires_at": expires_at,
        },
    )
    return token_id


def initial_tokens(connection: Connection) -> Sequence[InitialToken]:
    """Return every initial access token, youngest first, spent and expired ones too."""
    rows = connection.execute(
        select(_I.id, _I.uses_left, _I.created_at, _I.expires_at).order_by(_I.created_at.desc())
    )
    return [InitialToken(*row) for row in rows]


def remove_initial_token(connection: Connection, token_id: str) -> None:
    """Forget an initial access token; clients that registered with it stay.

    Raises:
        BridgeError: ``token_unknown``.
    """
    if connection.execute(delete(_I).where(_I.id == token_id)).rowcount == 0:
        raise BridgeError("token_unknown", token_id)


def is_initial_token_live(connection: Connection, token: str, *, now: datetime) -> bool:
    """Return whether a token could be spent now, for those who must know before they try."""
    found = connection.execute(_IS_LIVE, {"token": digest_of(token), "now": now})
    return found.first() is not None


def spend_initial_token(connection: Connection, token: str, *, now: datetime) -> str | None:
    """Take one use of a token; return its id, or None if it has none left.

    One statement takes it, so of many takers at once no more get it than it has uses.
    """
    return connection.execute(_SPEND, {"token": digest_of(token), "now": now}).scalar()


def add_registration(
    connection: Connection, client_id: str, management_token: str, *, now: datetime
) -> None:
    """Note that a client registered itself, and what it may manage itself with."""
    connection.execute(
        insert(_R),
        {"client_id": client_id, "digest": digest_of(management_token), "registered_at": now},
    )


def find_registration(
    connection: Connection, client_id: str, management_token: str
) -> datetime | None:
    """Return when a client registered itself, if the token is the client's own."""
    return connection.execute(
        select(_R.registered_at).where(
            _R.client_id == client_id, _R.digest == digest_of(management_token)
        )
    ).scalar()


def has_registered_itself(connection: Connection, client_id: str) -> bool:
    """Return whether no operator has seen what this client says of itself."""
    found = connection.execute(select(_R.client_id).where(_R.client_id == client_id))
    return found.first() is not None


def count_registrations(connection: Connection) -> int:
    """Return how many clients have registered themselves."""
    return connection.execute(select(func.count()).select_from(_R)).scalar_one()
