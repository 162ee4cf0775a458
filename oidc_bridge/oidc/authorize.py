"""An authorization request, checked in the order of its specifications.

RFC 6749 section 4.1.2.1 is a fork in the code: until client and redirect URI are known to be
good an error is *shown* (`ShownError`); from then on it is *sent back* (`SentError`). So there
are three steps, each of which needs what the one before it proved:

    parameters = read_parameters(query)              # or it is shown
    target = find_target(parameters, client)         # or it is shown
    request = check_request(parameters, target, ...) # or it is sent back to target

Sources: RFC 6749 sections 3.1, 4.1.1; RFC 7636 section 4.3; RFC 9449 section 10; OIDC Core
sections 3.1.2 and 5.5; Form Post Response Mode section 2.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from oidc_bridge.errors import SentError, ShownError
from oidc_bridge.oidc.answer import ResponseMode, Target
from oidc_bridge.oidc.claims import parse_claims
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.request_object import MAX_REQUEST_OBJECT
from oidc_bridge.oidc.scopes import single_claims

_MAX_PARAMETERS = 64
_MAX_VALUE = 4096
# Repeating one of these leaves in doubt where an answer belongs (RFC 6749 section 3.1).
_DECIDE_TARGET = frozenset({"client_id", "redirect_uri", "state"})
_SHA256 = re.compile(r"[A-Za-z0-9_-]{43}")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_VISIBLE = re.compile(r"[\x20-\x7e]*")
# An address or a name of a wallet. It is shown, so it may not be a sentence.
_LOGIN_HINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{1,127}")


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """The query of ``/authorize``, kept while the person decides.

    Attributes:
        scopes: what is asked for and allowed, in the client's order, without repeats; also single
            claims, by their names in `scopes.GRANTS`.
        code_challenge: ``""`` if the client sent none, which `check_request` must have been told to
            allow.
        proof_after: the person must have proved themselves after this moment; None if any live
            session will do. It is what ``prompt=login``, ``max_age``, a re-authentication and
            "use another account" all come down to.
        ask_anyway: consent is asked even if an earlier one covers it.
        silent: ``prompt=none``: no page may be shown.
        subjects: the answer must be about one of these (``id_token_hint``, ``claims``); nobody in
            it means anybody.
        login_hint: the address or name that the client thinks of; only ever shown.
        dpop_jkt: thumbprint of the key that the code will be bound to (RFC 9449 section 10).
        pushed: by which pushed request this was asked, for it to be used once (RFC 9126).
    """

    target: Target
    scopes: tuple[str, ...]
    code_challenge: str
    nonce: str | None
    redirect_url: str | None
    proof_after: datetime | None
    ask_anyway: bool
    silent: bool
    subjects: tuple[str, ...] = ()
    login_hint: str | None = None
    dpop_jkt: str | None = None
    pushed: str | None = None


def read_parameters(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return the parameters; those sent without a value count as not sent (RFC 6749 3.1).

    A repeated one that does not decide the target is kept as ``"\\0"``, which no check accepts.

    Raises:
        ShownError: ``request_malformed``.
    """
    parameters: dict[str, str] = {}
    for number, (name, value) in enumerate(pairs):
        most = MAX_REQUEST_OBJECT if name == "request" else _MAX_VALUE
        if number >= _MAX_PARAMETERS or len(value) > most or "\0" in value or "�" in value:
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
    # Errors travel as the answer would; a mode that we don't speak is refused in the query.
    mode: ResponseMode = "form_post" if parameters.get("response_mode") == "form_post" else "query"
    return Target(client, redirect_uri, parameters.get("state"), mode)


