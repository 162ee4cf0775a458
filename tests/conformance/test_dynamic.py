"""Dynamic OP: clients that register themselves and authenticate with ``private_key_jwt``.

Not played: `oidcc-refresh-token-rp-key-rotation`, which waits 60 seconds for the bridge to fetch a
client's keys anew (`tests/web/test_registration.py` has it with a clock of its own), and
`oidcc-discovery-endpoint-verification`, which cannot pass (`test_config.py`).
"""

from collections.abc import Callable

import pytest

from tests.conformance.conftest import Demo, Module
from tests.live.tools import wait_for


@pytest.fixture
def module(request: pytest.FixtureRequest, begin: Callable[..., Module]) -> Module:
    """Return the module that the test is named for."""
    return begin(request.node.originalname.removeprefix("test_").replace("_", "-"))


@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_basic", "client_secret_post"])
def test_oidcc_server(module, method):
    """By a key as in this plan, and by a secret as in Basic with ``dynamic_client``."""
    module.flow(module.register(token_endpoint_auth_method=method))


def test_oidcc_idtoken_rs256(module):
    module.flow(module.register(id_token_signed_response_alg="RS256"))


def test_oidcc_idtoken_unsigned(module):
    """Skipped by the suite, as ``none`` is not announced; the registration is refused."""
    refused = module.try_to_register(
        {
            "redirect_uris": [module.party.redirect_uri],
            "id_token_signed_response_alg": "none",
        }
    )

    assert refused.status_code == 400
    assert refused.json()["error"] == "invalid_client_metadata"


def test_oidcc_userinfo_rs256(module):
    party = module.register(userinfo_signed_response_alg="RS256")
    asked, answer = module.send(party)

    tokens = party.redeem(answer["code"]).json()

    told = party.userinfo(tokens["access_token"])
    assert told.headers["Content-Type"] == "application/jwt"
    claims = party.provider.read(told.text)
    assert claims["sub"] == party.provider.read(tokens["id_token"])["sub"]
    assert claims["iss"] == party.provider.issuer
    assert claims["aud"] == party.id
    assert "nonce" not in claims
    assert asked["state"] == answer["state"]


def test_oidcc_ensure_redirect_uri_in_authorization_request(module):
    uris = [module.party.redirect_uri, f"{module.party.redirect_uri}?second=1"]
    module.party = module.register(redirect_uris=uris)

    assert "return address is not registered" in module.shows(redirect_uri=None)


def test_oidcc_redirect_uri_query_ok(module):
    party = module.register(redirect_uris=[f"{module.party.redirect_uri}?foo=bar"])

    _, answer = module.send(party)

    assert answer["foo"] == "bar"
    assert party.redeem(answer["code"]).status_code == 200


def test_oidcc_redirect_uri_query_mismatch(module):
    plain = module.party.redirect_uri
    module.party = module.register(redirect_uris=[f"{plain}?foo=bar"])

    assert "return address is not registered" in module.shows(redirect_uri=f"{plain}?bar=foo")


def test_oidcc_redirect_uri_query_added(module):
    plain = module.party.redirect_uri
    module.party = module.register()

    assert "return address is not registered" in module.shows(redirect_uri=f"{plain}?foo=bar")


def test_oidcc_redirect_uri_regfrag(module):
    refused = module.try_to_register({"redirect_uris": [f"{module.party.redirect_uri}#foobar"]})

    assert refused.status_code == 400
    assert refused.json()["error"] in ("invalid_redirect_uri", "invalid_client_metadata")


@pytest.mark.parametrize(
    ("member", "words"),
    [("logo_uri", "Sign in to"), ("policy_uri", "Privacy policy"), ("tos_uri", "Terms of use")],
)
def test_oidcc_registration_logo_policy_and_tos_uri(begin, member, words):
    module = begin(f"oidcc-registration-{member.replace('_', '-')}")
    module.party = module.register(**{member: f"{module.suite.suite.base}/{member}"})

    assert words in module.shows()


def test_oidcc_registration_jwks_uri(module):
    uri = module.suite.suite.uri("jwks")
    party = module.register(jwks=None, jwks_uri=uri)
    module.suite.serve("jwks", {"keys": [party.key.as_dict(private=False)]})

    module.flow(party)


def test_oidcc_registration_sector_uri(module):
    uri = module.suite.serve("redirect_uris.json", [module.party.redirect_uri])

    party = module.register(subject_type="pairwise", sector_identifier_uri=uri)

    assert party.registration["sector_identifier_uri"] == uri


def test_oidcc_registration_sector_bad(module):
    uri = module.suite.serve("redirect_uris.json", ["https://client.example.org/callback"])

    refused = module.try_to_register(
        {
            "redirect_uris": [module.party.redirect_uri],
            "subject_type": "pairwise",
            "sector_identifier_uri": uri,
        }
    )

    assert refused.status_code == 400
    assert refused.json()["error"] == "invalid_client_metadata"


def test_oidcc_server_rotate_keys(provider, demo: Demo):
    before = {key["kid"] for key in provider.jwks()["keys"]}

    demo.run("keys", "rotate")

    def kids() -> set[str]:
        return {key["kid"] for key in provider.jwks()["keys"]}

    after = wait_for(lambda: kids() - before and kids(), what="another key")
    assert before < after


def test_oidcc_request_uri_unsigned(module):
    """Skipped by the suite, as ``none`` is not announced."""
    module.party = module.register()

    module.refused("request_uri_not_supported", request_uri=module.suite.suite.uri("request.jwt"))


def test_oidcc_request_uri_signed_rs256(module):
    """Cannot pass: an address that a stranger names is never fetched for a request (SSRF)."""
    assert module.party.provider.metadata["request_uri_parameter_supported"] is False
    module.party = module.register()

    module.refused("request_uri_not_supported", request_uri=module.suite.suite.uri("request.jwt"))


def test_oidcc_refresh_token(module):
    party = module.register(grant_types=["authorization_code", "refresh_token"])
    first = module.flow(party, scope="openid offline_access", prompt="consent")

    answer = party.refresh(first.response["refresh_token"])

    assert answer.status_code == 200
    assert party.provider.read(answer.json()["id_token"])["sub"] == first.claims["sub"]


def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(module):
    party = module.register()
    _, answer = module.send(party)
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": party.redirect_uri,
    }

    assert party.ask_token(form, aud=party.provider.issuer).status_code == 200


def test_a_client_takes_itself_away_at_the_end(module):
    """What the suite does after each module with a client that it registered."""
    party = module.register()
    token = party.registration["registration_access_token"]

    gone = party.provider.call(
        "DELETE",
        party.registration["registration_client_uri"],
        headers={"Authorization": f"Bearer {token}"},
    )

    assert gone.status_code == 204
