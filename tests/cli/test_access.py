"""`request`: people who ask to be let in; `explain`: why somebody is in or out."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from oidc_bridge.storage.people import block
from oidc_bridge.storage.whitelist import set_person_rule
from tests.cli.conftest import ANN, BOB, CHAT, ask
from tests.cli.test_apps import events, people, shown
from tests.shell import Operator

NOW = datetime.now(UTC)
DAY = (NOW + timedelta(days=30)).date()


def explained(operator: Operator, who: str = "ann.btc", app: str = CHAT, *more: str) -> str:
    return operator.does("explain", who, app, *more)


def result_of(operator: Operator, who: str = "ann.btc", app: str = CHAT, *more: str) -> str:
    return explained(operator, who, app, *more).splitlines()[-1].removeprefix("result:    ")


# --- requests ---


def test_requests_wait_in_the_order_in_which_they_came(operator):
    first, second = ask(operator, "bob"), ask(operator, "ann")

    listed = json.loads(operator.does("request", "list", "--json"))

    assert [one["id"] for one in listed] == [first, second]
    assert listed[0]["note"] == "please"
    lines = operator.does("request", "list").splitlines()
    assert lines[0].split()[::2] == [first, "bob", "please"]
    assert json.loads(operator.does("request", "list", "--decided", "--json")) == []


def test_an_approval_makes_the_rule_that_an_app_does_not_have_and_says_so(operator):
    operator.does("app", "default", "synapse", "deny")
    assert result_of(operator).startswith("no (app_unknown)")

    said = operator.does("request", "approve", ask(operator, "ann"), "--until", DAY.isoformat())

    assert "no rule named it; now: allow for listed people" in said
    assert (shown(operator)["say"], shown(operator)["for"]) == ("allow", "listed")
    (entry,) = shown(operator)["people"]
    assert (entry["kind"], entry["who"]) == ("account", "ann")
    assert entry["until"].startswith(str(DAY + timedelta(days=1)))
    assert result_of(operator).startswith("yes, as themselves")
    assert result_of(operator, BOB).startswith("no (not_listed)")


def test_an_approval_puts_somebody_on_the_list_that_there_is(operator):
    operator.does("app", "alone", CHAT, "--for-listed-people", "--note", "staff")
    operator.does("app", "admit", CHAT, "bob.btc")

    said = operator.does("request", "approve", ask(operator, "ann"))

    assert said == f"ann is on the list of {CHAT}\n"
    assert (shown(operator)["say"], shown(operator)["note"]) == ("alone", "staff")
    assert people(operator) == {"bob.btc", "ann"}
    assert result_of(operator).startswith("yes, by an ID that it alone sees")


def test_an_approval_tells_whom_else_a_rule_that_had_run_out_lets_in(operator):
    operator.does("app", "alone", CHAT, "--for-everyone")
    operator.does("app", "admit", CHAT, "bob.btc")
    operator.execute("UPDATE app_rules SET until = 1")

    said = operator.does("request", "approve", ask(operator, "ann"))

    assert "its rule had run out; now: alone for listed people" in said
    assert "let in by this: 1" in said


def test_an_approval_of_an_app_for_everyone_says_that_it_is(operator):
    operator.does("app", "allow", CHAT)

    assert "is for everyone anyway" in operator.does("request", "approve", ask(operator, "ann"))


def test_a_denied_app_stays_denied_and_its_requests_stay_open(operator):
    waiting = ask(operator, "ann")
    operator.does("app", "deny", CHAT)

    assert operator.fails("request", "approve", waiting) == "app_denied"

    assert [one["id"] for one in json.loads(operator.does("request", "list", "--json"))] == [
        waiting
    ]
    assert people(operator) == set()


def test_an_app_by_plain_http_is_let_in_by_no_request(operator):
    waiting = ask(operator, "ann", "http://chat.example")

    assert operator.fails("request", "approve", waiting) == "app_insecure"
    assert operator.does("app", "list") == ""


def test_a_decline_tells_the_person_why(operator):
    waiting = ask(operator, "ann")

    operator.does("request", "decline", waiting, "--reason", "For staff only.")

    (decided,) = json.loads(operator.does("request", "list", "--decided", "--json"))
    assert (decided["outcome"], decided["reason"]) == ("declined", "For staff only.")
    assert operator.does("request", "list") == ""
    assert operator.does("app", "list") == ""


@pytest.mark.parametrize("first", ["approve", "decline"])
@pytest.mark.parametrize("second", ["approve", "decline"])
def test_of_two_operators_the_second_is_told_that_it_is_decided(operator, first, second):
    words = {"approve": (), "decline": ("--reason", "no")}
    waiting = ask(operator, "ann")
    operator.does("request", first, waiting, *words[first])
    log = operator.execute("SELECT count(*) FROM events")

    assert operator.fails("request", second, waiting, *words[second]) == "request_decided"

    assert operator.execute("SELECT count(*) FROM events") == log


def test_a_request_that_nobody_made_is_as_one_that_is_decided(operator):
    assert operator.fails("request", "approve", "A" * 22) == "request_decided"


@pytest.mark.parametrize("odd", ["-RoCxq5l1n03ZPtjzRWUEQ", "--until5l1n03ZPtjzRWUE"])
def test_an_id_that_begins_with_a_hyphen_is_one(operator, odd):
    ask(operator, "ann")
    operator.execute("UPDATE access_requests SET id = ?", odd)

    assert operator.does("request", "approve", odd, "--until", DAY.isoformat())
    assert operator.fails("request", "decline", odd, "--reason", "no") == "request_decided"
    assert operator.fails("client", "token", "remove", odd) == "token_unknown"


def test_a_reason_is_needed_and_is_one_line(operator):
    waiting = ask(operator, "ann")

    assert operator.run("request", "decline", waiting).exit_code == 2
    assert operator.fails("request", "decline", waiting, "--reason", "n" * 301) == "note_malformed"


def test_a_decision_is_an_event_of_the_person(operator):
    operator.does("request", "approve", ask(operator, "ann"))
    operator.does("request", "decline", ask(operator, "bob"), "--reason", "no")

    assert events(operator, "access approved") == [
        {"app": CHAT, "before": "open", "after": "approved", "by": "command line"}
    ]
    assert events(operator, "access declined") == [
        {
            "app": CHAT,
            "before": "open",
            "after": "declined",
            "reason": "no",
            "by": "command line",
        }
    ]
    rows = operator.execute("SELECT account_id, client_id FROM events WHERE kind LIKE 'access%'")
    assert sorted(rows) == [("ann", "synapse"), ("bob", "synapse")]


# --- explain ---


def say(operator: Operator, word: str) -> None:
    """Let Ann say something of the app."""
    operator.changes(lambda c: set_person_rule(c, "ann", CHAT, word, now=NOW))  # type: ignore[arg-type]


def test_each_rules_say_is_told(operator):
    operator.does("app", "allow", CHAT, "--for-listed-people", "--note", "staff")
    operator.does("app", "admit", CHAT, ANN, "*.btc")
    say(operator, "alone")

    assert explained(operator).splitlines() == [
        f"person:    ann.btc ({ANN})",
        f"app:       {CHAT} at synapse",
        "operator:  allow for listed people (staff)",
        f"list:      lets them in by address {ANN}, pattern *.btc",
        "they say:  alone",
        "result:    yes, by an ID that it alone sees; they may choose: as themselves",
    ]


def test_whoever_is_named_in_any_way_is_the_same_person(operator):
    assert explained(operator, ANN) == explained(operator, "ann.btc")


RESULTS = {
    "no rule": ([], "ask", None, "yes, by an ID that it alone sees, unless they choose otherwise"),
    "denied without a rule": ([], "deny", None, "no (app_unknown)"),
    "allowed": (["allow"], "deny", None, "yes, as themselves; they may choose: by an ID"),
    "alone": (["alone"], "allow", None, "yes, by an ID that it alone sees"),
    "denied": (["deny"], "allow", "allow", "no (app_denied)"),
    "not listed": (["allow", "--for-listed-people"], "allow", "allow", "no (not_listed)"),
    "their own rule": (["allow"], "ask", "deny", "no (own_rule)"),
    "their own yes": ([], "ask", "allow", "yes, as themselves"),
}


@pytest.mark.parametrize("case", RESULTS)
def test_the_result_is_the_verdict_in_words(operator, case):
    rule, policy, own, expected = RESULTS[case]
    operator.does("app", "default", "synapse", policy)
    if rule:
        operator.does("app", rule[0], CHAT, *rule[1:])
    if own:
        say(operator, own)

    assert result_of(operator).startswith(expected)
    if not rule:
        assert f"no rule:   {policy}, as such apps at synapse" in explained(operator)


def test_a_rule_that_has_run_out_says_nothing(operator):
    operator.does("app", "deny", CHAT)
    operator.execute("UPDATE app_rules SET until = 1")

    assert "that is over and says nothing" in explained(operator)
    assert result_of(operator).startswith("yes")


def test_whoever_is_blocked_can_use_no_app(operator):
    operator.does("app", "allow", CHAT)
    operator.changes(lambda connection: block(connection, "ann", now=NOW))

    assert result_of(operator).startswith("no: they are blocked")


def test_a_client_that_is_the_app_is_explained_too(operator):
    assert result_of(operator, "ann.btc", "client:wiki") == "yes, as themselves"
    operator.does("app", "deny", "client:wiki")
    assert result_of(operator, "ann.btc", "client:wiki").startswith("no (app_denied)")


def test_of_several_homeservers_one_is_named(operator):
    operator.does("client", "add", "two", "--homeserver", "https://two.example/")

    assert operator.fails("explain", "ann.btc", CHAT) == "client_ambiguous"
    assert f"{CHAT} at two" in explained(operator, "ann.btc", CHAT, "--client", "two")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("nobody.btc", CHAT), "person_unknown"),
        (("ann.btc", "chat.example"), "app_malformed"),
        (("ann.btc", CHAT, "--client", "wiki"), "not_homeserver"),
        (("ann.btc", CHAT, "--client", "nobody"), "client_unknown"),
        (("ann.btc", "client:nobody"), "client_unknown"),
        (("ann.btc", "client:wiki", "--client", "synapse"), "client_ambiguous"),
    ],
)
def test_what_cannot_be_explained_says_why(operator, words, code):
    assert operator.fails("explain", *words) == code


def test_an_explanation_changes_nothing(operator):
    before = list(operator.execute("SELECT * FROM events"))

    explained(operator)

    assert operator.execute("SELECT * FROM events") == before


def test_a_homeserver_itself_is_explained_for_who_signs_in_there_without_an_app(operator):
    operator.does("app", "deny", "client:synapse")

    said = operator.does("explain", "ann.btc", "client:synapse")

    assert "app:       client:synapse at synapse" in said
    assert "result:    no" in said
