"""The form of an app's rule: what stands in it, what it says, and what holds without a rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from oidc_bridge.apps.spelling import MAX_NOTE, read_app_name, read_note, read_until
from oidc_bridge.apps.whitelist import Say, policy_of
from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.oidc.client import Client, Unknown
from oidc_bridge.storage.app_directory import KnownApp
from oidc_bridge.storage.whitelist import AppRule, Audience
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.moments import name_of, read_moment
from oidc_bridge.web.session import field

MAX_NAME = 300
Fault = tuple[str, str]
"""The field at which a fault is to be seen, and the words there."""
# By an error's code.
FAULTS: Mapping[str, Fault] = {
    "say_missing": ("say", "Choose one."),
    "app_insecure": (
        "say",
        "At plain http anybody on the way can take its place. It can only be denied; add it by its"
        " https address instead.",
    ),
    "alone_impossible": ("say", "This client is itself the app: allow or deny it."),
    "client_unknown": ("say", "No client has this id."),
    "until_malformed": ("until", "Write the day as 2027-01-31."),
    "until_past": ("until", "This day is over."),
    "note_malformed": ("note", f"At most {MAX_NOTE} characters that can be seen."),
}
_CLIENT = "client:"
_TICK = timedelta(microseconds=1)
_WORDS: Mapping[Unknown, str] = {
    "ask": "people choose as whom it knows them",
    "allow": "allow",
    "alone": "alone",
    "deny": "deny",
}


@dataclass(frozen=True, slots=True)
class RuleForm:
    """What stands in the form; *say* is ``""`` while nothing is chosen."""

    say: str
    audience: Audience
    until: str
    note: str

    def read(self, name: str, before: AppRule | None, *, now: datetime) -> AppRule:
        """Return the rule that the form says.

        Raises:
            BridgeError: ``say_missing``, ``until_malformed``, ``until_past``, ``note_malformed``.
        """
        say = _read_say(self.say)
        until = _until(self.until, before, now) if self.until else None
        return AppRule(name, say, self.audience, until, read_note(self.note))


def form_of(known: KnownApp) -> RuleForm:
    """Return the form with what holds now: the rule, else what holds without one."""
    if known.say is None or known.audience is None:
        said = set(without_rule(known.name).values())
        # No rule says "ask", and homeservers may differ: nothing is chosen then.
        say = said.pop() if len(said) == 1 else "ask"
        return RuleForm("" if say == "ask" else say, "everyone", "", "")
    return RuleForm(known.say, known.audience, day_of(known.until), known.note or "")


def read_form() -> RuleForm:
    """Return what somebody typed.

    Raises:
        PageError: ``form_malformed``.
    """
    audience, say = field("audience"), field("say")
    for one in get_args(Audience):
        if one == audience and (not say or say in get_args(Say)):
            return RuleForm(say, one, field("until", limit=10), field("note", limit=4 * MAX_NOTE))
    raise PageError("form_malformed", "rule")


def without_rule(name: str) -> Mapping[str, Unknown]:
    """Return what holds for an app that no rule names, by the clients at which it signs in."""
    client = client_of(name)
    if client is not None:
        # Who signs in at a homeserver without an app has no other ID, and is asked nothing.
        known_as_is = policy_of(client) in ("ask", "allow")
        return {client.id: "allow" if known_as_is else "deny"}
    clients = bridge().snapshots.current().clients.values()
    return {one.id: one.unknown_apps for one in clients if one.kind == "homeserver"}


def in_words(without: Mapping[str, Unknown]) -> str:
    """Return what holds without a rule as a person says it."""
    said = sorted(set(without.values()))
    if len(said) == 1:
        return _WORDS[said[0]]
    return "; ".join(f"at {client_id}: {_WORDS[word]}" for client_id, word in without.items())


def client_of(name: str) -> Client | None:
    """Return the client that *name* names, if it names one that there is."""
    if not name.startswith(_CLIENT):
        return None
    return bridge().snapshots.current().clients.get(name.removeprefix(_CLIENT))


def is_homeserver(name: str) -> bool:
    """Whether *name* is not an app's: who signs in at a homeserver without one."""
    client = client_of(name)
    return client is not None and client.kind == "homeserver"


def can_be_ruled(name: str) -> bool:
    """Whether a rule for *name* could ever say something: it is the one spelling of an app, and of
    a client that there is."""
    if name.startswith(_CLIENT) and client_of(name) is None:
        return False
    try:
        return len(name) <= MAX_NAME and read_app_name(name) == name
    except BridgeError:
        return False


def version_of(known: KnownApp | None) -> str:
    """Return the version of an app's rule as a form has it, ``""`` if there is none."""
    changed_at = known.changed_at if known else None
    return "" if changed_at is None else name_of(changed_at)


def read_version() -> datetime | None:
    """Return the version that a form was made for, None if there was none.

    Raises:
        PageError: ``form_malformed``.
    """
    text = field("version", limit=17)
    return read_moment(text) if text else None


def day_of(until: datetime | None) -> str:
    """Return the last day that counts whole."""
    return "" if until is None else (until - _TICK).date().isoformat()


def _until(day: str, before: AppRule | None, now: datetime) -> datetime:
    kept = before.until if before is not None else None
    # It may end at another time than midnight.
    return kept if kept and kept > now and day_of(kept) == day else read_until(day, now=now)


def _read_say(text: str) -> Say:
    for say in get_args(Say):
        if say == text:
            return say  # type: ignore[no-any-return]
    raise BridgeError("say_missing", "allow, alone or deny")
