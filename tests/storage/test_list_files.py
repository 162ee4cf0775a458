"""A list as CSV: what a spreadsheet could run is marked, and read back as it was meant."""

import csv
import io
from itertools import product

import pytest

from oidc_bridge.errors import BridgeError
from oidc_bridge.storage.list_files import as_meant, decode_list, harmless, read_list
from oidc_bridge.storage.whitelist import Listing
from tests.fakes import NOW


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "ok;=1+1", "ok\t=1+1", "ok\n=1+1", "\uff1d1+1"],
)
def test_no_cell_begins_as_a_formula_whichever_sign_separates(cell: str, delimiter: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow(["ann.btc", "", harmless(cell)])

    for line in file.getvalue().splitlines():
        for found in next(csv.reader([line], delimiter=delimiter)):
            assert found.strip('"')[:1] not in ("=", "+", "-", "@", "\uff1d")


def test_a_marked_cell_is_read_as_it_was_written() -> None:
    for length in range(6):
        for signs in product("'=;\ta", repeat=length):
            cell = "".join(signs)
            assert as_meant(harmless(cell)) == cell


@pytest.mark.parametrize("cell", ["", "a=b", "ann.btc", "it's; fine"])
def test_what_is_no_formula_stays_as_it_is(cell: str) -> None:
    assert harmless(cell) == cell


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_a_file_is_read_in_the_encodings_that_spreadsheets_save(encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    data = f"{mark}who\tuntil\tnote\r\nann.btc\t\tfür alle\r\n".encode(encoding)

    found = read_list(decode_list(data), now=NOW)

    assert (found.entries, found.faults) == ([Listing("name", "ann.btc", note="für alle")], [])


@pytest.mark.parametrize("data", [b"f\xfcr", b"\xff\xfea"], ids=["latin-1", "half a sign"])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(BridgeError) as refused:
        decode_list(data)

    assert refused.value.code == "list_not_text"
