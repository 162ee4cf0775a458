"""An operator at a shell: the command line as it is typed, in a folder of its own."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from click.testing import CliRunner, Result
from sqlalchemy import Connection

from oidc_bridge import storage
from oidc_bridge.cli import cli
from oidc_bridge.config import load
from oidc_bridge.factory import bare_app
from oidc_bridge.oidc.client import Client
from oidc_bridge.storage.apps import get_client

T = TypeVar("T")


@dataclass
class Operator:
    """Somebody at a shell, in a folder."""

    folder: Path

    def run(self, *words: str, answers: str | None = None) -> Result:
        """Run a command; a traceback fails the test."""
        config = str(self.folder / "config.toml")
        result = CliRunner().invoke(cli, ["--config", config, *words], input=answers)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def does(self, *words: str, answers: str | None = None) -> str:
        """Run a command that must succeed; return what it printed."""
        result = self.run(*words, answers=answers)
        assert result.exit_code == 0, result.output
        return result.stdout

    def fails(self, *words: str) -> str:
        """Run a command that must say in one line why not; return the code."""
        result = self.run(*words)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1, result.stderr
        return result.stderr.partition(":")[0]

    def client(self, client_id: str) -> Client:
        return self.changes(lambda connection: get_client(connection, client_id))

    def changes(self, work: Callable[[Connection], T]) -> T:
        """Do what no command does: what people do in a browser."""
        with bare_app(load(self.folder / "config.toml")).app_context():
            result = storage.write(work)
            storage.db.engine.dispose()
        return result

    def execute(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.folder / "bridge.db")
        try:
            rows = connection.execute(sql, values).fetchall()
            connection.commit()
        finally:
            connection.close()
        return rows

    def database(self) -> bytes:
        """Return every byte of the database, its journal included."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("bridge.db*")))
