"""A homeserver of one page, for the demo without Synapse: it asks the bridge as our module does.

It knows no password and has no rooms. Whoever the bridge says proved themselves is signed in, and
signed out when the bridge says so. With ``--synapse`` a real one stands in its place.

Spec: Matrix Client-Server API, ``/login``, ``/account/whoami``, "OpenID"; Server-Server API
``GET /openid/userinfo``; for the question to the bridge `oidc_bridge.matrix.synapse_module`.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Flask, Response, jsonify, make_response, request
from flask.typing import ResponseReturnValue

from oidc_bridge.demo.matrix import TOLD
from oidc_bridge.demo.pages import DemoError
from oidc_bridge.demo.relying_party import RelyingParty

_OPENID_LIFE = 3600


class MatrixError(Exception):
    """A no of the client or server API: the HTTP status, ``errcode``, and words for a developer."""

    def __init__(self, status: int, errcode: str, words: str) -> None:
        super().__init__(words)
        self.status, self.errcode = status, errcode


@dataclass(frozen=True, slots=True)
class Device:
    """What somebody was signed in on.

    Attributes:
        sid: Of the bridge's session: by it the bridge ends the device.
    """

    user_id: str
    device_id: str
    display_name: str | None
    sid: str


@dataclass(frozen=True, slots=True)
class StandIn:
    """The homeserver.

    Attributes:
        server_name: The right half of its people's Matrix IDs.
        party: Its registration at the bridge.
        devices: By access token.
        openid: Matrix IDs by the tokens that say so to others.
    """

    server_name: str
    party: RelyingParty
    clock: Callable[[], datetime]
    devices: dict[str, Device] = field(default_factory=dict, repr=False)
    openid: dict[str, str] = field(default_factory=dict, repr=False)

    def site(self) -> Flask:
        """Return it as a WSGI application."""
        app = Flask(f"{__package__}.stand_in", static_folder=None)
        client = "/_matrix/client/v3"
        app.get(f"{client}/login")(self.flows)
        app.post(f"{client}/login")(self.log_in)
        app.get(f"{client}/account/whoami")(self.who)
        app.get(f"{client}/profile/<user_id>")(self.profile)
        app.post(f"{client}/logout")(self.log_out)
        app.post(f"{client}/user/<user_id>/openid/request_token")(self.give_openid_token)
        app.get("/_matrix/federation/v1/openid/userinfo")(self.openid_user)
        app.post("/_synapse/client/oidc/backchannel_logout")(self.end)
        app.register_error_handler(MatrixError, _refuse)
        return app

    def flows(self) -> Response:
        """Offer passwords and nothing else: the bridge's pages need a real Synapse."""
        return jsonify(flows=[{"type": "m.login.password"}])

    def log_in(self) -> Response:
        """Ask the bridge whose password it is."""
        match request.get_json(silent=True):
            case {"identifier": {"user": str(user)}, "password": str(password)}:
                asked = {"user": user, "password": password}
            case _:
                raise MatrixError(400, "M_BAD_JSON", "Expected a user and a password")
        party = self.party
        reply = party.ask(
            "POST",
            f"{party.issuer}/matrix/password",
            document=asked,
            basic=(party.client_id, party.client_secret),
        )
        said = reply.document()
        if reply.status != 200 or said.get("ok") is not True:
            raise MatrixError(403, "M_FORBIDDEN", "Invalid username or password")
        return self._open(said)

    def who(self) -> Response:
        """Tell whose token it is."""
        device = self._device()
        return jsonify(user_id=device.user_id, device_id=device.device_id)

    def profile(self, user_id: str) -> Response:
        """Tell what somebody calls themselves."""
        names = [known.display_name for known in self.devices.values() if known.user_id == user_id]
        return jsonify(displayname=names[-1] if names else None)

    def log_out(self) -> Response:
        """Forget a device."""
        self._device()
        del self.devices[_bearer()]
        return jsonify({})

    def give_openid_token(self, user_id: str) -> Response:
        """Give somebody a token that tells others their Matrix ID."""
        if self._device().user_id != user_id:
            raise MatrixError(403, "M_FORBIDDEN", "Somebody else")
        made = secrets.token_urlsafe(24)
        self.openid[made] = user_id
        return jsonify(
            access_token=made,
            token_type="Bearer",  # noqa: S106 - a word of RFC 6750
            matrix_server_name=self.server_name,
            expires_in=_OPENID_LIFE,
        )

    def openid_user(self) -> Response:
        """Tell whose such a token is."""
        user_id = self.openid.get(request.args.get("access_token", ""))
        if user_id is None:
            raise MatrixError(401, "M_UNKNOWN_TOKEN", "Unknown")
        return jsonify(sub=user_id)

    def end(self) -> ResponseReturnValue:
        """End the devices of a session: the bridge signs what it says."""
        try:
            sid = self.party.read_logout(request.form.get("logout_token", ""), now=self.clock())
        except DemoError as error:
            raise MatrixError(400, "M_FORBIDDEN", error.detail) from error
        for access_token, known in list(self.devices.items()):
            if known.sid == sid:
                del self.devices[access_token]
        return "", 200

    def _open(self, said: dict[str, Any]) -> Response:
        user_id = f"@{said['localpart']}:{self.server_name}"
        device = Device(
            user_id, secrets.token_hex(5).upper(), said["display_name"], said["session"]
        )
        access_token = secrets.token_urlsafe(32)
        self.devices[access_token] = device
        told = {name: said[name] for name in ("localpart", "display_name", "subject", "known")}
        return jsonify(
            user_id=user_id, device_id=device.device_id, access_token=access_token, **{TOLD: told}
        )

    def _device(self) -> Device:
        device = self.devices.get(_bearer())
        if device is None:
            raise MatrixError(401, "M_UNKNOWN_TOKEN", "Unknown access token")
        return device


def _bearer() -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _refuse(error: MatrixError) -> Response:
    return make_response(jsonify(errcode=error.errcode, error=str(error)), error.status)
