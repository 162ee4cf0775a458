"""Many people at once: what is pasted is shown, line by line, before any of it is kept."""

from datetime import datetime

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import BridgeError
from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.admissions import admit, get_rule
from oidc_bridge.storage.list_files import ListFile, read_list
from oidc_bridge.storage.whitelist import listings_of
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.door import admin_views, change, check_app
from oidc_bridge.web.admin.lists import FAULTS, MAX_NAME, changed, show_list
from oidc_bridge.web.admin.pages import admin_page
from oidc_bridge.web.session import check_form, field

views = admin_views(
    "list_import", "/apps/list/import", {"preview": "change apps", "keep": "change apps"}
)

_MAX_BODY = 1024 * 1024
_MAX_TEXT = 600_000
_MAX_LINES = 5_000
_SHOWN = 100
_TOO_LONG = f"At most {_MAX_LINES} lines can be added at once, and {_MAX_TEXT:,} characters."


@views.post("")
def preview() -> Response:
    """Show what would be kept and what cannot be; nothing is kept yet."""
    name = _read_app()
    try:
        text = _read_text()
        found = _read(text)
    except BridgeError as error:
        wrong = FAULTS.get(error.code, error.detail)
        return show_list(name, wrong=wrong, given={"text": request.form.get("text", "")})
    with read() as connection:
        rule = get_rule(connection, name)
        today = {(one.kind, one.who): one for one in listings_of(connection, name)}
    news = [one for one in found.entries if today.get((one.kind, one.who)) != one]
    return admin_page(
        "admin/list_preview.html",
        app=name,
        is_open=rule.audience == "everyone",
        found=found,
        news=news,
        replaced=sum((one.kind, one.who) in today for one in news),
        most=_SHOWN,
        faults=[(fault, FAULTS.get(fault.code, fault.detail)) for fault in found.faults[:_SHOWN]],
        text=text,
        keep_url=url_for("admin_list_import.keep"),
        back_url=url_for("admin_lists.overview", app=name),
    )


@views.post("/keep")
def keep() -> Response:
    """Put on the list whom the text names; lines with faults are left out, as was shown."""
    name, browser = _read_app(), check_form()
    found = _read(_read_text())

    def put(connection: Connection, admin: Admin, now: datetime) -> Response:
        count = admit(connection, name, found.entries, now=now, by=admin.account_id)
        return changed(name, "added", count, now)

    return change("change apps", put, browser=browser, app=name)


def _read_app() -> str:
    """Return the app that the form is about.

    Raises:
        PageError: as `check_form`; ``not_found``.
    """
    # More than other forms may have: five thousand lines with notes.
    request.max_content_length = request.max_form_memory_size = _MAX_BODY
    check_form()
    name = field("app", limit=MAX_NAME)
    check_app("change apps", name)
    return name


def _read_text() -> str:
    """Return the file if there is one, else what was pasted: after a fault of a file its mended
    form is chosen beside what still stands in the field.

    Raises:
        BridgeError: ``list_not_text``.
    """
    file = request.files.get("file")
    if file is None or not file.filename:
        return request.form.get("text", "")
    try:
        return str(file.read(), "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BridgeError("list_not_text", "not UTF-8") from error


def _read(text: str) -> ListFile:
    """Return what the text says.

    Raises:
        BridgeError: ``list_not_text``, ``list_invalid``, ``list_empty``, ``list_too_long``.
    """
    if "\0" in text:
        raise BridgeError("list_not_text", "NUL")
    # One line more, which may name the columns, is not read in vain.
    if len(text) > _MAX_TEXT or text.count("\n") > _MAX_LINES + 1:
        raise BridgeError("list_too_long", _TOO_LONG)
    found = read_list(text, now=bridge().clock())
    count = len(found.entries) + len(found.faults)
    if count > _MAX_LINES:
        raise BridgeError("list_too_long", _TOO_LONG)
    if not count:
        raise BridgeError("list_empty", "There is nobody in it.")
    return found
