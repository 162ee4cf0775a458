"""Why somebody's Matrix ID is not the name that they own: said where they agree to it."""

from oidc_bridge.matrix.localpart import candidates
from oidc_bridge.storage.personas import Persona
from oidc_bridge.storage.sessions import Session

_UNCONFIRMED = (
    "Your wallet also names a name. We could not confirm that it is yours, so it is not used."
)
_DOUBTS = {
    "username_owner": _UNCONFIRMED,
    "username_lookup": _UNCONFIRMED,
    "names_unavailable": "We could not ask just now which names you own. If you own one and want it"
    " in your Matrix ID, come back later: the ID is decided now, for good.",
}


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
