"""A registered relying party, and the rules its registration must keep."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from hmac import compare_digest
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

from oidc_bridge.errors import BridgeError
from oidc_bridge.origins import read_origin

Kind = Literal["homeserver", "web"]
# What holds for apps of a homeserver that no rule of the operator names.
Unknown = Literal["ask", "allow", "alone", "deny"]
AuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]

# RFC 9700 section 4.1: what we append must never be there already (Keycloak CVE-2026-9689).
_RESERVED = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})
# RFC 8252 section 7.1: a domain of the app's maker turned around, and one slash.
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+:/(?!/)[!-\[\]-~]*")
_LOOPBACK_PORT = re.compile(
    r"(http://(?:localhost|127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?(?=[/?]|$)"
)


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """What a client may say of itself beyond what every request needs; names as in the standards.

    RFC 7591 section 2, OIDC Registration section 2, RP-Initiated Logout section 3.1, RFC 9101
    section 10.5, RFC 9126 section 6, RFC 9449 section 5.2, RFC 9701 section 6. A member that was
    not registered has its default.
    """

    application_type: str = "web"
    backchannel_logout_session_required: bool = False
    client_uri: str | None = None
    contacts: tuple[str, ...] = ()
    default_max_age: int | None = None
    dpop_bound_access_tokens: bool = False
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    id_token_signed_response_alg: str = "RS256"  # noqa: S105
    initiate_login_uri: str | None = None
    introspection_signed_response_alg: str = "RS256"
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    post_logout_redirect_uris: tuple[str, ...] = ()
    request_object_signing_alg: str | None = None
    require_auth_time: bool = False
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    sector_identifier_uri: str | None = None
    software_id: str | None = None
    software_version: str | None = None
    token_endpoint_auth_signing_alg: str | None = None
    tos_uri: str | None = None
    userinfo_signed_response_alg: str | None = None

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Self:
        """Undo `to_json`."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in members.items()
        }
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the members that differ from their defaults."""
        written = asdict(self)
        return {
            field.name: written[field.name]
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }


@dataclass(frozen=True, slots=True)
class SoftwareStatement:
    """What a developer signed about a client's software, verified (RFC 7591 section 2.3).

    The client metadata in it is the client's own by now; this is what remains to be known.

    Attributes:
        text: As it came, to be returned unmodified (section 3.2.1).
        developer: ``iss``: ``did:btc-addr:<address>``, or a Blockstack name.
        address: Of the key that signed, in Bitcoin's form.
        jti: ``""`` if it has none.
        expires_at: Nobody stands behind the client any more from then on.
    """

    text: str
    developer: str
    address: str
    jti: str
    expires_at: datetime
    required_scopes: tuple[str, ...]

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Undo `to_json`."""
        return cls(
            **{
                **kept,
                "expires_at": datetime.fromisoformat(kept["expires_at"]),
                "required_scopes": tuple(kept["required_scopes"]),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {
            "expires_at": self.expires_at.isoformat(),
            "required_scopes": list(self.required_scopes),
        }


@dataclass(frozen=True, slots=True)
class Client:
    """A relying party, e.g. a Synapse.

    Attributes:
        kind: ``homeserver`` if chat apps sign in through it and it passes on where they live
            (``redirectUrl``); ``web`` if it is itself the app.
        secret_digests: SHA-256 (hex) of each secret that is valid now, for rotation.
        auth_methods: how it may authenticate at the token endpoint.
        scopes: all it may ask for; ``required_scopes``: what people cannot untick.
        server_name: the right half of Matrix IDs at a homeserver, if known.
        unknown_apps: see `apps.whitelist`; says nothing of a client that is itself the app.
        statement: what its developer signed, if anybody did.
    """

    id: str
    name: str
    kind: Kind
    redirect_uris: tuple[str, ...]
    secret_digests: tuple[str, ...]
    auth_methods: tuple[AuthMethod, ...]
    scopes: tuple[str, ...]
    required_scopes: tuple[str, ...]
    server_name: str | None = None
    backchannel_logout_uri: str | None = None
    metadata: ClientMetadata = ClientMetadata()
    unknown_apps: Unknown = "ask"
    statement: SoftwareStatement | None = None

    @property
    def is_native(self) -> bool:
        """Whether it runs on the person's own device (OIDC Registration section 2)."""
        return self.metadata.application_type == "native"

    @property
    def is_public(self) -> bool:
        """Whether it has no way to prove who it is (RFC 6749 section 2.1)."""
        return self.auth_methods == ("none",)

    @property
    def has_need_of_secret(self) -> bool:
        """Whether a secret is how it authenticates."""
        return any(method.startswith("client_secret_") for method in self.auth_methods)

    def developer_at(self, now: datetime) -> str:
        """Return who stands behind it by a statement that has not ended; ``""`` if nobody."""
        known = self.statement
        return known.developer if known is not None and now < known.expires_at else ""

    def accepts_redirect_uri(self, uri: str) -> bool:
        """Return whether an answer may go to *uri*: registered, character for character.

        A native app cannot know its loopback port beforehand: that alone may differ (RFC 8252
        section 7.3, RFC 9700 section 2.1).
        """
        if redirect_uri_matches(uri, self.redirect_uris):
            return True
        if not self.is_native or not _is_on_loopback(uri):
            return False
        return _without_port(uri) in map(_without_port, filter(_is_on_loopback, self.redirect_uris))

    def has_secret(self, digest: str) -> bool:
        """Return whether *digest* is that of a valid secret, in time independent of which."""
        return sum(compare_digest(known, digest) for known in self.secret_digests) > 0


def check_redirect_uri(uri: str, *, is_native: bool = False) -> str:
    """Return *uri* if it may be registered.

    Absolute https (http on loopback only), ASCII, no fragment, no user info, and none of the
    parameters that we append ourselves. Matching is by exact string, so nothing is normalised.
    A native app may also have a scheme of its own, ``org.wiki.app:/callback``.

    Raises:
        BridgeError: ``invalid_redirect_uri`` (RFC 7591 section 3.2.2).
    """
    if is_native and _PRIVATE_USE.fullmatch(uri):
        _check_parts(uri)
        return uri
    try:
        origin = read_origin(uri)
    except ValueError as error:
        raise BridgeError("invalid_redirect_uri", f"{uri!r}: {error}") from error
    if not origin.is_trustworthy:
        raise BridgeError("invalid_redirect_uri", f"{uri!r}: must be https, or http on localhost")
    _check_parts(uri)
    return uri


def _check_parts(uri: str) -> None:
    if "#" in uri:
        raise BridgeError("invalid_redirect_uri", f"{uri!r}: must not have a fragment")
    query = uri.partition("?")[2]
    if _RESERVED & {name for name, _ in parse_qsl(query, keep_blank_values=True)}:
        raise BridgeError("invalid_redirect_uri", f"{uri!r}: its query holds what we append")


def check_backchannel_uri(uri: str) -> str:
    """Return *uri* if logout tokens may be posted there (Back-Channel Logout 1.0 section 2.2).

    Raises:
        BridgeError: ``invalid_client_metadata``.
    """
    try:
        read_origin(uri)
    except ValueError as error:
        raise BridgeError("invalid_client_metadata", f"{uri!r}: {error}") from error
    if "#" in uri:
        raise BridgeError("invalid_client_metadata", f"{uri!r}: must not have a fragment")
    return uri


def redirect_uri_matches(uri: str, registered: Sequence[str]) -> bool:
    """Return whether *uri* is one of *registered*, character for character (RFC 9700 2.1)."""
    return uri in registered


def _is_on_loopback(uri: str) -> bool:
    if not _LOOPBACK_PORT.match(uri):
        return False
    try:
        read_origin(uri)
    except ValueError:
        return False
    return True


def _without_port(uri: str) -> str:
    return _LOOPBACK_PORT.sub(r"\1", uri, count=1)
