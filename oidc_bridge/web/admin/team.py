"""Who has which role."""

from datetime import datetime

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.roles import ROLES, Admin, Role
from oidc_bridge.storage import read
from oidc_bridge.storage.admins import admins, find_admin, remove_admin, set_role
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.people import find_person
from oidc_bridge.web import see_other
from oidc_bridge.web.admin.door import admin_views, change, the_admin
from oidc_bridge.web.admin.pages import admin_page
from oidc_bridge.web.changes import confirm
from oidc_bridge.web.session import check_form, field

views = admin_views(
    "team",
    "/roles",
    {"overview": "read roles", "give": "change roles", "take": "change roles"},
)

_FLASHES = {"given": "Role given.", "taken": "Role taken away."}


@views.get("")
def overview() -> Response:
    """List them."""
    with read() as connection:
        known = admins(connection)
    return admin_page(
        "admin/team.html",
        known=known,
        roles=ROLES,
        may_change=the_admin().may("change roles"),
        give_url=url_for("admin_team.give"),
        flash=_FLASHES.get(request.args.get("done", "")),
    )


@views.post("")
def give() -> Response:
    """Give somebody a role in the place of the one that they have."""
    browser = check_form()
    who, role = field("who").strip(), _read_role()
    apps = request.form.get("apps", "").split() if role == "app manager" else []

    def give_role(connection: Connection, admin: Admin, now: datetime) -> Response:
        account_id = find_person(connection, who)
        before = find_admin(connection, account_id)
        set_role(connection, account_id, role, apps=apps, now=now)
        record(
            connection,
            "role given",
            now=now,
            account_id=account_id,
            by=admin.account_id,
            role=role,
            before=before.role if before else "",
            apps=" ".join(apps),
        )
        return see_other(url_for("admin_team.overview", done="given"))

    return change("change roles", give_role, browser=browser)


@views.post("/<id:account_id>/take")
def take(account_id: str) -> Response:
    """Ask, then take somebody's role away."""
    browser = check_form()
    if request.form.get("confirm") != "yes":
        return confirm(
            browser,
            title="Take this role away?",
            effect=["They can still sign in to apps, and come to none of these pages any more."],
            button="Take the role away",
            back_url=url_for("admin_team.overview"),
        )

    def take_role(connection: Connection, admin: Admin, now: datetime) -> Response:
        before = find_admin(connection, account_id)
        if before is None or not remove_admin(connection, account_id):
            raise PageError("not_found", "no such admin", status=404)
        record(
            connection,
            "role taken",
            now=now,
            account_id=account_id,
            by=admin.account_id,
            before=before.role,
        )
        return see_other(url_for("admin_team.overview", done="taken"))

    return change("change roles", take_role, browser=browser)


def _read_role() -> Role:
    wanted = field("role")
    for role in ROLES:
        if role == wanted:
            return role
    raise PageError("form_malformed", "role")
