"""Signing keys: what is published, what signs, and what stays private."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet, RSAKey

from oidc_bridge.errors import ConfigError
from oidc_bridge.oidc.keys import active, as_bytes, from_pem, jwks, make_key, sign, to_pem

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.fixture(scope="module")
def key():
    return make_key(bits=2048, state="active", now=NOW)


@pytest.fixture(scope="module")
def other():
    return make_key(bits=2048, state="next", now=NOW)


def thumbprint(public: dict[str, str]) -> str:
    """RFC 7638 section 3, by hand."""
    members = {name: public[name] for name in ("e", "kty", "n")}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def test_a_fresh_key_has_the_size_and_the_state_that_were_asked_for(key):
    modulus = base64.urlsafe_b64decode(key.key.as_dict(private=False)["n"] + "==")

    assert len(modulus) * 8 == 2048
    assert key.state == "active"
    assert key.created_at == NOW
    assert key.retired_at is None


def test_two_keys_are_never_the_same(key, other):
    assert key.kid != other.kid


def test_j6_a_kid_is_the_thumbprint_of_the_public_key(key):
    assert key.kid == thumbprint(key.key.as_dict(private=False))


def test_the_thumbprint_is_that_of_the_example_in_rfc_7638():
    example = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6t"
        "Soc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQ"
        "R0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWh"
        "AI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
    }

    assert RSAKey.import_key(example).thumbprint() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert thumbprint(example) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_j5_what_is_published_has_no_private_parts(key, other):
    document = jwks([key, other])

    for published in document["keys"]:
        assert set(published) == {"kty", "n", "e", "kid", "use", "alg"}
    secret = key.key.as_dict(private=True)
    assert all(secret[name] not in json.dumps(document) for name in PRIVATE & set(secret))


def test_what_is_published_says_what_it_is_for(key, other):
    first, second = jwks([key, other])["keys"]

    assert (first["kid"], second["kid"]) == (key.kid, other.kid)
    assert first["use"] == "sig"
    assert first["alg"] == "RS256"
    assert first["kid"] == thumbprint(first)


def test_every_key_is_published_whatever_its_state(key):
    states = ("next", "active", "retired")

    assert len(jwks([replace(key, state=state) for state in states])["keys"]) == 3


def test_nothing_is_published_without_keys():
    assert jwks([]) == {"keys": []}


def test_a_key_comes_back_from_its_pem(key):
    again = from_pem(to_pem(key))

    assert again.thumbprint() == key.kid
    assert again.as_dict(private=True)["d"] == key.key.as_dict(private=True)["d"]


def test_the_active_key_signs(key, other):
    retired = replace(other, state="retired")

    assert active([other, retired, key]) == key


def test_without_an_active_key_nothing_is_signed(other):
    for keys in ([], [other], [replace(other, state="retired")]):
        with pytest.raises(ConfigError) as caught:
            active(keys)
        assert caught.value.code == "keys_missing"
        assert "oidc-bridge init" in caught.value.detail


@pytest.mark.parametrize("typ", ["JWT", "logout+jwt"])
def test_a_token_verifies_with_what_is_published(key, other, typ):
    token = sign({"sub": "ann"}, key, typ=typ)

    read = jwt.decode(token, KeySet.import_key_set(jwks([other, key])), algorithms=["RS256"])

    assert read.claims == {"sub": "ann"}
    assert read.header == {"alg": "RS256", "kid": key.kid, "typ": typ}


def test_a_token_does_not_verify_with_another_key(key, other):
    token = sign({"sub": "ann"}, key, typ="JWT")

    with pytest.raises(BadSignatureError):
        jwt.decode(token, other.key, algorithms=["RS256"])


def test_a_signing_key_does_not_print_its_private_half(key):
    secret = key.key.as_dict(private=True)

    assert all(secret[name] not in repr(key) for name in PRIVATE & set(secret))
    assert "RSAKey" not in repr(key)


def test_a_document_is_compact_and_the_same_whatever_its_order():
    assert as_bytes({"b": [1, 2], "a": "\u00fc"}) == b'{"a":"\\u00fc","b":[1,2]}'
    assert as_bytes({"a": 1, "b": 2}) == as_bytes({"b": 2, "a": 1})
