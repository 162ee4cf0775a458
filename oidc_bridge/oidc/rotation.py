"""What it means that a refresh token comes a second time.

RFC 9700 section 4.14.2: each refresh gives a new token in place of the old; an old one that comes
again was stolen, by whichever side, and then the whole family ends. One case is no theft: the
answer was lost on its way, so the client has only the old one and asks again. It looks like this:

    0 s                  5 s                           30 s (`lifetimes.refresh_grace`)
    | refused, no harm   | answered once more           | the family ends
    used                                                              time since it was used ->

Within the first seconds a second request is the first one's twin (two tabs, a retry on another
connection): it gets nothing, so that of many at once exactly one succeeds, and nobody is signed
out for it. Afterwards it is answered once, if the token that took its place was never used: that
one is withdrawn, so if somebody did have it, its use ends the family. Whatever is older than the
last generation ends the family at once.
"""

from datetime import datetime, timedelta
from typing import Literal

Meaning = Literal["twin", "lost answer", "theft"]

_AT_ONCE = timedelta(seconds=5)


def judge_reuse(
    *,
    spent_at: datetime,
    answered_again_at: datetime | None,
    is_successor_unused: bool,
    grace: timedelta,
    now: datetime,
) -> Meaning:
    """Return what it means that a spent refresh token comes again.

    Args:
        spent_at: When it was used first; ``answered_again_at``, when a lost answer was made good.
        is_successor_unused: Whether the token that took its place waits to be used; then this is
            the last generation, and nobody has shown that the answer arrived.
        grace: How long after its use an answer counts as lost; nothing is, if it is zero.
    """
    if not is_successor_unused:
        return "theft"
    if now - (answered_again_at or spent_at) < min(_AT_ONCE, grace):
        return "twin"
    if answered_again_at is None and now - spent_at < grace:
        return "lost answer"
    return "theft"
