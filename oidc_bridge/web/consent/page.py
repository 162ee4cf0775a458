"""The scoped consent page: which app asks, for what, and as whom it will know the person."""

from datetime import datetime, timedelta
from hmac import compare_digest

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.consent import decide_scopes
from oidc_bridge.apps.whitelist import AsWhom, Say, rule_name
from oidc_bridge.errors import PageError, SentError
from oidc_bridge.flow import ChooseName, ChoosePersona, Refuse, SignIn, TellDenied
from oidc_bridge.oidc.answer import Answer
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import hold_account
from oidc_bridge.storage.consents import remember_consent
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.requests import (
    OpenRequest,
    ask_for_proof,
    close_request,
    get_request,
    keep_proved,
)
from oidc_bridge.storage.sessions import Session, extend_session
from oidc_bridge.storage.whitelist import set_person_rule
from oidc_bridge.web import bridge, let_form_lead_to, page, see_other
from oidc_bridge.web.cards import person_card
from oidc_bridge.web.consent.review import WILL_NOT, Review, review_of
from oidc_bridge.web.questions import ask_anew
from oidc_bridge.web.session import check_form, field, form_token, get_browser, session_at
from oidc_bridge.web.standing import Standing, stand_open
from oidc_bridge.web.steps import advance, go_on, issue, page_of, send_error

views = Blueprint("consent", __name__, url_prefix="/consent")

# Whoever must do this first is not asked for consent yet.
_EARLIER = SignIn | TellDenied | ChoosePersona | ChooseName


@views.get("/<id:request_id>")
def review(request_id: str) -> Response:
    """Ask."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        open_request, _, standing = _look(connection, request_id, browser, now)
    if isinstance(standing.step, _EARLIER):
        return see_other(page_of(standing.step, request_id))
    shown = review_of(standing)
    let_form_lead_to(standing.authorization.target.redirect_uri, standing.app.key)
    return page(
        "consent/review.html",
        csrf=form_token(browser),
        shown=shown.fingerprint(request_id),
        app=shown.app,
        person=person_card(standing.signed_in),
        choices=shown.choices,
        note=shown.note,
        before=shown.before,
        rows=shown.rows,
        news=shown.news,
        will_not=WILL_NOT,
        remember_days=_remember_days() if _may_remember(standing) else 0,
        expires_at=open_request.expires_at,
        seconds_left=int((open_request.expires_at - now).total_seconds()),
        decide_url=url_for("consent.decide", request_id=request_id),
        switch_url=url_for("consent.switch", request_id=request_id),
    )


@views.post("/<id:request_id>")
def decide(request_id: str) -> Response:
    """Take the answer: consent and code in one commit, or a calm no to the client."""
    browser, now = check_form(), bridge().clock()
    decision = field("decision")
    if decision not in ("allow", "deny"):
        raise PageError("form_malformed", "decision")
    act = _allow if decision == "allow" else _deny
    return go_on(write(lambda connection: act(connection, request_id, browser, now)))


@views.post("/<id:request_id>/switch")
def switch(request_id: str) -> Response:
    """Use another account: the same request, another proof."""
    browser, now = check_form(), bridge().clock()

    def ask_again(connection: Connection) -> None:
        open_request, _, _ = _look(connection, request_id, browser, now)
        ask_for_proof(connection, open_request, browser=browser, after=now)
        keep_proved(connection, request_id, (), browser=browser)
        ask_anew(connection, open_request, browser=browser, now=now)

    write(ask_again)
    return see_other(url_for("signin.choose", request_id=request_id))


def _may_remember(standing: Standing) -> bool:
    """A chat app's key answers for now: no later request passes by it unasked."""
    return standing.app.is_certain and not standing.signed_in.app


def _remember_days() -> int:
    return bridge().settings.lifetimes.consent // 86_400


def _deny(connection: Connection, request_id: str, browser: str, now: datetime) -> Answer:
    open_request, _, standing = _look(connection, request_id, browser, now, is_change=True)
    # Asked again: while we waited for the account, it may have gone.
    session = session_at(connection, open_request, now=now)
    close_request(connection, request_id, browser=browser)
    record(
        connection,
        "consent denied",
        now=now,
        account_id=session.account_id if session else None,
        client_id=standing.authorization.target.client.id,
        app=standing.app.key,
        session=session.id if session else "",
    )
    no = SentError("access_denied", "You chose not to allow this sign-in.")
    return send_error(standing.authorization, no)


