"""admin add|remove|list|token: who looks after the bridge in the browser."""

import json
from datetime import UTC, datetime

import click
from sqlalchemy import Connection

from oidc_bridge.apps.spelling import read_app_name
from oidc_bridge.cli.owner import how_to_own, make_token
from oidc_bridge.cli.setup import settings_of
from oidc_bridge.factory import open_database
from oidc_bridge.roles import ROLES, Admin, Role
from oidc_bridge.storage import read, write
from oidc_bridge.storage.admins import admins, hold_roles, remove_admin, roles_of, set_role
from oidc_bridge.storage.ledger import COMMAND_LINE, record
from oidc_bridge.storage.people import find_person


@click.group()
def admin() -> None:
    """Who may use the admin pages, and in which role."""


@admin.command()
@click.argument("who")
@click.option("--role", type=click.Choice(ROLES), help="Needed once somebody is an owner.")
@click.option("--app", "apps", multiple=True, help="An app manager's app; repeatable.")
@click.pass_context
def add(context: click.Context, who: str, role: Role | None, apps: tuple[str, ...]) -> None:
    """Give a person a role in the place of the one that they have, and its apps.

    While nobody is an owner, they become one if no role is named.

    \b
    Examples:
      oidc-bridge admin add alice.btc
      oidc-bridge admin add alice.btc --role owner
      oidc-bridge admin add bob.btc --role "app manager" --app https://chat.example
    """
    if apps and role != "app manager":
        raise click.UsageError("--app is for an app manager: the other roles see all apps")
    now, named = datetime.now(UTC), frozenset(map(read_app_name, apps))

    def give(connection: Connection) -> Role:
        hold_roles(connection)
        wanted = Admin(find_person(connection, who), role or _first_role(connection), named)
        account_id = wanted.account_id
        before = roles_of(connection, [account_id]).get(account_id, "")
        set_role(connection, account_id, wanted.role, apps=named, now=now)
        told = {"role": wanted.role, "before": str(before), "after": str(wanted)}
        record(connection, "role given", now=now, account_id=account_id, by=COMMAND_LINE, **told)
        return wanted.role

    with open_database(settings_of(context)):
        given = write(give)
    click.echo(f"{who} is {given} now")


def _first_role(connection: Connection) -> Role:
    """Return owner while nobody is one: they alone can give the other roles."""
    if any(one.admin.role == "owner" for one in admins(connection)):
        raise click.UsageError(f"say which: --role {', '.join(ROLES)}")
    return "owner"


@admin.command()
@click.argument("who")
@click.pass_context
def remove(context: click.Context, who: str) -> None:
    """Take a person's role away.

    \b
    Example:
      oidc-bridge admin remove bob.btc
    """
    now = datetime.now(UTC)

    def take(connection: Connection) -> bool:
        account_id = find_person(connection, who)
        hold_roles(connection)
        before = roles_of(connection, [account_id]).get(account_id, "")
        if not remove_admin(connection, account_id):
            return False
        told = {"by": COMMAND_LINE, "before": str(before), "after": ""}
        record(connection, "role taken", now=now, account_id=account_id, **told)
        return True

    with open_database(settings_of(context)):
        click.echo("role taken away" if write(take) else f"{who} has no role")


@admin.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the admins.

    \b
    Example:
      oidc-bridge admin list --json
    """
    with open_database(settings_of(context)), read() as connection:
        known = admins(connection)
    if as_json:
        rows = [
            {
                "name": one.name,
                "role": one.admin.role,
                "apps": sorted(one.admin.apps),
                "since": one.since.isoformat(),
            }
            for one in known
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for one in known:
        click.echo("  ".join((one.admin.role, one.name, *sorted(one.admin.apps))))


@admin.command()
@click.pass_context
def token(context: click.Context) -> None:
    """Make a token by which somebody who signs in becomes an owner, once, within a day.

    \b
    Example:
      oidc-bridge admin token
    """
    settings = settings_of(context)
    with open_database(settings):
        click.echo(how_to_own(settings, make_token()))
