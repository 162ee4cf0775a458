"""Debian's Chromium without a window, driven by Playwright, and a wallet in its pages."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.live.tools import need_program
from tests.live.wallet import WalletError

# What a wallet's extension puts into every page, before the page's own scripts run. The answer
# comes from Node: __answer_wallet is a function of the test.
_PROVIDER = """
(() => {
  const provider = {
    authenticationRequest: async token => {
      const said = await window.__answer_wallet({ token, origin: location.origin });
      if (said.cancel) throw 'cancel';
      if (said.error) throw new Error(said.error);
      return said.authResponse;
    },
  };
  %s
})();
"""
_PLACES = {
    "Leather": "window.LeatherProvider = provider; window.StacksProvider = provider;",
    "Xverse": "window.XverseProviders = { StacksProvider: provider };",
}


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


Answering = Callable[[str, str], str | None]
"""From an authRequest and the origin of the page that asks to an authResponse; None is a no."""


def saying_no(token: str, origin: str) -> None:
    """Be a wallet whose person clicks on Cancel."""


def put_wallet_into(context: BrowserContext, answer: Answering, *, brand: str = "Leather") -> None:
    """Put a wallet's provider into every page that *context* will open.

    Args:
        brand: ``Leather`` or ``Xverse``: the place in ``window`` where that wallet is found.
    """

    def answer_wallet(asked: dict[str, str]) -> dict[str, Any]:
        try:
            response = answer(asked["token"], asked["origin"])
        except WalletError as error:
            return {"error": str(error)}
        return {"cancel": True} if response is None else {"authResponse": response}

    context.expose_function("__answer_wallet", answer_wallet)
    context.add_init_script(_PROVIDER % _PLACES[brand])
