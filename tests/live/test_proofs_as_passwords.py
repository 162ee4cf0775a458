"""Passwords that are proofs, at a real Synapse: chat apps', accounts of EOS, and one-time ones.

What chat apps sign for a browser is here too. What people's profiles name is played on loopback by
https; else the bridge is as operators run it.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fake_chain import EOS
from tests.live.bridge import new_bridge
from tests.live.loopback import (
    CHAT_HOSTS,
    Certificates,
    ChatClient,
    WebWallet,
    behind_tls,
    served,
)
from tests.live.passwords import (
    delete_device,
    is_let_in,
    is_signed_in,
    log_in,
    register,
    session_of,
    with_passwords,
)
from tests.live.person import ALLOW, MatrixSession, SignsAs, Visitor, mxid_of
from tests.live.proofs import CHAT, Account, Chatter, Door, Gaia
from tests.live.synapse import SERVER_NAME, idp_id_in, need_synapse
from tests.live.test_chain_accounts import ask_there, bring
from tests.live.test_chains import Node
from tests.live.test_pages import USER_AGENT, look_at, sign_in_to_account
from tests.live.tools import free_port, wait_for
from tests.live.wallet import Person, need_wallets, new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]
CALENDAR = "https://calendar.oi.example:8443"
BY_PASSWORD = re.compile(r"^Sign out .+ \(one-time password\)$")


@pytest.fixture(scope="module")
def gaia(certificates: Certificates) -> Iterator[Gaia]:
    hub = Gaia()
    with served(hub.page, certificates.server) as port:
        hub.origin = f"https://localhost:{port}"
        yield hub


@pytest.fixture(scope="module")
def node() -> Iterator[tuple[Node, str]]:
    known = Node()
    with served(lambda path: (404, "text/plain", b""), take=known.take) as port:
        yield known, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    a_chat_client: ChatClient,
    a_web_wallet: WebWallet,
    gaia: Gaia,
    node: tuple[Node, str],
) -> Iterator[World]:
    """A bridge that is reached by https, as one-time passwords need it, and takes every proof."""
    need_synapse()
    need_wallets()
    folder = tmp_path_factory.mktemp("proofs")
    synapse, port = with_passwords(folder), free_port()
    with behind_tls(certificates, port) as public:
        bridge = new_bridge(
            folder / "bridge",
            port,
            address=f"https://localhost:{public}",
            program="tests.live.loopback_strangers",
            wallets={"Web Wallet": a_web_wallet.url},
            allow_private=(synapse.base_url.rstrip("/"), gaia.origin, node[1]),
            registration={"allow_private": [gaia.origin]},
            private_ca=str(certificates.ca_file),
            synapse_modules=["synapse"],
            oichat={"enabled": True, "server_name": SERVER_NAME},
            antelope={"web": True, "chains": [{"id": EOS, "nodes": [node[1]]}]},
            names={
                "services": [{"url": gaia.origin, "labels": [2, 3], "system": "legacy"}],
                "cache": 0,
            },
        )
        bridge.client_add("synapse", synapse.base_url, "--server-name", SERVER_NAME)
        for app in (a_chat_client.origin, CHAT, "client:synapse"):
            bridge.run("app", "allow", app)
        printed_yaml = folder / "printed.yaml"
        printed_yaml.write_text(bridge.synapse_config("synapse", "--with-module"))
        origins = [f"https://{host}" for host in CHAT_HOSTS]
        with (
            bridge.serve(),
            synapse.serve(printed_yaml, client_origins=origins, ca_file=certificates.ca_file),
        ):
            chat = a_chat_client.origin
            yield World(bridge, synapse, idp_id_in(printed_yaml), chat, printed_yaml)


@pytest.fixture(scope="module")
def door(world: World, certificates: Certificates) -> Door:
    return Door(world, str(certificates.ca_file))


@pytest.fixture
def ann(door: Door, gaia: Gaia) -> Chatter:
    return Chatter(door, gaia)


@pytest.fixture
def an_account(door: Door, node: tuple[Node, str]) -> Callable[[str], Account]:
    return lambda name: Account(door, node[0], name)


def enter(world: World, user: str, password: str) -> MatrixSession:
    """Sign in, and hold that Synapse knows the session as the same user, whose password is used up.

    Nor does it stand in a log: not its first part either, which is the secret one.
    """
    session = session_of(log_in(world, user, password))
    known = world.synapse.ask("GET", "v3/account/whoami", session.access_token).json()
    assert known["user_id"] == session.user_id
    assert refusal(world, user, password) == "nonce_used"
    for log in (world.synapse.log, world.bridge.log):
        assert password.partition("|")[0] not in log.read_text(errors="replace")
    return session


def refusal(world: World, user: str, password: str) -> str:
    """Return why the bridge said no; a client hears what Synapse says of every wrong password."""
    assert not is_let_in(world, user, password)
    said = re.findall(r"matrix password refused code=(\w+)", world.bridge.log.read_text())
    return str(said[-1])


# ---- who is let in, as whom


@pytest.mark.parametrize("posts", [True, False], ids=["by a signature", "by a file"])
def test_a_chat_apps_answer_signs_its_person_in_once(
    world: World, ann: Chatter, posts: bool
) -> None:
    assert enter(world, ann.name, ann.password(posts=posts)).user_id == ann.mxid()


def test_the_address_of_2019_is_another_user_of_the_same_person(world: World, ann: Chatter) -> None:
    assert enter(world, ann.name, ann.password()).user_id == ann.mxid()

    by_address = enter(world, ann.address, ann.password())

    assert by_address.user_id == f"@{ann.address.lower()}:{SERVER_NAME}"


def test_a_helper_app_has_a_user_of_its_own_and_is_not_the_person(
    world: World, ann: Chatter
) -> None:
    own = "+calendar.oi.example=3a8443"

    assert refusal(world, ann.name, ann.password(CALENDAR)) == "app_not_allowed"
    session = enter(world, ann.mxid(own), ann.password(CALENDAR))

    assert session.user_id == ann.mxid(own)


@pytest.mark.parametrize("library", ["eosjs", "wharfkit"])
def test_an_account_of_eos_signs_in_once(
    world: World, an_account: Callable[[str], Account], library: str
) -> None:
    alice = an_account({"eosjs": "alicetester1", "wharfkit": "alicetester2"}[library])
    password = alice.password(library)

    assert enter(world, alice.mxid, password).user_id == alice.mxid

    # The same sentence by the same key, under a new nonce.
    alice.door.ask("another-nonce-" + library)
    again = f"another-nonce-{library}|{password.partition('|')[2]}"
    assert refusal(world, alice.name, again) == "replayed"


def test_an_account_with_a_dot_is_called_after_its_chain(
    world: World, an_account: Callable[[str], Account]
) -> None:
    gina = an_account("gina.test")

    by_account = enter(world, gina.name, gina.password())
    by_id = enter(world, f" {by_account.user_id.upper()} ", gina.password())

    assert by_id.user_id == by_account.user_id == f"@eos+gina.test:{SERVER_NAME}"


def test_what_proves_nothing_hears_what_every_wrong_password_hears(
    world: World, ann: Chatter, an_account: Callable[[str], Account], gaia: Gaia
) -> None:
    dora = an_account("doratester11")

    assert refusal(world, ann.name, f"x{ann.password()}") == "unknown_nonce"
    for user in ("bob.id", f"@{ann.name}", f"@{ann.name}:elsewhere.test"):
        assert refusal(world, user, ann.password()) == "localpart_mismatch"
    foreign = ann.password(key=secrets.token_bytes(32))
    assert refusal(world, ann.name, foreign) == "signature_invalid"
    written = ann.password(posts=False)
    gaia.files = {k: v for k, v in gaia.files.items() if not k.endswith("mxid.json")}
    assert refusal(world, ann.name, written) == "response_missing"
    assert refusal(world, "bobtester111", dora.password()) == "account_mismatch"
    theirs = dora.password()
    dora.password()  # the account has another key by now
    assert refusal(world, dora.name, theirs) == "authority_not_satisfied"


def test_a_local_account_of_the_same_name_is_not_taken_over(
    world: World, ann: Chatter, an_account: Callable[[str], Account]
) -> None:
    carl = an_account("carltester11")
    for name in (ann.name, carl.name):
        register(world, name, "correct horse")

    assert not is_let_in(world, ann.name, ann.password())
    assert not is_let_in(world, carl.name, carl.password())

    for name in (ann.name, carl.name):
        assert is_let_in(world, name, "correct horse")


# ---- by password and by SSO it is one user, and its devices are signed out on the account page


def come_with_web_wallet(visitor: Visitor, wallet: WebWallet, person: Person) -> MatrixSession:
    # The manifest is behind a certificate that Node does not know.
    wallet.answer = lambda token: person.answer(token, "blockstack", manifest=False).back
    visitor.come_from_chat()
    visitor.choose_web_wallet()
    visitor.allow()
    return visitor.arrive()


def come_with_account(visitor: Visitor, account: Account) -> MatrixSession:
    visitor.come_from_chat()
    ask_there(visitor.page, account.name)
    bring(visitor.page, account.node, account.name)
    visitor.allow()
    return visitor.arrive()


def sign_out_there(world: World, visitor: Visitor, session: MatrixSession) -> None:
    """Sign out, on the account page, the one device that a password signed in."""
    visitor.page.goto(f"{world.bridge.issuer}/account")
    visitor.page.get_by_role("button", name=BY_PASSWORD).click()
    wait_for(lambda: not is_signed_in(world, session), what="signed out")


def test_a_chat_apps_person_comes_by_sso_then_and_is_the_same_user(
    world: World, ann: Chatter, a_visitor: MakeVisitor, a_web_wallet: WebWallet
) -> None:
    first = enter(world, ann.name, ann.password())
    visitor = a_visitor()

    second = come_with_web_wallet(visitor, a_web_wallet, ann.person)

    assert second.user_id == first.user_id == ann.mxid()
    sign_out_there(world, visitor, first)
    assert is_signed_in(world, second)


def test_whoever_came_by_sso_is_the_same_user_by_a_chat_apps_answer(
    world: World, ann: Chatter, a_visitor: MakeVisitor, a_web_wallet: WebWallet
) -> None:
    visitor = a_visitor()
    first = come_with_web_wallet(visitor, a_web_wallet, ann.person)  # no name is known yet

    second = enter(world, ann.name, ann.password())

    assert second.user_id == first.user_id != ann.mxid()
    visitor.page.goto(f"{world.bridge.issuer}/account")
    visitor.page.get_by_role("button", name="Remove access… chat.oi.example").click()
    visitor.page.get_by_role("button", name="Remove access").click()
    wait_for(lambda: not is_signed_in(world, second), what="signed out")
    assert is_signed_in(world, first)


def test_an_account_that_came_by_password_is_the_same_user_by_sso(
    world: World, an_account: Callable[[str], Account], a_visitor: MakeVisitor
) -> None:
    erin = an_account("erintester11")
    first = enter(world, erin.name, erin.password())
    visitor = a_visitor()

    second = come_with_account(visitor, erin)

    assert second.user_id == first.user_id == erin.mxid
    sign_out_there(world, visitor, first)
    assert is_signed_in(world, second)


def test_an_account_that_came_by_sso_is_the_same_user_by_password(
    world: World, an_account: Callable[[str], Account], a_visitor: MakeVisitor
) -> None:
    fred = an_account("fredtester11")
    visitor = a_visitor()
    first = come_with_account(visitor, fred)

    second = enter(world, fred.mxid, fred.password())

    assert second.user_id == first.user_id == fred.mxid
    sign_out_there(world, visitor, second)
    assert is_signed_in(world, first)


# ---- a chat app's answer in a browser


def ask_chat_app(page: Page) -> str:
    """Choose a chat app on the sign-in page; return the address for it."""
    page.get_by_role("button", name="With a chat app").click()
    return page.locator("#address").inner_text()


def type_code(page: Page, code: str) -> None:
    page.get_by_label("Code from your chat app").fill(code)
    page.get_by_role("button", name="Continue").click()


def test_what_an_app_signs_in_another_tab_signs_a_browser_in(
    world: World, ann: Chatter, a_visitor: MakeVisitor, a_web_wallet: WebWallet
) -> None:
    # Given a chat app in one browser, and a chat client in another, without a wallet
    tab, visitor = a_visitor().page, a_visitor(user_agent=USER_AGENT)
    tab.goto(world.chat)
    visitor.come_from_chat()

    # When the app answers, and Ann brings the code
    code = ann.confirm(tab, ask_chat_app(visitor.page))
    type_code(visitor.page, code.lower().replace("-", " "))
    expect(visitor.page.get_by_role("main")).to_contain_text(ann.mxid())
    visitor.allow()

    # Then she is signed in at the homeserver, and not at her account
    session = visitor.arrive()
    assert session.user_id == ann.mxid() == enter(world, ann.name, ann.password()).user_id
    visitor.page.goto(f"{world.bridge.issuer}/account")
    expect(visitor.page.get_by_role("button", name="Sign in with your wallet")).to_be_visible()

    # And her wallet shows her that device, and ends it
    by_wallet = a_visitor()
    come_with_web_wallet(by_wallet, a_web_wallet, ann.person)
    by_wallet.page.goto(f"{world.bridge.issuer}/account")
    let_in = re.compile(r"^Sign out Chrome on Linux, let in by chat\.example\.org")
    by_wallet.page.get_by_role("button", name=let_in).click()
    wait_for(lambda: not is_signed_in(world, session), what="signed out")


def test_the_page_for_chat_apps_needs_no_javascript(
    world: World, ann: Chatter, a_visitor: MakeVisitor
) -> None:
    tab, page = a_visitor().page, a_visitor(java_script_enabled=False).page
    tab.goto(world.chat)
    page.goto(world.sign_in_url)
    code = ann.confirm(tab, ask_chat_app(page))
    type_code(page, "222222")
    expect(page.get_by_role("alert")).to_contain_text("That is not the code")

    type_code(page, code)

    expect(page.get_by_role("main")).to_contain_text(ann.mxid())
    expect(page.get_by_role("button", name=ALLOW)).to_be_visible()


def test_the_pages_for_chat_apps_are_good_in_every_size_and_colour(
    world: World, ann: Chatter, a_visitor: MakeVisitor, pictures_folder: Path
) -> None:
    tab, visitor = a_visitor().page, a_visitor(user_agent=USER_AGENT)
    page = visitor.page
    visitor.come_from_chat()
    expect(page.get_by_role("button", name="Look again")).to_be_visible()
    look_at(page, "sign-in-chat-app", pictures_folder)

    address = ask_chat_app(page)
    page.get_by_text("Show the picture").click()
    look_at(page, "chat-app", pictures_folder)

    tab.goto(address)
    look_at(tab, "chat-question", pictures_folder)

    tab.goto(world.chat)
    ann.confirm(tab, address)
    type_code(page, "222222")
    expect(page.get_by_role("alert")).to_be_visible()
    look_at(page, "chat-app-wrong", pictures_folder)


# ---- one-time passwords


def test_a_one_time_password_signs_in_confirms_and_is_signed_out(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    visitor = a_visitor(signer=wallet)
    by_sso, page = visitor.sign_in(), visitor.page

    def make() -> tuple[str, str]:
        page.goto(f"{world.bridge.issuer}/account")
        page.get_by_role("link", name="Make a one-time password").click()
        page.get_by_role("button", name="Make a one-time password").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your one-time password")
        return page.locator("#user").inner_text(), page.locator("#secret").inner_text()

    first, second = (enter(world, *make()) for _ in range(2))
    assert first.user_id == second.user_id == by_sso.user_id == mxid_of(wallet)

    # Element asks somebody who came by SSO for a password, where the homeserver takes any.
    assert delete_device(world, by_sso, second, make()[1]).status_code == 200
    assert not is_signed_in(world, second)

    page.goto(f"{world.bridge.issuer}/account")
    for _ in range(3):  # the confirmation is one more: Synapse does not say what it was for
        page.get_by_role("button", name=BY_PASSWORD).first.click()
        expect(page.get_by_role("status")).to_contain_text("Signed out")
    wait_for(lambda: not is_signed_in(world, first), what="signed out")
    assert is_signed_in(world, by_sso)


def test_the_pages_of_passwords_are_good_in_every_size_and_colour(
    world: World, a_visitor: MakeVisitor, pictures_folder: Path
) -> None:
    wallet = SignsAs(new_person())
    visitor = a_visitor(signer=wallet, user_agent=USER_AGENT, reduced_motion="reduce")
    page = visitor.page
    sign_in_to_account(world, visitor)
    page.get_by_role("link", name="Make a one-time password").click()
    look_at(page, "one-time", pictures_folder)

    page.get_by_role("button", name="Make a one-time password").click()
    expect(page.get_by_role("button", name="Copy the password")).to_be_visible()
    look_at(page, "one-time-made", pictures_folder)

    page.goto(f"{world.bridge.issuer}/account/passwords")
    page.get_by_label("Name", exact=True).fill("Calendar on the old laptop in the kitchen")
    page.get_by_label("Sign in to Matrix apps").check()
    look_at(page, "app-passwords-matrix", pictures_folder)

    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("button", name="Copy the app password")).to_be_visible()
    look_at(page, "app-password-matrix-made", pictures_folder)


# ---- what an operator sees of all this


def test_the_doctor_finds_homeserver_and_door_well(world: World) -> None:
    said = world.bridge.run("doctor")

    assert "ok    synapse modules: synapse may ask about passwords" in said
    assert f"ok    passwords: {world.synapse.base_url.rstrip('/')} takes them" in said
