"""As whom an app may know the person, and why so: said where they agree to it."""

from dataclasses import dataclass

from oidc_bridge.apps.whitelist import AsWhom, Verdict
from oidc_bridge.matrix.localpart import candidates
from oidc_bridge.storage.personas import Persona
from oidc_bridge.storage.sessions import Session
from oidc_bridge.web.cards import matrix_id
from oidc_bridge.web.standing import Standing

_UNCONFIRMED = (
    "Your wallet also names a name. We could not confirm that it is yours, so it is not used."
)
_DOUBTS = {
    "username_owner": _UNCONFIRMED,
    "username_lookup": _UNCONFIRMED,
    "names_unavailable": "We could not ask just now which names you own. If you own one and want it"
    " in your Matrix ID, come back later: the ID is decided now, for good.",
}


@dataclass(frozen=True, slots=True)
class PersonaCard:
    """One way for the app to know the person; ``note`` tells why there is no other."""

    as_whom: AsWhom
    mxid: str
    localpart: str
    is_new: bool
    note: str


def persona_cards(standing: Standing) -> tuple[PersonaCard, ...]:
    """Return what the person may choose from, the one to suggest first."""
    client = standing.authorization.target.client
    cards = []
    for as_whom in standing.choices:
        persona = standing.personas[as_whom]
        note = _why_alone(standing.verdict) if as_whom == "alone" else ""
        mxid = matrix_id(persona.localpart, client)
        cards.append(PersonaCard(as_whom, mxid, persona.localpart, persona.is_new, note))
    return tuple(cards)


def note_on_main(standing: Standing) -> str:
    """Return what must be said of the ID that is the person's own at this client, if this request
    is about it: it is decided with the first ID of any kind."""
    main = standing.personas.get("main")
    if main is None or not ("main" in standing.choices or main.is_new):
        return ""
    server_name = standing.authorization.target.client.server_name
    return note_on(main, standing.signed_in, server_name)


def known_as(standing: Standing) -> str:
    """Return how the app knew the person by their last yes."""
    if standing.consent is None:
        return ""
    localpart = standing.consent.question.localpart
    return matrix_id(localpart, standing.authorization.target.client) or localpart


def _why_alone(verdict: Verdict) -> str:
    """Return why the person cannot be known as themselves; ``""`` if they could."""
    if "main" in verdict.choices:
        return ""
    if verdict.by == "operator":
        return "The people who run this server let this app know you under an ID of its own only."
    return (
        "Here, apps know you under an ID of their own unless you allow them more. You can do that"
        " on your account page."
    )


def note_on(persona: Persona, session: Session, server_name: str | None) -> str:
    """Return what must be said of *persona*'s localpart; ``""`` if it is what one would expect."""
    name, localpart = session.name, persona.localpart
    wanted = candidates(session.address, name, server_name)
    if localpart == wanted[0]:
        if name is None and persona.id is None:
            return next((said for code, said in _DOUBTS.items() if code in session.unconfirmed), "")
        return ""
    if persona.id is None:
        if wanted[0] == name:
            return (
                f"It is not {name}: at this server that ID belongs to somebody who owned the name"
                " before you, and stays theirs. This one is yours alone."
            )
        return "Somebody else who once held this key has the shorter ID at this server."
    if wanted[0] == name:
        return f"You own {name} now, but a Matrix ID stays what it was at the first sign-in."
    if name is None and localpart not in wanted:
        return (
            f"We could not confirm that you own {localpart} today. Your Matrix ID stays what it"
            " is, and stays yours."
        )
    return "It stays what it was at your first sign-in here."
