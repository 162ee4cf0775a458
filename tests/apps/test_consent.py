"""What must be asked again, and why; what a form may grant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from oidc_bridge.apps.consent import (
    TEXT_VERSION,
    Consent,
    Question,
    decide_scopes,
    reasons_to_ask,
    still_granted,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ASKED = Question(
    scopes=("openid", "profile", "email"),
    claims=("sub", "preferred_username", "name", "email"),
    client_name="matrix.example",
    localpart="ann.id",
)
YES = Consent(
    id="consent-1",
    question=ASKED,
    granted=("openid", "profile"),
    text_version=TEXT_VERSION,
    given_at=NOW - timedelta(days=1),
    remembered_until=NOW + timedelta(microseconds=1),
)


def test_a_remembered_yes_covers_the_same_question():
    assert reasons_to_ask(ASKED, YES, now=NOW) == ()


COVERED = {
    "fewer scopes": replace(ASKED, scopes=("openid",)),
    "scopes in another order": replace(ASKED, scopes=("email", "profile", "openid")),
    "fewer claims": replace(ASKED, claims=("sub", "preferred_username")),
    "claims in another order": replace(ASKED, claims=tuple(reversed(ASKED.claims))),
    "nothing at all": replace(ASKED, scopes=(), claims=()),
}


@pytest.mark.parametrize("case", COVERED)
def test_a_remembered_yes_covers(case):
    assert reasons_to_ask(COVERED[case], YES, now=NOW) == ()


# What is new in the question or in the consent, and the only reason there is.
GROWN = {
    "never asked": (ASKED, None, "first"),
    "not to be remembered": (ASKED, replace(YES, remembered_until=None), "not_remembered"),
    "run out": (ASKED, replace(YES, remembered_until=NOW - timedelta(days=1)), "expired"),
    "run out this moment": (ASKED, replace(YES, remembered_until=NOW), "expired"),
    "the page says something new": (ASKED, replace(YES, text_version=TEXT_VERSION - 1), "text"),
    "the page said something newer": (ASKED, replace(YES, text_version=TEXT_VERSION + 1), "text"),
    "one scope more": (
        replace(ASKED, scopes=(*ASKED.scopes, "offline_access")),
        YES,
        "scopes",
    ),
    "another scope instead": (
        replace(ASKED, scopes=("openid", "profile", "offline_access")),
        YES,
        "scopes",
    ),
    "a picture that was not there": (
        replace(ASKED, claims=(*ASKED.claims, "picture")),
        YES,
        "claims",
    ),
    "the client has another name": (replace(ASKED, client_name="Evil"), YES, "client_name"),
    "somebody signed for the app": (
        replace(ASKED, developer="did:btc-addr:19ivfBqUxdwzb5qVsJjdugEQMb936MAzoc"),
        YES,
        "developer",
    ),
    "the developer is gone": (
        ASKED,
        replace(YES, question=replace(ASKED, developer="ann.btc")),
        "developer",
    ),
    "its name differs in case": (
        replace(ASKED, client_name="Matrix.example"),
        YES,
        "client_name",
    ),
    "known as somebody else": (replace(ASKED, localpart="bob.id"), YES, "localpart"),
}


@pytest.mark.parametrize("case", GROWN)
def test_the_person_is_asked_again_when(case):
    question, consent, reason = GROWN[case]

    assert reasons_to_ask(question, consent, now=NOW) == (reason,)


def test_all_reasons_are_told_in_a_fixed_order():
    consent = replace(
        YES,
        question=Question(("openid",), ("sub",), "Old name", "old.id"),
        text_version=0,
        remembered_until=NOW,
    )

    reasons = reasons_to_ask(ASKED, consent, now=NOW)

    assert reasons == ("expired", "text", "scopes", "claims", "client_name", "localpart")


def test_a_scope_that_was_asked_for_and_unticked_is_not_asked_for_again():
    assert "email" not in YES.granted
    assert reasons_to_ask(ASKED, YES, now=NOW) == ()
    assert still_granted(YES, ASKED.scopes) == ("openid", "profile")


@pytest.mark.parametrize(
    ("asked", "gets"),
    [
        ((), ()),
        (("openid",), ("openid",)),
        (("profile", "openid"), ("profile", "openid")),
        (("openid", "email"), ("openid",)),
        (("offline_access",), ()),
    ],
)
def test_a_covered_request_gets_what_it_asks_and_was_granted(asked, gets):
    assert still_granted(YES, asked) == gets


ASKED_SCOPES = ("openid", "profile", "email", "offline_access")


@pytest.mark.parametrize(
    ("ticked", "granted"),
    [
        ((), ("openid",)),
        (("profile",), ("openid", "profile")),
        (("email", "profile"), ("openid", "profile", "email")),
        (("profile", "profile"), ("openid", "profile")),
        (("profile", "email", "offline_access"), ASKED_SCOPES),
    ],
)
def test_what_is_granted_is_what_is_required_and_what_was_ticked(ticked, granted):
    assert decide_scopes(ticked, asked=ASKED_SCOPES, required=("openid",)) == granted


@pytest.mark.parametrize(
    "ticked",
    [
        ("admin",),
        ("profile", "admin"),
        ("Profile",),
        ("profile ",),
        ("profile email",),
        ("",),
        ("openid",),
        ("openid", "profile"),
    ],
)
def test_a_form_that_names_what_was_no_box_on_the_page_is_forged(ticked):
    assert decide_scopes(ticked, asked=ASKED_SCOPES, required=("openid",)) is None


def test_a_scope_that_the_request_did_not_ask_for_cannot_be_ticked():
    assert decide_scopes(["email"], asked=("openid", "profile"), required=("openid",)) is None


def test_what_is_required_but_not_asked_for_is_not_granted():
    granted = decide_scopes((), asked=("openid", "profile"), required=("openid", "email"))

    assert granted == ("openid",)


def test_what_is_required_cannot_be_unticked():
    granted = decide_scopes((), asked=ASKED_SCOPES, required=("openid", "profile"))

    assert granted == ("openid", "profile")


def test_nothing_is_ever_granted_that_was_not_asked_for():
    everything = ("openid", "profile", "email", "offline_access", "admin")
    subsets = [some for count in range(5) for some in combinations(everything, count)]

    for asked in subsets:
        for ticked in subsets:
            granted = decide_scopes(ticked, asked=asked, required=("openid",))
            assert granted is None or set(granted) <= set(asked)
