"""Names: who owns one, according to a name service that the operator chose.

A name in a token is a claim. It becomes a `Name` only if the service says that its owner is the
very key that signed the token. The token's own ``blockstackAPIUrl`` is never asked: it is text of
whoever signed, and blockstack 19 and 21 signed attackers in under any name by obeying it.

Two systems know names, and only configuration can tell which one is right: BNS v1 (and the
Blockstack core node before it) still shows the former owner of a two-label name that was traded
on BNS v2. So a service is asked only for the numbers of labels that the operator trusts it with.

Spec: Stacks API ``GET /v1/names/{name}``; SIP-002.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from oidc_bridge.errors import ConfigError, FetchError, ProofError
from oidc_bridge.identity import Name
from oidc_bridge.ports import Fetch
from oidc_bridge.proofs.addresses import Address, parse_address
from oidc_bridge.proofs.jsontokens import parse_object

_NAME = re.compile(r"(?:[a-z0-9_-]{1,48}\.){1,2}[a-z0-9_-]{1,20}")
_MAX_ANSWER = 65536


@dataclass(frozen=True, slots=True)
class NameService:
    """A server that knows owners of names, and the names that it is trusted with.

    Attributes:
        url: Its base address; ``/v1/names/{name}`` is added.
        labels: How many labels a name may have to be asked for here: 2 (``ann.id``), 3
            (``ann.id.blockstack``) or both.
        system: The form of its answers. ``v1`` is the Stacks API's and the core node's.

    Raises:
        ConfigError: if it could never be asked.
    """

    url: str
    labels: frozenset[int]
    system: str = "v1"

    def __post_init__(self) -> None:
        if self.system != "v1":
            raise ConfigError("name_system_unknown", f"{self.system!a}, expected 'v1'")
        if not self.labels or not self.labels <= {2, 3}:
            raise ConfigError("name_labels_unknown", f"{sorted(self.labels)}, expected 2, 3")


def look_up(
    text: str,
    *,
    services: tuple[NameService, ...],
    fetch: Fetch,
    holder: Address,
    now: datetime,
) -> Name:
    """Return the name *text* as owned by *holder*.

    Args:
        services: The first that takes names of this many labels is asked, and no other: a second
            opinion could only overrule the one that the operator trusts.
        holder: Address of the key that signed; a single-key mainnet address.

    Raises:
        ProofError: ``username_lookup`` if the owner cannot be learned (grammar, no service, no
            answer, revoked); ``username_owner`` if it is somebody else, or something else: a
            multi-signature or testnet address, or a contract.
    """
    service = _find_service(text, services)
    owner = _ask(f"{service.url.rstrip('/')}/v1/names/{quote(text, safe='')}", fetch=fetch)
    try:
        is_holder = parse_address(owner) == holder
    except ProofError as error:
        raise ProofError("username_owner", f"owner of {text}: {error.detail}") from error
    if not is_holder:
        raise ProofError("username_owner", f"{text} is owned by {owner}, not {holder.c32}")
    return Name(text, owner, now)


def _find_service(text: str, services: tuple[NameService, ...]) -> NameService:
    if not _NAME.fullmatch(text):
        raise ProofError("username_lookup", f"{text[:80]!a} is no name")
    labels = text.count(".") + 1
    for service in services:
        if labels in service.labels:
            return service
    raise ProofError("username_lookup", f"no service is trusted with {labels} labels")


def _ask(url: str, *, fetch: Fetch) -> str:
    """Return the owner's address as the service spells it."""
    try:
        fetched = fetch(url, max_bytes=_MAX_ANSWER)
    except FetchError as error:
        raise ProofError("username_lookup", f"{url}: {error}") from error
    # Not even a redirect counts: for unknown subdomains the Stacks API redirects to a host that
    # the owner of the parent name has chosen.
    if fetched.status != 200:
        raise ProofError("username_lookup", f"{url}: status {fetched.status}")
    try:
        answer = parse_object(fetched.body)
    except ProofError as error:
        raise ProofError("username_lookup", f"{url}: {error.detail}") from error
    owner, status = answer.get("address"), answer.get("status", "")
    if not isinstance(owner, str) or not isinstance(status, str):
        raise ProofError("username_lookup", f"{url}: address or status is no text")
    if "revoke" in status:
        raise ProofError("username_lookup", f"{url}: status {status[:40]!a}")
    return owner
