"""The sign-in page's way for chat apps: an app's key signs, and its person brings a code.

    the browser   POST begin -> shows an address, as text and as a picture
    the app       gets the question there, shows what it is for, signs, posts -> is told a code
    the browser   the person types the code -> consent, as whom the app's key speaks for

Whoever has the address can answer, so an address that was sent to somebody, or photographed, must
not be enough: the code goes from the app to this page by the person's own hand. An attacker who
makes a person's app sign still lacks it, and so does a person whose page somebody else's app
answered.

What comes of it is what the app's password opens, and no more: one request at one homeserver, as
the person, if the app may be that without being asked. The browser gets no cookie: nothing of the
account is open to an app's key.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from hmac import compare_digest

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import ProofError
from oidc_bridge.flow import AskConsent, Refuse
from oidc_bridge.oidc.answer import Answer
from oidc_bridge.oidc.authorize import AuthorizationRequest
from oidc_bridge.origins import read_origin
from oidc_bridge.proofs.oichat import OICHAT, OiChat
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import new_id, read, write
from oidc_bridge.storage.chat_questions import (
    ChatAnswer,
    ChatQuestion,
    begin_question,
    count_try,
    find_question,
    give_up_question,
    take_chat_answer,
)
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.requests import OpenRequest, answer_by, ask_consent_anyway
from oidc_bridge.storage.sessions import Session, open_session
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.cards import BY_CHAT_APP, app_card, device_of
from oidc_bridge.web.doors.oichat_arrival import check_app, may_answer, open_by
from oidc_bridge.web.qr import qr_of
from oidc_bridge.web.session import check_form, field, form_token, get_browser
from oidc_bridge.web.signin.page import allow_way_back, open_request_of, show_failure
from oidc_bridge.web.signin.short_codes import as_typed, short_code
from oidc_bridge.web.standing import stand_open
from oidc_bridge.web.steps import advance, go_on

log = logging.getLogger(__name__)
views = Blueprint("chat_apps", __name__, url_prefix="/sign-in")


@views.post("/<id:request_id>/chat-app")
def begin(request_id: str) -> Response:
    """Make a question; an earlier one is over."""
    browser, now = check_form(), bridge().clock()
    life = timedelta(seconds=bridge().settings.lifetimes.challenge)

    def make(connection: Connection) -> None:
        open_request = open_request_of(connection, request_id, browser, now)
        core, authorization = _what_may_be_answered(open_request)
        question_id = new_id()
        begin_question(
            connection,
            question_id,
            request_id,
            browser=browser,
            nonce=_nonce_of(question_id),
            client_id=authorization.target.client.id,
            asks=_name_of(authorization),
            # It names this server where a password's names the app: here the app is not known yet.
            challenge=core.challenge(bridge().settings.issuer, new_secret()),
            user_agent=request.headers.get("User-Agent", ""),
            now=now,
            expires_at=now + life,
        )

    write(make)
    return see_other(url_for("chat_apps.wait", request_id=request_id))


@views.get("/<id:request_id>/chat-app")
def wait(request_id: str) -> Response:
    """Show the question's address, and take the code."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        open_request = open_request_of(connection, request_id, browser, now)
        question = find_question(connection, request_id, browser=browser, now=now)
    if question is None:
        return see_other(url_for("signin.choose", request_id=request_id))
    allow_way_back(open_request)
    if question.fault:
        return _failed(ProofError(question.fault), request_id, browser, status=200)
    address = address_of(_nonce_of(question.id))
    return page(
        "signin/chat_app.html",
        csrf=form_token(browser),
        app=app_card(open_request.authorization),
        qr=qr_of(address),
        address=address,
        device=device_of(question.user_agent),
        wrong=request.args.get("wrong", ""),
        expires_at=question.expires_at,
        seconds_left=int((question.expires_at - now).total_seconds()),
        take_url=url_for("chat_apps.take", request_id=request_id),
        retry_url=url_for("chat_apps.begin", request_id=request_id),
        back_url=url_for("signin.choose", request_id=request_id),
        cancel_url=url_for("signin.cancel", request_id=request_id),
    )


