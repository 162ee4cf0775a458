"""Who asks, and how they prove it: secrets, none, and the client's own signed word."""

import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from oidc_bridge.errors import BridgeError, SentError
from oidc_bridge.oidc.client import ClientMetadata
from oidc_bridge.oidc.client_authentication import (
    ASSERTION_TYPE,
    Assertion,
    Credentials,
    authenticate,
    check_assertion,
    read_credentials,
)
from oidc_bridge.oidc.jose import ANY_ALGORITHM
from oidc_bridge.seal import digest_of
from tests.driver import VERIFIER, WIKI

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
FORM = {
    "grant_type": "authorization_code",
    "code": "the-code",
    "redirect_uri": WIKI.redirect_uris[0],
    "code_verifier": VERIFIER,
}


def basic(text: str, scheme: str = "Basic") -> str:
    return f"{scheme} {b64encode(text.encode()).decode()}"


# --- who asks ---


def test_a_client_may_introduce_itself_in_the_header():
    assert read_credentials(FORM, basic("wiki:secret")) == Credentials(
        "wiki", "secret", "client_secret_basic"
    )


def test_a_client_may_introduce_itself_in_the_form():
    form = {**FORM, "client_id": "wiki", "client_secret": "secret"}

    assert read_credentials(form, None) == Credentials("wiki", "secret", "client_secret_post")


def test_a_client_without_a_secret_only_says_its_name():
    assert read_credentials({**FORM, "client_id": "wiki"}, None) == Credentials(
        "wiki", None, "none"
    )


@pytest.mark.spec("RFC 6749", "2.3.1")
@pytest.mark.parametrize(
    ("authorization", "client_id", "secret"),
    [
        (basic("wiki:secret", "basic"), "wiki", "secret"),
        (basic("wiki:secret", "BASIC"), "wiki", "secret"),
        (basic("wiki:"), "wiki", ""),
        (basic("wiki:a:b"), "wiki", "a:b"),
        (basic("w%69ki:s%2Bcret"), "wiki", "s+cret"),
        (basic("wiki:a+b"), "wiki", "a b"),
        (basic("wiki:-_09azAZ"), "wiki", "-_09azAZ"),
    ],
)
def test_a_basic_header_is_read_as_rfc_6749_writes_it(authorization, client_id, secret):
    found = read_credentials(FORM, authorization)

    assert (found.client_id, found.secret) == (client_id, secret)
    assert found.method == "client_secret_basic"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        " ",
        "Basic",
        "Basic ",
        "Basic  " + b64encode(b"wiki:secret").decode(),
        "Basic\t" + b64encode(b"wiki:secret").decode(),
        basic("wiki:secret")[:-1],
        basic("wiki:secret") + "=",
        basic("wiki:secret") + "\n",
        basic("wiki:secret") + " x",
        "Basic wiki:secret",
        "Basic %%%%",
        "Basic \u00fc",
        "Basic " + b64encode(b"wiki:\xff").decode(),
        "Basic " + b64encode("wiki:\u00fc".encode()).decode(),
        basic("wiki"),
        basic(":secret"),
        basic(""),
        basic("wiki:secret", "Bearer"),
        basic("wiki:secret", "Digest"),
        b64encode(b"wiki:secret").decode(),
    ],
)
def test_a_header_that_is_no_basic_header_is_refused(authorization):
    with pytest.raises(SentError) as caught:
        read_credentials(FORM, authorization)

    assert caught.value.code == "invalid_client"
    assert caught.value.status == 401


def test_a_bad_header_is_not_saved_by_a_good_form():
    with pytest.raises(SentError) as caught:
        read_credentials({**FORM, "client_id": "wiki"}, "Basic nonsense")

    assert caught.value.code == "invalid_client"


@pytest.mark.spec("RFC 6749", "2.3")
@pytest.mark.parametrize("authorization", [basic("wiki:secret"), basic("other:x"), "Bearer x", ""])
def test_a_client_that_authenticates_in_two_ways_is_refused(authorization):
    form = {**FORM, "client_id": "wiki", "client_secret": "secret"}

    with pytest.raises(SentError) as caught:
        read_credentials(form, authorization)

    assert caught.value.code == "invalid_request"


