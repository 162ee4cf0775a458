"""From an identity to a Matrix localpart: legal, stable, free of collisions.

Matrix appendices, "User Identifiers";
what Synapse makes of others is in its ``types.py``.
"""

import hashlib
import re

from oidc_bridge.origins import read_origin

# "=" is legal in Matrix, but Synapse escapes with it and so escapes it too.
_LEGAL = re.compile(r"[a-z0-9./+-][a-z0-9._/+-]*")
_ANTELOPE = "antelope"
# The prefix of localparts that come from a chain is for ever; others go by their id.
_CHAINS = {"aca376f206b8fc25a6ed44dbdc66547c": "eos"}
_PREFIX = "|".join((*_CHAINS.values(), "[0-9a-f]{8}"))
_OF_CHAIN = re.compile(rf"(?:(?:{_PREFIX})\+)?(?P<account>[a-z1-5.]+)(?:\+[0-9]+)?")
_PLAIN_ACCOUNT = re.compile(r"[a-z1-5]{12}")
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
    a number. Ten numbers are more than will ever be needed. In an account of a chain the place of
    the address is taken by what `_of_chain` says.

    Args:
        address: The subject of an identity: a c32 address, or ``antelope:<chain>:<account>``.
    """
    wanted = [name] if name else []
    if address.startswith(f"{_ANTELOPE}:"):
        wanted += _of_chain(address)
    else:
        lowered = address.lower()
        wanted += [lowered, *(f"{lowered}.{number}" for number in range(2, 12))]
    return [localpart for localpart in wanted if is_legal(localpart, server_name)]


def _of_chain(subject: str) -> list[str]:
    """Return the localparts of an account of a chain, best first.

    The plain name, as it always was, for an account of EOS of twelve characters without a dot: no
    other localpart of ours looks so. All others have the chain in front: ``alice.id`` may be an
    account and somebody else's name, and two chains may have an account of one name. Then a number
    after another ``+``, since ``alice.2`` is somebody else's account.
    """
    _, chain, account = subject.split(":")
    prefixed = f"{_CHAINS.get(chain, chain[:8])}+{account}"
    is_plain = chain in _CHAINS and _PLAIN_ACCOUNT.fullmatch(account) and not account.isdigit()
    plain = [account] if is_plain else []
    return [*plain, prefixed, *(f"{prefixed}+{number}" for number in range(2, 12))]


def account_of(localpart: str) -> str:
    """Undo `_of_chain`: return the account of a chain that *localpart* may belong to, or may name.

    People type the account itself, whether or not it stands alone here. ``""`` if it is neither: no
    other localpart, such as one app's own, leads to the account.
    """
    found = _OF_CHAIN.fullmatch(localpart)
    return found["account"] if found else ""


def candidates_alone(main: str, app_key: str, server_name: str | None = None) -> list[str]:
    """Return the localparts by which one app alone may know a person, best first.

    ``<main>+<host>``, as OI Chat's app users were called. *main* is held by the person's main
    persona and no host has a ``+``, so two apps or two people never want the same. Where that is
    no legal localpart (an IPv6 address, a very long host), a digest takes the host's place.

    Args:
        main: The localpart of the main persona.
        app_key: The app's whole origin (``https://chat.example:8443``) or scheme (``element:``).
    """
    digest = hashlib.sha256(app_key.encode()).hexdigest()[:20]
    wanted = (f"{main}+{_part_of(app_key)}", f"{main}+{digest}", f"{main[:200]}+{digest}")
    return [localpart for localpart in wanted if is_legal(localpart, server_name)]


def _part_of(app_key: str) -> str:
    """Return what tells one app from all others.

    A port follows another ``+``: of ``:8443`` Synapse would make ``=3a8443``, and of ``=3a8443``
    it would make ``=3d3a8443``.
    """
    scheme, _, rest = app_key.partition(":")
    if not rest:
        return f"app+{scheme}"
    origin = read_origin(app_key)
    host = origin.netloc.replace(":", "+")
    return host if origin.scheme == "https" else f"http+{host}"
