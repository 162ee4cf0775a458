"""Admins: who has which role, and the one-time tokens by which somebody becomes an owner."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, ForeignKey, Text, bindparam, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import BridgeError
from oidc_bridge.roles import ROLES, Admin, Role
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.directory import labels_of
from oidc_bridge.storage.ledger import SOMEBODY_GONE, was_done_by


class AdminRow(Base):
    """An account's role."""

    __tablename__ = "admins"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    role: Mapped[Role] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(UtcTime)


class ManagedAppRow(Base):
    """An app that an app manager looks after."""

    __tablename__ = "managed_apps"

    account_id: Mapped[str] = mapped_column(
        ForeignKey("admins.account_id", ondelete="CASCADE"), primary_key=True
    )
    app: Mapped[str] = mapped_column(Text, primary_key=True)


class AdminTokenRow(Base):
    """A token, as a hash, by which whoever is signed in becomes an owner, once."""

    __tablename__ = "admin_tokens"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class KnownAdmin:
    """An admin in a list: what they go by, and since when."""

    admin: Admin
    name: str
    since: datetime


_A, _M = AdminRow, ManagedAppRow
_ROLE = (
    select(_A.role, _M.app)
    .join(AccountRow, AccountRow.id == _A.account_id)
    .outerjoin(_M, _M.account_id == _A.account_id)
    .where(_A.account_id == bindparam("account_id"), AccountRow.blocked_at.is_(None))
)
# Held until the end: two owners who take each other's role at once would leave none.
_OWNERS = (
    select(_A.account_id)
    .join(AccountRow, AccountRow.id == _A.account_id)
    .where(_A.role == "owner", AccountRow.blocked_at.is_(None))
    .order_by(_A.account_id)
    .with_for_update(of=_A)
)
_TAKE_TOKEN = (
    delete(AdminTokenRow)
    .where(
        AdminTokenRow.digest == bindparam("token"),
        AdminTokenRow.expires_at > bindparam("now", type_=UtcTime),
    )
    .returning(AdminTokenRow.digest)
)


def find_admin(connection: Connection, account_id: str) -> Admin | None:
    """Return the role of an account; a blocked one has none."""
    rows = connection.execute(_ROLE, {"account_id": account_id}).all()
    if not rows:
        return None
    return Admin(account_id, rows[0].role, frozenset(row.app for row in rows if row.app))


def roles_of(connection: Connection, account_ids: Sequence[str]) -> Mapping[str, Admin]:
    """Return the role of each of these accounts that has one, also of those that are blocked."""
    rows = connection.execute(
        select(_A.account_id, _A.role, _M.app)
        .outerjoin(_M, _M.account_id == _A.account_id)
        .where(_A.account_id.in_(account_ids))
    )
    found: dict[str, Admin] = {}
    for account_id, role, app in rows:
        before = found.get(account_id, Admin(account_id, role))
        found[account_id] = replace(before, apps=before.apps | {app} - {None})
    return found


def hold_roles(connection: Connection) -> None:
    """Let nobody else give or take a role until the transaction ends."""
    connection.execute(_OWNERS)


def admins(connection: Connection) -> Sequence[KnownAdmin]:
    """Return everybody who has a role, by its date."""
    apps: dict[str, set[str]] = {}
    for account_id, app in connection.execute(select(_M.account_id, _M.app)):
        apps.setdefault(account_id, set()).add(app)
    rows = connection.execute(
        select(_A.account_id, _A.role, _A.since).order_by(_A.since, _A.account_id)
    ).all()
    labels = labels_of(connection, [row.account_id for row in rows])
    return [
        KnownAdmin(
            Admin(row.account_id, row.role, frozenset(apps.get(row.account_id, ()))),
            labels[row.account_id],
            row.since,
        )
        for row in rows
    ]


def set_role(
    connection: Connection,
    account_id: str,
    role: Role,
    *,
    apps: Collection[str] = (),
    now: datetime,
) -> None:
    """Give an account a role in the place of the one that it has.

    Raises:
        BridgeError: ``last_owner`` if nobody would be left to give roles.
    """
    if role != "owner":
        check_owner_left(connection, account_id)
    _put(connection, account_id, role, apps, now=now)


def remove_admin(connection: Connection, account_id: str) -> bool:
    """Take an account's role away; False if it has none.

    Raises:
        BridgeError: ``last_owner``.
    """
    check_owner_left(connection, account_id)
    return connection.execute(delete(_A).where(_A.account_id == account_id)).rowcount == 1


def join_roles(connection: Connection, keep: str, gone: str, *, now: datetime) -> None:
    """Give the role of an account to the one that takes it in, if that one may do less."""
    before, other = find_admin(connection, keep), find_admin(connection, gone)
    if other is not None:
        role = other.role if before is None else min(before.role, other.role, key=ROLES.index)
        apps = other.apps if before is None else before.apps | other.apps
        _put(connection, keep, role, apps, now=now)
    connection.execute(delete(_A).where(_A.account_id == gone))
    was_done_by(connection, gone, keep)


def leave(connection: Connection, account_id: str) -> None:
    """Forget the role of an account that is about to go, and that it was who did what it did.

    Raises:
        BridgeError: ``last_owner``.
    """
    remove_admin(connection, account_id)
    was_done_by(connection, account_id, SOMEBODY_GONE)


def _put(
    connection: Connection, account_id: str, role: Role, apps: Collection[str], *, now: datetime
) -> None:
    # Also where `find_admin` sees none: somebody who is blocked has a row.
    connection.execute(delete(_A).where(_A.account_id == account_id))
    connection.execute(insert(_A), {"account_id": account_id, "role": role, "since": now})
    if role == "app manager" and apps:
        connection.execute(
            insert(_M), [{"account_id": account_id, "app": app} for app in sorted(set(apps))]
        )


def check_owner_left(connection: Connection, without: str) -> None:
    """Return if somebody can give roles also without this account.

    Raises:
        BridgeError: ``last_owner``.
    """
    if connection.execute(_OWNERS).scalars().all() == [without]:
        raise BridgeError("last_owner", "make somebody else an owner first")


def add_admin_token(connection: Connection, token: str, *, expires_at: datetime) -> None:
    """Keep a token's hash."""
    connection.execute(
        insert(AdminTokenRow), {"digest": digest_of(token), "expires_at": expires_at}
    )


def take_admin_token(connection: Connection, token: str, *, now: datetime) -> bool:
    """Use a token up; False if it is unknown, used, or over. One statement takes it."""
    taken = connection.execute(_TAKE_TOKEN, {"token": digest_of(token), "now": now}).first()
    return taken is not None
