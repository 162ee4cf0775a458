"""The admin pages: apps and who may use them, requests, roles.

Every page has a right (`roles.RIGHTS`) that `door` asks for before the view runs; a page without
one is closed to everybody.
"""

from oidc_bridge.web.admin import (
    app_add,
    app_events,
    app_scopes,
    apps,
    client_addresses,
    client_new,
    client_trial,
    clients,
    events,
    health,
    home,
    list_import,
    list_removal,
    lists,
    people,
    requests,
    signing_keys,
    team,
    why,
)

VIEWS = (
    home.door,
    *(
        part.views
        for part in (
            app_add,
            app_events,
            app_scopes,
            apps,
            client_addresses,
            client_new,
            client_trial,
            clients,
            events,
            health,
            home,
            list_import,
            list_removal,
            lists,
            people,
            requests,
            signing_keys,
            team,
            why,
        )
    ),
)
