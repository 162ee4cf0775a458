"""Clients: what may be registered, and whose secret is whose."""

import json
from dataclasses import replace

import pytest

from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.client import (
    ClientMetadata,
    check_backchannel_uri,
    check_redirect_uri,
    redirect_uri_matches,
)
from oidc_bridge.seal import digest_of
from tests.driver import WIKI

GOOD = [
    "https://wiki.example",
    "https://wiki.example/",
    "https://wiki.example/callback",
    "https://wiki.example:8443/callback",
    "https://wiki.example/callback?from=bridge&to=wiki",
    "https://wiki.example/a%20b;c=d/~e!$'()*+,",
    "https://xn--bcher-kva.example/callback",
    "https://10.0.0.7/callback",
    "https://[2001:db8::1]/callback",
    "https://wiki.example/callback?decode=1&statement=2&issue=3&errors=4",
    "http://localhost/callback",
    "http://localhost:5000/callback",
    "http://127.0.0.1:5000/callback",
    "http://[::1]:5000/callback",
]


@pytest.mark.parametrize("uri", GOOD)
def test_a_redirect_uri_on_the_web_may_be_registered_as_it_is(uri):
    assert check_redirect_uri(uri) == uri


BAD = {
    "nothing": "",
    "a word": "wiki",
    "no scheme": "//wiki.example/callback",
    "path": "/callback",
    "no host": "https:///callback",
    "no authority": "https:wiki.example/callback",
    "port only": "https://:443/callback",
    "http": "http://wiki.example/callback",
    "http on a private address": "http://10.0.0.7/callback",
    "http on a look-alike of localhost": "http://localhost.evil.example/callback",
    "http on a look-alike of loopback": "http://127.0.0.1.evil.example/callback",
    "http on another loopback address": "http://127.0.0.2/callback",
    "javascript": "javascript:alert(1)",
    "javascript with a host": "javascript://wiki.example/%0aalert(1)",
    "data": "data:text/html,hello",
    "custom scheme": "org.wiki.app:/callback",
    "custom scheme with a host": "wiki://wiki.example/callback",
    "ftp": "ftp://wiki.example/callback",
    "fragment": "https://wiki.example/callback#top",
    "empty fragment": "https://wiki.example/callback#",
    "user": "https://wiki@evil.example/callback",
    "user and password": "https://wiki.example:443@evil.example/callback",
    "empty user": "https://@wiki.example/callback",
    "backslash": "https://wiki.example\\callback",
    "backslash and at": "https://evil.example\\@wiki.example/callback",
    "space": "https://wiki.example/call back",
    "space in front": " https://wiki.example/callback",
    "space behind": "https://wiki.example/callback ",
    "tab": "https://wiki.example/call\tback",
    "line feed": "https://wiki.example/callback\n",
    "NUL": "https://wiki.example/callback\0",
    "DEL": "https://wiki.example/callback\x7f",
    "umlaut in host": "https://b\u00fccher.example/callback",
    "umlaut in path": "https://wiki.example/b\u00fccher",
    "port too big": "https://wiki.example:65536/callback",
    "port no number": "https://wiki.example:port/callback",
    "port negative": "https://wiki.example:-1/callback",
    "bracket open": "https://[::1/callback",
    "brackets around a name": "https://[wiki.example]/callback",
    "bracket behind a name": "https://wiki.example[::1]/callback",
    "name behind a bracket": "https://[::1].evil.example/callback",
    "wildcard": "https://*.wiki.example/callback",
    "percent in host": "https://wiki%2eexample/callback",
    "semicolon in host": "https://wiki.example;script-src/callback",
    "comma in host": "https://wiki.example,evil.example/callback",
    "quote in host": "https://wiki.example'/callback",
    "markup in host": "https://wiki.example<b>/callback",
    "empty label": "https://wiki..example/callback",
    "dot": "https://./callback",
}


