"""A client's secret, shown this once, inside of what its server must be told."""

from dataclasses import dataclass

from flask import Response, url_for

from oidc_bridge.matrix import mas, synapse
from oidc_bridge.oidc.client import Client
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.pages import admin_page


@dataclass(frozen=True, slots=True)
class Yaml:
    """What goes into the configuration of *software*."""

    software: str
    text: str


def yaml_of(client: Client, secret: str) -> Yaml | None:
    """Return what a homeserver's software must be told; None if *client* is none that we know."""
    settings = bridge().settings
    if client.kind != "homeserver" or not client.has_need_of_secret:
        return None
    found = mas.find_mas(client.redirect_uris)
    if found is None:
        line = ("client_secret", secret)
        names = {"issuer": settings.issuer, "name": settings.name}
        text = synapse.snippet(client.id, client.scopes, **names, secret_line=line)
        return Yaml("Synapse", text)
    text = mas.snippet(
        client.id,
        client.scopes,
        provider_id=found.provider_id,
        issuer=settings.issuer,
        name=settings.name,
        secret=secret,
        algorithm=client.metadata.id_token_signed_response_alg,
    )
    return Yaml("MAS", text)


def secret_page(client: Client, secret: str, *, is_new: bool) -> Response:
    """Show a secret that was just made; ``""`` if the client has none."""
    return admin_page(
        "admin/secret.html",
        client=client,
        secret=secret,
        yaml=yaml_of(client, secret) if secret else None,
        is_new=is_new,
        client_url=url_for("admin_clients.client", client_id=client.id),
    )
