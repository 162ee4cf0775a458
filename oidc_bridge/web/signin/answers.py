"""One door for the answers of all wallets: verify, spend the question, and see if it is enough."""

import logging
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import BridgeError, PageError, ProofError
from oidc_bridge.identity import Challenge, Identity
from oidc_bridge.proofs.addresses import Address, Kind, parse_address
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import read, write
from oidc_bridge.storage.challenges import AskedChallenge, get_challenge, keep_challenge, spend
from oidc_bridge.storage.handovers import get_opened, prove_handover
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.requests import OpenRequest
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, json_answer, page, see_other
from oidc_bridge.web.cards import app_card
from oidc_bridge.web.questions import new_challenge
from oidc_bridge.web.session import (
    check_form,
    current_session,
    field,
    form_token,
    get_browser,
)
from oidc_bridge.web.signin.asking import answer_fields, ask
from oidc_bridge.web.signin.handover import failed_elsewhere
from oidc_bridge.web.signin.page import allow_way_back, failed, open_request_of
from oidc_bridge.web.signin.sittings import Arrival, take_in

log = logging.getLogger(__name__)
views = Blueprint("answers", __name__, url_prefix="/sign-in")

# The proof knows what is too large for an answer; the server refuses bodies above this anyway.
_MAX_ANSWER = 262_144


@dataclass(frozen=True, slots=True)
class Attempt:
    """A wallet's answer, as it came."""

    asked: AskedChallenge
    method: str
    answer: dict[str, str]
    browser: str
    now: datetime

    @property
    def challenge(self) -> Challenge:
        """The question that it answers."""
        return self.asked.challenge


@views.get("/answer")
def landing() -> Response:
    """Where a redirect wallet brings the browser back to.

    The answer is in the URL, so nothing happens yet: the page takes it out of the address bar and
    posts it, or asks the person to.
    """
    browser, now = get_browser(), bridge().clock()
    challenge_id = request.args.get("challenge", "").replace("\0", "")
    answer = request.args.get("authResponse", "")
    if not challenge_id:
        raise PageError("request_unknown", "no challenge in the address", status=404)
    with read() as connection:
        asked = get_challenge(connection, challenge_id, browser=browser, seal=bridge().seal)
        open_request = None
        if asked.handover_id is None:
            open_request = open_request_of(connection, asked.request_id, browser, now)
    if not answer:  # refused in the wallet, or reloaded after the address bar was cleaned
        return see_other(_question_url(asked))
    if open_request is not None:
        allow_way_back(open_request)
    shown = page(
        "signin/answer.html",
        csrf=form_token(browser),
        app=app_card(open_request.authorization) if open_request else None,
        answer_url=url_for("answers.receive"),
        challenge_id=challenge_id,
        auth_response=answer,
    )
    # The answer is in this page's URL: not even our own other pages may get it as a Referer.
    shown.headers["Referrer-Policy"] = "strict-origin"
    return shown


@views.post("/answer")
def receive() -> Response:
    """Verify a wallet's answer and go on; whatever happens, the challenge is spent."""
    browser, now = check_form(), bridge().clock()
    method = field("method", limit=20)
    answer = _read_answer(method)
    with read() as connection:
        asked = get_challenge(connection, field("challenge"), browser=browser, seal=bridge().seal)
        attempt = Attempt(asked, method, answer, browser, now)
        if asked.handover_id is None:
            open_request = open_request_of(connection, asked.request_id, browser, now)
            session = current_session(connection, now=now)
        else:
            get_opened(connection, asked.handover_id, browser=browser, now=now)
    if asked.handover_id is None:
        return _receive(attempt, open_request, session)
    return _receive_for_another(attempt, asked.handover_id)


@views.post("/message")
def name_account() -> Response:
    """Put the question anew to one account: its text names the account's address.

    For wallets that tell their account before they sign. JSON, since a script asks.
    """
    now = bridge().clock()
    try:
        browser = check_form()
        address = _account_of(field("address", limit=64))
        challenge = write(lambda connection: _rename(connection, address, browser, now))
    except BridgeError as error:
        status = error.status if isinstance(error, PageError) else 400
        return json_answer({"error": error.code}, status=status)
    question = ask(challenge, None, ())
    return json_answer(
        {
            "challenge": challenge.id,
            "text": question.text,
            "domain": question.domain,
            "message": question.message,
        }
    )


