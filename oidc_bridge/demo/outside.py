"""How the demo's apps speak HTTP: a small port, and its one real form.

They talk to servers of the same demo on loopback, so nothing is guarded here; the bridge itself
goes out by `oidc_bridge.fetch` alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import requests

from oidc_bridge.errors import FetchError

_TIMEOUT = 15


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, whatever the status was."""

    status: int
    body: bytes
    content_type: str = "application/json"

    def document(self) -> dict[str, Any]:
        """Return the JSON object of the body.

        Raises:
            FetchError: ``fetch_failed`` if it is none.
        """
        try:
            document = json.loads(self.body)
        except ValueError as error:
            raise FetchError("fetch_failed", f"no JSON, status {self.status}") from error
        if not isinstance(document, dict):
            raise FetchError("fetch_failed", f"no JSON object, status {self.status}")
        return document


class Ask(Protocol):
    """One request to a server."""

    def __call__(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        document: Mapping[str, object] | None = None,
        text: str | None = None,
        basic: tuple[str, str] | None = None,
        bearer: str | None = None,
        origin: str | None = None,
    ) -> Reply:
        """Send a form, a JSON document or a text, and return the answer.

        Args:
            origin: Of the app that asks, as browsers send it along.

        Raises:
            FetchError: ``fetch_failed`` if there was none.
        """
        ...


def ask(
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    document: Mapping[str, object] | None = None,
    text: str | None = None,
    basic: tuple[str, str] | None = None,
    bearer: str | None = None,
    origin: str | None = None,
) -> Reply:
    """Ask over the network; see `Ask`."""
    headers = headers_of(bearer=bearer, origin=origin)
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                url,
                data=form if text is None else text.encode(),
                json=document,
                auth=basic,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
    except requests.RequestException as error:
        raise FetchError("fetch_failed", type(error).__name__) from error
    return Reply(answer.status_code, answer.content, answer.headers.get("Content-Type", ""))


def headers_of(*, bearer: str | None, origin: str | None) -> dict[str, str]:
    """Return the headers of a request; see `Ask`."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return headers | ({"Origin": origin} if origin else {})
