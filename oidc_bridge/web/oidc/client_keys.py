"""The public keys of clients: registered with them, or fetched from where they publish them."""

from joserfc.jwk import KeySet

from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.policy import read_keys
from oidc_bridge.web import bridge


def keys_of(client: Client, *, kid: str | None = None) -> KeySet:
    """Return the public keys of *client*; none if it has none, or they cannot be had.

    Args:
        kid: The key that is looked for, if a token names one. Not inside a transaction: it may
            have to be fetched.
    """
    if client.metadata.jwks is not None:
        return KeySet(read_keys(client.metadata.jwks))
    if client.metadata.jwks_uri is None:
        return KeySet([])
    parts = bridge()
    uri, now = client.metadata.jwks_uri, parts.clock()
    return KeySet(list(parts.client_keys.get(client.id, uri, kid=kid, now=now)))
