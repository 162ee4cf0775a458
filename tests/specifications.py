"""Writes what tests vouch for into docs/specifications.md: ``scripts/specifications``.

A test says which section it holds: ``@pytest.mark.spec("RFC 7636", "4.6")``. The marks are read
from the source with `ast`, so nothing has to run.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "specifications.md"
_BEGIN, _END = "<!-- held by tests: begin -->\n", "<!-- held by tests: end -->\n"


def read_marks() -> dict[tuple[str, str], list[str]]:
    """Return, by document and section, the tests that hold it, as ``file::name``."""
    marks: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        where = path.relative_to(TESTS.parent).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    section = _section(mark)
                    if section:
                        marks[section].append(f"{where}::{node.name}")
    return marks


def _section(mark: ast.expr) -> tuple[str, str] | None:
    if not (isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.spec"):
        return None
    document, section = (ast.literal_eval(argument) for argument in mark.args)
    return document, section


def render(marks: dict[tuple[str, str], list[str]]) -> str:
    """Return the table, in the order of documents and sections."""
    lines = ["| Specification | Section | Tests |", "|---|---|---|"]
    for (document, section), tests in sorted(marks.items(), key=lambda item: _order(*item[0])):
        links = [
            f"[{name.removeprefix('test_').replace('_', ' ')}](../{path})"
            for path, name in (test.split("::") for test in tests)
        ]
        lines.append(f"| {document} | {section} | {'; '.join(links)} |")
    return "\n".join(lines) + "\n"


def _order(document: str, section: str) -> tuple[str, list[int], str]:
    return document, [int(number) for number in re.findall(r"\d+", section)], section


def renew(page: str, table: str) -> str:
    """Return *page* with *table* in its place."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{table}{_END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renew(PAGE.read_text(encoding="utf-8"), render(read_marks())), encoding="utf-8")
