"""What the demo app checks before it believes."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from oidc_bridge.demo.outside import Reply
from oidc_bridge.demo.pages import DemoError
from oidc_bridge.demo.relying_party import Pending, RelyingParty, SignedIn
from tests.demo.conftest import PLACES, Browser, Net
from tests.fakes import NOW

KEY = RSAKey.generate_key(2048, {"kid": "one"})
PENDING = Pending("state-1", "nonce-1", "v" * 64)
ANSWER = {"state": "state-1", "iss": PLACES.bridge, "code": "code-1"}
NOW_S = int(NOW.timestamp())
CLAIMS: dict[str, Any] = {
    "iss": PLACES.bridge,
    "aud": "demo-app",
    "sub": "someone",
    "nonce": "nonce-1",
    "iat": NOW_S,
    "exp": NOW_S + 60,
}
LOGOUT = {
    **{name: value for name, value in CLAIMS.items() if name != "nonce"},
    "jti": "once",
    "sid": "session-1",
    "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
}


def signed(claims: dict[str, Any], *, key: RSAKey = KEY, alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "kid": "one"}, claims, key, algorithms=[alg])


def a_party(id_token: str = "", *, asked: list[Any] | None = None) -> RelyingParty:
    """Return the demo app at a bridge that answers with *id_token*."""
    documents: dict[str, object] = {
        "/.well-known/openid-configuration": {
            "issuer": PLACES.bridge,
            "authorization_endpoint": f"{PLACES.bridge}/authorize",
            "token_endpoint": f"{PLACES.bridge}/token",
            "jwks_uri": f"{PLACES.bridge}/jwks",
        },
        "/jwks": {"keys": [KEY.as_dict(private=False)]},
        "/token": {"id_token": id_token, "refresh_token": "refresh-2", "expires_in": 300},
    }

    def ask(method: str, url: str, **how: Any) -> Reply:
        if asked is not None:
            asked.append((method, url, how))
        document = documents[url.removeprefix(PLACES.bridge)]
        return Reply(200, json.dumps(document).encode())

    redirect_uri = f"{PLACES.app}/callback"
    return RelyingParty(PLACES.bridge, "demo-app", "secret", redirect_uri, ("openid",), ask)


def test_a_good_answer_is_redeemed_with_its_verifier() -> None:
    asked: list[Any] = []

    known = a_party(signed(CLAIMS), asked=asked).finish(ANSWER, PENDING, now=NOW)

    assert known.claims["sub"] == "someone"
    (token_request,) = (how for _, url, how in asked if url.endswith("/token"))
    assert token_request["form"]["code_verifier"] == PENDING.verifier
    assert token_request["basic"] == ("demo-app", "secret")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"state": "state-2"}, "state_mismatch"),
        ({"state": ""}, "state_mismatch"),
        ({"iss": "https://other.example"}, "issuer_mismatch"),
        ({"code": None}, "invalid_response"),
        ({"error": "access_denied", "error_description": "No."}, "access_denied"),
    ],
)
def test_a_foreign_answer_is_not_redeemed(change: dict[str, str | None], code: str) -> None:
    asked: list[Any] = []
    answer = {name: value for name, value in {**ANSWER, **change}.items() if value is not None}

    with pytest.raises(DemoError) as refused:
        a_party(asked=asked).finish(answer, PENDING, now=NOW)

    assert refused.value.code == code
    assert asked == []


def test_an_answer_without_a_question_is_refused() -> None:
    with pytest.raises(DemoError) as refused:
        a_party().finish(ANSWER, None, now=NOW)

    assert refused.value.code == "state_mismatch"


@pytest.mark.spec("OIDC Core", "3.1.3.7")
@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://other.example"},
        {"aud": "other-app"},
        {"nonce": "nonce-2"},
        {"nonce": None},
        {"sub": None},
        {"exp": NOW_S - 60},
        {"exp": None},
        {"iat": None},
    ],
    ids=str,
)
def test_an_id_token_with_one_fault_is_refused(change: dict[str, Any]) -> None:
    claims = {name: value for name, value in {**CLAIMS, **change}.items() if value is not None}

    with pytest.raises(DemoError) as refused:
        a_party(signed(claims)).finish(ANSWER, PENDING, now=NOW)

    assert refused.value.code == "token_refused"


@pytest.mark.parametrize(
    "token",
    [
        signed(CLAIMS, key=RSAKey.generate_key(2048, {"kid": "one"})),
        signed(CLAIMS, alg="PS256"),
        "no.token.at-all",
        "x",
    ],
    ids=["other key", "other algorithm", "garbage", "shorter garbage"],
)
def test_an_id_token_that_is_not_the_bridges_is_refused(token: str) -> None:
    with pytest.raises(DemoError) as refused:
        a_party(token).finish(ANSWER, PENDING, now=NOW)

    assert refused.value.code == "token_refused"


def test_a_refresh_must_be_of_the_same_person() -> None:
    known = SignedIn(CLAIMS, {}, "openid", 300, "refresh-1")

    again = a_party(signed(CLAIMS)).refresh(known, now=NOW)
    assert (again.refresh_token, again.refreshed) == ("refresh-2", 1)

    with pytest.raises(DemoError) as refused:
        a_party(signed({**CLAIMS, "sub": "other"})).refresh(known, now=NOW)
    assert refused.value.code == "token_refused"


def test_a_logout_token_names_the_session() -> None:
    assert a_party().read_logout(signed(LOGOUT), now=NOW) == "session-1"


@pytest.mark.spec("Back-Channel Logout", "2.6")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"events": {}}, "logout_malformed"),
        ({"nonce": "n"}, "logout_malformed"),
        ({"sid": None}, "token_refused"),
        ({"jti": None}, "token_refused"),
        ({"aud": "other-app"}, "token_refused"),
        ({"exp": NOW_S - 60}, "token_refused"),
    ],
    ids=str,
)
def test_a_logout_token_with_one_fault_is_refused(change: dict[str, Any], code: str) -> None:
    claims = {name: value for name, value in {**LOGOUT, **change}.items() if value is not None}

    with pytest.raises(DemoError) as refused:
        a_party().read_logout(signed(claims), now=NOW)

    assert refused.value.code == code


def test_each_sign_in_has_a_state_nonce_and_verifier_of_its_own() -> None:
    one, url = a_party().begin()
    other, _ = a_party().begin()

    assert not {one.state, one.nonce, one.verifier} & {other.state, other.nonce, other.verifier}
    assert one.state in url
    assert one.verifier not in url


def test_s8_a_code_that_somebody_slips_in_signs_nobody_in(net: Net, at_wallet: Browser) -> None:
    at_wallet.choose("bob")
    at_wallet.decide("allow")
    thief = replace(at_wallet, clients={}, url="", page=None)

    page = thief.open(f"{PLACES.app}/callback?code=x&state=y&iss={PLACES.bridge}")

    assert "state_mismatch" in page


def test_an_expired_token_is_refused_even_if_it_was_good(net: Net) -> None:
    later = NOW + timedelta(minutes=10)

    with pytest.raises(DemoError):
        a_party(signed(CLAIMS)).finish(ANSWER, PENDING, now=later)
