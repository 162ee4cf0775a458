"""What those who look after the server note of somebody, for each other."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, ForeignKey, Text, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import PageError
from oidc_bridge.storage import Base, UtcTime


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


_T = PersonNoteRow


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
    if other is None:
        return
    if own is None:
        connection.execute(update(_T).where(_T.account_id == gone).values(account_id=keep))
        return
    text = f"{own.text}\n{other.text}"
    connection.execute(update(_T).where(_T.account_id == keep).values(text=text))
