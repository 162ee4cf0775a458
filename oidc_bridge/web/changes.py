"""Changes that a signed-in person makes to what is theirs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.storage import write
from oidc_bridge.storage.accounts import hold_account
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, page
from oidc_bridge.web.session import current_session, form_token

T = TypeVar("T")


def change(work: Callable[[Connection, Session, datetime], T]) -> T:
    """Run a signed-in person's change in one transaction."""
    now = bridge().clock()

    def work_on(connection: Connection) -> T:
        return work(connection, hold_session(connection, now), now)

    return write(work_on)


def get_session(connection: Connection, now: datetime) -> Session:
    """Return who is signed in.

    Raises:
        PageError: ``signed_out``.
    """
    session = current_session(connection, now=now)
    if session is None:
        raise PageError("signed_out", status=401)
    return session


def hold_session(connection: Connection, now: datetime) -> Session:
    """Return who is signed in; nobody else changes their account until the transaction ends.

    Raises:
        PageError: ``signed_out``.
    """
    session = find_held_session(connection, now)
    if session is None:
        raise PageError("signed_out", status=401)
    return session


def find_held_session(connection: Connection, now: datetime) -> Session | None:
    """Return who is signed in, if anybody, with their account held as in `hold_session`.

    They are asked for twice: while we waited, the session may have ended, or the account been
    deleted, and nothing may be written about it any more.
    """
    session = current_session(connection, now=now)
    if session is None:
        return None
    hold_account(connection, session.account_id)
    return current_session(connection, now=now)


def confirm(
    browser: str,
    *,
    title: str,
    effect: Sequence[str],
    button: str,
    back_url: str | None = None,
    fields: Mapping[str, str] | None = None,
) -> Response:
    """Ask before it is done: the same form comes back with ``confirm``, and *fields*.

    Args:
        back_url: the page that changes nothing; the account if not given.
    """
    return page(
        "account/confirm.html",
        csrf=form_token(browser),
        title=title,
        effect=effect,
        button=button,
        action_url=request.path,
        back_url=back_url or url_for("account.overview"),
        fields={**(fields or {}), "confirm": "yes"},
    )
