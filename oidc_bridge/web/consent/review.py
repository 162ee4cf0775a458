"""What the consent page puts to the person."""

import json
from collections.abc import Collection
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from oidc_bridge.apps.scope_rules import reasons_of
from oidc_bridge.apps.whitelist import AsWhom
from oidc_bridge.flow import AskConsent
from oidc_bridge.oidc.scopes import GRANTS, Person
from oidc_bridge.web import bridge
from oidc_bridge.web.cards import AppCard, PersonCard, card_of
from oidc_bridge.web.consent.as_whom import PersonaCard, known_as, note_on_main, persona_cards
from oidc_bridge.web.standing import Standing

WILL_NOT = ("The keys of your wallet", "Your coins", "What you do in other apps")
_OPEN = "The one that you choose above"
_NEWS = {
    "expired": "You said yes a while ago, and that yes has run out.",
    "text": "What this page says has changed since you last said yes.",
    "scopes": "The app asks for more than before.",
    "claims": "There is more to share about you than before.",
    "client_name": "The server behind the app has another name than before.",
    "localpart": "The app will know you under another ID than before.",
    "developer": "Somebody else stands behind the app than before.",
    "required": "The app now needs something that you left out before.",
    "whitelist": "As whom this app may know you has changed.",
}


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """One scope on the page: a sentence and the value that would be sent.

    ``reason`` is why the app gets it, in the operator's words.
    """

    scope: str
    title: str
    value: str
    required: bool
    reason: str
    checked: bool


@dataclass(frozen=True, slots=True)
class Review:
    """All that the page puts to the person; what they say yes to.

    Attributes:
        choices: as whom the app may know the person, the one to suggest first.
        note: what must be said of the person's own ID.
        before: the Matrix ID or name by which it knew them until now, if that may change.
    """

    app: AppCard
    rows: tuple[ScopeRow, ...]
    choices: tuple[PersonaCard, ...]
    note: str
    before: str
    news: tuple[str, ...]

    def fingerprint(self, request_id: str) -> str:
        """Return a keyed digest: a yes counts only for exactly what was shown."""
        rows = [(row.scope, row.title, row.value, row.required, row.reason) for row in self.rows]
        choices = [astuple(choice) for choice in self.choices]
        shown = (request_id, astuple(self.app), rows, choices, self.note, self.before)
        return bridge().seal.digest(json.dumps(shown), purpose="consent")

    def receipt(
        self,
        person: PersonCard,
        as_whom: AsWhom,
        granted: Collection[str],
        *,
        remembered_until: datetime | None,
    ) -> dict[str, Any]:
        """Return the words of the page and the answer, to be kept as they are.

        They are words that the fingerprint holds: what was not shown is never in it.

        Args:
            person: who was shown as signed in.
        """
        known_as = next(choice for choice in self.choices if choice.as_whom == as_whom)
        rows = [
            {
                "scope": row.scope,
                "title": row.title,
                "value": row.value,
                "required": row.required,
                "reason": row.reason,
                "granted": row.scope in granted,
            }
            for row in self.rows
        ]
        return {
            "service": bridge().settings.name,
            "app": asdict(self.app),
            "person": {"name": person.label, "address": person.address},
            "as_whom": asdict(known_as),
            "offered": [choice.as_whom for choice in self.choices],
            "note": self.note,
            "known_before_as": self.before,
            "rows": rows,
            "does_not_get": list(WILL_NOT),
            "remembered_until": remembered_until.isoformat() if remembered_until else None,
        }


def review_of(standing: Standing) -> Review:
    """Return what must be asked of the person who is signed in."""
    client = standing.authorization.target.client
    reasons = standing.step.reasons if isinstance(standing.step, AskConsent) else ()
    # A box that nobody ticked is no yes: what is optional starts unticked.
    before = standing.consent.granted if standing.consent else ()
    words = reasons_of(standing.said.scopes)
    person = standing.person(standing.as_whom)
    choices = persona_cards(standing)
    mxid = choices[0].mxid if len(choices) == 1 else ""
    is_open = len(choices) > 1
    return Review(
        app=card_of(standing.app, client),
        rows=tuple(
            ScopeRow(
                scope=scope,
                title=GRANTS[scope].title,
                value=_OPEN if scope == "openid" and is_open else value_of(scope, person, mxid),
                required=scope in standing.required,
                reason=words.get(scope, ""),
                checked=scope in before,
            )
            for scope in standing.scopes
        ),
        choices=choices,
        note=note_on_main(standing),
        before=known_as(standing) if is_open or {"localpart", "whitelist"} & set(reasons) else "",
        news=tuple(_NEWS[reason] for reason in reasons if reason in _NEWS),
    )


def value_of(scope: str, person: Person, mxid: str) -> str:
    """Return what *scope* tells about a person, in words for them."""
    if scope == "openid" and mxid:
        return mxid
    if scope == "profile":
        picture = f"picture from {urlsplit(person.picture).netloc}" if person.picture else ""
        known = ", ".join(filter(None, (person.name, picture)))
        return known or "Your wallet tells neither a name nor a picture"
    if scope in ("email", "claim:email"):
        return person.email or "Your wallet tells no e-mail address"
    if scope == "claim:name":
        return person.name or "Your wallet tells no name"
    if scope == "claim:picture":
        return person.picture or "Your wallet tells no picture"
    return person.localpart if scope == "openid" else ""
