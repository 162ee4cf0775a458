"""Consent receipts: what was granted, when, in the words that were shown then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, url_for

from oidc_bridge.errors import PageError
from oidc_bridge.oidc.scopes import GRANTS
from oidc_bridge.storage import read
from oidc_bridge.storage.receipts import KeptConsent, find_kept_consent
from oidc_bridge.web import bridge, page
from oidc_bridge.web.cards import matrix_id
from oidc_bridge.web.changes import get_session

views = Blueprint("receipts", __name__, url_prefix="/account/receipts")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that the app asked for; why, if the operator said so then."""

    title: str
    value: str
    required: bool
    granted: bool
    reason: str = ""


@views.get("/<id:consent_id>")
def show(consent_id: str) -> Response:
    """Show one of my receipts, also of an access that I have removed since."""
    now = bridge().clock()
    with read() as connection:
        session = get_session(connection, now)
        kept = find_kept_consent(connection, session.account_id, consent_id)
    if kept is None:
        raise PageError("not_found", "receipt", status=404)
    consent = kept.consent
    return page(
        "account/receipt.html",
        number=consent.id,
        title=kept.app_title,
        words=kept.receipt,
        lines=_lines(kept),
        known_as=_known_as(kept),
        via=consent.question.client_name,
        as_whom=consent.as_whom,
        text_version=consent.text_version,
        given_at=consent.given_at,
        remembered_until=consent.remembered_until,
        removed_at=kept.removed_at,
        back_url=url_for("activity.overview"),
    )


def _lines(kept: KeptConsent) -> Sequence[Line]:
    if kept.receipt is not None:
        was_choice = len(kept.receipt["offered"]) > 1
        return [_line(row, _known_as(kept) if was_choice else "") for row in kept.receipt["rows"]]
    # The words of that day are lost: those of today stand in, and the page says so.
    return [
        Line(
            GRANTS[scope].title if scope in GRANTS else scope,
            "",
            False,
            scope in kept.consent.granted,
        )
        for scope in kept.consent.question.scopes
    ]


def _line(row: Mapping[str, Any], chosen: str) -> Line:
    """Return one thing that was asked for; where the page said "the one that you choose above",
    the one that was chosen."""
    value = chosen if chosen and row["scope"] == "openid" else row["value"]
    return Line(row["title"], value, row["required"], row["granted"], row.get("reason", ""))


def _known_as(kept: KeptConsent) -> str:
    if kept.receipt is not None:
        card = kept.receipt["as_whom"]
        return str(card["mxid"] or card["localpart"])
    localpart = kept.consent.question.localpart
    client = bridge().snapshots.current().clients.get(kept.client_id)
    return (matrix_id(localpart, client) if client else "") or localpart
