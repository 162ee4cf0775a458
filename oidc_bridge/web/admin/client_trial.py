"""Test a sign-in at a client: what somebody's tokens would hold, and where the real one begins."""

from dataclasses import dataclass

from flask import Response, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.app import which_app
from oidc_bridge.apps.explain import AS_WHOM
from oidc_bridge.errors import PageError, SentError
from oidc_bridge.matrix import mas, synapse
from oidc_bridge.oidc.client import Client
from oidc_bridge.origins import read_origin
from oidc_bridge.storage import read
from oidc_bridge.storage.sessions import session_to_be
from oidc_bridge.storage.whom import MOST, Described, accounts_of, describe
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.door import admin_views
from oidc_bridge.web.admin.pages import admin_page, argument
from oidc_bridge.web.trial import Trial, try_sign_in

# It tells what is told of a person.
views = admin_views("client_trial", "/clients", {"ask": "read people"})

_BLOCKED = Trial(may_sign_in=False, result="No: they are blocked.", told=())


@dataclass(frozen=True, slots=True)
class Start:
    """Where a real sign-in begins; ``note`` says what to know of it."""

    url: str
    at: str
    note: str


@views.get("/<id:client_id>/trial")
def ask(client_id: str) -> Response:
    """Show the form and, once a person is chosen, what their sign-in would come to."""
    client = bridge().snapshots.current().clients.get(client_id)
    if client is None:
        raise PageError("not_found", client_id, status=404)
    who, address, chosen = argument("who").strip(), argument("app").strip(), argument("person")
    wrong = _wrong_with(client, address)
    with read() as connection:
        people = _people(connection, who, chosen)
        may_try = len(people) == 1 and not wrong
        trial = _try(connection, client, people[0], address) if may_try else None
    return admin_page(
        "admin/client_trial.html",
        client=client,
        who=who,
        people=people[:MOST],
        is_unknown=bool(who or chosen) and not people,
        address=address,
        wrong=wrong,
        trial=trial,
        as_whom=AS_WHOM,
        start=None if wrong else _start_of(client, address),
        trial_url=url_for("admin_client_trial.ask", client_id=client_id),
        client_url=url_for("admin_clients.client", client_id=client_id),
    )


def _wrong_with(client: Client, address: str) -> str:
    try:
        which_app(client, client.redirect_uris[0], address or None)
    except SentError:
        return "No app can have this address. Give one such as https://app.element.io."
    return ""


def _people(connection: Connection, who: str, chosen: str) -> list[Described]:
    accounts = [chosen] if chosen else accounts_of(connection, who) if who else []
    return list(describe(connection, accounts))


def _try(connection: Connection, client: Client, person: Described, address: str) -> Trial:
    now = bridge().clock()
    session = session_to_be(connection, person.account_id, now=now)
    if session is None:
        return _BLOCKED
    settings, app = bridge().settings, address or None
    return try_sign_in(connection, client, session, app, settings=settings, now=now)


def _start_of(client: Client, address: str) -> Start | None:
    """Return where a real sign-in at *client* can be begun from a link, if it can."""
    if client.kind != "homeserver":
        known = client.metadata.initiate_login_uri or client.metadata.client_uri
        homes = (f"{read_origin(uri)}/" for uri in client.redirect_uris if _is_web(uri))
        uri = known or next(homes, None)
        return None if uri is None else Start(uri, str(read_origin(uri)), "")
    found, base = mas.find_mas(client.redirect_uris), synapse.find_homeserver(client.redirect_uris)
    if found is not None:
        note = "It names no chat app, so a fresh proof is asked for."
        return Start(mas.sso_uri(found), found.base, note)
    if base is not None and address:
        return Start(synapse.sso_uri(base, address), base, f"It ends at {address}.")
    return None


def _is_web(uri: str) -> bool:
    return uri.startswith(("https:", "http:"))
