"""What rarely changes, read from memory: clients, keys, and the documents made of them."""

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.engine import Engine

from oidc_bridge.config import Settings
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.keys import SIGNING_ALGORITHMS, SigningKey, active, as_bytes, jwks
from oidc_bridge.oidc.metadata import discovery
from oidc_bridge.seal import Seal
from oidc_bridge.storage.apps import all_clients
from oidc_bridge.storage.developers import SeenProfile, all_profiles
from oidc_bridge.storage.keys import all_keys, keys_version
from oidc_bridge.storage.sites import Logo, Site, all_logos, all_sites

_MAX_AGE = 1.0


@dataclass(frozen=True, slots=True)
class Document:
    """A public document, ready to be sent."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Clients and keys as they were less than a second ago; never changed, only replaced."""

    clients: dict[str, Client]
    keys: Sequence[SigningKey]
    keys_version: tuple[tuple[str, str], ...]
    signing_keys: Mapping[str, SigningKey]
    documents: Mapping[str, Document]
    sites: Mapping[str, Site]
    logos: Mapping[str, Logo]
    profiles: Mapping[str, SeenProfile]

    def key_for(self, algorithm: str) -> SigningKey:
        """Return the key that signs with *algorithm*.

        Raises:
            ConfigError: ``keys_missing``.
        """
        return self.signing_keys.get(algorithm) or active(self.keys, algorithm)


class Snapshots:
    """Gives the current `Snapshot`; a change by another process shows within a second."""

    def __init__(self, engine: Engine, seal: Seal, settings: Settings) -> None:
        self._engine = engine
        self._seal = seal
        self._settings = settings
        self._lock = threading.Lock()
        self._current: Snapshot | None = None
        self._read_at = 0.0

    def current(self) -> Snapshot:
        """Return a snapshot at most a second old.

        Raises:
            ConfigError: ``keys_missing``.
        """
        snapshot = self._current
        if snapshot is not None and time.monotonic() - self._read_at < _MAX_AGE:
            return snapshot
        with self._lock:
            if self._current is None or time.monotonic() - self._read_at >= _MAX_AGE:
                self._current = self._read(self._current)
                self._read_at = time.monotonic()
            return self._current

    def forget(self) -> None:
        """Read anew at the next question."""
        self._read_at = 0.0

    def _read(self, before: Snapshot | None) -> Snapshot:
        with self._engine.connect() as connection:
            clients = {client.id: client for client in (*all_clients(connection), APP_PASSWORD)}
            seen = (all_sites(connection), all_logos(connection), all_profiles(connection))
            version = keys_version(connection)
            if before is not None and before.keys_version == version:
                sites, logos, profiles = seen
                return replace(before, clients=clients, sites=sites, logos=logos, profiles=profiles)
            keys = all_keys(connection, self._seal)
        documents = {
            "discovery": _document(as_bytes(self._discovery())),
            "jwks": _document(as_bytes(jwks(keys))),
        }
        by_algorithm = {str(name): active(keys, name) for name in SIGNING_ALGORITHMS}
        return Snapshot(clients, keys, version, by_algorithm, documents, *seen)

    def _discovery(self) -> dict[str, Any]:
        settings = self._settings
        return discovery(
            settings.issuer,
            require_pushed=settings.require_pushed_authorization_requests,
            require_signed=settings.require_signed_request_object,
            offers_registration=settings.registration.mode != "closed",
        )


def _document(body: bytes) -> Document:
    return Document(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
