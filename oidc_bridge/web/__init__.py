"""What every view may reach, what every answer carries, and the page for what goes wrong."""

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlencode

from flask import Flask, Response, current_app, g, make_response, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter

from oidc_bridge.config import Settings
from oidc_bridge.errors import (
    BridgeError,
    ConfigError,
    PageError,
    ProofError,
    SentError,
    ShownError,
    TokenError,
)
from oidc_bridge.identity import Proof
from oidc_bridge.oidc.jose import ALGORITHMS
from oidc_bridge.oidc.keys import as_bytes
from oidc_bridge.origins import read_origin
from oidc_bridge.ports import Fetch, PostJson
from oidc_bridge.proofs.named_profile import NamedProfile
from oidc_bridge.proofs.names import NameService
from oidc_bridge.proofs.oichat import OiChat
from oidc_bridge.seal import Seal
from oidc_bridge.web.explanations import explain
from oidc_bridge.web.fetched_keys import FetchedKeys
from oidc_bridge.web.snapshot import Snapshots
from oidc_bridge.web.templates import dress

log = logging.getLogger(__name__)

_EXTENSION = "oidc_bridge"
_MAX_QUERY = 7_000
# Spoken to by programs: errors are JSON, and scripts of other origins may read the answers, as
# MAS lets them. No list of origins: what opens these is in the request's own text, no cookie is
# looked at, and with ``*`` no browser shows what it asked for with cookies (Fetch, "CORS protocol
# and credentials").
_PROTOCOL = frozenset({"/token", "/userinfo", "/introspect", "/revoke", "/register", "/par"})
_FOLDERS = ("/register/", "/_matrix/", "/c/", "/proofs/")
# The same, for programs alone: what they send proves a person, and no page has any business there.
_FOR_MODULES = frozenset({"/matrix/password"})
_FOR_SCRIPTS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP",
    "Access-Control-Expose-Headers": "WWW-Authenticate",
    "Access-Control-Max-Age": "3600",
}


@dataclass(frozen=True, slots=True)
class Bridge:
    """The parts that ``factory.create_app`` joined."""

    settings: Settings
    seal: Seal
    proofs: Mapping[str, Proof]
    name_services: tuple[NameService, ...]
    fetch: Fetch
    snapshots: Snapshots
    strangers: Fetch
    client_keys: FetchedKeys
    clock: Callable[[], datetime]
    post_json: PostJson
    find_profile: Callable[..., NamedProfile]
    oichat: OiChat | None = None


def system_clock() -> datetime:
    """Return the time, aware, UTC."""
    return datetime.now(UTC)


def bridge() -> Bridge:
    """Return the parts of the app that serves this request."""
    return cast(Bridge, current_app.extensions[_EXTENSION])


class IdConverter(BaseConverter):
    """An id in a path, made of what ours are made of; anything else is no page of ours."""

    regex = "[A-Za-z0-9_-]{1,64}"


def install(app: Flask, parts: Bridge) -> None:
    """Give *app* its parts, its headers and its error pages."""
    app.extensions[_EXTENSION] = parts
    app.url_map.converters["id"] = IdConverter
    app.url_map.merge_slashes = False  # its redirect would name the host of the request
    dress(app)
    app.after_request(_add_headers)
    app.register_error_handler(BridgeError, show_error)
    app.register_error_handler(HTTPException, _show_http_error)
    app.register_error_handler(Exception, _show_crash)


def page(template: str, *, status: int = 200, **context: object) -> Response:
    """Return a page of ours; every template gets the server's name beside its own values."""
    settings = bridge().settings
    body = render_template(
        template,
        service=settings.name,
        host=settings.host,
        help_url=settings.help_url,
        **{"csrf": "", **context},
    )
    return make_response(body, status)


