"""Apps as admins see them: what is said of each, and who uses it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from sqlalchemy import (
    CompoundSelect,
    Connection,
    FromClause,
    Select,
    SQLColumnExpression,
    Text,
    case,
    column,
    func,
    or_,
    select,
    union,
    union_all,
    values,
)

from oidc_bridge.apps.whitelist import Say
from oidc_bridge.storage import UtcTime
from oidc_bridge.storage.access_requests import AccessRequestRow
from oidc_bridge.storage.accounts import IdentityRow
from oidc_bridge.storage.admins import ManagedAppRow
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.directory import labels_of
from oidc_bridge.storage.whitelist import AppRule, AppRuleRow, Audience, Listing, ListingRow

Order = Literal["name", "rule", "people", "last yes", "waiting"]

_R, _C, _Q, _L, _M = AppRuleRow, ConsentRow, AccessRequestRow, ListingRow, ManagedAppRow
MANY = 1_000
"""People are counted no further."""
_CLIENT = "client:"


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

    @classmethod
    def nobodys(cls, name: str) -> Self:
        """Return an app that no rule names and nobody uses."""
        return cls(name, None, None, None, None, None, 0, None, 0, 0)

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
    order: Order = "name",
    descending: bool = False,
    skip: int = 0,
    at_most: int,
) -> Sequence[KnownApp]:
    """Return apps that a rule names, that people use or ask for, or that are an app manager's.

    Args:
        find: only names that hold this, whatever its case.
        of: only these, if given.
        order: by what; those alike are by name, and those without it come last.
    """
    every = _names(of).subquery()
    wanted = select(every.c.name).where(every.c.name != "")
    if find:
        wanted = wanted.where(every.c.name.icontains(find, autoescape=True))
    ordered = _in_order(wanted, order, descending=descending).offset(skip).limit(at_most)
    return _describe(connection, connection.execute(ordered).scalars().all())


def find_app(connection: Connection, name: str) -> KnownApp | None:
    """Return one app; None if no rule names it, nobody uses it or asked for it, and it is no app
    manager's."""
    (found,) = _describe(connection, [name])
    if found.say is not None or found.people:
        return found
    known = union(select(_Q.app).where(_Q.app == name), select(_M.app).where(_M.app == name))
    return found if connection.execute(known).first() else None


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
    # Not by EXISTS, for which PostgreSQL reads every consent there is.
    clients = select((_CLIENT + ClientRow.id).label("name")).where(
        ClientRow.kind != "homeserver", first.scalar_subquery().is_not(None)
    )
    parts = (
        select(_R.name.label("name")),
        select(steps.c.name).where(steps.c.name.is_not(None)),
        clients,
        select(_Q.app.label("name")),
        select(_M.app.label("name")),
    )
    if of is None:
        return union(*parts)
    return union(*(part.where(part.selected_columns[0].in_(of)) for part in parts))


def _in_order(wanted: Select[str], order: Order, *, descending: bool) -> Select[str]:
    """Return the names of *wanted* in an order that its pages share."""
    names = wanted.cte("wanted")
    query = select(names.c.name)
    by: SQLColumnExpression[Any] = names.c.name
    if order == "rule":
        query, by = query.outerjoin(_R, _R.name == names.c.name), _R.say
    elif order == "waiting":
        counted = _waiting().subquery()
        query = query.outerjoin(counted, counted.c.app == names.c.name)
        by = func.coalesce(counted.c.waiting, 0)
    elif order in ("people", "last yes"):
        uses = _all_uses().subquery()
        query = query.outerjoin(uses, uses.c.name == names.c.name)
        by = func.coalesce(uses.c.people, 0) if order == "people" else uses.c.last
    way = by.desc() if descending else by.asc()
    return query.order_by(way.nulls_last(), names.c.name)


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
    these = values(column("name", Text), name="these").data([(name,) for name in names or [""]])
    uses = {row.name: row for row in connection.execute(_uses(these.cte()))}
    waits = _counts(connection, _waiting().where(_Q.app.in_(names)))
    listed = select(_L.app, func.count()).where(_L.app.in_(names)).group_by(_L.app)
    lists = _counts(connection, listed)
    found = []
    for name in names:
        row, use = rules.get(name), uses.get(name)
        found.append(
            KnownApp(
                name=name,
                say=row.say if row else None,
                audience=row.audience if row else None,
                until=row.until if row else None,
                note=row.note if row else None,
                changed_at=row.changed_at if row else None,
                people=int(use.people) if use else 0,  # PostgreSQL sums to a numeric
                last_yes=use.last if use else None,
                waiting=waits.get(name, 0),
                listed=lists.get(name, 0),
            )
        )
    return found


