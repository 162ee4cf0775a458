"""Authlib's client (``OAuth2Session``) against the bridge, by each way to say who one is."""

from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749.errors import MismatchingStateException
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidClaimError
from joserfc.jwk import ECKey, KeySet

from tests.live.certified import CALLBACK, EVERYTHING, GOODBYE, Provider, Someone

ALGORITHMS = {"basic": "RS256", "poster": "EdDSA", "signer": "ES256"}


class RelyingParty:
    """What an application writes around the session: discovery, nonce, and the ID token's check."""

    def __init__(self, provider: Provider, client_id: str) -> None:
        self.metadata: dict[str, Any] = requests.get(
            f"{provider.issuer}/.well-known/openid-configuration", timeout=10
        ).json()
        self.client_id = client_id
        self.nonce, self.verifier = generate_token(), generate_token(48)
        self.session = self._session(provider)

    def _session(self, provider: Provider) -> OAuth2Session:
        known = provider.clients[self.client_id]
        method = known.get("token_endpoint_auth_method", "client_secret_basic")
        token_endpoint = self.metadata["token_endpoint"]
        is_signer = method == "private_key_jwt"
        session = OAuth2Session(
            self.client_id,
            ECKey.import_key(dict(provider.private_key)) if is_signer else known["client_secret"],
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            scope=EVERYTHING,
            redirect_uri=CALLBACK,
            code_challenge_method="S256",
            token_endpoint=token_endpoint,
        )
        if is_signer:
            session.register_client_auth_method(PrivateKeyJWT(token_endpoint, alg="ES256"))
        return session

    def authorize_url(self, **more: str) -> tuple[str, str]:
        """Return the address, and the state that must come back."""
        url, state = self.session.create_authorization_url(
            self.metadata["authorization_endpoint"],
            code_verifier=self.verifier,
            nonce=self.nonce,
            **more,
        )
        return url, state

    def redeem(self, location: str, state: str) -> CodeIDToken:
        """Return the validated claims of the ID token that the code gives."""
        token = self.session.fetch_token(
            authorization_response=location, state=state, code_verifier=self.verifier
        )
        return self.read(token)

    def read(self, token: dict[str, Any]) -> CodeIDToken:
        decoded = jwt.decode(token["id_token"], self.keys, algorithms=[ALGORITHMS[self.client_id]])
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={"iss": {"values": [self.metadata["issuer"]]}},
            params={
                "nonce": self.nonce,
                "client_id": self.client_id,
                "access_token": token["access_token"],
            },
        )
        claims.validate()
        return claims

    @property
    def keys(self) -> KeySet:
        return KeySet.import_key_set(requests.get(self.metadata["jwks_uri"], timeout=10).json())

    def sign_in(self, someone: Someone) -> CodeIDToken:
        url, state = self.authorize_url()
        return self.redeem(someone.allow(url), state)

    def userinfo(self) -> dict[str, Any]:
        answer = self.session.get(self.metadata["userinfo_endpoint"])
        answer.raise_for_status()
        if answer.headers["Content-Type"] == "application/jwt":
            return dict(jwt.decode(answer.text, self.keys, algorithms=["ES256"]).claims)
        return dict(answer.json())

    def introspect(self, kind: str) -> dict[str, Any]:
        answer = self.session.introspect_token(
            self.metadata["introspection_endpoint"],
            token=self.session.token[kind],
            token_type_hint=kind,
        )
        return dict(answer.json())

    def revoke(self, kind: str) -> None:
        answer = self.session.revoke_token(
            self.metadata["revocation_endpoint"],
            token=self.session.token[kind],
            token_type_hint=kind,
        )
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def ann(a_provider: Provider) -> Someone:
    return Someone(a_provider.bridge)


@pytest.mark.parametrize("client_id", ALGORITHMS)
def test_a_client_of_authlib_goes_all_the_way(
    client_id: str, a_provider: Provider, ann: Someone
) -> None:
    party = RelyingParty(a_provider, client_id)

    claims = party.sign_in(ann)
    told = party.userinfo()

    assert claims["aud"] == client_id
    assert claims["preferred_username"] == ann.person.stx_address.lower()
    assert told["sub"] == claims["sub"]

    first = dict(party.session.token)
    party.session.token["expires_at"] = 0  # the session refreshes by itself
    assert party.userinfo()["sub"] == claims["sub"]
    assert party.session.token["refresh_token"] != first["refresh_token"]
    assert party.introspect("access_token")["active"] is True
    assert party.introspect("refresh_token")["sub"] == claims["sub"]

    party.revoke("refresh_token")
    assert party.introspect("access_token") == {"active": False}
    with pytest.raises(OAuthError) as caught:
        party.session.refresh_token()
    assert caught.value.error == "invalid_grant"


def test_a_client_of_authlib_signs_the_person_out(a_provider: Provider) -> None:
    ben = Someone(a_provider.bridge)
    party = RelyingParty(a_provider, "basic")
    party.sign_in(ben)
    hint = party.session.token["id_token"]
    query = urlencode({"id_token_hint": hint, "post_logout_redirect_uri": GOODBYE, "state": "bye"})

    left = ben.visit(f"{party.metadata['end_session_endpoint']}?{query}")

    assert left == f"{GOODBYE}?state=bye"
    url, _ = party.authorize_url(prompt="none")
    assert "error=login_required" in ben.visit(url)


def test_authlib_refuses_an_answer_to_another_request(a_provider: Provider, ann: Someone) -> None:
    party = RelyingParty(a_provider, "basic")
    url, state = party.authorize_url()
    location = ann.allow(url)

    with pytest.raises(MismatchingStateException):
        party.redeem(location, "another")

    party.redeem(location, state)  # the code was not spent by that


def test_authlib_refuses_an_id_token_for_another_nonce(a_provider: Provider, ann: Someone) -> None:
    party = RelyingParty(a_provider, "basic")
    url, state = party.authorize_url()
    location = ann.allow(url)
    party.nonce = "another"

    with pytest.raises(InvalidClaimError, match="nonce"):
        party.redeem(location, state)


def test_a_client_of_authlib_with_another_key_is_nobody(a_provider: Provider, ann: Someone) -> None:
    party = RelyingParty(a_provider, "signer")
    url, state = party.authorize_url()
    location = ann.allow(url)
    own = party.session.client_secret
    party.session.client_secret = ECKey.generate_key("P-256")

    with pytest.raises(OAuthError) as caught:
        party.redeem(location, state)

    assert caught.value.error == "invalid_client"
    party.session.client_secret = own
    assert party.redeem(location, state)["aud"] == "signer"
