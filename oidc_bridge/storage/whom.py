"""Whom somebody means who writes an address, a name or a Matrix ID, and how to tell them apart."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select, union

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.addresses import parse_address
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.names import NameRow
from oidc_bridge.storage.personas import PersonaRow

MOST = 20
"""So many people are told apart; of one person so much of each kind is shown."""

_A, _I, _N, _P, _C = AccountRow, IdentityRow, NameRow, PersonaRow, ClientRow


@dataclass(frozen=True, slots=True)
class Described:
    """Somebody, by all that others may know them by.

    Attributes:
        label: what they go by: their name, else an address.
        matrix_ids: whole where the homeserver's name is known, else the localpart.
    """

    account_id: str
    label: str
    created_at: datetime
    blocked_at: datetime | None
    addresses: Sequence[str]
    names: Sequence[str]
    matrix_ids: Sequence[str]


def accounts_of(connection: Connection, who: str) -> Sequence[str]:
    """Return the accounts that *who* may mean, at most one more than `MOST`.

    It is an address in any spelling, a whole name, a localpart, or a Matrix ID; one that names a
    server means nobody elsewhere.
    """
    known = union(_by_key(who), _by_name(who), _by_localpart(who)).subquery()
    query = select(known.c.account_id).order_by(known.c.account_id).limit(MOST + 1)
    return connection.execute(query).scalars().all()


def _by_key(who: str) -> Select[*tuple[Any, ...]]:
    spelt = {who.upper(), who.lower()}
    with suppress(ProofError):
        spelt.add(parse_address(who).c32)
    return select(_I.account_id.label("account_id")).where(_I.subject.in_(sorted(spelt)))


def _by_name(who: str) -> Select[*tuple[Any, ...]]:
    query = select(_I.account_id.label("account_id")).join(_N, _N.identity_id == _I.id)
    return query.where(_N.text == who.lower())


def _by_localpart(who: str) -> Select[*tuple[Any, ...]]:
    localpart, colon, server = who.removeprefix("@").lower().partition(":")
    # A Matrix ID whose person deleted their account is nobody's.
    query = select(_P.account_id.label("account_id")).where(
        _P.localpart == localpart, _P.account_id.is_not(None)
    )
    if not colon:
        return query
    here = _C.id == _P.client_id
    return query.join(_C, here).where(func.lower(_C.server_name) == server)


def describe(connection: Connection, account_ids: Sequence[str]) -> Sequence[Described]:
    """Return who these accounts are, in their order; four questions, however many they are."""
    accounts = connection.execute(
        select(_A.id, _A.name, _A.created_at, _A.blocked_at).where(_A.id.in_(account_ids))
    )
    keys = select(_I.account_id, _I.subject).where(_I.account_id.in_(account_ids))
    addresses = _texts(connection, keys.order_by(_I.subject))
    names = _texts(
        connection,
        select(_I.account_id, _N.text)
        .join(_N, _N.identity_id == _I.id)
        .where(_I.account_id.in_(account_ids))
        .order_by(_N.text),
    )
    matrix_id = func.coalesce("@" + _P.localpart + ":" + _C.server_name, _P.localpart)
    matrix_ids = _texts(
        connection,
        select(_P.account_id, matrix_id)
        .join(_C, _C.id == _P.client_id)
        .where(_P.account_id.in_(account_ids))
        .order_by(_P.app, matrix_id),
    )
    found = {}
    for row in accounts:
        own = addresses.get(row.id, [])
        found[row.id] = Described(
            account_id=row.id,
            label=row.name or (own[0] if own else ""),
            created_at=row.created_at,
            blocked_at=row.blocked_at,
            addresses=own,
            names=names.get(row.id, []),
            matrix_ids=matrix_ids.get(row.id, []),
        )
    return [found[account_id] for account_id in account_ids if account_id in found]


def _texts(connection: Connection, query: Select[*tuple[Any, ...]]) -> Mapping[str, Sequence[str]]:
    """Return what each account has, without repeats, the first of it."""
    found: dict[str, dict[str, None]] = {}
    for account_id, text in connection.execute(query):
        texts = found.setdefault(account_id, {})
        if len(texts) < MOST:
            texts[text] = None
    return {account_id: list(texts) for account_id, texts in found.items()}
