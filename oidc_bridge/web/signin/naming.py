"""Which of several names is theirs here: asked once, before a Matrix ID is made of it."""

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.oidc.answer import Answer
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import hold_account
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.names import choose_name, names_of
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.cards import app_card, whole_address
from oidc_bridge.web.session import check_form, current_session, form_token, get_browser
from oidc_bridge.web.signin.page import allow_way_back, open_request_of
from oidc_bridge.web.steps import advance, go_on

views = Blueprint("naming", __name__, url_prefix="/sign-in")


@views.get("/<id:request_id>/name")
def review(request_id: str) -> Response:
    """Ask."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        open_request = open_request_of(connection, request_id, browser, now)
        session = current_session(connection, now=now)
        if session is None:
            return see_other(url_for("signin.choose", request_id=request_id))
        names = names_of(connection, session.account_id)
    allow_way_back(open_request)
    return page(
        "signin/name.html",
        csrf=form_token(browser),
        app=app_card(open_request.authorization),
        names=names,
        address=whole_address(session.address),
        choose_url=url_for("naming.choose", request_id=request_id),
        switch_url=url_for("consent.switch", request_id=request_id),
        missing=request.args.get("missing") == "name",
    )


@views.post("/<id:request_id>/name")
def choose(request_id: str) -> Response:
    """Take the choice and go on."""
    browser, now = check_form(), bridge().clock()
    if "name" not in request.form:
        return see_other(url_for("naming.review", request_id=request_id, missing="name"))

    def take(connection: Connection) -> str | Answer:
        open_request = open_request_of(connection, request_id, browser, now)
        session = current_session(connection, now=now)
        if session is None:
            return url_for("signin.choose", request_id=request_id)
        choose_for(connection, session.account_id)
        changed = current_session(connection, now=now)
        return advance(connection, open_request, session=changed, browser=browser, now=now)

    return go_on(write(take))


def choose_for(connection: Connection, account_id: str) -> None:
    """Let an account go by the name in the posted form; an empty one is their address alone.

    Raises:
        PageError: ``form_malformed`` for a name that is not theirs.
    """
    name = request.form.get("name", "")
    hold_account(connection, account_id)
    if not choose_name(connection, account_id, name or None):
        raise PageError("form_malformed", "not a name of theirs")
    record(connection, "name chosen", now=bridge().clock(), account_id=account_id, name=name)
