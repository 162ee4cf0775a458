"""Personas: as whom a client knows an account. Also the register of Matrix localparts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    bindparam,
    insert,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.storage import Base, UtcTime, new_id

MAIN = ""


class PersonaRow(Base):
    """One account at one client: its own random ``sub`` and its own localpart, for ever.

    ``app`` is empty for the main persona, else the key of the one app that sees this one.
    ``account_id`` is None when its person has gone: nobody else ever gets the localpart.
    """

    __tablename__ = "personas"
    __table_args__ = (
        UniqueConstraint("client_id", "localpart"),
        UniqueConstraint("account_id", "client_id", "app"),
        Index(
            "ix_personas_localpart_begin",
            "localpart",
            postgresql_ops={"localpart": "text_pattern_ops"},
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    app: Mapped[str] = mapped_column(Text)
    sub: Mapped[str] = mapped_column(Text, unique=True)
    localpart: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class Persona:
    """As whom a client knows an account; ``id`` is None while it is only what it would be."""

    id: str | None
    sub: str
    localpart: str

    @property
    def is_new(self) -> bool:
        """Whether it does not exist yet."""
        return self.id is None


@dataclass(frozen=True, slots=True)
class KnownPersona:
    """A persona and where it is known."""

    client_id: str
    localpart: str


_ADD = insert(PersonaRow)
_OF_ACCOUNT = (
    select(PersonaRow.client_id, PersonaRow.localpart)
    .where(PersonaRow.account_id == bindparam("account_id"))
    .order_by(PersonaRow.created_at, PersonaRow.localpart)
)
_TAKEN = select(PersonaRow.localpart).where(
    PersonaRow.client_id == bindparam("client_id"),
    PersonaRow.localpart.in_(bindparam("wanted", expanding=True)),
)
_AS = select(PersonaRow.id, PersonaRow.sub, PersonaRow.localpart).where(
    PersonaRow.account_id == bindparam("account_id"),
    PersonaRow.client_id == bindparam("client_id"),
    PersonaRow.app == bindparam("app"),
)


def persona_as(connection: Connection, account_id: str, client_id: str, app: str) -> Persona | None:
    """Return the main persona of an account at a client, or that of one *app*, if there is one."""
    row = connection.execute(
        _AS, {"account_id": account_id, "client_id": client_id, "app": app}
    ).first()
    return None if row is None else Persona(*row)


def personas_of(connection: Connection, account_id: str) -> Sequence[KnownPersona]:
    """Return as whom clients know an account, oldest first."""
    rows = connection.execute(_OF_ACCOUNT, {"account_id": account_id})
    return [KnownPersona(*row) for row in rows]


def free_localpart(connection: Connection, client_id: str, wanted: Sequence[str]) -> str:
    """Return the first of *wanted* that nobody has at this client.

    Raises:
        LookupError: all are taken; `matrix.localpart.candidates` ends in one that cannot be.
    """
    taken = set(connection.execute(_TAKEN, {"client_id": client_id, "wanted": wanted}).scalars())
    for localpart in wanted:
        if localpart not in taken:
            return localpart
    raise LookupError(f"every localpart in {wanted} is taken at {client_id}")


def get_main(
    connection: Connection, account_id: str, client_id: str, wanted: Sequence[str], *, now: datetime
) -> Persona:
    """Return the main persona of an account at a client, registered if it is new.

    Args:
        wanted: localparts that it may get, the best first; the last one cannot be taken.
    """
    known = persona_as(connection, account_id, client_id, MAIN)
    if known is not None:
        return known
    free = free_localpart(connection, client_id, wanted)
    return add_persona(connection, account_id, client_id, localpart=free, now=now)


def add_persona(
    connection: Connection,
    account_id: str,
    client_id: str,
    *,
    localpart: str,
    now: datetime,
    app: str = MAIN,
) -> Persona:
    """Register the main persona or that of one *app*; IntegrityError if the localpart was taken
    meanwhile."""
    persona_id, sub = new_id(), new_id()
    connection.execute(
        _ADD,
        {
            "id": persona_id,
            "account_id": account_id,
            "client_id": client_id,
            "app": app,
            "sub": sub,
            "localpart": localpart,
            "created_at": now,
        },
    )
    return Persona(persona_id, sub, localpart)
