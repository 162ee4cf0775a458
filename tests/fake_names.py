"""A name service that can be told what to say: a register, and every way in which it may fail.

It is a `Fetch` for unit tests, and `FakeNames.page` is what `tests.live.loopback.served` serves.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from oidc_bridge.errors import FetchError
from oidc_bridge.ports import Fetched

Page = tuple[int, str, bytes]
"""Status, media type, body."""

_BURN_BLOCK = 869830
_FAILURES: dict[str, Callable[[Page], Page]] = {
    "500": lambda page: (500, "application/json", b'{"error":"Internal Server Error"}'),
    "503": lambda page: (503, "text/html", b"<h1>503 Service Temporarily Unavailable</h1>"),
    "504": lambda page: (504, "application/json", b'{"error":"Query timeout"}'),
    "429": lambda page: (429, "application/json", b'{"error":"Too Many Requests"}'),
    "html": lambda page: (200, "text/html", b"<!doctype html><title>Sign in to Wi-Fi</title>"),
    "html 404": lambda page: (404, "text/html", b"<!doctype html><title>Not here</title>"),
    "truncated": lambda page: (*page[:2], page[2][:-1]),
    "duplicate keys": lambda page: (*page[:2], page[2][:-1] + b"," + page[2][1:]),
    "list": lambda page: (*page[:2], b"[" + page[2] + b"]"),
    "too large": lambda page: (*page[:2], page[2] + b" " * 65536),
    # The Stacks API's answer for an unknown subdomain: to a host that a stranger chose.
    "redirect": lambda page: (302, "text/plain", b"Found. Redirecting to https://evil.example/"),
}


@dataclass
class FakeNames:
    """A name service of one system.

    Attributes:
        url: Its base address.
        system: ``v2``, ``v1`` or ``legacy``.
        asked: The paths that were asked for, in order.
    """

    url: str
    system: str = "v2"
    asked: list[str] = field(default_factory=list)
    _owners: dict[str, str] = field(default_factory=dict)
    _changes: dict[str, dict[str, object]] = field(default_factory=dict)
    _listed: list[object] = field(default_factory=list)
    _failure: str | None = None
    _failing: str = ""
    _recovered: threading.Event = field(default_factory=threading.Event)

    def give(self, name: str, owner: str, /, **changes: object) -> None:
        """Register *name*; *changes* are members of its answer that differ, None leaves one out."""
        self._owners[name] = owner
        self._changes[name] = changes

    def transfer(self, name: str, owner: str) -> None:
        """Give a name that is known to another owner."""
        assert name in self._owners, name
        self._owners[name] = owner

    def take(self, name: str) -> None:
        """Forget *name*, as if it had never been registered."""
        del self._owners[name]

    def list_too(self, *entries: object) -> None:
        """Put *entries* into every list, whoever's it is."""
        self._listed += entries

    def fail(self, how: str | None, *, paths: str = "") -> None:
        """Fail in this way (``timeout`` or one of `_FAILURES`) where a path holds *paths*."""
        assert how is None or how == "timeout" or how in _FAILURES, how
        self._failure, self._failing = how, paths
        if how != "timeout":
            self._recovered.set()
            self._recovered = threading.Event()

    def page(self, path: str) -> Page:
        """Answer *path* as a web server; a timeout lasts until the service may work again."""
        self.asked.append(path)
        page = self._answer(path)
        if self._failure is None or self._failing not in path:
            return page
        if self._failure == "timeout":
            self._recovered.wait(30)
            return page
        return _FAILURES[self._failure](page)

    def __call__(self, url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        """Answer *url* as `Fetch` does."""
        assert url.startswith(f"{self.url}/"), url
        path = url.removeprefix(self.url)
        if self._failure == "timeout" and self._failing in path:
            self.asked.append(path)
            raise FetchError("fetch_failed", "no answer in time")
        status, _, body = self.page(path)
        if 300 <= status < 400:
            raise FetchError("fetch_blocked", f"redirect, status {status}")
        if len(body) > max_bytes:
            raise FetchError("fetch_too_large", f"more than {max_bytes} bytes")
        return Fetched(status, body)

    def _answer(self, path: str) -> Page:
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        match (self.system, parts):
            case ("v2", ["names", "address", holder, "valid"]):
                return self._list_v2(holder)
            case ("v2", ["names", name]) if name in self._owners:
                return _json(200, self._name_v2(name))
            case ("v1", ["v1", "addresses", "stacks", holder]):
                return _json(200, {"names": [*self._held_by(holder), *self._listed]})
            case ("legacy", ["v1", "addresses", "bitcoin", holder]):
                return _json(200, {"names": [*self._held_by(holder), *self._listed]})
            case ("v1" | "legacy", ["v1", "names", name]) if name in self._owners:
                return _json(200, self._name_v1(name))
        return _json(404, {"error": "Name not found"})

    def _held_by(self, holder: str) -> list[str]:
        return [name for name, owner in self._owners.items() if owner == holder]

    def _list_v2(self, holder: str) -> Page:
        rows: list[object] = [self._row(name) for name in self._held_by(holder)]
        rows += self._listed
        page = {"total": len(rows), "current_burn_block": _BURN_BLOCK, "limit": 50, "offset": 0}
        return _json(200, {**page, "names": rows[:50]})

    def _row(self, name: str) -> dict[str, object]:
        first, _, namespace = name.partition(".")
        return {
            "full_name": name,
            "name_string": first,
            "namespace_string": namespace,
            "owner": self._owners[name],
            "registered_at": "162886",
            "renewal_height": "1000000",
            "stx_burn": "2000000",
            "revoked": False,
        }

    def _name_v2(self, name: str) -> dict[str, object]:
        changes = dict(self._changes[name])
        outer = {key: changes.pop(key) for key in ("status", "network") if key in changes}
        data = self._row(name) | {"imported_at": None, "preordered_by": None, "is_valid": True}
        data = _changed(data, changes)
        answer = {"current_burn_block": _BURN_BLOCK, "status": "active", "data": data}
        return _changed(answer, outer)

    def _name_v1(self, name: str) -> dict[str, object]:
        is_subdomain = name.count(".") == 2
        status = "registered" if self.system == "legacy" else "name-register"
        answer = {
            "address": self._owners[name],
            "blockchain": "bitcoin" if self.system == "legacy" else "stacks",
            "last_txid": "0x" + "5a" * 32,
            "status": "registered_subdomain" if is_subdomain else status,
            "zonefile_hash": "b1" * 20,
        }
        return _changed(answer, self._changes[name])


def _changed(answer: dict[str, object], changes: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in (answer | changes).items() if value is not None}


def _json(status: int, body: object) -> Page:
    return status, "application/json; charset=utf-8", json.dumps(body).encode()
