"""Challenges: the questions put to people's wallets, each answered once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    LargeBinary,
    Row,
    Text,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Challenge
from oidc_bridge.seal import Seal, digest_of
from oidc_bridge.storage import Base, UtcTime

_SEALED = "challenge"


class ChallengeRow(Base):
    """A question to a person's wallet. It is spent once; the secret is sealed.

    ``handover_id`` is set if the browser proves for another one.
    """

    __tablename__ = "challenges"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    browser: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(Text, index=True)
    handover_id: Mapped[str | None] = mapped_column(Text)
    statement: Mapped[str] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    issued_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    spent_at: Mapped[datetime | None] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class AskedChallenge:
    """A challenge and what it was made for: a request, or a browser that proves for another."""

    challenge: Challenge
    request_id: str
    handover_id: str | None


_INSERT_CHALLENGE = insert(ChallengeRow)
_CHALLENGE = select(ChallengeRow.__table__).where(
    ChallengeRow.id == bindparam("id"), ChallengeRow.browser == bindparam("browser")
)
_OPEN_CHALLENGE = (
    select(ChallengeRow.__table__)
    .where(
        ChallengeRow.request_id == bindparam("request_id"),
        ChallengeRow.browser == bindparam("browser"),
        ChallengeRow.handover_id.is_not_distinct_from(bindparam("handover_id", type_=Text)),
        ChallengeRow.spent_at.is_(None),
        ChallengeRow.expires_at > bindparam("now", type_=UtcTime),
    )
    .order_by(ChallengeRow.issued_at.desc())
    .limit(1)
)
_CLOSE = (
    update(ChallengeRow)
    .where(
        ChallengeRow.request_id == bindparam("of_request"),
        ChallengeRow.browser == bindparam("by"),
        ChallengeRow.spent_at.is_(None),
    )
    .values(spent_at=bindparam("now"))
)
_SPEND = (
    update(ChallengeRow)
    .where(
        ChallengeRow.id == bindparam("challenge_id"),
        ChallengeRow.browser == bindparam("by"),
        ChallengeRow.spent_at.is_(None),
    )
    .values(spent_at=bindparam("now"))
    .returning(ChallengeRow.id)
)


def keep_challenge(
    connection: Connection,
    challenge: Challenge,
    request_id: str,
    *,
    browser: str,
    seal: Seal,
    handover_id: str | None = None,
) -> None:
    """Keep a challenge made for a request, to be answered by this browser."""
    connection.execute(
        _INSERT_CHALLENGE,
        {
            "id": challenge.id,
            "browser": digest_of(browser),
            "request_id": request_id,
            "handover_id": handover_id,
            "statement": challenge.statement,
            "address": challenge.address,
            "secret": seal.close(challenge.secret, purpose=_SEALED),
            "issued_at": challenge.issued_at,
            "expires_at": challenge.expires_at,
        },
    )


def close_challenges(
    connection: Connection, request_id: str, *, browser: str, now: datetime
) -> None:
    """Let no earlier question for a request be answered: another one takes its place."""
    connection.execute(_CLOSE, {"of_request": request_id, "by": digest_of(browser), "now": now})


def find_open_challenge(
    connection: Connection,
    request_id: str,
    *,
    browser: str,
    now: datetime,
    seal: Seal,
    handover_id: str | None = None,
) -> Challenge | None:
    """Return the latest challenge for a request that this browser's wallet can still answer: its
    own, or the one by which it proves for another browser."""
    row = connection.execute(
        _OPEN_CHALLENGE,
        {
            "request_id": request_id,
            "browser": digest_of(browser),
            "handover_id": handover_id,
            "now": now,
        },
    ).first()
    return None if row is None else _to_challenge(row, seal)


def get_challenge(
    connection: Connection, challenge_id: str, *, browser: str, seal: Seal
) -> AskedChallenge:
    """Return a challenge of this browser.

    Raises:
        ProofError: ``challenge_unknown`` (also if it is another browser's), ``replay``.
    """
    row = connection.execute(
        _CHALLENGE, {"id": challenge_id, "browser": digest_of(browser)}
    ).first()
    if row is None:
        raise ProofError("challenge_unknown", challenge_id[:40])
    if row.spent_at is not None:
        raise ProofError("replay", f"challenge={challenge_id}")
    return AskedChallenge(_to_challenge(row, seal), row.request_id, row.handover_id)


def spend(connection: Connection, challenge_id: str, *, browser: str, now: datetime) -> None:
    """Take a challenge out of use. A second taker gets ProofError ``replay``."""
    taken = connection.execute(
        _SPEND, {"challenge_id": challenge_id, "by": digest_of(browser), "now": now}
    ).first()
    if taken is None:
        raise ProofError("replay", f"challenge={challenge_id}")


def _to_challenge(row: Row[*tuple[Any, ...]], seal: Seal) -> Challenge:
    return Challenge(
        id=row.id,
        secret=seal.open(row.secret, purpose=_SEALED),
        statement=row.statement,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        address=row.address,
    )
