"""App passwords at the back door: short access tokens for whoever holds one, and its end.

Two programs with the same app password do not disturb each other: it is spent by nobody, and each
gets an access token of its own.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from flask import request
from sqlalchemy import Connection

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.app_password import APP_PASSWORD, check_app_password, read_app_password
from oidc_bridge.oidc.dpop import DpopProof
from oidc_bridge.oidc.redeem import RefreshRequest, narrow, still_allowed
from oidc_bridge.oidc.scopes import scope_text
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import write
from oidc_bridge.storage.app_passwords import end_by_app_password, find_by_app_password, note_use
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.outbox import tell_of_app_password
from oidc_bridge.storage.tokens import add_tokens
from oidc_bridge.web import bridge
from oidc_bridge.web.gate import still_given

log = logging.getLogger(__name__)


def redeem_app_password(
    asked: RefreshRequest, proof: DpopProof | None, *, now: datetime
) -> dict[str, Any]:
    """Return a token response (RFC 6749 section 6) to an app password in a refresh token's place.

    There is no new refresh token, and no ID token, with ``openid`` neither: OIDC Core 12.2 leaves
    it out as it likes, and there was no first one that it could agree with.

    Raises:
        SentError: ``invalid_grant``, ``invalid_scope``.
    """
    try:
        secret = read_app_password(asked.refresh_token)
        return write(lambda connection: _redeem(connection, secret, asked, proof, now))
    except SentError as error:
        log.info(
            "token refused code=%s client=%s why=%s", error.code, APP_PASSWORD.id, error.detail
        )
        raise


def _redeem(
    connection: Connection,
    secret: str,
    asked: RefreshRequest,
    proof: DpopProof | None,
    now: datetime,
) -> dict[str, Any]:
    found = find_by_app_password(connection, secret)
    if found is None:
        raise SentError("invalid_grant", "The app password is unknown or has ended.")
    known, kept = found
    check_app_password(known, now=now)
    given = still_given(connection, APP_PASSWORD, kept, now=now)
    if given is None:
        raise SentError("invalid_grant", "App passwords may not be used any more.")
    # What opens a homeserver is not handed on: no access token has `matrix:login`.
    scopes = narrow(still_allowed(given.scopes, APP_PASSWORD), asked.scopes)
    note_use(connection, known.id, "token", address=request.remote_addr or "", now=now)
    access_token = new_secret()
    life = timedelta(seconds=bridge().settings.lifetimes.access_token)
    expires_at = now + life if known.ends_at is None else min(now + life, known.ends_at)
    add_tokens(
        connection,
        given.id,
        access_token=access_token,
        scopes=scopes,
        expires_at=expires_at,
        refresh_token=None,
        refresh_expires_at=expires_at,
        access_jkt=proof.jkt if proof else None,
    )
    return {
        "access_token": access_token,
        "token_type": "DPoP" if proof else "Bearer",
        "expires_in": int((expires_at - now).total_seconds()),
        "scope": scope_text(scopes),
    }


def end_presented(connection: Connection, token: str, *, now: datetime) -> bool:
    """End the app password that was sent to be revoked (RFC 7009), and its access tokens.

    Returns:
        Whether there was one.
    """
    try:
        secret = read_app_password(token)
    except SentError:
        return False
    ended = end_by_app_password(connection, secret, now=now)
    if ended is None:
        return False
    account_id, password_id = ended
    tell_of_app_password(connection, password_id, now=now)
    record(
        connection,
        "app password ended",
        now=now,
        account_id=account_id,
        client_id=APP_PASSWORD.id,
        by="whoever holds it",
    )
    return True
