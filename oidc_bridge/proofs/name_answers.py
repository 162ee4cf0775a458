"""What a name service's answers say: the owner of one name, or the names of one holder.

Three systems answer in two forms. ``v1`` (Stacks API) and ``legacy`` (Blockstack core node) are
alike but for the spelling of the owner. ``v2`` wraps what it says in ``data`` and says whether the
name still holds. What a form does not promise is refused: an answer that is not understood must
never make an owner.

Spec: as in `oidc_bridge.proofs.names`; for v2 the source of its API, where there is no other.
"""

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.addresses import Address, Kind, parse_address

_V2_STANDING = {"active", "expiring-soon"}
_V2_FALLEN = {"grace-period", "expired", "revoked"}


def read_owner(answer: dict[str, object], *, system: str, text: str) -> str | None:
    """Return the owner as the service spells it, or None if the name was revoked or expired.

    Raises:
        ProofError: ``username_lookup`` for every answer that says neither.
    """
    return _read_v2(answer, text) if system == "v2" else _read_v1(answer)


def read_list(
    answer: dict[str, object], *, system: str, holder: Address
) -> tuple[tuple[str, ...], int]:
    """Return the names listed for *holder*, each once, and how many the service left away.

    Names of others, and what is no text, are passed over. Of v2 only what says itself that it is
    the holder's and not revoked is returned, for its list is believed without another question.

    Raises:
        ProofError: ``username_lookup`` if it is no list.
    """
    names = answer.get("names")
    if not isinstance(names, list):
        raise ProofError("username_lookup", "no list of names")
    if system != "v2":
        return tuple(dict.fromkeys(name for name in names if isinstance(name, str))), 0
    _check_mainnet(answer)
    total = answer.get("total")
    if not isinstance(total, int) or isinstance(total, bool):
        raise ProofError("username_lookup", "total is no number")
    listed = (_read_entry(entry, holder) for entry in names)
    return tuple(dict.fromkeys(text for text in listed if text)), max(0, total - len(names))


def is_holder(owner: str, holder: Address, *, system: str) -> bool:
    """Return whether *owner* spells this very address; a contract or a testnet never does."""
    if holder.kind is not Kind.MAINNET_SINGLE:
        return False
    if system == "v2":  # owners are principals there, and have one spelling
        return owner == holder.c32
    try:
        return parse_address(owner) == holder
    except ProofError:
        return False


def _read_v1(answer: dict[str, object]) -> str | None:
    owner, status = answer.get("address"), answer.get("status", "")
    if not isinstance(owner, str) or not isinstance(status, str):
        raise ProofError("username_lookup", "address or status is no text")
    return None if "revoke" in status or "expire" in status else owner


def _read_v2(answer: dict[str, object], text: str) -> str | None:
    data, status = answer.get("data"), answer.get("status")
    _check_mainnet(answer)
    if not isinstance(data, dict) or not isinstance(status, str):
        raise ProofError("username_lookup", "data or status is missing")
    # The service cuts a name at its second dot and answers for what is left.
    if data.get("full_name") != text:
        raise ProofError("username_lookup", "the answer is about another name")
    owner, is_valid, revoked = data.get("owner"), data.get("is_valid"), data.get("revoked")
    is_readable = isinstance(owner, str) and isinstance(is_valid, bool)
    if not is_readable or not isinstance(revoked, bool):
        raise ProofError("username_lookup", "owner, is_valid or revoked has another type")
    if status in _V2_FALLEN or revoked:
        return None
    if status not in _V2_STANDING or not is_valid:
        raise ProofError("username_lookup", f"status {status[:40]!a}, is_valid {is_valid}")
    return str(owner)


def _check_mainnet(answer: dict[str, object]) -> None:
    # The same server answers for testnet under another path, and says so in this member alone.
    if answer.get("network", "mainnet") != "mainnet":
        raise ProofError("username_lookup", "not the main network")


def _read_entry(entry: object, holder: Address) -> str | None:
    if not isinstance(entry, dict) or entry.get("revoked") is not False:
        return None
    text, owner = entry.get("full_name"), entry.get("owner")
    is_theirs = isinstance(owner, str) and is_holder(owner, holder, system="v2")
    return text if is_theirs and isinstance(text, str) else None
