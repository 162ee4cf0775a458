"""What a registration must keep to, whoever makes it: the operator, an import, or the client.

One function, `check_client`, so that no way in and no later change is held to less (Keycloak
CVE-2026-15572 was an update that skipped what creation checked).

Sources: RFC 7591 sections 2 and 5, OIDC Registration section 2, RFC 8252 section 7, MSC2966.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.client import (
    Client,
    ClientMetadata,
    check_backchannel_uri,
    check_redirect_uri,
)
from oidc_bridge.oidc.jose import ALGORITHMS
from oidc_bridge.oidc.keys import SIGNING_ALGORITHMS
from oidc_bridge.oidc.scopes import SCOPES
from oidc_bridge.origins import LOOPBACK, read_origin

# Synapse does not form-encode Basic credentials: with these letters both readings agree.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_NAME = 200
_MAX_URIS = 50
_MAX_KEYS = 20
_WEB_MEMBERS = ("client_uri", "initiate_login_uri", "logo_uri", "policy_uri", "tos_uri")
_FETCHED_MEMBERS = ("jwks_uri", "sector_identifier_uri")


def check_client(client: Client) -> None:
    """Return if *client* may be registered as it is.

    Raises:
        BridgeError: ``client_id_malformed``, ``invalid_redirect_uri``,
            ``invalid_client_metadata`` (RFC 7591 section 3.2.2).
    """
    if not _ID.fullmatch(client.id):
        raise BridgeError("client_id_malformed", f"{client.id!r}: 1 to 64 of A-Z a-z 0-9 _ -")
    _check_name(client.name)
    _check_addresses(client)
    _check_scopes(client)
    _check_pages(client)
    _check_keys(client)
    _check_algorithms(client.metadata)
    if client.kind == "homeserver" and client.is_public:
        raise _refusal("a homeserver keeps a secret: it cannot be public")


def check_change(before: Client, after: Client) -> None:
    """Return if *after* may take the place of *before*: both are the same developer's.

    A statement by somebody else, with the same ``software_id`` or not, is another app: it must not
    inherit what people gave to this one. Nor may a client drop its developer and be given another
    one later (RFC 7592 section 2.2: an update holds all that was answered, the statement too).

    Raises:
        BridgeError: ``unapproved_software_statement``.
    """
    if before.statement is None:
        return
    if after.statement is None or after.statement.developer != before.statement.developer:
        detail = f"{before.id} is signed by {before.statement.developer}, and stays so"
        raise BridgeError("unapproved_software_statement", detail)
    if after.metadata.software_id != before.metadata.software_id:
        raise BridgeError("unapproved_software_statement", "software_id: is another software's")


def _check_algorithms(metadata: ClientMetadata) -> None:
    """Nobody may register what would be a crash when it is used."""
    ours, theirs = SIGNING_ALGORITHMS, ALGORITHMS
    chosen = (
        (metadata.id_token_signed_response_alg, ours),
        (metadata.userinfo_signed_response_alg, ours),
        (metadata.introspection_signed_response_alg, ours),
        (metadata.request_object_signing_alg, theirs),
        (metadata.token_endpoint_auth_signing_alg, theirs),
    )
    for algorithm, known in chosen:
        if algorithm is not None and algorithm not in known:
            raise _refusal(f"{algorithm!r} is not an algorithm that we offer")


def read_keys(jwks: object) -> list[Key]:
    """Return the public keys of a JWK set (RFC 7517 section 5), but for those of unknown kinds.

    Raises:
        BridgeError: ``invalid_client_metadata``, also if a key is private or symmetric.
    """
    members = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(members, Sequence) or isinstance(members, str) or not members:
        raise _refusal("jwks: expected an object with a list of keys")
    if len(members) > _MAX_KEYS:
        raise _refusal(f"jwks: more than {_MAX_KEYS} keys")
    keys = [_read_key(member) for member in members]
    kids = [member["kid"] for member in members if "kid" in member]
    if len(set(kids)) != len(kids):
        raise _refusal("jwks: two keys have the same kid")
    usable = [key for key in keys if key is not None]
    if not usable:
        raise _refusal("jwks: no key of a kind that we know")
    return usable


def _read_key(member: Any) -> Key | None:
    if not isinstance(member, Mapping) or not isinstance(member.get("kty"), str):
        raise _refusal("jwks: a key is no object with a kty")
    if not isinstance(member.get("kid", ""), str):
        raise _refusal("jwks: a kid is no text")
    if member["kty"] not in ("RSA", "EC", "OKP"):
        if member["kty"] == "oct":
            raise _refusal("jwks: a symmetric key is a secret, and does not belong here")
        return None
    if "d" in member:
        raise _refusal("jwks: a key is private; make another one, and keep it to yourself")
    try:
        key = import_key(dict(member))
        key.public_key  # noqa: B018 (only now its numbers are looked at)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise _refusal("jwks: a key is malformed") from error
    return key


def _check_name(name: str) -> None:
    # Not printable are also the signs that turn text around, and those that nobody can see.
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise _refusal(f"client_name: expected 1 to {_MAX_NAME} visible signs")


def _check_addresses(client: Client) -> None:
    if not client.redirect_uris:
        raise BridgeError("invalid_redirect_uri", "at least one redirect URI is needed")
    if len(client.redirect_uris) > _MAX_URIS:
        raise BridgeError("invalid_redirect_uri", f"more than {_MAX_URIS} redirect URIs")
    for uri in client.redirect_uris:
        check_redirect_uri(uri, is_native=client.is_native)
    for uri in client.metadata.post_logout_redirect_uris:
        try:
            check_redirect_uri(uri, is_native=client.is_native)
        except BridgeError as error:
            raise _refusal(f"post_logout_redirect_uris: {error.detail}") from error
    if client.backchannel_logout_uri is not None:
        check_backchannel_uri(client.backchannel_logout_uri)


def _check_scopes(client: Client) -> None:
    if set(client.scopes) - set(SCOPES) or "openid" not in client.scopes:
        raise _refusal(f"scopes must hold openid and be of {', '.join(SCOPES)}")
    if set(client.required_scopes) - set(client.scopes):
        raise _refusal("a required scope is not among the scopes")


def _check_pages(client: Client) -> None:
    """MSC2966: who names a site as theirs lives there, with all that people are led to."""
    for name in (*_WEB_MEMBERS, *_FETCHED_MEMBERS):
        uri = getattr(client.metadata, name)
        if uri is not None:
            _check_https(name, uri)
    if client.metadata.client_uri is None:
        return
    home = read_origin(client.metadata.client_uri).host
    for name, uri in _led_to(client):
        if not _is_at_home(uri, home):
            raise _refusal(f"{name}: {uri!r} is not at {home}, the host of client_uri")


def _led_to(client: Client) -> Iterator[tuple[str, str]]:
    known = client.metadata
    yield from (("redirect_uris", uri) for uri in client.redirect_uris)
    yield from (("post_logout_redirect_uris", uri) for uri in known.post_logout_redirect_uris)
    for name in _WEB_MEMBERS:
        if getattr(known, name) is not None:
            yield name, getattr(known, name)


def _is_at_home(uri: str, home: str) -> bool:
    scheme = uri.partition(":")[0]
    if scheme not in ("http", "https"):
        turned = ".".join(reversed(home.split(".")))
        return scheme == turned or scheme.startswith(f"{turned}.")
    host = read_origin(uri).host
    return host == home or host.endswith(f".{home}") or host in LOOPBACK


def _check_https(name: str, uri: str) -> None:
    try:
        origin = read_origin(uri)
    except ValueError as error:
        raise _refusal(f"{name}: {uri!r}: {error}") from error
    if origin.scheme != "https" or "#" in uri:
        raise _refusal(f"{name}: {uri!r} must be https, without a fragment")


def _check_keys(client: Client) -> None:
    known = client.metadata
    if known.jwks is not None and known.jwks_uri is not None:
        raise _refusal("jwks and jwks_uri exclude each other")
    if known.jwks is not None:
        read_keys(known.jwks)
    if "private_key_jwt" in client.auth_methods and known.jwks is None and known.jwks_uri is None:
        raise _refusal("private_key_jwt needs jwks or jwks_uri")
    if known.require_signed_request_object and known.jwks is None and known.jwks_uri is None:
        raise _refusal("require_signed_request_object needs jwks or jwks_uri")


def _refusal(detail: str) -> BridgeError:
    return BridgeError("invalid_client_metadata", detail)
