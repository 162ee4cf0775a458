"""Who has which role."""

from dataclasses import dataclass
from datetime import datetime

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.roles import ROLES, Admin, Role
from oidc_bridge.storage import read
from oidc_bridge.storage.admins import admins, remove_admin, roles_of, set_role
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.whom import MOST, accounts_of, describe
from oidc_bridge.web import see_other
from oidc_bridge.web.admin.door import admin_views, change, find_proof_to_make, the_admin
from oidc_bridge.web.admin.pages import admin_page
from oidc_bridge.web.admin.people import check_known
from oidc_bridge.web.changes import confirm
from oidc_bridge.web.session import check_form, field

views = admin_views(
    "team",
    "/roles",
    {
        "overview": "read roles",
        "choose": "change roles",
        "give": "change roles",
        "take": "change roles",
    },
)

_FLASHES = {"given": "Role given.", "taken": "Role taken away."}
_MAX_APPS = 4_000
# How one's role is written in a form where there is none.
_NONE = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The role that a form is about; *apps* are an app manager's."""

    role: Role
    apps: tuple[str, ...]


@views.get("")
def overview() -> Response:
    """List them."""
    return _overview()


@views.post("")
def choose() -> Response:
    """Show whom the form may mean, each with a button that gives them the role."""
    browser, who, wanted = check_form(), field("who").strip(), _read_wanted()

    prove = find_proof_to_make("change roles", browser=browser, place="admin roles")
    if prove is not None:
        return prove
    with read() as connection:
        found = accounts_of(connection, who)
        people = describe(connection, found[:MOST])
        roles = roles_of(connection, found)
    if not people:
        return _overview(wrong="Nobody has signed in here by this address, name or Matrix ID.")
    return admin_page(
        "admin/role_give.html",
        people=people,
        are_more=len(found) > MOST,
        roles=roles,
        who=who,
        wanted=wanted,
        give_url=url_for("admin_team.give"),
        back_url=url_for("admin_team.overview"),
    )


@views.post("/give")
def give() -> Response:
    """Give somebody who was shown a role in the place of the one that they have."""
    browser, account_id, version = check_form(), field("account"), field("version")
    wanted = _read_wanted()

    def give_role(connection: Connection, admin: Admin, now: datetime) -> Response:
        check_known(connection, account_id)
        before = roles_of(connection, [account_id]).get(account_id, _NONE)
        if before != version:
            raise PageError("changed_meanwhile", f"role of {account_id}", status=409)
        set_role(connection, account_id, wanted.role, apps=wanted.apps, now=now)
        record(
            connection,
            "role given",
            now=now,
            account_id=account_id,
            by=admin.account_id,
            role=wanted.role,
            before=before,
            apps=" ".join(wanted.apps),
        )
        return see_other(url_for("admin_team.overview", done="given"))

    return change("change roles", give_role, browser=browser, place="admin roles")


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
        before = roles_of(connection, [account_id]).get(account_id)
        if before is None or not remove_admin(connection, account_id):
            raise PageError("not_found", "no such admin", status=404)
        record(
            connection,
            "role taken",
            now=now,
            account_id=account_id,
            by=admin.account_id,
            before=before,
        )
        return see_other(url_for("admin_team.overview", done="taken"))

    return change("change roles", take_role, browser=browser, place="admin roles")


def _overview(*, wrong: str = "") -> Response:
    with read() as connection:
        known = admins(connection)
    return admin_page(
        "admin/team.html",
        status=400 if wrong else 200,
        known=known,
        roles=ROLES,
        wrong=wrong,
        given=request.form,
        may_change=the_admin().may("change roles"),
        give_url=url_for("admin_team.choose"),
        flash=_FLASHES.get(request.args.get("done", "")),
    )


def _read_wanted() -> Wanted:
    word = field("role")
    apps = field("apps", limit=_MAX_APPS).split() if word == "app manager" else []
    for role in ROLES:
        if role == word:
            return Wanted(role, tuple(dict.fromkeys(apps)))
    raise PageError("form_malformed", "role")
