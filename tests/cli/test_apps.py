"""`app`: what an operator says of apps, who is on their lists, and the files of both."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from tests.cli.conftest import ANN, BOB, CHAT, ask
from tests.shell import Operator

OTHER = "https://other.example"
DAY = (datetime.now(UTC) + timedelta(days=30)).date()
UNTIL = f"{DAY + timedelta(days=1)}T00:00:00+00:00"
SAYS = ("allow", "alone", "deny")


def shown(operator: Operator, app: str = CHAT) -> dict[str, object]:
    found: dict[str, object] = json.loads(operator.does("app", "show", app))
    return found


def people(operator: Operator, app: str = CHAT) -> set[str]:
    return {one["who"] for one in shown(operator, app)["people"]}  # type: ignore[attr-defined]


def events(operator: Operator, kind: str) -> list[dict[str, str]]:
    rows = operator.execute("SELECT detail FROM events WHERE kind = ? ORDER BY at, id", kind)
    return [json.loads(str(detail)) for (detail,) in rows]


def fails(operator: Operator, *words: str) -> str:
    """Run a command that must fail and leave everything as it was; return the code."""
    before = sorted(operator.execute("SELECT * FROM app_rules, listings"))
    log = operator.execute("SELECT count(*) FROM events")
    code = operator.fails(*words)
    assert sorted(operator.execute("SELECT * FROM app_rules, listings")) == before
    assert operator.execute("SELECT count(*) FROM events") == log
    return code


# --- rules ---


@pytest.mark.parametrize("say", SAYS)
def test_a_rule_is_kept(operator, say):
    said = operator.does("app", say, CHAT, "--note", "ours", "--until", DAY.isoformat())

    assert said.startswith(f"{CHAT}: {say} for everyone until {DAY + timedelta(days=1)}")
    assert shown(operator) == {
        "app": CHAT,
        "say": say,
        "for": "everyone",
        "until": UNTIL,
        "note": "ours",
        "people": [],
        "scopes": [],
    }


def test_several_apps_are_ruled_at_once(operator):
    operator.does("app", "allow", "HTTPS://Chat.Example/", "element:", "client:wiki")

    listed = json.loads(operator.does("app", "list", "--json"))
    assert [one["app"] for one in listed] == ["client:wiki", "element:", CHAT]
    assert operator.does("app", "list").splitlines()[1] == "element:  allow for everyone"


def test_one_app_that_cannot_be_ruled_leaves_the_others_as_they_were(operator):
    assert fails(operator, "app", "allow", CHAT, "http://chat.example") == "app_insecure"
    assert json.loads(operator.does("app", "list", "--json")) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("allow", "*"), "app_malformed"),
        (("allow", "https://chat.example/app"), "app_malformed"),
        (("allow", "https://a@chat.example"), "app_malformed"),
        (("alone", "http://chat.example"), "app_insecure"),
        (("alone", "client:wiki"), "alone_impossible"),
        (("deny", "client:nobody"), "client_unknown"),
        (("alone", "client:synapse"), "alone_impossible"),
        (("allow", CHAT, "--until", "soon"), "until_malformed"),
        (("allow", CHAT, "--until", "2020-01-01"), "until_past"),
        (("allow", CHAT, "--note", "n" * 301), "note_malformed"),
    ],
)
def test_a_rule_that_would_mean_nothing_or_too_much_is_refused(operator, words, code):
    assert fails(operator, "app", *words) == code


def test_who_may_use_an_app_stays_until_it_is_said_otherwise(operator):
    operator.does("app", "allow", CHAT, "--for-listed-people", "--note", "staff")
    operator.does("app", "alone", CHAT)
    kept = shown(operator)
    operator.does("app", "alone", CHAT, "--for-everyone", "--note", "")

    assert (kept["say"], kept["for"], kept["note"]) == ("alone", "listed", "staff")
    assert (shown(operator)["for"], shown(operator)["note"]) == ("everyone", "")


def test_an_end_that_is_not_said_again_is_no_end(operator):
    operator.does("app", "allow", CHAT, "--until", DAY.isoformat())
    operator.does("app", "allow", CHAT)

    assert shown(operator)["until"] is None


def test_a_rule_tells_in_its_event_what_was_and_what_is(operator):
    operator.does("app", "allow", CHAT)
    operator.does("app", "deny", CHAT, "--for-listed-people")
    operator.does("app", "forget", CHAT, "--yes")

    allow = {"say": "allow", "for": "everyone", "until": None, "note": ""}
    deny = {"say": "deny", "for": "listed", "until": None, "note": ""}
    first, second = events(operator, "app ruled")
    (last,) = events(operator, "app forgotten")
    assert (first["app"], first["before"], json.loads(first["after"])) == (CHAT, "", allow)
    assert (json.loads(second["before"]), json.loads(second["after"])) == (allow, deny)
    assert (json.loads(last["before"]), last["after"]) == (deny, "")


def test_a_rule_that_is_said_twice_is_one_event(operator):
    operator.does("app", "allow", CHAT)
    operator.does("app", "allow", CHAT)

    assert len(events(operator, "app ruled")) == 1


def test_what_is_forgotten_is_said_of_no_app(operator):
    operator.does("app", "allow", CHAT)
    operator.does("app", "admit", CHAT, "ann.btc", "bob.btc")

    said = operator.does("app", "forget", CHAT, "--yes")

    assert "with 2 entries" in said
    assert operator.fails("app", "show", CHAT) == "app_unruled"
    assert operator.execute("SELECT * FROM listings") == []
    assert {one["who"] for one in events(operator, "person dismissed")} == {
        "name:ann.btc",
        "name:bob.btc",
    }


def test_what_was_never_ruled_cannot_be_forgotten(operator):
    assert fails(operator, "app", "forget", CHAT, "--yes") == "app_unruled"


def test_forgetting_is_asked_about(operator):
    operator.does("app", "allow", CHAT)

    assert operator.run("app", "forget", CHAT, answers="n\n").exit_code == 1
    assert shown(operator)["say"] == "allow"


# --- what holds without a rule ---


@pytest.mark.parametrize("word", ["ask", "allow", "alone", "deny"])
def test_a_homeserver_has_a_word_for_apps_without_a_rule(operator, word):
    home = ("--homeserver", "https://two.example/")

    operator.does("client", "add", "two", *home, "--unknown-apps", word)
    operator.does("app", "default", "synapse", word)

    assert json.loads(operator.does("client", "show", "two"))["unknown_apps"] == word
    assert json.loads(operator.does("client", "show", "synapse"))["unknown_apps"] == word


def test_people_are_asked_about_apps_without_a_rule_unless_something_else_is_said(operator):
    added = operator.run("client", "add", "two", "--homeserver", "https://two.example/")

    assert json.loads(operator.does("client", "show", "two"))["unknown_apps"] == "ask"
    assert "oidc-bridge app allow https://app.element.io" in added.stderr


def test_the_word_for_apps_without_a_rule_is_one_of_a_homeserver(operator):
    uri = ("--redirect-uri", "https://x.example/cb")

    assert operator.run("client", "add", "x", *uri, "--unknown-apps", "deny").exit_code == 2
    assert fails(operator, "app", "default", "wiki", "deny") == "not_homeserver"
    assert fails(operator, "app", "default", "nobody", "deny") == "client_unknown"
    assert "unknown_apps" not in json.loads(operator.does("client", "show", "wiki"))


def test_another_word_for_apps_without_a_rule_is_an_event(operator):
    operator.does("app", "default", "synapse", "deny")
    operator.does("app", "default", "synapse", "deny")

    assert events(operator, "unknown apps ruled") == [
        {"before": "ask", "after": "deny", "by": "command line"}
    ]


# --- lists ---


def test_people_are_put_on_a_list_as_they_are_known(operator):
    operator.does("app", "allow", CHAT, "--for-listed-people")

    said = operator.does("app", "admit", CHAT, ANN, "Bob.BTC", "*.example.btc", "bob.btc")

    assert "3 entries, 3 new" in said
    assert people(operator) == {ANN, "bob.btc", "*.example.btc"}


def test_an_account_of_a_chain_is_put_on_the_list_of_a_homeserver(operator):
    account = "antelope:aca376f206b8fc25a6ed44dbdc66547c:alice.gm"
    operator.does("app", "allow", "client:synapse", "--for-listed-people")
    operator.does("app", "admit", "client:synapse", account)

    assert people(operator, "client:synapse") == {account}


def test_a_list_that_says_nothing_yet_is_told(operator):
    operator.does("app", "allow", CHAT)

    told = operator.run("app", "admit", CHAT, "ann.btc")

    assert told.exit_code == 0
    assert "--for-listed-people" in told.stderr


def test_an_entry_takes_the_place_of_an_earlier_one(operator):
    operator.does("app", "allow", CHAT, "--for-listed-people")
    operator.does("app", "admit", CHAT, "ann.btc", "--note", "a")
    operator.does("app", "admit", CHAT, "ann.btc", "--note", "b", "--until", DAY.isoformat())
    again = operator.does(
        "app", "admit", CHAT, "ann.btc", "--note", "b", "--until", DAY.isoformat()
    )

    a = {"until": None, "note": "a"}
    b = {"until": UNTIL, "note": "b"}
    assert shown(operator)["people"] == [{"kind": "name", "who": "ann.btc", **b}]
    assert "0 new or changed" in again
    first, second = events(operator, "person admitted")
    assert (first["who"], first["before"], json.loads(first["after"])) == ("name:ann.btc", "", a)
    assert (json.loads(second["before"]), json.loads(second["after"])) == (a, b)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("admit", CHAT, "ann.btc", "\u0430nn.btc"), "who_malformed"),
        (("admit", CHAT, "*"), "who_malformed"),
        (("admit", CHAT, "@ann:example.org"), "who_is_matrix_id"),
        (("admit", CHAT, "ann.btc", "--until", "2020-01-01"), "until_past"),
        (("admit", OTHER, "ann.btc"), "app_unruled"),
        (("dismiss", OTHER, "ann.btc"), "app_unruled"),
        (("dismiss", CHAT, "ann.btc", "nobody.btc"), "listing_unknown"),
        (("dismiss", CHAT, "*"), "who_malformed"),
    ],
)
def test_of_a_list_all_is_changed_or_nothing(operator, words, code):
    operator.does("app", "allow", CHAT, "--for-listed-people")
    operator.does("app", "admit", CHAT, "ann.btc", "--note", "first")

    assert fails(operator, "app", *words) == code


def test_people_are_taken_off_a_list(operator):
    operator.does("app", "allow", CHAT, "--for-listed-people")
    operator.does("app", "admit", CHAT, ANN, "bob.btc", "*.example.btc")

    operator.does("app", "dismiss", CHAT, ANN, "*.Example.btc")

    assert people(operator) == {"bob.btc"}
    gone = events(operator, "person dismissed")
    assert {one["who"] for one in gone} == {f"address:{ANN}", "pattern:*.example.btc"}
    assert all(json.loads(one["before"])["note"] == "" and one["after"] == "" for one in gone)


@pytest.mark.parametrize("who", [ANN, "ann.btc"])
def test_whoever_was_let_in_on_request_is_taken_off_by_address_or_name(operator, who):
    operator.does("request", "approve", ask(operator, "ann"))
    assert people(operator) == {"ann"}

    operator.does("app", "dismiss", CHAT, who)

    assert people(operator) == set()


def test_nobody_is_taken_off_for_another(operator):
    operator.does("request", "approve", ask(operator, "ann"))

    assert fails(operator, "app", "dismiss", CHAT, BOB) == "listing_unknown"


# --- lists from a file ---


def listed_from(operator: Operator, data: str | bytes) -> tuple[str, ...]:
    path = operator.folder / "people.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return ("app", "admit", CHAT, "--file", str(path))


@pytest.mark.parametrize("header", ["", "who,until,note\n", "\ufeffwho,until,note\r\n", "who\n"])
def test_a_list_comes_from_a_file(operator, header):
    operator.does("app", "allow", CHAT, "--for-listed-people")

    rows = f'ann.btc,{DAY},"one, two"\n\n{BOB}\n*.example.btc,,\n'
    said = operator.does(*listed_from(operator, header + rows))

    assert "3 entries, 3 new" in said
    entries = {one["who"]: one for one in shown(operator)["people"]}
    assert entries["ann.btc"] == {
        "kind": "name",
        "who": "ann.btc",
        "until": UNTIL,
        "note": "one, two",
    }
    assert entries.keys() == {"ann.btc", BOB, "*.example.btc"}


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        ("ann.btc\n*\nbob.btc\n", ["line 2: who_malformed"]),
        ("who\nann.btc\nwho\n", ["line 3: who_malformed"]),
        ("ann.btc,soon\n", ["line 1: until_malformed"]),
        ("ann.btc,2020-01-01\n", ["line 1: until_past"]),
        (f"ann.btc,,{'n' * 301}\n", ["line 1: note_malformed"]),
        ("ann.btc,,a,b\n", ["line 1: row_malformed"]),
        ("ann.btc\nbob.btc\nAnn.BTC\n", ["line 3: who_twice"]),
        (f"{'1' * 5}\nann.btc\nx,y\n", ["line 1: who_malformed", "line 3: who_malformed"]),
        ('"ann.btc\nbob.btc\n', ["line 1: row_not_csv"]),
        ("an\x00n.btc\n", [""]),
        (b"f\xfcr.btc\n", ["not CSV in UTF-8"]),
    ],
)
def test_of_a_file_with_faults_nothing_is_taken_and_each_is_told_by_its_line(
    operator, data, faults
):
    operator.does("app", "allow", CHAT, "--for-listed-people")

    said = operator.run(*listed_from(operator, data))

    assert said.exit_code == 1
    assert said.stderr.startswith("list_invalid: ")
    assert all(fault in said.stderr for fault in faults)
    assert people(operator) == set()


def test_of_very_many_faults_the_first_are_told(operator):
    operator.does("app", "allow", CHAT)

    said = operator.run(*listed_from(operator, "*\n" * 100)).stderr

    assert "line 20:" in said
    assert "line 21:" not in said
    assert "and 80 more" in said


def test_a_file_of_thousands_is_taken_in_a_handful_of_statements(operator):
    operator.does("app", "allow", CHAT, "--for-listed-people")
    changed = "".join(f"p{number}.btc,,x\n" for number in range(2500))
    rest = "".join(f"p{number}.btc\n" for number in range(2500, 5000))
    operator.does(*listed_from(operator, "".join(f"p{number}.btc\n" for number in range(2500))))
    statements: list[str] = []

    def count(*said: object) -> None:
        statements.append(str(said[2]))

    event.listen(Engine, "before_cursor_execute", count)
    try:
        said = operator.does(*listed_from(operator, changed + rest))
    finally:
        event.remove(Engine, "before_cursor_execute", count)

    assert "5000 entries, 5000 new or changed" in said
    assert len(people(operator)) == 5000
    assert len(events(operator, "person admitted")) == 7500
    assert len([one for one in statements if "listings" in one]) == 3


@pytest.mark.parametrize("words", [(), ("ann.btc", "--file", "-"), ("--file", "-", "--note", "a")])
def test_people_are_named_in_one_way(operator, words):
    operator.does("app", "allow", CHAT)

    assert operator.run("app", "admit", CHAT, *words, answers="bob.btc\n").exit_code == 2


# --- files of apps ---


def imported(operator: Operator, said: object) -> tuple[str, ...]:
    path = operator.folder / "apps.json"
    path.write_text(said if isinstance(said, str) else json.dumps(said))
    return ("app", "import", str(path))


def fill(operator: Operator) -> None:
    operator.does("app", "allow", CHAT, "--for-listed-people", "--note", "ours")
    operator.does("app", "admit", CHAT, ANN, "bob.btc", "--until", DAY.isoformat())
    operator.does("app", "admit", CHAT, "*.example.btc", "--note", "all of them")
    operator.does("app", "alone", "element:", "--until", DAY.isoformat())
    operator.does("app", "deny", "http://evil.example")
    operator.does("request", "approve", ask(operator, "bob"))
    # An approval names the account by an id of 22 characters.
    operator.execute("UPDATE listings SET who = ? WHERE kind = 'account'", "a" * 22)


def test_what_was_exported_can_be_imported(operator, set_up, tmp_path):
    fill(operator)
    copied = operator.does("app", "export")
    for app in (CHAT, "element:", "http://evil.example"):
        operator.does("app", "forget", app, "--yes")

    said = operator.does(*imported(operator, copied))

    assert operator.does("app", "export") == copied
    assert "3 apps, 3 new or changed" in said
    assert "3 apps, 0 new or changed" in operator.does(*imported(operator, copied))


def test_an_import_brings_an_app_to_what_the_file_says_and_leaves_others(operator):
    fill(operator)

    operator.does(*imported(operator, [{"app": CHAT, "say": "alone", "people": [{"who": ANN}]}]))

    assert shown(operator) == {
        "app": CHAT,
        "say": "alone",
        "for": "everyone",
        "until": None,
        "note": "",
        "people": [{"kind": "address", "who": ANN, "until": None, "note": ""}],
        "scopes": [],
    }
    assert shown(operator, "element:")["say"] == "alone"
    assert {one["who"] for one in events(operator, "person dismissed")} >= {"name:bob.btc"}


def test_what_is_said_of_scopes_goes_along_and_stays_where_a_file_is_silent(operator):
    said = [{"scope": "email", "say": "never", "reason": "None needed."}]
    why = [{"scope": "openid", "say": None, "reason": "To know you."}]

    operator.does(*imported(operator, [{"app": CHAT, "say": "allow", "scopes": said + why}]))
    operator.does(*imported(operator, [{"app": CHAT, "say": "alone"}]))

    assert shown(operator)["scopes"] == said + why
    copied = operator.does("app", "export")
    assert "1 apps, 0 new or changed" in operator.does(*imported(operator, copied))
    operator.does(*imported(operator, [{"app": CHAT, "say": "alone", "scopes": []}]))
    assert shown(operator)["scopes"] == []
    assert [one["after"] for one in events(operator, "app scopes ruled")][-1] == ""


GOOD = {"app": OTHER, "say": "allow"}
BAD = {
    "no list": ({}, "expected a list"),
    "no object": ([1], "entry 2: app_entry_malformed"),
    "no app": ([{"say": "allow"}], "app and say"),
    "no word": ([{"app": OTHER}], "app and say"),
    "another word": ([GOOD | {"say": "ask"}], "say: expected"),
    "a number for a word": ([GOOD | {"say": 1}], "say: expected text"),
    "no list of scopes": ([GOOD | {"scopes": {}}], "scopes: expected a list"),
    "no scope": ([GOOD | {"scopes": [{"scope": "phone"}]}], "scope: expected"),
    "another word on a scope": (
        [GOOD | {"scopes": [{"scope": "email", "say": "ask"}]}],
        "say: expected",
    ),
    "a word on openid": (
        [GOOD | {"scopes": [{"scope": "openid", "say": "never"}]}],
        "say: expected",
    ),
    "a scope twice": ([GOOD | {"scopes": [{"scope": "email"}] * 2}], "email is there twice"),
    "a reason that is too long": (
        [GOOD | {"scopes": [{"scope": "email", "reason": "x" * 301}]}],
        "note_malformed",
    ),
    "another audience": ([GOOD | {"for": "me"}], "for: expected"),
    "an unknown member": ([GOOD | {"untill": UNTIL}], "unknown: untill"),
    "a bad app": ([GOOD | {"app": "*"}], "app_malformed"),
    "an insecure app": ([GOOD | {"app": "http://other.example"}], "app_insecure"),
    "a client alone": ([{"app": "client:wiki", "say": "alone"}], "alone_impossible"),
    "a bad date": ([GOOD | {"until": "soon"}], "until: expected"),
    "a date without a zone": ([GOOD | {"until": "2099-01-01T00:00"}], "until: expected"),
    "a date that no zone has": ([GOOD | {"until": "0001-01-01T00:00+05:00"}], "until: expected"),
    "a bad note": ([GOOD | {"note": "\ud800"}], "note_malformed"),
    "an app twice": ([GOOD, GOOD], "entry 3: app_entry_malformed"),
    "no people": ([GOOD | {"people": {}}], "people: expected a list"),
    "a bad person": ([GOOD | {"people": [{"who": "*"}]}], "person 1: who_malformed"),
    "a person twice": ([GOOD | {"people": [{"who": "a.btc"}] * 2}], "person 2"),
    "an account of no form": ([GOOD | {"people": [{"who": "account:x"}]}], "who_malformed"),
}


@pytest.mark.parametrize("case", BAD)
def test_of_a_file_of_apps_with_a_fault_nothing_is_taken(operator, case):
    said, fault = BAD[case]
    good = [GOOD | {"app": "https://good.example"}]

    result = operator.run(*imported(operator, [*good, *said] if said else said))

    assert result.exit_code == 1
    assert result.stderr.startswith("import_invalid: ")
    assert fault in result.stderr
    assert json.loads(operator.does("app", "list", "--json")) == []


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "\x00"])
def test_a_file_that_is_no_json_is_refused(operator, text):
    assert fails(operator, *imported(operator, text)) == "import_invalid"


def test_a_client_of_a_file_must_be_known(operator: Operator, tmp_path: Path):
    said = [GOOD, {"app": "client:nobody", "say": "deny"}]

    assert fails(operator, *imported(operator, said)) == "client_unknown"
