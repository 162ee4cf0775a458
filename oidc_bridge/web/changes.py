"""Changes that a signed-in person makes to what is theirs."""

from collections.abc import Callable, Sequence
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
        PageError: ``signed_out``, also if it ended, or the account was deleted, while we waited.
    """
    hold_account(connection, get_session(connection, now).account_id)
    return get_session(connection, now)


def confirm(
    browser: str,
    *,
    title: str,
    effect: Sequence[str],
    button: str,
    back: str = "account.overview",
) -> Response:
    """Ask before it is done: the same form comes back with ``confirm``.

    Args:
        back: the page to which it leads to change nothing.
    """
    return page(
        "account/confirm.html",
        csrf=form_token(browser),
        title=title,
        effect=effect,
        button=button,
        action_url=request.path,
        back_url=url_for(back),
        fields={"confirm": "yes"},
    )
