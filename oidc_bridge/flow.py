"""What comes next in a sign-in: one pure function.

Every step of a sign-in returns here, so no order of clicks, reloads or back buttons can skip a
question: what has been answered is read from what is true now, not from where the person was.
"""

from dataclasses import dataclass
from datetime import datetime

from oidc_bridge.apps.consent import Consent, Question, reasons_to_ask, still_granted
from oidc_bridge.apps.whitelist import AsWhom, Verdict
from oidc_bridge.errors import SentError


@dataclass(frozen=True, slots=True)
class SignIn:
    """The person must prove who they are."""


@dataclass(frozen=True, slots=True)
class TellDenied:
    """The app may not sign this person in; they are told why, and by whom."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ChoosePersona:
    """Apps know the person by several IDs here, and they must say as which they confirm this."""


@dataclass(frozen=True, slots=True)
class ChooseName:
    """The person owns several names and must say which is theirs, before a Matrix ID is made."""


@dataclass(frozen=True, slots=True)
class AskConsent:
    """The person must say yes or no; ``reasons`` tell what is new since the last yes."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """The client gets an error."""

    error: SentError


@dataclass(frozen=True, slots=True)
class Issue:
    """Nothing is left to ask: the client gets a code for these scopes."""

    scopes: tuple[str, ...]


# What is put to the person on a page; the rest is answered to the client.
Ask = SignIn | TellDenied | ChoosePersona | ChooseName | AskConsent
Step = Ask | Refuse | Issue


@dataclass(frozen=True, slots=True)
class Situation:
    """What is true now of one authorization request.

    Attributes:
        authenticated_at: when the person in this browser last proved themselves; None if nobody
            is signed in.
        proof_after: the proof must be younger than this; None if any will do.
        question: what consent would be asked for; None while nobody is signed in.
        consent: the earlier yes to this app, if it stands.
        is_reauthentication: a homeserver's request that names no app (docs/synapse.md).
        verdict: what the rules say of this app and this person.
        as_whom: as whom the app would know the person.
        is_known: the person has said yes to an app of this client, and that yes still stands.
        ask_anyway, silent: see `AuthorizationRequest`.
        must_choose_name: the person owns several names, and no client's persona settles which.
        is_expected: whoever is signed in is one whom the client asks for, if it asks for somebody.
    """

    authenticated_at: datetime | None
    proof_after: datetime | None
    question: Question | None
    consent: Consent | None
    is_reauthentication: bool
    is_known: bool
    ask_anyway: bool
    silent: bool
    verdict: Verdict
    as_whom: AsWhom = "main"
    must_choose_persona: bool = False
    must_choose_name: bool = False
    is_expected: bool = True


def next_step(now_is: Situation, *, now: datetime) -> Step:
    """Return what comes next.

    A re-authentication by somebody whom the homeserver knows needs no consent: the fresh proof
    is the answer, and it is told their ID and nothing else.
    """
    proved = now_is.authenticated_at
    fresh = now_is.proof_after is None or (proved is not None and proved > now_is.proof_after)
    if proved is None or not fresh or now_is.question is None:
        if now_is.silent:
            return Refuse(SentError("login_required", "The person must sign in first."))
        return SignIn()
    if not now_is.is_expected:
        # OIDC Core 3.1.2.1: never silently another. Who is here may choose only once, at the
        # sign-in page; see `web.oidc.authorize`.
        return Refuse(SentError("login_required", "Somebody else is signed in."))
    if now_is.must_choose_persona:
        if now_is.silent:
            return Refuse(SentError("interaction_required", "The person must choose an ID."))
        return ChoosePersona()
    if now_is.verdict.word == "deny":
        if now_is.silent:
            return Refuse(SentError("access_denied", "This app may not sign this person in."))
        return TellDenied(now_is.verdict)
    if now_is.must_choose_name:
        if now_is.silent:
            return Refuse(SentError("interaction_required", "The person must choose a name."))
        return ChooseName()
    if now_is.is_reauthentication and now_is.is_known and not now_is.ask_anyway:
        return Issue(("openid",))
    reasons = reasons_to_ask(now_is.question, now_is.consent, now=now)
    if now_is.consent is not None and not now_is.verdict.permits(now_is.as_whom):
        reasons = (*reasons, "whitelist")
    if now_is.consent is None or reasons or now_is.ask_anyway:
        if now_is.silent:
            return Refuse(SentError("consent_required", "The person must be asked first."))
        return AskConsent(reasons)
    return Issue(still_granted(now_is.consent, now_is.question.scopes))
