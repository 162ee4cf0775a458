"""Whether one key alone satisfies a permission of an Antelope account, as the chain computes it.

A permission is reached when the weights of what signed add up to its threshold: of keys, and of
permissions of other accounts that are themselves satisfied. Each of those is looked at once,
however often it is named, and one that is being looked at counts as not satisfied: so loops end.

Spec: the chain's own source (``authority_checker``); docs/eos.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.antelope_keys import Key

# The named permission is level 0.
_DEEPEST = 5
# The chain has all accounts at hand; for us each is a request, and a stranger chose how many.
_MOST_ACCOUNTS = 32


@dataclass(frozen=True, slots=True)
class Delegate:
    """A permission of another account, and what it weighs here."""

    account: str
    permission: str
    weight: int


@dataclass(frozen=True, slots=True)
class Authority:
    """What a permission demands. Waiting weighs nothing: a sign-in has waited for nothing."""

    threshold: int
    keys: tuple[tuple[Key, int], ...]
    delegates: tuple[Delegate, ...]


Permissions = Mapping[str, Authority]
"""The permissions of one account, by their names."""

FindPermissions = Callable[[str], Permissions | None]
"""Asks for an account; None if the chain has no such account."""


@dataclass(slots=True)
class _Checker:
    key: Key
    find: FindPermissions
    known: dict[str, Permissions | None]
    satisfied: dict[tuple[str, str], bool] = field(default_factory=dict)

    def is_satisfied(self, account: str, permission: str, level: int) -> bool:
        place = (account, permission)
        if place not in self.satisfied:
            authority = (self._permissions(account) or {}).get(permission)
            self.satisfied[place] = False  # while it is being looked at
            self.satisfied[place] = authority is not None and self._reaches(authority, level)
        return self.satisfied[place]

    def _reaches(self, authority: Authority, level: int) -> bool:
        total = sum(weight for key, weight in authority.keys if key == self.key)
        if level < _DEEPEST:
            for delegate in sorted(authority.delegates, key=lambda one: -one.weight):
                if total >= authority.threshold:
                    break
                if self.is_satisfied(delegate.account, delegate.permission, level + 1):
                    total += delegate.weight
        return total >= authority.threshold

    def _permissions(self, account: str) -> Permissions | None:
        if account not in self.known:
            if len(self.known) >= _MOST_ACCOUNTS:
                return None
            self.known[account] = self.find(account)
        return self.known[account]


def check_authority(account: str, permission: str, key: Key, *, find: FindPermissions) -> None:
    """Check that *key* alone can act as *account* with *permission*.

    Raises:
        ProofError: ``account_unknown``, ``permission_unknown``, ``authority_not_satisfied``, and
            what *find* raises.
    """
    permissions = find(account)
    if permissions is None:
        raise ProofError("account_unknown", account)
    if permission not in permissions:
        raise ProofError("permission_unknown", f"{account}@{permission}")
    checker = _Checker(key, find, {account: permissions})
    if not checker.is_satisfied(account, permission, 0):
        raise ProofError("authority_not_satisfied", f"{account}@{permission} by {key}")
