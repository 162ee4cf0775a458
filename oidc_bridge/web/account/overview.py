"""What the account page lists: plain values, made in a fixed number of questions."""

from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from sqlalchemy import Connection

from oidc_bridge.storage.my_apps import NO_APPS, AppTitles, apps_of_sessions
from oidc_bridge.storage.sessions import sessions_of
from oidc_bridge.web.cards import device_of, method_in_words

_TITLES = 5


@dataclass(frozen=True, slots=True)
class SessionItem:
    """A browser on the account page."""

    id: str
    device: str
    method: str
    since: datetime
    last_used: datetime
    is_this: bool
    apps: AppTitles
    sign_out_url: str


def browsers_of(
    connection: Connection, account_id: str, now: datetime, *, this: str = ""
) -> list[SessionItem]:
    """Return where an account is signed in, latest proof first; *this* is the session that asks."""
    known = sessions_of(connection, account_id, now=now)
    apps = apps_of_sessions(connection, [session.id for session in known], most=_TITLES)
    return [
        SessionItem(
            id=session.id,
            device=device_of(session.user_agent),
            method=method_in_words(session.method),
            since=session.created_at,
            last_used=session.authenticated_at,
            is_this=session.id == this,
            apps=apps.get(session.id, NO_APPS),
            sign_out_url=url_for("account.sign_out_session", session_id=session.id),
        )
        for session in known
    ]
