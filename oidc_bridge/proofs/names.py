"""Names: who owns one, according to a name service that the operator chose.

A name in a token is a claim. It becomes a `Name` only if the service says that its owner is the
very key that signed. The token's own ``blockstackAPIUrl`` is never asked: it is text of whoever
signed, and blockstack 19 and 21 signed attackers in under any name by obeying it.

Several systems know names, and only configuration can tell which one is right: BNS v1 (and the
Blockstack core node before it) still shows the former owner of a two-label name that was traded
on BNS v2. So a service is asked only for the numbers of labels that the operator trusts it with.

A service either says who owns a name, or says for certain that nobody does, or says nothing that
counts. The third is never taken for the second: a name that was confirmed before is not lost
because a service is down.

Spec: Stacks API ``GET /v1/names/{name}``, ``GET /v1/addresses/stacks/{address}``; BNS v2 API
``GET /names/{name}``, ``GET /names/address/{address}/valid``; SIP-002.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from oidc_bridge.errors import ConfigError, FetchError, ProofError
from oidc_bridge.identity import Name
from oidc_bridge.ports import Fetch
from oidc_bridge.proofs.addresses import Address
from oidc_bridge.proofs.jsontokens import parse_object
from oidc_bridge.proofs.name_answers import is_holder, read_list, read_owner

_NAME = re.compile(r"(?:[a-z0-9_-]{1,48}\.){1,2}[a-z0-9_-]{1,20}")
_MAX_ANSWER = 65536
_MAX_CONFIRMED = 50
# Each costs a request, and whoever owns an address may be given any number of names.
_MAX_NEW = 5


@dataclass(frozen=True, slots=True)
class NameService:
    """A server that knows owners of names, and the names that it is trusted with.

    Attributes:
        url: Its base address; the paths of its system are added.
        labels: How many labels a name may have to be asked for here: 2 (``ann.btc``), 3
            (``ann.id.blockstack``) or both.
        system: The form of its answers: ``v2`` (BNS v2, two labels only), ``v1`` (Stacks API) or
            ``legacy`` (Blockstack core node, which spells owners ``1...``).

    Raises:
        ConfigError: if it could never be asked.
    """

    url: str
    labels: frozenset[int]
    system: str = "v1"

    def __post_init__(self) -> None:
        if self.system not in ("v2", "v1", "legacy"):
            raise ConfigError("name_system_unknown", f"{self.system!a}, expected v2, v1 or legacy")
        known = {2} if self.system == "v2" else {2, 3}
        if not self.labels or not self.labels <= known:
            raise ConfigError("name_labels_unknown", f"{sorted(self.labels)} at {self.system}")

    def url_of_name(self, text: str) -> str:
        """Return where the owner of the name *text* is told."""
        prefix = "names" if self.system == "v2" else "v1/names"
        return f"{self.url.rstrip('/')}/{prefix}/{quote(text, safe='')}"

    def url_of_holder(self, holder: Address) -> str:
        """Return where the names of *holder* are listed."""
        path = {
            "v2": f"names/address/{holder.c32}/valid",
            "v1": f"v1/addresses/stacks/{holder.c32}",
            "legacy": f"v1/addresses/bitcoin/{holder.btc}",
        }[self.system]
        return f"{self.url.rstrip('/')}/{path}"


@dataclass(frozen=True, slots=True)
class NameReport:
    """What the services said about one holder, just now.

    Attributes:
        confirmed: Names that are the holder's; sorted, at most 50.
        refuted: Claimed or known names of which a service said for certain that they are not:
            owned by another, unknown, revoked or expired. A known name in neither set was not
            decided, and stays what it was.
        unconfirmed: Codes, each once: ``username_owner`` and ``username_lookup`` of claimed
            names; ``names_unavailable`` for a service that did not list the holder's names.
        is_complete: Every service answered, for this address and for every name it was asked.
        left_out: How many names a service listed, or counted, that were not looked at.
    """

    confirmed: tuple[Name, ...] = ()
    refuted: frozenset[str] = frozenset()
    unconfirmed: tuple[str, ...] = ()
    is_complete: bool = True
    left_out: int = 0


def is_name(text: str) -> bool:
    """Return whether *text* is spelt as names are: two or three labels in lower case."""
    return _NAME.fullmatch(text) is not None


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
            answer) or there is none (unknown, revoked, expired); ``username_owner`` if it is
            somebody else, or something else: a multi-signature or testnet address, a contract.
    """
    service = _find_service(text, services)
    owner = _ask(text, service, fetch=fetch)
    if owner is None:
        raise ProofError("username_lookup", f"nobody owns {text}: unknown, revoked or expired")
    if not is_holder(owner, holder, system=service.system):
        raise ProofError("username_owner", f"{text} is owned by {owner[:80]!a}, not {holder.c32}")
    return Name(text, owner, now)


def names_of(
    holder: Address,
    *,
    claimed: tuple[str, ...],
    known: tuple[str, ...],
    services: tuple[NameService, ...],
    fetch: Fetch,
    now: datetime,
) -> NameReport:
    """Return which names are *holder*'s: those claimed, those known before, and those listed.

    No name is asked twice. Claimed and known names come first, so that a service that is slow
    costs the new ones; nothing is raised for a service that fails.

    Args:
        claimed: Names that came with the proof; text of whoever signed.
        known: Names that were confirmed for this holder at an earlier sign-in.
    """
    inquiry = _Inquiry(holder, services, fetch, now)
    for text in dict.fromkeys(claimed):
        inquiry.ask(text, is_claimed=True)
    for text in dict.fromkeys(known):
        inquiry.ask(text)
    for service in services:
        inquiry.list_names(service)
    return inquiry.report()


