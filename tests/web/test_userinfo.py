"""Userinfo, and what is signed for whom with which key."""

from dataclasses import replace

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import LargeBinary, select
from werkzeug.test import TestResponse

from oidc_bridge.oidc.client import Client, ClientMetadata
from oidc_bridge.oidc.jose import ANY_ALGORITHM
from oidc_bridge.oidc.keys import SIGNING_ALGORITHMS, subject_of
from oidc_bridge.oidc.tokens import left_half_hash
from oidc_bridge.storage import read
from oidc_bridge.storage.keys import SigningKeyRow
from tests.driver import ISSUER, WIKI, Person, enrol, query_of, redeem, userinfo

OFFLINE = {"scope": "openid profile offline_access", "scopes": ("profile", "offline_access")}
FORM = "application/x-www-form-urlencoded"


def signing(app: Flask, **metadata: str) -> Client:
    return enrol(app, replace(WIKI, id="signed", metadata=ClientMetadata(**metadata)))


def open_token(app: Flask, token: str) -> tuple[dict[str, object], dict[str, object]]:
    """Return header and claims, the signature checked against what is published."""
    keys = KeySet.import_key_set(app.test_client().get("/jwks", base_url=ISSUER).get_json())
    opened = jwt.decode(token, keys, registry=ANY_ALGORITHM)
    return opened.header, opened.claims


def post(app: Flask, data: object = None, **headers: str) -> TestResponse:
    content_type = headers.pop("Content-Type", None)
    return app.test_client().post(
        "/userinfo", data=data, base_url=ISSUER, headers=headers, content_type=content_type
    )


@pytest.mark.spec("OIDC Core", "5.3.1")
def test_the_token_may_come_in_the_header_or_in_the_body(app: Flask, ann: Person) -> None:
    token = str(ann.tokens()["access_token"])
    expected = userinfo(app, token).get_json()

    for answer in (
        post(app, Authorization=f"Bearer {token}"),
        post(app, {"x": "y"}, Authorization=f"Bearer {token}"),
        post(app, {"access_token": token}),
    ):
        assert answer.status_code == 200
        assert answer.get_json() == expected


@pytest.mark.spec("RFC 6750", "2.3")
def test_k4_a_token_in_the_query_is_refused(app: Flask, ann: Person) -> None:
    token = str(ann.tokens()["access_token"])

    answer = app.test_client().get(f"/userinfo?access_token={token}", base_url=ISSUER)

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "invalid_request"
    assert 'error="invalid_request"' in answer.headers["WWW-Authenticate"]
    assert token not in answer.text


def test_a_token_sent_twice_is_refused(app: Flask, ann: Person) -> None:
    token = str(ann.tokens()["access_token"])

    both = post(app, {"access_token": token}, Authorization=f"Bearer {token}")
    repeated = post(app, f"access_token={token}&access_token={token}", **{"Content-Type": FORM})

    assert both.status_code == repeated.status_code == 400


def test_k10_a_token_in_another_kind_of_body_is_not_seen(app: Flask, ann: Person) -> None:
    token = str(ann.tokens()["access_token"])

    for data, kind in [
        (f'{{"access_token": "{token}"}}', "application/json"),
        ({"access_token": token}, "multipart/form-data"),
    ]:
        answer = post(app, data, **{"Content-Type": kind})
        assert answer.status_code == 401


@pytest.mark.parametrize("kind", ["id_token", "refresh_token"])
def test_k6_nothing_but_an_access_token_opens_it_however_it_is_sent(
    app: Flask, ann: Person, kind: str
) -> None:
    token = str(ann.tokens(**OFFLINE)[kind])

    for answer in (post(app, {"access_token": token}), userinfo(app, token)):
        assert answer.status_code == 401
        assert answer.get_json()["error"] == "invalid_token"
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_k6_a_code_opens_nothing_however_it_is_sent(app: Flask, ann: Person) -> None:
    code = query_of(ann.sign_in())["code"]

    assert post(app, {"access_token": code}).status_code == 401
    assert redeem(app, code).status_code == 200


