"""People: find them, look at one, and what can be done about them."""

from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.admins import check_owner_left, roles_of
from oidc_bridge.storage.directory import (
    MOST,
    Place,
    grants_of,
    labels_of,
    list_people,
    personas_of,
    search_people,
)
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.notes import NOTE_CHANGED, find_note, set_note
from oidc_bridge.storage.people import block as block_person
from oidc_bridge.storage.people import look_at, sign_out_everywhere
from oidc_bridge.storage.people import unblock as unblock_person
from oidc_bridge.storage.sessions import sessions_of
from oidc_bridge.web import bridge, see_other
from oidc_bridge.web.admin.clash import clash
from oidc_bridge.web.admin.door import admin_views, change, the_admin
from oidc_bridge.web.admin.pages import admin_page, argument
from oidc_bridge.web.cards import device_of
from oidc_bridge.web.changes import confirm
from oidc_bridge.web.session import MAX_FIELD, check_form, field

views = admin_views(
    "people",
    "/people",
    {
        "overview": "read people",
        "person": "read people",
        "block": "change people",
        "unblock": "change people",
        "sign_out": "change people",
        "note": "change people",
    },
)

_FLASHES = {
    "blocked": "Blocked, and signed out everywhere.",
    "unblocked": "They may sign in again.",
    "signed-out": "Signed out everywhere.",
    "noted": "Note saved.",
}
_MAX_NOTE = 2000


@views.get("")
def overview() -> Response:
    """List people, or those whom a search finds."""
    begin, blocked_only = argument("find").strip(), argument("show") == "blocked"
    text, account_id = argument("after"), argument("after_id")
    after = Place(text, account_id) if account_id else None
    with read() as connection:
        found = (
            search_people(connection, begin, after=after)
            if begin
            else list_people(connection, blocked_only=blocked_only, after=after)
        )
    kept: dict[str, Any] = {"find": begin} if begin else {"show": "blocked"} if blocked_only else {}
    place = found.after
    more: dict[str, Any] = {"after": place.text, "after_id": place.account_id} if place else {}
    return admin_page(
        "admin/people.html",
        people=found.people,
        begin=begin,
        blocked_only=blocked_only,
        first_url=url_for("admin_people.overview", **kept) if after else None,
        next_url=url_for("admin_people.overview", **kept, **more) if place else None,
    )


@views.get("/<id:account_id>")
def person(account_id: str) -> Response:
    """Show all that is known of one person."""
    return _person_page(account_id)


def _person_page(account_id: str, *, wrong: str = "", typed: str = "") -> Response:
    """Show them; *typed* is a note that was not taken, and *wrong* says why."""
    now, admin = bridge().clock(), the_admin()
    with read() as connection:
        check_known(connection, account_id)
        known = look_at(connection, account_id, now=now)
        note = find_note(connection, account_id)
        role = roles_of(connection, [account_id]).get(account_id)
        labels = labels_of(connection, [account_id, note.by] if note else [account_id])
        context: dict[str, Any] = {
            "personas": personas_of(connection, account_id),
            "sessions": sessions_of(connection, account_id, now=now)[: MOST + 1],
            "grants": grants_of(connection, account_id),
        }
    return admin_page(
        "admin/person.html",
        status=400 if wrong else 200,
        **context,
        known=known,
        note=note,
        version=field("version") if wrong else note.version if note else "",
        typed=typed if wrong else note.text if note else "",
        wrong=wrong,
        role=role,
        label=labels[account_id],
        noted_by=labels.get(note.by, "") if note else "",
        most=MOST,
        max_note=_MAX_NOTE,
        clients=bridge().snapshots.current().clients,
        device_of=device_of,
        may_change=admin.may("change people"),
        why_not=_why_not(admin, account_id, role),
        flash=_FLASHES.get(argument("done")),
    )


@views.post("/<id:account_id>/block")
def block(account_id: str) -> Response:
    """Ask, then keep somebody out."""
    browser = check_form()
    if request.form.get("confirm") != "yes":
        return confirm(
            browser,
            title=f"Block {_name_of(account_id)}?",
            effect=[
                "They are signed out here and in every app that can be told, at once.",
                "No app gets anything about them any more, and they cannot sign in.",
                "They keep their account and their Matrix IDs, for when you unblock them.",
            ],
            button="Block them",
            back_url=_url(account_id),
        )

    def block_them(connection: Connection, admin: Admin, now: datetime) -> Response:
        _check_may_block(connection, admin, account_id)
        check_owner_left(connection, account_id)
        block_person(connection, account_id, now=now, by=admin.account_id)
        return see_other(_url(account_id, done="blocked"))

    return change("change people", block_them, browser=browser)


