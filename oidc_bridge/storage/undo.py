"""What an admin did a moment ago is taken back, as far as nobody has changed it since.

The ledger has each entry as it was before and after, so that nothing more must be kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from oidc_bridge.apps.scope_rules import as_text, from_text
from oidc_bridge.errors import PageError
from oidc_bridge.storage.admissions import Key, put_back
from oidc_bridge.storage.app_scopes import find_scopes
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.rulings import SCOPES_RULED, forget_app, rule_app, rule_scopes
from oidc_bridge.storage.whitelist import AppRule, Listing, find_rule, listings_of

TIME_TO_UNDO = timedelta(minutes=10)

_E = EventRow
_LISTED = ("person admitted", "person dismissed")


@dataclass(frozen=True, slots=True)
class Undone:
    """How many entries were brought back, and how many somebody has changed since; neither counts
    those that were as before already."""

    done: int
    kept: int


def undo_list(connection: Connection, app: str, *, at: datetime, now: datetime, by: str) -> Undone:
    """Take back what *by* did at one moment to an app's list.

    Raises:
        PageError: ``undo_over``.
    """
    details = _details(connection, _LISTED, app, at, now, by)
    today = {(one.kind, one.who): one for one in listings_of(connection, app)}
    before: dict[Key, Listing | None] = {}
    kept = 0
    for detail in details:
        kind, _, who = detail["who"].partition(":")
        key: Key = (kind, who)  # type: ignore[assignment]
        if today.get(key) == _entry(key, detail["after"]):
            before[key] = _entry(key, detail["before"])
        elif today.get(key) != _entry(key, detail["before"]):
            kept += 1
    if before:
        put_back(connection, app, before, now=now, by=by)
    return Undone(len(before), kept)


def last_of_list(connection: Connection, app: str, *, now: datetime, by: str) -> datetime | None:
    """Return when *by* changed an app's list, if that can still be taken back and was the last."""
    last = connection.execute(
        select(_E.at, _E.detail)
        .where(_E.app == app, _E.kind.in_(_LISTED), _E.at > now - TIME_TO_UNDO)
        .order_by(_E.at.desc())
        .limit(1)
    ).first()
    return last.at if last and last.detail.get("by") == by else None


def undo_rule(connection: Connection, app: str, *, at: datetime, now: datetime, by: str) -> None:
    """Take back what *by* said of an app at one moment; a rule that was new is forgotten.

    Raises:
        PageError: ``undo_over``; ``changed_meanwhile`` if somebody has ruled since, or put people
            on the list of a rule that was new, or said something of its scopes.
    """
    details = _details(connection, ("app ruled",), app, at, now, by)
    detail = details[0]
    before = _rule(app, detail["before"])
    is_new = before is None
    scopes = find_scopes(connection, app)
    if find_rule(connection, app) != _rule(app, detail["after"]) or (
        is_new and (listings_of(connection, app) or (scopes and scopes.rules))
    ):
        raise PageError("changed_meanwhile", f"rule of {app}", status=409)
    if before is None:
        forget_app(connection, app, now=now, by=by)
    else:
        rule_app(connection, before, now=now, by=by)


def undo_scopes(connection: Connection, app: str, *, at: datetime, now: datetime, by: str) -> None:
    """Take back what *by* said of an app's scopes at one moment.

    Raises:
        PageError: ``undo_over``; ``changed_meanwhile`` if somebody has said something else since.
    """
    detail = _details(connection, (SCOPES_RULED,), app, at, now, by)[0]
    today = find_scopes(connection, app)
    if today is None or as_text(today.rules) != detail["after"]:
        raise PageError("changed_meanwhile", f"scopes of {app}", status=409)
    rule_scopes(connection, app, from_text(detail["before"]), now=now, by=by)


def _details(
    connection: Connection,
    kinds: tuple[str, ...],
    app: str,
    at: datetime,
    now: datetime,
    by: str,
) -> list[Mapping[str, str]]:
    if not now - TIME_TO_UNDO < at <= now:
        raise PageError("undo_over", f"{app} at {at}")
    rows = connection.execute(select(_E.detail).where(_E.kind.in_(kinds), _E.at == at)).scalars()
    found: list[Mapping[str, str]] = [
        detail for detail in rows if detail.get("app") == app and detail.get("by") == by
    ]
    if not found:
        raise PageError("undo_over", f"nothing of {app} at {at}")
    return found


def _entry(key: Key, told: str) -> Listing | None:
    if not told:
        return None
    said = json.loads(told)
    return Listing(*key, _time(said["until"]), said["note"])


def _rule(app: str, told: str) -> AppRule | None:
    if not told:
        return None
    said = json.loads(told)
    return AppRule(app, said["say"], said["for"], _time(said["until"]), said["note"])


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
