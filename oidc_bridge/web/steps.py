"""Where an authorization request stands, and the step that comes next.

Authorize, sign-in and consent all end here: look at what is true, ask `flow.next_step`, and go
where it says. Nothing else issues a code.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import Response, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.app import App, which_app
from oidc_bridge.apps.consent import Consent, Question
from oidc_bridge.errors import SentError
from oidc_bridge.flow import (
    AskConsent,
    ChooseName,
    Issue,
    Refuse,
    SignIn,
    Situation,
    Step,
    next_step,
)
from oidc_bridge.identity import Profile
from oidc_bridge.matrix.localpart import candidates
from oidc_bridge.oidc.answer import Answer, make_answer, make_error
from oidc_bridge.oidc.authorize import AuthorizationRequest
from oidc_bridge.oidc.scopes import Person, claims_for
from oidc_bridge.seal import digest_of, new_secret
from oidc_bridge.storage import new_id
from oidc_bridge.storage.authorizations import add_authorization
from oidc_bridge.storage.consents import find_standing
from oidc_bridge.storage.personas import Persona, add_persona, free_localpart
from oidc_bridge.storage.pushed import take_pushed
from oidc_bridge.storage.requests import OpenRequest, close_request
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, let_forms_lead_only_to, page, see_other, source_of

# What the account page says of a request that led there.
_DONE = {"confirm": "confirmed", "add": "wallet-added"}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a request stands for the person in this browser.

    ``person`` to ``question`` are None while nobody is signed in.
    """

    authorization: AuthorizationRequest
    app: App
    session: Session | None
    persona: Persona | None
    person: Person | None
    question: Question | None
    consent: Consent | None
    step: Step

    @property
    def consent_id(self) -> str:
        """Of the earlier yes; ``""`` if a re-authentication needed none."""
        return self.consent.id if self.consent else ""

    @property
    def is_expected(self) -> bool:
        """Whether the person is one whom the client asks for, if it asks for somebody."""
        return _is_expected(self.authorization, self.persona)


def stand(
    connection: Connection,
    authorization: AuthorizationRequest,
    *,
    proof_after: datetime | None,
    session: Session | None,
    now: datetime,
    choose_localpart: bool = False,
) -> Standing:
    """Return where *authorization* stands; reads only.

    Args:
        choose_localpart: Find out which localpart a person new to this client would get; it is
            needed to ask for consent, and not to know that it must be asked for.

    Raises:
        SentError: if the app that asks cannot be one.
    """
    client = authorization.target.client
    app = which_app(client, authorization.target.redirect_uri, authorization.redirect_url)
    persona = person = question = consent = None
    is_welcome = False
    if session is not None:
        persona, consent, is_welcome = find_standing(
            connection, session.account_id, client.id, app.key
        )
        if persona is None:
            wanted = candidates(session.address, session.name, client.server_name)
            free = free_localpart(connection, client.id, wanted) if choose_localpart else ""
            persona = Persona(None, "", free)
        person = _as_known(persona, session.profile)
        released = claims_for(authorization.scopes, person)
        question = Question(authorization.scopes, tuple(released), client.name, persona.localpart)
    step = next_step(
        Situation(
            authenticated_at=session.authenticated_at if session else None,
            proof_after=proof_after,
            question=question,
            consent=consent,
            is_reauthentication=app.kind == "unknown",
            is_known=is_welcome,
            ask_anyway=authorization.ask_anyway,
            silent=authorization.silent,
            must_choose_name=_must_choose_name(session, persona),
            is_expected=_is_expected(authorization, persona),
        ),
        now=now,
    )
    return Standing(authorization, app, session, persona, person, question, consent, step)


def _must_choose_name(session: Session | None, persona: Persona | None) -> bool:
    """Whoever a client knows keeps that localpart, so only somebody new to it must choose."""
    return session is not None and session.must_choose_name and not (persona and persona.id)


def _as_known(persona: Persona, profile: Profile) -> Person:
    return Person(
        persona.sub, persona.localpart, profile.display_name, profile.picture, profile.email
    )


def _is_expected(authorization: AuthorizationRequest, persona: Persona | None) -> bool:
    subjects = authorization.subjects
    return persona is None or not subjects or persona.sub in subjects


