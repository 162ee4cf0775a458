"""What we say of ourselves to programs: discovery and JWKS, prebuilt."""

from flask import Blueprint, Response, request

from oidc_bridge.web import bridge

views = Blueprint("documents", __name__)

_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}


@views.get("/.well-known/openid-configuration")
@views.get("/.well-known/oauth-authorization-server")
def discovery() -> Response:
    """OIDC Discovery section 4, RFC 8414 section 3."""
    return _document("discovery", max_age=3600)


@views.get("/jwks")
def jwks() -> Response:
    """RFC 7517 section 5. Shorter-lived than a rotation's overlap."""
    return _document("jwks", max_age=600)


def _document(name: str, *, max_age: int) -> Response:
    document = bridge().snapshots.current().documents[name]
    headers = {
        **_ANY_ORIGIN,
        "ETag": document.etag,
        "Cache-Control": f"public, max-age={max_age}",
    }
    if document.etag in request.headers.get("If-None-Match", ""):
        return Response(status=304, headers=headers)
    return Response(document.body, headers=headers, content_type="application/json")
