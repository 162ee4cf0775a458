"""Where an authorization request stands: all that is true of it now. Reads only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from oidc_bridge.apps.app import App, which_app
from oidc_bridge.apps.consent import Consent, Question
from oidc_bridge.apps.scope_rules import required_of, without_refused
from oidc_bridge.apps.whitelist import (
    AsWhom,
    Said,
    Verdict,
    can_be_alone,
    judge_for,
    rule_name,
)
from oidc_bridge.flow import Situation, Step, next_step
from oidc_bridge.matrix.localpart import candidates, candidates_alone
from oidc_bridge.oidc.authorize import AuthorizationRequest
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.scopes import Person, claims_for
from oidc_bridge.storage.consents import Known, Welcome, find_known, find_welcomes
from oidc_bridge.storage.personas import Persona, free_localpart
from oidc_bridge.storage.requests import OpenRequest
from oidc_bridge.storage.sessions import Session
from oidc_bridge.storage.whitelist import find_said
from oidc_bridge.web.welcomes import Chosen, choose

_NOTHING = Said()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a request stands for the person in this browser.

    Attributes:
        personas: as whom the app may know the person; the main one is always there once somebody
            is signed in, also if the app may not have it.
        as_whom: the one of them that the app gets unless the person chooses another.
        consent: the earlier yes that counts here.
        app_key: of the app by whose consent the client gets an answer: at a re-authentication,
            where none is named, the one that knows the person so.
        developer: who signed for the app, as consent is to cover it.
        welcomes: at a re-authentication, what the person can be confirmed by.
        said: what the rules say of the app.
    """

    authorization: AuthorizationRequest
    app: App
    session: Session | None
    verdict: Verdict
    personas: Mapping[AsWhom, Persona]
    as_whom: AsWhom
    consent: Consent | None
    app_key: str
    step: Step
    developer: str = ""
    welcomes: Sequence[Welcome] = ()
    said: Said = _NOTHING

    @property
    def choices(self) -> tuple[AsWhom, ...]:
        """As whom the person may let the app know them, the one to suggest first."""
        fitting = _fitting(self.authorization, self.verdict.choices, self.personas)
        return (self.as_whom, *(other for other in fitting if other != self.as_whom))

    @property
    def consent_id(self) -> str:
        """Of the earlier yes; ``""`` if there was none."""
        return self.consent.id if self.consent else ""

    @property
    def scopes(self) -> tuple[str, ...]:
        """What is asked of the person: of what the client asks for, what the operator lets it."""
        return without_refused(self.authorization.scopes, self.said.scopes)

    @property
    def required(self) -> tuple[str, ...]:
        """What of it they cannot leave out."""
        return _required(self.authorization, self.said)

    @property
    def is_expected(self) -> bool:
        """Whether the person is one whom the client asks for, if it asks for somebody."""
        return self.session is None or _is_expected(self.authorization, self.persona)

    @property
    def persona(self) -> Persona:
        """As whom the app gets to know the person."""
        return self.personas[self.as_whom]

    def person(self, as_whom: AsWhom) -> Person:
        """Return what may be told of the person if the app knows them so."""
        return _as_known(self.personas[as_whom], self.signed_in)

    def question(self, as_whom: AsWhom) -> Question:
        """Return what consent is asked for if the app is to know the person so."""
        persona = self.personas[as_whom]
        return _question(self.authorization, persona, self.signed_in, self.said, self.developer)

    @property
    def signed_in(self) -> Session:
        """The person's session, where there must be one."""
        if self.session is None:
            raise RuntimeError("nobody is signed in")
        return self.session


def stand(
    connection: Connection,
    authorization: AuthorizationRequest,
    *,
    proof_after: datetime | None,
    session: Session | None,
    now: datetime,
    persona_id: str | None = None,
    choose_localpart: bool = False,
) -> Standing:
    """Return where *authorization* stands.

    Args:
        persona_id: As whom somebody re-authenticates, if they have chosen.
        choose_localpart: Find out which localpart a person new to this client would get; it is
            needed to ask for consent, and not to know that it must be asked for.

    Raises:
        SentError: if the app that asks cannot be one.
    """
    client = authorization.target.client
    app = which_app(client, authorization.target.redirect_uri, authorization.redirect_url)
    unheard = judge_for(client, app.key, Said())
    nobody = Situation(
        authenticated_at=None,
        proof_after=proof_after,
        question=None,
        consent=None,
        is_reauthentication=app.kind == "unknown",
        is_known=False,
        ask_anyway=authorization.ask_anyway,
        silent=authorization.silent,
        verdict=unheard,
    )
    if session is None:
        step = next_step(nobody, now=now)
        return Standing(authorization, app, None, unheard, {}, "main", None, app.key, step)
    here = replace(nobody, authenticated_at=session.authenticated_at)
    if app.kind == "unknown" and not authorization.ask_anyway:
        welcomes = find_welcomes(connection, session.account_id, client.id)
        if welcomes:
            chosen = choose(connection, client, session, welcomes, persona_id, now=now)
            return _stand_again(authorization, app, session, chosen, here, now)
    return _stand(connection, authorization, app, session, here, now, choose_localpart)


