"""The demo's chain is one that the bridge believes for good reasons, and its account signs so."""

import hashlib
from datetime import timedelta

import pytest

from oidc_bridge.demo.chain import CHAIN_ID, last_final
from oidc_bridge.demo.eos_account import NAME, make_account
from oidc_bridge.errors import ProofError
from oidc_bridge.proofs import antelope_node
from oidc_bridge.proofs.antelope_keys import parse_key, parse_signature, recover
from tests.demo.conftest import PLACES, Net
from tests.fakes import NOW


@pytest.fixture
def node(net: Net) -> antelope_node.Node:
    """Return the node as the bridge asks it."""
    return antelope_node.Node(
        PLACES.wallet,
        lambda url, document, most: net.post_json(url, document, max_bytes=most, budget=1.0),
    )


def test_the_node_tells_of_blocks_up_to_the_last_final_one(node: antelope_node.Node) -> None:
    info = node.get_info()
    newest = node.get_block(info.last_irreversible)

    assert info.chain_id == CHAIN_ID
    assert newest.id == last_final(NOW).id
    assert timedelta(seconds=1) < NOW - newest.made_at < timedelta(seconds=4)
    with pytest.raises(ProofError) as refused:
        node.get_block(info.last_irreversible + 1)
    assert refused.value.code == "block_unknown"


def test_the_node_knows_one_account(node: antelope_node.Node) -> None:
    permissions = node.find_permissions(NAME)

    assert permissions is not None
    assert set(permissions) == {"active", "owner"}
    assert node.find_permissions("somebodyelse") is None


def test_every_signature_is_canonical_and_of_the_accounts_key() -> None:
    account = make_account(b"\x5e" * 32)
    digests = [hashlib.sha256(bytes([number])).digest() for number in range(16)]

    for digest in digests:
        signature = parse_signature(account.sign(digest))
        assert recover(signature, digest) == parse_key(account.public_key)


def test_each_demo_has_an_account_of_its_own() -> None:
    assert make_account(b"1" * 32).key != make_account(b"2" * 32).key
