"""The schema's version: which the database has, and which this program wants.

Who serves compares them without Alembic, which with all that it loads would be a twelfth of the
process. The way from one to the other is in `storage.migrations`.
"""

from functools import cache

from sqlalchemy import Connection, Engine, inspect, text

from oidc_bridge.config import data_dir
from oidc_bridge.errors import ConfigError


@cache
def schema_head() -> str:
    """Return the migration at which this program wants the schema: the last one there is."""
    versions = (data_dir("migrations") / "versions").glob("[0-9]*.py")
    return max(path.name for path in versions).partition("_")[0]


def schema_revision(connection: Connection) -> str | None:
    """Return at which migration the schema is; None if it is at none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version"))
    return found.scalar_one_or_none()


def check_schema(engine: Engine) -> None:
    """Return if the schema is at head.

    Raises:
        ConfigError: ``schema_behind``, with the command to run.
    """
    head = schema_head()
    with engine.connect() as connection:
        current = schema_revision(connection)
    if current != head:
        raise ConfigError(
            "schema_behind", f"at {current or 'nothing'}, needs {head}: run `oidc-bridge migrate`"
        )
