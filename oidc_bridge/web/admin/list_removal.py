"""Many people off a list at once: whom it would take off is shown before anybody goes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.spelling import Who
from oidc_bridge.errors import BridgeError
from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.admissions import Key, get_rule, hold_list, listed_for, take_off
from oidc_bridge.storage.list_files import Fault, read_people
from oidc_bridge.storage.whitelist import Listing
from oidc_bridge.web.admin.door import admin_views, change
from oidc_bridge.web.admin.list_import import check_count, check_text, read_app, read_text
from oidc_bridge.web.admin.list_preview import FAULTS, SHOWN, changed, version_of
from oidc_bridge.web.admin.lists import show_list
from oidc_bridge.web.admin.pages import admin_page
from oidc_bridge.web.session import check_form, field

views = admin_views(
    "list_removal", "/apps/list/removal", {"preview": "change apps", "take": "change apps"}
)


@views.post("")
def preview() -> Response:
    """Show whom the text would take off the list; nobody goes yet."""
    name = read_app()
    try:
        text = read_text()
        people, faults = _read(text)
    except BridgeError as error:
        wrong = FAULTS.get(error.code, error.detail)
        return show_list(name, wrong=wrong, given={"text": request.form.get("text", "")})
    return _show(name, text, people, faults)


@views.post("/take")
def take() -> Response:
    """Take off the list whom the text names, if it has of them what was shown."""
    name, browser, version = read_app(), check_form(), field("version")
    text = read_text()
    people, faults = _read(text)

    def work(connection: Connection, admin: Admin, now: datetime) -> Response | None:
        hold_list(connection, name)
        gone = _entries(listed_for(connection, name, people))
        if version_of(gone) != version:
            return None
        take_off(connection, name, gone, now=now, by=admin.account_id)
        return changed(name, "removed", len(gone), now)

    done = change("change apps", work, browser=browser, app=name)
    return done or _show(name, text, people, faults, is_changed_meanwhile=True)


def _read(text: str) -> tuple[Sequence[Who], Sequence[Fault]]:
    check_text(text)
    people, faults = read_people(text)
    check_count(len(people) + len(faults))
    return people, faults


def _show(
    name: str,
    text: str,
    people: Sequence[Who],
    faults: Sequence[Fault],
    *,
    is_changed_meanwhile: bool = False,
) -> Response:
    """Return the page that shows whom *text* takes off.

    Raises:
        BridgeError: ``app_unruled``.
    """
    with read() as connection:
        get_rule(connection, name)
        found = listed_for(connection, name, people)
    gone = _entries(found)
    # Who asked to be let in is known by what was pasted, not by the number of their account.
    called = {key: who.text for who, entries in found.items() for key in entries}
    return admin_page(
        "admin/list_removal.html",
        status=409 if is_changed_meanwhile else 200,
        app=name,
        is_changed_meanwhile=is_changed_meanwhile,
        gone=[(called[key], entry) for key, entry in gone.items()],
        strangers=[who.text for who, entries in found.items() if not entries],
        faults=[(fault, FAULTS.get(fault.code, fault.detail)) for fault in faults[:SHOWN]],
        faulty=len(faults),
        most=SHOWN,
        text=text,
        version=version_of(gone),
        take_url=url_for("admin_list_removal.take"),
        back_url=url_for("admin_lists.overview", app=name),
    )


def _entries(found: Mapping[Who, Mapping[Key, Listing]]) -> Mapping[Key, Listing]:
    return {key: entry for entries in found.values() for key, entry in entries.items()}
