"""Handovers: one browser began a sign-in, another one proves who the person is.

The link of a handover lets its finder prove something *for* the browser that began, and nothing
else: the proof is kept here, and only that browser can take it. One browser at most can open the
link, so that nobody else's wallet comes into a handover that somebody has already picked up.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, Connection, Row, Text, bindparam, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import PageError
from oidc_bridge.identity import Identity
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime

State = Literal["waiting", "opened", "proved", "refused", "over"]


class HandoverRow(Base):
    """A sign-in that waits for another device."""

    __tablename__ = "handovers"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    request_id: Mapped[str] = mapped_column(Text, index=True)
    browser: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text, unique=True)
    code: Mapped[str] = mapped_column(Text)
    user_agent: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    opened_by: Mapped[str | None] = mapped_column(Text)
    opened_with: Mapped[str] = mapped_column(Text, default="")
    proved: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    refused_at: Mapped[datetime | None] = mapped_column(UtcTime)
    taken_at: Mapped[datetime | None] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class Handover:
    """A sign-in that waits for another device, as either of the two sees it.

    Attributes:
        code: Stands on both screens, so that the person can tell that they belong together.
        user_agent, opened_with: Of the browser that began, and of the one that opened the link.
    """

    id: str
    request_id: str
    code: str
    user_agent: str
    opened_with: str
    state: State
    proved: Identity | None
    created_at: datetime
    expires_at: datetime


_H = HandoverRow
_ADD = insert(_H)
_BY_REQUEST = (
    select(_H.__table__)
    .where(_H.request_id == bindparam("request_id"), _H.browser == bindparam("browser"))
    .order_by(_H.taken_at.is_(None).desc(), _H.created_at.desc())
    .limit(1)
)
_BY_LINK = select(_H.__table__).where(_H.digest == bindparam("digest"))
_BY_OPENER = select(_H.__table__).where(
    _H.id == bindparam("id"), _H.opened_by == bindparam("browser")
)
_OPEN_AT = (
    _H.expires_at > bindparam("now", type_=UtcTime),
    _H.refused_at.is_(None),
    _H.taken_at.is_(None),
)
_OPEN = (
    update(_H)
    .where(_H.digest == bindparam("link"), _H.opened_by.is_(None), *_OPEN_AT)
    .values(opened_by=bindparam("by"), opened_with=bindparam("with"))
    .returning(_H.id)
)
_REFUSE = (
    update(_H)
    .where(_H.digest == bindparam("link"), _H.proved.is_(None), *_OPEN_AT)
    .values(refused_at=bindparam("now"))
)
_PROVE = (
    update(_H)
    .where(
        _H.id == bindparam("handover"),
        _H.opened_by == bindparam("by"),
        _H.proved.is_(None),
        *_OPEN_AT,
    )
    .values(proved=bindparam("identity"))
    .returning(_H.id)
)
_GIVE_UP = (
    update(_H)
    .where(
        _H.request_id == bindparam("of_request"),
        _H.browser == bindparam("by"),
        _H.taken_at.is_(None),
    )
    .values(taken_at=bindparam("now"))
)
_TAKE = (
    update(_H)
    .where(
        _H.id == bindparam("handover"),
        _H.browser == bindparam("by"),
        _H.proved.is_not(None),
        *_OPEN_AT,
    )
    .values(taken_at=bindparam("now"))
    .returning(_H.id)
)


def begin_handover(
    connection: Connection,
    handover_id: str,
    request_id: str,
    *,
    browser: str,
    link: str,
    code: str,
    user_agent: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Let another device prove for *browser*, by a secret *link*; an earlier link is over."""
    give_up_handover(connection, request_id, browser=browser, now=now)
    connection.execute(
        _ADD,
        {
            "id": handover_id,
            "request_id": request_id,
            "browser": digest_of(browser),
            "digest": digest_of(link),
            "code": code,
            "user_agent": user_agent[:400],
            "created_at": now,
            "expires_at": expires_at,
        },
    )


def give_up_handover(
    connection: Connection, request_id: str, *, browser: str, now: datetime
) -> None:
    """End what other devices were asked for this request."""
    connection.execute(_GIVE_UP, {"of_request": request_id, "by": digest_of(browser), "now": now})


def find_handover(
    connection: Connection, request_id: str, *, browser: str, now: datetime
) -> Handover | None:
    """Return the latest handover of a request, to the browser that began it and nobody else."""
    row = connection.execute(
        _BY_REQUEST, {"request_id": request_id, "browser": digest_of(browser)}
    ).first()
    return None if row is None else _to_handover(row, now)


def follow_link(connection: Connection, link: str, *, now: datetime) -> Handover:
    """Return what a link leads to.

    Raises:
        PageError: ``handover_over`` if it leads nowhere, or nowhere any more.
    """
    row = connection.execute(_BY_LINK, {"digest": digest_of(link)}).first()
    if row is None:
        raise PageError("handover_over", "no such link", status=404)
    return _to_handover(row, now)


def open_handover(
    connection: Connection, link: str, *, browser: str, user_agent: str, now: datetime
) -> str:
    """Take a link up with *browser*; return the handover's id. Once: others come too late.

    Raises:
        PageError: ``handover_over``.
    """
    taken = connection.execute(
        _OPEN,
        {
            "link": digest_of(link),
            "by": digest_of(browser),
            "with": user_agent[:400],
            "now": now,
        },
    ).first()
    if taken is None:
        raise PageError("handover_over", "opened elsewhere, or over", status=410)
    return str(taken.id)


def refuse_handover(connection: Connection, link: str, *, now: datetime) -> None:
    """End a handover that its finder did not begin."""
    connection.execute(_REFUSE, {"link": digest_of(link), "now": now})


def get_opened(
    connection: Connection, handover_id: str, *, browser: str, now: datetime
) -> Handover:
    """Return the handover that *browser* opened.

    Raises:
        PageError: ``handover_over`` (also if another browser opened it).
    """
    row = connection.execute(_BY_OPENER, {"id": handover_id, "browser": digest_of(browser)}).first()
    if row is None:
        raise PageError("handover_over", "not opened by this browser", status=404)
    return _to_handover(row, now)


def prove_handover(
    connection: Connection, handover_id: str, identity: Identity, *, browser: str, now: datetime
) -> None:
    """Leave a proof for the browser that began.

    Raises:
        PageError: ``handover_over``.
    """
    left = connection.execute(
        _PROVE,
        {
            "handover": handover_id,
            "by": digest_of(browser),
            "identity": identity.to_json(),
            "now": now,
        },
    ).first()
    if left is None:
        raise PageError("handover_over", f"handover={handover_id}", status=410)


def take_proof(connection: Connection, handover_id: str, *, browser: str, now: datetime) -> bool:
    """Take what another device has proved, once; False if there is nothing to take any more."""
    taken = connection.execute(
        _TAKE, {"handover": handover_id, "by": digest_of(browser), "now": now}
    ).first()
    return taken is not None


def _to_handover(row: Row[*tuple[Any, ...]], now: datetime) -> Handover:
    return Handover(
        id=row.id,
        request_id=row.request_id,
        code=row.code,
        user_agent=row.user_agent,
        opened_with=row.opened_with,
        state=_state_of(row, now),
        proved=Identity.from_json(row.proved) if row.proved else None,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _state_of(row: Row[*tuple[Any, ...]], now: datetime) -> State:
    if row.refused_at is not None:
        return "refused"
    if row.taken_at is not None or row.expires_at <= now:
        return "over"
    if row.proved is not None:
        return "proved"
    return "opened" if row.opened_by is not None else "waiting"