def test_the_form_may_repeat_the_name_that_the_header_says():
    found = read_credentials({**FORM, "client_id": "wiki"}, basic("wiki:secret"))

    assert found.method == "client_secret_basic"


def test_the_form_may_not_name_another_client_than_the_header():
    with pytest.raises(SentError) as caught:
        read_credentials({**FORM, "client_id": "other"}, basic("wiki:secret"))

    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize("form", [{}, FORM, {"client_secret": "secret"}])
def test_a_request_by_nobody_is_refused(form):
    with pytest.raises(SentError) as caught:
        read_credentials(form, None)

    assert caught.value.code == "invalid_client"
    assert caught.value.status == 401


SAFE = replace(WIKI, secret_digests=(digest_of("new"), digest_of("old")))
PUBLIC = replace(WIKI, auth_methods=("none",))


@pytest.mark.parametrize("secret", ["new", "old"])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_client_with_one_of_its_secrets_is_believed(secret, method):
    assert authenticate(Credentials("wiki", secret, method), SAFE) == SAFE


def test_a_public_client_is_believed_by_its_name():
    assert authenticate(Credentials("wiki", None, "none"), PUBLIC) == PUBLIC


REFUSED = {
    "unknown client": (Credentials("nobody", "new", "client_secret_basic"), None),
    "unknown public client": (Credentials("nobody", None, "none"), None),
    "wrong secret": (Credentials("wiki", "newer", "client_secret_basic"), SAFE),
    "empty secret": (Credentials("wiki", "", "client_secret_basic"), SAFE),
    "no secret": (Credentials("wiki", None, "client_secret_post"), SAFE),
    "the digest for the secret": (
        Credentials("wiki", digest_of("new"), "client_secret_basic"),
        SAFE,
    ),
    "a confidential client without a secret": (Credentials("wiki", None, "none"), SAFE),
    "a public client with a secret": (
        Credentials("wiki", "new", "client_secret_post"),
        replace(PUBLIC, secret_digests=SAFE.secret_digests),
    ),
    "a method that is not its own": (
        Credentials("wiki", "new", "client_secret_post"),
        replace(SAFE, auth_methods=("client_secret_basic",)),
    ),
    "a client whose secrets are all gone": (
        Credentials("wiki", "", "client_secret_basic"),
        replace(SAFE, secret_digests=()),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_client_that_is_not_who_it_says_is_refused(case):
    credentials, client = REFUSED[case]

    with pytest.raises(SentError) as caught:
        authenticate(credentials, client)

    assert caught.value.code == "invalid_client"
    assert caught.value.status == 401


def test_the_refusal_does_not_tell_what_was_wrong():
    told = set()

    for credentials, client in REFUSED.values():
        with pytest.raises(SentError) as caught:
            authenticate(credentials, client)
        told.add(str(caught.value))

    assert len(told) == 1


# --- both readings of a Basic header (RFC 6749 2.3.1) ---


@pytest.mark.parametrize("sent", ["a+b%2Fc", "a%2Bb%252Fc"])
def test_k4_a_secret_is_understood_form_encoded_or_not(sent):
    client = replace(WIKI, secret_digests=(digest_of("a+b%2Fc"),))

    assert authenticate(read_credentials(FORM, basic(f"wiki:{sent}")), client) == client


def test_k4_a_secret_that_fits_in_no_reading_is_refused():
    client = replace(WIKI, secret_digests=(digest_of("a b"),))

    with pytest.raises(SentError) as caught:
        authenticate(read_credentials(FORM, basic("wiki:a%20b%20")), client)

    assert caught.value.code == "invalid_client"


# --- private_key_jwt (RFC 7523, OIDC Core section 9) ---

ISSUER = "https://bridge.example"
AUDIENCES = (ISSUER, f"{ISSUER}/token")
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})
KEYS = KeySet([RSA, EC, ED])
JWT_CLIENT = replace(WIKI, auth_methods=("private_key_jwt",))


def assert_with(key=RSA, *, header=None, registry=ANY_ALGORITHM, **changes):
    claims = {
        "iss": "wiki",
        "sub": "wiki",
        "aud": ISSUER,
        "exp": SECONDS + 60,
        "iat": SECONDS,
        "jti": "jti-1",
        **changes,
    }
    told = {name: value for name, value in claims.items() if value is not ...}
    head = {"alg": "RS256", "kid": key.kid, **(header or {})}
    return jwt.encode(head, told, key, registry=registry)


