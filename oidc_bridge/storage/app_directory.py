"""Apps as admins see them: what is said of each, and who uses it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    func,
    literal,
    or_,
    select,
    union,
    union_all,
)

from oidc_bridge.apps.whitelist import Say
from oidc_bridge.storage.access_requests import AccessRequestRow
from oidc_bridge.storage.accounts import IdentityRow
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.directory import labels_of
from oidc_bridge.storage.whitelist import AppRule, AppRuleRow, Audience, Listing, ListingRow

_R, _C, _Q, _L = AppRuleRow, ConsentRow, AccessRequestRow, ListingRow
MANY = 1_000
"""People are counted no further."""
_CLIENT = "client:"
_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class KnownApp:
    """One app; ``say`` and what belongs to it are None where no rule names it.

    Attributes:
        changed_at: of the rule: its version.
        people: how many have said yes to the app and not taken it back; at most one more than
            `MANY` for each homeserver.
        last_yes: when somebody last said yes to it.
    """

    name: str
    say: Say | None
    audience: Audience | None
    until: datetime | None
    note: str | None
    changed_at: datetime | None
    people: int
    last_yes: datetime | None
    waiting: int
    listed: int

    @property
    def rule(self) -> AppRule | None:
        """The operator's rule, also one that has run out."""
        if self.say is None or self.audience is None:
            return None
        return AppRule(self.name, self.say, self.audience, self.until, self.note or "")


def known_apps(
    connection: Connection,
    *,
    find: str = "",
    of: Collection[str] | None = None,
    skip: int = 0,
    at_most: int,
) -> Sequence[KnownApp]:
    """Return apps that a rule names, that people use or ask for; by name.

    Args:
        find: only names that hold this.
        of: only these, if given.
    """
    names = _names(of).subquery()
    wanted = select(names.c.name).where(names.c.name != "")
    if find:
        wanted = wanted.where(names.c.name.contains(find, autoescape=True))
    page = wanted.order_by(names.c.name).offset(skip).limit(at_most)
    return _describe(connection, connection.execute(page).scalars().all())


def find_app(connection: Connection, name: str) -> KnownApp | None:
    """Return one app; None if no rule names it and nobody uses it or asked for it."""
    (found,) = _describe(connection, [name])
    if found.say is not None or found.people:
        return found
    asked = select(_Q.id).where(_Q.app == name).limit(1)
    return found if connection.execute(asked).first() else None


def _names(of: Collection[str] | None) -> CompoundSelect[Any]:
    """Return every name once. Of what people use each is one step in the index, not a scan."""
    current = _C.removed_at.is_(None)
    first = select(func.min(_C.app)).where(_C.client_id == ClientRow.id, current)
    steps = (
        select(ClientRow.id.label("client_id"), first.scalar_subquery().label("name"))
        .where(ClientRow.kind == "homeserver")
        .cte("steps", recursive=True)
    )
    here = _C.client_id == steps.c.client_id
    following = select(func.min(_C.app)).where(here, _C.app > steps.c.name, current)
    steps = steps.union_all(
        select(steps.c.client_id, following.scalar_subquery()).where(steps.c.name.is_not(None))
    )
    is_used = select(_C.id).where(_C.client_id == ClientRow.id, current).exists()
    clients = select((_CLIENT + ClientRow.id).label("name")).where(
        ClientRow.kind != "homeserver", is_used
    )
    parts = (
        select(_R.name.label("name")),
        select(steps.c.name).where(steps.c.name.is_not(None)),
        clients,
        select(_Q.app.label("name")),
    )
    if of is None:
        return union(*parts)
    return union(*(part.where(part.selected_columns[0].in_(of)) for part in parts))


