"""synapse-config and mas-config: what a homeserver is told of us."""

import click

from oidc_bridge.cli.clients import make_secret
from oidc_bridge.cli.setup import settings_of
from oidc_bridge.errors import BridgeError
from oidc_bridge.factory import open_database
from oidc_bridge.matrix import mas
from oidc_bridge.matrix.synapse import module_snippet, snippet
from oidc_bridge.storage import read
from oidc_bridge.storage.apps import get_client


@click.command("synapse-config")
@click.argument("client_id")
@click.option(
    "--new-secret", "make_new", is_flag=True, help="Make a secret and print it inside the YAML."
)
@click.option("--secret-path", help="Where Synapse reads the secret from; none is made.")
@click.option(
    "--with-module", is_flag=True, help="Also load our module, for sign-in by app password."
)
@click.pass_context
def synapse_config(
    context: click.Context,
    client_id: str,
    make_new: bool,
    secret_path: str | None,
    with_module: bool,
) -> None:
    """Print the YAML that Synapse loads as it stands.

    \b
    Examples:
      oidc-bridge synapse-config synapse --new-secret > /etc/matrix-synapse/conf.d/oidc.yaml
      oidc-bridge synapse-config synapse --secret-path /etc/matrix-synapse/oidc.secret
      oidc-bridge synapse-config synapse --new-secret --with-module > oidc.yaml
    """
    if make_new == (secret_path is not None):
        raise click.UsageError("give either --new-secret or --secret-path")
    settings = settings_of(context)
    with open_database(settings):
        with read() as connection:
            known = get_client(connection, client_id)
        if known.kind != "homeserver":
            raise BridgeError(
                "client_not_homeserver", f"{client_id}: see `client add --homeserver`"
            )
        if mas.find_mas(known.redirect_uris) is not None:
            raise BridgeError("client_not_synapse", f"{client_id}: see `mas-config`")
        line = (
            ("client_secret_path", secret_path)
            if secret_path is not None
            else ("client_secret", make_secret(client_id))
        )
    text = snippet(
        known.id, known.scopes, issuer=settings.issuer, name=settings.name, secret_line=line
    )
    click.echo(text, nl=False)
    if with_module:
        click.echo(module_snippet(known.id, issuer=settings.issuer, secret_line=line), nl=False)
        if known.id not in settings.synapse_modules:
            click.echo(f'Let it ask: synapse_modules = ["{known.id}"] in {context.obj}', err=True)


@click.command("mas-config")
@click.argument("client_id")
@click.pass_context
def mas_config(context: click.Context, client_id: str) -> None:
    """Print what goes into MAS's config.yaml, with a new secret inside.

    \b
    Example:
      oidc-bridge mas-config mas > upstream.yaml
    """
    settings = settings_of(context)
    with open_database(settings):
        with read() as connection:
            known = get_client(connection, client_id)
        found = mas.find_mas(known.redirect_uris)
        if found is None:
            raise BridgeError("client_not_mas", f"{client_id}: see `client add --mas`")
        secret = make_secret(client_id)
    text = mas.snippet(
        known.id,
        known.scopes,
        provider_id=found.provider_id,
        issuer=settings.issuer,
        name=settings.name,
        secret=secret,
        algorithm=known.metadata.id_token_signed_response_alg,
    )
    click.echo(text, nl=False)
