"""The people of this server for those who look after it: lists a page at a time, and one of them.

Each question is answered from an index and bounded, however many people there are; no question is
asked for each row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.addresses import parse_address
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.names import NameRow
from oidc_bridge.storage.personas import PersonaRow

PAGE = 50
# Of what one person has, at most so many are shown of each kind.
MOST = 50
# A person may fit by several names and IDs; so many rows are looked at for a page of people.
_LOOKED_AT = 4 * PAGE


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """A person in a list.

    Attributes:
        label: what they go by: their name, else an address.
        matched: the name, address or localpart by which a search found them.
    """

    account_id: str
    label: str
    created_at: datetime
    last_proved_at: datetime | None
    blocked_at: datetime | None
    matched: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: what follows comes after it. ``text`` is a time or what was matched."""

    text: str
    account_id: str


@dataclass(frozen=True, slots=True)
class People:
    """A page of people; ``after`` is None on the last."""

    people: Sequence[ListedPerson]
    after: Place | None


@dataclass(frozen=True, slots=True)
class OwnPersona:
    """As whom a client knows somebody; ``app`` is the only one that does, ``""`` for all."""

    client_id: str
    server_name: str | None
    app: str
    localpart: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody gave to an app."""

    client_id: str
    app: str
    app_title: str
    as_whom: str
    granted: Sequence[str]
    given_at: datetime


_Text = ColumnElement[Any] | InstrumentedAttribute[str]
# What fits, the text by which it does, and whose it is.
_Branch = tuple[Select[*tuple[Any, ...]], InstrumentedAttribute[str], InstrumentedAttribute[Any]]
_A, _I, _N, _P, _C = AccountRow, IdentityRow, NameRow, PersonaRow, ConsentRow


def list_people(
    connection: Connection, *, blocked_only: bool = False, after: Place | None = None
) -> People:
    """Return people, those who came last first."""
    query = select(_A.id, _A.created_at).order_by(_A.created_at.desc(), _A.id.desc())
    if blocked_only:
        query = query.where(_A.blocked_at.is_not(None))
    if after is not None and (at := _read_time(after.text)) is not None:
        query = query.where(_A.created_at <= at, or_(_A.created_at < at, _A.id < after.account_id))
    rows = connection.execute(query.limit(PAGE + 1)).all()
    shown = rows[:PAGE]
    last = shown[-1] if len(rows) > PAGE else None
    place = None if last is None else Place(last.created_at.isoformat(), last.id)
    return People(_describe(connection, [(row.id, "") for row in shown]), place)


def search_people(connection: Connection, begin: str, *, after: Place | None = None) -> People:
    """Return the people of whom a name, an address or a Matrix ID begins with *begin*.

    They come in the order of what fits; who fits in several ways is there once on a page.
    """
    found = connection.execute(_fitting(connection, begin, after)).all()
    fitting: dict[str, str] = {}
    last = None
    for row in found:
        if row.account_id not in fitting and len(fitting) == PAGE:
            return People(_describe(connection, list(fitting.items())), last)
        fitting.setdefault(row.account_id, row.text)
        last = Place(row.text, row.account_id)
    is_last = len(found) < _LOOKED_AT
    return People(_describe(connection, list(fitting.items())), None if is_last else last)


def personas_of(connection: Connection, account_id: str) -> Sequence[OwnPersona]:
    """Return as whom clients know somebody: the main ones first, and one more than `MOST`."""
    rows = connection.execute(
        select(_P.client_id, ClientRow.server_name, _P.app, _P.localpart)
        .join(ClientRow, ClientRow.id == _P.client_id)
        .where(_P.account_id == account_id)
        .order_by(_P.client_id, _P.app)
        .limit(MOST + 1)
    )
    return [OwnPersona(*row) for row in rows]


def grants_of(connection: Connection, account_id: str) -> Sequence[Grant]:
    """Return what somebody gave to apps, latest first, and one more than `MOST`."""
    rows = connection.execute(
        select(_C.client_id, _C.app, _C.app_title, _C.as_whom, _C.granted, _C.given_at)
        .where(_C.account_id == account_id, _C.removed_at.is_(None))
        .order_by(_C.given_at.desc())
        .limit(MOST + 1)
    )
    return [Grant(*row) for row in rows]


def labels_of(connection: Connection, account_ids: Sequence[str]) -> dict[str, str]:
    """Return what these accounts go by, each its name or else an address; one question."""
    address = select(func.min(_I.subject)).where(_I.account_id == _A.id).scalar_subquery()
    rows = connection.execute(
        select(_A.id, func.coalesce(_A.name, address, "")).where(_A.id.in_(account_ids))
    )
    return {row[0]: row[1] for row in rows}


def _fitting(connection: Connection, begin: str, after: Place | None) -> Select[*tuple[Any, ...]]:
    if begin.startswith("@"):
        localpart, colon, server = begin.removeprefix("@").lower().partition(":")
        # A Matrix ID whose person deleted their account is nobody's.
        query = select(_P.localpart.label("text"), _P.account_id).where(_P.account_id.is_not(None))
        if colon:
            query = query.join(ClientRow, ClientRow.id == _P.client_id).where(
                _P.localpart == localpart, _begins(connection, ClientRow.server_name, server)
            )
        else:
            query = query.where(_begins(connection, _P.localpart, localpart))
        return _page(connection, query, _P.localpart, _P.account_id, after)
    lower = begin.lower()
    fits: Sequence[_Branch] = (
        (
            select(_N.text, _I.account_id)
            .join(_I, _I.id == _N.identity_id)
            .where(_begins(connection, _N.text, lower)),
            _N.text,
            _I.account_id,
        ),
        (
            select(_I.subject.label("text"), _I.account_id).where(
                _begins(connection, _I.subject, _as_c32(begin))
            ),
            _I.subject,
            _I.account_id,
        ),
        (
            select(_P.localpart.label("text"), _P.account_id).where(
                _begins(connection, _P.localpart, lower), _P.account_id.is_not(None)
            ),
            _P.localpart,
            _P.account_id,
        ),
    )
    every = union_all(
        *(select(_page(connection, *branch, after).subquery()) for branch in fits)
    ).subquery()
    return (
        select(every.c.text, every.c.account_id)
        .order_by(_in_order(connection, every.c.text), every.c.account_id)
        .limit(_LOOKED_AT)
    )


def _page(
    connection: Connection,
    query: Select[*tuple[Any, ...]],
    text: InstrumentedAttribute[str],
    account_id: InstrumentedAttribute[Any],
    after: Place | None,
) -> Select[*tuple[Any, ...]]:
    if after is not None:
        # The first condition follows from the second; it lets the index be read from there on.
        query = query.where(
            _compare(connection, text, ">=", after.text),
            or_(_compare(connection, text, ">", after.text), account_id > after.account_id),
        )
    return query.order_by(_in_order(connection, text), account_id).limit(_LOOKED_AT)


def _begins(
    connection: Connection, column: InstrumentedAttribute[Any], begin: str
) -> ColumnElement[bool]:
    """Return the condition that an index answers: with SQLite that is not LIKE."""
    if connection.dialect.name == "sqlite":
        return and_(column >= begin, column < literal(begin + chr(0x10FFFF)))
    return column.startswith(begin, autoescape=True)


def _compare(
    connection: Connection, column: InstrumentedAttribute[str], operator: str, text: str
) -> ColumnElement[bool]:
    """Compare sign by sign, as `_in_order` sorts."""
    exact = operator if connection.dialect.name == "sqlite" else f"~{operator}~"
    return column.op(exact, is_comparison=True)(text)


def _in_order(connection: Connection, column: _Text) -> _Text:
    """Return the order of the index that `_begins` reads, so that it is read no further than a page
    goes; PostgreSQL's own order of text is that of a language (its manual, 11.10)."""
    if connection.dialect.name == "sqlite":
        return column
    return UnaryExpression(cast(ColumnElement[Any], column), modifier=custom_op("USING ~<~"))


def _as_c32(text: str) -> str:
    """Return an address as it is kept; the beginning of one stays a beginning."""
    try:
        return parse_address(text).c32
    except ProofError:
        return text.upper()


def _describe(connection: Connection, found: Sequence[tuple[str, str]]) -> Sequence[ListedPerson]:
    """Return these accounts in their order, in one question."""
    rows = connection.execute(
        select(
            _A.id,
            func.coalesce(_A.name, func.min(_I.subject), "").label("label"),
            _A.created_at,
            func.max(_I.last_proved_at).label("last_proved_at"),
            _A.blocked_at,
        )
        .outerjoin(_I, _I.account_id == _A.id)
        .where(_A.id.in_([account_id for account_id, _ in found]))
        .group_by(_A.id)
    )
    by_id = {row.id: row for row in rows}
    return [
        ListedPerson(*by_id[account_id], matched=matched)
        for account_id, matched in found
        if account_id in by_id
    ]


def _read_time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
