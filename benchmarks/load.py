"""The load: so many people in flight, each on a connection of their own, and what it cost."""

import asyncio
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks import signin
from benchmarks.database import commit_counter
from benchmarks.server import HOMESERVER, WIKI_CALLBACK, Server, cpu_of
from benchmarks.signin import FailedError, Note, Send, Site, Visitor
from benchmarks.wire import Connection

SCENARIOS = ("first sign-in", "returning sign-in", "refresh", "userinfo", "discovery", "jwks")
# Endpoints that cost a fraction of a sign-in are asked more often, or their CPU would be noise.
_TIMES = {"refresh": 3, "userinfo": 5, "discovery": 10, "jwks": 10}

Job = Callable[[Send, int, Note], Awaitable[None]]


@dataclass
class Round:
    """One scenario, run *count* times over.

    Attributes:
        wall, server_cpu, database_cpu, load_cpu: Seconds, of all *count* together. The database's
            is 0 for SQLite, whose work is the server's own.
        steps: Seconds of each step's exchanges.
    """

    count: int
    failed: int = 0
    wall: float = 0.0
    server_cpu: float = 0.0
    database_cpu: float = 0.0
    load_cpu: float = 0.0
    commits: int = 0
    steps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class Subject:
    """A server under test and the people who use it."""

    name: str
    server: Server
    in_flight: int
    postmaster: int | None = None
    homeserver: Site = field(init=False)
    wiki: Site = field(init=False)
    visitors: list[Visitor] = field(default_factory=list)
    members: list[Visitor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._commits = commit_counter(self.server.database)
        jwks = asyncio.run(self._fetch_jwks())
        self.homeserver, self.wiki = sites(self.server.issuer, self.server.secrets, jwks)

    def warm_up(self, count: int) -> None:
        """Let caches fill, templates compile and pools grow; sign the wiki's members in."""
        self.members = [signin.new_visitor() for _ in range(self.in_flight)]

        async def enter(send: Send, number: int, note: Note) -> None:
            await signin.sign_in_first(send, self.wiki, self.members[number], note)

        entered = self.drive(enter, self.in_flight)
        rounds = [entered, *(self.run(name, count) for name in SCENARIOS)]
        if any(known.failed for known in rounds):
            raise SystemExit(f"{self.name}: sign-ins failed while warming up")

    def run(self, scenario: str, count: int) -> Round:
        """Run one scenario *count* times (cheap ones a multiple of that)."""
        count *= _TIMES.get(scenario, 1)
        if scenario == "first sign-in":
            self.visitors = [signin.new_visitor() for _ in range(count)]
        return self.drive(self._job(scenario), count)

    def _job(self, scenario: str) -> Job:
        site, visitors, members = self.homeserver, self.visitors, self.members
        lanes = self.in_flight
        match scenario:
            case "first sign-in":
                return lambda send, n, note: signin.sign_in_first(send, site, visitors[n], note)
            case "returning sign-in":
                return lambda send, n, note: signin.sign_in_again(send, site, visitors[n], note)
            case "refresh":
                # A lane takes every lanes-th job, so no two use one member's token at once.
                return lambda send, n, note: signin.refresh(
                    send, self.wiki, members[n % lanes], note
                )
            case "userinfo":
                return lambda send, n, note: signin.userinfo(
                    send, site, visitors[n % len(visitors)], note
                )
            case "discovery":
                path = "/.well-known/openid-configuration"
                return lambda send, n, note: signin.fetch(send, site, path, note)
            case _:
                return lambda send, n, note: signin.fetch(send, site, "/jwks", note)

    def drive(self, job: Job, count: int) -> Round:
        """Run *job* for the numbers up to *count*, *in_flight* at a time, and take stock."""
        done = Round(count)
        server, postmaster = self.server.pid, self.postmaster
        commits, server_cpu = self._commits(), cpu_of(server)
        database_cpu = cpu_of(postmaster) if postmaster else 0.0
        load_cpu, wall = time.process_time(), time.perf_counter()
        asyncio.run(self._lanes(job, done))
        done.wall = time.perf_counter() - wall
        done.load_cpu = time.process_time() - load_cpu
        done.server_cpu = cpu_of(server) - server_cpu
        done.database_cpu = cpu_of(postmaster) - database_cpu if postmaster else 0.0
        done.commits = self._commits() - commits
        return done

    async def _lanes(self, job: Job, done: Round) -> None:
        async def lane(first: int) -> None:
            connection = Connection(self.server.port)
            for number in range(first, done.count, self.in_flight):
                try:
                    await job(connection.send, number, lambda step, s: done.steps[step].append(s))
                except (FailedError, OSError, ValueError, KeyError) as error:
                    done.failed += 1
                    if done.failed <= 3:
                        print(f"{self.name}: failed: {error!r}")
            connection.close()

        await asyncio.gather(*(lane(first) for first in range(self.in_flight)))

    async def _fetch_jwks(self) -> dict[str, object]:
        connection = Connection(self.server.port)
        answer = await connection.send("GET", "/jwks", {"Host": "localhost"})
        connection.close()
        keys: dict[str, object] = json.loads(answer.body)
        return keys


def sites(issuer: str, secrets: Mapping[str, str], jwks: Mapping[str, object]) -> tuple[Site, Site]:
    """Return the two relying parties: a homeserver, and a wiki that takes all there is."""
    callback = f"{HOMESERVER}/_synapse/client/oidc/callback"
    chat = {"redirectUrl": "https://chat.example.org/#/login"}
    every = ("openid", "profile", "email", "offline_access")
    return (
        Site(issuer, "synapse", secrets["synapse"], callback, ("openid", "profile"), jwks, chat),
        Site(issuer, "wiki", secrets["wiki"], WIKI_CALLBACK, every, jwks),
    )


def summarise(rounds: Sequence[Round]) -> dict[str, object]:
    """Return one scenario's figures: medians over rounds; percentiles of all exchanges."""

    def median(of: Callable[[Round], float]) -> float:
        return statistics.median(of(one) for one in rounds)

    steps: dict[str, list[float]] = defaultdict(list)
    for one in rounds:
        for name, seconds in one.steps.items():
            steps[name].extend(seconds)
    cpu = [1000 * one.server_cpu / one.count for one in rounds]
    return {
        "count": sum(one.count for one in rounds),
        "failed": sum(one.failed for one in rounds),
        "per_second": median(lambda one: one.count / one.wall),
        "server_cpu_ms": statistics.median(cpu),
        "server_cpu_ms_range": [min(cpu), max(cpu)],
        "database_cpu_ms": median(lambda one: 1000 * one.database_cpu / one.count),
        "load_cpu_ms": median(lambda one: 1000 * one.load_cpu / one.count),
        "commits": sum(one.commits for one in rounds) / sum(one.count for one in rounds),
        "steps": {
            name: {"p50_ms": _percentile(times, 50), "p99_ms": _percentile(times, 99)}
            for name, times in steps.items()
        },
    }


def _percentile(times: Sequence[float], percent: int) -> float:
    return 1000 * sorted(times)[min(len(times) - 1, len(times) * percent // 100)]
