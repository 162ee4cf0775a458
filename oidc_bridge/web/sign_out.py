"""Signing out: what ends with a session, and the page that shows who was told.

The person never waits for the apps: the page is done at once, looks again by itself while an app
is being told for the first time, and says what cannot be done from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, Response, url_for
from sqlalchemy import Connection

from oidc_bridge.storage import new_id, read
from oidc_bridge.storage.authorizations import revoke_of_sessions
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.outbox import TOLD, Notice, notices_of, tell_of_sessions
from oidc_bridge.storage.sessions import Session, end_sessions, sessions_of
from oidc_bridge.web import bridge, page, see_other

views = Blueprint("sign_out", __name__)

_SHOWN_FOR = timedelta(hours=1)
_FIRST_TRY_TAKES = timedelta(minutes=1)
_LOOK_AGAIN = "2"


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """What became of an app.

    Attributes:
        state: ``told``; ``pending`` (being told), ``unreached`` (not at the first try; we go on),
            ``failed`` (given up), or ``none`` (it has no address at which to be told).
    """

    title: str
    state: str


def end(connection: Connection, session: Session, ids: Sequence[str], *, now: datetime) -> str:
    """End those of *ids* that are sessions of this session's person, and what they gave.

    Returns:
        The sign-out's id, for `signed_out`.
    """
    return end_of(connection, session.account_id, ids, now=now, session=session.id)


def end_of(
    connection: Connection, account_id: str, ids: Sequence[str], *, now: datetime, **where: str
) -> str:
    """The same for an account; *where* it was done goes to the event."""
    sign_out_id = new_id()
    live = {known.id for known in sessions_of(connection, account_id, now=now)}
    ids = [session_id for session_id in ids if session_id in live]
    tell_of_sessions(connection, account_id, ids, now=now)
    revoke_of_sessions(connection, ids, now=now)
    end_sessions(connection, account_id, ids, now=now, sign_out_id=sign_out_id)
    record(
        connection,
        "signed out",
        now=now,
        account_id=account_id,
        sessions=str(len(ids)),
        **where,
    )
    return sign_out_id


def signed_out(sign_out_id: str | None) -> Response:
    """Lead to the page of a sign-out; without one, to the page that only says so."""
    if sign_out_id is None:
        return see_other(url_for("sign_out.nobody"))
    return see_other(url_for("sign_out.outcomes", sign_out_id=sign_out_id))


@views.get("/signed-out")
def nobody() -> Response:
    """Say that nobody is signed in in this browser."""
    return _page(())


@views.get("/signed-out/<id:sign_out_id>")
def outcomes(sign_out_id: str) -> Response:
    """Show what became of each app. Who has the id has just signed out."""
    now = bridge().clock()
    with read() as connection:
        notices = notices_of(connection, sign_out_id, since=now - _SHOWN_FOR)
    answer = _page(sorted({Outcome(notice.app_title, _state_of(notice)) for notice in notices}))
    if any(_is_news_near(notice, now) for notice in notices):
        answer.headers["Refresh"] = _LOOK_AGAIN  # a script would not run everywhere
    return answer


def _state_of(notice: Notice) -> str:
    if notice.tries is None:
        return "none"
    if notice.is_over:
        return "told" if notice.outcome == TOLD else "failed"
    return "unreached" if notice.outcome else "pending"


def _is_news_near(notice: Notice, now: datetime) -> bool:
    """Whether the first try is being made; not if nobody makes it."""
    return _state_of(notice) == "pending" and now - notice.signed_out_at < _FIRST_TRY_TAKES


def _page(known: Sequence[Outcome]) -> Response:
    return page(
        "account/signed_out.html",
        title="You are signed out",
        outcomes=known,
        again_url=url_for("account.overview"),
    )
