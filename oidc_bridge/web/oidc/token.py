"""OpenID's back door: codes and refresh tokens become tokens; userinfo."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from oidc_bridge.errors import SentError, TokenError
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.dpop import DpopProof, check_binding
from oidc_bridge.oidc.keys import sign
from oidc_bridge.oidc.redeem import (
    CodeRequest,
    RefreshRequest,
    check_code,
    check_grant,
    narrow,
    read_form,
    read_request,
    still_allowed,
)
from oidc_bridge.oidc.resource import Presented, read_presented
from oidc_bridge.oidc.scopes import claims_for, scope_text
from oidc_bridge.oidc.tokens import id_token_claims, userinfo_claims
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import read, write
from oidc_bridge.storage.authorizations import (
    Authorization,
    find_taken,
    revoke_by_code,
    take_code,
)
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.tokens import (
    LiveToken,
    Refused,
    add_tokens,
    find_by_access_token,
    spend_refresh_token,
)
from oidc_bridge.web import bridge, json_answer, pairs
from oidc_bridge.web.gate import still_given
from oidc_bridge.web.oidc.app_password_grant import redeem_app_password
from oidc_bridge.web.oidc.callers import find_proof, get_caller, read_body

log = logging.getLogger(__name__)
views = Blueprint("token", __name__)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token response, and the claims of the ID token that goes with it, not signed yet.

    No claims, no ID token: the client has given up ``openid`` (RFC 6749 section 6).
    """

    response: dict[str, Any]
    claims: dict[str, Any] | None


@views.post("/token")
def token() -> Response:
    """RFC 6749 sections 4.1.3 and 6. Parameters count in the body only, never in the query."""
    parts = bridge()
    now = parts.clock()
    form = read_body()
    client = get_caller(form)
    asked = read_request(form, require_pkce=parts.settings.require_pkce or client.is_public)
    check_grant(asked, client)
    proof = find_proof()
    if proof is None and client.metadata.dpop_bound_access_tokens:
        raise SentError("invalid_dpop_proof", "The client is registered for DPoP: send a proof.")
    if isinstance(asked, RefreshRequest) and client.id == APP_PASSWORD.id:
        return json_answer(redeem_app_password(asked, proof, now=now))
    if isinstance(asked, CodeRequest):
        answer = write(lambda connection: _redeem_code(connection, asked, client, proof, now))
    else:
        answer = write(lambda connection: _refresh(connection, asked, client, proof, now))
    # A failed try uses the code up, so its transaction was committed before this is raised.
    if isinstance(answer, SentError):
        log.info("token refused code=%s client=%s why=%s", answer.code, client.id, answer.detail)
        raise answer
    if answer.claims is None:
        return json_answer(answer.response)
    # Signing takes longer than all else here: not while others wait for the database.
    key = parts.snapshots.current().key_for(client.metadata.id_token_signed_response_alg)
    id_token = sign(answer.claims, key, typ="JWT")
    return json_answer({**answer.response, "id_token": id_token})


def _redeem_code(
    connection: Connection,
    asked: CodeRequest,
    client: Client,
    proof: DpopProof | None,
    now: datetime,
) -> Tokens | SentError:
    taken = take_code(connection, asked.code, client_id=client.id, now=now)
    if taken is None:
        account_id = revoke_by_code(connection, asked.code, client_id=client.id, now=now)
        if account_id is not None:
            record(connection, "code reused", now=now, account_id=account_id, client_id=client.id)
    given = None if taken is None else find_taken(connection, taken)
    if given is None:
        return SentError("invalid_grant", "The code is unknown, used, or no longer allowed.")
    spent = still_given(connection, client, given, now=now)
    if spent is None:
        return SentError("invalid_grant", "The app may not sign this person in any more.")
    try:
        check_code(
            asked,
            redirect_uri=spent.redirect_uri,
            code_challenge=spent.code_challenge,
            expires_at=spent.expires_at,
            now=now,
        )
        check_binding(spent.dpop_jkt, proof)
        scopes = still_allowed(spent.scopes, client)
    except SentError as error:
        return error
    record(connection, "code redeemed", now=now, account_id=spent.account_id, client_id=client.id)
    is_lasting = "offline_access" in scopes and "refresh_token" in client.metadata.grant_types
    refresh_token = new_secret() if is_lasting else None
    return _tokens(connection, client, proof, spent, scopes, refresh_token=refresh_token, now=now)


