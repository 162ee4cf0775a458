"""What the operator says of an app's scopes: it is kept with the app's rule, and goes with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from oidc_bridge.apps.scope_rules import ScopeRules, from_json, to_json
from oidc_bridge.storage.whitelist import AppRuleRow

_R = AppRuleRow
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class AppScopes:
    """What is said, and its version; None where nothing was ever said."""

    rules: ScopeRules
    changed_at: datetime | None


def find_scopes(connection: Connection, app: str) -> AppScopes | None:
    """Return what is said of an app's scopes; None if no rule names the app."""
    row = connection.execute(select(_R.scopes, _R.scopes_changed_at).where(_R.name == app)).first()
    return None if row is None else AppScopes(from_json(row.scopes), row.scopes_changed_at)


def all_scopes(connection: Connection) -> Mapping[str, ScopeRules]:
    """Return what is said of every app's scopes, by the app's name."""
    rows = connection.execute(select(_R.name, _R.scopes).where(_R.scopes.is_not(None)))
    return {row.name: from_json(row.scopes) for row in rows}


def put_scopes(
    connection: Connection,
    app: str,
    said: ScopeRules,
    *,
    version: datetime | None,
    now: datetime,
) -> bool:
    """Keep what is said in the place of *version*; False if somebody was quicker, or if there is no
    rule. Every change has a version of its own, however coarse the clock."""
    mine = _R.scopes_changed_at.is_(None) if version is None else _R.scopes_changed_at == version
    values = {
        "scopes": to_json(said) or None,
        "scopes_changed_at": now if version is None else max(now, version + _TICK),
    }
    return connection.execute(update(_R).where(_R.name == app, mine).values(values)).rowcount == 1
