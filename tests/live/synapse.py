"""A real Synapse on loopback, with SQLite in a scratch folder.

Its own settings are in one file, and the YAML that ``oidc-bridge synapse-config`` printed is a
second ``-c`` file, untouched: what an administrator would paste is what is tested.
"""

import base64
import contextlib
import importlib.util
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
import yaml

from tests.live.tools import REPOSITORY, missing, running

SERVER_NAME = "synapse.test"
_FAST = {"per_second": 1000, "burst_count": 1000}


def need_synapse() -> None:
    """Skip (or fail) the test unless matrix-synapse is installed beside us."""
    if importlib.util.find_spec("synapse") is None:
        missing("matrix-synapse is not installed (it is in requirements/test.txt)")


@dataclass(frozen=True)
class Synapse:
    """A homeserver that runs, or will run, on *port*.

    *more* overrides its settings.
    """

    folder: Path
    port: int
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """``public_baseurl``, with its slash at the end."""
        return f"http://localhost:{self.port}/"

    @property
    def log(self) -> Path:
        return self.folder / "synapse.log"

    def settings(self, *, client_origins: list[str]) -> dict[str, Any]:
        """Everything but ``oidc_providers``. JSON is YAML too."""
        return {
            "server_name": SERVER_NAME,
            "public_baseurl": self.base_url,
            "listeners": [
                {
                    "port": self.port,
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
            "password_config": {"enabled": False},
            # Avatars come from loopback here; discovery and tokens need no such entry.
            "ip_range_whitelist": ["127.0.0.0/8", "::1/128"],
            # A prefix test: without the slash, https://chat.example would let in chat.example.evil.
            "sso": {"client_whitelist": [f"{origin}/" for origin in client_origins]},
            "rc_login": {"address": _FAST, "account": _FAST, "failed_attempts": _FAST},
            "rc_registration": _FAST,
            **self.more,
        }

    @contextlib.contextmanager
    def serve(
        self, printed_yaml: Path, *, client_origins: list[str], ca_file: Path | None = None
    ) -> Iterator["Synapse"]:
        """Run until the end of the block.

        Args:
            printed_yaml: What ``oidc-bridge synapse-config`` printed.
            client_origins: Matrix clients that get their login token without a question.
            ca_file: The only certificate authority that Synapse trusts, for avatars by https.
        """
        self.folder.mkdir(exist_ok=True)
        (self.folder / "homeserver.yaml").write_text(
            json.dumps(self.settings(client_origins=client_origins), indent=1)
        )
        seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        (self.folder / "signing.key").write_text(f"ed25519 a_live {seed}\n")
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
        if ca_file:
            env["SSL_CERT_FILE"] = str(ca_file)
        command = [sys.executable, "-m", "synapse.app.homeserver", "-c", "homeserver.yaml"]
        with running(
            [*command, "-c", str(printed_yaml.resolve())],
            ready=f"{self.base_url}health",
            log=self.log,
            cwd=self.folder,
            env=env,
        ):
            yield self

    # What a Matrix client asks

    def sso_url(self, idp_id: str, redirect_url: str) -> str:
        """Where a Matrix client sends the browser: sign in by this provider, then come back."""
        query = urlencode({"redirectUrl": redirect_url})
        return f"{self.base_url}_matrix/client/v3/login/sso/redirect/oidc-{idp_id}?{query}"

    def ask(
        self, method: str, path: str, access_token: str | None = None, **kwargs: Any
    ) -> requests.Response:
        """Ask the client API, e.g. ``ask("GET", "v3/account/whoami", token)``."""
        headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
        return requests.request(
            method, f"{self.base_url}_matrix/client/{path}", headers=headers, timeout=30, **kwargs
        )


def idp_id_in(printed_yaml: Path) -> str:
    """Return the ``idp_id`` of the one provider in the printed YAML."""
    (provider,) = yaml.safe_load(printed_yaml.read_text())["oidc_providers"]
    idp_id: str = provider["idp_id"]
    return idp_id
