"""The OI Chat vectors as a web of canned answers, and who stands in them."""

import ipaddress
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oidc_bridge.errors import FetchError
from oidc_bridge.ports import Fetched
from oidc_bridge.proofs.jsontokens import sign
from oidc_bridge.proofs.names import NameService

FILE = json.loads((Path(__file__).parent / "vectors" / "oi-chat.json").read_text("utf-8"))
CASES: list[dict[str, Any]] = FILE["cases"]
NOW = datetime.fromisoformat(FILE["now"])
PEOPLE = FILE["people"]
CHAT = "https://chat.openintents.org"
GAIA = frozenset({"https://gaia.example"})
SERVICES = (NameService("https://names.example", frozenset({2, 3}), "legacy"),)


@dataclass
class Web:
    """A `Fetch` over the file's web, overlaid with a case's; it refuses what the real one does."""

    over: Mapping[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __call__(self, url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        parts = urlsplit(url)
        if parts.scheme != "https" or "@" in parts.netloc or _is_inside(parts.hostname or ""):
            raise FetchError("fetch_blocked", "not there")
        self.calls.append(url)
        answer = {**FILE["web"], **self.over}.get(url, {"status": 404, "body": ""})
        if 300 <= answer["status"] < 400:
            raise FetchError("fetch_blocked", "redirect")
        body = answer["body"]
        if isinstance(body, dict):
            body = body["repeat"] * body["times"]
        if len(body) > max_bytes:
            raise FetchError("fetch_too_large", f"more than {max_bytes} bytes")
        return Fetched(answer["status"], body.encode())


def _is_inside(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def served(body: object, status: int = 200) -> dict[str, Any]:
    """Return an answer of a `Web`."""
    return {"status": status, "body": body if isinstance(body, str) else json.dumps(body)}


def name_url(name: str) -> str:
    """Return where a name is asked for."""
    return f"https://names.example/v1/names/{name}"


def name_answer(name: str, **changes: object) -> dict[str, Any]:
    """Return the name service's answer for *name*, changed."""
    return served({**json.loads(FILE["web"][name_url(name)]["body"]), **changes})


def zone_file(target: str) -> str:
    """Return a zone file as wallets write it."""
    return f'$ORIGIN x.id\n$TTL 3600\n_http._tcp\tIN\tURI\t10\t1\t"{target}"\n\n'


def profile_file(person: str, *, key: str | None = None, **claim: object) -> dict[str, Any]:
    """Return a profile file of *person*, its claim changed; signed by the private key *key*."""
    identity = PEOPLE[person]["identity"]
    apps = {app: known["bucket"] for app, known in PEOPLE[person]["apps"].items()}
    payload = {
        "issuer": {"publicKey": identity["public_hex"]},
        "claim": deepcopy({"@type": "Person", "apps": apps, **claim}),
    }
    return served([{"token": sign(payload, bytes.fromhex(key or identity["private_hex"]))}])
