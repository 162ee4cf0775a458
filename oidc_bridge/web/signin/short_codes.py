"""Codes of six signs, for people to compare on two screens or to carry from one to the other."""

from oidc_bridge.web import bridge

_SIGNS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def short_code(row_id: str, *, purpose: str) -> str:
    """Return six letters and digits that are hard to mistake, e.g. ``7KQ-P2X``.

    The same for the same row, and nobody can tell it who does not hold our key: it is kept nowhere.
    """
    number = int(bridge().seal.digest(row_id, purpose=purpose), 16)
    signs = []
    for _ in range(6):
        number, digit = divmod(number, len(_SIGNS))
        signs.append(_SIGNS[digit])
    return f"{''.join(signs[:3])}-{''.join(signs[3:])}"


def as_typed(text: str) -> str:
    """Return the code that somebody typed in their own way: small letters, no dash, spaces."""
    signs = "".join(sign for sign in text.upper() if sign.isalnum())
    return f"{signs[:3]}-{signs[3:]}"
