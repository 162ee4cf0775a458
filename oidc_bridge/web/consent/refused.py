"""An app that may not sign this person in: why, who can change it, and asking for access."""

import logging
from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.spelling import MAX_NOTE, read_note
from oidc_bridge.apps.whitelist import Verdict, rule_name
from oidc_bridge.errors import BridgeError, PageError, SentError
from oidc_bridge.flow import TellDenied
from oidc_bridge.oidc.answer import Answer
from oidc_bridge.storage import read, write
from oidc_bridge.storage.access_requests import ask_for_access, find_access_request
from oidc_bridge.storage.accounts import hold_account
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.requests import OpenRequest, close_request
from oidc_bridge.web import bridge, new_reference, page, see_other
from oidc_bridge.web.cards import card_of, person_card, whole_address
from oidc_bridge.web.session import check_form, current_session, form_token, get_browser
from oidc_bridge.web.signin.page import allow_way_back, open_request_of
from oidc_bridge.web.standing import Standing, stand_open
from oidc_bridge.web.steps import advance, go_on, send_error

log = logging.getLogger(__name__)
views = Blueprint("refused", __name__, url_prefix="/refused")

# What the operator has decided about an app is not up for a request; what was never asked is.
_MAY_ASK = frozenset({"not_listed", "app_unknown"})


@views.get("/<id:request_id>")
def review(request_id: str) -> Response:
    """Say why."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        open_request, standing = _look(connection, request_id, browser, now)
        if not isinstance(standing.step, TellDenied):
            return see_other(_onwards(standing, request_id))
        asked = find_access_request(connection, standing.signed_in.account_id, _name(standing))
    verdict, reference = standing.step.verdict, new_reference()
    log.info("refused app=%s why=%s reference=%s", _name(standing), verdict.why, reference)
    allow_way_back(open_request)
    return page(
        "refused/review.html",
        status=403,
        csrf=form_token(browser),
        app=card_of(standing.app, standing.authorization.target.client),
        person=person_card(standing.signed_in),
        why=verdict.why,
        asked=asked,
        most=MAX_NOTE,
        ask_url=url_for("refused.ask", request_id=request_id) if _may_ask(verdict) else "",
        leave_url=url_for("refused.leave", request_id=request_id),
        switch_url=url_for("consent.switch", request_id=request_id),
        account_url=url_for("account.overview"),
        reference=reference,
    )


@views.post("/<id:request_id>/ask")
def ask(request_id: str) -> Response:
    """Keep a request for access; asking twice changes nothing."""
    browser, now = check_form(), bridge().clock()
    try:
        note = read_note(request.form.get("note", ""))
    except BridgeError as error:
        raise PageError("form_malformed", "note") from error

    def keep(connection: Connection) -> None:
        _, standing = _look(connection, request_id, browser, now)
        if not isinstance(standing.step, TellDenied):
            return
        if not _may_ask(standing.step.verdict):
            raise PageError("form_malformed", "nobody can be asked")
        _keep(connection, standing, note, now)

    write(keep)
    return see_other(url_for("refused.review", request_id=request_id))


@views.post("/<id:request_id>/leave")
def leave(request_id: str) -> Response:
    """Go back to the app without a sign-in."""
    browser, now = check_form(), bridge().clock()

    def give_up(connection: Connection) -> str | Answer:
        open_request, standing = _look(connection, request_id, browser, now)
        if not isinstance(standing.step, TellDenied):
            session = standing.session
            return advance(connection, open_request, session=session, browser=browser, now=now)
        close_request(connection, request_id, browser=browser)
        no = SentError("access_denied", "This app may not sign this person in.")
        return send_error(standing.authorization, no)

    return go_on(write(give_up))


def _keep(connection: Connection, standing: Standing, note: str, now: datetime) -> None:
    session, client = standing.signed_in, standing.authorization.target.client
    hold_account(connection, session.account_id)
    is_new = ask_for_access(
        connection,
        session.account_id,
        client.id,
        _name(standing),
        app_title=standing.app.title,
        person=session.name or whole_address(session.address),
        note=note,
        now=now,
    )
    if is_new:
        record(
            connection,
            "access requested",
            now=now,
            account_id=session.account_id,
            client_id=client.id,
            app=_name(standing),
        )


def _may_ask(verdict: Verdict) -> bool:
    return verdict.why in _MAY_ASK


def _name(standing: Standing) -> str:
    return rule_name(standing.authorization.target.client, standing.app_key)


def _onwards(standing: Standing, request_id: str) -> str:
    """Return where somebody goes who is not refused, or not any more."""
    if standing.session is None:
        return url_for("signin.choose", request_id=request_id)
    return url_for("consent.review", request_id=request_id)


def _look(
    connection: Connection, request_id: str, browser: str, now: datetime
) -> tuple[OpenRequest, Standing]:
    """Return what stands behind the page.

    Raises:
        PageError: ``request_unknown`` also for a request that no app made.
    """
    open_request = open_request_of(connection, request_id, browser, now)
    if open_request.authorization is None:
        raise PageError("request_unknown", "no app to be refused", status=404)
    session = current_session(connection, now=now)
    return open_request, stand_open(connection, open_request, session=session, now=now)
