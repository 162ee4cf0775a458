"""Authorization requests that wait for a person, and the challenges put to wallets for them."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    ForeignKey,
    LargeBinary,
    Row,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import PageError, ProofError
from oidc_bridge.identity import Challenge
from oidc_bridge.oidc.answer import Target
from oidc_bridge.oidc.authorize import AuthorizationRequest
from oidc_bridge.oidc.client import Client
from oidc_bridge.seal import Seal, digest_of
from oidc_bridge.storage import Base, UtcTime, new_id

_SEALED = "challenge"


class RequestRow(Base):
    """What one browser has open: an authorization request, or (no client) the account page."""

    __tablename__ = "authorization_requests"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    browser: Mapped[str] = mapped_column(Text)
    client_id: Mapped[str | None] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    redirect_uri: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str | None] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    code_challenge: Mapped[str | None] = mapped_column(Text)
    nonce: Mapped[str | None] = mapped_column(Text)
    redirect_url: Mapped[str | None] = mapped_column(Text)
    proof_after: Mapped[datetime | None] = mapped_column(UtcTime)
    ask_anyway: Mapped[bool] = mapped_column(Boolean)
    response_mode: Mapped[str] = mapped_column(Text, server_default="query")
    subjects: Mapped[list[str]] = mapped_column(JSON, server_default="[]")
    login_hint: Mapped[str | None] = mapped_column(Text)
    dpop_jkt: Mapped[str | None] = mapped_column(Text)
    pushed: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


class ChallengeRow(Base):
    """What we asked of a wallet. It is spent once; the secret is sealed."""

    __tablename__ = "challenges"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    browser: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(Text, index=True)
    method: Mapped[str] = mapped_column(Text)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    issued_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    spent_at: Mapped[datetime | None] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that a browser has open.

    Attributes:
        authorization: What the client asks for; None if the person only wants their account page.
        proof_after: As in `AuthorizationRequest`; for the account page any live session will do.
    """

    id: str
    authorization: AuthorizationRequest | None
    proof_after: datetime | None
    expires_at: datetime


