"""Clients' keys that were fetched from where they publish them (``jwks_uri``).

A fetch never happens inside a transaction, and is bounded in size, time and number. A host that
is slow or down is asked at most once a minute, and costs its own client alone: others' keys are
there, and half of our threads never wait for a stranger.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from joserfc.jwk import Key

from oidc_bridge.errors import BridgeError, FetchError
from oidc_bridge.oidc.policy import read_keys
from oidc_bridge.oidc.registration import read_document
from oidc_bridge.ports import Fetch

log = logging.getLogger(__name__)

_FRESH_FOR = timedelta(minutes=10)
_PAUSE = timedelta(minutes=1)
_MAX_JWKS = 64 * 1024
_MAX_CLIENTS = 1000


@dataclass(frozen=True, slots=True)
class _Known:
    uri: str
    keys: Sequence[Key]
    tried_at: datetime
    fetched_at: datetime | None


class FetchedKeys:
    """Remembers what ``jwks_uri`` gave, for this process."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: dict[str, _Known] = {}

    def get(self, client_id: str, uri: str, *, kid: str | None, now: datetime) -> Sequence[Key]:
        """Return the keys at *uri*; those of before if they cannot be had anew.

        A *kid* that is not among them has them fetched again, since a client that changes its keys
        begins to use the new one at once.
        """
        known = self._known.get(client_id)
        if known is not None and known.uri == uri:
            is_fresh = known.fetched_at is not None and now - known.fetched_at < _FRESH_FOR
            is_there = kid is None or any(key.kid == kid for key in known.keys)
            if (is_fresh and is_there) or now - known.tried_at < _PAUSE:
                return known.keys
            # Noted before, so that nobody else waits for the same host meanwhile.
            self._known[client_id] = _Known(uri, known.keys, now, known.fetched_at)
        else:
            known = None
        try:
            answer = self._fetch(uri, max_bytes=_MAX_JWKS)
            if answer.status != 200:
                raise FetchError("fetch_failed", f"status {answer.status}")
            keys: Sequence[Key] = read_keys(read_document(answer.body))
        except BridgeError as error:
            log.warning("keys not fetched client=%s code=%s", client_id, error.code)
            before = known or _Known(uri, (), now, None)
            self._known[client_id] = _Known(uri, before.keys, now, before.fetched_at)
            return before.keys
        if len(self._known) >= _MAX_CLIENTS:
            self._known.clear()
        self._known[client_id] = _Known(uri, keys, now, now)
        return keys
