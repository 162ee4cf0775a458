"""The sentence, and what a node must say for it to hold."""

import json
from datetime import timedelta
from typing import Any

import pytest

from oidc_bridge.errors import FetchError, ProofError
from oidc_bridge.proofs.antelope import (
    Chain,
    Password,
    Signed,
    is_account,
    read_password,
    read_sentence,
    read_subject,
    subject_of,
    verify,
)
from oidc_bridge.proofs.antelope_node import Node
from tests.fake_chain import EOS, NODE, SIGNED_AT, VECTORS, FakeChain, key_of, sentence

CASES = {case["id"]: case for case in VECTORS["cases"]}
GOOD = CASES["k1-header-31"]["parts"]
OTHER = "73e4385a2708e6d7048834fbc1079f2fabb17b3c125b146af438971e90716c4d"
SECOND = "https://second.example"


def check(
    node: FakeChain,
    *,
    case: str = "k1-header-31",
    chains: tuple[Chain, ...] = (Chain(EOS, (NODE,)),),
    **moved: float,
) -> Signed:
    parts = CASES[case]["parts"]
    password = Password(parts["nonce"], parts["message"], parts["signature"])
    account = parts["message"].partition(" ")[0]
    now = SIGNED_AT + timedelta(**moved)
    return verify(password, account, chains=chains, post=node.post, now=now)


def refusal(node: FakeChain, **how: Any) -> ProofError:
    with pytest.raises(ProofError) as refused:
        check(node, **how)
    return refused.value


# the sentence


@pytest.mark.parametrize("name", VECTORS["account_names"]["good"])
def test_an_account_can_have_this_name(name: str) -> None:
    assert is_account(name)
    assert read_sentence(sentence(name)).account == name
    assert read_sentence(sentence("alice", permission=name)).permission == name


@pytest.mark.parametrize(
    "name", [*VECTORS["account_names"]["bad"], "a\n", " a", "a ", ".", "aaaaaaaaaaa.", "a.b."]
)
def test_no_account_has_this_name(name: str) -> None:
    assert not is_account(name)
    for text in (sentence(name), sentence("alice", permission=name)):
        with pytest.raises(ProofError) as refused:
            read_sentence(text)
        assert refused.value.code == "malformed_message"


def test_the_sentence_is_read() -> None:
    read = read_sentence(GOOD["message"])

    assert (read.account, read.permission) == ("alicetester1", "active")
    assert (read.number, read.suffix) == (400000000, "210094B8C270")


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{GOOD['message']}\n",
        f" {GOOD['message']}",
        f"{GOOD['message']}0",
        GOOD["message"].replace("would", "Would"),
        GOOD["message"].replace(" ", "  ", 1),
        GOOD["message"].replace(" ", "\u00a0", 1),
        sentence("alice", suffix="210094b8c270"),
        sentence("alice", suffix="210094B8C27"),
        sentence("alice", suffix="210094B8C27G"),
        sentence("alice").replace("400000000", "0400000000"),
        sentence("alice").replace("400000000", "0"),
        sentence("alice").replace("400000000", "-1"),
        sentence("alice").replace("400000000", "10000000000000"),
        sentence("alice").replace("400000000", "\u0664"),
    ],
)
def test_other_words_are_not_the_sentence(text: str) -> None:
    with pytest.raises(ProofError) as refused:
        read_sentence(text)
    assert refused.value.code == "malformed_message"


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a|b", "a|b|c|d", f"a|b|{'c' * 1000}"),
        *("|b|c", "a b|b|c", "a\n|b|c", "\u00e4|b|c", "\ud800|b|c", "a/b|b|c", "a\0|b|c"),
    ],
)
def test_a_password_has_three_parts_and_an_end(text: str) -> None:
    with pytest.raises(ProofError) as refused:
        read_password(text)
    assert refused.value.code == "malformed_password"


def test_a_password_is_not_shown() -> None:
    assert GOOD["signature"] not in repr(read_password(f"n|{GOOD['message']}|{GOOD['signature']}"))


