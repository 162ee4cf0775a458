"""The account's activity: what the ledger says of me, in plain words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.scopes import GRANTS
from oidc_bridge.storage import read
from oidc_bridge.storage.export import as_json, event_as_json
from oidc_bridge.storage.ledger import Event, Place, events_of
from oidc_bridge.storage.sessions import browsers_of
from oidc_bridge.web import as_download, bridge, page
from oidc_bridge.web.cards import device_of, method_in_words
from oidc_bridge.web.changes import get_session

views = Blueprint("activity", __name__, url_prefix="/account/activity")

_PER_PAGE = 50
_ALL = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"([0-9]{1,17})\.([A-Za-z0-9_-]{1,64})")
# Every kind of event that names an account; a test reads the code for them. Who runs the server
# has no name here: a person's record is about that person.
WORDS: Mapping[str, str] = {
    "signed in": "You signed in",
    "signed out": "You signed out",
    "sign-in refused": "A wallet’s answer was refused while you were signed in",
    "wallet added": "You added a wallet",
    "wallet removed": "You removed a wallet",
    "new wallet accepted": "The people who run this server let you in with another wallet program",
    "accounts joined": "You joined another account of yours to this one",
    "name chosen": "You chose the name that apps know you by",
    "consent given": "You allowed {app} to sign you in",
    "consent denied": "You did not allow {app} to sign you in",
    "access removed": "You removed the access of {app}",
    "access narrowed": "You took back some of what {app} got",
    "access requested": "You asked to be let in to {app}",
    "access approved": "You were let in to {app}, as you had asked",
    "access declined": "You were not let in to {app}",
    "app password made": "You made an app password",
    "app password ended": "An app password was ended",
    "one-time password made": "You made a one-time password",
    "app password at Matrix": "An app password was used at your Matrix server",
    "app password refused": "An app password was refused at your Matrix server",
    "own rule set": "You set your own rule for {app}",
    "own rule forgotten": "You took back your own rule for {app}",
    "code redeemed": "{app} took up your sign-in",
    "code reused": "{app} took up one sign-in twice. That may have been somebody else, so all that"
    " this sign-in gave was ended",
    "refresh token reused": "{app} came with a key that was used up. It may have been stolen, so"
    " that access was ended",
    "data exported": "You downloaded your data",
    "widget opened": "Your account was opened inside of a Matrix client",
    "person blocked": "The people who run this server blocked your account",
    "person unblocked": "The people who run this server let you sign in again",
    "signed out by admin": "The people who run this server signed you out everywhere",
    "role given": "You were given a role: you look after this server",
    "role taken": "Your role was taken: you look after this server no more",
}
_OTHER = "Something else was changed"
_SAYS = {
    "allow": "It may know you as yourself",
    "alone": "It gets an ID of its own",
    "deny": "It may not sign you in",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One event on the page."""

    words: str
    at: datetime
    facts: Sequence[str]
    device: str
    receipt_url: str


@views.get("")
def overview() -> Response:
    """Show what happened, fifty at a time, in three questions however much there is."""
    now, after = bridge().clock(), _place()
    with read() as connection:
        account_id = get_session(connection, now).account_id
        events = events_of(connection, account_id, after=after, at_most=_PER_PAGE + 1)
        shown = events[:_PER_PAGE]
        devices = _devices(connection, account_id, shown)
    last = shown[-1] if len(events) > _PER_PAGE else None
    return page(
        "account/activity.html",
        items=[_item(event, devices) for event in shown],
        is_first=after is None,
        latest_url=url_for("activity.overview"),
        older_url=url_for("activity.overview", after=_name_of(last)) if last else "",
        download_url=url_for("activity.download"),
    )


@views.get("/activity.json")
def download() -> Response:
    """Give all of it as a file."""
    now = bridge().clock()
    with read() as connection:
        account_id = get_session(connection, now).account_id
        events = events_of(connection, account_id, at_most=_ALL)
        devices = _devices(connection, account_id, events)
    return as_download(
        {
            "server": bridge().settings.issuer,
            "made_at": as_json(now),
            "events": [_whole(event, devices) for event in events],
        },
        name="activity.json",
    )


def _place() -> Place | None:
    """Return the place that the page begins after.

    Raises:
        PageError: ``not_found`` for what is no place.
    """
    text = request.args.get("after")
    if text is None:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise PageError("not_found", "place", status=404)
    return Place(_EPOCH + timedelta(microseconds=int(found[1])), found[2])


def _name_of(event: Event) -> str:
    return f"{(event.at - _EPOCH) // timedelta(microseconds=1)}.{event.id}"


def _devices(connection: Connection, account_id: str, events: Sequence[Event]) -> Mapping[str, str]:
    """Return the browsers of events, by their sessions."""
    ids = {event.detail["session"] for event in events if event.detail.get("session")}
    agents = browsers_of(connection, account_id, ids)
    words = {agent: device_of(agent) for agent in set(agents.values())}
    return {session_id: words[agent] for session_id, agent in agents.items()}


def _item(event: Event, devices: Mapping[str, str]) -> Item:
    consent_id = event.detail.get("consent")
    return Item(
        words=_words(event),
        at=event.at,
        facts=_facts(event),
        device=devices.get(event.detail.get("session", ""), ""),
        receipt_url=url_for("receipts.show", consent_id=consent_id) if consent_id else "",
    )


def _whole(event: Event, devices: Mapping[str, str]) -> Mapping[str, Any]:
    device = devices.get(event.detail.get("session", ""))
    return {"words": _words(event), **event_as_json(event), "browser": device}


def _words(event: Event) -> str:
    return WORDS.get(event.kind, _OTHER).replace("{app}", _app_of(event))


def _app_of(event: Event) -> str:
    """Return what a sentence calls the app: its host, else the client that it came through."""
    client = bridge().snapshots.current().clients.get(event.client_id or "")
    app = event.detail.get("app", "")
    if app.startswith("https://"):
        return app.removeprefix("https://")
    if "://" in app:
        return app
    if app.endswith(":"):
        return f"{app.removesuffix(':')} on your device"
    return _called(client)


def _called(client: Client | None) -> str:
    return client.name if client else "an app that is not registered any more"


def _facts(event: Event) -> Sequence[str]:
    detail = event.detail
    facts = []
    if event.kind in ("signed in", "wallet added") and detail.get("method"):
        methods = [method_in_words(method) for method in detail["method"].split(",")]
        told = " and ".join(words[0].lower() + words[1:] for words in dict.fromkeys(methods))
        facts.append(f"With {told}")
    if event.kind.startswith("app password"):
        facts.append(detail.get("label", ""))
    if event.kind == "access declined":
        facts.append(detail.get("reason", ""))
    if event.kind == "name chosen":
        facts.append(detail.get("name") or "Your address alone")
    if event.kind == "role given":
        facts.append(detail.get("role", "").capitalize())
    if event.kind == "own rule set":
        facts.append(_SAYS.get(detail.get("say", ""), ""))
    if event.kind.startswith("signed out") and detail.get("sessions", "1") != "1":
        facts.append(f"{detail['sessions']} browsers")
    for scope in detail.get("scopes", "").split():
        if scope in GRANTS:
            facts.append(GRANTS[scope].title)
    return [fact for fact in facts if fact]
