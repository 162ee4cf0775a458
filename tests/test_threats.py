"""Every row of the tables of threats is held by a test that can be found by its name."""

import pytest

from tests.specifications import renew
from tests.threats import NOT_APPLICABLE, PAGE, ROWS, read_names, render, rows_of

HELD = read_names()


@pytest.mark.parametrize("row", ROWS)
def test_each_row_has_a_test_or_a_reason_and_not_both(row: str) -> None:
    assert bool(HELD.get(row)) != bool(NOT_APPLICABLE.get(row))


def test_no_test_holds_a_row_of_these_tables_that_is_not_there() -> None:
    letters = {row[0] for row in ROWS}

    assert {row for row in HELD if row[0] in letters} <= set(ROWS)


def test_the_page_is_up_to_date() -> None:
    """If not: ``scripts/specifications``."""
    page = PAGE.read_text(encoding="utf-8")

    assert page == renew(page, render(HELD))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("test_k4_two_ways_at_once_are_refused", ["K4"]),
        ("test_k7_p1_a_code_gives_nothing_after", ["K7", "P1"]),
        ("test_k10_other_content_types_are_refused", ["K10"]),
        ("test_a_code_becomes_tokens", []),
        ("test_k4", []),
    ],
)
def test_a_name_begins_with_its_rows(name: str, rows: list[str]) -> None:
    assert list(rows_of(name)) == rows
