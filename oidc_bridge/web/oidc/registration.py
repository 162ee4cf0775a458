"""Clients that register themselves (RFC 7591) and look after it (RFC 7592).

A registration access token is never replaced: RFC 7592 section 5 allows it at each use, but a
client that loses one answer would then have lost its registration. It is bound to its client,
kept as a hash, and each answer repeats the one that was sent.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.manifest import open_statement
from oidc_bridge.deadline import Deadline
from oidc_bridge.errors import BridgeError, FetchError, SentError, TokenError
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.policy import check_change
from oidc_bridge.oidc.registration import check_sector, describe, read_client, read_document
from oidc_bridge.oidc.resource import read_presented
from oidc_bridge.proofs.named_profile import FindProfile
from oidc_bridge.seal import digest_of, new_secret
from oidc_bridge.sightings import look_at
from oidc_bridge.storage import new_id, read, write
from oidc_bridge.storage.apps import (
    add_client,
    add_secret,
    get_client,
    remove_client,
    remove_secrets,
    update_client,
)
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.registrations import (
    add_registration,
    count_registrations,
    find_registration,
    is_initial_token_live,
    spend_initial_token,
)
from oidc_bridge.web import bridge, empty_answer, json_answer

T = TypeVar("T")

log = logging.getLogger(__name__)
views = Blueprint("registration", __name__, url_prefix="/register")

_MAX_SECTOR = 16 * 1024
_MAX_DESCRIPTION = 300
_SECONDS_TO_LOOK = 3.0
# RFC 7592 section 2.2: an update never holds these.
_OURS = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)


@views.post("")
def register() -> Response:
    """RFC 7591 section 3. Id, secret and token are made here, whatever the client would like."""
    now = bridge().clock()
    # First, so that a stranger cannot have us fetch anything.
    initial_token = _check_may_register(now)
    client = _read_client(_read_body(), client_id=new_id(), now=now)
    secret = new_secret() if client.has_need_of_secret else None
    management_token = new_secret()

    def keep(connection: Connection) -> None:
        token_id = _spend(connection, initial_token, now)
        add_client(connection, client, now=now)
        if secret is not None:
            add_secret(connection, client.id, secret, now=now)
        add_registration(connection, client.id, management_token, now=now)
        record(
            connection,
            "client registered",
            now=now,
            client_id=client.id,
            token=token_id,
            **_facts_of(client),
        )

    _change(keep)
    _look_at(client, now)
    return json_answer(_answer(client, secret, management_token, registered_at=now), status=201)


@views.get("/<id:client_id>")
def show(client_id: str) -> Response:
    """RFC 7592 section 2.1. The secret is not there: nobody has it any more."""
    token = _bearer()
    with read() as connection:
        registered_at = _managed(connection, client_id, token)
        client = get_client(connection, client_id)
    return json_answer(_answer(client, None, token, registered_at=registered_at))


@views.put("/<id:client_id>")
def update(client_id: str) -> Response:
    """RFC 7592 section 2.2: all metadata is replaced, held to the rules of a registration."""
    token, now = _bearer(), bridge().clock()
    with read() as connection:
        registered_at = _managed(connection, client_id, token)
        known = get_client(connection, client_id)
    if bridge().settings.registration.mode == "closed":
        raise SentError("access_denied", "Registration is closed: nothing changes.", status=403)
    document = _read_body()
    _check_update(document, known)
    client = replace(
        _read_client(document, client_id=client_id, now=now), server_name=known.server_name
    )
    needs_secret = client.has_need_of_secret and not known.secret_digests
    secret = new_secret() if needs_secret else None

    def keep(connection: Connection) -> None:
        _managed(connection, client_id, token)
        before = get_client(connection, client_id)
        _told(lambda: check_change(before, client))
        update_client(connection, client)
        if not client.has_need_of_secret:
            remove_secrets(connection, client_id)
        if secret is not None:
            add_secret(connection, client_id, secret, now=now)
        facts = _facts_of(client)
        record(connection, "client updated", now=now, client_id=client_id, **facts)

    _change(keep)
    _look_at(client, now)
    return json_answer(_answer(client, secret, token, registered_at=registered_at))


@views.delete("/<id:client_id>")
def remove(client_id: str) -> Response:
    """RFC 7592 section 2.3: the client goes, with all that people gave it."""
    token, now = _bearer(), bridge().clock()

    def forget(connection: Connection) -> None:
        _managed(connection, client_id, token)
        remove_client(connection, client_id)
        record(connection, "client removed", now=now, client_id=client_id)

    _change(forget)
    return empty_answer(status=204)


def _check_may_register(now: datetime) -> str | None:
    """Return the initial access token, if one is needed."""
    match bridge().settings.registration.mode:
        case "open":
            return None
        case "closed":
            raise SentError("access_denied", "Clients cannot register themselves.", status=403)
    token = _bearer()
    with read() as connection:
        if not is_initial_token_live(connection, token, now=now):
            raise _no_token()
    return token


def _spend(connection: Connection, initial_token: str | None, now: datetime) -> str:
    if count_registrations(connection) >= bridge().settings.registration.limit:
        raise SentError("access_denied", "No more clients can register.", status=403)
    if initial_token is None:
        return ""
    token_id = spend_initial_token(connection, initial_token, now=now)
    if token_id is None:
        raise _no_token()
    return token_id


def _managed(connection: Connection, client_id: str, token: str) -> datetime:
    """Return when the client registered, if *token* is its own (RFC 7592 sections 2.1 and 5).

    One answer for a wrong token, for another client's, and for a client that is gone.
    """
    registered_at = find_registration(connection, client_id, token)
    if registered_at is None:
        raise _no_token()
    return registered_at


def _read_body() -> Mapping[str, object]:
    if request.mimetype != "application/json":
        raise SentError("invalid_client_metadata", "Send application/json.")
    return _told(lambda: read_document(request.get_data()))


def _read_client(document: Mapping[str, object], *, client_id: str, now: datetime) -> Client:
    client = _told(lambda: _read_signed(document, client_id=client_id, now=now))
    sector_uri = client.metadata.sector_identifier_uri
    if sector_uri is not None:
        try:
            answer = bridge().strangers(sector_uri, max_bytes=_MAX_SECTOR)
        except FetchError as error:
            raise SentError(
                "invalid_client_metadata", "sector_identifier_uri could not be fetched."
            ) from error
        _told(lambda: check_sector(client, answer.body if answer.status == 200 else b""))
    return client


def _read_signed(document: Mapping[str, object], *, client_id: str, now: datetime) -> Client:
    parts, text = bridge(), document.get("software_statement")
    if text is None:
        return read_client(document, client_id=client_id)
    seconds = parts.settings.names.budget
    statement, signed = open_statement(
        text,
        audience=parts.settings.issuer,
        services=parts.name_services,
        fetch=Deadline(parts.fetch, seconds),
        now=now,
        find_profile=find_profile_within(Deadline(parts.strangers, seconds), seconds),
    )
    return read_client(document, client_id=client_id, statement=statement, signed=signed)


def _look_at(client: Client, now: datetime) -> None:
    """Look at the client's own site, in bounded time; whatever comes of it, it is registered."""
    strangers = Deadline(bridge().strangers, _SECONDS_TO_LOOK)
    find_profile = find_profile_within(strangers, _SECONDS_TO_LOOK)
    look_at(client, fetch=strangers, find_profile=find_profile, now=now)
    bridge().snapshots.forget()


