"""How long the admin pages take with very many people, on PostgreSQL.

    python -m benchmarks.admin [--people 100000] [--events 200000]

One process, no network: what is measured is from the WSGI call to the last byte, which is the
server's own time. Each page is asked for 30 times after one that is not counted; the median and the
slowest are printed, with the number of statements. No test asserts a time (see README.md); the
number of statements is held by ``tests/web/admin``.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import Connection, create_engine, event, make_url, text

from benchmarks.database import private_postgres
from oidc_bridge.cli.setup import prepare
from oidc_bridge.factory import create_app
from oidc_bridge.storage import db, write
from oidc_bridge.storage.admins import set_role
from oidc_bridge.storage.apps import add_client
from tests.conftest import Clock, make_settings
from tests.driver import HOMESERVER, Person
from tests.fakes import NOW, FakeFetch, FakeWallet
from tests.web.admin.conftest import account_of
from tests.web.admin.many import (
    account_id,
    add_apps,
    add_entries,
    add_events,
    add_people,
    add_requests,
    address,
    app_name,
    name,
)

_TIMES = 30
_APPS = 1_000


def main() -> None:
    """Fill a database, ask for each page, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=200_000)
    wanted = parser.parse_args()
    with (
        private_postgres(os.sched_getaffinity(0)) as (server, _),
        tempfile.TemporaryDirectory() as folder,
    ):
        settings = make_settings(Path(folder), _database_of_a_language(server))
        prepare(settings)
        app = create_app(settings, clock=Clock(), fetch=FakeFetch())
        with app.app_context():
            write(lambda connection: _fill(connection, wanted.people, wanted.events))
            with db.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
        app.extensions["oidc_bridge"].snapshots.forget()
        _measure(app, _an_owner(app), wanted.people)
        with app.app_context():
            db.engine.dispose()


def _database_of_a_language(server: str) -> str:
    """Make a database that sorts text by a language, as most do; sorted by signs (C), more of our
    conditions could be answered from an index than there can."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        options = "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        connection.execute(text(f"CREATE DATABASE admin {options}"))
    engine.dispose()
    return make_url(server).set(database="admin").render_as_string(hide_password=False)


def _fill(connection: Connection, people: int, events: int) -> None:
    add_client(connection, HOMESERVER, now=NOW)
    add_people(connection, people)
    add_apps(connection, _APPS, people)
    add_entries(connection, app_name(1), 5_000)
    add_requests(connection, app_name(2), 1_000)
    half = events // 2
    add_events(connection, half)
    add_events(connection, half, kind="code redeemed", at=NOW - timedelta(days=30))


def _an_owner(app: Flask) -> Person:
    owner = Person(app, _now, FakeWallet.named("owner"))
    owner.prove(owner.begin_account())
    own = account_of(app, owner)
    with app.app_context():
        write(lambda connection: set_role(connection, own, "owner", now=NOW))
    return owner


def _now() -> datetime:
    return NOW


def _measure(app: Flask, owner: Person, people: int) -> None:
    middle = people // 2
    pages = {
        "people, first page": "/admin/people",
        "people, from the middle": (
            f"/admin/people?after={(NOW - timedelta(days=200)).isoformat().replace('+', '%2B')}"
            f"&after_id={account_id(middle)}"
        ),
        "people, blocked": "/admin/people?show=blocked",
        "search, all fit": "/admin/people?find=p",
        "search, all addresses fit": "/admin/people?find=SP",
        "search, a name": f"/admin/people?find={name(middle)}",
        "search, half an address": f"/admin/people?find={address(middle)[:30]}",
        "search, a Matrix ID": f"/admin/people?find=@user-{middle:06d}:matrix.example",
        "search, all Matrix IDs fit": "/admin/people?find=@",
        "search, nobody": "/admin/people?find=zzz",
        "one person": f"/admin/people/{account_id(middle)}",
        "why": f"/admin/people/{account_id(middle)}/why?client=synapse&app=https://chat.example",
        "events": "/admin/events",
        "events of a kind": "/admin/events?kind=code+redeemed",
        "events of a person": f"/admin/events?person={account_id(7)}",
        "10,000 events as CSV": "/admin/events/events.csv",
        "apps": "/admin/apps",
        "apps, the last": f"/admin/apps?skip={_APPS - 50}",
        "apps, by rule": "/admin/apps?sort=rule",
        "apps, by people": "/admin/apps?sort=people&way=down",
        "apps, by last yes": "/admin/apps?sort=last+yes&way=down",
        "apps, by requests": "/admin/apps?sort=waiting&way=down",
        "apps, search": "/admin/apps?find=app-09",
        "app that all people use": f"/admin/apps/one?app={app_name(0)}",
        "what an app is told": f"/admin/apps/scopes?app={app_name(0)}",
        "events of an app": f"/admin/apps/events?app={app_name(0)}",
        "list of 5,000": f"/admin/apps/list?app={app_name(1)}",
        "list of 5,000, search": f"/admin/apps/list?app={app_name(1)}&find=team",
        "1,000 requests": "/admin/requests",
        "client": "/admin/clients/synapse",
        "a sign-in, tested": (
            f"/admin/clients/synapse/trial?person={account_id(middle)}&app={app_name(0)}"
        ),
        "health": "/admin/health",
    }
    print(f"{people:,} people\n")
    print("| page | median ms | slowest ms | statements |\n| --- | --- | --- | --- |")
    for words, url in pages.items():
        with _counted(app) as seen:
            answer = owner.get(url)
            assert answer.status_code == 200, url
            assert answer.get_data()
            count = len(seen)
        times = []
        for _ in range(_TIMES):
            begin = time.perf_counter()
            owner.get(url).get_data()
            times.append(1000 * (time.perf_counter() - begin))
        print(f"| {words} | {statistics.median(times):.1f} | {max(times):.1f} | {count} |")


@contextmanager
def _counted(app: Flask) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    with app.app_context():
        engine = db.engine
        app.extensions["oidc_bridge"].snapshots.forget()
        app.extensions["oidc_bridge"].snapshots.current()
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


if __name__ == "__main__":
    main()
