"""The account page: my apps, where I'm signed in, take it back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.oidc.metadata import ACCOUNT_ACTIONS
from oidc_bridge.storage import read, write
from oidc_bridge.storage.access_requests import decided_lately
from oidc_bridge.storage.authorizations import revoke_of_account
from oidc_bridge.storage.outbox import tell_of_account
from oidc_bridge.storage.requests import keep_request
from oidc_bridge.storage.sessions import Session, sessions_of
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.account.my_apps import apps_shown
from oidc_bridge.web.account.overview import browsers_of
from oidc_bridge.web.account.wallets import WalletItem, wallet_items
from oidc_bridge.web.cards import person_card
from oidc_bridge.web.changes import change, confirm
from oidc_bridge.web.doors.one_time import find_homeserver
from oidc_bridge.web.fresh import CONFIRMED
from oidc_bridge.web.questions import make_challenge
from oidc_bridge.web.session import (
    check_form,
    current_session,
    drop_session,
    form_token,
    keep_browser,
    new_browser,
)
from oidc_bridge.web.sign_out import end, signed_out

views = Blueprint("account", __name__, url_prefix="/account")

# How long the page tells what became of a request for access.
_NEWS_LIFE = timedelta(days=14)
_FLASHES = {
    "removed": "Access removed. Where the app can be told, it is signed out.",
    "signed-out": "Signed out there.",
    "confirmed": CONFIRMED,
    "wallet-added": "Wallet added. Either of them signs you in from now on.",
    "wallet-removed": "Wallet removed.",
    "name-chosen": "That is your name here now. Your Matrix IDs stay what they are.",
}


@views.get("")
def overview() -> Response:
    """Show everything, or the door; ``action`` leads to the part that MSC4191 means."""
    part = ACCOUNT_ACTIONS.get(request.args.get("action", ""))
    if part is not None:
        return see_other(url_for("account.overview", _anchor=part))
    now, browser = bridge().clock(), new_browser()
    with read() as connection:
        session = current_session(connection, now=now)
        if session is None:
            return keep_browser(
                page(
                    "account/welcome.html",
                    csrf=form_token(browser),
                    begin_url=url_for("account.begin"),
                ),
                browser,
            )
        apps = apps_shown(connection, session)
        sessions = browsers_of(connection, session.account_id, now, this=session.id)
        wallets = wallet_items(connection, session)
        decided = decided_lately(connection, session.account_id, since=now - _NEWS_LIFE)
    return keep_browser(
        page(
            "account/overview.html",
            csrf=form_token(browser),
            person=person_card(session),
            apps=apps,
            home_url=url_for("account.overview"),
            past_url=url_for("my_apps.past"),
            sessions=sessions,
            wallets=wallets,
            decided=decided,
            name=session.name or "",
            add_url=url_for("wallets.add"),
            rename_url=url_for("wallets.rename") if _can_choose(wallets) else "",
            flash=_FLASHES.get(request.args.get("done", "")),
            one_time_url=url_for("one_time.overview") if find_homeserver() else "",
            sign_out_url=url_for("account.sign_out"),
            everywhere_url=url_for("account.sign_out_everywhere"),
        ),
        browser,
    )


@views.post("/begin")
def begin() -> Response:
    """Begin a sign-in that ends on the account page."""
    browser, now = check_form(), bridge().clock()
    expires_at = now + timedelta(seconds=bridge().settings.lifetimes.request)

    def keep(connection: Connection) -> str:
        request_id = keep_request(connection, None, browser=browser, expires_at=expires_at)
        make_challenge(connection, request_id, browser=browser, now=now)
        return request_id

    return see_other(url_for("signin.choose", request_id=write(keep)))


@views.post("/sign-out")
def sign_out() -> Response:
    """Sign this browser out, and every app that knows its session."""
    check_form()
    sign_out_id = change(
        lambda connection, session, now: end(connection, session, [session.id], now=now)
    )
    return drop_session(signed_out(sign_out_id))


@views.post("/sessions/<id:session_id>/sign-out")
def sign_out_session(session_id: str) -> Response:
    """Sign one of my browsers out."""
    check_form()

    def end_one(connection: Connection, session: Session, now: datetime) -> bool:
        end(connection, session, [session_id], now=now)
        return session.id == session_id

    is_this = change(end_one)
    answer = see_other(url_for("account.overview", done="signed-out"))
    return drop_session(answer) if is_this else answer


@views.post("/sign-out-everywhere")
def sign_out_everywhere() -> Response:
    """Ask, then end all of my sessions."""
    browser = check_form()
    if request.form.get("confirm") != "yes":
        return confirm(
            browser,
            title="Sign out everywhere?",
            effect=[
                "Every browser in which you are signed in here is signed out, this one too.",
                "Every app that you signed in to from them is signed out. Matrix apps lose"
                " messages' keys that are not backed up: check your key backup first.",
                "Your app passwords stop working.",
            ],
            button="Sign out everywhere",
        )

    def end_all(connection: Connection, session: Session, now: datetime) -> str:
        ids = [known.id for known in sessions_of(connection, session.account_id, now=now)]
        sign_out_id = end(connection, session, ids, now=now)
        tell_of_account(connection, session.account_id, now=now)
        revoke_of_account(connection, session.account_id, now=now)
        return sign_out_id

    return drop_session(signed_out(change(end_all)))


def _can_choose(wallets: Sequence[WalletItem]) -> bool:
    """Whether there are several names, or one that its owner does not go by."""
    names = [name for wallet in wallets for name in wallet.names]
    return len(names) > 1 or any(not name.is_mine for name in names)
