"""resource-server allow|deny|list."""

import json
from datetime import UTC, datetime

import click
from sqlalchemy import Connection

from oidc_bridge.cli.setup import settings_of
from oidc_bridge.errors import BridgeError
from oidc_bridge.factory import open_database
from oidc_bridge.storage import read, write
from oidc_bridge.storage.ledger import COMMAND_LINE, record
from oidc_bridge.storage.resource_servers import (
    allow_introspection,
    deny_introspection,
    resource_servers,
)


@click.group("resource-server")
def resource_server() -> None:
    """Clients that may ask what another client's access tokens are worth (introspection)."""


@resource_server.command()
@click.argument("server_id")
@click.argument("client_id")
@click.pass_context
def allow(context: click.Context, server_id: str, client_id: str) -> None:
    """Let SERVER_ID introspect the access tokens of CLIENT_ID.

    \b
    Example:
      oidc-bridge resource-server allow wiki-api wiki
    """
    now = datetime.now(UTC)

    def permit(connection: Connection) -> None:
        allow_introspection(connection, server_id, client_id)
        told = {"server": server_id, "by": COMMAND_LINE}
        record(connection, "introspection allowed", now=now, client_id=client_id, **told)

    with open_database(settings_of(context)):
        write(permit)


@resource_server.command()
@click.argument("server_id")
@click.argument("client_id")
@click.pass_context
def deny(context: click.Context, server_id: str, client_id: str) -> None:
    """Take that back.

    \b
    Example:
      oidc-bridge resource-server deny wiki-api wiki
    """
    now = datetime.now(UTC)

    def forbid(connection: Connection) -> None:
        if not deny_introspection(connection, server_id, client_id):
            raise BridgeError("resource_server_unknown", f"{server_id} was never allowed that")
        told = {"server": server_id, "by": COMMAND_LINE}
        record(connection, "introspection denied", now=now, client_id=client_id, **told)

    with open_database(settings_of(context)):
        write(forbid)


@resource_server.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List who may introspect whose access tokens.

    \b
    Example:
      oidc-bridge resource-server list
    """
    with open_database(settings_of(context)), read() as connection:
        known = resource_servers(connection)
    if as_json:
        listed = [{"server_id": server, "client_id": client} for server, client in known]
        click.echo(json.dumps(listed, indent=2))
        return
    for server, client in known:
        click.echo(f"{server}  {client}")
