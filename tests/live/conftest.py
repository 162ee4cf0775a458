"""What the live tests share. One bridge, one Synapse and one Chromium serve all of them.

Every test brings its own person, so that none depends on what another left behind.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.fake_names import FakeNames
from tests.live.bridge import new_bridge
from tests.live.browser import (
    TODAY,
    Answering,
    Signer,
    Willing,
    always,
    chromium,
    put_wallet_into,
)
from tests.live.certified import Provider, provider
from tests.live.loopback import (
    CHAT_HOSTS,
    Certificates,
    ChatClient,
    Pictures,
    WebWallet,
    chat_client,
    make_certificates,
    pictures,
    served,
    web_wallet,
)
from tests.live.page_app import PageApp, page_app
from tests.live.person import Visitor
from tests.live.postgres import PostgresMissingError, new_database, postgres
from tests.live.synapse import SERVER_NAME, Synapse, idp_id_in, need_synapse
from tests.live.tools import free_port, missing
from tests.live.wallet import need_wallets
from tests.live.widget_host import WidgetHost, widget_host
from tests.live.world import World

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is live; no file needs to say so."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("live")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def a_chat_client(certificates: Certificates) -> Iterator[ChatClient]:
    with chat_client(certificates) as chat:
        yield chat


@pytest.fixture(scope="session")
def browser(a_chat_client: ChatClient) -> Iterator[Browser]:
    with chromium(dict.fromkeys(CHAT_HOSTS, a_chat_client.port)) as browser:
        yield browser


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Make fresh browser profiles; they are closed at the end of the test."""
    contexts: list[BrowserContext] = []

    def make(**options: object) -> BrowserContext:
        # The Matrix client's certificate is of an authority that only Synapse was told of.
        context = browser.new_context(ignore_https_errors=True, **options)  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def a_visitor(
    world: World, new_context: Callable[..., BrowserContext]
) -> Iterator[Callable[..., Visitor]]:
    """Put somebody in front of a fresh browser profile.

    Call it with the wallet that lives in the pages of that browser, if any, as in
    `put_wallet_into`; options of the profile follow by name. What the bridge's own policy blocked
    fails the test at its end.
    """
    visitors: list[Visitor] = []

    def make(
        answer: Answering | None = None,
        *,
        brand: str = "Leather",
        signer: Signer | None = None,
        willing: Willing = always,
        knows: Sequence[str] = TODAY,
        **options: object,
    ) -> Visitor:
        context = new_context(**options)
        if answer or signer:
            put_wallet_into(
                context, answer, brand=brand, signer=signer, willing=willing, knows=knows
            )
        visitors.append(Visitor(world, context))
        return visitors[-1]

    yield make
    assert [text for visitor in visitors for text in visitor.blocked] == []


@pytest.fixture(scope="session")
def a_web_wallet() -> Iterator[WebWallet]:
    with web_wallet() as wallet:
        yield wallet


@pytest.fixture(scope="session")
def a_picture_host(certificates: Certificates) -> Iterator[Pictures]:
    with pictures(certificates) as host:
        yield host


@pytest.fixture(scope="session")
def a_name_service() -> Iterator[FakeNames]:
    """A register of names (BNS v2) on loopback."""
    service = FakeNames("")
    with served(service.page) as port:
        service.url = f"http://127.0.0.1:{port}"
        yield service


@pytest.fixture(scope="session")
def a_widget_host() -> Iterator[WidgetHost]:
    with widget_host() as host:
        yield host


@pytest.fixture(scope="session")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    a_chat_client: ChatClient,
    a_web_wallet: WebWallet,
    a_name_service: FakeNames,
    a_widget_host: WidgetHost,
) -> Iterator[World]:
    """Set up as the README says: init, client add, app allow, synapse-config, and both servers."""
    need_synapse()
    need_wallets()
    folder = tmp_path_factory.mktemp("world")
    synapse = Synapse(folder / "synapse", free_port())
    bridge = new_bridge(
        folder / "bridge",
        free_port(),
        wallets={"Web Wallet": a_web_wallet.url},
        allow_private=(synapse.base_url.rstrip("/"), a_name_service.url),
        names={
            "services": [{"url": a_name_service.url, "labels": [2], "system": "v2"}],
            "cache": 0,
        },
        widget={
            "clients": [a_widget_host.origin],
            "homeservers": [{"server_name": SERVER_NAME, "url": synapse.base_url}],
        },
    )
    bridge.client_add("synapse", synapse.base_url, "--server-name", SERVER_NAME)
    chat = a_chat_client.origin
    origins = [f"https://{host}" for host in CHAT_HOSTS]
    bridge.run("app", "allow", chat)
    printed_yaml = folder / "printed.yaml"
    printed_yaml.write_text(bridge.synapse_config("synapse"))
    with (
        bridge.serve(),
        synapse.serve(printed_yaml, client_origins=origins, ca_file=certificates.ca_file),
    ):
        yield World(bridge, synapse, idp_id_in(printed_yaml), chat, printed_yaml)


@pytest.fixture(scope="session")
def a_page_app() -> Iterator[PageApp]:
    with page_app() as app:
        yield app


@pytest.fixture(scope="session")
def a_provider(tmp_path_factory: pytest.TempPathFactory, a_page_app: PageApp) -> Iterator[Provider]:
    """A bridge without a homeserver, for relying parties of every kind."""
    need_wallets()
    with provider(tmp_path_factory.mktemp("provider") / "bridge", a_page_app.origin) as known:
        yield known


@pytest.fixture(scope="session")
def pictures_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of pages go."""
    named = os.environ.get("OIDC_BRIDGE_TEST_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server: the one that is named to us, or one of our own."""
    if named := os.environ.get("OIDC_BRIDGE_TEST_DATABASE"):
        yield named
        return
    try:
        with postgres() as address:
            yield address
    except PostgresMissingError as error:
        missing(str(error))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str | None:
    """Both databases, one after the other: an empty one's address, or None for SQLite."""
    if request.param == "sqlite":
        return None
    return new_database(request.getfixturevalue("postgres_server"))
