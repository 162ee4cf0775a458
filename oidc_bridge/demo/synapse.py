"""A real Synapse beside the demo: installed by pip, started, stopped."""

import base64
import json
import os
import secrets
import shutil
import subprocess
import threading
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oidc_bridge.demo.outside import ask
from oidc_bridge.demo.places import SERVER_NAME, Places
from oidc_bridge.errors import BridgeError, FetchError
from oidc_bridge.origins import read_origin

REQUIREMENT = "matrix-synapse[oidc]~=1.163"
_FAST = {"per_second": 1000, "burst_count": 1000}
_PATIENCE = 60
_STOP_SECONDS = 10


def cache_folder() -> Path:
    """Return where Synapse is kept between demos."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "oidc-bridge" / "synapse"


def is_installed(folder: Path) -> bool:
    """Return whether `install` has been here, and came to its end."""
    note = _note(folder)
    # The interpreter is a link: it breaks when the Python that made it goes.
    is_whole = note.is_file() and _python(folder).exists()
    return is_whole and note.read_text() == REQUIREMENT


def install(folder: Path) -> None:
    """Install Synapse into a virtual environment at *folder*; nothing is compiled.

    Raises:
        BridgeError: ``synapse_install`` with pip's own last words.
    """
    _note(folder).unlink(missing_ok=True)
    try:
        venv.create(folder, with_pip=True, clear=True)
        # Isolated, and only wheels: no code of a package runs before it is wanted.
        command = [str(_python(folder)), "-I", "-m", "pip", "install", "--quiet"]
        subprocess.run(  # noqa: S603 - our own interpreter, fixed arguments
            [*command, "--disable-pip-version-check", "--only-binary", ":all:", REQUIREMENT],
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip()
        raise BridgeError(
            "synapse_install",
            f"pip could not install {REQUIREMENT} into {folder}. The demo works without"
            f" --synapse. pip said: {said[-600:]}",
        ) from error
    _note(folder).write_text(REQUIREMENT)


def write_settings(folder: Path, places: Places) -> None:
    """Write Synapse's own settings; the providers come from the bridge's YAML alone."""
    folder.mkdir(exist_ok=True)
    key = folder / "signing.key"
    if not key.exists():
        seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        key.touch(mode=0o600)
        key.write_text(f"ed25519 a_demo {seed}\n")
    settings = folder / "homeserver.yaml"
    settings.touch(mode=0o600)
    settings.write_text(json.dumps(_settings(places), indent=1))  # JSON is YAML


@contextmanager
def run(
    installed: Path, folder: Path, provider_yaml: Path, *, places: Places, trust: Path
) -> Iterator[None]:
    """Run Synapse until the end of the block; it is up when the block begins.

    Args:
        installed: Where `install` put it. folder: Where `write_settings` wrote.
        provider_yaml: What ``synapse-config`` prints, untouched.
        trust: Certificate of the server of pictures.

    Raises:
        BridgeError: ``synapse_start`` with the end of its log.
    """
    log = folder / "synapse.log"
    # Nothing but what was installed, and the module: neither this folder nor the user's own.
    command = [str(_python(installed)), "-s", "-P", "-m", "synapse.app.homeserver"]
    with log.open("wb") as log_file:
        process = subprocess.Popen(  # noqa: S603 - as above
            [*command, "-c", "homeserver.yaml", "-c", str(provider_yaml.resolve())],
            cwd=folder,
            env={
                **{n: text for n, text in os.environ.items() if not n.startswith("PYTHON")},
                "SSL_CERT_FILE": str(trust.resolve()),
                "PYTHONPATH": str(_write_module(folder).resolve()),
            },
            stdout=log_file,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for us; we stop it when its last request has been answered.
            start_new_session=True,
        )
    try:
        _wait(process, places, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write_module(folder: Path) -> Path:
    """Copy the bridge's module beside Synapse's settings; return the folder to import it from.

    It is what ``pip install --no-deps oidc-bridge`` would put there, as far as Synapse loads it.
    """
    place, package = folder / "module", Path(__file__).parents[1]
    for name in ("__init__.py", "matrix/__init__.py", "matrix/synapse_module.py"):
        target = place / package.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / name, target)
    return place


def _wait(process: subprocess.Popen[bytes], places: Places, log: Path) -> None:
    pause = threading.Event()
    for _ in range(_PATIENCE * 5):
        if process.poll() is not None:
            break
        try:
            if ask("GET", f"{places.homeserver}/health").status == 200:
                return
        except FetchError:
            pause.wait(0.2)
    tail = log.read_text(errors="replace").strip()[-800:]
    raise BridgeError("synapse_start", f"Synapse did not come up. The end of its log:\n{tail}")


def _settings(places: Places) -> dict[str, object]:
    return {
        "server_name": SERVER_NAME,
        "public_baseurl": f"{places.homeserver}/",
        "listeners": [
            {
                "port": read_origin(places.homeserver).port,
                "bind_addresses": ["127.0.0.1"],
                "type": "http",
                "tls": False,
                "resources": [{"names": ["client", "openid"], "compress": False}],
            }
        ],
        "database": {"name": "sqlite3", "args": {"database": "homeserver.db"}},
        "signing_key_path": "signing.key",
        "media_store_path": "media",
        "macaroon_secret_key": secrets.token_urlsafe(),
        "form_secret": secrets.token_urlsafe(),
        "report_stats": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "federation_domain_whitelist": [],
        # For the bridge's module; people have no passwords of Synapse's own.
        "password_config": {"enabled": True, "localdb_enabled": False},
        # The demo's picture comes from loopback.
        "ip_range_whitelist": ["127.0.0.0/8", "::1/128"],
        # A prefix test: without the slash, :8002 would let :80021 in.
        "sso": {"client_whitelist": [f"{places.app}/"]},
        "rc_login": {"address": _FAST, "account": _FAST, "failed_attempts": _FAST},
        "rc_registration": _FAST,
    }


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _note(folder: Path) -> Path:
    return folder / "installed"
