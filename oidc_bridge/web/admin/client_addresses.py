"""Whether a client's addresses answer, asked when an admin presses the button."""

from flask import Response, url_for

from oidc_bridge.checkup import check_addresses
from oidc_bridge.storage import read
from oidc_bridge.storage.registrations import has_registered_itself
from oidc_bridge.web import bridge
from oidc_bridge.web.admin.clients import find
from oidc_bridge.web.admin.door import admin_views
from oidc_bridge.web.admin.pages import admin_page
from oidc_bridge.web.session import check_form

# It changes nothing, and makes this server ask others: nothing for whoever only reads.
views = admin_views("client_addresses", "/clients", {"check": "change clients"})


@views.post("/<id:client_id>/addresses")
def check(client_id: str) -> Response:
    """Ask now."""
    check_form()
    with read() as connection:
        known = find(connection, client_id)
        is_strangers = has_registered_itself(connection, client_id)
    # What a stranger registered is asked no more kindly than any stranger's address.
    fetch = bridge().strangers if is_strangers else bridge().fetch
    return admin_page(
        "admin/client_addresses.html",
        client=known,
        findings=check_addresses(known, fetch=fetch),
        client_url=url_for("admin_clients.client", client_id=client_id),
    )