def stand_open(
    connection: Connection,
    open_request: OpenRequest,
    *,
    session: Session | None,
    now: datetime,
    choose_localpart: bool = False,
) -> Standing:
    """Return where the request that a browser has open stands; it is one of a client."""
    if open_request.authorization is None:
        raise RuntimeError("a way to the account page stands nowhere")
    return stand(
        connection,
        open_request.authorization,
        proof_after=open_request.proof_after,
        session=session,
        now=now,
        persona_id=open_request.persona_id,
        choose_localpart=choose_localpart,
    )


def _stand(
    connection: Connection,
    authorization: AuthorizationRequest,
    app: App,
    session: Session,
    here: Situation,
    now: datetime,
    choose_localpart: bool,
) -> Standing:
    client = authorization.target.client
    developer = client.developer_at(now)
    known = find_known(connection, session.account_id, client.id, app.key)
    name = rule_name(client, app.key)
    said = find_said(connection, session.account_id, [name], now=now)[name]
    verdict = judge_for(client, app.key, said)
    if session.app:
        # The key of one app lets nobody choose for another, nor for itself.
        verdict = verdict.unasked
    personas = _personas(connection, client, app, session, known, choose_localpart)
    as_whom = verdict.settle(known.consent.as_whom if known.consent else None) or "main"
    fitting = _fitting(authorization, verdict.choices, personas)
    if fitting and as_whom not in fitting:
        as_whom = fitting[0]
    situation = replace(
        here,
        question=_question(authorization, personas[as_whom], session, said, developer),
        consent=known.consent,
        verdict=verdict,
        as_whom=as_whom,
        # Whoever a client knows keeps that localpart, so only somebody new to it must choose.
        must_choose_name=session.must_choose_name and personas["main"].is_new,
        is_expected=_is_expected(authorization, personas[as_whom]),
    )
    step = next_step(situation, now=now)
    return Standing(
        authorization,
        app,
        session,
        verdict,
        personas,
        as_whom,
        known.consent,
        app.key,
        step,
        developer,
        said=said,
    )


def _stand_again(
    authorization: AuthorizationRequest,
    app: App,
    session: Session,
    chosen: Chosen,
    here: Situation,
    now: datetime,
) -> Standing:
    welcome = chosen.welcome
    persona, consent = welcome.persona, welcome.consent
    situation = replace(
        here,
        question=_question(authorization, persona, session, _NOTHING, ""),
        consent=consent,
        verdict=chosen.verdict,
        as_whom=consent.as_whom,
        is_known=True,
        must_choose_persona=chosen.must_choose,
        is_expected=_is_expected(authorization, persona),
    )
    return Standing(
        authorization,
        app,
        session,
        chosen.verdict,
        {consent.as_whom: persona},
        consent.as_whom,
        consent,
        welcome.app,
        next_step(situation, now=now),
        welcomes=chosen.choices,
    )


def _personas(
    connection: Connection,
    client: Client,
    app: App,
    session: Session,
    known: Known,
    choose_localpart: bool,
) -> dict[AsWhom, Persona]:
    def new(find_wanted: Callable[[], Sequence[str]]) -> Persona:
        if not choose_localpart:
            return Persona(None, "", "")
        return Persona(None, "", free_localpart(connection, client.id, find_wanted()))

    server = client.server_name
    main = known.main or new(lambda: candidates(session.address, session.name, server))
    if not can_be_alone(client, app.key):
        return {"main": main}
    alone = known.alone or new(lambda: candidates_alone(main.localpart, app.key, server))
    return {"main": main, "alone": alone}


def _fitting(
    authorization: AuthorizationRequest,
    choices: Sequence[AsWhom],
    personas: Mapping[AsWhom, Persona],
) -> Sequence[AsWhom]:
    """Return those of *choices* whom the client asks for, if it asks for somebody."""
    subjects = authorization.subjects
    if not subjects:
        return choices
    return [choice for choice in choices if personas[choice].sub in subjects]


def _is_expected(authorization: AuthorizationRequest, persona: Persona) -> bool:
    return not authorization.subjects or persona.sub in authorization.subjects


def _question(
    authorization: AuthorizationRequest,
    persona: Persona,
    session: Session,
    said: Said,
    developer: str,
) -> Question:
    scopes = without_refused(authorization.scopes, said.scopes)
    return Question(
        scopes=scopes,
        claims=tuple(claims_for(scopes, _as_known(persona, session))),
        client_name=authorization.target.client.name,
        localpart=persona.localpart,
        developer=developer,
        required=_required(authorization, said),
    )


def _required(authorization: AuthorizationRequest, said: Said) -> tuple[str, ...]:
    return required_of(authorization.target.client.required_scopes, said.scopes)


def _as_known(persona: Persona, session: Session) -> Person:
    said = session.profile
    return Person(persona.sub, persona.localpart, said.display_name, said.picture, said.email)
