"""A moment as an address or a form names it, to the microsecond; and what is taken back by it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Response
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.roles import Admin
from oidc_bridge.storage.undo import TIME_TO_UNDO
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.door import change, check_app
from oidc_bridge.web.admin.pages import argument
from oidc_bridge.web.session import check_form, field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_MAX_NAME = 300


@dataclass(frozen=True, slots=True)
class Undo:
    """What is to be taken back: what *by* did to *app* at one moment."""

    app: str
    at: datetime
    now: datetime
    by: str


def name_of(at: datetime) -> str:
    """Return the name of a moment."""
    return str((at - _EPOCH) // _TICK)


def read_moment(text: str) -> datetime:
    """Return the moment of this name.

    Raises:
        PageError: ``form_malformed``.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 17):
        raise PageError("form_malformed", "moment")
    try:
        return _EPOCH + int(text) * _TICK
    except OverflowError as error:
        raise PageError("form_malformed", "moment") from error


def take_back(undo: Callable[[Connection, Admin, Undo], Response]) -> Response:
    """Let an admin take back what they did to an app at the moment that the form names.

    Raises:
        PageError: as `check_form`; ``form_malformed``, ``not_found``.
    """
    browser, app = check_form(), field("app", limit=_MAX_NAME)
    check_app("change apps", app)
    at = read_moment(field("at"))

    def work(connection: Connection, admin: Admin, now: datetime) -> Response:
        return undo(connection, admin, Undo(app, at=at, now=now, by=admin.account_id))

    return change("change apps", work, browser=browser, app=app)


def undo_at() -> str:
    """Return the moment that can still be taken back, ``""`` if there is none."""
    text, now = argument("at"), bridge().clock()
    try:
        at = read_moment(text)
    except PageError:
        return ""
    return text if timedelta(0) <= now - at < TIME_TO_UNDO else ""
