"""The Matrix app's way for an account of EOS: a sentence, signed elsewhere, in a password's place.

Spec: docs/eos.md, "For authors of clients".
"""

import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, session, url_for

from oidc_bridge.demo.eos_account import NAME
from oidc_bridge.demo.matrix import Chat
from oidc_bridge.demo.outside import Ask
from oidc_bridge.demo.pages import DemoError, check_form, read_field, see_other
from oidc_bridge.demo.places import Places


@dataclass(frozen=True, slots=True)
class EosWay:
    """The pages of this way."""

    chat: Chat
    places: Places
    ask: Ask

    def views(self) -> Blueprint:
        """Return the pages, to be put into an app."""
        views = Blueprint("eos", __name__, url_prefix="/matrix/eos")
        views.get("")(self.show)
        views.post("")(self.sign_in)
        return views

    def show(self) -> str:
        """Show a sentence with the chain's newest final block."""
        sentence = self._sentence(NAME)
        session["eos"] = sentence
        return render_template(
            "demo/eos.html",
            account=NAME,
            sentence=sentence,
            wallet_url=f"{self.places.wallet}/eos?{urlencode({'sentence': sentence})}",
            sign_in_url=url_for("eos.sign_in"),
            back_url=url_for("matrix.front"),
        )

    def sign_in(self) -> Response:
        """Announce a nonce, and sign in by it, the sentence and its signature."""
        check_form()
        sentence = session.pop("eos", None)
        if sentence is None:
            raise DemoError("sentence_missing", "There is no sentence any more. Get a new one.")
        nonce = secrets.token_urlsafe(24)
        reply = self.ask("POST", f"{self.places.bridge}/c/{nonce}")
        if reply.status != 200:
            raise DemoError(str(reply.document().get("error")), "The bridge takes no nonce.")
        signature = "".join(read_field("signature").split())
        self.chat.try_password(NAME, f"{nonce}|{sentence}|{signature}")
        return see_other(url_for("matrix.front"))

    def _sentence(self, account: str) -> str:
        info = self.ask("POST", f"{self.places.wallet}/v1/chain/get_info", document={}).document()
        number = info["last_irreversible_block_num"]
        suffix = str(info["last_irreversible_block_id"])[-12:].upper()
        return (
            f"{account} would like to login using the active permission."
            f" Block ID: {number} {suffix}"
        )
