"""Debian's Chromium without a window, driven by Playwright, and a wallet in its pages."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.live.tools import need_program
from tests.live.wallet import WalletError

# What a wallet's extension puts into every page, before the page's own scripts run. The answers
# come from Node: __ask_Leather and the like are functions of the test. Not all of the functions are
# there: see put_wallet_into.
_PROVIDER = """
(() => {
  const has = %(has)s;
  const ask = async (kind, question) => {
    const said = await window.__ask_%(brand)s({ kind, origin: location.origin, ...question });
    if (said.silent) return new Promise(() => {});
    return said;
  };
  const old = async (kind, token) => {
    const said = await ask(kind, { token });
    if (said.cancel) throw 'cancel';
    if (said.error) throw new Error(said.error);
    return said.answer;
  };
  const legacy = {};
  if (has.identity) legacy.authenticationRequest = token => old('identity', token);
  if (has.signature) legacy.signatureRequest = token => old('signature', token);
  const request = async (method, params) => {
    const said = await ask('request', { method, params: params ?? {} });
    const answer = what => ({ jsonrpc: '2.0', id: '1', ...what });
    const no = (code, message) => answer({ error: { code, message } });
    if (said.cancel) throw no(%(no)s, 'User rejected the request');
    if (said.error) throw no(-32603, said.error);
    if (said.unknown) throw no(-32601, 'Method not found');
    return answer({ result: said.answer });
  };
  %(place)s
})();
"""
# Leather answers on two objects, which are not the same one. Xverse's request() is on another
# object than its older functions, and what StacksProvider has by that name only throws.
_PLACES = {
    "Leather": """
      const make = () => ({ isLeather: true, ...(has.messages && { request }), ...legacy });
      window.LeatherProvider = make();
      window.StacksProvider = make();""",
    "Xverse": """
      const throws = async () => { throw new Error('`request` function is not implemented'); };
      window.XverseProviders = { StacksProvider: { request: throws, ...legacy } };
      if (has.messages) window.XverseProviders.BitcoinProvider = { request };
      window.StacksProvider = window.XverseProviders.StacksProvider;""",
}
# What the two answer when the person says no.
_NO = {"Leather": 4001, "Xverse": -32000}


def need_chromium() -> Path:
    """Return Chromium's program, or skip (or fail) the test."""
    return need_program("chromium", "chromium-browser", "google-chrome", package="chromium")


@contextlib.contextmanager
def chromium(hosts: Mapping[str, int]) -> Iterator[Browser]:
    """Run Chromium until the end of the block.

    Args:
        hosts: Names that lead to a port of loopback. All other names lead nowhere, so that
            nothing can leave this machine.
    """
    places = [f"MAP {name} 127.0.0.1:{port}" for name, port in hosts.items()]
    nowhere = "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
    arguments = [
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--no-default-browser-check",
        f"--host-resolver-rules={', '.join([*places, nowhere])}",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium's sandbox does not work for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=need_chromium(), headless=True, args=arguments
        )
        try:
            yield browser
        finally:
            browser.close()


class NoAnswerError(Exception):
    """A wallet never answers, as an old function of a new wallet may not."""


class Signer(Protocol):
    """Whoever holds an STX key: ``Person``, or ``SignsAs``, which remembers what it signed."""

    @property
    def stx_address(self) -> str: ...
    @property
    def public_key(self) -> str: ...
    def sign_messages(self, *asked: Mapping[str, str]) -> list[dict[str, Any]]: ...


Answering = Callable[[str, str], str | None]
"""From an authRequest and the origin of the page that asks to an authResponse; None is a no."""


def saying_no(token: str, origin: str) -> None:
    """Be a wallet whose person clicks on Cancel."""


def saying_nothing(token: str, origin: str) -> None:
    """Be a wallet that never answers."""
    raise NoAnswerError


Willing = Callable[[], bool]
"""Whether the person signs what the wallet shows; may raise NoAnswerError or WalletError."""

TODAY = ("stx_signMessage", "stx_signStructuredMessage")
"""What wallets of today sign; those of yesterday know ``signatureRequest``."""


def always() -> bool:
    """Be somebody who signs everything."""
    return True


def never() -> bool:
    """Be somebody who says no."""
    return False


def silently() -> bool:
    """Be a wallet that never answers."""
    raise NoAnswerError


def put_wallet_into(
    context: BrowserContext,
    answer: Answering | None,
    *,
    brand: str = "Leather",
    signer: Signer | None = None,
    willing: Willing = always,
    knows: Sequence[str] = TODAY,
) -> str:
    """Put a wallet's provider into every page that *context* will open; return the script for it.

    A context may have several, of different brands.

    Args:
        answer: Answers ``authenticationRequest``; None: a wallet without that function (today's).
        brand: ``Leather`` or ``Xverse``: the places in ``window`` where that wallet is found, and
            the shapes in which it answers.
        signer: Signs messages; None: a wallet without ``request`` (yesterday's).
        willing: Whether the person lets it.
        knows: The calls by which it can be asked for a signature.
    """

    def ask_wallet(asked: dict[str, Any]) -> dict[str, Any]:
        try:
            if asked["kind"] == "identity":
                assert answer
                said: object = answer(asked["token"], asked["origin"])
            else:
                assert signer
                said = _signed(brand, signer, willing, knows, asked)
        except NoAnswerError:
            return {"silent": True}
        except WalletError as error:
            return {"error": str(error)}
        except LookupError:
            return {"unknown": True}
        return {"cancel": True} if said is None else {"answer": said}

    context.expose_function(f"__ask_{brand}", ask_wallet)
    has = {
        "identity": answer is not None,
        "messages": signer is not None,
        "signature": "signatureRequest" in knows,
    }
    place = {"brand": brand, "no": _NO[brand], "place": _PLACES[brand]}
    script = _PROVIDER % {"has": json.dumps(has), **place}
    context.add_init_script(script)
    return script


def _signed(
    brand: str, signer: Signer, willing: Willing, knows: Sequence[str], asked: Mapping[str, Any]
) -> object:
    """Return what a call gives; None is a no, LookupError says that there is no such call."""
    if asked["kind"] == "signature":
        return _sign(signer, willing, {"signatureRequest": asked["token"]})
    method, params = asked["method"], asked["params"]
    if method in TODAY and method in knows:
        # Xverse wants to be told the key of a text, and refuses one that it does not hold.
        is_told = params.get("publicKey") == signer.public_key
        if brand == "Xverse" and method == "stx_signMessage" and not is_told:
            raise WalletError("publicKey is missing, or not of this account")
        fields = ("domain", "message") if method == "stx_signStructuredMessage" else ("message",)
        return _sign(signer, willing, {name: params[name] for name in fields})
    if method == ("wallet_connect" if brand == "Xverse" else "getAddresses"):
        bitcoin = {"address": "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", "purpose": "payment"}
        address, public_key = signer.stx_address, signer.public_key
        stacks = {"address": address, "publicKey": public_key, "purpose": "stacks"}
        return {"addresses": [bitcoin, stacks]}
    raise LookupError(method)


def _sign(signer: Signer, willing: Willing, asked: Mapping[str, str]) -> object:
    if not willing():
        return None
    (signed,) = signer.sign_messages(asked)
    return {name: signed[name] for name in ("signature", "publicKey")}
