"""Apps with a developer behind them, put into a running bridge's database.

Their site is nowhere, so what the bridge would have read there is put into the database too.
"""

import hashlib
from datetime import UTC, datetime
from urllib.parse import urlencode

from playwright.sync_api import Page
from sqlalchemy import Connection

from oidc_bridge.apps.logo import redraw
from oidc_bridge.apps.manifest import open_statement
from oidc_bridge.config import load
from oidc_bridge.factory import open_database
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.registration import read_client
from oidc_bridge.proofs.names import NameService
from oidc_bridge.storage import new_id, write
from oidc_bridge.storage.apps import add_client
from oidc_bridge.storage.developers import SeenProfile, keep_profile
from oidc_bridge.storage.sites import Logo, Site, keep_logo, keep_site
from tests.driver import CHALLENGE
from tests.fakes import FakeFetch
from tests.live.bridge import Bridge
from tests.live.tools import wait_for
from tests.manifests import DAVE, a_picture, a_statement, named_dave, profile_url

OLD_NAMES = (NameService("https://names.example", frozenset({2}), "v1"),)


def open_shop(
    bridge: Bridge,
    *,
    signed: bool,
    named: bool,
    home: str = "https://shop.example",
    called: str = "",
) -> Client:
    """Register a shop with a logo.

    Args:
        signed: Its developer signed its manifest.
        named: Its site names the developer.
        called: What the developer calls themselves, who then signed by name.
    """
    now = datetime.now(UTC)
    logo_uri = f"{home}/logo.png"
    document: dict[str, object] = {
        "client_name": "The Shop",
        "client_uri": home,
        "redirect_uris": [f"{home}/cb"],
        "scope": "openid profile email",
        "logo_uri": logo_uri,
        "token_endpoint_auth_method": "none",
    }
    client = read_client(document, client_id=new_id())
    if signed:
        iat = int(now.timestamp())
        claims = {**document, "required_scopes": ["profile"], "iat": iat, "exp": iat + 86_400}
        if called:
            claims["iss"] = "dave.btc"
        text = a_statement(**claims)
        statement, members = open_statement(
            text,
            audience=bridge.issuer,
            services=OLD_NAMES,
            fetch=FakeFetch(named_dave(owner="dave")),
            now=now,
        )
        asked = {**document, "software_statement": text}
        client = read_client(asked, client_id=client.id, statement=statement, signed=members)
    png = redraw(a_picture(200, 120))
    logo = Logo(logo_uri, hashlib.sha256(png).hexdigest(), None, now)

    def open_it(connection: Connection) -> None:
        add_client(connection, client, now=now)
        keep_site(connection, home, Site((DAVE.btc,) if named else (), None, now, now))
        keep_logo(connection, client.id, logo, png)
        if called:
            seen = SeenProfile(
                *("dave.btc", DAVE.btc, called, profile_url()), logo.digest, None, now, now
            )
            keep_profile(connection, client.id, seen, png)

    with open_database(load(bridge.folder / "config.toml")):
        write(open_it)
    return client


def come_from_shop(page: Page, bridge: Bridge, client: Client) -> None:
    """Follow the shop's link to the bridge, as soon as the bridge has heard of the shop."""
    query = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": client.redirect_uris[0],
        "scope": "openid profile email",
        "state": "s",
        "nonce": "n",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }

    def is_known() -> bool:
        answer = page.goto(f"{bridge.issuer}/authorize?{urlencode(query)}")
        return answer is not None and answer.ok

    wait_for(is_known, what=f"the bridge knows {client.id}", log=bridge.log)
