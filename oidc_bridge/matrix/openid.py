"""Whose Matrix OpenID token it is, asked of their own homeserver.

A Matrix client gives such a token to a widget (MSC1960). It says who somebody is at their
homeserver for an hour, as often as it is shown, to anybody: it has no audience, so every widget
that ever got one could bring it here. It is no proof of a wallet and makes no `Identity`; what it
gives is a `MatrixUser`, who may look and take away.

Spec: Matrix Client-Server API, "OpenID"; Server-Server API ``GET /openid/userinfo``; MSC1960.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from oidc_bridge.errors import FetchError, MatrixTokenError
from oidc_bridge.ports import Fetch

# What Synapse mints has some 30 characters; what is longer than this is no token of anybody's.
_MAX_TOKEN = 1024
_MAX_MXID = 255
_MAX_ANSWER = 4096
_BUDGET = 3.0


@dataclass(frozen=True, slots=True)
class MatrixOpenIDToken:
    """What a Matrix client got from its homeserver, and which one it says that was."""

    access_token: str
    server_name: str


@dataclass(frozen=True, slots=True)
class MatrixUser:
    """Somebody at a homeserver, as it says itself."""

    localpart: str
    server_name: str

    @property
    def mxid(self) -> str:
        """The whole Matrix ID."""
        return f"@{self.localpart}:{self.server_name}"


def read_token(body: bytes) -> MatrixOpenIDToken:
    """Return the token of a JSON object as homeservers give it; further members are passed over.

    Raises:
        MatrixTokenError: ``token_malformed``.
    """
    said = _read_object(body)
    if said is None:
        raise MatrixTokenError("token_malformed", "no JSON object")
    token, server_name = said.get("access_token"), said.get("matrix_server_name")
    if not isinstance(token, str) or not 0 < len(token) <= _MAX_TOKEN:
        raise MatrixTokenError("token_malformed", "access_token")
    if not token.isascii() or not token.isprintable():
        raise MatrixTokenError("token_malformed", "access_token")
    if not isinstance(server_name, str):
        raise MatrixTokenError("token_malformed", "matrix_server_name")
    if said.get("token_type") != "Bearer":
        raise MatrixTokenError("token_malformed", "token_type")
    life = said.get("expires_in")
    if not isinstance(life, int) or isinstance(life, bool) or life <= 0:
        raise MatrixTokenError("token_malformed", "expires_in")
    return MatrixOpenIDToken(token, server_name)


def find_user(
    token: MatrixOpenIDToken, *, homeservers: Mapping[str, str], fetch: Fetch
) -> MatrixUser:
    """Return whom the homeserver says the token to be of.

    Args:
        homeservers: The addresses of those that the operator named, by their server names. Nobody
            else is asked anything: whoever could choose the server could choose who they are.

    Raises:
        MatrixTokenError: ``server_unknown`` before any request; ``server_unreachable``,
            ``server_unready`` if it does not serve this; ``token_refused``; ``user_malformed`` if
            what it says is nobody of its own.
    """
    # Server names are compared as they are spelt: "Chat.example" is another server (Matrix
    # appendices, "Server Name").
    url = homeservers.get(token.server_name)
    if url is None:
        raise MatrixTokenError("server_unknown", token.server_name[:_MAX_MXID])
    # In the query, as Synapse takes it from nowhere else.
    query = f"access_token={quote(token.access_token, safe='')}"
    address = f"{url.rstrip('/')}/_matrix/federation/v1/openid/userinfo?{query}"
    try:
        answer = fetch(address, max_bytes=_MAX_ANSWER, budget=_BUDGET)
    except FetchError as error:
        raise MatrixTokenError("server_unreachable", f"{token.server_name}: {error}") from error
    if answer.status in (401, 403):
        raise MatrixTokenError("token_refused", f"by {token.server_name}")
    if answer.status == 404:
        # The listener has no resource "openid"; a server without the path would never know anybody.
        raise MatrixTokenError("server_unready", f"{token.server_name}: no openid/userinfo there")
    if answer.status != 200:
        raise MatrixTokenError("server_unreachable", f"{token.server_name}: {answer.status}")
    return _read_user(answer.body, token.server_name)


def _read_user(body: bytes, server_name: str) -> MatrixUser:
    said = _read_object(body)
    sub = said.get("sub") if said else None
    if not isinstance(sub, str) or not sub.startswith("@") or len(sub) > _MAX_MXID:
        raise MatrixTokenError("user_malformed", "sub is no Matrix ID")
    # A server name may have a port, so only the first colon parts the two.
    localpart, _, server = sub[1:].partition(":")
    # Server-Server API: the server of ``sub`` must be the one that was asked. Else any homeserver
    # could name anybody.
    if not localpart or server != server_name:
        raise MatrixTokenError("user_malformed", f"sub is nobody of {server_name}")
    return MatrixUser(localpart, server)


def _read_object(body: bytes) -> dict[str, object] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
