"""``oidc-bridge``: set up, run, look after."""

import logging
import sys
from pathlib import Path
from typing import Any

import click

from oidc_bridge import __version__
from oidc_bridge.cli.access import explain, request
from oidc_bridge.cli.admins import admin
from oidc_bridge.cli.apps import app
from oidc_bridge.cli.clients import client
from oidc_bridge.cli.demo import demo
from oidc_bridge.cli.doctor import doctor
from oidc_bridge.cli.homeservers import mas_config, synapse_config
from oidc_bridge.cli.keys import keys
from oidc_bridge.cli.logout import logout
from oidc_bridge.cli.manifest import manifest
from oidc_bridge.cli.people import person
from oidc_bridge.cli.resource_servers import resource_server
from oidc_bridge.cli.setup import deliver, init, migrate, prune, serve
from oidc_bridge.errors import BridgeError


class _Group(click.Group):
    """Says what went wrong in one line and exits with 1, instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BridgeError as error:
            click.echo(f"{error.code}: {error.detail}", err=True)
            ctx.exit(1)


@click.group(cls=_Group)
@click.version_option(__version__, prog_name="oidc-bridge")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="OIDC_BRIDGE_CONFIG",
    default=Path("config.toml"),
    show_default=True,
    help="The configuration file.",
)
@click.pass_context
def cli(context: click.Context, config: Path) -> None:
    """The bridge between wallets and Matrix.

    Exit codes: 0 done, 1 could not be done (the reason is printed), 2 wrong usage.
    """
    context.obj = config
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)


for command in (
    *(init, serve, migrate, demo, doctor),
    *(client, manifest, resource_server, synapse_config, mas_config, app, request, explain),
    *(person, admin, keys, logout, deliver, prune),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    cli(prog_name="oidc-bridge")
