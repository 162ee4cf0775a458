"""Memory: SQLAlchemy stays in here.

One schema for SQLite and PostgreSQL. Functions have the names of the domain, take a `Connection`
and give the core's dataclasses. What a step of a sign-in changes is written by one `write`, which
is one transaction and one commit. Statements of the sign-in path are Core statements built once
at import.
"""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, Connection, Dialect, Engine, MetaData, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RETRIES = 5
# SQLite has one write lock. Who waits for it sleeps and looks again, for longer each time; whoever
# waits here goes on at once.
_ONE_WRITER = threading.Lock()
# Serialization failure, deadlock: the database asks to be asked again.
_RETRY_CODES = frozenset({"40001", "40P01"})


class Base(DeclarativeBase):
    """Parent of all tables; constraints get predictable names, so migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, kept as whole microseconds since 1970: the same on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return microseconds; a naive time is a bug and raises TypeError."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Return an aware time."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


def new_id() -> str:
    """Return 128 random bits as 22 characters: keys of rows, safe in URLs."""
    return secrets.token_urlsafe(16)


def write(work: Callable[[Connection], T]) -> T:
    """Run *work* in one transaction and commit it; all of it happened, or nothing.

    When two processes reach for the same thing at once (a first sign-in, a free localpart), the
    loser's transaction is undone and *work* runs again, seeing what the winner did. So *work*
    must do nothing but ask and change the database.
    """
    engine = db.engine
    turn = _ONE_WRITER if engine.dialect.name == "sqlite" else nullcontext()
    for attempt in range(_RETRIES):
        try:
            with turn, engine.begin() as connection:
                if engine.dialect.name == "sqlite":
                    # Or another process could write between what *work* reads and what it writes.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                return work(connection)
        except IntegrityError:
            if attempt == _RETRIES - 1:
                raise
        except DBAPIError as error:
            lost_race = getattr(error.orig, "sqlstate", None) in _RETRY_CODES
            if attempt == _RETRIES - 1 or not (lost_race or error.connection_invalidated):
                raise
    raise AssertionError("unreachable")


@contextmanager
def read() -> Iterator[Connection]:
    """Give a connection for questions only; each sees what is committed when it is asked."""
    with db.engine.connect() as connection:
        if connection.dialect.name != "sqlite":  # which does this by itself
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection


def engine_options(url: str, *, threads: int) -> dict[str, Any]:
    """Return what Flask-SQLAlchemy passes to ``create_engine``."""
    # An error of the database must not bring the values of a statement into the log.
    options: dict[str, Any] = {"hide_parameters": True}
    if url.startswith("sqlite"):
        return options | {"connect_args": {"timeout": 30, "check_same_thread": False}}
    return options | {"pool_size": threads, "max_overflow": 4, "pool_timeout": 10}


def tune(engine: Engine) -> None:
    """Set what a fresh SQLite connection needs: WAL, full durability, foreign keys."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()
