"""The queue of requests for access, as admins see and decide it; an app manager their own apps'."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from oidc_bridge.errors import BridgeError
from oidc_bridge.storage.access_requests import AccessRequest, AccessRequestRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.rulings import approve, decline, rule_to_let_in
from oidc_bridge.storage.whitelist import find_rule

PAGE = 50

_Q, _E = AccessRequestRow, EventRow
_COLUMNS: tuple[Any, ...] = (
    *(_Q.id, _Q.account_id, _Q.client_id, _Q.app, _Q.app_title, _Q.person, _Q.note),
    *(_Q.asked_at, _Q.decided_at, _Q.outcome, _Q.reason),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the time of its last request, and its id."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Quicker:
    """A request that somebody else has decided; *by* is their account, ``""`` if unknown."""

    request: AccessRequest
    by: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of the requests that an admin ticked.

    Attributes:
        done: those that are decided now as the admin said.
        before: those that somebody else has decided.
        denied: those of apps that a rule denies to everybody, or that cannot be let in at all.
    """

    done: list[AccessRequest] = field(default_factory=list)
    before: list[Quicker] = field(default_factory=list)
    denied: list[AccessRequest] = field(default_factory=list)


def waiting(
    connection: Connection, *, of: Collection[str] | None, after: Place | None, at_most: int
) -> Sequence[AccessRequest]:
    """Return requests that wait, oldest first; of these apps alone if they are given."""
    query = _of(of).where(_Q.decided_at.is_(None)).order_by(_Q.asked_at, _Q.id)
    if after is not None:
        later = or_(_Q.asked_at > after.at, _Q.id > after.id)
        query = query.where(_Q.asked_at >= after.at, later)
    return [AccessRequest(*row) for row in connection.execute(query.limit(at_most))]


def decided(
    connection: Connection, *, of: Collection[str] | None, at_most: int
) -> Sequence[AccessRequest]:
    """Return what was decided, latest first."""
    query = _of(of).where(_Q.decided_at.is_not(None)).order_by(_Q.decided_at.desc(), _Q.id)
    return [AccessRequest(*row) for row in connection.execute(query.limit(at_most))]


def approve_all(
    connection: Connection,
    ids: Sequence[str],
    *,
    of: Collection[str] | None,
    until: datetime | None,
    now: datetime,
    by: str,
) -> Decided:
    """Let in whoever is ticked; what cannot be is told, and does not keep back the others."""
    found, can_be_let_in = Decided(), dict[str, bool]()
    for request in _held(connection, ids, of):
        if request.app not in can_be_let_in:
            can_be_let_in[request.app] = _can_be_let_in(connection, request.app, now)
        if request.outcome is not None:
            found.before.append(_quicker(connection, request))
        elif not can_be_let_in[request.app]:
            found.denied.append(request)
        else:
            found.done.append(request)
    if found.done:
        done = [request.id for request in found.done]
        approve(connection, done, until=until, now=now, by=by)
    return found


def decline_all(
    connection: Connection,
    ids: Sequence[str],
    *,
    of: Collection[str] | None,
    reason: str,
    now: datetime,
    by: str,
) -> Decided:
    """Say no to whoever is ticked, with a reason that they read."""
    found = Decided()
    for request in _held(connection, ids, of):
        if request.outcome is not None:
            found.before.append(_quicker(connection, request))
        else:
            found.done.append(request)
    if found.done:
        done = [request.id for request in found.done]
        decline(connection, done, reason=reason, now=now, by=by)
    return found


def _of(apps: Collection[str] | None) -> Select[Any]:
    query = select(*_COLUMNS)
    return query if apps is None else query.where(_Q.app.in_(apps))


def _held(
    connection: Connection, ids: Sequence[str], of: Collection[str] | None
) -> Sequence[AccessRequest]:
    """Return requests, which nobody else decides until the transaction ends."""
    query = _of(of).where(_Q.id.in_(ids)).order_by(_Q.id).with_for_update()
    return [AccessRequest(*row) for row in connection.execute(query)]


def _can_be_let_in(connection: Connection, app: str, now: datetime) -> bool:
    try:
        rule_to_let_in(app, find_rule(connection, app), now=now)
    except BridgeError:
        return False
    return True


def _quicker(connection: Connection, request: AccessRequest) -> Quicker:
    kind = "access approved" if request.outcome == "approved" else "access declined"
    details = connection.execute(
        select(_E.detail).where(
            _E.account_id == request.account_id, _E.at == request.decided_at, _E.kind == kind
        )
    ).scalars()
    by = [detail.get("by", "") for detail in details if detail.get("app") == request.app]
    return Quicker(request, by[0] if by else "")
