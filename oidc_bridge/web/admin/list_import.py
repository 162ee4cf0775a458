"""Many people at once: what is pasted is shown, line by line, before any of it is kept."""

from datetime import datetime

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import BridgeError, PageError
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


@views.post("")
def preview() -> Response:
    """Show what would be kept and what cannot be; nothing is kept yet."""
    name, text = _read_form()
    try:
        found = _read(text)
    except BridgeError as error:
        return show_list(name, wrong=FAULTS.get(error.code, error.detail), given={"text": text})
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
    name, text = _read_form()
    browser, found = check_form(), _read(text)

    def put(connection: Connection, admin: Admin, now: datetime) -> Response:
        count = admit(connection, name, found.entries, now=now, by=admin.account_id)
        return changed(name, "added", count, now)

    return change("change apps", put, browser=browser, app=name)


def _read_form() -> tuple[str, str]:
    """Return the app and what was pasted, or else the file.

    Raises:
        PageError: as `check_form`; ``not_found``.
    """
    # More than other forms may have: five thousand lines with notes.
    request.max_content_length = request.max_form_memory_size = _MAX_BODY
    check_form()
    name, text = field("app", limit=MAX_NAME), request.form.get("text", "")
    check_app("change apps", name)
    file = request.files.get("file")
    if file is not None and not text.strip():
        try:
            text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise PageError("form_malformed", "not UTF-8") from error
    if "\0" in text:
        raise PageError("form_malformed", "text")
    return name, text


def _read(text: str) -> ListFile:
    """Return what the text says.

    Raises:
        BridgeError: ``list_invalid``, ``list_empty``, ``list_too_long``.
    """
    if len(text) > _MAX_TEXT or text.count("\n") > _MAX_LINES:
        raise BridgeError("list_too_long", f"At most {_MAX_LINES} lines can be added at once.")
    found = read_list(text, now=bridge().clock())
    if not (found.entries or found.faults):
        raise BridgeError("list_empty", "There is nobody in it.")
    return found
