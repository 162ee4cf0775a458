"""Token requests: who asks, and whether what they hold fits. (One code, one taker: storage.)"""

import hashlib
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.redeem import (
    CodeRequest,
    Credentials,
    RefreshRequest,
    authenticate,
    check_code,
    narrow,
    read_bearer,
    read_credentials,
    read_form,
    read_request,
)
from oidc_bridge.seal import digest_of
from tests.driver import CHALLENGE, VERIFIER, WIKI

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
URI = WIKI.redirect_uris[0]
FORM = {
    "grant_type": "authorization_code",
    "code": "the-code",
    "redirect_uri": URI,
    "code_verifier": VERIFIER,
}


def basic(text: str, scheme: str = "Basic") -> str:
    return f"{scheme} {b64encode(text.encode()).decode()}"


# --- the form ---


def test_empty_fields_count_as_not_sent():
    assert read_form([("scope", ""), ("code", "x"), ("scope", "")]) == {"code": "x"}


@pytest.mark.parametrize("name", [*FORM, "client_id", "client_secret", "scope", "foo"])
@pytest.mark.parametrize("again", ["x", "y"])
def test_a_repeated_field_is_refused_even_if_it_says_the_same(name, again):
    with pytest.raises(SentError) as caught:
        read_form([(name, "x"), ("other", "z"), (name, again)])

    assert caught.value.code == "invalid_request"
    assert caught.value.status == 400


@pytest.mark.parametrize("value", ["a\0b", "x" * 4097])
def test_a_monstrous_field_is_refused(value):
    with pytest.raises(SentError) as caught:
        read_form([("code", value)])

    assert caught.value.code == "invalid_request"


def test_a_field_of_4096_characters_is_read():
    assert read_form([("code", "x" * 4096)]) == {"code": "x" * 4096}


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
    assert read_credentials(FORM, authorization) == Credentials(
        client_id, secret, "client_secret_basic"
    )


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


# --- what is asked ---


def test_a_code_request_is_read():
    assert read_request(FORM) == CodeRequest("the-code", URI, VERIFIER)


@pytest.mark.parametrize("name", ["code", "redirect_uri", "code_verifier"])
def test_a_code_request_needs(name):
    form = {key: value for key, value in FORM.items() if key != name}

    with pytest.raises(SentError) as caught:
        read_request(form)

    assert caught.value.code == "invalid_request"
    assert caught.value.detail == f"{name} is missing."


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        (None, None),
        ("openid", ("openid",)),
        ("openid profile", ("openid", "profile")),
        ("profile openid profile", ("profile", "openid")),
    ],
)
def test_a_refresh_request_is_read(scope, scopes):
    form = {"grant_type": "refresh_token", "refresh_token": "r"} | (
        {"scope": scope} if scope else {}
    )

    assert read_request(form) == RefreshRequest("r", scopes)


def test_a_refresh_request_needs_its_token():
    with pytest.raises(SentError) as caught:
        read_request({"grant_type": "refresh_token"})

    assert caught.value.code == "invalid_request"


def test_a_request_needs_a_grant_type():
    with pytest.raises(SentError) as caught:
        read_request({name: value for name, value in FORM.items() if name != "grant_type"})

    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize(
    "grant_type",
    [
        "password",
        "client_credentials",
        "implicit",
        "Authorization_Code",
        "authorization_code ",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ],
)
def test_no_other_grant_is_offered(grant_type):
    with pytest.raises(SentError) as caught:
        read_request({**FORM, "grant_type": grant_type})

    assert caught.value.code == "unsupported_grant_type"


# --- whether the code fits ---

ASKED = CodeRequest("the-code", URI, VERIFIER)


def check(asked: CodeRequest = ASKED, *, now: datetime = NOW, challenge: str = CHALLENGE) -> None:
    check_code(asked, redirect_uri=URI, code_challenge=challenge, expires_at=NOW + SECOND, now=now)


def test_what_fits_is_not_refused():
    check()


# RFC 7636, appendix B.
RFC_VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
RFC_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_verifier_of_rfc_7636_fits_its_challenge():
    check(replace(ASKED, code_verifier=RFC_VERIFIER), challenge=RFC_CHALLENGE)


def s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.parametrize("length", [43, 44, 127, 128])
def test_a_verifier_may_have_43_to_128_characters(length):
    verifier = ("aZ09-._~" * 16)[:length]

    check(replace(ASKED, code_verifier=verifier), challenge=s256(verifier))


