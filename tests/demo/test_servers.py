"""The demo's small servers, over real sockets."""

import signal
import socket
import threading
from pathlib import Path

import pytest
import requests
from flask import Flask

from oidc_bridge.demo import servers
from oidc_bridge.demo.certificate import write_certificate
from oidc_bridge.web import system_clock


def site() -> Flask:
    app = Flask("site")
    app.add_url_rule("/", view_func=lambda: "here")
    return app


@pytest.mark.parametrize("by_https", [False, True])
def test_who_connects_and_says_nothing_keeps_nobody_waiting(by_https: bool, tmp_path: Path) -> None:
    """Browsers do so: they open connections before they know of a use for them."""
    certificate = write_certificate(tmp_path, now=system_clock()) if by_https else None
    answers: list[str] = []

    def serve() -> None:
        with (
            servers.listen([0]) as (taken,),
            servers.serve(site(), taken, certificate=certificate),
            socket.create_connection(taken.getsockname()),
        ):
            port = taken.getsockname()[1]
            address = f"{'https' if by_https else 'http'}://localhost:{port}/"
            answers.append(requests.get(address, verify=str(certificate), timeout=10).text)
        answers.append("ended")

    served = threading.Thread(target=serve, daemon=True)
    served.start()
    served.join(30)

    assert answers == ["here", "ended"]


def test_the_end_is_heard_of_when_another_thread_gets_the_signal() -> None:
    stop, given_up = threading.Event(), threading.Event()

    def take_the_signal() -> None:
        given_up.wait(0.2)  # until the main thread sleeps
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        if not stop.wait(10):
            given_up.set()
            stop.set()

    before = signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    other = threading.Thread(target=take_the_signal)
    other.start()
    servers.wait_for(stop)
    other.join()
    signal.signal(signal.SIGUSR1, before)

    assert not given_up.is_set()
