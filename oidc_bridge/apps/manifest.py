"""An app's own card, signed by its developer: a software statement.

It is a compact JWS over client metadata, here ES256K by a Blockstack identity: by the key of its
address, or of the address that owns its name, or the one that signed that name's profile. The
token names its key nowhere, so the keys that can have made the signature are computed from it, and
one of them must have the address that was known before.

Spec: RFC 7591 sections 2.3 and 3.2.2.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from oidc_bridge.apps.statement import DID, Draft, invalid, read_draft
from oidc_bridge.errors import BridgeError, ProofError
from oidc_bridge.oidc.client import SoftwareStatement
from oidc_bridge.ports import Fetch
from oidc_bridge.proofs.addresses import Address, public_key_to_address
from oidc_bridge.proofs.jsontokens import recover, sign
from oidc_bridge.proofs.named_profile import FindProfile
from oidc_bridge.proofs.names import NameService, look_up


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
        raise invalid("iss: the signature is not of this address's key over these claims")
    for signer in signers:
        try:
            look_up(draft.issuer, services=services, fetch=fetch, holder=signer, now=now)
        except ProofError as error:
            if error.code == "username_owner":
                continue
            raise _unapproved(f"iss: {error.detail}") from error
        return signer
    if find_profile is None:
        raise invalid(f"iss: the signature is not by the owner of {draft.issuer}")
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
        raise invalid(
            f"iss: the signature is not by the owner of {name}, whose profile says no more:"
            f" {error.code}"
        ) from error
    if pinned not in signers:
        raise invalid(f"iss: the signature is neither by the owner of {name} nor by its profile's")
    return pinned


def possible_signers(draft: Draft) -> tuple[Address, ...]:
    """Return the addresses of all keys that can have made the signature; one of them did.

    Raises:
        BridgeError: ``invalid_software_statement``.
    """
    try:
        return tuple(public_key_to_address(key.format()) for key in recover(draft.token))
    except ProofError as error:
        raise invalid(f"signature: {error.detail}") from error


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


def _unapproved(detail: str) -> BridgeError:
    return BridgeError("unapproved_software_statement", detail)
