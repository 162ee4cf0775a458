"""Settings: what each may be, where they come from, and how a wrong one is refused."""

import os
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from oidc_bridge.config import Settings, data_dir, load
from oidc_bridge.errors import ConfigError
from oidc_bridge.sections import (
    Antelope,
    AntelopeChain,
    Homeserver,
    Lifetimes,
    NameLookup,
    Names,
    OiChatDoor,
    Registration,
    Server,
    WebWallet,
    Widget,
)

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "config.example.toml"
ISSUER = 'issuer = "https://id.example.org"\n'
KEY = "5e" * 32
EOS = "aca376f206b8fc25a6ed44dbdc66547c36c6c33e3a119ffbeaef943642f0e906"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in os.environ:
        if name.upper().startswith("OIDC_BRIDGE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def read(tmp_path):
    """Return a function that loads a config.toml with this text."""

    def load_text(text: str = "", *, issuer: str = ISSUER) -> Settings:
        path = tmp_path / "config.toml"
        path.write_text(issuer + text)
        return load(path)

    return load_text


def value_of(settings: Settings, name: str) -> object:
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def as_toml(name: str, value: object) -> str:
    table, _, key = name.rpartition(".")
    text = value if isinstance(value, str) else str(value)
    return f"[{table}]\n{key} = {text}\n" if table else f"{key} = {text}\n"


def test_an_issuer_is_all_that_a_config_needs(read):
    settings = read()

    assert settings.issuer == "https://id.example.org"
    assert settings.name == "Sign in"
    assert settings.wallets == ()
    assert settings.names == Names()
    assert settings.antelope.chains == ()
    assert settings.allow_private == frozenset()
    assert settings.server == Server()
    assert settings.lifetimes == Lifetimes()


def test_nothing_can_be_changed_once_it_is_read(read):
    settings = read()

    with pytest.raises(ValidationError, match="frozen"):
        settings.issuer = "https://other.example"
    with pytest.raises(ValidationError, match="frozen"):
        settings.server.port = 1


# name, least, most
NUMBERS = [
    ("server.port", 1, 65_535),
    ("server.workers", 1, 64),
    ("server.threads", 1, 256),
    ("lifetimes.request", 60, 86_400),
    ("lifetimes.challenge", 60, 3600),
    ("lifetimes.code", 10, 600),
    ("lifetimes.access_token", 30, 86_400),
    ("lifetimes.id_token", 30, 86_400),
    ("lifetimes.refresh_token", 3600, 400 * 86_400),
    ("lifetimes.refresh_grace", 0, 300),
    ("lifetimes.refresh_family", 3600, 400 * 86_400),
    ("lifetimes.signing_key", 0, 400 * 86_400),
    ("lifetimes.session", 300, 400 * 86_400),
    ("lifetimes.consent", 3600, 400 * 86_400),
]


def test_the_table_of_bounds_has_every_number():
    numbers = {
        f"{table}.{name}"
        for table, part in (("server", Server), ("lifetimes", Lifetimes))
        for name, setting in part.model_fields.items()
        if setting.annotation is int
    }

    assert {name for name, _, _ in NUMBERS} == numbers


@pytest.mark.parametrize(("name", "least", "most"), NUMBERS)
def test_a_number_at_its_bounds_is_taken(read, name, least, most):
    assert value_of(read(as_toml(name, least)), name) == least
    assert value_of(read(as_toml(name, most)), name) == most


@pytest.mark.parametrize(("name", "least", "most"), NUMBERS)
@pytest.mark.parametrize("side", ["below", "above"])
def test_a_number_beyond_its_bounds_is_refused_by_name(read, name, least, most, side):
    value = least - 1 if side == "below" else most + 1

    with pytest.raises(ConfigError) as caught:
        read(as_toml(name, value))

    assert caught.value.code == "config_invalid"
    assert f"{name}: " in caught.value.detail


_SERVER = '{server_name = "Chat.example:8448", url = "http://10.0.0.7:8008"}'

GOOD_VALUES = [
    ("name", '"S"'),
    ("name", f'"{"n" * 60}"'),
    ("name", '"Ausweis für Ümläut 🔑"'),
    ("help_url", '"https://example.org/help?a=b#c"'),
    ("help_url", '"http://intranet/help"'),
    ("database", '"sqlite:////var/lib/bridge.db"'),
    ("database", '"postgresql+psycopg://bridge:secret@db/bridge"'),
    ("rsa_bits", "2048"),
    ("rsa_bits", "3072"),
    ("allow_private", '["http://127.0.0.1:3999", "https://names.internal"]'),
    ("names", "{cache = 0, budget = 0.5}"),
    ("names", "{cache = 86400, budget = 30}"),
    ("names", '{services = [{url = "https://n.example", labels = [2, 3], system = "v1"}]}'),
    ("names", '{services = [{url = "https://n.example", labels = [3], system = "legacy"}]}'),
    ("oichat", '{enabled = true, server_name = "chat.example", gaia = []}'),
    ("oichat", '{zone_files = "https://n.example", require_signature = true}'),
    ("antelope", f'{{chains = [{{id = "{EOS}", nodes = ["https://n.example/eos"]}}]}}'),
    ("antelope", "{budget = 0.5}"),
    (
        "antelope",
        f'{{web = true, chains = [{{id = "{EOS}", nodes = ["https://n.example"]}}]}}',
    ),
    ("wallets", f'[{{name = "{"w" * 40}", url = "https://w.example/auth?a=b"}}]'),
    ("widget", f'{{clients = ["https://element.example"], homeservers = [{_SERVER}]}}'),
    ("widget", f'{{clients = ["http://localhost:8080"], homeservers = [{_SERVER}]}}'),
]


@pytest.mark.parametrize(("name", "text"), GOOD_VALUES)
def test_a_value_that_makes_sense_is_taken(read, name, text):
    assert value_of(read(as_toml(name, text)), name)


# setting, TOML value, what the refusal names
BAD_VALUES = [
    ("name", '""', "name"),
    ("name", f'"{"n" * 61}"', "name"),
    ("name", "7", "name"),
    ("help_url", '"javascript:alert(1)"', "help_url"),
    ("help_url", '"example.org/help"', "help_url"),
    ("help_url", '"https://"', "help_url"),
    ("database", '"bridge.db"', "config"),
    ("database", '"sqlite:bridge.db"', "config"),
    ("database", '"mysql://db/bridge"', "config"),
    ("database", '"postgresql://db/bridge"', "config"),
    ("database", '" sqlite:///bridge.db"', "config"),
    ("rsa_bits", "1024", "rsa_bits"),
    ("rsa_bits", "4096", "rsa_bits"),
    ("allow_private", '"http://127.0.0.1"', "allow_private"),
    ("server.port", '"http"', "server.port"),
    ("server.port", "80.5", "server.port"),
    ("server", "8000", "server"),
    ("wallets", '[{name = "", url = "https://w.example"}]', "wallets.0.name"),
    ("wallets", f'[{{name = "{"w" * 41}", url = "https://w.example"}}]', "wallets.0.name"),
    ("wallets", '[{name = "W", url = "javascript:alert(1)"}]', "wallets.0.url"),
    ("wallets", '[{name = "W", url = "w.example"}]', "wallets.0.url"),
    ("wallets", '[{name = "W"}]', "wallets.0.url"),
    ("wallets", '[{url = "https://w.example"}]', "wallets.0.name"),
    ("wallets", '[{name = "W", url = "https://w.example", icon = "x"}]', "wallets.0.icon"),
    ("antelope", "{budget = 0}", "antelope.budget"),
    ("antelope", "{budget = 31}", "antelope.budget"),
    ("antelope", "{web = true}", "antelope"),
    ("antelope", f'{{chains = [{{id = "{EOS}"}}]}}', "antelope.chains.0.nodes"),
    ("antelope", f'{{chains = [{{id = "{EOS}", nodes = []}}]}}', "antelope.chains.0.nodes"),
    *(
        (
            "antelope",
            f'{{chains = [{{id = "{chain_id}", nodes = ["https://n.example"]}}]}}',
            "antelope.chains.0.id",
        )
        for chain_id in ("", EOS[:63], f"{EOS}0", EOS.upper())
    ),
    *(
        (
            "antelope",
            f'{{chains = [{{id = "{EOS}", nodes = ["https://n.example"], {wrong}}}]}}',
            f"antelope.chains.0.{name}",
        )
        for name, wrong in (
            ("max_age", "max_age = 9"),
            ("max_age", "max_age = 601"),
            ("permissions", "permissions = []"),
        )
    ),
    (
        "antelope",
        f'{{chains = [{{id = "{EOS}", nodes = ["https://n.example"]}},'
        f' {{id = "{EOS[:32] + "0" * 32}", nodes = ["https://n.example"]}}]}}',
        "antelope",
    ),
    ("names", "{cache = -1}", "names.cache"),
    ("names", "{cache = 86401}", "names.cache"),
    ("names", "{budget = 0}", "names.budget"),
    ("names", "{budget = 31}", "names.budget"),
    ("names", "{budget = nan}", "names.budget"),
    ("names", "{cahce = 1}", "names.cahce"),
    ("oichat", "{enabled = true}", "oichat"),
    ("oichat", '{server_name = ""}', "oichat.server_name"),
    ("oichat", '{gaia = ["gaia.example"]}', "oichat.gaia.0"),
    ("oichat", '{gaia = ["https://gaia.example/hub"]}', "oichat.gaia.0"),
    ("names", '[{url = "https://n.example"}]', "names"),
    ("names", '{services = [{url = "ftp://n.example"}]}', "names.services.0.url"),
    ("names", '{services = [{url = "https://n.example", labels = []}]}', "names.services.0.labels"),
    (
        "names",
        '{services = [{url = "https://n.example", labels = [1]}]}',
        "names.services.0.labels",
    ),
    (
        "names",
        '{services = [{url = "https://n.example", labels = [2, 4]}]}',
        "names.services.0.labels",
    ),
    (
        "names",
        '{services = [{url = "https://n.example", system = "v3"}]}',
        "names.services.0.system",
    ),
    ("names", '{services = [{url = "https://n.example", labels = [2, 3]}]}', "names.services.0"),
    (
        "names",
        '{services = [{url = "https://n.example", labels = [3], system = "v2"}]}',
        "names.services.0",
    ),
    ("names", "{services = [{labels = [2]}]}", "names.services.0.url"),
    (
        "names",
        '{services = [{url = "https://n.example", lables = [2]}]}',
        "names.services.0.lables",
    ),
    ("widget", '{clients = ["https://element.example"]}', "widget"),
    ("widget", f"{{homeservers = [{_SERVER}]}}", "widget"),
    (
        "widget",
        f'{{clients = ["https://element.example"], homeservers = [{_SERVER}, {_SERVER}]}}',
        "widget",
    ),
    (
        "widget",
        f'{{clients = ["https://e.example/"], homeservers = [{_SERVER}]}}',
        "widget.clients",
    ),
    ("widget", f'{{clients = ["http://e.example"], homeservers = [{_SERVER}]}}', "widget.clients"),
    ("widget", f'{{clients = ["*"], homeservers = [{_SERVER}]}}', "widget.clients"),
    (
        "widget",
        '{clients = ["https://e.example"], homeservers = [{server_name = "a b", url = "https://m"}]}',
        "widget.homeservers.0.server_name",
    ),
    (
        "widget",
        '{clients = ["https://e.example"], homeservers = [{server_name = "a", url = "https://m?"}]}',
        "widget.homeservers.0",
    ),
]


@pytest.mark.parametrize(("name", "text", "named"), BAD_VALUES)
def test_a_value_that_makes_no_sense_is_refused_by_name(read, name, text, named):
    with pytest.raises(ConfigError) as caught:
        read(as_toml(name, text))

    assert caught.value.code == "config_invalid"
    assert re.search(rf"(: |; ){re.escape(named)}[.:]", caught.value.detail)


@pytest.mark.parametrize(
    "text", ["issuerr = 1\n", "[server]\nprot = 80\n", "[lifetime]\ncode = 60\n"]
)
def test_an_unknown_setting_stops_the_start(read, text):
    with pytest.raises(ConfigError) as caught:
        read(text)

    assert caught.value.code == "config_invalid"
    assert "Extra inputs are not permitted" in caught.value.detail


def test_all_faults_are_told_at_once(read):
    with pytest.raises(ConfigError) as caught:
        read("rsa_bits = 1\n[server]\nport = 0\n")

    assert "rsa_bits: " in caught.value.detail
    assert "server.port: " in caught.value.detail
    assert "\n" not in caught.value.detail


ISSUERS = [
    "https://id.example.org",
    "https://id.example.org:8443",
    "https://xn--bcher-kva.example",
    "https://10.0.0.7",
    "https://[2001:db8::1]",
    "http://localhost",
    "http://localhost:8000",
    "http://127.0.0.1:8000",
    "http://[::1]:8000",
]


@pytest.mark.parametrize("issuer", ISSUERS)
def test_an_origin_is_an_issuer(read, issuer):
    assert read(issuer=f'issuer = "{issuer}"\n').issuer == issuer


NO_ISSUERS = [
    "",
    "id.example.org",
    "//id.example.org",
    "https://",
    "https:id.example.org",
    "https:///id.example.org",
    "ftp://id.example.org",
    "javascript:alert(1)",
    # http where others can listen
    "http://id.example.org",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "http://10.0.0.7",
    # more than an origin
    "https://id.example.org/",
    "https://id.example.org/bridge",
    "https://id.example.org?a=b",
    "https://id.example.org?",
    "https://id.example.org#top",
    "https://user@id.example.org",
    "https://user:password@id.example.org",
    "https://@id.example.org",
    # not as a browser spells it
    "HTTPS://id.example.org",
    "https://ID.example.org",
    "https://id.example.org:443",
    "http://localhost:80",
    "https://id.example.org:",
    "https://id.example.org:08443",
    "https://bücher.example",
    # no host, no port
    "https://id.example.org:99999",
    "https://id.example.org:port",
    "https://id example.org",
    "https:// id.example.org",
    r"https://id.example.org\\evil",
    r"https://id.example\t.org",
    r"https://id.example.org\n",
    "https://[::1",
    "https://%69d.example.org",
    "https://*.example.org",
    "https://id.example.org;x",
]


@pytest.mark.parametrize("issuer", NO_ISSUERS)
def test_what_is_not_an_origin_as_a_browser_spells_it_is_no_issuer(read, issuer):
    with pytest.raises(ConfigError) as caught:
        read(issuer=f'issuer = "{issuer}"\n')

    assert caught.value.code == "config_invalid"
    assert ": issuer: " in caught.value.detail


def test_an_issuer_is_required(read):
    with pytest.raises(ConfigError) as caught:
        read(issuer="")

    assert caught.value.code == "config_invalid"
    assert "issuer: Field required" in caught.value.detail


def test_host_and_scheme_are_read_from_the_issuer(read):
    secure = read()
    local = read(issuer='issuer = "http://localhost:8000"\n')

    assert (secure.host, secure.is_https) == ("id.example.org", True)
    assert (local.host, local.is_https) == ("localhost:8000", False)


def test_the_environment_wins_over_the_file(read, monkeypatch):
    monkeypatch.setenv("OIDC_BRIDGE_ISSUER", "https://other.example")
    monkeypatch.setenv("OIDC_BRIDGE_HELP_URL", "https://other.example/help")

    settings = read('name = "From the file"\n')

    assert settings.issuer == "https://other.example"
    assert settings.help_url == "https://other.example/help"
    assert settings.name == "From the file"


def test_the_size_of_keys_can_come_from_the_environment(read, monkeypatch):
    monkeypatch.setenv("OIDC_BRIDGE_RSA_BITS", "3072")

    assert read().rsa_bits == 3072


def test_one_setting_of_a_table_can_come_from_the_environment(read, monkeypatch):
    monkeypatch.setenv("OIDC_BRIDGE_SERVER__PORT", "9000")
    monkeypatch.setenv("OIDC_BRIDGE_LIFETIMES__CODE", "30")

    settings = read('[server]\nport = 8001\nhost = "0.0.0.0"\n')

    assert settings.server.port == 9000
    assert settings.server.host == "0.0.0.0"  # noqa: S104
    assert settings.lifetimes == Lifetimes(code=30)


def test_lists_come_from_the_environment_as_json(read, monkeypatch):
    monkeypatch.setenv("OIDC_BRIDGE_WALLETS", '[{"name": "W", "url": "https://w.example"}]')
    monkeypatch.setenv("OIDC_BRIDGE_ALLOW_PRIVATE", '["http://127.0.0.1:3999"]')

    settings = read()

    assert settings.wallets == (WebWallet(name="W", url="https://w.example"),)
    assert settings.allow_private == {"http://127.0.0.1:3999"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_BRIDGE_ISSUER", "http://id.example.org"),
        ("OIDC_BRIDGE_SERVER__PORT", "0"),
        ("OIDC_BRIDGE_SERVER__PROT", "80"),
        ("OIDC_BRIDGE_WALLETS", "not json"),
    ],
)
def test_the_environment_is_held_to_the_same_rules(read, monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError) as caught:
        read()

    assert caught.value.code == "config_invalid"


