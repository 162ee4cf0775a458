"""Questions that a sign-in page puts to a chat app: answered by the app's key, once.

The nonce lets whoever has it answer *for* the browser that began, and nothing else: what was proved
is kept here until that browser takes it, with a code that only the app was told.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Connection, Integer, Row, Text, bindparam, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Identity, Name
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime

MAX_TRIES = 5


class ChatQuestionRow(Base):
    """A question to a chat app. Of its nonce a hash is kept.

    ``tried_at`` is set as soon as an app's signature came, ``fault`` if it proved nothing, and
    ``tries`` counts the codes that were typed.
    """

    __tablename__ = "chat_questions"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    request_id: Mapped[str] = mapped_column(Text, index=True)
    browser: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text, unique=True)
    client_id: Mapped[str] = mapped_column(Text)
    asks: Mapped[str] = mapped_column(Text)
    challenge: Mapped[str] = mapped_column(Text)
    user_agent: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    tried_at: Mapped[datetime | None] = mapped_column(UtcTime)
    fault: Mapped[str | None] = mapped_column(Text)
    proved: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    app: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    taken_at: Mapped[datetime | None] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What an app's key proved.

    Attributes:
        app: Its origin.
        name: None if it is not the identity's own.
    """

    identity: Identity
    app: str
    name: Name | None


@dataclass(frozen=True, slots=True)
class ChatQuestion:
    """A question to a chat app, as the browser and the app see it.

    Attributes:
        client_id: The homeserver at which the person wants to sign in.
        asks: Who asks them there: the host of a Matrix client, or what it calls itself.
        challenge: The text to be signed.
        user_agent: Of the browser that began.
        fault: Code of why no answer to it will be taken; ``""`` while one may.
        answer: None until there is a good one.
    """

    id: str
    request_id: str
    client_id: str
    asks: str
    challenge: str
    user_agent: str
    created_at: datetime
    expires_at: datetime
    fault: str
    answer: ChatAnswer | None


_Q = ChatQuestionRow
_ADD = insert(_Q)
_BY_REQUEST = (
    select(_Q.__table__)
    .where(_Q.request_id == bindparam("request_id"), _Q.browser == bindparam("browser"))
    .order_by(_Q.taken_at.is_(None).desc(), _Q.created_at.desc())
    .limit(1)
)
_BY_NONCE = select(_Q.__table__).where(_Q.digest == bindparam("digest"))
_OPEN = (_Q.expires_at > bindparam("now", type_=UtcTime), _Q.taken_at.is_(None))
_TRY = (
    update(_Q)
    .where(_Q.id == bindparam("question"), _Q.tried_at.is_(None), *_OPEN)
    .values(tried_at=bindparam("now"))
    .returning(_Q.id)
)
_FAIL = update(_Q).where(_Q.id == bindparam("question")).values(fault=bindparam("why"))
_KEEP = (
    update(_Q)
    .where(_Q.id == bindparam("question"), *_OPEN)
    .values(
        proved=bindparam("identity"),
        app=bindparam("by_app"),
        name=bindparam("by_name"),
        owner=bindparam("owned_by"),
    )
    .returning(_Q.id)
)
_GIVE_UP = (
    update(_Q)
    .where(
        _Q.request_id == bindparam("of_request"),
        _Q.browser == bindparam("by"),
        _Q.taken_at.is_(None),
    )
    .values(taken_at=bindparam("now"))
)
_COUNT = (
    update(_Q)
    .where(
        _Q.id == bindparam("question"),
        _Q.browser == bindparam("by"),
        _Q.proved.is_not(None),
        _Q.tries < MAX_TRIES,
        *_OPEN,
    )
    .values(tries=_Q.tries + 1)
    .returning(_Q.id)
)
_TAKE = (
    update(_Q)
    .where(
        _Q.id == bindparam("question"),
        _Q.browser == bindparam("by"),
        _Q.proved.is_not(None),
        *_OPEN,
    )
    .values(taken_at=bindparam("now"))
    .returning(_Q.id)
)


