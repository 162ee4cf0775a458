"""What a token is worth, and its end: introspection (RFC 7662) and revocation (RFC 7009)."""

import logging
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.keys import sign
from oidc_bridge.oidc.redeem import need
from oidc_bridge.oidc.scopes import scope_text
from oidc_bridge.oidc.tokens import introspection_claims
from oidc_bridge.storage import read, write
from oidc_bridge.storage.authorizations import Authorization
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.resource_servers import may_introspect
from oidc_bridge.storage.tokens import LiveToken, end_token, find_token
from oidc_bridge.web import bridge, empty_answer, json_answer
from oidc_bridge.web.gate import still_given
from oidc_bridge.web.oidc.app_password_grant import end_presented
from oidc_bridge.web.oidc.callers import get_caller, read_body

log = logging.getLogger(__name__)
views = Blueprint("tokens_about", __name__)

_SIGNED = "token-introspection+jwt"


@views.post("/introspect")
def introspect() -> Response:
    """RFC 7662 section 2. ``token_type_hint`` would save us nothing, so it is not looked at."""
    form = read_body()
    caller = get_caller(form)
    # Section 2.1: whoever may guess tokens here must have said who they are.
    if "none" in caller.auth_methods:
        raise SentError("invalid_client", "A public client may not introspect.", status=401)
    token = need(form, "token")
    now, clients = bridge().clock(), bridge().snapshots.current().clients
    with read() as connection:
        found = find_token(connection, token, now=now)
        owner = clients.get(found.authorization.client_id) if found else None
        is_shown = found is not None and owner is not None and _may_see(connection, caller, found)
        given = (
            still_given(connection, owner, found.authorization, now=now)
            if found and owner and is_shown
            else None
        )
    # Section 2.2: of a token that is not theirs to see they do not learn that it exists.
    facts = _facts(found, given) if found and given else {"active": False}
    kinds = ("application/json", f"application/{_SIGNED}")
    if request.accept_mimetypes.best_match(kinds) == kinds[1]:
        return _signed(facts, caller)
    return json_answer(facts)


def _may_see(connection: Connection, caller: Client, found: LiveToken) -> bool:
    owner = found.authorization.client_id
    if owner == caller.id:
        return True
    # A resource server that took a refresh token for an access token would let anybody in.
    return found.kind == "access_token" and may_introspect(connection, caller.id, owner)


def _facts(found: LiveToken, known: Authorization) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "active": True,
        "iss": bridge().settings.issuer,
        "client_id": known.client_id,
        "sub": known.person.sub,
        "scope": scope_text(known.scopes),
        "exp": int(known.expires_at.timestamp()),
    }
    if found.kind == "access_token":
        facts["token_type"] = "DPoP" if found.jkt else "Bearer"
    if found.jkt is not None:
        facts["cnf"] = {"jkt": found.jkt}  # RFC 9449 section 6.2
    return facts


def _signed(facts: Mapping[str, Any], caller: Client) -> Response:
    """RFC 9701 section 5: an answer that the resource server can show to others as ours."""
    parts = bridge()
    claims = introspection_claims(
        facts, issuer=parts.settings.issuer, client_id=caller.id, now=parts.clock()
    )
    key = parts.snapshots.current().key_for(caller.metadata.introspection_signed_response_alg)
    return Response(sign(claims, key, typ=_SIGNED), content_type=f"application/{_SIGNED}")


@views.post("/revoke")
def revoke() -> Response:
    """RFC 7009 section 2. Ends tokens; whoever is signed in with the client stays signed in there.

    An unknown token, and one of another client, is answered like one that was ended (section 2.2).
    """
    form = read_body()
    caller = get_caller(form)
    token = need(form, "token")
    now = bridge().clock()

    def end(connection: Connection) -> str:
        if caller.id == APP_PASSWORD.id and end_presented(connection, token, now=now):
            return "app_password"
        kind = end_token(connection, token, client_id=caller.id, now=now)
        if kind:
            record(connection, "token revoked", now=now, client_id=caller.id, kind_of_token=kind)
        return kind

    log.info("token revoked client=%s kind=%s", caller.id, write(end) or "none")
    return empty_answer()
