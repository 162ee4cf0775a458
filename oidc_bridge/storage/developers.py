"""What developers' profiles showed when they were last looked at: display names and pictures.

Kept with the client that they signed for, and gone with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, ForeignKey, LargeBinary, Text, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.oidc.client import SoftwareStatement
from oidc_bridge.storage import Base, UtcTime
from oidc_bridge.storage.apps import ClientRow

# As long as what a site says outlives its silence.
_KEPT_FOR = timedelta(days=30)


class DeveloperRow(Base):
    """The profile of the name that a client's developer signed by, its picture as we drew it."""

    __tablename__ = "developers"

    client_id: Mapped[str] = mapped_column(
        ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    display_name: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    digest: Mapped[str | None] = mapped_column(Text, index=True)
    png: Mapped[bytes | None] = mapped_column(LargeBinary)
    fault: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    tried_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class SeenProfile:
    """A developer's profile without its picture.

    Attributes:
        name, address: By which and by whose key the statement was signed that it belongs to.
        display_name, url: ``""`` if there is none.
        digest: Names the picture as we drew it.
        fault: Why profile or picture could not be had the last time.
        answered_at: When the profile was last had.
    """

    name: str
    address: str
    display_name: str
    url: str
    digest: str | None
    fault: str | None
    answered_at: datetime | None
    tried_at: datetime

    def belongs_to(self, statement: SoftwareStatement) -> bool:
        """Return whether it is of the developer who signed this statement, not one before it."""
        return (self.name, self.address) == (statement.developer, statement.address)

    def is_shown_at(self, now: datetime) -> bool:
        """Return whether it was had, and not too long ago."""
        return self.answered_at is not None and now < self.answered_at + _KEPT_FOR


_D = DeveloperRow
_SEEN = (_D.name, _D.address, _D.display_name, _D.url, _D.digest, _D.fault)
_PROFILES = select(_D.client_id, *_SEEN, _D.answered_at, _D.tried_at)


def all_profiles(connection: Connection) -> dict[str, SeenProfile]:
    """Return every client's developer's profile by the client's id; not its picture."""
    return {row[0]: SeenProfile(*row[1:]) for row in connection.execute(_PROFILES)}


def find_portrait(connection: Connection, digest: str) -> bytes | None:
    """Return the PNG with this hash."""
    found: bytes | None = connection.execute(
        select(_D.png).where(_D.digest == digest).limit(1)
    ).scalar()
    return found


def portrait_of(connection: Connection, client_id: str) -> bytes | None:
    """Return the PNG that is kept for a client."""
    found: bytes | None = connection.execute(
        select(_D.png).where(_D.client_id == client_id)
    ).scalar()
    return found


def keep_profile(
    connection: Connection, client_id: str, seen: SeenProfile, png: bytes | None
) -> None:
    """Keep a profile in the place of the one before; nothing for a client that is gone."""
    remove_profile(connection, client_id)
    if connection.execute(select(ClientRow.id).where(ClientRow.id == client_id)).first() is None:
        return
    values: Mapping[str, object] = {
        "client_id": client_id,
        "name": seen.name,
        "address": seen.address,
        "display_name": seen.display_name,
        "url": seen.url,
        "digest": seen.digest,
        "png": png,
        "fault": seen.fault,
        "answered_at": seen.answered_at,
        "tried_at": seen.tried_at,
    }
    connection.execute(insert(_D), values)


def remove_profile(connection: Connection, client_id: str) -> None:
    """Forget the profile of a client's developer."""
    connection.execute(delete(_D).where(_D.client_id == client_id))
