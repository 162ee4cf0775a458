"""A relying party as the suite plays one, and the checks that it makes in every module."""

import base64
import hashlib
import math
import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlencode

import requests
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

# What an ID token holds of its own; the rest must have been asked for.
_OWN = {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid"}
_LEAST_BITS = 96
_DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")


@dataclass(frozen=True)
class Provider:
    """The bridge, by its discovery document."""

    issuer: str
    authority: Path
    metadata: Mapping[str, Any]

    @classmethod
    def discover(cls, issuer: str, authority: Path) -> "Provider":
        """Read the discovery document."""
        answer = requests.get(
            f"{issuer}/.well-known/openid-configuration", verify=str(authority), timeout=10
        )
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["issuer"] == issuer
        return cls(issuer, authority, answer.json())

    def call(self, method: str, endpoint: str, **how: Any) -> requests.Response:
        """Send a request to an endpoint that the metadata names, or to an address."""
        url = self.metadata.get(endpoint, endpoint)
        return requests.request(
            method, url, verify=str(self.authority), timeout=10, allow_redirects=False, **how
        )

    def jwks(self) -> dict[str, Any]:
        """Return the published keys, once they are found fit to be."""
        keys: dict[str, Any] = self.call("GET", "jwks_uri").json()
        kids = [key["kid"] for key in keys["keys"]]
        assert kids
        assert len(set(kids)) == len(kids)
        assert not any({"d", "p", "q", "k"} & set(key) for key in keys["keys"])
        return keys

    def read(self, token: str, algorithm: str = "RS256") -> dict[str, Any]:
        """Return the claims of what the provider signed, by the key that the token names."""
        decoded = jwt.decode(token, KeySet.import_key_set(self.jwks()), algorithms=[algorithm])
        assert decoded.header["alg"] == algorithm
        assert decoded.header["kid"]
        return dict(decoded.claims)


@dataclass
class Party:
    """A client of the provider.

    Attributes:
        key: For ``private_key_jwt``.
        registration: What it may manage itself with, if it registered itself.
    """

    provider: Provider
    id: str
    secret: str
    redirect_uri: str
    method: str = "client_secret_basic"
    key: RSAKey | None = None
    registration: Mapping[str, Any] = field(default_factory=dict)

    def request(self, **changes: str | None) -> dict[str, str]:
        """Return an authorization request as the suite makes it: without PKCE."""
        query: dict[str, str | None] = {
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": secrets.token_urlsafe(8),
            "nonce": secrets.token_urlsafe(8),
            "response_type": "code",
            **changes,
        }
        return {name: value for name, value in query.items() if value is not None}

    def url(self, query: Mapping[str, str]) -> str:
        return f"{self.provider.metadata['authorization_endpoint']}?{urlencode(query)}"

    def ask_token(self, form: Mapping[str, str], **claims: Any) -> requests.Response:
        """Ask the token endpoint, authenticated as registered; *claims* are for the assertion."""
        form, basic = dict(form), None
        if self.method == "client_secret_basic":
            basic = (self.id, self.secret)
        elif self.method == "client_secret_post":
            form |= {"client_id": self.id, "client_secret": self.secret}
        else:
            form |= {
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": self._assert(**claims),
            }
        return self.provider.call("POST", "token_endpoint", data=form, auth=basic)

    def redeem(self, code: str, **more: str) -> requests.Response:
        form = {"code": code, "redirect_uri": self.redirect_uri, **more}
        return self.ask_token({"grant_type": "authorization_code", **form})

    def refresh(self, token: str) -> requests.Response:
        return self.ask_token({"grant_type": "refresh_token", "refresh_token": token})

    def userinfo(self, access_token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {access_token}"}
        return self.provider.call("GET", "userinfo_endpoint", headers=headers)

    def _assert(self, **claims: Any) -> str:
        assert self.key is not None
        now = int(time())
        told = {
            "iss": self.id,
            "sub": self.id,
            "aud": self.provider.metadata["token_endpoint"],
            "jti": secrets.token_urlsafe(),
            "iat": now,
            "exp": now + 60,
            **claims,
        }
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, told, self.key)


@dataclass(frozen=True)
class Tokens:
    """What a flow gave: the token response, the ID token's claims, and userinfo."""

    response: Mapping[str, Any]
    claims: Mapping[str, Any]
    userinfo: Mapping[str, Any]


def check_callback(party: Party, asked: Mapping[str, str], answer: Mapping[str, str]) -> str:
    """Return the code of an answer that is as it must be."""
    assert "error" not in answer, answer
    assert answer.get("state") == asked.get("state")
    assert answer.get("iss", party.provider.issuer) == party.provider.issuer
    assert entropy_of(answer["code"]) >= _LEAST_BITS
    return answer["code"]


def check_tokens(
    party: Party, asked: Mapping[str, str], answer: requests.Response, told: Sequence[str] = ()
) -> Tokens:
    """Return the tokens of a response that passes what every code-flow module checks.

    Args:
        told: Claims that the ID token may hold beside its own.
    """
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    response = answer.json()
    assert response["token_type"].lower() == "bearer"
    assert response["expires_in"] > 0
    claims = party.provider.read(response["id_token"])
    now = time()
    assert claims["iss"] == party.provider.issuer
    assert claims["aud"] == party.id
    assert now - 60 < claims["iat"] <= now + 5 < claims["exp"]
    assert claims.get("nonce") == asked.get("nonce")
    assert claims["sub"].isascii()
    assert 0 < len(claims["sub"]) <= 255
    assert claims["at_hash"] == half_hash(response["access_token"])
    assert not set(claims) - _OWN - {"preferred_username", *told}
    userinfo = party.userinfo(response["access_token"])
    assert userinfo.status_code == 200
    assert userinfo.json()["sub"] == claims["sub"]
    return Tokens(response, claims, userinfo.json())


def check_error(
    party: Party, asked: Mapping[str, str], answer: Mapping[str, str], *errors: str
) -> None:
    """Return if *answer* is one of *errors*, told as it must be."""
    assert answer["error"] in errors
    assert answer.get("state") == asked.get("state")
    assert answer.get("iss", party.provider.issuer) == party.provider.issuer
    assert "code" not in answer
    assert _DESCRIPTION.fullmatch(answer.get("error_description", ""))


def entropy_of(text: str) -> float:
    """Return bits, by how often each sign is there (as the suite counts)."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) * len(text)


def half_hash(text: str) -> str:
    """OIDC Core 3.1.3.6."""
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
