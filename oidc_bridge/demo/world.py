"""The whole demo: registers the apps, starts the servers, waits for the end."""

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from flask import Flask, Response, current_app
from sqlalchemy import Connection

from oidc_bridge.config import Settings, data_dir
from oidc_bridge.demo import servers, synapse
from oidc_bridge.demo.app import create_app as create_demo_app
from oidc_bridge.demo.certificate import write_certificate
from oidc_bridge.demo.matrix import Chat, Homeserver
from oidc_bridge.demo.outside import Ask, ask
from oidc_bridge.demo.people import People
from oidc_bridge.demo.places import SERVER_NAME, Places
from oidc_bridge.demo.relying_party import RelyingParty
from oidc_bridge.demo.wallet_page import create_wallet
from oidc_bridge.errors import BridgeError
from oidc_bridge.factory import bare_app, create_app, make_fetch
from oidc_bridge.logout import Courier
from oidc_bridge.matrix.synapse import backchannel_uri, callback_uri, snippet
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.scopes import SCOPES
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import db, write
from oidc_bridge.storage.apps import add_client, add_secret, get_client
from oidc_bridge.storage.rulings import rule_app
from oidc_bridge.storage.whitelist import AppRule, find_rule
from oidc_bridge.web import system_clock

PORTS = 5


def demo_client(places: Places) -> Client:
    """Return the demo app's registration."""
    return Client(
        id="demo-app",
        name="Demo app",
        kind="web",
        redirect_uris=(f"{places.app}/callback",),
        secret_digests=(),
        auth_methods=("client_secret_basic",),
        scopes=tuple(SCOPES),
        required_scopes=("openid",),
        backchannel_logout_uri=f"{places.app}/backchannel-logout",
    )


def homeserver_client(places: Places) -> Client:
    """Return Synapse's registration: what ``client add synapse --homeserver`` makes."""
    return Client(
        id="synapse",
        name=SERVER_NAME,
        kind="homeserver",
        redirect_uris=(callback_uri(places.homeserver),),
        secret_digests=(),
        auth_methods=("client_secret_basic", "client_secret_post"),
        scopes=("openid", "profile"),
        required_scopes=("openid",),
        server_name=SERVER_NAME,
        backchannel_logout_uri=backchannel_uri(places.homeserver),
    )


def register(client: Client) -> str:
    """Register *client*, unless an earlier run in the same folder did; return a new secret."""
    secret = new_secret()

    def keep(connection: Connection) -> None:
        try:
            get_client(connection, client.id)
        except BridgeError:
            add_client(connection, client, now=system_clock())
        add_secret(connection, client.id, secret, now=system_clock())

    write(keep)
    return secret


def allow_own_chat(places: Places) -> None:
    """Let the demo chat know people as themselves, unless somebody has said otherwise since."""

    def keep(connection: Connection) -> None:
        if find_rule(connection, places.app) is None:
            rule_app(connection, AppRule(places.app, "allow"), now=system_clock())

    write(keep)


def make_party(places: Places, secret: str, *, ask: Ask = ask) -> RelyingParty:
    """Return the demo app's half of OpenID Connect."""
    client = demo_client(places)
    return RelyingParty(
        places.bridge, client.id, secret, client.redirect_uris[0], client.scopes, ask
    )


def make_wallet(settings: Settings, places: Places, seed: bytes) -> Flask:
    """Return the demo wallet, with the people that *seed* makes."""
    people = People(seed, picture=f"{places.pictures}/picture.png")
    return create_wallet(places, people, service=settings.name, clock=system_clock)


def make_app(settings: Settings, places: Places, party: RelyingParty, *, with_chat: bool) -> Flask:
    """Return the demo app, and the demo chat in it if there is a homeserver."""
    chat_url = f"{places.app}/matrix" if with_chat else None
    app = create_demo_app(
        places, party, service=settings.name, clock=system_clock, chat_url=chat_url
    )
    if chat_url:
        homeserver = Homeserver(places.homeserver, ask)
        app.register_blueprint(Chat(homeserver, SERVER_NAME, f"{chat_url}/signed-in").views())
    return app


def make_pictures() -> Flask:
    """Return a server of one picture, the one that `People` names."""
    app = Flask(f"{__package__}.pictures", static_folder=None)

    @app.get("/picture.png")
    def picture() -> Response:
        body = (data_dir("templates") / "static" / "icon.png").read_bytes()
        return current_app.response_class(body, mimetype="image/png")

    return app


def run(
    settings: Settings,
    places: Places,
    *,
    folder: Path,
    seed: bytes,
    taken: Sequence[socket.socket],
    ready: Callable[[], None],
    stop: threading.Event,
    installed_synapse: Path | None = None,
) -> None:
    """Run everything until *stop*.

    Args:
        folder: For what the servers keep; the database is at head and has its keys.
        seed: Of the people's keys.
        taken: Sockets for bridge, wallet, app and pictures, in this order.
        ready: Called when all pages can be opened.
        installed_synapse: Where Synapse is installed; None for a demo without.
    """
    plain = bare_app(settings)
    with plain.app_context():
        party = make_party(places, register(demo_client(places)))
        homeserver_secret = register(homeserver_client(places)) if installed_synapse else ""
        if installed_synapse:
            allow_own_chat(places)
    bridge = create_app(settings)
    certificate = write_certificate(folder, now=system_clock())
    sites: list[tuple[Flask, Path | None]] = [
        (bridge, None),
        (make_wallet(settings, places, seed), None),
        (make_app(settings, places, party, with_chat=installed_synapse is not None), None),
        (make_pictures(), certificate),
    ]
    post = make_fetch(settings).post_form
    courier = Courier(settings.issuer, settings.seal(), post, system_clock)
    with ExitStack() as stack:
        for user_of_database in (plain, bridge):
            stack.callback(dispose, user_of_database)
        for (site, its_certificate), socket_ in zip(sites, taken, strict=True):
            stack.enter_context(servers.serve(site, socket_, certificate=its_certificate))
        stack.enter_context(servers.deliver(plain, courier))
        if installed_synapse:
            home = folder / "synapse"
            synapse.write_settings(home, places)
            provider = _write_provider(home, settings, places, homeserver_secret)
            stack.enter_context(
                synapse.run(installed_synapse, home, provider, places=places, trust=certificate)
            )
        ready()
        stop.wait()


def _write_provider(home: Path, settings: Settings, places: Places, secret: str) -> Path:
    """Write what ``oidc-bridge synapse-config synapse --new-secret`` prints."""
    path = home / "oidc.yaml"
    path.touch(mode=0o600)
    client = homeserver_client(places)
    path.write_text(
        snippet(
            client.id,
            client.scopes,
            issuer=settings.issuer,
            name=settings.name,
            secret_line=("client_secret", secret),
        )
    )
    return path


def dispose(app: Flask) -> None:
    """Close an app's connections to the database."""
    with app.app_context():
        db.engine.dispose()
