"""The admin's first page, and the way to become one."""

from datetime import datetime, timedelta

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.storage import read, write
from oidc_bridge.storage.admins import roles_of, set_role, take_admin_token
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.requests import keep_request
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.admin.door import admin_views, count_waiting, read_place, welcome
from oidc_bridge.web.admin.pages import admin_page
from oidc_bridge.web.cards import person_card
from oidc_bridge.web.changes import change
from oidc_bridge.web.questions import make_challenge
from oidc_bridge.web.session import (
    check_form,
    current_session,
    field,
    form_token,
    new_browser,
)

views = admin_views("home", "", {"overview": "read home"})
# Whoever is no admin yet comes in here.
door = Blueprint("admin_door", __name__, url_prefix="/admin")


@views.get("")
def overview() -> Response:
    """Show what waits, and where to go."""
    return admin_page("admin/home.html", waiting=count_waiting())


@door.post("/begin")
def begin() -> Response:
    """Begin a sign-in that ends on the admin page that was wanted."""
    browser, now = check_form(), bridge().clock()
    expires_at = now + timedelta(seconds=bridge().settings.lifetimes.request)
    wanted = request.form.get("place", "")
    place = "admin token" if wanted == "token" else read_place(wanted)

    def keep(connection: Connection) -> str:
        request_id = keep_request(
            connection, None, browser=browser, expires_at=expires_at, place=place
        )
        make_challenge(connection, request_id, browser=browser, now=now)
        return request_id

    return see_other(url_for("signin.choose", request_id=write(keep)))


@door.get("/token")
def token() -> Response:
    """Ask for the token that makes the first owner."""
    browser, now = new_browser(), bridge().clock()
    with read() as connection:
        session = current_session(connection, now=now)
    if session is None:
        return welcome("token")
    return page(
        "admin/token.html",
        csrf=form_token(browser),
        person=person_card(session),
        take_url=url_for("admin_door.take"),
    )


@door.post("/token")
def take() -> Response:
    """Make whoever brings a token an owner; the token is used up."""
    check_form()
    given = field("token").strip()

    def become_owner(connection: Connection, session: Session, now: datetime) -> None:
        if not take_admin_token(connection, given, now=now):
            raise PageError("admin_token_unknown")
        account_id = session.account_id
        before = str(roles_of(connection, [account_id]).get(account_id, ""))
        set_role(connection, account_id, "owner", now=now)
        told = {"by": "token", "role": "owner", "before": before, "after": "owner"}
        record(connection, "role given", now=now, account_id=account_id, **told)

    change(become_owner)
    return see_other(url_for("admin_home.overview"))
