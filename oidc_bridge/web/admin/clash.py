"""Two who change one thing at once: the second sees both, and chooses."""

from collections.abc import Mapping
from datetime import datetime

from flask import Response

from oidc_bridge.web.admin.pages import admin_page

Facts = Mapping[str, str | datetime | None]
"""What a thing is like, in the words of its page; a moment is shown as one, nothing as "None"."""


def clash(
    what: str,
    *,
    yours: Facts,
    theirs: Facts | None,
    url: str,
    fields: Mapping[str, str],
    back_url: str,
) -> Response:
    """Show both: somebody else was quicker, and nothing was changed.

    Args:
        what: What was to be changed, as the beginning of a sentence: "The rule of …".
        theirs: What holds now; None if there is nothing any more.
        url: Where the form goes that puts *yours* in the place of *theirs*.
        fields: What it says, with the version of *theirs*.
        back_url: The page that changes nothing.
    """
    return admin_page(
        "admin/clash.html",
        status=409,
        what=what,
        yours=yours,
        theirs=theirs,
        url=url,
        fields=fields,
        back_url=back_url,
    )
