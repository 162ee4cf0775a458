"""A stand-in for the suite's own addresses: what a module of it serves, and what it is sent."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from oidc_bridge.demo.suite import Suite

# What the suite's pages have once a module has taken what came.
_TAKEN = b"<!doctype html><title>taken</title><p id='submission_complete'>Taken</p>"


@dataclass(frozen=True)
class Call:
    """One request to the suite."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    content_type: str


@dataclass
class StandIn:
    """Takes what comes to ``/test/a/<alias>/``, and serves the documents of the module."""

    port: int = 0
    calls: list[Call] = field(default_factory=list)
    documents: dict[str, object] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    @property
    def suite(self) -> Suite:
        return Suite(f"https://localhost:{self.port}")

    def begin(self) -> None:
        """Forget the module before."""
        self.calls.clear()
        self.documents.clear()

    def serve(self, name: str, document: object) -> str:
        """Serve a JSON document; return where."""
        self.documents[name] = document
        return self.suite.uri(name)

    def take(self, name: str, *, seconds: float = 10) -> Call:
        """Return the next call to the address *name*, and count it as expected."""

        def next_call() -> Call | None:
            return next((call for call in self.calls if call.path.endswith(f"/{name}")), None)

        with self.arrived:
            assert self.arrived.wait_for(next_call, seconds), f"nothing came to {name}"
            call = next_call()
            assert call is not None
            self.calls.remove(call)
        return call


@contextmanager
def stand_in(tls: ssl.SSLContext) -> Iterator[StandIn]:
    """Run one by https on loopback until the end of the block."""
    suite = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = urlsplit(self.path).path.rpartition("/")[2]
            if self.command == "GET" and name in suite.documents:
                body, kind = json.dumps(suite.documents[name]).encode(), "application/json"
            else:
                self._note()
                body, kind = _TAKEN, "text/html; charset=utf-8"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def _note(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            call = Call(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                dict(parse_qsl(body, keep_blank_values=True)),
                self.headers.get("Content-Type", ""),
            )
            if parts.path.startswith("/test/a/"):
                with suite.arrived:
                    suite.calls.append(call)
                    suite.arrived.notify_all()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    suite.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield suite
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
