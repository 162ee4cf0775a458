"""Two cookies and a form token.

The *browser* cookie says which browser began something: requests and challenges belong to it, and
nobody else can go on with them. The *session* cookie says who is signed in; it is new at every
proof. Both are random, kept here as hashes only. The form token is a keyed digest of the browser
cookie, so a form works only in the browser that was shown it.
"""

from datetime import datetime
from hmac import compare_digest

from flask import Response, request
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.seal import new_secret
from oidc_bridge.storage.requests import OpenRequest
from oidc_bridge.storage.sessions import Session, find_session, find_session_by_id
from oidc_bridge.web import bridge

# Of a field whose own page says what is too long: no form is longer (see `factory`).
MAX_FIELD = 256 * 1024
_MAX_COOKIE = 128
_BROWSER_LIFE = 400 * 86_400


def cookie_name(kind: str) -> str:
    """Return ``__Host-<kind>``; on http (localhost only) browsers would refuse the prefix."""
    return f"__Host-{kind}" if bridge().settings.is_https else kind


def find_browser() -> str | None:
    """Return the browser cookie."""
    return _read("browser")


def get_browser() -> str:
    """Return the browser cookie.

    Raises:
        PageError: ``cookies_missing``.
    """
    browser = find_browser()
    if browser is None:
        raise PageError("cookies_missing")
    return browser


def keep_browser(answer: Response, browser: str) -> Response:
    """Give the browser its cookie if it does not have it yet."""
    if find_browser() != browser:
        _set(answer, "browser", browser, life=_BROWSER_LIFE)
    return answer


def new_browser() -> str:
    """Return the browser's cookie, or a fresh value for one that has none."""
    return find_browser() or new_secret()


def current_session(connection: Connection, *, now: datetime) -> Session | None:
    """Return who is signed in."""
    cookie = _read("session")
    return None if cookie is None else find_session(connection, cookie, now=now)


def session_at(
    connection: Connection, open_request: OpenRequest, *, now: datetime
) -> Session | None:
    """Return who answers a request: whom a chat app's key has signed in for it alone, else who is
    signed in.

    If the first is over, nobody is: the one must not be taken for the other.
    """
    if open_request.session_id is None:
        return current_session(connection, now=now)
    return find_session_by_id(connection, open_request.session_id, now=now)


def set_session(answer: Response, cookie: str) -> Response:
    """Sign the browser in."""
    _set(answer, "session", cookie, life=bridge().settings.lifetimes.session)
    return answer


def drop_session(answer: Response) -> Response:
    """Take the session cookie away."""
    answer.delete_cookie(
        cookie_name("session"),
        path="/",
        secure=bridge().settings.is_https,
        httponly=True,
        samesite="Lax",
    )
    return answer


def form_token(browser: str) -> str:
    """Return what every form shown to this browser carries."""
    return bridge().seal.digest(browser, purpose="form")


def check_form() -> str:
    """Return the browser cookie if the posted form is one that we showed to this browser.

    Raises:
        PageError: ``cookies_missing``, ``form_foreign``.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise PageError("form_foreign", "Sec-Fetch-Site", status=403)
    if request.headers.get("Origin", bridge().settings.issuer) != bridge().settings.issuer:
        raise PageError("form_foreign", "Origin", status=403)
    browser = get_browser()
    token = request.form.get("csrf", "")
    if not compare_digest(token.encode(), form_token(browser).encode()):
        raise PageError("form_foreign", "form token", status=403)
    return browser


def field(name: str, *, limit: int = 200) -> str:
    """Return a form field that must be there once, and short.

    Raises:
        PageError: ``form_malformed``.
    """
    values = request.form.getlist(name)
    if len(values) != 1 or len(values[0]) > limit or "\0" in values[0]:
        raise PageError("form_malformed", name)
    return values[0]


def _read(kind: str) -> str | None:
    value = request.cookies.get(cookie_name(kind))
    return value if value and len(value) <= _MAX_COOKIE and value.isascii() else None


def _set(answer: Response, kind: str, value: str, *, life: int) -> None:
    answer.set_cookie(
        cookie_name(kind),
        value,
        max_age=life,
        path="/",
        secure=bridge().settings.is_https,
        httponly=True,
        samesite="Lax",
    )
