"""client add|list|show|secret|remove."""

import json
import secrets
from dataclasses import asdict
from datetime import UTC, datetime

import click
from sqlalchemy import Connection

from oidc_bridge.apps.developer import home_of
from oidc_bridge.cli.apps import UNKNOWN
from oidc_bridge.cli.registration import import_, token
from oidc_bridge.cli.setup import settings_of
from oidc_bridge.errors import BridgeError
from oidc_bridge.factory import make_find_profile, make_strangers_fetch, open_database
from oidc_bridge.matrix import mas, synapse
from oidc_bridge.matrix.homeserver import USED_SCOPES, Addresses
from oidc_bridge.oidc.client import AuthMethod, Client, ClientMetadata, Unknown
from oidc_bridge.oidc.policy import check_client
from oidc_bridge.oidc.scopes import SCOPES
from oidc_bridge.seal import new_secret
from oidc_bridge.sightings import look_at
from oidc_bridge.storage import read, write
from oidc_bridge.storage.apps import add_client, add_secret, all_clients, get_client, remove_client
from oidc_bridge.storage.developers import SeenProfile, all_profiles
from oidc_bridge.storage.ledger import COMMAND_LINE, record
from oidc_bridge.storage.sites import Logo, Site, all_logos, all_sites


@click.group()
def client() -> None:
    """Relying parties: who may ask people to sign in here."""


client.add_command(import_)
client.add_command(token)


@client.command()
@click.argument("client_id")
@click.option("--name", help="What people read; default: the homeserver's name or the id.")
@click.option("--homeserver", help="A Synapse's public_baseurl; fills in the addresses below.")
@click.option("--mas", "mas_base", help="Or a MAS's public_base; needs --server-name.")
@click.option("--server-name", help="Right half of its Matrix IDs; default: the homeserver's host.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="May be given repeatedly.")
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True)
@click.option("--backchannel-logout-uri")
@click.option("--jwks-uri", help="Where it publishes its keys; it then authenticates with them.")
@click.option("--scope", "scopes", multiple=True, help="Scopes it may ask for; default: all.")
@click.option("--require", "required", multiple=True, help="Scopes that people cannot untick.")
@click.option("--public", is_flag=True, help="It has no secret (PKCE alone).")
@click.option(
    "--unknown-apps",
    type=UNKNOWN,
    help="What holds at a homeserver for chat apps without a rule; default: ask.",
)
@click.pass_context
def add(
    context: click.Context,
    client_id: str,
    name: str | None,
    homeserver: str | None,
    mas_base: str | None,
    server_name: str | None,
    redirect_uris: tuple[str, ...],
    post_logout_redirect_uris: tuple[str, ...],
    backchannel_logout_uri: str | None,
    jwks_uri: str | None,
    scopes: tuple[str, ...],
    required: tuple[str, ...],
    public: bool,
    unknown_apps: Unknown | None,
) -> None:
    """Register a relying party; prints its id and, once, its secret.

    \b
    Examples:
      oidc-bridge client add synapse --homeserver https://matrix.example.org
      oidc-bridge client add mas --mas https://auth.example.org --server-name example.org
      oidc-bridge client add wiki --redirect-uri https://wiki.example.org/callback
    """
    now = datetime.now(UTC)
    found = _addresses_of(homeserver, mas_base, server_name, now=now)
    if found is None and unknown_apps is not None:
        raise click.UsageError("--unknown-apps is about the apps of a --homeserver or --mas")
    if found is not None:
        redirect_uris = (*redirect_uris, found.callback)
        backchannel_logout_uri = backchannel_logout_uri or found.backchannel
        server_name = found.server_name
        scopes = scopes or USED_SCOPES
    new = Client(
        id=client_id,
        name=name or server_name or client_id,
        kind="homeserver" if found is not None else "web",
        redirect_uris=redirect_uris,
        secret_digests=(),
        auth_methods=_auth_methods(is_public=public, has_keys=jwks_uri is not None),
        scopes=scopes or tuple(SCOPES),
        required_scopes=tuple(dict.fromkeys(("openid", *required))),
        server_name=server_name,
        backchannel_logout_uri=backchannel_logout_uri,
        metadata=ClientMetadata(
            jwks_uri=jwks_uri, post_logout_redirect_uris=post_logout_redirect_uris
        ),
        unknown_apps=unknown_apps or "ask",
    )
    check_client(new)
    secret = new_secret()

    def register(connection: Connection) -> None:
        add_client(connection, new, now=now)
        if new.has_need_of_secret:
            add_secret(connection, new.id, secret, now=now)
        record(connection, "client added", now=now, client_id=new.id, by=COMMAND_LINE)

    with open_database(settings_of(context)):
        write(register)
    click.echo(f"client_id:     {new.id}")
    if new.has_need_of_secret:
        click.echo(f"client_secret: {secret}")
        click.echo("The secret is shown this once.", err=True)
    if homeserver is not None or mas_base is not None:
        is_mas = homeserver is None
        command = f"mas-config {new.id}" if is_mas else f"synapse-config {new.id} --new-secret"
        click.echo("With another one, in the YAML that is loaded there:", err=True)
        click.echo(f"  oidc-bridge {command}", err=True)
    if new.kind == "homeserver":
        click.echo(f"Chat apps that no rule names: {new.unknown_apps}. Allow yours:", err=True)
        click.echo("  oidc-bridge app allow https://app.element.io", err=True)


