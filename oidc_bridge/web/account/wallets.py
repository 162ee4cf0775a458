"""The account page's wallets and names: add a key, take one away, go by another name."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.storage import read, write
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.names import names_of
from oidc_bridge.storage.requests import Purpose
from oidc_bridge.storage.sessions import Session
from oidc_bridge.storage.wallets import (
    get_wallet,
    remove_wallet,
    sessions_opened_by,
    wallets_of,
)
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.cards import method_in_words, short_address, whole_address
from oidc_bridge.web.changes import change, confirm, get_session
from oidc_bridge.web.fresh import ask_for, is_fresh
from oidc_bridge.web.session import check_form, drop_session, form_token
from oidc_bridge.web.sign_out import end
from oidc_bridge.web.signin.naming import choose_for

views = Blueprint("wallets", __name__, url_prefix="/account/wallets")

_UNCHECKED = "Its names could not be checked when it was last used."
_NAME_DOUBTS = frozenset({"username_lookup", "names_unavailable"})


@dataclass(frozen=True, slots=True)
class NameItem:
    """A name that one of the wallets owns."""

    text: str
    checked_at: datetime
    is_mine: bool


@dataclass(frozen=True, slots=True)
class WalletItem:
    """A wallet on the account page."""

    id: str
    method: str
    address: str
    since: datetime
    last_used: datetime
    is_this: bool
    names: Sequence[NameItem]
    note: str
    remove_url: str


def wallet_items(connection: Connection, session: Session) -> list[WalletItem]:
    """Return the wallets of who is signed in, in two questions."""
    names: dict[str, list[NameItem]] = defaultdict(list)
    for owned in names_of(connection, session.account_id):
        is_mine = owned.text == session.name
        names[owned.identity_id].append(NameItem(owned.text, owned.checked_at, is_mine))
    known = wallets_of(connection, session.account_id)
    return [
        WalletItem(
            id=wallet.id,
            method=method_in_words(wallet.method),
            address=whole_address(wallet.address),
            since=wallet.first_proved_at,
            last_used=wallet.last_proved_at,
            is_this=wallet.id == session.identity_id,
            names=names[wallet.id],
            note=_UNCHECKED if _NAME_DOUBTS & set(wallet.unconfirmed) else "",
            remove_url=url_for("wallets.remove", identity_id=wallet.id) if len(known) > 1 else "",
        )
        for wallet in known
    ]


@views.post("/add")
def add() -> Response:
    """Begin to add a wallet; who gives a key to an account proves first that it is theirs."""
    browser, now = check_form(), bridge().clock()

    def begin(connection: Connection) -> str:
        session = get_session(connection, now)
        purpose: Purpose = "add" if is_fresh(session, now) else "confirm"
        return ask_for(connection, purpose, browser=browser, now=now)

    return see_other(url_for("signin.choose", request_id=write(begin)))


@views.post("/<id:identity_id>/remove")
def remove(identity_id: str) -> Response:
    """Ask, then take a key away, and sign out the browsers that it signed in."""
    browser, now = check_form(), bridge().clock()
    if request.form.get("confirm") != "yes":
        with read() as connection:
            session = get_session(connection, now)
            wallet = get_wallet(connection, session.account_id, identity_id)
        label = f"{method_in_words(wallet.method)} ({short_address(wallet.address)})"
        return confirm(
            browser,
            title="Remove this wallet?",
            effect=[
                f"{label} cannot sign in to your account any more. If it signs in again, it"
                " begins a new account.",
                "Names that it owns are not yours here any more. Your Matrix IDs stay.",
                "Browsers that it signed in are signed out, and the apps in them.",
            ],
            button="Remove this wallet",
        )

    def take_away(connection: Connection, session: Session, now: datetime) -> bool:
        opened = sessions_opened_by(connection, identity_id)
        remove_wallet(connection, session.account_id, identity_id)
        end(connection, session, opened, now=now)
        record(
            connection,
            "wallet removed",
            now=now,
            account_id=session.account_id,
            session=session.id,
        )
        return session.id in opened

    is_this = change(take_away)
    answer = see_other(url_for("account.overview", done="wallet-removed"))
    return drop_session(answer) if is_this else answer


@views.post("/name")
def rename() -> Response:
    """Ask which name, then go by it, from now on and where nobody knows one yet."""
    browser, now = check_form(), bridge().clock()
    if "name" not in request.form:
        with read() as connection:
            session = get_session(connection, now)
            names = names_of(connection, session.account_id)
        return page(
            "signin/name.html",
            csrf=form_token(browser),
            app=None,
            names=names,
            address=whole_address(session.address),
            choose_url=url_for("wallets.rename"),
            switch_url="",
            missing=False,
        )
    change(lambda connection, session, now: choose_for(connection, session.account_id))
    return see_other(url_for("account.overview", done="name-chosen"))
