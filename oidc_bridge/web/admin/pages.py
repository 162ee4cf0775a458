"""What every admin page has: who looks at it, and where else they may go."""

import re

from flask import Response, request, url_for

from oidc_bridge.roles import Right
from oidc_bridge.web import page
from oidc_bridge.web.admin.door import count_waiting, the_admin
from oidc_bridge.web.cards import short_address
from oidc_bridge.web.fresh import CONFIRMED
from oidc_bridge.web.session import form_token, get_browser

_MAX_ARGUMENT = 300
_ADDRESS = re.compile(r"S[0-9A-Z]{30,60}")
# In the order of the navigation: endpoint, words, and the right that leads there.
_PLACES: tuple[tuple[str, str, Right], ...] = (
    ("admin_home.overview", "Home", "read home"),
    ("admin_apps.overview", "Apps", "read apps"),
    ("admin_requests.overview", "Requests", "read requests"),
    ("admin_people.overview", "People", "read people"),
    ("admin_clients.overview", "Clients", "read clients"),
    ("admin_events.overview", "Events", "read events"),
    ("admin_keys.overview", "Keys", "read keys"),
    ("admin_health.overview", "Health", "read health"),
    ("admin_team.overview", "Roles", "read roles"),
)

# Pages that have no entry of their own, and the one whose part they are.
_PART_OF = {
    "admin_app_add": "admin_apps",
    "admin_app_events": "admin_apps",
    "admin_app_scopes": "admin_apps",
    "admin_lists": "admin_apps",
    "admin_list_import": "admin_apps",
    "admin_list_removal": "admin_apps",
    "admin_why": "admin_people",
    "admin_client_new": "admin_clients",
    "admin_client_addresses": "admin_clients",
    "admin_client_trial": "admin_clients",
}


def admin_page(template: str, *, status: int = 200, **context: object) -> Response:
    """Return an admin page; it lists only places that this admin may go to."""
    admin = the_admin()
    part = (request.endpoint or "").partition(".")[0]
    part = _PART_OF.get(part, part)
    counts = {"admin_requests.overview": count_waiting()}
    places = [
        (words, url_for(endpoint), endpoint.partition(".")[0] == part, counts.get(endpoint, 0))
        for endpoint, words, right in _PLACES
        if admin.may(right)
    ]
    return page(
        template,
        status=status,
        csrf=form_token(get_browser()),
        places=places,
        admin=admin,
        confirmed=CONFIRMED if argument("done") == "confirmed" else "",
        **context,
    )


def argument(name: str) -> str:
    """Return a parameter of the address, ``""`` if it is not there or cannot be one of ours."""
    value = request.args.get(name, "")
    return value if len(value) <= _MAX_ARGUMENT and "\0" not in value else ""


def short_label(label: str) -> str:
    """Return what somebody goes by for a narrow place: a name as it is, an address cut."""
    return short_address(label) if _ADDRESS.fullmatch(label) else label
