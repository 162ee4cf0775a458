"""OI Chat: a challenge that the person's own app answered, found by the person's name alone.

No page of ours is involved. The client asks for a challenge under a nonce of its own, and the app
answers with the key that the wallet derived for it: by writing the challenge into its bucket, as
clients did in 2019, or by signing it. Then three words go where a password would:

    client  nonce|appDomain|blockstackId
    us      name ─▶ zone file ─▶ signed profile ─▶ apps[appDomain], the bucket ─▶ mxid.json

So what is proved is that somebody can write into the bucket of one app, or holds the app's key.
That is the app, not the person. As whom it comes is a matter of the whitelist, and it is asked
every time.

Source: npm ``blockstack`` 19, ``storage``; the challenge service and password provider of OI Chat.
"""

import re
from dataclasses import dataclass
from hmac import compare_digest
from typing import Literal
from urllib.parse import urlsplit

from oidc_bridge.errors import ProofError
from oidc_bridge.origins import read_origin
from oidc_bridge.ports import Fetch
from oidc_bridge.proofs.addresses import Address, parse_address, public_key_to_address
from oidc_bridge.proofs.app_signature import Signature, check_signature, read_signature
from oidc_bridge.proofs.jsontokens import parse_object, parse_public_key
from oidc_bridge.proofs.named_profile import (
    GAIA,
    NamedProfile,
    fetch_text,
    find_profile,
    is_in_folder_of,
)
from oidc_bridge.proofs.names import NameService, is_name

OICHAT = "oichat"
FILE = "mxid.json"

# What Math.random() writes: digits, a dot, now and then e-7; before it an address or a key.
_NONCE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_DROPPED = re.compile(r"[^A-Za-z0-9_]")
_MAX_FILE = 4096

Form = Literal["main", "alone"]


@dataclass(frozen=True, slots=True)
class Password:
    """The three words that a client sends as a password."""

    nonce: str
    app: str
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """Who stands behind a password, as their own signed profile says."""

    password: Password
    profile: NamedProfile
    bucket: str

    @property
    def subject(self) -> Address:
        """The key that signed the profile: it is who is signed in, whatever the name."""
        return self.profile.key_address

    @property
    def app_address(self) -> Address | None:
        """Of the app's key, which the bucket is called after; None if it is called otherwise."""
        try:
            return parse_address(self.bucket.rstrip("/").rpartition("/")[2])
        except ProofError:
            return None


@dataclass(frozen=True, slots=True)
class User:
    """What the user field asks for.

    Attributes:
        form: As the person themselves, which the app must be allowed, or as the app's own user.
        by_address: In the form that OI Chat gave its users before names: an address, lower-cased.
    """

    localpart: str
    form: Form
    by_address: bool


