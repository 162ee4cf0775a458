"""client import, and client token add|list|remove."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import click
from sqlalchemy import Connection

from oidc_bridge.apps.manifest import open_statement
from oidc_bridge.cli.files import read_each, read_json_list
from oidc_bridge.cli.setup import TAKES_ID, settings_of
from oidc_bridge.config import Settings
from oidc_bridge.errors import BridgeError
from oidc_bridge.factory import (
    make_fetch,
    make_find_profile,
    make_strangers_fetch,
    name_services,
    open_database,
)
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.policy import check_change
from oidc_bridge.oidc.registration import read_client
from oidc_bridge.seal import digest_of, new_secret
from oidc_bridge.sightings import look_at
from oidc_bridge.storage import read, write
from oidc_bridge.storage.apps import (
    add_client,
    add_secret,
    all_clients,
    remove_secrets,
    update_client,
)
from oidc_bridge.storage.ledger import COMMAND_LINE, record
from oidc_bridge.storage.registrations import (
    add_initial_token,
    initial_tokens,
    remove_initial_token,
)

# Kept as a plain hash: 128 random bits are the least that nobody can guess.
_SECRET = re.compile(r"[A-Za-z0-9_-]{22,128}")


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.pass_context
def import_(context: click.Context, file: BinaryIO) -> None:
    """Register the clients in FILE, or bring those that exist to what it says.

    FILE is a JSON list of client metadata (RFC 7591), each with its client_id and, if it has one,
    its client_secret. All of it is taken, or, with a line for each fault, nothing.

    \b
    Example:
      oidc-bridge client import clients.json
    """
    settings = settings_of(context)
    with open_database(settings):
        wanted, changed = import_clients(file.read(), settings, now=datetime.now(UTC))
    click.echo(f"{wanted} clients, {changed} new or changed")


def import_clients(text: bytes, settings: Settings, *, now: datetime) -> tuple[int, int]:
    """Keep the clients of a file; return how many there are, and how many are new or changed.

    Raises:
        BridgeError: ``import_invalid``, with each entry's fault; ``client_exists``.
    """
    wanted = _read_file(text, settings, now)

    def keep(connection: Connection) -> list[Client]:
        known = {client.id: client for client in all_clients(connection)}
        return [client for client, secret in wanted if _put(connection, known, client, secret, now)]

    changed = write(keep)
    fetch = make_strangers_fetch(settings, exempt=settings.registration.allow_private)
    find_profile = make_find_profile(settings)
    for client in changed:
        look_at(client, fetch=fetch, find_profile=find_profile, now=now)
    return len(wanted), len(changed)


def make_initial_token(*, uses: int, days: int, now: datetime) -> str:
    """Make an initial access token and return it; nobody can read it again."""
    made = new_secret()

    def keep(connection: Connection) -> None:
        expires_at = now + timedelta(days=days)
        known_as = add_initial_token(connection, made, uses=uses, now=now, expires_at=expires_at)
        record(connection, "initial token made", now=now, token=known_as, by=COMMAND_LINE)

    write(keep)
    return made


def _read_file(
    text: bytes, settings: Settings, now: datetime
) -> Sequence[tuple[Client, str | None]]:
    """Return each client with its secret.

    Raises:
        BridgeError: ``import_invalid``, with each entry's fault.
    """
    return read_each(
        enumerate(read_json_list(text, "clients"), 1),
        lambda entry: _read_entry(entry, settings, now),
        key_of=lambda one: one[0].id,
        twice=lambda one: BridgeError("client_exists", f"{one[0].id} is there twice"),
    )


def _read_entry(entry: object, settings: Settings, now: datetime) -> tuple[Client, str | None]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("client_id"), str):
        raise BridgeError("invalid_client_metadata", "expected an object with a client_id")
    client = _read_signed(entry, entry["client_id"], settings, now)
    secret = entry.get("client_secret")
    if not client.has_need_of_secret:
        return client, None
    if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
        raise BridgeError(
            "invalid_client_metadata", "client_secret: expected 22 to 128 of A-Z a-z 0-9 _ -"
        )
    return client, secret


def _read_signed(
    entry: Mapping[str, object], client_id: str, settings: Settings, now: datetime
) -> Client:
    text = entry.get("software_statement")
    if text is None:
        return read_client(entry, client_id=client_id)
    statement, signed = open_statement(
        text,
        audience=settings.issuer,
        services=name_services(settings),
        fetch=make_fetch(settings),
        now=now,
        find_profile=make_find_profile(settings),
    )
    return read_client(entry, client_id=client_id, statement=statement, signed=signed)


def _put(
    connection: Connection,
    known: Mapping[str, Client],
    client: Client,
    secret: str | None,
    now: datetime,
) -> bool:
    """Keep *client*; return whether that changed anything."""
    digests = () if secret is None else (digest_of(secret),)
    before = known.get(client.id)
    if before is not None and before.kind == "homeserver":
        raise BridgeError("client_exists", f"{client.id} is a homeserver: see `client add`")
    if before is not None and before == replace(client, secret_digests=digests):
        return False
    if before is None:
        add_client(connection, client, now=now)
    else:
        check_change(before, client)
        update_client(connection, client)
        remove_secrets(connection, client.id)
    if secret is not None:
        add_secret(connection, client.id, secret, now=now)
    record(connection, "client imported", now=now, client_id=client.id, by=COMMAND_LINE)
    return True


@click.group()
def token() -> None:
    """Initial access tokens: who has one may register clients."""


@token.command()
@click.option("--uses", default=1, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 366))
@click.pass_context
def add(context: click.Context, uses: int, days: int) -> None:
    """Make an initial access token; it is printed this once.

    \b
    Example:
      oidc-bridge client token add --uses 1 --days 7
    """
    with open_database(settings_of(context)):
        click.echo(make_initial_token(uses=uses, days=days, now=datetime.now(UTC)))


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the initial access tokens by their ids; nobody can read the tokens any more.

    \b
    Example:
      oidc-bridge client token list
    """
    with open_database(settings_of(context)), read() as connection:
        known = [
            {
                "id": one.id,
                "uses_left": one.uses_left,
                "expires_at": one.expires_at.isoformat(),
            }
            for one in initial_tokens(connection)
        ]
    if as_json:
        click.echo(json.dumps(known, indent=2))
        return
    for one in known:
        click.echo("  ".join(map(str, one.values())))


@token.command(context_settings=TAKES_ID)
@click.argument("token_id")
@click.pass_context
def remove(context: click.Context, token_id: str) -> None:
    """Take an initial access token back; clients that registered with it stay.

    \b
    Example:
      oidc-bridge client token remove cXtpBKRSO3s0xMnPBbGrmA
    """
    now = datetime.now(UTC)

    def forget(connection: Connection) -> None:
        remove_initial_token(connection, token_id)
        record(connection, "initial token removed", now=now, token=token_id, by=COMMAND_LINE)

    with open_database(settings_of(context)):
        write(forget)
