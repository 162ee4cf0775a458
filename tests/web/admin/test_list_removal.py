"""Many people off a list at once: shown first, taken off in one press, taken back."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from oidc_bridge.storage.whitelist import AppRule, Listing, set_rule
from tests.driver import Person, fields_of
from tests.fakes import NOW
from tests.web.admin.conftest import change
from tests.web.admin.many import account_id, add_people, address
from tests.web.admin.test_lists import CHAT, LIST, PAGE, Admins, add, listed, put, undo
from tests.web.admin.test_people import counted

PREVIEW, TAKE = f"{LIST}/removal", f"{LIST}/removal/take"
ANN = Listing("name", "ann.btc", NOW + timedelta(days=9), "team")
BOB = Listing("name", "bob.btc")


@pytest.fixture(autouse=True)
def _a_list(app: Flask) -> None:
    change(app, lambda c: set_rule(c, AppRule(CHAT, "allow", "listed"), now=NOW))
    put(app, ANN, BOB)


def look(person: Person, text: str) -> TestResponse:
    form = fields_of(person.get(PAGE).text, f"{LIST}/import")
    return person.post(PREVIEW, {**form, "text": text})


def press(person: Person, shown: TestResponse, text: str) -> TestResponse:
    return person.post(TAKE, {**fields_of(shown.text, TAKE), "text": text})


def test_whom_it_takes_off_is_shown_before_they_go_and_can_be_put_back(
    app: Flask, an_admin: Admins
) -> None:
    admin = an_admin("admin")
    text = "who,until,note\nAnn.btc,2020-01-01,over\ncarol.btc\n<b>x</b>\n"

    shown = look(admin, text)

    page = re.sub(r"</?bdi>", "", shown.text)
    assert "1 entry comes off the list; 1 of those you named is not on it" in page
    assert "1 line that cannot be taken" in page
    assert "carol.btc" in page
    assert "team" in page
    assert "<b>x" not in page
    assert listed(app) == [ANN, BOB]
    led = press(admin, shown, text)
    assert listed(app) == [BOB]
    assert "1 entry taken off the list." in admin.get(led.location).text
    undo(admin, led)
    assert listed(app) == [ANN, BOB]


def test_whom_a_request_let_in_goes_by_their_address(app: Flask, an_admin: Admins) -> None:
    change(app, lambda c: add_people(c, 2))
    put(app, Listing("account", account_id(0)), Listing("account", account_id(1)))
    admin = an_admin("admin")

    shown = look(admin, address(0))
    press(admin, shown, address(0))

    assert address(0) in shown.text
    assert listed(app) == [Listing("account", account_id(1)), ANN, BOB]


def test_what_somebody_changed_meanwhile_is_shown_again(app: Flask, an_admin: Admins) -> None:
    admin, other = an_admin("admin"), an_admin("owner")
    shown = look(admin, "bob.btc\n")
    changed = add(other, "bob.btc", note="do not touch")
    keep = f"{LIST}/import/keep"
    other.post(keep, {**fields_of(changed.text, keep), "text": "bob.btc,,do not touch"})

    answer = press(admin, shown, "bob.btc\n")

    assert answer.status_code == 409
    assert "do not touch" in answer.text
    assert listed(app) == [ANN, Listing("name", "bob.btc", note="do not touch")]
    assert press(admin, answer, "bob.btc\n").status_code == 303
    assert listed(app) == [ANN]


def test_five_thousand_go_in_as_few_questions_as_one(app: Flask, an_admin: Admins) -> None:
    admin = an_admin("admin")
    put(app, *(Listing("address", address(number)) for number in range(5000)))
    text = "".join(f"{address(number)}\n" for number in range(5000))

    with counted(app) as statements:
        led = press(admin, look(admin, text), text)

    assert led.status_code == 303
    assert len(statements) < 40
    assert listed(app) == [ANN, BOB]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "There is nobody in it"),
        ("a.btc\n" * 5002, "At most 5000 lines"),
        ("\r".join(f"a{number}.btc" for number in range(5001)), "At most 5000 lines"),
        ("ann.btc\0", "no text in UTF-8"),
    ],
    ids=["empty", "lines", "old line ends", "nul"],
)
def test_a_text_that_names_nobody_takes_nobody_off(
    app: Flask, an_admin: Admins, text: str, says: str
) -> None:
    answer = look(an_admin("admin"), text)

    assert answer.status_code == 400
    assert says in answer.text
    assert listed(app) == [ANN, BOB]


def test_an_app_manager_takes_nobody_off_another_apps_list(app: Flask, an_admin: Admins) -> None:
    other = "https://other.example"
    change(app, lambda c: set_rule(c, AppRule(other, "allow", "listed"), now=NOW))
    put(app, BOB, name=other)
    manager = an_admin("app manager", apps=(CHAT,))
    form = {**fields_of(manager.get(PAGE).text, f"{LIST}/import"), "app": other, "text": "bob.btc"}

    for action in (PREVIEW, TAKE):
        assert manager.post(action, form).status_code == 404, action
    assert listed(app, other) == [BOB]
