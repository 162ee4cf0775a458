"""Alembic's environment: runs the history in ``versions`` on the bridge's database."""

from alembic import context
from sqlalchemy import create_engine

from oidc_bridge.storage import (
    Base,
    accounts,
    apps,
    authorizations,
    challenges,
    consents,
    handovers,
    keys,
    ledger,
    names,
    nonces,
    outbox,
    personas,
    registrations,
    requests,
    sessions,
    tokens,
)

# Importing the modules fills the metadata that autogenerate compares with.
TABLES_OF = (
    *(accounts, apps, authorizations, challenges, consents, handovers, keys, ledger),
    *(names, nonces, outbox, personas, registrations, requests, sessions, tokens),
)

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
