"""Request objects: whose signature counts, and what may stand inside (RFC 9101)."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.client import ClientMetadata
from oidc_bridge.oidc.request_object import ALGORITHMS, open_request_object
from tests.driver import ISSUER, WIKI

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = int(NOW.timestamp())
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OKP = OKPKey.generate_key("Ed25519", {"kid": "okp"})
KEYS = KeySet([RSA, EC, OKP])
SIGNERS = {"RS256": RSA, "PS256": RSA, "ES256": EC, "EdDSA": OKP, "Ed25519": OKP}
CLAIMS: dict[str, Any] = {
    "iss": "wiki",
    "aud": ISSUER,
    "exp": MOMENT + 300,
    "client_id": "wiki",
    "response_type": "code",
    "max_age": 60,
    "claims": {"id_token": {"name": None}},
    "state": "",
}


def signed(claims: dict[str, Any] | bytes, *, alg: str = "RS256", key: Any = None, **header: Any):
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    # "b64" and "crit" are no headers that joserfc would sign by itself.
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    return jws.serialize_compact(
        {"alg": alg, **header}, payload, key or SIGNERS[alg], registry=registry
    )


def read(token: str, *, client=WIKI, keys=KEYS):
    outside = {"client_id": client.id, "request": token, "scope": "openid", "state": "outside"}
    return open_request_object(outside, client, keys, issuer=ISSUER, now=NOW)


@pytest.mark.spec("RFC 9101", "6.3")
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_only_what_is_inside_counts(alg):
    assert read(signed(CLAIMS, alg=alg)) == {
        "client_id": "wiki",
        "response_type": "code",
        "max_age": "60",
        "claims": '{"id_token": {"name": null}}',
    }


@pytest.mark.spec("RFC 9101", "6.1")
@pytest.mark.parametrize("kid", ["rsa", None])
def test_the_key_is_found_by_its_kid_or_by_trying(kid):
    header = {} if kid is None else {"kid": kid}

    assert read(signed(CLAIMS, **header))["response_type"] == "code"


@pytest.mark.parametrize("typ", ["JWT", "oauth-authz-req+jwt"])
def test_its_type_may_be_said(typ):
    assert read(signed(CLAIMS, typ=typ))


@pytest.mark.parametrize("audience", [ISSUER, ["https://other.example", ISSUER]])
def test_we_may_be_one_audience_of_many(audience):
    assert read(signed({**CLAIMS, "aud": audience}))


STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})
WRONG = {
    "no JWT": "nonsense",
    "two parts": "a.b",
    "not ASCII": "\u2603.\u2603.\u2603",
    "none": "eyJhbGciOiJub25lIn0.e30.",
    "alg a number": "eyJhbGciOjF9.e30.aa",
    "a stranger's key": signed(CLAIMS, key=STRANGER),
    "a stranger's key under our kid": signed(CLAIMS, key=STRANGER, kid="rsa"),
    "an unknown kid": signed(CLAIMS, kid="another client's"),
    "another key's kid": signed(CLAIMS, kid="ec"),
    "a key in the header": signed(CLAIMS, key=STRANGER, jwk=STRANGER.as_dict(private=False)),
    "an address of keys": signed(CLAIMS, jku="https://evil.example/jwks"),
    "a certificate's address": signed(CLAIMS, x5u="https://evil.example/x"),
    "an ID token's type": signed(CLAIMS, typ="dpop+jwt"),
    "not JSON": signed(b"hello"),
    "too deep": signed(b"[" * 9000),
    "a list": signed(b"[]"),
    "no iss": signed({k: v for k, v in CLAIMS.items() if k != "iss"}),
    "another iss": signed({**CLAIMS, "iss": "synapse"}),
    "no aud": signed({k: v for k, v in CLAIMS.items() if k != "aud"}),
    "another aud": signed({**CLAIMS, "aud": f"{ISSUER}/"}),
    "an aud that holds ours": signed({**CLAIMS, "aud": f"{ISSUER}.evil.example"}),
    "no client_id": signed({k: v for k, v in CLAIMS.items() if k != "client_id"}),
    "another client_id": signed({**CLAIMS, "client_id": "synapse"}),
    "no exp": signed({k: v for k, v in CLAIMS.items() if k != "exp"}),
    "expired": signed({**CLAIMS, "exp": MOMENT - 11}),
    "lives too long": signed({**CLAIMS, "exp": MOMENT + 3700}),
    "exp a text": signed({**CLAIMS, "exp": "soon"}),
    "exp true": signed({**CLAIMS, "exp": True}),
    "exp not a number": signed({**CLAIMS, "exp": float("nan")}),
    "nbf ahead": signed({**CLAIMS, "nbf": MOMENT + 60}),
    "iat ahead": signed({**CLAIMS, "iat": MOMENT + 60}),
    "a request inside": signed({**CLAIMS, "request": "x"}),
    "a request_uri inside": signed({**CLAIMS, "request_uri": "x"}),
    "a list for a value": signed({**CLAIMS, "scope": ["openid"]}),
    "true for a value": signed({**CLAIMS, "scope": True}),
    "NUL in a value": signed({**CLAIMS, "state": "a\0b"}),
}


@pytest.mark.spec("RFC 9101", "4")
@pytest.mark.spec("RFC 9101", "6.2")
@pytest.mark.parametrize("case", WRONG)
def test_a_request_object_is_refused_for(case):
    with pytest.raises(SentError) as caught:
        read(WRONG[case])

    assert caught.value.code == "invalid_request_object"


@pytest.mark.parametrize("ahead", [{"nbf": MOMENT + 8}, {"iat": MOMENT + 8}, {"exp": MOMENT - 8}])
def test_clocks_may_differ_by_a_few_seconds(ahead):
    assert read(signed({**CLAIMS, **ahead}))


def test_a_client_without_keys_is_told_so():
    with pytest.raises(SentError) as caught:
        read(signed(CLAIMS), keys=KeySet([]))

    assert caught.value.code == "request_not_supported"


@pytest.mark.spec("OIDC Registration", "2")
@pytest.mark.parametrize(("alg", "is_taken"), [("ES256", True), ("RS256", False)])
def test_the_registered_algorithm_is_the_only_one(alg, is_taken):
    metadata = ClientMetadata(request_object_signing_alg="ES256")
    token = signed(CLAIMS, alg=alg)
    if is_taken:
        assert read(token, client=replace(WIKI, metadata=metadata))
        return
    with pytest.raises(SentError) as caught:
        read(token, client=replace(WIKI, metadata=metadata))
    assert caught.value.code == "invalid_request_object"