def json_answer(
    document: Mapping[str, object], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a protocol endpoint's answer, never stored unless *headers* say otherwise.

    RFC 6749 section 5.1 wants ``Pragma`` too, for caches that know no better.
    """
    answer = Response(as_bytes(document), status, content_type="application/json")
    answer.headers["Pragma"] = "no-cache"
    answer.headers.update(headers or {})
    return answer


def as_download(document: Mapping[str, object], *, name: str) -> Response:
    """Return a document as a file that a person keeps and reads."""
    body = json.dumps(document, indent=2, ensure_ascii=False)
    answer = Response(body, content_type="application/json; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def empty_answer(*, status: int = 200) -> Response:
    """Return a protocol endpoint's answer that says all by its status.

    Without a type: Flask's own is a page's, and oidc-client-ts takes a page for a failure.
    """
    answer = Response(status=status)
    del answer.headers["Content-Type"]
    return answer


def pairs(lists: Iterable[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    """Return a query's or a form's parameters one by one, repeated ones too."""
    return [(name, value) for name, values in lists for value in values]


def see_other(url: str) -> Response:
    """Return the answer to a form: go to *url* with a GET."""
    return Response(status=303, headers={"Location": url})


def as_link(path: str, *, advice: str = "") -> Response:
    """Return the answer to a form of another site: the same, as a link to *path*.

    SameSite: with a form of another site no cookie of ours comes, with a link it does.

    Raises:
        ShownError: ``request_malformed`` if it is too long for an address; *advice* says what else.
    """
    query = urlencode(pairs(request.form.lists()))
    if len(query) > _MAX_QUERY:
        raise ShownError("request_malformed", f"too long for an address{advice}")
    return see_other(f"{path}?{query}")


def let_form_lead_to(redirect_uri: str, app_key: str = "") -> None:
    """Let this page's forms end at the client and the app, through however many redirects.

    Chromium holds every redirect that follows a form against ``form-action``: with 'self' alone
    the way back to the client would be blocked, silently.
    """
    let_forms_lead_only_to("'self'", source_of(redirect_uri), app_key)


def let_forms_lead_only_to(*sources: str) -> None:
    """Let this page's forms end at these sources of a Content Security Policy; ``""`` is none."""
    g.form_targets = dict.fromkeys(filter(None, sources))


def source_of(redirect_uri: str) -> str:
    """Return where a registered redirect URI leads, as a Content Security Policy names it."""
    scheme = redirect_uri.partition(":")[0].lower()
    is_web = scheme in ("http", "https")
    return str(read_origin(redirect_uri)) if is_web else f"{scheme}:"


def let_page_show_drawings() -> None:
    """Let this page show pictures that come with it: such as we drew, and keep nowhere."""
    g.image_sources = "'self' data:"


def let_page_be_framed_by(*origins: str) -> None:
    """Let pages of these origins, and no others, show this one in a frame."""
    g.frame_ancestors = origins


def _is_protocol(path: str) -> bool:
    return path in _PROTOCOL or path in _FOR_MODULES or path.startswith(_FOLDERS)


def _is_json(path: str) -> bool:
    """Whether errors are JSON there: the widget's own script is a program too."""
    return _is_protocol(path) or path.startswith("/widget/")


def _add_headers(answer: Response) -> Response:
    headers = answer.headers
    headers.setdefault("Cache-Control", "no-store")
    if _is_protocol(request.path) and request.path not in _FOR_MODULES:
        headers.update(_FOR_SCRIPTS)
    headers["X-Content-Type-Options"] = "nosniff"
    # Nothing goes to others, but our own forms keep their Origin (no-referrer would null it).
    headers.setdefault("Referrer-Policy", "same-origin")
    if bridge().settings.is_https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if answer.mimetype == "text/html":
        headers["Vary"] = "Cookie"
        # No Cross-Origin-Opener-Policy: Matrix clients open a re-authentication in a pop-up, and
        # Synapse's last page must still find its opener.
        form_targets = " ".join(g.get("form_targets", ("'self'",)))
        ancestors = " ".join(g.get("frame_ancestors", ("'none'",)))
        images = g.get("image_sources", "'self'")
        headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self';"
            f" img-src {images};"
            f" connect-src 'self'; base-uri 'none'; frame-ancestors {ancestors};"
            f" form-action {form_targets}"
        )
        if "frame_ancestors" not in g:  # it knows no list
            headers["X-Frame-Options"] = "DENY"
    return answer


def new_reference() -> str:
    """Return what a person can read out and an operator can find in the log."""
    return secrets.token_hex(4)


def show_error(error: BridgeError) -> Response:
    """Show an error as a page, or as JSON if it is a protocol endpoint's."""
    if isinstance(error, SentError):
        return json_error(error)
    reference = new_reference()
    if isinstance(error, ConfigError):
        log.error("not usable code=%s detail=%s reference=%s", error.code, error.detail, reference)
        status = 500
        error = PageError("internal")
    else:
        log.info("refused code=%s detail=%s reference=%s", error.code, error.detail, reference)
        status = error.status if isinstance(error, PageError) else 400
    if isinstance(error, ProofError):
        status = 403 if error.code == "account_blocked" else 400
    return page(
        "error.html",
        status=status,
        explanation=explain(error),
        code=error.code,
        reference=reference,
        back_url=None,
    )


def json_error(error: SentError) -> Response:
    """Return an error of an endpoint that programs speak to (RFC 6749 section 5.2)."""
    realm = f'realm="{bridge().settings.host}"'
    headers = {}
    if isinstance(error, TokenError):
        said = "" if error.is_quiet else f', error="{error.code}"'
        algorithms = f', algs="{" ".join(ALGORITHMS)}"' if error.scheme == "DPoP" else ""
        headers["WWW-Authenticate"] = f"{error.scheme} {realm}{said}{algorithms}"
    elif error.status == 401:
        headers["WWW-Authenticate"] = f"Basic {realm}"
    return json_answer(
        {"error": error.code, "error_description": error.detail},
        status=error.status,
        headers=headers,
    )


def _show_http_error(error: HTTPException) -> Response:
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    status = error.code or 500
    if _is_json(request.path):
        answer = json_error(SentError("invalid_request", f"{error.name}.", status=status))
    else:
        answer = show_error(PageError(codes.get(status, "request_malformed"), status=status))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return answer


def _show_crash(error: Exception) -> Response:
    """The one place that catches everything: our fault, said so, with a reference."""
    reference = new_reference()
    log.exception("crashed path=%r reference=%s", request.path, reference, exc_info=error)
    if _is_json(request.path):
        return json_error(SentError("server_error", f"Reference {reference}.", status=500))
    crash = PageError("internal")
    return page(
        "error.html",
        status=500,
        explanation=explain(crash),
        code=crash.code,
        reference=reference,
        back_url=None,
    )
