"""What the command line does is told in the ledger, as its own doing."""

import ast
from pathlib import Path

import pytest

import oidc_bridge.cli
from tests.shell import Operator

SOURCES = sorted(Path(oidc_bridge.cli.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_event_says_who_did_it(source: Path) -> None:
    for call in ast.walk(ast.parse(source.read_text())):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "record":
            given = {keyword.arg for keyword in call.keywords}
            assert given & {"by", None}, ast.unparse(call)


def test_who_lets_a_server_introspect_is_not_that_server(operator: Operator) -> None:
    for word in ("allow", "deny"):
        operator.does("resource-server", word, "wiki", "synapse")

    rows = operator.execute("SELECT detail FROM events WHERE kind LIKE 'introspection %'")
    assert len(rows) == 2
    assert all(
        '"by": "command line"' in str(row) and '"server": "wiki"' in str(row) for row in rows
    )


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (("--homeserver", "https://matrix.two.example"), "synapse-config two --new-secret"),
        (("--mas", "https://mas.two.example", "--server-name", "two.example"), "mas-config two"),
    ],
)
def test_who_adds_a_homeserver_is_told_the_command_for_its_yaml(
    operator: Operator, kind: tuple[str, ...], command: str
) -> None:
    said = operator.run("client", "add", "two", *kind).stderr

    assert f"oidc-bridge {command}\n" in said
    operator.does(*command.split())


def test_another_client_is_sent_to_no_homeservers_command(operator: Operator) -> None:
    said = operator.run(
        "client", "add", "notes", "--redirect-uri", "https://notes.example/b"
    ).stderr

    assert "-config" not in said
