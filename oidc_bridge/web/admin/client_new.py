"""Registering a relying party: a short form, what follows from it, and the secret."""

import secrets
from datetime import datetime

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.checkup import check_addresses
from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.matrix.mas import new_provider_id
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.policy import check_client
from oidc_bridge.roles import Admin
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import read
from oidc_bridge.storage.apps import add_client, add_secret
from oidc_bridge.storage.ledger import record
from oidc_bridge.web import bridge, see_other
from oidc_bridge.web.admin.client_forms import FIELDS, read_new_client
from oidc_bridge.web.admin.client_secret import secret_page
from oidc_bridge.web.admin.door import admin_views, change, find_proof_to_make
from oidc_bridge.web.admin.pages import admin_page
from oidc_bridge.web.changes import get_session
from oidc_bridge.web.fresh import is_fresh
from oidc_bridge.web.session import check_form

views = admin_views(
    "client_new",
    "/clients/new",
    {
        "new": "change secrets",
        "prove": "change secrets",
        "preview": "change secrets",
        "register": "change secrets",
    },
)

_PLACE = "admin new client"
_TAKEN = "There is a client of this id already."


@views.get("")
def new() -> Response:
    """Show the forms that register a client; they give a secret, so first a fresh proof."""
    return _form_page()


@views.post("/prove")
def prove() -> Response:
    """Ask for a fresh proof, so that nothing is typed in vain."""
    prove = find_proof_to_make("change secrets", browser=check_form(), place=_PLACE)
    return prove or see_other(url_for("admin_client_new.new"))


@views.post("/preview")
def preview() -> Response:
    """Show what would be registered, and whether its addresses answer; nothing is kept yet."""
    prove = find_proof_to_make("change secrets", browser=check_form(), place=_PLACE)
    if prove is not None:
        return prove
    if request.form.get("change") == "yes":
        return _form_page()
    given = {name: request.form[name] for name in FIELDS if name in request.form}
    if given.get("kind") == "mas" and not given.get("provider_id", "").strip():
        given["provider_id"] = new_provider_id(bridge().clock(), secrets.token_bytes(10))
    try:
        made = read_new_client(given)
        check_client(made)
    except BridgeError as error:
        return _form_page(wrong=error.detail)
    if made.id in bridge().snapshots.current().clients:
        return _form_page(wrong=_TAKEN)
    return admin_page(
        "admin/client_preview.html",
        client=made,
        given=given,
        findings=check_addresses(made, fetch=bridge().fetch),
        preview_url=url_for("admin_client_new.preview"),
        register_url=url_for("admin_client_new.register"),
    )


@views.post("")
def register() -> Response:
    """Register a client, and show its secret this once."""
    browser = check_form()
    try:
        made = read_new_client(request.form)
        check_client(made)
    except BridgeError as error:
        return _form_page(wrong=error.detail)
    secret = new_secret() if made.has_need_of_secret else ""

    def keep(connection: Connection, admin: Admin, now: datetime) -> str:
        _keep(connection, made, secret, now=now, by=admin.account_id)
        return secret

    try:
        result = change("change secrets", keep, browser=browser, place=_PLACE)
    except PageError:
        raise
    except BridgeError:  # client_exists
        return _form_page(wrong=_TAKEN)
    return result if isinstance(result, Response) else secret_page(made, result, is_new=True)


def _keep(connection: Connection, made: Client, secret: str, *, now: datetime, by: str) -> None:
    add_client(connection, made, now=now)
    if secret:
        add_secret(connection, made.id, secret, now=now)
    record(
        connection,
        "client added",
        now=now,
        client_id=made.id,
        by=by,
        after=" ".join(made.redirect_uris),
    )


def _form_page(*, wrong: str = "") -> Response:
    now = bridge().clock()
    with read() as connection:
        session = get_session(connection, now)
    return admin_page(
        "admin/client_new.html",
        status=400 if wrong else 200,
        wrong=wrong,
        given=request.form,
        is_fresh=is_fresh(session, now),
        preview_url=url_for("admin_client_new.preview"),
        prove_url=url_for("admin_client_new.prove"),
    )
