"""What apps' own sites showed when they were last looked at: developers and logos.

A client's logo is gone with its client; a site is kept by its origin, which several may share.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    LargeBinary,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.storage import Base, UtcTime
from oidc_bridge.storage.apps import ClientRow

# A site that is down for a weekend is still what it was. After this, what it said is forgotten.
_KEPT_FOR = timedelta(days=30)


class SiteRow(Base):
    """The developers that a site's web manifest names (``did_authors``), as addresses."""

    __tablename__ = "sites"

    origin: Mapped[str] = mapped_column(Text, primary_key=True)
    authors: Mapped[list[str]] = mapped_column(JSON)
    fault: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    tried_at: Mapped[datetime] = mapped_column(UtcTime)


class LogoRow(Base):
    """A client's logo as we drew it, by its hash; or why there is none to show."""

    __tablename__ = "logos"

    client_id: Mapped[str] = mapped_column(
        ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True
    )
    uri: Mapped[str] = mapped_column(Text)
    digest: Mapped[str | None] = mapped_column(Text, index=True)
    png: Mapped[bytes | None] = mapped_column(LargeBinary)
    fault: Mapped[str | None] = mapped_column(Text)
    tried_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class Site:
    """What a site said. ``fault`` is why it could not be asked, or understood, the last time."""

    authors: tuple[str, ...]
    fault: str | None
    answered_at: datetime | None
    tried_at: datetime

    def authors_at(self, now: datetime) -> tuple[str, ...]:
        """Return whom it names, if that is not too long ago."""
        is_recent = self.answered_at is not None and now < self.answered_at + _KEPT_FOR
        return self.authors if is_recent else ()


@dataclass(frozen=True, slots=True)
class Logo:
    """A client's logo without its picture: where it came from, and its hash if it can be shown."""

    uri: str
    digest: str | None
    fault: str | None
    tried_at: datetime


_S, _L = SiteRow, LogoRow
_SITES = select(_S.origin, _S.authors, _S.fault, _S.answered_at, _S.tried_at)
_LOGOS = select(_L.client_id, _L.uri, _L.digest, _L.fault, _L.tried_at)


def all_sites(connection: Connection) -> dict[str, Site]:
    """Return every site that was looked at, by its origin."""
    return {
        row.origin: Site(tuple(row.authors), row.fault, row.answered_at, row.tried_at)
        for row in connection.execute(_SITES)
    }


def all_logos(connection: Connection) -> dict[str, Logo]:
    """Return every client's logo by the client's id; not its picture."""
    return {
        row.client_id: Logo(row.uri, row.digest, row.fault, row.tried_at)
        for row in connection.execute(_LOGOS)
    }


def find_picture(connection: Connection, digest: str) -> bytes | None:
    """Return the PNG with this hash."""
    found: bytes | None = connection.execute(
        select(_L.png).where(_L.digest == digest).limit(1)
    ).scalar()
    return found


def keep_site(connection: Connection, origin: str, site: Site) -> None:
    """Keep what a site said in the place of what it said before."""
    connection.execute(delete(_S).where(_S.origin == origin))
    values: Mapping[str, object] = {
        "origin": origin,
        "authors": list(site.authors),
        "fault": site.fault,
        "answered_at": site.answered_at,
        "tried_at": site.tried_at,
    }
    connection.execute(insert(_S), values)


def forget_sites(connection: Connection, *, but: Collection[str]) -> int:
    """Forget the sites that are no client's any more; return how many."""
    gone = [origin for origin in all_sites(connection) if origin not in but]
    for origin in gone:
        connection.execute(delete(_S).where(_S.origin == origin))
    return len(gone)


def keep_logo(connection: Connection, client_id: str, logo: Logo, png: bytes | None) -> None:
    """Keep a client's logo in the place of the one before; nothing for a client that is gone."""
    remove_logo(connection, client_id)
    if connection.execute(select(ClientRow.id).where(ClientRow.id == client_id)).first() is None:
        return
    values: Mapping[str, object] = {
        "client_id": client_id,
        "uri": logo.uri,
        "digest": logo.digest,
        "png": png,
        "fault": logo.fault,
        "tried_at": logo.tried_at,
    }
    connection.execute(insert(_L), values)


def remove_logo(connection: Connection, client_id: str) -> None:
    """Forget a client's logo."""
    connection.execute(delete(_L).where(_L.client_id == client_id))


def note_silence(connection: Connection, client_id: str, seen: Logo) -> None:
    """Note that a logo could not be had again; the picture of before stays."""
    connection.execute(
        update(_L).where(_L.client_id == client_id).values(fault=seen.fault, tried_at=seen.tried_at)
    )
