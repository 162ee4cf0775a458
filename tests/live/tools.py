"""What every server of the live tests needs: a free port, a log file, and to be waited for."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest
import requests

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIRE_ALL = os.environ.get("OIDC_BRIDGE_TEST_REQUIRE_ALL") == "1"

Answer = TypeVar("Answer")


def missing(what: str) -> NoReturn:
    """Skip the test because *what* is missing, or fail it where everything is required."""
    if REQUIRE_ALL:
        pytest.fail(f"required, but missing: {what}", pytrace=False)
    pytest.skip(what)


def need_program(*names: str, package: str) -> Path:
    """Return the first of *names* that is installed; *package* is where Debian has it."""
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    missing(f"{names[0]} is not installed (Debian package {package})")


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(
    question: Callable[[], Answer], *, what: str, seconds: float = 30, log: Path | None = None
) -> Answer:
    """Return the first answer that is true; fail when none comes in time, with the end of *log*."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > end:
            said = f"\n{end_of(log)}" if log else ""
            pytest.fail(f"waited {seconds:g} seconds in vain: {what}{said}", pytrace=False)
        time.sleep(0.05)
    return answer


def end_of(log: Path) -> str:
    """Return the last lines of a log file."""
    return log.read_text(errors="replace")[-4000:]


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    *,
    ready: str,
    log: Path,
    cwd: Path,
    env: Mapping[str, str],
    seconds: float = 60,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block.

    Args:
        ready: Address that answers 200 as soon as the server is ready.
        log: What the server says goes to the end of this file.
    """
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(env), stdout=sink, stderr=sink, start_new_session=True
        )

    def is_ready() -> bool:
        if process.poll() is not None:
            fate = f"{command[0]} ended with {process.returncode}"
            pytest.fail(f"{fate}:\n{end_of(log)}", pytrace=False)
        try:
            return requests.get(ready, timeout=5).status_code == 200
        except requests.RequestException:
            return False

    try:
        wait_for(is_ready, what=ready, seconds=seconds, log=log)
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        # Its workers are in its session too; none of them may outlive the tests.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            pytest.fail(f"{command[0]} did not stop when told to:\n{end_of(log)}", pytrace=False)
