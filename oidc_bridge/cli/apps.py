"""app allow|alone|deny|forget|default|list|show: what the operator says of apps."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import Connection

from oidc_bridge.apps.scope_rules import to_json as scopes_to_json
from oidc_bridge.apps.spelling import read_app_name, read_note, read_until
from oidc_bridge.apps.whitelist import Say
from oidc_bridge.cli.listings import admit, dismiss, export, import_
from oidc_bridge.cli.setup import settings_of
from oidc_bridge.errors import BridgeError
from oidc_bridge.factory import open_database
from oidc_bridge.oidc.client import Unknown
from oidc_bridge.storage import read, write
from oidc_bridge.storage.app_scopes import find_scopes
from oidc_bridge.storage.rulings import forget_app, rule_app, set_default
from oidc_bridge.storage.whitelist import AppRule, Audience, find_rule, listings_of, rules

UNKNOWN = click.Choice(["ask", "allow", "alone", "deny"])


@click.group()
def app() -> None:
    """Which apps may sign people in, and as whom.

    ORIGIN is a whole origin (https://chat.example), the scheme of an app on a device (element:),
    or client:ID for a client that is itself the app. client:ID of a homeserver is who signs in
    there without an app: by the signed sentence of an account of EOS.
    """


for command in (admit, dismiss, import_, export):
    app.add_command(command)


def _rule_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--for-listed-people/--for-everyone",
            "is_listed",
            default=None,
            help="Who may use it; as before if not said, at first everyone.",
        ),
        click.option("--note", help="For whoever reads this later; as before if not said."),
        click.option("--until", help="2027-01-31 (that day counts), or a time with its zone."),
        click.argument("origins", nargs=-1, required=True, metavar="ORIGIN..."),
    ):
        command = option(command)
    return command


@app.command()
@_rule_options
@click.pass_context
def allow(context: click.Context, /, **said: Any) -> None:
    """Let apps know people as themselves.

    \b
    Examples:
      oidc-bridge app allow https://app.element.io element:
      oidc-bridge app allow https://chat.example.org --for-listed-people --until 2027-01-31
    """
    _rule(context, "allow", **said)


@app.command()
@_rule_options
@click.pass_context
def alone(context: click.Context, /, **said: Any) -> None:
    """Let apps know people only by an ID that nobody else sees.

    \b
    Example:
      oidc-bridge app alone https://bot.example.org --note "a trial"
    """
    _rule(context, "alone", **said)


@app.command()
@_rule_options
@click.pass_context
def deny(context: click.Context, /, **said: Any) -> None:
    """Let apps sign nobody in. What they have already ends when they next use it.

    \b
    Example:
      oidc-bridge app deny https://phishing.example
    """
    _rule(context, "deny", **said)


def _rule(
    context: click.Context,
    say: Say,
    *,
    origins: tuple[str, ...],
    until: str | None,
    note: str | None,
    is_listed: bool | None,
) -> None:
    now = datetime.now(UTC)

    def work(connection: Connection) -> list[AppRule]:
        kept = []
        for name in names:
            before = find_rule(connection, name) or AppRule(name, say)
            rule = replace(before, say=say, until=over, note=before.note if text is None else text)
            if is_listed is not None:
                rule = replace(rule, audience="listed" if is_listed else "everyone")
            rule_app(connection, rule, now=now)
            kept.append(rule)
        return kept

    with open_database(settings_of(context)):
        names = list(dict.fromkeys(map(read_app_name, origins)))
        over = None if until is None else read_until(until, now=now)
        text = None if note is None else read_note(note)
        kept = write(work)
    for rule in kept:
        click.echo(f"{rule.name}: {in_words(rule)}")
        if rule.audience == "listed" and say != "deny":
            click.echo(f"  who: oidc-bridge app admit {rule.name} WHO...", err=True)


@app.command()
@click.argument("origin")
@click.confirmation_option(prompt="Its list of people is forgotten too. Forget the app?")
@click.pass_context
def forget(context: click.Context, origin: str) -> None:
    """Say nothing of an app any more, and forget its list of people.

    \b
    Example:
      oidc-bridge app forget https://bot.example.org
    """
    now = datetime.now(UTC)
    with open_database(settings_of(context)):
        name = read_app_name(origin)
        listed = write(lambda connection: forget_app(connection, name, now=now))
    click.echo(f"{name}: forgotten, with {listed} entries of its list")


@app.command()
@click.argument("client_id")
@click.argument("unknown", type=UNKNOWN)
@click.pass_context
def default(context: click.Context, client_id: str, unknown: Unknown) -> None:
    """Say what holds at a homeserver for apps that no rule names.

    ask lets each person choose, an ID for the app alone comes first; allow, alone and deny are
    the same words as for one app.

    \b
    Example:
      oidc-bridge app default synapse deny
    """
    now = datetime.now(UTC)
    with open_database(settings_of(context)):
        before = write(lambda connection: set_default(connection, client_id, unknown, now=now))
    click.echo(f"apps without a rule at {client_id}: {unknown} (before: {before})")


@app.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the apps that a rule names.

    \b
    Example:
      oidc-bridge app list --json
    """
    with open_database(settings_of(context)), read() as connection:
        known = rules(connection)
    if as_json:
        click.echo(json.dumps([to_json(rule) for rule in known], indent=2))
        return
    for rule in known:
        click.echo(f"{rule.name}  {in_words(rule)}")


@app.command()
@click.argument("origin")
@click.pass_context
def show(context: click.Context, origin: str) -> None:
    """Show one app's rule, list, and what is said of its scopes, as JSON.

    \b
    Example:
      oidc-bridge app show https://chat.example.org
    """
    with open_database(settings_of(context)), read() as connection:
        name = read_app_name(origin)
        rule, people = find_rule(connection, name), listings_of(connection, name)
        found = find_scopes(connection, name)
    if rule is None:
        raise BridgeError("app_unruled", f"no rule names {name}")
    listed = [
        {"kind": one.kind, "who": one.who, "until": _iso(one.until), "note": one.note}
        for one in people
    ]
    scopes = scopes_to_json(found.rules) if found else []
    click.echo(json.dumps({**to_json(rule), "people": listed, "scopes": scopes}, indent=2))


def to_json(rule: AppRule) -> Mapping[str, object]:
    """Return a rule for scripts."""
    return {
        "app": rule.name,
        "say": rule.say,
        "for": rule.audience,
        "until": _iso(rule.until),
        "note": rule.note,
    }


def in_words(rule: AppRule) -> str:
    """Return a rule in a line."""
    audience: Mapping[Audience, str] = {"everyone": "for everyone", "listed": "for listed people"}
    words = [rule.say, audience[rule.audience]]
    if rule.until is not None:
        words.append(f"until {rule.until:%Y-%m-%d %H:%M} UTC")
    if rule.note:
        words.append(f"({rule.note})")
    return " ".join(words)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
