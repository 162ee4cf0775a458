"""Discovery says only what is true: the app is driven for each value, and for one that is not said.

To hold another member, add a row to `WORDS` (or a test that names it in `HELD`).
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.client import Client, ClientMetadata
from oidc_bridge.oidc.policy import check_client
from oidc_bridge.oidc.scopes import SCOPES
from oidc_bridge.storage import write
from oidc_bridge.storage.apps import add_client
from tests.driver import (
    ISSUER,
    VERIFIER,
    WIKI,
    Person,
    ask_token,
    authorize_query,
    enrol,
    query_of,
    read_id_token,
    redeem,
    secret_of,
    userinfo,
)
from tests.fakes import NOW

_EC, _OKP = ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")
_RSA = RSAKey.generate_key(2048)
SIGNERS = {"RS256": _RSA, "PS256": _RSA, "ES256": _EC, "EdDSA": _OKP, "Ed25519": _OKP}
SIGNER = replace(
    WIKI,
    id="signer",
    auth_methods=("private_key_jwt",),
    metadata=ClientMetadata(
        jwks={
            "keys": [
                {**key.as_dict(private=False), "kid": key.thumbprint()} for key in (_RSA, _EC, _OKP)
            ]
        }
    ),
)


@pytest.fixture
def said(app: Flask) -> dict[str, object]:
    return app.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()


def _asks(parameter: str) -> Callable[[Person, str], bool]:
    """The request goes on to a page of ours, or the client is told what is to be asked first."""

    def is_taken(person: Person, word: str) -> bool:
        answer = person.authorize(WIKI, **{parameter: word})
        if answer.status_code != 303 or answer.location.startswith("/"):
            return answer.status_code in (200, 303)
        return query_of(answer.location)["error"] == "login_required"

    return is_taken


def _grant(person: Person, word: str) -> bool:
    form = {"grant_type": word, "code": "x", "redirect_uri": "x", "code_verifier": VERIFIER}
    answer = ask_token(person.app, {**form, "refresh_token": "x"}, WIKI)
    return bool(answer.get_json()["error"] == "invalid_grant")


def _authenticates(person: Person, word: str) -> bool:
    body = {"grant_type": "authorization_code", "client_id": "wiki"}
    headers = {}
    if word == "client_secret_post":
        body["client_secret"] = secret_of(WIKI)
    elif word == "client_secret_basic":
        return ask_token(person.app, body, WIKI).status_code == 400
    elif word == "private_key_jwt":
        return _vouched("token")(person, "ES256")
    elif word == "none":
        public = replace(WIKI, id="public", auth_methods=("none",))
        _add(person.app, public)
        body["client_id"] = "public"
    else:
        body["client_assertion_type"] = "x"
    answer = person.app.test_client().post("/token", data=body, base_url=ISSUER, headers=headers)
    return answer.status_code == 400


def _vouched(endpoint: str) -> Callable[[Person, str], bool]:
    """A client signs for itself at *endpoint* with an algorithm, and is believed."""

    def is_taken(person: Person, word: str) -> bool:
        _add(person.app, SIGNER)
        key = SIGNERS.get(word)
        if key is None:
            return False
        claims = {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": secrets.token_hex(8)}
        payload = json.dumps({**claims, "exp": int(NOW.timestamp()) + 60}).encode()
        header = {"alg": word, "kid": key.thumbprint()}
        form = {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jws.serialize_compact(header, payload, key, algorithms=[word]),
            "token": "x",
        }
        answer = person.app.test_client().post(f"/{endpoint}", data=form, base_url=ISSUER)
        return answer.status_code != 401

    return is_taken


def _authenticates_at(endpoint: str) -> Callable[[Person, str], bool]:
    def is_taken(person: Person, word: str) -> bool:
        if word == "private_key_jwt":
            return _vouched(endpoint)(person, "ES256")
        body = {"token": "x", "client_id": "wiki"}
        client = person.app.test_client()
        match word:
            case "client_secret_basic":
                pair = ("wiki", secret_of(WIKI))
                answer = client.post(f"/{endpoint}", data=body, base_url=ISSUER, auth=pair)
            case "client_secret_post":
                body["client_secret"] = secret_of(WIKI)
                answer = client.post(f"/{endpoint}", data=body, base_url=ISSUER)
            case _:
                _add(person.app, replace(WIKI, id="public", auth_methods=("none",)))
                body["client_id"] = "public"
                answer = client.post(f"/{endpoint}", data=body, base_url=ISSUER)
        return answer.status_code != 401

    return is_taken


def _signs(person: Person, word: str) -> bool:
    _add(person.app, SIGNER)
    key = SIGNERS.get(word)
    if key is None:
        return False
    claims = {**authorize_query(SIGNER), "iss": "signer", "aud": ISSUER}
    payload = json.dumps({**claims, "exp": int(NOW.timestamp()) + 60}).encode()
    token = jws.serialize_compact({"alg": word}, payload, key, algorithms=[word])
    query = urlencode({"client_id": "signer", "request": token})
    return bool(person.get(f"/authorize?{query}").location.startswith("/sign-in/"))


def _acts(person: Person, word: str) -> bool:
    return person.get(f"/account?action={word}").status_code == 303


def _scope(person: Person, word: str) -> bool:
    person.browser = person.new_browser()
    scopes = tuple({word} - {"openid"})
    tokens = person.tokens(WIKI, scope=f"openid {word}", scopes=scopes if word in SCOPES else ())
    return word in str(tokens["scope"]).split()


def _add(app: Flask, client: object) -> None:
    parts = app.extensions["oidc_bridge"]
    with app.app_context():
        if client.id not in parts.snapshots.current().clients:  # type: ignore[attr-defined]
            write(lambda connection: add_client(connection, client, now=NOW))  # type: ignore[arg-type]
            parts.snapshots.forget()


def _tells(what: str) -> Callable[[Person, str], bool]:
    """A client that registered an algorithm gets *what* signed with it; others register none."""
    member = {
        "id_token": "id_token_signed_response_alg",
        "userinfo": "userinfo_signed_response_alg",
        "introspection": "introspection_signed_response_alg",
    }[what]

    def is_taken(person: Person, word: str) -> bool:
        metadata = ClientMetadata.from_json({member: word})
        client = replace(WIKI, id=f"{what}-{word}", metadata=metadata)
        try:
            check_client(client)
        except BridgeError:
            return False
        enrol(person.app, client)
        person.browser = person.new_browser()
        tokens = person.tokens(client)
        told = str(tokens["id_token"])
        if what == "userinfo":
            told = userinfo(person.app, str(tokens["access_token"])).text
        elif what == "introspection":
            told = _introspected(person.app, client, str(tokens["access_token"]))
        return bool(jws.extract_compact(told.encode()).headers()["alg"] == word)

    return is_taken


def _introspected(app: Flask, client: Client, token: str) -> str:
    answer = app.test_client().post(
        "/introspect",
        data={"token": token},
        base_url=ISSUER,
        auth=(client.id, secret_of(client)),
        headers={"Accept": "application/token-introspection+jwt"},
    )
    return answer.text


ENDPOINTS = {"token": "token", "revocation": "revoke", "introspection": "introspect"}

# A member that lists words: how to try one, and words that are not to be said.
WORDS: dict[str, tuple[Callable[[Person, str], bool], tuple[str, ...]]] = {
    "response_types_supported": (
        _asks("response_type"),
        ("token", "id_token", "code id_token", "none"),
    ),
    "response_modes_supported": (_asks("response_mode"), ("fragment", "query.jwt")),
    "code_challenge_methods_supported": (_asks("code_challenge_method"), ("plain", "S512")),
    "prompt_values_supported": (_asks("prompt"), ("create",)),
    "grant_types_supported": (_grant, ("password", "client_credentials", "implicit")),
    "token_endpoint_auth_methods_supported": (_authenticates, ("tls_client_auth",)),
    **{
        f"{name}_endpoint_auth_signing_alg_values_supported": (
            _vouched(path),
            ("none", "HS256", "Ed25519"),
        )
        for name, path in ENDPOINTS.items()
    },
    "revocation_endpoint_auth_methods_supported": (_authenticates_at("revoke"), ()),
    "introspection_endpoint_auth_methods_supported": (_authenticates_at("introspect"), ("none",)),
    "id_token_signing_alg_values_supported": (_tells("id_token"), ("HS256", "none", "PS256")),
    "userinfo_signing_alg_values_supported": (_tells("userinfo"), ("HS256", "none", "PS256")),
    "introspection_signing_alg_values_supported": (
        _tells("introspection"),
        ("HS256", "none", "PS256"),
    ),
    "request_object_signing_alg_values_supported": (_signs, ("none", "HS256")),
    "account_management_actions_supported": (_acts, ("org.matrix.account_deactivate",)),
    "scopes_supported": (_scope, ("phone", "address")),
}
# Members that a test of their own, here or elsewhere, holds against behaviour.
HELD = {
    "issuer",
    *("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"),
    *("pushed_authorization_request_endpoint", "require_pushed_authorization_requests"),
    "require_signed_request_object",
    *("subject_types_supported", "claims_supported"),
    # `tests/oidc/test_dpop.py` tries each of these.
    "dpop_signing_alg_values_supported",
    *("introspection_endpoint", "revocation_endpoint", "end_session_endpoint"),
    *("claim_types_supported", "claims_parameter_supported", "ui_locales_supported"),
    *("request_parameter_supported", "request_uri_parameter_supported"),
    *("authorization_response_iss_parameter_supported", "account_management_uri"),
    *("backchannel_logout_supported", "backchannel_logout_session_supported"),
}


@pytest.mark.spec("OIDC Discovery", "3")
def test_every_member_is_held_by_a_test(said: dict[str, object]) -> None:
    assert set(said) == set(WORDS) | HELD


@pytest.mark.spec("OIDC Discovery", "3")
@pytest.mark.parametrize("member", WORDS)
def test_each_word_is_true_and_others_are_refused(
    said: dict[str, list[str]], ann: Person, member: str
) -> None:
    is_taken, others = WORDS[member]

    assert said[member]
    assert [word for word in said[member] if not is_taken(ann, word)] == []
    assert [word for word in others if is_taken(ann, word)] == []
    assert not set(others) & set(said[member])


@pytest.mark.spec("RFC 8414", "2")
def test_each_address_is_answered_by_something_of_its_kind(
    said: dict[str, str], ann: Person
) -> None:
    def ask(member: str, method: str) -> int:
        assert said[member].startswith(ISSUER + "/")
        return ann.browser.open(
            said[member].removeprefix(ISSUER), method=method, base_url=ISSUER
        ).status_code

    assert said["issuer"] == ISSUER
    assert ask("authorization_endpoint", "GET") == 400
    assert ask("token_endpoint", "POST") == 400
    assert ask("userinfo_endpoint", "GET") == 401
    assert ask("pushed_authorization_request_endpoint", "POST") == 400
    assert ask("introspection_endpoint", "POST") == 400
    assert ask("revocation_endpoint", "POST") == 400
    assert ask("end_session_endpoint", "GET") in (200, 303)
    assert ask("jwks_uri", "GET") == 200
    assert ask("account_management_uri", "GET") == 200


def test_the_id_token_is_as_is_said(said: dict[str, list[str]], ann: Person, bob: Person) -> None:
    scope = " ".join(said["scopes_supported"])
    id_token = str(ann.tokens(WIKI, scope=scope, scopes=("profile",))["id_token"])
    header = jws.extract_compact(id_token.encode()).headers()
    claims = read_id_token(ann.app, id_token)

    assert header["alg"] == "RS256"  # unless the client registered another
    assert set(claims) <= set(said["claims_supported"])
    assert said["subject_types_supported"] == ["pairwise"]
    elsewhere = read_id_token(ann.app, str(ann.tokens()["id_token"]))
    assert claims["sub"] != elsewhere["sub"]


def test_claims_are_values_and_may_be_asked_for_one_by_one(
    said: dict[str, object], ann: Person
) -> None:
    asked = json.dumps({"userinfo": {"name": None}})

    answer = ann.sign_in(WIKI, scope="openid", scopes=("claim:name",), claims=asked)

    tokens = redeem(ann.app, query_of(answer)["code"], WIKI).get_json()
    told = userinfo(ann.app, tokens["access_token"]).get_json()
    assert said["claims_parameter_supported"] is True
    assert said["claim_types_supported"] == ["normal"]
    assert not {"_claim_names", "_claim_sources"} & set(told)
    assert told["name"] == "Ann Example"


def test_request_objects_are_taken_by_value_and_by_reference_only_if_pushed(
    said: dict[str, object], ann: Person
) -> None:
    answer = ann.authorize(WIKI, request_uri="https://wiki.example/request.jwt")

    assert said["request_parameter_supported"] is True  # see the table for each algorithm
    assert said["request_uri_parameter_supported"] is False
    assert query_of(answer.location)["error"] == "request_uri_not_supported"
    assert said["require_pushed_authorization_requests"] is False
    assert said["require_signed_request_object"] is False
    assert ann.authorize(WIKI).location.startswith("/sign-in/")


def test_pages_are_in_the_language_that_is_said(said: dict[str, object], ann: Person) -> None:
    assert said["ui_locales_supported"] == ["en"]
    assert '<html lang="en"' in ann.get(ann.authorize(ui_locales="de").location).text


@pytest.mark.spec("RFC 9207", "3")
def test_answers_name_the_issuer_as_is_said(said: dict[str, object], ann: Person) -> None:
    assert said["authorization_response_iss_parameter_supported"] is True
    assert query_of(ann.sign_in(WIKI))["iss"] == said["issuer"]
