"""The whole demo: registers the apps, starts the servers, waits for the end."""

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from flask import Flask

from oidc_bridge.config import Settings
from oidc_bridge.demo import servers, synapse
from oidc_bridge.demo.around import Around, make_people
from oidc_bridge.demo.certificate import write_certificate
from oidc_bridge.demo.clients import (
    allow_own_chats,
    demo_client,
    homeserver_client,
    make_party,
    register,
)
from oidc_bridge.demo.hub import Hub
from oidc_bridge.demo.places import Places
from oidc_bridge.factory import bare_app, create_app, make_fetch
from oidc_bridge.logout import Courier
from oidc_bridge.matrix.synapse import module_snippet, snippet
from oidc_bridge.storage import db
from oidc_bridge.web import system_clock

PORTS = 6


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
        taken: Sockets for bridge, wallet, app, hub and chat, in this order, and for the homeserver
            if it is not Synapse, which takes its port itself.
        ready: Called when all pages can be opened.
        installed_synapse: Where Synapse is installed; None for a demo without.
    """
    plain = bare_app(settings)
    app, homeserver = demo_client(places), homeserver_client(places)
    with plain.app_context():
        party, its_party = (make_party(one, places, register(one)) for one in (app, homeserver))
        allow_own_chats(places)
    certificate = write_certificate(folder, now=system_clock())
    bridge, hub = create_app(settings), Hub(places.hub)
    around = Around(places, settings.name, make_people(places, seed))
    sites: list[tuple[Flask, Path | None]] = [
        (bridge, None),
        (around.wallet(hub), None),
        (around.app(party), None),
        (hub.reading(), certificate),
        (around.chat(), None),
    ]
    if not installed_synapse:
        sites.append((around.stand_in(its_party), None))
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
            provider = _write_provider(home, settings, places, its_party.client_secret)
            stack.enter_context(
                synapse.run(installed_synapse, home, provider, places=places, trust=certificate)
            )
        ready()
        servers.wait_for(stop)


def _write_provider(home: Path, settings: Settings, places: Places, secret: str) -> Path:
    """Write what ``oidc-bridge synapse-config synapse --new-secret --with-module`` prints."""
    path = home / "oidc.yaml"
    path.touch(mode=0o600)
    client, line = homeserver_client(places), ("client_secret", secret)
    issuer, name = settings.issuer, settings.name
    path.write_text(
        snippet(client.id, client.scopes, issuer=issuer, name=name, secret_line=line)
        + module_snippet(client.id, issuer=issuer, secret_line=line)
    )
    return path


def dispose(app: Flask) -> None:
    """Close an app's connections to the database."""
    with app.app_context():
        db.engine.dispose()
