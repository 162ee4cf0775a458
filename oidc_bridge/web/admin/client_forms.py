"""The forms that register a client, read into one; whether it may be is `oidc.policy`'s to say."""

from collections.abc import Mapping

from oidc_bridge.errors import PageError
from oidc_bridge.matrix import mas, synapse
from oidc_bridge.matrix.homeserver import USED_SCOPES, Addresses
from oidc_bridge.oidc.client import AuthMethod, Client, ClientMetadata
from oidc_bridge.oidc.scopes import SCOPES

_SECRET: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post")
_PUBLIC: tuple[AuthMethod, ...] = ("none",)
_LONGEST = 10_000
# What the forms have, but for what every form has.
FIELDS = (
    *("kind", "id", "name", "homeserver", "server_name", "mas", "provider_id"),
    *("redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri", "public"),
)


def read_new_client(form: Mapping[str, str]) -> Client:
    """Return the client that a form describes.

    Raises:
        BridgeError: ``homeserver_invalid``, ``server_name_missing``,
            ``server_name_invalid``.
        PageError: ``form_malformed``.
    """
    match form.get("kind"):
        case "homeserver":
            server_name = _text(form, "server_name")
            return _homeserver(form, synapse.addresses_of(_text(form, "homeserver"), server_name))
        case "mas":
            base, provider_id = _text(form, "mas"), _text(form, "provider_id")
            server_name = _text(form, "server_name")
            return _homeserver(form, mas.addresses_of(base, provider_id, server_name))
        case "web":
            return _other(form)
    raise PageError("form_malformed", "kind")


def _homeserver(form: Mapping[str, str], found: Addresses) -> Client:
    return Client(
        id=_text(form, "id"),
        name=_text(form, "name") or found.server_name,
        kind="homeserver",
        redirect_uris=(found.callback,),
        secret_digests=(),
        auth_methods=_SECRET,
        scopes=USED_SCOPES,
        required_scopes=("openid",),
        server_name=found.server_name,
        backchannel_logout_uri=found.backchannel,
    )


def _other(form: Mapping[str, str]) -> Client:
    client_id = _text(form, "id")
    return Client(
        id=client_id,
        name=_text(form, "name") or client_id,
        kind="web",
        redirect_uris=tuple(dict.fromkeys(_text(form, "redirect_uris").split())),
        secret_digests=(),
        auth_methods=_PUBLIC if form.get("public") == "yes" else _SECRET,
        scopes=tuple(SCOPES),
        required_scopes=("openid",),
        backchannel_logout_uri=_text(form, "backchannel_logout_uri") or None,
        metadata=ClientMetadata(
            post_logout_redirect_uris=tuple(
                dict.fromkeys(_text(form, "post_logout_redirect_uris").split())
            )
        ),
    )


def _text(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "").strip()
    if len(value) > _LONGEST or "\0" in value:
        raise PageError("form_malformed", name)
    return value
