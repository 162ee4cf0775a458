"""Requests for access: who waits, and what an admin says to them, to several at once."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.spelling import MAX_NOTE, read_note, read_until
from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.access_requests import AccessRequest
from oidc_bridge.storage.directory import labels_of
from oidc_bridge.storage.ledger import COMMAND_LINE
from oidc_bridge.storage.request_queue import (
    PAGE,
    Decided,
    Place,
    approve_all,
    decided,
    decline_all,
    waiting,
)
from oidc_bridge.web import bridge, see_other
from oidc_bridge.web.admin.door import admin_views, change, the_admin
from oidc_bridge.web.admin.moments import name_of, read_moment
from oidc_bridge.web.admin.pages import admin_page, argument, short_label
from oidc_bridge.web.session import check_form, field

views = admin_views(
    "requests", "/requests", {"overview": "read requests", "decide": "decide requests"}
)

_PLACE = re.compile(r"([0-9]{1,16})\.([A-Za-z0-9_-]{22})")
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_MAX_NAME = 300
_FLASHES = {
    "approved": ("1 person was let in.", "{} people were let in."),
    "declined": ("1 person was told no.", "{} people were told no."),
}


@views.get("")
def overview() -> Response:
    """Show who waits, or what was decided lately."""
    return _show("")


@views.post("/decide")
def decide() -> Response:
    """Approve or decline what is ticked; who was quicker is told, and the rest is done."""
    browser, word = check_form(), field("decide")
    ids = list(dict.fromkeys(request.form.getlist("request")))
    if word not in ("approve", "decline") or len(ids) > PAGE or not all(map(_ID.fullmatch, ids)):
        raise PageError("form_malformed", "decide")
    day, now = field("until", limit=10).strip(), bridge().clock()
    try:
        reason = read_note(field("reason", limit=4 * MAX_NOTE))
        until = read_until(day, now=now) if day and word == "approve" else None
    except BridgeError as error:
        return _show(_FAULTS.get(error.code, "This cannot be."), ticked=ids)
    if not ids:
        return _show("Tick somebody first.")
    if word == "decline" and not reason:
        return _show("Give a reason: they read it.", ticked=ids)

    def settle(connection: Connection, admin: Admin, now: datetime) -> Decided:
        of, by = _apps_of(admin), admin.account_id
        if word == "approve":
            return approve_all(connection, ids, of=of, until=until, now=now, by=by)
        return decline_all(connection, ids, of=of, reason=reason, now=now, by=by)

    result = change("decide requests", settle, browser=browser)
    if isinstance(result, Response):
        return result
    outcome = "approved" if word == "approve" else "declined"
    if result.before or result.denied or not result.done:
        return _tell(result, outcome)
    done: dict[str, Any] = {"done": outcome, "count": len(result.done)}
    done |= {"app": _read("app") or None, "after": _read("after") or None}
    return see_other(url_for("admin_requests.overview", **done))


_FAULTS = {
    "until_malformed": "Write the day as 2027-01-31.",
    "until_past": "This day is over.",
    "note_malformed": "The reason is too long, or has signs that cannot be seen.",
}


def _show(wrong: str, *, ticked: Collection[str] = ()) -> Response:
    app, is_decided = _read("app"), argument("show") == "decided"
    of = _apps_of(the_admin(), app)
    after = _read_place(_read("after"))
    with read() as connection:
        if is_decided:
            found = decided(connection, of=of, at_most=PAGE)
        else:
            found = waiting(connection, of=of, after=after, at_most=PAGE + 1)
    shown = found[:PAGE]
    last = _name_of(shown[-1]) if len(found) > PAGE else None
    first_url = url_for("admin_requests.overview", app=app or None)
    return admin_page(
        "admin/requests.html",
        status=400 if wrong else 200,
        requests=shown,
        is_decided=is_decided,
        wrong=wrong,
        ticked=[one.id for one in shown] if argument("tick") == "all" else ticked,
        after=_read("after") if after else "",
        given=request.form,
        may_decide=the_admin().may("decide requests"),
        may_read_people=the_admin().may("read people"),
        decide_url=url_for("admin_requests.decide"),
        first_url=first_url if after else None,
        next_url=url_for("admin_requests.overview", app=app or None, after=last) if last else None,
        app=app,
        flash=_flash(),
    )


def _tell(result: Decided, outcome: str) -> Response:
    """Say what was done and what was not, and who was quicker."""
    with read() as connection:
        known = labels_of(connection, sorted({one.by for one in result.before if one.by}))
    names = {account_id: short_label(label) for account_id, label in known.items()}
    return admin_page(
        "admin/requests_decided.html",
        status=409,
        result=result,
        outcome=outcome,
        by={**names, COMMAND_LINE: "the command line"},
        back_url=url_for("admin_requests.overview"),
    )


def _read(name: str) -> str:
    """Return the one app whose requests are wanted, ``""`` for all, or where the page begins: a
    form brings both along."""
    value = request.form.get(name, "") if request.method == "POST" else argument(name)
    return value if len(value) <= _MAX_NAME and "\0" not in value else ""


def _apps_of(admin: Admin, app: str = "") -> Collection[str] | None:
    if not app:
        return admin.apps if admin.is_limited else None
    return [app] if admin.may("read requests", app=app) else []


def _flash() -> str | None:
    words, count = _FLASHES.get(argument("done")), argument("count")
    if words is None or not re.fullmatch("[0-9]{1,2}", count):
        return None
    return words[0] if count == "1" else words[1].format(count)


def _read_place(text: str) -> Place | None:
    """Return where a page begins; what is no place is the beginning."""
    found = _PLACE.fullmatch(text)
    if found is None or not text.isascii():
        return None
    return Place(read_moment(found[1]), found[2])


def _name_of(last: AccessRequest) -> str:
    return f"{name_of(last.asked_at)}.{last.id}"