@pytest.mark.parametrize(
    "verifier",
    [
        "",
        "v",
        "v" * 42,
        "v" * 129,
        "v" * 4096,
        "v" * 42 + "\u00fc",
        "v" * 42 + "+",
        "v" * 42 + "/",
        "v" * 42 + "=",
        "v" * 42 + " ",
        "v" * 43 + "\n",
    ],
)
def test_a_verifier_of_another_form_is_refused_even_if_its_hash_fits(verifier):
    with pytest.raises(SentError) as caught:
        check(replace(ASKED, code_verifier=verifier), challenge=s256(verifier))

    assert caught.value.code == "invalid_grant"
    assert "43 to 128" in caught.value.detail


@pytest.mark.parametrize("verifier", ["w" * 43, VERIFIER + "v", VERIFIER.upper(), CHALLENGE])
def test_another_verifier_is_refused(verifier):
    with pytest.raises(SentError) as caught:
        check(replace(ASKED, code_verifier=verifier))

    assert caught.value.code == "invalid_grant"
    assert "does not fit" in caught.value.detail


def test_a_plain_challenge_is_never_compared_as_it_is():
    with pytest.raises(SentError) as caught:
        check(challenge=VERIFIER)

    assert caught.value.code == "invalid_grant"


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/",
        URI.upper(),
        URI + "&",
        URI.partition("?")[0],
        "https://wiki.example:443/callback?from=bridge",
        "https://wiki.example/c%61llback?from=bridge",
        "https://w\u0456ki.example/callback?from=bridge",
    ],
)
def test_another_redirect_uri_is_refused(redirect_uri):
    with pytest.raises(SentError) as caught:
        check(replace(ASKED, redirect_uri=redirect_uri))

    assert caught.value.code == "invalid_grant"
    assert "redirect_uri" in caught.value.detail


@pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(days=1)])
def test_a_code_is_dead_from_the_moment_it_expires(late):
    with pytest.raises(SentError) as caught:
        check(now=NOW + SECOND + late)

    assert caught.value.code == "invalid_grant"
    assert "expired" in caught.value.detail


def test_a_code_lives_until_that_moment():
    check(now=NOW + SECOND - timedelta(microseconds=1))


FAULTS = {
    "late": {"now": NOW + SECOND},
    "elsewhere": {"redirect_uri": "https://evil.example/"},
    "another verifier": {"code_verifier": "w" * 43},
}


@pytest.mark.parametrize(
    "faults", [set(some) for count in (1, 2, 3) for some in combinations(FAULTS, count)]
)
def test_any_of_the_faults_is_enough(faults):
    changes = {key: value for name in faults for key, value in FAULTS[name].items()}
    now = changes.pop("now", NOW)

    with pytest.raises(SentError) as caught:
        check(replace(ASKED, **changes), now=now)

    assert caught.value.code == "invalid_grant"


# --- refresh ---


@pytest.mark.parametrize(
    ("asked", "gets"),
    [
        (None, ("openid", "profile", "email")),
        (("openid",), ("openid",)),
        (("email", "openid"), ("email", "openid")),
        (("openid", "profile", "email"), ("openid", "profile", "email")),
    ],
)
def test_a_refresh_gets_what_was_granted_or_less(asked, gets):
    assert narrow(("openid", "profile", "email"), asked) == gets


@pytest.mark.parametrize("asked", [("offline_access",), ("openid", "admin"), ("Openid",)])
def test_a_refresh_never_gets_more(asked):
    with pytest.raises(SentError) as caught:
        narrow(("openid", "profile"), asked)

    assert caught.value.code == "invalid_scope"


# --- bearer tokens ---


@pytest.mark.parametrize("authorization", ["Bearer abc", "bearer abc", "BEARER a-b_c.d~e+f/g=="])
def test_an_access_token_is_read_from_its_header(authorization):
    assert read_bearer(authorization) == authorization.partition(" ")[2]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer  abc",
        "Bearer a b",
        "Bearer abc\n",
        "Bearer a,b",
        'Bearer "abc"',
        "Bearer =abc",
        "Bearer \u00fc",
        "Basic abc",
        "DPoP abc",
        "abc",
    ],
)
def test_anything_else_is_no_access_token(authorization):
    with pytest.raises(SentError) as caught:
        read_bearer(authorization)

    assert caught.value.code == "invalid_token"
    assert caught.value.status == 401
