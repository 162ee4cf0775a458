"""Settings: read TOML and environment, check, freeze.

One file, ``config.toml``; every setting can be overridden by ``OIDC_BRIDGE_<NAME>`` (nested ones
with two underscores, ``OIDC_BRIDGE_SERVER__PORT``). Unknown settings stop the start. Paths are
relative to the folder of the file.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from oidc_bridge.errors import ConfigError
from oidc_bridge.origins import read_origin
from oidc_bridge.seal import Seal
from oidc_bridge.sections import (
    Antelope,
    Issuer,
    Lifetimes,
    Line,
    Names,
    OiChatDoor,
    Origin,
    Registration,
    Server,
    SignInPolicy,
    WebAddress,
    WebWallet,
    Widget,
)

_ENV_PREFIX = "OIDC_BRIDGE_"
# Read by the command line, and by the project's own tests.
_OTHER_ENV = ("CONFIG", "TEST_")


def data_dir(name: str) -> Path:
    """Return the folder *name*: in the wheel inside the package, in a checkout beside it."""
    package = Path(__file__).resolve().parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise ConfigError("data_missing", f"installed without its {name!r} folder")


class Settings(BaseSettings):
    """All settings of one bridge, checked."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=_ENV_PREFIX,
        env_nested_delimiter="__",
    )

    issuer: Issuer
    name: Line = Field(default="Sign in", min_length=1, max_length=60)
    help_url: WebAddress | None = None
    database: str = "sqlite:///bridge.db"
    key_file: Path = Path("bridge.key")
    rsa_bits: Annotated[Literal[2048, 3072], BeforeValidator(int)] = 2048
    # Every client announces its requests at /par before it sends the browser (RFC 9126).
    require_pushed_authorization_requests: bool = False
    # Every client sends a code_challenge (RFC 7636). Without it, those that authenticate need not.
    require_pkce: bool = True
    # Every client signs its requests (RFC 9101 section 10.5).
    require_signed_request_object: bool = False
    # Origins that outgoing requests may reach although they are internal or plain http.
    allow_private: frozenset[Origin] = frozenset()
    # Who vouches for these, besides those that everybody trusts: a file of certificates.
    private_ca: Path | None = None
    # Homeservers (their client ids) whose Synapse module may ask about passwords.
    synapse_modules: frozenset[str] = frozenset()
    wallets: tuple[WebWallet, ...] = ()
    names: Names = Names()
    antelope: Antelope = Antelope()
    sign_in: SignInPolicy = SignInPolicy()
    server: Server = Server()
    lifetimes: Lifetimes = Lifetimes()
    registration: Registration = Registration()
    oichat: OiChatDoor = OiChatDoor()
    widget: Widget = Widget()

    @property
    def host(self) -> str:
        """The issuer's host and port, as people see it."""
        return read_origin(self.issuer).netloc

    @property
    def is_https(self) -> bool:
        """Whether people reach the bridge by https; decides the cookies' prefix."""
        return self.issuer.startswith("https://")

    @model_validator(mode="after")
    def _check_database(self) -> Self:
        if not re.match(r"sqlite:///(?!:memory:)[^?]|postgresql\+psycopg://", self.database):
            raise ValueError("database must be sqlite:///FILE or postgresql+psycopg://...")
        return self

    def seal(self) -> Seal:
        """Read the key file.

        Raises:
            ConfigError: ``key_missing``, ``key_readable`` (others may read it), ``key_malformed``.
        """
        try:
            mode = self.key_file.stat().st_mode
            text = self.key_file.read_text("ascii", errors="replace").strip()
        except OSError as error:
            raise ConfigError(
                "key_missing", f"{self.key_file}: run `oidc-bridge init` to make one"
            ) from error
        if mode & 0o077:
            raise ConfigError("key_readable", f"{self.key_file}: run chmod 600 on it")
        try:
            return Seal(bytes.fromhex(text))
        except ValueError as error:
            raise ConfigError(
                "key_malformed", f"{self.key_file}: expected 64 hex digits"
            ) from error


def load(path: Path, *, environment: bool = True) -> Settings:
    """Return the settings in *path*, overridden by the environment unless told otherwise.

    Raises:
        ConfigError: ``config_missing`` or ``config_invalid``, the latter naming each setting.
    """
    if environment:
        _check_environment()
    if not path.is_file():
        raise ConfigError("config_missing", f"{path}: run `oidc-bridge init` to make one")

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            file = TomlConfigSettingsSource(settings_cls, path)
            return (env_settings, file) if environment else (file,)

    try:
        settings = FromFile()  # type: ignore[call-arg]
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'config'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ConfigError("config_invalid", f"{path}: {faults}") from error
    except ValueError as error:  # TOML that does not parse
        raise ConfigError("config_invalid", f"{path}: {error}") from error
    return _anchor(settings, path.resolve().parent)


def _check_environment() -> None:
    for name in os.environ:
        setting = name.removeprefix(_ENV_PREFIX)
        if setting == name or setting.startswith(_OTHER_ENV):
            continue
        if setting.partition("__")[0].lower() not in Settings.model_fields:
            raise ConfigError("config_invalid", f"{name}: there is no such setting")


def _anchor(settings: Settings, folder: Path) -> Settings:
    """Make the paths in *settings* absolute, seen from *folder*."""
    database = settings.database
    prefix = "sqlite:///"
    if database.startswith(prefix) and not Path(database[len(prefix) :]).is_absolute():
        database = prefix + str(folder / database[len(prefix) :])
    private_ca = settings.private_ca and folder / settings.private_ca
    return settings.model_copy(
        update={
            "database": database,
            "key_file": folder / settings.key_file,
            "private_ca": private_ca,
        }
    )