def test_a_subject_names_chain_and_account() -> None:
    subject = subject_of(EOS, "alice.gm")

    assert subject == "antelope:aca376f206b8fc25a6ed44dbdc66547c:alice.gm"
    assert read_subject(subject) == (EOS[:32], "alice.gm")
    for other in ("SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7", subject.upper(), f"{subject}.", ""):
        assert read_subject(other) is None


# what is proved


def test_what_is_proved() -> None:
    signed = check(FakeChain())

    assert signed.identity.method == "antelope"
    assert signed.identity.subject == f"antelope:{EOS[:32]}:alicetester1"
    assert signed.identity.proved_at == SIGNED_AT
    assert signed.key == key_of("alice")
    assert signed.chain_id == EOS
    assert signed.good_until == SIGNED_AT - timedelta(seconds=2) + timedelta(seconds=270)


def test_it_is_one_sentence_by_one_key_whatever_nonce_it_came_with() -> None:
    parts = CASES["k1-header-31"]["parts"]
    again = Password("another", parts["message"], parts["signature"])
    chains = (Chain(EOS, (NODE,)),)
    second = verify(again, "alicetester1", chains=chains, post=FakeChain().post, now=SIGNED_AT)

    assert second.once == check(FakeChain()).once
    assert check(FakeChain(), case="second-listed-key").once != second.once


def test_the_node_is_asked_for_no_more_than_is_needed() -> None:
    node = FakeChain()
    check(node)

    assert node.asked == [
        (f"{NODE}/v1/chain/get_info", {}),
        (f"{NODE}/v1/chain/get_block_info", {"block_num": 400000000}),
        (f"{NODE}/v1/chain/get_account", {"account_name": "alicetester1"}),
    ]


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("somebody-elses-sentence", None),
        ("bad-checksum", "malformed_signature"),
        ("custom-permission", "permission_not_allowed"),
        ("not-canonical", "non_canonical_signature"),
    ],
)
def test_nobody_is_asked_before_the_password_itself_is_good(case: str, code: str | None) -> None:
    node = FakeChain()
    parts = CASES[case]["parts"]
    password = Password(parts["nonce"], parts["message"], parts["signature"])
    account = CASES[case]["login"]["user"]

    with pytest.raises(ProofError) as refused:
        verify(password, account, chains=(Chain(EOS, (NODE,)),), post=node.post, now=SIGNED_AT)

    assert refused.value.code == (code or "account_mismatch")
    assert node.asked == []


def test_an_operators_shorter_age_counts() -> None:
    chains = (Chain(EOS, (NODE,), max_age=timedelta(seconds=120)),)

    check(FakeChain(), chains=chains, seconds=118)
    assert refusal(FakeChain(), chains=chains, seconds=118.1).code == "block_too_old"


def test_a_block_may_be_five_seconds_ahead_of_our_clock() -> None:
    check(FakeChain(), seconds=-7)
    assert refusal(FakeChain(), seconds=-7.1).code == "block_in_future"


# several nodes, several chains


def test_a_node_that_is_down_is_passed_over() -> None:
    down = FetchError("fetch_failed", "refused")
    node = FakeChain(changes={f"{NODE}/v1/chain/get_account": down})
    chains = (Chain(EOS, (NODE, SECOND)),)

    assert check(node, chains=chains).key == key_of("alice")
    assert node.asked[-1][0] == f"{SECOND}/v1/chain/get_account"


def test_a_second_node_is_no_second_opinion() -> None:
    node = FakeChain()

    assert refusal(node, case="block-suffix", chains=(Chain(EOS, (NODE, SECOND)),)).code == (
        "block_mismatch"
    )
    assert not [url for url, _ in node.asked if url.startswith(SECOND)]


def two_chains() -> tuple[FakeChain, tuple[Chain, ...]]:
    other = {**VECTORS["chain"]["get_info"], "chain_id": OTHER}
    block = {**VECTORS["chain"]["get_block"]["400000000"], "id": "17d78400" + "0" * 56}
    node = FakeChain(
        changes={
            f"{SECOND}/v1/chain/get_info": (200, other),
            f"{SECOND}/v1/chain/get_block_info": (200, block),
        }
    )
    return node, (Chain(OTHER, (SECOND,)), Chain(EOS, (NODE,)))


