"""Runs several small servers in one process; for the demo only."""

import errno
import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.serving import WSGIRequestHandler, make_server

from oidc_bridge.errors import BridgeError
from oidc_bridge.logout import Courier

log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_POLL_SECONDS = 1.0
_STOP_SECONDS = 0.1
_WAKE_SECONDS = 0.5


class _SilentHandler(WSGIRequestHandler):
    """Writes no request down: query strings hold wallets' answers, codes and login tokens."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Write nothing; what the app itself logs and tracebacks are not touched."""


@contextmanager
def listen(ports: Sequence[int]) -> Iterator[list[socket.socket]]:
    """Take *ports* on loopback.

    Raises:
        BridgeError: ``port_taken``.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_take(port)) for port in ports]


@contextmanager
def serve(app: Flask, taken: socket.socket, *, certificate: Path | None = None) -> Iterator[None]:
    """Serve *app* on a port that `listen` took; by https with a *certificate* (key included)."""
    server = make_server(
        _HOST,
        taken.getsockname()[1],
        app,
        threaded=True,
        request_handler=_SilentHandler,
        ssl_context=(str(certificate), str(certificate)) if certificate else None,
        fd=taken.fileno(),
    )
    if isinstance(server.socket, ssl.SSLSocket):
        # Else it is done where connections are accepted, and one that says nothing blocks them all.
        server.socket.do_handshake_on_connect = False  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(_STOP_SECONDS,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def deliver(app: Flask, courier: Courier) -> Iterator[None]:
    """Bring sign-outs to apps until the end of the block."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(_POLL_SECONDS):
            try:
                with app.app_context():
                    courier.deliver()
            except SQLAlchemyError:
                log.exception("logout deliveries failed; trying again")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_for(stop: threading.Event) -> None:
    """Wait for *stop*, which a signal's handler sets.

    The system may give the signal to any thread, and Python runs the handler in the main one, once
    that is awake: one that slept without end would never hear of it.
    """
    while not stop.wait(_WAKE_SECONDS):
        pass


def _take(port: int) -> socket.socket:
    try:
        # Browsers try ::1 first for localhost: a stranger there would get our visitors.
        socket.create_server(("::1", port), family=socket.AF_INET6).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _port_taken(port) from error
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        raise _port_taken(port) from error


def _port_taken(port: int) -> BridgeError:
    return BridgeError(
        "port_taken",
        f"something else listens on port {port} of this machine, or it may not be used."
        " Stop that, or choose others: `oidc-bridge demo --port 9000` takes 9000 to 9005",
    )
