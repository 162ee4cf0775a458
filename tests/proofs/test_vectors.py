"""Every case of the Blockstack vectors: tokens made by the real JavaScript libraries.

``--vectors FILE`` adds files of the same form.
"""

import base64
import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Challenge, Identity, Name, StructuredMessage
from oidc_bridge.proofs.addresses import Address, parse_address, public_key_to_address
from oidc_bridge.proofs.auth_response import AuthResponse, verify_auth_response
from oidc_bridge.proofs.blockstack import Blockstack
from oidc_bridge.proofs.ecies import decrypt
from oidc_bridge.proofs.jsontokens import CURVE_ORDER, parse, parse_public_key
from oidc_bridge.proofs.names import NameService, look_up
from oidc_bridge.proofs.profiles import describe
from oidc_bridge.proofs.stacks import check_form, check_signature, hash_message, hash_structured
from tests.fakes import NAMES, FakeFetch

OURS = Path(__file__).parents[1] / "vectors" / "blockstack.json"

Case = dict[str, Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    files = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in [OURS, *map(Path, metafunc.config.getoption("--vectors"))]
    ]
    if "signed" in metafunc.fixturenames:
        signed = [case for file in files for case in file.get("message_signing", [])]
        metafunc.parametrize("signed", signed, ids=[case["name"] for case in signed])
    if "case" not in metafunc.fixturenames:
        return
    cases: list[Any] = []
    for file in files:
        by_name = {case["name"]: case for case in file["cases"]}
        for case in file["cases"]:
            first = [by_name[name] for name in case.get("after", [])]
            ready = {**case, "policy": file["policy"], "first": first}
            cases.append(pytest.param(ready, id=case["name"]))
    metafunc.parametrize("case", cases)


def test_vectors(case: Case) -> None:
    # Given what came before within the same attempt. Single use belongs to the ledger, above this
    # level: that the second answer is refused with `replay` is asserted, by these same cases, in
    # tests/web/test_signin_vectors.py. Here both are good answers, and must be.
    if "replay" in reason_codes(case):
        first = {**case["first"][0], "policy": case["policy"]}
        assert sign_in(case)[0].subject == sign_in(first)[0].subject
        return

    match case["expect"]:
        case "accept":
            check_expected(case, *sign_in(case), read(case))
        case "reject":
            check_refused(case)
        case "either":
            with suppress(ProofError):
                sign_in(case)
        case other:
            pytest.fail(f"expect is {other!r}")


def check_refused(case: Case) -> None:
    """Check that *case* is refused with its code, or goes on without the claim in question."""
    try:
        identity, name = sign_in(case)
    except ProofError as error:
        assert error.code in reason_codes(case)
    else:
        assert "alternative" in case, "accepted, and no alternative allows that"
        check_alternative(case, identity, name)


def sign_in(case: Case) -> tuple[Identity, Name | None]:
    """Return what *case* proves, and whose name it then is, as the caller of a proof finds it.

    A forbidden address that is contacted fails the test.
    """
    blockstack, challenge, now = arrange(case)
    identity = blockstack.verify(challenge, {"authResponse": token_of(case)}, now=now)
    if identity.claimed_name is None:
        return identity, None
    try:
        name = look_up(
            identity.claimed_name,
            services=(NameService(NAMES, frozenset({2, 3})),),
            fetch=blockstack.strangers,
            holder=parse_address(identity.subject),
            now=now,
        )
    except ProofError as error:
        return replace(identity, unconfirmed=(*identity.unconfirmed, error.code)), None
    return identity, name


def read(case: Case) -> AuthResponse:
    blockstack, challenge, now = arrange(case)
    return verify_auth_response(
        token_of(case), transit_key=challenge.secret, now=now, leeway=blockstack.leeway
    )


def arrange(case: Case) -> tuple[Blockstack, Challenge, datetime]:
    policy = case["policy"]
    answers: dict[str, Any] = {
        NAMES + path: (answer["status"], answer["body"])
        for path, answer in case.get("name_lookup", {}).items()
    }
    for url, document in case.get("documents", {}).items():
        answers[url] = (document["status"], document["body"])
    liar = case.get("lying_lookup", {}).get("origin")
    fetch = FakeFetch(answers, forbidden=(liar,) if liar else ())
    blockstack = Blockstack(
        origin=case.get("app_domain", policy["app_domain"]),
        answer_uri=policy["redirect_uri"],
        manifest_uri=policy["manifest_uri"],
        app_name="Bridge",
        app_icon=f"{policy['app_domain']}/icon.png",
        strangers=fetch,
        leeway=timedelta(seconds=policy["leeway_seconds"]),
    )
    request = parse(case["auth_request"]).payload
    challenge = Challenge(
        id=str(request["jti"]),
        secret=bytes.fromhex(case["transit_private_key"]),
        statement="Sign in to the chat bridge.",
        issued_at=instant(request["iat"]),
        expires_at=instant(request["exp"]),
    )
    return blockstack, challenge, instant(case["now"])


