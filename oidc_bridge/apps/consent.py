"""What must be asked, and why: a remembered consent covers a request until anything grows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from oidc_bridge.apps.whitelist import AsWhom

# Bump when the words of the consent page change their meaning: everybody is asked again.
TEXT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Question:
    """What the consent page puts to the person, as far as an earlier yes must cover it.

    Attributes:
        scopes: what is asked for.
        claims: names of the claims that those scopes would release about this person today.
        client_name: the name shown for the client.
        localpart: as whom the app will know the person.
        developer: who signed for the app; ``""`` if nobody did.
        required: of the scopes, those without which nobody is signed in.
    """

    scopes: tuple[str, ...]
    claims: tuple[str, ...]
    client_name: str
    localpart: str
    developer: str = ""
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Consent:
    """One person's yes to one app, with scopes and a date."""

    id: str
    question: Question
    granted: tuple[str, ...]
    text_version: int
    given_at: datetime
    remembered_until: datetime | None
    as_whom: AsWhom = "main"


def reasons_to_ask(
    question: Question, consent: Consent | None, *, now: datetime
) -> tuple[str, ...]:
    """Return why the person must be asked; nothing if an earlier consent covers *question*.

    Reasons: ``first``, ``not_remembered``, ``expired``, ``text``, ``scopes``, ``claims``,
    ``client_name``, ``localpart``, ``developer``, ``required``.
    """
    if consent is None:
        return ("first",)
    if consent.remembered_until is None:
        return ("not_remembered",)
    before = consent.question
    grown = {
        "expired": now >= consent.remembered_until,
        "text": consent.text_version != TEXT_VERSION,
        "scopes": not set(question.scopes) <= set(before.scopes),
        "claims": not set(question.claims) <= set(before.claims),
        "client_name": question.client_name != before.client_name,
        "localpart": question.localpart != before.localpart,
        "developer": question.developer != before.developer,
        "required": not {*question.required} & {*question.scopes} <= set(consent.granted),
    }
    return tuple(reason for reason, is_so in grown.items() if is_so)


def still_granted(consent: Consent, asked: Iterable[str]) -> tuple[str, ...]:
    """Return what a covered request gets: of what is asked now, what was granted then."""
    return tuple(scope for scope in asked if scope in consent.granted)


def decide_scopes(
    ticked: Iterable[str], *, asked: tuple[str, ...], required: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return the granted scopes: the required ones and those ticked; None for a forged form.

    Required scopes are not boxes on the page, so the form never names them; a scope that was
    not offered makes the whole form invalid (security C3).
    """
    chosen = set(ticked)
    offered = {scope for scope in asked if scope not in required}
    if not chosen <= offered:
        return None
    return tuple(scope for scope in asked if scope in required or scope in chosen)
