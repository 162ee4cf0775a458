"""What we say of ourselves: the discovery document (OIDC Discovery section 3, RFC 8414).

It says only what is true; ``tests/oidc/test_metadata.py`` holds each value against behaviour.
"""

from typing import Any, get_args

from authlib.oidc.discovery import OpenIDProviderMetadata

from oidc_bridge.oidc.client import AuthMethod
from oidc_bridge.oidc.jose import ALGORITHMS
from oidc_bridge.oidc.keys import SIGNING_ALGORITHMS
from oidc_bridge.oidc.request_object import ALGORITHMS as REQUEST_ALGORITHMS
from oidc_bridge.oidc.scopes import SCOPES

AUTH_METHODS: tuple[str, ...] = get_args(AuthMethod)
# MSC4191, and the part of the account page that each leads to.
ACCOUNT_ACTIONS = {
    "org.matrix.profile": "me",
    "org.matrix.devices_list": "sessions",
}


def discovery(
    issuer: str,
    *,
    require_pushed: bool = False,
    require_signed: bool = False,
    offers_registration: bool = False,
) -> dict[str, Any]:
    """Return the discovery document, checked by Authlib's rules for one.

    Args:
        require_pushed: every client must push its requests (RFC 9126 section 5).
        require_signed: every client must sign its requests (RFC 9101 section 10.5).
        offers_registration: clients may register themselves.
    """
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/end-session",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "userinfo_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_endpoint": f"{issuer}/introspect",
        "introspection_endpoint_auth_methods_supported": [
            method for method in AUTH_METHODS if method != "none"
        ],
        "introspection_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "revocation_endpoint": f"{issuer}/revoke",
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": [
            *("sub", "iss", "aud", "iat", "exp", "auth_time", "nonce", "sid", "at_hash"),
            *(claim for scope in SCOPES.values() for claim in scope.claims),
        ],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": True,
        "ui_locales_supported": ["en"],
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": list(REQUEST_ALGORITHMS),
        # Only what was pushed has a request_uri here: none is ever fetched (SSRF).
        "request_uri_parameter_supported": False,
        "require_pushed_authorization_requests": require_pushed,
        "require_signed_request_object": require_signed,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "account_management_uri": f"{issuer}/account",
        "account_management_actions_supported": list(ACCOUNT_ACTIONS),
    }
    if offers_registration:
        document["registration_endpoint"] = f"{issuer}/register"
    if issuer.startswith("https://"):  # Authlib knows no loopback
        OpenIDProviderMetadata(document).validate()
    return document
