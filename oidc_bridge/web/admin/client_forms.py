"""The forms that register a client, read into one; whether it may be is `oidc.policy`'s to say."""

from collections.abc import Mapping

from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.matrix import mas
from oidc_bridge.matrix.synapse import backchannel_uri, callback_uri, server_name_of
from oidc_bridge.oidc.client import AuthMethod, Client, ClientMetadata
from oidc_bridge.oidc.scopes import SCOPES

_SECRET: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post")
_PUBLIC: tuple[AuthMethod, ...] = ("none",)
_HOMESERVER_SCOPES = ("openid", "profile")
_LONGEST = 10_000
# What the forms have, but for what every form has.
FIELDS = (
    *("kind", "id", "name", "homeserver", "server_name", "mas", "provider_id"),
    *("redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri", "public"),
)


def read_new_client(form: Mapping[str, str]) -> Client:
    """Return the client that a form describes.

    Raises:
        BridgeError: ``homeserver_invalid``, ``server_name_missing``.
        PageError: ``form_malformed``.
    """
    match form.get("kind"):
        case "homeserver":
            return _synapse(form)
        case "mas":
            return _mas(form)
        case "web":
            return _other(form)
    raise PageError("form_malformed", "kind")


def _synapse(form: Mapping[str, str]) -> Client:
    base = _text(form, "homeserver")
    callback = callback_uri(base)
    server_name = _text(form, "server_name") or server_name_of(base)
    return _homeserver(form, server_name, callback, backchannel_uri(base))


def _mas(form: Mapping[str, str]) -> Client:
    base, provider_id = _text(form, "mas"), _text(form, "provider_id")
    callback = mas.callback_uri(base, provider_id)
    server_name = _text(form, "server_name")
    if not server_name:  # MAS lives at another host than its homeserver
        raise BridgeError("server_name_missing", "give the right half of its Matrix IDs")
    return _homeserver(form, server_name, callback, mas.backchannel_uri(base, provider_id))


def _homeserver(
    form: Mapping[str, str], server_name: str, callback: str, backchannel: str
) -> Client:
    return Client(
        id=_text(form, "id"),
        name=_text(form, "name") or server_name,
        kind="homeserver",
        redirect_uris=(callback,),
        secret_digests=(),
        auth_methods=_SECRET,
        scopes=_HOMESERVER_SCOPES,
        required_scopes=("openid",),
        server_name=server_name,
        backchannel_logout_uri=backchannel,
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