def begin_question(
    connection: Connection,
    question_id: str,
    request_id: str,
    *,
    browser: str,
    nonce: str,
    client_id: str,
    asks: str,
    challenge: str,
    user_agent: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Let a chat app prove for *browser*, by a secret *nonce*; an earlier question is over."""
    give_up_question(connection, request_id, browser=browser, now=now)
    connection.execute(
        _ADD,
        {
            "id": question_id,
            "request_id": request_id,
            "browser": digest_of(browser),
            "digest": digest_of(nonce),
            "client_id": client_id,
            "asks": asks,
            "challenge": challenge,
            "user_agent": user_agent[:400],
            "created_at": now,
            "expires_at": expires_at,
        },
    )


def give_up_question(
    connection: Connection, request_id: str, *, browser: str, now: datetime
) -> None:
    """End what chat apps were asked for this request."""
    connection.execute(_GIVE_UP, {"of_request": request_id, "by": digest_of(browser), "now": now})


def find_question(
    connection: Connection, request_id: str, *, browser: str, now: datetime
) -> ChatQuestion | None:
    """Return the latest question of a request, to the browser that began it and nobody else."""
    row = connection.execute(
        _BY_REQUEST, {"request_id": request_id, "browser": digest_of(browser)}
    ).first()
    return None if row is None else _to_question(row, now)


def get_question(connection: Connection, nonce: str, *, now: datetime) -> ChatQuestion:
    """Return the question that waits for an answer under *nonce*.

    Raises:
        ProofError: ``unknown_nonce``; ``nonce_used`` if an answer came; ``nonce_expired`` if it is
            over for another reason.
    """
    row = connection.execute(_BY_NONCE, {"digest": digest_of(nonce)}).first()
    if row is None:
        raise ProofError("unknown_nonce", "no sign-in page made it")
    if row.tried_at is not None:
        raise ProofError("nonce_used", f"question={row.id}")
    if _is_over(row, now):
        raise ProofError("nonce_expired", f"question={row.id}")
    return _to_question(row, now)


def take_up(connection: Connection, question_id: str, *, now: datetime) -> None:
    """Let one answer be looked at. Once: others come too late, whatever becomes of it.

    Raises:
        ProofError: ``nonce_used``.
    """
    if connection.execute(_TRY, {"question": question_id, "now": now}).first() is None:
        raise ProofError("nonce_used", f"question={question_id}")


def note_fault(connection: Connection, question_id: str, code: str) -> None:
    """Keep why the answer proved nothing, for the browser that waits."""
    connection.execute(_FAIL, {"question": question_id, "why": code})


def keep_chat_answer(
    connection: Connection, question_id: str, answer: ChatAnswer, *, now: datetime
) -> None:
    """Leave what an app proved for the browser that began.

    Raises:
        ProofError: ``nonce_expired`` if that has gone meanwhile.
    """
    name = answer.name
    kept = connection.execute(
        _KEEP,
        {
            "question": question_id,
            "identity": answer.identity.to_json(),
            "by_app": answer.app,
            "by_name": name.text if name else None,
            "owned_by": name.owner if name else None,
            "now": now,
        },
    ).first()
    if kept is None:
        raise ProofError("nonce_expired", f"question={question_id}")


def count_try(connection: Connection, question_id: str, *, browser: str, now: datetime) -> bool:
    """Count a code that was typed; False if there may be no more, or nothing to be typed for."""
    counted = connection.execute(
        _COUNT, {"question": question_id, "by": digest_of(browser), "now": now}
    ).first()
    return counted is not None


def take_chat_answer(
    connection: Connection, question_id: str, *, browser: str, now: datetime
) -> None:
    """Take what an app proved, once.

    Raises:
        ProofError: ``replay`` if there is nothing to take any more.
    """
    taken = connection.execute(
        _TAKE, {"question": question_id, "by": digest_of(browser), "now": now}
    ).first()
    if taken is None:
        raise ProofError("replay", f"question={question_id}")


def _to_question(row: Row[*tuple[Any, ...]], now: datetime) -> ChatQuestion:
    return ChatQuestion(
        id=row.id,
        request_id=row.request_id,
        client_id=row.client_id,
        asks=row.asks,
        challenge=row.challenge,
        user_agent=row.user_agent,
        created_at=row.created_at,
        expires_at=row.expires_at,
        fault="challenge_over" if _is_over(row, now) else row.fault or "",
        answer=_to_answer(row) if row.proved else None,
    )


def _to_answer(row: Row[*tuple[Any, ...]]) -> ChatAnswer:
    identity = Identity.from_json(row.proved)
    name = Name(row.name, row.owner, identity.proved_at) if row.name else None
    return ChatAnswer(identity, row.app, name)


def _is_over(row: Row[*tuple[Any, ...]], now: datetime) -> bool:
    return row.taken_at is not None or row.expires_at <= now or row.tries >= MAX_TRIES
