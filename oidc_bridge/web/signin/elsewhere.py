"""On another device: a phone proves, and the tab that began moves on by itself.

    the tab that began   POST begin -> shows link, QR and a code, asks how things stand
    the phone            opens the link, compares the code, accepts, proves
    the tab that began   takes the proof, once, and shows on the consent page whose it is

A link can be sent to somebody to make them sign a stranger in (as with device codes), so the
phone's page tells what the link is for and from where it comes, the message that is signed names
that device, and the code must be seen on its screen. And somebody who sees the screen can open
the link first and prove themselves, so consent is always asked after a handover, remembered or
not: it names who is about to be signed in.
"""

from dataclasses import replace
from datetime import timedelta

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError, ProofError
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import new_id, read, write
from oidc_bridge.storage.handovers import (
    begin_handover,
    find_handover,
    take_proof,
)
from oidc_bridge.storage.requests import OpenRequest, ask_consent_anyway
from oidc_bridge.web import bridge, json_answer, page, see_other
from oidc_bridge.web.cards import app_card, device_of
from oidc_bridge.web.qr import qr_of
from oidc_bridge.web.session import (
    check_form,
    current_session,
    form_token,
    get_browser,
)
from oidc_bridge.web.signin.asking import deep_links
from oidc_bridge.web.signin.page import allow_way_back, failed, open_request_of
from oidc_bridge.web.signin.short_codes import short_code
from oidc_bridge.web.signin.sittings import Arrival, take_in

views = Blueprint("elsewhere", __name__)


@views.post("/sign-in/<id:request_id>/elsewhere")
def begin(request_id: str) -> Response:
    """Make a link for another device; an earlier one leads nowhere any more."""
    browser, now = check_form(), bridge().clock()
    life = timedelta(seconds=bridge().settings.lifetimes.challenge)

    def make(connection: Connection) -> None:
        open_request_of(connection, request_id, browser, now)
        handover_id = new_id()
        begin_handover(
            connection,
            handover_id,
            request_id,
            browser=browser,
            link=_link_of(handover_id),
            code=short_code(handover_id, purpose="handover code"),
            user_agent=request.headers.get("User-Agent", ""),
            now=now,
            expires_at=now + life,
        )

    write(make)
    return see_other(url_for("elsewhere.wait", request_id=request_id))


@views.get("/sign-in/<id:request_id>/elsewhere")
def wait(request_id: str) -> Response:
    """Show link and code, and how things stand."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        open_request = open_request_of(connection, request_id, browser, now)
        handover = find_handover(connection, request_id, browser=browser, now=now)
    if handover is None:
        return see_other(url_for("signin.choose", request_id=request_id))
    allow_way_back(open_request)
    link = f"{bridge().settings.issuer}/d/{_link_of(handover.id)}"
    return page(
        "signin/elsewhere.html",
        csrf=form_token(browser),
        app=app_card(open_request.authorization),
        qr=qr_of(link),
        link=link,
        code=handover.code,
        deep_links=deep_links(link),
        state=handover.state,
        other=device_of(handover.opened_with) if handover.opened_with else "",
        expires_at=handover.expires_at,
        seconds_left=int((handover.expires_at - now).total_seconds()),
        state_url=url_for("elsewhere.state", request_id=request_id),
        take_url=url_for("elsewhere.take", request_id=request_id),
        retry_url=url_for("elsewhere.begin", request_id=request_id),
        back_url=url_for("signin.choose", request_id=request_id),
        cancel_url=url_for("signin.cancel", request_id=request_id),
    )


@views.get("/sign-in/<id:request_id>/elsewhere/state")
def state(request_id: str) -> Response:
    """Tell a script how things stand."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        handover = find_handover(connection, request_id, browser=browser, now=now)
    if handover is None:
        raise PageError("handover_over", request_id, status=404)
    other = device_of(handover.opened_with) if handover.opened_with else ""
    return json_answer({"state": handover.state, "other": other})


@views.post("/sign-in/<id:request_id>/elsewhere/take")
def take(request_id: str) -> Response:
    """Go on with what the other device has proved, as if it had been proved here."""
    browser, now = check_form(), bridge().clock()
    with read() as connection:
        open_request = open_request_of(connection, request_id, browser, now)
        session = current_session(connection, now=now)
        handover = find_handover(connection, request_id, browser=browser, now=now)
    if handover is None or handover.proved is None:
        return see_other(url_for("elsewhere.wait", request_id=request_id))
    allow_way_back(open_request)
    cookie = new_secret()
    open_request = _with_consent_asked(open_request)
    arrival = Arrival(open_request, session, handover.proved, browser, cookie, now)

    def spend(connection: Connection) -> None:
        if not take_proof(connection, handover.id, browser=browser, now=now):
            raise ProofError("replay", f"handover={handover.id}")
        ask_consent_anyway(connection, request_id, browser=browser)

    try:
        return take_in(arrival, spend)
    except ProofError as error:
        return failed(error, open_request, browser)


def _with_consent_asked(open_request: OpenRequest) -> OpenRequest:
    if open_request.authorization is None:
        return open_request
    authorization = replace(open_request.authorization, ask_anyway=True)
    return replace(open_request, authorization=authorization)


def _link_of(handover_id: str) -> str:
    """Return the secret of a handover's link; the database keeps its hash."""
    return bridge().seal.digest(handover_id, purpose="handover link")[:32]
