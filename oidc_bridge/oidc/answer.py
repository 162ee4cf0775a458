"""Where the answer to an authorization request goes, and how it travels.

Sources: RFC 6749 sections 4.1.2 and 4.1.2.1; RFC 9207; OAuth 2.0 Form Post Response Mode.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.client import Client

ResponseMode = Literal["query", "form_post"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the answer goes: proven to be the client's own address."""

    client: Client
    redirect_uri: str
    state: str | None
    response_mode: ResponseMode = "query"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told: a code or an error, with ``iss``, and ``state`` if it sent one.

    Attributes:
        leads_to: the app to which the client will bring the browser, as a homeserver does; ``""``
            if it goes no further.
    """

    target: Target
    fields: Mapping[str, str]
    leads_to: str = ""

    @property
    def url(self) -> str:
        """The redirect URI with all fields added, for the response mode ``query``."""
        separator = "&" if "?" in self.target.redirect_uri else "?"
        return f"{self.target.redirect_uri}{separator}{urlencode(self.fields)}"


def make_answer(target: Target, fields: Mapping[str, str], *, issuer: str) -> Answer:
    """Return *fields* with ``iss`` (RFC 9207: against mix-up, in errors too) and ``state``."""
    state = {} if target.state is None else {"state": target.state}
    return Answer(target, {**fields, "iss": issuer, **state})


def make_error(target: Target, error: SentError, *, issuer: str) -> Answer:
    """Return what tells the client of *error* (RFC 6749 section 4.1.2.1)."""
    fields = {"error": error.code, "error_description": error.detail}
    return make_answer(target, fields, issuer=issuer)
