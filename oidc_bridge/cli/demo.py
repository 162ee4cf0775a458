"""demo: everything on one machine."""

import logging
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from oidc_bridge.cli.registration import import_clients, make_initial_token
from oidc_bridge.cli.setup import config_text, prepare, write_private
from oidc_bridge.config import Settings, load
from oidc_bridge.demo import conformance, servers, synapse, world
from oidc_bridge.demo.places import SERVER_NAME, Places
from oidc_bridge.demo.settings import extra_settings
from oidc_bridge.demo.suite import BASE, Suite
from oidc_bridge.errors import ConfigError
from oidc_bridge.factory import open_database
from oidc_bridge.origins import read_origin

_NAME = "Demo bridge"
# Every module of the suite's dynamic plans registers one client or two.
_REGISTRATIONS = 1000
_DAYS = 7


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535 - world.PORTS + 1),
    default=8000,
    show_default=True,
    help="The bridge's; the next five are used too.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep everything in this folder; by default it is deleted at the end.",
)
@click.option("--synapse", "with_synapse", is_flag=True, help="Install and run a real Synapse too.")
@click.option(
    "--conformance",
    "for_suite",
    is_flag=True,
    help="Run what the OpenID Foundation's conformance suite tests; see docs/conformance.md.",
)
@click.option("--suite", "suite_base", default=BASE, show_default=True, help="Where that suite is.")
@click.option(
    "--suite-ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The suite's certificate, for calls from here to there.",
)
def demo(
    port: int,
    folder: Path | None,
    with_synapse: bool,
    for_suite: bool,
    suite_base: str,
    suite_ca: Path | None,
) -> None:
    """Run the bridge with wallets and apps around it, on this machine alone.

    \b
    Examples:
      oidc-bridge demo
      oidc-bridge demo --synapse
      oidc-bridge demo --port 9000 --dir ./demo
      oidc-bridge demo --conformance --dir ./conformance

    Nothing in it is secret or worth anything: the keys are made for it and thrown away. Synapse
    is installed once, about 250 MB, to ~/.cache/oidc-bridge (or $XDG_CACHE_HOME).
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if for_suite and with_synapse:
        raise click.UsageError("--conformance runs without a Synapse")
    if not for_suite and (suite_ca or suite_base != BASE):
        raise click.UsageError("--suite and --suite-ca belong to --conformance")
    if for_suite:
        _conform(port, folder, _suite(suite_base), suite_ca)
    else:
        _demonstrate(port, folder, with_synapse)
    click.echo("\nStopped." if folder else "\nStopped; all that it kept is deleted.")


def _demonstrate(port: int, folder: Path | None, with_synapse: bool) -> None:
    places = Places(port)
    with servers.listen(range(port, port + world.PORTS)) as taken, _scratch(folder) as home:
        settings = make_settings(home, places)
        prepare(settings)
        installed = _install() if with_synapse else None
        stop = _stop_on_signals()
        if installed:
            # Synapse takes the last port itself; until now we only made sure that it is free.
            taken.pop().close()
        click.echo("Starting ...")
        world.run(
            settings,
            places,
            folder=home,
            seed=_seed(home),
            taken=taken,
            ready=lambda: click.echo(_welcome(places, home, folder is not None, with_synapse)),
            stop=stop,
            installed_synapse=installed,
        )


def _conform(port: int, folder: Path | None, suite: Suite, suite_ca: Path | None) -> None:
    places = conformance.SecurePlaces(port)
    extra = conformance.extra_settings(places, suite, suite_ca=suite_ca)
    with servers.listen(range(port, port + conformance.PORTS)) as taken, _scratch(folder) as home:
        settings = make_settings(home, places, extra=extra)
        prepare(settings)
        now = datetime.now(UTC)
        with open_database(settings):
            token = make_initial_token(uses=_REGISTRATIONS, days=_DAYS, now=now)
            written = conformance.write_documents(home, places, suite, initial_token=token)
            import_clients((home / conformance.CLIENTS).read_bytes(), settings, now=now)
        conformance.run(
            settings,
            places,
            folder=home,
            seed=_seed(home),
            taken=taken,
            ready=lambda: click.echo(_for_suite(places, suite, written, token)),
            stop=_stop_on_signals(),
        )


def _suite(base: str) -> Suite:
    try:
        return Suite(str(read_origin(base)))
    except ValueError as error:
        raise click.BadParameter(f"{base}: {error}", param_hint="--suite") from error


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def make_settings(folder: Path, places: Places, *, extra: str | None = None) -> Settings:
    """Write a demo's config.toml and key file into *folder*, and return the settings.

    Args:
        extra: What it says beside what every demo's says; that of the demo with an app if None.

    Raises:
        ConfigError: ``demo_dir_taken`` if there is another config.toml.
    """
    path, key_file = folder / "config.toml", folder / "bridge.key"
    database = f"sqlite:///{folder.resolve() / 'bridge.db'}"
    extra = extra_settings(places) if extra is None else extra
    text = config_text(issuer=places.bridge, name=_NAME, database=database, extra=extra)
    if path.exists() and path.read_text() != text:
        raise ConfigError(
            "demo_dir_taken",
            f"{path} is not this demo's, or was made with other options."
            " Give another --dir, or the same options as before",
        )
    path.write_text(text)
    if not key_file.exists():
        write_private(key_file, secrets.token_hex(32) + "\n")
    # No variable of the environment may turn a demo towards a real database.
    return load(path, environment=False)


@contextmanager
def _scratch(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError("demo_dir_unusable", f"{folder}: {error.strerror}") from error
        if not os.access(folder, os.W_OK):
            raise ConfigError("demo_dir_unusable", f"{folder}: it may not be written to")
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="oidc-bridge-demo-") as made:
        yield Path(made)


def _seed(folder: Path) -> bytes:
    """Return what the people's keys are made of; who keeps the folder keeps the people."""
    path = folder / "wallet.key"
    if not path.exists():
        write_private(path, secrets.token_hex(32) + "\n")
    return bytes.fromhex(path.read_text())


