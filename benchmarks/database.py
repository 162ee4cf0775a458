"""Databases under test, and how commits are counted without touching the bridge.

A commit is a transaction that wrote; those that only read are free of its price and not counted.

SQLite keeps a counter of such transactions in the header of the WAL index (``iChange``, bytes 8 to
11 of the ``-shm`` file, https://sqlite.org/walformat.html section 2.1). It grows by one with each
commit that wrote, whichever connection made it, and checkpoints leave it alone. The counter in the
database file itself would not do: in WAL mode it does not move.

PostgreSQL gives a transaction a number when it first writes. The next number to be given (xmax of
the current snapshot) therefore grows by one with each transaction that wrote; reading it takes
none. It is the whole server's: nothing else may write there meanwhile.
"""

import contextlib
import os
import pwd
import shutil
import socket
import sqlite3
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url


def commit_counter(database: str) -> Callable[[], int]:
    """Return a function that gives the number of commits so far in a database in use."""
    if database.startswith("sqlite"):
        return lambda: _wal_changes(Path(database.removeprefix("sqlite:///")))
    plain = make_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(plain, autocommit=True)

    def count() -> int:
        row = connection.execute(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        ).fetchone()
        assert row is not None
        return int(row[0])

    return count


def check_wal_counter(folder: Path) -> None:
    """Stop the benchmark if this SQLite's WAL counter does not count what it should."""
    path = folder / "counter.db"
    writer, reader = sqlite3.connect(path), sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t (x)")
    writer.commit()
    before = _wal_changes(path)
    for number in range(5):
        for _ in range(number):
            writer.execute("INSERT INTO t VALUES (1)")
        writer.commit()  # the first of these five has nothing to write
        reader.execute("SELECT count(*) FROM t").fetchone()
        reader.commit()
    writer.execute("PRAGMA wal_checkpoint")
    if _wal_changes(path) - before != 4:
        raise SystemExit("this SQLite keeps its WAL counter elsewhere: commits cannot be counted")
    writer.close()
    reader.close()


def _wal_changes(path: Path) -> int:
    with path.with_name(path.name + "-shm").open("rb") as index:
        changes: int = struct.unpack_from("=I", index.read(12), 8)[0]
    return changes


@contextlib.contextmanager
def private_postgres(cores: set[int]) -> Iterator[tuple[str, int]]:
    """Run a PostgreSQL on loopback with the durability it has by default (fsync on).

    Gives its address and the process id of its postmaster.
    """
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="benchmark-postgres-"))
    run_as: dict[str, Any] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        run_as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = folder / "data"
    try:
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "bridge", "-A", "trust"]
        subprocess.run(
            [*initdb, "--encoding=UTF8", "--locale=C"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **run_as,
        )
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        # Its own writing would be counted with the bridge's.
        settings |= {"autovacuum": "off", "max_connections": 100}
        command = [str(binaries / "postgres"), "-D", str(data)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=folder,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
                **run_as,
            )
        try:
            _wait(f"postgresql://bridge@127.0.0.1:{port}/postgres", server)
            yield f"postgresql+psycopg://bridge@127.0.0.1:{port}/postgres", server.pid
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=10)
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(server: str, name: str) -> str:
    """Make the empty database *name* on a private server and return its address."""
    plain = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _binaries() -> Path:
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    if newest is None:
        raise SystemExit("PostgreSQL is not installed; give the address of one by --database")
    return newest.parent


def _wait(address: str, server: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(address, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)
