"""DPoP proofs: who holds the key, for which request, once."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.dpop import check_binding, check_proof, hash_of
from oidc_bridge.oidc.jose import ANY_ALGORITHM

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
URL = "https://bridge.example/token"
EC = ECKey.generate_key("P-256")
OTHER = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
ED = OKPKey.generate_key("Ed25519")


def prove(key=EC, *, header=None, **changes):
    claims = {"jti": "jti-1", "htm": "POST", "htu": URL, "iat": SECONDS, **changes}
    told = {name: value for name, value in claims.items() if value is not ...}
    head = {"alg": "ES256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False), **(header or {})}
    head = {name: value for name, value in head.items() if value is not ...}
    return jwt.encode(head, told, key, registry=ANY_ALGORITHM, default_type=None)


def check(proof, *, access_token=None):
    return check_proof(proof, method="POST", url=URL, now=NOW, access_token=access_token)


def unsigned(header, claims=None, signature=""):
    parts = (json.dumps(part).encode() for part in (header, claims or {}))
    return ".".join([*(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), signature])


@pytest.mark.parametrize(
    ("key", "alg"), [(EC, "ES256"), (RSA, "RS256"), (RSA, "PS256"), (ED, "EdDSA")]
)
@pytest.mark.spec("RFC 9449", "4.3")
def test_a_proof_tells_the_thumbprint_of_its_key(key, alg):
    proof = check(prove(key, header={"alg": alg}))

    assert proof.jkt == key.thumbprint()
    assert proof.jti == "jti-1"
    assert proof.expires_at > NOW


@pytest.mark.parametrize(
    "htu",
    [
        URL,
        "https://bridge.example:443/token",
        "HTTPS://BRIDGE.example/token",
        f"{URL}?a=b#c",
        "https://bridge.example/%74oken",
    ],
)
def test_an_address_may_be_spelt_in_any_way_that_means_the_same(htu):
    assert check(prove(htu=htu)).jti == "jti-1"


@pytest.mark.parametrize("iat", [SECONDS - 59, SECONDS - 10, SECONDS, SECONDS + 10])
def test_a_proof_is_good_for_a_minute_on_clocks_that_differ_a_little(iat):
    assert check(prove(iat=iat)).jti == "jti-1"


UNFIT = {
    "for another method": {"htm": "GET"},
    "for another method's spelling": {"htm": "post"},
    "for no method": {"htm": ...},
    "for another path": {"htu": f"{URL}/"},
    "for another case of the path": {"htu": "https://bridge.example/Token"},
    "for another host": {"htu": "https://other.example/token"},
    "for another port": {"htu": "https://bridge.example:444/token"},
    "for another scheme": {"htu": "http://bridge.example/token"},
    "for a look-alike": {"htu": "https://bridge.example@other.example/token"},
    "for us as a user": {"htu": "https://x@bridge.example/token"},
    "for a path": {"htu": "/token"},
    "for a broken address": {"htu": "https://[bridge.example/token"},
    "for a port that is none": {"htu": "https://bridge.example:x/token"},
    "for a number": {"htu": 1},
    "for no address": {"htu": ...},
    "of a minute ago": {"iat": SECONDS - 60},
    "of the future": {"iat": SECONDS + 11},
    "of no time": {"iat": ...},
    "of a text as time": {"iat": str(SECONDS)},
    "not begun": {"nbf": SECONDS + 60},
    "without a jti": {"jti": ...},
    "with a jti that is a number": {"jti": 1},
    "with an empty jti": {"jti": ""},
    "with another typ": {"header": {"typ": "JWT"}},
    "without a typ": {"header": {"typ": ...}},
    "without a jwk": {"header": {"jwk": ...}},
    "with another's jwk": {"header": {"jwk": OTHER.as_dict(private=False)}},
    "with a private jwk": {"header": {"jwk": EC.as_dict(private=True)}},
    "with a header that must be understood": {"header": {"crit": ["typ"]}},
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_proof_is_refused(what):
    with pytest.raises(SentError) as caught:
        check(prove(**UNFIT[what]))

    assert caught.value.code == "invalid_dpop_proof"
    assert caught.value.status == 400


OCT = OctKey.generate_key(256)
WEAK = {"kty": "RSA", "e": "AQAB", "n": "x" * 171}
HEAD = {"alg": "ES256", "typ": "dpop+jwt"}
FORGED = {
    "signed by nobody": unsigned({**HEAD, "alg": "none", "jwk": EC.as_dict(private=False)}),
    "signed with a shared secret": jwt.encode(
        {**HEAD, "alg": "HS256", "jwk": OCT.as_dict(private=True)}, {}, OCT, algorithms=["HS256"]
    ),
    "with a weak key": unsigned({**HEAD, "alg": "RS256", "jwk": WEAK}),
    "with an alg of another kind": unsigned({**HEAD, "alg": "RS256", "jwk": EC.as_dict()}),
    "with a jwk that is a text": unsigned({**HEAD, "jwk": "x"}),
    "with a jwk that is empty": unsigned({**HEAD, "jwk": {}}),
    "with a jwk of a kind nobody knows": unsigned({**HEAD, "jwk": {"kty": "PQ"}}),
    "with a jwk of a kind that is a list": unsigned({**HEAD, "jwk": {"kty": ["EC"]}}),
    "with a point that is a number": unsigned(
        {**HEAD, "jwk": {"kty": "EC", "crv": "P-256", "x": 1, "y": 2}}
    ),
    "with a point on no curve": unsigned(
        {**HEAD, "jwk": {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}}, {}, "AAAA"
    ),
    "with a curve nobody knows": unsigned(
        {**HEAD, "jwk": {"kty": "EC", "crv": "P-1", "x": "AQ", "y": "AQ"}}
    ),
    "with a curve that is no text": unsigned(
        {**HEAD, "jwk": {"kty": "OKP", "crv": {"a": 1}, "x": "AQ"}}
    ),
    "with half a key": unsigned({**HEAD, "jwk": {"kty": "EC", "crv": "P-256"}}),
    "changed afterwards": prove()[:-8] + "AAAAAAAA",
    "that is empty": "",
    "that is no JWT": "a.b.c",
    "that is monstrous": "a" * 9000,
    "outside ASCII": "\u00fc.b.c",
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_proof_is_refused(what):
    with pytest.raises(SentError) as caught:
        check(FORGED[what])

    assert caught.value.code == "invalid_dpop_proof"


@pytest.mark.spec("RFC 9449", "7.1")
def test_a_proof_for_a_resource_is_about_the_token_it_comes_with():
    assert check(prove(ath=hash_of("token")), access_token="token").jti == "jti-1"
    for ath in (..., hash_of("other"), "token", 1, "\u00fc"):
        with pytest.raises(SentError):
            check(prove(ath=ath), access_token="token")


def test_the_hash_of_a_token_is_that_of_the_example_in_rfc_9449():
    token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"

    assert hash_of(token) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


def test_what_is_bound_needs_its_own_key():
    ours, other = check(prove()), check(prove(OTHER))

    check_binding(None, None)
    check_binding(None, ours)
    check_binding(ours.jkt, ours)
    for proof in (None, other):
        with pytest.raises(SentError) as caught:
            check_binding(ours.jkt, proof)
        assert caught.value.code == "invalid_grant"
