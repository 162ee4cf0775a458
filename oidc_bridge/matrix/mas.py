"""What Matrix Authentication Service (MAS) must be told, and where it listens for us.

Which homeserver has a MAS is told by its redirect URI alone: it ends in MAS's own id for us, a
ULID, which is part of MAS's configuration too and never changes.

Source: MAS's documentation, "Configure an upstream SSO provider" and ``upstream_oauth2``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from oidc_bridge.errors import BridgeError
from oidc_bridge.matrix.homeserver import USED_SCOPES, Addresses, base_of, quoted, read_server_name

# Crockford's letters: no I, L, O, U. The first cannot be more than 7: a ULID has 128 bits.
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_CALLBACK = re.compile(rf"(https?://.+)/upstream/callback/({_ULID.pattern})")


@dataclass(frozen=True, slots=True)
class Mas:
    """A MAS: its public address, and its id for us."""

    base: str
    provider_id: str


def new_provider_id(now: datetime, chance: bytes) -> str:
    """Return a ULID.

    Args:
        chance: ten random bytes.
    """
    number = (int(now.timestamp() * 1000) << 80) | int.from_bytes(chance, "big")
    return "".join(_LETTERS[(number >> shift) & 31] for shift in range(125, -5, -5))


def callback_uri(base: str, provider_id: str) -> str:
    """Return the redirect URI of the MAS at *base*.

    Raises:
        BridgeError: ``homeserver_invalid``.
    """
    return f"{base_of(base)}/upstream/callback/{_check_id(provider_id)}"


def backchannel_uri(base: str, provider_id: str) -> str:
    """Return where that MAS takes logout tokens.

    Raises:
        BridgeError: ``homeserver_invalid``.
    """
    return f"{base_of(base)}/upstream/backchannel-logout/{_check_id(provider_id)}"


def addresses_of(base: str, provider_id: str, server_name: str) -> Addresses:
    """Return what follows from the public address of a MAS.

    Raises:
        BridgeError: ``homeserver_invalid``, ``server_name_invalid``; ``server_name_missing``, since
            MAS lives at another host than its homeserver.
    """
    callback, backchannel = callback_uri(base, provider_id), backchannel_uri(base, provider_id)
    if not server_name:
        raise BridgeError("server_name_missing", "give the right half of its Matrix IDs")
    return Addresses(callback, backchannel, read_server_name(server_name))


def sso_uri(mas: Mas) -> str:
    """Return where a sign-in by us begins at that MAS; no chat app is named by it."""
    return f"{mas.base}/upstream/authorize/{mas.provider_id}"


def find_mas(redirect_uris: Iterable[str]) -> Mas | None:
    """Return the MAS to which answers go, if it is one."""
    for uri in redirect_uris:
        found = _CALLBACK.fullmatch(uri)
        if found is not None:
            return Mas(found[1], found[2])
    return None


def snippet(
    client_id: str,
    scopes: Sequence[str],
    *,
    provider_id: str,
    issuer: str,
    name: str,
    secret: str,
    algorithm: str,
) -> str:
    """Return the YAML that MAS loads as it stands.

    Args:
        scopes: What the client may ask for. MAS asks for no more than it can use, and never for an
            e-mail address: wallets do not verify them.
        algorithm: By which the client's ID tokens are signed.

    What each line is for stands in ``docs/synapse.md``.
    """
    text = quoted
    asked = " ".join(scope for scope in USED_SCOPES if scope in scopes)
    return f"""\
# A MAS that fills in templates here ("params"): of 2026, or newer.
upstream_oauth2:
  providers:
    - id: {text(provider_id)}
      issuer: {text(issuer)}
      human_name: {text(name)}
      client_id: {text(client_id)}
      client_secret: {text(secret)}
      token_endpoint_auth_method: client_secret_basic
      id_token_signed_response_alg: {text(algorithm)}
      scope: {text(asked)}
      pkce_method: always
      fetch_userinfo: false
      on_backchannel_logout: logout_all
      additional_authorization_parameters:
        # Tells us which chat app is asking. A request without it is a re-authentication.
        redirectUrl: "{{{{ params.redirect_uri }}}}"
        prompt: "{{% if logged_out %}}login{{% endif %}}"
      claims_imports:
        skip_confirmation: true
        subject:
          template: "{{{{ user.sub }}}}"
        localpart:
          action: require
          template: "{{{{ user.preferred_username }}}}"
          # Nothing else: names are sold, and their buyers would get the sellers' accounts.
          on_conflict: fail
        displayname:
          action: force
          template: "{{{{ user.name }}}}"
        email:
          action: ignore
        account_name:
          template: "{{{{ user.preferred_username }}}}"
"""


def _check_id(provider_id: str) -> str:
    if not _ULID.fullmatch(provider_id):
        raise BridgeError("homeserver_invalid", f"{provider_id!r}: MAS's ids are ULIDs")
    return provider_id
