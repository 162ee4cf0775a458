"""The wallets' own libraries and our proof of Blockstack Auth, face to face, without a server."""

from datetime import UTC, datetime, timedelta

import pytest

from oidc_bridge.identity import Challenge
from oidc_bridge.proofs.blockstack import Blockstack
from tests.live.loopback import served
from tests.live.wallet import Library, WalletError, new_person, person_profile

NOW = datetime.now(UTC).replace(microsecond=0)
BOTH: list[Library] = ["blockstack", "wallet-sdk"]


def no_network(*args: object, **kwargs: object) -> None:
    raise AssertionError("nothing is to be fetched here")


def a_proof(origin: str = "http://localhost:9999") -> Blockstack:
    return Blockstack(
        origin=origin,
        answer_uri=f"{origin}/sign-in/answer",
        manifest_uri=f"{origin}/manifest.json",
        app_name="Test ID",
        app_icon=f"{origin}/icon.svg",
        names=(),
        fetch=no_network,  # type: ignore[arg-type]
        strangers=no_network,  # type: ignore[arg-type]
    )


def a_challenge(proof: Blockstack) -> Challenge:
    return Challenge("c1", proof.method, proof.make_secret(), NOW, NOW + timedelta(minutes=10))


@pytest.mark.parametrize("library", BOTH)
def test_the_library_accepts_our_request_and_we_accept_its_answer(library: Library) -> None:
    ann, proof = new_person(person_profile("Ann", "https://pictures.example/ann.png")), a_proof()
    challenge = a_challenge(proof)

    answer = ann.answer(proof.invite(challenge).message, library, manifest=False)
    identity = proof.verify(challenge, {"authResponse": answer.auth_response}, now=NOW)

    assert identity.subject == answer.identity_stx_address
    assert identity.profile.display_name == "Ann"
    assert identity.profile.picture == "https://pictures.example/ann.png"
    assert not identity.unconfirmed


def test_a_wallet_whose_hub_is_gone_is_accepted_without_a_profile() -> None:
    ann, proof = new_person(), a_proof()
    challenge = a_challenge(proof)

    answer = ann.answer(proof.invite(challenge).message, "wallet-sdk", manifest=False)
    identity = proof.verify(challenge, {"authResponse": answer.auth_response}, now=NOW)

    assert identity.subject == answer.identity_stx_address
    assert identity.profile.display_name is None


def test_one_recovery_phrase_is_one_person_in_both_libraries() -> None:
    ann, proof = new_person(), a_proof()
    challenges = [a_challenge(proof) for _ in BOTH]

    identities = [
        proof.verify(
            challenge,
            {
                "authResponse": ann.answer(
                    proof.invite(challenge).message, library, manifest=False
                ).auth_response
            },
            now=NOW,
        )
        for library, challenge in zip(BOTH, challenges, strict=True)
    ]

    assert identities[0].subject == identities[1].subject
    # The app key is pinned at the first sign-in: a change of wallet must not look like an attack.
    assert identities[0].app_key == identities[1].app_key


def test_the_app_key_of_another_page_is_another_one() -> None:
    ann, proof = new_person(), a_proof()
    challenge = a_challenge(proof)
    message = proof.invite(challenge).message

    def app_key(origin: str) -> str | None:
        answer = ann.answer(message, "wallet-sdk", manifest=False, origin=origin)
        return proof.verify(challenge, {"authResponse": answer.auth_response}, now=NOW).app_key

    assert app_key("http://localhost:9999") != app_key("https://evil.example")


@pytest.mark.parametrize("library", BOTH)
def test_the_library_refuses_a_request_that_was_changed(library: Library) -> None:
    ann, proof = new_person(), a_proof()
    header, payload, _ = proof.invite(a_challenge(proof)).message.split(".")
    _, _, signature = proof.invite(a_challenge(proof)).message.split(".")

    with pytest.raises(WalletError, match="verifyAuthRequest says no"):
        ann.answer(f"{header}.{payload}.{signature}", library, manifest=False)


@pytest.mark.parametrize("library", BOTH)
def test_the_library_loads_the_manifest_that_our_request_names(library: Library) -> None:
    ann = new_person()
    with served(lambda path: (200, "application/json", b'{"name": "Test ID"}')) as port:
        proof = a_proof(f"http://localhost:{port}")

        answer = ann.answer(proof.invite(a_challenge(proof)).message, library)

    assert answer.manifest
    assert answer.manifest["name"] == "Test ID"
