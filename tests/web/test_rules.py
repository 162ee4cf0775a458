"""My own rules: what widens wants a proof, what changes is told, and they are mine alone."""

import html
import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from oidc_bridge.storage import read, write
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.whitelist import PersonRuleRow
from tests.conftest import Clock
from tests.driver import WIKI, Person, fields_of, userinfo
from tests.web.test_account import deliveries
from tests.web.test_my_apps import fill
from tests.web.test_whitelist import BOT, CHAT_APP, asked, let_unknown, plain, rule

RULES = "/account/rules"


@pytest.fixture(autouse=True)
def unknown_apps_are_asked_about(app: Flask) -> None:
    let_unknown(app, "ask")


def say(person: Person, word: str, name: str = BOT, **more: str) -> Any:
    fields = {"csrf": fields_of(person.get(RULES).text, RULES)["csrf"]}
    return person.post(RULES, {**fields, "app": name, "say": word, **more})


def rules(app: Flask) -> list[tuple[str, str]]:
    with app.app_context(), read() as connection:
        rows = connection.execute(select(PersonRuleRow.app, PersonRuleRow.say))
        return [(name, word) for name, word in rows]


def test_a_rule_is_kept_by_the_origin_of_an_address(app: Flask, ann: Person) -> None:
    ann.tokens()

    answer = say(ann, "deny", "https://Bot.Example:443/login?x=1")

    assert answer.location == "/account/rules?done=saved"
    assert rules(app) == [(BOT, "deny")]
    assert "bot.example" in ann.get(RULES).text


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, "allow"), ("alone", "allow"), ("deny", "forget"), ("deny", "alone")],
)
def test_what_widens_wants_a_fresh_proof(
    app: Flask, ann: Person, clock: Clock, before: str | None, after: str
) -> None:
    ann.tokens()
    if before:
        say(ann, before)
    kept = rules(app)
    clock.advance(minutes=6)

    answer = say(ann, after)

    assert answer.location.startswith("/sign-in/")
    assert rules(app) == kept
    assert ann.prove(answer.location).location == "/account/rules?done=confirmed"
    assert say(ann, after).location == "/account/rules?done=saved"
    assert rules(app) == ([] if after == "forget" else [(BOT, after)])


@pytest.mark.parametrize("word", ["alone", "deny"])
def test_what_narrows_wants_none(app: Flask, ann: Person, clock: Clock, word: str) -> None:
    ann.tokens()
    clock.advance(minutes=6)

    assert say(ann, word).location == "/account/rules?done=saved"

    assert rules(app) == [(BOT, word)]


def test_a_change_of_id_is_told_before_it_is_made(app: Flask, ann: Person) -> None:
    ann.tokens(as_whom="main")
    main = ann.wallet.address.c32.lower()

    page = say(ann, "alone", CHAT_APP)

    assert page.status_code == 200
    assert f"Until now it knows you as @{main}:matrix.example." in plain(page.text)
    assert "a new ID, which is made then" in page.text
    assert rules(app) == [(CHAT_APP, "allow")]
    assert 'name="sign_out" value="yes">' in page.text


def test_signing_it_out_is_the_persons_choice(app: Flask, ann: Person) -> None:
    token = str(ann.tokens()["access_token"])

    say(ann, "deny", CHAT_APP, confirm="yes")

    assert deliveries(app) == []
    assert asked(ann).startswith("/refused/")
    say(ann, "deny", CHAT_APP, confirm="yes", sign_out="yes")
    assert [client for client, _, _ in deliveries(app)] == ["synapse"]
    assert userinfo(app, token).status_code == 401


def test_an_operators_rule_that_leaves_mine_nothing_to_say_is_shown(
    app: Flask, ann: Person
) -> None:
    ann.tokens()
    say(ann, "allow")
    assert "Changes nothing now" not in ann.get(RULES).text

    rule(app, BOT, "alone")

    assert "know you only under an ID of its own" in ann.get(RULES).text


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("client:nobody", "deny"),
        (BOT, "nonsense"),
    ],
)
def test_what_is_no_rule_is_refused(app: Flask, ann: Person, name: str, word: str) -> None:
    ann.tokens()

    answer = say(ann, word, name)

    assert answer.status_code == 400
    assert "form_malformed" in answer.text
    assert rules(app) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"app": "javascript:x"}, "That is not the address of an app."),
        ({"app": "https://a@b.example"}, "That is not the address of an app."),
        ({"mine": "javascript:x"}, "That is not the address of an app."),
        ({}, "Choose one of your apps"),
        ({"app": " "}, "Choose one of your apps"),
        ({"app": BOT, "mine": CHAT_APP}, "not both"),
    ],
)
def test_what_names_no_app_is_said_where_it_was_written(
    app: Flask, ann: Person, given: dict[str, str], words: str
) -> None:
    ann.tokens()

    answer = ann.press_on(RULES, RULES, **{"app": "", "say": "deny", **given})

    assert answer.status_code == 400
    assert words in plain(answer.text)
    assert 'value="deny" checked' in answer.text
    assert rules(app) == []


def choices(person: Person) -> list[tuple[str, str]]:
    found = re.findall(r'<option value="(.+?)">(.*?)</option>', person.get(RULES).text)
    return [(name, html.unescape(title)) for name, title in found]


def test_my_apps_are_offered_latest_first_until_a_rule_is_about_them(
    app: Flask, ann: Person, clock: Clock
) -> None:
    assert "<select" not in ann.get(RULES).text
    ann.tokens()
    clock.advance(seconds=1)
    ann.tokens(WIKI)
    of_chat, of_wiki = (CHAT_APP, "chat.example"), ("client:wiki", "The Wiki")
    assert choices(ann) == [of_wiki, of_chat]

    ann.press_on(RULES, RULES, mine="client:wiki", app="", say="deny", confirm="yes")

    assert rules(app) == [("client:wiki", "deny")]
    assert choices(ann) == [of_chat]


def test_a_choice_shows_the_address_beside_what_an_app_calls_itself(
    app: Flask, ann: Person
) -> None:
    ann.tokens()
    with app.app_context():
        write(lambda c: c.execute(update(ConsentRow).values(app_title="Bank\u202e & Co")))

    assert choices(ann) == [(CHAT_APP, "Bank & Co (chat.example)")]


def test_the_fifty_apps_used_last_are_offered(app: Flask, ann: Person) -> None:
    ann.tokens()
    fill(app, 60, 60)

    offered = [name for name, _ in choices(ann)]

    assert offered == [f"https://app{number:04}.example" for number in range(59, 9, -1)]


def test_nobody_sees_or_touches_another_persons_rules(app: Flask, ann: Person, bob: Person) -> None:
    ann.tokens()
    bob.tokens()
    say(ann, "deny")

    assert "bot.example</bdi>" not in bob.get(RULES).text
    say(bob, "forget")

    assert rules(app) == [(BOT, "deny")]


def test_rules_are_for_those_who_are_signed_in(ann: Person) -> None:
    assert ann.get(RULES).status_code == 401
