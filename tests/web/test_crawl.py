"""Every page that a person can come to by a link, opened: nothing breaks, nothing changes."""

import html
import re
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from oidc_bridge.config import Settings
from oidc_bridge.sections import OiChatDoor
from tests.conftest import Clock
from tests.driver import HOMESERVER, ISSUER
from tests.fake_names import FakeNames
from tests.full_life import SERVICE, Life, live, with_names
from tests.web.test_pages import everything

_LOADED = re.compile(r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=\"([^\"]*)\"")
_LINKED = re.compile(r"<(a|link)\b([^>]*)>")
_FORM = re.compile(r"<form\b([^>]*)>")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    door = OiChatDoor(enabled=True, server_name=HOMESERVER.server_name)
    return with_names(settings).model_copy(update={"oichat": door})


@pytest.fixture
def fetch() -> FakeNames:
    return FakeNames(SERVICE)


@pytest.fixture
def life(app: Flask, clock: Clock, fetch: FakeNames) -> Life:
    return live(app, clock, fetch)


def attribute(text: str, name: str) -> str | None:
    found = re.search(rf'\b{name}="([^"]*)"', text)
    return html.unescape(found[1]) if found else None


def is_ours(url: str) -> bool:
    return url.startswith(f"{ISSUER}/")


def whole(base: str, url: str) -> str:
    """Return where a link leads, without its anchor."""
    return urljoin(f"{ISSUER}{base}", html.unescape(url)).partition("#")[0]


class Crawler:
    """Follows links, breadth first; keeps what it saw."""

    def __init__(self, app: Flask, life: Life) -> None:
        self.life = life
        self.map = app.url_map.bind("bridge.example", url_scheme="https")
        self.seen: dict[str, TestResponse] = {}
        self.faults: list[str] = []
        self.rules: set[str] = set()

    def crawl(self, *starts: str) -> None:
        waiting = [*starts]
        while waiting:
            path = waiting.pop(0)
            if path in self.seen:
                continue
            self.seen[path] = answer = self.life.person.get(path)
            self.note_rule(path)
            if answer.status_code >= 500:
                self.faults.append(f"{path}: {answer.status_code}")
            if answer.location:
                self.follow(path, answer.location, waiting)
            if answer.mimetype == "text/html":
                self.read(path, answer.text, waiting)
            answer.close()

    def read(self, path: str, page: str, waiting: list[str]) -> None:
        for tag, text in _LINKED.findall(page):
            target = attribute(text, "href")
            if target is None:
                self.faults.append(f"{path}: a link without an address")
            elif tag == "link" and not is_ours(whole(path, target)):
                self.faults.append(f"{path}: loads {target}")
            else:
                self.follow(path, target, waiting)
        for source in _LOADED.findall(page):
            if is_ours(whole(path, source)):
                self.follow(path, source, waiting)
            else:
                self.faults.append(f"{path}: loads {source}")
        for text in _FORM.findall(page):
            self.check_form(path, attribute(text, "action"), attribute(text, "method"))

    def follow(self, path: str, target: str, waiting: list[str]) -> None:
        url = whole(path, target)
        if is_ours(url):
            waiting.append(url.removeprefix(ISSUER))

    def check_form(self, path: str, action: str | None, method: str | None) -> None:
        url = whole(path, action or "")
        if not is_ours(url):
            self.faults.append(f"{path}: a form leads to {url}")
            return
        try:
            self.map.match(urlsplit(url).path, method=(method or "get").upper())
        except HTTPException as error:
            self.faults.append(f"{path}: a form leads to {url}: {error.name}")

    def note_rule(self, path: str) -> None:
        try:
            rule, _ = self.map.match(urlsplit(path).path, method="GET", return_rule=True)
        except HTTPException as error:
            self.faults.append(f"{path}: {error.name}")
            return
        self.rules.add(rule.rule)


def crawl(app: Flask, life: Life) -> Crawler:
    crawler = Crawler(app, life)
    crawler.crawl("/account", *life.open_urls)
    return crawler


def test_no_page_that_a_link_leads_to_breaks_or_changes_anything(app: Flask, life: Life) -> None:
    before = everything(app)

    crawler = crawl(app, life)

    assert everything(app) == before
    assert crawler.faults == []


def test_every_page_of_the_account_is_linked(app: Flask, life: Life) -> None:
    """A page of the account that no link leads to fails here, so the crawl sees new ones."""
    only_after_a_form = {"/account/data/gone/<id:mark>"}

    crawler = crawl(app, life)

    pages = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/account") and "GET" in (rule.methods or ())
    }
    assert pages - crawler.rules == only_after_a_form
    assert {urlsplit(url).path for url in life.open_urls} <= {
        urlsplit(path).path for path, answer in crawler.seen.items() if answer.status_code != 303
    }


def test_the_crawl_would_see_what_is_wrong(app: Flask, life: Life) -> None:
    crawler = Crawler(app, life)
    page = (
        '<a href="/nowhere">x</a><script src="https://evil.example/x.js"></script>'
        '<link rel="stylesheet" href="//evil.example/x.css">'
        '<form method="post" action="/account/nothing"></form>'
        '<form method="post" action="https://evil.example/"></form>'
    )
    waiting: list[str] = []

    crawler.read("/account", page, waiting)
    crawler.crawl(*waiting)

    assert sorted(fault.partition(": ")[2] for fault in crawler.faults) == [
        "Not Found",
        "a form leads to https://bridge.example/account/nothing: Not Found",
        "a form leads to https://evil.example/",
        "loads //evil.example/x.css",
        "loads https://evil.example/x.js",
    ]
