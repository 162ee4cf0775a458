"""RP-Initiated Logout OP and Back-Channel Logout OP."""

import secrets
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.conformance.conftest import Module
from tests.conformance.test_basic import NEEDS_A_PAGE, unsigned

_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def module(request: pytest.FixtureRequest, begin: Callable[..., Module]) -> Module:
    """Return the module that the test is named for."""
    return begin(request.node.originalname.removeprefix("test_").replace("_", "-"))


def leave(module: Module, **changes: str | None) -> tuple[dict[str, str], list[str]]:
    """Sign in, then go to the end-session endpoint; return what was sent, and the pictures."""
    tokens = module.flow()
    sent: dict[str, str | None] = {
        "id_token_hint": tokens.response["id_token"],
        "post_logout_redirect_uri": module.suite.suite.uri("post_logout_redirect"),
        # The suite wants to see that a long one comes back whole.
        "state": secrets.token_urlsafe(96),
        **changes,
    }
    query = {name: value for name, value in sent.items() if value is not None}
    endpoint = module.party.provider.metadata["end_session_endpoint"]
    visit = module.visit(f"{endpoint}?{urlencode(query)}")
    return query, visit.pictures


def check_stays(module: Module, words: str, **changes: str | None) -> None:
    """Expect a page that asks or tells, and nothing at the suite."""
    _, pictures = leave(module, **changes)

    assert [words in picture for picture in pictures] == [True]
    assert not module.suite.calls


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(provider):
    assert provider.metadata["end_session_endpoint"].startswith("https://")


def test_oidcc_rp_initiated_logout(module):
    sent, _ = leave(module)

    assert module.suite.take("post_logout_redirect").query == {"state": sent["state"]}
    module.refused(*NEEDS_A_PAGE, prompt="none")


def test_oidcc_rp_initiated_logout_no_state(module):
    leave(module, state=None)

    assert module.suite.take("post_logout_redirect").query == {}
    module.refused(*NEEDS_A_PAGE, prompt="none")


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(module):
    uri = module.suite.suite.uri("post_logout_redirect/another")

    check_stays(module, "Sign out of", post_logout_redirect_uri=uri)


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(module):
    uri = module.suite.suite.uri("post_logout_redirect?foo=bar")

    check_stays(module, "Sign out of", post_logout_redirect_uri=uri)


def test_oidcc_rp_initiated_logout_modified_id_token_hint(module):
    hint = unsigned({"iss": module.party.provider.issuer, "aud": module.party.id, "sub": "x"})

    check_stays(module, "Sign out of", id_token_hint=hint)


def test_oidcc_rp_initiated_logout_bad_id_token_hint(module):
    claims = {"iss": module.party.provider.issuer, "aud": module.party.id, "sub": "x", "sid": "x"}
    foreign = jwt.encode({"alg": "RS256", "typ": "JWT"}, claims, RSAKey.generate_key(2048))

    check_stays(module, "Sign out of", id_token_hint=foreign)


def test_oidcc_rp_initiated_logout_no_id_token_hint(module):
    check_stays(module, "Sign out of", id_token_hint=None)


def test_oidcc_rp_initiated_logout_no_params(module):
    nothing = dict.fromkeys(("id_token_hint", "post_logout_redirect_uri", "state"))

    check_stays(module, "You are signed out", **nothing)
    module.refused(*NEEDS_A_PAGE, prompt="none")


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(module):
    check_stays(module, "You are signed out", post_logout_redirect_uri=None)
    module.refused(*NEEDS_A_PAGE, prompt="none")


def test_oidcc_rp_initiated_logout_only_state(module):
    nothing = dict.fromkeys(("id_token_hint", "post_logout_redirect_uri"))

    check_stays(module, "You are signed out", **nothing)
    module.refused(*NEEDS_A_PAGE, prompt="none")


def test_oidcc_backchannel_logout_discovery_endpoint_verification(provider):
    assert provider.metadata["backchannel_logout_supported"] is True
    assert provider.metadata["backchannel_logout_session_supported"] is True


@pytest.mark.parametrize("registration", ["static_client", "dynamic_client"])
def test_oidcc_backchannel_rp_initiated_logout(begin, begin_backchannel, registration):
    name = "oidcc-backchannel-rp-initiated-logout"
    if registration == "static_client":
        module = begin_backchannel(name)
    else:
        module = begin(name)
        module.party = module.register(
            post_logout_redirect_uris=[module.suite.suite.uri("post_logout_redirect")],
            backchannel_logout_uri=module.suite.suite.uri("backchannel_logout"),
            backchannel_logout_session_required=True,
        )

    sent, _ = leave(module)

    assert module.suite.take("post_logout_redirect").query == {"state": sent["state"]}
    provider, told = module.party.provider, module.suite.take("backchannel_logout")
    assert told.method == "POST"
    assert told.content_type == "application/x-www-form-urlencoded"
    assert set(told.form) == {"logout_token"}
    claims, known = provider.read(told.form["logout_token"]), provider.read(sent["id_token_hint"])
    assert claims["events"] == {_EVENT: {}}
    assert [claims[name] for name in ("iss", "aud", "sub", "sid")] == [
        known[name] for name in ("iss", "aud", "sub", "sid")
    ]
    assert {"iat", "jti"} <= set(claims)
    assert "nonce" not in claims
    module.refused(*NEEDS_A_PAGE, prompt="none")
