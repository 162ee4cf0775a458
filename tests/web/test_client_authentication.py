"""Clients at the token endpoint: each way to prove who they are, and no two at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse

from oidc_bridge.oidc.client import Client, ClientMetadata
from oidc_bridge.oidc.client_authentication import ASSERTION_TYPE
from oidc_bridge.storage.prune import prune_all
from tests.conftest import Clock
from tests.driver import HOMESERVER, ISSUER, VERIFIER, WIKI, Person, enrol, query_of, secret_of
from tests.fakes import NOW

KEY = ECKey.generate_key("P-256", {"kid": "key-1"})
SIGNER = replace(
    WIKI,
    id="signer",
    auth_methods=("private_key_jwt",),
    metadata=ClientMetadata(jwks={"keys": [KEY.as_dict(private=False)]}),
)
SPA = replace(WIKI, id="spa", auth_methods=("none",))


@pytest.fixture
def signer(app: Flask) -> Client:
    return enrol(app, SIGNER)


def assertion(jti: str = "jti-1", **changes: object) -> str:
    claims = {
        "iss": "signer",
        "sub": "signer",
        "aud": ISSUER,
        "exp": int(NOW.timestamp()) + 60,
        "jti": jti,
    }
    return jwt.encode({"alg": "ES256", "kid": "key-1"}, claims | changes, KEY)


def post(app: Flask, path: str = "/token", **form: str) -> TestResponse:
    return app.test_client().post(path, data=form, base_url=ISSUER)


def redeem_with(app: Flask, code: str, word: str, client_id: str = "signer") -> TestResponse:
    return post(
        app,
        grant_type="authorization_code",
        code=code,
        redirect_uri=WIKI.redirect_uris[0],
        code_verifier=VERIFIER,
        client_id=client_id,
        client_assertion_type=ASSERTION_TYPE,
        client_assertion=word,
    )


@pytest.mark.spec("OIDC Core", "9")
def test_a_client_signs_for_itself(app: Flask, ann: Person, signer: Client) -> None:
    code = query_of(ann.sign_in(signer))["code"]

    assert redeem_with(app, code, assertion()).status_code == 200


@pytest.mark.spec("RFC 7523", "3")
def test_k5_an_assertion_is_good_once(app: Flask, ann: Person, signer: Client) -> None:
    codes = [query_of(ann.sign_in(signer))["code"] for _ in range(2)]

    first, again = (redeem_with(app, code, assertion()) for code in codes)

    assert first.status_code == 200
    assert again.status_code == 401
    assert again.get_json()["error"] == "invalid_client"
    # Refused before the code was looked at.
    assert redeem_with(app, codes[1], assertion("jti-2")).status_code == 200


def test_k5_a_failed_request_uses_its_assertion_up(app: Flask, ann: Person, signer: Client) -> None:
    code = query_of(ann.sign_in(signer))["code"]
    assert redeem_with(app, "no such code", assertion()).get_json()["error"] == "invalid_grant"

    assert redeem_with(app, code, assertion()).get_json()["error"] == "invalid_client"


def test_k5_an_assertion_that_is_used_fifty_times_at_once_is_good_once(
    app: Flask, signer: Client
) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: redeem_with(app, "none", assertion()), range(50)))

    # Whoever is believed hears of the code.
    told = Counter(answer.get_json()["error"] for answer in answers)
    assert told == {"invalid_grant": 1, "invalid_client": 49}


def test_an_assertion_is_forgotten_only_when_it_has_expired(
    app: Flask, signer: Client, clock: Clock
) -> None:
    redeem_with(app, "none", assertion())

    def pruned() -> int:
        with app.app_context():
            counts = dict(prune_all(now=clock(), token_life=timedelta(hours=1)))
        return counts["used client assertions and DPoP proofs"]

    clock.advance(seconds=60)
    assert pruned() == 0
    clock.advance(seconds=1)
    assert pruned() == 1


@pytest.mark.parametrize(
    "changes",
    [{"aud": "https://other.example"}, {"iss": "wiki"}, {"exp": int(NOW.timestamp())}],
    ids=["aud", "iss", "exp"],
)
def test_k5_an_unfit_assertion_is_refused_and_not_used_up(
    app: Flask, signer: Client, changes: dict[str, object]
) -> None:
    refused = redeem_with(app, "none", assertion(**changes))

    assert refused.status_code == 401
    assert refused.get_json()["error_description"] == "Client authentication failed."
    assert redeem_with(app, "none", assertion()).get_json()["error"] == "invalid_grant"


@pytest.mark.parametrize("client", [HOMESERVER, WIKI, SPA], ids=lambda client: client.id)
def test_a_client_that_does_not_sign_is_not_believed_if_it_does(app: Flask, client: Client) -> None:
    if client is SPA:
        enrol(app, SPA)
    word = assertion(iss=client.id, sub=client.id)

    assert redeem_with(app, "none", word, client.id).get_json()["error"] == "invalid_client"


def test_a_client_that_signs_is_not_believed_by_its_name_or_a_secret(
    app: Flask, signer: Client
) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "signer"}

    for more in ({}, {"client_secret": secret_of(signer)}):
        assert post(app, **form, **more).get_json()["error"] == "invalid_client"


def test_k4_two_ways_at_once_are_refused(app: Flask, signer: Client) -> None:
    answer = app.test_client().post(
        "/token",
        data={"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion()},
        base_url=ISSUER,
        auth=("wiki", secret_of(WIKI)),
    )

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_request"


def test_k4_a_public_client_says_its_name_and_shows_the_verifier(app: Flask, ann: Person) -> None:
    enrol(app, SPA)
    code = query_of(ann.sign_in(SPA))["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": SPA.redirect_uris[0],
        "client_id": "spa",
    }

    assert post(app, **form).get_json()["error"] == "invalid_request"
    assert post(app, **form, code_verifier=VERIFIER).status_code == 200


@pytest.mark.parametrize("name", ["client_secret", "code", "refresh_token", "client_id", "x"])
def test_k4_whatever_stands_in_the_query_is_refused(app: Flask, name: str) -> None:
    answer = app.test_client().post(
        f"/token?{name}=value",
        data={"grant_type": "refresh_token", "refresh_token": "x"},
        base_url=ISSUER,
        auth=(WIKI.id, secret_of(WIKI)),
    )

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_request"
    assert "query" in answer.get_json()["error_description"]
