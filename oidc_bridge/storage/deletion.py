"""An account goes, with all that is kept about its person, in one transaction.

What stays is what protects others: each Matrix localpart, so that nobody ever gets a Matrix ID
that was somebody's, and the logout tokens that are still on their way (`docs/decisions/0018`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    Connection,
    Row,
    Text,
    bindparam,
    cast,
    delete,
    or_,
    select,
    update,
)

from oidc_bridge.errors import BridgeError
from oidc_bridge.storage import new_id
from oidc_bridge.storage.access_requests import AccessRequestRow
from oidc_bridge.storage.accounts import AccountRow, IdentityRow, hold_account
from oidc_bridge.storage.admins import leave
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.challenges import ChallengeRow
from oidc_bridge.storage.chat_questions import ChatQuestionRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.handovers import HandoverRow
from oidc_bridge.storage.ledger import EventRow, record
from oidc_bridge.storage.names import names_of
from oidc_bridge.storage.nonces import NonceRow
from oidc_bridge.storage.notes import forget_notes
from oidc_bridge.storage.outbox import LogoutDeliveryRow, tell_of_account
from oidc_bridge.storage.personas import MAIN, PersonaRow
from oidc_bridge.storage.pushed import PushedRow
from oidc_bridge.storage.requests import RequestRow
from oidc_bridge.storage.sessions import SessionRow
from oidc_bridge.storage.whitelist import ListingRow, PersonRuleRow
from oidc_bridge.storage.widget import WidgetSessionRow

# In the order in which nothing points at what is gone; tokens go with their authorization, names
# with their key. Events come last: whoever wrote one held a row of the others.
OWNED: tuple[Any, ...] = (
    AuthorizationRow,
    ConsentRow,
    SessionRow,
    IdentityRow,
    PersonRuleRow,
    AccessRequestRow,
    NonceRow,
    EventRow,
)
_P, _D, _L = PersonaRow, LogoutDeliveryRow, ListingRow
_LEAVE = (
    update(_P)
    .where(_P.id == bindparam("persona"))
    # An app that asks for the old subject asks for nobody from now on.
    .values(account_id=None, app=MAIN, sub=bindparam("nobody"))
)

# Most open requests tell nothing of anybody; those that may are few, and are looked at here: the
# subjects of a person with a thousand apps would be too much for one condition.
_R = RequestRow
_TELLING = select(_R.id, _R.persona_id, _R.login_hint, _R.proved, _R.subjects).where(
    or_(
        _R.persona_id.is_not(None),
        _R.login_hint.is_not(None),
        cast(_R.proved, Text) != "[]",
        cast(_R.subjects, Text) != "[]",
    )
)
# An operator's lists name people, and so do the events about them, which are of no account.
_LISTINGS = select(EventRow.id, EventRow.detail).where(
    EventRow.kind.in_(("person admitted", "person dismissed"))
)


@dataclass(frozen=True, slots=True)
class _Traces:
    """By what an account is known in rows that do not hold its number."""

    addresses: frozenset[str]
    names: frozenset[str]
    localparts: frozenset[str]
    subjects: frozenset[str]
    personas: frozenset[str]

    def are_in_request(self, row: Row[*tuple[Any, ...]]) -> bool:
        """Whether an open request is about the person."""
        return (
            row.persona_id in self.personas
            or self.are_meant(row.login_hint)
            or self.are_in_proofs(row.proved)
            or not self.subjects.isdisjoint(row.subjects)
        )

    def are_in_proofs(self, proofs: Sequence[Mapping[str, Any]]) -> bool:
        """Whether what a sitting has proved names one of their keys."""
        named = {proof.get(name) for proof in proofs for name in ("subject", "stx_address")}
        return not self.addresses.isdisjoint(named)

    def are_meant(self, login_hint: str | None) -> bool:
        """Whether a client's hint (an address, a name, a localpart or a Matrix ID) names them."""
        known = (login_hint or "").lower()
        localpart = known.removeprefix("@").partition(":")[0]
        return (
            not self.addresses.isdisjoint((known.upper(), known))
            or known in self.names
            or localpart in self.localparts
        )


