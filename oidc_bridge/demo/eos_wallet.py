"""The demo's wallet for EOS: it shows the sentence that somebody wants signed, and signs it.

Such wallets have no way to be asked by a page, so the sentence is brought to it and the signature
carried back by hand.
"""

from dataclasses import dataclass

from flask import Blueprint, render_template, url_for

from oidc_bridge.demo.eos_account import EosAccount
from oidc_bridge.demo.pages import DemoError, check_form, read_field
from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.antelope import Sentence, read_sentence


@dataclass(frozen=True, slots=True)
class EosWallet:
    """The wallet's pages; it holds one account."""

    account: EosAccount

    def views(self) -> Blueprint:
        """Return the pages, to be put into an app."""
        views = Blueprint("eos_wallet", __name__, url_prefix="/eos")
        views.get("")(self.ask)
        views.post("")(self.sign)
        return views

    def ask(self) -> str:
        """Ask for a sentence; an app's link may bring it along."""
        return self._page(text=read_field("sentence"), signature=None)

    def sign(self) -> str:
        """Sign the sentence that the person brought."""
        check_form()
        sentence = self._read(read_field("sentence"))
        return self._page(text=sentence.text, signature=self.account.sign(sentence.digest))

    def _read(self, text: str) -> Sentence:
        """Return the sentence, if it is this account's.

        Raises:
            DemoError: ``sentence_malformed``, ``sentence_foreign``.
        """
        try:
            # What was copied out of a window may be broken into lines.
            sentence = read_sentence(" ".join(text.split()))
        except ProofError as error:
            raise DemoError(
                "sentence_malformed", "This wallet signs one sentence only, letter by letter."
            ) from error
        if sentence.account != self.account.name:
            raise DemoError("sentence_foreign", "The sentence is about an account not held here.")
        return sentence

    def _page(self, *, text: str, signature: str | None) -> str:
        return render_template(
            "demo/eos_wallet.html",
            account=self.account.name,
            sentence=text,
            signature=signature,
            sign_url=url_for("eos_wallet.sign"),
        )