def test_the_block_tells_which_of_two_chains_is_meant() -> None:
    node, chains = two_chains()

    assert check(node, chains=chains).chain_id == EOS


def test_an_account_of_one_chain_is_not_looked_for_on_another() -> None:
    node, chains = two_chains()

    assert refusal(node, chains=chains[::-1], case="unknown-account").code == "account_unknown"
    assert not [url for url, _ in node.asked if url.startswith(SECOND)]


def test_a_chain_that_takes_the_permission_is_meant() -> None:
    node, (other, eos) = two_chains()
    strict = Chain(eos.id, eos.nodes, permissions=frozenset({"owner"}))

    assert refusal(node, chains=(other, strict)).code == "block_mismatch"
    assert refusal(node, chains=(strict,)).code == "permission_not_allowed"


def test_what_one_chain_says_beats_that_another_is_down() -> None:
    node, chains = two_chains()
    node.changes[f"{NODE}/v1/chain/get_info"] = FetchError("fetch_failed", "refused")

    assert refusal(node, chains=chains[::-1]).code == "block_mismatch"
    assert refusal(node, chains=chains[1:]).code == "node_unavailable"


# a node that says something else


def changed(call: str, **values: object) -> tuple[int, object]:
    names = {"get_info": None, "get_block_info": "400000000", "get_account": "alicetester1"}
    known = VECTORS["chain"]["get_block" if call == "get_block_info" else call]
    name = names[call]
    return 200, {**(known if name is None else known[name]), **values}


def auth(**values: object) -> list[object]:
    required = {
        "threshold": 1,
        "keys": [{"key": str(key_of("alice")), "weight": 1}],
        "accounts": [],
        "waits": [],
    }
    return [{"perm_name": "active", "parent": "owner", "required_auth": {**required, **values}}]


HUGE = 2**64


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("get_info", (500, {"error": {"code": 0}})),
        ("get_info", (200, b"")),
        ("get_info", (200, b"<html>")),
        ("get_info", (200, b"[]")),
        ("get_info", (200, b"[" * 5000)),
        ("get_info", (200, b"\xff")),
        ("get_info", (200, b"x" * 70_000)),
        ("get_info", FetchError("fetch_blocked", "redirect")),
        ("get_info", changed("get_info", chain_id=None)),
        ("get_info", changed("get_info", last_irreversible_block_num="400000000")),
        ("get_info", changed("get_info", last_irreversible_block_num=True)),
        ("get_info", changed("get_info", last_irreversible_block_num=HUGE)),
        ("get_block_info", (200, {})),
        ("get_block_info", changed("get_block_info", id="17d78400210094b8c270")),
        ("get_block_info", changed("get_block_info", id=["17d78400"])),
        ("get_block_info", changed("get_block_info", block_num="400000000")),
        ("get_block_info", changed("get_block_info", block_num=-1)),
        ("get_block_info", changed("get_block_info", timestamp=None)),
        ("get_block_info", changed("get_block_info", timestamp="yesterday")),
        ("get_block_info", changed("get_block_info", timestamp="2026-02-30T12:00:00.000")),
        ("get_block_info", changed("get_block_info", timestamp="2026-03-01T12:00:00.000Z")),
        ("get_block_info", changed("get_block_info", timestamp="2026-03-01T12:00:00+01:00")),
        ("get_account", (503, b"busy")),
        ("get_account", (429, {"error": "slow down"})),
        ("get_account", (200, b"nothing")),
        ("get_account", FetchError("fetch_failed", "late")),
        ("get_account", changed("get_account", permissions=None)),
        ("get_account", changed("get_account", permissions=["active"])),
        ("get_account", changed("get_account", permissions=[{"perm_name": "active"}])),
        ("get_account", changed("get_account", permissions=[{"required_auth": {}}])),
        ("get_account", changed("get_account", permissions=auth(threshold=0))),
        ("get_account", changed("get_account", permissions=auth(threshold=-1))),
        ("get_account", changed("get_account", permissions=auth(threshold="1"))),
        ("get_account", changed("get_account", permissions=auth(threshold=1.0))),
        ("get_account", changed("get_account", permissions=auth(keys={}))),
        ("get_account", changed("get_account", permissions=auth(keys=[{"weight": 1}]))),
        (
            "get_account",
            changed("get_account", permissions=auth(keys=[{"key": str(key_of("alice"))}])),
        ),
        ("get_account", changed("get_account", permissions=auth(accounts=None))),
        ("get_account", changed("get_account", permissions=auth(accounts=[{"weight": 1}]))),
        (
            "get_account",
            changed(
                "get_account",
                permissions=auth(accounts=[{"weight": 1, "permission": {"actor": "a"}}]),
            ),
        ),
    ],
)
def test_an_answer_that_is_not_understood_satisfies_nothing(
    call: str, answer: tuple[int, object] | FetchError
) -> None:
    assert refusal(FakeChain(changes={call: answer})).code == "node_unavailable"


