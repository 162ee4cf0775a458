"""The demo as the OpenID Foundation's conformance suite needs it: ``demo --conformance``.

The bridge by https, the demo wallet, the suite's clients, and the suite's own address exempted;
the suite itself is not here. What it is told is in `suite`; how to run it, in docs/conformance.md.
"""

import json
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from oidc_bridge.config import Settings
from oidc_bridge.demo import servers
from oidc_bridge.demo.around import make_people
from oidc_bridge.demo.certificate import write_certificate
from oidc_bridge.demo.hub import Hub
from oidc_bridge.demo.places import Places
from oidc_bridge.demo.profiles import Profiles
from oidc_bridge.demo.suite import Suite, configuration, static_clients
from oidc_bridge.demo.wallet_page import create_wallet
from oidc_bridge.demo.world import dispose
from oidc_bridge.factory import bare_app, create_app, make_courier
from oidc_bridge.web import system_clock

PORTS = 2
CLIENTS = "clients.json"
# Plans but those of their own below; then the one whose client is told of sign-outs.
CONFIGURATION = "suite.json"
BACKCHANNEL = "suite-backchannel.json"

# The suite sends no code_challenge but in one module: docs/decisions/0015.
_EXTRA = """\
require_pkce = false
allow_private = ["{places.wallet}"]
{private_ca}
[registration]
mode = "token"
allow_private = ["{suite.base}"]

[[wallets]]
name = "Demo wallet"
url = "{places.wallet}/auth"

[[names.services]]
url = "{places.wallet}"
labels = [3]
"""


class SecurePlaces(Places):
    """The same ports, and the bridge by https: the suite refuses any endpoint that is not."""

    __slots__ = ()

    @property
    def bridge(self) -> str:
        """The bridge."""
        return f"https://localhost:{self.port}"


def extra_settings(places: Places, suite: Suite, *, suite_ca: Path | None) -> str:
    """Return what this demo's config.toml says beside what every demo's does.

    Args:
        suite_ca: The suite's own certificate, which no authority vouches for.
    """
    private_ca = f"private_ca = {json.dumps(str(suite_ca.resolve()))}" if suite_ca else ""
    return _EXTRA.format(places=places, suite=suite, private_ca=private_ca)


def write_documents(
    folder: Path, places: Places, suite: Suite, *, initial_token: str
) -> tuple[Path, Path]:
    """Write the suite's clients for `client import`, and its configurations; return the latter."""
    _write(folder / CLIENTS, static_clients(suite))
    written = []
    for name, client_id in ((CONFIGURATION, "suite-client"), (BACKCHANNEL, "suite-backchannel")):
        told = configuration(suite, places, initial_token=initial_token, client_id=client_id)
        written.append(_write(folder / name, told))
    return written[0], written[1]


def run(
    settings: Settings,
    places: Places,
    *,
    folder: Path,
    seed: bytes,
    taken: Sequence[socket.socket],
    ready: Callable[[], None],
    stop: threading.Event,
) -> None:
    """Run bridge and wallet until *stop*; the database has the clients.

    Args:
        seed: Of the people's keys.
        taken: Sockets for bridge and wallet.
        ready: Called when all pages can be opened.
    """
    plain, bridge = bare_app(settings), create_app(settings)
    people, profiles = make_people(places, seed), Profiles(Hub(places.hub))
    wallet = create_wallet(places, people, profiles, service=settings.name, clock=system_clock)
    certificate = write_certificate(folder, now=system_clock())
    with ExitStack() as stack:
        for user_of_database in (plain, bridge):
            stack.callback(dispose, user_of_database)
        stack.enter_context(servers.serve(bridge, taken[0], certificate=certificate))
        stack.enter_context(servers.serve(wallet, taken[1]))
        stack.enter_context(servers.deliver(plain, make_courier(settings)))
        ready()
        servers.wait_for(stop)


def _write(path: Path, document: object) -> Path:
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
