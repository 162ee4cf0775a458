"""The keystone: a wallet's proof on one side, an identity on the other.

Both banks of the bridge know this file and neither knows the other. A `Proof` makes an
`Invitation` from a `Challenge`, and turns the wallet's answer into an `Identity`; nothing else
in the bridge makes one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Challenge:
    """What we asked of a wallet, once.

    Attributes:
        id: Random and public; names this attempt in URLs.
        method: The proof that made it.
        secret: Belongs to the proof alone (for Blockstack the transit private key, 32 bytes).
            Nobody else reads it, and at rest it is sealed.
        issued_at, expires_at: Aware, UTC, whole seconds.
    """

    id: str
    method: str
    secret: bytes = field(repr=False)
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the page hands to a wallet: for Blockstack the signed ``authRequest``."""

    message: str


@dataclass(frozen=True, slots=True)
class Name:
    """A name whose owner is the proven key, as an operator's name service said just now."""

    text: str
    owner: str
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person says of themselves. Signed or not, it is a description and proves nothing."""

    display_name: str | None = None
    picture: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What one proof proved, just now.

    Attributes:
        method: Name of the proof.
        subject: The key's address in its mainnet c32 form (``SP...``); never a name.
        proved_at: Aware, UTC.
        name: The name that this key owns, or None if none was claimed or none could be confirmed.
        profile: Self-described.
        app_key: SHA-256 (hex) of the public app key that the wallet derived for us, to be pinned;
            None where the method has none.
        unconfirmed: Codes of claims that were left out because they could not be confirmed, e.g.
            ``username_owner``; for the log and for a sentence on the page.
    """

    method: str
    subject: str
    proved_at: datetime
    name: Name | None = None
    profile: Profile = Profile()
    app_key: str | None = None
    unconfirmed: tuple[str, ...] = ()


class Proof(Protocol):
    """A way to prove who you are. A new one is one file in ``proofs/``, one line in ``factory``."""

    @property
    def method(self) -> str:
        """Short, lower case, stable: it is stored with every identity."""
        ...

    def make_secret(self) -> bytes:
        """Return fresh random bytes for `Challenge.secret`."""
        ...

    def invite(self, challenge: Challenge) -> Invitation:
        """Return what the wallet is to be shown; the same for the same challenge."""
        ...

    def verify(self, challenge: Challenge, answer: Mapping[str, str], *, now: datetime) -> Identity:
        """Return what *answer* proves.

        Raises:
            ProofError: with the code of the first check that failed. The caller spends the
                challenge whatever happens; this function does not know whether it was spent.
        """
        ...
