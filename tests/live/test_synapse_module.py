"""Our password provider inside a real Synapse: who is let in, as whom, and who is signed out."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.live.bridge import Bridge, new_bridge
from tests.live.loopback import CHAT_HOSTS, Certificates, ChatClient
from tests.live.passwords import (
    delete_device,
    is_let_in,
    is_signed_in,
    log_in,
    register,
    session_of,
    with_passwords,
)
from tests.live.person import SignsAs, Visitor, mxid_of
from tests.live.synapse import SERVER_NAME, Synapse, idp_id_in, need_synapse
from tests.live.tools import free_port, wait_for
from tests.live.wallet import need_wallets, new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]


@dataclass
class Running:
    """The bridge, which can be stopped and started again under a Synapse that goes on."""

    bridge: Bridge
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self) -> None:
        self.stack.enter_context(self.bridge.serve())

    def stop(self) -> None:
        self.stack.close()


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    need_synapse()
    need_wallets()
    folder = tmp_path_factory.mktemp("module")
    running = Running(
        new_bridge(folder / "bridge", free_port(), synapse_modules=["synapse", "old"])
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    bridge: Running,
    certificates: Certificates,
    a_chat_client: ChatClient,
) -> Iterator[World]:
    """Set up as docs/synapse-module.md says; the YAML is used as it is printed."""
    folder = tmp_path_factory.mktemp("synapse")
    synapse = with_passwords(folder)
    known = bridge.bridge
    known.settings["allow_private"] = f'["{synapse.base_url.rstrip("/")}"]'  # type: ignore[index]
    known.client_add("synapse", synapse.base_url, "--server-name", SERVER_NAME)
    known.run("app", "allow", a_chat_client.origin)
    printed_yaml = folder / "printed.yaml"
    printed_yaml.write_text(known.synapse_config("synapse", "--with-module"))
    bridge.start()
    origins = [f"https://{host}" for host in CHAT_HOSTS]
    with synapse.serve(printed_yaml, client_origins=origins, ca_file=certificates.ca_file):
        yield World(known, synapse, idp_id_in(printed_yaml), a_chat_client.origin, printed_yaml)


def make(world: World, visitor: Visitor, label: str = "old phone", *, at: str = SERVER_NAME) -> str:
    """Make an app password for Matrix on the account page."""
    page = visitor.page
    page.goto(f"{world.bridge.issuer}/account")
    begin = page.get_by_role("button", name="Sign in with your wallet")
    if begin.is_visible():
        begin.click()
        visitor.choose_wallet()
    page.get_by_role("link", name="App passwords").click()
    page.get_by_label("Name", exact=True).fill(label)
    page.get_by_role("checkbox", name="Sign in to Matrix apps").check()
    servers = page.get_by_label("At which server?")
    if servers.count():
        servers.select_option(label=at)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your new app password")
    return page.locator("#secret").inner_text()


def end(world: World, visitor: Visitor, label: str = "old phone") -> None:
    page = visitor.page
    page.goto(f"{world.bridge.issuer}/account/passwords")
    page.get_by_role("button", name=f"End… {label}").click()
    expect(page.get_by_text("are signed out")).to_be_visible()
    page.get_by_role("button", name="End this app password").click()
    expect(page.get_by_role("status")).to_contain_text("Ended")


# ---- who is let in


def test_an_app_password_signs_in_by_localpart_and_by_whole_id(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    secret = make(world, ann)
    mxid = mxid_of(wallet)
    expect(ann.page.get_by_text(mxid)).to_be_visible()

    for user in (mxid, wallet.address.lower(), wallet.address):
        session = session_of(log_in(world, user, secret))
        assert session.user_id == mxid
        assert is_signed_in(world, session)


def test_a_wrong_one_does_not_nor_a_right_one_for_somebody_else(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet, other = SignsAs(new_person()), SignsAs(new_person())
    secret = make(world, a_visitor(signer=wallet))
    make(world, a_visitor(signer=other))

    wrong = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    assert not is_let_in(world, mxid_of(wallet), wrong)
    assert not is_let_in(world, mxid_of(other), secret)
    assert is_let_in(world, mxid_of(wallet), secret)


def test_by_password_first_and_by_sso_then_it_is_one_user(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    first = session_of(log_in(world, mxid_of(wallet), make(world, ann)))

    ann.come_from_chat()  # the bridge still knows her
    ann.allow()
    second = ann.arrive()

    assert first.user_id == second.user_id == mxid_of(wallet)
    assert first.device_id != second.device_id


def test_by_sso_first_and_by_password_then_it_is_one_user(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    first = ann.sign_in()

    second = session_of(log_in(world, mxid_of(wallet), make(world, ann)))

    assert first.user_id == second.user_id == mxid_of(wallet)


@pytest.mark.parametrize("admin", [False, True])
def test_a_local_account_of_that_name_is_not_taken_over(
    world: World, a_visitor: MakeVisitor, admin: bool
) -> None:
    wallet = SignsAs(new_person())
    theirs = register(world, wallet.address.lower(), "correct horse", admin=admin)
    ann = a_visitor(signer=wallet)

    secret = make(world, ann)

    assert not is_let_in(world, mxid_of(wallet), secret)
    # By SSO Synapse puts a number behind the name, and does not tell the bridge.
    ann.come_from_chat()
    ann.allow()
    by_sso = ann.arrive()
    assert by_sso.user_id != mxid_of(wallet)
    assert session_of(log_in(world, mxid_of(wallet), secret)).user_id == by_sso.user_id
    assert world.synapse.ask("GET", "v3/account/whoami", theirs).status_code == 200
    assert is_let_in(world, mxid_of(wallet), "correct horse")


# ---- who is signed out


def test_ending_it_signs_its_devices_out_and_no_others(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    by_sso = ann.sign_in()
    secret, other = make(world, ann), make(world, ann, "tablet")
    ended = [session_of(log_in(world, mxid_of(wallet), secret)) for _ in range(2)]
    stays = session_of(log_in(world, mxid_of(wallet), other))

    end(world, ann)

    for session in ended:
        wait_for(lambda s=session: not is_signed_in(world, s), what="signed out")  # type: ignore[misc]
    assert is_signed_in(world, stays)
    assert is_signed_in(world, by_sso)
    assert not is_let_in(world, mxid_of(wallet), secret)


def test_signing_out_everywhere_signs_its_devices_out(world: World, a_visitor: MakeVisitor) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    session = session_of(log_in(world, mxid_of(wallet), make(world, ann)))

    ann.page.goto(f"{world.bridge.issuer}/account")
    ann.page.get_by_role("button", name="Sign out everywhere").click()
    ann.page.get_by_role("button", name="Sign out everywhere").click()

    wait_for(lambda: not is_signed_in(world, session), what="signed out")


def test_it_also_confirms_what_synapse_asks_to_be_confirmed(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    secret = make(world, a_visitor(signer=wallet))
    session = session_of(log_in(world, mxid_of(wallet), secret))
    other = session_of(log_in(world, mxid_of(wallet), secret))

    answer = delete_device(world, session, other, secret)

    assert answer.status_code == 200, answer.text
    assert not is_signed_in(world, other)
    assert is_signed_in(world, session)


# ---- what leaves Synapse


def test_k4_no_password_is_in_any_log(world: World, a_visitor: MakeVisitor) -> None:
    wallet = SignsAs(new_person())
    secret = make(world, a_visitor(signer=wallet))
    assert is_let_in(world, mxid_of(wallet), secret)
    assert not is_let_in(world, "nobody", secret)

    for log in (world.synapse.log, world.bridge.log):
        said = log.read_text(errors="replace")
        assert said
        assert secret not in said
        assert secret.replace("-", "") not in said


@contextlib.contextmanager
def recording(port: int) -> Iterator[list[str]]:
    """Listen in the bridge's place and note every path that is asked for."""
    asked: list[str] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Recorder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


