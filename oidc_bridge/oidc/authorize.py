"""An authorization request, checked in the order of its specifications.

RFC 6749 section 4.1.2.1 is a fork in the code: until client and redirect URI are known to be
good an error is *shown* (`ShownError`); from then on it is *sent back* (`SentError`). So there
are three steps, each of which needs what the one before it proved:

    parameters = read_parameters(query)              # or it is shown
    target = find_target(parameters, client)         # or it is shown
    request = check_request(parameters, target, ...) # or it is sent back to target

Sources: RFC 6749 sections 3.1, 4.1.1; RFC 7636 section 4.3; OIDC Core section 3.1.2.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from oidc_bridge.errors import SentError, ShownError
from oidc_bridge.oidc.client import Client

_MAX_PARAMETERS = 64
_MAX_VALUE = 4096
# Repeating one of these leaves in doubt where an answer belongs (RFC 6749 section 3.1).
_DECIDE_TARGET = frozenset({"client_id", "redirect_uri", "state"})
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_VISIBLE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Target:
    """Where the answer goes: proven to be the client's own address."""

    client: Client
    redirect_uri: str
    state: str | None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """The query of ``/authorize``, kept while the person decides.

    Attributes:
        scopes: what is asked for and allowed, in the client's order, without repeats.
        proof_after: the person must have proved themselves after this moment; None if any live
            session will do. It is what ``prompt=login``, ``max_age``, a re-authentication and
            "use another account" all come down to.
        ask_anyway: consent is asked even if an earlier one covers it.
        silent: ``prompt=none``: no page may be shown.
        hint: ``id_token_hint``, not read yet; a silent answer is about nobody else.
    """

    target: Target
    scopes: tuple[str, ...]
    code_challenge: str
    nonce: str | None
    redirect_url: str | None
    proof_after: datetime | None
    ask_anyway: bool
    silent: bool
    hint: str | None = None


