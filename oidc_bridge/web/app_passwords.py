"""The account's app passwords: list them, make one after a fresh proof, end one.

An app password is in one answer only, that to the form which made it. The form carries the id of
what it makes, so that a reload, which posts the form again, leads to the list and makes no second.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

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
from oidc_bridge.storage import new_id, read
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
from oidc_bridge.web.app_password_form import MAX_LABEL, Form, read_form
from oidc_bridge.web.cards import matrix_id
from oidc_bridge.web.changes import change, confirm, get_session
from oidc_bridge.web.devices import main_at, waits_for_choice
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

_FLASHES = {
    "confirmed": "Thank you, it is you. For five minutes you can make app passwords.",
    "ended": "Ended. Programs that have it get nothing more.",
    "made": "That app password is made already, and is shown only once. If you did not keep it, end"
    " it and make another.",
}
_USES = {"token": "for an access token", "matrix": "to sign in to Matrix"}
_WHY = {
    "ended": "Ended by you, or by a program that has it",
    "date": "Its date has come",
    "unused": f"Nobody used it for {UNUSED_LIFE.days} days",
}


@dataclass(frozen=True, slots=True)
class Item:
    """An app password on the page; ``why_over`` is empty while it works.

    ``mxid``: as whom it signs in to Matrix, if it does.
    """

    id: str
    label: str
    scopes: Sequence[str]
    mxid: str
    since: datetime
    last_used: datetime | None
    used_how: str
    over_at: datetime
    is_forgotten: bool
    why_over: str
    end_url: str


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
    answer = _list(browser, known, homeservers, Form(), now=now, is_open=is_open)
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
            return _list(browser, known, homeservers, form, now=now, is_open=True)
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
    return _mxid(form.homeserver, matrix.localpart) if matrix else ""


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


def _mxid(client: Client | None, localpart: str) -> str:
    """Return the Matrix ID; the localpart alone where the server's name is not known."""
    return (client and matrix_id(localpart, client)) or localpart


def _known(mine: AppPassword | None) -> AppPassword:
    if mine is None:
        raise PageError("not_found", "app password", status=404)
    return mine


def _list(
    browser: str,
    known: Sequence[AppPassword],
    homeservers: Mapping[str, Client],
    form: Form,
    *,
    now: datetime,
    is_open: bool,
) -> Response:
    items = [_item(mine, now) for mine in known]
    choices = {s: words for s, words in CHOICES.items() if s != MATRIX_LOGIN or homeservers}
    return page(
        "account/app_passwords.html",
        status=400 if form.faults else 200,
        csrf=form_token(browser),
        flash=_FLASHES.get(request.args.get("done", "")),
        working=[item for item in items if not item.why_over],
        over=[item for item in items if item.why_over],
        is_open=is_open,
        form=form,
        faults=dict(form.faults),
        form_id=new_id(),
        choices=choices,
        matrix_login=MATRIX_LOGIN,
        homeservers=homeservers,
        unused_days=UNUSED_LIFE.days,
        max_label=MAX_LABEL,
        first_day=now.date().isoformat(),
        begin_url=url_for("app_passwords.begin"),
        make_url=url_for("app_passwords.make"),
    )


def _item(mine: AppPassword, now: datetime) -> Item:
    why = mine.why_over(now)
    return Item(
        id=mine.id,
        label=mine.label,
        scopes=[CHOICES[scope] for scope in mine.scopes if scope in CHOICES],
        mxid=_mxid_of(mine),
        since=mine.created_at,
        last_used=mine.last_used_at,
        used_how=_how_used(mine),
        over_at=mine.over_at,
        is_forgotten=mine.is_forgotten(now),
        why_over=_WHY.get(why, ""),
        end_url="" if why else url_for("app_passwords.end", password_id=mine.id),
    )


def _mxid_of(mine: AppPassword) -> str:
    if mine.matrix is None:
        return ""
    client = bridge().snapshots.current().clients.get(mine.matrix.client_id)
    return _mxid(client, mine.matrix.localpart)


def _how_used(mine: AppPassword) -> str:
    """Return for what and from where; an inside address is our own proxy's, and tells nothing."""
    words = _USES.get(mine.last_used_for, "")
    try:
        is_outside = ip_address(mine.last_used_from).is_global
    except ValueError:
        is_outside = False
    return f"{words}, from {mine.last_used_from}" if is_outside else words