def check(assertion, *, client=JWT_CLIENT, keys=KEYS):
    return check_assertion(assertion, keys, client=client, audiences=AUDIENCES, now=NOW)


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")]
)
def test_a_client_is_believed_by_its_signature(key, alg):
    proven = check(assert_with(key, header={"alg": alg}))

    assert proven == Assertion("jti-1", NOW + timedelta(seconds=60))


@pytest.mark.parametrize("aud", [ISSUER, [ISSUER], f"{ISSUER}/token", [f"{ISSUER}/token"]])
def test_an_assertion_names_this_server_by_issuer_or_token_endpoint(aud):
    assert check(assert_with(aud=aud)).jti == "jti-1"


@pytest.mark.parametrize(("keys", "fits"), [(KeySet([RSA]), True), (KEYS, False)])
def test_only_a_client_with_one_key_may_leave_the_kid_out(keys, fits):
    assertion = jwt.encode({"alg": "RS256"}, CLAIMS, RSA)

    if fits:
        assert check(assertion, keys=keys).jti == "j"
        return
    with pytest.raises(BridgeError):
        check(assertion, keys=keys)


CLAIMS = {"iss": "wiki", "sub": "wiki", "aud": ISSUER, "exp": SECONDS + 60, "jti": "j"}
UNFIT = {
    "of another client": {"iss": "other", "sub": "other"},
    "iss of another": {"iss": "other"},
    "sub of another": {"sub": "other"},
    "no iss": {"iss": ...},
    "no sub": {"sub": ...},
    "no aud": {"aud": ...},
    "for another server": {"aud": "https://other.example"},
    "for us and another": {"aud": [ISSUER, "https://other.example"]},
    "for us twice": {"aud": AUDIENCES},
    "for nobody": {"aud": []},
    "aud is an object": {"aud": {"a": ISSUER}},
    "aud is a list in a list": {"aud": [[ISSUER]]},
    "aud is longer": {"aud": f"{ISSUER}/"},
    "no exp": {"exp": ...},
    "over": {"exp": SECONDS},
    "five minutes past": {"exp": SECONDS - 300},
    "too far ahead": {"exp": SECONDS + 3611},
    "exp is text": {"exp": str(SECONDS + 60)},
    "exp is true": {"exp": True},
    "exp is no number": {"exp": float("nan")},
    "exp is endless": {"exp": float("inf")},
    "exp is monstrous": {"exp": 10**300},
    "not begun": {"nbf": SECONDS + 60},
    "made in the future": {"iat": SECONDS + 60},
    "nbf is text": {"nbf": "x"},
    "no jti": {"jti": ...},
    "jti is a number": {"jti": 1},
    "jti is empty": {"jti": ""},
    "jti is monstrous": {"jti": "j" * 513},
}


@pytest.mark.parametrize("what", UNFIT)
def test_k5_an_assertion_is_refused_that_is(what):
    with pytest.raises(BridgeError) as caught:
        check(assert_with(**UNFIT[what]))

    assert caught.value.code == "jwt_refused"


def test_an_assertion_may_live_for_the_hour_that_authlib_gives_it():
    assert check(assert_with(exp=SECONDS + 3600)).expires_at == NOW + timedelta(hours=1)


CLOSE = [{"nbf": SECONDS + 8}, {"iat": SECONDS + 10}, {"iat": ...}, {"exp": SECONDS + 3610}]


@pytest.mark.parametrize("changes", CLOSE)
def test_clocks_may_differ_by_a_little(changes):
    assert check(assert_with(**changes)).jti == "jti-1"


def unsigned(header: object, claims: object, signature: str = "") -> str:
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join([*(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), signature])


