"""An app's own card, signed by its developer: a software statement.

It is a compact JWS over client metadata, here ES256K by a Blockstack identity: by the key of its
address, or of the address that owns its name, or the one that signed that name's profile. The
token names its key nowhere, so the keys that can have made the signature are computed from it, and
one of them must have the address that was known before.

Spec: RFC 7591 sections 2.3 and 3.2.2; RFC 7519 section 4.1; RFC 8252 section 7.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from oidc_bridge.errors import BridgeError, ProofError
from oidc_bridge.oidc.client import SoftwareStatement
from oidc_bridge.origins import LOOPBACK, read_origin
from oidc_bridge.ports import Fetch
from oidc_bridge.proofs.addresses import Address, parse_address, public_key_to_address
from oidc_bridge.proofs.jsontokens import JsonToken, parse, recover, sign
from oidc_bridge.proofs.named_profile import FindProfile
from oidc_bridge.proofs.names import NameService, look_up

LONGEST_LIFE = timedelta(days=400)

_LEEWAY = timedelta(minutes=5)
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+){1,2}")
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+:.*", re.S)
DID = "did:btc-addr:"
_MAX_ID = 200
_MAX_TEXT = 2000
# What the token says of itself; all else in it is client metadata.
_OF_TOKEN = frozenset({"iss", "sub", "aud", "iat", "nbf", "exp", "jti", "required_scopes"})
# RFC 7591 section 2.3 lets a statement say anything; these would be about one registration, not
# about the software.
_NOT_OF_SOFTWARE = frozenset({"client_id", "client_secret", "software_statement"})
_AT_HOME = ("logo_uri", "policy_uri", "tos_uri")


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement that keeps every rule, and whose signature nobody has looked at yet.

    Attributes:
        issuer: ``did:btc-addr:<address>``, or a Blockstack name.
        required_scopes: What people cannot untick; always with ``openid``.
        members: The client metadata in it.
    """

    text: str
    token: JsonToken
    issuer: str
    jti: str
    expires_at: datetime
    required_scopes: tuple[str, ...]
    members: Mapping[str, object]


def open_statement(
    text: object,
    *,
    audience: str,
    services: tuple[NameService, ...],
    fetch: Fetch,
    now: datetime,
    find_profile: FindProfile | None = None,
) -> tuple[SoftwareStatement, Mapping[str, object]]:
    """Return a developer's statement and the client metadata in it.

    Args:
        text: What a client sent as ``software_statement``.
        audience: Our issuer, which ``aud`` must name if it is there.
        services: Asked for the owner of a developer's name.
        find_profile: Asked for the key behind a name whose owner did not sign. Without it, nobody
            but the owner can.

    Raises:
        BridgeError: ``invalid_software_statement`` if it breaks a rule or somebody else signed it;
            ``unapproved_software_statement`` if we cannot learn who owns the developer's name, or
            where its owner's zone file leads.
    """
    draft = read_draft(text, audience=audience, now=now)
    signer = find_signer(draft, services=services, fetch=fetch, now=now, find_profile=find_profile)
    statement = SoftwareStatement(
        text=draft.text,
        developer=draft.issuer,
        address=signer.btc,
        jti=draft.jti,
        expires_at=draft.expires_at,
        required_scopes=draft.required_scopes,
    )
    return statement, draft.members


