"""The keys that open an account, as their owner sees them and takes them away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from oidc_bridge.errors import PageError
from oidc_bridge.storage.accounts import IdentityRow
from oidc_bridge.storage.names import settle_name
from oidc_bridge.storage.sessions import SessionRow


@dataclass(frozen=True, slots=True)
class KnownWallet:
    """A key that opens the account."""

    id: str
    method: str
    address: str
    unconfirmed: Sequence[str]
    first_proved_at: datetime
    last_proved_at: datetime


_I = IdentityRow
_OF_ACCOUNT = (
    select(*(_I.id, _I.method, _I.subject, _I.unconfirmed, _I.first_proved_at, _I.last_proved_at))
    .where(_I.account_id == bindparam("account_id"))
    .order_by(_I.first_proved_at, _I.id)
)
_OPENED = select(SessionRow.id).where(
    SessionRow.identity_id == bindparam("identity_id"), SessionRow.ended_at.is_(None)
)
_REOPEN = (
    update(SessionRow)
    .where(SessionRow.identity_id == bindparam("gone"))
    .values(identity_id=bindparam("stays"))
)
_FORGET = delete(_I).where(_I.id == bindparam("gone"))


def wallets_of(connection: Connection, account_id: str) -> Sequence[KnownWallet]:
    """Return the keys that open an account, oldest first."""
    return [
        KnownWallet(*row) for row in connection.execute(_OF_ACCOUNT, {"account_id": account_id})
    ]


def get_wallet(connection: Connection, account_id: str, identity_id: str) -> KnownWallet:
    """Return one of an account's keys.

    Raises:
        PageError: ``not_found``; another account's is as unknown as none.
    """
    for wallet in wallets_of(connection, account_id):
        if wallet.id == identity_id:
            return wallet
    raise PageError("not_found", "wallet", status=404)


def sessions_opened_by(connection: Connection, identity_id: str) -> Sequence[str]:
    """Return the live sessions that a key has opened."""
    return connection.execute(_OPENED, {"identity_id": identity_id}).scalars().all()


def remove_wallet(connection: Connection, account_id: str, identity_id: str) -> None:
    """Let a key open the account no more; its names go with it.

    Raises:
        PageError: ``last_wallet``, since nothing else would open the account; ``not_found``.
    """
    wallet = get_wallet(connection, account_id, identity_id)
    others = [known.id for known in wallets_of(connection, account_id) if known != wallet]
    if not others:
        raise PageError("last_wallet", f"account={account_id}", status=409)
    connection.execute(_REOPEN, {"gone": wallet.id, "stays": others[0]})
    connection.execute(_FORGET, {"gone": wallet.id})
    settle_name(connection, account_id)
