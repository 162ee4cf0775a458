"""Requests that wait for a person to prove something, in the browser that began them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    ForeignKey,
    Row,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import PageError
from oidc_bridge.identity import Identity
from oidc_bridge.oidc.answer import Target
from oidc_bridge.oidc.authorize import AuthorizationRequest
from oidc_bridge.oidc.client import Client
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime, new_id

Purpose = Literal["sign-in", "confirm", "add"]


class RequestRow(Base):
    """What one browser has open: an authorization request, or a way to the account page.

    ``purpose`` tells why somebody must prove themselves: to sign in, to confirm that it is they
    before something is given, or to add a wallet. ``place`` is the account's page that it was begun
    on. ``proved`` is what the sitting has proved so far
    that is not enough yet. ``session_id`` is set if a chat app's key has signed somebody in for
    this request alone.
    """

    __tablename__ = "authorization_requests"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    browser: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text, default="sign-in")
    place: Mapped[str] = mapped_column(Text, server_default="account")
    client_id: Mapped[str | None] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    redirect_uri: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str | None] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    code_challenge: Mapped[str | None] = mapped_column(Text)
    nonce: Mapped[str | None] = mapped_column(Text)
    redirect_url: Mapped[str | None] = mapped_column(Text)
    proof_after: Mapped[datetime | None] = mapped_column(UtcTime)
    ask_anyway: Mapped[bool] = mapped_column(Boolean)
    proved: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    response_mode: Mapped[str] = mapped_column(Text, server_default="query")
    subjects: Mapped[list[str]] = mapped_column(JSON, server_default="[]")
    login_hint: Mapped[str | None] = mapped_column(Text)
    dpop_jkt: Mapped[str | None] = mapped_column(Text)
    pushed: Mapped[str | None] = mapped_column(Text)
    persona_id: Mapped[str | None] = mapped_column(Text)
    session_id: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that a browser has open.

    Attributes:
        authorization: What the client asks for; None if the person only wants their account page.
        proof_after: As in `AuthorizationRequest`; for the account page any live session will do.
        proved: What the sitting has proved so far, the latest last.
        persona_id: As whom somebody re-authenticates, if they had to choose.
        place: The account's page on which the person began, without an app.
        session_id: Of the session that is for this request alone; None if the browser's own counts.
    """

    id: str
    purpose: Purpose
    authorization: AuthorizationRequest | None
    proof_after: datetime | None
    proved: tuple[Identity, ...]
    expires_at: datetime
    persona_id: str | None = None
    place: str = "account"
    session_id: str | None = None


_INSERT_REQUEST = insert(RequestRow)
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
    .values(proof_after=bindparam("after"), session_id=None)
)
_KEEP_PROVED = (
    update(RequestRow)
    .where(RequestRow.id == bindparam("request_id"), RequestRow.browser == bindparam("by"))
    .values(proved=bindparam("so_far"))
)
_CHOOSE_PERSONA = (
    update(RequestRow)
    .where(RequestRow.id == bindparam("request_id"), RequestRow.browser == bindparam("by"))
    .values(persona_id=bindparam("persona"))
)
_ANSWER_BY = (
    update(RequestRow)
    .where(RequestRow.id == bindparam("request_id"), RequestRow.browser == bindparam("by"))
    .values(session_id=bindparam("session"))
)
_ASK_ANYWAY = (
    update(RequestRow)
    .where(RequestRow.id == bindparam("request_id"), RequestRow.browser == bindparam("by"))
    .values(ask_anyway=True)
)


def keep_request(
    connection: Connection,
    authorization: AuthorizationRequest | None,
    *,
    browser: str,
    expires_at: datetime,
    purpose: Purpose = "sign-in",
    place: str = "account",
) -> str:
    """Keep what *browser* (a cookie's value) asked for; return the request's id."""
    request_id = new_id()
    kept = authorization
    connection.execute(
        _INSERT_REQUEST,
        {
            "id": request_id,
            "browser": digest_of(browser),
            "purpose": purpose,
            "place": place,
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
        return _to_open_request(row, None)
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
    return _to_open_request(row, authorization)


def _to_open_request(
    row: Row[*tuple[Any, ...]], authorization: AuthorizationRequest | None
) -> OpenRequest:
    proved = tuple(Identity.from_json(identity) for identity in row.proved)
    return OpenRequest(
        id=row.id,
        purpose=row.purpose,
        authorization=authorization,
        proof_after=row.proof_after,
        proved=proved,
        expires_at=row.expires_at,
        persona_id=row.persona_id,
        place=row.place,
        session_id=row.session_id,
    )


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
    """Let the request go on only with a proof made after *after*, by whoever that is of."""
    connection.execute(
        _ASK_FOR_PROOF,
        {"request_id": open_request.id, "by": digest_of(browser), "after": after},
    )
    return replace(open_request, proof_after=after, session_id=None)


def keep_proved(
    connection: Connection, request_id: str, proved: Sequence[Identity], *, browser: str
) -> None:
    """Keep what a sitting has proved so far."""
    connection.execute(
        _KEEP_PROVED,
        {
            "request_id": request_id,
            "by": digest_of(browser),
            "so_far": [identity.to_json() for identity in proved],
        },
    )


def ask_consent_anyway(connection: Connection, request_id: str, *, browser: str) -> None:
    """Let the request go on only over the consent page, which shows who signs in."""
    connection.execute(_ASK_ANYWAY, {"request_id": request_id, "by": digest_of(browser)})


def answer_by(
    connection: Connection, open_request: OpenRequest, session_id: str | None, *, browser: str
) -> OpenRequest:
    """Let a session answer this request and no other; with None it is the browser's own again."""
    connection.execute(
        _ANSWER_BY,
        {"request_id": open_request.id, "by": digest_of(browser), "session": session_id},
    )
    return replace(open_request, session_id=session_id)


def choose_persona(
    connection: Connection, open_request: OpenRequest, persona_id: str, *, browser: str
) -> OpenRequest:
    """Keep as whom somebody re-authenticates."""
    connection.execute(
        _CHOOSE_PERSONA,
        {"request_id": open_request.id, "by": digest_of(browser), "persona": persona_id},
    )
    return replace(open_request, persona_id=persona_id)
