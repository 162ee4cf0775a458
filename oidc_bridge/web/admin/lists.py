"""Who may use an app that is for listed people: look, add, take off, take away as a file."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, get_args

from flask import Response, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.spelling import MAX_NOTE, as_typed
from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.admissions import admit, hold_list, in_the_place_of, remove_entry
from oidc_bridge.storage.app_directory import Entry, addresses_of, entries_of, find_app
from oidc_bridge.storage.list_files import COLUMNS, ListFile, read_entry
from oidc_bridge.storage.undo import last_of_list, undo_list
from oidc_bridge.storage.whitelist import WhoKind
from oidc_bridge.web import bridge, see_other
from oidc_bridge.web.admin.door import admin_views, change, check_app, the_admin
from oidc_bridge.web.admin.exports import csv_file, csv_line
from oidc_bridge.web.admin.list_preview import FAULTS, changed, show_preview
from oidc_bridge.web.admin.moments import Undo, name_of, take_back
from oidc_bridge.web.admin.pages import admin_page, argument
from oidc_bridge.web.session import check_form, field

views = admin_views(
    "lists",
    "/apps/list",
    {
        "overview": "read apps",
        "add": "change apps",
        "remove": "change apps",
        "undo": "change apps",
        "download": "read apps",
    },
)

MAX_NAME = 300
_PAGE, _AT_ONCE = 50, 500
_KINDS = get_args(WhoKind)
_UNDONE_BEFORE = "This has been taken back already."


@views.get("")
def overview() -> Response:
    """Show the list of an app, fifty a page."""
    return show_list(argument("app"))


def show_list(name: str, *, wrong: str = "", given: Any = None) -> Response:
    """Return the page of an app's list; *wrong* tells what was not taken.

    Raises:
        PageError: ``not_found``.
    """
    check_app("read apps", name)
    find, after, now = argument("find").strip(), _read_after(), bridge().clock()
    with read() as connection:
        known = find_app(connection, name)
        found = entries_of(connection, name, find=find, after=after, at_most=_PAGE + 1)
        undoable = last_of_list(connection, name, now=now, by=the_admin().account_id)
    if known is None:
        raise PageError("not_found", "no such app", status=404)
    kept: dict[str, Any] = {"app": name, **({"find": find} if find else {})}
    last = found[_PAGE - 1].listing if len(found) > _PAGE else None
    more: dict[str, Any] = {"kind": last.kind, "who": last.who} if last else {}
    return admin_page(
        "admin/list.html",
        status=400 if wrong else 200,
        app=known,
        entries=found[:_PAGE],
        find=find,
        wrong=wrong,
        given=given or {},
        now=now,
        may_change=the_admin().may("change apps", app=name),
        undo_at=name_of(undoable) if undoable else "",
        flash=_flash(),
        first_url=url_for("admin_lists.overview", **kept) if after else None,
        next_url=url_for("admin_lists.overview", **kept, **more) if last else None,
    )


@views.post("/add")
def add() -> Response:
    """Put somebody on the list; what would replace an earlier entry of theirs is shown first."""
    browser, name = check_form(), field("app", limit=MAX_NAME)
    check_app("change apps", name)
    given = {"who": field("who", limit=300), "until": field("until", limit=40)}
    given["note"] = field("note", limit=4 * MAX_NOTE)
    who, until = given["who"].strip(), given["until"].strip()
    try:
        entry = read_entry(who, until, given["note"], now=bridge().clock())
    except BridgeError as error:
        return show_list(name, wrong=FAULTS[error.code], given=given)

    def put(connection: Connection, admin: Admin, now: datetime) -> Response | None:
        hold_list(connection, name)
        if any(one != entry for one in in_the_place_of(connection, name, [entry]).values()):
            return None
        count = admit(connection, name, [entry], now=now, by=admin.account_id)
        return changed(name, "added", count, now)

    done = change("change apps", put, browser=browser, app=name)
    return done or show_preview(name, csv_line([who, until, given["note"]]), ListFile([entry], []))


@views.post("/remove")
def remove() -> Response:
    """Take one entry off the list."""
    browser, name = check_form(), field("app", limit=MAX_NAME)
    check_app("change apps", name)
    kind, who = _read_kind(field("kind")), field("who", limit=300)

    def take(connection: Connection, admin: Admin, now: datetime) -> Response:
        gone = remove_entry(connection, name, kind, who, now=now, by=admin.account_id)
        return changed(name, "removed", int(gone), now)

    return change("change apps", take, browser=browser, app=name)


@views.post("/undo")
def undo() -> Response:
    """Take back what this admin did to the list a moment ago."""

    def undo_it(connection: Connection, _admin: Admin, what: Undo) -> Response:
        undone = undo_list(connection, what.app, at=what.at, now=what.now, by=what.by)
        done = "undone-in-part" if undone.kept else "undone"
        count = undone.done
        return see_other(url_for("admin_lists.overview", app=what.app, done=done, count=count))

    return take_back(undo_it)


@views.get("/list.csv")
def download() -> Response:
    """Send the whole list as a file that can be put on a list again."""
    name = argument("app")
    check_app("read apps", name)
    with read() as connection:
        if find_app(connection, name) is None:
            raise PageError("not_found", "no such app", status=404)
    return csv_file("who-may-sign-in", COLUMNS, _every(name))


def _every(name: str) -> Iterator[Sequence[str]]:
    """Give the lines of the file. Between two pages no connection is held: whoever reads slowly
    keeps none from others."""
    after: tuple[str, str] | None = None
    while True:
        with read() as connection:
            found = entries_of(connection, name, after=after, at_most=_AT_ONCE)
            accounts = [one.listing.who for one in found if one.listing.kind == "account"]
            addresses = addresses_of(connection, accounts)
        yield from (_line(one, addresses.get(one.listing.who, "")) for one in found)
        if len(found) < _AT_ONCE:
            return
        last = found[-1].listing
        after = (last.kind, last.who)


def _line(entry: Entry, address: str) -> Sequence[str]:
    one = entry.listing
    who = address if one.kind == "account" else one.who
    return who, as_typed(one.until) if one.until else "", one.note


def _read_kind(text: str) -> WhoKind:
    for kind in _KINDS:
        if kind == text:
            return kind  # type: ignore[no-any-return]
    raise PageError("form_malformed", "kind")


def _read_after() -> tuple[str, str] | None:
    kind, who = argument("kind"), argument("who")
    return (kind, who) if kind in _KINDS and who else None


def _flash() -> str | None:
    count, done = argument("count"), argument("done")
    if not re.fullmatch("[0-9]{1,5}", count):
        return None
    entries = "1 entry" if count == "1" else f"{count} entries"
    return {
        "added": f"{entries} new or changed.",
        "removed": f"{entries} taken off the list.",
        "undone": _UNDONE_BEFORE if count == "0" else f"Taken back: {entries} as before.",
        "undone-in-part": f"Taken back: {entries} as before. Others were changed since, and stay.",
    }.get(done)
