"""What the demo's small web apps share: templates, headers, forms, and the page for errors."""

import secrets
from collections.abc import Sequence
from hmac import compare_digest
from urllib.parse import urlsplit

from flask import Flask, Response, make_response, redirect, render_template, request, session
from werkzeug.wrappers import Response as AnyResponse

from oidc_bridge.config import data_dir
from oidc_bridge.errors import BridgeError
from oidc_bridge.web.templates import dress

_MAX_BODY = 64 * 1024


class DemoError(BridgeError):
    """What an app tells its person: a code, and a sentence in place of the detail."""


def make_flask(
    kind: str,
    *,
    service: str,
    origin: str,
    leads_to: Sequence[str] = (),
    frames: Sequence[str] = ("'none'",),
) -> Flask:
    """Return an app at *origin* that looks like the bridge and says that it is a demo.

    Args:
        kind: Sets its cookie apart: on localhost all ports share their cookies.
        service: What it calls the bridge.
        leads_to: Origins where its forms may end.
        frames: Origins whose pages it may show inside of its own.
    """
    templates = data_dir("templates")
    app = Flask(
        f"{__package__}.{kind}",
        template_folder=str(templates),
        static_folder=str(templates / "static"),
        static_url_path="/static",
    )
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME=f"demo_{kind}",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=_MAX_BODY,
        MAX_FORM_MEMORY_SIZE=_MAX_BODY,
    )
    app.jinja_options = {"autoescape": True}
    dress(app)
    host = urlsplit(origin).netloc
    form_targets = " ".join(("'self'", *leads_to))
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        f" connect-src 'self'; frame-src {' '.join(frames)}; base-uri 'none';"
        f" frame-ancestors 'none'; form-action {form_targets}"
    )

    @app.before_request
    def be_at_home() -> AnyResponse | None:
        # 127.0.0.1 has other cookies than localhost: a sign-in begun there would never end well.
        return None if request.host == host else redirect(f"{origin}/")

    @app.after_request
    def add_headers(answer: Response) -> Response:
        answer.headers.setdefault("Cache-Control", "no-store")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["Content-Security-Policy"] = policy
        return answer

    @app.context_processor
    def common() -> dict[str, object]:
        return {"service": service, "host": host, "help_url": None, "csrf": _form_token()}

    app.register_error_handler(BridgeError, _show_error)
    return app


def see_other(url: str) -> Response:
    """Return the answer to a form: go to *url* with a GET."""
    return Response(status=303, headers={"Location": url})


def check_form() -> None:
    """Return if the posted form is one that this app showed to this browser.

    Raises:
        DemoError: ``form_foreign``.
    """
    if not compare_digest(request.form.get("csrf", "").encode(), _form_token().encode()):
        raise DemoError("form_foreign", "This form did not come from our page. Go back and reload.")


def read_field(name: str) -> str:
    """Return a form field or query parameter, or an empty text."""
    values = request.form if request.method == "POST" else request.args
    return values.get(name, "")


def _form_token() -> str:
    token: str = session.setdefault("csrf", secrets.token_urlsafe(16))
    return token


def _show_error(error: BridgeError) -> Response:
    told = {"code": error.code, "description": error.detail}
    return make_response(render_template("demo/problem.html", error=told, home="/"), 400)
