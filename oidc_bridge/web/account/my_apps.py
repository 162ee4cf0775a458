"""My apps: each with all that it gets and holds; less of it, or nothing any more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.consent import decide_scopes
from oidc_bridge.apps.developer import NOBODY, Developer
from oidc_bridge.apps.scope_rules import ALWAYS, ScopeRules, required_of, without_refused
from oidc_bridge.apps.whitelist import rule_name
from oidc_bridge.errors import PageError
from oidc_bridge.oidc.scopes import GRANTS
from oidc_bridge.storage import read
from oidc_bridge.storage.consents import AppConsent, find_app_consent
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.my_apps import (
    PAGE,
    apps_page,
    ask_again,
    count_apps,
    holdings_of,
    last_used_at,
    narrow_consent,
    past_apps,
    take_back,
    told_of,
)
from oidc_bridge.storage.sessions import Session
from oidc_bridge.storage.whitelist import find_said
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.cards import developer_behind, logo_url_of, matrix_id
from oidc_bridge.web.changes import change, confirm, get_session
from oidc_bridge.web.consent.review import value_of
from oidc_bridge.web.session import check_form, form_token, keep_browser, new_browser

views = Blueprint("my_apps", __name__, url_prefix="/account/apps")

_MAX_WORDS = 100
_LAST_PAGE = 10_000
_FLASHES = {
    "narrowed": "Saved. The app gets no more than this from now on.",
    "asked-again": "Saved. What you added, the app can have after it has asked you at its next"
    " sign-in.",
    "same": "Nothing has changed.",
}


@dataclass(frozen=True, slots=True)
class AppItem:
    """An app of mine; ``is_alone`` if it knows me under an ID that it alone sees."""

    id: str
    title: str
    host: str
    via: str
    mxid: str
    is_alone: bool
    scopes: Sequence[str]
    since: datetime
    last_used: datetime | None
    url: str
    receipt_url: str
    remove_url: str
    logo_url: str
    developer: Developer


@dataclass(frozen=True, slots=True)
class AppsShown:
    """One page of my apps; ``total`` counts all, ``found`` those with the words in their title."""

    items: Sequence[AppItem]
    words: str
    found: int
    total: int
    newer_url: str
    older_url: str

    @property
    def is_long(self) -> bool:
        """Whether there are more than one page shows."""
        return self.total > PAGE


@dataclass(frozen=True, slots=True)
class ScopeBox:
    """What an app was asked about, and whether it has it."""

    scope: str
    title: str
    value: str
    required: bool
    granted: bool


def apps_shown(connection: Connection, session: Session) -> AppsShown:
    """Return the page of my apps that the address asks for; always in the same few questions."""
    words, number = request.args.get("q", "")[:_MAX_WORDS].strip(), _page_number()
    account_id = session.account_id
    total = count_apps(connection, account_id)
    found = count_apps(connection, account_id, words) if words else total
    number = min(number, max(1, -(-found // PAGE)))
    listed = apps_page(connection, account_id, first=(number - 1) * PAGE, words=words)

    def at(other: int) -> str:
        number = other if other > 1 else None
        return url_for("account.overview", _anchor="apps", q=words or None, page=number)

    return AppsShown(
        items=[item_of(app.given, app.last_used) for app in listed],
        words=words,
        found=found,
        total=total,
        newer_url=at(number - 1) if number > 1 else "",
        older_url=at(number + 1) if number * PAGE < found else "",
    )


def _page_number() -> int:
    text = request.args.get("page", "")
    is_number = text.isascii() and text.isdigit() and len(text) < 6
    return min(max(int(text), 1), _LAST_PAGE) if is_number else 1


def item_of(given: AppConsent, used: datetime | None) -> AppItem:
    """Return an app of mine as pages show it."""
    client = bridge().snapshots.current().clients.get(given.client_id)
    consent = given.consent
    return AppItem(
        id=consent.id,
        title=given.app_title,
        host=_host(given.app),
        via=client.name if client else consent.question.client_name,
        mxid=matrix_id(consent.question.localpart, client) if client else "",
        is_alone=consent.as_whom == "alone",
        scopes=[GRANTS[scope].title for scope in consent.granted if scope in GRANTS],
        since=consent.given_at,
        last_used=used,
        url=url_for("my_apps.show", consent_id=consent.id),
        receipt_url=url_for("receipts.show", consent_id=consent.id),
        remove_url=url_for("my_apps.remove", consent_id=consent.id),
        logo_url=logo_url_of(client) if client and client.kind != "homeserver" else "",
        developer=developer_behind(given.app, client) if client else NOBODY,
    )


def _host(app: str) -> str:
    return app.removeprefix("https://") if "://" in app else ""


@views.get("/<id:consent_id>")
def show(consent_id: str) -> Response:
    """Show all facts of one of my apps."""
    now, browser = bridge().clock(), new_browser()
    with read() as connection:
        session = get_session(connection, now)
        mine = _my_app(connection, session, consent_id)
        item = item_of(mine, last_used_at(connection, session.account_id, mine))
        holds = holdings_of(connection, session.account_id, mine, now=now)
        boxes = _boxes(connection, session, mine, item.mxid)
    return keep_browser(
        page(
            "account/app.html",
            csrf=form_token(browser),
            app=item,
            holds=holds,
            boxes=boxes,
            flash=_FLASHES.get(request.args.get("done", "")),
            scopes_url=url_for("my_apps.choose_scopes", consent_id=consent_id),
            back_url=url_for("account.overview"),
        ),
        browser,
    )


def _boxes(
    connection: Connection, session: Session, mine: AppConsent, mxid: str
) -> Sequence[ScopeBox]:
    person = told_of(connection, session.account_id, mine)
    said = _said(connection, session, mine)
    required = _required(mine, said)
    return [
        ScopeBox(
            scope=scope,
            title=GRANTS[scope].title,
            value=value_of(scope, person, mxid),
            required=scope in required,
            granted=scope in mine.consent.granted,
        )
        for scope in without_refused(mine.consent.question.scopes, said)
        if scope in GRANTS
    ]


def _said(connection: Connection, session: Session, mine: AppConsent) -> ScopeRules:
    """Return what the operator says of the app's scopes."""
    client = bridge().snapshots.current().clients.get(mine.client_id)
    if client is None:
        return ()
    name = rule_name(client, mine.app)
    now = bridge().clock()
    return find_said(connection, session.account_id, [name], now=now)[name].scopes


