"""From a chat app's good answer to a Matrix user: account, whitelist, persona, and how to end it.

What came by a password is shown and ended like all else: the app is among the person's apps, and
what it opened among the places where they are signed in. What a sign-in page asked for comes here
too (`oidc_bridge.web.signin.chat_apps`), as far as it goes the same way.
"""

import logging
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from oidc_bridge.apps.consent import Question
from oidc_bridge.apps.scope_rules import without_refused
from oidc_bridge.apps.whitelist import Said, judge_for, rule_name
from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Identity, Name, Profile
from oidc_bridge.matrix.localpart import is_legal
from oidc_bridge.matrix.password import SignedIn
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.scopes import Person, claims_for
from oidc_bridge.origins import read_origin
from oidc_bridge.proofs.names import NameReport
from oidc_bridge.proofs.oichat import OICHAT, Form, Found, User
from oidc_bridge.sitting import Proven, takes_chat_apps
from oidc_bridge.storage import consents
from oidc_bridge.storage.accounts import Opened, find_known, open_account
from oidc_bridge.storage.chat_questions import ChatAnswer
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.names import keep_names
from oidc_bridge.storage.personas import MAIN, Persona, add_persona, free_localpart, persona_as
from oidc_bridge.storage.requests import OpenRequest
from oidc_bridge.storage.sessions import Session
from oidc_bridge.storage.whitelist import find_said
from oidc_bridge.web import bridge
from oidc_bridge.web.cards import WITHOUT_BROWSER
from oidc_bridge.web.doors.devices import SCOPES, as_told, authorize, open_device

log = logging.getLogger(__name__)


def check_early(
    connection: Connection, client: Client, found: Found, form: Form, *, now: datetime
) -> None:
    """Refuse what will be refused before the person's storage is asked; `arrive` decides.

    Raises:
        ProofError: ``account_blocked``, ``app_not_allowed``.
    """
    known = find_known(connection, answer_of(found, now).identity)
    if known.is_blocked:
        raise ProofError("account_blocked", found.subject.c32)
    name = rule_name(client, found.password.app)
    said = find_said(connection, known.account_id or "", [name], now=now)[name]
    # Somebody new may be on a list by a name that we do not know as theirs yet.
    if known.account_id is not None or said.is_listed:
        _check_verdict(client, found.password.app, form, said)


def arrive(
    connection: Connection, client: Client, found: Found, wanted: User, *, now: datetime
) -> SignedIn:
    """Open the account, ask the whitelist, and say as whom the homeserver knows the person.

    Raises:
        ProofError: ``account_blocked``, ``app_not_allowed``, ``localpart_mismatch``; then nothing
            was changed.
    """
    session = _open(connection, found, now)
    app = found.password.app
    said = check_app(connection, client, session.account_id, app, wanted.form, now=now)
    persona, is_known = _persona(connection, session.account_id, client, found, wanted, now)
    may_be_told = "profile" in without_refused(SCOPES, said.scopes)
    told = session.profile if wanted.form == "main" and may_be_told else Profile()
    sid = authorize(connection, session, client, persona, app, told, now=now)
    _remember(connection, session, client, app, wanted, as_told(persona, told), now)
    record(
        connection,
        "signed in",
        now=now,
        account_id=session.account_id,
        client_id=client.id,
        method=OICHAT,
        app=app,
        as_whom=wanted.form,
        name=found.password.name,
        session=session.id,
    )
    log.info("signed in method=%s account=%s app=%s", OICHAT, session.account_id, app)
    return SignedIn(persona.localpart, told.display_name, persona.sub, is_known, sid)


def may_answer(open_request: OpenRequest) -> bool:
    """Return whether a chat app may answer what a browser has open.

    No more than its password opens: one homeserver, for an app that says who it is. Never the
    account page, nor what confirms that it is the person.
    """
    core, authorization = bridge().oichat, open_request.authorization
    if core is None or authorization is None or open_request.purpose != "sign-in":
        return False
    client = authorization.target.client
    is_ours = client.kind == "homeserver" and client.server_name == core.server_name
    is_named = authorization.redirect_url is not None
    return is_ours and is_named and takes_chat_apps(bridge().settings.sign_in.accept)


def answer_of(found: Found, now: datetime) -> ChatAnswer:
    """Return what an app's good answer proves."""
    identity = Identity(
        OICHAT, found.subject.c32, now, names_host=True, profile=found.profile.profile
    )
    is_owners = found.profile.is_owners
    name = Name(found.password.name, found.profile.owner, now) if is_owners else None
    return ChatAnswer(identity, found.password.app, name)


