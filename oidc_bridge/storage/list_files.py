"""A list of who may use an app, as CSV: who, until, note; each line is read, or has its fault."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from oidc_bridge.apps.spelling import read_note, read_until, read_who
from oidc_bridge.errors import BridgeError
from oidc_bridge.storage.whitelist import Listing

COLUMNS = ("who", "until", "note")
# What begins so is a formula to some spreadsheet (OWASP, "CSV Injection"), and one that takes
# another sign than the comma for the separator begins a cell behind that.
_FORMULA = r"[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]"
_BARE = re.compile(rf"(^|[;\t\r\n])(?='*{_FORMULA})")
_MARKED = re.compile(rf"(^|[;\t\r\n])'(?='*{_FORMULA})")


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that cannot be taken, and why."""

    line: int
    text: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ListFile:
    """What a file says."""

    entries: Sequence[Listing]
    faults: Sequence[Fault]


def read_list(text: str, *, now: datetime) -> ListFile:
    """Return the entries of a file with the columns who, until and note; the last two may be
    missing, and a first line that names them is one.

    Raises:
        BridgeError: ``list_invalid`` for what is no CSV at all.
    """
    found: dict[tuple[str, str], Listing] = {}
    faults = []
    for line, row in _rows(text):
        try:
            entry = _read_row(row, now)
            key = (entry.kind, entry.who)
            if key in found:
                raise BridgeError("who_twice", f"{entry.who} is there twice")
            found[key] = entry
        except BridgeError as error:
            faults.append(Fault(line, ",".join(row), error.code, error.detail))
    return ListFile(list(found.values()), faults)


def read_entry(who: str, until: str, note: str, *, now: datetime) -> Listing:
    """Return an entry as an operator types it; an empty *until* for one that stays.

    Raises:
        BridgeError: ``who_malformed``, ``until_malformed``, ``until_past``, ``note_malformed``.
    """
    read_as = read_who(who)
    over = read_until(until, now=now) if until else None
    return Listing(read_as.kind, read_as.text, over, read_note(note))


def harmless(cell: str) -> str:
    """Return *cell* with a mark wherever a spreadsheet could take it for a formula."""
    return _BARE.sub(r"\1'", cell)


def as_meant(cell: str) -> str:
    """Return a cell without the marks of `harmless`."""
    return _MARKED.sub(r"\1", cell)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    try:
        # Read whole before any of it is taken: a quote that never ends swallows what follows.
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = [(lines.line_num, row) for row in lines if row]
    except csv.Error as error:
        raise BridgeError("list_invalid", f"not CSV: {error}") from error
    if rows and tuple(cell.strip() for cell in rows[0][1]) == COLUMNS[: len(rows[0][1])]:
        rows = rows[1:]
    yield from rows


def _read_row(row: list[str], now: datetime) -> Listing:
    if len(row) > len(COLUMNS):
        raise BridgeError("row_malformed", f"{len(row)} cells, expected who, until, note")
    who, until, note = (as_meant(cell.strip()) for cell in (*row, "", "")[: len(COLUMNS)])
    return read_entry(who, until, note, now=now)
