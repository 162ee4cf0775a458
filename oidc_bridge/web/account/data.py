"""The account's data: take it with you, or let it be deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.oidc.client import Client
from oidc_bridge.storage import read
from oidc_bridge.storage.consents import consents_of
from oidc_bridge.storage.deletion import delete_account
from oidc_bridge.storage.export import as_json, export_of
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.personas import personas_of
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import as_download, bridge, page, see_other
from oidc_bridge.web.cards import matrix_id, person_card
from oidc_bridge.web.changes import get_session
from oidc_bridge.web.fresh import CONFIRMED, give
from oidc_bridge.web.session import (
    check_form,
    current_session,
    drop_session,
    form_token,
    get_browser,
    keep_browser,
    new_browser,
)

views = Blueprint("data", __name__, url_prefix="/account/data")

FORMAT = 1
"""Of the file; a reader that knows it may rely on the names in docs/your-data.md."""
_PLACE = "data"
_GIVEN = 204
_FLASHES = {
    "confirmed": CONFIRMED,
}


@dataclass(frozen=True, slots=True)
class Leaving:
    """What a person should know before they let their account be deleted.

    Attributes:
        mxids: their Matrix IDs, which go on existing at the homeservers.
        deaf: apps that cannot be told, and stay signed in.
    """

    mxids: Sequence[str]
    apps: int
    deaf: Sequence[str]


@views.get("")
def overview() -> Response:
    """Show what can be done with it."""
    now, browser = bridge().clock(), new_browser()
    with read() as connection:
        session = get_session(connection, now)
    answer = page(
        "account/data.html",
        csrf=form_token(browser),
        person=person_card(session),
        export_url=url_for("data.export"),
        delete_url=url_for("data.delete"),
        flash=_FLASHES.get(request.args.get("done", "")),
    )
    return keep_browser(answer, browser)


@views.post("/export")
def export() -> Response:
    """Give all that is kept about me as a file, after a fresh proof: a thief wants it, too."""
    answer = give(_note_export, browser=check_form(), place=_PLACE)
    if answer.status_code != _GIVEN:
        return answer
    # Not in that transaction: ten thousand grants take a second, and others wait to write.
    now = bridge().clock()
    with read() as connection:
        session = get_session(connection, now)
        kept = export_of(connection, session.account_id)
    about = {"format": FORMAT, "server": bridge().settings.issuer, "made_at": as_json(now)}
    return as_download({**about, **kept}, name="my-data.json")


def _note_export(connection: Connection, session: Session, now: datetime) -> Response:
    record(connection, "data exported", now=now, account_id=session.account_id, session=session.id)
    return Response(status=_GIVEN)


@views.post("/delete")
def delete() -> Response:
    """Ask, saying what goes and what stays, then delete; both after a fresh proof."""
    browser = check_form()
    is_sure = request.form.get("confirm") == "yes"

    def act(connection: Connection, session: Session, now: datetime) -> Response:
        if not is_sure:
            return _ask(browser, session, _leaving(connection, session))
        delete_account(connection, session.account_id, now=now, by="person")
        return drop_session(see_other(url_for("data.gone", mark=_mark(browser))))

    return give(act, browser=browser, place=_PLACE)


@views.get("/gone/<id:mark>")
def gone(mark: str) -> Response:
    """Say what has happened, in the browser that did it; nobody else is frightened by a link."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        is_back = current_session(connection, now=now) is not None
    if is_back or not compare_digest(mark, _mark(browser)):
        return see_other(url_for("account.overview"))
    return page("account/gone.html")


def _mark(browser: str) -> str:
    return bridge().seal.digest(browser, purpose="account deleted")[:32]


def _ask(browser: str, session: Session, leaving: Leaving) -> Response:
    return page(
        "account/delete.html",
        csrf=form_token(browser),
        person=person_card(session),
        leaving=leaving,
        delete_url=url_for("data.delete"),
        back_url=url_for("data.overview"),
    )


def _leaving(connection: Connection, session: Session) -> Leaving:
    clients = bridge().snapshots.current().clients
    apps = consents_of(connection, session.account_id)
    mxids = [
        matrix_id(persona.localpart, clients[persona.client_id])
        for persona in personas_of(connection, session.account_id)
        if persona.client_id in clients
    ]
    deaf = {app.app_title for app in apps if not _hears(clients.get(app.client_id))}
    return Leaving(list(filter(None, mxids)), len(apps), sorted(deaf))


def _hears(client: Client | None) -> bool:
    return client is not None and client.backchannel_logout_uri is not None
