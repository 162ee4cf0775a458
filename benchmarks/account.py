"""Measure the account's pages for a long life: ``python -m benchmarks.account``.

Two people are signed in at a running server. One uses one app. The other has used a thousand, with
ten thousand authorizations, an access token of each, and as many entries in the ledger: rows copied
from those that their own sign-in made. Both read the same pages in turns, one request at a time, so
that what else goes on in the machine hits both alike.
"""

import argparse
import contextlib
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from benchmarks import signin
from benchmarks.database import fresh_database, private_postgres
from benchmarks.load import Round, Subject, summarise
from benchmarks.server import Server, serve
from benchmarks.signin import FailedError, Note, Send, Visitor
from oidc_bridge.config import load
from oidc_bridge.factory import open_database
from oidc_bridge.storage import Base, new_id, read, write
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.tokens import AccessTokenRow

_HERE = Path(__file__).resolve().parent.parent
_WARM_UP = 10
PEOPLE = ("one app", "many apps")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and return 1 if a page failed."""
    parser = argparse.ArgumentParser("benchmarks.account", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--apps", type=int, default=1_000, help="of the person who has many (default 1000)")
    add("--grants", type=int, default=10_000, help="of that person (default 10000)")
    add("--views", type=int, default=40, help="of each page per round and person (default 40)")
    add("--rounds", type=int, default=5, help="default 5; the figures are medians over them")
    add("--postgres", action="store_true", help="start a PostgreSQL and measure it, too")
    options = parser.parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))
    failed = 0
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        os.sched_setaffinity(0, {cores[-1]})
        subjects = _subjects(stack, folder, cores, with_postgres=options.postgres)
        for subject in subjects:
            figures = _measure(subject, options)
            print("\n".join(_lines(subject.name, figures)))
            failed += sum(people[who]["failed"] for people in figures.values() for who in PEOPLE)
    return int(failed > 0)


def _subjects(
    stack: contextlib.ExitStack, folder: Path, cores: Sequence[int], *, with_postgres: bool
) -> Iterator[Subject]:
    """Start one server after the other: none stands idle beside the one that is measured."""
    for kind in ("SQLite", "PostgreSQL")[: 1 + with_postgres]:
        home = folder / kind
        home.mkdir()
        database, postmaster = None, None
        if kind == "PostgreSQL":
            address, postmaster = stack.enter_context(private_postgres({cores[-1]}))
            database = fresh_database(address, "account")
        with serve(_HERE, home, database=database, workers=1, cores={cores[0]}) as server:
            yield Subject(kind, server, 1, postmaster)


def _measure(subject: Subject, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the figures of each page, for each of the two people."""
    newcomer, veteran = subject.visitors = [signin.new_visitor(), signin.new_visitor()]

    async def enter(send: Send, number: int, note: Note) -> None:
        await signin.sign_in_first(send, subject.homeserver, subject.visitors[number], note)

    if subject.drive(enter, 2).failed:
        raise SystemExit(f"{subject.name}: nobody could sign in")
    apps = fill(subject.server, veteran, apps=options.apps, grants=options.grants)
    tenth, middle = options.apps // 10, f"app{options.apps // 2:04}.example"
    # Of each page: where it is for either, and what stands on the veteran's.
    pages = {
        "home": ("/account", "/account", "app0000.example"),
        "my apps, in the middle": ("/account", f"/account?page={options.apps // 40}", "example"),
        "search, a tenth found": ("/account?q=chat", "/account?q=0.example", f"{tenth} found"),
        "one app": (*(f"/account/apps/{apps[who]}" for who in PEOPLE), middle),
        "rules": ("/account/rules", "/account/rules", "app0000.example"),
        "activity": ("/account/activity", "/account/activity", "app0000.example"),
    }
    rounds: dict[tuple[str, str], list[Round]] = {}
    for number in range(options.rounds + 1):
        for page, (here, there, shown) in pages.items():
            both = (newcomer, here, "chat.example.org"), (veteran, there, shown)
            for who, (visitor, target, words) in zip(PEOPLE, both, strict=True):
                views = options.views if number else _WARM_UP
                done = _read(subject, visitor, target, words, views)
                if number:
                    rounds.setdefault((page, who), []).append(done)
    return {page: {who: summarise(rounds[page, who]) for who in PEOPLE} for page in pages}


