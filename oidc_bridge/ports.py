"""What the core asks of the outside world."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer from outside: status and body, whatever the status was."""

    status: int
    body: bytes


class Fetch(Protocol):
    """GET a URL, guarded: https, public addresses, no redirects, limits on size and time."""

    def __call__(self, url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        """Return what came, for any HTTP status but a redirect.

        Args:
            budget: Seconds, if this exchange has fewer than others.

        Raises:
            FetchError: ``fetch_blocked`` (scheme, address or redirect not allowed),
                ``fetch_too_large``, ``fetch_failed`` (no answer in time, TLS, DNS).
        """
        ...


class PostJson(Protocol):
    """POST a JSON object to a URL, guarded as `Fetch` is."""

    def __call__(
        self, url: str, document: Mapping[str, object], *, max_bytes: int, budget: float
    ) -> Fetched:
        """Return what came, for any HTTP status but a redirect.

        Args:
            budget: Seconds for the exchange.

        Raises:
            FetchError: as for a `Fetch`.
        """
        ...
