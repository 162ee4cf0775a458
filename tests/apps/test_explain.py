"""Why somebody can or cannot use an app, in words; what is decided stays `judge_for`'s."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import get_args

import pytest

from oidc_bridge.apps.explain import Explained, Rule, explain
from oidc_bridge.apps.whitelist import Said, Say, judge_for
from oidc_bridge.oidc.client import Unknown
from tests.driver import HOMESERVER, WIKI
from tests.fakes import NOW

CHAT = "https://chat.example"
SAYS: tuple[Say | None, ...] = (None, *get_args(Say))


def told(said: Said, *, unknown: Unknown = "ask", rule: Rule | None = None) -> Explained:
    client = replace(HOMESERVER, unknown_apps=unknown)
    return explain(client, CHAT, said, rule=rule, blocked_at=None, now=NOW)


def says(explained: Explained) -> dict[str, str]:
    return {line.voice: line.says for line in explained.lines}


@pytest.mark.parametrize(
    ("operator", "person", "is_listed", "unknown"),
    list(product(SAYS, SAYS, (True, False), get_args(Unknown))),
)
def test_the_result_is_always_that_of_the_real_policy(
    operator: Say | None, person: Say | None, is_listed: bool, unknown: Unknown
) -> None:
    said = Said(operator, is_listed, person)
    rule = Rule(operator, is_for_everyone=is_listed) if operator else None

    explained = told(said, unknown=unknown, rule=rule)

    assert explained.verdict == judge_for(replace(HOMESERVER, unknown_apps=unknown), CHAT, said)
    assert explained.may_sign_in == (explained.verdict.word != "deny")
    assert explained.result.startswith("Yes" if explained.may_sign_in else "No: ")


def test_a_blocked_person_is_out_whatever_rules_say() -> None:
    said, rule = Said("allow"), Rule("allow")

    explained = explain(HOMESERVER, CHAT, said, rule=rule, blocked_at=NOW, now=NOW)

    assert not explained.may_sign_in
    assert explained.result == "No: they are blocked."


def test_a_rule_that_is_over_says_nothing_and_is_named() -> None:
    rule = Rule("deny", until=NOW - timedelta(days=1))

    explained = told(Said(), unknown="allow", rule=rule)

    assert explained.may_sign_in
    assert "that ended on" in says(explained)["The operator"]
    assert "Apps without a rule" in says(explained)


def test_a_list_says_who_lets_them_in() -> None:
    rule = Rule("allow", is_for_everyone=False, listed_by=("name ann.btc",))

    assert says(told(Said("allow"), rule=rule))["Its list"] == "lets them in by name ann.btc"
    out = told(Said("allow", is_listed=False), rule=rule)
    assert says(out)["Its list"] == "they are not on it"
    assert out.result == "No: it is for listed people, and they are not listed."


def test_a_client_that_is_itself_the_app_has_no_policy_for_unknown_apps() -> None:
    explained = explain(WIKI, "", Said(), rule=None, blocked_at=None, now=NOW)

    assert explained.may_sign_in
    assert says(explained)["Apps without a rule"] == "it is itself the client"