def test_an_unknown_setting_in_the_environment_stops_the_start(read, monkeypatch):
    monkeypatch.setenv("OIDC_BRIDGE_ISUER", "https://id.example.org")

    with pytest.raises(ConfigError) as caught:
        read()

    assert caught.value.code == "config_invalid"


def test_the_variable_that_names_the_file_is_no_setting(read, monkeypatch):
    monkeypatch.setenv("OIDC_BRIDGE_CONFIG", "/etc/bridge/config.toml")

    assert read().issuer == "https://id.example.org"


def test_relative_paths_are_seen_from_the_file(read, tmp_path, monkeypatch):
    monkeypatch.chdir("/")

    settings = read(
        'database = "sqlite:///data/bridge.db"\nkey_file = "keys/bridge.key"\n'
        'private_ca = "ca.pem"\n'
    )

    assert settings.database == f"sqlite:///{tmp_path}/data/bridge.db"
    assert settings.key_file == tmp_path / "keys" / "bridge.key"
    assert settings.private_ca == tmp_path / "ca.pem"


def test_defaults_are_seen_from_the_file_too(read, tmp_path):
    settings = read()

    assert settings.database == f"sqlite:///{tmp_path}/bridge.db"
    assert settings.key_file == tmp_path / "bridge.key"


def test_a_relative_path_to_the_file_itself_is_seen_from_here(read, tmp_path, monkeypatch):
    read()
    monkeypatch.chdir(tmp_path)

    assert load(Path("config.toml")).key_file == tmp_path / "bridge.key"


