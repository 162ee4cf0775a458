"""An OpenID client in one file: authorization code, PKCE, state, nonce, and what to check.

    begin ──▶ the bridge ──▶ finish ──▶ the claims of a verified ID token

Sources: RFC 6749 section 4.1, RFC 7636, RFC 9207, OIDC Core sections 3.1.3.7 and 12.2, OIDC
Back-Channel Logout section 2.6.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest
from typing import Any

from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from oidc_bridge.demo.outside import Ask
from oidc_bridge.demo.pages import DemoError

_LEEWAY = 5
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True)
class Pending:
    """What must fit when the browser comes back."""

    state: str
    nonce: str
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person as this app knows them.

    Attributes:
        claims: Of the latest ID token, verified.
        header: Of the same token.
    """

    claims: Mapping[str, Any]
    header: Mapping[str, Any]
    scope: str
    expires_in: int
    refresh_token: str | None = field(repr=False)
    refreshed: int = 0


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """An app that is registered at the bridge."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    scopes: tuple[str, ...]
    ask: Ask

    def begin(self) -> tuple[Pending, str]:
        """Return what to keep, and where to send the browser."""
        pending = Pending(generate_token(32), generate_token(32), generate_token(64))
        url: str = prepare_grant_uri(
            self._metadata()["authorization_endpoint"],
            self.client_id,
            "code",
            redirect_uri=self.redirect_uri,
            scope=" ".join(self.scopes),
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),  # type: ignore[no-untyped-call]
            code_challenge_method="S256",
        )
        return pending, url

    def finish(
        self, answer: Mapping[str, str], pending: Pending | None, *, now: datetime
    ) -> SignedIn:
        """Return who came back: check the answer, redeem its code, verify the ID token.

        Raises:
            DemoError: ``state_mismatch``, ``issuer_mismatch``, ``token_refused``, or the error
                that was sent.
        """
        if pending is None or not compare_digest(
            answer.get("state", "").encode(), pending.state.encode()
        ):
            raise DemoError("state_mismatch", "This answer belongs to no sign-in begun here.")
        # RFC 9207: another provider's answer must not be taken for ours.
        if answer.get("iss") != self.issuer:
            raise DemoError("issuer_mismatch", "The answer came from another provider.")
        if "error" in answer:
            raise DemoError(answer["error"], answer.get("error_description", ""))
        if "code" not in answer:
            raise DemoError("invalid_response", "The answer holds neither a code nor an error.")
        return self._redeem(answer["code"], pending, now)

    def refresh(self, known: SignedIn, *, now: datetime) -> SignedIn:
        """Return the same person with new tokens (Core 12.2: the same ``sub``)."""
        if known.refresh_token is None:
            raise DemoError("refresh_missing", "There is no refresh token.")
        tokens = self._ask_token(
            {"grant_type": "refresh_token", "refresh_token": known.refresh_token}
        )
        token = self._verify(
            tokens["id_token"],
            now=now,
            sub={"essential": True, "value": known.claims["sub"]},
            exp={"essential": True},
            iat={"essential": True},
        )
        return _signed_in(tokens, token, refreshed=known.refreshed + 1)

    def read_logout(self, text: str, *, now: datetime) -> str:
        """Return the ``sid`` that a logout token ends.

        Raises:
            DemoError: ``token_refused``, ``logout_malformed``.
        """
        essential = {"essential": True}
        claims = self._verify(text, now=now, iat=essential, jti=essential, sid=essential).claims
        if _LOGOUT_EVENT not in claims.get("events", {}) or "nonce" in claims:
            raise DemoError("logout_malformed", "This is no logout token.")
        return str(claims["sid"])

    def _redeem(self, code: str, pending: Pending, now: datetime) -> SignedIn:
        tokens = self._ask_token(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.redirect_uri,
                "code_verifier": pending.verifier,
            }
        )
        token = self._verify(
            tokens["id_token"],
            now=now,
            nonce={"essential": True, "value": pending.nonce},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        return _signed_in(tokens, token)

    def _metadata(self) -> dict[str, Any]:
        reply = self.ask("GET", f"{self.issuer}/.well-known/openid-configuration")
        metadata = reply.document()
        if reply.status != 200 or metadata.get("issuer") != self.issuer:
            raise DemoError(
                "discovery_failed", "The provider does not describe itself as expected."
            )
        return metadata

    def _ask_token(self, form: Mapping[str, str]) -> dict[str, Any]:
        url = self._metadata()["token_endpoint"]
        reply = self.ask("POST", url, form=form, basic=(self.client_id, self.client_secret))
        tokens = reply.document()
        if reply.status != 200:
            code = str(tokens.get("error", f"status {reply.status}"))
            raise DemoError(code, str(tokens.get("error_description", "")))
        if not isinstance(tokens.get("id_token"), str):
            raise DemoError("invalid_response", "The answer holds no ID token.")
        return tokens

    def _verify(self, text: str, *, now: datetime, **checks: Any) -> jwt.Token:
        """Return a token that the provider signed for us and whose claims pass *checks*."""
        metadata = self._metadata()
        keys = KeySet.import_key_set(self.ask("GET", metadata["jwks_uri"]).document())  # type: ignore[arg-type]
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.client_id},
            **checks,
        )
        try:
            # The algorithms are ours to choose, never the token's.
            token = jwt.decode(text, keys, algorithms=["RS256"])
            registry.validate(token.claims)
        except (JoseError, ValueError) as error:
            raise DemoError("token_refused", f"The token is not valid: {error}.") from error
        return token


def _signed_in(tokens: Mapping[str, Any], token: jwt.Token, *, refreshed: int = 0) -> SignedIn:
    return SignedIn(
        claims=token.claims,
        header=token.header,
        scope=tokens.get("scope", ""),
        expires_in=tokens.get("expires_in", 0),
        refresh_token=tokens.get("refresh_token"),
        refreshed=refreshed,
    )
