"""Pushed authorization requests: a client leaves its request here, authenticated (RFC 9126)."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from hmac import compare_digest

from flask import Blueprint, Response

from oidc_bridge.apps.app import which_app
from oidc_bridge.errors import SentError, ShownError
from oidc_bridge.oidc.authorize import find_target
from oidc_bridge.oidc.dpop import DpopProof
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import write
from oidc_bridge.storage.pushed import keep_pushed
from oidc_bridge.web import bridge, json_answer
from oidc_bridge.web.oidc.asked import check, unwrap
from oidc_bridge.web.oidc.callers import find_proof, get_caller, read_body

log = logging.getLogger(__name__)
views = Blueprint("par", __name__)

PREFIX = "urn:ietf:params:oauth:request_uri:"
# FAPI 2.0 section 5.3.2.2 allows less than 600 s; a browser needs a few.
_LIFE = 90
_CREDENTIALS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


@views.post("/par")
def push() -> Response:
    """Check the request as ``/authorize`` would, keep it, and name it (sections 2.1 and 2.2)."""
    parts = bridge()
    now = parts.clock()
    form = read_body()
    client = get_caller(form)
    if "request_uri" in form:
        raise SentError("invalid_request", "request_uri cannot be pushed.")
    sent = {name: value for name, value in form.items() if name not in _CREDENTIALS}
    parameters = unwrap({**sent, "client_id": client.id}, client, now)
    try:
        target = find_target(parameters, client)
    except ShownError as error:
        raise SentError("invalid_request", "redirect_uri is not registered.") from error
    authorization = check(parameters, target, now)
    which_app(client, target.redirect_uri, authorization.redirect_url)
    proof = find_proof()
    if proof is not None:
        parameters = _bind(parameters, authorization.dpop_jkt, proof)
    # An id of ours, so that nobody can guess what somebody else pushed (section 7.1).
    request_uri = PREFIX + new_secret()
    opens_until = now + timedelta(seconds=_LIFE)
    expires_at = opens_until + timedelta(seconds=parts.settings.lifetimes.request)
    write(
        lambda connection: keep_pushed(
            connection,
            request_uri,
            client_id=client.id,
            parameters=parameters,
            opens_until=opens_until,
            expires_at=expires_at,
        )
    )
    log.info("request pushed client=%s", client.id)
    return json_answer({"request_uri": request_uri, "expires_in": _LIFE}, status=201)


def _bind(
    parameters: Mapping[str, str], dpop_jkt: str | None, proof: DpopProof
) -> Mapping[str, str]:
    """Return *parameters* with the key that the code is for (RFC 9449 section 10.1).

    A proof says more than the parameter, that the client holds the key, and may stand alone.

    Raises:
        SentError: ``invalid_request`` if the parameter names another key than the proof's. The
            section names no code; the proof itself is good.
    """
    if dpop_jkt is not None and not compare_digest(dpop_jkt, proof.jkt):
        raise SentError("invalid_request", "dpop_jkt is not the key of the DPoP proof.")
    return {**parameters, "dpop_jkt": proof.jkt}
