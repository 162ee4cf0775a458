"""The step that comes next in an authorization request.

Authorize, sign-in and consent all end here: look at what is true (`web.standing`), and go where
`flow.next_step` says. Nothing else issues a code.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from flask import Response, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.whitelist import AsWhom
from oidc_bridge.errors import SentError
from oidc_bridge.flow import (
    Ask,
    AskConsent,
    ChooseName,
    ChoosePersona,
    Issue,
    Refuse,
    SignIn,
    TellDenied,
)
from oidc_bridge.oidc.answer import Answer, make_answer, make_error
from oidc_bridge.oidc.authorize import AuthorizationRequest
from oidc_bridge.oidc.scopes import claims_for
from oidc_bridge.seal import digest_of, new_secret
from oidc_bridge.storage import new_id
from oidc_bridge.storage.authorizations import add_authorization
from oidc_bridge.storage.personas import MAIN, Persona, add_persona
from oidc_bridge.storage.pushed import take_pushed
from oidc_bridge.storage.requests import OpenRequest, close_request
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, let_forms_lead_only_to, page, see_other, source_of
from oidc_bridge.web.standing import Standing, stand_open

# Pages on which something may begin that needs a fresh proof, by their own word.
_PLACES = {
    "account": "account.overview",
    "passwords": "app_passwords.overview",
    "data": "data.overview",
    "rules": "rules.overview",
    "admin": "admin_home.overview",
    "admin token": "admin_door.token",
    "admin clients": "admin_clients.overview",
    "admin new client": "admin_client_new.new",
    "admin roles": "admin_team.overview",
    "admin keys": "admin_keys.overview",
    "one-time": "one_time.overview",
}
# What the account page says of a request that led there.
_DONE = {"confirm": "confirmed", "add": "wallet-added"}


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
        return place_url(open_request.place, done=_DONE.get(open_request.purpose))
    standing = stand_open(connection, open_request, session=session, now=now)
    match standing.step:
        case Refuse(error):
            close_request(connection, open_request.id, browser=browser)
            return send_error(standing.authorization, error)
        case Issue(scopes):
            close_request(connection, open_request.id, browser=browser)
            return issue(connection, standing, scopes, consent_id=standing.consent_id, now=now)
        case question:
            return page_of(question, open_request.id)


def place_url(place: str, *, done: str | None) -> str:
    """Return where a request leads that is no client's.

    Args:
        place: A word of `_PLACES`, or an admin page's own address as `web.admin.door` gives it.
        done: What the page is to say, if anything; of a page's own address only without a query.
    """
    if place.startswith("/"):
        return f"{place}?done={done}" if done else place
    return url_for(_PLACES[place], done=done)


def page_of(question: Ask, request_id: str) -> str:
    """Return where the person is asked, or told."""
    match question:
        case SignIn():
            return url_for("signin.choose", request_id=request_id)
        case TellDenied():
            return url_for("refused.review", request_id=request_id)
        case ChoosePersona():
            return url_for("personas.review", request_id=request_id)
        case ChooseName():
            return url_for("naming.review", request_id=request_id)
        case AskConsent():
            return url_for("consent.review", request_id=request_id)


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
    as_whom: AsWhom | None = None,
) -> Answer:
    """Make a code for *scopes* and return the answer that brings it to the client.

    The code is bound to client, redirect URI, PKCE challenge, persona, scopes and session. At the
    first sign-in the persona is registered here, in the same transaction.

    Args:
        as_whom: As whom the person chose to be known, if they were asked.
    """
    as_whom = as_whom or standing.as_whom
    authorization, session = standing.authorization, standing.signed_in
    client = authorization.target.client
    if authorization.pushed is not None:
        take_pushed(connection, authorization.pushed)
    persona = _register(connection, standing, as_whom, now)
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
            "app": standing.app_key,
            "sid": session_name(session.id, client.id, standing.app_key, consent_id),
            "scopes": list(scopes),
            "claims": list(claims_for(scopes, standing.person(as_whom))),
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


def _register(
    connection: Connection, standing: Standing, as_whom: AsWhom, now: datetime
) -> Persona:
    """Return the persona, registered if it is new.

    The main one is registered before one for an app alone, so that ``alice.btc+chat.example``
    never belongs to somebody else than ``alice.btc``.
    """
    main = standing.personas.get("main")
    if as_whom == "alone" and main is not None and main.is_new:
        _register_one(connection, standing, main, MAIN, now)
    app = MAIN if as_whom == "main" else standing.app_key
    return _register_one(connection, standing, standing.personas[as_whom], app, now)


def _register_one(
    connection: Connection, standing: Standing, persona: Persona, app: str, now: datetime
) -> Persona:
    if not persona.is_new:
        return persona
    account_id = standing.signed_in.account_id
    client_id = standing.authorization.target.client.id
    return add_persona(
        connection, account_id, client_id, localpart=persona.localpart, now=now, app=app
    )


def session_name(session_id: str, client_id: str, app_key: str, consent_id: str) -> str:
    """Return the ``sid`` by which one app at one client knows a browser session.

    Another one for each app, since Synapse deletes every device with the ``sid`` of a logout
    token, and taking back one app must not sign out the others. Another one for each consent: a
    logout token may be on its way for two days, and must not meet a sign-in made since.
    """
    text = "\0".join((session_id, client_id, app_key, consent_id))
    return bridge().seal.digest(text, purpose="sid")[:32]
