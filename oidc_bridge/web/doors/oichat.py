"""OI Chat's two doors, and who comes in by them.

Clients ask for a challenge at the old address and answer it in the old way, by a file in the
person's storage, or in the new one, by a signature that is posted here and leaves no trace. Then
they send a password that says under which nonce; a homeserver brings it to us.

Both doors look at no cookie, so scripts of any origin may knock.
"""

import ipaddress
import logging
from dataclasses import replace
from datetime import datetime

from flask import Blueprint, Response, request

from oidc_bridge.deadline import Deadline
from oidc_bridge.errors import ProofError
from oidc_bridge.matrix.password import SignedIn, localpart_of
from oidc_bridge.oidc.client import Client
from oidc_bridge.proofs.app_signature import Signature, check_signature, read_signature
from oidc_bridge.proofs.jsontokens import parse_object
from oidc_bridge.proofs.oichat import (
    FILE,
    OiChat,
    Password,
    is_app_domain,
    is_nonce,
    read_password,
    txid_of,
)
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import read, write
from oidc_bridge.storage.nonces import (
    LIFE,
    MAX_OPEN,
    MAX_OPEN_BEHIND_PROXY,
    SpentNonce,
    announce,
    get_open,
    keep_answer,
    spend,
)
from oidc_bridge.web import bridge, empty_answer, json_answer
from oidc_bridge.web.doors.oichat_arrival import arrive, check_early
from oidc_bridge.web.doors.one_time import sign_in_own
from oidc_bridge.web.explanations import explain

log = logging.getLogger(__name__)
views = Blueprint("oichat", __name__)

_MAX_BODY = 4096
# The homeserver's module waits for ten seconds.
_BUDGET = 8.0
_STATUS = {
    "nonce_open": 409,
    "nonces_many": 429,
    "unknown_nonce": 404,
    "nonce_expired": 410,
    "nonce_used": 410,
    "not_found": 404,
}


@views.errorhandler(ProofError)
def say_why(error: ProofError) -> Response:
    """Errors are JSON here, as at all doors that programs knock at."""
    log.info("oichat refused code=%s detail=%s", error.code, error.detail)
    said = {"error": error.code, "error_description": explain(error).what}
    return json_answer(said, status=_STATUS.get(error.code, 400))


@views.post("/c/<nonce>")
def ask(nonce: str) -> Response:
    """Give a challenge for a nonce that the client made.

    There is no GET: who reads a challenge must not be able to use it up, nor to learn of others'.
    """
    core, now = bridge().oichat, bridge().clock()
    # What EOS accounts sign is a sentence; they want the nonce alone.
    if core is None and not bridge().settings.antelope.chains:
        raise ProofError("not_found", "neither [oichat] nor [antelope] is set")
    if not is_nonce(nonce):
        raise ProofError("malformed_password", "the nonce has other characters than a nonce has")
    # Of a page; programs send none, and then the challenge names no app.
    origin = request.headers.get("Origin", "")
    app = origin if core and is_app_domain(origin, loopback=core.loopback) else ""
    challenge = core.challenge(app, new_secret()) if core else new_secret()
    address, most = _block_of(request.remote_addr or "")
    facts = {"app": app, "address": address, "challenge": challenge}
    write(lambda c: announce(c, nonce, **facts, at_most=most, now=now))
    return json_answer(
        {
            "txid": txid_of(nonce),
            "challenge": challenge,
            "expires_in": int(LIFE.total_seconds()),
            "publish": {"file": FILE, "bucket_of": app},
            "answer_url": f"{bridge().settings.issuer}/proofs/oichat/{nonce}",
        }
    )


@views.post("/proofs/oichat/<nonce>")
def answer(nonce: str) -> Response:
    """Take a signature over the challenge, in the place of a file in the person's storage."""
    now = bridge().clock()
    _, signed = read_answer(_core(), nonce)
    with read() as connection:
        waiting = get_open(connection, nonce, now=now)
    # Whose key it is, the sign-in sees; that it has signed this is seen here, so that a client
    # hears of its mistake, and nobody can put nonsense in the way of an answer that came before.
    check_signature(waiting.challenge, signed)
    write(
        lambda c: keep_answer(
            c, nonce, public_key=signed.public_key, signature=signed.signature, now=now
        )
    )
    return empty_answer(status=204)


