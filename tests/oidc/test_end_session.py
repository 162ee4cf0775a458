"""A logout request: what in it is believed, and what counts as not sent."""

import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from oidc_bridge.oidc.client import ClientMetadata
from oidc_bridge.oidc.end_session import LogoutRequest, read_logout
from oidc_bridge.oidc.keys import make_key, sign
from tests.driver import HOMESERVER, ISSUER, WIKI
from tests.fakes import base64url

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = make_key(bits=2048, state="active", now=NOW)
STRANGER = make_key(bits=2048, state="active", now=NOW)
RETURN = "https://wiki.example/bye?from=bridge"
LEAVING = replace(WIKI, metadata=ClientMetadata(post_logout_redirect_uris=(RETURN,)))
CLIENTS = {LEAVING.id: LEAVING, HOMESERVER.id: HOMESERVER}
CLAIMS = {"iss": ISSUER, "aud": "wiki", "sub": "s", "sid": "sid-1", "exp": 1}


def hint(typ: str = "JWT", key=KEY, without: tuple[str, ...] = (), **changes: object) -> str:
    claims = {name: value for name, value in (CLAIMS | changes).items() if name not in without}
    return sign(claims, key, typ=typ)


def read(id_token: str | None = None, **parameters: str) -> LogoutRequest:
    given = {"post_logout_redirect_uri": RETURN, **parameters}
    if id_token is not None:
        given["id_token_hint"] = id_token
    return read_logout(given, clients=CLIENTS, keys=[KEY], issuer=ISSUER)


@pytest.mark.spec("RP-Initiated Logout", "2")
def test_a_hint_of_ours_is_believed_long_after_it_has_expired():
    asked = read(hint())

    assert asked.hint is not None
    assert (asked.hint.client, asked.hint.sid) == (LEAVING, "sid-1")
    assert asked.return_url == RETURN


def unsigned(claims: dict[str, object]) -> str:
    token = sign(claims, KEY, typ="JWT")
    header = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    return f"{header}.{token.split('.')[1]}."


def symmetric() -> str:
    header = base64url(json.dumps({"alg": "HS256", "typ": "JWT", "kid": KEY.kid}).encode())
    signed = f"{header}.{base64url(json.dumps(CLAIMS).encode())}"
    digest = hmac.digest(KEY.key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64url(digest)}"


NO_HINTS = {
    "nothing": "",
    "no token": "hint",
    "two dots": "..",
    "unsigned": unsigned(CLAIMS),
    "signed by a stranger": hint(key=STRANGER),
    "signed with our public key as a secret": symmetric(),
    "another issuer": hint(iss="https://evil.example"),
    "no issuer": hint(without=("iss",)),
    "a client that is gone": hint(aud="gone"),
    "no audience": hint(without=("aud",)),
    "a list of audiences": hint(aud=["wiki"]),
    "no session": hint(without=("sid",)),
    "a number for a session": hint(sid=7),
    "a logout token": hint(typ="logout+jwt"),
    "an access token": hint(typ="at+jwt"),
    "cut off": hint()[:-9],
    "not in ASCII": "hïnt",
}


@pytest.mark.parametrize("case", NO_HINTS)
def test_what_is_no_id_token_of_ours_counts_as_not_sent(case):
    asked = read(NO_HINTS[case], client_id="wiki")

    assert asked.hint is None
    assert asked.return_url is None


@pytest.mark.spec("RP-Initiated Logout", "2")
def test_a_client_id_that_is_not_the_hints_makes_it_no_hint():
    assert read(hint(), client_id="wiki").hint is not None

    asked = read(hint(), client_id="synapse")

    assert asked.hint is None
    assert asked.return_url is None


@pytest.mark.spec("RP-Initiated Logout", "3")
def test_without_a_hint_nobody_is_sent_anywhere():
    assert read(client_id="wiki").return_url is None
    assert read().return_url is None


def test_the_address_of_another_client_is_not_the_hints():
    assert read(hint(aud="synapse")).return_url is None


LOOK_ALIKES = [
    "",
    "https://wiki.example/bye",
    "https://wiki.example/bye?",
    "https://wiki.example/bye?from=bridge&",
    "https://wiki.example/bye?from=bridge&to=evil",
    "https://wiki.example/bye?from=Bridge",
    "https://wiki.example/bye?from=bridge#top",
    "https://wiki.example/bye?from=bridge ",
    " https://wiki.example/bye?from=bridge",
    "https://wiki.example/bye/?from=bridge",
    "https://wiki.example/./bye?from=bridge",
    "https://wiki.example/a/../bye?from=bridge",
    "https://wiki.example//bye?from=bridge",
    "https://wiki.example/%62ye?from=bridge",
    "https://wiki.example/bye%3ffrom=bridge",
    "https://wiki.example:443/bye?from=bridge",
    "https://WIKI.example/bye?from=bridge",
    "HTTPS://wiki.example/bye?from=bridge",
    "http://wiki.example/bye?from=bridge",
    "https://wiki.example./bye?from=bridge",
    "https://wiki.example@evil.example/bye?from=bridge",
    "https://wiki.example.evil.example/bye?from=bridge",
    "https://evil.example/https://wiki.example/bye?from=bridge",
    "https://evil.example\\@wiki.example/bye?from=bridge",
    "https://wiki.example\\.evil.example/bye?from=bridge",
    "//wiki.example/bye?from=bridge",
    "/\\wiki.example/bye?from=bridge",
    "/bye?from=bridge",
    "javascript:alert(1)//https://wiki.example/bye?from=bridge",
    "https://wiki.example/callback?from=bridge",
    "\0",
]


@pytest.mark.spec("RP-Initiated Logout", "3")
@pytest.mark.parametrize("uri", LOOK_ALIKES)
def test_the_address_is_compared_character_for_character(uri):
    asked = read(hint(), post_logout_redirect_uri=uri)

    assert asked.hint is not None
    assert asked.is_led_astray
    assert asked.return_url is None


def test_who_asks_for_no_address_or_for_their_own_is_not_led_astray():
    bare = read_logout({"id_token_hint": hint()}, clients=CLIENTS, keys=[KEY], issuer=ISSUER)

    assert not bare.is_led_astray
    assert not read(hint()).is_led_astray


@pytest.mark.spec("RP-Initiated Logout", "3")
def test_the_state_goes_back_as_it_came():
    assert read(hint(), state="a b&c=d#é").return_url == f"{RETURN}&state=a%20b%26c%3Dd%23%C3%A9"


def test_an_address_without_a_query_gets_one_for_the_state():
    bare = replace(WIKI, metadata=ClientMetadata(post_logout_redirect_uris=("org.wiki.app:/bye",)))
    asked = read_logout(
        {
            "id_token_hint": hint(),
            "post_logout_redirect_uri": "org.wiki.app:/bye",
            "state": "s",
        },
        clients={bare.id: bare},
        keys=[KEY],
        issuer=ISSUER,
    )

    assert asked.return_url == "org.wiki.app:/bye?state=s"
