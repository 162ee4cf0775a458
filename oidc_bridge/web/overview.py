"""What the account page lists: plain values, made in a fixed number of questions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from sqlalchemy import Connection

from oidc_bridge.apps.developer import Developer
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.scopes import GRANTS
from oidc_bridge.storage.authorizations import (
    last_used,
)
from oidc_bridge.storage.consents import (
    AppConsent,
    apps_of_sessions,
    consents_of,
)
from oidc_bridge.storage.sessions import Session, sessions_of
from oidc_bridge.web import bridge
from oidc_bridge.web.cards import (
    developer_behind,
    device_of,
    logo_url_of,
    matrix_id,
    method_in_words,
)


@dataclass(frozen=True, slots=True)
class AppItem:
    """An app on the account page."""

    id: str
    title: str
    host: str
    via: str
    mxid: str
    scopes: Sequence[str]
    since: datetime
    last_used: datetime | None
    receipt_url: str
    remove_url: str
    logo_url: str
    developer: Developer


@dataclass(frozen=True, slots=True)
class SessionItem:
    """A browser on the account page."""

    id: str
    device: str
    method: str
    since: datetime
    last_used: datetime
    is_this: bool
    apps: Sequence[str]
    sign_out_url: str


def apps_of(connection: Connection, session: Session) -> list[AppItem]:
    clients = bridge().snapshots.current().clients
    used = last_used(connection, session.account_id)
    return [
        _app_item(given, clients[given.client_id], used.get((given.client_id, given.app)))
        for given in consents_of(connection, session.account_id)
        if given.client_id in clients
    ]


def _app_item(given: AppConsent, client: Client, used: datetime | None) -> AppItem:
    return AppItem(
        id=given.consent.id,
        title=given.app_title,
        host=given.app.removeprefix("https://") if "://" in given.app else "",
        via=client.name,
        mxid=matrix_id(given.consent.question.localpart, client),
        scopes=[GRANTS[scope].title for scope in given.consent.granted if scope in GRANTS],
        since=given.consent.given_at,
        last_used=used,
        receipt_url=url_for("receipts.show", consent_id=given.consent.id),
        remove_url=url_for("account.remove_app", consent_id=given.consent.id),
        logo_url="" if client.kind == "homeserver" else logo_url_of(client),
        developer=developer_behind(given.app, client),
    )


def browsers_of(connection: Connection, current: Session, now: datetime) -> list[SessionItem]:
    known = sessions_of(connection, current.account_id, now=now)
    apps: dict[str, list[str]] = defaultdict(list)
    for session_id, _, title in apps_of_sessions(connection, [session.id for session in known]):
        apps[session_id].append(title)
    return [
        SessionItem(
            id=session.id,
            device=device_of(session.user_agent),
            method=method_in_words(session.method),
            since=session.created_at,
            last_used=session.authenticated_at,
            is_this=session.id == current.id,
            apps=sorted(set(apps[session.id])),
            sign_out_url=url_for("account.sign_out_session", session_id=session.id),
        )
        for session in known
    ]
