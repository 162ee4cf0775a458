"""What happened to one app: the ledger's events of it, also for those who look after no other."""

from flask import Response, url_for

from oidc_bridge.errors import PageError
from oidc_bridge.storage import read
from oidc_bridge.storage.app_directory import find_app
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.door import admin_views, check_app, the_admin
from oidc_bridge.web.admin.events import SHOWN_APART, find_shown, read_page_of
from oidc_bridge.web.admin.pages import admin_page, argument

views = admin_views("app_events", "/apps/events", {"overview": "read apps"})

# What tells one browser and one yes of somebody from their others: not for who reads no people.
_OF_PERSON = frozenset({"session", "consent"})


@views.get("")
def overview() -> Response:
    """List the events of an app, youngest first."""
    name = argument("app")
    check_app("read apps", name)
    with read() as connection:
        known = find_app(connection, name)
        shown = find_shown(connection, read_page_of(name))
    if known is None and not shown.rows:
        raise PageError("not_found", "no such app", status=404)
    page_url, admin = "admin_app_events.overview", the_admin()
    may_open = admin.may("read people")
    return admin_page(
        "admin/app_events.html",
        name=name,
        rows=shown.rows,
        labels=shown.labels,
        clients=bridge().snapshots.current().clients,
        apart=SHOWN_APART | {"app"} | (frozenset() if may_open else _OF_PERSON),
        may_open=may_open,
        all_url=url_for("admin_events.overview", app=name) if admin.may("read events") else "",
        first_url=url_for(page_url, app=name) if argument("id") else None,
        next_url=url_for(page_url, app=name, **shown.after) if shown.after else None,
    )
