"""docs/specifications.md says what the tests hold today."""

from tests.specifications import PAGE, read_marks, render, renew


def test_the_page_is_up_to_date() -> None:
    """If not: ``scripts/specifications``."""
    page = PAGE.read_text(encoding="utf-8")

    assert page == renew(page, render(read_marks()))


def test_sections_come_in_their_own_order() -> None:
    marks = {("RFC 9126", "10"): ["t::test_a"], ("RFC 9126", "2.1"): ["t::test_b"]}

    assert render(marks).index("| 2.1 |") < render(marks).index("| 10 |")


def test_marks_are_read() -> None:
    assert ("RFC 9126", "2.2") in read_marks()
