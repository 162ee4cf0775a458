"""The keys that sign: which are in use, since when, and the turn to the next ones."""

from collections.abc import Iterable
from datetime import datetime

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.oidc.keys import SIGNING_ALGORITHMS
from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.health import keys_in_order
from oidc_bridge.storage.keys import SETTLED, rotate_keys, young_next_keys
from oidc_bridge.storage.ledger import record
from oidc_bridge.web import bridge, see_other
from oidc_bridge.web.admin.door import admin_views, change, the_admin
from oidc_bridge.web.admin.pages import admin_page, argument
from oidc_bridge.web.changes import confirm
from oidc_bridge.web.session import check_form, field

views = admin_views("keys", "/keys", {"overview": "read keys", "rotate": "rotate keys"})


@views.get("")
def overview() -> Response:
    """List the published keys."""
    with read() as connection:
        known = keys_in_order(connection)
    return admin_page(
        "admin/keys.html",
        groups=[
            (name, [key for key in known if key.algorithm == name]) for name in SIGNING_ALGORITHMS
        ],
        version=_version(key.kid for key in known if key.state == "active"),
        may_rotate=the_admin().may("rotate keys"),
        is_done=argument("done") == "rotated",
    )


@views.post("/rotate")
def rotate() -> Response:
    """Ask, then sign with the next keys."""
    browser, version = check_form(), field("version", limit=2000)
    if request.form.get("confirm") != "yes":
        return confirm(
            browser,
            title="Sign with the next keys from now on?",
            effect=[
                "The next key of each algorithm signs, and another is made to come after it.",
                "The keys in use now stay published until their last tokens have ended.",
                _what_clients_do(),
            ],
            button="Rotate the keys",
            back_url=url_for("admin_keys.overview"),
            fields={"version": version},
        )

    def turn(connection: Connection, admin: Admin, now: datetime) -> Response:
        before = _active(connection)
        if before != version:
            raise PageError("changed_meanwhile", "keys", status=409)
        settings = bridge().settings
        for name in SIGNING_ALGORITHMS:
            rotate_keys(connection, bridge().seal, bits=settings.rsa_bits, now=now, algorithm=name)
        record(
            connection,
            "keys rotated",
            now=now,
            by=admin.account_id,
            before=before,
            after=_active(connection),
        )
        return see_other(url_for("admin_keys.overview", done="rotated"))

    return change("rotate keys", turn, browser=browser, place="admin keys")


def _what_clients_do() -> str:
    with read() as connection:
        young = young_next_keys(connection, since=bridge().clock() - SETTLED)
    if not young:
        return "Nobody is signed out, and no relying party has to do anything."
    return (
        f"The next key of {', '.join(young)} was published less than a day ago. A relying party "
        "that keeps our keys for longer refuses sign-ins until it asks anew: better wait, unless a "
        "key has leaked."
    )


def _active(connection: Connection) -> str:
    return _version(key.kid for key in keys_in_order(connection) if key.state == "active")


def _version(kids: Iterable[str]) -> str:
    return " ".join(sorted(kids))
