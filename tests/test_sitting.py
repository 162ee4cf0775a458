"""Which proofs are enough: every policy, and each way to bring somebody else's answer."""

from datetime import UTC, datetime

import pytest

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Identity
from oidc_bridge.sitting import (
    CHAIN,
    MESSAGE,
    RESPONSE,
    Accept,
    Known,
    Need,
    Proven,
    find_need,
    goes_with,
    methods_of,
    takes_chat_apps,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STRANGER = Known()
ANNS = Known("ann", "i1", "key-1")
ANNS_LINKED = Known("ann", "i1", "key-1", frozenset({"SP-ANN"}))
ANNS_MESSAGE = Known("ann", "i2", None, frozenset({"SP-ANN"}))


def response(
    known: Known = STRANGER,
    *,
    names_host: bool = False,
    stx_address: str | None = "SP-ANN",
    app_key: str = "key-1",
) -> Proven:
    """A wallet's answer; as today's write it unless told otherwise."""
    identity = Identity(
        method=RESPONSE,
        subject="SP-IDENTITY",
        proved_at=NOW,
        names_host=names_host,
        stx_address=stx_address,
        app_key=app_key,
    )
    return Proven(identity, known)


def message(known: Known = STRANGER, *, address: str = "SP-ANN") -> Proven:
    return Proven(Identity(MESSAGE, address, NOW, names_host=True), known)


def refusal_of(accept: Accept, *proofs: Proven, own: frozenset[str] = frozenset()) -> str:
    with pytest.raises(ProofError) as refused:
        find_need(accept, proofs, own=own)
    return refused.value.code


# ---- one proof


@pytest.mark.parametrize("known", [STRANGER, ANNS_MESSAGE])
@pytest.mark.parametrize("accept", ["either", "message"])
def test_a_message_is_enough(accept, known):
    assert find_need(accept, [message(known)]) is None


def test_an_answer_that_came_back_to_us_is_enough():
    assert find_need("either", [response(names_host=True, stx_address=None)]) is None


def test_todays_answer_at_first_sight_needs_a_message_of_the_account_that_it_names():
    assert find_need("either", [response()]) == Need(MESSAGE, "SP-ANN", "first_sight")


def test_an_account_that_only_a_chat_app_opened_has_seen_no_answer_yet():
    # Else whoever signed in by OI Chat once could be signed in by a stolen answer from then on.
    by_chat = Known("ann", None, None)

    assert find_need("either", [response(by_chat)]) == Need(MESSAGE, "SP-ANN", "first_sight")


def test_todays_answer_is_enough_for_somebody_who_never_had_more():
    assert find_need("either", [response(ANNS)]) is None


def test_todays_answer_is_not_enough_for_somebody_who_can_sign_messages():
    assert find_need("either", [response(ANNS_LINKED)]) == Need(MESSAGE, "SP-ANN", "linked_key")


def test_a_linked_key_must_sign_whatever_the_answer_claims():
    claimed = response(ANNS_LINKED, stx_address="SP-MALLORY")

    assert find_need("either", [claimed]) == Need(MESSAGE, "SP-ANN", "linked_key")


def test_any_of_several_linked_keys_may_sign():
    known = Known("ann", "i1", "key-1", frozenset({"SP-ANN", "SP-ANN-2"}))

    assert find_need("either", [response(known, stx_address=None)]) == Need(
        MESSAGE, None, "linked_key"
    )


def test_an_answer_that_nothing_could_confirm_is_refused():
    assert refusal_of("either", response(stx_address=None)) == "bond_missing"


# ---- an app key that changed


def test_a_changed_app_key_needs_the_linked_key():
    changed = response(ANNS_LINKED, app_key="key-2")

    assert find_need("either", [changed]) == Need(MESSAGE, "SP-ANN", "app_key_changed")


def test_a_changed_app_key_needs_it_from_an_old_wallet_too():
    changed = response(ANNS_LINKED, app_key="key-2", names_host=True)

    assert find_need("either", [changed]) == Need(MESSAGE, "SP-ANN", "app_key_changed")


@pytest.mark.parametrize("accept", ["either", "both", "authresponse"])
@pytest.mark.parametrize("names_host", [False, True])
def test_a_changed_app_key_of_somebody_without_a_linked_key_is_refused(accept, names_host):
    changed = response(ANNS, app_key="key-2", names_host=names_host)

    assert refusal_of(accept, changed) == "app_key_changed"


@pytest.mark.parametrize("accept", ["either", "both"])
def test_the_linked_key_accepts_a_changed_app_key(accept):
    changed = response(ANNS_LINKED, app_key="key-2")

    assert find_need(accept, [changed, message(ANNS_MESSAGE)]) is None


def test_the_account_that_an_answer_names_does_not_accept_a_changed_app_key():
    """Or a relayed answer of somebody known would only need a message that its thief can make."""
    changed = response(ANNS, app_key="key-2")

    assert refusal_of("either", changed, message()) == "app_key_changed"


def test_an_app_key_that_an_operator_unpinned_may_be_any():
    assert find_need("either", [response(Known("ann", "i1", None), app_key="key-2")]) is None


# ---- two proofs


def test_answer_and_message_of_one_wallet_are_enough():
    assert find_need("either", [response(), message()]) is None


def test_a_message_of_another_account_does_not_complete_an_answer():
    """The theft that the bond stops: an answer got by a trick, and a message of the thief's own."""
    assert refusal_of("either", response(), message(address="SP-MALLORY")) == "wrong_account"


def test_a_message_does_not_complete_an_answer_that_names_nobody():
    assert refusal_of("either", response(stx_address=None), message()) == "bond_missing"


def test_any_message_goes_with_an_answer_that_came_back_to_us():
    old = response(names_host=True, stx_address=None)

    assert find_need("both", [old, message()]) is None


def test_what_an_old_wallet_says_of_its_stx_key_decides_nothing():
    """It signs the profile that its storage server has, word for word."""
    old = response(names_host=True, stx_address="SP-OF-THE-HUB")

    assert find_need("both", [old]) == Need(MESSAGE, None, "both")
    assert find_need("both", [old, message()]) is None


def test_a_linked_key_needs_no_claim():
    """Xverse answers with one identity for all its accounts."""
    second_account = response(ANNS_LINKED, stx_address="SP-ANN-2")

    assert find_need("either", [second_account, message(ANNS_MESSAGE)]) is None


def test_the_order_of_the_two_does_not_matter():
    assert find_need("both", [message(), response()]) is None
    assert refusal_of("both", message(address="SP-MALLORY"), response()) == "wrong_account"


# ---- what the operator accepts


def test_both_asks_for_the_other():
    assert find_need("both", [response()]) == Need(MESSAGE, "SP-ANN", "both")
    assert find_need("both", [message()]) == Need(RESPONSE, None, "both")


def test_both_asks_for_both_every_time():
    assert find_need("both", [response(ANNS_LINKED)]) == Need(MESSAGE, "SP-ANN", "both")
    assert find_need("both", [message(ANNS_MESSAGE)]) == Need(RESPONSE, None, "both")


def test_an_answer_alone_is_enough_where_the_operator_says_so():
    assert find_need("authresponse", [response()]) is None


def test_what_the_operator_does_not_accept_is_refused():
    assert refusal_of("authresponse", message()) == "method_refused"
    assert refusal_of("message", response(names_host=True)) == "method_refused"
    assert refusal_of("message", response(), message()) == "method_refused"


def test_a_message_is_preferred():
    assert methods_of("either")[0] == MESSAGE
    assert methods_of("authresponse") == (RESPONSE,)
    assert methods_of("message") == (MESSAGE,)


# ---- adding a wallet


def test_an_answer_that_names_a_key_of_the_account_can_be_added():
    assert find_need("either", [response()], own=frozenset({"SP-ANN"})) is None


def test_an_answer_that_names_another_key_cannot_be_added_without_it():
    """Or a thief would add an identity that they got by a trick to an account of their own."""
    need = find_need("either", [response()], own=frozenset({"SP-MALLORY"}))

    assert need == Need(MESSAGE, "SP-ANN", "first_sight")


@pytest.mark.parametrize(
    ("accept", "taken"),
    [("either", True), ("authresponse", True), ("message", False), ("both", False)],
)
def test_a_chat_apps_key_is_no_message(accept, taken):
    assert takes_chat_apps(accept) is taken


# ---- an account of a chain


def sentence(known: Known = STRANGER) -> Proven:
    return Proven(Identity(CHAIN, "antelope:eos:ann", NOW, names_host=False), known)


ANNS_ACCOUNT = Known("ann", "i3")


@pytest.mark.parametrize("accept", ["either", "authresponse"])
@pytest.mark.parametrize("known", [STRANGER, ANNS_ACCOUNT])
def test_a_sentence_is_enough_where_proofs_need_not_name_us(accept, known):
    assert find_need(accept, [sentence(known)]) is None


@pytest.mark.parametrize("accept", ["message", "both"])
def test_a_sentence_is_refused_where_they_must(accept):
    assert refusal_of(accept, sentence()) == "method_refused"


def test_a_sentence_needs_a_message_if_the_account_has_a_key_that_names_us():
    assert find_need("either", [sentence(ANNS_MESSAGE)]) == Need(MESSAGE, "SP-ANN", "linked_key")


def test_any_of_several_such_keys_will_do():
    both = Known("ann", "i3", None, frozenset({"SP-ANN", "SP-TWO"}))

    assert find_need("either", [sentence(both)]) == Need(MESSAGE, None, "linked_key")
    assert find_need("either", [sentence(both), message(both, address="SP-TWO")]) is None


def test_no_message_is_asked_for_where_none_is_accepted():
    assert find_need("authresponse", [sentence(ANNS_MESSAGE)]) is None


def test_a_sentence_is_added_by_somebody_who_has_just_proved_that_key():
    assert find_need("either", [sentence(ANNS_MESSAGE)], own=frozenset({"SP-ANN"})) is None
    other = find_need("either", [sentence(ANNS_MESSAGE)], own=frozenset({"SP-BOB"}))
    assert other == Need(MESSAGE, "SP-ANN", "linked_key")


@pytest.mark.parametrize("known", [STRANGER, ANNS_MESSAGE])
def test_a_sentence_beside_somebody_elses_message_is_refused(known):
    other = message(address="SP-THIEF")

    assert refusal_of("either", sentence(known), other) == "wrong_account"


def test_a_sentence_beside_a_wallets_answer_is_refused():
    assert refusal_of("either", response(names_host=True), sentence()) == "method_refused"


@pytest.mark.parametrize(
    ("earlier", "arriving", "stays"),
    [
        (sentence(ANNS_MESSAGE), message(), True),
        (sentence(), message(), False),
        (sentence(ANNS_MESSAGE), response(), False),
        (response(), sentence(), False),
        (message(), sentence(), False),
        (sentence(ANNS_MESSAGE), sentence(), False),
        (response(), message(), True),
        (message(), response(), True),
        (message(), message(), False),
    ],
)
def test_which_proofs_of_a_sitting_stay_when_another_arrives(earlier, arriving, stays):
    assert goes_with(earlier, arriving.identity) is stays