@views.post("/<id:request_id>/chat-app/take")
def take(request_id: str) -> Response:
    """Go on with what the app proved, if the code is the one that it was told."""
    browser, now = check_form(), bridge().clock()
    typed = as_typed(field("code"))
    with read() as connection:
        open_request = open_request_of(connection, request_id, browser, now)
        question = find_question(connection, request_id, browser=browser, now=now)
    here = url_for("chat_apps.wait", request_id=request_id)
    if question is None or question.fault:
        return see_other(here)
    if question.answer is None:
        return see_other(f"{here}?wrong=early")
    if not write(lambda c: count_try(c, question.id, browser=browser, now=now)):
        return see_other(here)
    if not compare_digest(typed.encode(), code_of(question.id).encode()):
        return see_other(f"{here}?wrong=code")
    allow_way_back(open_request)
    answer = question.answer
    try:
        step = write(lambda c: _enter(c, open_request, question, answer, browser, now))
    except ProofError as error:
        code = error.code
        write(lambda c: _refuse(c, request_id, code, browser, now))
        return _failed(error, request_id, browser, status=403 if code == "account_blocked" else 400)
    return go_on(step)


def address_of(nonce: str) -> str:
    """Return where a chat app gets a question, and answers it."""
    return f"{bridge().settings.issuer}/proofs/oichat/page/{nonce}"


def code_of(question_id: str) -> str:
    """Return what the app is told, and its person types."""
    return short_code(question_id, purpose="chat code")


def _nonce_of(question_id: str) -> str:
    """Return the secret in a question's address; the database keeps its hash."""
    return bridge().seal.digest(question_id, purpose="chat question")[:32]


def _what_may_be_answered(open_request: OpenRequest) -> tuple[OiChat, AuthorizationRequest]:
    """Return who checks an answer, and the request that it is for.

    Raises:
        ProofError: ``method_refused`` if no chat app may answer it.
    """
    core, authorization = bridge().oichat, open_request.authorization
    if core is None or authorization is None or not may_answer(open_request):
        raise ProofError("method_refused", f"{OICHAT} on the page")
    return core, authorization


def _name_of(authorization: AuthorizationRequest) -> str:
    card = app_card(authorization)
    return (card.host or card.title) if card else ""


def _enter(
    connection: Connection,
    open_request: OpenRequest,
    question: ChatQuestion,
    answer: ChatAnswer,
    browser: str,
    now: datetime,
) -> str | Answer:
    """Open the account for this request alone, and go to where it is asked for consent.

    Raises:
        ProofError: ``method_refused``, ``replay``, ``account_blocked``, ``app_not_allowed``;
            ``chat_app_not_enough`` if anything but consent would have to be asked. Then nothing
            was changed.
    """
    _, authorization = _what_may_be_answered(open_request)
    take_chat_answer(connection, question.id, browser=browser, now=now)
    session = _open(connection, open_request, question, answer)
    client = authorization.target.client
    check_app(connection, client, session.account_id, answer.app, "main", now=now)
    # As after any proof on another device: they must see as whom they go on.
    ask_consent_anyway(connection, open_request.id, browser=browser)
    asked = replace(open_request, authorization=replace(authorization, ask_anyway=True))
    here = answer_by(connection, asked, session.id, browser=browser)
    step = stand_open(connection, here, session=session, now=now).step
    if not isinstance(step, AskConsent | Refuse):
        raise ProofError("chat_app_not_enough", type(step).__name__)
    record(
        connection,
        "signed in",
        now=now,
        account_id=session.account_id,
        client_id=client.id,
        method=OICHAT,
        app=answer.app,
        session=session.id,
    )
    log.info("signed in method=%s account=%s app=%s", OICHAT, session.account_id, answer.app)
    return advance(connection, here, session=session, browser=browser, now=now)


def _open(
    connection: Connection, open_request: OpenRequest, question: ChatQuestion, answer: ChatAnswer
) -> Session:
    """Return a session whose cookie nobody has; it lasts if consent comes of it."""
    device, app = device_of(question.user_agent), read_origin(answer.app).netloc
    return open_session(
        connection,
        open_by(connection, answer),
        cookie=new_secret(),
        current=None,
        user_agent=f"{device}, let in by {app}{BY_CHAT_APP}",
        proved_at=answer.identity.proved_at,
        expires_at=open_request.expires_at,
        app=answer.app,
    )


def _refuse(
    connection: Connection, request_id: str, code: str, browser: str, now: datetime
) -> None:
    give_up_question(connection, request_id, browser=browser, now=now)
    record(connection, "sign-in refused", now=now, code=code)


def _failed(error: ProofError, request_id: str, browser: str, *, status: int) -> Response:
    """Say why the chat app's answer did not hold; not with the card of the app that waits."""
    return show_failure(
        error,
        browser,
        app=None,
        retry_url=url_for("signin.ask_again", request_id=request_id),
        cancel_url=url_for("signin.cancel", request_id=request_id),
        status=status,
    )
