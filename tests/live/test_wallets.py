"""The wallets' own libraries and our proofs, face to face, without a server."""

import base64
import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Challenge
from oidc_bridge.proofs.blockstack import Blockstack
from oidc_bridge.proofs.jsontokens import CURVE_ORDER
from oidc_bridge.proofs.stacks import Stacks
from tests.live.loopback import served
from tests.live.wallet import Library, WalletError, new_person, person_profile

BOTH: list[Library] = ["blockstack", "wallet-sdk"]


def now() -> datetime:
    """The time, read when a test asks: wallets date their answers by the same clock."""
    return datetime.now(UTC).replace(microsecond=0)


def no_network(*args: object, **kwargs: object) -> None:
    raise AssertionError("nothing is to be fetched here")


def a_proof(origin: str = "http://localhost:9999") -> Blockstack:
    return Blockstack(
        origin=origin,
        answer_uri=f"{origin}/sign-in/answer",
        manifest_uri=f"{origin}/manifest.json",
        app_name="Test ID",
        app_icon=f"{origin}/icon.svg",
        strangers=no_network,  # type: ignore[arg-type]
    )


def a_challenge(address: str | None = None) -> Challenge:
    asked = now()
    later = asked + timedelta(minutes=10)
    return Challenge("c1", secrets.token_bytes(32), "Sign in to Test ID.", asked, later, address)


@pytest.mark.parametrize("library", BOTH)
def test_the_library_accepts_our_request_and_we_accept_its_answer(library: Library) -> None:
    ann, proof = new_person(person_profile("Ann", "https://pictures.example/ann.png")), a_proof()
    challenge = a_challenge()

    answer = ann.answer(proof.invite(challenge).message, library, manifest=False)
    identity = proof.verify(challenge, {"authResponse": answer.auth_response}, now=now())

    assert identity.subject == answer.identity_stx_address
    assert identity.profile.display_name == "Ann"
    assert identity.profile.picture == "https://pictures.example/ann.png"
    assert not identity.unconfirmed
    is_old = library == "blockstack"
    assert identity.names_host == is_old
    assert (identity.stx_address is None) == is_old


def test_a_wallet_whose_hub_is_gone_is_accepted_without_a_profile() -> None:
    ann, proof = new_person(), a_proof()
    challenge = a_challenge()

    answer = ann.answer(proof.invite(challenge).message, "wallet-sdk", manifest=False)
    identity = proof.verify(challenge, {"authResponse": answer.auth_response}, now=now())

    assert identity.subject == answer.identity_stx_address
    assert identity.profile.display_name is None
    # Today's wallets tell their STX key's address whatever the hub says; the answer names no host.
    assert identity.stx_address == ann.stx_address
    assert not identity.names_host


def test_one_recovery_phrase_is_one_person_in_both_libraries() -> None:
    ann, proof = new_person(), a_proof()
    challenges = [a_challenge() for _ in BOTH]

    identities = [
        proof.verify(
            challenge,
            {
                "authResponse": ann.answer(
                    proof.invite(challenge).message, library, manifest=False
                ).auth_response
            },
            now=now(),
        )
        for library, challenge in zip(BOTH, challenges, strict=True)
    ]

    assert identities[0].subject == identities[1].subject
    # The app key is pinned at the first sign-in: a change of wallet must not look like an attack.
    assert identities[0].app_key == identities[1].app_key


def test_the_app_key_of_another_page_is_another_one() -> None:
    ann, proof = new_person(), a_proof()
    challenge = a_challenge()
    message = proof.invite(challenge).message

    def app_key(origin: str) -> str | None:
        answer = ann.answer(message, "wallet-sdk", manifest=False, origin=origin)
        return proof.verify(challenge, {"authResponse": answer.auth_response}, now=now()).app_key

    assert app_key("http://localhost:9999") != app_key("https://evil.example")


