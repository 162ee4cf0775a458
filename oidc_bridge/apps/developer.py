"""Who stands behind an app: who signed its statement, and whom its own site names.

The two are independent of each other, and both are shown, in four states. None of them says that
an app is good.

Sources: ``did_authors`` is a member of OI Chat's own web manifest; ``/manifest.json`` at the origin
is where Blockstack Auth's ``AppConfig`` has an app's manifest; Blockstack DIDs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from oidc_bridge.apps.statement import DID
from oidc_bridge.errors import ProofError
from oidc_bridge.oidc.client import Client, SoftwareStatement
from oidc_bridge.origins import read_origin
from oidc_bridge.proofs.addresses import Address, base58check_decode, parse_address
from oidc_bridge.proofs.jsontokens import parse_object
from oidc_bridge.proofs.named_profile import NamedProfile

MANIFEST_PATH = "/manifest.json"
MAX_MANIFEST = 64 * 1024

_AUTHOR = re.compile(r"did:(?:btc-addr:(?P<plain>[^:]+)|stack:v0:(?P<first>[^:-]+)-[0-9]+)")
# Version byte in Stacks' DIDs for names that were written off-chain: same key, another letter.
_OFF_CHAIN = 63
_MAX_AUTHORS = 20
_MAX_DID = 200

State = Literal["agreed", "signed", "named", "nobody"]


@dataclass(frozen=True, slots=True)
class Face:
    """What a developer says of themselves, in the profile of the name that they signed by.

    Attributes:
        display_name: Their own word: anybody may call themselves anything.
        picture_url: Of the picture that we drew from theirs; ``""`` if there is none to show.
        url: Where their profile lies.
    """

    display_name: str
    picture_url: str
    url: str


@dataclass(frozen=True, slots=True)
class Developer:
    """Who stands behind an app.

    Attributes:
        state: ``agreed`` if they signed and the app's site names them, ``signed`` if they signed
            only, ``named`` if the site names them only, ``nobody``.
        name: Their Blockstack name, or ``""``.
        addresses: Theirs if they signed, else all that the site names.
        face: None if we know of no profile of theirs.
    """

    state: State
    name: str = ""
    addresses: tuple[str, ...] = ()
    face: Face | None = None


NOBODY = Developer("nobody")


def home_of(client: Client) -> str | None:
    """Return the origin that is the client's own site, as far as it has one.

    A homeserver has none: people know the apps that sign them in there, not the server.
    """
    if client.kind == "homeserver":
        return None
    for address in (client.metadata.client_uri, *client.redirect_uris[:1]):
        if address is not None and address.startswith("https://"):
            return str(read_origin(address))
    return None


def read_authors(body: bytes) -> tuple[str, ...]:
    """Return the addresses that a web manifest lists in ``did_authors``, in Bitcoin's form.

    ``did:stack:v0:<address>-<n>`` and ``did:btc-addr:<address>``; what is neither is passed over.

    Raises:
        ProofError: ``malformed`` if it is no manifest at all.
    """
    listed = parse_object(body.removeprefix(b"\xef\xbb\xbf")).get("did_authors")
    if not isinstance(listed, list):
        return ()
    found = (_read_author(entry) for entry in listed[:_MAX_AUTHORS])
    return tuple(dict.fromkeys(address.btc for address in found if address is not None))


def find_developer(
    statement: SoftwareStatement | None, authors: Sequence[str], *, now: datetime
) -> Developer:
    """Return who stands behind an app.

    Args:
        statement: Verified when its client registered; it counts for as long as it says.
        authors: The addresses that the app's site names, as far as we know.
    """
    if statement is None or now >= statement.expires_at:
        return Developer("named", addresses=tuple(authors)) if authors else NOBODY
    name = name_signed_by(statement) or ""
    state: State = "agreed" if statement.address in authors else "signed"
    return Developer(state, name, (statement.address,))


def name_signed_by(statement: SoftwareStatement | None) -> str | None:
    """Return the name by which a developer signed; None if there is none, or only an address."""
    if statement is None or statement.developer.startswith(DID):
        return None
    return statement.developer


def is_profile_of(found: NamedProfile, statement: SoftwareStatement) -> bool:
    """Return whether a name's profile is that of whoever signed *statement* by this name.

    Security: a name that was sold since leads to its buyer, who signed nothing.
    """
    if found.key_address.btc == statement.address:
        return True
    try:
        return parse_address(found.owner).btc == statement.address
    except ProofError:
        return False


def _read_author(entry: object) -> Address | None:
    found = _AUTHOR.fullmatch(entry) if isinstance(entry, str) and len(entry) <= _MAX_DID else None
    if found is None:
        return None
    try:
        version, payload = base58check_decode(found["plain"] or found["first"])
    except ProofError:
        return None
    return Address(payload) if version in (0, _OFF_CHAIN) and len(payload) == 20 else None
