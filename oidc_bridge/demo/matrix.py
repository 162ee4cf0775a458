"""The demo chat: signs in to a homeserver as Matrix clients do, and shows who it became.

Client-Server API: ``GET /login`` (who offers sign-in), ``/login/sso/redirect``, ``m.login.token``,
``m.login.password``, ``/account/whoami``, ``/logout``. Like a chat app it knows nothing of the
bridge.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, make_response, render_template, session, url_for

from oidc_bridge.demo.outside import Ask
from oidc_bridge.demo.pages import DemoError, check_form, read_field, see_other
from oidc_bridge.errors import FetchError

_SSO = "m.login.sso"
_ENDED = "M_UNKNOWN_TOKEN"
# In an answer of the homeserver that stands in for Synapse (`stand_in`).
TOLD = "localhost.demo.told"


@dataclass(frozen=True, slots=True)
class MatrixSession:
    """A device at the homeserver.

    Attributes:
        told: What the homeserver says that it was told by the bridge; only the demo's own says so.
    """

    user_id: str
    device_id: str
    access_token: str = field(repr=False)
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Homeserver:
    """A homeserver's client API, as much as is needed here.

    Attributes:
        origin: ``public_baseurl`` without the slash at its end.
    """

    origin: str
    ask: Ask

    def find_provider(self) -> Mapping[str, str] | None:
        """Return ``id`` and ``name`` of the first identity provider; None if there is none."""
        flows = self._call("GET", "/v3/login").get("flows", [])
        offers = [flow.get("identity_providers", []) for flow in flows if flow["type"] == _SSO]
        provider: Mapping[str, str] | None = next((offer[0] for offer in offers if offer), None)
        return provider

    def sso_url(self, back: str) -> str:
        """Return the address that leads to the first identity provider."""
        provider = self.find_provider()
        if provider is None:
            raise DemoError("sso_missing", "The homeserver offers no single sign-on.")
        path = f"/_matrix/client/v3/login/sso/redirect/{quote(provider['id'], safe='')}"
        return f"{self.origin}{path}?{urlencode({'redirectUrl': back})}"

    def log_in(self, login_token: str) -> MatrixSession:
        """Turn a login token into a device."""
        return self._log_in(type="m.login.token", token=login_token)

    def log_in_by_password(self, user: str, password: str) -> MatrixSession:
        """Sign in as apps do that know passwords alone; a proof of the bridge's may be one."""
        identifier = {"type": "m.id.user", "user": user}
        return self._log_in(type="m.login.password", identifier=identifier, password=password)

    def look(self, known: MatrixSession) -> dict[str, Any]:
        """Return what the homeserver says of a session now: ID, device, name, picture.

        Raises:
            DemoError: ``M_UNKNOWN_TOKEN`` if it has ended.
        """
        told = self._call("GET", "/v3/account/whoami", bearer=known.access_token)
        profile = self._call("GET", f"/v3/profile/{quote(told['user_id'], safe='')}")
        return {
            "user_id": told["user_id"],
            "device_id": told["device_id"],
            "display_name": profile.get("displayname"),
            "avatar_url": profile.get("avatar_url"),
        }

    def log_out(self, known: MatrixSession) -> None:
        """End a session here; the bridge is not told."""
        self._call("POST", "/v3/logout", document={}, bearer=known.access_token)

    def picture(self, known: MatrixSession) -> tuple[bytes, str]:
        """Return the picture of the person, and its type."""
        mxc = self.look(known)["avatar_url"] or ""
        url = f"{self.origin}/_matrix/client/v1/media/download/{mxc.removeprefix('mxc://')}"
        reply = self.ask("GET", url, bearer=known.access_token)
        if not mxc or reply.status != 200 or not reply.content_type.startswith("image/"):
            raise DemoError("picture_missing", "The homeserver has no picture.")
        return reply.body, reply.content_type

    def request_openid_token(self, known: MatrixSession) -> dict[str, Any]:
        """Return a Matrix OpenID token: it says to others who somebody is here."""
        path = f"/v3/user/{quote(known.user_id, safe='')}/openid/request_token"
        return self._call("POST", path, document={}, bearer=known.access_token)

    def _log_in(self, **words: object) -> MatrixSession:
        document = {**words, "initial_device_display_name": "Demo chat"}
        answer = self._call("POST", "/v3/login", document=document)
        return MatrixSession(
            answer["user_id"], answer["device_id"], answer["access_token"], answer.get(TOLD, {})
        )

    def _call(
        self,
        method: str,
        path: str,
        *,
        document: dict[str, object] | None = None,
        bearer: str | None = None,
    ) -> dict[str, Any]:
        url = f"{self.origin}/_matrix/client{path}"
        reply = self.ask(method, url, document=document, bearer=bearer)
        answer = reply.document()
        if reply.status != 200:
            raise DemoError(
                str(answer.get("errcode", f"status {reply.status}")), str(answer.get("error", ""))
            )
        return answer


