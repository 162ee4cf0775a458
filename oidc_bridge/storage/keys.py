"""Signing keys at rest: the private half is sealed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    Connection,
    LargeBinary,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.oidc.keys import (
    SIGNING_ALGORITHMS,
    Algorithm,
    SigningKey,
    State,
    active,
    from_pem,
    make_key,
    to_pem,
)
from oidc_bridge.seal import Seal
from oidc_bridge.storage import Base, UtcTime

_SEALED = "signing-key"


class SigningKeyRow(Base):
    """A key that signs ID tokens."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(Text, primary_key=True)
    private_key: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text)
    algorithm: Mapped[str] = mapped_column(Text, server_default="RS256")
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    retired_at: Mapped[datetime | None] = mapped_column(UtcTime)


_KEYS = select(SigningKeyRow.__table__).order_by(SigningKeyRow.created_at.desc())
_YOUNGEST = select(func.max(SigningKeyRow.created_at)).where(
    SigningKeyRow.algorithm == bindparam("algorithm")
)
_FIRST: tuple[State, ...] = ("active", "next")
# Longer than anybody keeps a key set without asking anew; ours says ten minutes.
SETTLED = timedelta(days=1)
_VERSION = select(SigningKeyRow.kid, SigningKeyRow.state).order_by(SigningKeyRow.kid)


def keys_version(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Return something small that changes when the keys do."""
    return tuple((kid, state) for kid, state in connection.execute(_VERSION))


def all_keys(connection: Connection, seal: Seal) -> Sequence[SigningKey]:
    """Return every key that is still published, youngest first."""
    return [
        SigningKey(
            kid=row.kid,
            key=from_pem(seal.open(row.private_key, purpose=_SEALED), row.algorithm),
            state=row.state,
            created_at=row.created_at,
            retired_at=row.retired_at,
            algorithm=row.algorithm,
        )
        for row in connection.execute(_KEYS)
    ]


def youngest_key_at(connection: Connection) -> datetime | None:
    """Return when the youngest key was made."""
    return connection.execute(select(func.max(SigningKeyRow.created_at))).scalar_one()


def add_key(connection: Connection, signing_key: SigningKey, seal: Seal) -> None:
    """Keep a key."""
    connection.execute(
        insert(SigningKeyRow),
        {
            "kid": signing_key.kid,
            "private_key": seal.close(to_pem(signing_key), purpose=_SEALED),
            "state": signing_key.state,
            "algorithm": signing_key.algorithm,
            "created_at": signing_key.created_at,
        },
    )


def make_first_keys(connection: Connection, seal: Seal, *, bits: int, now: datetime) -> None:
    """Make the key that signs and the one after it for each algorithm that has none."""
    present = {known.algorithm for known in all_keys(connection, seal)}
    for algorithm in SIGNING_ALGORITHMS:
        if algorithm not in present:
            for state in _FIRST:
                made = make_key(bits=bits, state=state, now=now, algorithm=algorithm)
                add_key(connection, made, seal)


def rotate_keys(
    connection: Connection, seal: Seal, *, bits: int, now: datetime, algorithm: Algorithm = "RS256"
) -> str:
    """Retire the active key, use the next one, make the one after; return the new active kid.

    Raises:
        ConfigError: ``keys_missing``.
    """
    keys = [known for known in all_keys(connection, seal) if known.algorithm == algorithm]
    retiring = active(keys, algorithm)
    upcoming = next((known for known in keys if known.state == "next"), None)
    if upcoming is None:
        upcoming = make_key(bits=bits, state="next", now=now, algorithm=algorithm)
        add_key(connection, upcoming, seal)
    _set_state(connection, retiring.kid, "retired", retired_at=now)
    _set_state(connection, upcoming.kid, "active")
    add_key(connection, make_key(bits=bits, state="next", now=now, algorithm=algorithm), seal)
    return upcoming.kid


def rotate_old_keys(
    connection: Connection, seal: Seal, *, bits: int, life: timedelta, now: datetime
) -> Sequence[str]:
    """Rotate each algorithm whose last rotation is *life* ago; return the new active kids.

    The youngest key was made by that rotation, so whatever becomes active has been published for
    as long, and nobody meets a key that their cached JWKS does not have.
    """
    turned = []
    for algorithm in SIGNING_ALGORITHMS:
        youngest = connection.execute(_YOUNGEST, {"algorithm": algorithm}).scalar_one()
        if youngest is not None and now - youngest >= life:
            turned.append(rotate_keys(connection, seal, bits=bits, now=now, algorithm=algorithm))
    return turned


def young_next_keys(connection: Connection, *, since: datetime) -> Sequence[str]:
    """Return the algorithms whose next key was published after *since*.

    Whoever asked for our keys before that does not have it yet.
    """
    return connection.scalars(
        select(SigningKeyRow.algorithm)
        .where(SigningKeyRow.state == "next", SigningKeyRow.created_at > since)
        .order_by(SigningKeyRow.algorithm)
    ).all()


def forget_keys(connection: Connection, *, now: datetime, token_life: timedelta) -> int:
    """Delete retired keys whose last token has died; return how many."""
    return connection.execute(
        delete(SigningKeyRow).where(SigningKeyRow.retired_at < now - token_life)
    ).rowcount


def _set_state(
    connection: Connection, kid: str, state: str, *, retired_at: datetime | None = None
) -> None:
    connection.execute(
        update(SigningKeyRow)
        .where(SigningKeyRow.kid == kid)
        .values(state=state, retired_at=retired_at)
    )
