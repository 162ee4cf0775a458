"""Two accounts become one, when one person has proved both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.orm import aliased

from oidc_bridge.errors import PageError
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.storage.access_requests import AccessRequestRow, drop_open_requests
from oidc_bridge.storage.accounts import AccountRow, IdentityRow, hold_account
from oidc_bridge.storage.admins import join_roles
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.names import settle_name
from oidc_bridge.storage.nonces import NonceRow
from oidc_bridge.storage.notes import join_notes
from oidc_bridge.storage.outbox import tell_of_app_passwords
from oidc_bridge.storage.personas import MAIN, PersonaRow
from oidc_bridge.storage.sessions import SessionRow
from oidc_bridge.storage.whitelist import join_rules


@dataclass(frozen=True, slots=True)
class Clash:
    """A client that knows both accounts; neither of its two subjects can become the other."""

    client_id: str
    first: str
    second: str


_FIRST, _SECOND = aliased(PersonaRow), aliased(PersonaRow)
_CLASHES = (
    select(_FIRST.client_id, _FIRST.localpart, _SECOND.localpart)
    .join(_SECOND, (_SECOND.client_id == _FIRST.client_id) & (_SECOND.app == _FIRST.app))
    .where(
        _FIRST.account_id == bindparam("first"),
        _SECOND.account_id == bindparam("second"),
        # Programs with app passwords are no people's server: see `_end_app_passwords`.
        _FIRST.client_id != APP_PASSWORD.id,
    )
    .order_by(_FIRST.client_id)
)
_OF_APP_PASSWORDS = (PersonaRow.client_id == APP_PASSWORD.id, PersonaRow.app == MAIN)
_OWNERS = select(PersonaRow.account_id).where(
    PersonaRow.account_id.in_(bindparam("ids", expanding=True)), *_OF_APP_PASSWORDS
)
_SET_ASIDE = (
    update(PersonaRow)
    .where(PersonaRow.account_id == bindparam("gone"), *_OF_APP_PASSWORDS)
    .values(app=bindparam("name"))
)
_END_APP_PASSWORDS = (
    update(AuthorizationRow)
    .where(
        AuthorizationRow.account_id == bindparam("gone"),
        AuthorizationRow.client_id == APP_PASSWORD.id,
        AuthorizationRow.revoked_at.is_(None),
    )
    .values(revoked_at=bindparam("now"))
)
_AGES = (
    select(AccountRow.id, func.count(PersonaRow.id))
    .outerjoin(PersonaRow, PersonaRow.account_id == AccountRow.id)
    .where(AccountRow.id.in_(bindparam("ids", expanding=True)))
    .group_by(AccountRow.id, AccountRow.created_at)
    .order_by(AccountRow.created_at)
)
_MOVED = (
    IdentityRow,
    PersonaRow,
    ConsentRow,
    SessionRow,
    AuthorizationRow,
    AccessRequestRow,
    NonceRow,
    EventRow,
)


def find_clashes(connection: Connection, first: str, second: str) -> Sequence[Clash]:
    """Return the clients at which two accounts cannot become one."""
    return [Clash(*row) for row in connection.execute(_CLASHES, {"first": first, "second": second})]


def which_stays(connection: Connection, account_ids: Sequence[str]) -> str:
    """Return the account that takes the others in: the older of those that some client knows."""
    ages = connection.execute(_AGES, {"ids": list(account_ids)}).all()
    known = [account_id for account_id, personas in ages if personas]
    return str((known or [ages[0][0]])[0])


def join_accounts(connection: Connection, keep: str, gone: str, *, now: datetime) -> None:
    """Give everything of the account *gone* to *keep*; nothing that a client knows changes.

    Raises:
        PageError: ``accounts_clash`` if a client knows both.
    """
    for account_id in sorted((keep, gone)):  # in one order, so that two such steps cannot lock
        hold_account(connection, account_id)
    if find_clashes(connection, keep, gone):
        raise PageError("accounts_clash", f"accounts={keep} {gone}", status=409)
    _end_app_passwords(connection, keep, gone, now=now)
    join_rules(connection, keep, gone)
    join_notes(connection, keep, gone)
    join_roles(connection, keep, gone, now=now)
    drop_open_requests(connection, gone, where_also=keep)
    for row in _MOVED:
        connection.execute(update(row).where(row.account_id == gone).values(account_id=keep))
    connection.execute(delete(AccountRow).where(AccountRow.id == gone))
    settle_name(connection, keep)


def both_have_app_passwords(connection: Connection, first: str, second: str) -> bool:
    """Return whether joining these accounts would end the app passwords of one of them."""
    owners = connection.execute(_OWNERS, {"ids": [first, second]}).scalars()
    return len(set(owners)) == 2


def _end_app_passwords(connection: Connection, keep: str, gone: str, *, now: datetime) -> None:
    """End those of *gone* if *keep* has some too: one person is one ``sub`` for such programs.

    The persona stays under a name that nothing looks for: a ``sub`` is never given twice.
    """
    if not both_have_app_passwords(connection, keep, gone):
        return
    tell_of_app_passwords(connection, gone, now=now)
    connection.execute(_END_APP_PASSWORDS, {"gone": gone, "now": now})
    connection.execute(_SET_ASIDE, {"gone": gone, "name": f"joined:{gone}"})
