"""What those who look after the server note of somebody, for each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, ForeignKey, Text, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import PageError
from oidc_bridge.storage import Base, UtcTime
from oidc_bridge.storage.ledger import EventRow


class PersonNoteRow(Base):
    """A note about an account; it goes with the account."""

    __tablename__ = "person_notes"

    account_id: Mapped[str] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    text: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class PersonNote:
    """A note, and the account that wrote it last."""

    text: str
    by: str
    changed_at: datetime

    @property
    def version(self) -> str:
        """What a form that changes the note must name."""
        return self.changed_at.isoformat()


NOTE_CHANGED = "note changed"

_T, _E = PersonNoteRow, EventRow


def find_note(connection: Connection, account_id: str) -> PersonNote | None:
    """Return the note about somebody."""
    row = connection.execute(
        select(_T.text, _T.by, _T.changed_at).where(_T.account_id == account_id)
    ).first()
    return None if row is None else PersonNote(*row)


def set_note(
    connection: Connection, account_id: str, text: str, *, by: str, version: str, now: datetime
) -> PersonNote | None:
    """Put a note in the place of the one of *version* (``""``: there was none); return that one.

    Raises:
        PageError: ``changed_meanwhile`` if somebody else was quicker.
    """
    before = find_note(connection, account_id)
    if (before.version if before else "") != version:
        raise PageError("changed_meanwhile", f"note on {account_id}", status=409)
    connection.execute(delete(_T).where(_T.account_id == account_id))
    if text:
        connection.execute(
            insert(_T), {"account_id": account_id, "text": text, "by": by, "changed_at": now}
        )
    return before


def join_notes(connection: Connection, keep: str, gone: str) -> None:
    """Give the note on an account to the one that takes it in, below what is noted there."""
    own, other = find_note(connection, keep), find_note(connection, gone)
    if own is not None and other is not None:
        text = f"{own.text}\n{other.text}"
        connection.execute(update(_T).where(_T.account_id == keep).values(text=text))
        connection.execute(delete(_T).where(_T.account_id == gone))
    else:
        connection.execute(update(_T).where(_T.account_id == gone).values(account_id=keep))
    connection.execute(update(_T).where(_T.by == gone).values(by=keep))
    for event_id, detail in _events_about(connection, gone):
        about = update(_E).where(_E.id == event_id).values(detail={**detail, "person": keep})
        connection.execute(about)


def forget_notes(connection: Connection, account_id: str) -> None:
    """Forget what was noted of somebody, also in the ledger, and who they were to others' notes."""
    connection.execute(delete(_T).where(_T.account_id == account_id))
    connection.execute(update(_T).where(_T.by == account_id).values(by=""))
    for event_id, _ in _events_about(connection, account_id):
        connection.execute(delete(_E).where(_E.id == event_id))


def _events_about(
    connection: Connection, account_id: str
) -> Sequence[tuple[str, Mapping[str, str]]]:
    """Return the events of the notes on somebody: they are not of the account, so that the person
    does not read them among their own."""
    rows = connection.execute(select(_E.id, _E.detail).where(_E.kind == NOTE_CHANGED))
    return [(row.id, row.detail) for row in rows if row.detail.get("person") == account_id]
