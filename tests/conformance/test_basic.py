"""Basic OP and Form Post Basic OP: the same modules, by query and by ``form_post``."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable

import pytest

from tests.conformance.conftest import Module, party_of
from tests.conformance.party import check_callback, check_tokens
from tests.live.tools import wait_for

NEEDS_A_PAGE = ("login_required", "interaction_required", "consent_required")
PROFILE = ("name", "picture")
EMAIL = ("email", "email_verified")


@pytest.fixture(params=["basic", "form-post-basic"])
def begin_basic(
    request: pytest.FixtureRequest, begin: Callable[..., Module]
) -> Callable[[str], Module]:
    """Return what begins a module of either plan."""
    return lambda name: begin(name, form_post=request.param == "form-post-basic")


@pytest.fixture
def module(request: pytest.FixtureRequest, begin_basic: Callable[[str], Module]) -> Module:
    """Return the module that the test is named for."""
    name = request.node.originalname.removeprefix("test_").replace("_", "-")
    return begin_basic(name)


def test_oidcc_server(module):
    tokens = module.flow()

    assert "refresh_token" not in tokens.response


def test_oidcc_response_type_missing(module):
    module.refused("unsupported_response_type", "invalid_request", response_type=None)


def test_oidcc_idtoken_signature(module):
    tokens = module.flow()

    assert module.party.provider.read(tokens.response["id_token"], "RS256")


def test_oidcc_idtoken_unsigned(module):
    """Skipped by the suite: ``none`` is not announced."""
    supported = module.party.provider.metadata["id_token_signing_alg_values_supported"]

    assert "none" not in supported


def test_oidcc_userinfo_get(module):
    tokens = module.flow()

    assert module.party.userinfo(tokens.response["access_token"]).status_code == 200


def test_oidcc_userinfo_post_header(module):
    tokens = module.flow()
    headers = {"Authorization": f"Bearer {tokens.response['access_token']}"}

    answer = module.party.provider.call("POST", "userinfo_endpoint", headers=headers)

    assert answer.json() == tokens.userinfo


def test_oidcc_userinfo_post_body(module):
    tokens = module.flow()
    form = {"access_token": tokens.response["access_token"]}

    answer = module.party.provider.call("POST", "userinfo_endpoint", data=form)

    assert answer.json() == tokens.userinfo


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(module):
    tokens = module.flow(nonce=None)

    assert "nonce" not in tokens.claims


def test_oidcc_scope_profile(module):
    tokens = module.flow(scope="openid profile", told=PROFILE)

    assert tokens.userinfo["name"] == "Ann Example"


def test_oidcc_scope_email(module):
    tokens = module.flow(scope="openid email", told=EMAIL)

    assert tokens.userinfo["email"] == "ann@example.org"


@pytest.mark.parametrize("scope", ["address", "phone"])
def test_oidcc_scope_address_and_phone(begin_basic, scope):
    """Wallets tell neither, so the suite warns that the claims are missing."""
    tokens = begin_basic(f"oidcc-scope-{scope}").flow(scope=f"openid {scope}")

    assert set(tokens.userinfo) == {"sub", "preferred_username"}


def test_oidcc_scope_all(module):
    tokens = module.flow(scope="openid profile email address phone", told=(*PROFILE, *EMAIL))

    assert {"name", "email"} <= set(tokens.userinfo)


def test_oidcc_alternate_happy_flow(module):
    """Scopes in another order, and so the parameters."""
    party = module.party
    asked = party.request(response_mode=module.response_mode, scope="email openid")

    module.visit(party.url(dict(reversed(asked.items()))))

    code = check_callback(party, asked, module.take_answer())
    check_tokens(party, asked, party.redeem(code), EMAIL)


@pytest.mark.parametrize("display", ["page", "popup"])
def test_oidcc_display(begin_basic, display):
    begin_basic(f"oidcc-display-{display}").flow(display=display)


def test_oidcc_prompt_login(module):
    first = module.flow()
    wait_for(lambda: time.time() >= first.claims["auth_time"] + 1, what="the next second")

    second = module.flow(prompt="login")

    assert second.claims["sub"] == first.claims["sub"]
    assert second.claims["auth_time"] > first.claims["auth_time"]


def test_oidcc_prompt_none_not_logged_in(module):
    module.refused(*NEEDS_A_PAGE, prompt="none")


def test_oidcc_prompt_none_logged_in(module):
    first = module.flow()

    second = module.flow(prompt="none")

    assert second.claims["sub"] == first.claims["sub"]
    assert second.claims["auth_time"] == first.claims["auth_time"]


def test_oidcc_max_age_1(module):
    first = module.flow()
    # The module itself waits: only a moment that has gone by can be too long ago.
    wait_for(lambda: time.time() >= first.claims["auth_time"] + 2, what="max_age")

    second = module.flow(max_age="1")

    assert second.claims["auth_time"] > first.claims["auth_time"]


def test_oidcc_max_age_10000(module):
    first = module.flow()

    second = module.flow(max_age="10000")

    assert second.claims["auth_time"] == first.claims["auth_time"]


def test_oidcc_ensure_request_with_unknown_parameter_succeeds(module):
    module.flow(extra="foobar")


def test_oidcc_id_token_hint(module):
    first = module.flow()

    second = module.flow(prompt="none", id_token_hint=first.response["id_token"])

    assert second.claims["sub"] == first.claims["sub"]


def test_oidcc_login_hint(module):
    module.flow(login_hint="buffy@example.org")


def test_oidcc_ui_locales(module):
    module.flow(ui_locales="se")


def test_oidcc_claims_locales(module):
    module.flow(claims_locales="se")


def test_oidcc_ensure_request_with_acr_values_succeeds(module):
    """Wallets know no levels, so there is no ``acr``, and the suite warns."""
    tokens = module.flow(acr_values="1 2")

    assert "acr" not in tokens.claims


def test_oidcc_codereuse(module):
    code, _ = redeemed(module)

    again = module.party.redeem(code)

    assert again.status_code == 400
    assert again.json()["error"] == "invalid_grant"


def test_oidcc_codereuse_30seconds(module):
    """The module waits 30 seconds. Nothing here depends on them: the code is spent at once, and
    what the first use gave ends with the second."""
    code, access_token = redeemed(module)

    again = module.party.redeem(code)

    assert again.json()["error"] == "invalid_grant"
    assert module.party.userinfo(access_token).status_code == 401


def redeemed(module: Module) -> tuple[str, str]:
    """Return a code that was used, and the access token that came of it."""
    asked, answer = module.send()
    code = check_callback(module.party, asked, answer)
    tokens = check_tokens(module.party, asked, module.party.redeem(code))
    return code, tokens.response["access_token"]


def test_oidcc_ensure_registered_redirect_uri(module):
    picture = module.shows(redirect_uri=f"{module.party.redirect_uri}/another")

    assert "return address is not registered" in picture


def test_oidcc_ensure_post_request_succeeds(module):
    module.flow(method="POST")


def test_oidcc_server_client_secret_post(module):
    party = party_of(
        module.config,
        "client_secret_post",
        module.party.provider,
        module.suite,
        method="client_secret_post",
    )

    module.flow(party)


def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(module):
    """Skipped by the suite, as ``none`` is not announced; never ignored."""
    module.refused("request_uri_not_supported", request_uri=module.suite.suite.uri("request.jwt"))


def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(module):
    """Skipped by the suite, as ``none`` is not announced; never ignored."""
    supported = module.party.provider.metadata["request_object_signing_alg_values_supported"]
    assert "none" not in supported

    module.refused("request_not_supported", request=unsigned(module.party.request()))


def test_oidcc_ensure_request_object_with_redirect_uri(module):
    request = unsigned(module.party.request())

    picture = module.shows(request=request, redirect_uri="https://invalid.example.org/callback")

    assert "return address is not registered" in picture


def unsigned(claims: dict[str, str]) -> str:
    """Return a request object that nobody signed."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join((*encoded, ""))


