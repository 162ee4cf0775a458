"""The pieces of the module in Synapse; the whole is in tests/live."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageFile

from oidc_bridge.matrix.password import shape_of
from tests.matrix.test_password import SHAPES

pytest.importorskip("synapse.module_api")

from synapse.module_api.errors import ConfigError

from oidc_bridge.matrix.synapse_module import (
    Answer,
    PasswordProvider,
    is_ours,
    read_answer,
)

# Importing Synapse lets Pillow take damaged pictures, in the whole process. Ours never imports it.
ImageFile.LOAD_TRUNCATED_IMAGES = False

CONFIG: dict[str, Any] = {
    "url": "https://id.example/matrix/password",
    "client_id": "synapse",
    "client_secret": "s3cret",
    "idp_id": "stacks",
}
YES: dict[str, Any] = {
    "ok": True,
    "localpart": "ann",
    "display_name": "Ann",
    "subject": "s" * 22,
    "known": True,
    "session": "d" * 22,
}


@pytest.mark.parametrize("password", SHAPES)
def test_the_module_and_the_bridge_know_the_same_shapes(password: str) -> None:
    assert is_ours(password) == (shape_of(password) is not None)


def test_it_is_configured_by_what_stands_under_oidc_providers() -> None:
    settings = PasswordProvider.parse_config(CONFIG)

    assert settings.provider == "oidc-stacks"
    assert settings.client_secret == "s3cret"
    assert not settings.adopt_existing
    assert "s3cret" not in repr(settings)


def test_the_idp_id_of_old_configurations_has_no_prefix() -> None:
    assert PasswordProvider.parse_config({**CONFIG, "idp_id": "oidc"}).provider == "oidc"


def test_the_secret_may_stay_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("from a file\n")
    config = {**CONFIG, "client_secret_path": str(path)}
    del config["client_secret"]

    assert PasswordProvider.parse_config(config).client_secret == "from a file"


@pytest.mark.parametrize(
    "change",
    [
        {"url": None},
        {"url": ""},
        {"url": "file:///etc/passwd"},
        {"url": "https:///matrix/password"},
        {"client_id": None},
        {"idp_id": None},
        {"idp_id": 1},
        {"client_secret": None},
        {"client_secret": ""},
        {"client_secret_path": "/etc/secret"},
        {"client_secret": None, "client_secret_path": "/nowhere/at/all"},
        {"adopt_existing": "yes"},
        {"adopt_exiting": True},
    ],
    ids=str,
)
def test_a_mistake_stops_synapses_start(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        PasswordProvider.parse_config({**CONFIG, **change})


def test_a_yes_is_read() -> None:
    assert read_answer(json.dumps(YES).encode()) == Answer("ann", "Ann", "s" * 22, "d" * 22)


def test_a_no_is_a_no_whatever_else_is_said() -> None:
    assert read_answer(json.dumps({**YES, "ok": False}).encode()) is None


def test_without_a_session_nothing_is_tied() -> None:
    told = {name: value for name, value in YES.items() if name != "session"}

    answer = read_answer(json.dumps({**told, "display_name": None}).encode())

    assert answer == Answer("ann", None, "s" * 22, "")


@pytest.mark.parametrize(
    "change",
    [
        {"ok": 1},
        {"ok": "true"},
        {"localpart": ""},
        {"localpart": None},
        {"localpart": "@ann:elsewhere.example"},
        {"subject": ""},
        {"subject": None},
        {"session": None},
        {"display_name": 1},
    ],
    ids=str,
)
def test_what_is_no_answer_lets_nobody_in(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not an answer"):
        read_answer(json.dumps({**YES, **change}).encode())


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
def test_nor_does_what_is_no_json(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_answer(body)