def delete_account(
    connection: Connection, account_id: str, *, now: datetime, by: Literal["person", "operator"]
) -> None:
    """Delete an account and tell the apps; whoever opens it again is somebody new.

    Raises:
        BridgeError: ``person_blocked``: the block would go with the account. ``last_owner``.
    """
    hold_account(connection, account_id)
    blocked_at = connection.execute(
        select(AccountRow.blocked_at).where(AccountRow.id == account_id)
    ).scalar_one()
    if blocked_at is not None:
        raise BridgeError("person_blocked", "a new account would not be: unblock them first")
    traces = _find_traces(connection, account_id)
    tell_of_account(connection, account_id, now=now)
    connection.execute(delete(_D).where(_D.sub.in_(traces.subjects), _D.done_at.is_not(None)))
    _close_what_is_open(connection, traces)
    _take_off_lists(connection, account_id, traces)
    _forget_listings(connection, account_id, traces)
    forget_notes(connection, account_id)
    leave(connection, account_id)
    if traces.personas:
        connection.execute(
            _LEAVE, [{"persona": persona, "nobody": new_id()} for persona in traces.personas]
        )
    for row in OWNED:
        connection.execute(delete(row).where(row.account_id == account_id))
    connection.execute(delete(AccountRow).where(AccountRow.id == account_id))
    record(connection, "account deleted", now=now, by=by)


def _find_traces(connection: Connection, account_id: str) -> _Traces:
    addresses = connection.execute(
        select(IdentityRow.subject).where(IdentityRow.account_id == account_id)
    ).scalars()
    personas = connection.execute(
        select(_P.id, _P.sub, _P.localpart).where(_P.account_id == account_id)
    ).all()
    return _Traces(
        addresses=frozenset(addresses),
        names=frozenset(name.text for name in names_of(connection, account_id)),
        localparts=frozenset(row.localpart for row in personas),
        subjects=frozenset(row.sub for row in personas),
        personas=frozenset(row.id for row in personas),
    )


def _close_what_is_open(connection: Connection, traces: _Traces) -> None:
    """End every sign-in, in whatever browser, that holds a proof or the name of the person.

    They would be tidied away within the hour; but a proof that is left could make a new account.
    """
    closed = [row.id for row in connection.execute(_TELLING) if traces.are_in_request(row)]
    _forget(connection, RequestRow.id, closed)
    hanging = (ChallengeRow.request_id, HandoverRow.request_id, ChatQuestionRow.request_id)
    for request_id in hanging:
        _forget(connection, request_id, closed)
    connection.execute(delete(ChallengeRow).where(ChallengeRow.address.in_(traces.addresses)))
    for left in (HandoverRow, ChatQuestionRow):
        proved = connection.execute(select(left.id, left.proved).where(left.proved.is_not(None)))
        theirs = [row.id for row in proved if traces.are_in_proofs([row.proved])]
        _forget(connection, left.id, theirs)
    pushed = connection.execute(select(PushedRow.digest, PushedRow.parameters))
    hinted = [row.digest for row in pushed if traces.are_meant(row.parameters.get("login_hint"))]
    _forget(connection, PushedRow.digest, hinted)
    # Of their namesake at another homeserver too, who opens the widget anew.
    _forget(connection, WidgetSessionRow.localpart, list(traces.localparts))


def _forget(connection: Connection, column: Any, values: Sequence[str]) -> None:
    if values:
        connection.execute(
            delete(column.class_).where(column == bindparam("value")),
            [{"value": value} for value in values],
        )


def _take_off_lists(connection: Connection, account_id: str, traces: _Traces) -> None:
    connection.execute(
        delete(_L).where(
            or_(
                (_L.kind == "account") & (_L.who == account_id),
                (_L.kind == "address") & _L.who.in_(traces.addresses),
                (_L.kind == "name") & _L.who.in_(traces.names),
            )
        )
    )


def _forget_listings(connection: Connection, account_id: str, traces: _Traces) -> None:
    """Delete the events of an operator's lists that name the person, with what was noted there."""
    named = {f"account:{account_id}"}
    named |= {f"address:{address}" for address in traces.addresses}
    named |= {f"name:{name}" for name in traces.names}
    events = connection.execute(_LISTINGS)
    _forget(connection, EventRow.id, [row.id for row in events if row.detail.get("who") in named])
