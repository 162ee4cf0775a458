"""A request for something that an access token opens: which token it brings, and how.

Sources: RFC 6750 section 2; RFC 9449 section 7.1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from oidc_bridge.errors import TokenError

Scheme = Literal["Bearer", "DPoP"]
_SCHEMES: Mapping[str, Scheme] = {"bearer": "Bearer", "dpop": "DPoP"}
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True)
class Presented:
    """A token that somebody brought; not yet known to be one of ours."""

    token: str
    scheme: Scheme


def read_presented(authorization: str | None, form: Mapping[str, str]) -> Presented:
    """Return the token of the ``Authorization`` header or of a form; never one of the query.

    Raises:
        TokenError: ``invalid_token`` (401), ``invalid_request`` (400) if there are two.
    """
    posted = form.get("access_token")
    if authorization is None and posted is None:
        raise TokenError("invalid_token", "An access token is needed.", is_quiet=True)
    if authorization is not None and posted is not None:
        raise TokenError("invalid_request", "The token is sent in two ways at once.", status=400)
    name, _, token = (f"Bearer {posted}" if authorization is None else authorization).partition(" ")
    scheme = _SCHEMES.get(name.lower())
    if scheme is None or not _TOKEN68.fullmatch(token):
        raise TokenError("invalid_token", "An access token is needed.")
    return Presented(token, scheme)