def _account_of(text: str) -> str:
    """Return the mainnet form of an address that one key can sign for.

    Raises:
        ProofError: ``address_malformed``.
    """
    address = parse_address(text)
    if address.kind not in (Kind.MAINNET_SINGLE, Kind.TESTNET_SINGLE):
        raise ProofError("address_malformed", f"{text} is not a single key's")
    return Address(address.hash160).c32


def _rename(connection: Connection, address: str, browser: str, now: datetime) -> Challenge:
    """Keep the same question for one account; nobody's address may take the place of another's."""
    seal = bridge().seal
    asked = get_challenge(connection, field("challenge"), browser=browser, seal=seal)
    known = asked.challenge
    if known.expires_at <= now:
        raise ProofError("challenge_over", known.id)
    if known.address not in (None, address):
        raise ProofError("wrong_account", f"{address}, expected {known.address}")
    challenge = new_challenge(known.statement, address=address, now=now)
    keep_challenge(
        connection,
        challenge,
        asked.request_id,
        browser=browser,
        seal=seal,
        handover_id=asked.handover_id,
    )
    return challenge


def _read_answer(method: str) -> dict[str, str]:
    if method not in bridge().proofs:
        raise PageError("method_refused", f"method {method!a}")
    return {name: field(name, limit=_MAX_ANSWER).strip() for name in answer_fields(method)}


def _receive(attempt: Attempt, open_request: OpenRequest, session: Session | None) -> Response:
    parts, browser, now = bridge(), attempt.browser, attempt.now
    allow_way_back(open_request)
    cookie = new_secret()
    try:
        identity = parts.proofs[attempt.method].verify(attempt.challenge, attempt.answer, now=now)
        arrival = Arrival(open_request, session, identity, browser, cookie, now)
        return take_in(
            arrival,
            lambda connection: spend(connection, attempt.challenge.id, browser=browser, now=now),
        )
    except ProofError as error:
        write(partial(refuse, attempt=attempt, session=session, error=error))
        status = 403 if error.code == "account_blocked" else 400
        return failed(error, open_request, browser, status=status)


def _receive_for_another(attempt: Attempt, handover_id: str) -> Response:
    """Verify an answer for the browser that began, which alone can take it."""
    browser, now = attempt.browser, attempt.now
    try:
        identity = (
            bridge().proofs[attempt.method].verify(attempt.challenge, attempt.answer, now=now)
        )
        write(partial(_leave, attempt=attempt, handover_id=handover_id, identity=identity))
    except ProofError as error:
        write(partial(refuse, attempt=attempt, session=None, error=error))
        return failed_elsewhere(error, handover_id, browser)
    return see_other(url_for("handover.done", handover_id=handover_id))


def _leave(
    connection: Connection, *, attempt: Attempt, handover_id: str, identity: Identity
) -> None:
    spend(connection, attempt.challenge.id, browser=attempt.browser, now=attempt.now)
    prove_handover(connection, handover_id, identity, browser=attempt.browser, now=attempt.now)
    record(connection, "proved elsewhere", now=attempt.now, method=identity.method)


def refuse(
    connection: Connection, *, attempt: Attempt, session: Session | None, error: ProofError
) -> None:
    """Spend the challenge of a failed try, and note why it failed."""
    log.info("sign-in refused code=%s detail=%s", error.code, error.detail)
    if error.code != "replay":
        spend(connection, attempt.challenge.id, browser=attempt.browser, now=attempt.now)
    record(
        connection,
        "sign-in refused",
        now=attempt.now,
        account_id=session.account_id if session else None,
        code=error.code,
    )


def _question_url(asked: AskedChallenge) -> str:
    if asked.handover_id is not None:
        return url_for("handover.choose", handover_id=asked.handover_id)
    return url_for("signin.choose", request_id=asked.request_id)