_INSERT_REQUEST = insert(RequestRow)
_INSERT_CHALLENGE = insert(ChallengeRow)
_REQUEST = select(RequestRow.__table__).where(
    RequestRow.id == bindparam("id"), RequestRow.browser == bindparam("browser")
)
_CLOSE = (
    delete(RequestRow)
    .where(RequestRow.id == bindparam("id"), RequestRow.browser == bindparam("browser"))
    .returning(RequestRow.id)
)
_ASK_FOR_PROOF = (
    update(RequestRow)
    .where(RequestRow.id == bindparam("request_id"), RequestRow.browser == bindparam("by"))
    .values(proof_after=bindparam("after"))
)
_CHALLENGE = select(ChallengeRow.__table__).where(
    ChallengeRow.id == bindparam("id"), ChallengeRow.browser == bindparam("browser")
)
_OPEN_CHALLENGE = (
    select(ChallengeRow.__table__)
    .where(
        ChallengeRow.request_id == bindparam("request_id"),
        ChallengeRow.browser == bindparam("browser"),
        ChallengeRow.spent_at.is_(None),
        ChallengeRow.expires_at > bindparam("now", type_=UtcTime),
    )
    .order_by(ChallengeRow.issued_at.desc())
    .limit(1)
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


def keep_request(
    connection: Connection,
    authorization: AuthorizationRequest | None,
    *,
    browser: str,
    expires_at: datetime,
) -> str:
    """Keep what *browser* (a cookie's value) asked for; return the request's id."""
    request_id = new_id()
    kept = authorization
    connection.execute(
        _INSERT_REQUEST,
        {
            "id": request_id,
            "browser": digest_of(browser),
            "client_id": kept.target.client.id if kept else None,
            "redirect_uri": kept.target.redirect_uri if kept else None,
            "state": kept.target.state if kept else None,
            "scopes": list(kept.scopes) if kept else [],
            "code_challenge": kept.code_challenge if kept else None,
            "nonce": kept.nonce if kept else None,
            "redirect_url": kept.redirect_url if kept else None,
            "proof_after": kept.proof_after if kept else None,
            "ask_anyway": kept.ask_anyway if kept else False,
            "response_mode": kept.target.response_mode if kept else "query",
            "subjects": list(kept.subjects) if kept else [],
            "login_hint": kept.login_hint if kept else None,
            "dpop_jkt": kept.dpop_jkt if kept else None,
            "pushed": kept.pushed if kept else None,
            "expires_at": expires_at,
        },
    )
    return request_id


def get_request(
    connection: Connection,
    request_id: str,
    clients: dict[str, Client],
    *,
    browser: str,
    now: datetime,
) -> OpenRequest:
    """Return what *browser* has open under *request_id*.

    Raises:
        PageError: ``request_unknown`` (also if it is another browser's), ``request_expired``.
    """
    row = connection.execute(_REQUEST, {"id": request_id, "browser": digest_of(browser)}).first()
    if row is None:
        raise PageError("request_unknown", request_id[:40], status=404)
    if row.expires_at <= now:
        raise PageError("request_expired", request_id, status=410)
    if row.client_id is None:
        return OpenRequest(row.id, None, row.proof_after, row.expires_at)
    client = clients.get(row.client_id)
    if client is None:
        raise PageError("request_unknown", f"client {row.client_id} is gone", status=404)
    authorization = AuthorizationRequest(
        target=Target(client, row.redirect_uri, row.state, row.response_mode),
        scopes=tuple(row.scopes),
        code_challenge=row.code_challenge,
        nonce=row.nonce,
        redirect_url=row.redirect_url,
        proof_after=row.proof_after,
        ask_anyway=row.ask_anyway,
        silent=False,
        subjects=tuple(row.subjects),
        login_hint=row.login_hint,
        dpop_jkt=row.dpop_jkt,
        pushed=row.pushed,
    )
    return OpenRequest(row.id, authorization, row.proof_after, row.expires_at)


def close_request(connection: Connection, request_id: str, *, browser: str) -> None:
    """Take the request away, so that it is answered once.

    Raises:
        PageError: ``request_unknown`` if somebody else was quicker.
    """
    taken = connection.execute(_CLOSE, {"id": request_id, "browser": digest_of(browser)}).first()
    if taken is None:
        raise PageError("request_unknown", request_id[:40], status=404)


def ask_for_proof(
    connection: Connection, open_request: OpenRequest, *, browser: str, after: datetime
) -> OpenRequest:
    """Let the request go on only with a proof made after *after*."""
    connection.execute(
        _ASK_FOR_PROOF,
        {"request_id": open_request.id, "by": digest_of(browser), "after": after},
    )
    return replace(open_request, proof_after=after)


def keep_challenge(
    connection: Connection, challenge: Challenge, request_id: str, *, browser: str, seal: Seal
) -> None:
    """Keep a challenge made for a request of this browser."""
    connection.execute(
        _INSERT_CHALLENGE,
        {
            "id": challenge.id,
            "browser": digest_of(browser),
            "request_id": request_id,
            "method": challenge.method,
            "secret": seal.close(challenge.secret, purpose=_SEALED),
            "issued_at": challenge.issued_at,
            "expires_at": challenge.expires_at,
        },
    )


def find_open_challenge(
    connection: Connection, request_id: str, *, browser: str, now: datetime, seal: Seal
) -> Challenge | None:
    """Return the request's latest challenge that a wallet can still answer."""
    row = connection.execute(
        _OPEN_CHALLENGE,
        {"request_id": request_id, "browser": digest_of(browser), "now": now},
    ).first()
    return None if row is None else _to_challenge(row, seal)


def get_challenge(
    connection: Connection, challenge_id: str, *, browser: str, seal: Seal
) -> tuple[Challenge, str]:
    """Return a challenge of this browser and the id of its request.

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
    return _to_challenge(row, seal), row.request_id


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
        method=row.method,
        secret=seal.open(row.secret, purpose=_SEALED),
        issued_at=row.issued_at,
        expires_at=row.expires_at,
    )
