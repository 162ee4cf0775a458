"""Where the time of a sign-in goes: ``python -m benchmarks.costs``.

Runs sign-ins one after another in this process, on SQLite or, with ``--database``, PostgreSQL,
through the application's WSGI door: no server, no sockets, no load beside it. Three tables:

* of each step, CPU (median, no profiler running), SQL statements, and transactions by their end;
* functions by their own time, callees left out;
* the bridge's functions by cumulative time.

The last two come from cProfile, which makes Python calls dearer than they are and leaves work in C
as it is: read them as an order, not as milliseconds.
"""

import argparse
import asyncio
import contextlib
import cProfile
import io
import json
import logging
import pstats
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Engine, event

from benchmarks import signin
from benchmarks.load import sites
from benchmarks.server import environment, set_up
from benchmarks.wire import Answer
from oidc_bridge.config import load
from oidc_bridge.factory import create_app
from oidc_bridge.storage import db

_HERE = Path(__file__).resolve().parent.parent
_WATCHED = {
    "before_cursor_execute": "statements",
    "commit": "commits",
    "rollback": "rollbacks",
}
_ISSUER = "http://localhost:8000"


class Door:
    """Calls a WSGI application as a server would, and watches what that costs."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self.profile: cProfile.Profile | None = None
        self.counts: Counter[str] = Counter()

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """See `benchmarks.wire.Connection.send`; the seconds are CPU of this thread."""
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path),
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": headers.get("Content-Type", ""),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in headers.items():
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        started: list[Any] = []
        before = time.thread_time()
        if self.profile is not None:
            self.profile.enable()
        chunks = self._app(environ, lambda *given: started.extend(given))
        content = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        if self.profile is not None:
            self.profile.disable()
        seconds = time.thread_time() - before
        pairs = tuple((name.lower(), value) for name, value in started[1])
        return Answer(int(started[0].split(" ")[0]), pairs, content, seconds)

    @contextlib.contextmanager
    def watching(self, engine: Engine) -> Iterator[None]:
        """Count what the database is asked, until the end of the block."""

        def count(what: str) -> Callable[..., None]:
            return lambda *_args: self.counts.update((what,))

        watchers = [(name, count(what)) for name, what in _WATCHED.items()]
        for name, watcher in watchers:
            event.listen(engine, name, watcher)
        yield
        for name, watcher in watchers:
            event.remove(engine, name, watcher)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser("benchmarks.costs", description=__doc__.split("\n")[0])
    parser.add_argument("--sign-ins", type=int, default=200)
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--returning", action="store_true", help="profile returning sign-ins")
    parser.add_argument("--database", metavar="URL", help="an empty PostgreSQL database")
    parser.add_argument("--stats", type=Path, metavar="FILE", help="keep the profile for pstats")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=io.StringIO())
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        secrets = set_up(folder, _ISSUER, database=options.database, env=environment(_HERE))
        app = create_app(load(folder / "config.toml"))
        door = Door(app.wsgi_app)
        with app.app_context():
            asyncio.run(_run(door, secrets, options))
            db.engine.dispose()


async def _run(door: Door, secrets: Mapping[str, str], options: argparse.Namespace) -> None:
    answer = await door.send("GET", "/jwks", {"Host": "localhost:8000"})
    site, _ = sites(_ISSUER, secrets, json.loads(answer.body))
    for _ in range(20):  # caches, templates
        visitor = signin.new_visitor()
        await signin.sign_in_first(door.send, site, visitor, lambda *_: None)
        await signin.sign_in_again(door.send, site, visitor, lambda *_: None)
    for title, is_first in (("first sign-in", True), ("returning sign-in", False)):
        print(f"\n## {title}, by step\n")
        print("\n".join(await _by_step(door, site, options.sign_ins, is_first=is_first)))
    door.profile = cProfile.Profile()
    for _ in range(options.sign_ins):
        await _sign_in(door, site, lambda *_: None, is_first=not options.returning)
    if options.stats:
        door.profile.dump_stats(options.stats)
    _print_profile(door.profile, options)


async def _by_step(door: Door, site: signin.Site, count: int, *, is_first: bool) -> list[str]:
    """Return the rows of a table of steps."""
    cpu: dict[str, list[float]] = defaultdict(list)
    asked: dict[str, Counter[str]] = defaultdict(Counter)

    def note(step: str, seconds: float) -> None:
        cpu[step].append(seconds)
        asked[step].update(door.counts)
        door.counts.clear()

    with door.watching(db.engine):
        for _ in range(count // 2):
            await _sign_in(door, site, note, is_first=is_first)
    # The times are taken while nobody watches.
    for times in cpu.values():
        times.clear()
    for _ in range(count):
        await _sign_in(door, site, note, is_first=is_first)
    rows = ["| step | CPU ms | statements | commits | rollbacks |", "|---|---:|---:|---:|---:|"]
    totals = [0.0, 0.0, 0.0, 0.0]
    for step, times in cpu.items():
        counts = (asked[step][what] / (count // 2) for what in ("statements", "commits"))
        row = [1000 * statistics.median(times), *counts, asked[step]["rollbacks"] / (count // 2)]
        totals = [total + value for total, value in zip(totals, row, strict=True)]
        rows.append(f"| {step} | {row[0]:.2f} | {row[1]:.1f} | {row[2]:.1f} | {row[3]:.1f} |")
    rows.append(f"| all | {totals[0]:.2f} | {totals[1]:.1f} | {totals[2]:.1f} | {totals[3]:.1f} |")
    return rows


async def _sign_in(door: Door, site: signin.Site, note: signin.Note, *, is_first: bool) -> None:
    """Sign a new person in; for a returning one, the first time goes unnoticed."""
    visitor = signin.new_visitor()
    if is_first:
        await signin.sign_in_first(door.send, site, visitor, note)
        return
    profile, door.profile = door.profile, None
    await signin.sign_in_first(door.send, site, visitor, lambda *_: None)
    door.counts.clear()
    door.profile = profile
    await signin.sign_in_again(door.send, site, visitor, note)


def _print_profile(profile: cProfile.Profile, options: argparse.Namespace) -> None:
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]]
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    whole = sum(entry[2] for entry in stats.values())
    for title, column, is_ours in (("own time", 2, False), ("the bridge, cumulative", 3, True)):
        print(f"\n## {title}\n\n| share | calls per sign-in | function |\n|---:|---:|---|")
        known = [(entry, place) for place, entry in stats.items()]
        if is_ours:
            known = [pair for pair in known if f"{_HERE}/oidc_bridge" in pair[1][0]]
        known.sort(key=lambda pair: pair[0][column], reverse=True)
        for entry, place in known[: options.top]:
            calls = entry[1] / options.sign_ins
            print(f"| {entry[column] / whole:.1%} | {calls:.1f} | {_place(place)} |")


def _place(place: tuple[str, int, str]) -> str:
    path, line, function = place
    if line == 0:
        return function
    short = path.split("site-packages/")[-1].removeprefix(f"{_HERE}/")
    return f"{short}:{line} {function}"


if __name__ == "__main__":
    main()
