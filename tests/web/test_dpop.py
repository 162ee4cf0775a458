"""Tokens that only the holder of a key can use, from end to end."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse

from oidc_bridge.oidc.client import Client, ClientMetadata
from oidc_bridge.oidc.dpop import hash_of
from oidc_bridge.seal import new_secret
from tests.driver import (
    HOMESERVER,
    ISSUER,
    VERIFIER,
    WIKI,
    Person,
    authorize_query,
    enrol,
    query_of,
    secret_of,
)
from tests.fakes import NOW

OFFLINE = {"scope": "openid profile offline_access", "scopes": ("profile", "offline_access")}
KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
SPA = replace(WIKI, id="spa", auth_methods=("none",))


def prove(path: str = "/token", *, key: ECKey = KEY, method: str = "POST", **more: object) -> str:
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}
    claims = {
        "jti": new_secret(),
        "htm": method,
        "htu": f"{ISSUER}{path}",
        "iat": int(NOW.timestamp()),
    }
    return jwt.encode(header, claims | more, key)


def ask(app: Flask, client: Client, proof: str | None, **form: str) -> TestResponse:
    is_public = client.is_public
    return app.test_client().post(
        "/token",
        data=form | ({"client_id": client.id} if is_public else {}),
        base_url=ISSUER,
        auth=None if is_public else (client.id, secret_of(client)),
        headers={"DPoP": proof} if proof else {},
    )


def redeem(
    app: Flask, person: Person, client: Client = HOMESERVER, proof: str | None = None
) -> TestResponse:
    code = query_of(person.sign_in(client, **OFFLINE))["code"]
    return ask(
        app,
        client,
        proof,
        grant_type="authorization_code",
        code=code,
        redirect_uri=client.redirect_uris[0],
        code_verifier=VERIFIER,
    )


def refresh(app: Flask, tokens: dict[str, str], client: Client, proof: str | None) -> TestResponse:
    token = tokens["refresh_token"]
    return ask(app, client, proof, grant_type="refresh_token", refresh_token=token)


def userinfo(app: Flask, token: str, scheme: str, *proofs: str) -> TestResponse:
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
    return app.test_client().get("/userinfo", base_url=ISSUER, headers=headers)


def proof_for(token: str, **more: object) -> str:
    return prove("/userinfo", **{"method": "GET", "ath": hash_of(token), **more})


@pytest.fixture
def bound(app: Flask, ann: Person) -> dict[str, str]:
    return redeem(app, ann, proof=prove()).get_json()


@pytest.mark.spec("RFC 9449", "5")
def test_a_token_that_was_asked_for_with_a_proof_opens_with_proofs(
    app: Flask, bound: dict[str, str]
) -> None:
    token = bound["access_token"]

    assert bound["token_type"] == "DPoP"
    assert userinfo(app, token, "DPoP", proof_for(token)).status_code == 200
    assert userinfo(app, token, "dpop", proof_for(token)).status_code == 200


@pytest.mark.spec("RFC 9449", "7.2")
def test_a_bound_token_is_no_bearer_token(app: Flask, bound: dict[str, str]) -> None:
    token = bound["access_token"]
    posted = app.test_client().post("/userinfo", data={"access_token": token}, base_url=ISSUER)

    for answer in (userinfo(app, token, "Bearer", proof_for(token)), posted):
        assert answer.status_code == 401
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith("DPoP ")
        assert 'error="invalid_token"' in challenge
        assert 'algs="RS256 PS256 ES256 EdDSA"' in challenge


def test_a_bound_token_without_its_proof_opens_nothing(app: Flask, bound: dict[str, str]) -> None:
    token = bound["access_token"]
    proof = proof_for(token)
    cases = {
        "no proof": (),
        "two proofs": (proof_for(token), proof_for(token)),
        "another's proof": (proof_for(token, key=OTHER),),
        "a proof for another token": (proof_for("other"),),
        "a proof for another endpoint": (prove(ath=hash_of(token)),),
        "no JWT": ("x",),
        "used before": (proof,),
    }
    assert userinfo(app, token, "DPoP", proof).status_code == 200

    for case, proofs in cases.items():
        answer = userinfo(app, token, "DPoP", *proofs)
        assert answer.status_code == 401, case
        assert answer.headers["WWW-Authenticate"].startswith("DPoP "), case


def test_a_bearer_token_is_no_bound_token(app: Flask, ann: Person) -> None:
    token = redeem(app, ann).get_json()["access_token"]

    assert userinfo(app, token, "DPoP", proof_for(token)).status_code == 401
    assert userinfo(app, token, "Bearer").status_code == 200


def test_a_proof_is_good_once_by_however_many_at_once(app: Flask, bound: dict[str, str]) -> None:
    token = bound["access_token"]
    proof = proof_for(token)

    with ThreadPoolExecutor(50) as pool:
        answers = pool.map(lambda _: userinfo(app, token, "DPoP", proof).status_code, range(50))

    assert Counter(answers) == {200: 1, 401: 49}


@pytest.mark.parametrize("proof", ["x", prove("/userinfo"), prove(method="GET")])
def test_a_bad_proof_at_the_token_endpoint_is_refused_and_costs_no_code(
    app: Flask, ann: Person, proof: str
) -> None:
    code = query_of(ann.sign_in(**OFFLINE))["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": HOMESERVER.redirect_uris[0],
        "code_verifier": VERIFIER,
    }

    answer = ask(app, HOMESERVER, proof, **form)

    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_dpop_proof")
    assert ask(app, HOMESERVER, prove(), **form).status_code == 200


@pytest.mark.spec("RFC 9449", "5.2")
def test_a_client_that_is_registered_for_it_gets_nothing_without(app: Flask, ann: Person) -> None:
    client = enrol(
        app, replace(WIKI, id="strict", metadata=ClientMetadata(dpop_bound_access_tokens=True))
    )

    assert redeem(app, ann, client).get_json()["error"] == "invalid_dpop_proof"
    tokens = redeem(app, ann, client, prove()).get_json()
    assert refresh(app, tokens, client, None).get_json()["error"] == "invalid_dpop_proof"
    assert refresh(app, tokens, client, prove()).get_json()["token_type"] == "DPoP"


def test_a_public_clients_refresh_token_is_bound_too(app: Flask, ann: Person) -> None:
    enrol(app, SPA)
    tokens = redeem(app, ann, SPA, prove()).get_json()

    for proof in (None, prove(key=OTHER)):
        assert refresh(app, tokens, SPA, proof).get_json()["error"] == "invalid_grant"
    again = refresh(app, tokens, SPA, prove())
    assert again.get_json()["token_type"] == "DPoP"
    assert refresh(app, again.get_json(), SPA, None).get_json()["error"] == "invalid_grant"


def test_a_confidential_client_may_change_its_key(app: Flask, bound: dict[str, str]) -> None:
    """RFC 9449 section 5: its refresh token is bound to how it authenticates."""
    tokens = refresh(app, bound, HOMESERVER, prove(key=OTHER)).get_json()
    token = tokens["access_token"]

    assert userinfo(app, token, "DPoP", proof_for(token)).status_code == 401
    assert userinfo(app, token, "DPoP", proof_for(token, key=OTHER)).status_code == 200


@pytest.mark.spec("RFC 9449", "6.2")
def test_introspection_tells_the_key(app: Flask, bound: dict[str, str]) -> None:
    told = app.test_client().post(
        "/introspect",
        data={"token": bound["access_token"]},
        base_url=ISSUER,
        auth=(HOMESERVER.id, secret_of(HOMESERVER)),
    )

    assert told.get_json()["token_type"] == "DPoP"
    assert told.get_json()["cnf"] == {"jkt": KEY.thumbprint()}


# --- a proof at the pushed authorization request endpoint ---


def push(app: Flask, *proofs: str, **changes: str | None) -> TestResponse:
    return app.test_client().post(
        "/par",
        data=authorize_query(HOMESERVER, **changes),
        base_url=ISSUER,
        auth=(HOMESERVER.id, secret_of(HOMESERVER)),
        headers=[("DPoP", proof) for proof in proofs],
    )


def redeem_pushed(
    app: Flask, person: Person, answer: TestResponse, proof: str | None
) -> TestResponse:
    query = urlencode({"client_id": HOMESERVER.id, "request_uri": answer.get_json()["request_uri"]})
    step = person.get(f"/authorize?{query}").location
    if step.startswith("/sign-in/"):
        step = person.prove(step).location
    return ask(
        app,
        HOMESERVER,
        proof,
        grant_type="authorization_code",
        code=query_of(person.decide(step).location)["code"],
        redirect_uri=HOMESERVER.redirect_uris[0],
        code_verifier=VERIFIER,
    )


@pytest.mark.spec("RFC 9449", "10.1")
@pytest.mark.parametrize("jkt", [None, KEY.thumbprint()], ids=["proof alone", "both"])
def test_a_proof_at_par_binds_the_code_to_its_key(app: Flask, ann: Person, jkt: str | None) -> None:
    for proof in (None, prove(key=OTHER)):
        refused = redeem_pushed(app, ann, push(app, prove("/par"), dpop_jkt=jkt), proof)
        assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")

    answer = redeem_pushed(app, ann, push(app, prove("/par"), dpop_jkt=jkt), prove())

    assert answer.get_json()["token_type"] == "DPoP"


@pytest.mark.spec("RFC 9449", "10.1")
def test_a_proof_at_par_by_another_key_than_dpop_jkt_is_refused(app: Flask) -> None:
    answer = push(app, prove("/par"), dpop_jkt=OTHER.thumbprint())

    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")
    assert "dpop_jkt" in answer.get_json()["error_description"]


def test_a_bad_proof_at_par_is_refused(app: Flask) -> None:
    used = prove("/par")
    assert push(app, used).status_code == 201
    cases = {
        "used before": (used,),
        "for another endpoint": (prove("/token"),),
        "for another method": (prove("/par", method="GET"),),
        "two": (prove("/par"), prove("/par")),
        "no JWT": ("x",),
        "too old": (prove("/par", iat=int(NOW.timestamp()) - 61),),
    }

    for case, proofs in cases.items():
        answer = push(app, *proofs)
        assert answer.status_code == 400, case
        assert answer.get_json()["error"] == "invalid_dpop_proof", case


def test_a_proof_that_was_used_at_par_is_used_up_for_fifty_at_once(app: Flask) -> None:
    proof = prove("/par")

    with ThreadPoolExecutor(50) as pool:
        answers = pool.map(lambda _: push(app, proof).status_code, range(50))

    assert Counter(answers) == {201: 1, 400: 49}
