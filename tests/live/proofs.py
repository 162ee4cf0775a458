"""People whose proof goes where a password would: chat apps' people, and accounts of EOS."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from coincurve import PrivateKey
from playwright.sync_api import Page as Tab

from oidc_bridge.proofs.addresses import public_key_to_address
from tests.fake_chain import sentence
from tests.fake_names import FakeNames
from tests.live.loopback import Page
from tests.live.synapse import SERVER_NAME
from tests.live.test_chains import SENTENCE, Node, sign
from tests.live.wallet import MNEMONIC, Person, new_person, write_for_oichat
from tests.live.world import World

CHAT = "https://chat.oi.example"
_POST = """async ([address, body]) => {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
  return answer.json();
}"""


@dataclass
class Gaia:
    """A storage hub, and the register whose names lead there."""

    names: FakeNames = field(default_factory=lambda: FakeNames("", "legacy"))
    files: dict[str, bytes] = field(default_factory=dict)
    origin: str = ""

    def page(self, path: str) -> Page:
        if path.startswith("/v1/"):
            return self.names.page(path)
        body = self.files.get(path)
        return (404, "text/plain", b"") if body is None else (200, "text/plain", body)


@dataclass(frozen=True)
class Door:
    """Where challenges are asked for and answered, as scripts of any origin do.

    One address may ask for 30 in five minutes: some two dozen are left to the tests of one file.
    """

    world: World
    ca_file: str

    def ask(self, nonce: str, **headers: str) -> dict[str, Any]:
        url = f"{self.world.bridge.issuer}/c/{nonce}"
        answer = requests.post(url, headers=headers, verify=self.ca_file, timeout=30)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def answer(self, url: str, **members: object) -> None:
        answer = requests.post(url, json=members, verify=self.ca_file, timeout=30)
        assert answer.status_code == 204, answer.text


@dataclass
class Chatter:
    """Somebody whom chat apps sign in: a name, a profile on the hub, a key for each app."""

    door: Door
    gaia: Gaia
    person: Person = field(default_factory=new_person)
    keys: dict[str, bytes] = field(default_factory=dict)
    address: str = ""
    """Of the identity, once a wallet has signed a profile by it."""

    @property
    def name(self) -> str:
        return f"chatter{self.person.account}.id"

    def mxid(self, own_of: str = "") -> str:
        return f"@{self.name}{own_of}:{SERVER_NAME}"

    def password(self, app: str = CHAT, *, posts: bool = True, key: bytes | None = None) -> str:
        """Let *app* answer a challenge, and return what it then sends in a password's place.

        Args:
            posts: Whether it posts a signature, or writes the file of 2019.
            key: Signs in the place of the app's own.
        """
        nonce = f"{self.name}{secrets.randbits(52) / 2**52!r}"
        asked = self.door.ask(nonce, Origin=app)
        written = self._write(app, asked["challenge"], key)
        if posts:
            self.door.answer(asked["answer_url"], **self._words(nonce, app, written))
        else:
            file = f"{self._bucket(app)}mxid.json"
            self.gaia.files[file] = asked["challenge"].encode()
        return f"{nonce}|{app}|{self.name}"

    def confirm(self, tab: Tab, address: str) -> str:
        """Let the app that lives in *tab* answer what a sign-in page asks; return the code."""
        asked = tab.evaluate("async address => (await fetch(address)).json()", address)
        app = tab.evaluate("location.origin")
        words = self._words(asked["nonce"], app, self._write(app, asked["challenge"]))
        return str(tab.evaluate(_POST, [asked["answer_url"], words])["code"])

    def _bucket(self, app: str) -> str:
        own = self.keys.setdefault(app, secrets.token_bytes(32))
        return f"/hub/{public_key_to_address(PrivateKey(own).public_key.format()).btc}/"

    def _words(self, nonce: str, app: str, written: Mapping[str, Any]) -> dict[str, str]:
        """Return what an app posts: who it is, and its signature."""
        (signed,) = written["signatures"]["blockstack"]
        return {"nonce": nonce, "appDomain": app, "blockstackId": self.name, **signed}

    def _write(self, app: str, challenge: str, key: bytes | None = None) -> Mapping[str, Any]:
        """Publish name and profile, and return what wallet and app write."""
        bucket, profile = self._bucket(app), f"/{self.name}/profile.json"
        written = write_for_oichat(
            name=self.name,
            mnemonic=MNEMONIC,
            account=self.person.account,
            appKey=(key or self.keys[app]).hex(),
            app=app,
            bucket=self.gaia.origin + bucket,
            profileUrl=self.gaia.origin + profile,
            challenges=[challenge],
        )
        self.address = written["identityAddress"]
        self.gaia.names.give(self.name, self.address, zonefile=written["zoneFile"])
        self.gaia.files[profile] = json.dumps(written["profile"]).encode()
        return written


@dataclass
class Account:
    """An account of EOS, whose key signs by a wallet's library."""

    door: Door
    node: Node
    name: str

    @property
    def mxid(self) -> str:
        return f"@{self.name}:{SERVER_NAME}"

    def password(self, library: str = "eosjs") -> str:
        nonce = secrets.token_hex(16)
        self.door.ask(nonce)
        message = sentence(self.name, **SENTENCE)
        signed = sign(library, "K1", message)
        self.node.keys[self.name] = signed["legacyKey"]
        return f"{nonce}|{message}|{signed['signature']}"
