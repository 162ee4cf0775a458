"""The account page: my apps, where I'm signed in, take it back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.metadata import ACCOUNT_ACTIONS
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import hold_account
from oidc_bridge.storage.authorizations import revoke, revoke_of_account, revoke_of_sessions
from oidc_bridge.storage.consents import (
    AppConsent,
    apps_of_sessions,
    find_app_consent,
    remove_consent,
)
from oidc_bridge.storage.ledger import record, tell_of_account, tell_of_app, tell_of_sessions
from oidc_bridge.storage.requests import keep_request
from oidc_bridge.storage.sessions import Session, end_sessions, sessions_of
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.cards import person_card
from oidc_bridge.web.overview import apps_of, browsers_of
from oidc_bridge.web.session import (
    check_form,
    current_session,
    drop_session,
    form_token,
    keep_browser,
    new_browser,
)
from oidc_bridge.web.signin import make_challenge

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """What becomes of an app: ``pending`` (it is being told) or ``none`` (it cannot be)."""

    title: str
    state: str


views = Blueprint("account", __name__, url_prefix="/account")

_FLASHES = {
    "removed": "Access removed. Where the app can be told, it is signed out.",
    "signed-out": "Signed out there.",
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
        apps = apps_of(connection, session)
        sessions = browsers_of(connection, session, now)
    return keep_browser(
        page(
            "account/overview.html",
            csrf=form_token(browser),
            person=person_card(session),
            apps=apps,
            sessions=sessions,
            flash=_FLASHES.get(request.args.get("done", "")),
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
    told = _change(lambda connection, session, now: _end(connection, session, [session.id], now))
    return drop_session(_signed_out("You are signed out", told))


@views.post("/sessions/<id:session_id>/sign-out")
def sign_out_session(session_id: str) -> Response:
    """Sign one of my browsers out."""
    check_form()

    def end_one(connection: Connection, session: Session, now: datetime) -> bool:
        _end(connection, session, [session_id], now)
        return session.id == session_id

    is_this = _change(end_one)
    answer = see_other(url_for("account.overview", done="signed-out"))
    return drop_session(answer) if is_this else answer


@views.post("/sign-out-everywhere")
def sign_out_everywhere() -> Response:
    """Ask, then end all of my sessions."""
    browser = check_form()
    if request.form.get("confirm") != "yes":
        return _confirm(
            browser,
            title="Sign out everywhere?",
            effect=[
                "Every browser in which you are signed in here is signed out, this one too.",
                "Every app that you signed in to from them is signed out. Matrix apps lose"
                " messages' keys that are not backed up: check your key backup first.",
            ],
            button="Sign out everywhere",
        )

    def end_all(connection: Connection, session: Session, now: datetime) -> Sequence[Outcome]:
        ids = [known.id for known in sessions_of(connection, session.account_id, now=now)]
        told = _end(connection, session, ids, now)
        tell_of_account(connection, session.account_id, now=now)
        revoke_of_account(connection, session.account_id, now=now)
        return told

    return drop_session(_signed_out("You are signed out everywhere", _change(end_all)))


@views.post("/apps/<id:consent_id>/remove")
def remove_app(consent_id: str) -> Response:
    """Ask, then take an app's access back."""
    browser = check_form()
    if request.form.get("confirm") != "yes":
        now = bridge().clock()
        with read() as connection:
            session = _signed_in(connection, now)
            title = _my_app(connection, session, consent_id).app_title
        return _confirm(
            browser,
            title=f"Remove access of {title}?",
            effect=[
                f"{title} is signed out, and has to ask you again before it can sign you in.",
                "What it has already received is not deleted there.",
                "A Matrix app loses messages' keys that are not backed up: check your key"
                " backup first.",
            ],
            button=f"Remove access of {title}",
        )

    def remove(connection: Connection, session: Session, now: datetime) -> None:
        mine = _my_app(connection, session, consent_id)
        authorizations = remove_consent(connection, session.account_id, mine, now=now)
        revoke(connection, authorizations, now=now)
        tell_of_app(connection, session.account_id, mine.client_id, mine.app, now=now)
        record(
            connection,
            "access removed",
            now=now,
            account_id=session.account_id,
            client_id=mine.client_id,
            app=mine.app,
        )

    _change(remove)
    return see_other(url_for("account.overview", done="removed"))


def _change(work: Callable[[Connection, Session, datetime], T]) -> T:
    """Run a signed-in person's change in one transaction."""
    now = bridge().clock()

    def change(connection: Connection) -> T:
        session = _signed_in(connection, now)
        hold_account(connection, session.account_id)
        return work(connection, session, now)

    return write(change)


def _signed_in(connection: Connection, now: datetime) -> Session:
    session = current_session(connection, now=now)
    if session is None:
        raise PageError("signed_out", status=401)
    return session


def _my_app(connection: Connection, session: Session, consent_id: str) -> AppConsent:
    mine = find_app_consent(connection, session.account_id, consent_id)
    if mine is None:
        raise PageError("not_found", "consent", status=404)
    return mine


def _end(
    connection: Connection, session: Session, ids: Sequence[str], now: datetime
) -> Sequence[Outcome]:
    """End those of *ids* that are this person's sessions; return what becomes of the apps."""
    live = {known.id for known in sessions_of(connection, session.account_id, now=now)}
    ids = [session_id for session_id in ids if session_id in live]
    clients = bridge().snapshots.current().clients
    outcomes = {
        Outcome(title, "pending" if _can_be_told(clients.get(client_id)) else "none")
        for _, client_id, title in apps_of_sessions(connection, ids)
    }
    tell_of_sessions(connection, session.account_id, ids, now=now)
    revoke_of_sessions(connection, ids, now=now)
    end_sessions(connection, session.account_id, ids, now=now)
    record(
        connection,
        "signed out",
        now=now,
        account_id=session.account_id,
        sessions=str(len(ids)),
    )
    return sorted(outcomes)


def _can_be_told(client: Client | None) -> bool:
    return client is not None and client.backchannel_logout_uri is not None


def _signed_out(title: str, outcomes: Sequence[Outcome]) -> Response:
    return page(
        "account/signed_out.html",
        title=title,
        outcomes=outcomes,
        again_url=url_for("account.overview"),
    )


def _confirm(browser: str, *, title: str, effect: Sequence[str], button: str) -> Response:
    return page(
        "account/confirm.html",
        csrf=form_token(browser),
        title=title,
        effect=effect,
        button=button,
        action_url=request.path,
        back_url=url_for("account.overview"),
        fields={"confirm": "yes"},
    )