def _install() -> Path:
    folder = synapse.cache_folder()
    if not synapse.is_installed(folder):
        click.echo(f"Installing Synapse to {folder}: once, about 250 MB, a minute ...")
        synapse.install(folder)
    return folder


def _welcome(places: Places, folder: Path, is_kept: bool, with_synapse: bool) -> str:
    lines = [
        "",
        "DEMO: the bridge, throw-away wallets and some apps, on this machine alone.",
        "",
        f"  Open this:      {places.app}  (it leads to each way in)",
        f"  Matrix app:     {places.app}/matrix",
        f"  OI chat:        {places.chat}",
        f"  EOS wallet:     {places.wallet}/eos",
        f"  Homeserver:     {places.homeserver}  ({SERVER_NAME}; "
        + ("other Matrix clients can use it too)" if with_synapse else "no Synapse: it stands in)"),
        "",
        "  The chats may know people as themselves. To let one know them by an ID that it alone"
        " sees:",
        f"    oidc-bridge --config {folder / 'config.toml'} app alone {places.chat}",
        "",
    ]
    lines += [
        f"  Your account:   {places.bridge}/account",
        f"  Kept in:        {folder}{'' if is_kept else '  (deleted at the end)'}",
        "",
        "Press Ctrl-C to stop.",
    ]
    return "\n".join(lines)


def _for_suite(places: Places, suite: Suite, written: tuple[Path, Path], token: str) -> str:
    configuration, backchannel = written
    return "\n".join(
        (
            "",
            "DEMO: what OpenID's conformance suite tests, on this machine alone.",
            "",
            f"  The bridge:     {places.bridge}",
            f"  The suite:      {suite.base}  (it is not run from here: docs/conformance.md)",
            f"  Tell it this:   {configuration}",
            f"                  {backchannel}  (static clients of the back-channel plan)",
            f"  Registrations:  {token}  (initial access token, in these files too)",
            "",
            "Press Ctrl-C to stop.",
        )
    )
