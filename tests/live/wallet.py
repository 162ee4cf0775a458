"""People's wallets: the wallets' own JavaScript libraries, run by Node (``wallets/*.mjs``)."""

import atexit
import functools
import itertools
import json
import select
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from subprocess import PIPE
from typing import Any, Literal

from tests.live.loopback import back_to
from tests.live.tools import missing, need_program

FOLDER = Path(__file__).with_name("wallets")
# A phrase that everybody knows: never use it for anything else.
MNEMONIC = "abandon " * 11 + "about"

Library = Literal["blockstack", "wallet-sdk"]
_accounts = itertools.count()
_turn = threading.Lock()


class WalletError(Exception):
    """The real library refused the request."""


@dataclass(frozen=True)
class Answer:
    """What a wallet answered, and whose answer it is."""

    auth_response: str
    identity_address: str
    identity_stx_address: str
    request: Mapping[str, Any]
    manifest: Mapping[str, Any] | None
    back: str
    """Where a wallet at a web address sends the browser."""


def need_wallets() -> Path:
    """Return Node; skip (or fail) the test unless it and the libraries are there."""
    node = need_program("node", "nodejs", package="nodejs")
    if not (FOLDER / "node_modules" / "blockstack").is_dir():
        missing("the wallets' libraries are not installed (run `npm ci` in tests/live/wallets)")
    return node


@dataclass(frozen=True)
class Person:
    """Somebody with a recovery phrase, an account of it, and perhaps a profile on a Gaia hub."""

    account: int
    profile: Mapping[str, Any] | None = None

    def answer(self, auth_request: str, library: Library, **more: Any) -> Answer:
        """Let the real *library* check the request and answer it.

        Raises:
            WalletError: The library refused; the text is its own.
        """
        question = {
            "library": library,
            "authRequest": auth_request,
            "mnemonic": MNEMONIC,
            "account": self.account,
            "profile": self.profile,
            **more,
        }
        said = _run("answer.mjs", question)
        return Answer(
            auth_response=said["authResponse"],
            identity_address=said["identityAddress"],
            identity_stx_address=said["identityStxAddress"],
            request=said["request"],
            manifest=said["app"],
            back=said.get("back") or back_to(said["request"]["redirect_uri"], said["authResponse"]),
        )

    @property
    def stx_address(self) -> str:
        """Mainnet address of the account's STX key."""
        return str(self._key["stxAddress"])

    @property
    def public_key(self) -> str:
        """The account's STX key, in hex."""
        return str(self._key["publicKey"])

    @cached_property
    def _key(self) -> dict[str, Any]:
        return self._sign([])

    def sign_message(self, message: str) -> dict[str, Any]:
        """Return the ``signature`` and ``publicKey`` of one message; see `sign_messages`."""
        return self.sign_messages({"message": message})[0]

    def sign_messages(self, *asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """Let the real library sign each message with the STX key.

        Args:
            asked: ``message`` (text); ``domain`` and ``message`` (Clarity values in hex); or
                ``signatureRequest`` (the older call's unsecured token).

        Returns:
            ``signature``, ``publicKey`` and ``agrees``, the library's own verdict on a text.
        """
        return list(self._sign(asked)["answers"])

    def _sign(self, asked: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        question = {"mnemonic": MNEMONIC, "account": self.account, "asked": list(asked)}
        return _ask_signer(question)


def write_for_oichat(**question: Any) -> Mapping[str, Any]:
    """Return what a wallet and an app of its person write for OI Chat's sign-in."""
    return _run("oichat.mjs", question)


def _run(program: str, question: Mapping[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [need_wallets(), FOLDER / program],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return _read(done.stdout or json.dumps({"error": done.stderr}))


@functools.cache
def _signer() -> subprocess.Popen[str]:
    """Start the program that signs; it serves all tests of this process, and ends with it."""
    program = [need_wallets(), FOLDER / "sign.mjs"]
    signer = subprocess.Popen(program, stdin=PIPE, stdout=PIPE, text=True)
    atexit.register(signer.communicate)
    return signer


def _ask_signer(question: Mapping[str, Any]) -> dict[str, Any]:
    signer = _signer()
    assert signer.stdin and signer.stdout
    with _turn:
        signer.stdin.write(f"{json.dumps(question)}\n")
        signer.stdin.flush()
        is_ready, _, _ = select.select([signer.stdout], [], [], 60)
        assert is_ready, "sign.mjs does not answer"
        return _read(signer.stdout.readline() or '{"error": "sign.mjs has ended"}')


def _read(answer: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(answer)
    if "error" in said:
        raise WalletError(said["error"])
    return said


def new_person(profile: Mapping[str, Any] | None = None) -> Person:
    """Return somebody whom no other test has met."""
    return Person(next(_accounts), profile)


def person_profile(name: str, picture: str | None = None) -> dict[str, Any]:
    """Return a profile as Gaia hubs have it (schema.org's Person)."""
    profile: dict[str, Any] = {"@type": "Person", "@context": "http://schema.org", "name": name}
    if picture:
        image = {"@type": "ImageObject", "name": "avatar", "contentUrl": picture}
        profile["image"] = [image]
    return profile
