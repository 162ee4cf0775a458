"""The door of the admin pages: who comes in, and what they may change."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from flask import Blueprint, Response, current_app, g, request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import HTTPException

from oidc_bridge.errors import PageError
from oidc_bridge.roles import NEEDS_FRESH_PROOF, Admin, Right
from oidc_bridge.storage import read, write
from oidc_bridge.storage.access_requests import count_access_requests
from oidc_bridge.storage.accounts import hold_account
from oidc_bridge.storage.admins import find_admin
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.changes import get_session
from oidc_bridge.web.fresh import ask_for, is_fresh
from oidc_bridge.web.session import current_session, form_token, keep_browser, new_browser

T = TypeVar("T")

# The router takes //admin for a page too; for a browser that is another host.
_ADDRESS = re.compile(r"/admin[!-~]{0,2000}")

# By endpoint: the right that a page wants.
RIGHT_OF: dict[str, Right] = {}


def admin_views(name: str, path: str, rights: Mapping[str, Right]) -> Blueprint:
    """Return a blueprint under ``/admin`` whose views want these rights, by the views' names."""
    views = Blueprint(f"admin_{name}", __name__, url_prefix=f"/admin{path}")
    RIGHT_OF.update({f"{views.name}.{view}": right for view, right in rights.items()})
    views.before_request(_let_in)
    return views


def _let_in() -> Response | None:
    """Let an admin in; whoever is not signed in gets the door, anybody else a no."""
    right = RIGHT_OF.get(request.endpoint or "")
    with read() as connection:
        session = current_session(connection, now=bridge().clock())
        admin = None if session is None else find_admin(connection, session.account_id)
        # An answer to a form would show how many waited before it.
        if admin is not None and request.method == "GET":
            apps = admin.apps if admin.is_limited else None
            g.admin_waiting = count_access_requests(connection, of=apps)
    if session is None:
        return welcome(_page_wanted(), has_ended=request.method == "POST")
    if admin is None or right is None or not admin.may(right):
        raise PageError("not_allowed", f"{request.endpoint} by {session.account_id}", status=403)
    g.admin, g.admin_session = admin, session
    return None


def welcome(place: str = "", *, has_ended: bool = False) -> Response:
    """Return the door for whoever is not signed in.

    Args:
        place: where they wanted to go.
        has_ended: Whether a form came from them, so that they were signed in.
    """
    browser = new_browser()
    shown = page(
        "admin/welcome.html",
        status=401 if has_ended else 200,
        csrf=form_token(browser),
        begin_url=url_for("admin_door.begin"),
        place=place,
        has_ended=has_ended,
    )
    return keep_browser(shown, browser)


def read_place(text: str) -> str:
    """Return the admin page of an address without a host, by the word of `web.steps.place_url`; the
    first of them if the address is no page's.

    Security: what comes is text from outside. Only what leads to an admin page goes any further.
    """
    with suppress(HTTPException):
        endpoint, _ = current_app.url_map.bind("").match(text.partition("?")[0], method="GET")
        if endpoint in RIGHT_OF and _ADDRESS.fullmatch(text):
            return text
    return "admin"


def _page_wanted() -> str:
    """Return the address that was asked for without its host; of a form, that of its page."""
    if request.method == "POST":
        return (request.referrer or "").removeprefix(bridge().settings.issuer)
    query = request.query_string.decode("latin-1")
    return f"{request.path}?{query}" if query else request.path


def the_admin() -> Admin:
    """Return who looks at this page."""
    admin: Admin = g.admin
    return admin


def count_waiting() -> int:
    """Return how many requests waited for this admin when they asked for the page; 0 if the page
    answers a form."""
    waiting: int = g.get("admin_waiting", 0)
    return waiting


def check_app(right: Right, app: str) -> None:
    """Return if the admin has *right* for this very app.

    Raises:
        PageError: ``not_found``: an app manager does not learn which other apps there are.
    """
    if not the_admin().may(right, app=app):
        raise PageError("not_found", f"{right} {app}", status=404)


def change(
    right: Right,
    work: Callable[[Connection, Admin, datetime], T],
    *,
    browser: str,
    app: str | None = None,
    place: str = "admin",
) -> T | Response:
    """Run an admin's change in one transaction, in which their right is looked at once more.

    Where the right wants a fresh proof and there is none, they are sent to make one, and come back
    to *place* (see `web.steps.place_url`).

    Raises:
        PageError: ``signed_out``, ``not_allowed``.
    """
    now = bridge().clock()

    def work_on(connection: Connection) -> T | Response:
        session = get_session(connection, now)
        admin = _get_admin(connection, session, right, app)
        if right in NEEDS_FRESH_PROOF and not is_fresh(session, now):
            request_id = ask_for(connection, "confirm", browser=browser, now=now, place=place)
            return see_other(url_for("signin.choose", request_id=request_id))
        return work(connection, admin, now)

    result = write(work_on)
    # Others see it within a second, this process at once.
    bridge().snapshots.forget()
    return result


def find_proof_to_make(right: Right, *, browser: str, place: str) -> Response | None:
    """Return where to make the fresh proof that *right* wants; None if there is one already.

    For the first of several steps, so that nothing is typed or looked up in vain.
    """

    def nothing(_connection: Connection, _admin: Admin, _now: datetime) -> None:
        return None

    return change(right, nothing, browser=browser, place=place)


def _get_admin(connection: Connection, session: Session, right: Right, app: str | None) -> Admin:
    # Whoever takes the role away meanwhile waits, or has been quicker.
    hold_account(connection, session.account_id)
    admin = find_admin(connection, session.account_id)
    if admin is None or not admin.may(right, app=app):
        raise PageError("not_allowed", f"{right} by {session.account_id}", status=403)
    return admin
