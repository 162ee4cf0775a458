"""Lists as files. A spreadsheet must show what strangers wrote, never run it."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from flask import Response, stream_with_context

from oidc_bridge.storage.list_files import harmless


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Response:
    """Return rows as a CSV file (RFC 4180) that is sent while it is made."""

    def lines() -> Iterator[str]:
        yield csv_line(header)
        for row in rows:
            yield csv_line([harmless(cell) for cell in row])

    return _file(lines(), f"{name}.csv", "text/csv; charset=utf-8")


def json_file(name: str, rows: Iterable[Mapping[str, object]]) -> Response:
    """Return rows as a JSON array, one on each line, that is sent while it is made."""

    def lines() -> Iterator[str]:
        before = "["
        for row in rows:
            yield f"{before}\n{json.dumps(row, sort_keys=True)}"
            before = ","
        yield "[]\n" if before == "[" else "\n]\n"

    return _file(lines(), f"{name}.json", "application/json")


def csv_line(cells: Sequence[str]) -> str:
    """Return a line of CSV with its end."""
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _file(lines: Iterator[str], name: str, content_type: str) -> Response:
    return Response(
        stream_with_context(lines),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
