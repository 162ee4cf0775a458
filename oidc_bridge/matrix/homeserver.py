"""What Synapse and MAS have in common: what follows from a public address, and text in YAML."""

import re
from dataclasses import dataclass

from oidc_bridge.errors import BridgeError
from oidc_bridge.origins import read_origin

# What they can use of all that a client may ask for.
USED_SCOPES = ("openid", "profile")

# A Matrix ID has at most 255 signs; 230 leave room for a localpart.
_MAX_SERVER_NAME = 230
_SERVER_NAME = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Addresses:
    """What follows from a homeserver's public address.

    Attributes:
        callback: The redirect URI: where people come back to.
        backchannel: Where it takes logout tokens.
        server_name: Right half of its Matrix IDs.
    """

    callback: str
    backchannel: str
    server_name: str


def base_of(address: str) -> str:
    """Return a server's public address, to which paths can be added.

    Raises:
        BridgeError: ``homeserver_invalid``.
    """
    try:
        read_origin(address)
    except ValueError as error:
        raise BridgeError("homeserver_invalid", f"{address!r}: {error}") from error
    if set("?#") & set(address):
        raise BridgeError("homeserver_invalid", f"{address!r}: give its public address alone")
    return address.rstrip("/")


def read_server_name(text: str) -> str:
    """Return the right half of Matrix IDs as it is given (Matrix 1.12 appendices, "Server Name").

    Raises:
        BridgeError: ``server_name_invalid``.
    """
    if len(text) > _MAX_SERVER_NAME or not _SERVER_NAME.fullmatch(text):
        raise BridgeError(
            "server_name_invalid",
            f"{text[:80]!a}: expected what stands behind the colon of Matrix IDs",
        )
    return text


def quoted(text: str) -> str:
    """Return *text* as a YAML string that stays a string, whatever is in it."""
    signs = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(signs)}"'
