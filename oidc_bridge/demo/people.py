"""The throw-away identities of one demo."""

import hmac
from dataclasses import dataclass, field, replace
from threading import Lock

from oidc_bridge.demo.wallet import Wallet
from oidc_bridge.proofs.addresses import Address

_ANNS_NAME = "ann.demo.id"
_CLEOS_NAMES = ("cleo.btc", "cleo.demo.id")
_MOST = 12


@dataclass(frozen=True, slots=True)
class Person:
    """One of the identities.

    Attributes:
        id: Names the person in forms.
        note: What there is to see, in a few words.
    """

    id: str
    label: str
    note: str
    wallet: Wallet


@dataclass(slots=True)
class People:
    """All identities of a demo, and the register of names.

    Attributes:
        seed: 32 random bytes; all keys come from it, so who keeps it keeps the people.
        picture: Address of a picture.
    """

    seed: bytes = field(repr=False)
    picture: str
    names: dict[str, Address] = field(default_factory=dict)
    _known: list[Person] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        ann = self._make("Ann Example", "Owns the name that she claims", username=_ANNS_NAME)
        ann = replace(ann, wallet=replace(ann.wallet, email="ann@example.org"))
        cleo = self._make("Cleo", "Has a picture and two names", picture=self.picture)
        self.names[_ANNS_NAME] = ann.wallet.address
        self.names |= dict.fromkeys(_CLEOS_NAMES, cleo.wallet.address)
        self._known += [
            ann,
            self._make("Bob", "Has no name, only an address"),
            cleo,
            self._make("Mallory", f"Claims {_ANNS_NAME}, but does not own it", username=_ANNS_NAME),
        ]

    def names_of(self, address: str) -> tuple[str, ...]:
        """Return the names whose owner is spelled *address*, sorted."""
        return tuple(sorted(name for name, owner in self.names.items() if owner.c32 == address))

    def all(self) -> tuple[Person, ...]:
        """Return everybody, oldest first."""
        return tuple(self._known)

    def find(self, person_id: str) -> Person | None:
        """Return who has this id."""
        return next((known for known in self._known if known.id == person_id), None)

    def add(self) -> None:
        """Make somebody new, unless there are very many."""
        with self._lock:
            number = sum(known.label.startswith("Guest") for known in self._known) + 1
            self._known.append(self._make(f"Guest {number}", "Made just now"))
            del self._known[_MOST:]

    def _make(
        self, label: str, note: str, *, username: str | None = None, picture: str | None = None
    ) -> Person:
        key = hmac.digest(self.seed, label.encode(), "sha256")
        person_id = label.lower().replace(" ", "-")
        return Person(person_id, label, note, Wallet(key, username, label, picture))