def find_profile_within(strangers: Deadline, seconds: float) -> FindProfile:
    """Return what finds a developer's profile; our own services may take *seconds*."""
    parts = bridge()
    return partial(parts.find_profile, fetch=Deadline(parts.fetch, seconds), strangers=strangers)


def _check_update(document: Mapping[str, object], known: Client) -> None:
    if document.get("client_id") != known.id:
        raise SentError("invalid_client_metadata", "client_id must be there, and the client's own.")
    for name in _OURS:
        if name in document:
            raise SentError("invalid_client_metadata", f"{name} must not be sent.")
    secret = document.get("client_secret")
    if secret is not None and not (isinstance(secret, str) and known.has_secret(_digest(secret))):
        raise SentError("invalid_client_metadata", "client_secret is not the one that was given.")


def _digest(secret: str) -> str:
    # What cannot be written as UTF-8 is nobody's secret.
    return digest_of(secret) if secret.isascii() else ""


def _told(work: Callable[[], T]) -> T:
    """Run *work*; what it refuses is told to the client in the form of RFC 7591 section 3.2.2."""
    try:
        return work()
    except BridgeError as error:
        log.info("registration refused code=%s detail=%s", error.code, error.detail)
        said = error.detail.encode("ascii", "replace").decode()
        said = said.replace('"', "'").replace("\\", "/")[:_MAX_DESCRIPTION]
        raise SentError(error.code, said) from error


def _change(work: Callable[[Connection], None]) -> None:
    write(work)
    bridge().snapshots.forget()


def _facts_of(client: Client) -> dict[str, str]:
    known = client.statement
    return {"developer": known.developer, "statement": known.jti} if known else {}


def _bearer() -> str:
    return read_presented(request.headers.get("Authorization"), {}).token


def _no_token() -> TokenError:
    return TokenError("invalid_token", "The token is unknown, used up, or expired.")


def _answer(
    client: Client, secret: str | None, management_token: str, *, registered_at: datetime
) -> dict[str, object]:
    """RFC 7591 section 3.2.1, RFC 7592 section 3. The secret is told when it is made, once."""
    path = url_for("registration.show", client_id=client.id)
    answer = {
        **describe(client),
        "client_id_issued_at": int(registered_at.timestamp()),
        "registration_access_token": management_token,
        "registration_client_uri": f"{bridge().settings.issuer}{path}",
    }
    if secret is not None:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return answer
