"""The scoped consent page: which app asks, for what, and as whom it will know the person."""

import json
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from urllib.parse import urlsplit

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.consent import decide_scopes
from oidc_bridge.errors import PageError, SentError
from oidc_bridge.flow import AskConsent, ChooseName, SignIn
from oidc_bridge.oidc.answer import Answer
from oidc_bridge.oidc.scopes import GRANTS, Person
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
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, let_form_lead_to, page, see_other
from oidc_bridge.web.cards import AppCard, card_of, matrix_id, person_card
from oidc_bridge.web.notes import note_on
from oidc_bridge.web.questions import ask_anew
from oidc_bridge.web.session import check_form, current_session, field, form_token, get_browser
from oidc_bridge.web.steps import Standing, advance, go_on, issue, send_error, stand

views = Blueprint("consent", __name__, url_prefix="/consent")

_WILL_NOT = ("The keys of your wallet", "Your coins", "What you do in other apps")
_NEWS = {
    "expired": "You said yes a while ago, and that yes has run out.",
    "text": "What this page says has changed since you last said yes.",
    "scopes": "The app asks for more than before.",
    "claims": "There is more to share about you than before.",
    "client_name": "The server behind the app has another name than before.",
    "localpart": "The app will know you by another name than before.",
}


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """One scope on the page: a sentence and the value that would be sent."""

    scope: str
    title: str
    value: str
    required: bool
    reason: str
    checked: bool


@dataclass(frozen=True, slots=True)
class PersonaCard:
    """As whom the app will know the person."""

    mxid: str
    localpart: str
    is_new: bool
    note: str


@dataclass(frozen=True, slots=True)
class Review:
    """All that the page puts to the person; what they say yes to."""

    app: AppCard
    rows: tuple[ScopeRow, ...]
    persona: PersonaCard
    news: tuple[str, ...]

    def fingerprint(self, request_id: str) -> str:
        """Return a keyed digest: a yes counts only for exactly what was shown."""
        rows = [(row.scope, row.title, row.value, row.required) for row in self.rows]
        shown = (request_id, astuple(self.app), rows, astuple(self.persona))
        return bridge().seal.digest(json.dumps(shown), purpose="consent")


@views.get("/<id:request_id>")
def review(request_id: str) -> Response:
    """Ask."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        open_request, session, standing = _look(connection, request_id, browser, now)
    if session is None or isinstance(standing.step, SignIn):
        return see_other(url_for("signin.choose", request_id=request_id))
    if isinstance(standing.step, ChooseName):
        return see_other(url_for("naming.review", request_id=request_id))
    shown = _review(standing, session)
    let_form_lead_to(standing.authorization.target.redirect_uri, standing.app.key)
    return page(
        "consent/review.html",
        csrf=form_token(browser),
        shown=shown.fingerprint(request_id),
        app=shown.app,
        person=person_card(session),
        persona=shown.persona,
        rows=shown.rows,
        news=shown.news,
        will_not=_WILL_NOT,
        remember_days=_remember_days() if standing.app.is_certain else 0,
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


def _remember_days() -> int:
    return bridge().settings.lifetimes.consent // 86_400


def _deny(connection: Connection, request_id: str, browser: str, now: datetime) -> Answer:
    _, session, standing = _look(connection, request_id, browser, now)
    close_request(connection, request_id, browser=browser)
    record(
        connection,
        "consent denied",
        now=now,
        account_id=session.account_id if session else None,
        client_id=standing.authorization.target.client.id,
        app=standing.app.key,
    )
    no = SentError("access_denied", "You chose not to allow this sign-in.")
    return send_error(standing.authorization, no)


def _allow(connection: Connection, request_id: str, browser: str, now: datetime) -> str | Answer:
    """Go on if the person answered today's question; else let them read it again.

    Their answer counts even if an earlier yes has come to cover the request meanwhile.
    """
    open_request, session, standing = _look(connection, request_id, browser, now, is_change=True)
    if session is None or isinstance(standing.step, SignIn | ChooseName):
        return advance(connection, open_request, session=session, browser=browser, now=now)
    shown = _review(standing, session).fingerprint(request_id)
    if not compare_digest(field("shown").encode(), shown.encode()):
        raise PageError("consent_changed", f"request={request_id}")
    client = standing.authorization.target.client
    granted = decide_scopes(
        request.form.getlist("scope"),
        asked=standing.authorization.scopes,
        required=client.required_scopes,
    )
    if granted is None or standing.question is None:
        raise PageError("form_malformed", "scope")
    close_request(connection, request_id, browser=browser)
    life = timedelta(seconds=bridge().settings.lifetimes.consent)
    wants_to = request.form.get("remember") == "yes"
    consent_id = remember_consent(
        connection,
        session.account_id,
        client.id,
        standing.app.key,
        app_title=standing.app.title,
        question=standing.question,
        granted=granted,
        replaces=standing.consent,
        remembered_until=now + life if wants_to and standing.app.is_certain else None,
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
    )
    return issue(connection, standing, granted, consent_id=consent_id, now=now)


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
    session = current_session(connection, now=now)
    if session is not None and is_change:
        hold_account(connection, session.account_id)
    standing = stand(
        connection,
        open_request.authorization,
        proof_after=open_request.proof_after,
        session=session,
        now=now,
        choose_localpart=True,
    )
    return open_request, session, standing


def _review(standing: Standing, session: Session) -> Review:
    client = standing.authorization.target.client
    persona, person = standing.persona, standing.person
    if persona is None or person is None:
        raise RuntimeError("consent was about to be asked of nobody")
    reasons = standing.step.reasons if isinstance(standing.step, AskConsent) else ()
    # A box that nobody ticked is no yes: what is optional starts unticked.
    before = standing.consent.granted if standing.consent else ()
    required = client.required_scopes
    return Review(
        app=card_of(standing.app, client),
        rows=tuple(
            ScopeRow(
                scope=scope,
                title=GRANTS[scope].title,
                value=_value(scope, person, matrix_id(person.localpart, client)),
                required=scope in required,
                reason="",
                checked=scope in before,
            )
            for scope in standing.authorization.scopes
        ),
        persona=PersonaCard(
            mxid=matrix_id(persona.localpart, client),
            localpart=persona.localpart,
            is_new=persona.id is None,
            note=note_on(persona, session, client.server_name),
        ),
        news=tuple(_NEWS[reason] for reason in reasons if reason in _NEWS),
    )


def _value(scope: str, person: Person, mxid: str) -> str:
    if scope == "openid" and mxid:
        return mxid
    if scope == "profile":
        picture = f"picture from {urlsplit(person.picture).netloc}" if person.picture else ""
        known = ", ".join(filter(None, (person.name, picture)))
        return known or "Your wallet tells neither a name nor a picture"
    if scope in ("email", "claim:email"):
        return person.email or "Your wallet tells no e-mail address"
    if scope == "claim:name":
        return person.name or "Your wallet tells no name"
    if scope == "claim:picture":
        return person.picture or "Your wallet tells no picture"
    return person.localpart if scope == "openid" else ""
