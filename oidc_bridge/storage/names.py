"""Names that people's keys own, each as a service last confirmed it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    ForeignKey,
    Index,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.naming import Naming, settle
from oidc_bridge.proofs.names import NameReport
from oidc_bridge.storage import Base, UtcTime
from oidc_bridge.storage.accounts import AccountRow, IdentityRow


class NameRow(Base):
    """A name and the identity that owns it. It has one owner: whoever was confirmed last."""

    __tablename__ = "names"
    __table_args__ = (
        Index("ix_names_text_begin", "text", postgresql_ops={"text": "text_pattern_ops"}),
    )

    text: Mapped[str] = mapped_column(Text, primary_key=True)
    identity_id: Mapped[str] = mapped_column(
        ForeignKey("identities.id", ondelete="CASCADE"), index=True
    )
    owner: Mapped[str] = mapped_column(Text)
    confirmed_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class OwnedName:
    """A name that a key of an account owns."""

    text: str
    identity_id: str
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What we know of the names of one key, and when all its services last answered."""

    texts: frozenset[str] = frozenset()
    asked_at: datetime | None = None


_OF_SUBJECT = (
    select(IdentityRow.names_asked_at, NameRow.text)
    .outerjoin(NameRow, NameRow.identity_id == IdentityRow.id)
    .where(IdentityRow.subject == bindparam("subject"), IdentityRow.method == bindparam("method"))
)
_OF_ACCOUNT = (
    select(NameRow.text, NameRow.identity_id, NameRow.confirmed_at)
    .join(IdentityRow, IdentityRow.id == NameRow.identity_id)
    .where(IdentityRow.account_id == bindparam("account_id"))
    .order_by(NameRow.text)
)
# One row for each name, and one without if there is none.
_NAMING = (
    select(
        *(AccountRow.name, AccountRow.has_chosen_name, AccountRow.must_choose_name),
        NameRow.text,
    )
    .outerjoin(IdentityRow, IdentityRow.account_id == AccountRow.id)
    .outerjoin(NameRow, NameRow.identity_id == IdentityRow.id)
    .where(AccountRow.id == bindparam("account_id"))
)
_TAKE = delete(NameRow).where(NameRow.text.in_(bindparam("texts", expanding=True)))
_LOSE = _TAKE.where(NameRow.identity_id == bindparam("identity_id"))
_GIVE = insert(NameRow)
_ASKED = (
    update(IdentityRow)
    .where(IdentityRow.id == bindparam("asked"))
    .values(names_asked_at=bindparam("now"))
)
# A name's new owner is believed by services today, so its former one goes by another.
_FORGET_ELSEWHERE = (
    update(AccountRow)
    .where(
        AccountRow.name.in_(bindparam("texts", expanding=True)),
        AccountRow.id != bindparam("but"),
    )
    .values(name=None, has_chosen_name=False)
)
_SETTLE = (
    update(AccountRow)
    .where(AccountRow.id == bindparam("account"))
    .values(
        name=bindparam("goes_by"),
        has_chosen_name=bindparam("chosen"),
        must_choose_name=bindparam("open"),
    )
)


def find_names(connection: Connection, method: str, subject: str) -> KnownNames:
    """Return what we know of the names of a key."""
    rows = connection.execute(_OF_SUBJECT, {"method": method, "subject": subject}).all()
    if not rows:
        return KnownNames()
    texts = frozenset(row.text for row in rows if row.text is not None)
    return KnownNames(texts, rows[0].names_asked_at)


def names_of(connection: Connection, account_id: str) -> Sequence[OwnedName]:
    """Return all names that keys of an account own."""
    rows = connection.execute(_OF_ACCOUNT, {"account_id": account_id})
    return [OwnedName(*row) for row in rows]


def keep_names(
    connection: Connection,
    account_id: str,
    identity_id: str,
    report: NameReport,
    *,
    now: datetime,
) -> None:
    """Keep what services said of an identity's names, and settle what its person goes by."""
    texts = [name.text for name in report.confirmed]
    if report.refuted:
        lost = {"texts": list(report.refuted), "identity_id": identity_id}
        connection.execute(_LOSE, lost)
    if texts:
        connection.execute(_TAKE, {"texts": texts})
        connection.execute(_FORGET_ELSEWHERE, {"texts": texts, "but": account_id})
        connection.execute(
            _GIVE,
            [
                {
                    "text": name.text,
                    "identity_id": identity_id,
                    "owner": name.owner,
                    "confirmed_at": name.checked_at,
                }
                for name in report.confirmed
            ],
        )
    if report.is_complete:
        connection.execute(_ASKED, {"asked": identity_id, "now": now})
    settle_name(connection, account_id)


def settle_name(connection: Connection, account_id: str) -> None:
    """Let what an account goes by follow from the names that it owns now."""
    before, owned = _look(connection, account_id)
    _write(connection, account_id, before, settle(before, owned))


def choose_name(connection: Connection, account_id: str, name: str | None) -> bool:
    """Let an account go by *name*, or by its address alone; False if it does not own the name."""
    before, owned = _look(connection, account_id)
    if name is not None and name not in owned:
        return False
    _write(connection, account_id, before, Naming(name, has_chosen=True))
    return True


def _look(connection: Connection, account_id: str) -> tuple[Naming, Collection[str]]:
    rows = connection.execute(_NAMING, {"account_id": account_id}).all()
    owned = {row.text for row in rows if row.text is not None}
    return Naming(*rows[0][:3]), owned


def _write(connection: Connection, account_id: str, before: Naming, after: Naming) -> None:
    if after != before:
        connection.execute(
            _SETTLE,
            {
                "account": account_id,
                "goes_by": after.name,
                "chosen": after.has_chosen,
                "open": after.must_choose,
            },
        )
