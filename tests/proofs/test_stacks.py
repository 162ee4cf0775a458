"""Signed messages: our text, and each check of the signature over it."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from coincurve import PrivateKey

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Challenge, Identity, Proof, StructuredMessage
from oidc_bridge.proofs import clarity
from oidc_bridge.proofs.addresses import Address, Kind
from oidc_bridge.proofs.jsontokens import CURVE_ORDER
from oidc_bridge.proofs.stacks import Stacks, hash_message, hash_structured
from tests.fakes import NOW, ORIGIN, FakeWallet, a_challenge, a_stacks

ANN = FakeWallet.named("ann")
BOB = FakeWallet.named("bob")
ADDRESS = ANN.stx_address.c32
CHALLENGE = a_challenge()
OURS = a_stacks().invite(CHALLENGE)
KEY = PrivateKey(ANN.stx_key).public_key

TEXT = f"""\
bridge.example wants you to sign in with your Stacks account:
{ADDRESS}

Sign in to Example ID.

URI: https://bridge.example/sign-in
Version: 1
Chain ID: 1
Nonce: NONCE
Issued At: 2025-12-31T23:59:00Z
Expiration Time: 2026-01-01T00:09:00Z"""


def verify(answer: dict[str, str], challenge: Challenge = CHALLENGE) -> Identity:
    return a_stacks().verify(challenge, answer, now=NOW)


def refusal_of(answer: dict[str, str], challenge: Challenge = CHALLENGE) -> str:
    with pytest.raises(ProofError) as refusal:
        verify(answer, challenge)
    return refusal.value.code


def nonce_of(text: str) -> str:
    return text.partition("Nonce: ")[2].partition("\n")[0]


# the text


def test_it_is_a_proof():
    proof: Proof = a_stacks()

    assert proof.method == "stacks"


@pytest.mark.spec("EIP-4361", "message")
def test_the_text_is_laid_out_as_eip_4361_says():
    text = a_stacks().invite(a_challenge(address=ADDRESS)).message

    assert text == TEXT.replace("NONCE", nonce_of(text))


def test_a_text_for_anybody_has_no_address_line():
    assert OURS.message == TEXT.replace("NONCE", nonce_of(OURS.message)).replace(f"{ADDRESS}\n", "")


def test_a_text_for_testnet_spells_the_same_key_its_way():
    text = a_stacks(network="testnet").invite(a_challenge(address=ADDRESS)).message

    assert f"\n{Address(ANN.stx_address.hash160, Kind.TESTNET_SINGLE).c32}\n" in text
    assert "\nChain ID: 2147483648\n" in text
    assert ADDRESS not in text


def test_a_port_is_part_of_the_host():
    text = Stacks("https://localhost:8443").invite(CHALLENGE).message

    assert text.startswith("localhost:8443 wants you")


def test_the_same_challenge_has_the_same_text_and_another_has_another():
    assert a_stacks().invite(CHALLENGE) == OURS
    assert nonce_of(a_stacks().invite(a_challenge("two")).message) != nonce_of(OURS.message)


def test_the_nonce_is_long_plain_and_not_the_secret():
    nonce = nonce_of(OURS.message)

    assert nonce.isalnum()
    assert len(bytes.fromhex(nonce)) == 16
    assert nonce not in CHALLENGE.secret.hex()
    assert nonce not in hashlib.sha256(CHALLENGE.secret).hexdigest()


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "a\nURI: b",
        "a\r",
        "a\tb",
        "a\0b",
        "a\x85b",
        "a\u2028b",
        "a\u2029b",
        "a\u202eb",
        "a\ud800",
    ],
    ids=ascii,
)
def test_a_statement_of_more_than_one_plain_line_is_a_mistake_of_ours(statement):
    with pytest.raises(ValueError, match="one printable line"):
        a_stacks().invite(replace(CHALLENGE, statement=statement))


def test_a_statement_may_be_in_any_script():
    challenge = replace(CHALLENGE, statement="Anmelden bei Grüße 🦊.")
    invitation = a_stacks().invite(challenge)

    assert verify(ANN.sign_message(invitation.message), challenge)


def test_the_structured_message_says_the_same():
    structured = a_stacks().invite(a_challenge(address=ADDRESS)).structured

    domain = {
        "name": clarity.string_ascii("bridge.example"),
        "version": clarity.string_ascii("1.0.0"),
        "chain-id": clarity.uint(1),
    }
    message = {
        "action": clarity.string_ascii("sign-in"),
        "address": clarity.principal(ANN.stx_address),
        "statement": clarity.string_utf8("Sign in to Example ID."),
        "uri": clarity.string_ascii(f"{ORIGIN}/sign-in"),
        "nonce": clarity.string_ascii(nonce_of(OURS.message)),
        "issued-at": clarity.uint(int(CHALLENGE.issued_at.timestamp())),
        "expires-at": clarity.uint(int(CHALLENGE.expires_at.timestamp())),
    }
    assert structured == StructuredMessage(
        clarity.tuple_of(domain).hex(), clarity.tuple_of(message).hex()
    )


@pytest.mark.parametrize(
    ("length", "written"),
    [
        (0, "00"),
        (252, "fc"),
        (253, "fdfd00"),
        (65535, "fdffff"),
        (65536, "fe00000100"),
    ],
)
def test_the_length_is_written_as_bitcoin_writes_it(length, written):
    data = b"\x17Stacks Signed Message:\n" + bytes.fromhex(written) + b"a" * length

    assert hash_message("a" * length) == hashlib.sha256(data).digest()


# a good answer


def test_a_signed_text_proves_the_stx_key():
    assert verify(ANN.sign_message(OURS.message)) == Identity(
        method="stacks", subject=ADDRESS, proved_at=NOW, names_host=True
    )


@pytest.mark.spec("SIP-018", "message")
def test_a_signed_structure_proves_the_same_key():
    assert OURS.structured
    signed = ANN.sign_structured(OURS.structured.domain, OURS.structured.message)

    assert verify(signed | {"encoding": "structured"}) == verify(ANN.sign_message(OURS.message))


def test_on_testnet_the_subject_is_the_mainnet_address_too():
    proof, challenge = a_stacks(network="testnet"), a_challenge(address=ADDRESS)
    signed = ANN.sign_message(proof.invite(challenge).message)

    assert proof.verify(challenge, signed, now=NOW).subject == ADDRESS


# each check


def test_an_answer_after_the_challenge_ran_out_is_refused():
    with pytest.raises(ProofError) as refusal:
        a_stacks().verify(CHALLENGE, ANN.sign_message(OURS.message), now=CHALLENGE.expires_at)

    assert refusal.value.code == "request_expired"


def test_an_answer_at_the_last_moment_is_taken():
    last = CHALLENGE.expires_at - timedelta(microseconds=1)

    assert a_stacks().verify(CHALLENGE, ANN.sign_message(OURS.message), now=last)


@pytest.mark.parametrize("member", ["signature", "publicKey"])
@pytest.mark.parametrize(
    "value",
    [None, "", "0", "zz", "AB" * 65, "0x00", "00" * 65 + "\n", "00" * 129, 7, ["00"]],
    ids=repr,
)
def test_what_is_not_hex_is_malformed(member, value):
    assert refusal_of(ANN.sign_message(OURS.message) | {member: value}) == "malformed"


@pytest.mark.parametrize("member", ["signature", "publicKey"])
def test_a_missing_member_is_malformed(member):
    signed = ANN.sign_message(OURS.message)
    del signed[member]

    assert refusal_of(signed) == "malformed"


@pytest.mark.parametrize("encoding", ["", "Text", "json", None, 1, ["text"]])
def test_an_unknown_encoding_is_malformed(encoding):
    assert refusal_of(ANN.sign_message(OURS.message) | {"encoding": encoding}) == "malformed"


def _put(start: int, value: int) -> Callable[[bytearray], None]:
    def change(signature: bytearray) -> None:
        signature[start : start + 32] = value.to_bytes(32, "big")

    return change


def _flip_s(signature: bytearray) -> None:
    s = int.from_bytes(signature[32:64], "big")
    signature[32:64] = (CURVE_ORDER - s).to_bytes(32, "big")
    signature[64] ^= 1


def _v_first(signature: bytearray) -> None:
    signature.insert(0, signature.pop())


@pytest.mark.parametrize(
    "change",
    {
        "without V": lambda signature: signature.pop(),
        "a byte more": lambda signature: signature.append(0),
        "V is 4": lambda signature: signature.__setitem__(64, 4),
        "V counted from 27": lambda signature: signature.__setitem__(64, signature[64] + 27),
        "V in front": _v_first,
        "R is 0": _put(0, 0),
        "R is n": _put(0, CURVE_ORDER),
        "S is 0": _put(32, 0),
        "S is n": _put(32, CURVE_ORDER),
        "S is just high": _put(32, CURVE_ORDER // 2 + 1),
        "its twin": _flip_s,
    }.items(),
    ids=lambda item: item[0],
)
def test_a_signature_in_another_form_is_refused(change):
    signed = ANN.sign_falsely(hash_message(OURS.message), change=change[1])

    assert refusal_of(signed) == "signature_form"


@pytest.mark.parametrize(
    "shown",
    [
        KEY.format(compressed=False),
        b"\x02" + bytes(30) + b"\0\x05",
        b"\x05" + KEY.format()[1:],
        b"\0",
    ],
    ids=["uncompressed", "off the curve", "another mark", "short"],
)
def test_anything_but_a_compressed_key_is_refused(shown):
    signed = ANN.sign_falsely(hash_message(OURS.message), shown=shown)

    assert refusal_of(signed) == "public_keys"


@pytest.mark.parametrize(
    "text",
    {
        "of another host": Stacks("https://evil.example").invite(CHALLENGE).message,
        "naming another host in its first line": OURS.message.replace("bridge", "evil", 1),
        "of another port": Stacks(f"{ORIGIN}:8443").invite(CHALLENGE).message,
        "without TLS": Stacks("http://bridge.example").invite(CHALLENGE).message,
        "of another challenge": a_stacks().invite(a_challenge("two")).message,
        "of another chain": a_stacks(network="testnet").invite(CHALLENGE).message,
        "of another statement": OURS.message.replace("Sign in", "Send"),
        "of another time": a_stacks().invite(replace(CHALLENGE, issued_at=NOW)).message,
        "with an address": a_stacks().invite(a_challenge(address=ADDRESS)).message,
        "with a line more": f"{OURS.message}\nRequest ID: 1",
        "with a line end": f"{OURS.message}\n",
        "in CRLF": OURS.message.replace("\n", "\r\n"),
        "empty": "",
    }.items(),
    ids=lambda item: item[0],
)
def test_a_signature_over_another_text_is_refused(text):
    assert text[1] != OURS.message
    assert refusal_of(ANN.sign_message(text[1])) == "signature"


def test_a_signature_under_the_old_prefix_is_refused():
    data = OURS.message.encode()
    length = b"\xfd" + len(data).to_bytes(2, "little")
    digest = hashlib.sha256(b"\x18Stacks Message Signing:\n" + length + data).digest()

    assert refusal_of(ANN.sign_falsely(digest)) == "signature"


def test_a_bare_signature_over_the_text_is_refused():
    assert refusal_of(ANN.sign_falsely(hashlib.sha256(OURS.message.encode()).digest())) == (
        "signature"
    )


@pytest.mark.parametrize("by", [1, 2, 3])
def test_another_v_is_refused(by):
    def change(signature: bytearray) -> None:
        signature[64] ^= by

    signed = ANN.sign_falsely(hash_message(OURS.message), change=change)

    assert refusal_of(signed) == "signature"


def test_another_signer_is_refused():
    signed = ANN.sign_falsely(hash_message(OURS.message), sign_with=BOB.stx_key)

    assert refusal_of(signed) == "signature"


def test_an_encoding_is_not_taken_for_the_other():
    assert OURS.structured
    structured = ANN.sign_structured(OURS.structured.domain, OURS.structured.message)

    assert refusal_of(structured) == "signature"
    assert refusal_of(ANN.sign_message(OURS.message) | {"encoding": "structured"}) == "signature"


@pytest.mark.parametrize(
    "proof",
    [Stacks("https://evil.example"), a_stacks(network="testnet")],
    ids=["of another host", "of another chain"],
)
def test_a_structure_from_elsewhere_is_refused(proof):
    signed = ANN.sign_falsely(hash_structured(proof.invite(CHALLENGE).structured))

    assert refusal_of(signed | {"encoding": "structured"}) == "signature"


@pytest.mark.parametrize("encoding", ["text", "structured"])
def test_another_account_than_the_one_that_was_asked_is_refused(encoding):
    challenge = a_challenge(address=ADDRESS)
    asked = a_stacks().invite(challenge)
    assert asked.structured
    digest = (
        hash_message(asked.message) if encoding == "text" else hash_structured(asked.structured)
    )
    signed = BOB.sign_falsely(digest) | {"encoding": encoding}

    assert refusal_of(signed, challenge) == "wrong_account"
    assert verify(ANN.sign_falsely(digest) | {"encoding": encoding}, challenge).subject == ADDRESS
