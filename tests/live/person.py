"""Somebody in front of a browser: the steps of a sign-in, in the words of the pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from tests.live.synapse import SERVER_NAME
from tests.live.wallet import Answer, Library, Person
from tests.live.world import World

ALLOW = re.compile("^Allow$")
DONT_ALLOW = re.compile("^Don.t allow$")


@dataclass(frozen=True)
class MatrixSession:
    """What Synapse gave to the Matrix client."""

    user_id: str
    device_id: str
    access_token: str


@dataclass
class AnswersAs:
    """A wallet that approves everything as *person*, and remembers what it answered."""

    person: Person
    library: Library = "wallet-sdk"
    answers: list[Answer] = field(default_factory=list)

    def in_page(self, token: str, origin: str) -> str:
        """Answer as a wallet's extension does."""
        self.answers.append(self.person.answer(token, self.library, origin=origin))
        return self.answers[-1].auth_response

    def at_web_address(self, token: str) -> str:
        """Answer as a wallet at a web address does: with the address to go back to."""
        self.answers.append(self.person.answer(token, self.library))
        return self.answers[-1].back

    @property
    def last(self) -> Answer:
        return self.answers[-1]

    @property
    def address(self) -> str:
        """By which the bridge knows this person."""
        return self.last.identity_stx_address


@dataclass
class SignsAs:
    """A wallet of today: it signs messages as *person*, and remembers what it signed.

    *person* is the account that is chosen in it, and may be changed.
    """

    person: Person
    signed: list[Mapping[str, str]] = field(default_factory=list)

    @property
    def stx_address(self) -> str:
        return self.person.stx_address

    @property
    def public_key(self) -> str:
        return self.person.public_key

    @property
    def address(self) -> str:
        """By which the bridge knows this person."""
        return self.person.stx_address

    def sign_messages(self, *asked: Mapping[str, str]) -> list[dict[str, Any]]:
        self.signed += asked
        return self.person.sign_messages(*asked)


def mxid_of(wallet: AnswersAs | SignsAs) -> str:
    """Return the Matrix ID of whom the wallet proved: the c32 address in lower case."""
    return f"@{wallet.address.lower()}:{SERVER_NAME}"


@dataclass
class Visitor:
    """One browser profile in the hands of one person."""

    world: World
    context: BrowserContext
    page: Page = field(init=False)
    blocked: list[str] = field(default_factory=list)
    """What the bridge's own Content Security Policy blocked: always a fault of ours."""

    def __post_init__(self) -> None:
        self.page = self.context.new_page()
        self.context.on("console", self._on_console)

    def _on_console(self, message: ConsoleMessage) -> None:
        ours = message.location.get("url", "").startswith(self.world.bridge.issuer)
        if ours and "Content Security Policy" in message.text:
            self.blocked.append(message.text)

    # One step each

    def come_from_chat(self, origin: str | None = None) -> None:
        """Open the Matrix client and press its button: to Synapse, and on to the bridge."""
        self.page.goto(self.world.chat_url_at(origin or self.world.chat))
        self.page.get_by_role("link", name="Continue with").click()

    def choose_wallet(self, name: str = "Leather") -> None:
        """Press a wallet that lives in the page."""
        self.page.get_by_role("button", name=name).click()

    def choose_web_wallet(self, name: str = "Web Wallet") -> None:
        """Follow the link to a wallet at a web address, and approve there."""
        self.page.get_by_role("link", name=name).click()
        self.page.get_by_role("link", name="Approve").click()

    def allow(self, *, all_scopes: bool = True, remember: bool = False) -> None:
        """Say yes on the consent page."""
        allow = self.page.get_by_role("button", name=ALLOW)
        expect(allow).to_be_visible()
        for box in self.page.get_by_role("checkbox").all():
            is_remember = box.get_attribute("name") == "remember"
            box.set_checked(remember if is_remember else all_scopes)
        allow.click()

    def refuse(self) -> None:
        """Say no on the consent page."""
        self.page.get_by_role("button", name=DONT_ALLOW).click()

    def arrive(self) -> MatrixSession:
        """Wait until the Matrix client is signed in."""
        expect(self.page.get_by_role("status")).to_have_text(re.compile("Signed in as"))
        session: Mapping[str, str] = self.page.evaluate("window.session")
        return MatrixSession(session["user_id"], session["device_id"], session["access_token"])

    # All of them

    def sign_in(self, *, all_scopes: bool = True, remember: bool = False) -> MatrixSession:
        """Sign in for the first time in this browser, with a wallet in the page."""
        self.come_from_chat()
        self.choose_wallet()
        self.allow(all_scopes=all_scopes, remember=remember)
        return self.arrive()
