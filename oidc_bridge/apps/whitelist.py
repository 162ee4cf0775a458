"""Which app may ask, and as whom: one pure function of what was said about it.

Whole names are compared exactly: ``https://chat.example`` says nothing of ``http://chat.example``,
of another port, or of a host that begins or ends like it. Deny beats everything; nobody can undo an
operator's rule; a person may always be stricter.

    operator says \\ person says    nothing   allow   alone    deny
    deny, or they are not listed    deny      deny    deny     deny
    alone                           alone     alone   alone    deny
    allow                           allow     allow*  alone*   deny
    nothing; unknown apps "deny"    deny      deny    deny     deny
                          "alone"   alone     allow*  alone*   deny
                          "ask"     ask       allow*  alone*   deny
                          "allow"   allow     allow*  alone*   deny

    * the person's own rule, which they can change wherever they are asked for consent
"""

from dataclasses import dataclass, replace
from typing import Literal

from oidc_bridge.apps.scope_rules import ScopeRules
from oidc_bridge.oidc.client import Client, Unknown

Say = Literal["allow", "alone", "deny"]
Word = Literal["allow", "ask", "alone", "deny"]
# As whom an app knows a person: as themselves, or under an ID that this app alone sees.
AsWhom = Literal["main", "alone"]
Why = Literal["app_denied", "not_listed", "app_unknown", "app_unnamed", "own_rule"]
Voice = Literal["operator", "policy", "person"]


@dataclass(frozen=True, slots=True)
class Said:
    """What rules say of one app and one person today; one that has run out says nothing.

    Attributes:
        operator: what the operator says of the app.
        is_listed: False if only people on a list may use the app and this one is not on it.
        person: what the person says of the app.
        scopes: what the operator says of the app's scopes. It does not run out with the rule: what
            an app may not have it would get without a word from anybody.
    """

    operator: Say | None = None
    is_listed: bool = True
    person: Say | None = None
    scopes: ScopeRules = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules come to.

    Attributes:
        by: who said it, and so who can change it: the operator's rule, what holds at this client
            for apps that no rule names, or the person.
        choices: as whom the person may let the app know them; the one to suggest comes first.
        why: for a deny.
    """

    word: Word
    by: Voice
    choices: tuple[AsWhom, ...] = ()
    why: Why | None = None

    def permits(self, as_whom: AsWhom) -> bool:
        """Return whether the app may know the person so without asking them again."""
        return as_whom in (self.choices if self.word == "allow" else self.choices[:1])

    @property
    def unasked(self) -> "Verdict":
        """What it comes to where nobody may choose anything new: the person as themselves, if they
        need not be asked, else nothing."""
        if self.permits("main"):
            return replace(self, word="allow", choices=("main",))
        return Verdict("deny", self.by, why=self.why or "app_unknown")

    def settle(self, before: AsWhom | None) -> AsWhom | None:
        """Return as whom the app will know the person: by their own rule, else as *before* if that
        may stay.

        An operator's list never turns one Matrix user into another by itself.
        """
        if before is not None and self.by != "person" and self.permits(before):
            return before
        return self.choices[0] if self.choices else None


def judge(said: Said, *, unknown: Unknown, can_be_alone: bool) -> Verdict:
    """Return what *said* comes to.

    Args:
        unknown: what holds at the client for an app that no rule of the operator names.
        can_be_alone: see `can_be_alone`; where an ID of its own is impossible, having to have one
            is a deny.
    """
    by: Voice = "policy" if said.operator is None else "operator"
    word: Word = said.operator or unknown
    if not said.is_listed and said.operator != "deny":
        return Verdict("deny", "operator", why="not_listed")
    if word == "deny":
        return Verdict("deny", by, why="app_denied" if by == "operator" else "app_unknown")
    if said.person == "deny":
        return Verdict("deny", "person", why="own_rule")
    if said.person == "allow" and (by == "policy" or word == "allow"):
        word, by = "allow", "person"
    elif said.person == "alone" and word != "alone":
        word, by = "alone", "person"
    if not can_be_alone:
        if word == "alone":
            return Verdict("deny", by, why="own_rule" if by == "person" else "app_unnamed")
        return Verdict(word, by, ("main",))
    if word == "allow":
        return Verdict(word, by, ("main", "alone"))
    if word == "ask" or by == "person":
        return Verdict(word, by, ("alone", "main"))
    return Verdict(word, by, ("alone",))


def rule_name(client: Client, app_key: str) -> str:
    """Return the name by which rules know an app.

    Of an app that signs in through a homeserver: its origin or scheme, as in `App.key`. A client
    that is itself the app is named as one, since others may share its address (RFC 8252 7.3).
    """
    return app_key if client.kind == "homeserver" else f"client:{client.id}"


def can_be_alone(client: Client, app_key: str) -> bool:
    """Return whether an app can have an ID of the person's to itself: one of a homeserver's several
    apps, and one that said who it is."""
    return client.kind == "homeserver" and app_key != ""


def policy_of(client: Client) -> Unknown:
    """Return what holds at *client* for what no rule names; a client that is itself the app was
    allowed when it was registered."""
    return client.unknown_apps if client.kind == "homeserver" else "allow"


def judge_for(client: Client, app_key: str, said: Said) -> Verdict:
    """Return what *said* of one app of *client* comes to."""
    return judge(said, unknown=policy_of(client), can_be_alone=can_be_alone(client, app_key))
