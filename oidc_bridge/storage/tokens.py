"""Access and refresh tokens, as hashes. What they open hangs on their authorization."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column

from oidc_bridge.oidc.dpop import DpopProof, check_binding
from oidc_bridge.oidc.rotation import judge_reuse
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
    dpop_jkt: Mapped[str | None] = mapped_column(Text)


class RefreshTokenRow(Base):
    """A refresh token, as a hash; all that descend from one authorization are a family.

    ``successor`` is the digest of the one that took its place; see `oidc.rotation` for the rest.
    """

    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    authorization_id: Mapped[str] = mapped_column(
        ForeignKey("authorizations.id", ondelete="CASCADE"), index=True
    )
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    spent_at: Mapped[datetime | None] = mapped_column(UtcTime)
    successor: Mapped[str | None] = mapped_column(Text)
    answered_again_at: Mapped[datetime | None] = mapped_column(UtcTime)
    dpop_jkt: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class LiveToken:
    """A token that works now, and what it opens; ``jkt`` if only for the holder of that key."""

    kind: Literal["access_token", "refresh_token"]
    authorization: Authorization
    jkt: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A refresh token that gives nothing; ``stolen_from`` is the account whose family ended."""

    stolen_from: str | None = None


_R = RefreshTokenRow
_SUCCESSOR = aliased(_R)

_ADD_ACCESS_TOKEN = insert(AccessTokenRow)

_ADD_REFRESH_TOKEN = insert(RefreshTokenRow)

_SPEND_REFRESH = (
    update(_R)
    .where(_R.digest == bindparam("token"), _R.spent_at.is_(None))
    .values(spent_at=bindparam("now"), successor=bindparam("next"))
    .returning(_R.digest)
)

_ANSWER_AGAIN = (
    update(_R)
    .where(
        _R.digest == bindparam("token"),
        _R.successor == bindparam("before"),
        _R.answered_again_at.is_(None),
    )
    .values(answered_again_at=bindparam("now"), successor=bindparam("next"))
)

_WITHDRAW = (
    update(_R)
    .where(_R.digest == bindparam("token"), _R.spent_at.is_(None))
    .values(spent_at=bindparam("now"))
)

_OF_REFRESH = live(*FACTS).where(_A.id == bindparam("id"))

_FAMILY = (
    select(
        _A.id,
        _A.client_id,
        _A.account_id,
        *(_R.expires_at, _R.spent_at, _R.successor, _R.answered_again_at, _R.dpop_jkt),
        (_SUCCESSOR.digest.is_not(None) & _SUCCESSOR.spent_at.is_(None)).label("is_last"),
    )
    .join(_R, _R.authorization_id == _A.id)
    .outerjoin(_SUCCESSOR, _SUCCESSOR.digest == _R.successor)
    .where(_R.digest == bindparam("digest"))
)

_OF_ACCESS_TOKEN = (
    live(
        *FACTS,
        AccessTokenRow.scopes.label("token_scopes"),
        AccessTokenRow.expires_at,
        AccessTokenRow.dpop_jkt,
    )
    .join(AccessTokenRow, AccessTokenRow.authorization_id == _A.id)
    .where(
        AccessTokenRow.digest == bindparam("digest"),
        AccessTokenRow.expires_at > bindparam("now", type_=UtcTime),
    )
)


_LIVE_REFRESH = (
    live(*FACTS, _R.expires_at, _R.dpop_jkt)
    .join(_R, _R.authorization_id == _A.id)
    .where(
        _R.digest == bindparam("digest"),
        _R.spent_at.is_(None),
        _R.expires_at > bindparam("now", type_=UtcTime),
    )
)

_END_ACCESS_TOKEN = delete(AccessTokenRow).where(
    AccessTokenRow.digest == bindparam("digest"),
    AccessTokenRow.authorization_id.in_(select(_A.id).where(_A.client_id == bindparam("client"))),
)


