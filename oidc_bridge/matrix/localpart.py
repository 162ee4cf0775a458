"""From an identity to a Matrix localpart: legal, stable, free of collisions.

Matrix appendices, "User Identifiers"; what Synapse makes of others: synapse-rp section 4.
"""

import re

# "=" is legal in Matrix, but Synapse escapes with it and so escapes it too.
_LEGAL = re.compile(r"[a-z0-9./+-][a-z0-9._/+-]*")
# Synapse refuses "@localpart:server" over 255 characters; server names may have up to 230.
_MAX_ID = 255


def is_legal(localpart: str, server_name: str | None = None) -> bool:
    """Return whether Synapse would take *localpart* as it stands.

    A leading ``_`` belongs to bridges and is escaped by Synapse, digits alone are reserved.
    """
    length = len(localpart) + len(server_name or "") + 2
    return _LEGAL.fullmatch(localpart) is not None and not localpart.isdigit() and length <= _MAX_ID


def candidates(address: str, name: str | None, server_name: str | None = None) -> list[str]:
    """Return the localparts a person may get, best first.

    The verified name; else the c32 address in lower case, which loses nothing since c32 has one
    case only; else, if even that is taken by an account that once held the key, the address with
    a number. Ten numbers are more than will ever be needed.
    """
    lowered = address.lower()
    wanted = [name] if name else []
    wanted += [lowered, *(f"{lowered}.{number}" for number in range(2, 12))]
    return [localpart for localpart in wanted if is_legal(localpart, server_name)]
