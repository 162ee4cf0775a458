"""Two proofs of one sitting open two accounts: tell so, and join them if the person wants it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError
from oidc_bridge.oidc.answer import Answer
from oidc_bridge.seal import new_secret
from oidc_bridge.sitting import Proven
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import open_account
from oidc_bridge.storage.consents import consents_of
from oidc_bridge.storage.joining import (
    both_have_app_passwords,
    find_clashes,
    join_accounts,
    which_stays,
)
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.people import look_at
from oidc_bridge.storage.requests import OpenRequest
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, page
from oidc_bridge.web.cards import app_card, matrix_id, method_in_words, short_address, whole_address
from oidc_bridge.web.session import (
    check_form,
    current_session,
    form_token,
    get_browser,
    set_session,
)
from oidc_bridge.web.signin.page import allow_way_back, open_request_of
from oidc_bridge.web.signin.sittings import Arrival, get_sitting, land, receiver_of
from oidc_bridge.web.steps import go_on

views = Blueprint("joining", __name__, url_prefix="/sign-in")


@dataclass(frozen=True, slots=True)
class AccountCard:
    """One of the two accounts, as the person knows it."""

    label: str
    address: str
    method: str
    since: datetime
    apps: Sequence[str]
    mxids: Sequence[str]


@dataclass(frozen=True, slots=True)
class ClashCard:
    """A homeserver (or another client) where each of the two is somebody."""

    server: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A sitting whose proofs open two accounts."""

    open_request: OpenRequest
    session: Session | None
    proofs: Sequence[Proven]
    accounts: tuple[str, str]


@views.get("/<id:request_id>/join")
def review(request_id: str) -> Response:
    """Show both accounts, what joining would do, and why it may be impossible."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        pair = _look(connection, request_id, browser, now)
        first, second = (_account_card(connection, account, now) for account in pair.accounts)
        clashes = _clash_cards(connection, *pair.accounts)
        ends_passwords = both_have_app_passwords(connection, *pair.accounts)
    allow_way_back(pair.open_request)
    return page(
        "signin/join.html",
        csrf=form_token(browser),
        app=app_card(pair.open_request.authorization),
        purpose=pair.open_request.purpose,
        first=first,
        second=second,
        clashes=clashes,
        ends_passwords=ends_passwords,
        join_url="" if clashes else url_for("joining.join", request_id=request_id),
        start_over_url=url_for("signin.start_over", request_id=request_id),
        cancel_url=url_for("signin.cancel", request_id=request_id),
    )


@views.post("/<id:request_id>/join")
def join(request_id: str) -> Response:
    """Make one account of the two, and go on."""
    browser, now, cookie = check_form(), bridge().clock(), new_secret()

    def make_one(connection: Connection) -> str | Answer:
        pair = _look(connection, request_id, browser, now)
        keep = which_stays(connection, pair.accounts)
        (gone,) = set(pair.accounts) - {keep}
        join_accounts(connection, keep, gone, now=now)
        record(connection, "accounts joined", now=now, account_id=keep, gone=gone)
        # What was known of the proofs was so before they were one account.
        session = current_session(connection, now=now)
        proofs = get_sitting(connection, pair.open_request, session, now=now)
        opened = open_account(connection, proofs)
        identity = proofs[-1].identity
        arrival = Arrival(pair.open_request, session, identity, browser, cookie, now)
        return land(connection, arrival, opened, proofs, {})

    return set_session(go_on(write(make_one)), cookie)


def _look(connection: Connection, request_id: str, browser: str, now: datetime) -> Pair:
    """Return the sitting.

    Raises:
        PageError: ``request_unknown`` if there are no two accounts to be joined.
        ProofError: ``account_blocked``.
    """
    open_request = open_request_of(connection, request_id, browser, now)
    session = current_session(connection, now=now)
    proofs = get_sitting(connection, open_request, session, now=now)
    owners = [receiver_of(open_request, session, now)]
    owners += [proof.known.account_id for proof in proofs]
    accounts = tuple(dict.fromkeys(owner for owner in owners if owner is not None))
    if len(accounts) != 2:
        raise PageError("request_unknown", f"{len(accounts)} accounts", status=404)
    if any(proof.known.is_blocked for proof in proofs):
        raise PageError("account_blocked", " ".join(accounts), status=403)
    return Pair(open_request, session, proofs, (accounts[0], accounts[1]))


def _account_card(connection: Connection, account_id: str, now: datetime) -> AccountCard:
    clients = bridge().snapshots.current().clients
    person = look_at(connection, account_id, now=now)
    identity = person.identities[0]
    mxids = [
        matrix_id(persona.localpart, clients[persona.client_id])
        for persona in person.personas
        if persona.client_id in clients
    ]
    return AccountCard(
        label=person.name or short_address(identity.address),
        address=whole_address(identity.address),
        method=method_in_words(identity.method),
        since=person.created_at,
        apps=[given.app_title for given in consents_of(connection, account_id)],
        mxids=[mxid for mxid in mxids if mxid],
    )


def _clash_cards(connection: Connection, first: str, second: str) -> list[ClashCard]:
    clients = bridge().snapshots.current().clients
    cards = []
    for clash in find_clashes(connection, first, second):
        client = clients[clash.client_id]
        cards.append(
            ClashCard(
                client.server_name or client.name,
                matrix_id(clash.first, client) or clash.first,
                matrix_id(clash.second, client) or clash.second,
            )
        )
    return cards