def _describe(connection: Connection, names: Sequence[str]) -> Sequence[KnownApp]:
    """Return these apps in their order; the questions do not grow with the people."""
    rules = {
        row.name: row
        for row in connection.execute(
            select(_R.name, _R.say, _R.audience, _R.until, _R.note, _R.changed_at).where(
                _R.name.in_(names)
            )
        )
    }
    uses = _uses(connection, names)
    waiting = select(_Q.app, func.count()).where(_Q.app.in_(names), _Q.decided_at.is_(None))
    waits = _counts(connection, waiting.group_by(_Q.app))
    listed = select(_L.app, func.count()).where(_L.app.in_(names)).group_by(_L.app)
    lists = _counts(connection, listed)
    found = []
    for name in names:
        row, (people, last) = rules.get(name), uses.get(name, (0, None))
        found.append(
            KnownApp(
                name=name,
                say=row.say if row else None,
                audience=row.audience if row else None,
                until=row.until if row else None,
                note=row.note if row else None,
                changed_at=row.changed_at if row else None,
                people=people,
                last_yes=last,
                waiting=waits.get(name, 0),
                listed=lists.get(name, 0),
            )
        )
    return found


def _counts(connection: Connection, query: Select[str, int]) -> Mapping[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _uses(
    connection: Connection, names: Sequence[str]
) -> Mapping[str, tuple[int, datetime | None]]:
    """Return how many people use each app, counted up to `MANY` and one more, and the last yes."""
    homes = connection.execute(select(ClientRow.id).where(ClientRow.kind == "homeserver"))
    home_ids = homes.scalars().all()
    asked = [
        _use(name, client_id, is_home=not name.startswith(_CLIENT))
        for name in names
        for client_id in ([name.removeprefix(_CLIENT)] if name.startswith(_CLIENT) else home_ids)
    ]
    found: dict[str, tuple[int, datetime | None]] = {}
    for first in range(0, len(asked), _AT_ONCE):
        rows = connection.execute(union_all(*asked[first : first + _AT_ONCE]))
        for name, people, last in rows:
            before, latest = found.get(name, (0, None))
            found[name] = (before + people, max(filter(None, (last, latest)), default=None))
    return found


def _use(name: str, client_id: str, *, is_home: bool) -> Select[*tuple[Any, ...]]:
    # Equal to one client and one app, so that an index answers the count and the last.
    which = [_C.client_id == client_id, _C.removed_at.is_(None)]
    if is_home:
        which.append(_C.app == name)
    some = select(_C.account_id).where(*which).limit(MANY + 1).subquery()
    last = select(func.max(_C.given_at)).where(*which).scalar_subquery()
    return select(literal(name), func.count(some.c.account_id.distinct()), last)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of an app's list; *label* is what an account goes by, ``""`` for the others."""

    listing: Listing
    added_at: datetime
    label: str


def entries_of(
    connection: Connection,
    app: str,
    *,
    find: str = "",
    after: tuple[str, str] | None = None,
    at_most: int,
) -> Sequence[Entry]:
    """Return who is on an app's list, from behind *after* (kind and who) on; in two questions.

    Args:
        find: only entries that hold this in whom or in what is noted.
    """
    query = select(_L.kind, _L.who, _L.until, _L.note, _L.added_at).where(_L.app == app)
    if find:
        spelt = [_L.who.contains(text, autoescape=True) for text in {find.lower(), find.upper()}]
        query = query.where(or_(*spelt, _L.note.contains(find, autoescape=True)))
    if after is not None:
        kind, who = after
        query = query.where(_L.kind >= kind, or_(_L.kind > kind, _L.who > who))
    rows = connection.execute(query.order_by(_L.kind, _L.who).limit(at_most)).all()
    labels = labels_of(connection, [row.who for row in rows if row.kind == "account"])
    return [
        Entry(
            Listing(row.kind, row.who, row.until, row.note),
            row.added_at,
            labels.get(row.who, "somebody who is gone") if row.kind == "account" else "",
        )
        for row in rows
    ]


def addresses_of(connection: Connection, account_ids: Sequence[str]) -> Mapping[str, str]:
    """Return an address of each of these accounts."""
    rows = connection.execute(
        select(IdentityRow.account_id, func.min(IdentityRow.subject))
        .where(IdentityRow.account_id.in_(account_ids))
        .group_by(IdentityRow.account_id)
    )
    return {row[0]: row[1] for row in rows}
