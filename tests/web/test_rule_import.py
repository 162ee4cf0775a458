"""The old list of apps: a suggestion, of which only what is ticked counts."""

import json

import pytest
from flask import Flask
from sqlalchemy import select

from oidc_bridge.storage import read
from oidc_bridge.storage.whitelist import PersonRuleRow
from tests.conftest import Clock
from tests.driver import Person, fields_of

PAGE = "/account/rules/import"
CHAT, BOT = "https://chat.example", "https://bot.example:8443"


@pytest.fixture
def ann(ann: Person) -> Person:
    ann.prove(ann.begin_account())
    return ann


def rules(app: Flask) -> dict[str, str]:
    with app.app_context(), read() as connection:
        return dict(connection.execute(select(PersonRuleRow.app, PersonRuleRow.say)).all())


def look(person: Person, *entries: object) -> str:
    return paste(person, json.dumps({"userapps": entries}))


def paste(person: Person, text: str) -> str:
    return person.press_on(PAGE, PAGE, file=text).text


def allow(person: Person, page: str, *apps: str) -> object:
    return person.post(f"{PAGE}/allow", {**fields_of(page, f"{PAGE}/allow"), "app": list(apps)})


def test_looking_at_it_keeps_nothing_and_ticks_nothing(app: Flask, ann: Person) -> None:
    page = look(ann, CHAT, BOT)

    assert f'value="{CHAT}"' in page
    assert "checked" not in page
    assert rules(app) == {}


def test_what_is_ticked_becomes_a_rule_and_nothing_else(app: Flask, ann: Person) -> None:
    page = look(ann, f"{CHAT}/", BOT)

    allow(ann, page, CHAT)

    assert rules(app) == {CHAT: "allow"}


def test_an_own_rule_is_not_overwritten(app: Flask, ann: Person) -> None:
    ann.press_on("/account/rules", "/account/rules", app=CHAT, say="deny")
    page = look(ann, CHAT, BOT)
    assert "You have a rule for it already." in page

    allow(ann, page, CHAT, BOT)

    assert rules(app) == {CHAT: "deny", BOT: "allow"}


@pytest.mark.parametrize(
    "entry",
    [
        "javascript:alert(1)",
        "chat.example",
        "",
        "http://chat.example",
        "element://x",
        "https://a@b",
    ],
)
def test_what_is_no_address_of_one_app_is_named_and_cannot_be_ticked(
    app: Flask, ann: Person, entry: str
) -> None:
    page = look(ann, entry, CHAT)

    assert page.count('type="checkbox"') == 1
    assert allow(ann, page, entry).status_code == 400  # type: ignore[attr-defined]
    assert rules(app) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 60_000, "not JSON"),
        ("[]", "no list"),
        ("{}", "no list"),
        ('{"userapps": "https://chat.example"}', "no list"),
        ('{"userapps": [1]}', "no list"),
        (json.dumps({"userapps": [f"https://a{n}.example" for n in range(201)]}), "At most 200"),
        (" " * 65_537, "64 kB"),
    ],
    ids=["empty", "broken", "deep", "a list", "without", "text", "numbers", "many", "large"],
)
def test_what_is_no_such_file_is_said_to_be_none(ann: Person, text: str, words: str) -> None:
    assert words in paste(ann, text)


def test_markup_in_it_is_text(ann: Person) -> None:
    assert "<script>alert" not in look(ann, "<script>alert(1)</script>")


def test_allowing_wants_a_fresh_proof(app: Flask, ann: Person, clock: Clock) -> None:
    page = look(ann, CHAT)
    clock.advance(minutes=6)

    answer = allow(ann, page, CHAT)

    assert answer.location.startswith("/sign-in/")  # type: ignore[attr-defined]
    assert rules(app) == {}
