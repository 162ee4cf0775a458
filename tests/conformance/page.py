"""A page as a browser without scripts sees it: elements, and the selectors that scripts use."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder

_VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_UNSEEN = frozenset({"head", "noscript", "script", "style", "template"})
_STEP = re.compile(r"(?P<tag>[a-z][a-z0-9]*)?(?P<tests>(?:#[\w-]+|\[[^\]]+\]|:not\(\[[^\]]+\]\))*)")
_TEST = re.compile(r"#(?P<id>[\w-]+)|:not\(\[(?P<absent>[\w-]+)\]\)|\[(?P<inside>[^\]]+)\]")
_ATTRIBUTE = re.compile(r"(?P<name>[\w-]+)(?P<how>\^?=)'(?P<value>[^']*)'")


class Page(HTMLParser):
    """The tree of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._builder = TreeBuilder()
        self._builder.start("page", {})
        self._open: list[str] = []
        self.feed(text)
        self.close()
        while self._open:
            self._builder.end(self._open.pop())
        self._builder.end("page")
        self.root = self._builder.close()
        self._parents = {child: parent for parent in self.root.iter() for child in parent}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in _VOID:
            self._builder.end(tag)
        else:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._builder.start(tag, {name: value or "" for name, value in attrs})
        self._builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while (closed := self._open.pop()) != tag:
                self._builder.end(closed)
            self._builder.end(tag)

    def handle_data(self, data: str) -> None:
        self._builder.data(data)

    def find(self, kind: str, value: str) -> Element | None:
        """Return the first element that a selector names; ``kind`` is ``id`` or ``css``."""
        selector = {"id": f"#{value}", "css": value}[kind]
        return next((found for found in self.root.iter() if self._fits(found, selector)), None)

    def ancestors(self, element: Element) -> Iterator[Element]:
        """Yield the element and what it stands in, up to the page."""
        current: Element | None = element
        while current is not None:
            yield current
            current = self._parents.get(current)

    def is_seen(self, element: Element) -> bool:
        """Return whether a person would see it."""
        return not any(
            "hidden" in one.attrib or one.tag in _UNSEEN for one in self.ancestors(element)
        )

    def form_of(self, element: Element) -> Element:
        """Return the form around an element."""
        return next(one for one in self.ancestors(element) if one.tag == "form")

    def _fits(self, element: Element, selector: str) -> bool:
        *outer, last = selector.split()
        if not _is_one(element, last):
            return False
        around = self.ancestors(self._parents[element]) if element in self._parents else iter(())
        return all(any(_is_one(one, step) for one in around) for step in reversed(outer))


def text_of(page: Page, element: Element) -> str:
    """Return the words that a person would read, on one line."""
    return " ".join("".join(_texts(page, element)).split())


def _texts(page: Page, element: Element) -> Iterator[str]:
    if not page.is_seen(element):
        return
    yield element.text or ""
    for child in element:
        yield from _texts(page, child)
        yield child.tail or ""


def _is_one(element: Element, step: str) -> bool:
    parsed = _STEP.fullmatch(step)
    assert parsed, f"a selector of another kind: {step}"
    if parsed["tag"] not in (None, element.tag):
        return False
    return all(_passes(element, test) for test in _TEST.finditer(parsed["tests"]))


def _passes(element: Element, test: re.Match[str]) -> bool:
    if test["id"] is not None:
        return element.get("id") == test["id"]
    if test["absent"] is not None:
        return element.get(test["absent"]) is None
    attribute = _ATTRIBUTE.fullmatch(test["inside"])
    assert attribute, f"a selector of another kind: {test[0]}"
    value, wanted = element.get(attribute["name"]), attribute["value"]
    if value is None or attribute["how"] == "=":
        return value == wanted
    return value.startswith(wanted)
