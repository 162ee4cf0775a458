"""Keys and signatures of Antelope chains, held against those that other programs made."""

import hashlib
from typing import Any

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.antelope_keys import (
    P256_ORDER,
    Key,
    Signature,
    parse_key,
    parse_signature,
    recover,
    write_base58,
)
from oidc_bridge.proofs.jsontokens import CURVE_ORDER
from tests.fake_chain import VECTORS, key_of, private_key, sign, spell

DIGEST = hashlib.sha256(b"a sentence").digest()


def refusal_of_key(text: str) -> str:
    with pytest.raises(ProofError) as refusal:
        parse_key(text)
    return refusal.value.code


def refusal_of(text: str) -> str:
    with pytest.raises(ProofError) as refusal:
        parse_signature(text)
    return refusal.value.code


def spell_k1(r: bytes, s: bytes, header: int = 31) -> str:
    return f"SIG_K1_{write_base58(bytes([header]) + r + s, 'K1')}"


def numbers(r: int, s: int) -> tuple[bytes, bytes]:
    return r.to_bytes(32, "big"), s.to_bytes(32, "big")


# keys


@pytest.mark.parametrize("same", VECTORS["public_keys"]["same"], ids=lambda same: same["legacy"])
def test_both_spellings_are_one_key(same: dict[str, str]) -> None:
    key = Key("K1", bytes.fromhex(same["point_hex"]))

    assert parse_key(same["legacy"]) == parse_key(same["new"]) == key
    assert str(key) == same["new"]


@pytest.mark.parametrize("name", VECTORS["keys"])
def test_the_vectors_keys_are_read_and_written(name: str) -> None:
    text = VECTORS["keys"][name]["public"]

    assert parse_key(text) == key_of(name)
    assert str(key_of(name)) == text


@pytest.mark.parametrize("text", VECTORS["public_keys"]["bad"])
def test_a_key_with_a_wrong_letter_or_checksum_is_none(text: str) -> None:
    assert refusal_of_key(text) == "malformed_key"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "EOS",
        "PUB_K1_",
        "PUB_WA_WdCPfafVNxVMiW5ybdNs83oWjenQXvSt1F49fg9mv7qrCiRwHj5b38U3ponCFWxQTkDsMC",
        f"PUB_K1_{write_base58(bytes(33), 'K1')}",
        f"PUB_K1_{write_base58(bytes([4]) + bytes(32), 'K1')}",
        f"PUB_K1_{write_base58(bytes([2]) + bytes(31), 'K1')}",
        f"PUB_K1_{write_base58(bytes([2]) + bytes(33), 'K1')}",
        f"PUB_K1_{'1' * 101}",
        "EOS6iPG14E7hJusVa95yfWeLrcbHn6iKn6hB22bLCBN2HDEvvJntD\n",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    assert refusal_of_key(text) == "malformed_key"


# signatures


@pytest.mark.parametrize("real", VECTORS["real_signatures"], ids=lambda real: real["message"][:12])
def test_a_signature_that_scatter_made_recovers_to_its_key(real: dict[str, Any]) -> None:
    digest = hashlib.sha256(real["message"].encode()).digest()
    signature = parse_signature(real["signature"])

    assert digest.hex() == real["sha256"]
    assert signature.recovery_id + 31 == real["header_byte"]
    assert recover(signature, digest) == parse_key(real["public_key_legacy"])
    assert recover(signature, digest).point.hex() == real["point_hex"]


def test_a_signature_of_other_words_recovers_to_another_key() -> None:
    real = VECTORS["real_signatures"][0]
    digest = hashlib.sha256(real["message"].encode() + b" ").digest()

    assert str(recover(parse_signature(real["signature"]), digest)) != real["public_key"]


def canonical(key: PrivateKey) -> tuple[Signature, bytes]:
    """Return a signature that the chain would take, as wallets look for one."""
    for number in range(256):
        digest = hashlib.sha256(bytes([number])).digest()
        signature = sign(key, digest)
        try:
            return parse_signature(spell(signature)), digest
        except ProofError:
            continue
    raise AssertionError("unreachable")


def test_a_signature_is_read_as_it_was_made() -> None:
    signature, digest = canonical(private_key("alice"))

    assert recover(signature, digest) == key_of("alice")


def test_the_twin_of_a_signature_is_not_canonical() -> None:
    signature, _ = canonical(private_key("alice"))
    twin = (CURVE_ORDER - int.from_bytes(signature.s, "big")).to_bytes(32, "big")

    assert refusal_of(spell_k1(signature.r, twin)) == "non_canonical_signature"


GOOD = b"\x11" * 32


@pytest.mark.parametrize(
    "part",
    [
        b"\x80" + b"\x11" * 31,  # its top bit is set
        b"\x00\x7f" + b"\x11" * 30,  # padded without need
        b"\x00\x00\xff" + b"\x11" * 29,
    ],
)
@pytest.mark.parametrize("is_r", [True, False])
def test_the_chains_canonical_rule(part: bytes, is_r: bool) -> None:
    r, s = (part, GOOD) if is_r else (GOOD, part)

    assert refusal_of(spell_k1(r, s)) == "non_canonical_signature"


