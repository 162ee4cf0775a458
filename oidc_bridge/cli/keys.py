"""keys list|rotate."""

import json
from datetime import UTC, datetime

import click
from sqlalchemy import Connection

from oidc_bridge.cli.setup import settings_of
from oidc_bridge.factory import open_database
from oidc_bridge.oidc.keys import SIGNING_ALGORITHMS
from oidc_bridge.storage import read, write
from oidc_bridge.storage.keys import SETTLED, all_keys, rotate_keys, young_next_keys
from oidc_bridge.storage.ledger import COMMAND_LINE, record


@click.group()
def keys() -> None:
    """Signing keys."""


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the published keys.

    \b
    Example:
      oidc-bridge keys list
    """
    settings = settings_of(context)
    with open_database(settings), read() as connection:
        known = [
            {
                "kid": key.kid,
                "state": key.state,
                "algorithm": key.algorithm,
                "created_at": key.created_at.isoformat(),
            }
            for key in all_keys(connection, settings.seal())
        ]
    if as_json:
        click.echo(json.dumps(known, indent=2))
        return
    for key in known:
        click.echo("  ".join(key.values()))


@keys.command()
@click.pass_context
def rotate(context: click.Context) -> None:
    """Sign with the next keys from now on. The old ones stay published for their last tokens.

    \b
    Example:
      oidc-bridge keys rotate
    """
    settings, now = settings_of(context), datetime.now(UTC)
    seal = settings.seal()

    def turn(connection: Connection) -> str:
        kids = [
            rotate_keys(connection, seal, bits=settings.rsa_bits, now=now, algorithm=algorithm)
            for algorithm in SIGNING_ALGORITHMS
        ]
        record(connection, "keys rotated", now=now, kids=" ".join(kids), by=COMMAND_LINE)
        return "\n".join(kids)

    with open_database(settings):
        with read() as connection:
            young = young_next_keys(connection, since=now - SETTLED)
        click.echo(write(turn))
    if young:
        click.echo(
            f"The key of {', '.join(young)} that signs now was published less than a day ago: "
            "whoever keeps our keys for longer refuses sign-ins until they ask anew.",
            err=True,
        )