def test_the_account_that_these_answers_are_made_of_signs_in() -> None:
    answer = changed("get_account", permissions=auth())

    assert check(FakeChain(changes={"get_account": answer})).key == key_of("alice")


def test_a_key_of_another_kind_may_stand_beside_the_right_one() -> None:
    keys = [{"key": "PUB_WA_of_a_phone", "weight": 1}, {"key": str(key_of("alice")), "weight": 1}]
    answer = changed("get_account", permissions=auth(keys=keys))

    assert check(FakeChain(changes={"get_account": answer})).key == key_of("alice")


def test_a_node_that_answers_for_another_account_knows_none_of_this_name() -> None:
    answer = changed("get_account", account_name="bobtester111")

    assert refusal(FakeChain(changes={"get_account": answer})).code == "account_unknown"


@pytest.mark.parametrize(
    "change",
    [
        {"block_num": 399999999},
        {"id": "17d783ff" + "0" * 44 + "210094b8c270"},
        {"id": "17d78400" + "0" * 44 + "210094b8c271"},
    ],
)
def test_a_block_must_be_of_its_number_and_end_in_the_digits(change: dict[str, object]) -> None:
    node = FakeChain(changes={"get_block_info": changed("get_block_info", **change)})

    assert refusal(node).code == "block_mismatch"


def test_an_older_node_is_asked_for_the_whole_block() -> None:
    unknown = {
        "code": 404,
        "message": "Not Found",
        "error": {"code": 0, "what": "Unknown Endpoint"},
    }
    node = FakeChain(changes={"get_block_info": (404, unknown)})

    assert check(node).key == key_of("alice")
    assert node.asked[2] == (f"{NODE}/v1/chain/get_block", {"block_num_or_id": "400000000"})


def test_a_block_that_no_node_has_is_unknown() -> None:
    missing = VECTORS["chain"]["not_found"]["get_block"]
    answer = (missing["status"], missing["body"])

    assert refusal(FakeChain(changes={"get_block_info": answer})).code == "block_unknown"
    older = FakeChain(changes={"get_block_info": (404, b"Not Found"), "get_block": answer})
    assert refusal(older).code == "block_unknown"


def test_a_node_that_tells_of_no_block_is_no_use() -> None:
    node = FakeChain(changes={"get_block_info": (404, b""), "get_block": (500, b"oh")})

    assert refusal(node).code == "node_unavailable"


def test_a_block_may_be_large_where_only_the_whole_is_told() -> None:
    block = {**VECTORS["chain"]["get_block"]["400000000"], "transactions": ["x" * 1_000_000]}
    node = FakeChain(changes={"get_block_info": (404, b""), "get_block": (200, block)})

    assert check(node).key == key_of("alice")
    assert len(json.dumps(block)) > 1_000_000


def test_what_a_node_says_of_an_account_is_read() -> None:
    found = Node(NODE, FakeChain().post).find_permissions("alicetester1")

    assert found is not None
    assert set(found) == {"owner", "active"}
    assert found["owner"].keys == ((key_of("owner"), 1),)
    assert Node(NODE, FakeChain().post).find_permissions("nobody") is None
