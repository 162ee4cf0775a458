"""What an operator says of the scopes of one app: it may have less than its client, never more.

    operator says \\ the client   needs it    asks for it   asks for what it may not have
    nothing                      needed      as they like  not asked
    required                     needed      needed        not asked
    optional                     as they like as they like not asked
    never                        not asked   not asked     not asked

The client's own word is the operator's of earlier, or its developer's, whose wish it is; so it is
the later and closer word that counts. Nobody is refused an app by this: an app that does without
what it needed is told so by the ``scope`` of its answer (RFC 6749 section 3.3).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from oidc_bridge.oidc.scopes import GRANTS, SCOPES, within

Word = Literal["required", "optional", "never"]
# Without it nobody is signed in.
ALWAYS = "openid"


@dataclass(frozen=True, slots=True)
class ScopeRule:
    """What is said of one scope.

    Attributes:
        word: None where the client's own word holds.
        reason: why the app gets it, for the person to read; ``""`` for none.
    """

    scope: str
    word: Word | None = None
    reason: str = ""


ScopeRules = Sequence[ScopeRule]


def without_refused(scopes: Iterable[str], said: ScopeRules) -> tuple[str, ...]:
    """Return those of *scopes* (also single claims) that the operator lets the app have."""
    refused = {rule.scope for rule in said if rule.word == "never"}
    asked = tuple(scopes)
    kept = within(asked, SCOPES.keys() - refused)
    return tuple(scope for scope in asked if scope in kept or scope not in GRANTS)


def required_of(needed: Iterable[str], said: ScopeRules) -> tuple[str, ...]:
    """Return what people cannot untick: of what the client *needed*, and of what is said."""
    words = {rule.scope: rule.word for rule in said if rule.word is not None}
    every = dict.fromkeys((*needed, *words))
    return tuple(
        scope for scope in every if scope == ALWAYS or words.get(scope, "required") == "required"
    )


def reasons_of(said: ScopeRules) -> dict[str, str]:
    """Return the reasons that are given, by scope."""
    return {rule.scope: rule.reason for rule in said if rule.reason}


def to_json(said: ScopeRules) -> list[dict[str, Any]]:
    """Return what is said, as it is kept; what says nothing is left out."""
    return [
        {"scope": rule.scope, "say": rule.word, "reason": rule.reason}
        for rule in sorted(said, key=lambda rule: rule.scope)
        if rule.word is not None or rule.reason
    ]


def from_json(kept: Iterable[dict[str, Any]] | None) -> ScopeRules:
    """Return what was kept by `to_json`."""
    return tuple(ScopeRule(one["scope"], one["say"], one["reason"]) for one in kept or ())


def as_text(said: ScopeRules) -> str:
    """Return what is said as an event tells it; ``""`` for nothing."""
    kept = to_json(said)
    return json.dumps(kept) if kept else ""


def from_text(text: str) -> ScopeRules:
    """Return what an event told."""
    return from_json(json.loads(text) if text else None)


WORDS: tuple[Word, ...] = get_args(Word)
