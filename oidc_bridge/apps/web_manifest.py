"""What an app's own site says of itself: its web manifest. Anybody may write anything there.

Sources: W3C Web Application Manifest sections 1.7 and 2.5 (``name``, ``short_name``, ``icons``);
``did_authors`` as in `developer`; ``software_statement`` is RFC 7591's, put there by its developer
for whoever looks at the app before it is registered anywhere.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

from oidc_bridge.apps.developer import MANIFEST_PATH, read_authors
from oidc_bridge.origins import read_origin
from oidc_bridge.proofs.jsontokens import parse_object

_MAX_NAME = 100
_MAX_ICONS = 20
_MAX_URL = 2000
_NOT_DRAWN = ".svg"


@dataclass(frozen=True, slots=True)
class WebManifest:
    """What a site says.

    Attributes:
        name: ``""`` if it has none that can be shown.
        icon: An address at the same origin, ``""`` if there is none that we could draw.
        authors: As `developer.read_authors`.
        statement: What may be a signed statement; nobody has looked at it yet.
    """

    name: str
    icon: str
    authors: tuple[str, ...]
    statement: str | None


def read_web_manifest(body: bytes, *, home: str) -> WebManifest:
    """Return what the manifest of the site at *home*, an origin, says.

    A member that is not what it should be is as good as not there.

    Raises:
        ProofError: ``malformed`` if it is no manifest at all.
    """
    authors = read_authors(body)
    members = parse_object(body.removeprefix(b"\xef\xbb\xbf"))
    statement = members.get("software_statement")
    return WebManifest(
        name=next(_names(members.get(name) for name in ("name", "short_name")), ""),
        icon=next(_at_home(members.get("icons"), home), ""),
        authors=authors,
        statement=statement if isinstance(statement, str) else None,
    )


def _names(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        name = " ".join(value.split()) if isinstance(value, str) else ""
        if name and name.isprintable():
            yield name[:_MAX_NAME]


def _at_home(icons: object, home: str) -> Iterator[str]:
    """Give the icons that lie at the site itself, as a statement's logo must."""
    for icon in icons[:_MAX_ICONS] if isinstance(icons, list) else []:
        src = icon.get("src") if isinstance(icon, dict) else None
        if not isinstance(src, str) or not src or len(src) > _MAX_URL or not src.isascii():
            continue
        try:
            url = urljoin(home + MANIFEST_PATH, src)
            is_home = str(read_origin(url)) == home
        except ValueError:
            continue
        if is_home and not url.lower().partition("?")[0].endswith(_NOT_DRAWN):
            yield url
