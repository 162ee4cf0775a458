"""Tidying: deletes what has expired, in small batches, so that nobody waits for a lock."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select

from oidc_bridge.storage import write
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.challenges import ChallengeRow
from oidc_bridge.storage.chat_questions import ChatQuestionRow
from oidc_bridge.storage.handovers import HandoverRow
from oidc_bridge.storage.keys import forget_keys
from oidc_bridge.storage.nonces import NonceRow
from oidc_bridge.storage.once import UsedJtiRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.pushed import PushedRow
from oidc_bridge.storage.requests import RequestRow
from oidc_bridge.storage.tokens import AccessTokenRow, RefreshTokenRow
from oidc_bridge.storage.widget import WidgetSessionRow

_BATCH = 500
_A_DAY = timedelta(days=1)
# For whoever looks into `logout list` because a device is still signed in: people notice late. No
# setting, since nothing works differently by it; that the person signed out stays among the events.
_DELIVERY_LOG = timedelta(days=90)


def prune_all(*, now: datetime, token_life: timedelta) -> Iterator[tuple[str, int]]:
    """Delete what is over; yield (what, how many).

    Kept: sessions and redeemed authorizations, since devices at a homeserver hang on their
    ``sid`` for longer than any token lives; consents, personas and events, which are records;
    sign-outs that a client must still be told of, however old.
    """
    tables: tuple[tuple[str, Any], ...] = (
        ("authorization requests", RequestRow),
        ("pushed requests", PushedRow),
        ("challenges", ChallengeRow),
        ("handovers", HandoverRow),
        ("questions to chat apps", ChatQuestionRow),
        ("nonces of chat apps", NonceRow),
        ("access tokens", AccessTokenRow),
        ("refresh tokens", RefreshTokenRow),
        ("used client assertions and DPoP proofs", UsedJtiRow),
        ("widget sessions", WidgetSessionRow),
    )
    for what, row in tables:
        table = row.__table__
        yield what, _delete(table, table.c.expires_at < now)
    codes = AuthorizationRow.__table__
    unredeemed = codes.c.code_spent_at.is_(None) & (codes.c.code_expires_at < now - _A_DAY)
    yield "codes that nobody redeemed", _delete(codes, unredeemed)
    deliveries = LogoutDeliveryRow.__table__
    yield "sign-out deliveries", _delete(deliveries, deliveries.c.done_at < now - _DELIVERY_LOG)
    # A subject that is no persona's any more was of somebody whose account has been deleted.
    is_known = select(PersonaRow.id).where(PersonaRow.sub == deliveries.c.sub).exists()
    over = deliveries.c.done_at.is_not(None) & ~is_known
    yield "sign-outs of people who are gone", _delete(deliveries, over)
    yield "signing keys", write(lambda c: forget_keys(c, now=now, token_life=token_life))


def _delete(table: Any, condition: ColumnElement[bool]) -> int:
    key = table.primary_key.columns[0]
    batch = select(key).where(condition).limit(_BATCH).scalar_subquery()
    statement = delete(table).where(key.in_(batch))
    total = 0
    while True:
        count = write(lambda connection: connection.execute(statement).rowcount)
        total += count
        if count < _BATCH:
            return total