def test_absolute_paths_and_other_databases_stay_as_they_are(read):
    files = read('database = "sqlite:////srv/bridge.db"\nkey_file = "/srv/bridge.key"\n')
    server = read('database = "postgresql+psycopg://db/bridge"\n')

    assert files.database == "sqlite:////srv/bridge.db"
    assert files.key_file == Path("/srv/bridge.key")
    assert server.database == "postgresql+psycopg://db/bridge"


def test_a_missing_file_is_told_with_the_command_to_run(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "config.toml")

    assert caught.value.code == "config_missing"
    assert "oidc-bridge init" in caught.value.detail


@pytest.mark.parametrize("content", [b"issuer = \n", b"issuer", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_refused(tmp_path, content):
    path = tmp_path / "config.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load(path)

    assert caught.value.code == "config_invalid"
    assert str(path) in caught.value.detail


@pytest.fixture
def key_file(read, tmp_path):
    """Return the key file of a fresh bridge, good until a test spoils it."""
    path = tmp_path / "bridge.key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    return path


def test_a_good_key_file_makes_a_seal(read, key_file):
    assert read().seal().key == bytes.fromhex(KEY)


def test_a_key_file_for_reading_only_is_good_too(read, key_file):
    key_file.chmod(0o400)

    assert read().seal().key == bytes.fromhex(KEY)


def test_a_missing_key_file_is_told_with_the_command_to_run(read, key_file):
    key_file.unlink()

    with pytest.raises(ConfigError) as caught:
        read().seal()

    assert caught.value.code == "key_missing"
    assert "oidc-bridge init" in caught.value.detail


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o777])
def test_a_key_file_that_others_may_use_is_refused(read, key_file, mode):
    key_file.chmod(mode)

    with pytest.raises(ConfigError) as caught:
        read().seal()

    assert caught.value.code == "key_readable"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"5e" * 31,
        b"5e" * 33,
        b"5e" * 31 + b"5",
        b"zz" * 32,
        b"0x" + b"5e" * 31,
        bytes(range(0x80, 0xA0)),
        b"\xef\xbb\xbf" + b"5e" * 32,
    ],
    ids=["empty", "short", "long", "odd", "no hex", "0x", "raw bytes", "BOM"],
)
def test_a_key_file_that_is_not_64_hex_digits_is_refused(read, key_file, content):
    key_file.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        read().seal()

    assert caught.value.code == "key_malformed"
    assert KEY[:20] not in caught.value.detail


