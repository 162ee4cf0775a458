"""``oidc-bridge demo --conformance``: its folder, and what it tells the suite."""

import json
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oidc_bridge.cli import cli
from oidc_bridge.cli.demo import make_settings
from oidc_bridge.cli.registration import import_clients, make_initial_token
from oidc_bridge.config import Settings
from oidc_bridge.demo.conformance import (
    BACKCHANNEL,
    CLIENTS,
    CONFIGURATION,
    SecurePlaces,
    extra_settings,
    write_documents,
)
from oidc_bridge.demo.suite import BASE, Suite, configuration, static_clients
from oidc_bridge.factory import bare_app
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import db, read
from oidc_bridge.storage.apps import all_clients
from oidc_bridge.storage.registrations import is_initial_token_live
from tests.fakes import NOW

PLACES = SecurePlaces(8000)
SUITE = Suite()
LOGOUT = "oidcc-rp-initiated-logout"


def told(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = configuration(SUITE, PLACES, initial_token="t", **changes)
    return json.loads(json.dumps(document))


def test_the_bridge_is_reached_by_https_and_the_suite_is_exempt(tmp_path: Path) -> None:
    extra = extra_settings(PLACES, SUITE, suite_ca=None)

    settings = make_settings(tmp_path, PLACES, extra=extra)

    assert settings.issuer == "https://localhost:8000"
    assert not settings.require_pkce
    assert settings.registration.mode == "token"
    assert settings.registration.allow_private == {BASE}
    assert settings.allow_private == {PLACES.wallet}
    assert settings.private_ca is None


def test_the_suites_certificate_is_named_by_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a "b".pem').touch()

    extra = extra_settings(PLACES, SUITE, suite_ca=Path('a "b".pem'))

    assert tomllib.loads(extra)["private_ca"] == str(tmp_path / 'a "b".pem')


def test_the_static_clients_are_imported_as_they_are_told_to_the_suite(
    tmp_path: Path, settings: Settings
) -> None:
    main, backchannel = write_documents(tmp_path, PLACES, SUITE, initial_token="t")
    assert (main.name, backchannel.name) == (CONFIGURATION, BACKCHANNEL)

    with bare_app(settings).app_context():
        assert import_clients((tmp_path / CLIENTS).read_bytes(), settings, now=NOW) == (4, 4)
        assert import_clients((tmp_path / CLIENTS).read_bytes(), settings, now=NOW) == (4, 0)
        with read() as connection:
            known = {client.id: client for client in all_clients(connection)}
        db.engine.dispose()

    for file in (main, backchannel):
        config = json.loads(file.read_text())
        for name in ("client", "client2", "client_secret_post"):
            client = known[config[name]["client_id"]]
            assert client.has_secret(digest_of(config[name]["client_secret"]))
            assert client.redirect_uris == (f"{BASE}/test/a/{config['alias']}/callback",)


def test_only_the_client_of_the_backchannel_plan_is_told_of_sign_outs() -> None:
    are_told = {
        str(client["client_id"]): "backchannel_logout_uri" in client
        for client in static_clients(SUITE)
    }

    assert are_told.pop(told(client_id="suite-backchannel")["client"]["client_id"])
    assert not any(are_told.values())
    assert told()["client"]["client_id"] in are_told


def test_an_initial_token_is_good_for_what_it_says(settings: Settings) -> None:
    with bare_app(settings).app_context():
        token = make_initial_token(uses=1, days=7, now=NOW)
        with read() as connection:
            assert is_initial_token_live(connection, token, now=NOW)
            later = NOW + timedelta(days=7)
            assert not is_initial_token_live(connection, token, now=later)
        db.engine.dispose()


def test_every_script_is_of_commands_that_the_suite_knows() -> None:
    config = told()
    entries = [*config["browser"]]
    entries += [entry for module in config["override"].values() for entry in module["browser"]]

    for entry in entries:
        assert entry["match"].startswith(PLACES.bridge)
        for task in entry["tasks"]:
            assert set(task) <= {"task", "match", "optional", "commands"}
            for verb, kind, _, *rest in task["commands"]:
                assert kind in ("id", "name", "class", "css", "xpath")
                if verb == "click":
                    assert rest in ([], ["optional"])
                else:
                    seconds, *words = rest
                    assert verb == "wait"
                    assert seconds == 10
                    assert words == [] or re.compile(words[0])


@pytest.mark.parametrize(
    "module",
    [
        "oidcc-prompt-login",
        "oidcc-max-age-1",
        "oidcc-ensure-registered-redirect-uri",
        "oidcc-ensure-redirect-uri-in-authorization-request",
        "oidcc-redirect-uri-query-added",
        "oidcc-redirect-uri-query-mismatch",
        "oidcc-registration-logo-uri",
        "oidcc-registration-policy-uri",
        "oidcc-registration-tos-uri",
        f"{LOGOUT}-bad-post-logout-redirect-uri",
        f"{LOGOUT}-query-added-to-post-logout-redirect-uri",
        f"{LOGOUT}-modified-id-token-hint",
        f"{LOGOUT}-bad-id-token-hint",
        f"{LOGOUT}-no-id-token-hint",
        f"{LOGOUT}-no-params",
        f"{LOGOUT}-no-post-logout-redirect-uri",
        f"{LOGOUT}-only-state",
    ],
)
def test_each_module_that_wants_a_picture_gets_one(module: str) -> None:
    entries = told()["override"][module]["browser"]

    commands = [
        command for entry in entries for task in entry["tasks"] for command in task["commands"]
    ]
    assert any("update-image-placeholder" in str(command[-1]) for command in commands)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--synapse"], "without a Synapse"),
        (["--suite", "ftp://suite.example"], "--suite"),
        (["--suite", "suite"], "--suite"),
        (["--suite-ca", "/nowhere/ca.pem"], "--suite-ca"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage_of_conformance(options: list[str], said: str) -> None:
    answer = CliRunner().invoke(cli, ["demo", "--conformance", *options])

    assert answer.exit_code == 2
    assert said in answer.output


def test_the_suite_is_nothing_to_a_demo_without_it() -> None:
    answer = CliRunner().invoke(cli, ["demo", "--suite", "https://suite.example"])

    assert answer.exit_code == 2
    assert "belong to --conformance" in answer.output
