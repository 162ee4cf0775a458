"""One door for every proof: invite, receive the answer, sign in."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.app import which_app
from oidc_bridge.errors import PageError, ProofError, SentError, explain
from oidc_bridge.flow import SignIn
from oidc_bridge.identity import Challenge, Identity
from oidc_bridge.oidc.answer import Answer
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import new_id, read, write
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.requests import (
    OpenRequest,
    close_request,
    find_open_challenge,
    get_challenge,
    get_request,
    keep_challenge,
    spend,
)
from oidc_bridge.storage.sessions import Session, sign_in
from oidc_bridge.web import bridge, let_form_lead_to, new_reference, page, see_other
from oidc_bridge.web.cards import app_card, person_card
from oidc_bridge.web.session import (
    check_form,
    current_session,
    field,
    form_token,
    get_browser,
    set_session,
)
from oidc_bridge.web.steps import advance, go_on, send_error, stand

log = logging.getLogger(__name__)
views = Blueprint("signin", __name__, url_prefix="/sign-in")

_METHOD = "blockstack"
# The proof knows what is too large for an answer; the server refuses bodies above this anyway.
_MAX_ANSWER = 262_144


@dataclass(frozen=True, slots=True)
class Attempt:
    """A wallet's answer on its way to a session."""

    challenge: Challenge
    open_request: OpenRequest
    session: Session | None
    browser: str
    now: datetime


@dataclass(frozen=True, slots=True)
class WalletLink:
    """A wallet on the web, and the address that puts our question to it."""

    name: str
    url: str


def make_challenge(connection: Connection, request_id: str, *, browser: str, now: datetime) -> None:
    """Make and keep a fresh question to a wallet, for a request of this browser."""
    parts = bridge()
    issued_at = now.replace(microsecond=0)
    challenge = Challenge(
        id=new_id(),
        method=_METHOD,
        secret=parts.proofs[_METHOD].make_secret(),
        issued_at=issued_at,
        expires_at=issued_at + timedelta(seconds=parts.settings.lifetimes.challenge),
    )
    keep_challenge(connection, challenge, request_id, browser=browser, seal=parts.seal)


@views.get("/<id:request_id>")
def choose(request_id: str) -> Response:
    """Offer the wallets."""
    parts, browser, now = bridge(), get_browser(), bridge().clock()
    with read() as connection:
        open_request = _open_request(connection, request_id, browser, now)
        session = current_session(connection, now=now)
        challenge = find_open_challenge(
            connection, request_id, browser=browser, now=now, seal=parts.seal
        )
        if _is_signed_in(connection, open_request, session, now):
            return see_other(url_for("consent.review", request_id=request_id))
    _allow_way_back(open_request)
    if challenge is None:
        return _failed(ProofError("challenge_over"), open_request, browser, status=200)
    auth_request = parts.proofs[challenge.method].invite(challenge).message
    app = app_card(open_request.authorization)
    return page(
        "signin/choose.html",
        csrf=form_token(browser),
        app=app,
        login_hint=open_request.authorization.login_hint if open_request.authorization else None,
        # Elsewhere a fresh proof may just as well be somebody else's ("Use another account").
        again=session is not None and app is not None and app.kind == "unknown",
        person=person_card(session) if session else None,
        wallets=_wallet_links(auth_request),
        auth_request=auth_request,
        answer_url=url_for("signin.receive"),
        challenge_id=challenge.id,
        expires_at=challenge.expires_at,
        seconds_left=int((challenge.expires_at - now).total_seconds()),
        retry_url=url_for("signin.ask_again", request_id=request_id),
        cancel_url=url_for("signin.cancel", request_id=request_id),
    )


@views.post("/<id:request_id>/again")
def ask_again(request_id: str) -> Response:
    """Put a fresh question to the wallet; the request is kept."""
    browser, now = check_form(), bridge().clock()
    with read() as connection:
        _open_request(connection, request_id, browser, now)
    write(lambda connection: make_challenge(connection, request_id, browser=browser, now=now))
    return see_other(url_for("signin.choose", request_id=request_id))


@views.post("/<id:request_id>/cancel")
def cancel(request_id: str) -> Response:
    """Go back without signing in. A person's "no" is not an error: the app is told so."""
    browser, now = check_form(), bridge().clock()

    def give_up(connection: Connection) -> str | Answer:
        open_request = _open_request(connection, request_id, browser, now)
        close_request(connection, request_id, browser=browser)
        if open_request.authorization is None:
            return url_for("account.overview")
        no = SentError("access_denied", "The sign-in was cancelled.")
        return send_error(open_request.authorization, no)

    return go_on(write(give_up))


