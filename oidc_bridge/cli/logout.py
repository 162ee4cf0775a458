"""logout list."""

import json
from dataclasses import asdict
from datetime import datetime

import click

from oidc_bridge.cli.setup import settings_of
from oidc_bridge.factory import open_database
from oidc_bridge.storage import read
from oidc_bridge.storage.outbox import TOLD, LoggedDelivery, delivery_log


@click.group()
def logout() -> None:
    """Sign-outs, and whether clients were told of them."""


@logout.command("list")
@click.option("--client", "client_id", help="Of one client only.")
@click.option("--most", default=100, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_(context: click.Context, client_id: str | None, most: int, as_json: bool) -> None:
    """List the latest deliveries of logout tokens: client, since when, tries, how it went.

    \b
    Example:
      oidc-bridge logout list --client synapse
    """
    with open_database(settings_of(context)), read() as connection:
        log = delivery_log(connection, client_id=client_id, at_most=most)
    if as_json:
        facts = [asdict(delivery) for delivery in log]
        click.echo(json.dumps(facts, indent=2, default=datetime.isoformat))
        return
    for delivery in log:
        words = (delivery.client_id, f"{delivery.created_at:%FT%TZ}", f"tries={delivery.tries}")
        click.echo("  ".join((*words, _in_words(delivery))))


def _in_words(delivery: LoggedDelivery) -> str:
    outcome = delivery.outcome or "not tried yet"
    if delivery.done_at is None:
        return f"{outcome}, next try {delivery.next_try_at:%FT%TZ}"
    return outcome if outcome == TOLD else f"{outcome}, given up"
