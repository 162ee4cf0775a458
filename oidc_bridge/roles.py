"""Who may do what on the admin pages: one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["owner", "admin", "app manager", "auditor"]
Right = Literal[
    "read home",
    "read apps",
    "change apps",
    "add apps",
    "read requests",
    "decide requests",
    "read people",
    "change people",
    "read clients",
    "change clients",
    "change secrets",
    "read keys",
    "rotate keys",
    "read events",
    "read health",
    "read roles",
    "change roles",
]
ROLES: tuple[Role, ...] = get_args(Role)
ALL_RIGHTS: tuple[Right, ...] = get_args(Right)

_OWNER = frozenset[Role]({"owner"})
_ADMINS = frozenset[Role]({"owner", "admin"})
_READERS = frozenset[Role]({"owner", "admin", "auditor"})
_OF_APPS = frozenset[Role]({"owner", "admin", "app manager"})
_EVERYBODY = frozenset(ROLES)

RIGHTS: Mapping[Right, frozenset[Role]] = {
    "read home": _EVERYBODY,
    "read apps": _EVERYBODY,
    "change apps": _OF_APPS,
    "add apps": _ADMINS,
    "read requests": _EVERYBODY,
    "decide requests": _OF_APPS,
    "read people": _READERS,
    "change people": _ADMINS,
    "read clients": _READERS,
    "change clients": _ADMINS,
    "change secrets": _ADMINS,
    "read keys": _READERS,
    "rotate keys": _OWNER,
    "read events": _READERS,
    "read health": _READERS,
    "read roles": _READERS,
    "change roles": _OWNER,
}
# What an app manager may do for the apps that are theirs, and for no others.
OWN_APPS_ONLY = frozenset[Right]({"read apps", "change apps", "read requests", "decide requests"})
# What nobody does because a browser was left open.
NEEDS_FRESH_PROOF = frozenset[Right]({"change secrets", "rotate keys", "change roles"})


@dataclass(frozen=True, slots=True)
class Admin:
    """Somebody with a role; *apps* are an app manager's, by the names that rules have for them."""

    account_id: str
    role: Role
    apps: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.role}: {' '.join(sorted(self.apps))}" if self.apps else self.role

    @property
    def is_limited(self) -> bool:
        """Whether they see and change their own apps only."""
        return self.role == "app manager"

    def may(self, right: Right, *, app: str | None = None) -> bool:
        """Return whether they have *right*, for *app* if it is about one."""
        if self.role not in RIGHTS[right]:
            return False
        if self.is_limited and right in OWN_APPS_ONLY and app is not None:
            return app in self.apps
        return True
