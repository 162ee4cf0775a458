"""A list as CSV: what a spreadsheet could run is marked, and read back as it was meant."""

import csv
import io
from itertools import product

import pytest

from oidc_bridge.storage.list_files import as_meant, harmless


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
