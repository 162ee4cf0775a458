"""Adding an app: what is at its address is shown before anything is kept."""

from base64 import b64encode

from flask import Response, url_for

from oidc_bridge.apps.spelling import guess_app_name, read_app_name
from oidc_bridge.deadline import Deadline
from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.scopes import SCOPES
from oidc_bridge.sightings import Glimpse, glimpse
from oidc_bridge.storage import read
from oidc_bridge.storage.app_directory import KnownApp, find_app
from oidc_bridge.web import bridge, let_page_show_drawings, see_other
from oidc_bridge.web.admin.apps import show_apps
from oidc_bridge.web.admin.door import admin_views
from oidc_bridge.web.admin.pages import admin_page
from oidc_bridge.web.admin.rule_form import MAX_NAME, client_of, form_of
from oidc_bridge.web.cards import AppCard
from oidc_bridge.web.oidc.registration import find_profile_within
from oidc_bridge.web.session import check_form, field

views = admin_views("app_add", "/apps/add", {"look": "add apps"})

# Somebody waits for the page.
_SECONDS_TO_LOOK = 5.0
_NO_APP = (
    "This is not the whole address of an app. Write https:// and the host, with nothing behind it;"
    " element: for an app on a device; or client: and the id of a client."
)
_A_PATTERN = (
    "An app is named whole, never by a pattern. What holds for all apps that no rule names is said"
    " on the page of their homeserver."
)
_FAULTS = {
    "fetch_failed": "Nothing answers there, or not in time.",
    "fetch_blocked": "It leads elsewhere, or to an address that is not public.",
    "fetch_too_large": "What is there is too large to be a manifest.",
    "not_there": "There is no manifest at /manifest.json.",
    "malformed": "What is at /manifest.json is no manifest.",
}


@views.post("")
def look() -> Response:
    """Show what is at the address that an admin typed, and the form of its rule.

    An app that a rule names already, one on a device and a client have nothing to be looked at:
    their pages are shown.
    """
    check_form()
    typed = field("address", limit=MAX_NAME).strip()
    try:
        name = read_app_name(typed)
    except BridgeError:
        wrong = _A_PATTERN if "*" in typed else _NO_APP
        return show_apps(wrong=wrong, typed=typed, guess=guess_app_name(typed) or "")
    if name.startswith("client:") and client_of(name) is None:
        return show_apps(wrong="No client has this id. A client is registered first.", typed=typed)
    with read() as connection:
        known = find_app(connection, name)
    if not name.startswith("https:") or (known is not None and known.rule is not None):
        return see_other(url_for("admin_apps.one", app=name))
    seen = _look_at(name)
    let_page_show_drawings()
    return admin_page(
        "admin/app_add.html",
        app=known or KnownApp.nobodys(name),
        form=form_of(known or KnownApp.nobodys(name)),
        seen=seen,
        card=_card_of(name, seen),
        fault=_FAULTS.get(seen.fault.code, "It cannot be looked at.") if seen.fault else "",
        scopes=[
            (SCOPES[scope].title, scope in seen.required)
            for scope in dict.fromkeys(seen.asked)
            if scope in SCOPES
        ],
    )


def _look_at(home: str) -> Glimpse:
    parts = bridge()
    strangers = Deadline(parts.strangers, _SECONDS_TO_LOOK)
    return glimpse(
        home,
        audience=parts.settings.issuer,
        services=parts.name_services,
        fetch=Deadline(parts.fetch, _SECONDS_TO_LOOK),
        strangers=strangers,
        find_profile=find_profile_within(strangers, _SECONDS_TO_LOOK),
        now=parts.clock(),
    )


def _card_of(name: str, seen: Glimpse) -> AppCard:
    """Return the app's card; the picture travels with the page, since it is kept nowhere."""
    host = name.removeprefix("https://")
    drawn = f"data:image/png;base64,{b64encode(seen.icon).decode()}" if seen.icon else ""
    return AppCard(seen.name or host, host, "", "web", logo_url=drawn, developer=seen.developer)
