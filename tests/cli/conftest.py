"""A bridge that was set up once, to be copied for each test; two homeserver's people on it."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oidc_bridge.storage.access_requests import access_requests, ask_for_access
from tests.fakes import FakeWallet
from tests.shell import Operator

ANN = FakeWallet.named("ann").address.c32
BOB = FakeWallet.named("bob").address.c32
CHAT = "https://chat.example"


@pytest.fixture(scope="session")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        _forget_environment(patch)
        operator = Operator(tmp_path_factory.mktemp("set_up"))
        operator.does("init", "--issuer", "https://id.example.org")
        home = "https://matrix.example.org/"
        operator.does("client", "add", "synapse", "--homeserver", home, "--server-name", "example")
        operator.does("client", "add", "wiki", "--redirect-uri", "https://wiki.example/cb")
    _move_in(operator, "ann", ANN, name="ann.btc")
    _move_in(operator, "bob", BOB)
    yield operator.folder


@pytest.fixture
def operator(set_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """The operator of a bridge with a homeserver (synapse), a client (wiki), and two people."""
    _forget_environment(monkeypatch)
    shutil.copytree(set_up, tmp_path / "bridge")
    return Operator(tmp_path / "bridge")


def ask(operator: Operator, account_id: str, app: str = CHAT) -> str:
    """Let somebody ask for access, as the page does; return the request's id."""
    now = datetime.now(UTC)

    def work(connection):  # type: ignore[no-untyped-def]
        client = "wiki" if app.startswith("client:") else "synapse"
        words = {"app_title": "chat.example", "person": account_id, "note": "please"}
        ask_for_access(connection, account_id, client, app, **words, now=now)
        asked = access_requests(connection)
        return next(one.id for one in asked if (one.account_id, one.app) == (account_id, app))

    return operator.changes(work)


def _forget_environment(patch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("OIDC_BRIDGE_"):
            patch.delenv(name)


def _move_in(operator: Operator, account_id: str, address: str, *, name: str | None = None) -> None:
    operator.execute(
        "INSERT INTO accounts (id, created_at, name, has_chosen_name, must_choose_name)"
        " VALUES (?, 0, ?, 0, 0)",
        *(account_id, name),
    )
    operator.execute(
        "INSERT INTO identities (id, account_id, method, subject, unconfirmed, first_proved_at,"
        " last_proved_at) VALUES (?, ?, 'message', ?, '[]', 0, 0)",
        *(f"key-of-{account_id}", account_id, address),
    )
    if name:
        operator.execute(
            "INSERT INTO names (text, identity_id, owner, confirmed_at) VALUES (?, ?, ?, 0)",
            *(name, f"key-of-{account_id}", address),
        )
