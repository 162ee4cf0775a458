"""The demo's storage hub, as Gaia is: a folder for each key, into which only that key writes.

Reading and writing have two addresses, as at Gaia: apps write beside the wallet, and everybody
reads by https.

Spec: Gaia hub, "Authentication" version 1: a token by the key whose address the folder is called.
"""

from dataclasses import dataclass, field

from coincurve import PrivateKey
from flask import Blueprint, Flask, Response, current_app, jsonify, make_response, request

from oidc_bridge.config import data_dir
from oidc_bridge.demo.pages import DemoError
from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.addresses import Address, public_key_to_address
from oidc_bridge.proofs.jsontokens import parse, parse_public_key, sign, verify

_PURPOSE = "the demo's storage"
_BEARER = "v1:"
_MOST = 200


@dataclass(frozen=True, slots=True)
class Hub:
    """What people stored.

    Attributes:
        origin: Where it is read.
        files: By folder and name.
    """

    origin: str
    files: dict[tuple[str, str], bytes] = field(default_factory=dict, repr=False)

    def folder_url(self, address: Address) -> str:
        """Return where the files of a key are read, with a slash at the end."""
        return f"{self.origin}/hub/{address.btc}/"

    def put(self, folder: str, name: str, body: bytes) -> None:
        """Keep a file; when there are very many, the oldest is forgotten."""
        self.files[folder, name] = body
        if len(self.files) > _MOST:
            del self.files[next(iter(self.files))]

    def writing(self) -> Blueprint:
        """Return where apps write."""
        views = Blueprint("hub", __name__)

        @views.post("/store/<folder>/<name>")
        def store(folder: str, name: str) -> Response:
            if _writer(request.headers.get("Authorization", "")) != folder:
                raise DemoError("writer_foreign", "This folder is another key's.")
            self.put(folder, name, request.get_data())
            return jsonify(publicURL=f"{self.origin}/hub/{folder}/{name}")

        return views

    def reading(self) -> Flask:
        """Return where everybody reads; beside the files, one picture."""
        app = Flask(f"{__package__}.hub", static_folder=None)

        @app.get("/hub/<folder>/<name>")
        def read(folder: str, name: str) -> Response:
            body = self.files.get((folder, name))
            if body is None:
                return make_response("", 404)
            return current_app.response_class(body, mimetype="text/plain")

        @app.get("/picture.png")
        def picture() -> Response:
            body = (data_dir("templates") / "static" / "icon.png").read_bytes()
            return current_app.response_class(body, mimetype="image/png")

        return app


def writing_token(key: bytes) -> str:
    """Return the bearer token by which the holder of *key* writes into its folder."""
    public = PrivateKey(key).public_key.format().hex()
    return _BEARER + sign({"gaiaChallenge": _PURPOSE, "iss": public}, key)


def _writer(authorization: str) -> str:
    """Return the folder that a request may write into."""
    try:
        token = parse(authorization.removeprefix("Bearer ").removeprefix(_BEARER))
        key = parse_public_key(token.payload.get("iss"))
        verify(token, key)
    except ProofError as error:
        raise DemoError("writer_unknown", "Only the holder of a key may write.") from error
    said = token.payload
    if said.get("gaiaChallenge") != _PURPOSE:
        raise DemoError("writer_unknown", "This was signed for another hub.")
    return public_key_to_address(key.format()).btc
