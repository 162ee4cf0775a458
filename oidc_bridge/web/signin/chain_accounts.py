"""The sign-in page's way for accounts of EOS (Vaulta) and its kin: a sentence to sign, by hand.

Their wallets have no common way to be asked by a page, but can sign a text. So the page takes the
account's name, shows the sentence, and takes the signature; it needs no script. What comes goes the
way of all proofs from there on.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.deadline import PostDeadline
from oidc_bridge.errors import PageError, ProofError
from oidc_bridge.identity import Challenge
from oidc_bridge.proofs.antelope import METHOD, Chain, Signed, check_signature, is_account
from oidc_bridge.proofs.antelope_question import propose, read_proposal
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import read, write
from oidc_bridge.storage.challenges import find_open_challenge, get_challenge, spend
from oidc_bridge.storage.requests import OpenRequest
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.cards import app_card, chain_name
from oidc_bridge.web.doors.antelope import chains_of, is_offered, use_up, words_for
from oidc_bridge.web.session import check_form, current_session, field, form_token, get_browser
from oidc_bridge.web.signin.answers import Attempt, refuse
from oidc_bridge.web.signin.page import allow_way_back, failed, open_request_of
from oidc_bridge.web.signin.sittings import Arrival, find_missing, take_in

views = Blueprint("chain_accounts", __name__, url_prefix="/sign-in")


@views.get("/<id:request_id>/chain")
def ask(request_id: str) -> Response:
    """Show the sentence that an account is to sign, or ask for the account's name.

    A GET, since it keeps nothing: loaded again, it shows a sentence with a newer block.
    """
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        open_request = open_request_of(connection, request_id, browser, now)
        session = current_session(connection, now=now)
        need = find_missing(connection, open_request, session, now=now)
        challenge = find_open_challenge(
            connection, request_id, browser=browser, now=now, seal=bridge().seal
        )
    if not is_offered(bridge().settings):
        raise PageError("not_found", "accounts of chains", status=404)
    if need is not None:  # which no account of a chain can meet
        return see_other(url_for("signin.choose", request_id=request_id))
    if challenge is None:
        return failed(ProofError("challenge_over"), open_request, browser, status=200)
    allow_way_back(open_request)
    return _show(open_request, challenge, browser, now)


@views.post("/chain")
def receive() -> Response:
    """Verify a signature and go on; whatever happens, the challenge is spent."""
    browser, now, cookie = check_form(), bridge().clock(), new_secret()
    answer = {
        "sentence": field("sentence"),
        "mark": field("mark"),
        # What was copied out of a window may be broken into lines.
        "signature": "".join(field("signature", limit=1000).split()),
    }
    with read() as connection:
        asked = get_challenge(connection, field("challenge"), browser=browser, seal=bridge().seal)
        open_request = open_request_of(connection, asked.request_id, browser, now)
        session = current_session(connection, now=now)
    allow_way_back(open_request)
    attempt = Attempt(asked, METHOD, answer, browser, now)
    try:
        signed = _verify(attempt)
        arrival = Arrival(open_request, session, signed.identity, browser, cookie, now)
        return take_in(arrival, partial(_spend, attempt=attempt, signed=signed))
    except ProofError as error:
        return _refused(error, attempt, open_request, session)


@dataclass(frozen=True, slots=True)
class _Wish:
    """Who wants to sign, as the form says; ``account`` is empty while nobody has said."""

    account: str
    permission: str
    chain: Chain

    @property
    def is_wrong(self) -> bool:
        return self.account != "" and not is_account(self.account)


def _show(open_request: OpenRequest, challenge: Challenge, browser: str, now: datetime) -> Response:
    settings = bridge().settings
    chains = chains_of(settings)
    wish, proposal = _read_wish(chains), None
    if wish.account and not wish.is_wrong:
        post = PostDeadline(bridge().post_json, settings.antelope.budget)
        try:
            proposal = propose(
                challenge, wish.account, wish.permission, chain=wish.chain, post=post, now=now
            )
        except ProofError as error:
            return failed(error, open_request, browser, status=502)
    return page(
        "signin/chain.html",
        status=400 if wish.is_wrong else 200,
        csrf=form_token(browser),
        app=app_card(open_request.authorization),
        purpose=open_request.purpose,
        words=words_for(settings),
        wish=wish,
        chains=[(chain.id, chain_name(chain.id)) for chain in chains],
        permissions=_permissions_of(chains),
        proposal=proposal,
        seconds_left=int((proposal.good_until - now).total_seconds()) if proposal else None,
        challenge_id=challenge.id,
        ask_url=url_for("chain_accounts.ask", request_id=open_request.id),
        answer_url=url_for("chain_accounts.receive"),
        back_url=url_for("signin.choose", request_id=open_request.id),
    )


def _read_wish(chains: tuple[Chain, ...]) -> _Wish:
    """Return what the form in the address says.

    Raises:
        PageError: ``form_malformed`` if it names what the page does not offer.
    """
    wanted = request.args.get("chain", chains[0].id)
    chain = next((chain for chain in chains if chain.id == wanted), None)
    permissions = _permissions_of(chains)
    permission = request.args.get("permission", permissions[0])
    if chain is None or permission not in permissions:
        raise PageError("form_malformed", f"{wanted!a} {permission!a}")
    # Longer than any account's name, so it is as wrong as all of it.
    account = request.args.get("account", "").strip().lower()[:64]
    if account and permission not in chain.permissions:
        raise PageError("form_malformed", f"{permission!a} on {chain.id}")
    return _Wish(account, permission, chain)


def _permissions_of(chains: tuple[Chain, ...]) -> list[str]:
    """Return what may be named, that first which accounts use day by day."""
    names = frozenset[str]().union(*(chain.permissions for chain in chains))
    return sorted(names, key=lambda name: (name != "active", name))


def _verify(attempt: Attempt) -> Signed:
    settings, answer, now = bridge().settings, attempt.answer, attempt.now
    if not is_offered(settings):
        raise ProofError("method_refused", f"{METHOD} on the page")
    sentence = read_proposal(attempt.challenge, answer["sentence"], answer["mark"], now=now)
    post = PostDeadline(bridge().post_json, settings.antelope.budget)
    chains = chains_of(settings)
    return check_signature(sentence, answer["signature"], chains=chains, post=post, now=now)


def _spend(connection: Connection, *, attempt: Attempt, signed: Signed) -> None:
    spend(connection, attempt.challenge.id, browser=attempt.browser, now=attempt.now)
    use_up(connection, signed)


def _refused(
    error: ProofError, attempt: Attempt, open_request: OpenRequest, session: Session | None
) -> Response:
    write(partial(refuse, attempt=attempt, session=session, error=error))
    status = 403 if error.code == "account_blocked" else 400
    return failed(error, open_request, attempt.browser, status=status)
