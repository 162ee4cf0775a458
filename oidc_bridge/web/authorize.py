"""OpenID's front door: an authorization request is checked, and kept, answered or refused."""

import logging
from datetime import datetime, timedelta
from urllib.parse import urlencode

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from oidc_bridge.errors import SentError, ShownError
from oidc_bridge.flow import ChooseName, Issue, Refuse, SignIn
from oidc_bridge.oidc.authorize import (
    AuthorizationRequest,
    check_request,
    error_url,
    find_target,
    read_parameters,
)
from oidc_bridge.storage import write
from oidc_bridge.storage.accounts import hold_account
from oidc_bridge.storage.requests import keep_request
from oidc_bridge.web import bridge, pairs, see_other
from oidc_bridge.web.session import current_session, keep_browser, new_browser
from oidc_bridge.web.sittings import make_challenge
from oidc_bridge.web.steps import issue, send_error, stand

log = logging.getLogger(__name__)
views = Blueprint("authorize", __name__)

_MAX_QUERY = 7_000


@views.route("/authorize", methods=["GET", "POST"])
def authorize() -> Response:
    """OIDC Core 3.1.2: check the request, then keep it, answer it, or say why not."""
    parts = bridge()
    now = parts.clock()
    if request.method == "POST":
        # SameSite: with a form of another site no cookie of ours comes, with a link it does.
        query = urlencode(pairs(request.form.lists()))
        if len(query) > _MAX_QUERY:
            raise ShownError("request_malformed", "too long for an address")
        return see_other(f"/authorize?{query}")
    parameters = read_parameters(pairs(request.args.lists()))
    client = parts.snapshots.current().clients.get(parameters.get("client_id", ""))
    target = find_target(parameters, client)
    browser = new_browser()
    try:
        authorization = check_request(parameters, target, now=now)
        url = write(lambda connection: _begin(connection, authorization, browser, now))
    except SentError as error:
        log.info("authorize refused code=%s client=%s", error.code, target.client.id)
        url = error_url(target, error, issuer=parts.settings.issuer)
    except IntegrityError as error:
        if not (error.statement or "").startswith("INSERT INTO authorization_requests"):
            raise
        raise ShownError("client_unknown", f"{target.client.id} was removed just now") from error
    return keep_browser(see_other(url), browser)


def _begin(
    connection: Connection, authorization: AuthorizationRequest, browser: str, now: datetime
) -> str:
    """Answer at once if nothing is to be asked; else keep request and challenge, in one commit."""
    session = current_session(connection, now=now)
    if session is not None:
        hold_account(connection, session.account_id)
    standing = stand(
        connection,
        authorization,
        proof_after=authorization.proof_after,
        session=session,
        now=now,
    )
    match standing.step:
        case Issue(scopes):
            return issue(connection, standing, scopes, consent_id=standing.consent_id, now=now)
        case Refuse(error):
            return send_error(authorization, error)
    life = timedelta(seconds=bridge().settings.lifetimes.request)
    request_id = keep_request(connection, authorization, browser=browser, expires_at=now + life)
    if isinstance(standing.step, SignIn):
        make_challenge(connection, request_id, browser=browser, now=now)
        return url_for("signin.choose", request_id=request_id)
    if isinstance(standing.step, ChooseName):
        return url_for("naming.review", request_id=request_id)
    return url_for("consent.review", request_id=request_id)