def _read(subject: Subject, visitor: Visitor, target: str, words: str, views: int) -> Round:
    async def view(send: Send, _number: int, note: Note) -> None:
        site = subject.homeserver
        text = await signin.read_page(send, site, visitor, note, "page", target)
        if words not in text:
            raise FailedError(f"{words!r} is not at {target}")

    return subject.drive(view, views)


def fill(server: Server, veteran: Visitor, *, apps: int, grants: int) -> Mapping[str, str]:
    """Give *veteran* a long life; return the id of an app's consent, for each of `PEOPLE`."""
    with open_database(load(server.folder / "config.toml")):
        with read() as connection:
            account_id = _account(connection, veteran)
            (consent,) = _rows(connection, ConsentRow, account_id=account_id)
            (other,) = [one for one in _rows(connection, ConsentRow) if one != consent]
            (given,) = _rows(connection, AuthorizationRow, account_id=account_id)
            (token,) = _rows(connection, AccessTokenRow, authorization_id=given["id"])
            (event,) = _rows(connection, EventRow, account_id=account_id, kind="consent given")
        keys = [f"https://app{number:04}.example" for number in range(apps)]
        consents = [
            {**consent, "id": new_id(), "app": key, "app_title": key.removeprefix("https://")}
            for key in keys
        ]
        authorizations, tokens, events = [], [], []
        for number, key in zip(range(grants), itertools.cycle(keys)):
            at = datetime.now(UTC) - timedelta(hours=number)
            one = {**given, "id": new_id(), "app": key, "code_digest": new_id(), "created_at": at}
            authorizations.append(one)
            tokens.append({**token, "digest": new_id(), "authorization_id": one["id"]})
            detail = {**event["detail"], "app": key}
            events.append({**event, "id": new_id(), "at": at, "detail": detail})

        def add(connection: Connection) -> None:
            connection.execute(insert(ConsentRow), consents)
            connection.execute(insert(AuthorizationRow), authorizations)
            connection.execute(insert(AccessTokenRow), tokens)
            connection.execute(insert(EventRow), events)

        write(add)
    return {"one app": other["id"], "many apps": consents[apps // 2]["id"]}


def _rows(connection: Connection, table: type[Base], **where: object) -> list[dict[str, Any]]:
    found = select(table.__table__).filter_by(**where)
    return [dict(row) for row in connection.execute(found).mappings()]


def _account(connection: Connection, visitor: Visitor) -> str:
    """Return whose account it is, by the ``sub`` that the homeserver was told."""
    found = select(PersonaRow.account_id).where(PersonaRow.sub == visitor.sub)
    return connection.execute(found).scalar_one()


def _lines(name: str, figures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield f"\n## {name}\n"
    yield (
        "| page | one app: p50 ms | server CPU ms | many apps: p50 ms | p99 ms | server CPU ms"
        " | database CPU ms | many / one: CPU |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for page, people in figures.items():
        one, many = (people[who] for who in PEOPLE)
        few, lots = one["steps"]["page"], many["steps"]["page"]
        of_all = [known["server_cpu_ms"] + known["database_cpu_ms"] for known in (many, one)]
        yield (
            f"| {page} | {few['p50_ms']:.1f} | {one['server_cpu_ms']:.1f} | {lots['p50_ms']:.1f}"
            f" | {lots['p99_ms']:.1f} | {many['server_cpu_ms']:.1f}"
            f" | {many['database_cpu_ms']:.1f} | {of_all[0] / of_all[1]:.2f} × |"
        )


if __name__ == "__main__":
    sys.exit(main())
