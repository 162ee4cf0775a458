"""The door at which a chat app answers what a sign-in page asked: it signs, and is told a code.

No cookie is looked at: the nonce in the address says for which browser the answer is, and that
browser alone can take it. See `oidc_bridge.web.signin.chat_apps`, where the story is told.
"""

from datetime import datetime

from flask import Blueprint, Response, request

from oidc_bridge.errors import PageError, ProofError
from oidc_bridge.oidc.client import Client
from oidc_bridge.proofs.app_signature import Signature, check_signature
from oidc_bridge.proofs.oichat import (
    OiChat,
    Password,
    check_bucket_signature,
    is_app_domain,
)
from oidc_bridge.storage import read, write
from oidc_bridge.storage.chat_questions import (
    ChatAnswer,
    ChatQuestion,
    get_question,
    keep_chat_answer,
    note_fault,
    take_up,
)
from oidc_bridge.web import bridge, json_answer, page
from oidc_bridge.web.cards import device_of
from oidc_bridge.web.doors.oichat import core_in_time, read_answer, say_why
from oidc_bridge.web.doors.oichat_arrival import answer_of, check_early
from oidc_bridge.web.signin.chat_apps import address_of, code_of

views = Blueprint("chat_answers", __name__, url_prefix="/proofs/oichat/page")
views.register_error_handler(ProofError, say_why)


@views.get("/<id:nonce>")
def show(nonce: str) -> Response:
    """Tell a program what to sign, and a person what this address is for.

    A GET, since it changes nothing: whoever has the nonce may look as often as they like.
    """
    core, now = core_in_time(), bridge().clock()
    wants_page = request.accept_mimetypes.best_match(("application/json", "text/html"))
    try:
        with read() as connection:
            question = get_question(connection, nonce, now=now)
    except ProofError as error:
        if wants_page == "text/html":
            raise PageError("handover_over", error.code, status=410) from error
        raise
    address = address_of(nonce)
    if wants_page == "text/html":
        return page(
            "signin/chat_question.html",
            asks=question.asks,
            device=device_of(question.user_agent),
            began_at=question.created_at,
            address=address,
        )
    return json_answer(
        {
            "nonce": nonce,
            "challenge": question.challenge,
            "expires_in": int((question.expires_at - now).total_seconds()),
            "answer_url": address,
            "sign_in": {
                "server_name": core.server_name,
                "app": question.asks,
                "device": device_of(question.user_agent),
            },
        }
    )


@views.post("/<id:nonce>")
def answer(nonce: str) -> Response:
    """Take a signature, find out whose it is, and tell the app the code for its person.

    One answer is looked at, good or bad: what is asked of other servers, no nonce pays for twice.
    """
    core, now = core_in_time(), bridge().clock()
    asked, signed = read_answer(core, nonce)
    _check_origin(asked.app)
    with read() as connection:
        question = get_question(connection, nonce, now=now)
    check_signature(question.challenge, signed)
    write(lambda connection: take_up(connection, question.id, now=now))
    try:
        proved = _prove(core, question, asked, signed, now)
        write(lambda connection: keep_chat_answer(connection, question.id, proved, now=now))
    except ProofError as error:
        code = error.code
        write(lambda connection: note_fault(connection, question.id, code))
        raise
    left = int((question.expires_at - now).total_seconds())
    return json_answer({"code": code_of(question.id), "expires_in": left})


def _prove(
    core: OiChat, question: ChatQuestion, asked: Password, signed: Signature, now: datetime
) -> ChatAnswer:
    """Return whose app signed, if that app may be them.

    Raises:
        ProofError: what `OiChat.find` raises; ``signature_invalid``, ``server_mismatch``,
            ``account_blocked``, ``app_not_allowed``.
    """
    client = _client_of(question)
    found = core.find(asked)
    # First, so that nobody but the app is told what is known of its person here.
    check_bucket_signature(found, question.challenge, signed)
    with read() as connection:
        check_early(connection, client, found, "main", now=now)
    return answer_of(found, now)


def _client_of(question: ChatQuestion) -> Client:
    client = bridge().snapshots.current().clients.get(question.client_id)
    if client is None:
        raise ProofError("server_mismatch", f"client {question.client_id} is gone")
    return client


def _check_origin(app: str) -> None:
    """Hold that a web page answers for itself; programs tell no origin.

    Raises:
        ProofError: ``challenge_mismatch``.
    """
    origin = request.headers.get("Origin", "")
    if is_app_domain(origin, loopback=True) and origin != app:
        raise ProofError("challenge_mismatch", f"answered by {origin}, as {app}")
