"""A client's own description of itself (RFC 7591, OIDC Registration), read and answered.

Members that we do not know are ignored and not answered; each that we know is answered as it was
taken (RFC 7591 section 3.2.1), which tells a client what it got. The rules are in `oidc.policy`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, NoReturn, cast, get_args

from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.client import AuthMethod, Client, ClientMetadata, SoftwareStatement
from oidc_bridge.oidc.policy import check_client
from oidc_bridge.oidc.scopes import SCOPES
from oidc_bridge.origins import read_origin

MAX_DOCUMENT = 64 * 1024
GRANT_TYPES = ("authorization_code", "refresh_token")

_MAX_DEPTH = 16
_MAX_TEXT = 2000
_MAX_LIST = 50
_MAX_SECONDS = 10**9
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
# To ignore these would send in clear what the client wants nobody to read.
_NOT_OFFERED = tuple(
    f"{what}_{how}"
    for what in ("id_token", "userinfo", "introspection")
    for how in ("encrypted_response_alg", "encrypted_response_enc")
)


def read_document(body: bytes) -> Mapping[str, object]:
    """Return the JSON object in *body*.

    Raises:
        BridgeError: ``invalid_client_metadata``, also for two members of one name, and for
            nesting deeper than anything that we know.
    """
    if len(body) > MAX_DOCUMENT:
        raise _refusal(f"more than {MAX_DOCUMENT} bytes")
    try:
        text = body.decode("utf-8")
        _check_depth(text)
        document = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is one, int()'s refusal too
        raise _refusal("not JSON") from error
    if not isinstance(document, dict):
        raise _refusal("expected a JSON object")
    return document


def read_client(
    document: Mapping[str, object],
    *,
    client_id: str,
    statement: SoftwareStatement | None = None,
    signed: Mapping[str, object] | None = None,
) -> Client:
    """Return the client that *document* describes, held to every rule.

    Args:
        statement: What `apps.manifest` proved of the ``software_statement`` in *document*.
        signed: The members in it, which win over those outside (RFC 7591 section 2.3).

    Raises:
        BridgeError: ``invalid_redirect_uri``, ``invalid_client_metadata``,
            ``unapproved_software_statement``.
    """
    # RFC 7591 section 2: null is as good as not there.
    given = {name: value for name, value in document.items() if value is not None}
    if given.get("software_statement") != (statement.text if statement else None):
        # Never ignored: what it says stands above what the client says.
        raise BridgeError("unapproved_software_statement", "nobody has verified it")
    given |= signed or {}
    for name in _NOT_OFFERED:
        if name in given:
            raise _refusal(f"{name}: encryption is not offered")
    redirect_uris = _read_redirect_uris(given.get("redirect_uris", []))
    response_types = _texts("response_types", given.get("response_types", ["code"]))
    if "code" not in response_types:
        raise _refusal("response_types: only code is offered")
    method = given.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in get_args(AuthMethod):
        raise _refusal("token_endpoint_auth_method: not one that is offered")
    _check_subject_type(given.get("subject_type", "pairwise"))
    scopes = _read_scopes(given.get("scope"))
    required = statement.required_scopes if statement else ("openid",)
    client = Client(
        id=client_id,
        name=_text("client_name", given.get("client_name", _first_host(redirect_uris))),
        kind="web",
        redirect_uris=redirect_uris,
        secret_digests=(),
        auth_methods=(cast(AuthMethod, method),),
        scopes=scopes,
        required_scopes=tuple(scope for scope in scopes if scope in required),
        backchannel_logout_uri=(
            _text("backchannel_logout_uri", given["backchannel_logout_uri"])
            if "backchannel_logout_uri" in given
            else None
        ),
        metadata=_read_metadata(given),
        statement=statement,
    )
    check_client(client)
    return client


def describe(client: Client) -> dict[str, object]:
    """Return a client's metadata as it was taken (RFC 7591 section 3.2.1); no secrets."""
    taken = {
        name: value for name, value in asdict(client.metadata).items() if value not in (None, ())
    }
    if client.statement is not None:
        taken["software_statement"] = client.statement.text
    if client.backchannel_logout_uri is not None:
        taken["backchannel_logout_uri"] = client.backchannel_logout_uri
    return {
        **taken,
        "client_id": client.id,
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "response_types": ["code"],
        "scope": " ".join(client.scopes),
        # OIDC Registration has room for one; a client of the operator's may have two.
        "token_endpoint_auth_method": client.auth_methods[0],
        # Whatever was asked for: nobody's subject at one client is their subject at another.
        "subject_type": "pairwise",
    }


