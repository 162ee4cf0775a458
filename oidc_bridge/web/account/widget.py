"""The account page inside of Matrix clients (MSC1960): one's apps and browsers, to look at and to
take away.

Who opens it shows a Matrix OpenID token, which every widget of theirs could show as well: that
opens no more than this page, for a quarter of an hour, and gives nothing. What gives is done on
the ordinary account page, after a fresh proof. A frame of another site has no cookies, so a bearer
token in the page's memory takes their place, and no other site's form can send it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import MatrixTokenError, PageError
from oidc_bridge.matrix.openid import MatrixUser, find_user, read_token
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import hold_account
from oidc_bridge.storage.consents import find_app_consent
from oidc_bridge.storage.export import as_json
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.my_apps import apps_page, count_apps, take_back
from oidc_bridge.storage.widget import (
    WidgetSession,
    find_main_account,
    find_widget,
    open_widget,
    spend_matrix_token,
)
from oidc_bridge.web import bridge, json_answer, let_page_be_framed_by, page
from oidc_bridge.web.account.my_apps import AppItem, item_of
from oidc_bridge.web.account.overview import SessionItem, browsers_of
from oidc_bridge.web.sign_out import end_of
from oidc_bridge.web.templates import undirected

T = TypeVar("T")

log = logging.getLogger(__name__)

views = Blueprint("widget", __name__, url_prefix="/widget")

LIFE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whose account a widget shows."""

    account_id: str
    widget: WidgetSession


@views.errorhandler(MatrixTokenError)
def show_refusal(error: MatrixTokenError) -> Response:
    """Tell the page's script what it cannot have."""
    note(error)
    return json_answer(
        {"error": error.code, "error_description": error.sentence}, status=error.status
    )


def note(error: MatrixTokenError) -> None:
    """Log a refusal; what an operator must mend, as a warning."""
    level = logging.WARNING if error.status == 502 else logging.INFO
    log.log(level, "widget refused code=%s detail=%s", error.code, error.detail)


@views.get("")
def show() -> Response:
    """Show the page, empty: its script asks the Matrix client for a token, then us for the rest."""
    widget = bridge().settings.widget
    if not widget.is_on:
        raise PageError("not_found", "no widget", status=404)
    clients = sorted(widget.clients)
    let_page_be_framed_by(*clients)
    return page(
        "account/widget.html",
        clients=" ".join(clients),
        account_url=url_for("account.overview"),
        passwords_url=url_for("app_passwords.overview"),
        rules_url=url_for("rules.overview"),
        minutes=LIFE // timedelta(minutes=1),
    )


