"""OI Chat's old list of apps, `mxconf.json`: read once, as a suggestion and never as authority.

Any app that could write to the person's bucket could write that file, so it
allows nothing: what the person ticks becomes their rule, after a fresh proof.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.app import read_app
from oidc_bridge.errors import PageError, SentError
from oidc_bridge.storage import read
from oidc_bridge.storage.sessions import Session
from oidc_bridge.storage.whitelist import person_rules
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.account.rules import set_own_rule
from oidc_bridge.web.changes import get_session
from oidc_bridge.web.fresh import give
from oidc_bridge.web.session import check_form, form_token, keep_browser, new_browser

views = Blueprint("rule_import", __name__, url_prefix="/account/rules/import")

_MAX_FILE = 64 * 1024
_MAX_APPS = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the file; ``fault`` tells why it cannot be allowed, ``""`` if it can."""

    text: str
    app: str
    fault: str


@views.get("")
def begin() -> Response:
    """Ask for the file."""
    browser = new_browser()
    with read() as connection:
        get_session(connection, bridge().clock())
    return keep_browser(_show(browser, ""), browser)


@views.post("")
def preview() -> Response:
    """Show what is in it; nothing is kept."""
    browser, text = check_form(), request.form.get("file", "")
    with read() as connection:
        session = get_session(connection, bridge().clock())
        known = {rule.app for rule in person_rules(connection, session.account_id)}
    try:
        entries = read_mxconf(text)
    except ValueError as error:
        return _show(browser, str(error), text)
    return page(
        "account/import_preview.html",
        csrf=form_token(browser),
        lines=[_read(entry, known) for entry in entries],
        allow_url=url_for("rule_import.allow"),
        back_url=url_for("rule_import.begin"),
    )


@views.post("/allow")
def allow() -> Response:
    """Make a rule of what is ticked."""
    browser, ticked = check_form(), request.form.getlist("app")
    if len(ticked) > _MAX_APPS:
        raise PageError("form_malformed", "too many apps")
    lines = [_read(text, frozenset()) for text in ticked]
    if any(line.fault for line in lines):
        raise PageError("form_malformed", "not an app that was offered")

    def keep(connection: Connection, session: Session, now: datetime) -> Response:
        known = {rule.app for rule in person_rules(connection, session.account_id)}
        for app in dict.fromkeys(line.app for line in lines if line.app not in known):
            set_own_rule(connection, session, app, "allow", now)
        return see_other(url_for("rules.overview", done="saved"))

    return give(keep, browser=browser, place="rules")


def read_mxconf(text: str) -> Sequence[str]:
    """Return the entries of a ``mxconf.json``, without repeats.

    Raises:
        ValueError: with a sentence for the person.
    """
    if len(text.encode()) > _MAX_FILE:
        raise ValueError("This is larger than any list of apps: at most 64 kB.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("This is not JSON. Copy the whole file.") from error
    entries = document.get("userapps") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise ValueError("There is no list “userapps” of addresses in it.")
    if len(entries) > _MAX_APPS:
        raise ValueError(f"At most {_MAX_APPS} apps can be imported at once.")
    return list(dict.fromkeys(entries))


def _read(entry: str, known: frozenset[str] | set[str]) -> Line:
    try:
        app = read_app(entry.strip())
    except SentError:
        return Line(entry, "", "This is not the address of an app.")
    if app.kind != "web" or not app.is_certain:
        return Line(entry, "", "Anybody could take the place of an app at such an address.")
    if app.key in known:
        return Line(entry, app.key, "You have a rule for it already.")
    return Line(entry, app.key, "")


def _show(browser: str, fault: str, text: str = "") -> Response:
    return page(
        "account/import.html",
        status=400 if fault else 200,
        csrf=form_token(browser),
        fault=fault,
        text=text if len(text) <= _MAX_FILE else "",
        preview_url=url_for("rule_import.preview"),
        back_url=url_for("rules.overview"),
    )
