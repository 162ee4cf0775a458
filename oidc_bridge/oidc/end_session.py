"""A logout request, read: who asks, whose session they mean, and where the person goes next.

RP-Initiated Logout 1.0. Nothing in it is an error: a person who wants to sign out can, whatever
the link says. But only an ID token of ours counts for anything, and whatever is in doubt counts
as not sent: then the person is asked, and nobody is redirected anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from joserfc.jwk import KeySet

from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.jose import read_header, verify
from oidc_bridge.oidc.keys import OUR_ALGORITHMS, SigningKey


@dataclass(frozen=True, slots=True)
class Hint:
    """What an ``id_token_hint`` proves: we told *client* of a session by the name *sid*.

    It was true once. It is no standing right to sign anybody out (security L2).
    """

    client: Client
    sid: str


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """The parameters of ``/end-session`` that can be believed.

    Attributes:
        is_led_astray: An address was asked for that is not the client's: whoever wrote this is not
            the client, or has made a mistake, and the person should look at it.
    """

    hint: Hint | None
    return_uri: str | None
    state: str | None
    is_led_astray: bool = False

    @property
    def return_url(self) -> str | None:
        """Where the person goes afterwards, with ``state`` added (section 3)."""
        if self.return_uri is None or self.state is None:
            return self.return_uri
        separator = "&" if "?" in self.return_uri else "?"
        return f"{self.return_uri}{separator}state={quote(self.state, safe='')}"


def read_logout(
    parameters: Mapping[str, str],
    *,
    clients: Mapping[str, Client],
    keys: Sequence[SigningKey],
    issuer: str,
) -> LogoutRequest:
    """Return what *parameters* ask for, as far as it is proven.

    ``logout_hint`` and ``ui_locales`` are accepted and change nothing: without a hint the person
    is shown who is signed in, and is asked.
    """
    hint = read_hint(parameters.get("id_token_hint", ""), clients=clients, keys=keys, issuer=issuer)
    # Section 2: a client_id that is not the hint's makes the hint somebody else's.
    if hint is not None and parameters.get("client_id", hint.client.id) != hint.client.id:
        hint = None
    asked = parameters.get("post_logout_redirect_uri")
    # Security: character for character, and for the hint's own client only. Section 3: without a
    # hint nothing tells who wants the person back.
    is_known = hint is not None and asked in hint.client.metadata.post_logout_redirect_uris
    return LogoutRequest(
        hint,
        asked if is_known else None,
        parameters.get("state"),
        is_led_astray=asked is not None and not is_known,
    )


def read_hint(
    id_token: str,
    *,
    clients: Mapping[str, Client],
    keys: Sequence[SigningKey],
    issuer: str,
) -> Hint | None:
    """Return what an ID token of ours proves, expired or not (section 4); None for anything else.

    A logout token has the same issuer, audience, ``sid`` and signature: its ``typ`` tells it apart.
    """
    try:
        header = read_header(id_token)
        claims = verify(id_token, KeySet([known.key for known in keys]), allowed=OUR_ALGORITHMS)
    except BridgeError:
        return None
    audience, sid = claims.get("aud"), claims.get("sid")
    if header.get("typ") != "JWT" or claims.get("iss") != issuer:
        return None
    if not isinstance(audience, str) or not isinstance(sid, str) or audience not in clients:
        return None
    return Hint(clients[audience], sid)
