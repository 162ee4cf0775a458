"""As which of several IDs somebody confirms a change at their homeserver."""

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.flow import ChoosePersona
from oidc_bridge.oidc.answer import Answer
from oidc_bridge.storage import read, write
from oidc_bridge.storage.requests import choose_persona
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.cards import app_card, matrix_id, person_card
from oidc_bridge.web.session import check_form, current_session, form_token, get_browser
from oidc_bridge.web.signin.page import allow_way_back, open_request_of
from oidc_bridge.web.standing import stand_open
from oidc_bridge.web.steps import advance, go_on

views = Blueprint("personas", __name__, url_prefix="/sign-in")


@views.get("/<id:request_id>/as")
def review(request_id: str) -> Response:
    """Ask."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        open_request = open_request_of(connection, request_id, browser, now)
        session = current_session(connection, now=now)
        if open_request.authorization is None or session is None:
            return see_other(url_for("signin.choose", request_id=request_id))
        standing = stand_open(connection, open_request, session=session, now=now)
    if not isinstance(standing.step, ChoosePersona):
        return see_other(url_for("consent.review", request_id=request_id))
    client = open_request.authorization.target.client
    allow_way_back(open_request)
    return page(
        "signin/persona.html",
        csrf=form_token(browser),
        app=app_card(open_request.authorization),
        person=person_card(session),
        choices=[
            (
                known.persona.id,
                matrix_id(known.persona.localpart, client) or known.persona.localpart,
                known.app_title,
                known.consent.as_whom,
            )
            for known in standing.welcomes
        ],
        choose_url=url_for("personas.choose", request_id=request_id),
        switch_url=url_for("consent.switch", request_id=request_id),
        missing=request.args.get("missing") == "persona",
    )


@views.post("/<id:request_id>/as")
def choose(request_id: str) -> Response:
    """Take the choice and go on; one that is not theirs is asked for again."""
    browser, now = check_form(), bridge().clock()
    wanted = request.form.get("persona", "")
    if not wanted:
        return see_other(url_for("personas.review", request_id=request_id, missing="persona"))

    def take(connection: Connection) -> str | Answer:
        open_request = open_request_of(connection, request_id, browser, now)
        session = current_session(connection, now=now)
        if open_request.authorization is None or session is None:
            return url_for("signin.choose", request_id=request_id)
        standing = stand_open(connection, open_request, session=session, now=now)
        if wanted not in {known.persona.id for known in standing.welcomes}:
            raise PageError("form_malformed", "not a persona of theirs")
        chosen = choose_persona(connection, open_request, wanted, browser=browser)
        return advance(connection, chosen, session=session, browser=browser, now=now)

    return go_on(write(take))