def open_by(connection: Connection, answer: ChatAnswer) -> Opened:
    """Open the account of whom an app's key speaks for.

    Raises:
        ProofError: ``account_blocked``.
    """
    identity = answer.identity
    known = find_known(connection, identity)
    if known.account_id is not None:
        # Name and picture are the person's own by now, and no chat app changes them again.
        identity = replace(identity, profile=Profile())
    opened = open_account(connection, [Proven(identity, known)])
    if answer.name is not None:
        report = NameReport(confirmed=(answer.name,), is_complete=False)
        now = identity.proved_at
        keep_names(connection, opened.account_id, opened.identity_id, report, now=now)
    return opened


def check_app(
    connection: Connection, client: Client, account_id: str, app: str, form: Form, *, now: datetime
) -> Said:
    """Hold that an app may come as whom it wants to, for nobody asks the person now; return what
    the rules say of it.

    Raises:
        ProofError: ``app_not_allowed``.
    """
    rule = rule_name(client, app)
    said = find_said(connection, account_id, [rule], now=now)[rule]
    _check_verdict(client, app, form, said)
    return said


def _check_verdict(client: Client, app: str, form: Form, said: Said) -> None:
    verdict = judge_for(client, app, said)
    if not verdict.permits(form):
        raise ProofError("app_not_allowed", f"{app} as {form}: {verdict.word}")


def _open(connection: Connection, found: Found, now: datetime) -> Session:
    """Open the account, with a session for the app."""
    opened = open_by(connection, answer_of(found, now))
    label = _title(found.password.app) + WITHOUT_BROWSER
    return open_device(connection, opened, label, now=now)


def _persona(
    connection: Connection,
    account_id: str,
    client: Client,
    found: Found,
    wanted: User,
    now: datetime,
) -> tuple[Persona, bool]:
    """Return as whom the homeserver knows the person, and whether it did before.

    Two Matrix users may be one person's: OI Chat called them by their address in 2019. Each stays
    what it is. Else whoever is known to the homeserver already stays who they are, by whatever
    name they come.

    Raises:
        ProofError: ``localpart_mismatch`` if the localpart is somebody else's, or no Matrix ID.
    """
    key = MAIN if wanted.form == "main" else found.password.app
    usual = persona_as(connection, account_id, client.id, key)
    if usual is not None and usual.localpart != wanted.localpart and _are_two(usual, wanted):
        key = f"{OICHAT}:{wanted.localpart}"
        usual = persona_as(connection, account_id, client.id, key)
    if usual is not None:
        return usual, True
    if wanted.form == "alone" and not wanted.by_address:
        _hold_name(connection, account_id, client, found.password.name, now)
    return _register(connection, account_id, client, key, wanted.localpart, now), False


def _are_two(known: Persona, wanted: User) -> bool:
    """Return whether a person is another Matrix user under the *wanted* ID.

    A name has a dot. What has none and is no c32 address (``sp...``) is one in OI Chat's form.
    """
    is_address = "." not in known.localpart and known.localpart.startswith("1")
    return wanted.by_address or is_address


def _hold_name(
    connection: Connection, account_id: str, client: Client, name: str, now: datetime
) -> None:
    """See to it that ``alice.id+chat.example`` never belongs to somebody else than ``alice.id``."""
    main = persona_as(connection, account_id, client.id, MAIN)
    if main is None:
        _register(connection, account_id, client, MAIN, name, now)
    elif main.localpart != name:
        key = f"{OICHAT}:{name}"
        if persona_as(connection, account_id, client.id, key) is None:
            _register(connection, account_id, client, key, name, now)


def _register(
    connection: Connection,
    account_id: str,
    client: Client,
    key: str,
    localpart: str,
    now: datetime,
) -> Persona:
    # Synapse takes "=" in a localpart that is not made of a claim.
    if not is_legal(localpart.replace("=3a", "+"), client.server_name):
        raise ProofError("localpart_mismatch", f"{localpart} can be no Matrix ID")
    try:
        free_localpart(connection, client.id, [localpart])
    except LookupError as error:
        raise ProofError("localpart_mismatch", f"{localpart} is somebody else's") from error
    return add_persona(connection, account_id, client.id, localpart=localpart, now=now, app=key)


def _remember(
    connection: Connection,
    session: Session,
    client: Client,
    app: str,
    wanted: User,
    person: Person,
    now: datetime,
) -> None:
    """Show the app among the person's, from where they can take away what it has.

    It is no yes to anything else: not remembered, it lets no later request pass unasked.
    """
    known = consents.find_known(connection, session.account_id, client.id, app)
    if known.consent is not None:
        return
    claims = tuple(claims_for(SCOPES, person))
    consents.remember_consent(
        connection,
        session.account_id,
        client.id,
        app,
        app_title=_title(app),
        as_whom=wanted.form,
        question=Question(SCOPES, claims, client.name, person.localpart),
        granted=SCOPES,
        remembered_until=None,
        replaces=None,
        receipt=None,
        now=now,
    )


def _title(app: str) -> str:
    return read_origin(app).netloc