@client.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the relying parties.

    \b
    Example:
      oidc-bridge client list --json
    """
    with open_database(settings_of(context)), read() as connection:
        known = all_clients(connection)
    if as_json:
        click.echo(json.dumps([_public(one) for one in known], indent=2))
        return
    for one in known:
        click.echo(f"{one.id}  {one.kind}  {one.name}")


@client.command()
@click.argument("client_id")
@click.pass_context
def show(context: click.Context, client_id: str) -> None:
    """Show one relying party as JSON; never its secret.

    \b
    Example:
      oidc-bridge client show synapse
    """
    with open_database(settings_of(context)), read() as connection:
        known = get_client(connection, client_id)
        facts = _public(known) | {
            "logo": _say_logo(all_logos(connection).get(client_id)),
            "site": _say_site(all_sites(connection).get(home_of(known) or "")),
            "profile": _say_profile(all_profiles(connection).get(client_id)),
        }
    click.echo(json.dumps(facts, indent=2))


@client.command()
@click.argument("client_ids", nargs=-1)
@click.pass_context
def refresh(context: click.Context, client_ids: tuple[str, ...]) -> None:
    """Look at relying parties' own sites now: logos, developers, and these' profiles.

    Without CLIENT_IDS at all of them. `prune` does this for what is older than a day.

    \b
    Example:
      oidc-bridge client refresh wiki
    """
    settings, now = settings_of(context), datetime.now(UTC)
    fetch = make_strangers_fetch(settings, exempt=settings.registration.allow_private)
    find_profile = make_find_profile(settings)
    with open_database(settings):
        with read() as connection:
            wanted = (
                [get_client(connection, client_id) for client_id in client_ids]
                if client_ids
                else all_clients(connection)
            )
        for one in wanted:
            look_at(one, fetch=fetch, find_profile=find_profile, now=now)
    click.echo(f"looked at {len(wanted)} clients' sites")


@client.command()
@click.argument("client_id")
@click.pass_context
def secret(context: click.Context, client_id: str) -> None:
    """Make another secret; the latest two are valid, so that one can replace the other.

    \b
    Example:
      oidc-bridge client secret synapse
    """
    with open_database(settings_of(context)):
        click.echo(make_secret(client_id))


@client.command()
@click.argument("client_id")
@click.confirmation_option(
    prompt="People keep their Matrix users, but would get new ones if it came back. Remove it?"
)
@click.pass_context
def remove(context: click.Context, client_id: str) -> None:
    """Forget a relying party, with all that people gave it.

    \b
    Example:
      oidc-bridge client remove wiki
    """
    now = datetime.now(UTC)

    def forget(connection: Connection) -> None:
        remove_client(connection, client_id)
        record(connection, "client removed", now=now, client_id=client_id, by=COMMAND_LINE)

    with open_database(settings_of(context)):
        write(forget)


def _addresses_of(
    homeserver: str | None, mas_base: str | None, server_name: str | None, *, now: datetime
) -> Addresses | None:
    if homeserver is not None and mas_base is not None:
        raise click.UsageError("people are signed in by Synapse or by a MAS: give one address")
    if homeserver is not None:
        return synapse.addresses_of(homeserver, server_name or "")
    if mas_base is None:
        return None
    if server_name is None:
        raise click.UsageError("a MAS has another host than its homeserver: give --server-name")
    provider_id = mas.new_provider_id(now, secrets.token_bytes(10))
    return mas.addresses_of(mas_base, provider_id, server_name)


def _auth_methods(*, is_public: bool, has_keys: bool) -> tuple[AuthMethod, ...]:
    if is_public:
        return ("none",)
    return ("private_key_jwt",) if has_keys else ("client_secret_basic", "client_secret_post")


def make_secret(client_id: str) -> str:
    """Keep another secret of a client, beside the one it has, and return it.

    Raises:
        BridgeError: ``client_unknown``, ``client_public``.
    """
    now, made = datetime.now(UTC), new_secret()

    def keep(connection: Connection) -> None:
        if not get_client(connection, client_id).has_need_of_secret:
            raise BridgeError("client_public", f"{client_id} has no use for a secret")
        add_secret(connection, client_id, made, now=now)
        record(connection, "client secret made", now=now, client_id=client_id, by=COMMAND_LINE)

    write(keep)
    return made


def _public(known: Client) -> dict[str, object]:
    facts = asdict(known)
    facts["secrets"] = len(facts.pop("secret_digests"))
    facts["metadata"] = known.metadata.to_json()
    facts["statement"] = known.statement.to_json() if known.statement else None
    if known.kind != "homeserver":
        del facts["unknown_apps"]  # it is itself the app
    return facts


def _say_logo(logo: Logo | None) -> dict[str, object] | None:
    if logo is None:
        return None
    return {"uri": logo.uri, "shown": logo.digest is not None, "fault": logo.fault}


def _say_profile(seen: SeenProfile | None) -> dict[str, object] | None:
    if seen is None:
        return None
    return {
        "name": seen.name,
        "display_name": seen.display_name,
        "url": seen.url,
        "picture_shown": seen.digest is not None,
        "fault": seen.fault,
        "answered_at": seen.answered_at.isoformat() if seen.answered_at else None,
    }


def _say_site(site: Site | None) -> dict[str, object] | None:
    if site is None:
        return None
    return {
        "names": list(site.authors),
        "fault": site.fault,
        "answered_at": site.answered_at.isoformat() if site.answered_at else None,
    }
