"""As whom somebody re-authenticates: a request that names no app (docs/synapse.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from oidc_bridge.apps.whitelist import Verdict, judge_for, rule_name
from oidc_bridge.oidc.client import Client
from oidc_bridge.storage.consents import Welcome
from oidc_bridge.storage.sessions import Session
from oidc_bridge.storage.whitelist import find_said


@dataclass(frozen=True, slots=True)
class Chosen:
    """By which consent somebody is confirmed.

    Attributes:
        must_choose: whether several of their personas would do, and they have not said which.
        choices: one consent for each of those.
    """

    welcome: Welcome
    verdict: Verdict
    must_choose: bool
    choices: Sequence[Welcome]


def choose(
    connection: Connection,
    client: Client,
    session: Session,
    welcomes: Sequence[Welcome],
    persona_id: str | None,
    *,
    now: datetime,
) -> Chosen:
    """Return as whom somebody re-authenticates.

    What counts is which apps know them at this client, and whether one of those still may.

    Args:
        welcomes: their consents to apps of this client, latest first; at least one.
        persona_id: what they have chosen, if they were asked.
    """
    names = {rule_name(client, welcome.app) for welcome in welcomes}
    said = find_said(connection, session.account_id, names, now=now)
    still: dict[str | None, Welcome] = {}
    verdicts = []
    for welcome in welcomes:
        verdict = judge_for(client, welcome.app, said[rule_name(client, welcome.app)])
        verdicts.append(verdict)
        if verdict.permits(welcome.consent.as_whom):
            still.setdefault(welcome.persona.id, welcome)
    if not still:
        return Chosen(welcomes[0], _close(verdicts[0]), False, ())
    chosen = still.get(persona_id) or next(iter(still.values()))
    verdict = Verdict("allow", "policy", (chosen.consent.as_whom,))
    must_choose = len(still) > 1 and persona_id not in still
    return Chosen(chosen, verdict, must_choose, tuple(still.values()))


def _close(verdict: Verdict) -> Verdict:
    """Return a deny for an app that may not know the person any more as it did."""
    if verdict.word == "deny":
        return verdict
    return Verdict("deny", verdict.by, why="own_rule" if verdict.by == "person" else "app_denied")
