"""Whose password is it? Asked by the module in a homeserver, about the shapes that are ours.

The module authenticates as the homeserver's own client: one secret, no second one to rotate.
Nothing that came as a password is logged, refused or not; why it was refused stands in our log, of
an app password also among the person's events, and is never told.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from types import MappingProxyType

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from oidc_bridge.errors import BridgeError, SentError
from oidc_bridge.matrix.password import Shape, SignedIn, localpart_of, shape_of
from oidc_bridge.oidc.app_password import (
    APP_PASSWORD,
    MATRIX_LOGIN,
    AppPassword,
    check_app_password,
    read_app_password,
)
from oidc_bridge.oidc.client import Client
from oidc_bridge.storage import write
from oidc_bridge.storage.app_passwords import find_by_app_password, note_use
from oidc_bridge.storage.authorizations import Authorization
from oidc_bridge.storage.ledger import record
from oidc_bridge.web import bridge, json_answer
from oidc_bridge.web.doors import antelope, oichat
from oidc_bridge.web.gate import still_given
from oidc_bridge.web.oidc.callers import get_caller

log = logging.getLogger(__name__)
views = Blueprint("matrix_password", __name__)

# A whole Matrix ID has 255 signs at most; the longest of our passwords has two signatures in it.
_MAX_USER = 512
_MAX_PASSWORD = 4096


@views.post("/matrix/password")
def password() -> Response:
    """Answer who it is, or that it is nobody; the module is never told why."""
    client = _caller()
    user, secret = _read_question()
    try:
        signed_in = _sign_in(client, user, secret, now=bridge().clock())
    except BridgeError as error:
        # Not its detail: it may quote what came.
        log.info("matrix password refused code=%s client=%s", error.code, client.id)
        return json_answer({"ok": False})
    return json_answer({"ok": True, **asdict(signed_in)})


def _caller() -> Client:
    """Return the homeserver that asks.

    Raises:
        SentError: ``invalid_client`` (401), ``unauthorized_client`` (403).
    """
    # In the header alone: the body is JSON.
    client = get_caller({})
    if client.kind != "homeserver" or client.id not in bridge().settings.synapse_modules:
        raise SentError("unauthorized_client", "See synapse_modules in config.toml.", status=403)
    return client


def _read_question() -> tuple[str, str]:
    """Return the user field and the password as the Matrix client sent them.

    Raises:
        SentError: ``invalid_request``.
    """
    asked = request.get_json(silent=True)
    if not isinstance(asked, Mapping):
        raise SentError("invalid_request", "Send a JSON object.")
    user, secret = asked.get("user"), asked.get("password")
    if not isinstance(user, str) or not isinstance(secret, str):
        raise SentError("invalid_request", "Send user and password as text.")
    if len(user) > _MAX_USER or len(secret) > _MAX_PASSWORD:
        raise SentError("invalid_request", "The user or the password is too long.")
    return user, secret


def _sign_in(client: Client, user: str, secret: str, *, now: datetime) -> SignedIn:
    shape = shape_of(secret)
    door = DOORS.get(shape) if shape else None
    if door is None:
        raise BridgeError("password_not_ours", "no proof that is accepted here looks like it")
    return door(client, user, secret, now=now)


def by_app_password(client: Client, user: str, secret: str, *, now: datetime) -> SignedIn:
    """Return whose app password it is.

    Raises:
        BridgeError: it is nobody's, not for this homeserver, or not any more.
    """
    kept = read_app_password(secret)
    answer = write(lambda connection: _use(connection, client, user, kept, now))
    # The person is to see a refusal, so its transaction was committed before this is raised.
    if isinstance(answer, BridgeError):
        raise answer
    return answer


def _use(
    connection: Connection, client: Client, user: str, secret: str, now: datetime
) -> SignedIn | BridgeError:
    found = find_by_app_password(connection, secret)
    if found is None:
        return BridgeError("app_password_unknown")
    known, given = found
    try:
        signed_in = _check(connection, client, user, known, given, now)
    except BridgeError as error:
        record(
            connection,
            "app password refused",
            now=now,
            account_id=given.account_id,
            client_id=client.id,
            label=known.label,
            code=error.code,
        )
        return error
    # Not from where: Synapse does not say it.
    note_use(connection, known.id, "matrix", address="", now=now)
    record(
        connection,
        "app password at Matrix",
        now=now,
        account_id=given.account_id,
        client_id=client.id,
        label=known.label,
    )
    return signed_in


def _check(
    connection: Connection,
    client: Client,
    user: str,
    known: AppPassword,
    given: Authorization,
    now: datetime,
) -> SignedIn:
    check_app_password(known, now=now)
    matrix = known.matrix
    if MATRIX_LOGIN not in given.scopes or matrix is None or matrix.client_id != client.id:
        raise BridgeError("app_password_elsewhere", "it is not for this homeserver")
    if still_given(connection, APP_PASSWORD, given, now=now) is None:
        raise BridgeError("app_not_allowed", "app passwords may not be used any more")
    # Else it would tell whose it is to somebody who has found it.
    if localpart_of(user, client.server_name) != matrix.localpart:
        raise BridgeError("localpart_mismatch", "it is somebody else's")
    return SignedIn(
        localpart=matrix.localpart,
        display_name=given.person.name,
        subject=matrix.subject,
        # Its localpart was given out when it was made.
        known=True,
        session=given.sid,
    )


Door = Callable[..., SignedIn]
DOORS: Mapping[Shape, Door] = MappingProxyType(
    {
        "app-password": by_app_password,
        "oichat": oichat.sign_in,
        "antelope": antelope.sign_in,
    }
)
