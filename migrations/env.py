"""Alembic's environment: runs the history in ``versions`` on the bridge's database."""

import importlib
import pkgutil

from alembic import context
from sqlalchemy import create_engine

from oidc_bridge import storage

# Importing the modules fills the metadata that autogenerate compares with.
for module in pkgutil.iter_modules(storage.__path__):
    importlib.import_module(f"{storage.__name__}.{module.name}")

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=storage.Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
