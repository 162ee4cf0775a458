"""Who sends a request that no browser sends, and how they prove it.

Sources: RFC 6749 section 2.3; RFC 7523 section 3; OIDC Core section 9.
"""

import binascii
from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

from joserfc.jwk import KeySet

from oidc_bridge.errors import BridgeError, SentError
from oidc_bridge.oidc.client import AuthMethod, Client
from oidc_bridge.oidc.jose import (
    ALGORITHMS,
    LEEWAY_SECONDS,
    Allowed,
    check_begun,
    read_jti,
    read_time,
    read_unproven,
    verify,
)
from oidc_bridge.seal import digest_of

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Each is remembered until it expires, so that it cannot be used twice. An hour is what Authlib's
# client gives it, and a caller cannot choose.
_LONGEST_ASSERTION = timedelta(hours=1, seconds=LEEWAY_SECONDS)


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a client introduced itself; not yet believed.

    ``as_sent`` is the secret of a Basic header whose client did not form-encode it.
    """

    client_id: str
    secret: str | None
    method: AuthMethod
    as_sent: str | None = None
    assertion: str | None = None


@dataclass(frozen=True, slots=True)
class Assertion:
    """A client's signed word, verified; good once, so its ``jti`` is kept until it expires."""

    jti: str
    expires_at: datetime


def read_credentials(form: Mapping[str, str], authorization: str | None) -> Credentials:
    """Return who claims to ask.

    Raises:
        SentError: ``invalid_client`` (401), ``invalid_request`` if two ways are used at once.
    """
    assertion = form.get("client_assertion")
    secret = form.get("client_secret")
    # RFC 6749 2.3: not more than one method in a request.
    if sum(way is not None for way in (authorization, secret, assertion)) > 1:
        raise SentError("invalid_request", "The client authenticates in two ways at once.")
    if assertion is not None or "client_assertion_type" in form:
        return _read_assertion(form, assertion or "")
    if authorization is not None:
        return _read_basic(form, authorization)
    client_id = form.get("client_id", "")
    if not client_id:
        raise SentError("invalid_client", "No client authentication was sent.", status=401)
    return Credentials(client_id, secret, "client_secret_post" if secret else "none")


def authenticate(credentials: Credentials, client: Client | None) -> Client:
    """Return *client* if it is who it says, by a secret or by having none.

    Raises:
        SentError: ``invalid_client`` (401), the same words whatever was wrong.
    """
    if client is None or credentials.method not in client.auth_methods:
        raise refusal()
    match credentials.method:
        case "none":
            return client
        case "client_secret_basic" | "client_secret_post":
            readings = (credentials.secret, credentials.as_sent)
            known = [r is not None and client.has_secret(digest_of(r)) for r in readings]
            if any(known):
                return client
    raise refusal()


def check_assertion(
    assertion: str, keys: KeySet, *, client: Client, audiences: Collection[str], now: datetime
) -> Assertion:
    """Return what *client* has signed, for the caller to see that it was never used before.

    Args:
        keys: The public keys that the client registered.
        audiences: The names by which we are addressed: OIDC Core section 9 wants the token
            endpoint, RFC 9126 and FAPI 2 the issuer.

    Raises:
        BridgeError: ``jwt_malformed``, ``jwt_refused``.
    """
    registered = client.metadata.token_endpoint_auth_signing_alg
    # The header is not signed by anybody we know yet: it chooses among these, and no others.
    allowed = Allowed(*(name for name in ALGORITHMS if registered in (None, name)))
    claims = verify(assertion, keys, allowed=allowed)
    if claims.get("iss") != client.id or claims.get("sub") != client.id:
        raise BridgeError("jwt_refused", "iss and sub are not both the client's id")
    # One audience: a second one could use it here, in the client's name.
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        (audience,) = audience
    if not isinstance(audience, str) or audience not in audiences:
        raise BridgeError("jwt_refused", "aud is not this server alone")
    check_begun(claims, now=now)
    expires = read_time(claims, "exp")
    if expires is None or expires <= now.timestamp():
        raise BridgeError("jwt_refused", "exp is missing or over")
    if expires > (now + _LONGEST_ASSERTION).timestamp():
        raise BridgeError("jwt_refused", "exp is more than an hour ahead")
    return Assertion(read_jti(claims), datetime.fromtimestamp(expires, UTC))


def refusal() -> SentError:
    """Return what a client hears that is not who it says: never what was wrong."""
    return SentError("invalid_client", "Client authentication failed.", status=401)


def _read_assertion(form: Mapping[str, str], assertion: str) -> Credentials:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise refusal()
    try:
        # Whose key to verify it with. RFC 7521 4.2: client_id may be left out, not differ.
        claimed = read_unproven(assertion).get("sub")
    except BridgeError as error:
        raise refusal() from error
    if not isinstance(claimed, str):
        raise refusal()
    if form.get("client_id", claimed) != claimed:
        raise SentError("invalid_request", "client_id differs from the client that authenticates.")
    return Credentials(claimed, None, "private_key_jwt", assertion=assertion)


def _read_basic(form: Mapping[str, str], authorization: str) -> Credentials:
    """RFC 6749 2.3.1 form-encodes both halves; many clients do not, and are understood too."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise refusal()
    try:
        text = b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise refusal() from error
    name, colon, sent = text.partition(":")
    if not colon or not name:
        raise refusal()
    client_id, secret = unquote_plus(name), unquote_plus(sent)
    if form.get("client_id", client_id) != client_id:
        raise SentError("invalid_request", "client_id differs from the client that authenticates.")
    as_sent = None if secret == sent else sent
    return Credentials(client_id, secret, "client_secret_basic", as_sent)
