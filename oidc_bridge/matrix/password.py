"""What a Matrix client sends as a password, and is none of Synapse's: which of our proofs it is.

Three shapes are ours. `matrix/synapse_module.py` knows the same three, and a test holds them
together: whatever has another shape is somebody's real password, and never leaves Synapse.
"""

import re
from dataclasses import dataclass
from typing import Literal

Shape = Literal["app-password", "oichat", "antelope"]

# As typed: spaces, dashes and capital letters make no difference.
_APP_PASSWORD = re.compile(r"abp_[a-z2-7]{32}")
_IGNORED = re.compile(r"[\s-]+")
# How an app's address begins; a whole one, if it is on the person's own machine.
_APP = re.compile(r"https://|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?\Z")
_PARTS = 3
# Matrix appendices, "User Identifiers". What follows the first colon is the server, with its port.
_LOCALPART = r"[a-z0-9._=/+-]+"
_USER = re.compile(rf"(?P<alone>{_LOCALPART})|@(?P<mine>{_LOCALPART}):(?P<server>.+)")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who has proved themselves by a password.

    Attributes:
        display_name: ``None`` if they told none.
        subject: the ``sub`` that the homeserver gets at SSO too, so that both find one user.
        known: whether the bridge knew them at this homeserver before.
        session: the ``sid`` that signs the device out when its right ends; ``""`` if it has none.
    """

    localpart: str
    display_name: str | None
    subject: str
    known: bool
    session: str = ""


def shape_of(password: str) -> Shape | None:
    """Return which proof *password* is made like; None for all other passwords."""
    kept = _IGNORED.sub("", password)
    # Asked first: lower() makes a k of a Kelvin sign.
    if kept.isascii() and _APP_PASSWORD.fullmatch(kept.lower()):
        return "app-password"
    parts = password.split("|")
    if len(parts) != _PARTS:
        return None
    if parts[2].startswith("SIG_"):
        return "antelope"
    return "oichat" if _APP.match(parts[1]) else None


def localpart_of(user: str, server_name: str | None) -> str | None:
    """Return the localpart that the user field of a Matrix client means; None if it means nobody.

    It holds a whole Matrix ID or a localpart alone (Client-Server API, "Matrix User ID",
    ``m.id.user``), and Synapse hands it on as it was typed. A phone begins it with a capital letter
    and ends it with a space, so neither counts. All else does: ``@ann`` is neither of the two, nor
    is ``ann:matrix.example``, and ``@ann:other.example`` is somebody of another server.

    Args:
        server_name: Ours; None if it is not known, and then no whole ID is one of ours.
    """
    typed = user.strip()
    # Asked before lower(), which makes a k of a Kelvin sign.
    found = _USER.fullmatch(typed.lower()) if typed.isascii() else None
    if found is None:
        return None
    is_ours = server_name is not None and found["server"] == server_name.lower()
    return found["mine"] if is_ours else found["alone"]
