"""The whole demo in one process without a socket: bridge, wallet and app, and a browser."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from oidc_bridge.cli.demo import make_settings
from oidc_bridge.config import Settings
from oidc_bridge.demo import around, clients
from oidc_bridge.demo.hub import Hub
from oidc_bridge.demo.outside import Reply, headers_of
from oidc_bridge.demo.people import People
from oidc_bridge.demo.places import Places
from oidc_bridge.factory import bare_app, create_app
from oidc_bridge.logout import Courier
from oidc_bridge.ports import Fetched
from oidc_bridge.storage import db
from tests.conftest import Clock
from tests.driver import fields_of

PLACES = Places(8000)


@dataclass(frozen=True)
class Net:
    """Reaches each app of the demo by its origin: for the app's requests, and for the bridge's."""

    sites: dict[str, Flask] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        document: Mapping[str, object] | None = None,
        text: str | None = None,
        basic: tuple[str, str] | None = None,
        bearer: str | None = None,
        origin: str | None = None,
    ) -> Reply:
        headers = headers_of(bearer=bearer, origin=origin)
        data = form if text is None else text.encode()
        answer = self._client(url).open(
            url, method=method, data=data, json=document, auth=basic, headers=headers
        )
        return Reply(answer.status_code, answer.data, answer.content_type)

    def post_json(
        self, url: str, document: Mapping[str, object], *, max_bytes: int, budget: float
    ) -> Fetched:
        answer = self.ask("POST", url, document=document)
        assert len(answer.body) <= max_bytes
        return Fetched(answer.status, answer.body)

    def fetch(self, url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        answer = self._client(url).get(url)
        assert len(answer.data) <= max_bytes
        return Fetched(answer.status_code, answer.data)

    def deliver(self, clock: Clock) -> int:
        """Bring sign-outs to whoever is to be told; return how many were."""

        def post(url: str, fields: dict[str, str], **_: object) -> Fetched:
            reply = self.ask("POST", url, form=fields)
            return Fetched(reply.status, reply.body)

        bridge = self.sites[PLACES.bridge]
        with bridge.app_context():
            parts = bridge.extensions["oidc_bridge"]
            return Courier(PLACES.bridge, parts.seal, post, clock).deliver()

    def _client(self, url: str) -> FlaskClient:
        return self.sites[origin_of(url)].test_client()


@dataclass
class Browser:
    """Goes where links, forms and redirects lead, over all three apps."""

    net: Net
    url: str = ""
    page: TestResponse | None = None
    clients: dict[str, FlaskClient] = field(default_factory=dict)

    def open(self, url: str, **how: object) -> str:
        """Follow redirects to a page; return its text."""
        url = urljoin(self.url, url)
        while True:
            client = self.clients.setdefault(
                origin_of(url), self.net.sites[origin_of(url)].test_client()
            )
            self.url, self.page = url, client.open(url, **how)
            if self.page.status_code not in (302, 303, 308):
                return self.page.text
            url, how = urljoin(url, self.page.location), {}

    def follow(self, words: str) -> str:
        """Click the link whose text holds *words*."""
        for href, text in re.findall(r'<a\b[^>]*href="([^"]*)"[^>]*>(.*?)</a>', self.text, re.S):
            if words in re.sub(r"<[^>]*>", "", text):
                return self.open(href.replace("&amp;", "&"))
        raise AssertionError(f"no link {words!r} on {self.url}")

    def send(self, action: str, **changes: object) -> str:
        """Send the form that posts to *action*."""
        data = {**fields_of(self.text, action), **changes}
        headers = {"Origin": origin_of(self.url)}
        return self.open(action, method="POST", data=data, headers=headers)

    def choose(self, identity: str) -> str:
        """Answer in the wallet, and let the bridge's page pass the answer on."""
        self.send("/answer", identity=identity)
        return self.send("/sign-in/answer")

    def decide(self, decision: str = "allow", *scopes: str) -> str:
        path = urlsplit(self.url).path
        assert path.startswith("/consent/"), self.url
        return self.send(path, decision=decision, scope=list(scopes))

    @property
    def text(self) -> str:
        assert self.page is not None
        return self.page.text

    @property
    def at(self) -> str:
        """Where it is, without the query."""
        return self.url.partition("?")[0]


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@pytest.fixture
def demo_settings(settings: Settings, tmp_path: Path) -> Settings:
    """Return the settings of a demo's own folder, at the database of this test."""
    made = make_settings(tmp_path, PLACES)
    kept = {"database": settings.database, "key_file": settings.key_file}
    return made.model_copy(update={**kept, "private_ca": None})


@pytest.fixture
def people() -> People:
    return around.make_people(PLACES, b"\x5e" * 32)


@pytest.fixture
def net(demo_settings: Settings, people: People, clock: Clock) -> Iterator[Net]:
    net, parties = Net(), {}
    with bare_app(demo_settings).app_context():
        for client in (clients.demo_client(PLACES), clients.homeserver_client(PLACES)):
            secret = clients.register(client)
            parties[client.id] = clients.make_party(client, PLACES, secret, ask=net.ask)
        clients.allow_own_chats(PLACES)
        db.engine.dispose()
    bridge = create_app(demo_settings, clock=clock, fetch=net.fetch, post_json=net.post_json)
    hub = Hub(PLACES.hub)
    sites = around.Around(PLACES, demo_settings.name, people, clock, net.ask)
    net.sites.update(
        {
            PLACES.bridge: bridge,
            PLACES.wallet: sites.wallet(hub),
            PLACES.app: sites.app(parties["demo-app"]),
            PLACES.hub: hub.reading(),
            PLACES.chat: sites.chat(),
            PLACES.homeserver: sites.stand_in(parties[clients.HOMESERVER]),
        }
    )
    yield net
    with bridge.app_context():
        db.engine.dispose()


@pytest.fixture
def browser(net: Net) -> Browser:
    return Browser(net)


@pytest.fixture
def at_wallet(browser: Browser) -> Browser:
    """Return a browser that was sent from the app to the bridge, and from there to the wallet."""
    browser.open(PLACES.app)
    browser.follow("Sign in with Demo bridge")
    assert browser.at.startswith(f"{PLACES.bridge}/sign-in/")
    browser.follow("Demo wallet")
    assert browser.at == f"{PLACES.wallet}/auth"
    return browser
