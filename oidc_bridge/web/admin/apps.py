"""Apps: what the operator says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.spelling import last_moment
from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.admins import roles_of
from oidc_bridge.storage.app_directory import KnownApp, Order, find_app, known_apps
from oidc_bridge.storage.event_log import Filter, find_events
from oidc_bridge.storage.rulings import replace_rule
from oidc_bridge.storage.undo import undo_rule
from oidc_bridge.storage.whitelist import AppRule
from oidc_bridge.web import bridge, see_other
from oidc_bridge.web.admin.clash import Facts, clash
from oidc_bridge.web.admin.door import admin_views, change, check_app, the_admin
from oidc_bridge.web.admin.moments import Undo, name_of, take_back, undo_at
from oidc_bridge.web.admin.pages import admin_page, argument
from oidc_bridge.web.admin.rule_form import (
    FAULTS,
    MAX_NAME,
    Fault,
    RuleForm,
    can_be_ruled,
    client_of,
    form_of,
    in_words,
    is_homeserver,
    read_form,
    read_version,
    version_of,
    without_rule,
)
from oidc_bridge.web.session import check_form, field

views = admin_views(
    "apps",
    "/apps",
    {
        "overview": "read apps",
        "one": "read apps",
        "rule": "change apps",
        "undo": "change apps",
    },
)

_PAGE = 50
_MAX_SKIP = 1_000_000
_COLUMNS: Mapping[Order, str] = {
    "name": "App",
    "rule": "Rule",
    "people": "People",
    "last yes": "Last yes",
    "waiting": "Waiting",
}
# Whoever sorts by these looks for the most, or the latest.
_MOST_FIRST = frozenset[Order]({"people", "last yes", "waiting"})
_FLASHES = {
    "ruled": "Rule saved.",
    "same": "Nothing changed: this was its rule already.",
    "undone": "Taken back: the rule is as it was.",
}


@views.get("")
def overview() -> Response:
    """List them in the order that is asked for, fifty a page."""
    return show_apps()


def show_apps(*, wrong: str = "", typed: str = "", guess: str = "") -> Response:
    """Return the list of apps.

    Args:
        wrong: why no app could be added.
        typed: the address that it was to have.
        guess: the app that was meant perhaps.
    """
    admin, find, skip = the_admin(), argument("find").strip(), _read_skip()
    order, descending = _read_order()
    with read() as connection:
        found = known_apps(
            connection,
            find=find,
            of=admin.apps if admin.is_limited else None,
            order=order,
            descending=descending,
            skip=skip,
            at_most=_PAGE + 1,
        )
    return admin_page(
        "admin/apps.html",
        status=400 if wrong else 200,
        known=found[:_PAGE],
        find=find,
        wrong=wrong,
        typed=typed,
        guess=guess,
        now=bridge().clock(),
        may_add=admin.may("add apps"),
        columns=_columns(find, order, descending=descending),
        sorted_by=_sorted_by(order, descending=descending),
        earlier=max(skip - _PAGE, 0) if skip else None,
        later=skip + _PAGE if len(found) > _PAGE else None,
    )


@views.get("/one")
def one() -> Response:
    """Show one app."""
    return _show(argument("app"))


def _show(name: str, *, given: RuleForm | None = None, fault: Fault | None = None) -> Response:
    """Return the page of an app.

    Args:
        given: what somebody typed that was not taken; *fault* says why.

    Raises:
        PageError: ``not_found``.
    """
    check_app("read apps", name)
    with read() as connection:
        known = find_app(connection, name)
        is_held = _is_denied_above(connection, the_admin(), known, bridge().clock())
    may_change = the_admin().may("change apps", app=name) and not is_held
    if known is None:
        # What nobody knows is shown to whoever may make a rule for it, by its one spelling.
        if not the_admin().may("add apps") or not can_be_ruled(name):
            raise PageError("not_found", "no such app", status=404)
        known = KnownApp.nobodys(name)
    done = argument("done")
    return admin_page(
        "admin/app.html",
        status=400 if fault else 200,
        app=known,
        now=bridge().clock(),
        form=given or form_of(known),
        fault=fault,
        version=field("version", limit=17) if fault else version_of(known),
        without=in_words(without_rule(name)),
        homeserver=client_of(name) if is_homeserver(name) else None,
        may_change=may_change,
        is_held=is_held,
        undo_at=undo_at() if known.rule else "",
        flash=_FLASHES.get(done),
    )


@views.post("/rule")
def rule() -> Response:
    """Change the rule of an app, if it is still the one that the admin was shown."""
    browser, name, version = check_form(), field("app", limit=MAX_NAME), read_version()
    check_app("change apps", name)
    given = read_form()

    def set_it(connection: Connection, admin: Admin, now: datetime) -> Response:
        before = find_app(connection, name)
        if before is None and not (admin.may("add apps") and can_be_ruled(name)):
            raise PageError("not_found", "no such app", status=404)
        _check_not_held(connection, admin, before, now)
        wanted = given.read(name, before.rule if before else None, now=now)
        by = admin.account_id
        if not replace_rule(connection, wanted, version=version, now=now, by=by):
            return _clash(wanted, before, given.until)
        # Who saves what holds already has nothing to take back.
        is_new = before is None or before.rule != wanted
        done, at = ("ruled", name_of(now)) if is_new else ("same", None)
        return see_other(url_for("admin_apps.one", app=name, done=done, at=at))

    try:
        return change("change apps", set_it, browser=browser, app=name)
    except BridgeError as error:
        fault = FAULTS.get(error.code)
        if fault is None:
            raise
        return _show(name, given=given, fault=fault)


@views.post("/undo")
def undo() -> Response:
    """Take back the rule that this admin made a moment ago."""

    def undo_it(connection: Connection, admin: Admin, what: Undo) -> Response:
        _check_not_held(connection, admin, find_app(connection, what.app), what.now)
        undo_rule(connection, what.app, at=what.at, now=what.now, by=what.by)
        is_left = find_app(connection, what.app) is not None or admin.may("add apps")
        if not is_left:
            return see_other(url_for("admin_apps.overview"))
        return see_other(url_for("admin_apps.one", app=what.app, done="undone"))

    return take_back(undo_it)


def _check_not_held(
    connection: Connection, admin: Admin, known: KnownApp | None, now: datetime
) -> None:
    if _is_denied_above(connection, admin, known, now):
        raise PageError("denied_above", f"by {admin.account_id}", status=403)


def _is_denied_above(
    connection: Connection, admin: Admin, known: KnownApp | None, now: datetime
) -> bool:
    """Whether an app is denied by more than app managers, so that none of them loosens it."""
    if not admin.is_limited or known is None or known.say != "deny":
        return False
    if known.until is not None and known.until <= now:
        return False
    said = find_events(connection, Filter(kind="app ruled", app=known.name), at_most=1)
    by = said[0].detail.get("by", "") if said else ""
    giver = roles_of(connection, [by]).get(by)
    return giver is None or not giver.is_limited


def _clash(wanted: AppRule, current: KnownApp | None, day: str) -> Response:
    rule = current.rule if current else None
    return clash(
        f"The rule of {wanted.name}",
        yours=_facts_of(wanted),
        theirs=_facts_of(rule) if rule else None,
        url=url_for("admin_apps.rule"),
        fields={
            "app": wanted.name,
            "version": version_of(current),
            "say": wanted.say,
            "audience": wanted.audience,
            "until": day,
            "note": wanted.note,
        },
        back_url=url_for("admin_apps.one", app=wanted.name),
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: where its words lead, and how the list is sorted by it, if it is."""

    words: str
    url: str
    sorted: str


