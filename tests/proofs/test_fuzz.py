"""Hostile input to every parser of the wallets' bank: a clean refusal or a value, nothing else.

The strategies begin with what is nearly right, since noise is refused at the first check.
"""

import json
from contextlib import suppress
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs import ripemd160
from oidc_bridge.proofs.addresses import (
    Address,
    Kind,
    base58check_decode,
    base58check_encode,
    c32check_decode,
    c32check_encode,
    parse_address,
)
from oidc_bridge.proofs.auth_response import verify_auth_response
from oidc_bridge.proofs.ecies import decrypt, encrypt
from oidc_bridge.proofs.jsontokens import parse, parse_json, parse_public_key, sign, verify
from oidc_bridge.proofs.names import NameService, look_up
from oidc_bridge.proofs.profiles import describe, fetch_profile
from tests.fakes import (
    HEADER,
    NAMES,
    NOW,
    FakeFetch,
    FakeWallet,
    a_blockstack,
    a_challenge,
    a_stacks,
    sign_raw,
)

ANN = FakeWallet.named("ann")
CHALLENGE = a_challenge()
BLOCKSTACK = a_blockstack()
REQUEST = BLOCKSTACK.invite(CHALLENGE).message
ANSWER = ANN.answer(REQUEST, now=NOW)
CLAIMS = parse(ANSWER).payload
SEALED = str(CLAIMS["private_key"])
SERVICES = (NameService(NAMES, frozenset({2, 3})),)
STACKS = a_stacks()
SIGNED = ANN.sign_message(STACKS.invite(CHALLENGE).message)

