"""What templates can do with text that a stranger wrote, and with ends."""

from flask import Flask

from oidc_bridge.apps.spelling import last_moment

# Signs that turn the direction of text around by hand: inside the <bdi> that keeps a stranger's
# text to itself they could still make "moc.knab" read as "bank.com".
_TURNING = dict.fromkeys(
    map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
)


def dress(app: Flask) -> None:
    """Give *app* what our templates need."""
    app.jinja_env.filters["undirected"] = undirected
    app.jinja_env.filters["last_moment"] = last_moment


def undirected(text: object) -> str:
    """Return *text* without signs that turn its direction around."""
    return str(text).translate(_TURNING)
