"""The demo's registrations at the bridge."""

from sqlalchemy import Connection

from oidc_bridge.demo.outside import Ask, ask
from oidc_bridge.demo.places import SERVER_NAME, Places
from oidc_bridge.demo.relying_party import RelyingParty
from oidc_bridge.errors import BridgeError
from oidc_bridge.matrix.homeserver import USED_SCOPES
from oidc_bridge.matrix.synapse import addresses_of
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.scopes import SCOPES
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import write
from oidc_bridge.storage.apps import add_client, add_secret, get_client
from oidc_bridge.storage.rulings import rule_app
from oidc_bridge.storage.whitelist import AppRule, find_rule
from oidc_bridge.web import system_clock

HOMESERVER = "synapse"


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
    found = addresses_of(places.homeserver, SERVER_NAME)
    return Client(
        id=HOMESERVER,
        name=found.server_name,
        kind="homeserver",
        redirect_uris=(found.callback,),
        secret_digests=(),
        auth_methods=("client_secret_basic", "client_secret_post"),
        scopes=USED_SCOPES,
        required_scopes=("openid",),
        server_name=found.server_name,
        backchannel_logout_uri=found.backchannel,
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


def allow_own_chats(places: Places) -> None:
    """Let the demo's chats know people as themselves, unless somebody has said otherwise since."""

    def keep(connection: Connection) -> None:
        for chat in (places.app, places.chat):
            if find_rule(connection, chat) is None:
                rule_app(connection, AppRule(chat, "allow"), now=system_clock())

    write(keep)


def make_party(client: Client, places: Places, secret: str, *, ask: Ask = ask) -> RelyingParty:
    """Return a client's half of OpenID Connect."""
    return RelyingParty(
        places.bridge, client.id, secret, client.redirect_uris[0], client.scopes, ask
    )
