"""What a chat of OI Chat's kind does to sign its person in, without any page of the bridge's.

    wallet ─▶ the app's key          the chat asks for it as every Blockstack app does
    POST /c/NONCE ─▶ a challenge     answered by a signature, or by a file in the app's storage
    password NONCE|APP|NAME          brought to the homeserver, which asks the bridge

Or a sign-in page of the bridge's waits in some browser:

    GET its address ─▶ a challenge   answered by a signature, for which the chat gets a code
    the code                         typed there by the person

Spec: docs/oi-chat.md, "For clients"; Blockstack Auth for the wallet.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from coincurve import PrivateKey

from oidc_bridge.demo.hub import writing_token
from oidc_bridge.demo.matrix import Homeserver, MatrixSession
from oidc_bridge.demo.outside import Ask, Reply
from oidc_bridge.demo.pages import DemoError
from oidc_bridge.demo.places import SERVER_NAME, Places
from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.addresses import Address, public_key_to_address
from oidc_bridge.proofs.auth_response import verify_auth_response
from oidc_bridge.proofs.ecies import decrypt
from oidc_bridge.proofs.jsontokens import parse, sign
from oidc_bridge.proofs.oichat import FILE, host_of

How = Literal["signature", "file"]
Whom = Literal["main", "alone"]

_LIFE = timedelta(minutes=10)
_LEEWAY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Connected:
    """What a wallet gave the chat.

    Attributes:
        name: The Blockstack name that the wallet claims.
        key: The app's private key for this person.
    """

    name: str
    key: bytes = field(repr=False)

    @property
    def address(self) -> Address:
        """Of the app's key: its folder in the person's storage is called so."""
        return public_key_to_address(PrivateKey(self.key).public_key.format())


@dataclass(frozen=True, slots=True)
class Arrived:
    """A sign-in that worked, and the challenge that it took."""

    session: MatrixSession
    challenge: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a sign-in page asks: for whom, and what is to be signed.

    Attributes:
        app, device: Where the person is to be signed in, as the bridge says.
    """

    nonce: str
    challenge: str
    answer_url: str
    app: str
    device: str


@dataclass(frozen=True, slots=True)
class OiChatClient:
    """The chat, without its pages."""

    places: Places
    homeserver: Homeserver
    ask: Ask

    def connect_url(self, transit_key: bytes, *, now: datetime) -> str:
        """Return the wallet's address with the question for the app's key."""
        public = PrivateKey(transit_key).public_key.format()
        app = self.places.chat
        claims = {
            "jti": secrets.token_hex(16),
            "iat": int(now.timestamp()),
            "exp": int((now + _LIFE).timestamp()),
            "iss": public_key_to_address(public).did,
            "public_keys": [public.hex()],
            "domain_name": app,
            "manifest_uri": f"{app}/manifest.json",
            "redirect_uri": f"{app}/connected",
            "version": "1.3.1",
            "scopes": ["store_write", "publish_data"],
            "appDetails": {"name": "Demo OI chat"},
        }
        return f"{self.places.wallet}/auth?authRequest={sign(claims, transit_key)}"

    def read_answer(self, text: str, transit_key: bytes, *, now: datetime) -> Connected:
        """Return what the wallet answered.

        Raises:
            DemoError: the proof's code; ``name_missing`` if the wallet claims no name.
        """
        try:
            said = verify_auth_response(text, transit_key=transit_key, now=now, leeway=_LEEWAY)
            key = decrypt(str(parse(text).payload["private_key"]), transit_key)
        except ProofError as error:
            raise DemoError(error.code, "The wallet's answer is not good.") from error
        if said.username is None:
            raise DemoError(
                "name_missing",
                "Such chats find people by their name, and this identity has none. Ann has one.",
            )
        return Connected(said.username, bytes.fromhex(key.decode("ascii")))

    def sign_in(self, known: Connected, how: How, whom: Whom) -> Arrived:
        """Sign the person in at the homeserver.

        Args:
            whom: As the person themselves, or as the app's own user.

        Raises:
            DemoError: the code of whoever refused; ``challenge_foreign``.
        """
        app, nonce = self.places.chat, secrets.token_urlsafe(24)
        announced = self._post(f"{self.places.bridge}/c/{nonce}", origin=app)
        challenge = str(announced["challenge"])
        # A bad homeserver might pass on another's challenge: nobody but the client sees that.
        server_name, asked_by = challenge.split()[:2]
        if (server_name, asked_by) != (SERVER_NAME, app):
            raise DemoError("challenge_foreign", "The challenge is for another server or app.")
        if how == "file":
            self._write(known, challenge)
        else:
            self._answer(str(announced["answer_url"]), nonce, known, challenge)
        user = known.name if whom == "main" else f"{known.name}+{host_of(app)}"
        password = f"{nonce}|{app}|{known.name}"
        return Arrived(self.homeserver.log_in_by_password(user, password), challenge)

    def look_up(self, address: str) -> Waiting:
        """Return what waits at the address that a sign-in page shows.

        Raises:
            DemoError: the bridge's code; ``address_foreign`` if it is no such address of the
                bridge's; ``challenge_foreign``.
        """
        if not address.startswith(f"{self.places.bridge}/proofs/oichat/page/"):
            raise DemoError("address_foreign", "This is no address of a sign-in at the bridge.")
        told = self._read(self.ask("GET", address))
        challenge, sign_in = str(told["challenge"]), told["sign_in"]
        # Somebody may show people the page of another bridge: nobody but the client sees that.
        server_name, asked_by = challenge.split()[:2]
        if (server_name, asked_by) != (SERVER_NAME, self.places.bridge):
            raise DemoError("challenge_foreign", "The challenge is for another server or bridge.")
        app, device = (str(sign_in[word]) for word in ("app", "device"))
        return Waiting(str(told["nonce"]), challenge, str(told["answer_url"]), app, device)

    def confirm(self, known: Connected, waiting: Waiting) -> str:
        """Sign what a sign-in page asks; return the code that the person types there.

        Raises:
            DemoError: the bridge's code.
        """
        said = self._answer(waiting.answer_url, waiting.nonce, known, waiting.challenge)
        return str(said["code"])

    def _write(self, known: Connected, challenge: str) -> None:
        url = f"{self.places.wallet}/store/{known.address.btc}/{FILE}"
        self._post(url, text=challenge, bearer=writing_token(known.key))

    def _answer(
        self, url: str, nonce: str, known: Connected, challenge: str
    ) -> Mapping[str, object]:
        key = PrivateKey(known.key)
        signed = {
            "nonce": nonce,
            "appDomain": self.places.chat,
            "blockstackId": known.name,
            "publicKey": key.public_key.format().hex(),
            "signature": key.sign(challenge.encode()).hex(),
        }
        return self._post(url, document=signed)

    def _post(
        self,
        url: str,
        *,
        document: Mapping[str, object] | None = None,
        text: str | None = None,
        bearer: str | None = None,
        origin: str | None = None,
    ) -> dict[str, Any]:
        return self._read(
            self.ask("POST", url, document=document, text=text, bearer=bearer, origin=origin)
        )

    @staticmethod
    def _read(reply: Reply) -> dict[str, Any]:
        if reply.status == 204:
            return {}
        answer = reply.document()
        if reply.status != 200:
            code = str(answer.get("error", f"status {reply.status}"))
            raise DemoError(code, str(answer.get("error_description", "")))
        return answer
