"""Somebody in front of a sign-in page, with a chat app in their other hand."""

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from werkzeug.test import TestResponse

from oidc_bridge.proofs.addresses import parse_address
from oidc_bridge.storage import read, write
from oidc_bridge.storage.sessions import SessionRow
from tests.driver import ISSUER, Person, query_of, read_id_token, redeem
from tests.fakes import FakeWallet
from tests.oichat import CHAT
from tests.web.test_oichat import ALICE, SERVER, World, signed

ELEMENT = "https://element.example"
ALICES = ALICE["apps"][CHAT]["private_hex"]
ADDRESS = parse_address(ALICE["identity"]["address"]).c32


@dataclass
class Question:
    """What a sign-in page puts to a chat app, and the request that it is for."""

    sign_in_url: str
    address: str
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def page(self) -> str:
        return f"{self.sign_in_url}/chat-app"


class Page:
    """Alice in front of a sign-in page, with OI Chat in her other hand."""

    def __init__(self, world: World) -> None:
        self.world, self.app = world, world.app
        self.alice = self.person()
        world.say(ELEMENT, "allow")

    def person(self, name: str = "nobody") -> Person:
        return Person(self.app, self.world.clock, FakeWallet.named(name))

    def come(self, client: Any = SERVER, **changes: str | None) -> str:
        changes = {"redirectUrl": f"{ELEMENT}/"} | changes
        return self.alice.authorize(client, **changes).location

    def ask(self, sign_in_url: str) -> Question:
        """Let the page make a question, and get it as a chat app does."""
        page = f"{sign_in_url}/chat-app"
        assert self.alice.press_on(sign_in_url, page).location == page
        found = re.search(rf"{ISSUER}/proofs/oichat/page/[A-Za-z0-9_-]+", self.alice.get(page).text)
        assert found
        return Question(sign_in_url, found[0], dict(self.look(found[0]).json or {}))

    def look(self, address: str, accept: str = "*/*") -> TestResponse:
        path = address.removeprefix(ISSUER)
        return self.app.test_client().get(path, base_url=ISSUER, headers={"Accept": accept})

    def post(
        self, question: Question, key: str = ALICES, text: str | None = None, **changes: Any
    ) -> TestResponse:
        """Answer as OI Chat does, in the name of Alice."""
        headers = {"Origin": changes.pop("origin")} if "origin" in changes else {}
        body = {"nonce": question.told["nonce"], "appDomain": CHAT, "blockstackId": "alice.id"}
        body |= signed(text or question.told["challenge"], key) | changes
        path = question.told["answer_url"].removeprefix(ISSUER)
        return self.app.test_client().post(path, json=body, base_url=ISSUER, headers=headers)

    def answer(self, question: Question) -> str:
        """Answer well; return the code."""
        answer = self.post(question)
        assert answer.status_code == 200, answer.text
        return str(answer.json["code"])  # type: ignore[index]

    def type(self, question: Question, code: str) -> TestResponse:
        csrf = self.alice.read_question(question.sign_in_url).fields["csrf"]
        return self.alice.post(f"{question.page}/take", {"csrf": csrf, "code": code})

    def sign_in(self, **changes: str | None) -> str:
        """Go all the way to consent; return its address."""
        question = self.ask(self.come(**changes))
        self.world.clock.advance(seconds=1)
        landed = self.type(question, self.answer(question))
        assert landed.status_code == 303, landed.text
        return str(landed.location)

    def refused_at_take(self, question: Question, code: str) -> str:
        """Return the code of the page that says why, and hold that nothing came of it."""
        answer = self.type(question, code)
        assert answer.status_code in (400, 403)
        assert self.sessions() == []
        found = re.search(r"[a-z]+(?:_[a-z]+)+(?=</code>)", answer.text)
        assert found, answer.text
        return found[0]

    def sessions(self) -> list[Any]:
        with self.app.app_context(), read() as connection:
            return list(connection.execute(select(SessionRow.__table__)))

    def claims(self, consent_url: str, **choice: Any) -> dict[str, object]:
        code = query_of(self.alice.decide(consent_url, **choice).location)["code"]
        return read_id_token(self.app, redeem(self.app, code, SERVER).json["id_token"])

    def change(self, statement: Any) -> None:
        with self.app.app_context():
            write(lambda connection: connection.execute(statement))
