"""What a sign-in of somebody would come to, and what the client would be told: nothing is done.

The answers are those of the functions that a real sign-in asks: `standing`, `flow`, the claims of
tokens and of userinfo. No code, no token and no persona is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from oidc_bridge.apps.explain import WHY
from oidc_bridge.apps.whitelist import AsWhom
from oidc_bridge.config import Settings
from oidc_bridge.flow import AskConsent, ChooseName, ChoosePersona, Issue, Step, TellDenied
from oidc_bridge.oidc.answer import Target
from oidc_bridge.oidc.authorize import AuthorizationRequest
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.scopes import claims_for
from oidc_bridge.oidc.tokens import id_token_claims, userinfo_claims
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web.standing import Standing, stand

# Another value each time, so that none is shown.
_EACH_TIME = frozenset({"iat", "exp", "auth_time", "sid", "nonce", "at_hash"})


@dataclass(frozen=True, slots=True)
class Told:
    """What the client would be told if it knew the person so; None is made only then."""

    as_whom: AsWhom
    id_token: Mapping[str, Any]
    userinfo: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a sign-in would come to, in words; nothing is told where it is refused."""

    may_sign_in: bool
    result: str
    told: Sequence[Told]


def try_sign_in(
    connection: Connection,
    client: Client,
    session: Session,
    redirect_url: str | None,
    *,
    settings: Settings,
    now: datetime,
) -> Trial:
    """Return what would come if *client* asked now for all that it may ask for.

    Args:
        session: As in `storage.sessions.session_to_be`.
        redirect_url: Of the chat app that asks at a homeserver.

    Raises:
        SentError: if no app can have this address.
    """
    asked = AuthorizationRequest(
        target=Target(client, client.redirect_uris[0], None),
        scopes=client.scopes,
        code_challenge="",
        nonce="",
        redirect_url=redirect_url,
        proof_after=None,
        ask_anyway=False,
        silent=False,
    )
    standing = stand(
        connection, asked, proof_after=None, session=session, now=now, choose_localpart=True
    )
    result, scopes, choices = _outcome(standing.step, standing)
    told = [_tell(standing, as_whom, scopes, settings, now) for as_whom in choices]
    return Trial(bool(choices), result, told)


def _outcome(step: Step, standing: Standing) -> tuple[str, tuple[str, ...], tuple[AsWhom, ...]]:
    """Return the step in words, what would be granted, and as whom they may be known."""
    asked, now_as = standing.scopes, (standing.as_whom,)
    match step:
        case Issue(scopes) if standing.app.kind == "unknown":
            return "Yes, as a re-authentication: it is told their ID and no more.", scopes, now_as
        case Issue(scopes):
            return "Yes, at once: they have said yes before, and are asked nothing.", scopes, now_as
        case AskConsent():
            said = "Yes, after they are asked. If they tick all that it may ask for, it is told:"
            return said, asked, standing.choices
        case ChooseName():
            said = "Yes, after they have chosen one of their names. As things are now it is told:"
            return said, asked, standing.choices
        case ChoosePersona():
            said = "Yes, after they have chosen as whom they confirm it. One of them:"
            return said, ("openid",), now_as
        case TellDenied(verdict):
            return f"No: {WHY[verdict.why] if verdict.why else 'a rule denies it'}.", (), ()
    return "No: it would be refused.", (), ()


def _tell(
    standing: Standing,
    as_whom: AsWhom,
    scopes: tuple[str, ...],
    settings: Settings,
    now: datetime,
) -> Told:
    client = standing.authorization.target.client
    person = standing.person(as_whom)
    claims = claims_for(scopes, person)
    id_token = id_token_claims(
        issuer=settings.issuer,
        client_id=client.id,
        person_claims=claims,
        sid="",
        nonce="",
        authenticated_at=now,
        access_token="",
        now=now,
        life=timedelta(seconds=settings.lifetimes.id_token),
        algorithm=client.metadata.id_token_signed_response_alg,
    )
    userinfo = userinfo_claims(
        claims,
        issuer=settings.issuer,
        client_id=client.id,
        is_signed=client.metadata.userinfo_signed_response_alg is not None,
    )
    unmade = _EACH_TIME if person.sub else _EACH_TIME | {"sub"}
    return Told(as_whom, _without(id_token, unmade), _without(userinfo, unmade))


def _without(claims: Mapping[str, Any], unmade: frozenset[str]) -> Mapping[str, Any]:
    return {name: None if name in unmade else value for name, value in claims.items()}