def test_i3_the_claims_are_those_of_this_tokens_scopes(app: Flask, ann: Person) -> None:
    wide = ann.tokens()
    narrow = ann.tokens(prompt="consent", scopes=())

    assert "name" in userinfo(app, str(wide["access_token"])).get_json()
    assert "name" not in userinfo(app, str(narrow["access_token"])).get_json()


@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
@pytest.mark.spec("OIDC Core", "5.3.2")
def test_userinfo_is_signed_for_a_client_that_asked_for_it(
    app: Flask, ann: Person, algorithm: str
) -> None:
    client = signing(app, userinfo_signed_response_alg=algorithm)
    tokens = ann.tokens(client)

    answer = userinfo(app, str(tokens["access_token"]))

    assert answer.content_type == "application/jwt"
    header, claims = open_token(app, answer.text)
    assert header["alg"] == algorithm
    assert (claims["iss"], claims["aud"]) == (ISSUER, "signed")
    assert claims["sub"] == open_token(app, str(tokens["id_token"]))[1]["sub"]
    assert claims["name"] == "Ann Example"
    assert not {"nonce", "exp", "at_hash"} & set(claims)  # it is no ID token


@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_an_id_token_is_signed_as_its_client_registered(
    app: Flask, ann: Person, algorithm: str
) -> None:
    tokens = ann.tokens(signing(app, id_token_signed_response_alg=algorithm))

    header, claims = open_token(app, str(tokens["id_token"]))

    assert header["alg"] == algorithm
    assert claims["at_hash"] == left_half_hash(str(tokens["access_token"]), algorithm)


# --- J: keys and JOSE ---

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def test_j5_what_is_published_is_public_and_says_what_for(app: Flask) -> None:
    published = app.test_client().get("/jwks", base_url=ISSUER).get_json()["keys"]

    assert len({key["kid"] for key in published}) == len(published) == 6
    for key in published:
        assert not PRIVATE & set(key)
        assert key["use"] == "sig"
        assert key["kid"] == KeySet.import_key_set({"keys": [key]}).keys[0].thumbprint()
    found = sorted((key["kty"], key.get("crv", ""), key["alg"]) for key in published)
    assert found == sorted(
        [("RSA", "", "RS256"), ("EC", "P-256", "ES256"), ("OKP", "Ed25519", "EdDSA")] * 2
    )


def test_j5_private_keys_are_wrapped_at_rest(app: Flask) -> None:
    with app.app_context(), read() as connection:
        kept = list(connection.execute(select(SigningKeyRow.private_key)).scalars())

    assert isinstance(SigningKeyRow.private_key.type, LargeBinary)
    for private_key in kept:
        assert b"PRIVATE KEY" not in bytes(private_key)


@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_j7_a_hint_must_be_ours_for_this_client(app: Flask, ann: Person, algorithm: str) -> None:
    tokens = ann.tokens(signing(app, id_token_signed_response_alg=algorithm))
    ours = str(tokens["id_token"])
    keys = app.extensions["oidc_bridge"].snapshots.current().keys
    header, payload, signature = ours.split(".")
    sub = open_token(app, ours)[1]["sub"]

    def read_hint(token: str, audience: str = "signed", issuer: str = ISSUER) -> str:
        return subject_of(token, keys, issuer=issuer, audience=audience)

    assert read_hint(ours) == sub
    for forged in (
        f"eyJhbGciOiJub25lIn0.{payload}.",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        f"{'W' * 4000}.{payload}.{signature}",
        f"WyJhbGciXQ.{payload}.{signature}",
        "",
    ):
        assert read_hint(forged) == ""
    assert read_hint(ours, audience="wiki") == ""
    assert read_hint(ours, issuer="https://other.example") == ""
