"""A throw-away wallet: it answers an ``authRequest`` and signs messages, as real ones do.

It speaks protocol 1.3.1, as the old browser at a web address (the last that carried names), or
1.4.0, as the extensions of today. Its app keys and its STX key are derived as in a real wallet,
but more simply: by a hash, not by BIP-32.
"""

import hashlib
import hmac
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from coincurve import PrivateKey

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import StructuredMessage
from oidc_bridge.proofs.addresses import Address, Kind, public_key_to_address
from oidc_bridge.proofs.ecies import encrypt
from oidc_bridge.proofs.jsontokens import parse, parse_public_key, sign, verify
from oidc_bridge.proofs.stacks import hash_message, hash_structured

_MONTH = timedelta(days=30)
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """What a wallet reads in an ``authRequest``.

    Attributes:
        publishes: Whether the person's public profile is to tell where the app stores its data.
    """

    transit_key: bytes
    origin: str
    redirect_uri: str
    app_name: str | None = None
    publishes: bool = False


@dataclass(frozen=True, slots=True)
class Wallet:
    """One identity and what it tells of itself.

    Attributes:
        identity_key: Private key, 32 bytes.
        username: A BNS name that it claims; protocol 1.4.0 cannot.
        display_name, picture: Go into the inline profile.
        email: Goes into the token, as only the old browser did it.
        protocol: ``1.3.1``, or ``1.4.0``, which tells the STX key's address instead of a name.
    """

    identity_key: bytes = field(repr=False)
    username: str | None = None
    display_name: str | None = None
    picture: str | None = None
    email: str | None = None
    protocol: Literal["1.3.1", "1.4.0"] = "1.3.1"

    @property
    def address(self) -> Address:
        """Address of the identity key."""
        return public_key_to_address(self.identity_public_key)

    @property
    def identity_public_key(self) -> bytes:
        """Compressed point of the identity key."""
        return PrivateKey(self.identity_key).public_key.format()

    @property
    def stx_key(self) -> bytes:
        """Private key that signs messages and owns names; another than the identity key."""
        return hmac.digest(self.identity_key, b"STX key", "sha256")

    @property
    def stx_address(self) -> Address:
        """Address of the STX key."""
        return public_key_to_address(PrivateKey(self.stx_key).public_key.format())

    def sign_message(self, text: str) -> dict[str, str]:
        """Return what a wallet answers to ``stx_signMessage``."""
        return self._sign(hash_message(text))

    def sign_structured(self, domain: str, message: str) -> dict[str, str]:
        """Return what a wallet answers to ``stx_signStructuredMessage``; both are Clarity hex."""
        return self._sign(hash_structured(StructuredMessage(domain, message)))

    def app_key(self, origin: str) -> bytes:
        """Return the app private key for *origin*; another origin has another."""
        return hmac.digest(self.identity_key, origin.encode(), "sha256")

    def answer(self, auth_request: str, *, now: datetime) -> str:
        """Return the ``authResponse`` to *auth_request*.

        Raises:
            ProofError: if the request is not well signed; real wallets skip that check.
        """
        request = parse_auth_request(auth_request)
        return sign(self.make_claims(request, now=now), self.identity_key)

    def answer_url(self, auth_request: str, *, now: datetime) -> str:
        """Return the address to which the wallet sends its person, answer included."""
        redirect_uri = parse_auth_request(auth_request).redirect_uri
        joint = "&" if "?" in redirect_uri else "?"
        return f"{redirect_uri}{joint}authResponse={self.answer(auth_request, now=now)}"

    def make_claims(self, request: AuthRequest, *, now: datetime) -> dict[str, object]:
        """Return the claims of an ``authResponse`` to *request*."""
        app_key = self.app_key(request.origin)
        claims: dict[str, object] = {
            # A real wallet takes a random one; nobody reads it.
            "jti": str(uuid.UUID(bytes=_digest(request.transit_key)[:16], version=4)),
            "iat": int(now.timestamp()),
            "exp": int((now + _MONTH).timestamp()),
            "iss": self.address.did,
            "private_key": encrypt(app_key.hex().encode("ascii"), request.transit_key),
            "public_keys": [self.identity_public_key.hex()],
            "appPrivateKeyFromWalletSalt": None,
            "profile": self.profile(),
        }
        if self.username is not None and self.protocol == "1.3.1":
            claims["username"] = self.username
        return claims | {
            "core_token": None,
            "email": self.email,
            "profile_url": None,
            "hubUrl": None,
            "blockstackAPIUrl": None,
            "associationToken": self._associate(app_key, now=now),
            "version": self.protocol,
        }

    def profile(self) -> dict[str, object]:
        """Return what the person says of themselves, in the words of schema.org."""
        profile: dict[str, object] = {"@type": "Person", "@context": "http://schema.org"}
        if self.display_name is not None:
            profile["name"] = self.display_name
        if self.picture is not None:
            image = {"@type": "ImageObject", "name": "avatar", "contentUrl": self.picture}
            profile["image"] = [image]
        if self.protocol == "1.4.0":
            testnet = Address(self.stx_address.hash160, Kind.TESTNET_SINGLE)
            profile["stxAddress"] = {"testnet": testnet.c32, "mainnet": self.stx_address.c32}
        return profile

    def _sign(self, digest: bytes) -> dict[str, str]:
        # libsecp256k1's recoverable form is R, S and V, with a low S: what wallets send.
        signature = PrivateKey(self.stx_key).sign_recoverable(digest, hasher=None)
        shown = PrivateKey(self.stx_key).public_key.format()
        return {"signature": signature.hex(), "publicKey": shown.hex()}

    def _associate(self, app_key: bytes, *, now: datetime) -> str:
        association = {
            "childToAssociate": PrivateKey(app_key).public_key.format().hex(),
            "iss": self.identity_public_key.hex(),
            "exp": (now + _YEAR).timestamp(),
            "iat": now.timestamp(),
            "salt": _digest(app_key)[:16].hex(),
        }
        return sign(association, self.identity_key)


def parse_auth_request(text: str) -> AuthRequest:
    """Return what *text* asks for, its signature checked.

    Raises:
        ProofError: from `jsontokens`; ``malformed`` if a member is missing.
    """
    token = parse(text)
    keys = token.payload.get("public_keys")
    transit_key = parse_public_key(keys[0] if isinstance(keys, list) and keys else None)
    verify(token, transit_key)
    origin, redirect_uri = token.payload.get("domain_name"), token.payload.get("redirect_uri")
    if not isinstance(origin, str) or not isinstance(redirect_uri, str):
        raise ProofError("malformed", "domain_name or redirect_uri is missing")
    details = token.payload.get("appDetails")
    name = details.get("name") if isinstance(details, dict) else None
    app_name = name if isinstance(name, str) else None
    scopes = token.payload.get("scopes")
    publishes = isinstance(scopes, list) and "publish_data" in scopes
    return AuthRequest(transit_key.format(), origin, redirect_uri, app_name, publishes)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
