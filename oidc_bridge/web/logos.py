"""Pictures of apps and developers, as we drew them.

Named by their hash, so that what is cached never changes.
"""

from flask import Blueprint, Response

from oidc_bridge.errors import PageError
from oidc_bridge.storage import read
from oidc_bridge.storage.developers import find_portrait
from oidc_bridge.storage.sites import find_picture

views = Blueprint("logos", __name__, url_prefix="/logos")


@views.get("/<id:digest>.png")
def show(digest: str) -> Response:
    """Return one. Opened by itself it can do nothing, whatever a browser takes it for (D6)."""
    with read() as connection:
        picture = find_picture(connection, digest) or find_portrait(connection, digest)
    if picture is None:
        raise PageError("not_found", status=404)
    return Response(
        picture,
        content_type="image/png",
        headers={
            "Cache-Control": "public, max-age=31536000, immutable",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )
