"""`doctor` on homeservers whose module asks about passwords."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module

import pytest

from oidc_bridge.config import Settings
from oidc_bridge.errors import FetchError
from oidc_bridge.oidc.metadata import discovery
from oidc_bridge.ports import Fetched
from tests.fakes import FakeFetch
from tests.shell import Operator

ISSUER = "https://id.example.org"
DOOR = f"{ISSUER}/matrix/password"
LOGIN = "https://matrix.example.org/_matrix/client/v3/login"
FLOWS = {"flows": [{"type": "m.login.sso"}, {"type": "m.login.password"}]}


class Network(FakeFetch):
    """A bridge and a homeserver that answer as they must; it knows what may be internal."""

    exempt: frozenset[str] = frozenset()

    def post_json(
        self, url: str, document: Mapping[str, object], *, max_bytes: int, budget: float
    ) -> Fetched:
        assert (document, budget) == ({}, 4.0)
        return self(url, max_bytes=max_bytes)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    fetch = Network(
        {
            f"{ISSUER}/.well-known/openid-configuration": (200, discovery(ISSUER)),
            DOOR: (401, {"error": "invalid_client"}),
            LOGIN: (200, FLOWS),
        }
    )

    def make(settings: Settings) -> Network:
        fetch.exempt |= settings.allow_private
        return fetch

    monkeypatch.setattr(import_module("oidc_bridge.cli.doctor"), "make_fetch", make)
    return fetch


@pytest.fixture
def asking(operator: Operator) -> Operator:
    """The operator of a bridge that is asked about passwords by the homeserver ``synapse``."""
    configure(operator, 'synapse_modules = ["synapse"]')
    return operator


def configure(operator: Operator, lines: str) -> None:
    """Put *lines* before all others, so that they belong to no table."""
    config = operator.folder / "config.toml"
    config.write_text(f"{lines}\n{config.read_text()}")


def failures(operator: Operator, *options: str) -> dict[str, str]:
    """Return what fails, and what is said of it."""
    result = operator.run("doctor", "--json", *options)
    failed = {one["check"]: one["says"] for one in json.loads(result.stdout) if not one["ok"]}
    assert result.exit_code == bool(failed)
    return failed


def test_a_homeserver_whose_module_may_ask_is_found_well(asking, network):
    said = asking.does("doctor")

    assert "ok    synapse modules: synapse may ask about passwords" in said
    assert "ok    passwords: https://matrix.example.org takes them; whether its module asks" in said
    assert {DOOR, LOGIN} < set(network.calls)
    # Both may be internal: the operator named them.
    assert network.exempt == {ISSUER, "https://matrix.example.org"}


def test_nobody_is_asked_offline_but_the_settings_are_looked_at(asking, network):
    assert "ok    synapse modules" in asking.does("doctor", "--offline")
    assert network.calls == []


def test_without_a_module_there_is_nothing_to_look_at(operator, network):
    said = operator.does("doctor")

    assert "synapse modules" not in said
    assert "passwords" not in said
    assert not {DOOR, LOGIN} & set(network.calls)


SYNAPSE = "UPDATE clients SET {} WHERE id = 'synapse'"
ILLS: dict[str, tuple[Callable[[Operator], object], str]] = {
    "no such client": (
        lambda operator: operator.execute(SYNAPSE.format("id = 'other'")),
        "no client is called synapse",
    ),
    "no homeserver": (
        lambda operator: operator.execute(SYNAPSE.format("kind = 'web'")),
        "synapse is no homeserver",
    ),
    "no secret": (
        lambda operator: operator.execute("DELETE FROM client_secrets"),
        "synapse has no secret to show",
    ),
    "no way to show one": (
        lambda operator: operator.execute(
            SYNAPSE.format("auth_methods = '[\"client_secret_post\"]'")
        ),
        "synapse has no secret to show",
    ),
    "no server name": (
        lambda operator: operator.execute(SYNAPSE.format("server_name = NULL")),
        "synapse has no server name",
    ),
}


@pytest.mark.parametrize("ill", ILLS)
def test_a_homeserver_that_could_not_ask_is_found(asking, ill):
    spoil, says = ILLS[ill]
    spoil(asking)

    assert failures(asking, "--offline") == {"synapse modules": f"module_unusable: {says}"}


OICHAT = '[oichat]\nenabled = true\nserver_name = "{}"\n'


def add_oichat(operator: Operator, server_name: str) -> None:
    config = operator.folder / "config.toml"
    config.write_text(config.read_text() + OICHAT.format(server_name))


def test_chat_apps_for_a_homeserver_that_may_ask_are_found_well(asking):
    add_oichat(asking, "example")

    assert failures(asking, "--offline") == {}


@pytest.mark.parametrize("modules", ["[]", '["synapse"]'])
def test_chat_apps_for_a_homeserver_that_may_not_ask_are_found(operator, modules):
    configure(operator, f"synapse_modules = {modules}")
    add_oichat(operator, "other.example")

    said = failures(operator, "--offline")["synapse modules"]

    assert said == (
        "module_unusable: [oichat] is for other.example, which is none of synapse_modules"
    )


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            (404, "<html>nginx"),
            "module_unusable: https://id.example.org/matrix/password: status 404",
        ),
        (
            (401, "<html>Basic"),
            "module_unusable: https://id.example.org/matrix/password: status 401",
        ),
        ((200, {"error": "invalid_client"}), "module_unusable: https://id.example.org/matrix"),
        (FetchError("fetch_failed", "no answer"), "fetch_failed: no answer"),
    ],
    ids=["a proxy's 404", "a proxy's 401", "200", "nothing"],
)
def test_a_door_that_is_not_ours_is_found(asking, network, answer, says):
    network.answers[DOOR] = answer

    assert failures(asking)["passwords"].startswith(says)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, {"flows": [{"type": "m.login.sso"}]}), "takes no passwords"),
        ((200, {"flows": [1]}), "takes no passwords"),
        ((200, []), "takes no passwords"),
        ((200, "<html>"), "takes no passwords"),
        ((200, "[" * 60_000), "takes no passwords"),
        ((502, FLOWS), "/_matrix/client/v3/login: status 502"),
        (FetchError("fetch_failed", "no answer"), "fetch_failed: no answer"),
    ],
    ids=["SSO alone", "no flows", "a list", "a page", "deep", "502", "nothing"],
)
def test_a_homeserver_that_takes_no_passwords_is_found(asking, network, answer, says):
    network.answers[LOGIN] = answer

    said = failures(asking)["passwords"]

    assert said.startswith("module_unusable: https://matrix.example.org")
    assert says in said


def test_a_homeserver_at_another_address_than_a_synapses_is_not_asked(asking, network):
    asking.execute(SYNAPSE.format("redirect_uris = '[\"https://matrix.example.org/cb\"]'"))

    assert "ok    passwords: no homeserver to ask" in asking.does("doctor")
    assert LOGIN not in network.calls
