"""Transactions, migrations, keys, tidying."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Connection, create_engine, func, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from oidc_bridge import storage
from oidc_bridge.cli.setup import prepare
from oidc_bridge.config import Settings
from oidc_bridge.errors import ConfigError
from oidc_bridge.factory import create_app
from oidc_bridge.oidc.keys import SigningKey, active
from oidc_bridge.seal import Seal
from oidc_bridge.storage import db, read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.challenges import ChallengeRow
from oidc_bridge.storage.keys import all_keys, forget_keys, rotate_keys
from oidc_bridge.storage.migrations import alembic_config, migrate
from oidc_bridge.storage.personas import free_localpart
from oidc_bridge.storage.prune import prune_all
from oidc_bridge.storage.requests import RequestRow
from oidc_bridge.storage.schema import schema_head, schema_revision
from oidc_bridge.storage.tokens import AccessTokenRow
from tests.conftest import Clock, make_settings
from tests.driver import Person
from tests.fakes import NOW


def count(app: Flask, row: type) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def add_account(connection: Connection, account_id: str = "a") -> None:
    connection.execute(insert(AccountRow), {"id": account_id, "created_at": NOW})


def test_all_of_a_write_happens_or_nothing(app: Flask) -> None:
    def half(connection: Connection) -> None:
        add_account(connection)
        raise LookupError

    with app.app_context(), pytest.raises(LookupError):
        write(half)

    assert count(app, AccountRow) == 0


def test_a_lost_race_is_run_again(app: Flask) -> None:
    tries = []

    def racing(connection: Connection) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise IntegrityError("insert", {}, Exception("somebody was quicker"))
        add_account(connection)
        return "done"

    with app.app_context():
        assert write(racing) == "done"

    assert count(app, AccountRow) == 1


def test_what_can_never_succeed_is_not_tried_for_ever(app: Flask) -> None:
    tries = []

    def hopeless(connection: Connection) -> None:
        tries.append(1)
        add_account(connection)
        add_account(connection)

    with app.app_context(), pytest.raises(IntegrityError):
        write(hopeless)

    assert len(tries) == 5
    assert count(app, AccountRow) == 0


class SerializationFailureError(Exception):
    sqlstate = "40001"


@pytest.mark.parametrize(("cause", "tries"), [(SerializationFailureError(), 5), (Exception(), 1)])
def test_only_a_lost_race_is_tried_again(app: Flask, cause: Exception, tries: int) -> None:
    seen = []

    def failing(_: Connection) -> None:
        seen.append(1)
        raise OperationalError("select", {}, cause)

    with app.app_context(), pytest.raises(OperationalError):
        write(failing)

    assert len(seen) == tries


def test_a_naive_time_is_a_bug(app: Flask) -> None:
    naive = {"id": "a", "created_at": NOW.replace(tzinfo=None)}

    with app.app_context(), pytest.raises(Exception, match="offset-naive"):
        write(lambda connection: connection.execute(insert(AccountRow), naive))


def test_times_come_back_to_the_microsecond(app: Flask) -> None:
    exact = NOW + timedelta(microseconds=123457)
    with app.app_context():
        write(
            lambda connection: connection.execute(
                insert(AccountRow), {"id": "a", "created_at": exact}
            )
        )
        with read() as connection:
            assert connection.execute(select(AccountRow.created_at)).scalar_one() == exact


def test_the_migrations_make_the_schema_of_the_models(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), storage.Base.metadata)

    assert difference == []


def test_alembic_alone_sees_every_table(tmp_path: Path) -> None:
    """A process of its own, that has not filled the metadata: else whatever the environment of the
    migrations forgets would be there all the same."""
    url = f"sqlite:///{tmp_path / 'head.db'}"
    program = (
        "from alembic import command\n"
        "from oidc_bridge.storage.migrations import alembic_config, migrate\n"
        f"migrate({url!r})\ncommand.check(alembic_config({url!r}))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert said.returncode == 0, said.stderr[-2000:]


def test_what_the_program_wants_is_the_head_of_the_migrations(app: Flask) -> None:
    head = ScriptDirectory.from_config(alembic_config("")).get_current_head()

    assert schema_head() == head
    with app.app_context(), read() as connection:
        assert schema_revision(connection) == head


def test_who_serves_never_loads_alembic() -> None:
    program = "import sys, oidc_bridge.cli, oidc_bridge.factory; print('alembic' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert said.stdout.strip() == b"False"


def test_the_history_can_be_walked_back_and_forth(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'odd %dir.db'}"
    migrate(url)
    command.downgrade(alembic_config(url), "base")
    engine = create_engine(url)
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}

    migrate(url)

    assert "accounts" in inspect(engine).get_table_names()
    engine.dispose()


def test_a_matrix_id_whose_person_is_gone_stays_taken_when_walked_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bridge.db'}"
    migrate(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO clients (id, name, kind, redirect_uris, auth_methods, scopes,"
                " required_scopes, created_at)"
                " VALUES ('synapse', '', 'homeserver', '[]', '[]', '[]', '[]', 0)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO personas (id, client_id, app, sub, localpart, created_at)"
                " VALUES ('p', 'synapse', '', 'sub', 'ann', 5)"
            )
        )

    command.downgrade(alembic_config(url), "0012")

    with engine.begin() as connection:
        holder = select(text("blocked_at, localpart")).select_from(
            text("personas JOIN accounts ON accounts.id = account_id")
        )
        assert connection.execute(holder).all() == [(5, "ann")]
    migrate(url)
    engine.dispose()


def test_a_schema_that_is_behind_stops_the_start_and_says_what_to_run(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, f"sqlite:///{tmp_path / 'empty.db'}")

    with pytest.raises(ConfigError, match="oidc-bridge migrate") as refused:
        create_app(settings)

    assert refused.value.code == "schema_behind"


def test_no_key_stops_the_start_and_says_what_to_run(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, f"sqlite:///{tmp_path / 'empty.db'}")
    migrate(settings.database)

    with pytest.raises(ConfigError, match="oidc-bridge init") as refused:
        create_app(settings)

    assert refused.value.code == "keys_missing"


def test_another_key_file_stops_the_start(settings: Settings) -> None:
    settings.key_file.chmod(0o600)
    other = settings.key_file.parent / "other.key"
    other.write_text("ab" * 32)
    other.chmod(0o600)

    with pytest.raises(ConfigError) as refused:
        create_app(settings.model_copy(update={"key_file": other}))

    assert refused.value.code == "seal_broken"


def test_preparing_twice_keeps_the_keys(settings: Settings) -> None:
    before = kids(settings)

    prepare(settings)

    assert kids(settings) == before


def kids(settings: Settings) -> list[tuple[str, str]]:
    app = create_app(settings)
    with app.app_context(), read() as connection:
        found = [(key.kid, key.state) for key in all_keys(connection, settings.seal())]
    with app.app_context():
        db.engine.dispose()
    return found


def rsa_keys(connection: Connection, seal: Seal) -> list[SigningKey]:
    return [key for key in all_keys(connection, seal) if key.algorithm == "RS256"]


@pytest.mark.usefixtures("keys_put_back")
def test_j6_a_rotation_publishes_a_key_before_it_signs(app: Flask, settings: Settings) -> None:
    seal: Seal = settings.seal()
    with app.app_context():
        with read() as connection:
            before = rsa_keys(connection, seal)
        announced = next(key.kid for key in before if key.state == "next")

        now_active = write(lambda c: rotate_keys(c, seal, bits=2048, now=NOW))

        with read() as connection:
            after = rsa_keys(connection, seal)
    assert now_active == announced == active(after).kid
    retired = next(key for key in after if key.state == "retired")
    assert retired.kid == active(before).kid
    assert sorted(key.state for key in after) == ["active", "next", "retired"]


@pytest.mark.usefixtures("keys_put_back")
def test_j6_a_retired_key_is_forgotten_when_its_last_token_has_died(
    app: Flask, settings: Settings
) -> None:
    life = timedelta(hours=1)
    with app.app_context():
        write(lambda c: rotate_keys(c, settings.seal(), bits=2048, now=NOW))

        early = write(lambda c: forget_keys(c, now=NOW + life, token_life=life))
        late = write(
            lambda c: forget_keys(c, now=NOW + life + timedelta(seconds=1), token_life=life)
        )

    assert (early, late) == (0, 1)


def test_pruning_deletes_what_is_over_and_nothing_else(
    app: Flask, ann: Person, clock: Clock
) -> None:
    ann.tokens()
    clock.advance(hours=2)
    ann.authorize(prompt="login")

    with app.app_context():
        pruned = dict(prune_all(now=clock(), token_life=timedelta(hours=1)))

    assert pruned["access tokens"] == 1
    assert pruned["challenges"] == 1
    assert count(app, AccessTokenRow) == 0
    assert count(app, ChallengeRow) == 1
    assert count(app, RequestRow) == 1
    assert "chat.example" in ann.account_page()


def test_a_localpart_that_is_taken_gives_way_to_the_next(app: Flask, ann: Person) -> None:
    ann.tokens()
    taken = ann.wallet.address.c32.lower()

    with app.app_context(), read() as connection:
        assert free_localpart(connection, "synapse", [taken, "second"]) == "second"
        assert free_localpart(connection, "wiki", [taken, "second"]) == taken
        with pytest.raises(LookupError):
            free_localpart(connection, "synapse", [taken])


def test_sqlite_is_durable_and_checks_its_references(app: Flask) -> None:
    with app.app_context(), read() as connection:
        if connection.dialect.name != "sqlite":
            assert connection.dialect.name == "postgresql"
            return
        pragma = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
