"""The command line, as an operator types it: each test in a folder of its own."""

import json
import logging
import os
import re
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from oidc_bridge import __version__
from oidc_bridge.cli import cli
from oidc_bridge.config import load
from oidc_bridge.errors import FetchError
from oidc_bridge.oidc.metadata import discovery
from oidc_bridge.proofs.addresses import Address
from oidc_bridge.seal import digest_of
from tests.fake_chain import EOS, FakeChain
from tests.fakes import FakeFetch
from tests.manifests import DAVE, MALLORY, a_picture, a_statement, claims_of, key_of
from tests.shell import Operator

ISSUER = "https://id.example.org"
MAS = ("--mas", "https://auth.example.org", "--server-name", "example.org")
HOMESERVER = "https://matrix.example.org/"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in os.environ:
        if name.upper().startswith("OIDC_BRIDGE_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def sites(monkeypatch) -> FakeFetch:
    """Return what answers in the place of apps' own sites: no test opens a socket."""
    fetch = FakeFetch()
    for name in ("clients", "registration", "setup"):
        module = import_module(f"oidc_bridge.cli.{name}")
        monkeypatch.setattr(module, "make_strangers_fetch", lambda settings, exempt: fetch)
    return fetch


@pytest.fixture(scope="module")
def set_up(tmp_path_factory) -> Path:
    """Return a folder in which `init` was run once, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.upper().startswith("OIDC_BRIDGE_"):
                patch.delenv(name)
        operator = Operator(tmp_path_factory.mktemp("set_up"))
        operator.does("init", "--issuer", ISSUER, "--name", "Example ID")
    return operator.folder


@pytest.fixture
def operator(set_up: Path, tmp_path: Path) -> Operator:
    """Return the operator of a bridge that was just set up."""
    folder = tmp_path / "bridge"
    shutil.copytree(set_up, folder)
    return Operator(folder)


@pytest.fixture
def newcomer(tmp_path: Path) -> Operator:
    """Return an operator in an empty folder."""
    return Operator(tmp_path)


def secret_in(output: str) -> str:
    (secret,) = (
        line.split()[1] for line in output.splitlines() if line.startswith("client_secret:")
    )
    return secret


# --- init ---


def test_init_makes_config_key_database_and_signing_keys(set_up):
    settings = load(set_up / "config.toml")

    assert settings.issuer == ISSUER
    assert settings.name == "Example ID"
    assert settings.seal()
    assert [key["state"] for key in json.loads(Operator(set_up).does("keys", "list", "--json"))]


@pytest.mark.parametrize("name", ["bridge.db", "bridge.key"])
def test_init_keeps_what_it_writes_from_everybody_else(set_up, name):
    assert stat.S_IMODE((set_up / name).stat().st_mode) == 0o600


def test_init_keeps_the_key_file_from_everybody_else_whatever_the_umask(newcomer):
    before = os.umask(0)
    try:
        newcomer.does("init", "--issuer", ISSUER)
    finally:
        os.umask(before)

    assert stat.S_IMODE((newcomer.folder / "bridge.key").stat().st_mode) == 0o600


def test_init_says_what_it_wrote_and_what_comes_next(newcomer):
    said = newcomer.does("init", "--issuer", ISSUER)

    assert f"wrote {newcomer.folder / 'config.toml'}" in said
    assert f"wrote {newcomer.folder / 'bridge.key'}" in said
    assert "client add synapse" in said
    assert "synapse-config synapse" in said
    assert "serve" in said


def test_init_never_prints_the_key(newcomer):
    result = newcomer.run("init", "--issuer", ISSUER)

    assert (newcomer.folder / "bridge.key").read_text().strip() not in result.output


def test_init_run_again_leaves_everything_as_it_is(operator):
    before = {name: (operator.folder / name).read_bytes() for name in ("config.toml", "bridge.key")}
    keys = operator.does("keys", "list")

    said = operator.does("init", "--issuer", "https://other.example", "--name", "Other")

    assert "wrote" not in said
    assert {name: (operator.folder / name).read_bytes() for name in before} == before
    assert operator.does("keys", "list") == keys


def test_two_bridges_never_share_a_key(newcomer, set_up):
    newcomer.does("init", "--issuer", ISSUER)

    assert (newcomer.folder / "bridge.key").read_text() != (set_up / "bridge.key").read_text()


def test_init_makes_the_folder_of_its_config(tmp_path):
    operator = Operator(tmp_path / "a" / "b")

    operator.does("init", "--issuer", ISSUER)

    assert (tmp_path / "a" / "b" / "bridge.db").is_file()


def test_init_needs_an_issuer(newcomer):
    result = newcomer.run("init")

    assert result.exit_code == 2
    assert "--issuer" in result.stderr
    assert list(newcomer.folder.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--issuer", "http://id.example.org"),
        ("--issuer", "https://id.example.org/"),
        ("--issuer", ISSUER, "--database", "mysql://db"),
        ("--issuer", ISSUER, "--name", ""),
        ("--issuer", ISSUER, "--name", 'A "name"'),
        ("--issuer", ISSUER, "--name", "two\nlines"),
        ("--issuer", ISSUER, "--name", 'x"\nrsa_bits = 3072\n"'),
    ],
)
def test_init_with_a_bad_value_says_so_and_can_be_run_again(newcomer, words):
    assert newcomer.fails("init", *words) == "config_invalid"

    newcomer.does("init", "--issuer", ISSUER)


# --- config errors ---


def leaves(
    group: click.Group = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(leaves())
NAMES = {("client", name): ("wiki",) for name in ("show", "secret", "remove")}
NAMES |= {("person", name): ("nobody",) for name in ("show", "block", "unblock")}
ARGUMENTS = {
    **NAMES,
    ("client", "remove"): ("wiki", "--yes"),
    ("person", "accept-new-wallet"): ("nobody", "--yes"),
    ("person", "delete"): ("nobody", "--yes"),
    **{("admin", name): ("nobody",) for name in ("add", "remove")},
    ("client", "add"): ("wiki", "--redirect-uri", "https://wiki.example/cb"),
    ("synapse-config",): ("wiki", "--new-secret"),
    ("mas-config",): ("wiki",),
    ("client", "import"): ("-",),
    ("client", "token", "remove"): ("cXtpBKRSO3s0xMnPBbGrmA",),
    ("deliver",): ("--once",),
    ("resource-server", "allow"): ("wiki-api", "wiki"),
    ("resource-server", "deny"): ("wiki-api", "wiki"),
    **{("app", say): ("https://chat.example",) for say in ("allow", "alone", "deny", "show")},
    ("app", "forget"): ("https://chat.example", "--yes"),
    ("app", "default"): ("synapse", "deny"),
    ("app", "admit"): ("https://chat.example", "ann.btc"),
    ("app", "dismiss"): ("https://chat.example", "ann.btc"),
    ("app", "import"): ("-",),
    ("request", "approve"): ("cXtpBKRSO3s0xMnPBbGrmA",),
    ("request", "decline"): ("cXtpBKRSO3s0xMnPBbGrmA", "--reason", "no"),
    ("explain",): ("ann.btc", "https://chat.example"),
}
# `init` makes the configuration, `demo` brings its own; developers have none.
CONFIGURED = [path for path in COMMANDS if path[0] not in ("init", "demo", "manifest")]


def words_of(path: tuple[str, ...]) -> tuple[str, ...]:
    return (*path, *ARGUMENTS.get(path, ()))


@pytest.mark.parametrize("path", CONFIGURED, ids=" ".join)
def test_without_a_config_every_command_says_in_one_line_what_to_run(newcomer, path):
    assert newcomer.fails(*words_of(path)) == "config_missing"
    assert list(newcomer.folder.iterdir()) == []


@pytest.mark.parametrize("path", CONFIGURED, ids=" ".join)
def test_with_a_bad_config_every_command_says_in_one_line_what_is_wrong(newcomer, path):
    (newcomer.folder / "config.toml").write_text('issuer = "http://id.example.org"\nport = 1\n')

    assert newcomer.fails(*words_of(path)) == "config_invalid"


# Commands that read or write the database, `migrate` alone apart.
STORED = [path for path in CONFIGURED if path not in (("migrate",), ("doctor",))]


@pytest.mark.parametrize("path", STORED, ids=" ".join)
def test_before_migrate_every_command_says_in_one_line_what_to_run(operator, path):
    for file in operator.folder.glob("bridge.db*"):
        file.unlink()

    assert operator.fails(*words_of(path)) == "schema_behind"


@pytest.mark.parametrize("path", [("keys", "list"), ("keys", "rotate"), ("serve",)], ids=" ".join)
@pytest.mark.parametrize("spoil", ["missing", "readable", "malformed", "another"])
def test_what_needs_the_key_file_says_in_one_line_what_is_wrong_with_it(operator, path, spoil):
    key_file = operator.folder / "bridge.key"
    match spoil:
        case "missing":
            key_file.unlink()
        case "readable":
            key_file.chmod(0o644)
        case "malformed":
            key_file.write_text("no key")
        case "another":
            key_file.write_text("5e" * 32)

    expected = "seal_broken" if spoil == "another" else f"key_{spoil}"
    assert operator.fails(*words_of(path)) == expected


def test_an_unknown_command_is_wrong_usage(operator):
    assert operator.run("frobnicate").exit_code == 2
    assert operator.run("client", "frobnicate").exit_code == 2


def test_the_config_may_be_named_by_the_environment(operator, monkeypatch):
    monkeypatch.setenv("OIDC_BRIDGE_CONFIG", str(operator.folder / "config.toml"))

    result = CliRunner().invoke(cli, ["client", "list"])

    assert result.exit_code == 0


def test_the_version_is_the_packages():
    result = CliRunner().invoke(cli, ["--version"])

    assert result.output == f"oidc-bridge, version {__version__}\n"


# --- help ---


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(path):
    result = CliRunner().invoke(cli, [*path, "--help"], prog_name="oidc-bridge")

    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"oidc-bridge {' '.join(path)}" in result.output.partition("Example")[2]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_example_is_a_command_that_click_understands(path):
    result = CliRunner().invoke(cli, [*path, "--help"], prog_name="oidc-bridge")
    examples = [
        line.strip().partition(" > ")[0]
        for line in result.output.splitlines()
        if line.startswith("    oidc-bridge ")
    ]

    assert examples
    for example in examples:
        words = example.split('"')[0].split()[1 + len(path) :]
        options = {option for known in COMMANDS[path].params for option in known.opts}
        assert {word for word in words if word.startswith("--")} <= options


def test_the_help_of_all_names_every_command():
    result = CliRunner().invoke(cli, ["--help"])

    assert all(path[0] in result.output for path in COMMANDS)
    assert "Exit codes" in result.output


# --- client add ---


def test_a_homeserver_is_registered_by_its_address_alone(operator):
    operator.does("client", "add", "synapse", "--homeserver", HOMESERVER)

    added = operator.client("synapse")
    assert added.kind == "homeserver"
    assert added.name == "matrix.example.org"
    assert added.server_name == "matrix.example.org"
    assert added.redirect_uris == ("https://matrix.example.org/_synapse/client/oidc/callback",)
    assert added.backchannel_logout_uri == (
        "https://matrix.example.org/_synapse/client/oidc/backchannel_logout"
    )
    assert added.scopes == ("openid", "profile")
    assert added.required_scopes == ("openid",)
    assert added.auth_methods == ("client_secret_basic", "client_secret_post")


def test_a_web_client_is_registered_by_its_redirect_uris(operator):
    uris = ("https://wiki.example/cb", "http://localhost:5000/cb")

    operator.does(
        *("client", "add", "wiki", "--name", "The Wiki"),
        *("--redirect-uri", uris[0], "--redirect-uri", uris[1]),
        *("--scope", "openid", "--scope", "email", "--require", "email"),
    )

    added = operator.client("wiki")
    assert added.kind == "web"
    assert added.name == "The Wiki"
    assert added.redirect_uris == uris
    assert added.scopes == ("openid", "email")
    assert added.required_scopes == ("openid", "email")
    assert added.server_name is None
    assert added.backchannel_logout_uri is None


def test_what_is_said_wins_over_what_the_homeserver_implies(operator):
    operator.does(
        *("client", "add", "synapse", "--homeserver", "https://chat.example.org:8448"),
        *("--server-name", "example.org", "--name", "Example Chat"),
        *("--backchannel-logout-uri", "http://synapse:8008/logout"),
    )

    added = operator.client("synapse")
    assert added.server_name == "example.org"
    assert added.name == "Example Chat"
    assert added.backchannel_logout_uri == "http://synapse:8008/logout"


def test_a_secret_is_printed_once_and_is_valid(operator):
    said = operator.does("client", "add", "wiki", "--redirect-uri", "https://wiki.example/cb")

    assert said.startswith("client_id:     wiki\n")
    assert operator.client("wiki").has_secret(digest_of(secret_in(said)))


def test_a_public_client_has_no_secret(operator):
    said = operator.does(
        "client", "add", "app", "--public", "--redirect-uri", "https://app.example/cb"
    )

    added = operator.client("app")
    assert "secret" not in said
    assert added.secret_digests == ()
    assert added.auth_methods == ("none",)


URI = ("--redirect-uri", "https://wiki.example/cb")
BAD_CLIENTS = {
    "no address": (("wiki",), "invalid_redirect_uri"),
    "http": (("wiki", "--redirect-uri", "http://wiki.example/cb"), "invalid_redirect_uri"),
    "javascript": (("wiki", "--redirect-uri", "javascript:alert(1)"), "invalid_redirect_uri"),
    "fragment": (("wiki", "--redirect-uri", "https://wiki.example/#x"), "invalid_redirect_uri"),
    "user": (("wiki", "--redirect-uri", "https://a@wiki.example/"), "invalid_redirect_uri"),
    "state in it": (
        ("wiki", "--redirect-uri", "https://wiki.example/?state=x"),
        "invalid_redirect_uri",
    ),
    "one good, one bad": (("wiki", *URI, "--redirect-uri", "cb"), "invalid_redirect_uri"),
    "id with a space": (("the wiki", *URI), "client_id_malformed"),
    "id with a colon": (("wiki:1", *URI), "client_id_malformed"),
    "id with a percent sign": (("wiki%31", *URI), "client_id_malformed"),
    "id with a line break": (("wiki\nallow_existing_users: true", *URI), "client_id_malformed"),
    "id with an umlaut": (("w\u00eeki", *URI), "client_id_malformed"),
    "id too long": (("w" * 65, *URI), "client_id_malformed"),
    "empty id": (("", *URI), "client_id_malformed"),
    "unknown scope": (("wiki", *URI, "--scope", "admin"), "invalid_client_metadata"),
    "no openid": (("wiki", *URI, "--scope", "profile"), "invalid_client_metadata"),
    "unknown required scope": (("wiki", *URI, "--require", "admin"), "invalid_client_metadata"),
    "required but not allowed": (
        ("wiki", *URI, "--scope", "openid", "--require", "email"),
        "invalid_client_metadata",
    ),
    "logout somewhere odd": (
        ("wiki", *URI, "--backchannel-logout-uri", "ftp://wiki.example"),
        "invalid_client_metadata",
    ),
    "logout nowhere": (
        ("wiki", *URI, "--backchannel-logout-uri", "https://[::1"),
        "invalid_client_metadata",
    ),
    "homeserver without scheme": (
        ("synapse", "--homeserver", "matrix.example.org"),
        "homeserver_invalid",
    ),
    "homeserver that is no address": (
        ("synapse", "--homeserver", "https://[::1"),
        "homeserver_invalid",
    ),
    "homeserver on http": (
        ("synapse", "--homeserver", "http://matrix.example.org"),
        "invalid_redirect_uri",
    ),
    "homeserver with a password": (
        ("synapse", "--homeserver", "https://a:b@matrix.example.org"),
        "homeserver_invalid",
    ),
}


@pytest.mark.parametrize("case", BAD_CLIENTS)
def test_a_registration_that_breaks_a_rule_is_refused_and_leaves_nothing(operator, case):
    words, code = BAD_CLIENTS[case]

    assert operator.fails("client", "add", *words) == code

    assert json.loads(operator.does("client", "list", "--json")) == []
    assert operator.execute("SELECT * FROM client_secrets") == []


def test_a_client_is_registered_once(operator):
    operator.does("client", "add", "wiki", *URI)

    code = operator.fails("client", "add", "wiki", "--redirect-uri", "https://evil.example/cb")

    assert code == "client_exists"
    assert operator.client("wiki").redirect_uris == ("https://wiki.example/cb",)
    assert len(operator.client("wiki").secret_digests) == 1


def test_an_id_of_64_letters_is_taken(operator):
    operator.does("client", "add", "w" * 62 + "-_", *URI)

    assert operator.client("w" * 62 + "-_")


# --- client list, show, secret, remove ---


def test_clients_are_listed_for_people_and_for_scripts(operator):
    operator.does("client", "add", "wiki", "--name", "The Wiki", *URI)
    operator.does("client", "add", "synapse", "--homeserver", HOMESERVER)

    assert operator.does("client", "list").splitlines() == [
        "synapse  homeserver  matrix.example.org",
        "wiki  web  The Wiki",
    ]
    assert [one["id"] for one in json.loads(operator.does("client", "list", "--json"))] == [
        "synapse",
        "wiki",
    ]


def test_an_empty_list_is_empty(operator):
    assert operator.does("client", "list") == ""
    assert json.loads(operator.does("client", "list", "--json")) == []


def test_a_client_is_shown_without_its_secrets(operator):
    operator.does("client", "add", "wiki", "--name", "The Wiki", *URI)

    assert json.loads(operator.does("client", "show", "wiki")) == {
        "id": "wiki",
        "name": "The Wiki",
        "kind": "web",
        "redirect_uris": ["https://wiki.example/cb"],
        "auth_methods": ["client_secret_basic", "client_secret_post"],
        "scopes": ["openid", "profile", "email", "offline_access"],
        "required_scopes": ["openid"],
        "server_name": None,
        "backchannel_logout_uri": None,
        "metadata": {},
        "statement": None,
        "logo": None,
        "site": None,
        "profile": None,
        "secrets": 1,
    }


def test_two_secrets_are_valid_and_the_third_drops_the_oldest(operator):
    first = secret_in(operator.does("client", "add", "wiki", *URI))
    second = operator.does("client", "secret", "wiki").strip()

    known = operator.client("wiki")
    assert known.has_secret(digest_of(first))
    assert known.has_secret(digest_of(second))

    third = operator.does("client", "secret", "wiki").strip()

    known = operator.client("wiki")
    assert not known.has_secret(digest_of(first))
    assert known.has_secret(digest_of(second))
    assert known.has_secret(digest_of(third))


def test_a_new_secret_of_one_client_leaves_the_others_alone(operator):
    other = secret_in(operator.does("client", "add", "other", *URI))
    operator.does("client", "add", "wiki", *URI)

    for _ in range(3):
        operator.does("client", "secret", "wiki")

    assert operator.client("other").has_secret(digest_of(other))


def test_secrets_are_in_no_list_no_log_and_not_in_the_database(operator, caplog):
    caplog.set_level(logging.DEBUG)
    added = operator.run("client", "add", "synapse", "--homeserver", HOMESERVER)
    secrets = [secret_in(added.stdout), operator.does("client", "secret", "synapse").strip()]
    snippet = operator.does("synapse-config", "synapse", "--new-secret")
    secrets.append(yaml.safe_load(snippet)["oidc_providers"][0]["client_secret"])

    shown = (
        operator.does("client", "show", "synapse")
        + operator.does("client", "list")
        + operator.does("client", "list", "--json")
        + added.stderr
    )

    key = (operator.folder / "bridge.key").read_text().strip()
    for secret in (*secrets, key):
        assert secret not in shown
        assert secret not in caplog.text
        assert secret.encode() not in operator.database()
    assert digest_of(secrets[-1]) not in shown
    assert digest_of(secrets[-1]).encode() in operator.database()


def test_no_private_key_lies_open_in_the_database(operator):
    database = operator.database()

    assert b"PRIVATE KEY" not in database
    assert bytes.fromhex((operator.folder / "bridge.key").read_text()) not in database


@pytest.mark.parametrize(
    "words",
    [
        ("client", "show", "nobody"),
        ("client", "secret", "nobody"),
        ("client", "remove", "nobody", "--yes"),
        ("synapse-config", "nobody", "--new-secret"),
        ("synapse-config", "nobody", "--secret-path", "/etc/secret"),
        ("mas-config", "nobody"),
    ],
    ids=" ".join,
)
def test_a_client_that_does_not_exist_is_told(operator, words):
    assert operator.fails(*words) == "client_unknown"


def test_a_public_client_gets_no_secret_that_it_could_not_use(operator):
    operator.does("client", "add", "app", "--public", *URI)

    assert operator.run("client", "secret", "app").exit_code == 1
    assert operator.client("app").secret_digests == ()


def test_a_removed_client_is_gone_with_its_secrets(operator):
    operator.does("client", "add", "wiki", *URI)

    operator.does("client", "remove", "wiki", "--yes")

    assert operator.fails("client", "show", "wiki") == "client_unknown"
    assert operator.execute("SELECT * FROM client_secrets") == []


@pytest.mark.parametrize(("answer", "is_gone"), [("y\n", True), ("n\n", False), ("", False)])
def test_removing_asks_first(operator, answer, is_gone):
    operator.does("client", "add", "wiki", *URI)

    result = operator.run("client", "remove", "wiki", answers=answer)

    assert (result.exit_code == 0) == is_gone
    assert (operator.does("client", "list") == "") == is_gone


def test_a_removed_client_can_come_back_with_another_secret(operator):
    old = secret_in(operator.does("client", "add", "wiki", *URI))
    operator.does("client", "remove", "wiki", "--yes")

    new = secret_in(operator.does("client", "add", "wiki", *URI))

    assert operator.client("wiki").has_secret(digest_of(new))
    assert not operator.client("wiki").has_secret(digest_of(old))


def test_what_an_operator_did_is_in_the_ledger(operator):
    operator.does("client", "add", "wiki", *URI)
    operator.does("client", "secret", "wiki")
    operator.does("client", "remove", "wiki", "--yes")
    operator.does("keys", "rotate")

    told = [kind for (kind,) in operator.execute("SELECT kind FROM events ORDER BY at")]
    assert told == [
        "admin token made",
        "client added",
        "client secret made",
        "client removed",
        "keys rotated",
    ]


# --- synapse-config ---


def test_the_snippet_is_yaml_with_a_fresh_secret(operator):
    operator.does("client", "add", "synapse", "--homeserver", HOMESERVER)

    (provider,) = yaml.safe_load(operator.does("synapse-config", "synapse", "--new-secret"))[
        "oidc_providers"
    ]

    assert provider["issuer"] == ISSUER
    assert provider["idp_name"] == "Example ID"
    assert provider["client_id"] == "synapse"
    assert operator.client("synapse").has_secret(digest_of(provider["client_secret"]))


def test_the_snippet_may_name_a_file_and_makes_no_secret(operator):
    operator.does("client", "add", "synapse", "--homeserver", HOMESERVER)
    before = operator.client("synapse").secret_digests

    (provider,) = yaml.safe_load(
        operator.does("synapse-config", "synapse", "--secret-path", "/etc/oidc.secret")
    )["oidc_providers"]

    assert provider["client_secret_path"] == "/etc/oidc.secret"
    assert "client_secret" not in provider
    assert operator.client("synapse").secret_digests == before


@pytest.mark.parametrize("asks", [False, True])
def test_the_module_gets_the_same_client_and_secret(operator, asks, monkeypatch):
    operator.does("client", "add", "synapse", "--homeserver", HOMESERVER)
    if asks:
        monkeypatch.setenv("OIDC_BRIDGE_SYNAPSE_MODULES", '["synapse"]')

    result = operator.run("synapse-config", "synapse", "--new-secret", "--with-module")

    assert result.exit_code == 0
    document = yaml.safe_load(result.stdout)
    (provider,), (module,) = document["oidc_providers"], document["modules"]
    assert module == {
        "module": "oidc_bridge.matrix.synapse_module.PasswordProvider",
        "config": {
            "url": f"{ISSUER}/matrix/password",
            "client_id": "synapse",
            "client_secret": provider["client_secret"],
            "idp_id": provider["idp_id"],
        },
    }
    assert ("synapse_modules" in result.stderr) is not asks


@pytest.mark.parametrize("words", [(), ("--new-secret", "--secret-path", "/etc/secret")])
def test_the_snippet_needs_exactly_one_way_to_the_secret(operator, words):
    operator.does("client", "add", "synapse", "--homeserver", HOMESERVER)

    result = operator.run("synapse-config", "synapse", *words)

    assert result.exit_code == 2
    assert "--new-secret or --secret-path" in result.stderr
    assert result.stdout == ""
    assert len(operator.client("synapse").secret_digests) == 1


def test_there_is_no_snippet_for_a_client_that_is_no_homeserver(operator):
    operator.does("client", "add", "wiki", *URI)

    assert operator.fails("synapse-config", "wiki", "--new-secret") == "client_not_homeserver"
    assert len(operator.client("wiki").secret_digests) == 1


def test_there_is_no_synapse_snippet_for_a_homeserver_with_mas(operator):
    operator.does("client", "add", "mas", *MAS)

    assert operator.fails("synapse-config", "mas", "--new-secret") == "client_not_synapse"
    assert len(operator.client("mas").secret_digests) == 1


# --- mas-config ---


def test_a_mas_is_added_by_its_address_and_told_of_us(operator):
    operator.does("client", "add", "mas", *MAS)

    (told,) = yaml.safe_load(operator.does("mas-config", "mas"))["upstream_oauth2"]["providers"]

    kept = operator.client("mas")
    assert (kept.kind, kept.name, kept.server_name) == ("homeserver", "example.org", "example.org")
    assert kept.redirect_uris == (f"https://auth.example.org/upstream/callback/{told['id']}",)
    assert kept.backchannel_logout_uri == (
        f"https://auth.example.org/upstream/backchannel-logout/{told['id']}"
    )
    assert (told["issuer"], told["human_name"]) == (ISSUER, "Example ID")
    assert told["client_id"] == "mas"
    assert kept.has_secret(digest_of(told["client_secret"]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (MAS[:2], "--server-name"),
        ((*MAS, "--homeserver", HOMESERVER), "one address"),
    ],
)
def test_a_mas_has_one_address_and_the_name_of_its_server(operator, words, said):
    result = operator.run("client", "add", "mas", *words)

    assert result.exit_code == 2
    assert said in result.stderr
    assert operator.fails("client", "show", "mas") == "client_unknown"


def test_what_holds_for_apps_without_a_rule_may_be_said_of_a_mas_too(operator):
    operator.does("client", "add", "mas", *MAS, "--unknown-apps", "deny")

    assert operator.client("mas").unknown_apps == "deny"


def test_there_is_no_mas_snippet_for_a_synapse(operator):
    operator.does("client", "add", "synapse", "--homeserver", HOMESERVER)

    assert operator.fails("mas-config", "synapse") == "client_not_mas"
    assert len(operator.client("synapse").secret_digests) == 1


def test_a_homeserver_must_be_able_to_keep_a_secret(operator):
    """Its snippet says ``client_secret_basic``, which a public client may not use."""
    result = operator.run("client", "add", "synapse", "--public", "--homeserver", HOMESERVER)

    assert result.exit_code != 0


# --- keys ---


def keys_of(operator: Operator) -> dict[str, str]:
    listed = json.loads(operator.does("keys", "list", "--json"))
    return {key["kid"]: key["state"] for key in listed}


def test_a_fresh_bridge_has_a_key_that_signs_and_the_next_one(operator):
    assert sorted(keys_of(operator).values()) == ["active"] * 3 + ["next"] * 3


def test_rotating_uses_the_next_keys_and_keeps_the_old_ones_published(operator):
    before = keys_of(operator)
    old = {kid for kid, state in before.items() if state == "active"}
    upcoming = {kid for kid, state in before.items() if state == "next"}

    done = operator.run("keys", "rotate")
    said = done.stdout

    after = keys_of(operator)
    assert "published less than a day ago" in done.stderr
    assert set(said.split()) == upcoming
    assert {after[kid] for kid in old} == {"retired"}
    assert {after[kid] for kid in upcoming} == {"active"}
    assert sorted(after.values()) == ["active"] * 3 + ["next"] * 3 + ["retired"] * 3


def test_every_rotation_has_one_key_that_signs(operator):
    for _ in range(3):
        operator.does("keys", "rotate")

    states = sorted(keys_of(operator).values())
    assert states == ["active"] * 3 + ["next"] * 3 + ["retired"] * 9


def test_keys_are_listed_for_people(operator):
    lines = operator.does("keys", "list").splitlines()

    assert len(lines) == 6
    assert {tuple(line.split()[1:3]) for line in lines} == {
        (state, algorithm)
        for state in ("active", "next")
        for algorithm in ("RS256", "ES256", "EdDSA")
    }


def test_without_an_active_key_rotating_says_what_to_run(operator):
    operator.execute("DELETE FROM signing_keys")

    assert operator.fails("keys", "rotate") == "keys_missing"


# --- resource-server ---


def test_a_resource_server_is_allowed_listed_and_denied(operator):
    for name in ("wiki", "wiki-api"):
        operator.does("client", "add", name, *URI)

    operator.does("resource-server", "allow", "wiki-api", "wiki")
    operator.does("resource-server", "allow", "wiki-api", "wiki")

    assert operator.does("resource-server", "list") == "wiki-api  wiki\n"
    listed = json.loads(operator.does("resource-server", "list", "--json"))
    assert listed == [{"server_id": "wiki-api", "client_id": "wiki"}]
    operator.does("resource-server", "deny", "wiki-api", "wiki")
    assert operator.does("resource-server", "list") == ""
    assert operator.fails("resource-server", "deny", "wiki-api", "wiki") == (
        "resource_server_unknown"
    )


@pytest.mark.parametrize("pair", [("wiki", "nobody"), ("nobody", "wiki")])
def test_a_resource_server_and_whose_tokens_it_reads_must_be_known(operator, pair):
    operator.does("client", "add", "wiki", *URI)

    assert operator.fails("resource-server", "allow", *pair) == "client_unknown"


# --- person ---


@pytest.mark.parametrize("path", [path for path in COMMANDS if path[0] == "person"], ids=" ".join)
def test_a_person_nobody_knows_is_said_to_be_unknown(operator, path):
    assert operator.fails(*words_of(path)) == "person_unknown"


def add_person(operator):
    operator.execute("INSERT INTO accounts (id, created_at) VALUES ('a', 0);")
    operator.execute(
        "INSERT INTO identities (id, account_id, method, subject, unconfirmed, first_proved_at,"
        " last_proved_at) VALUES ('i', 'a', 'blockstack', 'SP123', '[]', 0, 0)"
    )


def test_a_person_is_shown_as_json(operator):
    add_person(operator)

    shown = json.loads(operator.does("person", "show", "sp123"))

    assert shown["identities"][0]["address"] == "SP123"
    assert shown["created_at"].startswith("1970-01-01")
    operator.does("person", "block", "SP123")
    assert json.loads(operator.does("person", "show", "SP123"))["blocked_at"]
    operator.does("person", "unblock", "SP123")
    assert json.loads(operator.does("person", "show", "SP123"))["blocked_at"] is None


def test_a_person_is_deleted_when_the_operator_is_sure(operator):
    add_person(operator)

    assert operator.run("person", "delete", "SP123", answers="n\n").exit_code == 1
    assert operator.execute("SELECT id FROM accounts") == [("a",)]
    assert operator.does("person", "delete", "SP123", "--yes") == "deleted\n"

    assert operator.execute("SELECT id FROM accounts") == []
    happened = "SELECT kind, account_id, detail FROM events WHERE kind != 'admin token made'"
    assert operator.execute(happened) == [("account deleted", None, '{"by": "operator"}')]
    assert operator.fails("person", "show", "SP123") == "person_unknown"


def test_a_blocked_person_is_not_deleted(operator):
    """The block would go with the account."""
    add_person(operator)
    operator.does("person", "block", "SP123")

    assert operator.fails("person", "delete", "SP123", "--yes") == "person_blocked"
    assert operator.execute("SELECT id FROM accounts") == [("a",)]


# --- doctor ---


def checks_of(result: Result) -> dict[str, bool]:
    return {check["check"]: check["ok"] for check in json.loads(result.stdout)}


OFFLINE = ["database", "signing keys", "clock", "cryptography", "clients"]


def test_the_doctor_finds_a_fresh_bridge_well(operator):
    said = operator.does("doctor", "--offline")

    assert [line.split(":")[0] for line in said.splitlines()] == [f"ok    {c}" for c in OFFLINE]
    assert "none registered" in said


def test_the_doctor_tells_scripts_the_same(operator):
    result = operator.run("doctor", "--offline", "--json")

    assert result.exit_code == 0
    assert checks_of(result) == dict.fromkeys(OFFLINE, True)


# What is done to the bridge, the check that fails, the code in its words.
ILLS = {
    "no signing keys": ("DELETE FROM signing_keys", "signing keys", "keys_missing"),
    "no active key": (
        "UPDATE signing_keys SET state = 'next'",
        "signing keys",
        "keys_missing",
    ),
    "a schema of the future": (
        "UPDATE alembic_version SET version_num = 'future'",
        "database",
        "schema_behind",
    ),
    "a clock that was set back": (
        "UPDATE signing_keys SET created_at = 9000000000000000",
        "clock",
        "clock_behind",
    ),
    "a redirect URI that nobody may have": (
        "UPDATE clients SET redirect_uris = '[\"http://wiki.example/\"]'",
        "clients",
        "invalid_redirect_uri",
    ),
}


@pytest.mark.parametrize("ill", ILLS)
def test_the_doctor_finds(operator, ill):
    sql, check, code = ILLS[ill]
    operator.does("client", "add", "wiki", *URI)
    operator.execute(sql)

    result = operator.run("doctor", "--offline", "--json")

    assert result.exit_code == 1
    assert checks_of(result) == dict.fromkeys(OFFLINE, True) | {check: False}
    (said,) = (one["says"] for one in json.loads(result.stdout) if not one["ok"])
    assert said.startswith(f"{code}: ")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda key: key.unlink(), "key_missing"),
        (lambda key: key.chmod(0o640), "key_readable"),
        (lambda key: key.write_text("no key"), "key_malformed"),
        (lambda key: key.write_text("5e" * 32), "seal_broken"),
    ],
    ids=["missing", "readable", "malformed", "another"],
)
def test_the_doctor_finds_a_key_file_that_is(operator, spoil, code):
    spoil(operator.folder / "bridge.key")

    result = operator.run("doctor", "--offline")

    assert result.exit_code == 1
    assert f"FAIL  signing keys: {code}: " in result.stdout


def test_the_doctor_finds_a_database_that_was_never_migrated(operator):
    for file in operator.folder.glob("bridge.db*"):
        file.unlink()

    result = operator.run("doctor", "--offline")

    assert result.exit_code == 1
    assert "FAIL  database: schema_behind: " in result.stdout
    assert "ok    cryptography" in result.stdout


def test_the_doctor_finds_a_database_that_cannot_be_opened(operator):
    config = operator.folder / "config.toml"
    config.write_text(config.read_text().replace("bridge.db", "no/such/folder/bridge.db"))

    result = operator.run("doctor", "--offline")

    assert result.exit_code == 1
    assert "FAIL  database: " in result.stdout


WELL_KNOWN = f"{ISSUER}/.well-known/openid-configuration"


@pytest.fixture
def network(monkeypatch) -> FakeFetch:
    """Return what the doctor reaches instead of the world: a bridge that answers as it must."""
    fetch = FakeFetch({WELL_KNOWN: (200, discovery(ISSUER))})
    module = import_module("oidc_bridge.cli.doctor")  # its face names the command
    monkeypatch.setattr(module, "make_fetch", lambda settings: fetch)
    return fetch


def test_the_doctor_asks_the_issuer_as_a_relying_party_would(operator, network):
    said = operator.does("doctor")

    assert f"ok    issuer: {ISSUER} answers as it must" in said
    assert "ok    name services: none configured" in said
    assert network.calls == [WELL_KNOWN]


def test_the_doctor_asks_nobody_when_offline(operator, network):
    operator.does("doctor", "--offline")

    assert network.calls == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, "<html>Welcome to nginx!</html>"), "issuer_wrong"),
        ((200, {**discovery(ISSUER), "issuer": "https://evil.example"}), "issuer_wrong"),
        ((200, []), "issuer_wrong"),
        ((404, {"error": "not found"}), "issuer_wrong"),
        (FetchError("fetch_failed", "no answer"), "fetch_failed"),
        (FetchError("fetch_blocked", "10.0.0.1 is no public address"), "fetch_blocked"),
    ],
    ids=["a page", "another issuer", "a list", "404", "nothing", "an internal address"],
)
def test_the_doctor_finds_an_issuer_that_answers(operator, network, answer, code):
    network.answers[WELL_KNOWN] = answer

    result = operator.run("doctor")

    assert result.exit_code == 1
    assert f"FAIL  issuer: {code}: " in result.stdout


@pytest.fixture
def chain(operator, network, monkeypatch) -> FakeChain:
    """Return a node of EOS, on which the bridge relies."""
    config = operator.folder / "config.toml"
    nodes = '["https://one.example/", "https://two.example"]'
    table = f'[[antelope.chains]]\nid = "{EOS}"\nnodes = {nodes}\n'
    config.write_text(config.read_text() + table)
    node = FakeChain()
    monkeypatch.setattr(network, "post_json", node, raising=False)
    return node


def test_the_doctor_asks_every_node_which_chain_it_follows(operator, chain):
    said = operator.does("doctor")

    assert "ok    chains: 2 nodes follow their chains" in said
    assert [url for url, _ in chain.asked] == [
        "https://one.example/v1/chain/get_info",
        "https://two.example/v1/chain/get_info",
    ]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, {"chain_id": "0" * 64, "last_irreversible_block_num": 1}), "wrong_chain"),
        ((502, b"<html>"), "node_unavailable"),
        (FetchError("fetch_blocked", "10.0.0.1 is no public address"), "node_unavailable"),
    ],
    ids=["another chain", "a page", "an internal address"],
)
def test_the_doctor_finds_a_node_that_is_no_use(operator, chain, answer, code):
    chain.changes["https://two.example/v1/chain/get_info"] = answer

    result = operator.run("doctor")

    assert result.exit_code == 1
    assert f"FAIL  chains: {code}: " in result.stdout


def test_the_doctor_asks_no_node_when_offline(operator, chain):
    operator.does("doctor", "--offline")

    assert chain.asked == []


def add_name_services(operator) -> None:
    config = operator.folder / "config.toml"
    config.write_text(
        config.read_text()
        + '[[names.services]]\nurl = "https://two.example/"\n'
        + '[[names.services]]\nurl = "https://three.example"\nlabels = [3]\n'
    )


NOBODY = Address(bytes(20)).c32
TWO = f"https://two.example/names/address/{NOBODY}/valid"
THREE = f"https://three.example/v1/addresses/stacks/{NOBODY}"


def test_the_doctor_asks_every_name_service_in_its_own_system(operator, network):
    add_name_services(operator)
    network.answers[TWO] = (200, {"total": 0, "names": []})
    network.answers[THREE] = (200, {"names": []})

    said = operator.does("doctor")

    assert (
        "ok    name services: https://two.example/ speaks v2, https://three.example speaks v1"
        in said
    )


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>Welcome to nginx!</html>"),
        (200, {"names": []}),
        (404, {"error": "not found"}),
        FetchError("fetch_failed", "no answer"),
    ],
    ids=["a page", "another system", "404", "nothing"],
)
def test_the_doctor_finds_a_name_service_that_cannot_be_used(operator, network, answer):
    add_name_services(operator)
    network.answers[TWO] = answer

    result = operator.run("doctor")

    assert result.exit_code == 1
    assert "FAIL  name services: names_unusable: https://two.example/" in result.stdout


def add_widget(operator, server_name: str = "matrix.example") -> None:
    operator.does("client", "add", "synapse", "--homeserver", "https://matrix.example/")
    config = operator.folder / "config.toml"
    config.write_text(
        config.read_text()
        + '[widget]\nclients = ["https://element.example"]\n'
        + f'[[widget.homeservers]]\nserver_name = "{server_name}"\nurl = "https://m.example"\n'
    )


USERINFO = "https://m.example/_matrix/federation/v1/openid/userinfo?access_token=doctor"


def test_the_doctor_shows_the_widgets_homeserver_a_token_of_nobodys(operator, network):
    add_widget(operator)
    network.answers[USERINFO] = (401, {"errcode": "M_UNKNOWN_TOKEN"})

    assert "ok    widget: matrix.example can be asked" in operator.does("doctor")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((404, {"errcode": "M_UNRECOGNIZED"}), "server_unready"),
        ((500, ""), "server_unreachable"),
        ((200, {"sub": "@ann:matrix.example"}), "takes any token"),
        (FetchError("fetch_blocked", "10.0.0.1 is no public address"), "fetch_blocked"),
    ],
)
def test_the_doctor_finds_a_homeserver_that_the_widget_cannot_ask(operator, network, answer, says):
    add_widget(operator)
    network.answers[USERINFO] = answer

    result = operator.run("doctor")

    assert result.exit_code == 1
    assert re.search(f"FAIL  widget: widget_unusable: .*{says}", result.stdout)


def test_the_doctor_finds_a_homeserver_of_the_widget_that_no_client_is_for(operator, network):
    add_widget(operator, "Matrix.example")

    result = operator.run("doctor")

    assert "FAIL  widget: widget_unusable: no client has the server name" in result.stdout


# --- migrate, prune, deliver ---


def test_migrate_brings_an_empty_database_to_head(operator):
    for file in operator.folder.glob("bridge.db*"):
        file.unlink()

    said = "the database is at head, and has its signing keys\n"
    assert operator.does("migrate") == said

    assert operator.execute("SELECT version_num FROM alembic_version")
    assert operator.execute("SELECT id FROM clients") == [("app-password",)]


def test_migrate_changes_nothing_at_head(operator):
    operator.does("client", "add", "wiki", *URI)

    operator.does("migrate")

    assert operator.client("wiki")


def test_migrate_works_where_the_path_has_a_percent_sign(set_up, tmp_path):
    operator = Operator(tmp_path / "odd %dir")
    shutil.copytree(set_up, operator.folder)
    (operator.folder / "bridge.db").unlink()

    operator.does("migrate")

    assert operator.execute("SELECT id FROM clients") == [("app-password",)]


def test_prune_tells_what_it_deleted(operator):
    assert operator.does("prune").splitlines() == [
        "       0 authorization requests",
        "       0 pushed requests",
        "       0 challenges",
        "       0 handovers",
        "       0 questions to chat apps",
        "       0 nonces of chat apps",
        "       0 access tokens",
        "       0 refresh tokens",
        "       0 used client assertions and DPoP proofs",
        "       0 widget sessions",
        "       0 codes that nobody redeemed",
        "       0 sign-out deliveries",
        "       0 sign-outs of people who are gone",
        "       0 signing keys",
        "       0 sites, logos and profiles looked at again",
    ]


def test_prune_forgets_a_retired_key_when_its_last_token_has_died(operator):
    operator.does("keys", "rotate")
    life = timedelta(seconds=load(operator.folder / "config.toml").lifetimes.id_token)
    long_ago = datetime.now(UTC) - life - timedelta(minutes=1)

    assert "0 signing keys" in operator.does("prune")
    operator.execute(
        "UPDATE signing_keys SET retired_at = ? WHERE state = 'retired'",
        int(long_ago.timestamp() * 1_000_000),
    )
    assert "3 signing keys" in operator.does("prune")

    assert sorted(keys_of(operator).values()) == ["active"] * 3 + ["next"] * 3


def test_prune_rotates_keys_that_are_old_if_it_is_told_to(operator, monkeypatch):
    before = keys_of(operator)
    month = timedelta(days=30)
    long_ago = datetime.now(UTC) - month
    operator.execute(
        "UPDATE signing_keys SET created_at = ?", int(long_ago.timestamp() * 1_000_000)
    )

    operator.does("prune")
    assert keys_of(operator) == before
    monkeypatch.setenv("OIDC_BRIDGE_LIFETIMES__SIGNING_KEY", str(int(month.total_seconds())))
    said = operator.does("prune")
    again = operator.does("prune")

    assert said.count("signing with") == 3
    assert "signing with" not in again
    upcoming = {kid for kid, state in before.items() if state == "next"}
    after = keys_of(operator)
    assert {kid for kid, state in after.items() if state == "active"} == upcoming


def test_a_bridge_of_before_gets_the_keys_it_lacks_from_init(operator):
    before = keys_of(operator)
    operator.execute("DELETE FROM signing_keys WHERE algorithm <> 'RS256'")
    kept = keys_of(operator)
    assert len(kept) == 2

    operator.does("init", "--issuer", ISSUER)

    assert kept.items() <= keys_of(operator).items()
    assert len(keys_of(operator)) == len(before)


def test_deliver_once_tries_what_is_due_and_stops(operator):
    assert operator.does("deliver", "--once") == "tried 0\n"


def test_no_command_takes_a_secret_as_an_argument():
    for path, command in COMMANDS.items():
        for parameter in command.params:
            is_flag = isinstance(parameter, click.Option) and parameter.is_flag
            assert is_flag or parameter.name not in ("secret", "password", "key", "token"), path


# --- clients that register themselves, or come in a file ---


SHOP = {
    "client_id": "shop",
    "client_secret": "s" * 43,
    "client_name": "The Shop",
    "redirect_uris": ["https://shop.example/cb"],
    "token_endpoint_auth_method": "client_secret_post",
    "post_logout_redirect_uris": ["https://shop.example/bye"],
}


def import_file(operator: Operator, *entries: object) -> str:
    path = operator.folder / "clients.json"
    path.write_text(json.dumps(entries))
    return str(path)


def test_clients_are_imported_with_the_ids_and_secrets_of_the_file(operator):
    said = operator.does("client", "import", import_file(operator, SHOP))

    added = operator.client("shop")
    assert said == "1 clients, 1 new or changed\n"
    assert added.has_secret(digest_of("s" * 43))
    assert added.auth_methods == ("client_secret_post",)
    assert added.metadata.post_logout_redirect_uris == ("https://shop.example/bye",)
    assert "s" * 43 not in said


def test_the_same_file_again_changes_nothing_and_another_one_does(operator):
    operator.does("client", "import", import_file(operator, SHOP))
    assert ", 0 new" in operator.does("client", "import", import_file(operator, SHOP))

    changed = {**SHOP, "client_name": "Shop", "client_secret": "t" * 43}
    assert ", 1 new" in operator.does("client", "import", import_file(operator, changed))

    assert operator.client("shop").name == "Shop"
    assert operator.client("shop").secret_digests == (digest_of("t" * 43),)


BAD_ENTRIES = {
    "no object": 7,
    "no id": {name: SHOP[name] for name in SHOP if name != "client_id"},
    "id with a colon": {**SHOP, "client_id": "shop:1"},
    "no secret": {name: SHOP[name] for name in SHOP if name != "client_secret"},
    "a secret that can be guessed": {**SHOP, "client_secret": "secret"},
    "a secret that Basic would spoil": {**SHOP, "client_secret": "%" * 43},
    "http": {**SHOP, "redirect_uris": ["http://shop.example/cb"]},
    "twice": SHOP,
}


@pytest.mark.parametrize("case", BAD_ENTRIES)
def test_of_a_file_with_a_fault_nothing_is_taken(operator, case):
    good = SHOP if case == "twice" else {**SHOP, "client_id": "good"}
    path = import_file(operator, good, BAD_ENTRIES[case])

    result = operator.run("client", "import", path)

    assert result.exit_code == 1
    assert "import_invalid: entry 2: " in result.output
    assert json.loads(operator.does("client", "list", "--json")) == []


@pytest.mark.parametrize("text", ["", "{}", "[[", "7"])
def test_a_file_that_is_no_list_is_refused(operator, text):
    path = operator.folder / "clients.json"
    path.write_text(text)

    assert operator.fails("client", "import", str(path)) == "import_invalid"


def test_an_import_never_makes_a_homeserver_another_client(operator):
    operator.does("client", "add", "shop", "--homeserver", "https://matrix.example.org")

    assert operator.fails("client", "import", import_file(operator, SHOP)) == "client_exists"


def test_no_two_clients_have_the_same_secret(operator):
    twin = {**SHOP, "client_id": "twin"}
    assert operator.fails("client", "import", import_file(operator, SHOP, twin)) == "secret_taken"
    operator.does("client", "import", import_file(operator, SHOP))

    assert operator.fails("client", "import", import_file(operator, twin)) == "secret_taken"

    known = json.loads(operator.does("client", "list", "--json"))
    assert [client["id"] for client in known] == ["shop"]


def test_an_initial_token_is_shown_once_and_known_by_its_id(operator):
    made = operator.does("client", "token", "add", "--uses", "3").strip()

    (known,) = json.loads(operator.does("client", "token", "list", "--json"))
    assert known["uses_left"] == 3
    assert made not in json.dumps(known)
    assert operator.execute("SELECT digest FROM initial_access_tokens") == [(digest_of(made),)]

    operator.does("client", "token", "remove", known["id"])

    assert json.loads(operator.does("client", "token", "list", "--json")) == []
    assert operator.fails("client", "token", "remove", known["id"]) == "token_unknown"


def test_a_client_may_be_added_with_where_it_publishes_its_keys(operator):
    said = operator.does(
        *("client", "add", "shop", "--redirect-uri", "https://shop.example/cb"),
        *("--jwks-uri", "https://shop.example/jwks"),
        *("--post-logout-redirect-uri", "https://shop.example/bye"),
    )

    added = operator.client("shop")
    assert "secret" not in said
    assert added.auth_methods == ("private_key_jwt",)
    assert added.metadata.jwks_uri == "https://shop.example/jwks"
    assert added.metadata.post_logout_redirect_uris == ("https://shop.example/bye",)


def test_d3_the_command_line_is_held_to_the_same_rules(operator):
    words = ("client", "add", "shop", "--redirect-uri", "https://shop.example/cb")

    assert operator.fails(*words, "--jwks-uri", "http://shop.example/jwks") == (
        "invalid_client_metadata"
    )
    assert operator.fails(*words, "--post-logout-redirect-uri", "javascript:alert(1)") == (
        "invalid_client_metadata"
    )
    assert operator.fails(*words, "--name", "moc.knab\u202e") == "invalid_client_metadata"


def test_no_sign_out_no_deliveries(operator):
    assert operator.does("logout", "list") == ""
    assert json.loads(operator.does("logout", "list", "--json")) == []


# --- manifests and logos ---


SIGNED = {"client_id": "shop", "client_secret": "s" * 43, "software_statement": ""}


def signed_entry(signed_by: str = "dave", **claims: object) -> dict[str, object]:
    """Return a client of a file, signed just now."""
    now = int(datetime.now(UTC).timestamp())
    times = {"iat": now, "exp": now + 86_400}
    return {**SIGNED, "software_statement": a_statement(signed_by, **times, **claims)}


def test_a_signed_client_is_imported_as_its_developer_says(operator):
    operator.does("client", "import", import_file(operator, signed_entry()))

    added = operator.client("shop")
    assert added.name == "The Signed Shop"
    assert added.statement.developer == DAVE.did
    shown = json.loads(operator.does("client", "show", "shop"))
    assert shown["statement"]["developer"] == DAVE.did


def test_a_signed_client_that_is_imported_again_is_the_same(operator):
    path = import_file(operator, signed_entry())
    operator.does("client", "import", path)

    assert ", 0 new" in operator.does("client", "import", path)


def test_a_statement_by_somebody_else_is_not_imported(operator):
    path = import_file(operator, signed_entry("mallory"))

    result = operator.run("client", "import", path)

    assert result.exit_code == 1
    assert "import_invalid: entry 1: invalid_software_statement" in result.output


def test_d3_an_import_cannot_change_the_developer(operator):
    operator.does("client", "import", import_file(operator, signed_entry()))

    others = import_file(operator, signed_entry("mallory", iss=MALLORY.did))
    assert operator.fails("client", "import", others) == "unapproved_software_statement"

    nobodys = import_file(operator, SHOP)
    assert operator.fails("client", "import", nobodys) == "unapproved_software_statement"
    assert operator.client("shop").statement.developer == DAVE.did


def test_an_import_looks_at_site_and_logo_and_show_tells_what_it_saw(operator, sites):
    sites.answers["https://shop.example/manifest.json"] = (200, {"did_authors": [DAVE.did]})
    sites.answers["https://shop.example/logo.png"] = (200, a_picture())

    entry = {**SHOP, "logo_uri": "https://shop.example/logo.png"}
    operator.does("client", "import", import_file(operator, entry))

    shown = json.loads(operator.does("client", "show", "shop"))
    assert shown["site"]["names"] == [DAVE.btc]
    assert shown["logo"] == {"uri": entry["logo_uri"], "shown": True, "fault": None}


def test_show_tells_why_a_logo_is_not_shown(operator, sites):
    sites.answers["https://shop.example/logo.png"] = (200, "<svg/>")

    entry = {**SHOP, "logo_uri": "https://shop.example/logo.png"}
    operator.does("client", "import", import_file(operator, entry))

    shown = json.loads(operator.does("client", "show", "shop"))
    assert shown["logo"]["shown"] is False
    assert shown["logo"]["fault"].startswith("logo_unreadable")


def test_refresh_looks_again(operator, sites):
    operator.does("client", "import", import_file(operator, SHOP))
    sites.answers["https://shop.example/manifest.json"] = (200, {"did_authors": [DAVE.did]})

    assert operator.does("client", "refresh", "shop") == "looked at 1 clients' sites\n"

    assert json.loads(operator.does("client", "show", "shop"))["site"]["names"] == [DAVE.btc]
    assert operator.does("client", "refresh") == "looked at 1 clients' sites\n"
    assert operator.fails("client", "refresh", "wiki") == "client_unknown"


def test_prune_looks_again_at_what_is_a_day_old(operator, sites):
    operator.does("client", "import", import_file(operator, SHOP))
    assert "0 sites, logos and profiles looked at again" in operator.does("prune")

    operator.execute("UPDATE sites SET tried_at = 0")

    assert "1 sites, logos and profiles looked at again" in operator.does("prune")


# --- a developer, who has no bridge ---


def metadata_file(folder: Path, **changes: object) -> str:
    path = folder / "app.json"
    of_token = dict.fromkeys(("iss", "iat", "exp", "jti"))
    path.write_text(json.dumps(claims_of(**of_token, **changes)))
    return str(path)


def key_file(folder: Path, text: str = key_of("dave").hex()) -> str:
    path = folder / "developer.hex"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("form", ["{}", "{}01", " {}\n"])
def test_a_developer_signs_and_checks(newcomer, form):
    key = key_file(newcomer.folder, form.format(key_of("dave").hex()))

    made = newcomer.does(
        *("manifest", "sign", metadata_file(newcomer.folder), "--key-file", key, "--days", "30")
    )

    signed = newcomer.folder / "app.jwt"
    signed.write_text(made)
    facts = json.loads(newcomer.does("manifest", "check", str(signed)))
    assert facts["developer"] == DAVE.did
    assert facts["addresses"] == [DAVE.btc]
    assert facts["metadata"]["client_name"] == "The Signed Shop"
    left = datetime.fromisoformat(facts["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29) < left <= timedelta(days=30)


def test_the_key_may_be_typed_and_is_not_shown(newcomer):
    key = key_of("dave").hex()

    result = newcomer.run("manifest", "sign", metadata_file(newcomer.folder), answers=f"{key}\n")

    assert result.exit_code == 0
    assert key not in result.output
    assert result.stdout.count(".") == 2
    assert DAVE.did in result.stderr


def test_a_developer_may_sign_by_name(newcomer):
    words = ("manifest", "sign", metadata_file(newcomer.folder), "--name", "dave.btc")

    made = newcomer.does(*words, "--key-file", key_file(newcomer.folder))

    signed = newcomer.folder / "app.jwt"
    signed.write_text(made)
    facts = json.loads(newcomer.does("manifest", "check", str(signed)))
    assert facts["developer"] == "dave.btc"
    assert DAVE.btc in facts["addresses"]


@pytest.mark.parametrize(
    "text", ["", "no key", "00" * 32, "ff" * 32, "5e" * 31, "5e" * 32 + "02", "0x" + "5e" * 32]
)
def test_what_is_no_key_signs_nothing(newcomer, text):
    words = ("manifest", "sign", metadata_file(newcomer.folder))

    assert newcomer.fails(*words, "--key-file", key_file(newcomer.folder, text)) == "key_malformed"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a":1,"a":2}'])
def test_what_is_no_metadata_is_not_signed(newcomer, text):
    path = newcomer.folder / "app.json"
    path.write_text(text)
    words = ("manifest", "sign", str(path), "--key-file", key_file(newcomer.folder))

    assert newcomer.fails(*words) == "malformed"


def test_what_a_bridge_would_refuse_is_not_signed(newcomer):
    path = metadata_file(newcomer.folder, redirect_uris=["https://evil.example/"])
    words = ("manifest", "sign", path, "--key-file", key_file(newcomer.folder))

    assert newcomer.fails(*words) == "invalid_software_statement"


def test_a_changed_statement_does_not_pass_the_check(newcomer):
    signed = newcomer.folder / "app.jwt"
    signed.write_text(str(signed_entry("mallory")["software_statement"]))

    assert newcomer.fails("manifest", "check", str(signed)) == "invalid_software_statement"


def test_the_check_asks_the_site_too(newcomer, monkeypatch):
    fetch = FakeFetch()
    fetch.answers["https://shop.example/manifest.json"] = (200, {"did_authors": [MALLORY.did]})
    module = import_module("oidc_bridge.cli.manifest")
    monkeypatch.setattr(module, "GuardedFetch", lambda: fetch)
    signed = newcomer.folder / "app.jwt"
    signed.write_text(str(signed_entry()["software_statement"]))

    def site() -> dict[str, object]:
        return json.loads(newcomer.does("manifest", "check", str(signed), "--site"))["site"]

    assert site()["names_the_developer"] is False
    fetch.answers["https://shop.example/manifest.json"] = (200, {"did_authors": [DAVE.did]})
    assert site()["names_the_developer"] is True
    fetch.answers.clear()
    assert str(site()["fault"]).startswith("not_there")
