"""OpenID's back door: codes and refresh tokens become tokens; userinfo."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.keys import sign
from oidc_bridge.oidc.redeem import (
    CodeRequest,
    RefreshRequest,
    check_code,
    narrow,
    read_bearer,
    read_request,
)
from oidc_bridge.oidc.scopes import claims_for, scope_text
from oidc_bridge.oidc.tokens import id_token_claims
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import read, write
from oidc_bridge.storage.authorizations import (
    Authorization,
    find_taken,
    revoke_by_code,
    take_code,
)
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.tokens import add_tokens, find_by_access_token, spend_refresh_token
from oidc_bridge.web import bridge, json_answer
from oidc_bridge.web.callers import get_caller, read_body

log = logging.getLogger(__name__)
views = Blueprint("token", __name__)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token response, and the claims of the ID token that goes with it, not signed yet."""

    response: dict[str, Any]
    claims: dict[str, Any]


@views.post("/token")
def token() -> Response:
    """RFC 6749 sections 4.1.3 and 6. Parameters count in the body only, never in the query."""
    parts = bridge()
    now = parts.clock()
    form = read_body()
    client = get_caller(form)
    asked = read_request(form)
    if isinstance(asked, CodeRequest):
        answer = write(lambda connection: _redeem_code(connection, asked, client, now))
    else:
        answer = write(lambda connection: _refresh(connection, asked, client, now))
    # A failed try uses the code up, so its transaction was committed before this is raised.
    if isinstance(answer, SentError):
        log.info("token refused code=%s client=%s why=%s", answer.code, client.id, answer.detail)
        raise answer
    # Signing takes longer than all else here: not while others wait for the database.
    id_token = sign(answer.claims, parts.snapshots.current().signing_key, typ="JWT")
    return json_answer({**answer.response, "id_token": id_token})


def _redeem_code(
    connection: Connection, asked: CodeRequest, client: Client, now: datetime
) -> Tokens | SentError:
    taken = take_code(connection, asked.code, client_id=client.id, now=now)
    if taken is None:
        account_id = revoke_by_code(connection, asked.code, client_id=client.id, now=now)
        if account_id is not None:
            record(connection, "code reused", now=now, account_id=account_id, client_id=client.id)
    spent = None if taken is None else find_taken(connection, taken)
    if spent is None:
        return SentError("invalid_grant", "The code is unknown, used, or no longer allowed.")
    try:
        check_code(
            asked,
            redirect_uri=spent.redirect_uri,
            code_challenge=spent.code_challenge,
            expires_at=spent.expires_at,
            now=now,
        )
    except SentError as error:
        return error
    record(connection, "code redeemed", now=now, account_id=spent.account_id, client_id=client.id)
    return _tokens(connection, spent, spent.scopes, now)


def _refresh(
    connection: Connection, asked: RefreshRequest, client: Client, now: datetime
) -> Tokens | SentError:
    spent = spend_refresh_token(connection, asked.refresh_token, client_id=client.id, now=now)
    if spent is None or now >= spent.expires_at:
        return SentError("invalid_grant", "The refresh token is unknown, used, or expired.")
    # Asking for too much is raised from here, so it leaves the refresh token as it was.
    scopes = narrow(spent.scopes, asked.scopes)
    return _tokens(connection, spent, scopes, now)


def _tokens(
    connection: Connection, spent: Authorization, scopes: tuple[str, ...], now: datetime
) -> Tokens:
    """Keep new tokens (RFC 6749 section 5.1, OIDC Core 3.1.3.3)."""
    parts = bridge()
    lifetimes = parts.settings.lifetimes
    access_token = new_secret()
    refresh_token = new_secret() if "offline_access" in spent.scopes else None
    add_tokens(
        connection,
        spent.id,
        access_token=access_token,
        scopes=scopes,
        expires_at=now + timedelta(seconds=lifetimes.access_token),
        refresh_token=refresh_token,
        refresh_expires_at=now + timedelta(seconds=lifetimes.refresh_token),
    )
    claims = id_token_claims(
        issuer=parts.settings.issuer,
        client_id=spent.client_id,
        person_claims=claims_for(scopes, spent.person),
        sid=spent.sid,
        nonce=spent.nonce,
        authenticated_at=spent.authenticated_at,
        access_token=access_token,
        now=now,
        life=timedelta(seconds=lifetimes.id_token),
    )
    response = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": lifetimes.access_token,
        "scope": scope_text(scopes),
    }
    if refresh_token is not None:
        response["refresh_token"] = refresh_token
    return Tokens(response, claims)


@views.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> Response:
    """OIDC Core 5.3: the claims of the token's own scopes."""
    bearer = read_bearer(request.headers.get("Authorization"))
    with read() as connection:
        found = find_by_access_token(connection, bearer, now=bridge().clock())
    if found is None or "openid" not in found.scopes:
        raise SentError("invalid_token", "The access token is unknown or expired.", status=401)
    return json_answer(claims_for(found.scopes, found.person))
