"""A one-time sign-in, made on the account page: for clients that know passwords alone.

The old account page of OI Chat made one "to copy into any client"; and Element asks people who came
by SSO for a password where the homeserver takes any. It has the shape of a chat app's password, so
that the homeserver brings it to us: the app in it is this server itself, and the nonce the secret.
"""

from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.whitelist import judge_for, rule_name
from oidc_bridge.errors import PageError, ProofError
from oidc_bridge.matrix.password import SignedIn, localpart_of
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.oidc.client import Client
from oidc_bridge.storage import new_id, read
from oidc_bridge.storage.accounts import find_account
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.nonces import LIFE, announce_own
from oidc_bridge.storage.personas import MAIN, persona_as
from oidc_bridge.storage.sessions import Session
from oidc_bridge.storage.whitelist import find_said
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.cards import WITHOUT_BROWSER, matrix_id
from oidc_bridge.web.doors.devices import authorize, main_at, open_device, waits_for_choice
from oidc_bridge.web.fresh import CONFIRMED, give, is_fresh
from oidc_bridge.web.session import (
    check_form,
    current_session,
    form_token,
    keep_browser,
    new_browser,
)

views = Blueprint("one_time", __name__, url_prefix="/account/one-time")

_PLACE = "one-time"
_LABEL = f"A Matrix client{WITHOUT_BROWSER}"


@views.get("")
def overview() -> Response:
    """Say what it is, and offer to make one."""
    client, now = _homeserver(), bridge().clock()
    with read() as connection:
        session = current_session(connection, now=now)
        if session is None:
            return see_other(url_for("account.overview"))
        waits = waits_for_choice(connection, session, client)
    browser = new_browser()
    shown = page(
        "account/one_time.html",
        csrf=form_token(browser),
        flash=CONFIRMED if request.args.get("done") == "confirmed" else None,
        is_open=is_fresh(session, now),
        server=client.server_name,
        waits=waits,
        make_url=url_for("one_time.make"),
    )
    return keep_browser(shown, browser)


@views.post("")
def make() -> Response:
    """Make one, and show it this once; a reload makes another."""
    browser, client = check_form(), _homeserver()
    nonce = new_id()

    def add(connection: Connection, session: Session, now: datetime) -> Response:
        _check_allowed(connection, session.account_id, now)
        if waits_for_choice(connection, session, client):
            raise PageError("name_not_chosen", session.account_id, status=409)
        persona = main_at(connection, session, client, now=now)
        announce_own(connection, nonce, account_id=session.account_id, now=now)
        record(
            connection,
            "one-time password made",
            now=now,
            account_id=session.account_id,
            client_id=client.id,
            session=session.id,
        )
        return page(
            "account/one_time_made.html",
            csrf=form_token(browser),
            user=persona.localpart,
            mxid=matrix_id(persona.localpart, client),
            secret=f"{nonce}|{bridge().settings.issuer}|{persona.localpart}",
            expires_at=now + LIFE,
            seconds_left=int(LIFE.total_seconds()),
            again_url=url_for("one_time.overview"),
        )

    return give(add, browser=browser, place=_PLACE)


def sign_in_own(
    connection: Connection, client: Client, account_id: str, user: str, *, now: datetime
) -> SignedIn:
    """Sign in whoever made a one-time password on their account page; its nonce is used up.

    Raises:
        ProofError: ``account_blocked``, ``app_not_allowed``, ``localpart_mismatch``.
    """
    known = find_account(connection, account_id)
    if known is None or known.is_blocked:
        raise ProofError("account_blocked", account_id)
    _check_allowed(connection, account_id, now)
    persona = persona_as(connection, account_id, client.id, MAIN)
    if persona is None or localpart_of(user, client.server_name) != persona.localpart:
        raise ProofError("localpart_mismatch", f"{user[:80]!a} is not who made the password")
    session = open_device(connection, known.opened, _LABEL, now=now)
    sid = authorize(connection, session, client, persona, "", session.profile, now=now)
    record(
        connection,
        "signed in",
        now=now,
        account_id=account_id,
        client_id=client.id,
        method="one-time",
        session=session.id,
    )
    return SignedIn(persona.localpart, session.profile.display_name, persona.sub, True, sid)


def _homeserver() -> Client:
    """Return the homeserver for which passwords are made.

    Raises:
        PageError: ``not_found`` if there is none.
    """
    client = find_homeserver()
    if client is None:
        raise PageError("not_found", "no homeserver takes one-time passwords", status=404)
    return client


def find_homeserver() -> Client | None:
    """Return the homeserver for which passwords are made; None if there is none, or passwords of
    this shape are not its own."""
    parts = bridge()
    if parts.oichat is not None:
        for client in parts.snapshots.current().clients.values():
            if client.kind == "homeserver" and client.server_name == parts.oichat.server_name:
                return client
    return None


def _check_allowed(connection: Connection, account_id: str, now: datetime) -> None:
    """Hold that passwords may be used: by the very rule that app passwords have."""
    name = rule_name(APP_PASSWORD, "")
    said = find_said(connection, account_id, [name], now=now)[name]
    if not judge_for(APP_PASSWORD, "", said).permits("main"):
        raise ProofError("app_not_allowed", name)