def _allow(connection: Connection, request_id: str, browser: str, now: datetime) -> str | Answer:
    """Go on if the person answered today's question; else let them read it again.

    Their answer counts even if an earlier yes has come to cover the request meanwhile.
    """
    open_request, session, standing = _look(connection, request_id, browser, now, is_change=True)
    if session is None or isinstance(standing.step, _EARLIER | Refuse):
        return advance(connection, open_request, session=session, browser=browser, now=now)
    shown = review_of(standing)
    if not compare_digest(field("shown").encode(), shown.fingerprint(request_id).encode()):
        raise PageError("consent_changed", f"request={request_id}")
    granted = decide_scopes(
        request.form.getlist("scope"),
        asked=standing.scopes,
        required=standing.required,
    )
    if granted is None:
        raise PageError("form_malformed", "scope")
    as_whom = _chosen(standing)
    close_request(connection, request_id, browser=browser)
    _keep_choice(connection, standing, as_whom, now)
    consent_id = _keep_yes(connection, standing, shown, as_whom, granted, now)
    if session.app:
        life = timedelta(seconds=bridge().settings.lifetimes.session)
        extend_session(connection, session.id, until=now + life)
    return issue(connection, standing, granted, consent_id=consent_id, now=now, as_whom=as_whom)


def _keep_yes(
    connection: Connection,
    standing: Standing,
    shown: Review,
    as_whom: AsWhom,
    granted: tuple[str, ...],
    now: datetime,
) -> str:
    """Keep the answer, with the words that it was an answer to; return the consent's id."""
    client, session = standing.authorization.target.client, standing.signed_in
    life = timedelta(seconds=bridge().settings.lifetimes.consent)
    wants_to = request.form.get("remember") == "yes"
    until = now + life if wants_to and _may_remember(standing) else None
    consent_id = remember_consent(
        connection,
        session.account_id,
        client.id,
        standing.app.key,
        app_title=standing.app.title,
        as_whom=as_whom,
        question=standing.question(as_whom),
        granted=granted,
        replaces=standing.consent,
        remembered_until=until,
        receipt=shown.receipt(person_card(session), as_whom, granted, remembered_until=until),
        now=now,
    )
    record(
        connection,
        "consent given",
        now=now,
        account_id=session.account_id,
        client_id=client.id,
        app=standing.app.key,
        scopes=" ".join(granted),
        as_whom=as_whom,
        consent=consent_id,
        session=session.id,
    )
    return consent_id


def _chosen(standing: Standing) -> AsWhom:
    """Return as whom the posted form wants to be known.

    Raises:
        PageError: ``form_malformed`` for what was not offered.
    """
    choices = standing.choices
    if len(choices) == 1 and "as" not in request.form:
        return choices[0]
    wanted = field("as")
    for choice in choices:
        if choice == wanted:
            return choice
    raise PageError("form_malformed", "as")


def _keep_choice(
    connection: Connection, standing: Standing, as_whom: AsWhom, now: datetime
) -> None:
    """Let the person's choice hold from now on, if the rules alone would have it otherwise."""
    if as_whom == standing.verdict.choices[0]:
        return
    client = standing.authorization.target.client
    account_id = standing.signed_in.account_id
    say: Say = "allow" if as_whom == "main" else "alone"
    app = rule_name(client, standing.app.key)
    set_person_rule(connection, account_id, app, say, now=now)
    record(
        connection,
        "own rule set",
        now=now,
        account_id=account_id,
        client_id=client.id,
        app=app,
        say=say,
    )


def _look(
    connection: Connection,
    request_id: str,
    browser: str,
    now: datetime,
    *,
    is_change: bool = False,
) -> tuple[OpenRequest, Session | None, Standing]:
    """Return what stands behind the page.

    Raises:
        PageError: ``request_unknown`` also for a request that needs no consent.
    """
    clients = bridge().snapshots.current().clients
    open_request = get_request(connection, request_id, clients, browser=browser, now=now)
    if open_request.authorization is None:
        raise PageError("request_unknown", "nothing to consent to", status=404)
    session = session_at(connection, open_request, now=now)
    if session is not None and is_change:
        hold_account(connection, session.account_id)
    standing = stand_open(connection, open_request, session=session, now=now, choose_localpart=True)
    return open_request, session, standing