@pytest.mark.parametrize("case", BAD)
def test_a4_what_is_no_plain_web_address_is_never_registered(case):
    with pytest.raises(BridgeError) as caught:
        check_redirect_uri(BAD[case])

    assert caught.value.code == "invalid_redirect_uri"


RESERVED = ["code", "state", "iss", "error", "error_description", "error_uri"]


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize(
    "query", ["{}=x", "{}=", "{}", "a=b&{}=x", "{}=x&a=b", "&&{}=x", "a&{}", "{}=x;y"]
)
def test_a2_a_query_with_a_parameter_that_we_append_is_never_registered(name, query):
    with pytest.raises(BridgeError) as caught:
        check_redirect_uri(f"https://wiki.example/callback?{query.format(name)}")

    assert caught.value.code == "invalid_redirect_uri"
    assert name in caught.value.detail


@pytest.mark.parametrize("query", ["%63ode=x", "c%6Fde=x", "stat%65=x", "%69%73%73=x"])
def test_a2_a_parameter_that_we_append_cannot_hide_behind_percent_signs(query):
    with pytest.raises(BridgeError) as caught:
        check_redirect_uri(f"https://wiki.example/callback?{query}")

    assert caught.value.code == "invalid_redirect_uri"


@pytest.mark.parametrize(
    "uri",
    [
        "https://matrix.example/_synapse/client/oidc/backchannel_logout",
        "http://synapse:8008/_synapse/client/oidc/backchannel_logout",
        "http://10.0.0.7:8008/logout?tenant=a",
    ],
)
def test_logout_tokens_may_go_to_any_web_address_that_an_operator_names(uri):
    assert check_backchannel_uri(uri) == uri


@pytest.mark.spec("Back-Channel Logout", "2.2")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "matrix.example/logout",
        "/logout",
        "https:///logout",
        "ftp://matrix.example/logout",
        "javascript:alert(1)",
        "https://matrix.example/logout#top",
        "https://matrix.example/logout#",
        "https://user:password@matrix.example/logout",
        "https://[::1/logout",
        "https://matrix.example:port/logout",
        "https://matrix.example:65536/logout",
        "https://matrix.example/log out",
        "https://matrix.example/logout\n",
    ],
)
def test_logout_tokens_go_nowhere_else(uri):
    with pytest.raises(BridgeError) as caught:
        check_backchannel_uri(uri)

    assert caught.value.code == "invalid_client_metadata"


def test_redirect_uris_match_character_for_character():
    registered = ("https://a.example/cb", "https://b.example/cb?x=1")

    assert redirect_uri_matches("https://a.example/cb", registered)
    assert redirect_uri_matches("https://b.example/cb?x=1", registered)
    assert not redirect_uri_matches("https://a.example/cb/", registered)
    assert not redirect_uri_matches("https://b.example/cb", registered)
    assert not redirect_uri_matches("", registered)
    assert not redirect_uri_matches("", ())


def test_each_valid_secret_is_known_and_no_other():
    wiki = replace(WIKI, secret_digests=(digest_of("new"), digest_of("old")))

    assert wiki.has_secret(digest_of("new"))
    assert wiki.has_secret(digest_of("old"))
    assert not wiki.has_secret(digest_of("older"))
    assert not wiki.has_secret(digest_of(""))
    assert not wiki.has_secret("")
    assert not wiki.has_secret(digest_of("new")[:-1])


def test_a_client_without_secrets_knows_none():
    assert not WIKI.has_secret(digest_of(""))
    assert not WIKI.has_secret("")


# ---- metadata


def test_metadata_survives_its_json():
    metadata = ClientMetadata(
        contacts=("ann@wiki.example",),
        default_max_age=60,
        jwks={"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]},
        post_logout_redirect_uris=("https://wiki.example/bye",),
        userinfo_signed_response_alg="RS256",
    )

    assert ClientMetadata.from_json(json.loads(json.dumps(metadata.to_json()))) == metadata


def test_what_was_not_registered_is_not_kept():
    assert ClientMetadata().to_json() == {}
    assert ClientMetadata.from_json({}) == ClientMetadata()