def test_a_zero_in_front_that_is_needed_is_canonical() -> None:
    part = b"\x00\x80" + b"\x11" * 30

    assert parse_signature(spell_k1(part, part)) == Signature("K1", 0, part, part)


@pytest.mark.parametrize("header", [0, 27, 30, 35, 255])
def test_a_header_of_no_compressed_key_is_refused(header: int) -> None:
    assert refusal_of(spell_k1(GOOD, GOOD, header)) == "malformed_signature"


@pytest.mark.parametrize(
    ("r", "s"), [(0, 1), (1, 0), (0, 0), (CURVE_ORDER, 1), (1, CURVE_ORDER), (2**256 - 1, 1)]
)
def test_zeros_and_what_is_beyond_the_order_are_refused(r: int, s: int) -> None:
    assert refusal_of(spell_k1(*numbers(r, s))) == "malformed_signature"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIG_",
        "SIG_K1_",
        "SIG_K1_0",
        f"SIG_K1_{'1' * 101}",
        f"SIG_K1_{write_base58(bytes([31]) + bytes([17]) * 63, 'K1')}",
        f"SIG_K1_{write_base58(bytes([31]) + bytes([17]) * 65, 'K1')}",
        f"SIG_K1_{write_base58(bytes([31]) + bytes([17]) * 64, 'R1')}",
        f"SIG_R1_{write_base58(bytes([31]) + bytes([17]) * 64, 'K1')}",
        f"SIG_K2_{write_base58(bytes([31]) + bytes([17]) * 64, 'K2')}",
        f"{spell_k1(GOOD, GOOD)}\n",
        f" {spell_k1(GOOD, GOOD)}",
    ],
)
def test_what_is_no_signature_is_refused(text: str) -> None:
    assert refusal_of(text) == "malformed_signature"


def test_webauthn_is_refused_by_its_name() -> None:
    assert refusal_of("SIG_WA_anything") == "unsupported_signature_type"


def test_an_r_that_is_no_points_recovers_to_no_key() -> None:
    # x = 5 is on no point of secp256k1; the header asks for x = r + n, beyond the field.
    for signature in (
        Signature("K1", 0, *numbers(5, 1)),
        Signature("K1", 2, b"\x7f" + b"\xff" * 31, GOOD),
    ):
        with pytest.raises(ProofError) as refusal:
            recover(signature, DIGEST)
        assert refusal.value.code == "malformed_signature"


# P-256


def phone() -> EllipticCurvePrivateKey:
    return derive_private_key(int(VECTORS["keys"]["phone"]["private_hex"], 16), SECP256R1())


def sign_r1(digest: bytes) -> tuple[int, int]:
    made = phone().sign(digest, ECDSA(Prehashed(hashes.SHA256())))
    r, s = decode_dss_signature(made)
    return r, min(s, P256_ORDER - s)


def found_by(r: int, s: int, digest: bytes) -> list[Key]:
    """Return the keys of all recovery ids that give one."""
    found = []
    for recovery_id in range(4):
        try:
            found.append(recover(Signature("R1", recovery_id, *numbers(r, s)), digest))
        except ProofError as error:
            assert error.code == "malformed_signature"
    return found


@pytest.mark.parametrize("number", range(8))
def test_a_phones_key_is_recovered(number: int) -> None:
    digest = hashlib.sha256(bytes([number])).digest()

    found = found_by(*sign_r1(digest), digest)

    assert len(found) == 2
    assert key_of("phone") in found


def test_a_phones_signature_of_other_words_recovers_to_others() -> None:
    r, s = sign_r1(DIGEST)

    assert key_of("phone") not in found_by(r, s, hashlib.sha256(b"other words").digest())


def test_a_high_s_of_a_phone_is_not_canonical() -> None:
    r, s = sign_r1(DIGEST)

    high = Signature("R1", 0, *numbers(r, P256_ORDER - s))
    low = Signature("R1", 0, *numbers(r, s))

    assert refusal_of(spell(high)) == "non_canonical_signature"
    assert parse_signature(spell(low)) == low


def test_a_high_r_of_a_phone_is_good() -> None:
    r = b"\x80" + b"\x11" * 31

    assert parse_signature(spell(Signature("R1", 0, r, GOOD))).r == r


def test_an_r_of_a_phone_beyond_the_field_recovers_to_no_key() -> None:
    with pytest.raises(ProofError) as refusal:
        recover(Signature("R1", 2, *numbers(P256_ORDER - 1, 1)), DIGEST)
    assert refusal.value.code == "malformed_signature"


def test_the_key_at_infinity_is_none() -> None:
    # R = G and s = e make r⁻¹(sR - eG) nothing at all.
    e = int.from_bytes(DIGEST, "big") % P256_ORDER
    x = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
    with pytest.raises(ProofError) as refusal:
        recover(Signature("R1", 1, *numbers(x, e)), DIGEST)
    assert refusal.value.code == "malformed_signature"
