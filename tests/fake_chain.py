"""A node of an Antelope chain over canned answers, and the vectors that need one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from oidc_bridge.errors import FetchError
from oidc_bridge.ports import Fetched
from oidc_bridge.proofs.antelope_keys import Key, Signature, write_base58

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "antelope.json").read_text(encoding="utf-8")
)
NODE = "https://eos.example"
EOS = VECTORS["policy"]["chain_id"]
SIGNED_AT = datetime.fromisoformat(VECTORS["now"])


@dataclass
class FakeChain:
    """A `PostJson` that answers as the vectors' node does.

    Attributes:
        changes: Answers by call (``get_info``) that stand in place of the vectors': status and
            body (bytes, or a JSON value), or an error to raise.
        asked: URL and document of each call, in order.
    """

    chain: Mapping[str, Any] = field(default_factory=lambda: VECTORS["chain"])
    changes: dict[str, tuple[int, object] | FetchError] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    def __call__(
        self, url: str, document: Mapping[str, object], *, max_bytes: int, budget: float
    ) -> Fetched:
        self.asked.append((url, document))
        assert 0 < budget <= 30
        call = url.rpartition("/")[2]
        answer = self.changes.get(url) or self.changes.get(call) or self._answer(call, document)
        if isinstance(answer, FetchError):
            raise answer
        status, body = answer
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if len(data) > max_bytes:
            raise FetchError("fetch_too_large", f"more than {max_bytes} bytes")
        return Fetched(status, data)

    def post(self, url: str, document: Mapping[str, object], max_bytes: int) -> Fetched:
        """Answer as `PostDeadline` passes it on."""
        return self(url, document, max_bytes=max_bytes, budget=1.0)

    def _answer(self, call: str, document: Mapping[str, object]) -> tuple[int, object]:
        if call == "get_info":
            return 200, self.chain["get_info"]
        if call in ("get_block", "get_block_info"):
            known = self.chain["get_block"]
            name = str(document.get("block_num", document.get("block_num_or_id")))
            missing = self.chain["not_found"]["get_block"]
        else:
            known, name = self.chain["get_account"], str(document["account_name"])
            missing = self.chain["not_found"]["get_account"]
        if name in known:
            return 200, known[name]
        return missing["status"], missing["body"]


def private_key(name: str) -> PrivateKey:
    return PrivateKey(bytes.fromhex(VECTORS["keys"][name]["private_hex"]))


def key_of(name: str) -> Key:
    known = VECTORS["keys"][name]
    return Key(known["type"], bytes.fromhex(known["point_hex"]))


def spell(signature: Signature) -> str:
    """Return a signature as wallets write it."""
    data = bytes([31 + signature.recovery_id]) + signature.r + signature.s
    return f"SIG_{signature.curve}_{write_base58(data, signature.curve)}"


def sign(key: PrivateKey, digest: bytes) -> Signature:
    """Return a signature by secp256k1; it may be one that the chain would refuse."""
    made = key.sign_recoverable(digest, hasher=None)
    return Signature("K1", made[64], made[:32], made[32:64])


def sentence(
    account: str,
    *,
    permission: str = "active",
    number: int = 400000000,
    suffix: str = "210094B8C270",
) -> str:
    return (
        f"{account} would like to login using the {permission} permission."
        f" Block ID: {number} {suffix}"
    )