def read_draft(text: object, *, audience: str | None, now: datetime) -> Draft:
    """Return the statement in *text*, held to every rule that can be checked without its signer.

    Args:
        audience: None if nobody knows yet where it will be sent.

    Raises:
        BridgeError: ``invalid_software_statement``; the detail begins with the claim at fault.
    """
    if not isinstance(text, str):
        raise _invalid("expected a compact JWS")
    try:
        token = parse(text)
    except ProofError as error:
        raise _invalid(f"{error.code}: {error.detail}") from error
    claims = token.payload
    issuer = _read_issuer(claims.get("iss"))
    expires_at = _read_times(claims, now=now)
    _check_audience(claims.get("aud"), audience)
    for name in sorted(_NOT_OF_SOFTWARE & claims.keys()):
        raise _invalid(f"{name}: has no place in a statement")
    _text(claims, "software_id")
    _text(claims, "client_name")
    for name in ("software_version", "jti"):
        if name in claims:
            _text(claims, name)
    _check_addresses(claims)
    _check_contacts(claims.get("contacts", []))
    return Draft(
        text=text,
        token=token,
        issuer=issuer,
        jti=str(claims.get("jti", "")),
        expires_at=expires_at,
        required_scopes=_read_required(claims),
        members={name: value for name, value in claims.items() if name not in _OF_TOKEN},
    )


def find_signer(
    draft: Draft,
    *,
    services: tuple[NameService, ...],
    fetch: Fetch,
    now: datetime,
    find_profile: FindProfile | None = None,
) -> Address:
    """Return the address of the key that signed, if it is the developer's.

    Raises:
        BridgeError: as for `open_statement`.
    """
    signers = possible_signers(draft)
    if draft.issuer.startswith(DID):
        for signer in signers:
            if signer.did == draft.issuer:
                return signer
        raise _invalid("iss: the signature is not of this address's key over these claims")
    for signer in signers:
        try:
            look_up(draft.issuer, services=services, fetch=fetch, holder=signer, now=now)
        except ProofError as error:
            if error.code == "username_owner":
                continue
            raise _unapproved(f"iss: {error.detail}") from error
        return signer
    if find_profile is None:
        raise _invalid(f"iss: the signature is not by the owner of {draft.issuer}")
    return _find_pinned(draft.issuer, signers, find_profile)


def _find_pinned(name: str, signers: tuple[Address, ...], find_profile: FindProfile) -> Address:
    """Return the signer whose key is the one that the profile of *name* is signed by.

    Wallets hold a name by one key and sign profiles by another, to which the zone file points.
    """
    try:
        pinned = find_profile(name).key_address
    except ProofError as error:
        if error.code == "fetch_failed":
            raise _unapproved(f"iss: the profile of {name}: {error.detail}") from error
        raise _invalid(
            f"iss: the signature is not by the owner of {name}, whose profile says no more:"
            f" {error.code}"
        ) from error
    if pinned not in signers:
        raise _invalid(f"iss: the signature is neither by the owner of {name} nor by its profile's")
    return pinned


def possible_signers(draft: Draft) -> tuple[Address, ...]:
    """Return the addresses of all keys that can have made the signature; one of them did.

    Raises:
        BridgeError: ``invalid_software_statement``.
    """
    try:
        return tuple(public_key_to_address(key.format()) for key in recover(draft.token))
    except ProofError as error:
        raise _invalid(f"signature: {error.detail}") from error


def make_statement(
    metadata: Mapping[str, object],
    *,
    private_key: bytes,
    address: Address,
    name: str | None,
    now: datetime,
    life: timedelta,
) -> str:
    """Return *metadata* signed by a developer, if it keeps every rule.

    Args:
        private_key: 32 bytes; *address* is its address.
        name: Sign as the owner of this name, not as the address.

    Raises:
        BridgeError: ``invalid_software_statement``.
    """
    claims = {
        **metadata,
        "iss": name or address.did,
        "iat": int(now.timestamp()),
        "exp": int((now + life).timestamp()),
    }
    text = sign(claims, private_key)
    read_draft(text, audience=None, now=now)
    return text


