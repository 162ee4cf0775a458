"""From proved identities to a session: what every way to prove an identity ends in.

An identity arrives (posted by a wallet in this browser, or taken over from another device). If the
sitting is enough, its account is opened and the request goes on; if not, the identity is kept with
the request and the next question is put.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.deadline import Deadline
from oidc_bridge.errors import PageError, ProofError
from oidc_bridge.identity import Identity
from oidc_bridge.oidc.answer import Answer
from oidc_bridge.proofs.addresses import parse_address
from oidc_bridge.proofs.names import NameReport, names_of
from oidc_bridge.sitting import CHAIN, Accept, Need, Proven, find_need, goes_with
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import Opened, find_known, open_account, stx_addresses_of
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.names import KnownNames, find_names, keep_names
from oidc_bridge.storage.requests import OpenRequest, answer_by, keep_proved
from oidc_bridge.storage.sessions import Session, open_session
from oidc_bridge.web import bridge
from oidc_bridge.web.fresh import FRESH
from oidc_bridge.web.questions import ask_anew
from oidc_bridge.web.session import set_session
from oidc_bridge.web.steps import advance, go_on

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An identity on its way to a session, and the browser to which it comes."""

    open_request: OpenRequest
    session: Session | None
    identity: Identity
    browser: str
    cookie: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Landing:
    """What the browser gets, and whether it is signed in from now on."""

    step: str | Answer
    is_signed_in: bool


def find_missing(
    connection: Connection, open_request: OpenRequest, session: Session | None, *, now: datetime
) -> Need | None:
    """Return what the request's sitting still lacks; None if nothing has been proved yet."""
    proofs = _proved(connection, open_request.proved, now)
    return _need(connection, open_request, session, proofs, now) if proofs else None


def take_in(arrival: Arrival, spend: Callable[[Connection], None]) -> Response:
    """Take an identity into the sitting, sign in if that is enough, and go on.

    Args:
        spend: Uses up what the identity came by, in the same transaction as all else: a lost race
            leaves nothing behind.

    Raises:
        ProofError: what *spend* and `_arrive` raise.
    """
    reports = _look_up_names(arrival)

    def accept(connection: Connection) -> Landing:
        spend(connection)
        return _arrive(connection, arrival, reports)

    landing = write(accept)
    answer = go_on(landing.step)
    return set_session(answer, arrival.cookie) if landing.is_signed_in else answer


def _look_up_names(arrival: Arrival) -> Mapping[str, NameReport]:
    """Return, by subject, what name services say of the sitting's identities.

    Asked outside any transaction, within one budget, and not at all while more must be proved or
    if the services have answered for a key a short while ago.
    """
    parts, now = bridge(), arrival.now
    if not parts.name_services:
        return {}
    known = {}
    with read() as connection:
        proofs = _with_arrival(connection, arrival)
        if _need(connection, arrival.open_request, arrival.session, proofs, now) is not None:
            return {}
        # No name service knows who an account of a chain is.
        proofs = [proof for proof in proofs if proof.identity.method != CHAIN]
        for proof in proofs:
            identity = proof.identity
            known[identity.subject] = (
                find_names(connection, identity.method, identity.subject)
                if proof.known.identity_id
                else KnownNames()
            )
    names = parts.settings.names
    fetch = Deadline(parts.fetch, names.budget)
    reports = {}
    for proof in proofs:
        identity = proof.identity
        before = known[identity.subject]
        claimed = {identity.claimed_name} - {None}
        is_fresh = before.asked_at is not None and now - before.asked_at < timedelta(
            seconds=names.cache
        )
        if not claimed <= before.texts or not is_fresh:
            reports[identity.subject] = names_of(
                parse_address(identity.subject),
                claimed=(identity.claimed_name,) if identity.claimed_name else (),
                known=tuple(sorted(before.texts)),
                services=parts.name_services,
                fetch=fetch,
                now=now,
            )
    return reports


def _arrive(connection: Connection, arrival: Arrival, reports: Mapping[str, NameReport]) -> Landing:
    """Take an identity into the sitting; sign in if that is enough, else ask on.

    Raises:
        ProofError: what `find_need` and `open_account` raise, but for ``accounts_differ``, which
            leads to the page that offers to join them.
    """
    open_request, browser, now = arrival.open_request, arrival.browser, arrival.now
    proofs = _with_arrival(connection, arrival)
    need = _need(connection, open_request, arrival.session, proofs, now)
    identities = [proof.identity for proof in proofs]
    if need is not None:
        keep_proved(connection, open_request.id, identities, browser=browser)
        ask_anew(connection, open_request, browser=browser, now=now, address=need.address)
        return Landing(url_for("signin.choose", request_id=open_request.id), False)
    try:
        opened = open_account(
            connection,
            proofs,
            doubts=_doubts(proofs, reports),
            account_id=receiver_of(open_request, arrival.session, now),
        )
    except ProofError as error:
        if error.code != "accounts_differ":
            raise
        keep_proved(connection, open_request.id, identities, browser=browser)
        return Landing(url_for("joining.review", request_id=open_request.id), False)
    return Landing(land(connection, arrival, opened, proofs, reports), True)


