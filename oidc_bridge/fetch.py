"""The only way out: one guarded request to an address that may be a stranger's.

Addresses come from tokens, manifests and registrations, so each request is made as if an attacker
had typed its URL: HTTPS alone, public addresses alone (checked on the address that is connected
to, so a DNS answer that changes in between changes nothing), no redirect, no proxy or password
from the environment, no cookies, and limits on size and on the whole time.

An operator may exempt origins by their exact text, e.g. a name service on loopback. Only these
are spared the check of scheme and address; every other limit holds for them too.
"""

import ipaddress
import json
import re
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock, Semaphore
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests_hardened import Config, HTTPSession  # type: ignore[import-untyped]
from requests_hardened.ip_filter import InvalidIPAddress  # type: ignore[import-untyped]
from requests_hardened.ip_filter_adapter import IPFilterAdapter  # type: ignore[import-untyped]
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from oidc_bridge import __version__
from oidc_bridge.errors import ConfigError, FetchError, RedirectError
from oidc_bridge.ports import Fetched

_URL = re.compile(r"https?://[!-~]+")
_CHUNK = 16384
_MAX_FORM_ANSWER = 16384
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291 section 2.4


@dataclass(frozen=True, slots=True)
class GuardedFetch:
    """A `Fetch` that is safe with any URL.

    Attributes:
        exempt: Origins (``http://127.0.0.1:9000``) that skip the checks of scheme and address.
        budget: Seconds for all of one exchange: name resolution, connection and the last byte.
        at_once: How many exchanges may be under way; one more fails at once, so that slow hosts
            cannot make everybody wait.
        private_ca: File of certificates (PEM) that exempt origins may show besides those that
            everybody trusts.

    Raises:
        ConfigError: ``private_ca_unusable``.
    """

    exempt: frozenset[str] = frozenset()
    budget: float = 4.0
    at_once: int = 32
    private_ca: Path | None = None
    _tls: ssl.SSLContext | None = field(init=False, repr=False, compare=False)
    _workers: ThreadPoolExecutor = field(init=False, repr=False, compare=False)
    _free: Semaphore = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tls", _read_private_ca(self.private_ca))
        workers = ThreadPoolExecutor(self.at_once, thread_name_prefix="fetch")
        object.__setattr__(self, "_workers", workers)
        object.__setattr__(self, "_free", Semaphore(self.at_once))

    def __call__(self, url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        """GET *url*; see `oidc_bridge.ports.Fetch`. No *budget* is larger than our own."""
        seconds = self.budget if budget is None else min(budget, self.budget)
        return self._within_budget("GET", url, None, max_bytes=max_bytes, budget=seconds)

    def post_form(
        self, url: str, fields: Mapping[str, str], *, is_operators: bool = False
    ) -> Fetched:
        """POST *fields* as ``application/x-www-form-urlencoded``; small answers only.

        Args:
            is_operators: An operator typed this very address, so it may be internal.

        Raises:
            FetchError: as for a GET.
        """
        return self._within_budget(
            "POST",
            url,
            fields,
            max_bytes=_MAX_FORM_ANSWER,
            budget=self.budget,
            is_exempt=is_operators,
        )

    def post_json(
        self, url: str, document: Mapping[str, object], *, max_bytes: int, budget: float
    ) -> Fetched:
        """POST *document* as ``application/json``; see `oidc_bridge.ports.PostJson`."""
        body = json.dumps(document).encode()
        seconds = min(budget, self.budget)
        return self._within_budget("POST", url, body, max_bytes=max_bytes, budget=seconds)

    def _within_budget(
        self,
        method: str,
        url: str,
        body: Mapping[str, str] | bytes | None,
        *,
        max_bytes: int,
        budget: float,
        is_exempt: bool = False,
    ) -> Fetched:
        is_exempt = _parse_origin(url) in self.exempt or is_exempt
        if not is_exempt and not url.startswith("https://"):
            raise FetchError("fetch_blocked", "scheme is not https")
        leash = _Leash()
        adapter = _LeashedAdapter(leash, self._tls) if is_exempt else _GuardedAdapter(leash)
        # A socket's own timeout starts anew with every byte, and resolving a name has none. So
        # the exchange runs beside us, and is cut from here when its time is over.
        exchange = partial(_exchange, adapter, method, url, body, max_bytes, budget)
        if not self._free.acquire(blocking=False):
            raise FetchError("fetch_failed", f"{self.at_once} requests are under way already")
        future = self._workers.submit(exchange)
        # Not when we stop waiting, but when it has really ended.
        future.add_done_callback(lambda _: self._free.release())
        try:
            return future.result(timeout=budget)
        except TimeoutError as error:
            future.cancel()
            leash.cut()
            raise FetchError("fetch_failed", f"not done in {budget:.1f} s") from error


class _Leash:
    """Holds the sockets of one exchange, so that another thread can end it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sockets: list[socket.socket] = []
        self._is_cut = False

    def hold(self, held: socket.socket) -> None:
        with self._lock:
            if self._is_cut:
                raise TimeoutError("connected too late")
            self._sockets.append(held)

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            for held in self._sockets:
                with suppress(OSError):
                    # Not SSLSocket's own shutdown, which would swap state under the reader.
                    socket.socket.shutdown(held, socket.SHUT_RDWR)


class _HeldHTTPConnection(HTTPConnection):
    def __init__(self, *args: Any, leash: _Leash, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leash = leash

    def connect(self) -> None:
        super().connect()
        self._leash.hold(self.sock)


class _HeldHTTPSConnection(HTTPSConnection):
    def __init__(self, *args: Any, leash: _Leash, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leash = leash

    def connect(self) -> None:
        super().connect()
        self._leash.hold(self.sock)


class _LeashedAdapter(HTTPAdapter):
    """Connects anywhere, on a leash. On its own it serves exempt origins."""

    def __init__(self, leash: _Leash, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        super().__init__()
        self._leash = leash

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        # What everybody trusts is added by urllib3.
        if self._tls is not None:
            kwargs["ssl_context"] = self._tls
        super().init_poolmanager(*args, **kwargs)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        is_tls = isinstance(pool, HTTPSConnectionPool)
        held = _HeldHTTPSConnection if is_tls else _HeldHTTPConnection
        # urllib3 calls this attribute and asks no more of it than to make a connection.
        pool.ConnectionCls = partial(held, leash=self._leash)
        return pool


class _GuardedAdapter(_LeashedAdapter, IPFilterAdapter):  # type: ignore[misc]
    """Connects over TLS to public addresses, on a leash.

    requests-hardened resolves the name once, refuses what is not public, and puts the address in
    the name's place; TLS still asks for the name.
    """

    def __init__(self, leash: _Leash) -> None:
        self._tls = None  # no private authority vouches for strangers
        IPFilterAdapter.__init__(self, is_https_proto=True)
        self._leash = leash

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(*args, **kwargs)
        # A second opinion: 1.3.0 lets ::127.0.0.1, fec0::/10 and all unassigned IPv6 space pass.
        _check_public(host_params["host"])
        return host_params, pool_kwargs


class _Session(HTTPSession):  # type: ignore[misc]
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: told not to follow, requests would still read the whole body."""


def _read_private_ca(file: Path | None) -> ssl.SSLContext | None:
    if file is None:
        return None
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError("private_ca_unusable", f"{file}: {error}") from error


def _parse_origin(url: str) -> str:
    """Return scheme, host and port of *url*, refusing what two parsers could read differently."""
    if not _URL.fullmatch(url) or "\\" in url:
        raise FetchError("fetch_blocked", "no http(s) address in plain ASCII")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise FetchError("fetch_blocked", "no well-formed address") from error
    if not parts.hostname or "@" in parts.netloc:
        raise FetchError("fetch_blocked", "no host, or a password in the address")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _check_public(host: str) -> None:
    address = ipaddress.ip_address(host.strip("[]"))
    is_public = address.is_global and not address.is_multicast and not address.is_reserved
    if not is_public or (address.version == 6 and address not in _GLOBAL_UNICAST):
        raise InvalidIPAddress(address)


def _exchange(
    adapter: HTTPAdapter,
    method: str,
    url: str,
    body: Mapping[str, str] | bytes | None,
    max_bytes: int,
    timeout: float,
) -> Fetched:
    """Send one request and read its answer, in a session that nothing came before.

    Args:
        body: A form's fields, or a JSON document as it is written.
    """
    config = Config(
        ip_filter_enable=False,  # the adapter does that, for what is not exempt
        ip_filter_allow_loopback_ips=False,
        never_redirect=True,
        default_timeout=(timeout, timeout),
        user_agent_override=f"oidc-bridge/{__version__}",
    )
    # Identity: an answer of ours is small, and what is not packed cannot be a bomb.
    headers = {"Accept-Encoding": "identity"}
    if isinstance(body, bytes):
        headers["Content-Type"] = "application/json"
    try:
        with _Session(config) as session:
            session.trust_env = False
            session.adapters.clear()
            session.mount(url.partition("//")[0] + "//", adapter)
            with session.request(method, url, data=body, headers=headers, stream=True) as answer:
                return _read(answer, max_bytes)
    except InvalidIPAddress as error:
        raise FetchError("fetch_blocked", f"{error} is no public address") from error
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        raise FetchError("fetch_failed", type(error).__name__) from error


def _read(answer: requests.Response, max_bytes: int) -> Fetched:
    if 300 <= answer.status_code < 400:
        raise RedirectError("fetch_blocked", f"redirect, status {answer.status_code}")
    body = bytearray()
    # Counted after decoding, and never believed from Content-Length.
    for chunk in answer.iter_content(_CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise FetchError("fetch_too_large", f"more than {max_bytes} bytes")
    return Fetched(answer.status_code, bytes(body))
