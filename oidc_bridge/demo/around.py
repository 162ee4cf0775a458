"""What stands around the bridge in a demo: wallets and what they ask, apps, a homeserver."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import Flask

from oidc_bridge.demo.app import create_app as create_demo_app
from oidc_bridge.demo.chain import Node
from oidc_bridge.demo.chat import create_chat
from oidc_bridge.demo.doors import password_links
from oidc_bridge.demo.eos import EosWay
from oidc_bridge.demo.eos_account import make_account
from oidc_bridge.demo.eos_wallet import EosWallet
from oidc_bridge.demo.hub import Hub
from oidc_bridge.demo.matrix import Chat, Homeserver
from oidc_bridge.demo.oichat import OiChatClient
from oidc_bridge.demo.outside import Ask, ask
from oidc_bridge.demo.people import People
from oidc_bridge.demo.places import SERVER_NAME, Places
from oidc_bridge.demo.profiles import Profiles
from oidc_bridge.demo.relying_party import RelyingParty
from oidc_bridge.demo.stand_in import StandIn
from oidc_bridge.demo.wallet_page import create_wallet
from oidc_bridge.demo.widget import WidgetHost
from oidc_bridge.web import system_clock


@dataclass(frozen=True, slots=True)
class Around:
    """The sites of one demo, each as a WSGI application.

    Attributes:
        service: What the bridge is called.
        people: Who is in the wallet; the chain's account comes from their seed too.
    """

    places: Places
    service: str
    people: People
    clock: Callable[[], datetime] = system_clock
    ask: Ask = ask

    @property
    def homeserver(self) -> Homeserver:
        """The homeserver, as Matrix apps see it."""
        return Homeserver(self.places.homeserver, self.ask)

    def wallet(self, hub: Hub) -> Flask:
        """Return the demo wallets, and what they ask."""
        app = create_wallet(
            self.places, self.people, Profiles(hub), service=self.service, clock=self.clock
        )
        account = make_account(self.people.seed)
        app.register_blueprint(hub.writing())
        app.register_blueprint(Node(account, self.clock).views())
        app.register_blueprint(EosWallet(account).views())
        return app

    def app(self, party: RelyingParty) -> Flask:
        """Return the demo app, and the Matrix app in it."""
        places = self.places
        app = create_demo_app(places, party, service=self.service, clock=self.clock)
        back = f"{places.app}/matrix/signed-in"
        chat = Chat(self.homeserver, SERVER_NAME, back, password_links(places))
        for part in (
            chat,
            EosWay(chat, places, self.ask),
            WidgetHost(chat, f"{places.bridge}/widget", places.app),
        ):
            app.register_blueprint(part.views())
        return app

    def chat(self) -> Flask:
        """Return the chat that signs in as OI Chat did."""
        client = OiChatClient(self.places, self.homeserver, self.ask)
        return create_chat(client, service=self.service, clock=self.clock)

    def stand_in(self, party: RelyingParty) -> Flask:
        """Return the homeserver where no Synapse is; *party* is its registration."""
        return StandIn(SERVER_NAME, party, self.clock).site()


def make_people(places: Places, seed: bytes) -> People:
    """Return the people that *seed* makes."""
    return People(seed, picture=f"{places.hub}/picture.png")