def read_parameters(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return the parameters; those sent without a value count as not sent (RFC 6749 3.1).

    A repeated one that does not decide the target is kept as ``"\\0"``, which no check accepts.

    Raises:
        ShownError: ``request_malformed``.
    """
    parameters: dict[str, str] = {}
    for number, (name, value) in enumerate(pairs):
        if number >= _MAX_PARAMETERS or len(value) > _MAX_VALUE or "\0" in value or "�" in value:
            raise ShownError("request_malformed", f"parameter {name[:40]!r} is not acceptable")
        if not value:
            continue
        if name in parameters:
            if name in _DECIDE_TARGET:
                raise ShownError("request_malformed", f"{name} is given twice")
            value = "\0"
        parameters[name] = value
    return parameters


def find_target(parameters: Mapping[str, str], client: Client | None) -> Target:
    """Return where the answer goes. *client* is the one that ``client_id`` names, if any.

    Raises:
        ShownError: ``client_unknown``, ``redirect_uri_mismatch``.
    """
    if client is None or parameters.get("client_id") != client.id:
        raise ShownError("client_unknown", parameters.get("client_id", "none given")[:80])
    redirect_uri = parameters.get("redirect_uri", "")
    # Security: keep this above every redirect. An unknown URI must never be followed.
    if not client.accepts_redirect_uri(redirect_uri):
        raise ShownError("redirect_uri_mismatch", f"{client.id}: {redirect_uri[:200]!r}")
    return Target(client, redirect_uri, parameters.get("state"))


def check_request(
    parameters: Mapping[str, str], target: Target, *, now: datetime
) -> AuthorizationRequest:
    """Return the request if we can carry it out.

    Raises:
        SentError: ``invalid_request``, ``unsupported_response_type``, ``invalid_scope``,
            ``request_not_supported``, ``request_uri_not_supported``.
    """
    for name, value in parameters.items():
        if value == "\0":
            raise SentError("invalid_request", f"The parameter {_plain(name)} is given twice.")
    for name in ("request", "request_uri"):
        if name in parameters:
            raise SentError(f"{name}_not_supported", f"This server does not take {name}.")
    response_type = parameters.get("response_type")
    if response_type is None:
        raise SentError("invalid_request", "response_type is missing.")
    if response_type != "code":
        raise SentError("unsupported_response_type", "This server only answers with a code.")
    if parameters.get("response_mode", "query") != "query":
        raise SentError("invalid_request", "This server only answers in the query.")
    prompts = _prompts(parameters.get("prompt", ""))
    redirect_url = parameters.get("redirectUrl")
    is_reauthentication = target.client.kind == "homeserver" and redirect_url is None
    return AuthorizationRequest(
        target=target,
        scopes=_scopes(parameters.get("scope", ""), target.client),
        code_challenge=_code_challenge(parameters),
        nonce=_nonce(parameters.get("nonce")),
        redirect_url=redirect_url,
        proof_after=_proof_after(
            parameters.get("max_age"),
            now if is_reauthentication or "login" in prompts else None,
            now=now,
        ),
        ask_anyway=bool(prompts & {"consent", "select_account"}),
        silent="none" in prompts,
        hint=parameters.get("id_token_hint"),
    )


def answer_url(target: Target, answer: Mapping[str, str], *, issuer: str) -> str:
    """Return the redirect URI with *answer*, ``state`` and ``iss`` (RFC 9207) added."""
    fields = {**answer, "iss": issuer}
    if target.state is not None:
        fields["state"] = target.state
    separator = "&" if "?" in target.redirect_uri else "?"
    return f"{target.redirect_uri}{separator}{urlencode(fields)}"


def error_url(target: Target, error: SentError, *, issuer: str) -> str:
    """Return the redirect URI that tells the client of *error* (RFC 6749 section 4.1.2.1)."""
    return answer_url(
        target, {"error": error.code, "error_description": error.detail}, issuer=issuer
    )


def _code_challenge(parameters: Mapping[str, str]) -> str:
    """RFC 7636 section 4.4.1; ``plain``, and no challenge at all, are refused for everybody."""
    challenge = parameters.get("code_challenge")
    if challenge is None:
        raise SentError("invalid_request", "code_challenge is missing: PKCE is required.")
    if parameters.get("code_challenge_method") != "S256":
        raise SentError("invalid_request", "code_challenge_method must be S256.")
    if not _CHALLENGE.fullmatch(challenge):
        raise SentError("invalid_request", "code_challenge is not a SHA-256 in base64url.")
    return challenge


def _scopes(text: str, client: Client) -> tuple[str, ...]:
    """OIDC Core 3.1.2.1: ``openid`` must be there; scopes we don't know are left out."""
    asked = dict.fromkeys(text.split(" "))
    if "openid" not in asked:
        raise SentError("invalid_scope", "The scope openid is missing.")
    return tuple(scope for scope in asked if scope in client.scopes)


def _prompts(text: str) -> frozenset[str]:
    prompts = frozenset(text.split())
    if not prompts <= _PROMPTS:
        raise SentError("invalid_request", "prompt has a value that is not defined.")
    if "none" in prompts and len(prompts) > 1:
        raise SentError("invalid_request", "prompt=none must stand alone.")
    return prompts


def _proof_after(max_age: str | None, floor: datetime | None, *, now: datetime) -> datetime | None:
    if max_age is None:
        return floor
    if not re.fullmatch(r"[0-9]{1,9}", max_age):
        raise SentError("invalid_request", "max_age must be a number of seconds.")
    return max(filter(None, (floor, now - timedelta(seconds=int(max_age)))))


def _nonce(nonce: str | None) -> str | None:
    if nonce is not None and (len(nonce) > 512 or not _VISIBLE.fullmatch(nonce)):
        raise SentError("invalid_request", "nonce must be at most 512 ASCII characters.")
    return nonce


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name[:40])
