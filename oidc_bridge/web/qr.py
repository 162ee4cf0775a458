"""A text as a picture, for the camera of another device."""

import segno
from markupsafe import Markup


def qr_of(text: str) -> Markup:
    """Return *text* as an inline picture; black on white, whatever the page's colours are."""
    code = segno.make(text, error="m")
    return Markup(code.svg_inline(border=4, dark="#000", light="#fff", omitsize=True))  # noqa: S704
