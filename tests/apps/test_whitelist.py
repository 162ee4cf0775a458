"""The whitelist's truth table: operator, person, the client's policy, and what kind of app asks."""

from itertools import product

import pytest

from oidc_bridge.apps.whitelist import Said, Verdict, can_be_alone, judge, judge_for, rule_name
from tests.driver import HOMESERVER, WIKI

SAYS = (None, "allow", "alone", "deny")
POLICIES = ("ask", "allow", "alone", "deny")

# (operator, policy for apps without a rule) -> what comes of it when the person says
# nothing, allow, alone, deny. "alone*" is the person's own rule, which they can change.
TABLE = {
    ("deny", "any"): ("deny", "deny", "deny", "deny"),
    ("alone", "any"): ("alone", "alone", "alone", "deny*"),
    ("allow", "any"): ("allow", "allow*", "alone*", "deny*"),
    (None, "deny"): ("deny", "deny", "deny", "deny"),
    (None, "alone"): ("alone", "allow*", "alone", "deny*"),
    (None, "ask"): ("ask", "allow*", "alone*", "deny*"),
    (None, "allow"): ("allow", "allow*", "alone*", "deny*"),
}
ROWS = [
    (operator, policy, person, word)
    for (operator, known_policy), words in TABLE.items()
    for policy in (POLICIES if known_policy == "any" else (known_policy,))
    for person, word in zip(SAYS, words, strict=True)
]


def test_the_table_is_complete():
    assert len(ROWS) == len(SAYS) * len(POLICIES) * len(SAYS)


@pytest.mark.parametrize(("operator", "policy", "person", "word"), ROWS)
def test_what_the_rules_come_to(operator, policy, person, word):
    said = Said(operator=operator, person=person)

    verdict = judge(said, unknown=policy, can_be_alone=True)

    assert verdict.word == word.rstrip("*")
    assert (verdict.by == "person") == word.endswith("*")


CHOICES = {
    "allow": ("main", "alone"),
    "allow*": ("main", "alone"),
    "ask": ("alone", "main"),
    "alone*": ("alone", "main"),
    "alone": ("alone",),
    "deny": (),
    "deny*": (),
}


@pytest.mark.parametrize(("operator", "policy", "person", "word"), ROWS)
def test_what_the_person_may_choose(operator, policy, person, word):
    said = Said(operator=operator, person=person)

    verdict = judge(said, unknown=policy, can_be_alone=True)

    assert verdict.choices == CHOICES[word]


@pytest.mark.parametrize(("operator", "policy", "person", "word"), ROWS)
def test_only_an_allow_lets_an_app_know_the_person_as_themselves(operator, policy, person, word):
    verdict = judge(Said(operator=operator, person=person), unknown=policy, can_be_alone=True)

    assert verdict.permits("main") == (verdict.word == "allow")
    assert verdict.permits("alone") == (verdict.word != "deny")


@pytest.mark.parametrize(("operator", "policy", "person", "word"), ROWS)
def test_where_nobody_may_choose_it_is_the_person_without_being_asked_or_nothing(
    operator, policy, person, word
):
    verdict = judge(Said(operator=operator, person=person), unknown=policy, can_be_alone=True)

    unasked = verdict.unasked

    assert unasked.choices == (("main",) if word.startswith("allow") else ())
    assert unasked.word == ("allow" if word.startswith("allow") else "deny")
    assert (unasked.why is None) == (unasked.word == "allow")


@pytest.mark.parametrize(("operator", "policy", "person"), list(product(SAYS, POLICIES, SAYS)))
def test_whoever_is_not_on_the_list_is_denied_whatever_else_is_said(operator, policy, person):
    said = Said(operator=operator, is_listed=False, person=person)

    verdict = judge(said, unknown=policy, can_be_alone=True)

    # Of an app that is denied to everybody nobody is told that a list could let them in.
    why = "app_denied" if operator == "deny" else "not_listed"
    assert verdict == Verdict("deny", "operator", why=why)


@pytest.mark.parametrize(("operator", "policy", "person"), list(product(SAYS, POLICIES, SAYS)))
def test_a_person_is_never_laxer_than_a_rule_of_the_operator(operator, policy, person):
    order = ["deny", "alone", "ask", "allow"]
    by_operator = judge(Said(operator=operator), unknown=policy, can_be_alone=True)

    verdict = judge(Said(operator=operator, person=person), unknown=policy, can_be_alone=True)

    if operator is not None or policy == "deny":
        assert order.index(verdict.word) <= order.index(by_operator.word)


@pytest.mark.parametrize(("operator", "policy", "person", "word"), ROWS)
def test_where_no_id_of_its_own_is_possible_having_to_have_one_is_a_deny(
    operator, policy, person, word
):
    said = Said(operator=operator, person=person)

    verdict = judge(said, unknown=policy, can_be_alone=False)

    bare = word.rstrip("*")
    assert verdict.word == ("deny" if bare == "alone" else bare)
    assert verdict.permits("main") == (verdict.word != "deny")
    assert not verdict.permits("alone")


WHYS = {
    "the operator says so": (Said(operator="deny", person="deny"), "ask", True, "app_denied"),
    "no rule names it": (Said(), "deny", True, "app_unknown"),
    "the person is not on its list": (
        Said(operator="allow", is_listed=False),
        "ask",
        True,
        "not_listed",
    ),
    "the person says so": (Said(operator="allow", person="deny"), "ask", True, "own_rule"),
    "it must be alone and did not say who it is": (Said(), "alone", False, "app_unnamed"),
    "it must be alone by the person and cannot": (Said(person="alone"), "ask", False, "own_rule"),
}


@pytest.mark.parametrize("case", WHYS)
def test_a_deny_tells_why(case):
    said, policy, alone_is_possible, why = WHYS[case]

    assert judge(said, unknown=policy, can_be_alone=alone_is_possible).why == why


SETTLED = {
    # what was, by verdict: nothing, main, alone
    "allow": (("main", "main", "alone"), Said(operator="allow")),
    "ask": (("alone", "alone", "alone"), Said()),
    "alone": (("alone", "alone", "alone"), Said(operator="alone")),
    "alone by oneself": (("alone", "alone", "alone"), Said(person="alone")),
    "allow by oneself": (("main", "main", "main"), Said(person="allow")),
    "deny": ((None, None, None), Said(operator="deny")),
}


@pytest.mark.parametrize("case", SETTLED)
def test_p3_an_app_that_comes_on_or_off_a_list_leaves_the_person_who_they_were_if_it_may(case):
    expected, said = SETTLED[case]

    verdict = judge(said, unknown="ask", can_be_alone=True)

    assert tuple(verdict.settle(before) for before in (None, "main", "alone")) == expected


def test_an_app_at_a_homeserver_is_named_by_its_origin_and_a_client_by_itself():
    assert rule_name(HOMESERVER, "https://chat.example") == "https://chat.example"
    assert rule_name(WIKI, "https://wiki.example") == "client:wiki"


def test_only_an_app_of_a_homeserver_that_said_who_it_is_can_have_an_id_of_its_own():
    assert can_be_alone(HOMESERVER, "https://chat.example")
    assert can_be_alone(HOMESERVER, "element:")
    assert not can_be_alone(HOMESERVER, "")
    assert not can_be_alone(WIKI, "https://wiki.example")


def test_a_client_that_is_itself_the_app_was_allowed_when_it_was_registered():
    assert judge_for(WIKI, "https://wiki.example", Said()) == Verdict("allow", "policy", ("main",))
    assert judge_for(WIKI, "https://wiki.example", Said(operator="deny")).word == "deny"
