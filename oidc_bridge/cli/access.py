"""request list|approve|decline, and explain: why somebody can or cannot use an app."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import click
from sqlalchemy import Connection

from oidc_bridge.apps.explain import AS_WHOM, WHY
from oidc_bridge.apps.spelling import read_app_name, read_note, read_until
from oidc_bridge.apps.whitelist import Said, Verdict, Why, judge_for, policy_of
from oidc_bridge.cli.apps import in_words
from oidc_bridge.cli.setup import TAKES_ID, settings_of
from oidc_bridge.errors import BridgeError
from oidc_bridge.factory import open_database
from oidc_bridge.oidc.client import Client
from oidc_bridge.storage import people, read, rulings, write
from oidc_bridge.storage.access_requests import access_requests
from oidc_bridge.storage.apps import all_clients, get_client
from oidc_bridge.storage.consents import Known, find_known
from oidc_bridge.storage.people import KnownPerson
from oidc_bridge.storage.whitelist import (
    AppRule,
    Listing,
    find_rule,
    find_said,
    fitting_listings,
)
from oidc_bridge.web.cards import matrix_id

_AT_MOST = 1000
_CLIENT = "client:"
# By what command an operator would change it.
_HINTS: Mapping[Why, str] = {
    "app_denied": " (oidc-bridge app allow)",
    "not_listed": " (oidc-bridge app admit)",
    "app_unknown": " (oidc-bridge app allow)",
}


@click.group()
def request() -> None:
    """People who were refused an app and asked to be let in."""


@request.command("list")
@click.option("--decided", is_flag=True, help="Those that were decided, latest first.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_(context: click.Context, decided: bool, as_json: bool) -> None:
    """List the requests that wait, oldest first.

    \b
    Example:
      oidc-bridge request list --json
    """
    with open_database(settings_of(context)), read() as connection:
        known = access_requests(connection, is_open=not decided, at_most=_AT_MOST)
    if as_json:
        rows = [asdict(one) for one in known]
        click.echo(json.dumps(rows, indent=2, default=datetime.isoformat))
        return
    for one in known:
        state = f"{one.outcome} {one.reason}".strip() if one.outcome else one.note
        click.echo(f"{one.id}  {one.asked_at:%Y-%m-%d}  {one.person}  {one.app}  {state}".rstrip())


@request.command(context_settings=TAKES_ID)
@click.argument("request_id", metavar="ID")
@click.option("--until", help="2027-01-31 (that day counts), or a time with its zone.")
@click.pass_context
def approve(context: click.Context, request_id: str, until: str | None) -> None:
    """Let somebody use the app that they asked for: they are put on its list.

    An app that no rule names gets one: allowed, for the people on its list.

    \b
    Example:
      oidc-bridge request approve cXtpBKRSO3s0xMnPBbGrmA --until 2027-01-31
    """
    now = datetime.now(UTC)
    with open_database(settings_of(context)):
        over = None if until is None else read_until(until, now=now)
        (done,) = write(
            lambda connection: rulings.approve(connection, [request_id], until=over, now=now)
        )
    (asked,) = done.requests
    click.echo(f"{asked.person} is on the list of {asked.app}")
    if done.after != done.before:
        was = "no rule named it" if done.before is None else "its rule had run out"
        click.echo(f"{asked.app}: {was}; now: {in_words(done.after)}")
        click.echo(f"  also on its list, and let in by this: {done.others}")
    elif done.after.audience == "everyone":
        click.echo(f"  {asked.app} is for everyone anyway: {in_words(done.after)}")


@request.command(context_settings=TAKES_ID)
@click.argument("request_id", metavar="ID")
@click.option("--reason", required=True, help="What the person reads.")
@click.pass_context
def decline(context: click.Context, request_id: str, reason: str) -> None:
    """Say no, with a reason that the person reads.

    \b
    Example:
      oidc-bridge request decline cXtpBKRSO3s0xMnPBbGrmA --reason "For staff only."
    """
    now = datetime.now(UTC)
    with open_database(settings_of(context)):
        words = read_note(reason)
        (asked,) = write(
            lambda connection: rulings.decline(connection, [request_id], reason=words, now=now)
        )
    click.echo(f"declined: {asked.person}, {asked.app}")


@dataclass(frozen=True, slots=True)
class Explained:
    """All that a verdict followed from."""

    person: KnownPerson
    client: Client
    app: str
    rule: AppRule | None
    said: Said
    listed: Sequence[Listing]
    known: Known
    verdict: Verdict


@click.command()
@click.argument("who")
@click.argument("origin")
@click.option("--client", "client_id", help="The homeserver, if there are several.")
@click.pass_context
def explain(context: click.Context, who: str, origin: str, client_id: str | None) -> None:
    """Say whether somebody can use an app, as whom, and which rule says so.

    WHO is an address, a name or a Matrix ID.

    \b
    Example:
      oidc-bridge explain ann.btc https://chat.example.org
    """
    now = datetime.now(UTC)
    with open_database(settings_of(context)), read() as connection:
        found = _look(connection, who, read_app_name(origin), client_id, now)
    for line in _lines(found, now):
        click.echo(line)


def _look(
    connection: Connection, who: str, app: str, client_id: str | None, now: datetime
) -> Explained:
    client = _client_of(connection, app, client_id)
    account_id = people.find_person(connection, who)
    said = find_said(connection, account_id, [app], now=now)[app]
    # A client that is itself the app: as at sign-in, no more than its name decides.
    key = "" if app.startswith(_CLIENT) else app
    return Explained(
        person=people.look_at(connection, account_id, now=now),
        client=client,
        app=app,
        rule=find_rule(connection, app),
        said=said,
        listed=fitting_listings(connection, account_id, app, now=now),
        known=find_known(connection, account_id, client.id, key),
        verdict=judge_for(client, key, said),
    )


def _client_of(connection: Connection, app: str, client_id: str | None) -> Client:
    """Return the client at which *app* signs in.

    Raises:
        BridgeError: ``client_unknown``, ``client_ambiguous``, ``not_homeserver``.
    """
    if app.startswith(_CLIENT):
        named = app.removeprefix(_CLIENT)
        if client_id not in (None, named):
            raise BridgeError("client_ambiguous", f"{app} is itself the client")
        return get_client(connection, named)
    if client_id is None:
        homes = [one for one in all_clients(connection) if one.kind == "homeserver"]
        if len(homes) != 1:
            raise BridgeError("client_ambiguous", f"{len(homes)} homeservers: give --client")
        return homes[0]
    client = get_client(connection, client_id)
    if client.kind != "homeserver":
        raise BridgeError("not_homeserver", f"{client_id} is itself the app: client:{client_id}")
    return client


def _lines(found: Explained, now: datetime) -> Iterator[str]:
    person, rule = found.person, found.rule
    addresses = ", ".join(dict.fromkeys(one.address for one in person.identities))
    yield f"person:    {f'{person.name} ({addresses})' if person.name else addresses}"
    yield f"app:       {found.app} at {found.client.id}"
    if rule is None:
        yield "operator:  no rule names it"
    else:
        over = rule.until is not None and rule.until <= now
        yield f"operator:  {in_words(rule)}{'; that is over and says nothing' if over else ''}"
        if rule.audience == "listed" and not over:
            by = ", ".join(f"{one.kind} {one.who}" for one in found.listed)
            yield f"list:      {f'lets them in by {by}' if by else 'they are not on it'}"
    if found.said.operator is None:
        yield f"no rule:   {policy_of(found.client)}, as such apps at {found.client.id}"
    yield f"they say:  {found.said.person or 'nothing'}"
    if person.blocked_at is not None:
        yield "result:    no: they are blocked (oidc-bridge person unblock)"
        return
    yield f"result:    {_result(found)}"


def _result(found: Explained) -> str:
    verdict, known = found.verdict, found.known
    if verdict.why is not None:
        return f"no ({verdict.why}): {WHY[verdict.why]}{_HINTS.get(verdict.why, '')}"
    before = known.consent.as_whom if known.consent else None
    as_whom = verdict.settle(before) or "main"
    persona = known.main if as_whom == "main" else known.alone
    called = matrix_id(persona.localpart, found.client) if persona else ""
    asks = f"yes, {AS_WHOM[as_whom]}{f' ({called})' if called else ''}"
    if verdict.word == "ask":
        return f"{asks}, unless they choose otherwise: they are asked"
    others = [AS_WHOM[one] for one in verdict.choices if one != as_whom]
    return asks + (f"; they may choose: {', '.join(others)}" if others else "")
