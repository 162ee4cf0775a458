"""ECIES: what opens, what does not, and that the MAC comes first."""

import hashlib
import json
from pathlib import Path

import pytest
from coincurve import PrivateKey

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs import ecies
from oidc_bridge.proofs.ecies import decrypt, encrypt
from oidc_bridge.proofs.jsontokens import parse

SECRET = hashlib.sha256(b"transit").digest()
PUBLIC = PrivateKey(SECRET).public_key
SEALED = encrypt(b"a secret", PUBLIC.format())

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "blockstack.json").read_text(encoding="utf-8")
)
ACCEPTED = {case["name"]: case for case in VECTORS["cases"] if case["expect"] == "accept"}


def changed(**members: object) -> str:
    written = {**json.loads(bytes.fromhex(SEALED)), **members}
    kept = {name: value for name, value in written.items() if value is not ...}
    return json.dumps(kept).encode().hex()


def refusal_of(field: str, secret: bytes = SECRET) -> str:
    with pytest.raises(ProofError) as refusal:
        decrypt(field, secret)
    return refusal.value.code


def flipped(member: str, at: int) -> str:
    data = bytearray.fromhex(json.loads(bytes.fromhex(SEALED))[member])
    data[at] ^= 1
    return changed(**{member: data.hex()})


def test_what_was_encrypted_opens():
    assert decrypt(SEALED, SECRET) == b"a secret"


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 64, 1000])
def test_any_length_opens(length):
    assert decrypt(encrypt(b"x" * length, PUBLIC.format()), SECRET) == b"x" * length


def test_encrypting_twice_gives_two_texts():
    assert encrypt(b"a secret", PUBLIC.format()) != SEALED


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_wallets_encrypted_opens(name):
    case = ACCEPTED[name]
    field = str(parse(case["auth_response"]).payload["private_key"])

    opened = decrypt(field, bytes.fromhex(case["transit_private_key"]))

    assert opened.decode() == case["expected"]["app_private_key"]


def test_another_key_does_not_open_it():
    assert refusal_of(SEALED, hashlib.sha256(b"another").digest()) == "binding"


@pytest.mark.parametrize("member", ["iv", "cipherText", "mac"])
@pytest.mark.parametrize("at", [0, -1])
def test_one_changed_bit_does_not_open(member, at):
    assert refusal_of(flipped(member, at)) == "binding"


def test_the_other_half_of_the_ephemeral_key_does_not_open():
    # Its point has the same X, hence the same secret; only the MAC covers the difference.
    key = json.loads(bytes.fromhex(SEALED))["ephemeralPK"]
    other = ("03" if key.startswith("02") else "02") + key[2:]

    assert refusal_of(changed(ephemeralPK=other)) == "binding"


def test_nothing_is_decrypted_before_the_mac_is_good(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("decrypted")

    monkeypatch.setattr(ecies, "Cipher", refuse)

    assert refusal_of(flipped("cipherText", 0)) == "binding"
    with pytest.raises(AssertionError, match="decrypted"):
        decrypt(SEALED, SECRET)


def test_bad_padding_under_a_good_mac_is_refused(monkeypatch):
    class NoPadding:
        def __init__(self, _: int) -> None: ...

        def padder(self) -> "NoPadding":
            return self

        def update(self, data: bytes) -> bytes:
            return data

        def finalize(self) -> bytes:
            return b""

    with monkeypatch.context() as patch:
        patch.setattr(ecies, "PKCS7", NoPadding)
        unpadded = encrypt(b"\0" * 16, PUBLIC.format())

    assert refusal_of(unpadded) == "binding"


@pytest.mark.parametrize(
    "field",
    {
        "empty": "",
        "not hex": "xyz",
        "odd hex": SEALED[:-1],
        "half": SEALED[: len(SEALED) // 4 * 2],
        "upper case": SEALED.upper(),
        "white space": f"{SEALED} ",
        "a line end": f"{SEALED}\n",
        "a list": b"[]".hex(),
        "not UTF-8": "ff",
        "no mac": changed(mac=...),
        "no wasString": changed(wasString=...),
        "binary content": changed(wasString=False),
        "one for true": changed(wasString=1),
        "an option": changed(cipherTextEncoding="hex"),
        "base64": changed(cipherText="q83v", cipherTextEncoding="base64"),
        "a signed envelope": json.dumps({"signature": "", "publicKey": ""}).encode().hex(),
        "a member of another type": changed(iv=1),
        "null": changed(mac=None),
        "a short iv": changed(iv="00" * 15),
        "a long iv": changed(iv="00" * 17),
        "a short mac": changed(mac="00" * 31),
        "no cipher text": changed(cipherText=""),
        "half a block": changed(cipherText="00" * 8),
        "an uncompressed key": changed(ephemeralPK=PUBLIC.format(compressed=False).hex()),
        "no point": changed(ephemeralPK="02" + "00" * 31 + "05"),
    }.items(),
    ids=lambda item: item[0],
)
def test_another_shape_than_wallets_write_is_refused(field):
    assert refusal_of(field[1]) == "binding"
