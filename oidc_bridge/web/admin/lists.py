"""Who may use an app that is for listed people: look, add, take off, take away as a file."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, get_args

from flask import Response, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.spelling import MAX_NOTE
from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.admissions import admit, remove_entry
from oidc_bridge.storage.app_directory import Entry, addresses_of, entries_of, find_app
from oidc_bridge.storage.list_files import COLUMNS, read_entry
from oidc_bridge.storage.undo import undo_list
from oidc_bridge.storage.whitelist import WhoKind
from oidc_bridge.web import bridge, see_other
from oidc_bridge.web.admin.door import admin_views, change, check_app, the_admin
from oidc_bridge.web.admin.exports import csv_file
from oidc_bridge.web.admin.moments import Undo, name_of, take_back, undo_at
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
FAULTS = {
    "who_malformed": "This is no address (SP…), no name (ann.btc) and no pattern (*.example.btc).",
    "until_malformed": "Write the day as 2027-01-31.",
    "until_past": "This day is over.",
    "note_malformed": "The note is too long, or has signs that cannot be seen.",
    "who_twice": "They are there twice.",
    "row_malformed": "A line has at most three cells: who, until, note.",
    "list_invalid": "This is no CSV: a quote that begins must end.",
    "list_not_text": "This is no text in UTF-8. A spreadsheet can save it so: “CSV UTF-8”.",
}
_PAGE, _AT_ONCE = 50, 500
_KINDS = get_args(WhoKind)


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
    find, after = argument("find").strip(), _read_after()
    with read() as connection:
        known = find_app(connection, name)
        found = entries_of(connection, name, find=find, after=after, at_most=_PAGE + 1)
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
        now=bridge().clock(),
        may_change=the_admin().may("change apps", app=name),
        undo_at=undo_at(),
        flash=_flash(),
        first_url=url_for("admin_lists.overview", **kept) if after else None,
        next_url=url_for("admin_lists.overview", **kept, **more) if last else None,
    )


@views.post("/add")
def add() -> Response:
    """Put somebody on the list, in the place of an earlier entry of theirs."""
    browser, name = check_form(), field("app", limit=MAX_NAME)
    check_app("change apps", name)
    given = {"who": field("who", limit=300), "until": field("until", limit=40)}
    given["note"] = field("note", limit=4 * MAX_NOTE)
    who, until = given["who"].strip(), given["until"].strip()
    try:
        entry = read_entry(who, until, given["note"], now=bridge().clock())
    except BridgeError as error:
        return show_list(name, wrong=FAULTS[error.code], given=given)

    def put(connection: Connection, admin: Admin, now: datetime) -> Response:
        count = admit(connection, name, [entry], now=now, by=admin.account_id)
        return changed(name, "added", count, now)

    return change("change apps", put, browser=browser, app=name)


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


def changed(name: str, done: str, count: int, now: datetime) -> Response:
    """Lead back to the list, which says what was done and offers to take it back."""
    at: dict[str, Any] = {"at": name_of(now)} if count else {}
    return see_other(url_for("admin_lists.overview", app=name, done=done, count=count, **at))


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
    return who, one.until.isoformat() if one.until else "", one.note


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
        "undone": f"Taken back: {entries} as before.",
        "undone-in-part": f"Taken back: {entries} as before. Others were changed since, and stay.",
    }.get(done)
