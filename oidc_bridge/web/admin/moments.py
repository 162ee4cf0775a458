"""A moment as an address or a form names it: microseconds, exactly."""

from datetime import UTC, datetime, timedelta

from oidc_bridge.errors import PageError
from oidc_bridge.storage.undo import TIME_TO_UNDO
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.pages import argument

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


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


def undo_at() -> str:
    """Return the moment that can still be taken back, ``""`` if there is none."""
    text, now = argument("at"), bridge().clock()
    try:
        at = read_moment(text)
    except PageError:
        return ""
    return text if timedelta(0) <= now - at < TIME_TO_UNDO else ""
