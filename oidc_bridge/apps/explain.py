"""Why somebody can or cannot use an app: what each rule says, in words.

The verdict is `whitelist.judge_for`'s own; nothing is decided here a second time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from oidc_bridge.apps.spelling import last_moment
from oidc_bridge.apps.whitelist import AsWhom, Said, Say, Verdict, Voice, Why, judge_for, policy_of
from oidc_bridge.oidc.client import Client, Unknown

_SAYS: Mapping[Say, str] = {
    "allow": "allow: it may know people as themselves",
    "alone": "alone: it may know people, each by an ID that it alone sees",
    "deny": "deny: nobody may use it",
}
_OWN: Mapping[Say, str] = {
    "allow": "allow: as myself",
    "alone": "alone: by an ID that it alone sees",
    "deny": "deny: not for me",
}
_UNKNOWN: Mapping[Unknown, str] = {
    "allow": "allow: people decide",
    "ask": "ask: people decide, and are advised an ID that the app alone sees",
    "alone": "alone: by an ID that the app alone sees",
    "deny": "deny: only apps that a rule names",
}
AS_WHOM: Mapping[AsWhom, str] = {"main": "as themselves", "alone": "by an ID that it alone sees"}
WHY: Mapping[Why, str] = {
    "app_denied": "the operator's rule denies it",
    "not_listed": "it is for listed people, and they are not listed",
    "app_unknown": "no rule names it, and the homeserver denies such apps",
    "app_unnamed": "it would have to be alone, and did not say who it is",
    "own_rule": "the person's own rule, which they can change at their account page",
}
_BY: Mapping[Voice, str] = {
    "operator": "the operator's rule",
    "policy": "what holds for apps that no rule names",
    "person": "the person's own rule",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """The operator's rule of the app, as it is written down.

    Attributes:
        listed_by: the entries of its list that let this person in, each in words.
    """

    say: Say
    is_for_everyone: bool = True
    until: datetime | None = None
    listed_by: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What one voice says."""

    voice: str
    says: str


@dataclass(frozen=True, slots=True)
class Explained:
    """What each voice says, in the order in which they are heard, and what it comes to."""

    lines: Sequence[Line]
    result: str
    may_sign_in: bool
    verdict: Verdict


def explain(
    client: Client,
    app_key: str,
    said: Said,
    *,
    rule: Rule | None,
    blocked_at: datetime | None,
    now: datetime,
) -> Explained:
    """Return why somebody of whom rules say *said* can or cannot use an app of *client*.

    Args:
        rule: The operator's rule of the app, also one that has run out.
    """
    verdict = judge_for(client, app_key, said)
    lines = [Line("Account", "blocked: no app at all" if blocked_at else "not blocked")]
    lines += _of_operator(rule, said, now)
    if said.operator is None:
        is_home = client.kind == "homeserver"
        words = _UNKNOWN[policy_of(client)] if is_home else "it is itself the client"
        lines.append(Line("Apps without a rule", words))
    lines.append(
        Line("The person", _OWN[said.person] if said.person else "says nothing of this app")
    )
    if blocked_at is not None:
        return Explained(lines, "No: they are blocked.", may_sign_in=False, verdict=verdict)
    if verdict.why is not None:
        return Explained(lines, f"No: {WHY[verdict.why]}.", may_sign_in=False, verdict=verdict)
    return Explained(lines, _yes(verdict), may_sign_in=True, verdict=verdict)


def _of_operator(rule: Rule | None, said: Said, now: datetime) -> list[Line]:
    if rule is None:
        return [Line("The operator", "no rule names it")]
    if rule.until is not None and rule.until <= now:
        ended = last_moment(rule.until)
        over = f"{_SAYS[rule.say]}; that ended on {ended:%d %b %Y} and says nothing"
        return [Line("The operator", over)]
    lines = [Line("The operator", _SAYS[rule.say])]
    if not rule.is_for_everyone:
        by = ", ".join(rule.listed_by)
        on = f"lets them in by {by}" if by else "lets them in"
        lines.append(Line("Its list", on if said.is_listed else "they are not on it"))
    return lines


def _yes(verdict: Verdict) -> str:
    """Return the words for a verdict that lets somebody in."""
    first, *others = (AS_WHOM[choice] for choice in verdict.choices)
    choice = f"{first} or {others[0]}, as they choose" if others else first
    asked = "Yes, after they are asked:" if verdict.word == "ask" else "Yes:"
    return f"{asked} {choice}. This is said by {_BY[verdict.by]}."