def spend_refresh_token(
    connection: Connection,
    token: str,
    *,
    client_id: str,
    successor: str,
    grace: timedelta,
    proof: DpopProof | None,
    now: datetime,
) -> Authorization | Refused:
    """Take a refresh token and note which one takes its place.

    One that comes again is judged by `oidc.rotation`: nothing happens, or its answer was lost and
    it is good once more, or the family ends.

    Raises:
        SentError: ``invalid_grant`` if it is bound to another key; nothing happens to it then.
    """
    digest, following = digest_of(token), digest_of(successor)
    known = connection.execute(_FAMILY, {"digest": digest}).first()
    if known is None or known.client_id != client_id:
        return Refused()
    check_binding(known.dpop_jkt, proof)
    taken = connection.execute(_SPEND_REFRESH, {"token": digest, "now": now, "next": following})
    if taken.first() is None:
        refused = _judge(connection, digest, following, grace=grace, now=now)
        if refused is not None:
            return refused
    row = connection.execute(_OF_REFRESH, {"id": known.id}).first()
    return Refused() if row is None else to_authorization(row, row.scopes, known.expires_at)


def _judge(
    connection: Connection, digest: str, following: str, *, grace: timedelta, now: datetime
) -> Refused | None:
    """Return None if a spent token is good once more."""
    known = connection.execute(_FAMILY, {"digest": digest}).first()
    if known is None:
        return Refused()  # it went, with its account or by its age, since it was looked at
    meaning = judge_reuse(
        spent_at=known.spent_at,
        answered_again_at=known.answered_again_at,
        is_successor_unused=known.is_last,
        grace=grace,
        now=now,
    )
    if meaning == "lost answer":
        before = {"token": digest, "before": known.successor, "now": now, "next": following}
        if connection.execute(_ANSWER_AGAIN, before).rowcount == 0:
            return Refused()  # its twin was quicker
        if connection.execute(_WITHDRAW, {"token": known.successor, "now": now}).rowcount == 1:
            return None
        meaning = "theft"  # the successor was used at this very moment
    if meaning == "twin":
        return Refused()
    revoke(connection, [known.id], now=now)
    return Refused(stolen_from=known.account_id)


def add_tokens(
    connection: Connection,
    authorization_id: str,
    *,
    access_token: str,
    scopes: Sequence[str],
    expires_at: datetime,
    refresh_token: str | None,
    refresh_expires_at: datetime,
    access_jkt: str | None = None,
    refresh_jkt: str | None = None,
) -> None:
    """Keep the hashes of what the client is about to get, and the keys that these are bound to."""
    connection.execute(
        _ADD_ACCESS_TOKEN,
        {
            "digest": digest_of(access_token),
            "authorization_id": authorization_id,
            "scopes": list(scopes),
            "expires_at": expires_at,
            "dpop_jkt": access_jkt,
        },
    )
    if refresh_token is not None:
        connection.execute(
            _ADD_REFRESH_TOKEN,
            {
                "digest": digest_of(refresh_token),
                "authorization_id": authorization_id,
                "expires_at": refresh_expires_at,
                "dpop_jkt": refresh_jkt,
            },
        )


def find_by_access_token(connection: Connection, token: str, *, now: datetime) -> LiveToken | None:
    """Return what a live access token opens."""
    row = connection.execute(_OF_ACCESS_TOKEN, {"digest": digest_of(token), "now": now}).first()
    if row is None:
        return None
    # The person may have narrowed what it hangs on, even while this very token was being made.
    scopes = [scope for scope in row.token_scopes if scope in row.scopes]
    opened = to_authorization(row, scopes, row.expires_at)
    return LiveToken("access_token", opened, row.dpop_jkt)


def find_token(connection: Connection, token: str, *, now: datetime) -> LiveToken | None:
    """Return what is known of a live token of either kind."""
    access = find_by_access_token(connection, token, now=now)
    if access is not None:
        return access
    row = connection.execute(_LIVE_REFRESH, {"digest": digest_of(token), "now": now}).first()
    if row is None:
        return None
    known = to_authorization(row, row.scopes, row.expires_at)
    return LiveToken("refresh_token", known, row.dpop_jkt)


def end_token(connection: Connection, token: str, *, client_id: str, now: datetime) -> str:
    """End a token if it is this client's; return what has ended, ``""`` for nothing.

    RFC 7009 section 2.1: a refresh token takes its family and all their access tokens along, used
    or not; an access token goes alone.
    """
    digest = digest_of(token)
    family = connection.execute(_FAMILY, {"digest": digest}).first()
    if family is not None:
        if family.client_id != client_id:
            return ""
        revoke(connection, [family.id], now=now)
        return "refresh_token"
    gone = connection.execute(_END_ACCESS_TOKEN, {"digest": digest, "client": client_id})
    return "access_token" if gone.rowcount else ""
