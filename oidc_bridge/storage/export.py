"""All that is kept about one person, as plain values for a JSON file.

Column by column it is said what is told and what is kept back, and tests hold both lists against
the schema: a new table or column is in nobody's file by accident, and not left out by accident.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, Table, bindparam, select

from oidc_bridge.errors import PageError
from oidc_bridge.storage import Base
from oidc_bridge.storage.access_requests import AccessRequestRow
from oidc_bridge.storage.accounts import AccountRow, IdentityRow
from oidc_bridge.storage.admins import AdminRow, ManagedAppRow
from oidc_bridge.storage.app_passwords import AppPasswordRow
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.ledger import TOLD, Event, EventRow
from oidc_bridge.storage.names import NameRow, names_of
from oidc_bridge.storage.notes import PersonNoteRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.sessions import SessionRow
from oidc_bridge.storage.whitelist import ListingRow, PersonRuleRow


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one table that are about an account.

    Attributes:
        told: the columns that the file has, by their names; the first orders it.
        kept_back: the others: the account's number, hashes, what belongs to an app or to us.
    """

    name: str
    row: type[Base]
    which: ColumnElement[bool]
    told: tuple[str, ...]
    kept_back: frozenset[str] = field(default_factory=frozenset)

    @property
    def table(self) -> Table:
        """The table."""
        table = self.row.__table__
        if not isinstance(table, Table):
            raise TypeError(f"{self.name} is no table")
        return table

    @property
    def query(self) -> Select[*tuple[Any, ...]]:
        """The question, of ``account_id`` and of what else names the account."""
        columns = [self.table.c[name] for name in self.told]
        return select(*columns).where(self.which).order_by(columns[0])


_ACCOUNT: BindParameter[str] = bindparam("account_id")
_OWN = frozenset({"account_id"})
_MY_KEYS = select(IdentityRow.id).where(IdentityRow.account_id == _ACCOUNT)
_MY_ADDRESSES = select(IdentityRow.subject).where(IdentityRow.account_id == _ACCOUNT)
_MY_GRANTS = select(AuthorizationRow.id).where(AuthorizationRow.account_id == _ACCOUNT)
_MY_SUBJECTS = select(PersonaRow.sub).where(PersonaRow.account_id == _ACCOUNT)
_L = ListingRow

