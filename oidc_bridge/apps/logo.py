"""A stranger's picture, made harmless: decoded, shrunk, and written anew.

Nothing of the file but its colours is kept, so that what we serve under our own name is what we
wrote. SVG is a document with scripts and links in it, and is not read at all (D6).
"""

import struct
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from oidc_bridge.errors import BridgeError

MAX_FILE = 256 * 1024
SIDE = 128

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
# A file of some hundred bytes can unfold to gigabytes. Known from the header, before that.
_MAX_PIXELS = 2048 * 2048
# What Pillow lets escape for files that are damaged or made to do damage.
_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def redraw(file: bytes) -> bytes:
    """Return the picture in *file* as a PNG of at most `SIDE` pixels on each side.

    Of a moving picture it is the first frame.

    Raises:
        BridgeError: ``logo_too_large``, ``logo_unreadable``.
    """
    if len(file) > MAX_FILE:
        raise BridgeError("logo_too_large", f"more than {MAX_FILE} bytes")
    try:
        with Image.open(BytesIO(file), formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise BridgeError("logo_too_large", f"{image.width} by {image.height} pixels")
            drawn = image.convert("RGBA")
        drawn.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        # Its colour profile, texts and the like would be written too.
        drawn.info.clear()
        written = BytesIO()
        drawn.save(written, "PNG")
    except UnidentifiedImageError as error:
        raise BridgeError("logo_unreadable", "no PNG, JPEG, WebP or GIF") from error
    except _BROKEN as error:
        raise BridgeError("logo_unreadable", f"damaged: {type(error).__name__}") from error
    return written.getvalue()
