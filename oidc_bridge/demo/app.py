"""The demo app: knows nobody, leaves the sign-in to the bridge, and shows what it was told."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import Flask, Response, make_response, render_template, request, session, url_for

from oidc_bridge.demo.doors import Door, doors_of
from oidc_bridge.demo.pages import DemoError, check_form, make_flask, read_field, see_other
from oidc_bridge.demo.places import Places
from oidc_bridge.demo.relying_party import Pending, RelyingParty, SignedIn
from oidc_bridge.errors import BridgeError


@dataclass(slots=True)
class Visitor:
    """One browser."""

    pending: Pending | None = None
    signed_in: SignedIn | None = None
    error: BridgeError | None = None


@dataclass(frozen=True, slots=True)
class Visitors:
    """All browsers: tokens stay on the server, the cookie holds an id."""

    known: dict[str, Visitor] = field(default_factory=dict)

    def current(self) -> Visitor:
        """Return the browser of this request; a new one is kept once it does something."""
        return self.known.get(session.get("id", ""), Visitor())

    def renew(self, visitor: Visitor) -> None:
        """Give the browser of this request another id."""
        self.known.pop(session.get("id", ""), None)
        session["id"] = secrets.token_urlsafe(32)
        self.known[session["id"]] = visitor


def create_app(
    places: Places,
    party: RelyingParty,
    *,
    service: str,
    clock: Callable[[], datetime],
) -> Flask:
    """Return the demo app as a WSGI application."""
    app = make_flask("app", service=service, origin=places.app, frames=(places.bridge,))
    pages = Pages(party, clock, f"{places.bridge}/account", doors_of(places))
    app.get("/")(pages.front)
    app.get("/login")(pages.begin)
    app.get("/callback")(pages.callback)
    app.post("/refresh")(pages.refresh)
    app.post("/log-out")(pages.log_out)
    app.post("/backchannel-logout")(pages.logout_told)
    return app


@dataclass(frozen=True, slots=True)
class Pages:
    """The app's pages."""

    party: RelyingParty
    clock: Callable[[], datetime]
    account_url: str
    doors: Sequence[Door]
    visitors: Visitors = field(default_factory=Visitors, repr=False)

    def front(self) -> str:
        """Show what the app knows."""
        visitor = self.visitors.current()
        known = visitor.signed_in
        return render_template(
            "demo/app.html",
            login_url=url_for("begin"),
            claims=dict(known.claims) if known else None,
            facts=facts_of(known) if known else {},
            refresh_url=url_for("refresh") if known and known.refresh_token else None,
            log_out_url=url_for("log_out"),
            account_url=self.account_url,
            doors=self.doors,
            error=_told(visitor.error),
        )

    def begin(self) -> Response:
        """Send the browser to the bridge."""
        pending, url = self.party.begin()
        self.visitors.renew(Visitor(pending=pending))
        return see_other(url)

    def callback(self) -> Response:
        """Take the answer that the browser brings; it never stays in the address bar."""
        pending = self.visitors.current().pending
        try:
            known = self.party.finish(request.args, pending, now=self.clock())
            visitor = Visitor(signed_in=known)
        except BridgeError as error:
            visitor = Visitor(error=error)
        self.visitors.renew(visitor)
        return see_other(url_for("front"))

    def refresh(self) -> Response:
        """Get new tokens."""
        check_form()
        visitor = self.visitors.current()
        if visitor.signed_in is None:
            raise DemoError("signed_out", "You are not signed in here any more.")
        try:
            visitor.signed_in = self.party.refresh(visitor.signed_in, now=self.clock())
            visitor.error = None
        except BridgeError as error:
            visitor.error = error
        return see_other(url_for("front"))

    def log_out(self) -> Response:
        """Forget this browser, here alone."""
        check_form()
        self.visitors.renew(Visitor())
        return see_other(url_for("front"))

    def logout_told(self) -> Response:
        """Sign out whom the bridge names. It is no form of ours: the bridge signs what it says."""
        sid = self.party.read_logout(read_field("logout_token"), now=self.clock())
        for visitor in list(self.visitors.known.values()):
            if visitor.signed_in and visitor.signed_in.claims.get("sid") == sid:
                visitor.signed_in = None
                visitor.error = DemoError("signed_out", "You signed out, and this app was told.")
        return make_response("", 200)


def facts_of(known: SignedIn) -> dict[str, object]:
    """Return what there is to say of the tokens, without showing any."""
    expires_at = datetime.fromtimestamp(known.claims["exp"], UTC)
    return {
        "scope": known.scope,
        "ID token signed with": f"{known.header.get('alg')}, key {known.header.get('kid')}",
        "ID token good until": f"{expires_at:%H:%M:%S} UTC",
        "access token good for": f"{known.expires_in} s",
        "refresh token": "yes" if known.refresh_token else "no",
        "times refreshed": known.refreshed,
    }


def _told(error: BridgeError | None) -> dict[str, str] | None:
    return {"code": error.code, "description": error.detail} if error else None
