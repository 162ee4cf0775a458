"""How the server is: what can be told from the database alone, by a few bounded questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from oidc_bridge.storage.accounts import IdentityRow
from oidc_bridge.storage.keys import SigningKeyRow
from oidc_bridge.storage.names import NameRow
from oidc_bridge.storage.outbox import TOLD, LogoutDeliveryRow
from oidc_bridge.storage.sessions import SessionRow

# Counted no further: that it is very many is all that matters then.
MOST_COUNTED = 10_000
_SESSIONS_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A published signing key, without its private half."""

    kid: str
    algorithm: str
    state: str
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outbox:
    """What clients must still be told, and since when the oldest waits; what was given up lately.

    Neither is counted further than `MOST_COUNTED`.
    """

    waiting: int
    oldest_at: datetime | None
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class NameAnswers:
    """When all name services last answered about one of those who signed in last, and when a name
    of theirs was last confirmed."""

    asked_at: datetime | None
    confirmed_at: datetime | None


_K, _D = SigningKeyRow, LogoutDeliveryRow
_ORDER = ("active", "next", "retired")


def keys_in_order(connection: Connection) -> Sequence[KnownKey]:
    """Return the published keys: the active ones, those to come, the retired, youngest first."""
    rows = connection.execute(
        select(_K.kid, _K.algorithm, _K.state, _K.created_at, _K.retired_at).order_by(
            _K.created_at.desc()
        )
    )
    return sorted((KnownKey(*row) for row in rows), key=lambda key: _ORDER.index(key.state))


def outbox_state(connection: Connection, *, since: datetime) -> Outbox:
    """Return how much waits to be told, and how much of what began after *since* was given up."""
    waiting = select(_D.created_at).where(_D.done_at.is_(None)).limit(MOST_COUNTED).subquery()
    given_up = (
        select(_D.id)
        .where(_D.created_at > since, _D.done_at.is_not(None), _D.outcome != TOLD)
        .limit(MOST_COUNTED)
        .subquery()
    )
    count, oldest = connection.execute(
        select(func.count(), func.min(waiting.c.created_at)).select_from(waiting)
    ).one()
    lost = connection.execute(select(func.count()).select_from(given_up)).scalar_one()
    return Outbox(count, oldest, lost)


def name_answers(connection: Connection) -> NameAnswers:
    """Return what is known of the name services without asking them."""
    latest = (
        select(SessionRow.identity_id)
        .order_by(SessionRow.expires_at.desc())
        .limit(_SESSIONS_LOOKED_AT)
        .subquery()
    )
    asked, confirmed = connection.execute(
        select(func.max(IdentityRow.names_asked_at), func.max(NameRow.confirmed_at))
        .select_from(latest)
        .join(IdentityRow, IdentityRow.id == latest.c.identity_id)
        .outerjoin(NameRow, NameRow.identity_id == IdentityRow.id)
    ).one()
    return NameAnswers(asked, confirmed)


def database_clock(connection: Connection) -> datetime | None:
    """Return the database's time; None where it has our own clock."""
    if connection.dialect.name == "sqlite":
        return None
    return connection.execute(select(func.now())).scalar_one()
