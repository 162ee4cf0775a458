"""OpenID's front door: an authorization request is checked, and kept, answered or refused."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from oidc_bridge.errors import SentError, ShownError
from oidc_bridge.flow import Issue, Refuse, SignIn
from oidc_bridge.oidc.answer import Answer, Target, make_error
from oidc_bridge.oidc.authorize import AuthorizationRequest, find_target, read_parameters
from oidc_bridge.oidc.client import Client
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import hold_account
from oidc_bridge.storage.pushed import get_pushed
from oidc_bridge.storage.requests import keep_request
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import as_link, bridge, pairs
from oidc_bridge.web.oidc.asked import check, unwrap
from oidc_bridge.web.oidc.par import PREFIX
from oidc_bridge.web.questions import make_challenge
from oidc_bridge.web.session import current_session, keep_browser, new_browser
from oidc_bridge.web.standing import Standing, stand
from oidc_bridge.web.steps import go_on, issue, page_of, send_error

log = logging.getLogger(__name__)
views = Blueprint("authorize", __name__)


@views.route("/authorize", methods=["GET", "POST"])
def authorize() -> Response:
    """OIDC Core 3.1.2: check the request, then keep it, answer it, or say why not."""
    if request.method == "POST":
        return as_link(url_for("authorize.authorize"), advice=": push it (RFC 9126)")
    now, browser = bridge().clock(), new_browser()
    parameters = read_parameters(pairs(request.args.lists()))
    client = bridge().snapshots.current().clients.get(parameters.get("client_id", ""))
    pushed = None
    if client is not None and parameters.get("request_uri", "").startswith(PREFIX):
        # RFC 9126 section 4: nothing in the URL can change or add to what was pushed.
        with read() as connection:
            pushed, parameters = get_pushed(
                connection, parameters["request_uri"], client_id=client.id, now=now
            )
    return keep_browser(go_on(_answer(parameters, client, pushed, browser, now)), browser)


def _answer(
    parameters: Mapping[str, str],
    client: Client | None,
    pushed: str | None,
    browser: str,
    now: datetime,
) -> str | Answer:
    """Return where the browser goes.

    Raises:
        ShownError: while the target is in doubt.
    """
    try:
        # What was pushed has been unwrapped there, and must not have to be signed once more.
        if client is not None and pushed is None:
            parameters = unwrap(parameters, client, now)
    except SentError as error:
        # A request object that cannot be read names no target; what stands around it may.
        return _tell(find_target(parameters, client), error)
    target = find_target(parameters, client)
    try:
        authorization = replace(check(parameters, target, now), pushed=pushed)
        _check_way(authorization)
        return write(lambda connection: _begin(connection, authorization, browser, now))
    except SentError as error:
        return _tell(target, error)
    except IntegrityError as error:
        if not (error.statement or "").startswith("INSERT INTO authorization_requests"):
            raise
        raise ShownError("client_unknown", f"{target.client.id} was removed just now") from error


def _tell(target: Target, error: SentError) -> Answer:
    log.info("authorize refused code=%s client=%s", error.code, target.client.id)
    return make_error(target, error, issuer=bridge().settings.issuer)


def _check_way(authorization: AuthorizationRequest) -> None:
    """RFC 9126 section 5 and 6: who must push cannot be made to ask by a mere link."""
    client = authorization.target.client
    must_push = (
        client.metadata.require_pushed_authorization_requests
        or bridge().settings.require_pushed_authorization_requests
    )
    if must_push and authorization.pushed is None:
        raise SentError("invalid_request", "Requests must be pushed to this server beforehand.")


def _begin(
    connection: Connection, authorization: AuthorizationRequest, browser: str, now: datetime
) -> str | Answer:
    """Answer at once if nothing is to be asked; else keep request and challenge, in one commit."""
    session = current_session(connection, now=now)
    if session is not None:
        hold_account(connection, session.account_id)
    standing = _stand(connection, authorization, session, now)
    if session is not None and not authorization.silent and not standing.is_expected:
        # Somebody else is here. The one who is asked for may sign in now; see `flow.next_step`
        # for what happens if it is not they who do.
        earlier = filter(None, (authorization.proof_after, session.authenticated_at))
        authorization = replace(authorization, proof_after=max(earlier))
        standing = _stand(connection, authorization, None, now)
    match standing.step:
        case Issue(scopes):
            return issue(connection, standing, scopes, consent_id=standing.consent_id, now=now)
        case Refuse(error):
            return send_error(authorization, error)
    life = timedelta(seconds=bridge().settings.lifetimes.request)
    request_id = keep_request(connection, authorization, browser=browser, expires_at=now + life)
    if isinstance(standing.step, SignIn):
        make_challenge(connection, request_id, browser=browser, now=now)
    return page_of(standing.step, request_id)


def _stand(
    connection: Connection,
    authorization: AuthorizationRequest,
    session: Session | None,
    now: datetime,
) -> Standing:
    proof_after = authorization.proof_after
    return stand(connection, authorization, proof_after=proof_after, session=session, now=now)
