"""One time limit for many requests of one sign-in."""

import time
from collections.abc import Mapping

from oidc_bridge.errors import FetchError
from oidc_bridge.ports import Fetch, Fetched, PostJson


class Deadline:
    """A `Fetch` of which all calls together may take so long, counted from its making.

    Without it, a budget for each call would let ten slow answers in a row take ten budgets.

    Args:
        fetch: Makes the calls.
        seconds: For all of them.
    """

    def __init__(self, fetch: Fetch, seconds: float) -> None:
        self._fetch = fetch
        self._ends_at = time.monotonic() + seconds

    def __call__(self, url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        """GET *url*; ``fetch_failed`` at once if the time is over."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise FetchError("fetch_failed", "no time is left for it")
        budget = left if budget is None else min(budget, left)
        return self._fetch(url, max_bytes=max_bytes, budget=budget)


class PostDeadline:
    """A `PostJson` of which all calls together may take so long, counted from its making.

    Args:
        post: Makes the calls.
        seconds: For all of them.
    """

    def __init__(self, post: PostJson, seconds: float) -> None:
        self._post = post
        self._ends_at = time.monotonic() + seconds

    def __call__(self, url: str, document: Mapping[str, object], max_bytes: int) -> Fetched:
        """POST *document*; ``fetch_failed`` at once if the time is over."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise FetchError("fetch_failed", "no time is left for it")
        return self._post(url, document, max_bytes=max_bytes, budget=left)
