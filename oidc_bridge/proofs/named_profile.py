"""From a name to the key that speaks for it, and to the profile that this key signed.

Before wallets answered requests, a person was found by their name alone:

    name  ─ name service ─▶  owner, zone file  ─ first URI record ─▶  profile.json, a signed token

The service and its owner are believed. The rest is text of strangers, and so is where it lies: the
token counts only if its signature holds and its key is one that the name points to. Its dates do
not count: wallets write the file with one year to live and never renew it, and no client ever
minded.

Spec: Blockstack Naming Service, "zone files" (RFC 1035 master files with the URI records of
RFC 7553); npm ``blockstack``, ``profileTokens``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from coincurve import PublicKey

from oidc_bridge.errors import FetchError, ProofError
from oidc_bridge.identity import Profile
from oidc_bridge.ports import Fetch
from oidc_bridge.proofs.addresses import Address, public_key_to_address
from oidc_bridge.proofs.jsontokens import parse_object
from oidc_bridge.proofs.name_answers import is_holder, read_owner
from oidc_bridge.proofs.names import NameService, find_trusted, is_name
from oidc_bridge.proofs.profiles import describe, is_web_address, read_signed_profile

# The public hubs that wallets used.
GAIA = frozenset({"https://gaia.blockstack.org", "https://gaia.hiro.so"})

_MAX_ANSWER = 65536
_MAX_FILE = 262144
_MAX_ZONE_FILE = 8192
# [owner name] [TTL] [class] URI priority weight "target", one record to a line. Comments begin
# with a semicolon; old files have neither class nor scheme.
_URI = re.compile(
    r'^[^\s;]*[ \t]+(?:[0-9]+[ \t]+)?(?:IN[ \t]+)?URI[ \t]+[0-9]+[ \t]+[0-9]+[ \t]+"([^"\s]+)"',
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class NamedProfile:
    """What the key behind a name says of its person.

    Attributes:
        name: The name, as it was asked for.
        owner: Its owner as the name service spells it.
        is_owners: Whether that is the key; if not, the owner's zone file points to it.
        url: Where the profile lies: a stranger's https address, fit to be a link.
        public_key: The key that signed the profile, compressed; it is one that the name points to.
        profile: Name and picture, fit to be shown.
        apps: Origin of each app that the person used, and where its data lies. The bucket is text:
            `fetch_text` guards it.
    """

    name: str
    owner: str
    is_owners: bool
    url: str
    public_key: bytes
    profile: Profile
    apps: Mapping[str, str]

    @property
    def key_address(self) -> Address:
        """Of the key that signed; the subject of whatever it proves."""
        return public_key_to_address(self.public_key)


FindProfile = Callable[[str], NamedProfile]
"""`find_profile` with all but the name settled."""


def find_profile(
    name: str,
    *,
    services: tuple[NameService, ...],
    fetch: Fetch,
    strangers: Fetch,
    gaia: frozenset[str] = GAIA,
    zone_files: NameService | None = None,
) -> NamedProfile:
    """Return the profile to which *name* leads, signed by a key that the name points to.

    Args:
        services: The first that takes names of this many labels is asked.
        fetch: Reaches the name service, which the operator named.
        strangers: Reaches the addresses that zone files name, which anybody wrote.
        gaia: Origins of storage hubs where nobody but the holder of a key writes into the key's
            own folder. A name that a wallet address owns may point to another key by such a folder
            in its zone file: its owner wrote that. With none, such names are
            ``profile_key_mismatch``.
        zone_files: Gives zone files of names whose owners a ``v2`` service tells: BNS v2 has none
            with URI records. It may still have a former owner's, so there the key must be the
            owner's, whatever the zone file says.

    Raises:
        ProofError: ``malformed_name``; ``name_unknown`` if nobody owns it or no service is trusted
            with it; ``zonefile_invalid``; ``blocked_url``; ``fetch_failed``; ``profile_invalid``;
            ``profile_key_mismatch``.
    """
    if not is_name(name):
        raise ProofError("malformed_name", f"{name[:80]!a}")
    service = find_trusted(name, services)
    if service is None:
        raise ProofError("name_unknown", f"no service is trusted with names like {name}")
    owner, zone_file = _ask(name, service, fetch=fetch)
    if service.system == "v2":
        gaia = frozenset()
        _, zone_file = _ask(name, zone_files, fetch=fetch) if zone_files else ("", None)
    if zone_file is None:
        raise ProofError("zonefile_invalid", f"{name}: no zone file")
    target = _profile_url(zone_file)
    key, claim = _fetch_profile(target, strangers=strangers)
    address = public_key_to_address(key.format())
    is_owners = is_holder(owner, address, system=service.system)
    if not is_owners and not is_in_folder_of(target, address, gaia):
        detail = f"{name}: signed by {address.btc}, owned by {owner[:80]!a}"
        raise ProofError("profile_key_mismatch", detail)
    profile = describe(claim, email=None)
    apps = _apps(claim.get("apps"))
    return NamedProfile(name, owner, is_owners, target, key.format(), profile, apps)


def fetch_text(url: str, *, strangers: Fetch, max_bytes: int) -> bytes | None:
    """Return the file that a stranger put at *url*; None if the server says that there is none.

    Raises:
        ProofError: ``blocked_url`` if it is an address where this server must not go;
            ``fetch_failed`` if no answer came, an error, or too much.
    """
    # Security: a Fetch may know addresses of the operator's that it lets pass in clear. This URL
    # is a stranger's and must not profit from that.
    if not is_web_address(url):
        raise ProofError("blocked_url", "not an https address")
    try:
        fetched = strangers(url, max_bytes=max_bytes)
    except FetchError as error:
        code = "blocked_url" if error.code == "fetch_blocked" else "fetch_failed"
        raise ProofError(code, str(error)) from error
    if fetched.status in (404, 410):
        return None
    if fetched.status != 200:
        raise ProofError("fetch_failed", f"status {fetched.status}")
    return fetched.body


def _ask(name: str, service: NameService, *, fetch: Fetch) -> tuple[str, str | None]:
    """Return owner and zone file of *name*; a service may have none."""
    url = service.url_of_name(name)
    try:
        fetched = fetch(url, max_bytes=_MAX_ANSWER)
    except FetchError as error:
        raise ProofError("fetch_failed", f"{url}: {error}") from error
    if fetched.status == 404:
        raise ProofError("name_unknown", f"{url}: status 404")
    if fetched.status != 200:
        raise ProofError("fetch_failed", f"{url}: status {fetched.status}")
    try:
        answer = parse_object(fetched.body)
        owner = read_owner(answer, system=service.system, text=name)
    except ProofError as error:
        raise ProofError("fetch_failed", f"{url}: {error.detail}") from error
    if owner is None:
        raise ProofError("name_unknown", f"{name} was revoked or has expired")
    zone_file = answer.get("zonefile")
    return owner, zone_file if isinstance(zone_file, str) else None


def _profile_url(zone_file: str) -> str:
    """Return the target of the first URI record.

    Raises:
        ProofError: ``zonefile_invalid`` if there is none.
    """
    found = _URI.search(zone_file) if len(zone_file) <= _MAX_ZONE_FILE else None
    if found is None:
        raise ProofError("zonefile_invalid", f"no URI record in {len(zone_file)} characters")
    target = found[1]
    return target if "://" in target else f"https://{target}"


def _fetch_profile(url: str, *, strangers: Fetch) -> tuple[PublicKey, Mapping[str, object]]:
    file = fetch_text(url, strangers=strangers, max_bytes=_MAX_FILE)
    if file is None:
        raise ProofError("fetch_failed", "there is no profile")
    try:
        return read_signed_profile(file)
    except ProofError as error:
        raise ProofError("profile_invalid", str(error)) from error


def is_in_folder_of(url: str, address: Address, gaia: frozenset[str]) -> bool:
    """Return whether *url* lies in a folder that only the key of *address* can have written.

    Security: anybody can serve ``/hub/<address>/`` from a server of their own, with an old profile
    of somebody else's in it. So it says something only of hubs that are known to check.
    """
    parts = urlsplit(url)
    folders = parts.path.split("/")[1:-1]
    # A path that a server may resolve to another one says nothing.
    if any("%" in folder or folder in ("", ".", "..") for folder in folders):
        return False
    is_known = f"{parts.scheme}://{parts.netloc}" in gaia
    return is_known and folders[:2] == ["hub", address.btc]


def _apps(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        return {}
    return {app: bucket for app, bucket in value.items() if isinstance(bucket, str)}
