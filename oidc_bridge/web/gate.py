"""The whitelist, asked again whenever a grant is used."""

from datetime import datetime

from sqlalchemy import Connection

from oidc_bridge.apps.whitelist import judge_for, rule_name
from oidc_bridge.oidc.client import Client
from oidc_bridge.storage.authorizations import Authorization
from oidc_bridge.storage.whitelist import find_said


def may_still(
    connection: Connection, client: Client, given: Authorization, *, now: datetime
) -> bool:
    """Return whether the app may still know the person as it does: the operator or the person may
    have changed their mind since (security K7, P1)."""
    name = rule_name(client, given.app)
    said = find_said(connection, given.account_id, [name], now=now)[name]
    return judge_for(client, given.app, said).permits(given.as_whom)
