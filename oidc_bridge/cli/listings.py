"""app admit|dismiss: who may use an app that is for listed people; app import|export."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import BinaryIO

import click
from sqlalchemy import Connection

from oidc_bridge.apps.spelling import read_app_name, read_who
from oidc_bridge.cli.app_files import AppOfFile, read_apps, to_file
from oidc_bridge.cli.setup import settings_of
from oidc_bridge.errors import BridgeError
from oidc_bridge.factory import open_database
from oidc_bridge.storage import admissions, read, write
from oidc_bridge.storage.app_scopes import all_scopes
from oidc_bridge.storage.list_files import decode_list, read_entry, read_list
from oidc_bridge.storage.rulings import rule_app, rule_scopes
from oidc_bridge.storage.whitelist import Listing, find_rule, listings_of, rules

_MAX_FAULTS = 20


@click.command()
@click.argument("origin")
@click.argument("people", nargs=-1, metavar="WHO...")
@click.option("--file", "file", type=click.File("rb"), help="CSV: who, until, note; - for stdin.")
@click.option("--until", help="2027-01-31 (that day counts), or a time with its zone.")
@click.option("--note", default="", help="For whoever reads this later.")
@click.pass_context
def admit(
    context: click.Context,
    origin: str,
    people: tuple[str, ...],
    file: BinaryIO | None,
    until: str | None,
    note: str,
) -> None:
    """Put people on an app's list.

    WHO is an address (SP... or 1...), a name (ann.btc), or a pattern of names (*.example.btc). Of
    a file, all of it is taken, or, with a line for each fault, nothing.

    \b
    Examples:
      oidc-bridge app admit https://chat.example.org ann.btc "*.example.btc"
      oidc-bridge app admit https://chat.example.org --file team.csv
    """
    if bool(people) == (file is not None):
        raise click.UsageError("give either WHO... or --file")
    if file is not None and (until or note):
        raise click.UsageError("--until and --note stand in the file")
    now = datetime.now(UTC)

    def work(connection: Connection) -> tuple[int, bool]:
        changed = admissions.admit(connection, name, entries, now=now)
        rule = find_rule(connection, name)
        return changed, rule is not None and rule.audience == "listed"

    with open_database(settings_of(context)):
        name = read_app_name(origin)
        if file is not None:
            entries: Sequence[Listing] = read_csv(file.read(), now=now)
        else:
            named = [read_entry(who, until or "", note, now=now) for who in people]
            entries = list({(one.kind, one.who): one for one in named}.values())
        changed, is_closed = write(work)
    click.echo(f"{name}: {len(entries)} entries, {changed} new or changed")
    if not is_closed:
        click.echo(
            "The app is for everyone: its list says nothing until"
            f" `oidc-bridge app allow {name} --for-listed-people`",
            err=True,
        )


@click.command()
@click.argument("origin")
@click.argument("people", nargs=-1, required=True, metavar="WHO...")
@click.pass_context
def dismiss(context: click.Context, origin: str, people: tuple[str, ...]) -> None:
    """Take people off an app's list, also those whose request was approved.

    \b
    Example:
      oidc-bridge app dismiss https://chat.example.org ann.btc
    """
    now = datetime.now(UTC)
    with open_database(settings_of(context)):
        name, whom = read_app_name(origin), [read_who(who) for who in people]
        gone = write(lambda connection: admissions.dismiss(connection, name, whom, now=now))
    for entry in gone:
        click.echo(f"off the list of {name}: {entry.kind} {entry.who}")


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.pass_context
def import_(context: click.Context, file: BinaryIO) -> None:
    """Bring the apps in FILE to what it says, their lists included; others stay as they are.

    FILE is what `app export` prints. All of it is taken, or, with each fault, nothing.

    \b
    Example:
      oidc-bridge app import apps.json
    """
    now = datetime.now(UTC)

    def work(connection: Connection) -> int:
        return sum(_put(connection, one, now) for one in wanted)

    with open_database(settings_of(context)):
        wanted = read_apps(file.read())
        changed = write(work)
    click.echo(f"{len(wanted)} apps, {changed} new or changed")


def _put(connection: Connection, one: AppOfFile, now: datetime) -> bool:
    is_ruled = rule_app(connection, one.rule, now=now)
    listed = admissions.replace_list(connection, one.rule.name, one.people, now=now)
    is_said = one.scopes is not None and rule_scopes(connection, one.rule.name, one.scopes, now=now)
    return is_ruled or listed > 0 or is_said


@click.command()
@click.pass_context
def export(context: click.Context) -> None:
    """Print all apps that a rule names, with their lists, for `app import`.

    \b
    Example:
      oidc-bridge app export > apps.json
    """
    with open_database(settings_of(context)), read() as connection:
        said = all_scopes(connection)
        known = [
            AppOfFile(one, listings_of(connection, one.name), said.get(one.name))
            for one in rules(connection)
        ]
    click.echo(json.dumps([to_file(one) for one in known], indent=2))


def read_csv(data: bytes, *, now: datetime) -> Sequence[Listing]:
    """Return the entries of a file: all of them, or nothing.

    Raises:
        BridgeError: ``list_invalid``, with the line of each fault.
    """
    try:
        found = read_list(decode_list(data), now=now)
    except BridgeError as error:
        raise BridgeError("list_invalid", error.detail) from error
    faults = [f"line {one.line}: {one.code}: {one.detail}" for one in found.faults]
    if faults:
        more = len(faults) - _MAX_FAULTS
        rest = [f"and {more} more"] if more > 0 else []
        raise BridgeError("list_invalid", "; ".join([*faults[:_MAX_FAULTS], *rest]))
    return found.entries
