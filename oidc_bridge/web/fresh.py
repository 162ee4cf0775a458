"""A fresh proof: who gives something proves first that it is they, not whoever sits here now."""

from collections.abc import Callable
from datetime import datetime, timedelta

from flask import Response, url_for
from sqlalchemy import Connection

from oidc_bridge.storage import write
from oidc_bridge.storage.requests import Purpose, keep_request
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, see_other
from oidc_bridge.web.changes import hold_session
from oidc_bridge.web.questions import make_challenge

FRESH = timedelta(minutes=5)
# What a page says to which somebody comes back from their proof.
CONFIRMED = "Thank you, it is you. Now do it again; for five minutes we will not ask."


def is_fresh(session: Session, now: datetime) -> bool:
    """Return whether somebody has proved who they are within the last five minutes."""
    return now - session.authenticated_at <= FRESH


def give(
    work: Callable[[Connection, Session, datetime], Response], *, browser: str, place: str
) -> Response:
    """Run a change that gives something, in one transaction; without a fresh proof, ask for one.

    The person comes back to *place* (see `web.steps.place_url`) and does it again there.
    """
    now = bridge().clock()

    def work_on(connection: Connection) -> Response:
        session = hold_session(connection, now)
        if not is_fresh(session, now):
            request_id = ask_for(connection, "confirm", browser=browser, now=now, place=place)
            return see_other(url_for("signin.choose", request_id=request_id))
        return work(connection, session, now)

    return write(work_on)


def ask_for(
    connection: Connection,
    purpose: Purpose,
    *,
    browser: str,
    now: datetime,
    place: str = "account",
) -> str:
    """Begin to ask for a proof that leads back to the account; return the request's id."""
    life = timedelta(seconds=bridge().settings.lifetimes.request)
    request_id = keep_request(
        connection, None, browser=browser, expires_at=now + life, purpose=purpose, place=place
    )
    make_challenge(connection, request_id, browser=browser, now=now, purpose=purpose)
    return request_id
