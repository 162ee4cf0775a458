"""What Synapse and MAS have in common: what follows from a public address, and text in YAML."""

from dataclasses import dataclass

from oidc_bridge.errors import BridgeError
from oidc_bridge.origins import read_origin

# What they can use of all that a client may ask for.
USED_SCOPES = ("openid", "profile")


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


def quoted(text: str) -> str:
    """Return *text* as a YAML string that stays a string, whatever is in it."""
    signs = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(signs)}"'
