"""How the server is. Nothing is asked of anybody outside when the page is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Response

from oidc_bridge import __version__
from oidc_bridge.oidc.keys import SIGNING_ALGORITHMS
from oidc_bridge.storage import read
from oidc_bridge.storage.health import (
    MOST_COUNTED,
    KnownKey,
    NameAnswers,
    Outbox,
    database_clock,
    keys_in_order,
    name_answers,
    outbox_state,
)
from oidc_bridge.storage.schema import schema_head, schema_revision
from oidc_bridge.web import bridge, system_clock
from oidc_bridge.web.admin.door import admin_views
from oidc_bridge.web.admin.pages import admin_page

views = admin_views("health", "/health", {"overview": "read health"})

# Wallets' tokens are allowed 300 s, Synapse allows ours 120 s.
CLOCK_LEEWAY = timedelta(seconds=30)
# A sign-out that is this late was tried more than once.
LATE = timedelta(minutes=10)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``at`` is a moment that its words speak of.

    ``is_well`` is None where that cannot be told without asking somebody outside.
    """

    name: str
    is_well: bool | None
    says: str
    at: datetime | None = None


@views.get("")
def overview() -> Response:
    """Show what each part says."""
    now = bridge().clock()
    with read() as connection:
        kind = connection.dialect.name
        revision = schema_revision(connection)
        theirs, ours = database_clock(connection), system_clock()
        keys = keys_in_order(connection)
        answers, outbox = name_answers(connection), outbox_state(connection, since=now - WEEK)
    checks = [
        database_check(kind, revision, schema_head()),
        clock_check(ours, theirs, keys),
        *key_checks(keys, now),
        names_check([service.url for service in bridge().name_services], answers),
        outbox_check(outbox, now),
        Check("Version", is_well=True, says=f"oidc-bridge {__version__}"),
    ]
    return admin_page("admin/health.html", checks=checks)


def database_check(kind: str, revision: str | None, head: str | None) -> Check:
    """Hold the schema against what this program needs."""
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(kind, kind)
    if revision != head:
        words = f"{name}, at {revision}, needs {head}: run oidc-bridge migrate"
        return Check("Database", is_well=False, says=words)
    return Check("Database", is_well=True, says=f"{name}, schema at head ({head})")


def clock_check(ours: datetime, theirs: datetime | None, keys: Sequence[KnownKey]) -> Check:
    """Hold our clock against the database's, and against what it said when a key was made."""
    if theirs is not None and abs(theirs - ours) > CLOCK_LEEWAY:
        seconds = round((theirs - ours).total_seconds())
        return Check(
            "Clock", is_well=False, says=f"the database's differs by {seconds} s from", at=ours
        )
    youngest = max((key.created_at for key in keys), default=ours)
    if youngest > ours + CLOCK_LEEWAY:
        return Check("Clock", is_well=False, says="is behind: a key was made at", at=youngest)
    return Check(
        "Clock", is_well=True, says="agrees with the database:" if theirs else "it is", at=ours
    )


def key_checks(keys: Sequence[KnownKey], now: datetime) -> list[Check]:
    """Say of each algorithm how old the key is that signs; another must be published already."""
    return [
        _key_check(name, {key.state: key for key in keys if key.algorithm == name}, now)
        for name in SIGNING_ALGORITHMS
    ]


def _key_check(algorithm: str, by_state: Mapping[str, KnownKey], now: datetime) -> Check:
    name, signs = f"Key {algorithm}", by_state.get("active")
    if signs is None:
        words = "none signs: bring back the database from a backup"
        return Check(name, is_well=False, says=words)
    if "next" not in by_state:
        words = "none is published to come after it: oidc-bridge keys rotate makes one. Made"
        return Check(name, is_well=False, says=words, at=signs.created_at)
    age = max(0, (now - signs.created_at).days)
    return Check(name, is_well=True, says=f"made {age} days ago,", at=signs.created_at)


def names_check(urls: Sequence[str], answers: NameAnswers) -> Check:
    """Say when the name services last answered; whether they do now, only they could tell."""
    if not urls:
        return Check("Name services", is_well=True, says="none configured")
    known = ", ".join(urls)
    if answers.asked_at is None:
        return Check("Name services", is_well=None, says=f"{known}: not asked about anybody yet")
    return Check("Name services", is_well=None, says=f"{known}: last answered", at=answers.asked_at)


def outbox_check(outbox: Outbox, now: datetime) -> Check:
    """Say how many sign-outs clients were not told of: not yet, or not any more."""
    name, lost = "Sign-outs to tell", ""
    if outbox.given_up:
        lost = f"{_many(outbox.given_up)} given up in the last seven days: see Clients"
    if outbox.oldest_at is None:
        return Check(name, is_well=not lost, says=lost or "none waits")
    waiting = f"{_many(outbox.waiting)} wait, the oldest since"
    return Check(
        name,
        is_well=not lost and now - outbox.oldest_at < LATE,
        says=f"{lost}; {waiting}" if lost else waiting,
        at=outbox.oldest_at,
    )


def _many(count: int) -> str:
    return f"more than {count}" if count == MOST_COUNTED else str(count)