def check_sector(client: Client, body: bytes) -> None:
    """Return if the file at ``sector_identifier_uri`` names every redirect URI (section 5).

    Raises:
        BridgeError: ``invalid_client_metadata``.
    """
    try:
        named = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _refusal("sector_identifier_uri: not JSON") from error
    if not isinstance(named, list):
        raise _refusal("sector_identifier_uri: expected a list of redirect URIs")
    for uri in client.redirect_uris:
        if uri not in named:
            raise _refusal(f"sector_identifier_uri: does not name {uri!r}")


def _read_metadata(given: Mapping[str, object]) -> ClientMetadata:
    taken = {name: _READERS[name](name, given[name]) for name in _READERS if name in given}
    # The standards' default, not ours: an operator's client may refresh, one of its own asks.
    taken.setdefault("grant_types", ("authorization_code",))
    return replace(ClientMetadata(), **taken)


def _read_redirect_uris(value: object) -> tuple[str, ...]:
    try:
        return _texts("redirect_uris", value)
    except BridgeError as error:
        raise BridgeError("invalid_redirect_uri", error.detail) from error


def _first_host(redirect_uris: tuple[str, ...]) -> str:
    try:
        return read_origin(redirect_uris[0]).host
    except (ValueError, IndexError):  # the policy tells what is wrong with it
        return "An app"


def _read_scopes(value: object) -> tuple[str, ...]:
    if value is None:
        return tuple(SCOPES)
    return tuple(scope for scope in dict.fromkeys(_text("scope", value).split()) if scope in SCOPES)


def _check_subject_type(value: object) -> None:
    if value not in ("pairwise", "public"):
        raise _refusal("subject_type: not one that is defined")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _MAX_TEXT:
        raise _refusal(f"{name}: expected text of at most {_MAX_TEXT} visible signs")
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_LIST:
        raise _refusal(f"{name}: expected a list of at most {_MAX_LIST}")
    return tuple(dict.fromkeys(_text(name, item) for item in value))


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refusal(f"{name}: expected true or false")
    return value


def _seconds(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_SECONDS:
        raise _refusal(f"{name}: expected a number of seconds")
    return value


def _object(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _refusal(f"{name}: expected an object")
    return value


def _application_type(name: str, value: object) -> str:
    if value not in ("web", "native"):
        raise _refusal(f"{name}: expected web or native")
    return str(value)


def _grant_types(name: str, value: object) -> tuple[str, ...]:
    taken = tuple(grant for grant in _texts(name, value) if grant in GRANT_TYPES)
    if "authorization_code" not in taken:
        raise _refusal(f"{name}: code needs authorization_code")
    return taken


_READERS: Mapping[str, Callable[[str, object], Any]] = {
    "application_type": _application_type,
    "backchannel_logout_session_required": _flag,
    "client_uri": _text,
    "contacts": _texts,
    "default_max_age": _seconds,
    "dpop_bound_access_tokens": _flag,
    "grant_types": _grant_types,
    "id_token_signed_response_alg": _text,
    "initiate_login_uri": _text,
    "introspection_signed_response_alg": _text,
    "jwks": _object,
    "jwks_uri": _text,
    "logo_uri": _text,
    "policy_uri": _text,
    "post_logout_redirect_uris": _texts,
    "request_object_signing_alg": _text,
    "require_auth_time": _flag,
    "require_pushed_authorization_requests": _flag,
    "require_signed_request_object": _flag,
    "sector_identifier_uri": _text,
    "software_id": _text,
    "software_version": _text,
    "token_endpoint_auth_signing_alg": _text,
    "tos_uri": _text,
    "userinfo_signed_response_alg": _text,
}


def _check_depth(text: str) -> None:
    """Refuse what is nested deeper than a JWK set; each Python's own limit is another."""
    depth = 0
    for sign in _STRING.sub("", text):
        depth += (sign in "[{") - (sign in "]}")
        if depth > _MAX_DEPTH:
            raise _refusal(f"nested deeper than {_MAX_DEPTH}")


def _without_twins(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        raise _refusal("two members of one object have the same name")
    return found


def _no_number(name: str) -> NoReturn:
    raise _refusal(f"{name} is no JSON")


def _refusal(detail: str) -> BridgeError:
    return BridgeError("invalid_client_metadata", detail)