@views.post("/<id:account_id>/unblock")
def unblock(account_id: str) -> Response:
    """Let somebody sign in again."""
    browser = check_form()

    def unblock_them(connection: Connection, admin: Admin, now: datetime) -> Response:
        _check_may_block(connection, admin, account_id)
        unblock_person(connection, account_id, now=now, by=admin.account_id)
        return see_other(_url(account_id, done="unblocked"))

    return change("change people", unblock_them, browser=browser)


@views.post("/<id:account_id>/sign-out")
def sign_out(account_id: str) -> Response:
    """Ask, then sign somebody out everywhere."""
    browser = check_form()
    if request.form.get("confirm") != "yes":
        return confirm(
            browser,
            title=f"Sign {_name_of(account_id)} out everywhere?",
            effect=[
                "Their browsers are signed out here, and every app that can be told is told.",
                "Apps that may act while they are away lose that too.",
                "They may sign in again at once; nothing that they allowed is forgotten.",
            ],
            button="Sign them out",
            back_url=_url(account_id),
        )

    def sign_them_out(connection: Connection, admin: Admin, now: datetime) -> Response:
        check_known(connection, account_id)
        sign_out_everywhere(connection, account_id, now=now, by=admin.account_id)
        return see_other(_url(account_id, done="signed-out"))

    return change("change people", sign_them_out, browser=browser)


@views.post("/<id:account_id>/note")
def note(account_id: str) -> Response:
    """Keep what admins note of somebody, unless another was quicker."""
    browser, version = check_form(), field("version")
    # A form's lines end with two characters, of which its page has counted one.
    text = field("text", limit=MAX_FIELD).replace("\r\n", "\n").strip()
    if len(text) > _MAX_NOTE:
        wrong = f"This is {len(text):,} characters long; {_MAX_NOTE:,} are kept."
        return _person_page(account_id, wrong=wrong, typed=text)

    def keep(connection: Connection, admin: Admin, now: datetime) -> Response:
        check_known(connection, account_id)
        by = admin.account_id
        try:
            before = set_note(connection, account_id, text, by=by, version=version, now=now)
        except PageError:  # changed_meanwhile
            return _note_clash(connection, account_id, text)
        # Not the person's own event: it would stand among what they read of themselves.
        record(
            connection,
            NOTE_CHANGED,
            now=now,
            by=by,
            person=account_id,
            before=before.text if before else "",
            after=text,
        )
        return see_other(_url(account_id, done="noted"))

    return change("change people", keep, browser=browser)


def _note_clash(connection: Connection, account_id: str, text: str) -> Response:
    theirs = find_note(connection, account_id)
    labels = labels_of(connection, [account_id, theirs.by] if theirs else [account_id])
    return clash(
        f"The note on {labels[account_id]}",
        yours={"Note": text},
        theirs={
            "Note": theirs.text,
            "Changed": theirs.changed_at,
            "By": labels.get(theirs.by) or "somebody who is gone",
        }
        if theirs
        else None,
        url=url_for("admin_people.note", account_id=account_id),
        fields={"text": text, "version": theirs.version if theirs else ""},
        back_url=_url(account_id),
    )


def check_known(connection: Connection, account_id: str) -> None:
    """Return if there is such an account.

    Raises:
        PageError: ``not_found``.
    """
    if not labels_of(connection, [account_id]):
        raise PageError("not_found", "no such person", status=404)


def _name_of(account_id: str) -> str:
    """Return what a question about somebody calls them.

    Raises:
        PageError: ``not_found``.
    """
    with read() as connection:
        check_known(connection, account_id)
        return labels_of(connection, [account_id])[account_id]


def _why_not(admin: Admin, account_id: str, role: Admin | None) -> str:
    """Return why an admin does not block somebody of this role; ``""`` if they may."""
    if account_id == admin.account_id:
        return "This is you: nobody blocks themselves."
    if role is not None and admin.role != "owner":
        return f"They are {role.role}: an owner alone blocks and unblocks somebody with a role."
    return ""


def _check_may_block(connection: Connection, admin: Admin, account_id: str) -> None:
    """An owner is never locked out by an admin, nor the last of them by themselves."""
    check_known(connection, account_id)
    role = roles_of(connection, [account_id]).get(account_id)
    if _why_not(admin, account_id, role):
        raise PageError("not_yourself", f"{account_id} by {admin.account_id}", status=403)


def _url(account_id: str, **query: Any) -> str:
    return url_for("admin_people.person", account_id=account_id, **query)
