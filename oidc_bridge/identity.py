"""The keystone: a wallet's proof on one side, an identity on the other.

Both banks of the bridge know this file and neither knows the other. A `Proof` makes an
`Invitation` from a `Challenge`, and turns the wallet's answer into an `Identity`; nothing else
in the bridge makes one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Challenge:
    """One question to the person, answerable by any enabled proof, and spent once.

    Attributes:
        id: Random and public; names this attempt in URLs.
        secret: 32 random bytes, from which each proof derives or uses what it needs (for
            Blockstack it *is* the transit private key). It never leaves the server, and at rest
            it is sealed.
        statement: What the person is asked to agree to, on one line: ``Sign in to Example ID.``
        issued_at, expires_at: Aware, UTC, whole seconds.
        address: Who must answer: a single-key mainnet address in its c32 form. A message names
            it. None if anybody may.
    """

    id: str
    secret: bytes = field(repr=False)
    statement: str
    issued_at: datetime
    expires_at: datetime
    address: str | None = None


@dataclass(frozen=True, slots=True)
class StructuredMessage:
    """A message in Clarity values, as SIP-018 signs it: both in lower-case hex."""

    domain: str
    message: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the page hands to a wallet: a signed ``authRequest``, or a text to be signed.

    A text may have a second encoding, `structured`, for wallets that show it better.
    """

    message: str
    structured: StructuredMessage | None = None


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
        subject: The key's address in its mainnet c32 form (``SP...``), never a name; of a chain
            whose accounts have names and change keys, the account (``antelope:<chain>:<account>``,
            CAIP-10).
        proved_at: Aware, UTC.
        names_host: Whether the proof itself says that it is for us. A signed message names our
            host. An ``authResponse`` does not; but an old wallet's, of a protocol before 1.4.0,
            can only have come back to our own address.
        claimed_name: A name that the wallet claims, not looked up: anybody may claim any.
        stx_address: The c32 address that the wallet says its STX key has; not proved. Wallets of
            1.4.0 write it themselves. Older ones sign what a storage server told them, so where
            `names_host` is true it may be that server's word.
        profile: Self-described.
        app_key: SHA-256 (hex) of the public app key that the wallet derived for us, to be pinned;
            None where the method has none.
        unconfirmed: Codes of claims that were left out because they could not be confirmed, e.g.
            ``profile_token``; for the log and for a sentence on the page.
    """

    method: str
    subject: str
    proved_at: datetime
    names_host: bool
    claimed_name: str | None = None
    stx_address: str | None = None
    profile: Profile = Profile()
    app_key: str | None = None
    unconfirmed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, for `from_json`."""
        return asdict(self) | {
            "proved_at": self.proved_at.isoformat(),
            "unconfirmed": list(self.unconfirmed),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Identity":
        """Return what `to_json` wrote; our own record, never a text from outside."""
        return cls(
            **{
                **kept,
                "proved_at": datetime.fromisoformat(kept["proved_at"]),
                "profile": Profile(**kept["profile"]),
                "unconfirmed": tuple(kept["unconfirmed"]),
            }
        )


class Proof(Protocol):
    """A way to prove who you are. A new one is one file in ``proofs/``, one line in ``factory``."""

    @property
    def method(self) -> str:
        """Short, lower case, stable: it is stored with every identity."""
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
