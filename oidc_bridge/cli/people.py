"""person show|block|unblock|accept-new-wallet|delete."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import click
from sqlalchemy import Connection

from oidc_bridge.cli.setup import settings_of
from oidc_bridge.factory import open_database
from oidc_bridge.storage import people, read, write
from oidc_bridge.storage.deletion import delete_account


@click.group()
def person() -> None:
    """People, named by address, name, or Matrix ID."""


@person.command()
@click.argument("who")
@click.pass_context
def show(context: click.Context, who: str) -> None:
    """Show one person as JSON.

    \b
    Example:
      oidc-bridge person show @alice.id.blockstack:example.org
    """
    now = datetime.now(UTC)
    with open_database(settings_of(context)), read() as connection:
        known = people.look_at(connection, people.find_person(connection, who), now=now)
    click.echo(json.dumps(asdict(known), indent=2, default=datetime.isoformat))


@person.command()
@click.argument("who")
@click.pass_context
def block(context: click.Context, who: str) -> None:
    """Keep a person out, and sign them out everywhere, at once.

    \b
    Example:
      oidc-bridge person block SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7
    """
    _change(context, who, people.block)
    click.echo("blocked, and signed out everywhere")


@person.command()
@click.argument("who")
@click.pass_context
def unblock(context: click.Context, who: str) -> None:
    """Let a person sign in again.

    \b
    Example:
      oidc-bridge person unblock alice.id.blockstack
    """
    _change(context, who, people.unblock)
    click.echo("may sign in again")


@person.command("accept-new-wallet")
@click.argument("who")
@click.confirmation_option(
    prompt="Did they tell you themselves, by another way, that they changed their wallet?"
)
@click.pass_context
def accept_new_wallet(context: click.Context, who: str) -> None:
    """Let a person in who was refused with app_key_changed.

    Another wallet program makes another app key for the same identity; so does a foreign site
    that relays an answer. The key of their next sign-in is pinned in the old one's place.

    \b
    Example:
      oidc-bridge person accept-new-wallet alice.id.blockstack
    """
    _change(context, who, people.accept_new_wallet)
    click.echo("the next wallet that they sign in with is remembered")


@person.command()
@click.argument("who")
@click.confirmation_option(
    prompt="All that is kept about this person is deleted, and cannot be brought back. Sure?"
)
@click.pass_context
def delete(context: click.Context, who: str) -> None:
    """Delete a person's account, as they can do themselves.

    Apps are told to sign them out. Their Matrix IDs stay taken for ever; what is at the homeserver
    is not touched. A blocked person must be unblocked first, since the block goes with the account.

    \b
    Example:
      oidc-bridge person delete alice.id.blockstack
    """
    _change(context, who, partial(delete_account, by="operator"))
    click.echo("deleted")


def _change(context: click.Context, who: str, change: Callable[..., object]) -> None:
    now = datetime.now(UTC)

    def work(connection: Connection) -> None:
        change(connection, people.find_person(connection, who), now=now)

    with open_database(settings_of(context)):
        write(work)
