"""What a person goes by here: the name that a key of theirs owns, or one of several."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Naming:
    """What somebody goes by.

    Attributes:
        name: None for their address alone.
        has_chosen: Whether that was settled: they chose, or there was nothing to choose from.
        must_choose: Whether they own several names and have to say once which one it is.
    """

    name: str | None = None
    has_chosen: bool = False
    must_choose: bool = False


def settle(before: Naming, owned: Collection[str]) -> Naming:
    """Return what somebody goes by now that they own these names.

    A name that is still theirs stays, and so does the choice to go by none. A lost one goes, and
    then a single other name takes its place; among several they are asked again.
    """
    if before.has_chosen and (before.name is None or before.name in owned):
        return Naming(before.name, has_chosen=True)
    match sorted(owned):
        case []:
            return Naming()
        case [only]:
            return Naming(only, has_chosen=True)
        case _:
            return Naming(must_choose=True)
