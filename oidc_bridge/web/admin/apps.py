"""Apps: what the operator says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.spelling import MAX_NOTE, last_moment, read_app_name, read_note, read_until
from oidc_bridge.apps.whitelist import Say
from oidc_bridge.errors import PageError
from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.admins import roles_of
from oidc_bridge.storage.app_directory import KnownApp, Order, find_app, known_apps
from oidc_bridge.storage.event_log import Filter, find_events
from oidc_bridge.storage.rulings import replace_rule
from oidc_bridge.storage.undo import undo_rule
from oidc_bridge.storage.whitelist import AppRule, Audience
from oidc_bridge.web import bridge, see_other
from oidc_bridge.web.admin.clash import Facts, clash
from oidc_bridge.web.admin.door import admin_views, change, check_app, the_admin
from oidc_bridge.web.admin.moments import Undo, name_of, read_moment, take_back, undo_at
from oidc_bridge.web.admin.pages import admin_page, argument
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
MAX_NAME = 300
_MAX_SKIP = 1_000_000
_TICK = timedelta(microseconds=1)
_COLUMNS: Mapping[Order, str] = {
    "name": "App",
    "rule": "Rule",
    "people": "People",
    "last yes": "Last yes",
    "waiting": "Waiting",
}
# Whoever sorts by these looks for the most, or the latest.
_MOST_FIRST = frozenset[Order]({"people", "last yes", "waiting"})
_FLASHES = {"ruled": "Rule saved.", "undone": "Taken back: the rule is as it was."}


@views.get("")
def overview() -> Response:
    """List them in the order that is asked for, fifty a page."""
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
        known=found[:_PAGE],
        find=find,
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
    name = argument("app")
    check_app("read apps", name)
    with read() as connection:
        known = find_app(connection, name)
        is_held = _is_denied_above(connection, the_admin(), known, bridge().clock())
    may_change = the_admin().may("change apps", app=name) and not is_held
    if known is None:
        # What nobody knows is shown to whoever may make a rule for it, by its one spelling.
        if not the_admin().may("add apps") or not _is_name(name):
            raise PageError("not_found", "no such app", status=404)
        known = KnownApp.nobodys(name)
    return admin_page(
        "admin/app.html",
        app=known,
        now=bridge().clock(),
        day=_day_of(known.until),
        version=_version_of(known),
        may_change=may_change,
        is_held=is_held,
        undo_at=undo_at(),
        flash=_FLASHES.get(argument("done")),
    )


@views.post("/rule")
def rule() -> Response:
    """Change the rule of an app, if it is still the one that the admin was shown."""
    browser, name, version = check_form(), field("app", limit=MAX_NAME), read_version()
    check_app("change apps", name)
    say, audience, day = _read_say(), _read_audience(), field("until", limit=10)
    note = read_note(field("note", limit=4 * MAX_NOTE))

    def set_it(connection: Connection, admin: Admin, now: datetime) -> Response:
        before = find_app(connection, name)
        if before is None and not (admin.may("add apps") and _is_name(name)):
            raise PageError("not_found", "no such app", status=404)
        _check_not_held(connection, admin, before, now)
        until = _until(day, before.rule if before else None, now)
        wanted = AppRule(name, say, audience, until, note)
        by = admin.account_id
        if not replace_rule(connection, wanted, version=version, now=now, by=by):
            return _clash(wanted, before, day)
        return see_other(url_for("admin_apps.one", app=name, done="ruled", at=name_of(now)))

    return change("change apps", set_it, browser=browser, app=name)


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
            "version": _version_of(current),
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


def _is_name(text: str) -> bool:
    return len(text) <= MAX_NAME and read_app_name(text) == text


def _version_of(known: KnownApp | None) -> str:
    changed_at = known.changed_at if known else None
    return "" if changed_at is None else name_of(changed_at)


def read_version() -> datetime | None:
    """Return the version that a form was made for, None if there was none.

    Raises:
        PageError: ``form_malformed``.
    """
    text = field("version", limit=17)
    return read_moment(text) if text else None


def _day_of(until: datetime | None) -> str:
    """Return the last day that counts whole."""
    return "" if until is None else (until - _TICK).date().isoformat()


def _until(day: str, before: AppRule | None, now: datetime) -> datetime | None:
    if not day:
        return None
    if before is not None and _day_of(before.until) == day:
        return before.until  # which may end at another time than midnight
    return read_until(day, now=now)


def _read_say() -> Say:
    wanted = field("say")
    for say in get_args(Say):
        if say == wanted:
            return say  # type: ignore[no-any-return]
    raise PageError("form_malformed", "say")


def _read_audience() -> Audience:
    wanted = field("audience")
    for audience in get_args(Audience):
        if audience == wanted:
            return audience  # type: ignore[no-any-return]
    raise PageError("form_malformed", "audience")


def _read_skip() -> int:
    text = request.args.get("skip", "")
    is_number = text.isascii() and text.isdigit() and len(text) < 8
    return min(int(text), _MAX_SKIP) if is_number else 0
