"""The bridge with one rule less: what people's profiles name may be on loopback, with the tests.

``python -m tests.live.loopback_strangers`` is ``oidc-bridge``. No setting does this; none should.
What may be reached are the origins in ``registration.allow_private``; all other checks stand.
"""

from oidc_bridge import factory
from oidc_bridge.cli import main
from oidc_bridge.config import Settings
from oidc_bridge.fetch import GuardedFetch

_make = factory.make_strangers_fetch


def _make_kind(settings: Settings, *, exempt: frozenset[str]) -> GuardedFetch:
    return _make(settings, exempt=exempt | settings.registration.allow_private)


factory.make_strangers_fetch = _make_kind

if __name__ == "__main__":
    main()
