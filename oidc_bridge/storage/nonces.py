"""Nonces that clients make, each with the challenge that we gave for it; used up by one sign-in.

Whoever asks needs no account and no cookie, so what one address may have open is limited, and no
second asker can take over what another one has open.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Connection,
    Index,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import ProofError
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime

LIFE = timedelta(seconds=300)
MAX_OPEN = 30
# Of an address that many come by: a proxy's. It bounds the table, and keeps nobody from others.
MAX_OPEN_BEHIND_PROXY = 10_000


class NonceRow(Base):
    """A nonce that somebody announced. It is part of a password, so only its hash is kept, as is
    the address that announced it.

    ``public_key`` and ``signature`` are what the client posted instead of writing a file; empty
    until then. ``account_id`` is set if it was made on an account page: then it is the secret
    itself, and nothing is to be answered.
    """

    __tablename__ = "nonces"
    __table_args__ = (Index("ix_nonces_address_expires_at", "address", "expires_at"),)

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    app: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    challenge: Mapped[str] = mapped_column(Text)
    public_key: Mapped[str] = mapped_column(Text, server_default="")
    signature: Mapped[str] = mapped_column(Text, server_default="")
    account_id: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    spent_at: Mapped[datetime | None] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class OpenNonce:
    """A nonce that waits for its answer; ``app`` is the origin that announced it, if it told."""

    app: str
    challenge: str


@dataclass(frozen=True, slots=True)
class SpentNonce:
    """A nonce that was just used up.

    Attributes:
        public_key, signature: empty if none came.
        account_id: whose account page made it; None if a client did.
    """

    app: str
    challenge: str
    public_key: str
    signature: str
    account_id: str | None = None


_N = NonceRow
_now = bindparam("now", type_=UtcTime)
_STANDING = select(_N.spent_at, _N.expires_at).where(_N.digest == bindparam("digest"))
_OVER = delete(_N).where(_N.digest == bindparam("of"), _N.expires_at < _now)
_OPEN_FROM = (
    select(func.count())
    .select_from(_N)
    .where(_N.address == bindparam("address"), _N.expires_at >= _now)
)
_ADD = insert(_N)
_OPEN = select(_N.app, _N.challenge).where(
    _N.digest == bindparam("digest"),
    _N.account_id.is_(None),
    _N.spent_at.is_(None),
    _N.expires_at >= _now,
)
_ANSWER = (
    update(_N)
    .where(_N.digest == bindparam("of"), _N.spent_at.is_(None), _N.expires_at >= _now)
    .values(public_key=bindparam("by"), signature=bindparam("signed"))
    .returning(_N.digest)
)
_SPEND = (
    update(_N)
    .where(_N.digest == bindparam("of"), _N.spent_at.is_(None))
    .values(spent_at=_now)
    .returning(_N.app, _N.challenge, _N.public_key, _N.signature, _N.account_id, _N.expires_at)
)


def announce(
    connection: Connection,
    nonce: str,
    *,
    app: str,
    address: str,
    challenge: str,
    at_most: int = MAX_OPEN,
    now: datetime,
) -> None:
    """Keep the challenge that answers *nonce* from now on, for five minutes.

    Args:
        app: Origin of the page that asks; ``""`` if none was told.
        address: From where. Spent ones count too: else a loop of tries would be free.
        at_most: How many that address may have.

    Raises:
        ProofError: ``nonce_open`` if it was announced and is not over, used or not;
            ``nonces_many``.
    """
    _add(connection, nonce, app, address, challenge, None, at_most, now)


def announce_own(connection: Connection, nonce: str, *, account_id: str, now: datetime) -> None:
    """Keep a nonce that an account page made, for five minutes.

    Raises:
        ProofError: ``nonces_many``.
    """
    _add(connection, nonce, "", f"account {account_id}", "", account_id, MAX_OPEN, now)


def _add(
    connection: Connection,
    nonce: str,
    app: str,
    address: str,
    challenge: str,
    account_id: str | None,
    at_most: int,
    now: datetime,
) -> None:
    digest, origin = digest_of(nonce), digest_of(address)
    connection.execute(_OVER, {"of": digest, "now": now})
    if connection.execute(_STANDING, {"digest": digest}).first() is not None:
        raise ProofError("nonce_open", f"announced again from {address}")
    count = connection.execute(_OPEN_FROM, {"address": origin, "now": now}).scalar_one()
    if count >= at_most:
        raise ProofError("nonces_many", f"{count} from {address}")
    connection.execute(
        _ADD,
        {
            "digest": digest,
            "app": app,
            "address": origin,
            "challenge": challenge,
            "account_id": account_id,
            "expires_at": now + LIFE,
        },
    )


def get_open(connection: Connection, nonce: str, *, now: datetime) -> OpenNonce:
    """Return what a nonce that is still to be used was announced with.

    Raises:
        ProofError: ``unknown_nonce``, ``nonce_expired``, ``nonce_used``.
    """
    digest = digest_of(nonce)
    row = connection.execute(_OPEN, {"digest": digest, "now": now}).first()
    if row is None:
        raise _why_not(connection, digest)
    return OpenNonce(*row)


def keep_answer(
    connection: Connection, nonce: str, *, public_key: str, signature: str, now: datetime
) -> None:
    """Keep the signature that a client posted; a later one takes its place.

    Raises:
        ProofError: as `get_open`.
    """
    digest = digest_of(nonce)
    kept = connection.execute(
        _ANSWER, {"of": digest, "by": public_key, "signed": signature, "now": now}
    ).first()
    if kept is None:
        raise _why_not(connection, digest)


def spend(connection: Connection, nonce: str, *, now: datetime) -> SpentNonce:
    """Use a nonce up and return what was announced and answered under it.

    To be committed before anything is verified: a failed try has used it up too.

    Raises:
        ProofError: ``unknown_nonce``, ``nonce_expired``, ``nonce_used``.
    """
    digest = digest_of(nonce)
    row = connection.execute(_SPEND, {"of": digest, "now": now}).first()
    if row is None:
        raise _why_not(connection, digest)
    if row.expires_at < now:
        raise ProofError("nonce_expired", f"at {row.expires_at:%FT%TZ}")
    return SpentNonce(row.app, row.challenge, row.public_key, row.signature, row.account_id)


def _why_not(connection: Connection, digest: str) -> ProofError:
    row = connection.execute(_STANDING, {"digest": digest}).first()
    if row is None:
        return ProofError("unknown_nonce", "never announced, or long over")
    if row.spent_at is not None:
        return ProofError("nonce_used", f"at {row.spent_at:%FT%TZ}")
    return ProofError("nonce_expired", f"at {row.expires_at:%FT%TZ}")
