"""What is a person's own: apps, wallets, rules, passwords, data; in a browser and as a widget."""

from oidc_bridge.web.account import (
    activity,
    app_passwords,
    data,
    home,
    integrations,
    my_apps,
    receipts,
    rule_import,
    rules,
    wallets,
    widget,
)

VIEWS = tuple(
    part.views
    for part in (
        activity,
        app_passwords,
        data,
        home,
        integrations,
        my_apps,
        receipts,
        rule_import,
        rules,
        wallets,
        widget,
    )
)