def test_ordinary_passwords_never_leave_synapse_and_work_while_the_bridge_is_down(
    world: World, bridge: Running, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    secret = make(world, a_visitor(signer=wallet))
    register(world, "local", "correct | horse | battery")
    assert is_let_in(world, mxid_of(wallet), secret)

    ours = (secret, "nonce|https://chat.example|ann.id", "nonce|a sentence|SIG_K1_abc")
    bridge.stop()
    try:
        assert is_let_in(world, "local", "correct | horse | battery")
        assert not is_let_in(world, "local", "wrong")
        for password in ours:
            assert not is_let_in(world, mxid_of(wallet), password)
        with recording(world.bridge.port) as asked:
            assert is_let_in(world, "local", "correct | horse | battery")
            assert not is_let_in(world, "local", "abp_no")
            assert asked == []
            for password in ours:
                assert not is_let_in(world, mxid_of(wallet), password)
            assert asked == ["/matrix/password"] * 3  # and no redirect was followed
    finally:
        bridge.start()
    assert is_let_in(world, mxid_of(wallet), secret)


# ---- moving in


def test_adopt_existing_gives_an_old_account_to_who_proves_its_name_but_never_an_admins(
    world: World, a_visitor: MakeVisitor, tmp_path: Path
) -> None:
    old = Synapse(
        tmp_path / "old",
        free_port(),
        {**world.synapse.more, "server_name": "old.test"},
    )
    world.bridge.client_add("old", old.base_url, "--server-name", "old.test")
    printed = world.bridge.synapse_config("old", "--with-module")
    printed_yaml = tmp_path / "printed.yaml"
    printed_yaml.write_text(f"{printed}      adopt_existing: true\n")
    with old.serve(printed_yaml, client_origins=[]):
        there = replace(world, synapse=old)
        person, admin = SignsAs(new_person()), SignsAs(new_person())
        for wallet, is_admin in ((person, False), (admin, True)):
            register(there, wallet.address.lower(), "from 2019", admin=is_admin)
        secrets = [make(there, a_visitor(signer=w), at="old.test") for w in (person, admin)]

        adopted = session_of(log_in(there, person.address, secrets[0]))

        assert adopted.user_id == f"@{person.address.lower()}:old.test"
        assert is_let_in(there, person.address, secrets[0])
        assert is_let_in(there, person.address.lower(), "from 2019")
        assert not is_let_in(there, admin.address, secrets[1])
