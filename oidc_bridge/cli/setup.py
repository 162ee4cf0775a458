"""init, migrate, serve, deliver, prune."""

import os
import secrets
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from sqlalchemy import Connection

from oidc_bridge.cli.owner import how_to_own, make_token
from oidc_bridge.config import Settings, load
from oidc_bridge.errors import ConfigError
from oidc_bridge.factory import (
    create_app,
    make_courier,
    make_find_profile,
    make_strangers_fetch,
    open_database,
)
from oidc_bridge.sightings import look_again
from oidc_bridge.storage import db, read, write
from oidc_bridge.storage.admins import admins
from oidc_bridge.storage.apps import all_clients
from oidc_bridge.storage.keys import make_first_keys, rotate_old_keys
from oidc_bridge.storage.ledger import COMMAND_LINE, record
from oidc_bridge.storage.prune import prune_all

_CONFIG = """\
# oidc-bridge. Every setting with its meaning stands in config.example.toml.
issuer = "{issuer}"
name = "{name}"
database = "{database}"
key_file = "bridge.key"
{extra}"""

# Of ids, which are random text of base64url, one in 64 begins with a hyphen.
TAKES_ID = {"ignore_unknown_options": True}


def settings_of(context: click.Context) -> Settings:
    """Return the settings that the command line points to."""
    path: Path = context.obj
    return load(path)


@click.command()
@click.option(
    "--issuer", required=True, help="Where people reach the bridge: https://id.example.org"
)
@click.option("--name", default="Sign in", show_default=True, help="What pages call this server.")
@click.option("--database", default="sqlite:///bridge.db", show_default=True)
@click.pass_context
def init(context: click.Context, issuer: str, name: str, database: str) -> None:
    """Make config.toml, the key file, the database and the signing keys.

    \b
    Example:
      oidc-bridge init --issuer https://id.example.org --name "Example ID"

    What exists already is left as it is, so this can be run again.
    """
    path: Path = context.obj
    if not path.exists():
        write_config(path, config_text(issuer=issuer, name=name, database=database))
        click.echo(f"wrote {path}")
    settings = load(path)
    if not settings.key_file.exists():
        write_private(settings.key_file, secrets.token_hex(32) + "\n")
        click.echo(f"wrote {settings.key_file} (keep a copy in a safe place)")
    prepare(settings)
    click.echo("database and signing keys are ready")
    click.echo(
        "\nNext:\n"
        f"  oidc-bridge --config {path} client add synapse"
        " --homeserver https://YOUR.SYNAPSE.public_baseurl --server-name YOUR.SERVER.NAME\n"
        f"  oidc-bridge --config {path} app allow https://app.element.io\n"
        f"  oidc-bridge --config {path} synapse-config synapse --new-secret > oidc.yaml\n"
        f"  oidc-bridge --config {path} serve"
    )
    with open_database(settings):
        with read() as connection:
            is_owned = bool(admins(connection))
        if not is_owned:
            click.echo("\n" + how_to_own(settings, make_token()))


def config_text(*, issuer: str, name: str, database: str, extra: str = "") -> str:
    """Return a config.toml with the values that have no default."""
    for value in (issuer, name, database):
        if any(c in value for c in '"\\\n\r'):
            raise ConfigError("config_invalid", f"{value!r}: no quotes, no backslashes")
    return _CONFIG.format(issuer=issuer, name=name, database=database, extra=extra)


