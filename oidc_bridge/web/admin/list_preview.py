"""What would come on a list is shown before it is kept, beside what it would replace."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Response, url_for

from oidc_bridge.storage import read
from oidc_bridge.storage.admissions import Key, get_rule, in_the_place_of
from oidc_bridge.storage.list_files import ListFile
from oidc_bridge.storage.whitelist import Listing
from oidc_bridge.web import see_other
from oidc_bridge.web.admin.moments import name_of
from oidc_bridge.web.admin.pages import admin_page

FAULTS = {
    "who_malformed": "This is no address (SP…), no name (ann.btc) and no pattern (*.example.btc).",
    "who_is_matrix_id": (
        "This is a Matrix ID. Find its person among People: their page has the address to write."
    ),
    "until_malformed": "Write the day as 2027-01-31.",
    "until_past": "This day is over.",
    "note_malformed": "The note is too long, or has signs that cannot be seen.",
    "who_twice": "They are there twice.",
    "row_malformed": "A line has at most three cells: who, until, note.",
    "row_not_csv": "This is no CSV: a quote must end, with nothing behind it; no cell is so long.",
    "list_not_text": "This is no text in UTF-8 or UTF-16. Save it as “CSV UTF-8”.",
}
SHOWN = 100


def show_preview(
    name: str, text: str, found: ListFile, *, is_changed_meanwhile: bool = False
) -> Response:
    """Return the page that shows what *text* would do to the list of an app; nothing is kept yet.

    Raises:
        BridgeError: ``app_unruled``.
    """
    with read() as connection:
        rule = get_rule(connection, name)
        today = in_the_place_of(connection, name, found.entries)
    news = [one for one in found.entries if today.get((one.kind, one.who)) != one]
    # What is replaced comes first: of many entries only the first are shown.
    news.sort(key=lambda one: (one.kind, one.who) not in today)
    return admin_page(
        "admin/list_preview.html",
        status=409 if is_changed_meanwhile else 200,
        app=name,
        is_open=rule.audience == "everyone",
        is_changed_meanwhile=is_changed_meanwhile,
        found=found,
        news=[(one, today.get((one.kind, one.who))) for one in news],
        replaced=sum((one.kind, one.who) in today for one in news),
        most=SHOWN,
        faults=[(fault, FAULTS.get(fault.code, fault.detail)) for fault in found.faults[:SHOWN]],
        text=text,
        version=version_of(today),
        keep_url=url_for("admin_list_import.keep"),
        back_url=url_for("admin_lists.overview", app=name),
    )


def version_of(today: Mapping[Key, Listing]) -> str:
    """Return something small that changes when one of these entries does."""
    told = repr([today[key] for key in sorted(today)])
    return hashlib.sha256(told.encode()).hexdigest()


def changed(name: str, done: str, count: int, now: datetime) -> Response:
    """Lead back to the list, which says what was done and offers to take it back."""
    at: dict[str, Any] = {"at": name_of(now)} if count else {}
    return see_other(url_for("admin_lists.overview", app=name, done=done, count=count, **at))