def _counts(connection: Connection, query: Select[str, int]) -> Mapping[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _waiting() -> Select[str, int]:
    count = func.count().label("waiting")
    return select(_Q.app, count).where(_Q.decided_at.is_(None)).group_by(_Q.app)


def _all_uses() -> Select[*tuple[Any, ...]]:
    """Return for every app how many yeses stand, and the last of them: to be ordered by.

    One pass over what is kept; to ask for each app as `_uses` does takes longer. Somebody who said
    yes to two addresses of one client counts twice here.
    """
    each = (
        select(
            _C.client_id, _C.app, func.count().label("people"), func.max(_C.given_at).label("last")
        )
        .where(_C.removed_at.is_(None))
        .group_by(_C.client_id, _C.app)
        .subquery()
    )
    is_home = ClientRow.kind == "homeserver"
    name = case((is_home, each.c.app), else_=_CLIENT + each.c.client_id).label("name")
    people, last = func.sum(each.c.people), func.max(each.c.last, type_=UtcTime)
    totals = select(name, people.label("people"), last.label("last"))
    return totals.join(ClientRow, ClientRow.id == each.c.client_id).group_by(name)


def _uses(names: FromClause) -> Select[*tuple[Any, ...]]:
    """Return of each of *names* how many people use it, counted up to `MANY` and one more for each
    homeserver, and the last yes.

    One question, however many names: planning one for each took longer than answering them.
    """
    pair = select(names.c.name, ClientRow.id.label("client_id"))
    is_home = (ClientRow.kind == "homeserver") & ~names.c.name.startswith(_CLIENT)
    at_homes = pair.join_from(names, ClientRow, is_home)
    clients = pair.join_from(names, ClientRow, names.c.name == _CLIENT + ClientRow.id)
    parts = union_all(
        _use(at_homes.subquery("at_homes"), is_home=True),
        _use(clients.subquery("as_clients"), is_home=False),
    ).subquery()
    people, last = func.sum(parts.c.people), func.max(parts.c.last, type_=UtcTime)
    return select(parts.c.name, people.label("people"), last.label("last")).group_by(parts.c.name)


def _use(pairs: FromClause, *, is_home: bool) -> Select[*tuple[Any, ...]]:
    # Equal to one client and one app, so that an index answers the count and the last.
    which = [_C.client_id == pairs.c.client_id, _C.removed_at.is_(None)]
    if is_home:
        which.append(_C.app == pairs.c.name)
    some = select(_C.account_id).where(*which).correlate(pairs).limit(MANY + 1).subquery()
    # At a homeserver each has said yes to an app once; a client may have several addresses.
    each = some.c.account_id if is_home else some.c.account_id.distinct()
    count = select(func.count(each)).scalar_subquery()
    last = select(func.max(_C.given_at)).where(*which).scalar_subquery()
    return select(pairs.c.name, count.label("people"), last.label("last"))


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
        find: only entries that hold this in whom or in what is noted, whatever its case.
    """
    query = select(_L.kind, _L.who, _L.until, _L.note, _L.added_at).where(_L.app == app)
    if find:
        held = [column.icontains(find, autoescape=True) for column in (_L.who, _L.note)]
        query = query.where(or_(*held))
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
