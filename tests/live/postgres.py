"""A PostgreSQL of our own: on loopback, in a scratch folder, gone at the end.

For the tests (:func:`postgres`), and for ``scripts/test``, which runs a command with it:

    python -m tests.live.postgres pytest tests/storage

The command finds the address in ``OIDC_BRIDGE_TEST_DATABASE``.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url


class PostgresMissingError(Exception):
    """There is no PostgreSQL server on this machine."""


def find_binaries() -> Path:
    """Return the folder of ``initdb`` and ``postgres``: on the path, or where Debian hides it."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    if newest is None:
        raise PostgresMissingError("PostgreSQL is not installed (Debian package postgresql)")
    return newest.parent


def _run_as() -> dict[str, Any]:
    """Return what makes subprocess leave root behind: the server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise PostgresMissingError("PostgreSQL refuses to run as root, and there is no other user")


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL until the end of the block and give its address, as SQLAlchemy reads it."""
    binaries, run_as = find_binaries(), _run_as()
    folder = Path(tempfile.mkdtemp(prefix="oidc-bridge-postgres-"))
    password = secrets.token_urlsafe()
    try:
        password_file = folder / "password"
        password_file.write_text(password)
        if run_as:
            os.chown(folder, run_as["user"], run_as["group"])
            os.chown(password_file, run_as["user"], run_as["group"])
        _call(
            [
                str(binaries / "initdb"),
                f"--pgdata={folder / 'data'}",
                "--username=bridge",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
            run_as,
        )
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        address = f"postgresql+psycopg://bridge:{password}@127.0.0.1:{port}/postgres"
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            # Nobody needs these data after a crash.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        command = [str(binaries / "postgres"), "-D", str(folder / "data")]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **run_as)
        try:
            _wait(address, server, folder / "log")
            yield address
        finally:
            server.send_signal(signal.SIGINT)  # "fast": ends what is still connected
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(address: str) -> str:
    """Make an empty database on the server at *address* and return its address."""
    name = f"bridge_{secrets.token_hex(8)}"
    with _connect(address) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return make_url(address).set(database=name).render_as_string(hide_password=False)


def _connect(address: str) -> psycopg.Connection[Any]:
    plain = make_url(address).set(drivername="postgresql")
    return psycopg.connect(
        plain.render_as_string(hide_password=False), autocommit=True, connect_timeout=5
    )


def _wait(address: str, server: subprocess.Popen[Any], log: Path) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            _connect(address).close()
            return
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from error
            time.sleep(0.05)


def _call(command: Sequence[str], run_as: dict[str, Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **run_as)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def main() -> int:
    """Run the command in the arguments with a PostgreSQL of its own."""
    try:
        with postgres() as address:
            env = {**os.environ, "OIDC_BRIDGE_TEST_DATABASE": new_database(address)}
            return subprocess.run(sys.argv[1:], env=env).returncode
    except PostgresMissingError as error:
        print(error, file=sys.stderr)
        return 69


if __name__ == "__main__":
    sys.exit(main())