# Text with lone surrogates: JSON can write them, UTF-8 cannot.
TEXT = st.text(st.characters(codec=None), max_size=40)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**4000)])
    | st.floats()
    | TEXT
    | st.sampled_from(["", "ann.id", "https://a.example/", ANN.address.did, ANSWER, SEALED]),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXT, values, max_size=4),
    max_leaves=8,
)
MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """Return *text* with a stretch cut out, doubled, or replaced."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 12)))
    middle = draw(TEXT | st.just(text[start:end] * 2) | st.sampled_from([".", "=", "\0", "A"]))
    return text[:start] + middle + text[end:]


@MANY
@given(TEXT | mutated(ANSWER))
def test_a_token_is_read_or_refused(text):
    with suppress(ProofError):
        token = parse(text)
        verify(token, parse_public_key(ANN.identity_public_key.hex()))


@MANY
@given(st.binary(max_size=80))
def test_json_is_read_or_refused(data):
    with suppress(ProofError):
        parse_json(data)


@MANY
@given(VALUES)
def test_a_key_is_read_or_refused(value):
    with suppress(ProofError):
        parse_public_key(value)


@MANY
@given(mutated(ANSWER))
def test_a_changed_answer_is_never_accepted(text):
    if text == ANSWER:
        return
    try:
        BLOCKSTACK.verify(CHALLENGE, {"authResponse": text}, now=NOW)
    except ProofError:
        return
    raise AssertionError("accepted")


@MANY
@given(st.dictionaries(st.sampled_from(sorted(CLAIMS)), VALUES, min_size=1, max_size=4))
def test_well_signed_nonsense_is_verified_or_refused(nonsense):
    payload = json.dumps({**CLAIMS, "profile_url": None, **nonsense}).encode()
    answer = {"authResponse": sign_raw(HEADER, payload, ANN.identity_key)}

    with suppress(ProofError):
        identity = BLOCKSTACK.verify(CHALLENGE, answer, now=NOW)
        # What is kept must fit into a database and a page.
        json.dumps(identity.to_json(), ensure_ascii=False).encode()
        assert identity.subject == ANN.address.c32


@MANY
@given(st.binary(max_size=200))
def test_a_well_signed_payload_of_any_bytes_is_refused(payload):
    text = sign_raw(HEADER, payload, ANN.identity_key)

    with suppress(ProofError):
        verify_auth_response(
            text, transit_key=CHALLENGE.secret, now=NOW, leeway=timedelta(seconds=300)
        )
        raise AssertionError("accepted")


@MANY
@given(
    TEXT
    | mutated(SEALED)
    | mutated(bytes.fromhex(SEALED).decode()).map(
        lambda text: text.encode("utf-8", "surrogatepass").hex()
    )
)
def test_a_sealed_text_opens_or_is_refused(field):
    with suppress(ProofError):
        assert (
            decrypt(field, CHALLENGE.secret) == ANN.app_key("https://bridge.example").hex().encode()
        )


@MANY
@given(st.binary(max_size=200))
def test_what_is_sealed_opens(data):
    public_key = bytes.fromhex(str(parse(REQUEST).payload["public_keys"][0]))  # type: ignore[index]

    assert decrypt(encrypt(data, public_key), CHALLENGE.secret) == data


@MANY
@given(
    st.dictionaries(TEXT.map(lambda text: text.encode("utf-8", "ignore").decode()), st.integers())
)
def test_what_is_signed_is_read_back(payload):
    assert parse(sign(payload, ANN.identity_key)).payload == payload


@MANY
@given(TEXT | mutated(ANN.address.c32) | mutated(ANN.address.btc))
def test_an_address_has_one_spelling_in_each_alphabet(text):
    with suppress(ProofError):
        address = parse_address(text)
        assert text in (address.c32, address.btc)


@MANY
@given(st.binary(min_size=20, max_size=20), st.sampled_from(Kind))
def test_an_address_survives_both_alphabets(data, kind):
    address = Address(data, kind)

    assert parse_address(address.btc) == parse_address(address.c32) == address


@MANY
@given(st.integers(0, 31), st.binary(max_size=24))
def test_any_payload_survives_both_alphabets(version, payload):
    assert base58check_decode(base58check_encode(version, payload)) == (version, payload)
    assert c32check_decode(c32check_encode(version, payload)) == (version, payload)


@MANY
@given(st.binary(max_size=300))
def test_both_ripemds_agree(data):
    assert ripemd160.digest_in_python(data) == ripemd160.digest(data)


@MANY
@given(TEXT | mutated("ann.id"), VALUES, st.integers(100, 599))
def test_a_name_is_confirmed_or_refused(text, answer, status):
    fetch = FakeFetch({f"{NAMES}/v1/names/{text}": (status, json.dumps(answer))})

    with suppress(ProofError):
        look_up(text, services=SERVICES, fetch=fetch, holder=ANN.address, now=NOW)
        raise AssertionError("confirmed")


@MANY
@given(VALUES | st.fixed_dictionaries({"address": VALUES, "status": VALUES}))
def test_an_answer_of_a_name_service_is_believed_or_refused(answer):
    fetch = FakeFetch({f"{NAMES}/v1/names/ann.id": (200, json.dumps(answer))})

    with suppress(ProofError):
        look_up("ann.id", services=SERVICES, fetch=fetch, holder=ANN.address, now=NOW)
        raise AssertionError("confirmed")


@MANY
@given(
    st.binary(max_size=60)
    | st.lists(st.fixed_dictionaries({"token": VALUES})).map(lambda file: json.dumps(file).encode())
    | VALUES.map(lambda claim: json.dumps([{"token": claim}]).encode()),
    TEXT | mutated("https://gaia.example/profile.json"),
)
def test_a_profile_file_is_read_or_refused(file, url):
    fetch = FakeFetch({url: (200, file)})

    with suppress(ProofError):
        fetch_profile(url, signer=ANN.identity_public_key, fetch=fetch)


@MANY
@given(st.dictionaries(st.sampled_from(["name", "image", "x"]), VALUES), st.none() | TEXT)
def test_a_description_is_always_fit_to_be_kept(profile, email):
    described = describe(profile, email=email)

    for text in (described.display_name, described.picture, described.email):
        if text is not None:
            text.encode("utf-8")
            assert len(text) <= 2048
            assert text.isprintable() or not text.isascii()


@MANY
@given(st.lists(st.fixed_dictionaries({"contentUrl": TEXT | mutated("https://a.example/")})))
def test_a_picture_is_https_or_none(images):
    picture = describe({"image": images}, email=None).picture

    assert picture is None or picture.startswith("https://")


@MANY
@given(
    st.fixed_dictionaries(
        {
            "signature": mutated(SIGNED["signature"]) | st.binary(max_size=70).map(bytes.hex),
            "publicKey": mutated(SIGNED["publicKey"]) | st.just(SIGNED["publicKey"]),
        },
        optional={"encoding": st.sampled_from(["text", "structured"])},
    )
    | st.dictionaries(st.sampled_from(["signature", "publicKey", "encoding"]), VALUES)
)
def test_a_changed_signature_is_never_accepted(answer):
    if answer.get("encoding", "text") == "text" and answer.items() >= SIGNED.items():
        return
    with suppress(ProofError):
        STACKS.verify(CHALLENGE, answer, now=NOW)
        raise AssertionError("accepted")


@MANY
@given(st.binary(min_size=65, max_size=65))
def test_any_65_bytes_are_refused_cleanly(signature):
    answer = SIGNED | {"signature": signature.hex()}

    with suppress(ProofError):
        STACKS.verify(CHALLENGE, answer, now=NOW)
        raise AssertionError("accepted")
