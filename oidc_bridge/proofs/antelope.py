"""The old sentence of EOS (Vaulta) and other Antelope chains, signed by a key of the account.

    client  nonce | "alice would like to login using the active permission. Block ID: ..." | SIG_...
    us      the node: is the block of this chain, and of just now? does the key reach the account?

It names no server: a site that gets one can use it elsewhere for minutes. So it takes a nonce of
ours besides, is good for minutes only, and once: who stands above spends the nonce before all
else, and keeps (sentence, key) until it is too old.

Spec: docs/eos.md, whose table of refusals says in which order all is checked.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Identity
from oidc_bridge.proofs.antelope_authority import check_authority
from oidc_bridge.proofs.antelope_keys import Key, parse_signature, recover
from oidc_bridge.proofs.antelope_node import Node, Post

METHOD = "antelope"

_LONGEST = 1000  # of a password; a real one has some 300 characters
_NONCE = re.compile(r"[A-Za-z0-9._-]+")
# Five bits for each of twelve signs, and four for a thirteenth; no dot at the end.
_NAME = r"(?:[a-z1-5.]{0,11}[a-z1-5]|[a-z1-5.]{12}[a-j1-5])"
_ACCOUNT = re.compile(_NAME)
_SENTENCE = re.compile(
    rf"(?P<account>{_NAME}) would like to login using the (?P<permission>{_NAME}) permission\."
    r" Block ID: (?P<number>[1-9][0-9]{0,9}) (?P<suffix>[0-9A-F]{12})"
)
_SUBJECT = re.compile(rf"{METHOD}:(?P<chain>[0-9a-f]{{32}}):(?P<account>{_NAME})")
_AHEAD = timedelta(seconds=5)
# What a block of another chain, or a node that is down, makes of a sentence; another may fit.
_ELSEWHERE = frozenset(
    {
        *("node_unavailable", "wrong_chain", "block_not_irreversible", "block_unknown"),
        "block_mismatch",
    }
)


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain whose accounts may sign in.

    Attributes:
        id: 64 hex digits.
        nodes: Their base addresses, the one to be asked first in front.
        permissions: Those that a sentence may name.
        max_age: For how long after its block a sentence is good.
    """

    id: str
    nodes: tuple[str, ...]
    permissions: frozenset[str] = frozenset({"active", "owner"})
    max_age: timedelta = timedelta(seconds=270)


@dataclass(frozen=True, slots=True)
class Password:
    """What a client sends in a password's place, in its three parts."""

    nonce: str
    message: str = field(repr=False)
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the person signed, read."""

    text: str
    account: str
    permission: str
    number: int
    suffix: str

    @property
    def digest(self) -> bytes:
        """What is signed."""
        return hashlib.sha256(self.text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Signed:
    """A sentence that holds.

    Attributes:
        good_until: When its block is too old; so long the sentence by this key is to be kept.
    """

    sentence: Sentence
    chain_id: str
    key: Key
    good_until: datetime
    identity: Identity

    @property
    def once(self) -> str:
        """What may be used once: another signature of the same is the same."""
        return f"{self.sentence.digest.hex()} {self.key}"


def read_password(text: str) -> Password:
    """Return the parts of what came in a password's place.

    Raises:
        ProofError: ``malformed_password``.
    """
    parts = text.split("|")
    if len(text) > _LONGEST or len(parts) != 3:
        raise ProofError("malformed_password", f"{len(text)} characters, {len(parts)} parts")
    # The caller looks it up before all else is read, so it has the grammar of nonces from here on.
    if not _NONCE.fullmatch(parts[0]):
        raise ProofError("malformed_password", "the nonce has other characters than a nonce has")
    return Password(*parts)


def read_sentence(text: str) -> Sentence:
    """Return what the one sentence says.

    Raises:
        ProofError: ``malformed_message``.
    """
    found = _SENTENCE.fullmatch(text)
    if found is None:
        raise ProofError("malformed_message", "not the one sentence, byte for byte")
    number = int(found["number"])
    return Sentence(text, found["account"], found["permission"], number, found["suffix"])


def is_account(text: str) -> bool:
    """Return whether an account could have this name."""
    return _ACCOUNT.fullmatch(text) is not None


def subject_of(chain_id: str, account: str) -> str:
    """Return the name of an account among those of all chains, as CAIP-10 has it."""
    return f"{METHOD}:{chain_id[:32]}:{account}"


def read_subject(subject: str) -> tuple[str, str] | None:
    """Undo `subject_of`: return the chain and the account; None if it is no such subject."""
    found = _SUBJECT.fullmatch(subject)
    return (found["chain"], found["account"]) if found else None


def verify(
    password: Password, account: str, *, chains: Sequence[Chain], post: Post, now: datetime
) -> Signed:
    """Return what the sentence proves. Its nonce has been spent, whatever comes of it.

    Args:
        account: Who is to be signed in.

    Raises:
        ProofError: the codes of docs/eos.md, in their order.
    """
    sentence = read_sentence(password.message)
    if sentence.account != account:
        raise ProofError("account_mismatch", f"signed by {sentence.account}, for {account!a}")
    return check_signature(sentence, password.signature, chains=chains, post=post, now=now)


def check_signature(
    sentence: Sentence, signature: str, *, chains: Sequence[Chain], post: Post, now: datetime
) -> Signed:
    """Return what a signature of the sentence proves.

    The sentence names no chain, its block does: the first chain that has the block is meant.

    Raises:
        ProofError: those of `verify` from ``permission_not_allowed`` on.
    """
    fitting = [chain for chain in chains if sentence.permission in chain.permissions]
    if not fitting:
        raise ProofError("permission_not_allowed", sentence.permission)
    key = recover(parse_signature(signature), sentence.digest)
    refusals = []
    for chain in fitting:
        for url in chain.nodes:
            try:
                return _verify_at(Node(url, post), chain, sentence, key, now)
            except ProofError as error:
                if error.code not in _ELSEWHERE:
                    raise
                refusals.append(error)
                if error.code != "node_unavailable":
                    break
    # What a chain said tells the person more than that another one was not there.
    said = [error for error in refusals if error.code != "node_unavailable"]
    raise (said or refusals)[0]


def _verify_at(node: Node, chain: Chain, sentence: Sentence, key: Key, now: datetime) -> Signed:
    info = node.get_info()
    if info.chain_id != chain.id:
        raise ProofError("wrong_chain", f"{node.url} follows {info.chain_id!a}")
    if sentence.number > info.last_irreversible:
        raise ProofError("block_not_irreversible", f"{sentence.number}, {info.last_irreversible}")
    block = node.get_block(sentence.number)
    if block.id[-12:].upper() != sentence.suffix:
        raise ProofError("block_mismatch", f"{sentence.suffix}, not {block.id}")
    if now - block.made_at > chain.max_age:
        raise ProofError("block_too_old", f"of {block.made_at:%FT%TZ}")
    if block.made_at - now > _AHEAD:
        raise ProofError("block_in_future", f"of {block.made_at:%FT%TZ}")
    check_authority(sentence.account, sentence.permission, key, find=node.find_permissions)
    subject = subject_of(chain.id, sentence.account)
    identity = Identity(METHOD, subject, now, names_host=False)
    return Signed(sentence, chain.id, key, block.made_at + chain.max_age, identity)
