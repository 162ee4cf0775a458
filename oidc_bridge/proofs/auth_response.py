"""What an ``authResponse`` proves, and what it merely says. Pure: token in, facts out.

The token has no audience, no nonce and no origin. It proves that the holder of an identity key
signed it; that it is an answer to *our* request is proved only by ``private_key``, which must be
encrypted to the transit key that we made for this sign-in. The libraries' own check does not
demand that, and so accepts a token that was made for any other app. Here it is a condition.

Sources: npm ``blockstack`` 17 to 21, ``@stacks/auth`` 2 to 7 (``verifyAuthResponse``); the checks
run in the order form, header, key, signature, issuer, time, binding, association.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from coincurve import PublicKey

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.addresses import Address, public_key_to_address
from oidc_bridge.proofs.ecies import decrypt
from oidc_bridge.proofs.jsontokens import parse, parse_public_key, verify

_PRIVATE_KEY = re.compile(r"([0-9a-f]{64})(?:01)?")


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """A verified answer of a wallet to our request.

    Proved are the identity, its key and the app key. All the rest is what the token says, signed
    but not true for that: anybody may write another's name, address or e-mail in a token.

    Attributes:
        identity: Address of the key that signed.
        identity_public_key, app_public_key: Compressed points. The app private key, which opens
            the person's storage for our origin, was dropped as soon as its public half was known.
        username: The claimed name, or None if the token claims none; ``""`` claims none.
        profile: The inline profile. Wallets copy it from a storage server without verifying it.
        profile_url, hub_url: Chosen by whoever signed. ``hub_url`` is never contacted.
        version: Of the protocol, as claimed; it decides nothing.
        stx_address_claimed: ``profile.stxAddress`` as it came: an object of networks, or a text.
        stx_address_proved: The claimed mainnet address if it is that of the key that signed. With
            today's wallets it is another key's, so this is None for most people.
        unreadable: Codes of claims that are of a type no wallet writes, and were left out.
    """

    identity: Address
    identity_public_key: bytes
    app_public_key: bytes
    username: str | None
    email: str | None
    profile: Mapping[str, object] | None
    profile_url: str | None
    hub_url: str | None
    version: str | None
    stx_address_claimed: object
    stx_address_proved: str | None
    unreadable: tuple[str, ...] = ()

    @property
    def app_address(self) -> str:
        """The app key's address in its Bitcoin form: its bucket in Gaia."""
        return public_key_to_address(self.app_public_key).btc


def verify_auth_response(
    text: str, *, transit_key: bytes, now: datetime, leeway: timedelta
) -> AuthResponse:
    """Return what the token *text* proves and says.

    Args:
        transit_key: Private key, 32 bytes, whose public key our request carried.
        leeway: How far the wallet's clock may be off.

    Raises:
        ProofError: with the code of the first check that failed: ``too_large``, ``malformed``,
            ``header_alg``, ``public_keys``, ``signature``, ``issuer``, ``time``, ``unbound``,
            ``binding``, ``app_key``, ``association``.
    """
    token = parse(text)
    claims = token.payload
    identity_key = _single_key(claims.get("public_keys"))
    verify(token, identity_key)
    public_key = identity_key.format()
    identity = public_key_to_address(public_key)
    # Exact text: the libraries also take did:BTC-ADDR and forms that no wallet writes.
    if claims.get("iss") != identity.did:
        raise ProofError("issuer", f"iss is not {identity.did}, the address of its key")
    _check_times(claims, now=now, leeway=leeway)
    app_public_key = _open_app_key(claims.get("private_key"), transit_key)
    _check_association(
        claims.get("associationToken"),
        identity_key=identity_key,
        app_public_key=app_public_key,
        now=now,
        leeway=leeway,
    )
    username, profile = claims.get("username"), claims.get("profile")
    claimed = profile.get("stxAddress") if isinstance(profile, dict) else None
    return AuthResponse(
        identity=identity,
        identity_public_key=public_key,
        app_public_key=app_public_key,
        username=_text(username) or None,
        email=_text(claims.get("email")),
        profile=profile if isinstance(profile, dict) else None,
        profile_url=_text(claims.get("profile_url")) or None,
        hub_url=_text(claims.get("hubUrl")),
        version=_text(claims.get("version")),
        stx_address_claimed=claimed,
        stx_address_proved=_own_address(claimed, identity),
        unreadable=() if username is None or isinstance(username, str) else ("username_lookup",),
    )


def _single_key(public_keys: object) -> PublicKey:
    # Libraries verify with the first key of several and take an object for a list.
    if not isinstance(public_keys, list) or len(public_keys) != 1:
        raise ProofError("public_keys", "expected a list of one key")
    return parse_public_key(public_keys[0])


def _check_times(claims: Mapping[str, object], *, now: datetime, leeway: timedelta) -> None:
    issued_at, expires_at = _number(claims, "iat"), _number(claims, "exp")
    if issued_at < 0 or issued_at > (now + leeway).timestamp():
        raise ProofError("time", f"iat is not before {now:%FT%TZ}")
    # A missing exp means "never" to the libraries, and the usual one is a month away. That the
    # answer is fresh follows from the transit key; exp is honoured, and no more.
    if expires_at < (now - leeway).timestamp():
        raise ProofError("time", f"exp is before {now:%FT%TZ}")
    if expires_at < issued_at:
        raise ProofError("time", "exp is before iat")


def _number(claims: Mapping[str, object], name: str) -> int | float:
    value = claims.get(name)
    # bool is an int in Python. isfinite would overflow on a long int, which is finite anyway.
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ProofError("time", f"{name} is no finite number")


def _open_app_key(field: object, transit_key: bytes) -> bytes:
    """Return the public half of the app key that *field* hides for our transit key."""
    # Ledger accounts leave it out and old wallets wrote it in clear: then anybody who once got
    # the token, for any app, could bring it here.
    if field is None or field == "":
        raise ProofError("unbound", "no private_key")
    if not isinstance(field, str):
        raise ProofError("binding", f"private_key is a {type(field).__name__}")
    if _PRIVATE_KEY.fullmatch(field.lower()):
        raise ProofError("unbound", "private_key is in clear")
    found = _PRIVATE_KEY.fullmatch(decrypt(field, transit_key).decode("latin-1"))
    if found is None:
        raise ProofError("app_key", "private_key decrypts to something else than a key")
    try:
        return PublicKey.from_secret(bytes.fromhex(found[1])).format()
    except ValueError as error:
        raise ProofError("app_key", "private_key is out of range") from error


def _check_association(
    text: object,
    *,
    identity_key: PublicKey,
    app_public_key: bytes,
    now: datetime,
    leeway: timedelta,
) -> None:
    """Check the identity's word that the app key is its child, if the token carries one."""
    if text is None:
        return
    if not isinstance(text, str):
        raise ProofError("association", f"associationToken is a {type(text).__name__}")
    try:
        token = parse(text)
        verify(token, identity_key)
        _check_times(token.payload, now=now, leeway=leeway)
    except ProofError as error:
        raise ProofError("association", f"associationToken: {error}") from error
    if token.payload.get("iss") != identity_key.format().hex():
        raise ProofError("association", "iss is not the identity's public key")
    if token.payload.get("childToAssociate") != app_public_key.hex():
        raise ProofError("association", "it vouches for another app key")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _own_address(claimed: object, identity: Address) -> str | None:
    mainnet = claimed.get("mainnet") if isinstance(claimed, dict) else claimed
    if not isinstance(mainnet, str) or mainnet != identity.c32:
        return None
    return mainnet
