"""The ledger for those who look after the server: filtered, youngest first, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true, union_all

from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.ledger import EventRow

PAGE = 50


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; ``detail`` holds no secrets, and may hold what strangers wrote."""

    id: str
    at: datetime
    kind: str
    account_id: str | None
    client_id: str | None
    detail: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events; what is None does not matter. *since* is part of the time, *until* is not.

    *app* is the name by which rules know an app. Of one that is itself a client these are the
    client's events too; of one that signs people in at a homeserver, those at homeservers alone,
    since a client may live at its address.

    ``before_id`` is that of the last event of the page before, whose time is ``until`` then.
    """

    kind: str | None = None
    account_id: str | None = None
    client_id: str | None = None
    app: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before_id: str | None = None

    def after(self, last: Event) -> Self:
        """Return the filter of the page that follows the one that ended with *last*."""
        return replace(self, until=last.at, before_id=last.id)


_E = EventRow
_CLIENT = "client:"


def find_events(connection: Connection, which: Filter, *, at_most: int) -> Sequence[Event]:
    """Return the youngest events that fit; one question, answered from an index for each part."""
    found = [
        select(_E.id, _E.at, _E.kind, _E.account_id, _E.client_id, _E.detail)
        .where(*_conditions(which), part)
        .order_by(_E.at.desc(), _E.id.desc())
        .limit(at_most)
        for part in _of_app(which.app)
    ]
    if len(found) == 1:
        return [Event(*row) for row in connection.execute(found[0])]
    both = union_all(*(select(part.subquery()) for part in found)).subquery()
    query = select(both).order_by(both.c.at.desc(), both.c.id.desc()).limit(at_most)
    return [Event(*row) for row in connection.execute(query)]


def _of_app(app: str | None) -> Sequence[ColumnElement[bool]]:
    """Return what an app's events are; no event is two of these."""
    if app is None:
        return [true()]
    homes = select(ClientRow.id).where(ClientRow.kind == "homeserver")
    if not app.startswith(_CLIENT):
        return [and_(_E.app == app, or_(_E.client_id.is_(None), _E.client_id.in_(homes)))]
    client_id = app.removeprefix(_CLIENT)
    others = and_(
        _E.client_id == client_id,
        _E.client_id.not_in(homes),
        or_(_E.app.is_(None), _E.app != app),
    )
    return [_E.app == app, others]


def kinds_of_events(connection: Connection) -> Sequence[str]:
    """Return every kind that the ledger knows; each is one step in the index, not a scan."""
    steps = select(func.min(_E.kind).label("kind")).cte("steps", recursive=True)
    following = select(func.min(_E.kind)).where(_E.kind > steps.c.kind).scalar_subquery()
    steps = steps.union_all(select(following).where(steps.c.kind.is_not(None)))
    return connection.execute(select(steps.c.kind).where(steps.c.kind.is_not(None))).scalars().all()


def _conditions(which: Filter) -> Sequence[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for column, wanted in (
        (_E.kind, which.kind),
        (_E.account_id, which.account_id),
        (_E.client_id, which.client_id),
    ):
        if wanted is not None:
            found.append(column == wanted)
    if which.since is not None:
        found.append(_E.at >= which.since)
    if which.until is not None and which.before_id is None:
        found.append(_E.at < which.until)
    elif which.until is not None:
        found += [_E.at <= which.until, or_(_E.at < which.until, _E.id < which.before_id)]
    return found
