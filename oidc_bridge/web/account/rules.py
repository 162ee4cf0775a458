"""My own rules: what I say of apps, told what it changes before it does."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.apps.app import read_app
from oidc_bridge.apps.whitelist import AsWhom, Said, Say, judge_for, rule_name
from oidc_bridge.errors import PageError, SentError
from oidc_bridge.storage import read
from oidc_bridge.storage.consents import AppConsent, consents_of, find_known
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.my_apps import UsedApp, apps_page, take_back
from oidc_bridge.storage.sessions import Session
from oidc_bridge.storage.whitelist import (
    find_said,
    forget_person_rule,
    person_rules,
    set_person_rule,
)
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.cards import matrix_id
from oidc_bridge.web.changes import change, get_session
from oidc_bridge.web.fresh import CONFIRMED, give
from oidc_bridge.web.session import check_form, form_token, keep_browser, new_browser

views = Blueprint("rules", __name__, url_prefix="/account/rules")

_FLASHES = {
    "saved": "Saved.",
    "confirmed": CONFIRMED,
}
_MOST_CHOICES = 50
# To say nothing lies between: it leaves the app to what holds for everybody.
_STRICTNESS: Mapping[Say | None, int] = {"allow": 0, None: 1, "alone": 2, "deny": 3}
_SAYS: Mapping[str, Say | None] = {
    "allow": "allow",
    "alone": "alone",
    "deny": "deny",
    "forget": None,
}


@dataclass(frozen=True, slots=True)
class RuleItem:
    """A rule of mine; ``moot`` says why it changes nothing now, ``""`` if it does."""

    app: str
    title: str
    say: Say
    since: datetime
    moot: str


class _NoAppError(Exception):
    """The form names no app, or two; the text tells the person."""


@views.get("")
def overview() -> Response:
    """Show my rules."""
    browser = new_browser()
    return keep_browser(_show(browser), browser)


def _show(browser: str, fault: str = "") -> Response:
    """Show my rules, and the form as it was sent if there is a *fault* in it."""
    now = bridge().clock()
    with read() as connection:
        session = get_session(connection, now)
        own = person_rules(connection, session.account_id)
        said = find_said(connection, session.account_id, [rule.app for rule in own], now=now)
        used = apps_page(connection, session.account_id, first=0, most=_MOST_CHOICES)
    answer = page(
        "account/rules.html",
        csrf=form_token(browser),
        rules=[
            RuleItem(rule.app, _title(rule.app), rule.say, rule.said_at, _moot(said[rule.app]))
            for rule in own
        ],
        choices=_choices(used, {rule.app for rule in own}),
        form=request.form,
        fault=fault,
        flash=_FLASHES.get(request.args.get("done", "")),
        say_url=url_for("rules.say"),
        back_url=url_for("account.overview"),
    )
    if fault:
        answer.status_code = 400
    return answer


def _choices(used: Sequence[UsedApp], ruled: Collection[str]) -> Mapping[str, str]:
    """Return the apps that no rule of mine is about: what to call each, by its name in rules."""
    clients = bridge().snapshots.current().clients
    choices: dict[str, str] = {}
    for mine in (app.given for app in used):
        name = rule_name(clients[mine.client_id], mine.app) if mine.client_id in clients else ""
        if name and name not in ruled:
            choices.setdefault(name, mine.app_title)
    return choices


def _title(name: str) -> str:
    client = bridge().snapshots.current().clients.get(name.removeprefix("client:"))
    if client is not None and name.startswith("client:"):
        return client.name
    return name.removeprefix("https://")


def _moot(said: Said) -> str:
    """Return why the operator's rule leaves nothing to a person's own."""
    if said.person == "deny":
        return ""
    if said.operator == "deny" or not said.is_listed:
        return f"The people who run {bridge().settings.name} do not let this app sign you in."
    if said.operator == "alone":
        service = bridge().settings.name
        return f"The people who run {service} let this app know you only under an ID of its own."
    return ""


@views.post("")
def say() -> Response:
    """Tell what a rule changes for apps that know me; then set it. What widens wants a proof."""
    browser = check_form()
    word = request.form.get("say", "")
    if word not in _SAYS:
        raise PageError("form_malformed", "say")
    try:
        name = _read_name(request.form)
    except _NoAppError as error:
        return _show(browser, str(error))
    new, now = _SAYS[word], bridge().clock()
    with read() as connection:
        session = get_session(connection, now)
        before = _said(connection, session, name, now).person
        effects = _effects(connection, session, name, new, now)
    if effects and request.form.get("confirm") != "yes":
        return page(
            "account/rule.html",
            csrf=form_token(browser),
            title=_title(name),
            effects=effects,
            fields={"app": name, "say": word, "confirm": "yes"},
            say_url=url_for("rules.say"),
            back_url=url_for("rules.overview"),
        )
    sign_out = request.form.get("sign_out") == "yes"

    def settle(connection: Connection, session: Session, now: datetime) -> Response:
        set_own_rule(connection, session, name, new, now)
        if sign_out:
            for mine in _known_by(connection, session, name):
                take_back(connection, session.account_id, mine, now=now)
        return see_other(url_for("rules.overview", done="saved"))

    if _STRICTNESS[new] < _STRICTNESS[before]:
        return give(settle, browser=browser, place="rules")

    def narrow(connection: Connection, session: Session, now: datetime) -> Response:
        # Another tab may have made it stricter since: what was judged above must still be so.
        today = _said(connection, session, name, now).person
        if _STRICTNESS[new] < _STRICTNESS[today]:
            return see_other(url_for("rules.overview"))
        return settle(connection, session, now)

    return change(narrow)


def _read_name(form: Mapping[str, str]) -> str:
    """Return the name by which rules know the app that is chosen, or whose address is typed.

    Raises:
        PageError: ``form_malformed`` for a client that there is not.
        _NoAppError: if it is not one app, or not the address of one.
    """
    chosen, typed = form.get("mine", "").strip(), form.get("app", "").strip()
    if bool(chosen) == bool(typed):
        raise _NoAppError("Choose one of your apps, or type the address of one; not both.")
    text = chosen or typed
    client_id = text.removeprefix("client:")
    if text.startswith("client:"):
        if client_id in bridge().snapshots.current().clients:
            return text
        raise PageError("form_malformed", "no such app")
    try:
        return read_app(text).key
    except SentError as error:
        raise _NoAppError("That is not the address of an app.") from error


def _said(connection: Connection, session: Session, name: str, now: datetime) -> Said:
    return find_said(connection, session.account_id, [name], now=now)[name]


def _known_by(connection: Connection, session: Session, name: str) -> Sequence[AppConsent]:
    """Return my consents that a rule of this name is about: one for each homeserver."""
    clients = bridge().snapshots.current().clients
    return [
        mine
        for mine in consents_of(connection, session.account_id)
        if mine.client_id in clients and rule_name(clients[mine.client_id], mine.app) == name
    ]


def _effects(
    connection: Connection, session: Session, name: str, new: Say | None, now: datetime
) -> Sequence[str]:
    """Return what will be different for apps that know me, in sentences; nothing if nothing is."""
    said = replace(_said(connection, session, name, now), person=new)
    effects = []
    for mine in _known_by(connection, session, name):
        client = bridge().snapshots.current().clients[mine.client_id]
        before = mine.consent.as_whom
        after = judge_for(client, mine.app, said).settle(before)
        old = matrix_id(mine.consent.question.localpart, client) or client.name
        if after is None:
            effects.append(f"It cannot sign you in any more as {old}.")
        elif after != before:
            other = _other_id(connection, session, mine, after)
            effects.append(
                f"Until now it knows you as {old}. From its next sign-in on it knows you as"
                f" {other}, another user: nothing is moved or joined."
            )
    return effects


def _other_id(connection: Connection, session: Session, mine: AppConsent, after: AsWhom) -> str:
    client = bridge().snapshots.current().clients[mine.client_id]
    known = find_known(connection, session.account_id, mine.client_id, mine.app)
    persona = known.main if after == "main" else known.alone
    if persona is None:
        return "a new ID, which is made then"
    return matrix_id(persona.localpart, client) or persona.localpart


def set_own_rule(
    connection: Connection, session: Session, name: str, new: Say | None, now: datetime
) -> None:
    """Let somebody say *new* of an app, or nothing any more."""
    if new is None:
        forget_person_rule(connection, session.account_id, name)
    else:
        set_person_rule(connection, session.account_id, name, new, now=now)
    kind = "own rule forgotten" if new is None else "own rule set"
    record(connection, kind, now=now, account_id=session.account_id, app=name, say=new or "")