def write_config(path: Path, text: str) -> None:
    """Write a configuration file if it can be used; else leave nothing behind.

    Raises:
        ConfigError: ``config_invalid``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    write_private(draft, text)  # it may hold the password of the database
    try:
        load(draft)
    except ConfigError:
        draft.unlink()
        raise
    draft.rename(path)


def prepare(settings: Settings) -> None:
    """Bring the database to head and make the signing keys that are missing."""
    # Not at the top: `serve` has no use for what it loads.
    from oidc_bridge.storage.migrations import migrate

    file = Path(settings.database.removeprefix("sqlite:///"))
    if settings.database.startswith("sqlite:") and file.parent.is_dir():
        # Who is who, and what they said yes to, is for the bridge's own user to read.
        file.touch(mode=0o600)
    migrate(settings.database)
    with open_database(settings):
        seal, now = settings.seal(), datetime.now(UTC)
        bits = settings.rsa_bits
        write(lambda connection: make_first_keys(connection, seal, bits=bits, now=now))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


@click.command()
@click.pass_context
def migrate(context: click.Context) -> None:
    """Bring the database to this version: its schema, and signing keys of every kind.

    \b
    Example:
      oidc-bridge migrate
    """
    prepare(settings_of(context))
    click.echo("the database is at head, and has its signing keys")


@click.command()
@click.option("--host", help="Address to listen on; overrides the configuration.")
@click.option("--port", type=int, help="Port to listen on; overrides the configuration.")
@click.pass_context
def serve(context: click.Context, host: str | None, port: int | None) -> None:
    """Run the server; its processes also bring sign-outs to clients.

    \b
    Example:
      oidc-bridge serve --host 127.0.0.1 --port 8000
    """
    settings = settings_of(context)
    with create_app(settings).app_context():  # says what is wrong before a worker would
        # Workers are forked: no connection and no thread of ours may be there to be copied.
        db.engine.dispose()
    server = Granian(
        "oidc_bridge.factory:from_environment",
        address=host or settings.server.host,
        port=port or settings.server.port,
        interface=Interfaces.WSGI,
        factory=True,
        workers=settings.server.workers,
        blocking_threads=settings.server.threads,
        loop=Loops.asyncio,
        websockets=False,
        log_level=LogLevels.error,
        # The query string of /sign-in/answer holds a wallet's answer: no access log, ever.
        log_access=False,
        env_files=None,
        working_dir=None,
        # A worker that is stopped while it starts may never answer.
        workers_kill_timeout=10,
    )
    os.environ["OIDC_BRIDGE_CONFIG"] = str(context.obj.resolve())
    click.echo(f"serving {settings.issuer} on {host or settings.server.host}", err=True)
    server.serve()


@click.command()
@click.option("--once", is_flag=True, help="Try what is due now, then stop.")
@click.pass_context
def deliver(context: click.Context, once: bool) -> None:
    """Bring sign-outs to clients. Every server process does that too; this is for a look.

    \b
    Example:
      oidc-bridge deliver --once
    """
    settings = settings_of(context)
    with open_database(settings):
        courier = make_courier(settings)
        if once:
            click.echo(f"tried {courier.deliver()}")
        else:
            courier.keep_delivering(threading.Event())


@click.command()
@click.pass_context
def prune(context: click.Context) -> None:
    """Delete what has expired. Nothing expired works without it; it only tidies.

    It also puts the next signing keys in place if lifetimes.signing_key says so, and looks again at
    apps' own sites (see `client refresh`).

    \b
    Example (daily, from cron or a timer):
      oidc-bridge prune
    """
    settings, now = settings_of(context), datetime.now(UTC)
    token_life = timedelta(seconds=settings.lifetimes.id_token)
    with open_database(settings):
        if settings.lifetimes.signing_key:
            for kid in write(lambda connection: _rotate(connection, settings, now)):
                click.echo(f"signing with {kid} from now on")
        for what, count in prune_all(now=now, token_life=token_life):
            click.echo(f"{count:>8} {what}")
        fetch = make_strangers_fetch(settings, exempt=settings.registration.allow_private)
        with read() as connection:
            known = all_clients(connection)
        find_profile = make_find_profile(settings)
        looked = look_again(known, fetch=fetch, find_profile=find_profile, now=now)
        click.echo(f"{looked:>8} sites, logos and profiles looked at again")


def _rotate(connection: Connection, settings: Settings, now: datetime) -> Sequence[str]:
    life = timedelta(seconds=settings.lifetimes.signing_key)
    kids = rotate_old_keys(connection, settings.seal(), bits=settings.rsa_bits, life=life, now=now)
    if kids:
        record(connection, "keys rotated", now=now, kids=" ".join(kids), by=COMMAND_LINE)
    return kids
