"""What the demo's config.toml says beside what every configuration does."""

from oidc_bridge.demo.chain import CHAIN_ID
from oidc_bridge.demo.clients import HOMESERVER
from oidc_bridge.demo.places import SERVER_NAME, Places

# Loopback addresses are internal: the bridge goes to those that are named here and no other.
_EXTRA = """\
allow_private = ["{places.wallet}", "{places.app}", "{places.homeserver}", "{places.hub}"]
private_ca = "localhost.pem"
synapse_modules = ["{client}"]

[[wallets]]
name = "Demo wallet"
url = "{places.wallet}/auth"

[[names.services]]
url = "{places.wallet}"
labels = [3]

[[names.services]]
url = "{places.wallet}"
labels = [2]

[oichat]
enabled = true
server_name = "{server_name}"
gaia = ["{places.hub}"]

[antelope]
web = true

[[antelope.chains]]
id = "{chain}"
nodes = ["{places.wallet}"]

[widget]
clients = ["{places.app}"]

[[widget.homeservers]]
server_name = "{server_name}"
url = "{places.homeserver}"
"""


def extra_settings(places: Places) -> str:
    """Return it: every door is open, to the demo's own places."""
    return _EXTRA.format(places=places, client=HOMESERVER, server_name=SERVER_NAME, chain=CHAIN_ID)
