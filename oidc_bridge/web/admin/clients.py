"""Relying parties: look at one, give it a secret, say what holds for apps that no rule names."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.oidc.client import Client, Unknown
from oidc_bridge.roles import Admin
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import read
from oidc_bridge.storage.apps import (
    add_secret,
    get_client,
    list_clients,
    remove_secret,
    secrets_since,
)
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.outbox import delivery_log
from oidc_bridge.storage.rulings import set_default
from oidc_bridge.web import see_other
from oidc_bridge.web.admin.clash import clash
from oidc_bridge.web.admin.client_secret import secret_page, yaml_of
from oidc_bridge.web.admin.door import admin_views, change, the_admin
from oidc_bridge.web.admin.moments import name_of, read_moment
from oidc_bridge.web.admin.pages import admin_page, argument
from oidc_bridge.web.changes import confirm
from oidc_bridge.web.session import check_form, field

views = admin_views(
    "clients",
    "/clients",
    {
        "overview": "read clients",
        "client": "read clients",
        "rotate": "change secrets",
        "end_secret": "change secrets",
        "unknown_apps": "change clients",
    },
)

_PAGE = 50
_DELIVERIES = 50
_UNKNOWN: tuple[Unknown, ...] = get_args(Unknown)
_FLASHES = {
    "secret-ended": "Ended. The other secret stays valid.",
    "unknown-apps": "Saved. It holds from the next sign-in on.",
}


@views.get("")
def overview() -> Response:
    """List the clients."""
    after = argument("after")
    with read() as connection:
        found = list_clients(connection, after=after, at_most=_PAGE + 1)
    shown = found[:_PAGE]
    is_more = len(found) > _PAGE
    return admin_page(
        "admin/clients.html",
        clients=shown,
        may_register=the_admin().may("change secrets"),
        first_url=url_for("admin_clients.overview") if after else None,
        next_url=url_for("admin_clients.overview", after=shown[-1].id) if is_more else None,
    )


@views.get("/<id:client_id>")
def client(client_id: str) -> Response:
    """Show a client, its secrets' ages and how it was told of sign-outs."""
    with read() as connection:
        known = find(connection, client_id)
        since = secrets_since(connection, client_id)
        deliveries = delivery_log(connection, client_id=client_id, at_most=_DELIVERIES)
    admin = the_admin()
    return admin_page(
        "admin/client.html",
        client=known,
        secrets=[(made_at, name_of(made_at)) for made_at in since],
        version=_version(since),
        deliveries=deliveries,
        choices=_UNKNOWN,
        yaml=yaml_of(known, "THE SECRET THAT YOU WERE SHOWN"),
        may_change=admin.may("change clients"),
        may_rotate=admin.may("change secrets") and known.has_need_of_secret,
        may_read_people=admin.may("read people"),
        flash=_FLASHES.get(argument("done")),
    )


@views.post("/<id:client_id>/secret")
def rotate(client_id: str) -> Response:
    """Ask, then make another secret and show it this once; the one before stays valid."""
    browser, version = check_form(), field("version")
    if request.form.get("confirm") != "yes":
        return confirm(
            browser,
            title=f"Make another secret for {client_id}?",
            effect=[
                "The new secret is shown to you once.",
                "The one before stays valid beside it, so that nothing stops meanwhile.",
            ],
            button="Make a secret",
            back_url=_url(client_id),
            fields={"version": version},
        )
    secret = new_secret()

    def make(connection: Connection, admin: Admin, now: datetime) -> str:
        since = _check_secrets(connection, client_id, version)
        # A third would end one of two that may both be in use.
        if len(since) > 1:
            raise PageError("changed_meanwhile", f"two secrets of {client_id}", status=409)
        add_secret(connection, client_id, secret, now=now)
        _record_secrets(connection, "client secret made", client_id, admin, since, now)
        return secret

    result = change("change secrets", make, browser=browser, place="admin clients")
    if isinstance(result, Response):
        return result
    with read() as connection:
        known = find(connection, client_id)
    return secret_page(known, result, is_new=False)