@dataclass(slots=True)
class _Inquiry:
    """One call of `names_of`: what was asked, and what was said."""

    holder: Address
    services: tuple[NameService, ...]
    fetch: Fetch
    now: datetime
    asked: set[str] = field(default_factory=set)
    confirmed: dict[str, Name] = field(default_factory=dict)
    refuted: set[str] = field(default_factory=set)
    codes: dict[str, None] = field(default_factory=dict)
    is_complete: bool = True
    new: int = 0
    left_out: int = 0

    def ask(self, text: str, *, is_claimed: bool = False) -> None:
        """Ask who owns *text*, unless that was asked before."""
        if text in self.asked:
            return
        self.asked.add(text)
        try:
            service = _find_service(text, self.services)
        except ProofError as error:
            self._doubt(error.code, is_claimed)
            return
        try:
            owner = _ask(text, service, fetch=self.fetch)
        except ProofError as error:
            self.is_complete = False
            self._doubt(error.code, is_claimed)
            return
        system = service.system
        if owner is not None and is_holder(owner, self.holder, system=system):
            self.confirmed[text] = Name(text, owner, self.now)
            return
        self.refuted.add(text)
        self._doubt("username_lookup" if owner is None else "username_owner", is_claimed)

    def _doubt(self, code: str, is_claimed: bool) -> None:
        if is_claimed:
            self.codes[code] = None

    def list_names(self, service: NameService) -> None:
        """Take up what *service* lists for the holder."""
        try:
            listed, uncounted = _ask_for_list(service, self.holder, fetch=self.fetch)
        except ProofError:
            self.is_complete = False
            self.codes["names_unavailable"] = None
            return
        self.left_out += uncounted
        for text in listed:
            # Only what the service is trusted with, whatever else it lists.
            if not is_name(text) or find_trusted(text, self.services) != service:
                continue
            if text in self.refuted or text in self.confirmed:
                continue
            if service.system == "v2":  # its list says all that an answer for one name would
                self.confirmed[text] = Name(text, self.holder.c32, self.now)
            elif text not in self.asked:
                self._ask_new(text)

    def _ask_new(self, text: str) -> None:
        if self.new == _MAX_NEW:
            self.left_out += 1
            return
        self.new += 1
        self.ask(text)
        # It is neither claimed nor known: that it is not the holder's is no news to anybody.
        self.refuted.discard(text)

    def report(self) -> NameReport:
        # In the order in which they were confirmed: claimed and known ones are never cut.
        kept = list(self.confirmed.values())[:_MAX_CONFIRMED]
        return NameReport(
            confirmed=tuple(sorted(kept, key=lambda name: name.text)),
            refuted=frozenset(self.refuted),
            unconfirmed=tuple(self.codes),
            is_complete=self.is_complete,
            left_out=self.left_out + len(self.confirmed) - len(kept),
        )


def find_trusted(text: str, services: tuple[NameService, ...]) -> NameService | None:
    """Return the service that is trusted with names of as many labels as *text* has."""
    labels = text.count(".") + 1
    return next((service for service in services if labels in service.labels), None)


def _find_service(text: str, services: tuple[NameService, ...]) -> NameService:
    if not is_name(text):
        raise ProofError("username_lookup", f"{text[:80]!a} is no name")
    service = find_trusted(text, services)
    if service is None:
        raise ProofError("username_lookup", f"no service is trusted with names like {text}")
    return service


def _ask(text: str, service: NameService, *, fetch: Fetch) -> str | None:
    """Return the owner as the service spells it, or None if it says that there is none.

    Raises:
        ProofError: ``username_lookup`` for every answer that says neither.
    """
    url = service.url_of_name(text)
    status, answer = _get(url, fetch=fetch)
    if status == 404 and isinstance(answer.get("error"), str):
        return None
    if status != 200:
        raise ProofError("username_lookup", f"{url}: status {status}")
    try:
        return read_owner(answer, system=service.system, text=text)
    except ProofError as error:
        raise ProofError("username_lookup", f"{url}: {error.detail}") from error


def _ask_for_list(
    service: NameService, holder: Address, *, fetch: Fetch
) -> tuple[Iterable[str], int]:
    """Return the names that a service lists for *holder*, each once, and how many it left away."""
    url = service.url_of_holder(holder)
    status, answer = _get(url, fetch=fetch)
    if status != 200:
        raise ProofError("username_lookup", f"{url}: status {status}")
    try:
        return read_list(answer, system=service.system, holder=holder)
    except ProofError as error:
        raise ProofError("username_lookup", f"{url}: {error.detail}") from error


def _get(url: str, *, fetch: Fetch) -> tuple[int, dict[str, object]]:
    """Return status and JSON object of an answer, whatever the status.

    Not even a redirect counts (`Fetch` refuses it): for unknown subdomains the Stacks API
    redirects to a host that the owner of the parent name has chosen.
    """
    try:
        fetched = fetch(url, max_bytes=_MAX_ANSWER)
        return fetched.status, parse_object(fetched.body)
    except (FetchError, ProofError) as error:
        raise ProofError("username_lookup", f"{url}: {error}") from error


def check_service(service: NameService, *, fetch: Fetch) -> None:
    """Check that *service* speaks its system: nobody's address has no names, said as it must be.

    Raises:
        ProofError: ``username_lookup``.
    """
    # No key has this address: it would be a pre-image of 20 zero bytes. Names may have been sent
    # there to be destroyed, so the list is only read, and the name asked for is one too odd to own.
    _ask_for_list(service, Address(bytes(20)), fetch=fetch)
    labels = ["-_-nobody-asks-for-this-_-", "-_-"] + (["-_-"] if 2 not in service.labels else [])
    if _ask(".".join(labels), service, fetch=fetch) is not None:
        raise ProofError("username_lookup", f"{service.url} knows a name that cannot exist")