def _doubts(proofs: Sequence[Proven], reports: Mapping[str, NameReport]) -> list[str]:
    """Return codes of names that could not be confirmed; with no service, no claimed one can be."""
    codes = {code for report in reports.values() for code in report.unconfirmed}
    if not bridge().name_services and any(proof.identity.claimed_name for proof in proofs):
        codes.add("username_lookup")
    return sorted(codes)


def land(
    connection: Connection,
    arrival: Arrival,
    opened: Opened,
    proofs: Sequence[Proven],
    reports: Mapping[str, NameReport],
) -> str | Answer:
    """Sign the browser in to an opened account; return where its request goes on."""
    now, open_request = arrival.now, arrival.open_request
    if open_request.session_id is not None:
        open_request = answer_by(connection, open_request, None, browser=arrival.browser)
    for proof, identity_id in zip(proofs, opened.identity_ids, strict=True):
        report = reports.get(proof.identity.subject)
        if report is not None:
            keep_names(connection, opened.account_id, identity_id, report, now=now)
    if open_request.purpose == "add" and arrival.session is not None:
        # Who adds a wallet is signed in by the one that they came with.
        own = (*opened.identity_ids, arrival.session.identity_id)
        opened = replace(opened, identity_ids=own)
    session = open_session(
        connection,
        opened,
        cookie=arrival.cookie,
        current=arrival.session,
        user_agent=request.headers.get("User-Agent", ""),
        proved_at=arrival.identity.proved_at,
        expires_at=now + timedelta(seconds=bridge().settings.lifetimes.session),
    )
    methods = ",".join(proof.identity.method for proof in proofs)
    kind = "wallet added" if open_request.purpose == "add" else "signed in"
    doubts = ",".join(session.unconfirmed)
    record(
        connection,
        kind,
        now=now,
        account_id=session.account_id,
        method=methods,
        unconfirmed=doubts,
        session=session.id,
    )
    log.info("%s method=%s account=%s unconfirmed=%s", kind, methods, session.account_id, doubts)
    return advance(connection, open_request, session=session, browser=arrival.browser, now=now)


def get_sitting(
    connection: Connection, open_request: OpenRequest, session: Session | None, *, now: datetime
) -> list[Proven]:
    """Return the proofs of a sitting that is enough.

    Raises:
        PageError: ``request_unknown`` if it is not, or not any more.
    """
    proofs = _proved(connection, open_request.proved, now)
    if not proofs or _need(connection, open_request, session, proofs, now) is not None:
        raise PageError("request_unknown", "this sitting is not enough", status=404)
    return proofs


def _with_arrival(connection: Connection, arrival: Arrival) -> list[Proven]:
    """Return the sitting's proofs, the one that arrives last, without those it replaces."""
    identity, now = arrival.identity, arrival.now
    earlier = _proved(connection, arrival.open_request.proved, now)
    kept = [proof for proof in earlier if goes_with(proof, identity)]
    return [*kept, *_proved(connection, (identity,), now)]


def _proved(connection: Connection, identities: Sequence[Identity], now: datetime) -> list[Proven]:
    """Return what was proved, as long as that was a short while ago."""
    life = timedelta(seconds=bridge().settings.lifetimes.challenge)
    return [
        Proven(identity, find_known(connection, identity))
        for identity in identities
        if now - identity.proved_at < life
    ]


def _need(
    connection: Connection,
    open_request: OpenRequest,
    session: Session | None,
    proofs: Sequence[Proven],
    now: datetime,
) -> Need | None:
    accept: Accept = bridge().settings.sign_in.accept
    receiver = receiver_of(open_request, session, now)
    if receiver is None:
        return find_need(accept, proofs)
    # Whoever adds a wallet has proved two things by the end, whatever the operator wants of
    # sign-ins; the new one must only not be somebody else's.
    if accept == "both":
        accept = "either"
    return find_need(accept, proofs, own=stx_addresses_of(connection, receiver))


def receiver_of(open_request: OpenRequest, session: Session | None, now: datetime) -> str | None:
    """Return the account to which a wallet is being added; None if that is not what happens.

    Raises:
        PageError: ``signed_out`` if nobody is signed in who has just proved who they are.
    """
    if open_request.purpose != "add":
        return None
    life = timedelta(seconds=bridge().settings.lifetimes.challenge)
    if session is None or now - session.authenticated_at > FRESH + life:
        raise PageError("signed_out", status=401)
    return session.account_id
