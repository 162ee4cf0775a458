"""What an app may be told: the operator's word on each scope, and why, for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Response, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.scope_rules import ALWAYS, WORDS, ScopeRule, ScopeRules, Word, as_text
from oidc_bridge.apps.spelling import MAX_NOTE, read_note
from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.oidc.scopes import SCOPES
from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.app_directory import KnownApp, find_app
from oidc_bridge.storage.app_scopes import AppScopes, find_scopes
from oidc_bridge.storage.rulings import replace_scopes
from oidc_bridge.storage.undo import undo_scopes
from oidc_bridge.web import bridge, see_other
from oidc_bridge.web.admin.door import admin_views, change, check_app, the_admin
from oidc_bridge.web.admin.moments import Undo, name_of, take_back, undo_at
from oidc_bridge.web.admin.pages import admin_page, argument
from oidc_bridge.web.admin.rule_form import MAX_NAME, read_version
from oidc_bridge.web.session import check_form, field

views = admin_views(
    "app_scopes",
    "/apps/scopes",
    {"overview": "read apps", "keep": "change apps", "undo": "change apps"},
)

_FLASHES = {"saved": "Saved.", "undone": "Taken back: it is as it was."}
_NOTE_FAULT = f"At most {MAX_NOTE} characters that can be seen."


@dataclass(frozen=True, slots=True)
class Row:
    """One scope in the form.

    Attributes:
        word, reason: what the form has.
        now_holds: what holds, where that is something else.
        clients: what the client says, where the app is one: ``required``, ``optional``, or
            ``never``; ``""`` for an app at a homeserver.
        fault: why the reason cannot be taken.
    """

    scope: str
    title: str
    word: Word | None
    reason: str
    now_holds: ScopeRule | None
    clients: str
    fault: str


@views.get("")
def overview() -> Response:
    """Show what is said of each scope."""
    return _show(argument("app"))


@views.post("")
def keep() -> Response:
    """Keep what the form says, if what is said is still what the admin was shown."""
    browser, name, version = check_form(), field("app", limit=MAX_NAME), read_version()
    check_app("change apps", name)
    said, faults = _read_form()
    if faults:
        # Still for the version that they were shown: who was quicker meanwhile comes up later.
        return _show(name, given=said, faults=faults, version=version, status=400)

    def put(connection: Connection, admin: Admin, now: datetime) -> Response | None:
        by, before = admin.account_id, find_scopes(connection, name)
        if not replace_scopes(connection, name, said, version=version, now=now, by=by):
            return None
        # Who saves what holds already has nothing to take back.
        is_new = before is None or as_text(before.rules) != as_text(said)
        at = name_of(now) if is_new else None
        return see_other(url_for("admin_app_scopes.overview", app=name, done="saved", at=at))

    return change("change apps", put, browser=browser, app=name) or _show(
        name, given=said, status=409
    )


@views.post("/undo")
def undo() -> Response:
    """Take back what this admin said a moment ago."""

    def undo_it(connection: Connection, _admin: Admin, what: Undo) -> Response:
        undo_scopes(connection, what.app, at=what.at, now=what.now, by=what.by)
        return see_other(url_for("admin_app_scopes.overview", app=what.app, done="undone"))

    return take_back(undo_it)


def _show(
    name: str,
    *,
    given: ScopeRules | None = None,
    faults: Sequence[str] = (),
    version: datetime | None = None,
    status: int = 200,
) -> Response:
    """Return the page.

    Args:
        given: what somebody wanted to say that was not taken.
        faults: the scopes whose reason cannot be taken.
        version: the one that *given* was said of, if it is not today's.

    Raises:
        PageError: ``not_found``.
    """
    check_app("read apps", name)
    with read() as connection:
        known = find_app(connection, name)
        found = find_scopes(connection, name)
    if known is None:
        raise PageError("not_found", "no such app", status=404)
    changed_at = version if faults else found.changed_at if found else None
    return admin_page(
        "admin/app_scopes.html",
        status=status,
        app=known,
        rows=_rows(known, found, given, faults),
        is_clash=status == 409,
        faults=faults,
        version=name_of(changed_at) if changed_at else "",
        may_change=found is not None and the_admin().may("change apps", app=name),
        undo_at=undo_at() if found else "",
        flash=_FLASHES.get(argument("done")),
    )


def _rows(
    known: KnownApp, found: AppScopes | None, given: ScopeRules | None, faults: Sequence[str]
) -> Sequence[Row]:
    today = {rule.scope: rule for rule in found.rules} if found else {}
    shown = today if given is None else {rule.scope: rule for rule in given}
    rows = []
    for scope, meaning in SCOPES.items():
        nothing = ScopeRule(scope)
        rule, holds = shown.get(scope, nothing), today.get(scope, nothing)
        rows.append(
            Row(
                scope,
                meaning.title,
                rule.word,
                rule.reason,
                holds if as_text([holds]) != as_text([rule]) else None,
                _clients_word(known.name, scope),
                _NOTE_FAULT if scope in faults else "",
            )
        )
    return rows


def _clients_word(name: str, scope: str) -> str:
    """Return what the client says of a scope, if the app is itself one."""
    client = bridge().snapshots.current().clients.get(name.removeprefix("client:"))
    if not name.startswith("client:") or client is None:
        return ""
    if scope not in client.scopes:
        return "never"
    return "required" if scope in client.required_scopes else "optional"


def _read_form() -> tuple[ScopeRules, Sequence[str]]:
    """Return what the form says, and the scopes whose reason cannot be taken.

    Raises:
        PageError: ``form_malformed``.
    """
    said, faults = [], []
    for scope in SCOPES:
        reason = field(f"reason-{scope}", limit=4 * MAX_NOTE)
        try:
            reason = read_note(reason)
        except BridgeError:
            faults.append(scope)
        said.append(ScopeRule(scope, None if scope == ALWAYS else _read_word(scope), reason))
    return said, faults


def _read_word(scope: str) -> Word | None:
    wanted = field(f"say-{scope}")
    if not wanted:
        return None
    for word in WORDS:
        if word == wanted:
            return word
    raise PageError("form_malformed", f"say-{scope}")
