"""The suite's browser, as far as the scripts of ``demo --conformance`` use it, without JavaScript.

It takes the suite's own JSON: an entry fits the address that a module opens, its tasks fit the page
on which the browser stands, and each command is a click or a wait.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.etree.ElementTree import Element

import requests

from tests.conformance.page import Page, text_of

_MOST_REDIRECTS = 10
Script = Mapping[str, Any]


class BrowserError(Exception):
    """A script does not fit what the bridge showed; the suite would fail the module."""


@dataclass
class Browser:
    """One browser profile: what the suite keeps for one module.

    Attributes:
        authority: Who vouches for bridge and suite.
    """

    authority: Path
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False
        self.session.verify = str(self.authority)

    def visit(self, config: Script, module: str, url: str, *, method: str = "GET") -> "Visit":
        """Open *url* for *module* and run the script for it to its end."""
        entries = config["override"].get(module, config)["browser"]
        entry = next((one for one in entries if fits(one["match"], url)), None)
        if entry is None:
            raise BrowserError(f"no script for {url}")
        visit = Visit(self)
        if method == "POST":
            address, _, query = url.partition("?")
            visit.open("POST", address, query, from_form=False)
        else:
            visit.open("GET", url)
        for task in entry["tasks"]:
            if fits(task["match"], visit.url):
                for command in task["commands"]:
                    visit.obey(command)
            elif not task.get("optional", False):
                raise BrowserError(f"{task['task']}: at {visit.url}: {visit.words}")
        return visit


@dataclass
class Visit:
    """What the browser shows, and which pages it kept as pictures."""

    browser: Browser
    url: str = ""
    pictures: list[str] = field(default_factory=list)
    _page: Page = field(default_factory=lambda: Page(""))
    _checked: dict[Element, bool] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What a person reads on the page."""
        return text_of(self._page, self._page.root)

    def open(
        self, method: str, url: str, body: str | Any = None, *, from_form: bool = True
    ) -> None:
        """Send a request and follow where it leads, as a browser does."""
        headers = {}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers |= _said_of(self.url, url) if from_form else {}
        answer = self._send(method, url, body, headers)
        for _ in range(_MOST_REDIRECTS):
            if not answer.is_redirect:
                break
            answer = self._send("GET", urljoin(answer.url, answer.headers["Location"]), None, {})
        self.url, self._page, self._checked = answer.url, Page(answer.text), {}

    def obey(self, command: Sequence[Any]) -> None:
        """Run one command (the suite's ``BrowserControl``)."""
        match list(command):
            case ["click", kind, name, *rest]:
                element = self._page.find(kind, name)
                if element is not None:
                    self._click(element)
                elif rest != ["optional"]:
                    raise BrowserError(f"no {name} at {self.url}: {self.words}")
            case ["wait", kind, name, int(), *rest]:
                self._expect(kind, name, *rest)
            case _:
                raise BrowserError(f"a command of another kind: {command}")

    def _expect(self, kind: str, name: str, words: str = "", action: str = "") -> None:
        element = self._page.find(kind, name)
        if element is None or not re.search(words, text_of(self._page, element)):
            raise BrowserError(f"no {words!r} in {name} at {self.url}: {self.words}")
        if action:
            self.pictures.append(self.words)

    def _click(self, element: Element) -> None:
        if not self._page.is_seen(element):
            raise BrowserError(f"nobody could click {element.attrib} at {self.url}")
        if element.get("type") in ("checkbox", "radio"):
            self._checked[element] = not self._is_checked(element)
        elif element.tag == "a":
            self.open("GET", urljoin(self.url, element.attrib["href"]))
        else:
            form = self._page.form_of(element)
            action = element.get("formaction") or form.get("action", "")
            fields = [*self._fields(form), *_named(element)]
            body = requests.Request("POST", "http://form", data=fields).prepare().body or ""
            self.open("POST", urljoin(self.url, action), body)

    def _fields(self, form: Element) -> list[tuple[str, str]]:
        fields = []
        for one in form.iter("input"):
            is_box = one.get("type") in ("checkbox", "radio")
            if not is_box or self._is_checked(one):
                fields += _named(one)
        return fields

    def _is_checked(self, box: Element) -> bool:
        return self._checked.get(box, "checked" in box.attrib)

    def _send(
        self, method: str, url: str, body: Any, headers: Mapping[str, str]
    ) -> requests.Response:
        return self.browser.session.request(
            method, url, data=body, headers=headers, allow_redirects=False, timeout=30
        )


def fits(pattern: str, text: str) -> bool:
    """Return whether a ``*`` pattern fits all of *text*; nothing else in it has a meaning."""
    quoted = re.sub(r"([\[\]?])", r"[\1]", pattern)
    return re.fullmatch(translate(quoted), text) is not None


def _named(element: Element) -> list[tuple[str, str]]:
    name = element.get("name")
    return [(name, element.get("value", "on"))] if name else []


def _said_of(page: str, target: str) -> dict[str, str]:
    here, there = (f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, (page, target)))
    return {"Origin": here, "Sec-Fetch-Site": "same-origin" if here == there else "cross-site"}
