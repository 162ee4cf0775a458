"""The operator's and the person's rules, asked again whenever a grant is used."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from oidc_bridge.apps.scope_rules import without_refused
from oidc_bridge.apps.whitelist import judge_for, rule_name
from oidc_bridge.oidc.client import Client
from oidc_bridge.storage.authorizations import Authorization
from oidc_bridge.storage.whitelist import find_said


def still_given(
    connection: Connection, client: Client, given: Authorization, *, now: datetime
) -> Authorization | None:
    """Return what is left of *given* by the rules of today, None if the app may not know the person
    as it does: the operator or the person may have changed their mind since (security K7, P1)."""
    name = rule_name(client, given.app)
    said = find_said(connection, given.account_id, [name], now=now)[name]
    if not judge_for(client, given.app, said).permits(given.as_whom):
        return None
    return replace(given, scopes=without_refused(given.scopes, said.scopes))
