"""What a name leads to: its zone file, and the profile that its owner signed, with their apps."""

import json
from dataclasses import dataclass, field

from coincurve import PrivateKey

from oidc_bridge.demo.hub import Hub
from oidc_bridge.demo.wallet import Wallet
from oidc_bridge.proofs.addresses import Address, public_key_to_address
from oidc_bridge.proofs.jsontokens import sign

_FILE = "profile.json"


@dataclass(frozen=True, slots=True)
class Profiles:
    """The public profiles of the demo's people; they lie in the hub, as they do in life.

    Attributes:
        buckets: Of each identity, by its address: where each app that publishes stores its data.
    """

    hub: Hub
    buckets: dict[str, dict[str, str]] = field(default_factory=dict)

    def zone_file(self, name: str, owner: Address) -> str:
        """Return the zone file of a name as wallets write it."""
        target = f"{self.hub.folder_url(owner)}{_FILE}"
        return f'$ORIGIN {name}\n$TTL 3600\n_http._tcp\tIN\tURI\t10\t1\t"{target}"\n\n'

    def add_app(self, wallet: Wallet, origin: str) -> None:
        """Tell in the person's profile where the app at *origin* stores its data."""
        app_key = PrivateKey(wallet.app_key(origin)).public_key.format()
        known = self.buckets.setdefault(wallet.address.btc, {})
        known[origin] = self.hub.folder_url(public_key_to_address(app_key))
        public = {"publicKey": wallet.identity_public_key.hex()}
        claim = {**wallet.profile(), "apps": known}
        token = sign({"subject": public, "issuer": public, "claim": claim}, wallet.identity_key)
        self.hub.put(wallet.address.btc, _FILE, json.dumps([{"token": token}]).encode())
