"""A sign-in that another device began: this one's wallet proves who the person is.

The other half is `oidc_bridge.web.signin.elsewhere`, where the story is told.
"""

from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection

from oidc_bridge.errors import PageError, ProofError
from oidc_bridge.storage import read, write
from oidc_bridge.storage.challenges import find_open_challenge, keep_challenge
from oidc_bridge.storage.handovers import (
    Handover,
    follow_link,
    get_opened,
    open_handover,
    refuse_handover,
)
from oidc_bridge.web import bridge, page, see_other
from oidc_bridge.web.cards import device_of, short_address
from oidc_bridge.web.questions import new_challenge
from oidc_bridge.web.session import check_form, form_token, get_browser, keep_browser, new_browser
from oidc_bridge.web.signin.asking import ask, deep_links, question_context
from oidc_bridge.web.signin.page import show_failure

views = Blueprint("handover", __name__)


@views.get("/d/<id:link>")
def arrive_at(link: str) -> Response:
    """Say what the link is for, and let its finder say whether it is theirs."""
    browser, now = new_browser(), bridge().clock()
    with read() as connection:
        handover = follow_link(connection, link, now=now)
    if handover.state != "waiting":
        raise PageError("handover_over", handover.state, status=410)
    shown = page(
        "signin/handover.html",
        csrf=form_token(browser),
        app=None,
        device=device_of(handover.user_agent),
        began_at=handover.created_at,
        code=handover.code,
        deep_links=deep_links(f"{bridge().settings.issuer}/d/{link}"),
        accept_url=url_for("handover.accept", link=link),
        refuse_url=url_for("handover.refuse", link=link),
        missing=request.args.get("missing") == "seen",
    )
    return keep_browser(shown, browser)


@views.post("/d/<id:link>/accept")
def accept(link: str) -> Response:
    """Take the sign-in up with this browser."""
    browser, now = check_form(), bridge().clock()
    if request.form.get("seen") != "yes":
        return see_other(url_for("handover.arrive_at", link=link, missing="seen"))
    user_agent = request.headers.get("User-Agent", "")

    def take_up(connection: Connection) -> str:
        handover_id = open_handover(
            connection, link, browser=browser, user_agent=user_agent, now=now
        )
        handover = get_opened(connection, handover_id, browser=browser, now=now)
        _ask_for_another(connection, handover, browser=browser, now=now)
        return handover_id

    return see_other(url_for("handover.choose", handover_id=write(take_up)))


@views.post("/d/<id:link>/refuse")
def refuse(link: str) -> Response:
    """It was not theirs: end it."""
    check_form()
    now = bridge().clock()
    write(lambda connection: refuse_handover(connection, link, now=now))
    return page("signin/handed_over.html", state="refused", device="", person_label="")


@views.get("/sign-in/for/<id:handover_id>")
def choose(handover_id: str) -> Response:
    """Offer the wallets of this device."""
    parts, browser, now = bridge(), get_browser(), bridge().clock()
    with read() as connection:
        handover = get_opened(connection, handover_id, browser=browser, now=now)
        challenge = find_open_challenge(
            connection,
            handover.request_id,
            browser=browser,
            now=now,
            seal=parts.seal,
            handover_id=handover_id,
        )
    if handover.state == "proved":
        return see_other(url_for("handover.done", handover_id=handover_id))
    if handover.state != "opened":
        raise PageError("handover_over", handover.state, status=410)
    if challenge is None:
        return failed_elsewhere(ProofError("challenge_over"), handover_id, browser, status=200)
    left = int((challenge.expires_at - now).total_seconds())
    return page(
        "signin/choose.html",
        csrf=form_token(browser),
        app=None,
        again=False,
        person=None,
        purpose="elsewhere",
        device=device_of(handover.user_agent),
        retry_url=url_for("handover.again", handover_id=handover_id),
        start_over_url="",
        cancel_url="",
        elsewhere_url="",
        **question_context(ask(challenge, None, ()), challenge, seconds_left=left),
    )


@views.post("/sign-in/for/<id:handover_id>/again")
def again(handover_id: str) -> Response:
    """Put a fresh question to this device's wallet."""
    browser, now = check_form(), bridge().clock()

    def renew(connection: Connection) -> None:
        handover = get_opened(connection, handover_id, browser=browser, now=now)
        if handover.state != "opened":
            raise PageError("handover_over", handover.state, status=410)
        _ask_for_another(connection, handover, browser=browser, now=now)

    write(renew)
    return see_other(url_for("handover.choose", handover_id=handover_id))


@views.get("/sign-in/for/<id:handover_id>/done")
def done(handover_id: str) -> Response:
    """Send the person back to where they began."""
    browser, now = get_browser(), bridge().clock()
    with read() as connection:
        handover = get_opened(connection, handover_id, browser=browser, now=now)
    proved = handover.proved
    return page(
        "signin/handed_over.html",
        state="done",
        device=device_of(handover.user_agent),
        person_label=short_address(proved.subject) if proved else "",
    )


def failed_elsewhere(
    error: ProofError, handover_id: str, browser: str, *, status: int = 400
) -> Response:
    """Say why this device's proof did not hold, and offer to try again."""
    return show_failure(
        error,
        browser,
        app=None,
        retry_url=url_for("handover.again", handover_id=handover_id),
        cancel_url="",
        status=status,
    )


def _ask_for_another(
    connection: Connection, handover: Handover, *, browser: str, now: datetime
) -> None:
    """Keep a question for this browser whose text says on which device it signs somebody in."""
    name = bridge().settings.name
    where = f"on another device ({device_of(handover.user_agent)}), which shows {handover.code}"
    challenge = new_challenge(f"Sign in to {name} {where}.", address=None, now=now)
    keep_challenge(
        connection,
        challenge,
        handover.request_id,
        browser=browser,
        seal=bridge().seal,
        handover_id=handover.id,
    )
