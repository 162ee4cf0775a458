"""Every case of the OI Chat vectors against the pure core, and what the vectors do not hold."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.app_signature import Signature, check_signature, read_signature
from oidc_bridge.proofs.jsontokens import CURVE_ORDER
from oidc_bridge.proofs.oichat import (
    Found,
    OiChat,
    Password,
    host_of,
    is_app_domain,
    read_password,
    txid_of,
)
from tests.oichat import (
    CASES,
    CHAT,
    FILE,
    GAIA,
    NOW,
    PEOPLE,
    SERVICES,
    Web,
    profile_file,
    served,
)

BOT = "https://calendar.example.org"
ALICE = PEOPLE["alice.id"]
BOT_BUCKET = ALICE["apps"][BOT]["bucket"]


def make(web: Web, **options: Any) -> OiChat:
    return OiChat("chat.example", SERVICES, web, web, **{"gaia": GAIA, **options})


def test_there_are_as_many_cases_as_the_file_says():
    assert len(CASES) == 55


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_vectors(case: dict[str, Any]) -> None:
    web = Web(case["web"])
    policy = {**FILE["policy"], **case.get("policy", {})}
    core = make(web, require_signature=policy["require_signature"])
    spent: set[str] = set()
    for step in case.get("steps", [case]):
        expect = step["expect"]
        if expect["accept"]:
            name, localpart, signed = _sign_in(core, case, step, spent)
            assert (name, localpart) == (expect["blockstack_id"], expect["localpart"])
            assert signed == expect.get("signed", False)
        else:
            with pytest.raises(ProofError) as caught:
                _sign_in(core, case, step, spent)
            assert caught.value.code in {expect["reason"], *expect.get("also_fine", [])}
    assert not set(web.calls) & set(case.get("must_not_fetch", []))


def _sign_in(
    core: OiChat, case: dict[str, Any], step: dict[str, Any], spent: set[str]
) -> tuple[str, str, bool]:
    """Do what the door does, with a dictionary for a store and a list for a whitelist."""
    password = read_password(step["login"]["password"])
    announced = case["nonces"].get(password.nonce)
    if announced is None:
        raise ProofError("unknown_nonce")
    if password.nonce in spent:
        raise ProofError("nonce_used")
    spent.add(password.nonce)
    age = NOW - datetime.fromisoformat(announced["issued_at"])
    if age > timedelta(seconds=FILE["policy"]["challenge_ttl_s"]):
        raise ProofError("nonce_expired")
    found = core.find(password)
    user = core.read_user(step["login"]["user"], found)
    allowed = [*FILE["policy"]["chat_apps"], *case.get("allowed_apps", [])]
    if user.form == "main" and password.app not in allowed:
        raise ProofError("app_not_allowed")
    proof = case.get("posted_proof")
    posted = read_signature(proof["publicKey"], proof["signature"]) if proof else None
    signed = core.check_answer(found, user, announced["challenge"], posted)
    if "display_name" in step["expect"]:
        assert found.profile.profile.display_name == step["expect"]["display_name"]
    return password.name, user.localpart, signed


def found_of(web: Web, app: str = CHAT, name: str = "alice.id") -> Found:
    return make(web).find(Password("n", app, name))


def code_of(call: Any, *given: Any) -> str:
    with pytest.raises(ProofError) as caught:
        call(*given)
    return caught.value.code


def test_the_key_that_signed_the_profile_is_who_signs_in():
    found = found_of(Web())

    assert found.subject.c32 == ALICE["identity"]["stacks_address"]
    assert found.app_address is not None
    assert found.app_address.btc == ALICE["apps"][CHAT]["address"]


@pytest.mark.parametrize(
    "user",
    [
        "@alice.id",
        "Alice.id",
        "alice.id+calendar.example.org",
        "alice.id+",
        "",
        "bob.id.blockstack",
    ],
)
def test_nobody_else_is_signed_in(user):
    assert code_of(make(Web()).read_user, user, found_of(Web())) == "localpart_mismatch"


def test_a_bucket_at_a_strangers_server_is_not_the_address_that_it_is_called_after():
    # Given Gina, whose profile puts the calendar's data at Alice's address, on Gina's own server
    mine = f"https://gina.example/hub/{ALICE['apps'][BOT]['address']}/"
    web = Web(
        {
            PEOPLE["gina.id"]["profile_url"]: profile_file("gina.id", apps={BOT: mine}),
            mine + "mxid.json": served("the challenge"),
        }
    )
    core, found = make(web), found_of(web, BOT, "gina.id")

    # When she signs in as the calendar's user that is Alice's
    user = core.read_user(ALICE["apps"][BOT]["address"].lower(), found)

    # Then a file is not enough, though it is for Gina's own
    assert code_of(core.check_answer, found, user, "the challenge", None) == "signature_missing"
    own = core.read_user("gina.id+calendar.example.org", found)
    assert core.check_answer(found, own, "the challenge", None) is False


def test_a_bucket_of_no_address_has_no_user_of_that_name_and_no_key():
    bucket = "https://store.example/alice/"
    web = Web({PEOPLE["gina.id"]["profile_url"]: profile_file("gina.id", apps={CHAT: bucket})})
    found = found_of(web, name="gina.id")

    assert found.app_address is None
    assert code_of(make(web).read_user, "alice", found) == "localpart_mismatch"
    signed = sign(PEOPLE["gina.id"]["apps"][CHAT]["private_hex"], "text")
    user = make(web).read_user("gina.id", found)
    assert code_of(make(web).check_answer, found, user, "text", signed) == "signature_invalid"


@pytest.mark.parametrize("bucket", ["https://gaia.example/?x=", "https://gaia.example/#"])
def test_a_bucket_is_a_folder(bucket):
    web = Web({PEOPLE["gina.id"]["profile_url"]: profile_file("gina.id", apps={CHAT: bucket})})

    assert code_of(found_of, web, CHAT, "gina.id") == "blocked_url"


def test_a_bucket_may_lack_the_slash_at_its_end():
    apps = {CHAT: BOT_BUCKET.rstrip("/")}
    web = Web({PEOPLE["gina.id"]["profile_url"]: profile_file("gina.id", apps=apps)})

    assert found_of(web, name="gina.id").bucket == BOT_BUCKET


def sign(private_hex: str, text: str) -> Signature:
    key = PrivateKey(bytes.fromhex(private_hex))
    return Signature(key.public_key.format().hex(), key.sign(text.encode()).hex())


def test_a_signature_counts_with_a_low_and_with_a_high_s():
    low = sign("11" * 32, "text")
    r, s = decode_dss_signature(bytes.fromhex(low.signature))
    high = replace(low, signature=encode_dss_signature(r, CURVE_ORDER - s).hex())

    check_signature("text", low)
    check_signature("text", high)
    assert code_of(check_signature, "other", low) == "signature_invalid"


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (CURVE_ORDER, 1), (1, CURVE_ORDER), (0, 0)])
def test_numbers_out_of_range_are_no_signature(r, s):
    signed = replace(sign("11" * 32, "text"), signature=encode_dss_signature(r, s).hex())

    assert code_of(check_signature, "text", signed) == "signature_invalid"


@pytest.mark.parametrize("text", ["00" * 64, "30" * 70])
def test_what_is_not_der_is_no_signature(text):
    signed = replace(sign("11" * 32, "text"), signature=text)

    assert code_of(check_signature, "text", signed) == "signature_invalid"


@pytest.mark.parametrize(
    ("public_key", "signature"),
    [
        (None, "30" * 70),
        ("04" * 33, "30" * 70),
        ("ff" * 33, "30" * 70),
        (sign("11" * 32, "x").public_key, None),
        (sign("11" * 32, "x").public_key, "30" * 73),
        (sign("11" * 32, "x").public_key, "3"),
        (sign("11" * 32, "x").public_key, "AB" * 70),
    ],
)
def test_a_signature_has_one_form(public_key, signature):
    assert code_of(read_signature, public_key, signature) == "signature_invalid"


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"signature": "30"}'])
def test_a_signature_file_that_is_none_is_refused(body):
    bucket = ALICE["apps"][CHAT]["bucket"]
    web = Web({bucket + "mxid.json": served("text"), bucket + "mxid.json.sig": served(body)})
    core = make(web, require_signature=True)
    user = core.read_user("alice.id", found_of(web))

    assert code_of(core.check_answer, found_of(web), user, "text", None) == "signature_invalid"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed_password"),
        ("|https://a.example|alice.id", "malformed_password"),
        ("n" * 129 + "|https://a.example|alice.id", "malformed_password"),
        ("n n|https://a.example|alice.id", "malformed_password"),
        ("n|https://a.example|Alice.id", "malformed_name"),
        ("n|https://a.example|alice", "malformed_name"),
        ("n|https://a.example/|alice.id", "malformed_app"),
        ("n|https://A.example|alice.id", "malformed_app"),
        ("n|https://a.example:443|alice.id", "malformed_app"),
        ("n|https://a.example.|alice.id", "malformed_app"),
        ("n|https://u@a.example|alice.id", "malformed_app"),
        ("n|http://a.example|alice.id", "malformed_app"),
        ("n|http://localhost:3000|alice.id", "malformed_app"),
        ("n|https://[::1|alice.id", "malformed_app"),
    ],
)
def test_a_password_has_three_words_of_one_form_each(text, code):
    assert code_of(read_password, text) == code


def test_a_nonce_may_hold_what_math_random_writes():
    assert read_password("1a.2e-7|https://a.example:8443|a.id").nonce == "1a.2e-7"
    assert txid_of("1a_0.2e-7") == "1a_02e7"
    assert is_app_domain("https://xn--bcher-kva.example")
    assert host_of("https://a.example:8443") == "a.example=3a8443"


def test_an_app_on_loopback_is_one_where_the_bridge_is_there_too():
    assert is_app_domain("http://localhost:3000", loopback=True)
    assert read_password("n|http://[::1]:3000|a.id", loopback=True).app == "http://[::1]:3000"
    for other in ("http://a.example", "http://localhost.", "http://localhost:80"):
        assert not is_app_domain(other, loopback=True)
    assert not is_app_domain("http://localhost:3000")


def test_a_challenge_is_one_line_that_names_server_and_app():
    core = make(Web())

    assert core.challenge(CHAT, "secret") == f"chat.example {CHAT} secret"
    assert core.challenge("", "secret") == "chat.example secret"