def test_oidcc_claims_essential(module):
    claims = json.dumps({"userinfo": {"name": {"essential": True}}})

    tokens = module.flow(claims=claims, told=("name",))

    assert tokens.userinfo["name"] == "Ann Example"


def test_oidcc_refresh_token(module):
    other = party_of(module.config, "client2", module.party.provider, module.suite)
    first, second = (
        module.flow(party, scope="openid offline_access", prompt="consent")
        for party in (module.party, other)
    )

    answer = module.party.refresh(first.response["refresh_token"])

    assert answer.status_code == 200
    renewed = module.party.provider.read(answer.json()["id_token"])
    same = ("iss", "sub", "aud", "auth_time")
    assert [renewed[name] for name in same] == [first.claims[name] for name in same]
    assert renewed["iat"] >= first.claims["iat"]
    assert module.party.userinfo(answer.json()["access_token"]).status_code == 200
    foreign = module.party.refresh(second.response["refresh_token"])
    assert foreign.status_code == 400
    assert foreign.json()["error"] == "invalid_grant"


def test_oidcc_ensure_request_with_valid_pkce_succeeds(module):
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    asked, answer = module.send(code_challenge=challenge, code_challenge_method="S256")

    code = check_callback(module.party, asked, answer)
    check_tokens(module.party, asked, module.party.redeem(code, code_verifier=verifier))
