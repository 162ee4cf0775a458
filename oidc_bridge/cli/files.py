"""Files of many entries: all of one is taken, or, with the fault of each, nothing."""

import json
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from oidc_bridge.errors import BridgeError

E = TypeVar("E")
T = TypeVar("T")


def read_json_list(data: bytes, of_what: str) -> list[object]:
    """Return the entries of a JSON file.

    Raises:
        BridgeError: ``import_invalid``.
    """
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BridgeError("import_invalid", "the file is not JSON") from error
    if not isinstance(entries, list):
        raise BridgeError("import_invalid", f"expected a list of {of_what}")
    return entries


def read_each(
    entries: Iterable[tuple[int, E]],
    read_one: Callable[[E], T],
    *,
    key_of: Callable[[T], Hashable],
    twice: Callable[[T], BridgeError],
    code: str = "import_invalid",
    place: str = "entry",
    at_most: int | None = None,
) -> list[T]:
    """Return what numbered entries say.

    Args:
        key_of: what no two entries may have in common.
        twice: what is said of one that comes again.

    Raises:
        BridgeError: *code*, with each fault and where it is; only *at_most* of them, and how many
            more there are.
    """
    found: dict[Hashable, T] = {}
    faults = []
    for number, entry in entries:
        try:
            one = read_one(entry)
            if key_of(one) in found:
                raise twice(one)
            found[key_of(one)] = one
        except BridgeError as error:
            faults.append(f"{place} {number}: {error.code}: {error.detail}")
    if faults:
        more = 0 if at_most is None else max(0, len(faults) - at_most)
        rest = [f"and {more} more"] if more else []
        raise BridgeError(code, "; ".join([*faults[:at_most], *rest]))
    return list(found.values())