@views.post("/session")
def begin() -> Response:
    """Take a Matrix OpenID token, once, for a bearer token of ours."""
    bearer, user = open_session()
    return json_answer(
        {"token": bearer, "expires_in": LIFE // timedelta(seconds=1), "user_id": user.mxid}
    )


def open_session() -> tuple[str, MatrixUser]:
    """Return a bearer token for whom the request's Matrix OpenID token is of.

    Raises:
        MatrixTokenError: what `read_token` and `find_user` raise; ``token_spent``;
            ``account_unknown``, also for who is blocked, and for a Matrix user that one app alone
            knows.
    """
    parts, homeservers = bridge(), get_homeservers()
    token = read_token(request.get_data())
    user = find_user(token, homeservers=homeservers, fetch=parts.fetch)
    now, bearer = parts.clock(), new_secret()

    def begin_with(connection: Connection) -> str:
        # Returned and not raised, for a token is spent whatever it then opens.
        if not spend_matrix_token(connection, token, now=now):
            return "token_spent"
        account_id = _find_account(connection, user)
        if account_id is None:
            return "account_unknown"
        open_widget(connection, bearer, user, now=now, expires_at=now + LIFE)
        record(connection, "widget opened", now=now, account_id=account_id)
        return ""

    if code := write(begin_with):
        raise MatrixTokenError(code, user.mxid)
    return bearer, user


def get_homeservers() -> Mapping[str, str]:
    """Return the addresses of the homeservers whose people may come.

    Raises:
        MatrixTokenError: ``not_found`` if there is no widget here.
    """
    widget = bridge().settings.widget
    if not widget.is_on:
        raise MatrixTokenError("not_found", "no widget")
    return widget.urls


def get_visitor(connection: Connection, bearer: str, now: datetime) -> Visitor:
    """Return whose account *bearer* opens, asked anew each time.

    Raises:
        MatrixTokenError: ``session_over``, also if they were blocked or deleted meanwhile, or if
            their homeserver was taken off the list.
    """
    homeservers, widget = get_homeservers(), find_widget(connection, bearer, now=now)
    if widget is None or widget.user.server_name not in homeservers:
        raise MatrixTokenError("session_over", "no such session")
    account_id = _find_account(connection, widget.user)
    if account_id is None:
        raise MatrixTokenError("session_over", "no account any more")
    return Visitor(account_id, widget)


def find_bearer() -> str:
    """Return the bearer token of the request's header, ``""`` if there is none."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return bearer if scheme.lower() == "bearer" else ""


def _find_account(connection: Connection, user: MatrixUser) -> str | None:
    """Return the account that is this very Matrix user: it was we who gave them the localpart."""
    ids = [
        client.id
        for client in bridge().snapshots.current().clients.values()
        if client.kind == "homeserver" and client.server_name == user.server_name
    ]
    return find_main_account(connection, ids, user.localpart)


@views.get("/account")
def account() -> Response:
    """Tell the page what it lists: the apps used last, and the browsers.

    Neither keys, names and addresses nor the IDs that one app alone knows: others than the person
    may have the token.
    """
    now = bridge().clock()
    with read() as connection:
        visitor = get_visitor(connection, find_bearer(), now)
        total = count_apps(connection, visitor.account_id)
        used = apps_page(connection, visitor.account_id, first=0)
        sessions = browsers_of(connection, visitor.account_id, now)
    return json_answer(
        {
            "user_id": visitor.widget.user.mxid,
            "opened_at": as_json(visitor.widget.opened_at),
            "apps": [_app_as_json(item_of(app.given, app.last_used)) for app in used],
            "apps_total": total,
            "sessions": [_session_as_json(session) for session in sessions],
        }
    )


def _app_as_json(app: AppItem) -> Mapping[str, Any]:
    via = app.via if app.via not in (app.title, app.host) else ""
    return {
        "id": app.id,
        "title": undirected(app.title),
        "host": app.host,
        "via": undirected(via),
        "is_alone": app.is_alone,
        "gets": list(app.scopes),
        "since": as_json(app.since),
        "last_used": as_json(app.last_used) if app.last_used else None,
    }


def _session_as_json(session: SessionItem) -> Mapping[str, Any]:
    unnamed = session.apps.total - len(session.apps.shown)
    return {
        "id": session.id,
        "device": session.device,
        "since": as_json(session.since),
        "last_used": as_json(session.last_used),
        "apps": [undirected(title) for title in session.apps.shown]
        + ([f"and {unnamed} more"] if unnamed else []),
    }


@views.post("/apps/<id:consent_id>/remove")
def remove(consent_id: str) -> Response:
    """End all that an app has of the person."""

    def end(connection: Connection, account_id: str, now: datetime) -> None:
        mine = find_app_consent(connection, account_id, consent_id)
        if mine is None:
            raise MatrixTokenError("not_found", "consent")
        take_back(connection, account_id, mine, now=now)
        record(
            connection,
            "access removed",
            now=now,
            account_id=account_id,
            client_id=mine.client_id,
            app=mine.app,
            consent=mine.consent.id,
            by="widget",
        )

    _change(end)
    return json_answer({})


@views.post("/sessions/<id:session_id>/sign-out")
def sign_out(session_id: str) -> Response:
    """Sign one of the person's browsers out, with every app that it is signed in to."""
    _change(
        lambda connection, account_id, now: end_of(
            connection, account_id, [session_id], now=now, by="widget"
        )
    )
    return json_answer({})


def _change(work: Callable[[Connection, str, datetime], T]) -> T:
    """Take something away from an account, in one transaction."""
    now, bearer = bridge().clock(), find_bearer()

    def work_on(connection: Connection) -> T:
        hold_account(connection, get_visitor(connection, bearer, now).account_id)
        # Asked twice: while we waited they may have been blocked or deleted.
        return work(connection, get_visitor(connection, bearer, now).account_id, now)

    return write(work_on)