def advance(
    connection: Connection,
    open_request: OpenRequest,
    *,
    session: Session | None,
    browser: str,
    now: datetime,
) -> str | Answer:
    """Return where the browser goes next with a request that it has open."""
    if open_request.authorization is None:
        close_request(connection, open_request.id, browser=browser)
        return url_for("account.overview", done=_DONE.get(open_request.purpose))
    standing = stand(
        connection,
        open_request.authorization,
        proof_after=open_request.proof_after,
        session=session,
        now=now,
    )
    match standing.step:
        case SignIn():
            return url_for("signin.choose", request_id=open_request.id)
        case ChooseName():
            return url_for("naming.review", request_id=open_request.id)
        case AskConsent():
            return url_for("consent.review", request_id=open_request.id)
        case Refuse(error):
            close_request(connection, open_request.id, browser=browser)
            return send_error(standing.authorization, error)
        case Issue(scopes):
            close_request(connection, open_request.id, browser=browser)
            return issue(connection, standing, scopes, consent_id=standing.consent_id, now=now)


def go_on(step: str | Answer) -> Response:
    """Return what brings the browser to a page of ours, or an answer to the client.

    By ``form_post`` it is a page that posts itself. It may lead to the client and on to the app,
    nowhere else, not even back to us.
    """
    if isinstance(step, str):
        return see_other(step)
    target = step.target
    if target.response_mode == "query":
        return see_other(step.url)
    let_forms_lead_only_to(source_of(target.redirect_uri), step.leads_to)
    return page(
        "authorize/form_post.html",
        redirect_uri=target.redirect_uri,
        fields=step.fields,
        client_name=target.client.name,
    )


def send_error(authorization: AuthorizationRequest, error: SentError) -> Answer:
    """Return what tells the client of *error*."""
    return make_error(authorization.target, error, issuer=bridge().settings.issuer)


def issue(
    connection: Connection,
    standing: Standing,
    scopes: tuple[str, ...],
    *,
    consent_id: str,
    now: datetime,
) -> Answer:
    """Make a code for *scopes* and return the answer that brings it to the client.

    The code is bound to client, redirect URI, PKCE challenge, persona, scopes and session. At the
    first sign-in the persona is registered here, in the same transaction.
    """
    authorization, session, persona = standing.authorization, standing.session, standing.persona
    if session is None or persona is None or standing.person is None:
        raise RuntimeError("a code was about to be issued for nobody")
    client = authorization.target.client
    if authorization.pushed is not None:
        take_pushed(connection, authorization.pushed)
    if persona.id is None:
        persona = add_persona(
            connection, session.account_id, client.id, localpart=persona.localpart, now=now
        )
    parts = bridge()
    code = new_secret()
    add_authorization(
        connection,
        {
            "id": new_id(),
            "client_id": client.id,
            "account_id": session.account_id,
            "session_id": session.id,
            "persona_id": persona.id,
            "app": standing.app.key,
            "sid": session_name(session.id, client.id, standing.app.key, consent_id),
            "scopes": list(scopes),
            "claims": list(claims_for(scopes, standing.person)),
            "nonce": authorization.nonce,
            "redirect_uri": authorization.target.redirect_uri,
            "code_challenge": authorization.code_challenge,
            "dpop_jkt": authorization.dpop_jkt,
            "code_digest": digest_of(code),
            "code_expires_at": now + timedelta(seconds=parts.settings.lifetimes.code),
            "authenticated_at": session.authenticated_at,
            "created_at": now,
        },
    )
    answer = make_answer(authorization.target, {"code": code}, issuer=parts.settings.issuer)
    return replace(answer, leads_to=standing.app.key)


def session_name(session_id: str, client_id: str, app_key: str, consent_id: str) -> str:
    """Return the ``sid`` by which one app at one client knows a browser session.

    Another one for each app, since Synapse deletes every device with the ``sid`` of a logout
    token, and taking back one app must not sign out the others. Another one for each consent: a
    logout token may be on its way for two days, and must not meet a sign-in made since.
    """
    text = "\0".join((session_id, client_id, app_key, consent_id))
    return bridge().seal.digest(text, purpose="sid")[:32]