def sign_in(client: Client, user: str, password: str, *, now: datetime) -> SignedIn:
    """Sign somebody in to a homeserver by a password that is a proof.

    Whatever becomes of it, the nonce in *password* is used up.

    Args:
        client: The homeserver.
        user: What stood in the user field.

    Raises:
        ProofError: with the code of the first check that failed, in the order of `oichat`.
    """
    core = core_in_time()
    own = _own_nonce(password)
    if own is not None:
        return _sign_in_own(client, user, own, now)
    asked = read_password(password, loopback=core.loopback)
    spent = write(lambda connection: spend(connection, asked.nonce, now=now))
    if spent.account_id is not None:
        raise ProofError("challenge_mismatch", "made on an account page, not by an app")
    _check_server(client)
    # The challenge names the app that asked for it: it is no answer for another one.
    if spent.app not in ("", asked.app):
        raise ProofError("challenge_mismatch", f"asked for by {spent.app}, used by {asked.app}")
    found = core.find(asked)
    wanted = core.read_user(localpart_of(user, client.server_name) or "", found)
    with read() as connection:
        check_early(connection, client, found, wanted.form, now=now)
    core.check_answer(found, wanted, spent.challenge, _posted(spent))
    return write(lambda connection: arrive(connection, client, found, wanted, now=now))


def core_in_time() -> OiChat:
    """Return what checks answers, with one budget for all that it asks of others.

    Raises:
        ProofError: ``not_found`` if the operator has not opened the door.
    """
    core = _core()
    return replace(
        core, fetch=Deadline(core.fetch, _BUDGET), strangers=Deadline(core.strangers, _BUDGET)
    )


def _own_nonce(password: str) -> str | None:
    """Return the nonce of a password that an account page of ours made; None if an app did."""
    nonce, _, rest = password.partition("|")
    app, _, localpart = rest.partition("|")
    is_own = app == bridge().settings.issuer and "|" not in localpart and is_nonce(nonce)
    return nonce if is_own else None


def _sign_in_own(client: Client, user: str, nonce: str, now: datetime) -> SignedIn:
    spent = write(lambda connection: spend(connection, nonce, now=now))
    account_id = spent.account_id
    if account_id is None:
        raise ProofError("challenge_mismatch", "no account page made it")
    _check_server(client)
    return write(lambda connection: sign_in_own(connection, client, account_id, user, now=now))


def _check_server(client: Client) -> None:
    expected = _core().server_name
    if client.kind != "homeserver" or client.server_name != expected:
        raise ProofError("server_mismatch", f"{client.id}, not {expected}")


def _core() -> OiChat:
    core = bridge().oichat
    if core is None:
        raise ProofError("not_found", "[oichat] is not enabled")
    return core


def _block_of(address: str) -> tuple[str, int]:
    """Return what one person has of the internet, an address or 64 bits of an IPv6 one, and how
    many challenges it may have; an inside address is our own proxy's, by which everybody comes."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address, MAX_OPEN_BEHIND_PROXY
    most = MAX_OPEN if parsed.is_global else MAX_OPEN_BEHIND_PROXY
    bits = 64 if parsed.version == 6 else 32
    return str(ipaddress.ip_network((parsed, bits), strict=False)), most


def read_answer(core: OiChat, nonce: str) -> tuple[Password, Signature]:
    """Return who is said to have signed, and the signature, if the body is about *nonce*.

    Raises:
        ProofError: ``too_large``, ``malformed_...``, ``signature_invalid``.
    """
    if request.content_length is None or request.content_length > _MAX_BODY:
        raise ProofError("too_large", f"{request.content_length} bytes, at most {_MAX_BODY}")
    members = parse_object(request.get_data(cache=False))
    words = [members.get(name) for name in ("nonce", "appDomain", "blockstackId")]
    if not all(isinstance(word, str) for word in words) or words[0] != nonce:
        raise ProofError("malformed_password", "nonce, appDomain or blockstackId is not as it was")
    asked = read_password("|".join(str(word) for word in words), loopback=core.loopback)
    return asked, read_signature(members.get("publicKey"), members.get("signature"))


def _posted(spent: SpentNonce) -> Signature | None:
    return Signature(spent.public_key, spent.signature) if spent.signature else None