def _read_issuer(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_ID:
        raise _invalid("iss: expected did:btc-addr:<address>, or a Blockstack name")
    if not value.startswith("did:"):
        if not _NAME.fullmatch(value):
            raise _invalid("iss: neither did:btc-addr:<address> nor a Blockstack name")
        return value
    try:
        address = parse_address(value.removeprefix(DID))
    except ProofError as error:
        raise _invalid(f"iss: {error.detail}") from error
    if address != Address(address.hash160) or address.did != value:
        raise _invalid("iss: not the Bitcoin form of a single key's address on the main network")
    return value


def _read_times(claims: Mapping[str, object], *, now: datetime) -> datetime:
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    if issued_at > now + _LEEWAY:
        raise _invalid("iat: is in the future")
    if expires_at <= now:
        raise _invalid(f"exp: ended at {expires_at:%FT%TZ}")
    if expires_at <= issued_at:
        raise _invalid("exp: is not after iat")
    if expires_at - issued_at > LONGEST_LIFE:
        raise _invalid(f"exp: more than {LONGEST_LIFE.days} days after iat")
    if "nbf" in claims and _time(claims, "nbf") > now + _LEEWAY:
        raise _invalid("nbf: is in the future")
    return expires_at


def _time(claims: Mapping[str, object], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 33:
        raise _invalid(f"{name}: expected whole seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


def _check_audience(value: object, audience: str | None) -> None:
    """RFC 7519 section 4.1.3: whoever is not named, if anybody is, must refuse."""
    if value is None or audience is None:
        return
    if value != audience and not (isinstance(value, list) and audience in value):
        raise _invalid("aud: names another server")


def _check_addresses(claims: Mapping[str, object]) -> None:
    """All addresses are at ``client_uri``, the origin that the developer signs for."""
    client_uri = _text(claims, "client_uri")
    home = _origin_of("client_uri", client_uri)
    if not home.startswith("https://") or client_uri.removesuffix("/") != home:
        raise _invalid("client_uri: expected an https origin, without a path")
    uris = claims.get("redirect_uris")
    if not isinstance(uris, list) or not uris:
        raise _invalid("redirect_uris: expected a list of at least one")
    for uri in uris:
        _check_redirect_uri(uri, home)
    for name in _AT_HOME:
        if name in claims and _origin_of(name, _text(claims, name)) != home:
            raise _invalid(f"{name}: is not on {home}")


def _check_redirect_uri(uri: object, home: str) -> None:
    """At home, on loopback, or at a private scheme with a dot (RFC 8252 section 7)."""
    if not isinstance(uri, str) or not uri:
        raise _invalid("redirect_uris: one is no text")
    if _PRIVATE_USE.fullmatch(uri):
        return
    origin = _origin_of("redirect_uris", uri)
    if origin != home and read_origin(uri).host not in LOOPBACK:
        raise _invalid(f"redirect_uris: {uri!r} is not on {home}")


def _check_contacts(value: object) -> None:
    if not isinstance(value, list) or not all(isinstance(contact, str) for contact in value):
        raise _invalid("contacts: expected a list of texts")


def _read_required(claims: Mapping[str, object]) -> tuple[str, ...]:
    asked = _text(claims, "scope").split()
    required = claims.get("required_scopes", ["openid"])
    if not isinstance(required, list) or not all(isinstance(scope, str) for scope in required):
        raise _invalid("required_scopes: expected a list of scopes")
    if "openid" not in asked:
        raise _invalid("scope: does not hold openid")
    if not set(required) <= set(asked):
        raise _invalid("required_scopes: holds what scope does not")
    return tuple(dict.fromkeys(("openid", *required)))


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise _invalid(f"{name}: expected text")
    if len(value) > _MAX_TEXT:
        raise _invalid(f"{name}: more than {_MAX_TEXT} characters")
    return value


def _origin_of(name: str, uri: str) -> str:
    try:
        return str(read_origin(uri))
    except ValueError as error:
        raise _invalid(f"{name}: {uri!r}: {error}") from error


def _invalid(detail: str) -> BridgeError:
    return BridgeError("invalid_software_statement", detail)


def _unapproved(detail: str) -> BridgeError:
    return BridgeError("unapproved_software_statement", detail)
