"""What the sign-in page puts to wallets: one question, in each form that some wallet knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from flask import url_for

from oidc_bridge.identity import Challenge, Identity
from oidc_bridge.sitting import MESSAGE, RESPONSE, Need, methods_of
from oidc_bridge.web import bridge
from oidc_bridge.web.cards import method_in_words, short_address

# Wallets that open a page in a browser of their own, with the wallet in it.
_WALLET_BROWSERS = (("Xverse", "https://connect.xverse.app/browser?url={}"),)


@dataclass(frozen=True, slots=True)
class DeepLink:
    """A way into a wallet's own browser on the same device."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class WalletLink:
    """A wallet on the web, and the address that puts our question to it."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The question, and why it is put once more if something was proved already.

    Attributes:
        auth_request: For wallets that answer with an ``authResponse``; ``""`` if that will not do.
        text: To be signed as a message; ``""`` if that will not do.
        domain, message: The same for wallets that sign structured data (SIP-018), as hex.
        address: The account that must answer; ``""`` if any may.
        network: Whose addresses a wallet shows.
        why: As in `Need`; ``""`` for a first question.
        done: Words for what the sitting has proved so far.
    """

    auth_request: str
    text: str
    domain: str
    message: str
    address: str
    network: str
    why: str
    done: Sequence[str]


def ask(challenge: Challenge, need: Need | None, proved: Sequence[Identity]) -> Ask:
    """Return the question that *challenge* stands for, by the methods that will do."""
    parts = bridge()
    methods = (need.method,) if need else methods_of(parts.settings.sign_in.accept)
    auth_request = text = domain = message = ""
    if RESPONSE in methods:
        auth_request = parts.proofs[RESPONSE].invite(challenge).message
    if MESSAGE in methods:
        invitation = parts.proofs[MESSAGE].invite(challenge)
        text = invitation.message
        if invitation.structured is not None:
            domain, message = invitation.structured.domain, invitation.structured.message
    return Ask(
        auth_request=auth_request,
        text=text,
        domain=domain,
        message=message,
        address=challenge.address or "",
        network=parts.settings.sign_in.network,
        why=need.why if need else "",
        done=[
            f"{method_in_words(identity.method)} ({short_address(identity.subject)})"
            for identity in proved
        ]
        if need
        else [],
    )


def answer_fields(method: str) -> tuple[str, ...]:
    """Return the fields of the form by which a wallet's answer comes."""
    if method == RESPONSE:
        return ("authResponse",)
    return ("signature", "publicKey", "encoding")


def wallet_links(question: Ask) -> list[WalletLink]:
    """Return the wallets at web addresses that can answer *question*."""
    if not question.auth_request:
        return []
    links = []
    for wallet in bridge().settings.wallets:
        separator = "&" if urlsplit(wallet.url).query else "?"
        query = urlencode({"authRequest": question.auth_request})
        links.append(WalletLink(wallet.name, f"{wallet.url}{separator}{query}"))
    return links


def question_context(question: Ask, challenge: Challenge, *, seconds_left: int) -> dict[str, Any]:
    """Return what ``signin/choose.html`` shows of a question."""
    settings = bridge().settings
    return {
        "ask": question,
        "wallets": wallet_links(question),
        "answer_url": url_for("answers.receive"),
        "message_url": url_for("answers.name_account"),
        "challenge_id": challenge.id,
        "expires_at": challenge.expires_at,
        "seconds_left": seconds_left,
        "service_icon": f"{settings.issuer}/static/icon.png",
    }


def deep_links(link: str) -> list[DeepLink]:
    """Return the ways to open *link* inside a wallet on the same device."""
    return [DeepLink(name, form.format(quote(link, safe=""))) for name, form in _WALLET_BROWSERS]
