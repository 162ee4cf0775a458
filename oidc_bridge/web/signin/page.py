"""The sign-in page: which wallets may answer, and the ways on and back."""

import logging
from datetime import datetime

from flask import Blueprint, Response, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.app import which_app
from oidc_bridge.errors import ProofError, SentError
from oidc_bridge.flow import AskConsent, SignIn
from oidc_bridge.oidc.answer import Answer
from oidc_bridge.storage import read, write
from oidc_bridge.storage.challenges import find_open_challenge
from oidc_bridge.storage.chat_questions import give_up_question
from oidc_bridge.storage.handovers import give_up_handover
from oidc_bridge.storage.requests import OpenRequest, close_request, get_request, keep_proved
from oidc_bridge.web import bridge, let_form_lead_to, new_reference, page, see_other
from oidc_bridge.web.cards import AppCard, app_card, person_card
from oidc_bridge.web.doors.antelope import is_offered, words_for
from oidc_bridge.web.doors.oichat_arrival import may_answer
from oidc_bridge.web.explanations import explain
from oidc_bridge.web.questions import ask_anew
from oidc_bridge.web.session import (
    check_form,
    current_session,
    form_token,
    get_browser,
    session_at,
)
from oidc_bridge.web.signin.asking import ask, question_context
from oidc_bridge.web.signin.sittings import find_missing
from oidc_bridge.web.standing import stand_open
from oidc_bridge.web.steps import go_on, send_error

log = logging.getLogger(__name__)
views = Blueprint("signin", __name__, url_prefix="/sign-in")


@views.get("/<id:request_id>")
def choose(request_id: str) -> Response:
    """Offer the wallets."""
    parts, browser, now = bridge(), get_browser(), bridge().clock()
    with read() as connection:
        open_request = open_request_of(connection, request_id, browser, now)
        session = current_session(connection, now=now)
        challenge = find_open_challenge(
            connection, request_id, browser=browser, now=now, seal=parts.seal
        )
        if _is_signed_in(connection, open_request, now):
            return see_other(url_for("consent.review", request_id=request_id))
        need = find_missing(connection, open_request, session, now=now)
    allow_way_back(open_request)
    if challenge is None:
        return failed(ProofError("challenge_over"), open_request, browser, status=200)
    app = app_card(open_request.authorization)
    # Elsewhere a fresh proof may just as well be somebody else's ("Use another account").
    again = session is not None and app is not None and app.kind == "unknown"
    takes_chains = need is None and is_offered(parts.settings)
    left = int((challenge.expires_at - now).total_seconds())
    return page(
        "signin/choose.html",
        csrf=form_token(browser),
        app=app,
        again=again,
        login_hint=open_request.authorization.login_hint if open_request.authorization else None,
        person=person_card(session) if session else None,
        purpose=open_request.purpose,
        retry_url=url_for("signin.ask_again", request_id=request_id),
        start_over_url=url_for("signin.start_over", request_id=request_id) if need else "",
        cancel_url=url_for("signin.cancel", request_id=request_id),
        elsewhere_url=url_for("elsewhere.begin", request_id=request_id),
        chain_url=url_for("chain_accounts.ask", request_id=request_id) if takes_chains else "",
        chain_words=words_for(parts.settings),
        chat_app_url=url_for("chat_apps.begin", request_id=request_id)
        if need is None and may_answer(open_request)
        else "",
        **question_context(ask(challenge, need, open_request.proved), challenge, seconds_left=left),
    )


@views.post("/<id:request_id>/again")
def ask_again(request_id: str) -> Response:
    """Put a fresh question to the wallet; the request, and what was proved for it, is kept."""
    browser, now = check_form(), bridge().clock()

    def renew(connection: Connection) -> None:
        open_request = open_request_of(connection, request_id, browser, now)
        session = current_session(connection, now=now)
        need = find_missing(connection, open_request, session, now=now)
        address = need.address if need else None
        ask_anew(connection, open_request, browser=browser, now=now, address=address)

    write(renew)
    return see_other(url_for("signin.choose", request_id=request_id))


@views.post("/<id:request_id>/start-over")
def start_over(request_id: str) -> Response:
    """Forget what this sitting has proved: another wallet is to be used."""
    browser, now = check_form(), bridge().clock()

    def forget(connection: Connection) -> None:
        open_request = open_request_of(connection, request_id, browser, now)
        keep_proved(connection, request_id, (), browser=browser)
        ask_anew(connection, open_request, browser=browser, now=now)

    write(forget)
    return see_other(url_for("signin.choose", request_id=request_id))


@views.post("/<id:request_id>/cancel")
def cancel(request_id: str) -> Response:
    """Go back without signing in. A person's "no" is not an error: the app is told so."""
    browser, now = check_form(), bridge().clock()

    def give_up(connection: Connection) -> str | Answer:
        open_request = open_request_of(connection, request_id, browser, now)
        close_request(connection, request_id, browser=browser)
        give_up_handover(connection, request_id, browser=browser, now=now)
        give_up_question(connection, request_id, browser=browser, now=now)
        if open_request.authorization is None:
            return url_for("account.overview")
        no = SentError("access_denied", "The sign-in was cancelled.")
        return send_error(open_request.authorization, no)

    return go_on(write(give_up))


def open_request_of(
    connection: Connection, request_id: str, browser: str, now: datetime
) -> OpenRequest:
    """Return what *browser* has open.

    Raises:
        PageError: ``request_unknown``, ``request_expired``.
    """
    clients = bridge().snapshots.current().clients
    return get_request(connection, request_id, clients, browser=browser, now=now)


def allow_way_back(open_request: OpenRequest) -> None:
    """Let this page's forms end at the client that waits for the request."""
    if open_request.authorization is not None:
        target = open_request.authorization.target
        redirect_url = open_request.authorization.redirect_url
        app = which_app(target.client, target.redirect_uri, redirect_url)
        let_form_lead_to(target.redirect_uri, app.key)


def failed(
    error: ProofError, open_request: OpenRequest, browser: str, *, status: int = 400
) -> Response:
    """Say why a proof for a request did not hold, and offer to try again."""
    return show_failure(
        error,
        browser,
        app=app_card(open_request.authorization),
        retry_url=url_for("signin.ask_again", request_id=open_request.id),
        cancel_url=url_for("signin.cancel", request_id=open_request.id),
        status=status,
    )


def show_failure(
    error: ProofError,
    browser: str,
    *,
    app: AppCard | None,
    retry_url: str,
    cancel_url: str,
    status: int,
) -> Response:
    """Return the page that says why a proof did not hold."""
    reference = new_reference()
    log.info("sign-in page code=%s reference=%s", error.code, reference)
    return page(
        "signin/failed.html",
        status=status,
        csrf=form_token(browser),
        app=app,
        explanation=explain(error),
        code=error.code,
        reference=reference,
        retry_url=retry_url,
        cancel_url=cancel_url,
        developer="",
    )


def _is_signed_in(connection: Connection, open_request: OpenRequest, now: datetime) -> bool:
    """Return whether the proof is done and only consent is left (a reload, the back button)."""
    session = session_at(connection, open_request, now=now)
    if open_request.authorization is None or session is None:
        return False
    step = stand_open(connection, open_request, session=session, now=now).step
    # Whom a chat app has signed in is asked for nothing else.
    return isinstance(step, AskConsent) if session.app else not isinstance(step, SignIn)
