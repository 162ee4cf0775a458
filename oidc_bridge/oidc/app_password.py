"""App passwords: a secret with scopes and no app behind it, for programs that cannot ask a person.

A person makes one on the account page and types it into a program, or several. It is read
forgivingly, kept as a hash, and ends by the button, by its date, or when nobody has used it for
half a year. At the token endpoint it is a refresh token of the client `APP_PASSWORD`, one that
never rotates: programs that share it cannot tell each other of a new one.
"""

import re
import secrets
from base64 import b32encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.client import Client, ClientMetadata
from oidc_bridge.oidc.scopes import SCOPES

Use = Literal["token", "matrix"]
Why = Literal["", "ended", "date", "unused"]

# To sign in to one homeserver with the password itself; no access token ever has it.
MATRIX_LOGIN = "matrix:login"
UNUSED_LIFE = timedelta(days=180)
WARNING = timedelta(days=30)

# Built in: in no file and on no list of the operator's, who can still deny it by its rule,
# `client:app-password`. No redirect URI, so nobody is ever sent to it with a code.
APP_PASSWORD = Client(
    id="app-password",
    name="App passwords",
    kind="web",
    redirect_uris=(),
    secret_digests=(),
    auth_methods=("none",),
    scopes=("openid", "profile", "email"),
    required_scopes=(),
    metadata=ClientMetadata(grant_types=("refresh_token",)),
)

# What a person may tick, and the words beside it.
CHOICES: Mapping[str, str] = MappingProxyType(
    {
        **{scope: SCOPES[scope].title for scope in APP_PASSWORD.scopes},
        MATRIX_LOGIN: "Sign in to Matrix apps that have no other way",
    }
)

# Scanners of leaked secrets and the Synapse module know it by this.
_PREFIX = "abp_"
_FORM = re.compile(r"abp_[a-z2-7]{32}")
_IGNORED = re.compile(r"[\s-]+")
_GROUP = 4
# Whoever types a space after each sign is still understood.
_MAX_TYPED = 200


@dataclass(frozen=True, slots=True)
class MatrixUser:
    """As whom an app password signs in, and at which homeserver."""

    client_id: str
    localpart: str
    subject: str


@dataclass(frozen=True, slots=True)
class AppPassword:
    """All of an app password but the secret.

    Attributes:
        matrix: of one with ``matrix:login``; None also if the homeserver has gone.
        ends_at: its own date, if it was given one.
        ended_at: when somebody ended it.
        last_used_from: an IP address; ``last_used_for``: a `Use`. Both ``""`` before the first.
    """

    id: str
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    ends_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str
    last_used_for: str
    ended_at: datetime | None
    matrix: MatrixUser | None = None

    @property
    def unused_until(self) -> datetime:
        """When it ends if nobody uses it."""
        return (self.last_used_at or self.created_at) + UNUSED_LIFE

    @property
    def over_at(self) -> datetime:
        """When it ends, or has ended, as things stand."""
        known = (self.ended_at, self.ends_at, self.unused_until)
        return min(moment for moment in known if moment is not None)

    def why_over(self, now: datetime) -> Why:
        """Return what has ended it; ``""`` while it works."""
        if now < self.over_at:
            return ""
        if self.over_at == self.ended_at:
            return "ended"
        return "date" if self.over_at == self.ends_at else "unused"

    def is_forgotten(self, now: datetime) -> bool:
        """Whether it is about to end because nobody uses it."""
        ends_so = self.over_at == self.unused_until
        return ends_so and self.over_at - WARNING <= now < self.over_at


def make_app_password() -> str:
    """Return 160 random bits as an app password; grouped, as people are shown it."""
    letters = b32encode(secrets.token_bytes(20)).decode().lower()
    groups = [letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP)]
    return _PREFIX + "-".join(groups)


def read_app_password(typed: str) -> str:
    """Return the one spelling of what somebody typed, of which the hash is kept.

    Raises:
        SentError: ``invalid_grant`` if it cannot be an app password.
    """
    if len(typed) <= _MAX_TYPED:
        kept = _IGNORED.sub("", typed)
        # Asked first: lower() makes a k of a Kelvin sign.
        if kept.isascii() and _FORM.fullmatch(kept.lower()):
            return kept.lower()
    raise SentError("invalid_grant", "This is not an app password.")


def check_app_password(known: AppPassword, *, now: datetime) -> None:
    """Return if it works.

    Raises:
        SentError: ``invalid_grant``.
    """
    if known.why_over(now):
        raise SentError("invalid_grant", "The app password has ended.")


def choose_scopes(ticked: Collection[str]) -> tuple[str, ...]:
    """Return what is granted if a person ticks this; nothing if it is nothing that we know.

    Name, picture and address are told at userinfo, which opens with ``openid`` alone (OIDC Core
    5.3.1), so they bring it along.
    """
    wanted = set(ticked)
    if wanted & set(APP_PASSWORD.scopes):
        wanted.add("openid")
    return tuple(scope for scope in CHOICES if scope in wanted)
