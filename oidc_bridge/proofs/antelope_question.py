"""The old sentence of EOS as a question of ours: made for one browser, and known again.

The password's door takes a sentence that a client made. Here we make it ourselves, so we can hold
that the one that comes back is the one that this browser was shown: a sentence that a person signed
for another site is of no use to whoever found it. It is no help against a site that shows people
what we showed to it; nothing in the sentence could be.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Challenge
from oidc_bridge.proofs.antelope import Chain, Sentence, read_sentence
from oidc_bridge.proofs.antelope_node import Block, Node, Post

# The secret is the key of other proofs too; what it makes for one must mean nothing for another.
_PURPOSE = b"antelope sentence\0"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A sentence to be signed.

    Attributes:
        mark: Says that we made it, and for which challenge.
        good_until: When its block is too old, or the challenge over.
    """

    sentence: Sentence
    mark: str
    good_until: datetime


def propose(
    challenge: Challenge, account: str, permission: str, *, chain: Chain, post: Post, now: datetime
) -> Proposal:
    """Return a sentence for an account, with the newest block that nobody can take back.

    Raises:
        ProofError: ``malformed_message`` if no account or permission is called so; what the chain's
            last node said; ``block_too_old`` if that has lost touch with the chain.
    """
    refusal = ProofError("node_unavailable", "no node")
    for url in chain.nodes:
        try:
            number, block = _newest_block(Node(url, post), chain, now)
        except ProofError as error:
            refusal = error
            continue
        text = (
            f"{account} would like to login using the {permission} permission."
            f" Block ID: {number} {block.id[-12:].upper()}"
        )
        good_until = min(block.made_at + chain.max_age, challenge.expires_at)
        return Proposal(read_sentence(text), _mark_of(challenge, text), good_until)
    raise refusal


def read_proposal(challenge: Challenge, text: str, mark: str, *, now: datetime) -> Sentence:
    """Return the sentence that we made for *challenge*.

    Raises:
        ProofError: ``challenge_over``, ``binding`` if we did not make it, or not for this browser.
    """
    if challenge.expires_at <= now:
        raise ProofError("challenge_over", challenge.id)
    if not hmac.compare_digest(_mark_of(challenge, text).encode(), mark.encode()):
        raise ProofError("binding", f"{text!a} is not what was shown")
    return read_sentence(text)


def _newest_block(node: Node, chain: Chain, now: datetime) -> tuple[int, Block]:
    info = node.get_info()
    if info.chain_id != chain.id:
        raise ProofError("wrong_chain", f"{node.url} follows {info.chain_id!a}")
    block = node.get_block(info.last_irreversible)
    if now - block.made_at > chain.max_age:
        raise ProofError("block_too_old", f"{node.url} is at {block.made_at:%FT%TZ}")
    return info.last_irreversible, block


def _mark_of(challenge: Challenge, text: str) -> str:
    return hmac.new(challenge.secret, _PURPOSE + text.encode(), hashlib.sha256).hexdigest()