PARTS: Sequence[Part] = (
    Part(
        "account",
        AccountRow,
        AccountRow.id == _ACCOUNT,
        (
            *("created_at", "blocked_at", "name", "has_chosen_name", "must_choose_name"),
            *("display_name", "picture", "email"),
        ),
        frozenset({"id"}),
    ),
    Part(
        "identities",
        IdentityRow,
        IdentityRow.account_id == _ACCOUNT,
        (
            *("first_proved_at", "last_proved_at", "id", "method", "subject", "unconfirmed"),
            "names_asked_at",
        ),
        _OWN | {"app_key"},
    ),
    Part(
        "names",
        NameRow,
        NameRow.identity_id.in_(_MY_KEYS),
        ("text", "identity_id", "owner", "confirmed_at"),
    ),
    Part(
        "personas",
        PersonaRow,
        PersonaRow.account_id == _ACCOUNT,
        ("created_at", "id", "client_id", "app", "sub", "localpart"),
        _OWN,
    ),
    Part(
        "sessions",
        SessionRow,
        SessionRow.account_id == _ACCOUNT,
        (
            *("created_at", "id", "identity_id", "authenticated_at", "expires_at", "ended_at"),
            *("user_agent", "app"),
        ),
        _OWN | {"digest", "sign_out_id"},
    ),
    Part(
        "consents",
        ConsentRow,
        ConsentRow.account_id == _ACCOUNT,
        (
            *("given_at", "id", "client_id", "client_name", "app", "app_title", "localpart"),
            *("as_whom", "scopes", "claims", "granted", "text_version", "remembered_until"),
            *("removed_at", "developer", "receipt"),
        ),
        _OWN,
    ),
    Part(
        "authorizations",
        AuthorizationRow,
        AuthorizationRow.account_id == _ACCOUNT,
        (
            *("created_at", "id", "client_id", "app", "session_id", "persona_id", "sid", "scopes"),
            *("claims", "redirect_uri", "authenticated_at", "code_expires_at", "code_spent_at"),
            *("revoked_at", "signed_out_at"),
        ),
        _OWN | {"nonce", "code_challenge", "dpop_jkt", "code_digest"},
    ),
    Part(
        "app_passwords",
        AppPasswordRow,
        AppPasswordRow.authorization_id.in_(_MY_GRANTS),
        (
            *("label", "id", "authorization_id", "ends_at", "last_used_at", "last_used_from"),
            *("last_used_for", "matrix_persona_id"),
        ),
        frozenset({"digest"}),
    ),
    Part(
        "rules",
        PersonRuleRow,
        PersonRuleRow.account_id == _ACCOUNT,
        ("said_at", "app", "say"),
        _OWN,
    ),
    Part(
        "access_requests",
        AccessRequestRow,
        AccessRequestRow.account_id == _ACCOUNT,
        (
            *("asked_at", "id", "client_id", "app", "app_title", "person", "note"),
            *("decided_at", "outcome", "reason"),
        ),
        _OWN,
    ),
    Part("role", AdminRow, AdminRow.account_id == _ACCOUNT, ("since", "role"), _OWN),
    Part("looks_after", ManagedAppRow, ManagedAppRow.account_id == _ACCOUNT, ("app",), _OWN),
    Part(
        "notes",
        PersonNoteRow,
        PersonNoteRow.account_id == _ACCOUNT,
        ("changed_at", "text"),
        _OWN | {"by"},
    ),
    Part(
        "listed",
        ListingRow,
        ((_L.kind == "account") & (_L.who == _ACCOUNT))
        | ((_L.kind == "address") & _L.who.in_(_MY_ADDRESSES))
        | ((_L.kind == "name") & _L.who.in_(bindparam("names", expanding=True))),
        ("added_at", "app", "kind", "until"),
        frozenset({"id", "who", "note"}),
    ),
    Part(
        "sign_outs",
        LogoutDeliveryRow,
        LogoutDeliveryRow.sub.in_(_MY_SUBJECTS),
        ("created_at", "client_id", "sub", "sid", "tries", "done_at", "outcome"),
        frozenset({"id", "uri", "next_try_at"}),
    ),
    Part(
        "events",
        EventRow,
        EventRow.account_id == _ACCOUNT,
        ("at", "id", "kind", "client_id", "app", "detail"),
        _OWN,
    ),
)
LEFT_OUT: Mapping[str, str] = {
    "access_tokens": "hashes of secrets that apps hold; what they may is in the authorization",
    "refresh_tokens": "the same",
    "nonces": "hashes of one-time passwords; they last for five minutes",
}
"""Tables about a person that the file does not have, and why."""


def export_of(connection: Connection, account_id: str) -> dict[str, Any]:
    """Return all that is kept about an account; one question for each table.

    Raises:
        PageError: ``signed_out`` if there is no such account any more.
    """
    names = [known.text for known in names_of(connection, account_id)]
    document: dict[str, Any] = {}
    for part in PARTS:
        rows = connection.execute(part.query, {"account_id": account_id, **_more(part, names)})
        document[part.name] = [
            {name: _told(name, value) for name, value in row._mapping.items()} for row in rows
        ]
    if not document["account"]:
        raise PageError("signed_out", "deleted meanwhile", status=401)
    return {**document, "account": document["account"][0]}


def event_as_json(event: Event) -> dict[str, Any]:
    """Return an event as its person may have it."""
    return {
        "at": as_json(event.at),
        "kind": event.kind,
        "client_id": event.client_id,
        "detail": _told("detail", event.detail),
    }


def as_json(value: Any) -> Any:
    """Return a value of a column as JSON has it: times in ISO 8601, in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def _told(column: str, value: Any) -> Any:
    if column == "detail":
        return {name: text for name, text in value.items() if name in TOLD}
    return as_json(value)


def _more(part: Part, names: Sequence[str]) -> dict[str, Any]:
    return {"names": names} if part.row is ListingRow else {}
