"""Access and refresh tokens, as hashes. What they open hangs on their authorization."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    Text,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime
from oidc_bridge.storage.authorizations import (
    FACTS,
    Authorization,
    AuthorizationRow,
    live,
    revoke,
    to_authorization,
)

_A = AuthorizationRow


class AccessTokenRow(Base):
    """An opaque access token, as a hash."""

    __tablename__ = "access_tokens"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    authorization_id: Mapped[str] = mapped_column(
        ForeignKey("authorizations.id", ondelete="CASCADE"), index=True
    )
    scopes: Mapped[list[str]] = mapped_column(JSON)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


class RefreshTokenRow(Base):
    """A refresh token, as a hash; all that descend from one authorization are a family."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    authorization_id: Mapped[str] = mapped_column(
        ForeignKey("authorizations.id", ondelete="CASCADE"), index=True
    )
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    spent_at: Mapped[datetime | None] = mapped_column(UtcTime)


_ADD_ACCESS_TOKEN = insert(AccessTokenRow)

_ADD_REFRESH_TOKEN = insert(RefreshTokenRow)

_SPEND_REFRESH = (
    update(RefreshTokenRow)
    .where(RefreshTokenRow.digest == bindparam("token"), RefreshTokenRow.spent_at.is_(None))
    .values(spent_at=bindparam("now"))
    .returning(RefreshTokenRow.authorization_id, RefreshTokenRow.expires_at)
)

_OF_REFRESH = live(*FACTS).where(_A.id == bindparam("id"))

_REFRESH_OWNER = (
    select(_A.id, _A.client_id, RefreshTokenRow.spent_at)
    .join(RefreshTokenRow, RefreshTokenRow.authorization_id == _A.id)
    .where(RefreshTokenRow.digest == bindparam("digest"))
)

_OF_ACCESS_TOKEN = (
    live(*FACTS, AccessTokenRow.scopes.label("token_scopes"), AccessTokenRow.expires_at)
    .join(AccessTokenRow, AccessTokenRow.authorization_id == _A.id)
    .where(
        AccessTokenRow.digest == bindparam("digest"),
        AccessTokenRow.expires_at > bindparam("now", type_=UtcTime),
    )
)


def spend_refresh_token(
    connection: Connection, token: str, *, client_id: str, now: datetime
) -> Authorization | None:
    """Take a refresh token; None if it is not this client's live one.

    One that was taken before tells that it was stolen, by whichever side: the family ends
    (RFC 9700 section 4.14.2).
    """
    known = connection.execute(_REFRESH_OWNER, {"digest": digest_of(token)}).first()
    if known is None or known.client_id != client_id:
        return None
    taken = connection.execute(_SPEND_REFRESH, {"token": digest_of(token), "now": now}).first()
    if taken is None:
        revoke(connection, [known.id], now=now)
        return None
    row = connection.execute(_OF_REFRESH, {"id": known.id}).first()
    return None if row is None else to_authorization(row, row.scopes, taken.expires_at)


def add_tokens(
    connection: Connection,
    authorization_id: str,
    *,
    access_token: str,
    scopes: Sequence[str],
    expires_at: datetime,
    refresh_token: str | None,
    refresh_expires_at: datetime,
) -> None:
    """Keep the hashes of what the client is about to get."""
    connection.execute(
        _ADD_ACCESS_TOKEN,
        {
            "digest": digest_of(access_token),
            "authorization_id": authorization_id,
            "scopes": list(scopes),
            "expires_at": expires_at,
        },
    )
    if refresh_token is not None:
        connection.execute(
            _ADD_REFRESH_TOKEN,
            {
                "digest": digest_of(refresh_token),
                "authorization_id": authorization_id,
                "expires_at": refresh_expires_at,
            },
        )


def find_by_access_token(
    connection: Connection, token: str, *, now: datetime
) -> Authorization | None:
    """Return the authorization behind a live access token."""
    row = connection.execute(_OF_ACCESS_TOKEN, {"digest": digest_of(token), "now": now}).first()
    return None if row is None else to_authorization(row, row.token_scopes, row.expires_at)