def _columns(find: str, order: Order, *, descending: bool) -> Sequence[Column]:
    """Return the columns; the one that the list is sorted by leads to the other way round."""
    found = []
    for name, words in _COLUMNS.items():
        is_it = name == order
        way = (not descending) if is_it else name in _MOST_FIRST
        url = url_for("admin_apps.overview", find=find or None, **_sorted_by(name, descending=way))
        sorted_as = ("descending" if descending else "ascending") if is_it else ""
        found.append(Column(words, url, sorted_as))
    return found


def _sorted_by(order: Order, *, descending: bool) -> dict[str, Any]:
    """Return what an address says of the order; nothing of the one that needs no word."""
    if order == "name" and not descending:
        return {}
    return {"sort": order, **({"way": "down"} if descending else {})}


def _read_order() -> tuple[Order, bool]:
    """Return by what the list is sorted, and whether downwards; by name if the address is none."""
    wanted = argument("sort")
    order: Order = next((one for one in _COLUMNS if one == wanted), "name")
    return order, argument("way") == "down"


def _facts_of(rule: AppRule) -> Facts:
    return {
        "Rule": rule.say,
        "Who may sign in": "Everyone" if rule.audience == "everyone" else "People on the list",
        "Until": last_moment(rule.until) if rule.until else "No end",
        "Note": rule.note,
    }


def _read_skip() -> int:
    text = request.args.get("skip", "")
    is_number = text.isascii() and text.isdigit() and len(text) < 8
    return min(int(text), _MAX_SKIP) if is_number else 0