@views.get("/answer")
def landing() -> Response:
    """Where a redirect wallet brings the browser back to.

    The answer is in the URL, so nothing happens yet: the page takes it out of the address bar and
    posts it, or asks the person to.
    """
    browser = get_browser()
    challenge_id = request.args.get("challenge", "").replace("\0", "")
    answer = request.args.get("authResponse", "")
    if not challenge_id:
        raise PageError("request_unknown", "no challenge in the address", status=404)
    with read() as connection:
        _, request_id = get_challenge(connection, challenge_id, browser=browser, seal=bridge().seal)
        open_request = _open_request(connection, request_id, browser, bridge().clock())
    if not answer:  # refused in the wallet, or reloaded after the address bar was cleaned
        return see_other(url_for("signin.choose", request_id=request_id))
    _allow_way_back(open_request)
    shown = page(
        "signin/answer.html",
        csrf=form_token(browser),
        app=app_card(open_request.authorization),
        answer_url=url_for("signin.receive"),
        challenge_id=challenge_id,
        auth_response=answer,
    )
    # The answer is in this page's URL: not even our own other pages may get it as a Referer.
    shown.headers["Referrer-Policy"] = "strict-origin"
    return shown


@views.post("/answer")
def receive() -> Response:
    """Verify a wallet's answer and sign in; whatever happens, the challenge is spent."""
    parts, browser, now = bridge(), check_form(), bridge().clock()
    answer = {"authResponse": field("authResponse", limit=_MAX_ANSWER).strip()}
    with read() as connection:
        challenge, request_id = get_challenge(
            connection, field("challenge"), browser=browser, seal=parts.seal
        )
        open_request = _open_request(connection, request_id, browser, now)
        session = current_session(connection, now=now)
    attempt = Attempt(challenge, open_request, session, browser, now)
    _allow_way_back(open_request)
    try:
        identity = parts.proofs[challenge.method].verify(challenge, answer, now=now)
        cookie = new_secret()
        step = write(lambda connection: _accept(connection, attempt, identity, cookie))
    except ProofError as error:
        write(partial(_refuse, attempt=attempt, error=error))
        status = 403 if error.code == "account_blocked" else 400
        return _failed(error, open_request, browser, status=status)
    return set_session(go_on(step), cookie)


def _accept(
    connection: Connection, attempt: Attempt, identity: Identity, cookie: str
) -> str | Answer:
    """Spend, sign in, go on: one transaction, so a lost race leaves nothing behind."""
    parts, now = bridge(), attempt.now
    spend(connection, attempt.challenge.id, browser=attempt.browser, now=now)
    session = sign_in(
        connection,
        identity,
        cookie=cookie,
        current=attempt.session,
        user_agent=request.headers.get("User-Agent", ""),
        expires_at=now + timedelta(seconds=parts.settings.lifetimes.session),
    )
    record(
        connection,
        "signed in",
        now=now,
        account_id=session.account_id,
        method=identity.method,
        unconfirmed=",".join(identity.unconfirmed),
    )
    log.info(
        "sign-in accepted method=%s account=%s unconfirmed=%s",
        identity.method,
        session.account_id,
        ",".join(identity.unconfirmed) or "-",
    )
    return advance(
        connection, attempt.open_request, session=session, browser=attempt.browser, now=now
    )


def _refuse(connection: Connection, attempt: Attempt, error: ProofError) -> None:
    """Spend the challenge of a failed try, and note why it failed."""
    log.info("sign-in refused code=%s detail=%s", error.code, error.detail)
    if error.code != "replay":
        spend(connection, attempt.challenge.id, browser=attempt.browser, now=attempt.now)
    record(
        connection,
        "sign-in refused",
        now=attempt.now,
        account_id=attempt.session.account_id if attempt.session else None,
        code=error.code,
    )


def _open_request(
    connection: Connection, request_id: str, browser: str, now: datetime
) -> OpenRequest:
    clients = bridge().snapshots.current().clients
    return get_request(connection, request_id, clients, browser=browser, now=now)


def _is_signed_in(
    connection: Connection, open_request: OpenRequest, session: Session | None, now: datetime
) -> bool:
    """Return whether the proof is done and only consent is left (a reload, the back button)."""
    if open_request.authorization is None or session is None:
        return False
    standing = stand(
        connection,
        open_request.authorization,
        proof_after=open_request.proof_after,
        session=session,
        now=now,
    )
    return not isinstance(standing.step, SignIn)


def _allow_way_back(open_request: OpenRequest) -> None:
    if open_request.authorization is not None:
        target = open_request.authorization.target
        redirect_url = open_request.authorization.redirect_url
        app = which_app(target.client, target.redirect_uri, redirect_url)
        let_form_lead_to(target.redirect_uri, app.key)


def _wallet_links(auth_request: str) -> list[WalletLink]:
    links = []
    for wallet in bridge().settings.wallets:
        separator = "&" if urlsplit(wallet.url).query else "?"
        query = urlencode({"authRequest": auth_request})
        links.append(WalletLink(wallet.name, f"{wallet.url}{separator}{query}"))
    return links


def _failed(
    error: ProofError, open_request: OpenRequest, browser: str, *, status: int = 400
) -> Response:
    reference = new_reference()
    log.info("sign-in page code=%s reference=%s", error.code, reference)
    return page(
        "signin/failed.html",
        status=status,
        csrf=form_token(browser),
        app=app_card(open_request.authorization),
        explanation=explain(error),
        code=error.code,
        reference=reference,
        retry_url=url_for("signin.ask_again", request_id=open_request.id),
        cancel_url=url_for("signin.cancel", request_id=open_request.id),
        developer="",
    )