@dataclass(frozen=True, slots=True)
class OiChat:
    """Finds people by their names and checks what their apps answered.

    Attributes:
        server_name: Of the homeserver; every challenge names it.
        services, fetch: Name services, and what reaches them.
        strangers: Reaches what zone files and profiles name, which anybody wrote.
        gaia, zone_files: see `find_profile`.
        require_signature: Whether writing into the bucket is not enough.
        loopback: Whether an app may be at http on loopback, where it is whatever program has the
            port on anybody's machine: for who develops one against a bridge of their own.
    """

    server_name: str
    services: tuple[NameService, ...]
    fetch: Fetch
    strangers: Fetch
    gaia: frozenset[str] = GAIA
    zone_files: NameService | None = None
    require_signature: bool = False
    loopback: bool = False

    def challenge(self, app: str, secret: str) -> str:
        """Return the one line that an app is to answer.

        Args:
            app: Origin of the app; ``""`` if none was told.
            secret: Text of 256 random bits.
        """
        return " ".join(filter(None, (self.server_name, app, secret)))

    def find(self, password: Password) -> Found:
        """Return whose *password* claims to be, and where the answer lies. Nothing is proved yet.

        Raises:
            ProofError: what `find_profile` raises; ``app_not_in_profile``.
        """
        profile = find_profile(
            password.name,
            services=self.services,
            fetch=self.fetch,
            strangers=self.strangers,
            gaia=self.gaia,
            zone_files=self.zone_files,
        )
        bucket = profile.apps.get(password.app)
        if bucket is None:
            raise ProofError("app_not_in_profile", f"{password.name}: {password.app}")
        # What follows is a file's name, and the folder before it a key's.
        if "?" in bucket or "#" in bucket:
            raise ProofError("blocked_url", "a bucket with a query or a fragment")
        return Found(password, profile, bucket.rstrip("/") + "/")

    def read_user(self, localpart: str, found: Found) -> User:
        """Return what the user field asks for.

        Args:
            localpart: What it means at the homeserver; ``""`` for nobody.

        Raises:
            ProofError: ``localpart_mismatch`` if that is somebody else.
        """
        name, app = found.password.name, found.app_address
        apps_own = f"{name}+{host_of(found.password.app)}"
        if localpart == name:
            return User(localpart, "main", by_address=False)
        if localpart == found.subject.btc.lower():
            return User(localpart, "main", by_address=True)
        if localpart == apps_own:
            return User(localpart, "alone", by_address=False)
        if app is not None and localpart == app.btc.lower():
            return User(localpart, "alone", by_address=True)
        raise ProofError("localpart_mismatch", f"{localpart[:80]!a} is not {name}")

    def check_answer(
        self, found: Found, user: User, challenge: str, posted: Signature | None
    ) -> bool:
        """Check that the app answered *challenge*; return whether it signed.

        Args:
            posted: A signature that came instead of a file.

        Raises:
            ProofError: ``signature_invalid``; without *posted* also ``response_missing``,
                ``challenge_mismatch``, ``signature_missing``, ``blocked_url``, ``fetch_failed``.
        """
        if posted is not None:
            check_bucket_signature(found, challenge, posted)
            return True
        file = fetch_text(found.bucket + FILE, strangers=self.strangers, max_bytes=_MAX_FILE)
        if file is None:
            raise ProofError("response_missing", found.bucket)
        if not compare_digest(file, challenge.encode()):
            raise ProofError("challenge_mismatch", f"{len(file)} bytes in {found.bucket}")
        if not self.require_signature and self._is_bound(found, user):
            return False
        signature = self._read_signature(found)
        if signature is None:
            raise ProofError("signature_missing", found.bucket)
        check_bucket_signature(found, challenge, signature)
        return True

    def _is_bound(self, found: Found, user: User) -> bool:
        """Return whether the file alone says that it is *user* who wrote it.

        Security: a person's profile names their buckets, and may name anybody's address at a
        server of their own. Where the address is the user, only a hub that checks who writes, or
        the key itself, says that it is theirs.
        """
        address = found.app_address
        if user.form == "main" or not user.by_address or address is None:
            return True
        return is_in_folder_of(found.bucket + FILE, address, self.gaia)

    def _read_signature(self, found: Found) -> Signature | None:
        url = f"{found.bucket}{FILE}.sig"
        file = fetch_text(url, strangers=self.strangers, max_bytes=_MAX_FILE)
        if file is None:
            return None
        try:
            members = parse_object(file)
        except ProofError as error:
            raise ProofError("signature_invalid", str(error)) from error
        return read_signature(members.get("publicKey"), members.get("signature"))


def read_password(text: str, *, loopback: bool = False) -> Password:
    """Return the three words of a password.

    Args:
        loopback: see `OiChat`.

    Raises:
        ProofError: ``malformed_password``, ``malformed_name``, ``malformed_app``.
    """
    parts = text.split("|")
    if len(parts) != 3:
        raise ProofError("malformed_password", f"{len(parts)} parts, expected 3")
    nonce, app, name = parts
    if not is_nonce(nonce):
        raise ProofError("malformed_password", "the nonce has other characters than a nonce has")
    if not is_name(name):
        raise ProofError("malformed_name", f"{name[:80]!a}")
    if not is_app_domain(app, loopback=loopback):
        raise ProofError("malformed_app", f"{app[:80]!a}")
    return Password(nonce, app, name)


def is_nonce(text: str) -> bool:
    """Return whether *text* is one that clients make."""
    return _NONCE.fullmatch(text) is not None


def txid_of(nonce: str) -> str:
    """Return what the challenge service of old called a nonce."""
    return _DROPPED.sub("", nonce)


def is_app_domain(text: str, *, loopback: bool = False) -> bool:
    """Return whether *text* is an origin, spelt as browsers spell it, that is the app's own.

    Args:
        loopback: see `OiChat`. By any other http, whoever is on the way may answer for the app.
    """
    try:
        origin = read_origin(text)
    except ValueError:
        return False
    is_safe = origin.scheme == "https" or (loopback and origin.is_trustworthy)
    # A host with a dot at its end is another origin to browsers and the same app to people.
    return is_safe and not origin.host.endswith(".") and str(origin) == text


def host_of(app: str) -> str:
    """Return what stands after the ``+`` in the localpart of an app's own user.

    Matrix appendices, "User Identifiers": a colon cannot stand there.
    """
    return urlsplit(app).netloc.replace(":", "=3a")


def check_bucket_signature(found: Found, challenge: str, signed: Signature) -> None:
    """Check that the key of the app's bucket made *signed* over *challenge*.

    Raises:
        ProofError: ``signature_invalid``.
    """
    key = parse_public_key(signed.public_key)
    if public_key_to_address(key.format()) != found.app_address:
        raise ProofError("signature_invalid", f"not the key of {found.bucket}")
    check_signature(challenge, signed)
