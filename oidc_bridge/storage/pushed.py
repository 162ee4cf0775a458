"""Authorization requests that clients push to us before the browser comes (RFC 9126)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Connection, ForeignKey, Text, bindparam, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import PageError, ShownError
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime


class PushedRow(Base):
    """What a client pushed, under a hash of its ``request_uri``; gone when it was used.

    ``opens_until`` is when a browser must have come; ``expires_at`` when no request that it began
    by then can be open any more.
    """

    __tablename__ = "pushed_requests"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    opens_until: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


_ADD = insert(PushedRow)
_GET = select(PushedRow.digest, PushedRow.parameters).where(
    PushedRow.digest == bindparam("digest"),
    PushedRow.client_id == bindparam("client_id"),
    PushedRow.opens_until > bindparam("now", type_=UtcTime),
)
_TAKE = delete(PushedRow).where(PushedRow.digest == bindparam("digest")).returning(PushedRow.digest)


def keep_pushed(
    connection: Connection,
    request_uri: str,
    *,
    client_id: str,
    parameters: Mapping[str, str],
    opens_until: datetime,
    expires_at: datetime,
) -> None:
    """Keep *parameters* for the browser that will come with *request_uri*."""
    connection.execute(
        _ADD,
        {
            "digest": digest_of(request_uri),
            "client_id": client_id,
            "parameters": dict(parameters),
            "opens_until": opens_until,
            "expires_at": expires_at,
        },
    )


def get_pushed(
    connection: Connection, request_uri: str, *, client_id: str, now: datetime
) -> tuple[str, Mapping[str, str]]:
    """Return the name under which to take it, and what this client pushed as *request_uri*.

    Raises:
        ShownError: ``request_uri_unknown``, also if it is another client's, used, or too old.
    """
    row = connection.execute(
        _GET, {"digest": digest_of(request_uri), "client_id": client_id, "now": now}
    ).first()
    if row is None:
        raise ShownError("request_uri_unknown", f"client={client_id[:40]}")
    return row.digest, row.parameters


def take_pushed(connection: Connection, digest: str) -> None:
    """Use a pushed request up, in the transaction that makes its code.

    Until then it may be opened again: people reload (RFC 9126 section 7.3, FAPI 2.0 section
    5.3.2.2). One statement takes it, so however often it was opened it gives one code.

    Raises:
        PageError: ``request_unknown`` if it was used already.
    """
    if connection.execute(_TAKE, {"digest": digest}).first() is None:
        raise PageError("request_unknown", "its request_uri was used already", status=410)