def _refresh(
    connection: Connection,
    asked: RefreshRequest,
    client: Client,
    proof: DpopProof | None,
    now: datetime,
) -> Tokens | SentError:
    lifetimes = bridge().settings.lifetimes
    successor = new_secret()
    spent = spend_refresh_token(
        connection,
        asked.refresh_token,
        client_id=client.id,
        successor=successor,
        grace=timedelta(seconds=lifetimes.refresh_grace),
        proof=proof,
        now=now,
    )
    if isinstance(spent, Refused):
        if spent.stolen_from is not None:
            account_id = spent.stolen_from
            record(
                connection,
                "refresh token reused",
                now=now,
                account_id=account_id,
                client_id=client.id,
            )
        return SentError("invalid_grant", "The refresh token is unknown, used, or revoked.")
    ends_at = spent.created_at + timedelta(seconds=lifetimes.refresh_family)
    if now >= min(spent.expires_at, ends_at):
        return SentError("invalid_grant", "The refresh token has expired.")
    given = still_given(connection, client, spent, now=now)
    if given is None:
        return SentError("invalid_grant", "The app may not sign this person in any more.")
    allowed = still_allowed(given.scopes, client)
    if "offline_access" not in allowed:
        return SentError("invalid_grant", "The client may not refresh any more.")
    # Asking for too much is raised from here, so it leaves the refresh token as it was.
    scopes = narrow(allowed, asked.scopes)
    return _tokens(connection, client, proof, spent, scopes, refresh_token=successor, now=now)


def _tokens(
    connection: Connection,
    client: Client,
    proof: DpopProof | None,
    spent: Authorization,
    scopes: tuple[str, ...],
    *,
    refresh_token: str | None,
    now: datetime,
) -> Tokens:
    """Keep new tokens (RFC 6749 section 5.1, OIDC Core 3.1.3.3 and 12.2)."""
    parts = bridge()
    lifetimes = parts.settings.lifetimes
    access_token = new_secret()
    add_tokens(
        connection,
        spent.id,
        access_token=access_token,
        scopes=scopes,
        expires_at=now + timedelta(seconds=lifetimes.access_token),
        refresh_token=refresh_token,
        refresh_expires_at=min(
            now + timedelta(seconds=lifetimes.refresh_token),
            spent.created_at + timedelta(seconds=lifetimes.refresh_family),
        ),
        access_jkt=proof.jkt if proof else None,
        # RFC 9449 section 5: whoever authenticates is bound to their own keys already.
        refresh_jkt=proof.jkt if proof and client.is_public else None,
    )
    response = {
        "access_token": access_token,
        "token_type": "DPoP" if proof else "Bearer",
        "expires_in": lifetimes.access_token,
        "scope": scope_text(scopes),
    }
    if refresh_token is not None:
        response["refresh_token"] = refresh_token
    if "openid" not in scopes:
        return Tokens(response, None)
    claims = id_token_claims(
        issuer=parts.settings.issuer,
        client_id=client.id,
        person_claims=claims_for(scopes, spent.person),
        sid=spent.sid,
        nonce=spent.nonce,
        authenticated_at=spent.authenticated_at,
        access_token=access_token,
        now=now,
        life=timedelta(seconds=lifetimes.id_token),
        algorithm=client.metadata.id_token_signed_response_alg,
    )
    return Tokens(response, claims)


@views.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> Response:
    """OIDC Core 5.3: the claims of the token's own scopes, as JSON or signed."""
    parts = bridge()
    now = parts.clock()
    presented = read_presented(request.headers.get("Authorization"), _posted())
    clients = parts.snapshots.current().clients
    with read() as connection:
        live = find_by_access_token(connection, presented.token, now=now)
        client = clients.get(live.authorization.client_id) if live else None
        found = (
            still_given(connection, client, live.authorization, now=now)
            if live and client
            else None
        )
    if live is None or (client is not None and found is None):
        raise TokenError(
            "invalid_token", "The access token is unknown or expired.", scheme=presented.scheme
        )
    _check_possession(presented, live)
    if client is None or found is None:
        raise TokenError("invalid_token", "The access token's client is gone.")
    if "openid" not in found.scopes:
        raise TokenError("insufficient_scope", "The scope openid was not granted.", status=403)
    algorithm = client.metadata.userinfo_signed_response_alg
    told = userinfo_claims(
        claims_for(found.scopes, found.person),
        issuer=parts.settings.issuer,
        client_id=client.id,
        is_signed=algorithm is not None,
    )
    if algorithm is None:
        return json_answer(told)
    signed = sign(told, parts.snapshots.current().key_for(algorithm), typ="JWT")
    return Response(signed, content_type="application/jwt")


def _check_possession(presented: Presented, live: LiveToken) -> None:
    """Return if a bound token comes with its proof, and any other as a bearer token.

    RFC 9449 section 7.2: a bound token that came as a bearer token may be a stolen one.
    """
    scheme = "DPoP" if live.jkt else "Bearer"
    if presented.scheme != scheme:
        raise TokenError("invalid_token", f"Send this token as {scheme}.", scheme=scheme)
    if live.jkt is None:
        return
    try:
        proof = find_proof(access_token=presented.token)
    except SentError as error:
        raise TokenError(error.code, error.detail, scheme="DPoP") from error
    if proof is None or not compare_digest(proof.jkt, live.jkt):
        raise TokenError("invalid_token", "No proof by this token's key.", scheme="DPoP")


def _posted() -> Mapping[str, str]:
    """Return the form of a request that may have one (RFC 6750 section 2.2)."""
    if "access_token" in request.args:  # section 2.3 allows it, and warns of every log on the way
        raise TokenError("invalid_request", "No access token in the query, please.", status=400)
    if request.mimetype != "application/x-www-form-urlencoded":
        return {}
    return read_form(pairs(request.form.lists()))
