"""A Matrix client that shows widgets, made of matrix-widget-api; and the sites of strangers."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests.live.loopback import Page, served
from tests.live.tools import missing

FOLDER = Path(__file__).with_name("widget")
# The library's minified bundle is broken.
_LIBRARY = FOLDER / "node_modules/matrix-widget-api/dist/api.js"


def need_widget_api() -> None:
    """Skip (or fail) the test unless the library is there."""
    if not _LIBRARY.is_file():
        missing("matrix-widget-api is not installed (run `npm ci` in tests/live/widget)")


@dataclass(frozen=True)
class WidgetHost:
    """Where the Matrix client lives, and a stranger who has all that it has but is not listed."""

    origin: str
    stranger: str

    def url(self, widget: str, *, how: str = "allow", says: str = "") -> str:
        """Return where the client shows *widget*.

        Args:
            how: What its person answers: ``allow``, ``block``, ``ask`` (they are asked), ``error``;
                ``never``: nothing at all.
            says: What ``parentUrl`` says, if not the truth.
        """
        return f"{self.origin}/?{_query(widget, how, says)}"

    def stranger_url(self, widget: str, *, says: str = "") -> str:
        """Return where the stranger shows it."""
        return f"{self.stranger}/?{_query(widget, 'allow', says)}"


def _query(widget: str, how: str, says: str) -> str:
    return urlencode({"widget": widget, "how": how, **({"says": says} if says else {})})


def _answer(path: str) -> Page:
    name = urlsplit(path).path
    if name == "/api.js":
        return 200, "text/javascript", _LIBRARY.read_bytes()
    if name == "/sibling":
        return 200, "text/html", b"<!doctype html><title>Another widget</title>"
    if name != "/":
        return 404, "text/plain", b""
    return 200, "text/html; charset=utf-8", (FOLDER / "host.html").read_bytes()


@contextlib.contextmanager
def widget_host() -> Iterator[WidgetHost]:
    """Serve both until the end of the block.

    By the other name of loopback: for the browser they are another site than the bridge.
    """
    with served(_answer) as port, served(_answer) as strangers_port:
        yield WidgetHost(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{strangers_port}")