@dataclass(frozen=True, slots=True)
class Chat:
    """The chat's pages.

    Attributes:
        name: The homeserver's server name.
        back: Where the homeserver sends the browser with the login token: `signed_in`'s address.
        links: Where people get passwords: ``app_password``, ``one_time``, ``eos``; and ``widget``.
    """

    homeserver: Homeserver
    name: str
    back: str
    links: Mapping[str, str] = field(default_factory=dict)
    sessions: dict[str, MatrixSession] = field(default_factory=dict, repr=False)

    def views(self) -> Blueprint:
        """Return the pages, to be put into an app."""
        views = Blueprint("matrix", __name__, url_prefix="/matrix")
        views.get("")(self.front)
        views.get("/login")(self.begin)
        views.get("/signed-in")(self.signed_in)
        views.post("/password")(self.by_password)
        views.get("/picture")(self.picture)
        views.post("/log-out")(self.log_out)
        return views

    def current(self) -> MatrixSession | None:
        """Return who this browser is signed in as, or was."""
        return self.sessions.get(session.get("matrix", ""))

    def front(self) -> str:
        """Show who is signed in, as the homeserver sees it now."""
        known = self.current()
        shown, error, provider = None, session.pop("matrix_error", None), None
        try:
            provider = self.homeserver.find_provider()
            shown = self.homeserver.look(known) if known else None
        except (DemoError, FetchError) as caught:
            error = {"code": caught.code, "description": caught.detail}
        return render_template(
            "demo/matrix.html",
            login_url=url_for("matrix.begin"),
            provider=provider["name"] if provider else None,
            password_url=url_for("matrix.by_password"),
            links=self.links,
            session=shown,
            told=known.told if known else {},
            has_ended=known is not None and error is not None and error["code"] == _ENDED,
            homeserver=self.name,
            picture_url=url_for("matrix.picture"),
            log_out_url=url_for("matrix.log_out"),
            error=error,
        )

    def begin(self) -> Response:
        """Send the browser to the homeserver."""
        # A login token that somebody else slips in must not sign this browser in.
        session["matrix_state"] = secrets.token_urlsafe(16)
        back = f"{self.back}?{urlencode({'state': session['matrix_state']})}"
        return see_other(self.homeserver.sso_url(back))

    def signed_in(self) -> Response:
        """Take the login token that the browser brings."""
        expected = session.pop("matrix_state", None)
        try:
            state = read_field("state")
            if expected is None or not compare_digest(state.encode(), expected.encode()):
                raise DemoError("state_mismatch", "This answer belongs to no sign-in begun here.")
            self.keep(self.homeserver.log_in(read_field("loginToken")))
        except (DemoError, FetchError) as error:
            session["matrix_error"] = {"code": error.code, "description": error.detail}
        return see_other(url_for("matrix.front"))

    def by_password(self) -> Response:
        """Sign in by what somebody typed."""
        check_form()
        self.try_password(read_field("user"), read_field("password"))
        return see_other(url_for("matrix.front"))

    def try_password(self, user: str, password: str) -> None:
        """Sign in by a password; what went wrong is shown on the chat's first page."""
        try:
            self.keep(self.homeserver.log_in_by_password(user, password))
        except (DemoError, FetchError) as error:
            session["matrix_error"] = {"code": error.code, "description": error.detail}

    def keep(self, known: MatrixSession) -> None:
        """Keep a session in place of the one that this browser had."""
        self.sessions.pop(session.get("matrix", ""), None)
        session["matrix"] = secrets.token_urlsafe(32)
        self.sessions[session["matrix"]] = known

    def picture(self) -> Response:
        """Pass the picture on: the homeserver shows it to those who are signed in."""
        known = self.current()
        if known is None:
            raise DemoError("signed_out", "You are not signed in here.")
        body, content_type = self.homeserver.picture(known)
        return make_response(body, {"Content-Type": content_type})

    def log_out(self) -> Response:
        """End the session at the homeserver."""
        check_form()
        known = self.sessions.pop(session.pop("matrix", ""), None)
        if known is not None:
            self.homeserver.log_out(known)
        return see_other(url_for("matrix.front"))
