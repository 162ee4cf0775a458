"""Many people at once: what is pasted is shown, line by line, before any of it is kept."""

from datetime import datetime

from flask import Response, request
from sqlalchemy import Connection
from werkzeug.exceptions import RequestEntityTooLarge

from oidc_bridge.apps.spelling import MAX_NOTE
from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.roles import Admin
from oidc_bridge.storage.admissions import admit, hold_list, in_the_place_of
from oidc_bridge.storage.list_files import ListFile, decode_list, read_list
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.door import admin_views, change, check_app
from oidc_bridge.web.admin.list_preview import FAULTS, changed, show_preview, version_of
from oidc_bridge.web.admin.lists import MAX_NAME, show_list
from oidc_bridge.web.session import check_form, field

views = admin_views(
    "list_import", "/apps/list/import", {"preview": "change apps", "keep": "change apps"}
)

_MAX_LINES = 5_000
# The longest note, and who and until with room to spare.
_MAX_TEXT = _MAX_LINES * (MAX_NOTE + 200)
# A character has at most four bytes.
_MAX_BODY = 4 * _MAX_TEXT + 256 * 1024
_TOO_LONG = (
    f"At most {_MAX_LINES} lines and {_MAX_TEXT:,} characters go at once."
    " Send a longer list in parts."
)


@views.post("")
def preview() -> Response:
    """Show what would be kept and what cannot be; nothing is kept yet."""
    name = read_app()
    try:
        text = read_text()
        found = _read(text)
    except BridgeError as error:
        wrong = FAULTS.get(error.code, error.detail)
        return show_list(name, wrong=wrong, given={"text": request.form.get("text", "")})
    return show_preview(name, text, found)


@views.post("/keep")
def keep() -> Response:
    """Put on the list whom the text names; lines with faults are left out, as was shown."""
    name, browser, version = read_app(), check_form(), field("version")
    text = read_text()
    found = _read(text)

    def put(connection: Connection, admin: Admin, now: datetime) -> Response | None:
        hold_list(connection, name)
        if version_of(in_the_place_of(connection, name, found.entries)) != version:
            return None
        count = admit(connection, name, found.entries, now=now, by=admin.account_id)
        return changed(name, "added", count, now)

    done = change("change apps", put, browser=browser, app=name)
    return done or show_preview(name, text, found, is_changed_meanwhile=True)


def read_app() -> str:
    """Return the app that the form is about.

    Raises:
        PageError: as `check_form`; ``list_too_large``, ``not_found``.
    """
    # More than other forms may have: five thousand lines with notes.
    request.max_content_length = request.max_form_memory_size = _MAX_BODY
    try:
        check_form()
    except RequestEntityTooLarge as error:
        raise PageError("list_too_large", f"at most {_MAX_BODY} bytes", status=413) from error
    name = field("app", limit=MAX_NAME)
    check_app("change apps", name)
    return name


def read_text() -> str:
    """Return the file if there is one, else what was pasted: after a fault of a file its mended
    form is chosen beside what still stands in the field.

    Raises:
        BridgeError: ``list_not_text``.
    """
    file = request.files.get("file")
    if file is None or not file.filename:
        return request.form.get("text", "")
    return decode_list(file.read())


def _read(text: str) -> ListFile:
    check_text(text)
    found = read_list(text, now=bridge().clock())
    check_count(len(found.entries) + len(found.faults))
    return found


def check_text(text: str) -> None:
    """Return if this is little enough to be read.

    Raises:
        BridgeError: ``list_not_text``, ``list_too_long``.
    """
    if "\0" in text:
        raise BridgeError("list_not_text", "NUL")
    # One line more, which may name the columns, is not read in vain.
    if len(text) > _MAX_TEXT or text.count("\n") > _MAX_LINES + 1:
        raise BridgeError("list_too_long", _TOO_LONG)


def check_count(count: int) -> None:
    """Return if so many lines, good and bad, go at once.

    Raises:
        BridgeError: ``list_empty``, ``list_too_long``.
    """
    if count > _MAX_LINES:
        raise BridgeError("list_too_long", _TOO_LONG)
    if not count:
        raise BridgeError("list_empty", "There is nobody in it.")
