"""Hostile passwords, and nodes that say anything: a clean refusal, and nobody is let in."""

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.antelope import Chain, read_password, verify
from oidc_bridge.proofs.antelope_keys import (
    Curve,
    parse_key,
    parse_signature,
    recover,
    write_base58,
)
from oidc_bridge.proofs.antelope_node import Node
from tests.fake_chain import EOS, NODE, SIGNED_AT, VECTORS, FakeChain
from tests.proofs.test_fuzz import MANY, TEXT, VALUES, mutated

GOOD = VECTORS["cases"][0]["login"]["password"]
CHAINS = (Chain(EOS, (NODE,)),)
ACCOUNT = "alicetester1"
KEY = VECTORS["keys"]["alice"]["public"]


def enter(password: str, node: FakeChain) -> None:
    read = read_password(password)
    read.nonce.encode()  # as whoever looks it up does
    verify(read, ACCOUNT, chains=CHAINS, post=node.post, now=SIGNED_AT)


@MANY
@given(TEXT | mutated(GOOD))
def test_a_changed_password_lets_nobody_in(password: str) -> None:
    if password.partition("|")[2] == GOOD.partition("|")[2]:
        return  # another nonce: whose it is, the ledger knows
    with suppress(ProofError):
        enter(password, FakeChain())
        raise AssertionError("accepted")


@MANY
@given(TEXT | mutated(KEY) | mutated(VECTORS["keys"]["alice"]["public_legacy"]))
def test_a_key_is_read_as_it_stands_or_refused(text: str) -> None:
    with suppress(ProofError):
        key = parse_key(text)
        assert text in (str(key), VECTORS["keys"]["alice"]["public_legacy"])


@MANY
@given(st.binary(min_size=65, max_size=65), st.sampled_from(["K1", "R1"]), st.integers(31, 34))
def test_any_65_bytes_recover_to_a_key_or_are_refused(
    data: bytes, curve: Curve, header: int
) -> None:
    text = f"SIG_{curve}_{write_base58(bytes([header]) + data[1:], curve)}"
    with suppress(ProofError):
        key = recover(parse_signature(text), bytes(32))
        assert parse_key(str(key)) == key


@st.composite
def spoilt(draw: st.DrawFn, call: str) -> object:
    """Return what a node answers to *call*, with one of its values replaced, however deep."""
    known = VECTORS["chain"]["get_info"]
    if call != "get_info":
        name = {"get_block_info": "400000000", "get_account": ACCOUNT}[call]
        known = VECTORS["chain"][{"get_block_info": "get_block"}.get(call, call)][name]
    document = json.loads(json.dumps(known))
    part = document
    while True:
        place = draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        inside = part[place]
        if not isinstance(inside, dict | list) or not inside or draw(st.booleans()):
            part[place] = draw(VALUES)
            return document
        part = inside


@MANY
@given(st.data(), st.sampled_from(["get_info", "get_block_info", "get_account"]))
def test_a_node_may_answer_anything(data: st.DataObject, call: str) -> None:
    answer = data.draw(spoilt(call) | VALUES)
    try:
        body = json.dumps(answer).encode()
    except ValueError:
        return  # a number with more digits than Python writes
    with suppress(ProofError):
        enter(GOOD, FakeChain(changes={call: (200, body)}))


@MANY
@given(st.integers(400, 599), VALUES)
def test_a_node_may_refuse_in_any_words(status: int, said: object) -> None:
    try:
        body = json.dumps({"error": said}).encode()
    except ValueError:
        return
    for call in ("get_info", "get_block_info", "get_account"):
        with suppress(ProofError):
            enter(GOOD, FakeChain(changes={call: (status, body), "get_block": (status, body)}))
            raise AssertionError("accepted")


@MANY
@given(st.binary(max_size=100))
def test_an_account_is_read_or_refused(body: bytes) -> None:
    node = Node(NODE, FakeChain(changes={"get_account": (200, body)}).post)
    with suppress(ProofError):
        node.find_permissions(ACCOUNT)
