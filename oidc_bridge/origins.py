"""A web address's origin, read as a browser reads it, and so strictly that no two readers differ.

Python's ``urlsplit`` takes hosts with text around brackets, ports with leading zeros and more;
what it returns must not decide whom a page names or what goes into a security header.
"""

import ipaddress
import re
from dataclasses import dataclass

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)"
    r"(?::(?P<port>[0-9]{0,5}))?(?P<rest>[/?#].*)?",
    re.IGNORECASE,
)
_MAX_HOST = 253
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port (RFC 6454), spelt as browsers do.

    Attributes:
        host: Lower case; an IPv6 address keeps its brackets.
        port: None where it is the scheme's own.
    """

    scheme: str
    host: str
    port: int | None

    @property
    def netloc(self) -> str:
        """Host, and port if it says something."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def is_trustworthy(self) -> bool:
        """Whether nobody on the way can listen: https, or http that stays on this machine."""
        return self.scheme == "https" or self.host in LOOPBACK

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def read_origin(address: str) -> Origin:
    """Return the origin of an absolute http(s) address.

    Raises:
        ValueError: if it is not one, holds a user name, or is anything but printable ASCII
            without spaces and backslashes.
    """
    if not address.isascii() or not address.isprintable() or set(" \\") & set(address):
        raise ValueError("only printable ASCII without spaces or backslashes")
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ValueError("not an http(s) address with a plain host")
    scheme, host = found["scheme"].lower(), found["host"].lower()
    if len(host) > _MAX_HOST:
        raise ValueError("no host has so long a name")
    if host.startswith("["):
        host = f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
    elif _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
        # Browsers read a host that ends in a number as an IPv4 address, in many spellings.
        ipaddress.IPv4Address(host)
    port = int(found["port"]) if found["port"] else None
    if port is not None and port > 65535:
        raise ValueError("no such port")
    return Origin(scheme, host, None if port == _DEFAULT_PORTS[scheme] else port)
