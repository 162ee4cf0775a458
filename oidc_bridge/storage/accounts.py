"""Accounts, and the identities that open them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    ForeignKey,
    Index,
    Row,
    Text,
    UniqueConstraint,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Identity, Profile
from oidc_bridge.sitting import MESSAGE, Known, Proven
from oidc_bridge.storage import Base, UtcTime, new_id


class AccountRow(Base):
    """One person here. The id is random and never leaves the bridge.

    ``name`` to ``must_choose_name`` are their `Naming`; ``display_name`` to ``email`` are what the
    last wallet of theirs that said anything said of them.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        Index("ix_accounts_created_at_id", "created_at", "id"),
        Index(
            "ix_accounts_blocked",
            "created_at",
            "id",
            sqlite_where=text("blocked_at IS NOT NULL"),
            postgresql_where=text("blocked_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    blocked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    name: Mapped[str | None] = mapped_column(Text, unique=True)
    has_chosen_name: Mapped[bool] = mapped_column(Boolean, default=False)
    must_choose_name: Mapped[bool] = mapped_column(Boolean, default=False)
    display_name: Mapped[str | None] = mapped_column(Text)
    picture: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)


class IdentityRow(Base):
    """A key that opens an account. What it owns today never owns the account."""

    __tablename__ = "identities"
    __table_args__ = (
        UniqueConstraint("subject", "method"),
        Index(
            "ix_identities_subject_begin",
            "subject",
            postgresql_ops={"subject": "text_pattern_ops"},
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    method: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    app_key: Mapped[str | None] = mapped_column(Text)
    unconfirmed: Mapped[list[str]] = mapped_column(JSON)
    names_asked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    first_proved_at: Mapped[datetime] = mapped_column(UtcTime)
    last_proved_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class Opened:
    """An account that was just opened, and by which identities, the latest last."""

    account_id: str
    identity_ids: Sequence[str]

    @property
    def identity_id(self) -> str:
        """The identity that opened it in the end."""
        return self.identity_ids[-1]


_I = IdentityRow

_ADD_ACCOUNT = insert(AccountRow)
_ADD_IDENTITY = insert(IdentityRow)

_HOLD = (
    select(AccountRow.id)
    .where(AccountRow.id == bindparam("account_id"))
    .with_for_update(key_share=True)
)

# All identities of the account that a key opens. One key is one person, whatever it signed: an
# identity key that also signs messages is found by either.
_OWNER = select(_I.account_id).where(_I.subject == bindparam("subject")).limit(1).scalar_subquery()
_KIN = (
    select(
        *(_I.id, _I.account_id, _I.method, _I.subject, _I.app_key),
        AccountRow.blocked_at,
    )
    .join(AccountRow, AccountRow.id == _I.account_id)
    .where(_I.account_id == _OWNER)
)

_REFRESH_IDENTITY = (
    update(IdentityRow)
    .where(IdentityRow.id == bindparam("identity_id"))
    .values(
        unconfirmed=bindparam("doubts"),
        app_key=bindparam("pinned"),
        last_proved_at=bindparam("now"),
    )
)

_DESCRIBE = (
    update(AccountRow)
    .where(AccountRow.id == bindparam("account_id"))
    .values(
        display_name=bindparam("said_name"),
        picture=bindparam("said_picture"),
        email=bindparam("said_email"),
    )
)


_STX = select(_I.subject).where(_I.account_id == bindparam("account_id"), _I.method == MESSAGE)


def stx_addresses_of(connection: Connection, account_id: str) -> frozenset[str]:
    """Return the addresses by which an account can sign messages."""
    return frozenset(connection.execute(_STX, {"account_id": account_id}).scalars())


def find_known(connection: Connection, identity: Identity) -> Known:
    """Return what we know of an identity that was just proved."""
    kin = connection.execute(_KIN, {"subject": identity.subject}).all()
    if not kin:
        return Known()
    own = next((row for row in kin if _key_of(row) == (identity.method, identity.subject)), None)
    return Known(
        account_id=kin[0].account_id,
        identity_id=own.id if own else None,
        app_key=own.app_key if own else None,
        stx_addresses=frozenset(row.subject for row in kin if row.method == MESSAGE),
        is_blocked=kin[0].blocked_at is not None,
    )


def open_account(
    connection: Connection,
    proofs: Sequence[Proven],
    *,
    doubts: Sequence[str] = (),
    account_id: str | None = None,
) -> Opened:
    """Return the account of a sitting's identities; make it at first sight, refresh it later.

    Those that nobody has yet are added to the account of the others. That the sitting is enough,
    `sitting.find_need` has said in this same transaction.

    Args:
        proofs: All that the sitting has proved, the latest last.
        doubts: Codes of names that could not be confirmed.
        account_id: The account to which they are being added, if not their own.

    Raises:
        ProofError: ``account_blocked``, ``accounts_differ`` if they open several accounts.
    """
    if any(proof.known.is_blocked for proof in proofs):
        raise ProofError("account_blocked", proofs[-1].identity.subject)
    claimed = (account_id, *(proof.known.account_id for proof in proofs))
    owners = {owner for owner in claimed if owner is not None}
    if len(owners) > 1:
        raise ProofError("accounts_differ", " ".join(sorted(owners)))
    now = proofs[-1].identity.proved_at
    said = _last_said(proofs)
    if owners:
        owner = owners.pop()
        hold_account(connection, owner)
        if said is not None:
            _describe(connection, owner, said)
    else:
        owner = _add_account(connection, said or Profile(), now=now)
    kept = [_keep(connection, proof, owner, doubts, now=now) for proof in proofs]
    return Opened(owner, kept)


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account that is opened by no key just now, and all that could open it."""

    opened: Opened
    is_blocked: bool


_ALL_KEYS = (
    select(_I.id, AccountRow.blocked_at)
    .join(AccountRow, AccountRow.id == _I.account_id)
    .where(_I.account_id == bindparam("account_id"))
    .order_by(_I.last_proved_at, _I.id)
)


def find_account(connection: Connection, account_id: str) -> KnownAccount | None:
    """Return an account by its id, held; None if it is gone."""
    hold_account(connection, account_id)
    rows = connection.execute(_ALL_KEYS, {"account_id": account_id}).all()
    if not rows:
        return None
    return KnownAccount(
        Opened(account_id, [row.id for row in rows]), rows[0].blocked_at is not None
    )


def hold_account(connection: Connection, account_id: str) -> None:
    """Let nobody else change what this account gave to whom, until this transaction ends.

    Else access could be removed after a code's consent was read and before the code is written.
    """
    if connection.dialect.name != "sqlite":  # where whoever writes holds everything
        connection.execute(_HOLD, {"account_id": account_id})


def _key_of(row: Row[*tuple[Any, ...]]) -> tuple[str, str]:
    return row.method, row.subject


def _last_said(proofs: Sequence[Proven]) -> Profile | None:
    """A wallet that says nothing of its person takes nothing away."""
    said = [proof.identity.profile for proof in proofs if proof.identity.profile != Profile()]
    return said[-1] if said else None


def _describe(connection: Connection, account_id: str, said: Profile) -> None:
    connection.execute(
        _DESCRIBE,
        {
            "account_id": account_id,
            "said_name": said.display_name,
            "said_picture": said.picture,
            "said_email": said.email,
        },
    )


def _add_account(connection: Connection, said: Profile, *, now: datetime) -> str:
    account_id = new_id()
    connection.execute(
        _ADD_ACCOUNT,
        {
            "id": account_id,
            "created_at": now,
            "display_name": said.display_name,
            "picture": said.picture,
            "email": said.email,
        },
    )
    return account_id


def _keep(
    connection: Connection,
    proof: Proven,
    account_id: str,
    doubts: Sequence[str],
    *,
    now: datetime,
) -> str:
    """Add or refresh one identity of *account_id*; return its row's id."""
    identity = proof.identity
    facts = {"app_key": identity.app_key, "unconfirmed": [*identity.unconfirmed, *doubts]}
    identity_id = proof.known.identity_id
    if identity_id is None:
        identity_id = new_id()
        key = {"id": identity_id, "method": identity.method, "subject": identity.subject}
        times = {"first_proved_at": now, "last_proved_at": now}
        connection.execute(_ADD_IDENTITY, {"account_id": account_id, **key, **times, **facts})
    else:
        connection.execute(
            _REFRESH_IDENTITY,
            {
                "identity_id": identity_id,
                "now": now,
                "pinned": facts["app_key"],
                "doubts": facts["unconfirmed"],
            },
        )
    return identity_id
