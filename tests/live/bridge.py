"""The bridge itself, run as an operator runs it: by its command line, as a process of its own."""

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.live.commands import run_command
from tests.live.tools import REPOSITORY, running


@dataclass(frozen=True)
class ClientCredentials:
    """What ``client add`` printed."""

    id: str
    secret: str


@dataclass(frozen=True)
class Bridge:
    """One bridge: a folder with its config, key and database, and the port it is reached by.

    *settings* override ``config.toml`` through the environment, for every command alike. People
    reach it at *address* if something stands before it. *program* is the module that is run.
    """

    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    program: str = "oidc_bridge"

    @property
    def issuer(self) -> str:
        return self.address or f"http://localhost:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "bridge.log"

    def run(self, *arguments: str) -> str:
        """Run ``oidc-bridge`` and return what it printed; a failure of it fails the test."""
        done = run_command(
            self.program, [*self._options, *arguments], cwd=self.folder, env=self._env
        )
        if done.returncode != 0:
            said = f"{done.stdout}{done.stderr}"
            pytest.fail(f"oidc-bridge {' '.join(arguments)} failed:\n{said}", pytrace=False)
        return done.stdout

    def client_add(self, name: str, homeserver: str, *options: str) -> ClientCredentials:
        """Register the homeserver at *homeserver* (with its slash)."""
        said = self.run("client", "add", name, "--homeserver", homeserver, *options)
        return ClientCredentials(_printed(said, "client[ _]id"), _printed(said, "client[ _]secret"))

    def synapse_config(self, name: str, *options: str) -> str:
        """Return the YAML for the client *name*, with a fresh secret in it."""
        return self.run("synapse-config", name, "--new-secret", *options)

    @contextlib.contextmanager
    def serve(self) -> Iterator["Bridge"]:
        """Run the server until the end of the block."""
        command = [sys.executable, "-m", self.program, *self._options]
        with running(
            [*command, "serve", "--host", "127.0.0.1", "--port", str(self.port)],
            ready=f"http://127.0.0.1:{self.port}/livez",
            log=self.log,
            cwd=self.folder,
            env=self._env,
        ):
            yield self

    @property
    def _options(self) -> list[str]:
        return ["--config", str(self.folder / "config.toml")]

    @property
    def _env(self) -> dict[str, str]:
        kept = {name: v for name, v in os.environ.items() if not name.startswith("OIDC_BRIDGE_")}
        own = {f"OIDC_BRIDGE_{name.upper()}": value for name, value in self.settings.items()}
        return {**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", **own}


def new_bridge(
    folder: Path,
    port: int,
    *,
    database: str | None = None,
    wallets: Mapping[str, str] | None = None,
    allow_private: tuple[str, ...] = (),
    address: str = "",
    program: str = "oidc_bridge",
    **settings: Any,
) -> Bridge:
    """Make a bridge with ``oidc-bridge init``.

    Args:
        database: Address of an empty database; without it, SQLite in the folder.
        wallets: Wallets at web addresses, by name.
        allow_private: Origins that the bridge's own requests may reach on loopback.
        address, program: see `Bridge`.
        settings: Further settings, as text or as what JSON can say.
    """
    folder.mkdir(exist_ok=True)
    known = {
        "wallets": [{"name": name, "url": url} for name, url in (wallets or {}).items()],
        "allow_private": list(allow_private),
        **settings,
    }
    overrides = {key: v if isinstance(v, str) else json.dumps(v) for key, v in known.items() if v}
    if database:
        overrides["database"] = database
    bridge = Bridge(folder, port, overrides, address, program)
    bridge.run("init", "--issuer", bridge.issuer, "--name", "Test ID")
    return bridge


def _printed(text: str, label: str) -> str:
    """Return the word that stands behind *label* in what a command printed."""
    found = re.search(rf"(?im)^\W*{label}\W*?[:= ]\s*\"?([A-Za-z0-9_-]+)", text)
    if not found:
        pytest.fail(f"no {label!r} in:\n{text}", pytrace=False)
    return found[1]
