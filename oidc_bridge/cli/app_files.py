"""What `app export` writes and `app import` reads."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from oidc_bridge.apps.scope_rules import ALWAYS, WORDS, ScopeRule, ScopeRules, to_json
from oidc_bridge.apps.spelling import check_say, read_app_name, read_note, read_who
from oidc_bridge.cli.files import read_each, read_json_list
from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.scopes import SCOPES
from oidc_bridge.storage.whitelist import AppRule, Listing

_SAYS = ("allow", "alone", "deny")
_AUDIENCES = ("everyone", "listed")
_MEMBERS = {"app", "say", "for", "until", "note", "people", "scopes"}
_SCOPE_MEMBERS = {"scope", "say", "reason"}
_ENTRY_MEMBERS = {"who", "until", "note"}
# An approved request lets in an account; no name or address stands for it in the list.
_ACCOUNT = re.compile(r"account:([A-Za-z0-9_-]{22})")


@dataclass(frozen=True, slots=True)
class AppOfFile:
    """One app: its rule, its whole list, and what is said of its scopes.

    A file from before there was something to say of scopes says nothing of them (None): it must
    not let an app have more than it had.
    """

    rule: AppRule
    people: Sequence[Listing] = ()
    scopes: ScopeRules | None = None


def to_file(one: AppOfFile) -> Mapping[str, object]:
    """Return one app as the file spells it."""
    return {
        "app": one.rule.name,
        "say": one.rule.say,
        "for": one.rule.audience,
        "until": _spell(one.rule.until),
        "note": one.rule.note,
        "people": [
            {
                "who": f"account:{entry.who}" if entry.kind == "account" else entry.who,
                "until": _spell(entry.until),
                "note": entry.note,
            }
            for entry in one.people
        ],
        "scopes": to_json(one.scopes or ()),
    }


def read_apps(data: bytes) -> Sequence[AppOfFile]:
    """Return the apps of a file.

    Raises:
        BridgeError: ``import_invalid``, with each entry's fault.
    """
    return read_each(
        enumerate(read_json_list(data, "apps"), 1),
        _read_app,
        key_of=lambda one: one.rule.name,
        twice=lambda one: _malformed(f"{one.rule.name} is there twice"),
    )


def _read_app(entry: object) -> AppOfFile:
    members = _members(entry, _MEMBERS, needed={"app", "say"})
    rule = AppRule(
        read_app_name(_text(members, "app")),
        _one_of(members, "say", _SAYS),  # type: ignore[arg-type]
        _one_of({"for": "everyone"} | members, "for", _AUDIENCES),  # type: ignore[arg-type]
        _until(members),
        read_note(_text({"note": ""} | members, "note")),
    )
    check_say(rule.name, rule.say)
    people = members.get("people", [])
    if not isinstance(people, list):
        raise _malformed("people: expected a list")
    listed: dict[tuple[str, str], Listing] = {}
    for number, one in enumerate(people, 1):
        try:
            listing = _read_listing(one)
            if (listing.kind, listing.who) in listed:
                raise _malformed(f"{listing.who} is there twice")
        except BridgeError as error:
            raise _malformed(f"person {number}: {error.code}: {error.detail}") from error
        listed[listing.kind, listing.who] = listing
    scopes = _read_scopes(members["scopes"]) if "scopes" in members else None
    return AppOfFile(rule, list(listed.values()), scopes)


def _read_scopes(said: object) -> ScopeRules:
    if not isinstance(said, list):
        raise _malformed("scopes: expected a list")
    found: dict[str, ScopeRule] = {}
    for one in said:
        members = {"say": None, "reason": ""} | _members(one, _SCOPE_MEMBERS, needed={"scope"})
        scope = _one_of(members, "scope", tuple(SCOPES))
        # `openid` is how people sign in: nothing but a reason can be said of it.
        words = () if scope == ALWAYS else WORDS
        word = None if members["say"] is None else _one_of(members, "say", words)
        if scope in found:
            raise _malformed(f"{scope} is there twice")
        reason = read_note(_text(members, "reason"))
        found[scope] = ScopeRule(scope, word, reason)  # type: ignore[arg-type]
    return tuple(found.values())


def _read_listing(entry: object) -> Listing:
    members = _members(entry, _ENTRY_MEMBERS, needed={"who"})
    text, until = _text(members, "who"), _until(members)
    note = read_note(_text({"note": ""} | members, "note"))
    if account := _ACCOUNT.fullmatch(text):
        return Listing("account", account[1], until, note)
    who = read_who(text)
    return Listing(who.kind, who.text, until, note)


def _members(entry: object, known: set[str], *, needed: set[str]) -> dict[str, object]:
    if not isinstance(entry, dict) or not needed <= entry.keys():
        raise _malformed(f"expected an object with {' and '.join(sorted(needed))}")
    # A member that we do not know may have been meant to make the rule stricter.
    if unknown := entry.keys() - known:
        raise _malformed(f"unknown: {', '.join(sorted(unknown))}")
    return entry


def _text(members: Mapping[str, object], name: str) -> str:
    value = members[name]
    if not isinstance(value, str):
        raise _malformed(f"{name}: expected text")
    return value


def _one_of(members: Mapping[str, object], name: str, known: Sequence[str]) -> str:
    value = _text(members, name)
    if value not in known:
        raise _malformed(f"{name}: expected {', '.join(known)}")
    return value


def _until(members: Mapping[str, object]) -> datetime | None:
    """What has run out is kept as it is: a copy says what the original says."""
    if members.get("until") is None:
        return None
    try:
        until = datetime.fromisoformat(_text(members, "until"))
        if until.tzinfo is None:
            raise _malformed("until: expected a zone")
        return until.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _malformed("until: expected a time") from error


def _spell(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _malformed(detail: str) -> BridgeError:
    return BridgeError("app_entry_malformed", detail)
