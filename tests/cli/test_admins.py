"""Admins, given and taken on the command line."""

import json

import pytest

from tests.cli.conftest import ANN, BOB
from tests.shell import Operator

TOLD = "SELECT kind, account_id, detail FROM events WHERE kind LIKE 'role %' ORDER BY at"


def events(operator: Operator) -> list[tuple[str, str, dict[str, str]]]:
    return [(kind, who, json.loads(detail)) for kind, who, detail in operator.execute(TOLD)]


def test_the_first_is_an_owner_and_later_ones_what_is_said(operator: Operator) -> None:
    assert operator.does("admin", "add", ANN) == f"{ANN} is owner now\n"

    refused = operator.run("admin", "add", BOB)

    assert refused.exit_code == 2
    assert "say which: --role owner, admin" in refused.stderr
    assert operator.does("admin", "add", BOB, "--role", "auditor") == f"{BOB} is auditor now\n"
    assert operator.does("admin", "list") == "owner  ann.btc\nauditor  " + BOB + "\n"


def test_whoever_gets_another_role_first_leaves_the_place_of_an_owner(operator: Operator) -> None:
    operator.does("admin", "add", BOB, "--role", "auditor")

    assert operator.does("admin", "add", ANN) == f"{ANN} is owner now\n"


def test_an_app_managers_apps_are_read_as_rules_spell_them(operator: Operator) -> None:
    role = ("--role", "app manager", "--app", "https://B.example/", "--app", "https://a.example")
    operator.does("admin", "add", BOB, *role)

    (listed,) = json.loads(operator.does("admin", "list", "--json"))
    assert listed["apps"] == ["https://a.example", "https://b.example"]
    more = ("--role", "app manager", "--app", "https://a.example, nonsense")
    assert operator.fails("admin", "add", BOB, *more) == "app_malformed"


def test_events_say_what_was_and_what_is(operator: Operator) -> None:
    operator.does("admin", "add", BOB, "--role", "app manager", "--app", "https://a.example")
    operator.does("admin", "add", BOB, "--role", "auditor")
    operator.does("admin", "remove", BOB)

    by, manager = {"by": "command line"}, "app manager: https://a.example"
    assert events(operator) == [
        ("role given", "bob", {**by, "role": "app manager", "before": "", "after": manager}),
        ("role given", "bob", {**by, "role": "auditor", "before": manager, "after": "auditor"}),
        ("role taken", "bob", {**by, "before": "auditor", "after": ""}),
    ]


@pytest.mark.parametrize("role", ["owner", "admin", "auditor"])
def test_who_sees_all_apps_is_given_none(operator: Operator, role: str) -> None:
    refused = operator.run("admin", "add", BOB, "--role", role, "--app", "https://a.example")

    assert refused.exit_code == 2
    assert operator.does("admin", "list") == ""
