"""Who has which role."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.spelling import read_app_name
from oidc_bridge.errors import BridgeError, PageError
from oidc_bridge.roles import ROLES, Admin, Role
from oidc_bridge.storage import read
from oidc_bridge.storage.admins import admins, hold_roles, remove_admin, roles_of, set_role
from oidc_bridge.storage.directory import labels_of
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.whom import MOST, accounts_of, describe
from oidc_bridge.web import see_other
from oidc_bridge.web.admin.door import admin_views, change, find_proof_to_make, the_admin
from oidc_bridge.web.admin.pages import admin_page, argument
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
_MAX_APPS = 20_000
# How one's role is written in a form where there is none.
_NONE = ""


@views.get("")
def overview() -> Response:
    """List them."""
    return _overview()


@views.post("")
def choose() -> Response:
    """Show whom the form may mean, each with a button that gives them the role."""
    browser, who = check_form(), field("who").strip()
    role, apps = _read_role(), _read_apps()
    try:
        wanted = _wanted(role, apps)
    except BridgeError as error:
        return _overview(wrong_apps=f"{error.detail}.")
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
    browser, account_id = check_form(), field("account")
    version = field("version", limit=_MAX_APPS)
    wanted = _wanted(_read_role(), _read_apps())

    def give_role(connection: Connection, admin: Admin, now: datetime) -> Response:
        hold_roles(connection)
        check_known(connection, account_id)
        before = _role_now(connection, account_id, version)
        set_role(connection, account_id, wanted.role, apps=wanted.apps, now=now)
        told = {"by": admin.account_id, "role": wanted.role}
        told |= {"before": before, "after": str(wanted)}
        record(connection, "role given", now=now, account_id=account_id, **told)
        return see_other(url_for("admin_team.overview", done="given"))

    return change("change roles", give_role, browser=browser, place="admin roles")


@views.post("/<id:account_id>/take")
def take(account_id: str) -> Response:
    """Ask, then take somebody's role away."""
    browser, version = check_form(), field("version", limit=_MAX_APPS)
    if request.form.get("confirm") != "yes":
        with read() as connection:
            label = labels_of(connection, [account_id]).get(account_id, "")
        return confirm(
            browser,
            title=f"Take the role from {label}?",
            effect=[
                f"They are {version} now.",
                "They can still sign in to apps, and come to none of these pages any more.",
            ],
            button="Take the role away",
            back_url=url_for("admin_team.overview"),
            fields={"version": version},
        )

    def take_role(connection: Connection, admin: Admin, now: datetime) -> Response:
        hold_roles(connection)
        before = _role_now(connection, account_id, version)
        if not remove_admin(connection, account_id):
            raise PageError("not_found", "no such admin", status=404)
        told = {"by": admin.account_id, "before": before, "after": ""}
        record(connection, "role taken", now=now, account_id=account_id, **told)
        return see_other(url_for("admin_team.overview", done="taken"))

    return change("change roles", take_role, browser=browser, place="admin roles")


def _role_now(connection: Connection, account_id: str, version: str) -> str:
    """Return the role that an account has, with its apps, if it is the one that was shown.

    Raises:
        PageError: ``changed_meanwhile``.
    """
    before = str(roles_of(connection, [account_id]).get(account_id, _NONE))
    if before != version:
        raise PageError("changed_meanwhile", f"role of {account_id}", status=409)
    return before


def _overview(*, wrong: str = "", wrong_apps: str = "") -> Response:
    with read() as connection:
        known = admins(connection)
    changed = next((one for one in known if one.admin.account_id == argument("change")), None)
    given: Mapping[str, str] = request.form
    if changed is not None and request.method == "GET":
        apps = " ".join(sorted(changed.admin.apps))
        given = {"who": changed.name, "role": changed.admin.role, "apps": apps}
    return admin_page(
        "admin/team.html",
        status=400 if wrong or wrong_apps else 200,
        known=known,
        roles=ROLES,
        wrong=wrong,
        wrong_apps=wrong_apps,
        given=given,
        may_change=the_admin().may("change roles"),
        give_url=url_for("admin_team.choose"),
        flash=_FLASHES.get(argument("done")),
    )


def _wanted(role: Role, apps: Sequence[str]) -> Admin:
    """Return the role of a form, for nobody yet; an app manager's apps by their names.

    Raises:
        BridgeError: ``app_malformed``.
    """
    named = map(read_app_name, apps) if role == "app manager" else ()
    return Admin("", role, frozenset(named))


def _read_role() -> Role:
    word = field("role")
    for role in ROLES:
        if role == word:
            return role
    raise PageError("form_malformed", "role")


def _read_apps() -> Sequence[str]:
    return field("apps", limit=_MAX_APPS).replace(",", " ").split()
