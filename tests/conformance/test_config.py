"""Config OP: what the discovery document must say."""

import re

_TAG = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def test_oidcc_discovery_endpoint_verification(provider):
    said = provider.metadata

    endpoints = {name: uri for name, uri in said.items() if name.endswith(("_endpoint", "_uri"))}
    assert {"authorization_endpoint", "token_endpoint", "userinfo_endpoint"} <= set(endpoints)
    assert {"registration_endpoint", "jwks_uri"} <= set(endpoints)
    assert all(uri.startswith("https://") for uri in endpoints.values())
    assert "code" in said["response_types_supported"]
    assert set(said["subject_types_supported"]) <= {"pairwise", "public"}
    assert "RS256" in said["id_token_signing_alg_values_supported"]
    assert "RS256" in said["userinfo_signing_alg_values_supported"]
    assert "RS256" in said["request_object_signing_alg_values_supported"]
    assert "authorization_code" in said["grant_types_supported"]
    assert "openid" in said["scopes_supported"]
    assert said["claims_supported"]
    assert all(_TAG.fullmatch(tag) for tag in said["ui_locales_supported"])
    assert isinstance(said["code_challenge_methods_supported"], list)
    assert provider.jwks()


def test_what_the_dynamic_profile_wants_of_discovery_is_not_true_here(provider):
    """`oidcc-discovery-endpoint-verification` of the Dynamic plan cannot pass: we have no implicit
    flow, and discovery says only what is true."""
    said = provider.metadata

    assert said["response_types_supported"] == ["code"]
    assert "implicit" not in said["grant_types_supported"]
