"""Blockstack Auth: we send an ``authRequest``, a wallet answers with an ``authResponse``.

The request is signed with a transit key that is made for this one sign-in; it is the challenge's
secret, and never leaves the server. The wallet encrypts an app key to it, puts that into a token
signed by the person's identity key, and returns to our address:

    us      authRequest   {iss: transit DID, public_keys: [transit key], redirect_uri, ...}
    wallet  authResponse  {iss: identity DID, public_keys: [identity key], private_key: ECIES, ...}

Wallets of today do not verify the request, so whoever shows a person our transit key from a
foreign page gets an answer that fits it. That is why the app key is reported: wallets derive it
from the origin of the page they really see, so a known person's must not change. And it is why
the caller binds a challenge to the browser that began the sign-in, and spends it once.

Spec: Blockstack Auth protocol 1.4.0, https://docs.stacks.co ("Authentication"); npm
``@stacks/auth``.
"""

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from coincurve import PublicKey

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Challenge, Identity, Invitation
from oidc_bridge.ports import Fetch
from oidc_bridge.proofs.addresses import Kind, parse_address, public_key_to_address
from oidc_bridge.proofs.auth_response import AuthResponse, verify_auth_response
from oidc_bridge.proofs.jsontokens import sign
from oidc_bridge.proofs.profiles import describe, fetch_profile

# What may be a name at all; whether it is one, the look-up decides. A claim is kept and shown, so
# it must not be long or odd.
_NAME_LIKE = re.compile(r"[!-~]{1,128}")
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})\.([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Blockstack:
    """Proves the identity key of a Blockstack or Stacks wallet.

    Attributes:
        origin: Our web origin without a trailing slash. Wallets derive the app key from its exact
            text, so a slash more is another app to them.
        answer_uri: Where the wallet sends the person: absolute, below `origin`, without a query.
        manifest_uri: Of our web app manifest, below `origin`.
        app_name, app_icon: What the wallet shows; Leather fails without both.
        strangers: Reaches the profile file that a token names, which anybody chose.
        leeway: How far a wallet's clock may be off.
        scopes: ``store_write`` alone asks for the app key. ``publish_data`` would write our origin
            into the person's public profile.
    """

    origin: str
    answer_uri: str
    manifest_uri: str
    app_name: str
    app_icon: str
    strangers: Fetch
    leeway: timedelta = timedelta(seconds=300)
    scopes: tuple[str, ...] = ("store_write",)

    @property
    def method(self) -> str:
        """Name of this proof."""
        return "blockstack"

    def invite(self, challenge: Challenge) -> Invitation:
        """Return the ``authRequest`` for *challenge*; the same for the same challenge."""
        transit_key = PublicKey.from_secret(challenge.secret).format()
        derived = hashlib.sha256(f"authRequest:{challenge.id}".encode()).digest()[:16]
        request = {
            "jti": str(uuid.UUID(bytes=derived, version=4)),
            "iat": int(challenge.issued_at.timestamp()),
            "exp": int(challenge.expires_at.timestamp()),
            "iss": public_key_to_address(transit_key).did,
            "public_keys": [transit_key.hex()],
            "domain_name": self.origin,
            "manifest_uri": self.manifest_uri,
            # Wallets append their answer to this with "&".
            "redirect_uri": f"{self.answer_uri}?challenge={quote(challenge.id, safe='')}",
            "version": "1.4.0",
            "do_not_include_profile": True,
            "supports_hub_url": True,
            "scopes": list(self.scopes),
            "appDetails": {"name": self.app_name, "icon": self.app_icon},
        }
        return Invitation(sign(request, challenge.secret))

    def verify(self, challenge: Challenge, answer: Mapping[str, str], *, now: datetime) -> Identity:
        """Return the identity that ``answer["authResponse"]`` proves.

        A name is only claimed here. One that no look-up could take, or a profile that cannot be
        confirmed, does not end the sign-in: it is left out and its code goes to
        `Identity.unconfirmed` (``username_lookup``, ``profile_token``, ``profile_lookup``).

        Raises:
            ProofError: ``request_expired``, or what `verify_auth_response` raises.
        """
        if now >= challenge.expires_at:
            raise ProofError("request_expired", f"at {challenge.expires_at:%FT%TZ}")
        response = verify_auth_response(
            answer.get("authResponse", ""),
            transit_key=challenge.secret,
            now=now,
            leeway=self.leeway,
        )
        name, name_codes = _claimed_name(response)
        profile, profile_codes = self._find_profile(response)
        return Identity(
            method=self.method,
            subject=response.identity.c32,
            proved_at=now,
            names_host=_came_back_to_us(response.version),
            claimed_name=name,
            stx_address=_stx_address(response.stx_address_claimed),
            profile=describe(profile, email=response.email),
            app_key=hashlib.sha256(response.app_public_key).hexdigest(),
            unconfirmed=name_codes + profile_codes,
        )

    def _find_profile(self, response: AuthResponse) -> tuple[Mapping[str, object], tuple[str, ...]]:
        if response.profile is not None:
            return response.profile, ()
        if response.profile_url is None:
            return {}, ()
        try:
            profile = fetch_profile(
                response.profile_url, signer=response.identity_public_key, fetch=self.strangers
            )
        except ProofError as error:
            return {}, (error.code,)
        return profile, ()


def _claimed_name(response: AuthResponse) -> tuple[str | None, tuple[str, ...]]:
    if response.username is None:
        return None, response.unreadable
    if not _NAME_LIKE.fullmatch(response.username):
        return None, ("username_lookup",)
    return response.username, ()


def _came_back_to_us(version: str | None) -> bool:
    """Return whether a wallet of this protocol *version* checks who asks.

    The wallets before 1.4.0 check the request's signature and answer to its ``redirect_uri``
    alone; those of today give the answer to the page that asks. The identity key signed the
    version, so a foreign page cannot lower it. What is missing or odd counts as today's.
    """
    found = _VERSION.fullmatch(version or "")
    return found is not None and tuple(map(int, found.groups())) < (1, 4, 0)


def _stx_address(claimed: object) -> str | None:
    """Return the mainnet address that a wallet wrote into the signed, inline profile."""
    mainnet = claimed.get("mainnet") if isinstance(claimed, dict) else claimed
    if not isinstance(mainnet, str):
        return None
    try:
        address = parse_address(mainnet)
    except ProofError:
        return None
    # Exactly: not the same key in Bitcoin's spelling, and not a testnet or multi-signature one.
    is_ours = address.kind is Kind.MAINNET_SINGLE and address.c32 == mainnet
    return mainnet if is_ours else None
