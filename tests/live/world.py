"""A Matrix client, its homeserver, and the bridge behind it."""

from dataclasses import dataclass
from pathlib import Path

from tests.live.bridge import Bridge
from tests.live.synapse import Synapse


@dataclass(frozen=True)
class World:
    """A Matrix client, its homeserver, and the bridge behind it, all running."""

    bridge: Bridge
    synapse: Synapse
    idp_id: str
    chat: str
    """Origin of the Matrix client."""
    printed_yaml: Path
    """What ``synapse-config`` printed, and what Synapse runs with."""

    @property
    def chat_url(self) -> str:
        """The address that the Matrix client wants the login token at."""
        return self.chat_url_at(self.chat)

    def chat_url_at(self, origin: str) -> str:
        """The same for another app's origin."""
        return f"{origin}/?homeserver={self.synapse.base_url}"

    @property
    def sign_in_url(self) -> str:
        """Where the Matrix client sends the browser."""
        return self.synapse.sso_url(self.idp_id, self.chat_url)
