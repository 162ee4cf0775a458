"""What all tests share: a bridge with a database of its own, a clock that stands still."""

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, delete, select

from oidc_bridge import storage
from oidc_bridge.cli.setup import prepare
from oidc_bridge.config import Settings
from oidc_bridge.factory import create_app
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.oidc.client import Client
from oidc_bridge.sections import Lifetimes, NameLookup, Names, WebWallet
from oidc_bridge.storage.apps import ClientRow, add_client, add_secret
from tests.driver import HOMESERVER, ISSUER, WIKI, Person, secret_of
from tests.fakes import NOW, FakeFetch, FakeWallet
from tests.live.postgres import new_database

_KEY = "5e" * 32


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--vectors",
        action="append",
        default=[],
        metavar="FILE",
        help="run another file of Blockstack vectors too (repeatable)",
    )


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **kwargs: float) -> None:
        self.now += timedelta(**kwargs)


def make_settings(folder: Path, database: str) -> Settings:
    key_file = folder / "bridge.key"
    key_file.write_text(_KEY)
    key_file.chmod(0o600)
    return Settings(
        issuer=ISSUER,
        name="Example ID",
        database=database,
        key_file=key_file,
        wallets=(WebWallet(name="Old Browser", url="https://wallet.example/auth"),),
        names=Names(
            services=(
                NameLookup(url="https://names.example", labels=frozenset({2, 3}), system="v1"),
            )
        ),
        lifetimes=Lifetimes(),
        synapse_modules=frozenset({HOMESERVER.id}),
    )


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings of a database at head with keys, to be copied or emptied for each test."""
    folder = tmp_path_factory.mktemp("prepared")
    server = os.environ.get("OIDC_BRIDGE_TEST_DATABASE")
    # One for each worker of xdist: a test empties its database before it begins.
    url = new_database(server) if server else f"sqlite:///{folder / 'bridge.db'}"
    settings = make_settings(folder, url)
    prepare(settings)
    return settings


@pytest.fixture
def settings(prepared: Settings, tmp_path: Path) -> Settings:
    if prepared.database.startswith("sqlite"):
        copy = tmp_path / "bridge.db"
        shutil.copy(prepared.database.removeprefix("sqlite:///"), copy)
        return prepared.model_copy(update={"database": f"sqlite:///{copy}"})
    engine = create_engine(prepared.database)
    kept = {"signing_keys", "clients"}
    with engine.begin() as connection:
        # TRUNCATE would take five times as long.
        for table in reversed(storage.db.metadatas[None].sorted_tables):
            if table.name not in kept:
                connection.execute(delete(table))
        connection.execute(delete(ClientRow).where(ClientRow.id != APP_PASSWORD.id))
    engine.dispose()
    return prepared


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fetch() -> FakeFetch:
    return FakeFetch()


@pytest.fixture
def app(settings: Settings, clock: Clock, fetch: FakeFetch) -> Iterator[Flask]:
    """Return a bridge with a homeserver (`HOMESERVER`) and an ordinary client (`WIKI`)."""
    bridge = create_app(settings, clock=clock, fetch=fetch)
    bridge.testing = False  # errors are shown as people see them
    with bridge.app_context():
        for client in (HOMESERVER, WIKI):
            storage.write(lambda connection, client=client: _register(connection, client))
        bridge.extensions["oidc_bridge"].snapshots.forget()
    yield bridge
    with bridge.app_context():
        storage.db.engine.dispose()


@pytest.fixture
def keys_put_back(app: Flask) -> Iterator[None]:
    """The PostgreSQL run shares its keys between tests."""
    table = storage.Base.metadata.tables["signing_keys"]
    with app.app_context(), storage.read() as connection:
        kept = [row._asdict() for row in connection.execute(select(table))]
    yield
    with app.app_context():
        storage.write(lambda c: (c.execute(table.delete()), c.execute(table.insert(), kept)))


def _register(connection: storage.Connection, client: Client) -> None:
    add_client(connection, client, now=NOW)
    add_secret(connection, client.id, secret_of(client), now=NOW)


@pytest.fixture
def ann(app: Flask, clock: Clock) -> Person:
    return Person(app, clock, FakeWallet.named("ann", display_name="Ann Example"))


@pytest.fixture
def bob(app: Flask, clock: Clock) -> Person:
    return Person(app, clock, FakeWallet.named("bob", display_name="Bob"))
