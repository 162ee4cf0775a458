"""Questions to wallets: made for what the person is about to do, kept, and put anew."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from oidc_bridge.identity import Challenge
from oidc_bridge.storage import new_id
from oidc_bridge.storage.challenges import close_challenges, keep_challenge
from oidc_bridge.storage.requests import OpenRequest, Purpose
from oidc_bridge.web import bridge

_STATEMENTS: Mapping[Purpose, str] = {
    "sign-in": "Sign in to {}.",
    "confirm": "Confirm at {} that it is you.",
    "add": "Add this wallet to your account at {}.",
}


def make_challenge(
    connection: Connection,
    request_id: str,
    *,
    browser: str,
    now: datetime,
    purpose: Purpose = "sign-in",
    address: str | None = None,
) -> Challenge:
    """Make and keep a fresh question to a wallet, for a request of this browser."""
    statement = _STATEMENTS[purpose].format(bridge().settings.name)
    challenge = new_challenge(statement, address=address, now=now)
    keep_challenge(connection, challenge, request_id, browser=browser, seal=bridge().seal)
    return challenge


def ask_anew(
    connection: Connection,
    open_request: OpenRequest,
    *,
    browser: str,
    now: datetime,
    address: str | None = None,
) -> None:
    """Put another question in the place of the one that this browser has open."""
    close_challenges(connection, open_request.id, browser=browser, now=now)
    make_challenge(
        connection,
        open_request.id,
        browser=browser,
        now=now,
        purpose=open_request.purpose,
        address=address,
    )


def new_challenge(statement: str, *, address: str | None, now: datetime) -> Challenge:
    """Return a fresh question to a wallet, not kept yet."""
    issued_at = now.replace(microsecond=0)
    life = timedelta(seconds=bridge().settings.lifetimes.challenge)
    return Challenge(
        new_id(), secrets.token_bytes(32), statement, issued_at, issued_at + life, address
    )
