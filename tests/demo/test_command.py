"""``oidc-bridge demo``: its folder, its ports, what it tells Synapse."""

import json
import socket
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509

from oidc_bridge.cli import cli
from oidc_bridge.cli.demo import make_settings
from oidc_bridge.config import Settings, load
from oidc_bridge.demo import clients, servers, synapse
from oidc_bridge.demo.certificate import write_certificate
from oidc_bridge.demo.places import Places
from oidc_bridge.errors import BridgeError, ConfigError
from oidc_bridge.factory import bare_app
from oidc_bridge.matrix.synapse import snippet
from oidc_bridge.storage import db, read, write
from oidc_bridge.storage.apps import all_clients
from oidc_bridge.storage.whitelist import AppRule, find_rule, set_rule
from tests.demo.conftest import PLACES
from tests.fakes import NOW


def test_the_folders_config_is_what_the_demo_runs_with(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, PLACES)

    assert settings.model_dump() == load(tmp_path / "config.toml").model_dump()
    assert settings.issuer == "http://localhost:8000"
    assert settings.allow_private == {PLACES.wallet, PLACES.app, PLACES.homeserver, PLACES.hub}
    assert stat.S_IMODE((tmp_path / "bridge.key").stat().st_mode) == 0o600


def test_no_variable_leads_the_demo_to_a_real_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_BRIDGE_DATABASE", "postgresql+psycopg://production/bridge")
    monkeypatch.setenv("OIDC_BRIDGE_ISSUER", "https://id.example.org")

    settings = make_settings(tmp_path, PLACES)

    assert settings.database == f"sqlite:///{tmp_path / 'bridge.db'}"
    assert settings.issuer == PLACES.bridge


def test_a_kept_folder_is_used_again_with_the_same_key(tmp_path: Path) -> None:
    make_settings(tmp_path, PLACES)
    key = (tmp_path / "bridge.key").read_text()

    make_settings(tmp_path, PLACES)

    assert (tmp_path / "bridge.key").read_text() == key


def test_a_real_bridges_folder_is_left_alone(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('issuer = "https://id.example.org"\n')

    with pytest.raises(ConfigError) as refused:
        make_settings(tmp_path, PLACES)

    assert refused.value.code == "demo_dir_taken"
    assert tomllib.loads(config.read_text()) == {"issuer": "https://id.example.org"}
    assert list(tmp_path.iterdir()) == [config]


def test_a_second_run_in_a_folder_registers_nothing_twice(settings: Settings) -> None:
    with bare_app(settings).app_context():
        secrets = {clients.register(clients.demo_client(PLACES)) for _ in range(3)}
        with read() as connection:
            (client,) = all_clients(connection)
        db.engine.dispose()

    assert len(secrets) == 3
    assert len(client.secret_digests) == 2


def test_the_demos_chat_is_allowed_until_somebody_says_otherwise(settings: Settings) -> None:
    with bare_app(settings).app_context():
        clients.allow_own_chats(PLACES)
        with read() as connection:
            first = find_rule(connection, PLACES.app)
        write(lambda c: set_rule(c, AppRule(PLACES.app, "alone"), now=NOW))
        clients.allow_own_chats(PLACES)
        with read() as connection:
            second = find_rule(connection, PLACES.app)
        db.engine.dispose()

    assert (first, second) == (AppRule(PLACES.app, "allow"), AppRule(PLACES.app, "alone"))


def test_synapse_lets_only_the_demos_own_origin_in_without_a_question(tmp_path: Path) -> None:
    synapse.write_settings(tmp_path / "home", PLACES)

    told = json.loads((tmp_path / "home" / "homeserver.yaml").read_text())

    assert told["sso"] == {"client_whitelist": ["http://localhost:8002/"]}
    assert told["public_baseurl"] == "http://localhost:8005/"
    assert told["listeners"][0]["bind_addresses"] == ["127.0.0.1"]
    assert told["listeners"][0]["port"] == 8005
    assert told["password_config"] == {"enabled": True, "localdb_enabled": False}
    assert "oidc_providers" not in told


def test_synapse_is_told_what_the_command_prints() -> None:
    client = clients.homeserver_client(PLACES)

    printed = snippet(
        client.id,
        client.scopes,
        issuer=PLACES.bridge,
        name="Demo bridge",
        secret_line=("client_secret", "s"),
    )

    (provider,) = yaml.safe_load(printed)["oidc_providers"]
    assert provider["client_id"] == client.id
    assert client.redirect_uris == ("http://localhost:8005/_synapse/client/oidc/callback",)


def test_synapse_comes_as_wheels_only_and_pips_words_are_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def no_network(command: list[str], **how: object) -> None:
        asked.append(command)
        raise subprocess.CalledProcessError(1, command, stderr="ERROR: no network")

    monkeypatch.setattr(synapse.venv, "create", lambda *_, **__: None)
    monkeypatch.setattr(synapse.subprocess, "run", no_network)

    with pytest.raises(BridgeError) as refused:
        synapse.install(tmp_path)

    assert refused.value.code == "synapse_install"
    assert "ERROR: no network" in refused.value.detail
    assert asked[0][asked[0].index("--only-binary") + 1] == ":all:"
    assert not synapse.is_installed(tmp_path)


def test_the_cache_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert synapse.cache_folder() == tmp_path / "oidc-bridge" / "synapse"


def test_the_certificate_names_localhost_alone(tmp_path: Path) -> None:
    path = write_certificate(tmp_path, now=NOW)

    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_taken_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: object, **__: object) -> socket.socket:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(servers.socket, "create_server", taken)

    answer = CliRunner().invoke(cli, ["demo", "--port", "8000"])

    assert answer.exit_code == 1
    assert "port_taken" in answer.output
    assert "8000" in answer.output
    assert "--port" in answer.output


def test_ports_that_do_not_exist_are_wrong_usage() -> None:
    assert CliRunner().invoke(cli, ["demo", "--port", "65531"]).exit_code == 2


def test_requests_are_not_written_down(capsys: pytest.CaptureFixture[str]) -> None:
    handler = servers._SilentHandler.__new__(servers._SilentHandler)
    handler.requestline, handler.client_address = "GET /callback?code=secret HTTP/1.1", ("::1", 1)
    handler.log_request(200)
    handler.log_error("bad request %r", handler.requestline)

    assert capsys.readouterr() == ("", "")


def test_places_are_six_ports_in_a_row() -> None:
    places = Places(9000)

    homes = [places.bridge, places.wallet, places.app, places.hub, places.chat, places.homeserver]
    assert homes == [
        "http://localhost:9000",
        "http://localhost:9001",
        "http://localhost:9002",
        "https://localhost:9003",
        "http://localhost:9004",
        "http://localhost:9005",
    ]


def test_help_has_examples() -> None:
    assert "oidc-bridge demo --synapse" in CliRunner().invoke(cli, ["demo", "--help"]).output


def test_synapse_gets_the_bridges_module_and_nothing_else_of_it(tmp_path: Path) -> None:
    place = synapse._write_module(tmp_path)

    written = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    assert written == {
        "oidc_bridge/__init__.py",
        "oidc_bridge/matrix/__init__.py",
        "oidc_bridge/matrix/synapse_module.py",
    }