def check_expected(
    case: Case, identity: Identity, name: Name | None, response: AuthResponse
) -> None:
    """Check every member of ``expected``; a member that this test does not know fails it."""
    expected = dict(case["expected"])
    app_key = decrypted(case, "private_key").decode()
    found = {
        "identity": response.identity.did,
        "identity_address": response.identity.btc,
        "identity_public_key": response.identity_public_key.hex(),
        "app_private_key": app_key,
        "app_public_key": response.app_public_key.hex(),
        "app_address": response.app_address,
        "username": name.text if name else None,
        "username_owner": name.owner if name else None,
        "email": response.email,
        "email_verified": False,  # we have no word for a verified one
        "stx_address_claimed": response.stx_address_claimed,
        "core_token": (decrypted(case, "core_token") or b"").decode() or None,
        "hub_url": response.hub_url,
        "version": response.version,
        "signature_s": half_of_s(case),
    }
    # The one proof that is not made: a profile file signed by the STX key (a11, a15). The vectors
    # allow None there.
    proved, profile = expected.pop("stx_address_proved", None), expected.pop("profile", None)
    assert response.stx_address_proved in (proved, None)
    signer = expected.pop("profile_signed_by", None)
    assert (response.profile is not None) == (signer == "auth_response")

    assert {name: found[name] for name in expected} == expected
    assert identity.profile == describe(profile or {}, email=response.email)
    assert identity.subject == parse_address(expected["identity_address"]).c32
    assert identity.app_key == hashlib.sha256(response.app_public_key).hexdigest()
    assert PrivateKey(bytes.fromhex(app_key)).public_key.format() == response.app_public_key
    assert identity.unconfirmed == ()


def check_alternative(case: Case, identity: Identity, name: Name | None) -> None:
    assert set(identity.unconfirmed) & reason_codes(case)
    for member, value in case["alternative"]["accept_with"].items():
        match member:
            case "username":
                assert (name.text if name else None) == value
            case "profile":
                assert identity.profile == describe(value or {}, email=identity.profile.email)
            case _:
                pytest.fail(f"alternative names {member!r}")


def reason_codes(case: Case) -> set[str]:
    codes = case.get("reason_codes", case.get("reason_code", []))
    return {codes} if isinstance(codes, str) else set(codes)


def token_of(case: Case) -> str:
    if "auth_response" in case:
        return str(case["auth_response"])
    return "".join(part["text"] * part.get("times", 1) for part in case["auth_response_parts"])


def decrypted(case: Case, member: str) -> bytes:
    field = parse(token_of(case)).payload.get(member)
    return decrypt(str(field), bytes.fromhex(case["transit_private_key"])) if field else b""


def half_of_s(case: Case) -> str:
    segment = token_of(case).rpartition(".")[2]
    s = int.from_bytes(base64.urlsafe_b64decode(segment + "==")[32:], "big")
    return "high" if s > CURVE_ORDER // 2 else "low"


def instant(seconds: object) -> datetime:
    assert isinstance(seconds, int)
    return datetime.fromtimestamp(seconds, UTC)


def test_signed_messages(signed: Case) -> None:
    # "either" is for what libraries still take and no wallet makes: a high S, the old prefix.
    if signed["expect"] == "accept":
        assert read_signed(signed) == parse_address(signed["address"])
        assert digest_of(signed).hex() == signed["hash"]
    else:
        assert refusal_of(signed) in REFUSED.get(signed["name"], {"signature", "signature_form"})


# An address that is not the key's is a good signature by the wrong account.
REFUSED = {
    "other signer, own key shown": {"wrong_account"},
    "other signer, key of alice shown": {"signature"},
    "changed text": {"signature"},
    "high S": {"signature_form"},
    "VRS order": {"signature_form"},
    "old prefix": {"signature"},
    "SIP-018 for another site": {"signature"},
    "SIP-018 by another": {"wrong_account"},
}


def refusal_of(signed: Case) -> str:
    try:
        address = read_signed(signed)
    except ProofError as error:
        return error.code
    assert address != parse_address(signed["address"]), "accepted"
    return "wrong_account"


def read_signed(signed: Case) -> Address:
    """Return whose signature it is, by the steps of `Stacks.verify` for a text that is not ours."""
    signature = bytes.fromhex(signed["signature_rsv"])
    check_form(signature)
    public_key = parse_public_key(signed["public_key"])
    check_signature(signature, digest_of(signed), public_key)
    return public_key_to_address(public_key.format())


def digest_of(signed: Case) -> bytes:
    if signed["kind"] == "utf8":
        return hash_message(signed["message"])
    return hash_structured(StructuredMessage(signed["expected_domain"], signed["message"]))


def test_the_vectors_are_all_there() -> None:
    file = json.loads(OURS.read_text(encoding="utf-8"))
    cases, signed = file["cases"], file["message_signing"]

    assert len(cases) == 62
    assert len(signed) == 14
    assert {case["name"] for case in signed if case["expect"] != "accept"} == set(REFUSED)
    assert {case["expect"] for case in cases} == {"accept", "reject"}


def test_a_requests_transit_key_is_what_the_vectors_say() -> None:
    case = json.loads(OURS.read_text(encoding="utf-8"))
    first = {**case["cases"][0], "policy": case["policy"]}
    blockstack, challenge, _ = arrange(first)

    request = parse(blockstack.invite(replace(challenge, id="x")).message).payload

    assert request["public_keys"] == [case["test_keys"]["transit"]["public_key"]]
