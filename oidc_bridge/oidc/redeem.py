"""A token request, checked: whether what a client holds fits what it asks for.

Sources: RFC 6749 sections 3.2, 4.1.3, 5.2 and 6; RFC 7636 section 4.6.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.request_object import MAX_REQUEST_OBJECT
from oidc_bridge.oidc.scopes import within

_MAX_VALUE = 4096
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """``grant_type=authorization_code``; ``code_verifier`` is ``""`` if none was sent."""

    code: str
    redirect_uri: str
    code_verifier: str


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """``grant_type=refresh_token``; ``scopes`` None asks for all that was granted."""

    refresh_token: str
    scopes: tuple[str, ...] | None


def read_form(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return the form's fields, the empty ones left out.

    Raises:
        SentError: ``invalid_request`` if one is repeated (RFC 6749 section 3.2) or monstrous.
    """
    form: dict[str, str] = {}
    for name, value in pairs:
        if not value:
            continue
        most = MAX_REQUEST_OBJECT if name == "request" else _MAX_VALUE
        if name in form or len(value) > most or "\0" in value:
            raise SentError("invalid_request", "A parameter is repeated or not acceptable.")
        form[name] = value
    return form


def read_request(
    form: Mapping[str, str], *, require_pkce: bool = True
) -> CodeRequest | RefreshRequest:
    """Return what is asked for.

    Args:
        require_pkce: as in `authorize.check_request`. A code is not used up by a request that has
            no verifier where each needs one.

    Raises:
        SentError: ``invalid_request``, ``unsupported_grant_type``.
    """
    match form.get("grant_type"):
        case "authorization_code":
            return CodeRequest(
                code=need(form, "code"),
                redirect_uri=need(form, "redirect_uri"),
                code_verifier=(
                    need(form, "code_verifier") if require_pkce else form.get("code_verifier", "")
                ),
            )
        case "refresh_token":
            scope = form.get("scope")
            return RefreshRequest(
                refresh_token=need(form, "refresh_token"),
                scopes=tuple(dict.fromkeys(scope.split())) if scope else None,
            )
        case None:
            raise SentError("invalid_request", "grant_type is missing.")
        case _:
            raise SentError("unsupported_grant_type", "This grant type is not offered here.")


def check_grant(asked: CodeRequest | RefreshRequest, client: Client) -> None:
    """Return if *client* is registered for what it does (RFC 7591 section 2).

    Raises:
        SentError: ``unauthorized_client``.
    """
    grant = "authorization_code" if isinstance(asked, CodeRequest) else "refresh_token"
    if grant not in client.metadata.grant_types:
        raise SentError("unauthorized_client", f"The client is not registered for {grant}.")


def still_allowed(scopes: tuple[str, ...], client: Client) -> tuple[str, ...]:
    """Return those of the granted *scopes* that *client* may have today.

    Raises:
        SentError: ``invalid_grant`` if nothing is left.
    """
    kept = within(scopes, client.scopes)
    if not kept:
        raise SentError("invalid_grant", "Nothing is left of what was granted.")
    return kept


def check_code(
    request: CodeRequest,
    *,
    redirect_uri: str,
    code_challenge: str,
    expires_at: datetime,
    now: datetime,
) -> None:
    """Return if the request fits what the code was bound to.

    Args:
        code_challenge: ``""`` if there was none (`authorize.check_request`).

    Raises:
        SentError: ``invalid_grant``; ``invalid_request`` if there is no ``code_verifier``.
    """
    if now >= expires_at:
        raise SentError("invalid_grant", "The code has expired.")
    if not compare_digest(request.redirect_uri.encode(), redirect_uri.encode()):
        raise SentError("invalid_grant", "redirect_uri is not the one the code was made for.")
    _check_verifier(request.code_verifier, code_challenge)


def _check_verifier(code_verifier: str, code_challenge: str) -> None:
    if not code_challenge:
        # RFC 9700 section 2.1.1: the client sent a challenge, and somebody took it out.
        if code_verifier:
            raise SentError("invalid_grant", "The code was made without a code_challenge.")
        return
    if not code_verifier:
        raise SentError("invalid_request", "code_verifier is missing.")
    if not _VERIFIER.fullmatch(code_verifier):
        raise SentError("invalid_grant", "code_verifier is not 43 to 128 unreserved characters.")
    # RFC 7636 4.6: compare in constant time; the challenge is public, the habit is not.
    fitting: str = create_s256_code_challenge(code_verifier)  # type: ignore[no-untyped-call]
    if not compare_digest(fitting, code_challenge):
        raise SentError("invalid_grant", "code_verifier does not fit the code_challenge.")


def narrow(granted: tuple[str, ...], asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the scopes of a refreshed token (RFC 6749 section 6: never more than granted).

    Raises:
        SentError: ``invalid_scope``.
    """
    if asked is None:
        return granted
    if not set(asked) <= set(granted):
        raise SentError("invalid_scope", "A scope is asked for that was never granted.")
    return asked


def need(form: Mapping[str, str], name: str) -> str:
    """Return a parameter that must be there.

    Raises:
        SentError: ``invalid_request``.
    """
    value = form.get(name)
    if value is None:
        raise SentError("invalid_request", f"{name} is missing.")
    return value
