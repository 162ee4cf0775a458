"""One ``demo --conformance`` and one stand-in for the suite serve all modules."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from oidc_bridge.demo.conformance import BACKCHANNEL, CONFIGURATION
from tests.conformance.browser import Browser, Visit
from tests.conformance.party import (
    Party,
    Provider,
    Tokens,
    check_callback,
    check_error,
    check_tokens,
)
from tests.conformance.standin import StandIn, stand_in
from tests.live.loopback import Certificates, make_certificates
from tests.live.tools import REPOSITORY, running

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder opens sockets; no file needs to say so."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("live")


@dataclass(frozen=True)
class Demo:
    """A running ``oidc-bridge demo --conformance``."""

    folder: Path
    authority: Path

    def config(self, name: str = CONFIGURATION) -> dict[str, Any]:
        """Return a configuration that it wrote for the suite."""
        read: dict[str, Any] = json.loads((self.folder / name).read_text())
        return read

    def run(self, *arguments: str) -> str:
        """Run another command of the same bridge."""
        command = [*_COMMAND, "--config", str(self.folder / "config.toml"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
        return done.stdout


_COMMAND = (sys.executable, "-m", "oidc_bridge")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def suite(certificates: Certificates) -> Iterator[StandIn]:
    with stand_in(certificates.server) as suite:
        yield suite


@pytest.fixture(scope="session")
def demo(
    suite: StandIn, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    folder, port = tmp_path_factory.mktemp("conformance"), _two_free_ports()
    command = [
        *(*_COMMAND, "demo", "--conformance", "--port", str(port), "--dir", folder),
        *("--suite", suite.suite.base, "--suite-ca", certificates.ca_file),
    ]
    wallet = f"http://localhost:{port + 1}/"
    log = folder / "demo.log"
    with running(command, ready=wallet, log=log, cwd=REPOSITORY, env=os.environ):
        authority = folder / "both.pem"
        bridge, ours = (folder / "localhost.pem").read_text(), certificates.ca_file.read_text()
        authority.write_text(bridge[bridge.index("-----BEGIN CERTIFICATE") :] + ours)
        yield Demo(folder, authority)


@pytest.fixture
def provider(demo: Demo) -> Provider:
    discovery = demo.config()["server"]["discoveryUrl"]
    return Provider.discover(discovery.partition("/.well-known/")[0], demo.authority)


@dataclass
class Module:
    """One module of the suite while it runs: its name, its browser, its client."""

    name: str
    config: Mapping[str, Any]
    suite: StandIn
    browser: Browser
    party: Party
    response_mode: str | None = None
    key: RSAKey | None = field(default=None, repr=False)

    def visit(self, url: str, *, method: str = "GET") -> Visit:
        """Open an address as this module, with the script that the configuration has for it."""
        return self.browser.visit(self.config, self.name, url, method=method)

    def send(
        self, party: Party | None = None, *, method: str = "GET", **changes: str | None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Send the person to the bridge; return what was asked, and what came to the callback."""
        party = party or self.party
        asked = party.request(**{"response_mode": self.response_mode, **changes})
        self.visit(party.url(asked), method=method)
        return asked, self.take_answer()

    def take_answer(self) -> dict[str, str]:
        """Return what came to the callback, in the way that was asked for.

        Form Post Response Mode: all in the body, and nothing in the address.
        """
        call = self.suite.take("callback")
        if self.response_mode != "form_post":
            assert call.method == "GET"
            return call.query
        assert call.method == "POST"
        assert call.content_type == "application/x-www-form-urlencoded"
        assert not {"code", "error"} & set(call.query)
        return call.form

    def flow(
        self,
        party: Party | None = None,
        *,
        told: tuple[str, ...] = (),
        method: str = "GET",
        **changes: str | None,
    ) -> Tokens:
        """Go all the way with the checks that every module makes; return what came."""
        party = party or self.party
        asked, answer = self.send(party, method=method, **changes)
        code = check_callback(party, asked, answer)
        return check_tokens(party, asked, party.redeem(code), told)

    def refused(self, *errors: str, **changes: str | None) -> None:
        """Expect one of *errors* at the callback."""
        asked, answer = self.send(**changes)
        check_error(self.party, asked, answer, *errors)

    def shows(self, **changes: str | None) -> str:
        """Expect a page of the bridge that the script keeps as the picture; return its words."""
        visit = self.visit(self.party.url(self.party.request(**changes)))
        (picture,) = visit.pictures
        assert not self.suite.calls
        return picture

    def register(self, **metadata: Any) -> Party:
        """Register a client as the suite does for ``dynamic_client`` and ``private_key_jwt``."""
        key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        document = {
            "client_name": self.config["client"]["client_name"],
            "redirect_uris": [self.party.redirect_uri],
            "response_types": ["code"],
            "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [key.as_dict(private=False)]},
            "contacts": ["certification@oidf.org"],
            **metadata,
        }
        given = {name: value for name, value in document.items() if value is not None}
        answer = self.try_to_register(given)
        assert answer.status_code == 201, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        taken = answer.json()
        return replace(
            self.party,
            id=taken["client_id"],
            secret=taken.get("client_secret", ""),
            method=taken["token_endpoint_auth_method"],
            redirect_uri=taken["redirect_uris"][0],
            key=key,
            registration=taken,
        )

    def try_to_register(self, document: Mapping[str, Any]) -> Any:
        """Send a registration with the initial access token of the configuration."""
        token = self.config["client"]["initial_access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return self.party.provider.call(
            "POST", "registration_endpoint", json=document, headers=headers
        )


@pytest.fixture
def begin(demo: Demo, suite: StandIn, provider: Provider) -> Callable[..., Module]:
    """Return what begins a module: a fresh browser, and the first static client."""

    def begin(name: str, *, config: str = CONFIGURATION, form_post: bool = False) -> Module:
        suite.begin()
        told = demo.config(config)
        party = party_of(told, "client", provider, suite)
        mode = "form_post" if form_post else None
        return Module(name, told, suite, Browser(demo.authority), party, mode)

    return begin


@pytest.fixture
def begin_backchannel(begin: Callable[..., Module]) -> Callable[[str], Module]:
    """Return the same for the plan whose client is told of sign-outs."""
    return lambda name: begin(name, config=BACKCHANNEL)


def party_of(
    config: Mapping[str, Any], name: str, provider: Provider, suite: StandIn, **more: Any
) -> Party:
    """Return a static client of a configuration."""
    known = config[name]
    redirect_uri = suite.suite.uri("callback")
    return Party(provider, known["client_id"], known["client_secret"], redirect_uri, **more)


def _two_free_ports() -> int:
    """Return the first of two neighbouring ports of loopback that nobody listens on.

    Below those that the system gives to connections, which come and go while the demo starts.
    """
    while True:
        port = 20_000 + 2 * secrets.randbelow(5_000)
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
        return port
