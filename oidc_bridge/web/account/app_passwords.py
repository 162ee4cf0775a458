"""The account's app passwords: list them, make one after a fresh proof, end one.

An app password is in one answer only, that to the form which made it. The form carries the id of
what it makes, so that a reload, which posts the form again, leads to the list and makes no second.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.oidc.app_password import (
    APP_PASSWORD,
    CHOICES,
    MATRIX_LOGIN,
    UNUSED_LIFE,
    AppPassword,
    make_app_password,
    read_app_password,
)
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.scopes import Person, claims_for, within
from oidc_bridge.storage import read
from oidc_bridge.storage.app_passwords import (
    NewAppPassword,
    add_app_password,
    app_passwords_of,
    end_app_password,
    find_app_password,
    is_app_password_known,
)
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.outbox import tell_of_app_password
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.account.app_password_form import Form, read_form
from oidc_bridge.web.account.app_password_list import mxid_at, show_list
from oidc_bridge.web.changes import change, confirm, get_session
from oidc_bridge.web.doors.devices import main_at, waits_for_choice
from oidc_bridge.web.fresh import give, is_fresh
from oidc_bridge.web.qr import qr_of
from oidc_bridge.web.session import (
    check_form,
    current_session,
    form_token,
    keep_browser,
    new_browser,
)

views = Blueprint("app_passwords", __name__, url_prefix="/account/passwords")

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_PLACE = "passwords"


@views.get("")
def overview() -> Response:
    """Show the list, and the form if a fresh proof is at hand."""
    now = bridge().clock()
    with read() as connection:
        session = current_session(connection, now=now)
        if session is None:
            return see_other(url_for("account.overview"))
        known = app_passwords_of(connection, session.account_id)
        homeservers = _homeservers(connection, session)
    browser = new_browser()
    is_open = is_fresh(session, now)
    answer = show_list(browser, known, homeservers, Form(), now=now, is_open=is_open)
    return keep_browser(answer, browser)


@views.post("/new")
def begin() -> Response:
    """Open the form, for who has just proved who they are."""

    def open_form(connection: Connection, session: Session, now: datetime) -> Response:
        return see_other(url_for("app_passwords.overview", _anchor="make"))

    return give(open_form, browser=check_form(), place=_PLACE)


@views.post("")
def make() -> Response:
    """Make one, and show it this once."""
    browser = check_form()
    secret = make_app_password()

    def add(connection: Connection, session: Session, now: datetime) -> Response:
        password_id = request.form.get("id", "")
        if not _ID.fullmatch(password_id):
            raise PageError("form_malformed", "id")
        if is_app_password_known(connection, password_id):
            return see_other(url_for("app_passwords.overview", done="made"))
        known = app_passwords_of(connection, session.account_id)
        homeservers = _homeservers(connection, session)
        form = read_form(known, homeservers, now)
        if form.faults:
            return show_list(browser, known, homeservers, form, now=now, is_open=True)
        mxid = _add(connection, session, password_id, form, secret, now)
        return page(
            "account/app_password.html",
            csrf=form_token(browser),
            label=form.label,
            secret=secret,
            qr=qr_of(secret),
            scopes=[CHOICES[scope] for scope in form.scopes],
            mxid=mxid,
            is_for_tokens=form.scopes != (MATRIX_LOGIN,),
            ends_at=form.ends_at,
            unused_days=UNUSED_LIFE.days,
            client_id=APP_PASSWORD.id,
            token_url=f"{bridge().settings.issuer}/token",
            list_url=url_for("app_passwords.overview"),
        )

    return give(add, browser=browser, place=_PLACE)


@views.post("/<id:password_id>/end")
def end(password_id: str) -> Response:
    """Ask, then end one of mine; what it gave ends with it."""
    browser = check_form()
    if request.form.get("confirm") != "yes":
        with read() as connection:
            session = get_session(connection, bridge().clock())
            mine = find_app_password(connection, session.account_id, password_id)
        known = _known(mine)
        effect = ["Every program that has it gets nothing more. This cannot be undone."]
        if known.matrix is not None:
            effect.append("Matrix apps that signed in with it are signed out.")
        return confirm(
            browser,
            title=f"End the app password “{known.label}”?",
            effect=effect,
            button="End this app password",
            back_url=url_for("app_passwords.overview"),
        )

    def end_it(connection: Connection, session: Session, now: datetime) -> None:
        mine = end_app_password(connection, session.account_id, password_id, now=now)
        label = _known(mine).label
        tell_of_app_password(connection, password_id, now=now)
        record(
            connection,
            "app password ended",
            now=now,
            account_id=session.account_id,
            client_id=APP_PASSWORD.id,
            label=label,
        )

    change(end_it)
    return see_other(url_for("app_passwords.overview", done="ended"))


def _add(
    connection: Connection,
    session: Session,
    password_id: str,
    form: Form,
    secret: str,
    now: datetime,
) -> str:
    """Keep it; return the Matrix ID that it signs in as, ``""`` if it signs in to no homeserver."""
    persona = main_at(connection, session, APP_PASSWORD, now=now)
    matrix = form.homeserver and main_at(connection, session, form.homeserver, now=now)
    said = session.profile
    person = Person(persona.sub, persona.localpart, said.display_name, said.picture, said.email)
    claims = tuple(claims_for(within(form.scopes, APP_PASSWORD.scopes), person))
    new = NewAppPassword(
        password_id, form.label, form.scopes, claims, form.ends_at, matrix.id if matrix else None
    )
    add_app_password(connection, session, persona, new, secret=read_app_password(secret), now=now)
    record(
        connection,
        "app password made",
        now=now,
        account_id=session.account_id,
        client_id=APP_PASSWORD.id,
        label=form.label,
        scopes=" ".join(form.scopes),
    )
    return mxid_at(form.homeserver, matrix.localpart) if matrix else ""


def _homeservers(connection: Connection, session: Session) -> Mapping[str, Client]:
    """Return where an app password may sign in: where a module asks us about passwords."""
    parts = bridge()
    asking = parts.settings.synapse_modules
    return {
        client.id: client
        for client in parts.snapshots.current().clients.values()
        if client.id in asking
        and client.kind == "homeserver"
        and not waits_for_choice(connection, session, client)
    }


def _known(mine: AppPassword | None) -> AppPassword:
    if mine is None:
        raise PageError("not_found", "app password", status=404)
    return mine