def _required(mine: AppConsent, said: ScopeRules) -> tuple[str, ...]:
    client = bridge().snapshots.current().clients.get(mine.client_id)
    return required_of((*(client.required_scopes if client else ()), ALWAYS), said)


@views.post("/<id:consent_id>/scopes")
def choose_scopes(consent_id: str) -> Response:
    """Take back what is unticked, at once; what is ticked anew the app has to ask for.

    So this never gives anything, and needs no fresh proof.
    """
    check_form()
    ticked = request.form.getlist("scope")

    def choose(connection: Connection, session: Session, now: datetime) -> str:
        mine = _my_app(connection, session, consent_id)
        before, said = mine.consent.granted, _said(connection, session, mine)
        required = _required(mine, said)
        # What the operator refuses the app is not on the page, and stays as it was.
        asked = without_refused(mine.consent.question.scopes, said)
        hidden = [scope for scope in before if scope not in asked]
        shown = decide_scopes(ticked, asked=asked, required=required)
        if shown is None:
            raise PageError("form_malformed", "scope")
        chosen = (*shown, *hidden)
        gone = [scope for scope in before if scope not in chosen]
        if gone:
            narrow_consent(connection, session.account_id, mine, chosen, now=now)
            record(
                connection,
                "access narrowed",
                now=now,
                account_id=session.account_id,
                scopes=" ".join(gone),
                **_about(session, mine),
            )
        optional = set(asked) - set(required)
        if (set(chosen) & optional) - set(before):
            ask_again(connection, session.account_id, mine)
            return "asked-again"
        return "narrowed" if gone else "same"

    done = change(choose)
    return see_other(url_for("my_apps.show", consent_id=consent_id, done=done))


@views.post("/<id:consent_id>/remove")
def remove(consent_id: str) -> Response:
    """Ask, then take an app's access back."""
    browser = check_form()
    if request.form.get("confirm") != "yes":
        with read() as connection:
            session = get_session(connection, bridge().clock())
            title = _my_app(connection, session, consent_id).app_title
        return confirm(
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

    def end(connection: Connection, session: Session, now: datetime) -> None:
        mine = _my_app(connection, session, consent_id)
        take_back(connection, session.account_id, mine, now=now)
        about = _about(session, mine)
        record(connection, "access removed", now=now, account_id=session.account_id, **about)

    change(end)
    return see_other(url_for("account.overview", done="removed"))


@views.get("/past")
def past() -> Response:
    """Show the apps whose access was taken back."""
    number = _page_number()
    with read() as connection:
        session = get_session(connection, bridge().clock())
        found = past_apps(connection, session.account_id, first=(number - 1) * PAGE)
    more = len(found) > PAGE
    return page(
        "account/past_apps.html",
        apps=[(known, _host(known.app)) for known in found[:PAGE]],
        newer_url=url_for("my_apps.past", page=number - 1) if number > 1 else "",
        older_url=url_for("my_apps.past", page=number + 1) if more else "",
        back_url=url_for("account.overview"),
    )


def _my_app(connection: Connection, session: Session, consent_id: str) -> AppConsent:
    mine = find_app_consent(connection, session.account_id, consent_id)
    if mine is None:
        raise PageError("not_found", "consent", status=404)
    return mine


def _about(session: Session, mine: AppConsent) -> dict[str, str]:
    """Return what an event tells of the app and of where this was done."""
    return {
        "client_id": mine.client_id,
        "app": mine.app,
        "consent": mine.consent.id,
        "session": session.id,
    }
