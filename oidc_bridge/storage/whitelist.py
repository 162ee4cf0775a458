"""What was said of apps: the operator's rules, who is on their lists, and each person's own."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Connection,
    ForeignKey,
    Index,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.apps.scope_rules import from_json
from oidc_bridge.apps.whitelist import Said, Say
from oidc_bridge.storage import Base, UtcTime
from oidc_bridge.storage.accounts import IdentityRow
from oidc_bridge.storage.names import names_of

Audience = Literal["everyone", "listed"]
WhoKind = Literal["account", "address", "name", "pattern"]


class AppRuleRow(Base):
    """What the operator says of one app, by the name that `apps.whitelist.rule_name` gives it."""

    __tablename__ = "app_rules"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    say: Mapped[Say] = mapped_column(Text)
    audience: Mapped[Audience] = mapped_column(Text)
    until: Mapped[datetime | None] = mapped_column(UtcTime)
    note: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(UtcTime)
    # See `apps.scope_rules`, and `storage.app_scopes` for who reads and writes them.
    scopes: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    scopes_changed_at: Mapped[datetime | None] = mapped_column(UtcTime)


class ListingRow(Base):
    """One entry in the list of who may use an app.

    ``kind`` tells what ``who`` is: an account's id, an address in c32, a verified name, or a
    pattern ``*.example.btc`` of such names.
    """

    __tablename__ = "listings"
    __table_args__ = (Index("uq_listings_app_kind_who", "app", "kind", "who", unique=True),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    app: Mapped[str] = mapped_column(ForeignKey("app_rules.name", ondelete="CASCADE"))
    kind: Mapped[WhoKind] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    until: Mapped[datetime | None] = mapped_column(UtcTime)
    note: Mapped[str] = mapped_column(Text)
    added_at: Mapped[datetime] = mapped_column(UtcTime)


class PersonRuleRow(Base):
    """What one person says of one app."""

    __tablename__ = "person_rules"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    app: Mapped[str] = mapped_column(Text, primary_key=True)
    say: Mapped[Say] = mapped_column(Text)
    said_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class AppRule:
    """An operator's rule; ``until`` None for one that stays."""

    name: str
    say: Say
    audience: Audience = "everyone"
    until: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Somebody, or a pattern of names, who may use an app that is not for everyone."""

    kind: WhoKind
    who: str
    until: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PersonRule:
    """A person's own rule."""

    app: str
    say: Say
    said_at: datetime


_TICK = timedelta(microseconds=1)
_R, _L, _P = AppRuleRow, ListingRow, PersonRuleRow
_RULE = (_R.name, _R.say, _R.audience, _R.until)
_NAMES: BindParameter[Any] = bindparam("names", expanding=True)


def _said(operators: ColumnElement[bool], own: ColumnElement[bool]) -> CompoundSelect[Any]:
    """Return one question for both voices; each part reads its rows by their keys."""
    return union_all(
        select(literal("operator").label("voice"), *_RULE, _R.scopes).where(operators),
        select(literal("person"), _P.app, _P.say, literal("everyone"), null(), null()).where(
            _P.account_id == bindparam("account_id"), own
        ),
    )


_SAID = _said(_R.name.in_(_NAMES), _P.app.in_(_NAMES))
# On the sign-in path it is one app, and a list in a statement is spelt out anew each time.
_NAME: BindParameter[Any] = bindparam("name")
_SAID_OF_ONE = _said(_R.name == _NAME, _P.app == _NAME)
_FITS = (
    _L.app.in_(_NAMES),
    or_(_L.until.is_(None), _L.until > bindparam("now", type_=UtcTime)),
    or_(
        (_L.kind == "account") & (_L.who == bindparam("account_id")),
        (_L.kind == "address")
        & _L.who.in_(
            select(IdentityRow.subject).where(IdentityRow.account_id == bindparam("account_id"))
        ),
        (_L.kind == "name") & _L.who.in_(bindparam("texts", expanding=True)),
        (_L.kind == "pattern") & _L.who.in_(bindparam("patterns", expanding=True)),
    ),
)
_LISTED = select(_L.app).where(*_FITS).distinct()
_BY_WHICH = select(_L.kind, _L.who, _L.until, _L.note).where(*_FITS).order_by(_L.kind, _L.who)
_OWN = select(_P.app, _P.say, _P.said_at).where(_P.account_id == bindparam("account_id"))
_STRICTNESS: Mapping[Say, int] = {"allow": 0, "alone": 1, "deny": 2}
_FORGET_OWN = delete(_P).where(_P.account_id == bindparam("of"), _P.app == bindparam("about"))


def find_said(
    connection: Connection, account_id: str, names: Collection[str], *, now: datetime
) -> Mapping[str, Said]:
    """Return what rules say of each of these apps and this person; one question as a rule, three
    where an app is for people on a list."""
    whose = {"account_id": account_id}
    if len(names) == 1:
        rows = connection.execute(_SAID_OF_ONE, {"name": next(iter(names)), **whose}).all()
    else:
        rows = connection.execute(_SAID, {"names": list(names), **whose}).all()
    person: dict[str, Say] = {row.name: row.say for row in rows if row.voice == "person"}
    ruled = {row.name: row for row in rows if row.voice == "operator"}
    rules = {name: row for name, row in ruled.items() if row.until is None or row.until > now}
    closed = [name for name, row in rules.items() if row.audience != "everyone"]
    listed = _listed(connection, account_id, closed, now) if closed else frozenset()
    return {
        name: Said(
            operator=rules[name].say if name in rules else None,
            is_listed=name not in closed or name in listed,
            person=person.get(name),
            scopes=from_json(ruled[name].scopes) if name in ruled else (),
        )
        for name in names
    }


