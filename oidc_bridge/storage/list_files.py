"""A list of who may use an app, as CSV: who, until, note; each line is read, or has its fault."""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from oidc_bridge.apps.spelling import Who, read_note, read_until, read_who
from oidc_bridge.errors import BridgeError
from oidc_bridge.storage.whitelist import Listing

COLUMNS = ("who", "until", "note")
# What begins so is a formula to some spreadsheet (OWASP, "CSV Injection"), and one that takes
# another sign than the comma for the separator begins a cell behind that.
_FORMULA = r"[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]"
_BARE = re.compile(rf"(^|[;\t\r\n])(?='*{_FORMULA})")
_SEPARATOR = re.compile(r"[,;\t]")
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


def decode_list(data: bytes) -> str:
    """Return a file's text: UTF-8, or what Excel calls "Unicode text", UTF-16 that says so.

    Raises:
        BridgeError: ``list_not_text``.
    """
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return str(data, "utf-16" if is_wide else "utf-8")
    except UnicodeDecodeError as error:
        raise BridgeError("list_not_text", f"not CSV in UTF-8: {error}") from error


def read_list(text: str, *, now: datetime) -> ListFile:
    """Return the entries of a text with the columns who, until and note; the last two may be
    missing, and a first line that names them is one. What first separates two cells does so in
    every line: a comma, a semicolon or a tab. No cell goes over two lines.
    """
    found: dict[tuple[str, str], Listing] = {}
    faults = []
    for at, line, separator in _lines(text):
        try:
            entry = read_entry(*_cells(line, separator), now=now)
            key = (entry.kind, entry.who)
            if key in found:
                raise BridgeError("who_twice", f"{entry.who} is there twice")
            found[key] = entry
        except BridgeError as error:
            faults.append(Fault(at, line, error.code, error.detail))
    return ListFile(list(found.values()), faults)


def read_people(text: str) -> tuple[Sequence[Who], Sequence[Fault]]:
    """Return whom a text in the form of `read_list` names, once each, whatever it says of them."""
    people: dict[Who, None] = {}
    faults = []
    for at, line, separator in _lines(text):
        try:
            people[read_who(_cells(line, separator)[0])] = None
        except BridgeError as error:
            faults.append(Fault(at, line, error.code, error.detail))
    return list(people), faults


def read_entry(who: str, until: str, note: str, *, now: datetime) -> Listing:
    """Return an entry as an operator types it; an empty *until* for one that stays.

    Raises:
        BridgeError: ``who_malformed``, ``who_is_matrix_id``, ``until_malformed``, ``until_past``,
            ``note_malformed``.
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


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Give each line that says something, with its number before and its separator behind it."""
    # Spreadsheets put a byte order mark before what they save, and before what is copied from it.
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    separator = next(iter(_SEPARATOR.findall(text)), ",")
    is_first = True
    for at, line in enumerate(text.split("\n"), 1):
        if not line.strip(f" {separator}"):
            continue
        if not (is_first and _is_head(line, separator)):
            yield at, line, separator
        is_first = False


def _is_head(line: str, separator: str) -> bool:
    cells = tuple(cell.strip(' "').lower() for cell in line.split(separator))
    return cells == COLUMNS[: len(cells)]


def _cells(line: str, separator: str) -> tuple[str, str, str]:
    try:
        (row,) = csv.reader([line], delimiter=separator, strict=True)
    except (csv.Error, ValueError) as error:
        raise BridgeError("row_not_csv", str(error)) from error
    if len(row) > len(COLUMNS) and not any(row[len(COLUMNS) :]):
        row = row[: len(COLUMNS)]
    if len(row) > len(COLUMNS):
        raise BridgeError("row_malformed", f"{len(row)} cells, expected who, until, note")
    who, until, note = (as_meant(cell.strip()) for cell in (*row, "", "")[: len(COLUMNS)])
    return who, until, note
