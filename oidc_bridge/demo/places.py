"""Where things are in the demo: one port each, counted from the bridge's."""

from dataclasses import dataclass

SERVER_NAME = "demo.localhost"


@dataclass(frozen=True, slots=True)
class Places:
    """The origins of one demo, as browsers spell them.

    Attributes:
        port: The bridge's; the next five belong to the demo too.
    """

    port: int

    @property
    def bridge(self) -> str:
        """The bridge."""
        return self._origin(0)

    @property
    def wallet(self) -> str:
        """The demo wallets, and what they ask: name services, a chain's node, storage."""
        return self._origin(1)

    @property
    def app(self) -> str:
        """The demo app, and a Matrix app below ``/matrix``."""
        return self._origin(2)

    @property
    def hub(self) -> str:
        """What people store, to be read, and one picture: the bridge believes https alone here."""
        return f"https://localhost:{self.port + 3}"

    @property
    def chat(self) -> str:
        """The chat that signs in as OI Chat did: wallets give each origin a key of its own."""
        return self._origin(4)

    @property
    def homeserver(self) -> str:
        """Synapse, or what stands in for it. Its address has no slash at the end here."""
        return self._origin(5)

    def _origin(self, offset: int) -> str:
        return f"http://localhost:{self.port + offset}"
