"""Clients that speak to us themselves: which one it is."""

from collections.abc import Mapping

from flask import request

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.redeem import authenticate, read_credentials, read_form
from oidc_bridge.web import bridge, pairs


def read_body() -> Mapping[str, str]:
    """Return the parameters of the request's body; they count there only, never in the query.

    Raises:
        SentError: ``invalid_request``.
    """
    if request.mimetype != "application/x-www-form-urlencoded":
        raise SentError("invalid_request", "Send application/x-www-form-urlencoded.")
    return read_form(pairs(request.form.lists()))


def get_caller(form: Mapping[str, str]) -> Client:
    """Return the client that sends *form*, authenticated.

    Raises:
        SentError: ``invalid_client`` (401), ``invalid_request``.
    """
    credentials = read_credentials(form, request.headers.get("Authorization"))
    known = bridge().snapshots.current().clients
    return authenticate(credentials, known.get(credentials.client_id))
