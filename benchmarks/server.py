"""The bridge under test: run as an operator runs it, by its command line, and watched from outside.

CPU is read from the kernel's clock of each process (what ``/proc/<pid>/stat`` shows as utime and
stime in hundredths of a second, here in nanoseconds), summed over the whole tree of ``serve``:
the worker processes, their supervisor and the thread that delivers sign-outs.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """A running bridge."""

    folder: Path
    port: int
    pid: int
    database: str
    secrets: Mapping[str, str]

    @property
    def issuer(self) -> str:
        """Its address, as people type it."""
        return f"http://localhost:{self.port}"

    @property
    def cpu(self) -> float:
        """Seconds of CPU used so far by every process of the server."""
        return cpu_of(self.pid)

    @property
    def peak_rss(self) -> dict[str, int]:
        """Most memory ever held, in MB: by the largest process and by all together."""
        peaks = [_peak_kb(pid) for pid in tree(self.pid)]
        return {"largest": round(max(peaks) / 1024), "all": round(sum(peaks) / 1024)}


HOMESERVER = "https://matrix.example.org"
WIKI_CALLBACK = "https://wiki.example.org/callback"


@contextlib.contextmanager
def serve(
    source: Path, folder: Path, *, database: str | None, workers: int, cores: set[int]
) -> Iterator[Server]:
    """Set a bridge up in *folder* and run it until the end of the block.

    Args:
        source: The checkout whose code runs.
        database: An empty database; SQLite in *folder* if None.
        cores: Where the server may run.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    env = environment(source) | {"OIDC_BRIDGE_SERVER__WORKERS": str(workers)}
    secrets = set_up(folder, f"http://localhost:{port}", database=database, env=env)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_command(folder), "serve", "--host", "127.0.0.1", "--port", str(port)],
            stdout=output,
            stderr=output,
            env=env,
            cwd=folder,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    try:
        _wait(f"http://127.0.0.1:{port}/readyz", process, log)
        yield Server(
            folder,
            port,
            process.pid,
            database or f"sqlite:///{folder / 'bridge.db'}",
            secrets,
        )
    finally:
        # A worker that hangs outlives its supervisor: what is left is killed one by one.
        started = tree(process.pid) if process.poll() is None else []
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                if _is_ours(pid, folder):
                    os.kill(pid, signal.SIGKILL)
        process.wait()


def environment(source: Path) -> dict[str, str]:
    """Return an environment in which the code of the checkout *source* runs, as configured."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith("OIDC_BRIDGE_")}
    return {**kept, "PYTHONPATH": str(source)}


def set_up(
    folder: Path, issuer: str, *, database: str | None, env: Mapping[str, str]
) -> dict[str, str]:
    """Make a bridge in *folder* with a homeserver and a wiki; return its clients' secrets."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*_command(folder), *arguments], capture_output=True, text=True, env=env, cwd=folder
        )
        if done.returncode != 0:
            raise SystemExit(f"oidc-bridge {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    where = ("--database", database) if database else ()
    run("init", "--issuer", issuer, "--name", "Example ID", *where)
    return {
        "synapse": _secret(run("client", "add", "synapse", "--homeserver", HOMESERVER)),
        "wiki": _secret(run("client", "add", "wiki", "--redirect-uri", WIKI_CALLBACK)),
    }


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        for task in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            waiting.extend(int(child) for child in task.read_text().split())
    return found


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU, user and system, that a process and its descendants have used."""
    used = 0.0
    for member in tree(pid):
        # Of children that have ended the kernel keeps hundredths of a second (proc(5): cutime).
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        used += (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        # clock_getcpuclockid(3): the clock of a process is the complement of its id, shifted.
        with contextlib.suppress(OSError):
            used += time.clock_gettime((~member << 3) | 2)
    return used


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "oidc_bridge", "--config", str(folder / "config.toml")]


def _is_ours(pid: int, folder: Path) -> bool:
    """Whether that process still runs a bridge in *folder* (ids are used again)."""
    with contextlib.suppress(OSError):
        return str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _peak_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else 0


def _secret(text: str) -> str:
    found = re.search(r"client_secret: +(\S+)", text)
    if found is None:
        raise SystemExit(f"no secret in:\n{text}")
    return found[1]


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the server did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
