"""From any schema to the one that this program wants, by Alembic."""

from alembic import command
from alembic.config import Config

from oidc_bridge.config import data_dir


def migrate(url: str) -> None:
    """Bring the schema of the database at *url* to head."""
    command.upgrade(alembic_config(url), "head")


def alembic_config(url: str) -> Config:
    """Return where Alembic finds the migrations and the database."""
    config = Config()
    config.set_main_option("script_location", str(data_dir("migrations")).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config
