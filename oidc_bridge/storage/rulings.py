"""What an operator decides about apps and about requests for access; each change with its event,
what was and what is, in the caller's transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from oidc_bridge.apps.scope_rules import ScopeRules, as_text
from oidc_bridge.apps.spelling import check_say
from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.oidc.client import Unknown
from oidc_bridge.storage.access_requests import AccessRequest, decide_access_requests
from oidc_bridge.storage.admissions import admit, get_rule, replace_list
from oidc_bridge.storage.app_scopes import find_scopes, put_scopes
from oidc_bridge.storage.apps import get_client, set_unknown_apps
from oidc_bridge.storage.ledger import COMMAND_LINE, record, record_all
from oidc_bridge.storage.whitelist import (
    AppRule,
    Listing,
    count_listings,
    find_rule,
    put_rule,
    remove_rule,
    set_rule,
)

SCOPES_RULED = "app scopes ruled"


@dataclass(frozen=True, slots=True)
class Approval:
    """What an approval did to one app.

    Attributes:
        requests: those that were approved.
        before: the app's rule until then, also one that had run out; None if there was none.
        after: its rule now.
        others: how many entries its list had already.
    """

    requests: Sequence[AccessRequest]
    before: AppRule | None
    after: AppRule
    others: int


def rule_app(
    connection: Connection, rule: AppRule, *, now: datetime, by: str = COMMAND_LINE
) -> bool:
    """Keep a rule; False if it says what held already.

    Raises:
        BridgeError: ``app_insecure``, ``alone_impossible``, ``client_unknown``.
    """
    _check_rule(connection, rule)
    before = find_rule(connection, rule.name)
    if before == rule:
        return False
    set_rule(connection, rule, now=now)
    _record_rule(connection, before, rule, now=now, by=by)
    return True


def replace_rule(
    connection: Connection, rule: AppRule, *, version: datetime | None, now: datetime, by: str
) -> bool:
    """Keep a rule in the place of the one of *version*, None for an app without one; False if
    somebody was quicker.

    Raises:
        BridgeError: as `rule_app`.
    """
    _check_rule(connection, rule)
    before = find_rule(connection, rule.name)
    if not put_rule(connection, rule, version=version, now=now):
        return False
    if before != rule:
        _record_rule(connection, before, rule, now=now, by=by)
    return True


def _check_rule(connection: Connection, rule: AppRule) -> None:
    check_say(rule.name, rule.say)
    client_id = rule.name.removeprefix("client:")
    if client_id not in (rule.name, APP_PASSWORD.id):
        get_client(connection, client_id)


def _record_rule(
    connection: Connection, before: AppRule | None, after: AppRule, *, now: datetime, by: str
) -> None:
    told = {"before": _told(before), "after": _told(after), "by": by}
    record(connection, "app ruled", now=now, app=after.name, **told)


def forget_app(connection: Connection, app: str, *, now: datetime, by: str = COMMAND_LINE) -> int:
    """Forget a rule and its list; return how many entries that had.

    Raises:
        BridgeError: ``app_unruled``.
    """
    before = get_rule(connection, app)
    listed = replace_list(connection, app, [], now=now, by=by)
    rule_scopes(connection, app, (), now=now, by=by)
    remove_rule(connection, app)
    record(connection, "app forgotten", now=now, app=app, before=_told(before), after="", by=by)
    return listed


def replace_scopes(
    connection: Connection,
    app: str,
    said: ScopeRules,
    *,
    version: datetime | None,
    now: datetime,
    by: str,
) -> bool:
    """Keep what is said of an app's scopes in the place of *version*; False if somebody was
    quicker.

    Raises:
        BridgeError: ``app_unruled``.
    """
    before = find_scopes(connection, app)
    if before is None:
        raise BridgeError("app_unruled", f"no rule names {app}")
    if not put_scopes(connection, app, said, version=version, now=now):
        return False
    if as_text(before.rules) != as_text(said):
        told = {"before": as_text(before.rules), "after": as_text(said), "by": by}
        record(connection, SCOPES_RULED, now=now, app=app, **told)
    return True


def rule_scopes(
    connection: Connection, app: str, said: ScopeRules, *, now: datetime, by: str = COMMAND_LINE
) -> bool:
    """Keep what is said of an app's scopes; False if it was said already.

    Raises:
        BridgeError: ``app_unruled``.
    """
    before = find_scopes(connection, app)
    if before is not None and as_text(before.rules) == as_text(said):
        return False
    version = before.changed_at if before else None
    return replace_scopes(connection, app, said, version=version, now=now, by=by)


def set_default(
    connection: Connection,
    client_id: str,
    unknown: Unknown,
    *,
    now: datetime,
    by: str = COMMAND_LINE,
) -> Unknown:
    """Say what holds at a homeserver for apps without a rule; return what held before.

    Raises:
        BridgeError: ``client_unknown``, ``not_homeserver``.
    """
    before = get_client(connection, client_id).unknown_apps
    set_unknown_apps(connection, client_id, unknown)
    if before != unknown:
        told = {"before": before, "after": unknown, "by": by}
        record(connection, "unknown apps ruled", now=now, client_id=client_id, **told)
    return before


def approve(
    connection: Connection,
    request_ids: Sequence[str],
    *,
    until: datetime | None,
    now: datetime,
    by: str = COMMAND_LINE,
) -> Sequence[Approval]:
    """Let people use the apps that they asked for: they are put on the apps' lists.

    An app without a rule that holds gets one, for the people on its list. The number of
    statements grows with the apps, not with the people.

    Returns:
        What was done, app by app.

    Raises:
        BridgeError: ``request_decided``; ``app_denied``, ``app_insecure`` as `rule_to_let_in`.
    """
    of_app: dict[str, list[AccessRequest]] = {}
    for request in decide_access_requests(connection, request_ids, "approved", now=now):
        of_app.setdefault(request.app, []).append(request)
    approvals = []
    for app, requests in of_app.items():
        before, others = find_rule(connection, app), count_listings(connection, app)
        after = rule_to_let_in(app, before, now=now)
        rule_app(connection, after, now=now, by=by)
        entries = [
            Listing("account", request.account_id, until, f"asked: {request.person}")
            for request in requests
        ]
        admit(connection, app, entries, now=now, by=by)
        _record_decisions(connection, requests, now=now, by=by)
        approvals.append(Approval(requests, before, after, others))
    return approvals


def rule_to_let_in(app: str, before: AppRule | None, *, now: datetime) -> AppRule:
    """Return the rule by which people on an app's list use it, given the one that it has.

    What has run out is taken up again for the people on the list, no looser than it was.

    Raises:
        BridgeError: ``app_denied`` if a rule denies the app to everybody, or did before it ran
            out; ``app_insecure``.
    """
    if before is not None and before.say == "deny":
        raise BridgeError("app_denied", f"{app} is denied to everybody: see `oidc-bridge app`")
    if before is not None and (before.until is None or before.until > now):
        return before
    say = before.say if before else "allow"
    check_say(app, say)
    return AppRule(app, say, "listed", note=before.note if before else "")


def decline(
    connection: Connection,
    request_ids: Sequence[str],
    *,
    reason: str,
    now: datetime,
    by: str = COMMAND_LINE,
) -> Sequence[AccessRequest]:
    """Say no, with a reason that the people read.

    Raises:
        BridgeError: ``request_decided``.
    """
    requests = decide_access_requests(connection, request_ids, "declined", reason=reason, now=now)
    _record_decisions(connection, requests, now=now, by=by, reason=reason)
    return requests


def _record_decisions(
    connection: Connection, requests: Sequence[AccessRequest], *, now: datetime, **more: str
) -> None:
    outcome = str(requests[0].outcome)
    kind = "access approved" if outcome == "approved" else "access declined"
    events = [
        {
            "account_id": request.account_id,
            "client_id": request.client_id,
            "app": request.app,
            "before": "open",
            "after": outcome,
            **more,
        }
        for request in requests
    ]
    record_all(connection, kind, events, now=now)


def _told(rule: AppRule | None) -> str:
    """Return a rule as an event keeps it: JSON without what the event names itself."""
    if rule is None:
        return ""
    until = rule.until.isoformat() if rule.until else None
    return json.dumps({"say": rule.say, "for": rule.audience, "until": until, "note": rule.note})
