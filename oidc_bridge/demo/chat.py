"""The demo OI chat: a chat at an origin of its own that signs people in without the bridge's pages.

What it does for that is in `oichat`.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from coincurve import PrivateKey
from flask import Flask, Response, jsonify, render_template, session, url_for

from oidc_bridge.demo.oichat import Arrived, Connected, OiChatClient, Waiting
from oidc_bridge.demo.pages import DemoError, check_form, make_flask, read_field, see_other
from oidc_bridge.errors import FetchError
from oidc_bridge.proofs.oichat import host_of


@dataclass(slots=True)
class Visitor:
    """One browser.

    Attributes:
        transit_key: Of the question that the wallet has not answered yet.
        waiting: A sign-in in some browser, which the person has not confirmed yet.
        code: For that browser, once they have; shown once.
    """

    transit_key: bytes | None = field(default=None, repr=False)
    connected: Connected | None = None
    arrived: Arrived | None = None
    waiting: Waiting | None = None
    code: str = ""
    error: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Pages:
    """The chat's pages."""

    client: OiChatClient
    clock: Callable[[], datetime]
    known: dict[str, Visitor] = field(default_factory=dict, repr=False)

    def front(self) -> str:
        """Show how far the browser has come."""
        visitor = self._visitor()
        shown, error, visitor.error = None, visitor.error, None
        code, visitor.code = visitor.code, ""
        if visitor.arrived:
            try:
                shown = self.client.homeserver.look(visitor.arrived.session)
            except (DemoError, FetchError) as caught:
                error = {"code": caught.code, "description": caught.detail}
        app = self.client.places.chat
        return render_template(
            "demo/chat.html",
            connected=visitor.connected,
            own_user=f"{visitor.connected.name}+{host_of(app)}" if visitor.connected else None,
            arrived=visitor.arrived,
            session=shown,
            connect_url=url_for("connect"),
            sign_in_url=url_for("sign_in"),
            leave_url=url_for("leave"),
            waiting=visitor.waiting,
            code=code,
            look_url=url_for("look"),
            confirm_url=url_for("confirm"),
            bridge=urlsplit(self.client.places.bridge).netloc,
            account_url=f"{self.client.places.bridge}/account",
            home=self.client.places.app,
            app=urlsplit(app).netloc,
            error=error,
        )

    def connect(self) -> Response:
        """Send the browser to the wallet."""
        key = PrivateKey().secret
        session["id"] = secrets.token_urlsafe(32)
        self.known[session["id"]] = Visitor(transit_key=key)
        return see_other(self.client.connect_url(key, now=self.clock()))

    def connected(self) -> Response:
        """Take the wallet's answer; it never stays in the address bar."""
        visitor = self._visitor()
        if visitor.transit_key is None:
            raise DemoError("state_mismatch", "This answer belongs to no question asked here.")
        try:
            visitor.connected = self.client.read_answer(
                read_field("authResponse"), visitor.transit_key, now=self.clock()
            )
            visitor.transit_key = None
        except DemoError as error:
            visitor.error = {"code": error.code, "description": error.detail}
        return see_other(url_for("front"))

    def sign_in(self) -> Response:
        """Sign in at the homeserver."""
        check_form()
        visitor = self._visitor()
        if visitor.connected is None:
            raise DemoError("signed_out", "Connect your wallet first.")
        try:
            visitor.arrived = self.client.sign_in(
                visitor.connected,
                "file" if read_field("how") == "file" else "signature",
                "alone" if read_field("whom") == "alone" else "main",
            )
        except (DemoError, FetchError) as error:
            visitor.arrived = None
            visitor.error = {"code": error.code, "description": error.detail}
        return see_other(url_for("front"))

    def look(self) -> Response:
        """Get what a sign-in page asks, to be shown before anything is signed."""
        check_form()
        visitor = self._visitor()
        visitor.waiting = None
        try:
            visitor.waiting = self.client.look_up(read_field("address").strip())
        except (DemoError, FetchError) as error:
            visitor.error = {"code": error.code, "description": error.detail}
        return see_other(url_for("front"))

    def confirm(self) -> Response:
        """Sign it, and show the code."""
        check_form()
        visitor = self._visitor()
        waiting, visitor.waiting = visitor.waiting, None
        if visitor.connected is None or waiting is None:
            raise DemoError("signed_out", "Give the chat the address of a sign-in page first.")
        try:
            visitor.code = self.client.confirm(visitor.connected, waiting)
        except (DemoError, FetchError) as error:
            visitor.error = {"code": error.code, "description": error.detail}
        return see_other(url_for("front"))

    def leave(self) -> Response:
        """Sign out at the homeserver, and forget this browser."""
        check_form()
        visitor = self._visitor()
        if visitor.arrived:
            # It may have ended there already.
            with suppress(DemoError, FetchError):
                self.client.homeserver.log_out(visitor.arrived.session)
        self.known.pop(session.pop("id", ""), None)
        return see_other(url_for("front"))

    def manifest(self) -> Response:
        """Tell wallets what this app is called."""
        return jsonify(name="Demo OI chat")

    def _visitor(self) -> Visitor:
        return self.known.get(session.get("id", ""), Visitor())


def create_chat(client: OiChatClient, *, service: str, clock: Callable[[], datetime]) -> Flask:
    """Return the chat as a WSGI application."""
    app = make_flask("chat", service=service, origin=client.places.chat)
    pages = Pages(client, clock)
    app.get("/")(pages.front)
    app.get("/connect")(pages.connect)
    app.get("/connected")(pages.connected)
    app.post("/sign-in")(pages.sign_in)
    app.post("/look")(pages.look)
    app.post("/confirm")(pages.confirm)
    app.post("/leave")(pages.leave)
    app.get("/manifest.json")(pages.manifest)
    return app
