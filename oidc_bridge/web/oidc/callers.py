"""Clients that speak to us themselves: which one it is."""

import logging
from collections.abc import Mapping

from flask import request

from oidc_bridge.errors import BridgeError, SentError
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.client_authentication import (
    Assertion,
    authenticate,
    check_assertion,
    read_credentials,
    refusal,
)
from oidc_bridge.oidc.dpop import DpopProof, check_proof
from oidc_bridge.oidc.jose import find_kid
from oidc_bridge.oidc.redeem import read_form
from oidc_bridge.storage import write
from oidc_bridge.storage.once import use_jti
from oidc_bridge.web import bridge, pairs
from oidc_bridge.web.oidc.client_keys import keys_of

log = logging.getLogger(__name__)


def read_body() -> Mapping[str, str]:
    """Return the parameters of the request's body.

    Raises:
        SentError: ``invalid_request``.
    """
    # RFC 6749 2.3.1: a secret in a URL ends up in logs; whoever sends one there must hear of it.
    if request.query_string:
        raise SentError("invalid_request", "Send parameters in the body, not in the query.")
    if request.mimetype != "application/x-www-form-urlencoded":
        raise SentError("invalid_request", "Send application/x-www-form-urlencoded.")
    return read_form(pairs(request.form.lists()))


def get_caller(form: Mapping[str, str]) -> Client:
    """Return the client that sends *form*, authenticated.

    Raises:
        SentError: ``invalid_client`` (401), ``invalid_request``.
    """
    credentials = read_credentials(form, request.headers.get("Authorization"))
    client = bridge().snapshots.current().clients.get(credentials.client_id)
    if credentials.assertion is None:
        return authenticate(credentials, client)
    if client is None or "private_key_jwt" not in client.auth_methods:
        raise refusal()
    try:
        _use_assertion(credentials.assertion, client)
    except BridgeError as error:
        log.info("client refused client=%s why=%s", client.id, error)
        raise refusal() from error
    return client


def _use_assertion(assertion: str, client: Client) -> None:
    parts = bridge()
    issuer = parts.settings.issuer
    checked = check_assertion(
        assertion,
        keys_of(client, kid=find_kid(assertion)),
        client=client,
        audiences=(issuer, f"{issuer}/token", f"{issuer}{request.path}"),
        now=parts.clock(),
    )
    if not _is_first_use(f"client {client.id}", checked):
        raise BridgeError("jwt_refused", "jti was used before")


def find_proof(*, access_token: str | None = None) -> DpopProof | None:
    """Return what the request's ``DPoP`` header proves, used up; None if it has none.

    Raises:
        SentError: ``invalid_dpop_proof``.
    """
    sent = request.headers.getlist("DPoP")
    if not sent:
        return None
    parts = bridge()
    proof = check_proof(
        sent[0] if len(sent) == 1 else "",
        method=request.method,
        url=f"{parts.settings.issuer}{request.path}",
        now=parts.clock(),
        access_token=access_token,
    )
    if not _is_first_use(f"dpop {proof.jkt}", proof):
        raise SentError("invalid_dpop_proof", "The DPoP proof is not acceptable.")
    return proof


def _is_first_use(owner: str, word: Assertion | DpopProof) -> bool:
    """Use a signed word up; in a transaction of its own, whatever becomes of the request."""
    return write(
        lambda connection: use_jti(connection, owner, word.jti, expires_at=word.expires_at)
    )