def check_request(
    parameters: Mapping[str, str],
    target: Target,
    *,
    now: datetime,
    hinted: str | None = None,
    require_pkce: bool = True,
) -> AuthorizationRequest:
    """Return the request if we can carry it out.

    Args:
        hinted: whom ``id_token_hint`` names; ``""`` if it is no ID token that we gave the client.
        require_pkce: of every client; without it, of public clients alone.

    Raises:
        SentError: ``invalid_request``, ``unsupported_response_type``, ``invalid_scope``,
            ``login_required``, ``unmet_authentication_requirements``, and
            ``request_not_supported``, ``request_uri_not_supported``,
            ``registration_not_supported`` (OIDC Core 3.1.2.6).
    """
    for name, value in parameters.items():
        if value == "\0":
            raise SentError("invalid_request", f"The parameter {_plain(name)} is given twice.")
    for name in ("request", "request_uri", "registration"):
        if name in parameters:
            raise SentError(f"{name}_not_supported", f"This server does not take {name}.")
    response_type = parameters.get("response_type")
    if response_type is None:
        raise SentError("invalid_request", "response_type is missing.")
    if response_type != "code":
        raise SentError("unsupported_response_type", "This server only answers with a code.")
    if parameters.get("response_mode", "query") != target.response_mode:
        raise SentError("invalid_request", "This server answers by query or form_post only.")
    prompts = _prompts(parameters.get("prompt", ""))
    redirect_url = parameters.get("redirectUrl")
    asked = parse_claims(parameters.get("claims"))
    scopes = _scopes(parameters.get("scope", ""), target.client)
    is_reauthentication = target.client.kind == "homeserver" and redirect_url is None
    return AuthorizationRequest(
        target=target,
        scopes=(
            *scopes,
            *single_claims(asked.names, scopes=scopes, allowed=target.client.scopes),
        ),
        code_challenge=_code_challenge(
            parameters, is_required=require_pkce or target.client.is_public
        ),
        nonce=_nonce(parameters.get("nonce")),
        redirect_url=redirect_url,
        proof_after=_proof_after(
            _max_age(parameters.get("max_age"), target.client),
            now if is_reauthentication or "login" in prompts else None,
            now=now,
        ),
        ask_anyway=bool(prompts & {"consent", "select_account"}),
        silent="none" in prompts,
        subjects=_subjects(hinted, asked.subjects),
        login_hint=_login_hint(parameters.get("login_hint", "")),
        dpop_jkt=_thumbprint(parameters.get("dpop_jkt")),
    )


def _code_challenge(parameters: Mapping[str, str], *, is_required: bool) -> str:
    """RFC 7636 section 4.4.1. ``plain`` is refused for everybody.

    Who sends a method has begun PKCE: somebody on the way may have taken the challenge out.
    """
    challenge = parameters.get("code_challenge")
    if challenge is None and not is_required and "code_challenge_method" not in parameters:
        return ""
    if challenge is None:
        raise SentError("invalid_request", "code_challenge is missing: PKCE is required.")
    if parameters.get("code_challenge_method") != "S256":
        raise SentError("invalid_request", "code_challenge_method must be S256.")
    if not _SHA256.fullmatch(challenge):
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


def _max_age(text: str | None, client: Client) -> timedelta | None:
    """OIDC Core 3.1.2.1, and ``default_max_age`` (Registration section 2), which it overrides."""
    if text is None:
        default = client.metadata.default_max_age
        return None if default is None else timedelta(seconds=default)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise SentError("invalid_request", "max_age must be a number of seconds.")
    return timedelta(seconds=int(text))


def _proof_after(
    max_age: timedelta | None, floor: datetime | None, *, now: datetime
) -> datetime | None:
    if max_age is None:
        return floor
    return max(filter(None, (floor, now - max_age)))


def _subjects(hinted: str | None, claimed: frozenset[str] | None) -> tuple[str, ...]:
    """OIDC Core 3.1.2.1, 5.5.1: whom the answer must be about; nobody else is ever told of.

    A hint may have expired, but one that is not ours is refused, not ignored: without it the
    client could be given somebody whom it did not mean.
    """
    if hinted == "":
        raise SentError("invalid_request", "id_token_hint is no ID token that you got from here.")
    wanted = [set(who) for who in (claimed, {hinted} if hinted else None) if who is not None]
    if not wanted:
        return ()
    subjects = set.intersection(*wanted)
    if not subjects:
        raise SentError("login_required", "Nobody is the one that is asked for.")
    return tuple(sorted(subjects))


def _login_hint(text: str) -> str | None:
    return text if _LOGIN_HINT.fullmatch(text) else None


def _thumbprint(text: str | None) -> str | None:
    if text is not None and not _SHA256.fullmatch(text):
        raise SentError("invalid_request", "dpop_jkt is not a SHA-256 in base64url.")
    return text


def _nonce(nonce: str | None) -> str | None:
    if nonce is not None and (len(nonce) > 512 or not _VISIBLE.fullmatch(nonce)):
        raise SentError("invalid_request", "nonce must be at most 512 ASCII characters.")
    return nonce


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name[:40])
