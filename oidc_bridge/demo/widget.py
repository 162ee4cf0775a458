"""The Matrix app shows a widget: the bridge's account page in a frame, as Element shows it.

The other half of the exchange is in ``templates/static/demo-widget.js``.

Spec: MSC1960; docs/widget.md, "For authors of Matrix clients".
"""

from dataclasses import dataclass

from flask import Blueprint, Response, jsonify, render_template, url_for

from oidc_bridge.demo.matrix import Chat
from oidc_bridge.demo.pages import DemoError, check_form


@dataclass(frozen=True, slots=True)
class WidgetHost:
    """The page around the widget.

    Attributes:
        widget: Where the widget lives.
        here: Origin of this page.
    """

    chat: Chat
    widget: str
    here: str

    def views(self) -> Blueprint:
        """Return the page, to be put into an app."""
        views = Blueprint("widget_host", __name__, url_prefix="/matrix/widget")
        views.get("")(self.show)
        views.post("/token")(self.give_token)
        return views

    def show(self) -> str:
        """Show the widget to somebody who is signed in."""
        known = self.chat.current()
        return render_template(
            "demo/widget.html",
            user_id=known.user_id if known else None,
            widget=self.widget,
            here=f"{self.here}/",
            token_url=url_for("widget_host.give_token"),
            back_url=url_for("matrix.front"),
        )

    def give_token(self) -> Response:
        """Pass on a Matrix OpenID token, which the person allowed."""
        check_form()
        known = self.chat.current()
        if known is None:
            raise DemoError("signed_out", "You are not signed in here.")
        return jsonify(self.chat.homeserver.request_openid_token(known))
