"""What happened: the ledger, filtered, and as a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from oidc_bridge.storage import read
from oidc_bridge.storage.directory import labels_of
from oidc_bridge.storage.event_log import (
    PAGE,
    Event,
    Filter,
    find_events,
    kinds_of_events,
)
from oidc_bridge.storage.ledger import COMMAND_LINE
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.door import admin_views
from oidc_bridge.web.admin.exports import csv_file, json_file
from oidc_bridge.web.admin.pages import admin_page, argument, short_label

views = admin_views("events", "/events", {"overview": "read events", "export": "read events"})

MOST_EXPORTED = 10_000
_AT_ONCE = 500
_FILTERS = ("kind", "person", "client", "app", "since", "until")
_HEADER = ("at", "kind", "by", "person", "account", "client", "before", "after", "detail")
# Nobody is signed in when they happen, and no person does them: without a "by" they are the
# operator's.
_OPERATORS = frozenset({"client added", "client imported", "client secret made", "keys rotated"})
SHOWN_APART = frozenset({"by", "before", "after"})


@views.get("")
def overview() -> Response:
    """List events, youngest first."""
    with read() as connection:
        shown = find_shown(connection, _read_filter())
        kinds = kinds_of_events(connection)
    kept: dict[str, Any] = {name: argument(name) for name in _FILTERS if argument(name)}
    return admin_page(
        "admin/events.html",
        rows=shown.rows,
        labels=shown.labels,
        kinds=kinds,
        clients=bridge().snapshots.current().clients,
        wanted={name: argument(name) for name in _FILTERS},
        apart=SHOWN_APART,
        is_filtered=bool(kept),
        first_url=url_for("admin_events.overview", **kept) if argument("id") else None,
        next_url=url_for("admin_events.overview", **kept, **shown.after) if shown.after else None,
        files=[
            (words, url_for("admin_events.export", form=form, **kept))
            for words, form in (("CSV", "csv"), ("JSON", "json"))
        ],
        most=MOST_EXPORTED,
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """One page of events.

    Attributes:
        rows: each with who did it; see `who`.
        labels: what the accounts that they name go by.
        after: what the address of the next page says of where it begins; nothing if there is none.
    """

    rows: Sequence[tuple[Event, str]]
    labels: Mapping[str, str]
    after: dict[str, Any]


def find_shown(connection: Connection, which: Filter) -> Shown:
    """Return the page of events that fit; in two questions."""
    events = find_events(connection, which, at_most=PAGE + 1)
    shown = events[:PAGE]
    known = labels_of(connection, sorted(_accounts_in(shown)))
    labels = {account_id: short_label(label) for account_id, label in known.items()}
    last = shown[-1] if len(events) > PAGE else None
    return Shown(
        rows=[(event, who(event, labels)) for event in shown],
        labels=labels,
        after={"at": last.at.isoformat(), "id": last.id} if last else {},
    )


@views.get("/events.<form>")
def export(form: str) -> Response:
    """Send the filtered events as a file, the youngest of them if there are very many."""
    which = _read_filter()
    if form == "csv":
        return csv_file("events", _HEADER, (_as_cells(*row) for row in _every(which)))
    if form == "json":
        return json_file("events", (_as_json(*row) for row in _every(which)))
    raise NotFound


def who(event: Event, labels: Mapping[str, str]) -> str:
    """Return who did it: an admin's name, the command line, or ``""`` for the person themself."""
    by = event.detail.get("by", "")
    if not by:
        return COMMAND_LINE if event.kind in _OPERATORS else ""
    return labels.get(by) or by


def _every(which: Filter) -> Iterator[tuple[Event, Mapping[str, str]]]:
    """Give events, each with what those go by whom its page names.

    Between two pages no connection is held: whoever reads slowly keeps none from others.
    """
    left = MOST_EXPORTED
    while left > 0:
        wanted = min(left, _AT_ONCE)
        with read() as connection:
            events = find_events(connection, which, at_most=wanted)
            labels = labels_of(connection, sorted(_accounts_in(events)))
        yield from ((event, labels) for event in events)
        if len(events) < wanted:
            return
        left, which = left - wanted, which.after(events[-1])


def _accounts_in(events: Sequence[Event]) -> set[str]:
    named = {event.account_id for event in events} | {
        event.detail.get(key) for event in events for key in ("by", "person")
    }
    return {account_id for account_id in named if account_id}


def _as_cells(event: Event, labels: Mapping[str, str]) -> Sequence[str]:
    detail = event.detail
    rest = "; ".join(f"{k}={v}" for k, v in sorted(detail.items()) if k not in SHOWN_APART)
    return (
        event.at.isoformat(),
        event.kind,
        who(event, labels),
        labels.get(event.account_id or "", ""),
        event.account_id or "",
        event.client_id or "",
        detail.get("before", ""),
        detail.get("after", ""),
        rest,
    )


def _as_json(event: Event, labels: Mapping[str, str]) -> Mapping[str, object]:
    return {
        "id": event.id,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "by": who(event, labels),
        "person": labels.get(event.account_id or "", ""),
        "account": event.account_id,
        "client": event.client_id,
        "detail": dict(event.detail),
    }


def _read_filter() -> Filter:
    """Read the address; what cannot be read does not filter, and the form shows it empty."""
    at, event_id = _read_time(argument("at")), argument("id")
    # A day's events are part of the time that ends with it.
    until = _read_day(argument("until"), days_later=1)
    return Filter(
        kind=argument("kind") or None,
        account_id=argument("person") or None,
        client_id=argument("client") or None,
        app=argument("app") or None,
        since=_read_day(argument("since")),
        until=at if at and event_id else until,
        before_id=event_id if at and event_id else None,
    )


def read_page_of(app: str) -> Filter:
    """Return the filter of one app's events, from where the address says that the page begins."""
    at, event_id = _read_time(argument("at")), argument("id")
    has_place = at is not None and event_id != ""
    return Filter(app=app, until=at, before_id=event_id) if has_place else Filter(app=app)


def _read_time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def _read_day(text: str, *, days_later: int = 0) -> datetime | None:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return day + timedelta(days=days_later)
    except (ValueError, OverflowError):
        return None
