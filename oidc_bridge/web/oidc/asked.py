"""What a client asks for, in whatever way it came: read and checked."""

from collections.abc import Mapping
from datetime import datetime

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.answer import Target
from oidc_bridge.oidc.authorize import AuthorizationRequest, check_request
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.jose import find_kid
from oidc_bridge.oidc.keys import subject_of
from oidc_bridge.oidc.request_object import open_request_object
from oidc_bridge.web import bridge
from oidc_bridge.web.oidc.client_keys import keys_of


def unwrap(parameters: Mapping[str, str], client: Client, now: datetime) -> Mapping[str, str]:
    """Return the parameters that count: those in the request object if there is one.

    Raises:
        SentError: ``request_not_supported``, ``invalid_request_object``; ``invalid_request`` if
            there is none and the client, or every client here, must sign.
    """
    if "request" not in parameters:
        _check_may_be_unsigned(client)
        return parameters
    issuer = bridge().settings.issuer
    keys = keys_of(client, kid=find_kid(parameters["request"]))
    return open_request_object(parameters, client, keys, issuer=issuer, now=now)


def check(parameters: Mapping[str, str], target: Target, now: datetime) -> AuthorizationRequest:
    """Return the request if we can carry it out.

    Raises:
        SentError: see `check_request`.
    """
    parts = bridge()
    hint, hinted = parameters.get("id_token_hint"), None
    if hint is not None:
        hinted = subject_of(
            hint,
            parts.snapshots.current().keys,
            issuer=parts.settings.issuer,
            audience=target.client.id,
        )
    require_pkce = parts.settings.require_pkce
    return check_request(parameters, target, now=now, hinted=hinted, require_pkce=require_pkce)


def _check_may_be_unsigned(client: Client) -> None:
    """RFC 9101 section 10.5: who signs cannot be made to ask by an unsigned link."""
    if (
        client.metadata.require_signed_request_object
        or bridge().settings.require_signed_request_object
    ):
        raise SentError("invalid_request", "Requests must be signed by the client.")
