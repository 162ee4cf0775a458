"""An app that is nothing but a page, made of oidc-client-ts; and a place that takes form posts."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from tests.live.certified import FOLDER, need_clients
from tests.live.loopback import Page, served

_LIBRARY = FOLDER / "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"


@dataclass
class PageApp:
    """Where the page lives, and what was posted there."""

    origin: str = ""
    posted: list[Mapping[str, str]] = field(default_factory=list)

    def answer(self, path: str) -> Page:
        if path == "/oidc-client-ts.min.js":
            return 200, "text/javascript", _LIBRARY.read_bytes()
        if path == "/favicon.ico":
            return 404, "text/plain", b""
        return 200, "text/html; charset=utf-8", (FOLDER / "page.html").read_bytes()

    def take(self, path: str, body: bytes) -> Page:
        self.posted.append(dict(parse_qsl(body.decode())))
        return 200, "text/html; charset=utf-8", b"<!doctype html><title>Received</title>"


@contextlib.contextmanager
def page_app() -> Iterator[PageApp]:
    """Serve the app until the end of the block.

    By the other name of loopback: for the browser it is another site than the bridge, as in life.
    """
    need_clients()
    app = PageApp()
    with served(app.answer, take=app.take) as port:
        app.origin = f"http://127.0.0.1:{port}"
        yield app
