"""What pages show of apps and people: plain values, never rows."""

from dataclasses import dataclass, replace
from datetime import datetime

from flask import url_for
from ua_parser import parse

from oidc_bridge.apps.app import App, which_app
from oidc_bridge.apps.developer import NOBODY, Developer, Face, find_developer, home_of
from oidc_bridge.oidc.authorize import AuthorizationRequest
from oidc_bridge.oidc.client import Client
from oidc_bridge.proofs.antelope import read_subject
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge

# How a session ends that no browser has: a chat app's, which came with a password.
WITHOUT_BROWSER = " (one-time password)"
# And one that a chat app's key let in for another Matrix client.
BY_CHAT_APP = " (by a chat app)"
_METHODS = {
    "blockstack": "Your Blockstack identity",
    "stacks": "Your Stacks account",
    "oichat": "Your Blockstack identity, by a chat app",
    "antelope": "Your account on a chain",
    "one-time": "A one-time password",
}
EOS = "EOS (Vaulta)"
_CHAINS = {"aca376f206b8fc25a6ed44dbdc66547c": EOS}


@dataclass(frozen=True, slots=True)
class AppCard:
    """An app as a page names it; ``via`` is the homeserver it signs people in at.

    Attributes:
        pages: What its makers want people to read: words and address. The page names the host.
        logo_url: Of the picture that we drew from its logo; ``""`` if there is none to show.
        developer: Who stands behind it.
    """

    title: str
    host: str
    via: str
    kind: str
    pages: tuple[tuple[str, str], ...] = ()
    logo_url: str = ""
    developer: Developer = NOBODY


@dataclass(frozen=True, slots=True)
class PersonCard:
    """Who is signed in."""

    label: str
    name: str
    address: str
    initial: str
    checked_on: datetime | None


def app_card(authorization: AuthorizationRequest | None) -> AppCard | None:
    """Return the card of the app that asks; None on the way to the account page."""
    if authorization is None:
        return None
    target = authorization.target
    app = which_app(target.client, target.redirect_uri, authorization.redirect_url)
    return card_of(app, target.client)


def card_of(app: App, client: Client) -> AppCard:
    """Return the card of *app* at *client*."""
    via = client.name if client.kind == "homeserver" else ""
    known = client.metadata
    pages = (("Privacy policy", known.policy_uri), ("Terms of use", known.tos_uri))
    shown = tuple((words, uri) for words, uri in pages if uri is not None)
    return AppCard(
        app.title,
        app.host,
        via,
        app.kind,
        shown,
        logo_url="" if via else logo_url_of(client),
        developer=developer_behind(app.key, client),
    )


def developer_behind(app_key: str, client: Client) -> Developer:
    """Return who stands behind an app, by what is kept: no site is asked on the way of a sign-in.

    An app that signs people in at a homeserver is known by its origin alone, so only its own site
    can name somebody.
    """
    parts = bridge()
    statement = None if client.kind == "homeserver" else client.statement
    # The developer signed for the origin of client_uri; whoever did not, lives where the app does.
    home = home_of(client) if statement is not None else app_key
    now = parts.clock()
    site = parts.snapshots.current().sites.get(home or "")
    found = find_developer(statement, site.authors_at(now) if site else (), now=now)
    return replace(found, face=_face_of(client, now)) if found.name else found


def _face_of(client: Client, now: datetime) -> Face | None:
    """Return what the developer's profile showed, if it is of whoever signed and not too old."""
    seen, statement = bridge().snapshots.current().profiles.get(client.id), client.statement
    if seen is None or statement is None or not seen.belongs_to(statement):
        return None
    if not seen.is_shown_at(now):
        return None
    picture_url = url_for("logos.show", digest=seen.digest) if seen.digest else ""
    return Face(seen.display_name, picture_url, seen.url)


def logo_url_of(client: Client) -> str:
    """Return where the client's logo is, as we drew it; ``""`` if there is none to show."""
    logo = bridge().snapshots.current().logos.get(client.id)
    if logo is None or logo.digest is None or logo.uri != client.metadata.logo_uri:
        return ""
    return url_for("logos.show", digest=logo.digest)


def person_card(session: Session) -> PersonCard:
    """Return the card of the person whose session it is."""
    label = session.name or short_address(session.address)
    return PersonCard(
        label=label,
        name=session.name or "",
        address=whole_address(session.address),
        initial=label[0].upper(),
        checked_on=session.name_checked_at,
    )


def short_address(address: str) -> str:
    """Return enough of an address to tell it from one's others."""
    account = read_subject(address)
    if account is not None:
        return account[1]
    return f"{address[:6]}…{address[-4:]}"


def whole_address(address: str) -> str:
    """Return an address as pages write it out: an account of a chain with its chain."""
    account = read_subject(address)
    if account is None:
        return address
    chain, name = account
    return f"{name} on {chain_name(chain)}"


def chain_name(chain_id: str) -> str:
    """Return how pages name a chain; half of its id will do."""
    return _CHAINS.get(chain_id[:32], f"chain {chain_id[:32]}")


def matrix_id(localpart: str, client: Client) -> str:
    """Return the Matrix ID at a homeserver whose server name is known, else ``""``."""
    if client.kind != "homeserver" or client.server_name is None:
        return ""
    return f"@{localpart}:{client.server_name}"


def method_in_words(method: str) -> str:
    """Return how somebody signed in."""
    return _METHODS.get(method, method)


def device_of(user_agent: str) -> str:
    """Return words for a browser, e.g. "Firefox on Android"."""
    if user_agent.endswith((WITHOUT_BROWSER, BY_CHAT_APP)):
        return user_agent
    seen = parse(user_agent)
    browser = seen.user_agent.family if seen.user_agent else ""
    system = seen.os.family if seen.os else ""
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "An unknown browser"
