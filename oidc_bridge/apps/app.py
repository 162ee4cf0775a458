"""Which app is asking: read from the ``redirectUrl`` that a homeserver passes through."""

import re
from dataclasses import dataclass
from typing import Literal

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.client import Client
from oidc_bridge.origins import LOOPBACK, Origin, read_origin

AppKind = Literal["web", "native", "unknown", "client"]

_MAX_URL = 4096
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,63}")
# Schemes by which a browser would run or show something instead of opening an app.
_REFUSED_SCHEMES = frozenset(
    [
        "about",
        "blob",
        "chrome",
        "data",
        "file",
        "filesystem",
        "ftp",
        "intent",
        "javascript",
        "resource",
        "vbscript",
        "view-source",
        "ws",
        "wss",
    ]
)


@dataclass(frozen=True, slots=True)
class App:
    """What asks, as the person knows it.

    Attributes:
        key: Identifies it among the apps of one client: ``https://chat.example``, ``element:``,
            or ``""`` where nothing more than the client is known.
        title: What the page calls it.
        host: Host and port where the person goes afterwards; ``""`` if not a web address.
        kind: ``unknown`` is a homeserver client's request without ``redirectUrl``: a
            re-authentication (docs/synapse.md).
    """

    key: str
    title: str
    host: str
    kind: AppKind

    @property
    def is_certain(self) -> bool:
        """Whether nobody else can take its place: any app may claim a scheme, anybody on the way
        may answer for plain http (RFC 8252 section 8.6)."""
        if self.kind == "web":
            return read_origin(self.key).is_trustworthy
        return self.kind != "native"


def which_app(client: Client, redirect_uri: str, redirect_url: str | None) -> App:
    """Return the app that asks through *client* and wants the person back at *redirect_uri*.

    Raises:
        SentError: ``invalid_request`` if *redirect_url* is one that no app could have.
    """
    if client.kind != "homeserver":
        if client.is_native:
            return _native(client, redirect_uri)
        origin = read_origin(redirect_uri)
        return App(str(origin), client.name, _shown(origin), "client")
    if redirect_url is None:
        return App("", client.name, "", "unknown")
    return read_app(redirect_url)


def _native(client: Client, redirect_uri: str) -> App:
    """An app on the person's device: its port is another one each time, and tells nothing."""
    scheme = redirect_uri.partition(":")[0]
    if scheme not in ("http", "https"):
        return App(f"{scheme}:", client.name, "", "native")
    origin = read_origin(redirect_uri)
    if origin.host in LOOPBACK:
        return App(f"{scheme}://{origin.host}", client.name, "", "native")
    return App(str(origin), client.name, _shown(origin), "client")


def key_of(origin: Origin) -> str:
    """Return the key of the app that lives at *origin*."""
    shown = _shown(origin)
    return shown if "://" in shown else f"https://{shown}"


def is_app_scheme(scheme: str) -> bool:
    """Return whether an app on a device may be opened by *scheme* (in lower case)."""
    return _SCHEME.fullmatch(scheme) is not None and scheme not in _REFUSED_SCHEMES


def _shown(origin: Origin) -> str:
    """Return what a page calls a host; that anybody can listen on the way is not left out."""
    host = origin.netloc.replace(".:", ":").removesuffix(".")
    return host if origin.scheme == "https" else f"{origin.scheme}://{host}"


def read_app(redirect_url: str) -> App:
    """Parse once, here; only scheme and host go any further (the rest is the app's own).

    Raises:
        SentError: ``invalid_request`` if it is one that no app could have.
    """
    printable = redirect_url.isascii() and redirect_url.isprintable()
    if not printable or len(redirect_url) > _MAX_URL or set(" \\") & set(redirect_url):
        raise _refusal()
    scheme = redirect_url.partition(":")[0].lower()
    if scheme in ("http", "https"):
        try:
            origin = read_origin(redirect_url)
        except ValueError as error:
            raise _refusal() from error
        shown = _shown(origin)
        return App(key_of(origin), shown, shown, "web")
    if ":" not in redirect_url or not is_app_scheme(scheme):
        raise _refusal()
    return App(f"{scheme}:", f"{scheme} on this device", "", "native")


def _refusal() -> SentError:
    return SentError("invalid_request", "The address of the app (redirectUrl) cannot be used.")
