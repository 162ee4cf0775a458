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
from oidc_bridge.identity import Challenge, Identity
from oidc_bridge.proofs.addresses import parse_address
from oidc_bridge.proofs.auth_response import AuthResponse, verify_auth_response
from oidc_bridge.proofs.blockstack import Blockstack
from oidc_bridge.proofs.ecies import decrypt
from oidc_bridge.proofs.jsontokens import CURVE_ORDER, parse
from oidc_bridge.proofs.names import NameService
from oidc_bridge.proofs.profiles import describe
from tests.fakes import NAMES, FakeFetch

OURS = Path(__file__).parents[1] / "vectors" / "blockstack.json"

Case = dict[str, Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    cases: list[Any] = []
    for path in [OURS, *map(Path, metafunc.config.getoption("--vectors"))]:
        file = json.loads(path.read_text(encoding="utf-8"))
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
        assert sign_in(case).subject == sign_in(first).subject
        return

    match case["expect"]:
        case "accept":
            check_expected(case, sign_in(case), read(case))
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
        identity = sign_in(case)
    except ProofError as error:
        assert error.code in reason_codes(case)
    else:
        assert "alternative" in case, "accepted, and no alternative allows that"
        check_alternative(case, identity)


def sign_in(case: Case) -> Identity:
    """Return what the proof makes of *case*; fail if a forbidden address is contacted."""
    blockstack, challenge, now = arrange(case)
    return blockstack.verify(challenge, {"authResponse": token_of(case)}, now=now)


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
        names=(NameService(NAMES, frozenset({2, 3})),),
        fetch=fetch,
        strangers=fetch,
        leeway=timedelta(seconds=policy["leeway_seconds"]),
    )
    request = parse(case["auth_request"]).payload
    challenge = Challenge(
        id=str(request["jti"]),
        method="blockstack",
        secret=bytes.fromhex(case["transit_private_key"]),
        issued_at=instant(request["iat"]),
        expires_at=instant(request["exp"]),
    )
    return blockstack, challenge, instant(case["now"])


def check_expected(case: Case, identity: Identity, response: AuthResponse) -> None:
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
        "username": identity.name.text if identity.name else None,
        "username_owner": identity.name.owner if identity.name else None,
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


def check_alternative(case: Case, identity: Identity) -> None:
    assert set(identity.unconfirmed) & reason_codes(case)
    for member, value in case["alternative"]["accept_with"].items():
        match member:
            case "username":
                assert (identity.name.text if identity.name else None) == value
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


def test_the_vectors_are_all_there() -> None:
    cases = json.loads(OURS.read_text(encoding="utf-8"))["cases"]

    assert len(cases) == 62
    assert {case["expect"] for case in cases} == {"accept", "reject"}


def test_a_requests_transit_key_is_what_the_vectors_say() -> None:
    case = json.loads(OURS.read_text(encoding="utf-8"))
    first = {**case["cases"][0], "policy": case["policy"]}
    blockstack, challenge, _ = arrange(first)

    request = parse(blockstack.invite(replace(challenge, id="x")).message).payload

    assert request["public_keys"] == [case["test_keys"]["transit"]["public_key"]]
