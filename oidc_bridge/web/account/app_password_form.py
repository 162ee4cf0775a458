"""The form that makes an app password, read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from flask import request

from oidc_bridge.oidc.app_password import MATRIX_LOGIN, AppPassword, choose_scopes
from oidc_bridge.oidc.client import Client

AT_MOST = 50
MAX_LABEL = 60
_LATEST = timedelta(days=10 * 366)


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in, and what is wrong with it, by field.

    ``homeserver``: the client at which it is to sign in; None without ``matrix:login``.
    """

    label: str = ""
    scopes: tuple[str, ...] = ()
    homeserver: Client | None = None
    ends_on: str = ""
    ends_at: datetime | None = None
    faults: tuple[tuple[str, str], ...] = ()


def read_form(
    known: Sequence[AppPassword], homeservers: Mapping[str, Client], now: datetime
) -> Form:
    """Return what was filled in; what a person can put right is told them at its field.

    Args:
        homeservers: where they may sign in with an app password.
    """
    faults = {}
    label = request.form.get("label", "").strip()
    if not 0 < len(label) <= MAX_LABEL or not label.isprintable():
        faults["label"] = f"Give it a name of 1 to {MAX_LABEL} signs."
        label = label[:MAX_LABEL] if label.isprintable() else ""
    scopes = choose_scopes(request.form.getlist("scope"))
    if not scopes:
        faults["scope"] = "Choose at least one."
    homeserver = None
    if MATRIX_LOGIN in scopes:
        # Where there is one only, nobody is asked which.
        chosen = request.form.get("homeserver") or next(iter(homeservers), "")
        homeserver = homeservers.get(chosen)
        if homeserver is None:
            faults["scope"] = "Choose a Matrix server that you can sign in to."
    ends_on = request.form.get("ends_on", "")
    ends_at = None
    if ends_on:
        try:
            ends_at = _end_of(ends_on, now)
        except ValueError:
            faults["ends_on"] = "Choose a day from today on, at most ten years from now."
            ends_on = ""
    if sum(not mine.why_over(now) for mine in known) >= AT_MOST:
        faults["form"] = f"You have {AT_MOST} app passwords. End one that you do not need first."
    return Form(label, scopes, homeserver, ends_on, ends_at, tuple(faults.items()))


def _end_of(day: str, now: datetime) -> datetime:
    """Return when *day* is over.

    Raises:
        ValueError: it is no day, or none that is near enough.
    """
    if len(day) > len("2026-11-25"):
        raise ValueError("not a day")
    ends_at = datetime.combine(date.fromisoformat(day), time(), UTC)
    if not now - timedelta(days=1) < ends_at < now + _LATEST:
        raise ValueError("too early or too late")
    return ends_at + timedelta(days=1)
