"""Apps as admins see them: what is said of each, and who uses it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, case, func, or_, select, union

from oidc_bridge.apps.whitelist import Say
from oidc_bridge.storage.access_requests import AccessRequestRow
from oidc_bridge.storage.accounts import IdentityRow
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.directory import labels_of
from oidc_bridge.storage.whitelist import AppRule, AppRuleRow, Audience, Listing, ListingRow

_R, _C, _Q, _L = AppRuleRow, ConsentRow, AccessRequestRow, ListingRow
# As `apps.whitelist.rule_name` has it.
_NAME = case((ClientRow.kind == "homeserver", _C.app), else_="client:" + _C.client_id)


@dataclass(frozen=True, slots=True)
class KnownApp:
    """One app; ``say`` and what belongs to it are None where no rule names it.

    Attributes:
        changed_at: of the rule: its version.
        people: how many have said yes to the app and not taken it back.
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
    used = _used().subquery()
    names = union(select(_R.name), select(used.c.name), select(_Q.app)).subquery()
    wanted = _select(names.c.name, used).where(names.c.name != "")
    if find:
        wanted = wanted.where(names.c.name.contains(find, autoescape=True))
    if of is not None:
        wanted = wanted.where(names.c.name.in_(of))
    rows = connection.execute(wanted.order_by(names.c.name).offset(skip).limit(at_most))
    return [KnownApp(*row) for row in rows]


def find_app(connection: Connection, name: str) -> KnownApp | None:
    """Return one app; None if no rule names it and nobody uses it or asked for it."""
    found = known_apps(connection, of=[name], at_most=1)
    return found[0] if found else None


def _used() -> Select[Any]:
    return (
        select(
            _NAME.label("name"),
            func.count(_C.account_id.distinct()).label("people"),
            func.max(_C.given_at).label("last"),
        )
        .join(ClientRow, ClientRow.id == _C.client_id)
        .where(_C.removed_at.is_(None))
        .group_by(_NAME)
    )


def _select(name: Any, used: Any) -> Select[Any]:
    waiting = select(func.count()).where(_Q.app == name, _Q.decided_at.is_(None))
    listed = select(func.count()).where(_L.app == name)
    return (
        select(
            name,
            _R.say,
            _R.audience,
            _R.until,
            _R.note,
            _R.changed_at,
            func.coalesce(used.c.people, 0),
            used.c.last,
            waiting.scalar_subquery(),
            listed.scalar_subquery(),
        )
        .outerjoin(_R, _R.name == name)
        .outerjoin(used, used.c.name == name)
    )


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
