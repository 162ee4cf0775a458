"""What anybody may read: the app manifest for wallets, the front page, and signs of life."""

from flask import Blueprint, Response, url_for
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from oidc_bridge.storage import read
from oidc_bridge.web import bridge, json_answer, see_other

views = Blueprint("public", __name__)


@views.get("/")
def front() -> Response:
    """Lead people to what is theirs."""
    return see_other(url_for("account.overview"))


@views.get("/manifest.json")
def manifest() -> Response:
    """Blockstack app manifest: wallets fetch it from other origins."""
    settings = bridge().settings
    return json_answer(
        {
            "name": settings.name,
            "short_name": settings.name[:12],
            "description": f"Sign in at {settings.host}",
            "start_url": f"{settings.issuer}/account",
            "display": "browser",
            "icons": [
                {
                    "src": f"{settings.issuer}/static/icon.png",
                    "sizes": "192x192",
                    "type": "image/png",
                }
            ],
        },
        headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=3600"},
    )


@views.get("/livez")
def livez() -> Response:
    """Say that the process answers."""
    return Response("ok\n", content_type="text/plain")


@views.get("/readyz")
def readyz() -> Response:
    """Say whether the database answers too."""
    try:
        with read() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return Response("database\n", 503, content_type="text/plain")
    return Response("ok\n", content_type="text/plain")
