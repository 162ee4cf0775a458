"""The discovery document says only what is true: each value is held against the module it is of."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jws

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.answer import make_answer
from oidc_bridge.oidc.authorize import check_request, find_target
from oidc_bridge.oidc.client import AuthMethod
from oidc_bridge.oidc.jose import ANY_ALGORITHM
from oidc_bridge.oidc.keys import SIGNING_ALGORITHMS, make_key, sign
from oidc_bridge.oidc.metadata import discovery
from oidc_bridge.oidc.redeem import read_request
from oidc_bridge.oidc.scopes import SCOPES, Person, claims_for
from oidc_bridge.oidc.tokens import id_token_claims
from tests.driver import HOMESERVER, ISSUER, authorize_query, query_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DOCUMENT = discovery(ISSUER)


def check(**changes: str | None) -> None:
    parameters = authorize_query(**changes)
    check_request(parameters, find_target(parameters, HOMESERVER), now=NOW)


def test_authlib_finds_it_valid():
    OpenIDProviderMetadata(DOCUMENT).validate()


def test_the_issuer_is_given_byte_for_byte():
    assert DOCUMENT["issuer"] == ISSUER


def test_every_address_is_one_of_ours():
    addresses = {
        name: value
        for name, value in DOCUMENT.items()
        if name.endswith(("_endpoint", "_uri")) and isinstance(value, str)
    }

    assert {"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"} <= set(
        addresses
    )
    assert all(value.startswith(f"{ISSUER}/") for value in addresses.values())


@pytest.mark.parametrize("issuer", ["http://localhost:8000", "http://127.0.0.1:8000"])
def test_a_bridge_on_loopback_says_the_same(issuer):
    document = discovery(issuer)

    assert document["token_endpoint"] == f"{issuer}/token"
    assert set(document) == set(DOCUMENT)


def test_the_scopes_are_those_we_know():
    assert DOCUMENT["scopes_supported"] == list(SCOPES)
    assert "openid" in DOCUMENT["scopes_supported"]


def test_the_claims_are_those_of_an_id_token_with_every_scope():
    person = Person("s", "ann.id", "Ann", "https://ann.example/a.png", "ann@example.org")
    claims = id_token_claims(
        issuer=ISSUER,
        client_id="wiki",
        person_claims=claims_for(SCOPES, person),
        sid="sid",
        nonce="nonce",
        authenticated_at=NOW,
        access_token="token",
        now=NOW,
        life=timedelta(hours=1),
    )

    assert sorted(DOCUMENT["claims_supported"]) == sorted(claims)


@pytest.mark.parametrize(
    ("value", "parameter"),
    [
        ("response_types_supported", "response_type"),
        ("response_modes_supported", "response_mode"),
        ("code_challenge_methods_supported", "code_challenge_method"),
        ("prompt_values_supported", "prompt"),
    ],
)
def test_what_is_said_to_be_supported_is_accepted_and_nothing_else(value, parameter):
    everything = {
        *("code", "token", "id_token", "code token", "code id_token", "none"),
        *("query", "fragment", "form_post", "query.jwt", "plain", "S256", "S512"),
        *("login", "consent", "select_account", "create"),
    }
    accepted = set()

    for word in everything:
        try:
            check(**{parameter: word})
        except SentError:
            continue
        accepted.add(word)

    assert accepted == set(DOCUMENT[value])


def test_the_grants_are_those_of_the_token_endpoint():
    accepted = []

    for grant in ("authorization_code", "refresh_token", "password", "client_credentials"):
        form = {
            "grant_type": grant,
            "code": "c",
            "redirect_uri": "r",
            "code_verifier": "v",
            "refresh_token": "t",
        }
        try:
            read_request(form)
        except SentError as error:
            assert error.code == "unsupported_grant_type"
            continue
        accepted.append(grant)

    assert accepted == DOCUMENT["grant_types_supported"]


def test_clients_authenticate_as_is_said():
    methods = list(get_args(AuthMethod))

    assert DOCUMENT["token_endpoint_auth_methods_supported"] == methods
    assert DOCUMENT["revocation_endpoint_auth_methods_supported"] == methods
    # Introspection is not for the public: `test_tokens_about` has that refused.
    assert DOCUMENT["introspection_endpoint_auth_methods_supported"] == methods[:-1]
    for endpoint in ("token", "revocation", "introspection"):
        said = DOCUMENT[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert tuple(said) == ANY_ALGORITHM.allowed


def test_proofs_of_possession_are_signed_as_is_said():
    assert tuple(DOCUMENT["dpop_signing_alg_values_supported"]) == ANY_ALGORITHM.allowed


def test_registration_is_said_only_where_it_is_offered():
    assert "registration_endpoint" not in DOCUMENT
    offered = discovery(ISSUER, offers_registration=True)
    assert offered["registration_endpoint"] == f"{ISSUER}/register"


def test_the_end_of_a_session_is_said():
    assert DOCUMENT["end_session_endpoint"] == f"{ISSUER}/end-session"


def test_id_tokens_are_signed_as_is_said():
    said = DOCUMENT["id_token_signing_alg_values_supported"]

    assert said == DOCUMENT["userinfo_signing_alg_values_supported"] == list(SIGNING_ALGORITHMS)
    assert said[0] == "RS256"
    for algorithm in said:
        key = make_key(bits=2048, state="active", now=NOW, algorithm=algorithm)
        header = jws.extract_compact(sign({}, key, typ="JWT").encode()).headers()
        assert header["alg"] == algorithm


def test_the_issuer_is_in_every_answer_as_is_said():
    parameters = authorize_query()
    target = find_target(parameters, HOMESERVER)

    assert DOCUMENT["authorization_response_iss_parameter_supported"] is True
    assert query_of(make_answer(target, {"code": "x"}, issuer=ISSUER).url)["iss"] == ISSUER


@pytest.mark.spec("Back-Channel Logout", "2.1")
def test_synapse_reads_that_it_can_sign_people_out():
    assert DOCUMENT["backchannel_logout_supported"] is True
    assert DOCUMENT["backchannel_logout_session_supported"] is True
    assert "sid" in DOCUMENT["claims_supported"]


def test_implicit_and_hybrid_flows_are_not_offered():
    assert DOCUMENT["response_types_supported"] == ["code"]
    assert "implicit" not in DOCUMENT["grant_types_supported"]
