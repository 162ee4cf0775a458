"""What the libraries of EOS wallets sign now, at a bridge that asks a node on loopback."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from oidc_bridge import storage
from oidc_bridge.config import Settings
from oidc_bridge.errors import ProofError
from oidc_bridge.factory import create_app
from oidc_bridge.sections import Antelope, AntelopeChain
from oidc_bridge.storage.nonces import announce
from oidc_bridge.web.doors.antelope import SignedIn, sign_in
from tests.driver import HOMESERVER, enrol
from tests.fake_chain import EOS, sentence
from tests.live.loopback import Page, served
from tests.live.tools import missing, need_program

FOLDER = Path(__file__).with_name("chains")
BLOCK = 412_345_678
BLOCK_ID = f"{BLOCK:08x}{'5a' * 22}0123456789ab"
SENTENCE = {"number": BLOCK, "suffix": "0123456789AB"}


def sign(library: str, kind: str, message: str) -> dict[str, Any]:
    """Let the real library sign with a key that nobody has."""
    node = need_program("node", "nodejs", package="nodejs")
    if not (FOLDER / "node_modules" / "eosjs").is_dir():
        missing("the libraries of EOS wallets are not installed (`npm ci` in tests/live/chains)")
    done = subprocess.run(
        [node, FOLDER / "sign.mjs"],
        input=json.dumps({"library": library, "type": kind, "message": message}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    signed: dict[str, Any] = json.loads(done.stdout)
    return signed


@dataclass
class Node:
    """A node whose last final block is of just now, and whose accounts have one key each."""

    keys: dict[str, str] = field(default_factory=dict)

    def take(self, path: str, body: bytes) -> Page:
        asked = json.loads(body)
        status, document = self._answer(path.removeprefix("/v1/chain/"), asked)
        return status, "application/json", json.dumps(document).encode()

    def _answer(self, call: str, asked: dict[str, Any]) -> tuple[int, object]:
        if call == "get_info":
            return 200, {"chain_id": EOS, "last_irreversible_block_num": BLOCK}
        if call == "get_block_info" and asked == {"block_num": BLOCK}:
            at = datetime.now(UTC) - timedelta(seconds=2)
            made = f"{at:%Y-%m-%dT%H:%M:%S}.500"
            return 200, {"id": BLOCK_ID, "block_num": BLOCK, "timestamp": made}
        if call == "get_account" and asked["account_name"] in self.keys:
            key = self.keys[asked["account_name"]]
            required = {
                "threshold": 1,
                "keys": [{"key": key, "weight": 1}],
                "accounts": [],
                "waits": [],
            }
            permissions = [{"perm_name": "active", "parent": "owner", "required_auth": required}]
            return 200, {"account_name": asked["account_name"], "permissions": permissions}
        return 500, {"code": 500, "error": {"code": 0, "name": "exception"}}


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def bridge(settings: Settings, node: Node) -> Iterator[Flask]:
    with served(lambda path: (404, "text/plain", b""), take=node.take) as port:
        origin = f"http://127.0.0.1:{port}"
        chain = AntelopeChain(id=EOS, nodes=(origin,))
        ours = settings.model_copy(
            update={
                "allow_private": frozenset({origin}),
                "antelope": Antelope(chains=(chain,)),
            }
        )
        app = create_app(ours)
        enrol(app, HOMESERVER)
        yield app
        with app.app_context():
            storage.db.engine.dispose()


def enter(bridge: Flask, account: str, message: str, signature: str, nonce: str) -> SignedIn:
    now = datetime.now(UTC)
    with bridge.app_context():
        storage.write(
            lambda c: announce(c, nonce, app="", address="", challenge="not used here", now=now)
        )
        password = f"{nonce}|{message}|{signature}"
        return sign_in(HOMESERVER, account, password, now=now)


@pytest.mark.parametrize("kind", ["K1", "R1"])
@pytest.mark.parametrize("library", ["eosjs", "wharfkit"])
def test_what_a_wallets_library_signs_now_signs_in_once(
    bridge: Flask, node: Node, library: str, kind: str
) -> None:
    message = sentence("alicetester1", **SENTENCE)
    signed = sign(library, kind, message)
    node.keys["alicetester1"] = signed["legacyKey"] or signed["publicKey"]

    signed_in = enter(bridge, "alicetester1", message, signed["signature"], "one")

    assert signed_in.localpart == "alicetester1"
    with pytest.raises(ProofError) as refused:
        enter(bridge, "alicetester1", message, signed["signature"], "two")
    assert refused.value.code == "replayed"


def test_the_signature_of_another_key_does_not(bridge: Flask, node: Node) -> None:
    message = sentence("alicetester1", **SENTENCE)
    node.keys["alicetester1"] = sign("wharfkit", "K1", message)["publicKey"]

    with pytest.raises(ProofError) as refused:
        enter(bridge, "alicetester1", message, sign("eosjs", "K1", message)["signature"], "one")
    assert refused.value.code == "authority_not_satisfied"
