"""Why can't this person sign in: the real policy, asked for one app and shown voice by voice."""

from flask import Response, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.app import which_app
from oidc_bridge.apps.explain import Explained, Rule, explain
from oidc_bridge.apps.whitelist import rule_name
from oidc_bridge.errors import SentError
from oidc_bridge.oidc.client import Client
from oidc_bridge.storage import read
from oidc_bridge.storage.directory import labels_of
from oidc_bridge.storage.people import look_at
from oidc_bridge.storage.whitelist import find_rule, find_said, fitting_listings
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.door import admin_views
from oidc_bridge.web.admin.pages import admin_page, argument
from oidc_bridge.web.admin.people import check_known

views = admin_views("why", "/people", {"ask": "read people"})


@views.get("/<id:account_id>/why")
def ask(account_id: str) -> Response:
    """Show the form and, once a client is chosen, what each rule says."""
    clients = bridge().snapshots.current().clients
    client, address = clients.get(argument("client")), argument("app").strip()
    explained, app_key, wrong = None, "", ""
    with read() as connection:
        check_known(connection, account_id)
        label = labels_of(connection, [account_id])[account_id]
        if client is not None:
            try:
                app_key = _read_app(client, address)
            except SentError:
                wrong = "No app can have this address. Give one such as https://app.element.io."
            else:
                explained = _explain(connection, account_id, client, app_key)
    return admin_page(
        "admin/why.html",
        label=label,
        clients=sorted(clients.values(), key=lambda known: (known.kind, known.name)),
        client=client,
        address=address,
        app=rule_name(client, app_key) if client and explained else "",
        explained=explained,
        wrong=wrong,
        back_url=url_for("admin_people.person", account_id=account_id),
    )


def _read_app(client: Client, address: str) -> str:
    """Return the key of the app that lives at *address*, read as at a sign-in."""
    return which_app(client, client.redirect_uris[0], address or None).key


def _explain(connection: Connection, account_id: str, client: Client, app_key: str) -> Explained:
    now = bridge().clock()
    name = rule_name(client, app_key)
    known = find_rule(connection, name)
    rule = None
    if known is not None:
        entries = fitting_listings(connection, account_id, name, now=now)
        by = [
            "an approved request" if e.kind == "account" else f"{e.kind} {e.who}" for e in entries
        ]
        rule = Rule(known.say, known.audience == "everyone", known.until, by)
    return explain(
        client,
        app_key,
        find_said(connection, account_id, [name], now=now)[name],
        rule=rule,
        blocked_at=look_at(connection, account_id, now=now).blocked_at,
        now=now,
    )
