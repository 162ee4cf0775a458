"""Who can act for an account alone: thresholds, weights, delegates, loops."""

from collections.abc import Mapping
from itertools import pairwise

import pytest

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.antelope_authority import Authority, Delegate, Permissions, check_authority
from oidc_bridge.proofs.antelope_keys import Key
from tests.fake_chain import key_of

ALICE, BOB = key_of("alice"), key_of("bob")
NOBODY = Authority(1, (), ())


def held_by(key: Key, weight: int = 1, *, threshold: int = 1) -> Authority:
    return Authority(threshold, ((key, weight),), ())


def left_to(*accounts: str, threshold: int = 1, weight: int = 1) -> Authority:
    delegates = tuple(Delegate(account, "active", weight) for account in accounts)
    return Authority(threshold, (), delegates)


class Chain:
    """Accounts with one permission each, unless they have more; and who was asked for."""

    def __init__(self, accounts: Mapping[str, Authority | Permissions]) -> None:
        self.accounts = accounts
        self.asked: list[str] = []

    def find(self, account: str) -> Permissions | None:
        self.asked.append(account)
        found = self.accounts.get(account)
        return {"active": found} if isinstance(found, Authority) else found


def outcome(chain: Chain, key: Key = ALICE, account: str = "a", permission: str = "active") -> str:
    try:
        check_authority(account, permission, key, find=chain.find)
    except ProofError as error:
        return error.code
    return "satisfied"


def test_a_key_that_is_listed_is_enough() -> None:
    assert outcome(Chain({"a": held_by(ALICE)})) == "satisfied"


def test_a_key_that_is_not_listed_is_not() -> None:
    assert outcome(Chain({"a": held_by(BOB)})) == "authority_not_satisfied"


def test_a_key_of_the_same_bytes_on_the_other_curve_is_another() -> None:
    assert outcome(Chain({"a": held_by(Key("R1", ALICE.point))})) == "authority_not_satisfied"


@pytest.mark.parametrize(("weight", "expected"), [(2, "satisfied"), (1, "authority_not_satisfied")])
def test_the_weight_must_reach_the_threshold(weight: int, expected: str) -> None:
    assert outcome(Chain({"a": held_by(ALICE, weight, threshold=2)})) == expected


def test_an_account_that_is_not_there_is_unknown() -> None:
    assert outcome(Chain({})) == "account_unknown"


def test_a_permission_that_is_not_there_is_unknown() -> None:
    assert outcome(Chain({"a": held_by(ALICE)}), permission="owner") == "permission_unknown"


def test_owners_key_does_not_satisfy_active() -> None:
    chain = Chain({"a": {"owner": held_by(ALICE), "active": held_by(BOB)}})

    assert outcome(chain) == "authority_not_satisfied"


@pytest.mark.parametrize("gone", ["missing", "b"])
def test_a_delegate_that_is_not_there_counts_nothing(gone: str) -> None:
    chain = Chain({"a": left_to(gone, "c"), "b": {"owner": held_by(ALICE)}, "c": held_by(ALICE)})
    alone = Chain({"a": left_to(gone), "b": {"owner": held_by(ALICE)}})

    assert outcome(chain) == "satisfied"
    assert outcome(alone) == "authority_not_satisfied"


def line(length: int) -> Chain:
    """Return accounts that leave it to the next one; the last has the key."""
    names = [f"n{number}" for number in range(length)]
    accounts = {name: left_to(after) for name, after in pairwise(names)}
    return Chain({**accounts, names[-1]: held_by(ALICE)})


@pytest.mark.parametrize(
    ("levels", "expected"), [(1, "satisfied"), (6, "satisfied"), (7, "authority_not_satisfied")]
)
def test_delegates_are_followed_through_level_five(levels: int, expected: str) -> None:
    assert outcome(line(levels), account="n0") == expected


def test_a_loop_ends() -> None:
    chain = Chain({"a": left_to("b"), "b": left_to("a")})

    assert outcome(chain) == "authority_not_satisfied"
    assert chain.asked == ["a", "b"]


def test_an_account_that_delegates_to_itself_does_not_count_itself() -> None:
    itself = Authority(2, ((ALICE, 1),), (Delegate("a", "active", 1),))

    assert outcome(Chain({"a": itself})) == "authority_not_satisfied"


def test_one_key_counts_in_several_branches() -> None:
    both = Authority(2, ((ALICE, 1),), (Delegate("b", "active", 1),))

    assert outcome(Chain({"a": both, "b": held_by(ALICE)})) == "satisfied"


def test_one_delegate_counts_as_often_as_it_is_named() -> None:
    # A chain lists it once; what a node says more often is added up, as the chain would.
    assert outcome(Chain({"a": left_to("b", "b", threshold=2), "b": held_by(ALICE)})) == "satisfied"


def test_nobody_is_asked_for_once_the_threshold_is_reached() -> None:
    enough = Authority(1, ((ALICE, 1),), (Delegate("b", "active", 1),))
    chain = Chain({"a": enough, "b": held_by(BOB)})

    assert outcome(chain) == "satisfied"
    assert chain.asked == ["a"]


def test_the_heaviest_delegate_is_asked_for_first() -> None:
    delegates = (Delegate("light", "active", 1), Delegate("heavy", "active", 2))
    chain = Chain({"a": Authority(2, (), delegates), "heavy": held_by(ALICE)})

    assert outcome(chain) == "satisfied"
    assert chain.asked == ["a", "heavy"]


def test_every_account_is_asked_for_once() -> None:
    # Everybody leaves it to everybody: without memory these were a hundred thousand questions.
    names = [f"n{number}" for number in range(10)]
    chain = Chain({name: left_to(*names, threshold=99) for name in names})

    assert outcome(chain, account="n0") == "authority_not_satisfied"
    assert sorted(chain.asked) == names


def test_a_stranger_cannot_have_us_ask_for_ever() -> None:
    names = [f"n{number:02}" for number in range(100)]
    chain = Chain({"a": left_to(*names), **dict.fromkeys(names, NOBODY)})

    assert outcome(chain) == "authority_not_satisfied"
    assert len(chain.asked) == 32