@pytest.mark.parametrize("library", BOTH)
def test_the_library_refuses_a_request_that_was_changed(library: Library) -> None:
    ann, proof = new_person(), a_proof()
    header, payload, _ = proof.invite(a_challenge()).message.split(".")
    _, _, signature = proof.invite(a_challenge()).message.split(".")

    with pytest.raises(WalletError, match="verifyAuthRequest says no"):
        ann.answer(f"{header}.{payload}.{signature}", library, manifest=False)


@pytest.mark.parametrize("library", BOTH)
def test_the_library_loads_the_manifest_that_our_request_names(library: Library) -> None:
    ann = new_person()
    with served(lambda path: (200, "application/json", b'{"name": "Test ID"}')) as port:
        proof = a_proof(f"http://localhost:{port}")

        answer = ann.answer(proof.invite(a_challenge()).message, library)

    assert answer.manifest
    assert answer.manifest["name"] == "Test ID"


# signed messages

STACKS = Stacks("https://id.example")


def refusal_of(challenge: Challenge, answer: dict[str, str], *, at: datetime | None = None) -> str:
    with pytest.raises(ProofError) as refusal:
        STACKS.verify(challenge, answer, now=at or now())
    return refusal.value.code


def unsecured(payload: dict[str, str]) -> str:
    """Return the token with which pages of yesterday asked for a signature."""
    parts = (json.dumps(part).encode() for part in ({"typ": "JWT", "alg": "none"}, payload))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def test_a_message_is_signed_in_every_way_that_wallets_know() -> None:
    ann = new_person()
    challenge = a_challenge(address=ann.stx_address)
    invitation = STACKS.invite(challenge)
    assert invitation.structured
    structured = {
        "domain": invitation.structured.domain,
        "message": invitation.structured.message,
    }

    plain, legacy, by_structure = ann.sign_messages(
        {"message": invitation.message},
        {"signatureRequest": unsecured({"message": invitation.message})},
        structured,
    )

    by_structure["encoding"] = "structured"
    for answer in (plain, legacy, by_structure):
        assert STACKS.verify(challenge, answer, now=now()).subject == challenge.address
    assert plain["agrees"]
    assert legacy["agrees"]


def test_a_good_signature_over_a_text_that_is_not_ours_is_refused() -> None:
    challenge = a_challenge()
    ours = STACKS.invite(challenge).message
    texts = [
        Stacks("https://evil.example").invite(challenge).message,
        STACKS.invite(replace(challenge, secret=secrets.token_bytes(32))).message,
        Stacks("https://id.example", "testnet").invite(challenge).message,
        f"{ours}\nRequest ID: 1",
        ours.replace("\n", "\r\n"),
    ]

    answers = new_person().sign_messages(*({"message": text} for text in texts))

    assert all(answer["agrees"] for answer in answers)
    assert [refusal_of(challenge, answer) for answer in answers] == ["signature"] * len(texts)


def test_a_signature_that_was_touched_or_is_late_is_refused() -> None:
    challenge = a_challenge()
    good = new_person().sign_message(STACKS.invite(challenge).message)
    r, s, v = good["signature"][:64], int(good["signature"][64:128], 16), good["signature"][128:]
    other_v = f"{int(v, 16) ^ 1:02x}"

    assert STACKS.verify(challenge, good, now=now())
    assert refusal_of(challenge, good, at=challenge.expires_at) == "request_expired"
    for signature, code in (
        (f"{r}{CURVE_ORDER - s:064x}{other_v}", "signature_form"),
        (f"{r}{s:064x}{other_v}", "signature"),
        (f"{v}{r}{s:064x}", "signature_form"),
    ):
        assert refusal_of(challenge, good | {"signature": signature}) == code


def test_another_account_of_the_same_phrase_is_another_signer() -> None:
    ann, bob = new_person(), new_person()
    challenge = a_challenge(address=ann.stx_address)
    text = STACKS.invite(challenge).message

    by_ann, by_bob = ann.sign_message(text), bob.sign_message(text)

    assert STACKS.verify(challenge, by_ann, now=now())
    assert refusal_of(challenge, by_bob) == "wrong_account"
    assert refusal_of(challenge, by_bob | {"publicKey": by_ann["publicKey"]}) == "signature"
