"""Measure sign-ins against a running server: ``python -m benchmarks.run``.

What is measured, of each scenario in each round, with N people in flight:

* sign-ins (or requests) per second, and p50 and p99 of every step, seen by the client;
* CPU of the server's processes per sign-in; PostgreSQL's own and the load's are told apart;
* commits per sign-in, counted in the database (`benchmarks.database` says how);
* failed sign-ins, which must be none, and the most memory that was held.

Server and load stand on a core each, where there are two. Scenarios and servers take turns, round
by round, so that what else goes on in the machine hits all alike; the figures are medians over
rounds. Everything stays on loopback and in a temporary folder.
"""

import argparse
import contextlib
import json
import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.database import check_wal_counter, fresh_database, private_postgres
from benchmarks.load import SCENARIOS, Round, Subject, summarise
from benchmarks.report import lines, ratio_lines, ratios
from benchmarks.server import serve

_HERE = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and return 1 if a sign-in failed."""
    options = _parse(arguments)
    if options.list:
        print("\n".join(SCENARIOS))
        return 0
    result = _measure(options)
    print("\n".join(lines(result)))
    for name, subject in result["subjects"].items():
        base = name.replace(" now", " before")
        if base != name and base in result["subjects"]:
            print("\n".join(ratio_lines(name, subject, result["subjects"][base])))
    if options.compare:
        print("\n".join(ratios(result, json.loads(options.compare.read_text()))))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return int(any(_failed(subject) for subject in result["subjects"].values()))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.run", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--sign-ins", type=int, default=200, help="per round and kind (default 200)")
    add("--rounds", type=int, default=5, help="default 5; the figures are medians over them")
    add("--in-flight", type=int, default=8, help="people at once (default 8)")
    add("--workers", type=int, default=1, help="worker processes of the server (default 1)")
    add("--database", metavar="URL", help="an empty PostgreSQL database, instead of SQLite")
    add("--postgres", action="store_true", help="start a PostgreSQL and measure it beside SQLite")
    add("--against", type=Path, metavar="DIR", help="another checkout, measured in turns with this")
    add("--compare", type=Path, metavar="FILE", help="print ratios to an earlier run's --json")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    add("--only", action="append", choices=SCENARIOS, help="leave the other scenarios out")
    add("--list", action="store_true", help="list the scenarios and stop")
    options = parser.parse_args(arguments)
    if options.only and "first sign-in" not in options.only:
        options.only.insert(0, "first sign-in")  # it makes the people that the others need
    return options


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    server_cores, load_cores = {cores[0]}, {cores[-1]}
    if options.workers > 1:
        server_cores = set(cores)
    os.sched_setaffinity(0, load_cores)
    chosen = [name for name in SCENARIOS if name in (options.only or SCENARIOS)]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        check_wal_counter(folder)
        subjects = _subjects(options, stack, folder, server_cores, load_cores)
        rounds: dict[tuple[str, str], list[Round]] = {}
        for subject in subjects:
            subject.warm_up(max(32, options.in_flight))
        for number in range(options.rounds):
            for scenario in chosen:
                for subject in subjects:
                    done = subject.run(scenario, options.sign_ins)
                    rounds.setdefault((subject.name, scenario), []).append(done)
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        return {
            "conditions": {
                "sign_ins": options.sign_ins,
                "rounds": options.rounds,
                "in_flight": options.in_flight,
                "workers": options.workers,
                "cores": len(cores),
                "python": platform.python_version(),
                "sqlite": sqlite3.sqlite_version,
            },
            "subjects": {
                subject.name: {
                    "scenarios": {name: summarise(rounds[subject.name, name]) for name in chosen},
                    "peak_rss_mb": subject.server.peak_rss,
                }
                for subject in subjects
            },
        }


def _subjects(
    options: argparse.Namespace,
    stack: contextlib.ExitStack,
    folder: Path,
    server_cores: set[int],
    load_cores: set[int],
) -> list[Subject]:
    """Start every server that is to be measured."""
    kinds = ["PostgreSQL"] if options.database else ["SQLite"]
    address, postmaster = options.database, None
    if options.postgres:
        # On the load's core: what it costs is counted apart from the bridge's own CPU.
        address, postmaster = stack.enter_context(private_postgres(load_cores))
        kinds = ["SQLite", "PostgreSQL"]
    sources = {"": _HERE}
    if options.against:
        if options.database:
            raise SystemExit("--against needs a database each: use --postgres")
        sources = {" before": options.against.resolve(), " now": _HERE}
    subjects = []
    for kind in kinds:
        for suffix, source in sources.items():
            name = f"{kind}{suffix}"
            home = folder / name.replace(" ", "-")
            home.mkdir()
            database = address if kind == "PostgreSQL" else None
            if database and options.postgres:
                database = fresh_database(database, home.name)
            server = stack.enter_context(
                serve(source, home, database=database, workers=options.workers, cores=server_cores)
            )
            of_database = postmaster if database else None
            subjects.append(Subject(name, server, options.in_flight, of_database))
    return subjects


def _failed(subject: dict[str, Any]) -> int:
    return sum(figures["failed"] for figures in subject["scenarios"].values())


if __name__ == "__main__":
    sys.exit(main())
