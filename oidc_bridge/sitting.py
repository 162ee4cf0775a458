"""A sitting: the proofs that one browser gives for one sign-in, and whether they are enough.

A signed message names our host, so the person saw where they sign in. An ``authResponse`` does
not: from a wallet of protocol 1.4.0 or newer, any page that the person approves can get one for
an attempt of its own (docs/security.md, A4 and A5). So such an answer opens an account
only together with a message, and the message must be by the very STX address that the wallet
wrote into the answer. Nobody else can write another one there, since the identity key signed it;
without that bond a thief would add a message of their own to an answer that they tricked
somebody out of.

An older wallet's answer can only have come back to our own address, in the person's own browser.
It stands alone, as does any answer of somebody who never had more, while their app key stays.

The sentence of an account of a chain names no host either, and nothing can bind a message to it:
the account has no key that signs ours. So it stands alone, where the operator does not ask that
proofs name us, unless what it opens has a key that can; then a message by that is needed too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Identity

Accept = Literal["either", "authresponse", "message", "both"]

MESSAGE = "stacks"
RESPONSE = "blockstack"
CHAIN = "antelope"

_METHODS = {
    "either": (MESSAGE, RESPONSE),
    "authresponse": (RESPONSE,),
    "message": (MESSAGE,),
    "both": (MESSAGE, RESPONSE),
}


@dataclass(frozen=True, slots=True)
class Known:
    """What we knew of an identity before it was proved just now.

    Attributes:
        account_id: The account that it opens; None at first sight.
        identity_id: The identity there; None if the same key came by another method only.
        app_key: The pinned one; None if none is.
        stx_addresses: Keys of the same account that sign messages.
        is_blocked: Whether operators keep the account out.
    """

    account_id: str | None = None
    identity_id: str | None = None
    app_key: str | None = None
    stx_addresses: frozenset[str] = frozenset()
    is_blocked: bool = False


@dataclass(frozen=True, slots=True)
class Proven:
    """One proof of the sitting."""

    identity: Identity
    known: Known

    @property
    def is_changed(self) -> bool:
        """Whether the wallet answered with another app key than the one that is pinned."""
        pinned = self.known.app_key
        return pinned is not None and pinned != self.identity.app_key

    @property
    def claimed(self) -> str | None:
        """The STX address that the wallet itself wrote into its answer.

        An old wallet signed whatever profile its storage server had, so there it is nobody's word.
        """
        return None if self.identity.names_host else self.identity.stx_address


@dataclass(frozen=True, slots=True)
class Need:
    """What else must be proved.

    Attributes:
        method: By which proof.
        address: By the holder of this STX address; None if any will do.
        why: ``both`` (the operator wants two), ``first_sight``, ``linked_key`` (the account has a
            key that can name us), ``app_key_changed``.
    """

    method: str
    address: str | None
    why: str


def methods_of(accept: Accept) -> tuple[str, ...]:
    """Return the methods that may be used, the one to be preferred first."""
    return _METHODS[accept]


def takes_chains(accept: Accept) -> bool:
    """Return whether an account of a chain may be all that somebody proves."""
    return accept in ("either", "authresponse")


def takes_chat_apps(accept: Accept) -> bool:
    """Return whether a chat app's key may sign somebody in on the page.

    It stands alone too: whoever wants a message or two proofs of everybody gets none from it.
    """
    return takes_chains(accept)


def goes_with(earlier: Proven, arriving: Identity) -> bool:
    """Return whether an earlier proof of a sitting stays beside one that arrives.

    One of the same method is replaced. Beside an account of a chain stays nothing but the message
    that was asked for: else a sentence that somebody was tricked into would join two people.
    """
    if earlier.identity.method == arriving.method or arriving.method == CHAIN:
        return False
    if earlier.identity.method == CHAIN:
        return arriving.method == MESSAGE and bool(earlier.known.stx_addresses)
    return True


def find_need(
    accept: Accept, proofs: Sequence[Proven], *, own: frozenset[str] = frozenset()
) -> Need | None:
    """Return what the sitting still lacks; None if it is enough.

    Args:
        proofs: At least one, at most one of each method.
        own: STX addresses of the account to which a wallet is being added, by somebody who has
            just proved that it is theirs.

    Raises:
        ProofError: ``method_refused``, ``wrong_account`` (message and answer are of two wallets or
            two accounts of one), ``bond_missing`` (the answer is good for nothing without a
            message, and names no address that could sign one), ``app_key_changed``.
    """
    by_method = {proof.identity.method: proof for proof in proofs}
    if CHAIN in by_method:
        return _find_need_of_chain(accept, by_method, own)
    for method in by_method:
        if method not in methods_of(accept):
            raise ProofError("method_refused", f"{method}, while {accept} is accepted")
    response, message = by_method.get(RESPONSE), by_method.get(MESSAGE)
    if response is None:
        return Need(RESPONSE, None, "both") if accept == "both" else None
    if message is not None:
        _check_bond(response, message)
        return None
    if accept == "authresponse":
        if response.is_changed:
            raise ProofError("app_key_changed", response.identity.subject)
        return None
    why = "both" if accept == "both" else _why_more(response, own)
    return None if why is None else Need(MESSAGE, _whose_message(response), why)


def _find_need_of_chain(
    accept: Accept, by_method: Mapping[str, Proven], own: frozenset[str]
) -> Need | None:
    """Hold that a sentence stands alone, or beside a message by a key of the same account."""
    if RESPONSE in by_method or not takes_chains(accept):
        raise ProofError("method_refused", f"{' '.join(by_method)}, while {accept} is accepted")
    linked, message = by_method[CHAIN].known.stx_addresses, by_method.get(MESSAGE)
    if message is not None:
        if message.identity.subject not in linked:
            raise ProofError("wrong_account", f"{message.identity.subject}, of {sorted(linked)}")
        return None
    if linked <= own or MESSAGE not in methods_of(accept):
        return None
    return Need(MESSAGE, min(linked) if len(linked) == 1 else None, "linked_key")


def _why_more(response: Proven, own: frozenset[str]) -> str | None:
    """Return why an answer alone is not enough."""
    if response.is_changed:
        return "app_key_changed"
    if response.identity.names_host or response.claimed in own:
        return None
    if response.known.stx_addresses:
        return "linked_key"
    # An account that the key opened by another method only (OI Chat's) has seen no answer yet.
    return None if response.known.identity_id else "first_sight"


def _whose_message(response: Proven) -> str | None:
    """Return the address that must sign, or None for any; `_check_bond` would take no other."""
    linked, claimed = response.known.stx_addresses, response.claimed
    if linked:
        if claimed in linked:
            return claimed
        return min(linked) if len(linked) == 1 else None
    if response.is_changed:
        raise ProofError("app_key_changed", response.identity.subject)
    if claimed is None and not response.identity.names_host:
        raise ProofError("bond_missing", response.identity.subject)
    return claimed


def _check_bond(response: Proven, message: Proven) -> None:
    """Hold that one person made both."""
    if message.identity.subject in response.known.stx_addresses:
        return
    if response.is_changed:
        raise ProofError("app_key_changed", response.identity.subject)
    claimed = response.claimed
    if claimed is None and not response.identity.names_host:
        raise ProofError("bond_missing", response.identity.subject)
    if claimed is not None and claimed != message.identity.subject:
        raise ProofError("wrong_account", f"{message.identity.subject}, expected {claimed}")
