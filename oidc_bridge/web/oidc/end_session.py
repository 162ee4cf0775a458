"""RP-Initiated Logout: an app asks us to sign somebody out."""

from collections.abc import Iterable
from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.oidc.authorize import read_parameters
from oidc_bridge.oidc.end_session import LogoutRequest, read_logout
from oidc_bridge.storage import read, write
from oidc_bridge.storage.authorizations import is_session_named
from oidc_bridge.storage.my_apps import NO_APPS, AppTitles, apps_of_sessions
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import as_link, bridge, let_form_lead_to, page, pairs, see_other
from oidc_bridge.web.cards import person_card
from oidc_bridge.web.changes import find_held_session
from oidc_bridge.web.session import (
    check_form,
    current_session,
    drop_session,
    form_token,
    keep_browser,
    new_browser,
)
from oidc_bridge.web.sign_out import end, signed_out

views = Blueprint("end_session", __name__, url_prefix="/end-session")

# What the question carries on to its answer; it is read anew there, and believed no more.
_CARRIED = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
_TITLES = 20


@views.route("", methods=["GET", "POST"])
def end_session() -> Response:
    """Section 2: sign out whom the hint means, or ask."""
    if request.method == "POST":
        return as_link(url_for("end_session.end_session"))
    asked = _read(request.args.lists())
    now = bridge().clock()
    with read() as connection:
        session = current_session(connection, now=now)
        if session is not None and not _is_meant(connection, session, asked):
            return _ask(connection, session, asked)
    sign_out_id = None
    if session is not None:
        sign_out_id = write(lambda connection: _end_if_meant(connection, asked, now))
    return _leave(asked, sign_out_id)


@views.post("/confirm")
def confirm() -> Response:
    """The person said yes. Twice, or too late, is a yes too."""
    check_form()
    asked = _read(request.form.lists())
    now = bridge().clock()

    def end_this(connection: Connection) -> str | None:
        session = find_held_session(connection, now)
        if session is None:
            return None
        return end(connection, session, [session.id], now=now)

    return _leave(asked, write(end_this))


def _read(lists: Iterable[tuple[str, list[str]]]) -> LogoutRequest:
    known = bridge().snapshots.current()
    return read_logout(
        read_parameters(pairs(lists)),
        clients=known.clients,
        keys=known.keys,
        issuer=bridge().settings.issuer,
    )


def _is_meant(connection: Connection, session: Session, asked: LogoutRequest) -> bool:
    """Whether the hint is of this very session. One of an earlier session, of another browser or
    of another person proves nothing about who sits here now (security L1, L2)."""
    if asked.hint is None or asked.is_led_astray:
        return False
    return is_session_named(
        connection, session.id, client_id=asked.hint.client.id, sid=asked.hint.sid
    )


def _end_if_meant(connection: Connection, asked: LogoutRequest, now: datetime) -> str | None:
    session = find_held_session(connection, now)
    if session is None or not _is_meant(connection, session, asked):
        return None
    return end(connection, session, [session.id], now=now)


def _ask(connection: Connection, session: Session, asked: LogoutRequest) -> Response:
    browser = new_browser()
    if asked.return_uri is not None:
        let_form_lead_to(asked.return_uri)
    answer = page(
        "end_session/confirm.html",
        csrf=form_token(browser),
        person=person_card(session),
        asking=asked.hint.client.name if asked.hint else "",
        apps=_apps(connection, session),
        confirm_url=url_for("end_session.confirm"),
        fields={name: request.args[name] for name in _CARRIED if name in request.args},
        stay_url=url_for("account.overview"),
    )
    return keep_browser(answer, browser)


def _apps(connection: Connection, session: Session) -> AppTitles:
    found = apps_of_sessions(connection, [session.id], most=_TITLES)
    return found.get(session.id, NO_APPS)


def _leave(asked: LogoutRequest, sign_out_id: str | None) -> Response:
    """Section 3: go where the client wants the person, if that is proven; else say it is done."""
    go = signed_out(sign_out_id) if asked.return_url is None else see_other(asked.return_url)
    # A picture on a foreign page asks without cookies: its answer must not take them away.
    return go if sign_out_id is None else drop_session(go)
