"""Token requests: whether what a client holds fits. (One code, one taker: storage.)"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.redeem import (
    CodeRequest,
    RefreshRequest,
    check_code,
    narrow,
    read_form,
    read_request,
)
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


# --- the form ---


def test_empty_fields_count_as_not_sent():
    assert read_form([("scope", ""), ("code", "x"), ("scope", "")]) == {"code": "x"}


@pytest.mark.spec("RFC 6749", "3.2")
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


# --- what is asked ---


@pytest.mark.parametrize(("size", "is_read"), [(16_384, True), (16_385, False)])
def test_a_request_object_that_is_pushed_may_be_longer(size, is_read):
    if is_read:
        assert read_form([("request", "x" * size)])
        return
    with pytest.raises(SentError) as caught:
        read_form([("request", "x" * size)])
    assert caught.value.code == "invalid_request"


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


@pytest.mark.spec("RFC 7636", "4.6")
def test_the_verifier_of_rfc_7636_fits_its_challenge():
    check(replace(ASKED, code_verifier=RFC_VERIFIER), challenge=RFC_CHALLENGE)


def s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.spec("RFC 7636", "4.1")
@pytest.mark.parametrize("length", [43, 44, 127, 128])
def test_a_verifier_may_have_43_to_128_characters(length):
    verifier = ("aZ09-._~" * 16)[:length]

    check(replace(ASKED, code_verifier=verifier), challenge=s256(verifier))


@pytest.mark.parametrize(
    "verifier",
    [
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
def test_k3_a_verifier_of_another_form_is_refused_even_if_its_hash_fits(verifier):
    with pytest.raises(SentError) as caught:
        check(replace(ASKED, code_verifier=verifier), challenge=s256(verifier))

    assert caught.value.code == "invalid_grant"
    assert "43 to 128" in caught.value.detail


def test_a_challenge_needs_its_verifier():
    form = {name: value for name, value in FORM.items() if name != "code_verifier"}
    asked = read_request(form, require_pkce=False)
    assert isinstance(asked, CodeRequest)

    with pytest.raises(SentError) as caught:
        check(asked)

    assert caught.value.code == "invalid_request"
    assert caught.value.detail == "code_verifier is missing."


def test_a_code_that_was_made_without_a_challenge_needs_no_verifier():
    check(replace(ASKED, code_verifier=""), challenge="")


@pytest.mark.spec("RFC 9700", "2.1.1")
def test_a_verifier_without_a_challenge_is_refused():
    with pytest.raises(SentError) as caught:
        check(ASKED, challenge="")

    assert caught.value.code == "invalid_grant"
    assert "without a code_challenge" in caught.value.detail


@pytest.mark.spec("RFC 7636", "4.6")
@pytest.mark.parametrize("verifier", ["w" * 43, VERIFIER + "v", VERIFIER.upper(), CHALLENGE])
def test_k3_another_verifier_is_refused(verifier):
    with pytest.raises(SentError) as caught:
        check(replace(ASKED, code_verifier=verifier))

    assert caught.value.code == "invalid_grant"
    assert "does not fit" in caught.value.detail


def test_k3_a_plain_challenge_is_never_compared_as_it_is():
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
def test_k1_any_of_the_faults_is_enough(faults):
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