def _listed(
    connection: Connection, account_id: str, names: Collection[str], now: datetime
) -> frozenset[str]:
    known = _as_listed(connection, account_id, names, now)
    return frozenset(connection.execute(_LISTED, known).scalars())


def fitting_listings(
    connection: Connection, account_id: str, app: str, *, now: datetime
) -> Sequence[Listing]:
    """Return the entries of an app's list that let a person in today."""
    known = _as_listed(connection, account_id, [app], now)
    return [Listing(*row) for row in connection.execute(_BY_WHICH, known)]


def _as_listed(
    connection: Connection, account_id: str, names: Collection[str], now: datetime
) -> Mapping[str, Any]:
    texts = [name.text for name in names_of(connection, account_id)]
    patterns = {pattern for text in texts for pattern in _patterns_of(text)}
    who = {"account_id": account_id, "texts": texts, "patterns": sorted(patterns)}
    return {"names": list(names), "now": now, **who}


def _patterns_of(name: str) -> list[str]:
    """Return every pattern that *name* fits: of ``a.b.c`` these are ``*.b.c`` and ``*.c``."""
    labels = name.split(".")
    return [f"*.{'.'.join(labels[first:])}" for first in range(1, len(labels))]


def person_rules(connection: Connection, account_id: str) -> Sequence[PersonRule]:
    """Return what a person says of apps, by the apps' names."""
    rows = connection.execute(_OWN.order_by(_P.app), {"account_id": account_id})
    return [PersonRule(*row) for row in rows]


def set_person_rule(
    connection: Connection, account_id: str, app: str, say: Say, *, now: datetime
) -> None:
    """Let a person say *say* of an app, in the place of what they said before."""
    forget_person_rule(connection, account_id, app)
    connection.execute(
        insert(_P), {"account_id": account_id, "app": app, "say": say, "said_at": now}
    )


def forget_person_rule(connection: Connection, account_id: str, app: str) -> None:
    """Let a person say nothing of an app any more."""
    connection.execute(_FORGET_OWN, {"of": account_id, "about": app})


def join_rules(connection: Connection, keep: str, gone: str) -> None:
    """Give what one account says, and the lists that name it, to the account that takes it in.

    Where both say something of an app, the stricter word counts.
    """
    own = {rule.app: rule for rule in person_rules(connection, keep)}
    for rule in person_rules(connection, gone):
        before = own.get(rule.app)
        if before is None or _STRICTNESS[rule.say] > _STRICTNESS[before.say]:
            set_person_rule(connection, keep, rule.app, rule.say, now=rule.said_at)
    connection.execute(delete(_P).where(_P.account_id == gone))
    listed = select(_L.app).where(_L.kind == "account", _L.who == keep)
    connection.execute(delete(_L).where(_L.kind == "account", _L.who == gone, _L.app.in_(listed)))
    connection.execute(update(_L).where(_L.kind == "account", _L.who == gone).values(who=keep))


def find_rule(connection: Connection, name: str) -> AppRule | None:
    """Return the operator's rule of an app, also one that has run out."""
    row = connection.execute(
        select(_R.name, _R.say, _R.audience, _R.until, _R.note).where(_R.name == name)
    ).first()
    return None if row is None else AppRule(*row)


def set_rule(connection: Connection, rule: AppRule, *, now: datetime) -> None:
    """Keep an operator's rule, in the place of an earlier one; the list of people stays."""
    values = {
        "say": rule.say,
        "audience": rule.audience,
        "until": rule.until,
        "note": rule.note,
        "changed_at": now,
    }
    changed = connection.execute(update(_R).where(_R.name == rule.name).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(_R), {"name": rule.name, **values})


def put_rule(
    connection: Connection, rule: AppRule, *, version: datetime | None, now: datetime
) -> bool:
    """Keep a rule in the place of the one of *version*, None for an app without one; False if
    somebody was quicker. Every change has a version of its own, however coarse the clock."""
    values = {
        "say": rule.say,
        "audience": rule.audience,
        "until": rule.until,
        "note": rule.note,
        "changed_at": now if version is None else max(now, version + _TICK),
    }
    if version is None:
        there = connection.execute(select(_R.name).where(_R.name == rule.name)).first()
        if there is None:
            connection.execute(insert(_R), {"name": rule.name, **values})
        return there is None
    mine = update(_R).where(_R.name == rule.name, _R.changed_at == version)
    return connection.execute(mine.values(values)).rowcount == 1


def remove_rule(connection: Connection, name: str) -> bool:
    """Forget an operator's rule and its list; False if there was none."""
    return connection.execute(delete(_R).where(_R.name == name)).rowcount == 1


def rules(connection: Connection) -> Sequence[AppRule]:
    """Return all of the operator's rules, by name."""
    rows = connection.execute(
        select(_R.name, _R.say, _R.audience, _R.until, _R.note).order_by(_R.name)
    )
    return [AppRule(*row) for row in rows]


def unlist_person(connection: Connection, app: str, kind: WhoKind, who: str) -> bool:
    """Take somebody off the list; False if they were not on it."""
    taken = connection.execute(
        delete(_L).where(_L.app == app, _L.kind == kind, _L.who == who)
    ).rowcount
    return taken == 1


def count_listings(connection: Connection, app: str) -> int:
    """Return how many entries the list of an app has."""
    count = select(func.count()).select_from(_L).where(_L.app == app)
    return int(connection.execute(count).scalar_one())


def listings_of(connection: Connection, app: str) -> Sequence[Listing]:
    """Return who may use an app that is not for everyone."""
    rows = connection.execute(
        select(_L.kind, _L.who, _L.until, _L.note).where(_L.app == app).order_by(_L.kind, _L.who)
    )
    return [Listing(*row) for row in rows]