@pytest.mark.parametrize("name", ["templates", "migrations"])
def test_the_data_folders_are_found_from_anywhere(monkeypatch, name):
    monkeypatch.chdir("/")

    assert data_dir(name).is_dir()


def test_a_data_folder_that_was_not_installed_is_told_by_name():
    with pytest.raises(ConfigError) as caught:
        data_dir("no-such-folder")

    assert caught.value.code == "data_missing"
    assert "no-such-folder" in caught.value.detail


# The example: a setting that is commented out has no space behind the "#", a sentence has one.
_COMMENTED = re.compile(r"^#(?=[a-z_]+ = |\[)", re.M)
# Settings that have no value by default, so the example shows one.
_EXAMPLES = {
    *("issuer", "help_url", "allow_private", "private_ca", "wallets", "names"),
    *("antelope", "widget", "synapse_modules"),
}


def names_of(part: type[BaseModel]) -> set[str]:
    return set(part.model_fields)


def test_the_example_loads_as_it_stands(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")

    settings = load(path)

    assert settings.server == Server()
    assert settings.lifetimes == Lifetimes()
    assert settings.wallets == settings.names.services == ()


def test_the_example_names_every_setting_and_no_other():
    example = tomllib.loads(_COMMENTED.sub("", EXAMPLE.read_text(encoding="utf-8")))

    assert set(example) == names_of(Settings)
    assert set(example["server"]) == names_of(Server)
    assert set(example["lifetimes"]) == names_of(Lifetimes)
    assert set(example["registration"]) == names_of(Registration)
    assert set(example["oichat"]) == names_of(OiChatDoor)
    assert set(example["wallets"][0]) == names_of(WebWallet)
    assert set(example["names"]) == names_of(Names)
    assert set(example["names"]["services"][0]) == names_of(NameLookup)
    assert set(example["antelope"]) == names_of(Antelope)
    assert set(example["antelope"]["chains"][0]) == names_of(AntelopeChain)
    assert set(example["widget"]) == names_of(Widget)
    assert set(example["widget"]["homeservers"][0]) == names_of(Homeserver)


def test_the_example_shows_the_defaults(read, tmp_path):
    default = read()

    path = tmp_path / "config.toml"
    path.write_text(_COMMENTED.sub("", EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")
    shown = load(path)

    apart: dict[str, object] = {**dict.fromkeys(_EXAMPLES, True)}
    apart["registration"] = {"allow_private"}
    apart["oichat"] = {"server_name", "zone_files"}
    assert shown.model_dump(exclude=apart) == default.model_dump(exclude=apart)
    (service,) = shown.names.services
    assert shown.names == Names(services=(NameLookup(url=service.url),))
    (chain,) = shown.antelope.chains
    assert shown.antelope == Antelope(chains=(AntelopeChain(id=chain.id, nodes=chain.nodes),))


@pytest.mark.parametrize(("labels", "system"), [("[2]", "v2"), ("[3]", "v1")])
def test_the_system_of_a_name_service_follows_from_its_labels(read, labels, system):
    settings = read(f'[[names.services]]\nurl = "https://n.example"\nlabels = {labels}')

    assert settings.names.services[0].system == system


def test_two_name_services_with_the_same_labels_are_refused_by_name(read):
    with pytest.raises(ConfigError) as refusal:
        read(
            '[[names.services]]\nurl = "https://one.example"\n'
            '[[names.services]]\nurl = "https://two.example"\nsystem = "v1"'
        )

    assert refusal.value.code == "config_invalid"
    assert "https://one.example and https://two.example both have names of 2 labels" in str(
        refusal.value
    )


def test_the_environment_overrides_the_names_too(read, monkeypatch):
    monkeypatch.setenv("OIDC_BRIDGE_NAMES__BUDGET", "1.5")
    monkeypatch.setenv("OIDC_BRIDGE_NAMES__SERVICES", '[{"url": "https://n.example"}]')

    assert read().names == Names(budget=1.5, services=(NameLookup(url="https://n.example"),))


def test_every_setting_of_the_example_has_a_sentence_above_it():
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()

    for above, line in pairwise(lines):
        if re.match(r"#?[a-z_]+ = |#?\[", line):
            is_explained = above.startswith("# ") or re.match(r"#?[a-z_]+ = |#\[", above)
            assert is_explained, f"nothing explains {line!r}"
