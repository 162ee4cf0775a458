"""What Synapse must be told: the YAML for ``homeserver.yaml`` and where it listens for us."""

import json
from collections.abc import Sequence
from urllib.parse import urlencode

from oidc_bridge.matrix.homeserver import USED_SCOPES, Addresses, base_of, quoted, read_server_name
from oidc_bridge.origins import read_origin

# Stored with every user as "oidc-stacks": another value would orphan everybody.
_IDP_ID = "stacks"
_CALLBACK = "/_synapse/client/oidc/callback"


def callback_uri(homeserver: str) -> str:
    """Return the redirect URI of a Synapse whose ``public_baseurl`` is *homeserver*."""
    return f"{base_of(homeserver)}{_CALLBACK}"


def find_homeserver(redirect_uris: Sequence[str]) -> str | None:
    """Undo `callback_uri`; None if none of *redirect_uris* is one of a Synapse's."""
    return next(
        (uri.removesuffix(_CALLBACK) for uri in redirect_uris if uri.endswith(_CALLBACK)), None
    )


def backchannel_uri(homeserver: str) -> str:
    """Return where that Synapse takes logout tokens."""
    return f"{base_of(homeserver)}/_synapse/client/oidc/backchannel_logout"


def sso_uri(homeserver: str, app: str) -> str:
    """Return where a sign-in of the chat app at *app* begins at that Synapse."""
    way = f"/_matrix/client/v3/login/sso/redirect/oidc-{_IDP_ID}"
    return f"{base_of(homeserver)}{way}?{urlencode({'redirectUrl': app})}"


def server_name_of(homeserver: str) -> str:
    """Return the host of *homeserver*: the server name where nobody said otherwise."""
    return read_origin(homeserver).netloc


def addresses_of(homeserver: str, server_name: str = "") -> Addresses:
    """Return what follows from a Synapse's ``public_baseurl``.

    Raises:
        BridgeError: ``homeserver_invalid``, ``server_name_invalid``.
    """
    return Addresses(
        callback_uri(homeserver),
        backchannel_uri(homeserver),
        read_server_name(server_name or server_name_of(homeserver)),
    )


def login_url(homeserver: str) -> str:
    """Return where the Synapse at *homeserver* says in which ways people may sign in."""
    return f"{base_of(homeserver)}/_matrix/client/v3/login"


def takes_passwords(answer: bytes) -> bool:
    """Return whether a Synapse that says *answer* at `login_url` takes passwords.

    It does if it has passwords of its own, or a module that asks somebody about them. Which of the
    two, it does not say.
    """
    try:
        flows = json.loads(answer)["flows"]
        return any(flow["type"] == "m.login.password" for flow in flows)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def snippet(
    client_id: str,
    scopes: Sequence[str],
    *,
    issuer: str,
    name: str,
    secret_line: tuple[str, str],
) -> str:
    """Return the YAML that Synapse 1.129 or newer loads as it stands.

    Args:
        scopes: What the client may ask for. Synapse asks for no more than it can use, and never
            for an e-mail address: it would take it away from whoever had it.
        secret_line: ``("client_secret", ...)`` or ``("client_secret_path", ...)``.

    What each line is for stands in ``docs/synapse.md``.
    """
    text = quoted
    key, value = secret_line
    asked = [scope for scope in USED_SCOPES if scope in scopes]
    return f"""\
# Synapse 1.129 or newer. Printed by `oidc-bridge synapse-config {client_id}`.
oidc_providers:
  - idp_id: {_IDP_ID}
    idp_name: {text(name)}
    issuer: {text(issuer)}
    client_id: {text(client_id)}
    {key}: {text(value)}
    client_auth_method: client_secret_basic
    pkce_method: always
    scopes: [{", ".join(map(text, asked))}]
    user_profile_method: auto
    backchannel_logout_enabled: true
    # Tells us which chat app is asking. A request without it is a re-authentication.
    passthrough_authorization_parameters: ["redirectUrl"]
    # Never true: names are sold, and their buyers would get the sellers' accounts.
    allow_existing_users: false
    enable_registration: true
    user_mapping_provider:
      config:
        subject_template: "{{{{ user.sub }}}}"
        localpart_template: "{{{{ user.preferred_username }}}}"
        display_name_template: "{{{{ user.name }}}}"
        picture_template: "{{{{ user.picture }}}}"
"""


def module_snippet(client_id: str, *, issuer: str, secret_line: tuple[str, str]) -> str:
    """Return the YAML that loads `synapse_module.PasswordProvider`, to follow `snippet`'s.

    It authenticates by the secret that stands there already.
    """
    text = quoted
    key, value = secret_line
    return f"""\
# Asks the bridge about passwords that are none of Synapse's. Synapse must take passwords for that:
#   password_config: {{enabled: true, localdb_enabled: false}}  # true, if there are local ones
modules:
  - module: oidc_bridge.matrix.synapse_module.PasswordProvider
    config:
      url: {text(f"{issuer}/matrix/password")}
      client_id: {text(client_id)}
      {key}: {text(value)}
      idp_id: {_IDP_ID}
"""
