"""The list of app passwords, with the form for another one beneath it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from flask import Response, request, url_for

from oidc_bridge.oidc.app_password import (
    CHOICES,
    MATRIX_LOGIN,
    UNUSED_LIFE,
    AppPassword,
)
from oidc_bridge.oidc.client import Client
from oidc_bridge.storage import new_id
from oidc_bridge.web import bridge, page
from oidc_bridge.web.account.app_password_form import MAX_LABEL, Form
from oidc_bridge.web.cards import matrix_id
from oidc_bridge.web.session import form_token

_FLASHES = {
    "confirmed": "Thank you, it is you. For five minutes you can make app passwords.",
    "ended": "Ended. Programs that have it get nothing more.",
    "made": "That app password is made already, and is shown only once. If you did not keep it, end"
    " it and make another.",
}
_USES = {"token": "for an access token", "matrix": "to sign in to Matrix"}
_WHY = {
    "ended": "Ended by you, or by a program that has it",
    "date": "Its date has come",
    "unused": f"Nobody used it for {UNUSED_LIFE.days} days",
}


@dataclass(frozen=True, slots=True)
class Item:
    """An app password on the page; ``why_over`` is empty while it works.

    ``mxid``: as whom it signs in to Matrix, if it does.
    """

    id: str
    label: str
    scopes: Sequence[str]
    mxid: str
    since: datetime
    last_used: datetime | None
    used_how: str
    over_at: datetime
    is_forgotten: bool
    why_over: str
    end_url: str


def show_list(
    browser: str,
    known: Sequence[AppPassword],
    homeservers: Mapping[str, Client],
    form: Form,
    *,
    now: datetime,
    is_open: bool,
) -> Response:
    """Return the page; *is_open* if a fresh proof is at hand, so that the form may be shown."""
    items = [_item(mine, now) for mine in known]
    choices = {s: words for s, words in CHOICES.items() if s != MATRIX_LOGIN or homeservers}
    return page(
        "account/app_passwords.html",
        status=400 if form.faults else 200,
        csrf=form_token(browser),
        flash=_FLASHES.get(request.args.get("done", "")),
        working=[item for item in items if not item.why_over],
        over=[item for item in items if item.why_over],
        is_open=is_open,
        form=form,
        faults=dict(form.faults),
        form_id=new_id(),
        choices=choices,
        matrix_login=MATRIX_LOGIN,
        homeservers=homeservers,
        unused_days=UNUSED_LIFE.days,
        max_label=MAX_LABEL,
        first_day=now.date().isoformat(),
        begin_url=url_for("app_passwords.begin"),
        make_url=url_for("app_passwords.make"),
    )


def _item(mine: AppPassword, now: datetime) -> Item:
    why = mine.why_over(now)
    return Item(
        id=mine.id,
        label=mine.label,
        scopes=[CHOICES[scope] for scope in mine.scopes if scope in CHOICES],
        mxid=_mxid_of(mine),
        since=mine.created_at,
        last_used=mine.last_used_at,
        used_how=_how_used(mine),
        over_at=mine.over_at,
        is_forgotten=mine.is_forgotten(now),
        why_over=_WHY.get(why, ""),
        end_url="" if why else url_for("app_passwords.end", password_id=mine.id),
    )


def _mxid_of(mine: AppPassword) -> str:
    if mine.matrix is None:
        return ""
    client = bridge().snapshots.current().clients.get(mine.matrix.client_id)
    return mxid_at(client, mine.matrix.localpart)


def _how_used(mine: AppPassword) -> str:
    """Return for what and from where; an inside address is our own proxy's, and tells nothing."""
    words = _USES.get(mine.last_used_for, "")
    try:
        is_outside = ip_address(mine.last_used_from).is_global
    except ValueError:
        is_outside = False
    return f"{words}, from {mine.last_used_from}" if is_outside else words


def mxid_at(client: Client | None, localpart: str) -> str:
    """Return the Matrix ID; the localpart alone where the server's name is not known."""
    return (client and matrix_id(localpart, client)) or localpart
