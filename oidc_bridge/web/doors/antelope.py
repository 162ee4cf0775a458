"""The door for accounts of EOS (Vaulta) and its kin: a signed sentence in a password's place.

A homeserver asks for one of its clients. There is no browser and nobody to ask: who signed the
sentence for this very account wanted to be signed in as it.
"""

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection

from oidc_bridge.apps.whitelist import judge_for
from oidc_bridge.config import Settings
from oidc_bridge.deadline import PostDeadline
from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Identity, Profile
from oidc_bridge.matrix.localpart import account_of, candidates
from oidc_bridge.matrix.password import SignedIn, localpart_of
from oidc_bridge.oidc.client import Client
from oidc_bridge.proofs.antelope import METHOD, Chain, Signed, read_password, verify
from oidc_bridge.sitting import Proven, takes_chains
from oidc_bridge.storage import write
from oidc_bridge.storage.accounts import find_known, open_account
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.nonces import spend
from oidc_bridge.storage.once import use_jti
from oidc_bridge.storage.personas import MAIN, get_main, persona_as
from oidc_bridge.storage.sessions import Session
from oidc_bridge.storage.whitelist import find_said
from oidc_bridge.web import bridge
from oidc_bridge.web.cards import EOS, WITHOUT_BROWSER, chain_name
from oidc_bridge.web.doors.devices import authorize, open_device

log = logging.getLogger(__name__)

# A block is too old by the moment after; the ledger must not have forgotten it by then.
_MARGIN = timedelta(seconds=60)


def sign_in(client: Client, user: str, password: str, *, now: datetime) -> SignedIn:
    """Return who has proved themselves to a homeserver by a signed sentence.

    The nonce is spent by itself and first: a try that fails has spent it too.

    Raises:
        ProofError: ``method_refused`` if the operator takes no chain; the codes of docs/eos.md
            in their order; ``account_blocked``; ``app_not_allowed``.
    """
    parts = bridge()
    settings = parts.settings
    chains = chains_of(settings)
    if not chains:
        raise ProofError("method_refused", f"{METHOD}, and no chain is set")
    read = read_password(password)
    write(lambda connection: spend(connection, read.nonce, now=now))
    account = account_of(localpart_of(user, client.server_name) or "")
    post = PostDeadline(parts.post_json, settings.antelope.budget)
    signed = verify(read, account, chains=chains, post=post, now=now)
    return write(lambda connection: _enter(connection, client, signed, now))


def chains_of(settings: Settings) -> tuple[Chain, ...]:
    """Return the chains whose accounts the operator takes."""
    return tuple(
        Chain(known.id, known.node_urls, known.permissions, timedelta(seconds=known.max_age))
        for known in settings.antelope.chains
    )


def use_up(connection: Connection, signed: Signed) -> None:
    """Take a sentence by its key out of use, for this door and the sign-in page alike.

    Raises:
        ProofError: ``replayed``.
    """
    if not use_jti(connection, METHOD, signed.once, expires_at=signed.good_until + _MARGIN):
        raise ProofError("replayed", signed.once)


def is_offered(settings: Settings) -> bool:
    """Return whether the sign-in page takes accounts of chains too."""
    return settings.antelope.web and takes_chains(settings.sign_in.accept)


def words_for(settings: Settings) -> str:
    """Return what the sign-in page calls such an account."""
    names = {chain_name(chain.id) for chain in settings.antelope.chains}
    return "an EOS account" if names == {EOS} else "an account of a chain"


def _enter(connection: Connection, client: Client, signed: Signed, now: datetime) -> SignedIn:
    """Use the sentence up, open the account, and say as whom the homeserver knows it."""
    use_up(connection, signed)
    session = _open(connection, client, signed.identity, now)
    account_id = session.account_id
    _check_rules(connection, client, account_id, now)
    known = persona_as(connection, account_id, client.id, MAIN)
    # By what was typed, whatever else the person is called.
    wanted = candidates(session.address, None, client.server_name)
    persona = known or get_main(connection, account_id, client.id, wanted, now=now)
    # Not the profile: the sentence says nothing but a name.
    sid = authorize(connection, session, client, persona, "", Profile(), now=now)
    record(
        connection,
        "signed in",
        now=now,
        account_id=account_id,
        client_id=client.id,
        method=METHOD,
        session=session.id,
    )
    log.info("signed in method=%s account=%s client=%s", METHOD, account_id, client.id)
    return SignedIn(persona.localpart, signed.sentence.account, persona.sub, known is not None, sid)


def _open(connection: Connection, client: Client, identity: Identity, now: datetime) -> Session:
    """Open the account, with a session that no browser has: by it the person ends the sign-in."""
    opened = open_account(connection, [Proven(identity, find_known(connection, identity))])
    return open_device(connection, opened, client.name + WITHOUT_BROWSER, now=now)


def _check_rules(connection: Connection, client: Client, account_id: str, now: datetime) -> None:
    """Ask the whitelist about the homeserver itself, since nobody knows which app is asking.

    Raises:
        ProofError: ``app_not_allowed`` also where apps without a name must not know people as
            themselves, for this would be a way around it.
    """
    name = f"client:{client.id}"
    said = find_said(connection, account_id, [name], now=now)[name]
    verdict = judge_for(client, "", said)
    if "main" not in verdict.choices:
        raise ProofError("app_not_allowed", f"{name}: {verdict.why}, by {verdict.by}")