PUBLIC_PEM = RSA.as_pem(private=False)
FORGED = {
    "by a stranger": assert_with(STRANGER),
    "J7 by nobody": unsigned({"alg": "none"}, CLAIMS),
    "J7 by nobody, in capitals": unsigned({"alg": "NONE", "kid": "rsa"}, CLAIMS),
    "K5 by a key of the wrong kind": assert_with(EC, header={"alg": "ES256", "kid": "rsa"}),
    "K5 with an algorithm that no client may use": jwt.encode(
        {"alg": "RS512", "kid": "rsa"}, CLAIMS, RSA, algorithms=["RS512"]
    ),
    "J4 with the public key as a secret": jwt.encode(
        {"alg": "HS256"}, CLAIMS, OctKey.import_key(PUBLIC_PEM.hex()), algorithms=["HS256"]
    ),
    "J8 with the hash of the secret": jwt.encode(
        {"alg": "HS256"}, CLAIMS, OctKey.import_key(digest_of("new")), algorithms=["HS256"]
    ),
    "J1 by a key that it brings itself": assert_with(
        STRANGER, header={"jwk": STRANGER.as_dict(private=False)}
    ),
    "J1 by a key that nobody registered": assert_with(STRANGER, header={"kid": "unknown"}),
    "J3 with a header that must be understood": assert_with(header={"crit": ["typ"]}),
    "of two parts": "a.b",
    "of no parts": "",
    "of four parts": assert_with() + ".x",
    "with a header that is a list": unsigned(["alg"], CLAIMS),
    "with a header that is a text": unsigned("alg", CLAIMS),
    "with an alg that is a list": unsigned({"alg": ["RS256"]}, CLAIMS),
    "J2 with a header without a bottom": urlsafe_b64encode(b"[" * 2900).decode() + ".e30.x",
    "J2 monstrous": assert_with(x="x" * 9000),
    "with claims that are a list": unsigned({"alg": "RS256", "kid": "rsa"}, [1], "x"),
    "with a sign outside ASCII": "\u00fc.e30.x",
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_assertion_is_refused(how):
    with pytest.raises(BridgeError) as caught:
        check(FORGED[how])

    assert caught.value.code in ("jwt_refused", "jwt_malformed")


def test_k5_the_registered_algorithm_is_the_only_one():
    metadata = ClientMetadata(token_endpoint_auth_signing_alg="ES256")
    client = replace(JWT_CLIENT, metadata=metadata)

    assert check(assert_with(EC, header={"alg": "ES256"}), client=client).jti == "jti-1"
    for key, alg in [(RSA, "RS256"), (RSA, "PS256"), (ED, "EdDSA")]:
        with pytest.raises(BridgeError) as caught:
            check(assert_with(key, header={"alg": alg}), client=client)
        assert caught.value.code == "jwt_refused"


def test_a_client_without_keys_cannot_sign():
    with pytest.raises(BridgeError) as caught:
        check(assert_with(), keys=KeySet([]))

    assert caught.value.code == "jwt_refused"


def test_an_assertion_names_its_client():
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assert_with()}

    for more in ({}, {"client_id": "wiki"}):
        found = read_credentials(form | more, None)
        assert (found.client_id, found.method) == ("wiki", "private_key_jwt")


REFUSED_FORMS = {
    "another type": ("invalid_client", {"client_assertion_type": "urn:other"}),
    "no type": ("invalid_client", {"client_assertion_type": None}),
    "no assertion": ("invalid_client", {"client_assertion": None}),
    "no JWT": ("invalid_client", {"client_assertion": "x"}),
    "a sub that is no text": ("invalid_client", {"client_assertion": assert_with(sub=["wiki"])}),
    "another client_id": ("invalid_request", {"client_id": "other"}),
    "a secret too": ("invalid_request", {"client_secret": "s"}),
}


@pytest.mark.spec("RFC 7523", "2.2")
@pytest.mark.parametrize("what", REFUSED_FORMS)
def test_an_assertion_is_refused_with(what):
    code, changes = REFUSED_FORMS[what]
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assert_with(), **changes}

    with pytest.raises(SentError) as caught:
        read_credentials({k: v for k, v in form.items() if v is not None}, None)

    assert caught.value.code == code


def test_k4_an_assertion_and_a_header_are_two_ways_at_once():
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assert_with()}

    with pytest.raises(SentError) as caught:
        read_credentials(form, basic("wiki:secret"))

    assert caught.value.code == "invalid_request"


def test_an_assertion_is_no_secret():
    credentials = Credentials("wiki", None, "private_key_jwt", assertion=assert_with())

    with pytest.raises(SentError) as caught:
        authenticate(credentials, replace(JWT_CLIENT, secret_digests=(digest_of(""),)))

    assert caught.value.code == "invalid_client"
