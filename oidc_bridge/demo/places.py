"""Where things are in the demo: one port each, counted from the bridge's."""

from dataclasses import dataclass

SERVER_NAME = "demo.localhost"


@dataclass(frozen=True, slots=True)
class Places:
    """The origins of one demo, as browsers spell them.

    Attributes:
        port: The bridge's; the next four belong to the demo too.
    """

    port: int

    @property
    def bridge(self) -> str:
        """The bridge."""
        return self._origin(0)

    @property
    def wallet(self) -> str:
        """The demo wallet, and the name service."""
        return self._origin(1)

    @property
    def app(self) -> str:
        """The demo app, and the demo chat below ``/matrix``."""
        return self._origin(2)

    @property
    def pictures(self) -> str:
        """One picture by https, because the bridge believes no other address of a picture."""
        return f"https://localhost:{self.port + 3}"

    @property
    def homeserver(self) -> str:
        """Synapse; its ``public_baseurl`` has a slash at the end, this has none."""
        return self._origin(4)

    def _origin(self, offset: int) -> str:
        return f"http://localhost:{self.port + offset}"
