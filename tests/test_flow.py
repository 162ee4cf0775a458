"""What comes next: the truth table of `next_step`, and what holds in every row of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from oidc_bridge.apps.consent import TEXT_VERSION, Consent, Question
from oidc_bridge.apps.whitelist import Verdict
from oidc_bridge.flow import (
    AskConsent,
    ChoosePersona,
    Issue,
    Refuse,
    SignIn,
    Situation,
    TellDenied,
    next_step,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ASKED = Question(
    scopes=("openid", "profile"),
    claims=("sub", "preferred_username", "name"),
    client_name="matrix.example",
    localpart="ann.id",
)
YES = Consent(
    id="consent-1",
    question=ASKED,
    granted=("openid", "profile"),
    text_version=TEXT_VERSION,
    given_at=NOW - timedelta(days=1),
    remembered_until=NOW + timedelta(days=1),
)
ALLOWED = Verdict("allow", "operator", ("main", "alone"))
UNDECIDED = Verdict("ask", "policy", ("alone", "main"))
DENIED = Verdict("deny", "operator", why="app_denied")
# Ann is signed in, said yes before, and nothing is special.
ANN = Situation(
    authenticated_at=NOW - 60 * SECOND,
    proof_after=None,
    question=ASKED,
    consent=YES,
    is_reauthentication=False,
    is_known=True,
    ask_anyway=False,
    silent=False,
    verdict=ALLOWED,
)
NOBODY = {"authenticated_at": None, "question": None, "consent": None}
STALE = {"proof_after": ANN.authenticated_at + SECOND}
FRESH = {"proof_after": ANN.authenticated_at - SECOND}
MORE = replace(ASKED, scopes=("openid", "profile", "email"))
UIA = {"is_reauthentication": True, "consent": None}


TABLE = {
    "all is answered": ({}, Issue(("openid", "profile"))),
    "nobody is signed in": (NOBODY, SignIn()),
    "nobody is signed in, and consent is asked anyway": ({**NOBODY, "ask_anyway": True}, SignIn()),
    "the proof is too old": (STALE, SignIn()),
    "the proof is as old as the limit": ({"proof_after": ANN.authenticated_at}, SignIn()),
    "the proof is fresh enough": (FRESH, Issue(("openid", "profile"))),
    "no question could be made": ({"question": None}, SignIn()),
    "the first time": ({"consent": None}, AskConsent(("first",))),
    "a yes that was not to be remembered": (
        {"consent": replace(YES, remembered_until=None)},
        AskConsent(("not_remembered",)),
    ),
    "a yes that ran out this very moment": (
        {"consent": replace(YES, remembered_until=NOW)},
        AskConsent(("expired",)),
    ),
    "a yes to less": ({"question": MORE}, AskConsent(("scopes",))),
    "asked for less than the yes": (
        {"question": replace(ASKED, scopes=("openid",), claims=("sub", "preferred_username"))},
        Issue(("openid",)),
    ),
    "a scope that was unticked stays out": (
        {"consent": replace(YES, granted=("openid",))},
        Issue(("openid",)),
    ),
    "asked anyway": ({"ask_anyway": True}, AskConsent(())),
    "asked anyway for the first time": (
        {"ask_anyway": True, "consent": None},
        AskConsent(("first",)),
    ),
    "a re-authentication with a fresh proof": ({**UIA, **FRESH}, Issue(("openid",))),
    "a re-authentication with an old proof": ({**UIA, **STALE}, SignIn()),
    "a re-authentication tells the ID and nothing else, whatever was granted": (
        {**UIA, **FRESH, "consent": YES},
        Issue(("openid",)),
    ),
    "a re-authentication by somebody the homeserver does not know": (
        {**UIA, **FRESH, "is_known": False},
        AskConsent(("first",)),
    ),
    "a re-authentication with consent asked anyway": (
        {**UIA, **FRESH, "ask_anyway": True},
        AskConsent(("first",)),
    ),
    "the app is denied": ({"verdict": DENIED}, TellDenied(DENIED)),
    "a denied app, and nobody is signed in": ({**NOBODY, "verdict": DENIED}, SignIn()),
    "a denied app, and consent is asked anyway": (
        {"verdict": DENIED, "ask_anyway": True},
        TellDenied(DENIED),
    ),
    "a re-authentication when no app may know them any more": (
        {**UIA, **FRESH, "verdict": DENIED},
        TellDenied(DENIED),
    ),
    "a denied app does not ask for a name first": (
        {"verdict": DENIED, "must_choose_name": True},
        TellDenied(DENIED),
    ),
    "an app that came off the list": ({"verdict": UNDECIDED}, AskConsent(("whitelist",))),
    "an app that nobody has allowed, under its own ID": (
        {"verdict": UNDECIDED, "as_whom": "alone"},
        Issue(("openid", "profile")),
    ),
    "a re-authentication by somebody with several IDs": (
        {**UIA, **FRESH, "must_choose_persona": True},
        ChoosePersona(),
    ),
    "somebody else is here, with an old proof": ({**STALE, "is_expected": False}, SignIn()),
    "known to the client, but not re-authenticating": (
        {"consent": None, "is_known": True},
        AskConsent(("first",)),
    ),
}


@pytest.mark.parametrize("row", TABLE)
def test_what_comes_next_when(row):
    changes, expected = TABLE[row]

    assert next_step(replace(ANN, **changes), now=NOW) == expected


SILENT = {
    "nobody is signed in": (NOBODY, "login_required"),
    "the proof is too old": (STALE, "login_required"),
    "no question could be made": ({"question": None}, "login_required"),
    "an old proof comes before a missing consent": ({**STALE, "consent": None}, "login_required"),
    "a re-authentication with an old proof": ({**UIA, **STALE}, "login_required"),
    "somebody else is here": ({"is_expected": False}, "login_required"),
    "the first time": ({"consent": None}, "consent_required"),
    "a yes to less": ({"question": MORE}, "consent_required"),
    "asked anyway": ({"ask_anyway": True}, "consent_required"),
    "the app is denied": ({"verdict": DENIED}, "access_denied"),
    "several IDs": ({**UIA, "must_choose_persona": True}, "interaction_required"),
    "several names": ({"must_choose_name": True}, "interaction_required"),
    "an app that came off the list": ({"verdict": UNDECIDED}, "consent_required"),
}


@pytest.mark.parametrize("row", SILENT)
def test_a_silent_request_is_refused_when(row):
    changes, code = SILENT[row]

    step = next_step(replace(ANN, **changes, silent=True), now=NOW)

    assert isinstance(step, Refuse)
    assert step.error.code == code


def test_a_silent_request_succeeds_when_nothing_is_to_be_asked():
    assert next_step(replace(ANN, silent=True), now=NOW) == Issue(("openid", "profile"))


ALL = [
    Situation(*values)
    for values in product(
        (None, ANN.authenticated_at),
        (None, FRESH["proof_after"], STALE["proof_after"]),
        (None, ASKED, MORE),
        (None, YES, replace(YES, granted=("openid",)), replace(YES, remembered_until=NOW)),
        (False, True),
        (False, True),
        (False, True),
        (False, True),
        (ALLOWED, UNDECIDED, DENIED),
        ("main", "alone"),
    )
]


def steps():
    return [(situation, next_step(situation, now=NOW)) for situation in ALL]


def test_no_code_is_ever_issued_to_somebody_who_has_not_proved_themselves_in_time():
    for situation, step in steps():
        if isinstance(step, Issue):
            assert situation.authenticated_at is not None
            assert not situation.proof_after or situation.authenticated_at > situation.proof_after


def test_no_code_is_ever_issued_for_more_than_was_asked_and_granted():
    for situation, step in steps():
        if isinstance(step, Issue):
            granted = situation.consent.granted if situation.consent else ("openid",)
            assert set(step.scopes) <= set(situation.question.scopes) & set(granted)


def test_without_a_live_consent_only_a_known_person_who_reauthenticates_gets_a_code():
    for situation, step in steps():
        if isinstance(step, Issue) and (
            situation.consent is None or situation.consent.remembered_until == NOW
        ):
            assert situation.is_reauthentication
            assert situation.is_known


def test_p1_a_denied_app_never_gets_a_code():
    assert not any(
        isinstance(step, Issue) for situation, step in steps() if situation.verdict is DENIED
    )


def test_p3_nobody_is_made_known_as_themselves_without_a_rule_or_a_yes_that_says_so():
    for situation, step in steps():
        if isinstance(step, Issue) and situation.verdict is UNDECIDED:
            assert situation.as_whom == "alone" or situation.is_reauthentication


def test_nothing_is_issued_when_consent_is_to_be_asked_anyway():
    assert not any(isinstance(step, Issue) for situation, step in steps() if situation.ask_anyway)


def test_a_silent_request_never_shows_a_page_and_others_are_never_refused():
    for situation, step in steps():
        if situation.silent:
            assert isinstance(step, Issue | Refuse)
        else:
            assert not isinstance(step, Refuse)