@views.post("/<id:client_id>/secret/end")
def end_secret(client_id: str) -> Response:
    """Ask, then make one of two secrets invalid: the older, or a new one that nobody kept."""
    browser, version, made_at = check_form(), field("version"), read_moment(field("made_at"))
    if request.form.get("confirm") != "yes":
        return confirm(
            browser,
            title=f"End the secret of {client_id} made at {made_at:%Y-%m-%d %H:%M} UTC?",
            effect=["Whoever still signs in with it is refused. Is the other in use everywhere?"],
            button="End this secret",
            back_url=_url(client_id),
            fields={"version": version, "made_at": name_of(made_at)},
        )

    def end(connection: Connection, admin: Admin, now: datetime) -> Response:
        since = _check_secrets(connection, client_id, version)
        if len(since) < 2 or made_at not in since:
            raise PageError("changed_meanwhile", f"secrets of {client_id}", status=409)
        remove_secret(connection, client_id, made_at)
        _record_secrets(connection, "client secret removed", client_id, admin, since, now)
        return see_other(_url(client_id, done="secret-ended"))

    return change("change secrets", end, browser=browser, place="admin clients")


@views.post("/<id:client_id>/unknown-apps")
def unknown_apps(client_id: str) -> Response:
    """Say what holds at a homeserver for apps that no rule names."""
    browser, version, wanted = check_form(), field("version"), field("unknown")
    if wanted not in _UNKNOWN:
        raise PageError("form_malformed", "unknown")

    def keep(connection: Connection, admin: Admin, now: datetime) -> Response:
        before = find(connection, client_id)
        if before.kind != "homeserver":
            raise PageError("form_malformed", f"unknown apps of {client_id}")
        if before.unknown_apps != version:
            return _clash(before, wanted)
        set_default(connection, client_id, wanted, now=now, by=admin.account_id)
        return see_other(_url(client_id, done="unknown-apps"))

    return change("change clients", keep, browser=browser)


def _clash(before: Client, wanted: Unknown) -> Response:
    what = "Apps that no rule names"
    return clash(
        f"What holds at {before.name} for apps that no rule names",
        yours={what: wanted},
        theirs={what: before.unknown_apps},
        url=url_for("admin_clients.unknown_apps", client_id=before.id),
        fields={"version": before.unknown_apps, "unknown": wanted},
        back_url=_url(before.id),
    )


def find(connection: Connection, client_id: str) -> Client:
    """Return one client.

    Raises:
        PageError: ``not_found``.
    """
    try:
        return get_client(connection, client_id)
    except BridgeError as error:
        raise PageError("not_found", error.detail, status=404) from error


def _check_secrets(connection: Connection, client_id: str, version: str) -> Sequence[datetime]:
    """Return since when each secret is valid, if these are the ones that the admin was shown.

    Raises:
        PageError: ``changed_meanwhile``: a page that is loaded anew, or another admin's change.
    """
    known, since = find(connection, client_id), secrets_since(connection, client_id)
    if _version(since) != version or not known.has_need_of_secret:
        raise PageError("changed_meanwhile", f"secrets of {client_id}", status=409)
    return since


def _version(since: Sequence[datetime]) -> str:
    return " ".join(name_of(made_at) for made_at in since)


def _record_secrets(
    connection: Connection,
    kind: str,
    client_id: str,
    admin: Admin,
    before: Sequence[datetime],
    now: datetime,
) -> None:
    after = len(secrets_since(connection, client_id))
    record(
        connection,
        kind,
        now=now,
        client_id=client_id,
        by=admin.account_id,
        before=f"{len(before)} valid",
        after=f"{after} valid",
    )


def _url(client_id: str, **query: Any) -> str:
    return url_for("admin_clients.client", client_id=client_id, **query)
