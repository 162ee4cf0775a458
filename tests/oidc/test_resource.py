"""Which access token a request brings, and how."""

import pytest

from oidc_bridge.errors import TokenError
from oidc_bridge.oidc.resource import Presented, read_presented


@pytest.mark.parametrize("authorization", ["Bearer abc", "bearer abc", "BEARER a-b_c.d~e+f/g=="])
@pytest.mark.spec("RFC 6750", "2.1")
def test_an_access_token_is_read_from_its_header(authorization):
    token = authorization.partition(" ")[2]

    assert read_presented(authorization, {}) == Presented(token, "Bearer")


@pytest.mark.parametrize("authorization", ["DPoP abc", "dpop abc"])
@pytest.mark.spec("RFC 9449", "7.1")
def test_a_bound_token_has_a_scheme_of_its_own(authorization):
    assert read_presented(authorization, {}) == Presented("abc", "DPoP")


@pytest.mark.spec("RFC 6750", "2.2")
def test_an_access_token_may_be_posted():
    assert read_presented(None, {"access_token": "abc"}) == Presented("abc", "Bearer")


@pytest.mark.parametrize("authorization", ["Bearer abc", "DPoP abc", "Basic abc", ""])
def test_a_token_that_is_sent_in_two_ways_is_refused(authorization):
    with pytest.raises(TokenError) as caught:
        read_presented(authorization, {"access_token": "abc"})

    assert caught.value.code == "invalid_request"
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "authorization",
    [
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
        "DPoP",
        "DPoP a b",
        "abc",
    ],
)
def test_anything_else_is_no_access_token(authorization):
    with pytest.raises(TokenError) as caught:
        read_presented(authorization, {})

    assert caught.value.code == "invalid_token"
    assert caught.value.status == 401
    assert not caught.value.is_quiet


@pytest.mark.parametrize("token", ["a b", "a,b", "\u00fc", "a\n"])
def test_a_posted_token_has_the_same_letters(token):
    with pytest.raises(TokenError) as caught:
        read_presented(None, {"access_token": token})

    assert caught.value.code == "invalid_token"


def test_who_brings_nothing_is_not_told_of_an_error():
    with pytest.raises(TokenError) as caught:
        read_presented(None, {})

    assert caught.value.is_quiet
