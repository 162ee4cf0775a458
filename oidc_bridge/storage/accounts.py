"""Accounts, and the identities that open them."""

from datetime import datetime

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    Text,
    UniqueConstraint,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Identity
from oidc_bridge.storage import Base, UtcTime, new_id


class AccountRow(Base):
    """One person here. The id is random and never leaves the bridge."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    blocked_at: Mapped[datetime | None] = mapped_column(UtcTime)


class IdentityRow(Base):
    """A key that opens an account. A name is what it owns today; it never owns the account."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("method", "subject"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    method: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    app_key: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    name_checked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    display_name: Mapped[str | None] = mapped_column(Text)
    picture: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    unconfirmed: Mapped[list[str]] = mapped_column(JSON)
    first_proved_at: Mapped[datetime] = mapped_column(UtcTime)
    last_proved_at: Mapped[datetime] = mapped_column(UtcTime)


_ADD_ACCOUNT = insert(AccountRow)

_ADD_IDENTITY = insert(IdentityRow)

_HOLD = (
    select(AccountRow.id)
    .where(AccountRow.id == bindparam("account_id"))
    .with_for_update(key_share=True)
)
_KNOWN_IDENTITY = (
    select(IdentityRow.id, IdentityRow.account_id, IdentityRow.app_key, AccountRow.blocked_at)
    .join(AccountRow, AccountRow.id == IdentityRow.account_id)
    .where(IdentityRow.method == bindparam("method"), IdentityRow.subject == bindparam("subject"))
)

_REFRESH_IDENTITY = (
    update(IdentityRow)
    .where(IdentityRow.id == bindparam("identity_id"))
    .values(
        name=bindparam("name"),
        name_checked_at=bindparam("name_checked_at"),
        display_name=bindparam("display_name"),
        picture=bindparam("picture"),
        email=bindparam("email"),
        unconfirmed=bindparam("unconfirmed"),
        app_key=bindparam("pinned"),
        last_proved_at=bindparam("now"),
    )
)


def recognise(connection: Connection, identity: Identity) -> tuple[str, str]:
    """Return ids of account and identity row; make them at first sight, refresh them later."""
    known = connection.execute(
        _KNOWN_IDENTITY, {"method": identity.method, "subject": identity.subject}
    ).first()
    facts = {
        "name": identity.name.text if identity.name else None,
        "name_checked_at": identity.name.checked_at if identity.name else None,
        "display_name": identity.profile.display_name,
        "picture": identity.profile.picture,
        "email": identity.profile.email,
        "unconfirmed": list(identity.unconfirmed),
    }
    now = identity.proved_at
    if known is None:
        account_id, identity_id = new_id(), new_id()
        connection.execute(_ADD_ACCOUNT, {"id": account_id, "created_at": now})
        connection.execute(
            _ADD_IDENTITY,
            {
                "id": identity_id,
                "account_id": account_id,
                "method": identity.method,
                "subject": identity.subject,
                "app_key": identity.app_key,
                "first_proved_at": now,
                "last_proved_at": now,
                **facts,
            },
        )
        return account_id, identity_id
    if known.blocked_at is not None:
        raise ProofError("account_blocked", f"account={known.account_id}")
    # None: an operator has let its owner come with another wallet, once.
    if known.app_key is not None and known.app_key != identity.app_key:
        raise ProofError("app_key_changed", f"identity={known.id}")
    connection.execute(
        _REFRESH_IDENTITY,
        {"identity_id": known.id, "now": now, "pinned": identity.app_key, **facts},
    )
    return known.account_id, known.id


def hold_account(connection: Connection, account_id: str) -> None:
    """Let nobody else change what this account gave to whom, until this transaction ends.

    Else access could be removed after a code's consent was read and before the code is written.
    """
    if connection.dialect.name != "sqlite":  # where whoever writes holds everything
        connection.execute(_HOLD, {"account_id": account_id})
