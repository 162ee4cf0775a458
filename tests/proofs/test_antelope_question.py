"""The sentence that we make: of which block, by which node, and known again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from oidc_bridge.errors import FetchError, ProofError
from oidc_bridge.identity import Challenge
from oidc_bridge.proofs.antelope import Chain
from oidc_bridge.proofs.antelope_question import Proposal, propose, read_proposal
from tests.fake_chain import EOS, NODE, SIGNED_AT, VECTORS, FakeChain, sentence

OTHER = "https://other.example"
CHALLENGE = Challenge("c", b"\1" * 32, "Sign in.", SIGNED_AT, SIGNED_AT + timedelta(seconds=600))
INFO = VECTORS["chain"]["get_info"]
DOWN = FetchError("fetch_failed", "refused")


def ask(
    node: FakeChain,
    *,
    challenge: Challenge = CHALLENGE,
    account: str = "alicetester1",
    permission: str = "active",
) -> Proposal:
    chain = Chain(EOS, (NODE, OTHER))
    return propose(challenge, account, permission, chain=chain, post=node.post, now=SIGNED_AT)


def refusal_of(node: FakeChain, **wish: str) -> str:
    with pytest.raises(ProofError) as refused:
        ask(node, **wish)  # type: ignore[arg-type]
    return refused.value.code


def test_it_names_the_newest_block_that_nobody_can_take_back():
    made = ask(FakeChain())

    assert made.sentence.text == sentence("alicetester1")
    assert (made.sentence.account, made.sentence.number) == ("alicetester1", 400000000)


def test_it_is_good_until_its_block_is_too_old():
    # The block is of two seconds ago.
    assert ask(FakeChain()).good_until == SIGNED_AT + timedelta(seconds=268)


def test_it_is_good_for_no_longer_than_its_challenge():
    soon = SIGNED_AT + timedelta(seconds=60)

    assert ask(FakeChain(), challenge=replace(CHALLENGE, expires_at=soon)).good_until == soon


@pytest.mark.parametrize(
    "trouble",
    [
        DOWN,
        (200, INFO | {"chain_id": "0" * 64}),
        (200, INFO | {"last_irreversible_block_num": 399999463}),
        (200, INFO | {"last_irreversible_block_num": 500000000}),
    ],
    ids=["down", "another chain", "behind", "without the block"],
)
def test_a_node_that_is_of_no_use_is_passed_over(trouble):
    node = FakeChain(changes={f"{NODE}/v1/chain/get_info": trouble})

    assert ask(node).sentence.text == sentence("alicetester1")
    assert node.asked[-1][0].startswith(OTHER)


def test_with_no_node_there_is_no_sentence():
    assert refusal_of(FakeChain(changes={"get_info": DOWN})) == "node_unavailable"


@pytest.mark.parametrize(
    "wish", [{"account": "alice6"}, {"account": "a b"}, {"permission": "Active"}, {"account": ""}]
)
def test_no_sentence_is_made_that_could_not_be_read(wish):
    assert refusal_of(FakeChain(), **wish) == "malformed_message"


def test_what_was_made_is_known_again():
    made = ask(FakeChain())

    assert read_proposal(CHALLENGE, made.sentence.text, made.mark, now=SIGNED_AT) == made.sentence


@pytest.mark.parametrize(
    ("challenge", "text", "mark", "code"),
    [
        (replace(CHALLENGE, secret=b"\2" * 32), None, None, "binding"),
        (CHALLENGE, sentence("bobtester111"), None, "binding"),
        (CHALLENGE, None, "", "binding"),
        (CHALLENGE, None, "é", "binding"),
        (replace(CHALLENGE, expires_at=SIGNED_AT), None, None, "challenge_over"),
    ],
    ids=["another challenge", "another sentence", "no mark", "no ASCII", "over"],
)
def test_what_we_did_not_make_for_this_question_is_refused(challenge, text, mark, code):
    made = ask(FakeChain())

    with pytest.raises(ProofError) as refused:
        read_proposal(
            challenge,
            made.sentence.text if text is None else text,
            made.mark if mark is None else mark,
            now=SIGNED_AT,
        )
    assert refused.value.code == code
