"""Relying parties that others wrote: client libraries, each against the real bridge.

Those of npm are run by Node (``clients/*.mjs``); `NodeClient` asks them for one step at a time.
"""

import contextlib
import json
import select
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
import requests
from joserfc.jwk import ECKey

from oidc_bridge.seal import new_secret
from tests.live.bridge import Bridge, new_bridge
from tests.live.plain import Forms, PlainBrowser
from tests.live.tools import free_port, missing, need_program
from tests.live.wallet import Person, new_person

FOLDER = Path(__file__).with_name("clients")
# Nobody lives there: the plain browser stops at the redirect.
CALLBACK = "https://rp.example/callback"
GOODBYE = "https://rp.example/goodbye"
EVERYTHING = "openid profile offline_access"
_SECONDS = 60


def need_clients() -> Path:
    """Return Node; skip (or fail) the test unless it and the client libraries are there."""
    node = need_program("node", "nodejs", package="nodejs")
    if not (FOLDER / "node_modules" / "openid-client").is_dir():
        missing("the client libraries are not installed (run `npm ci` in tests/live/clients)")
    return node


class RefusedError(Exception):
    """The bridge refused a step, or the library refused what the bridge said.

    Its text is the code: OAuth's word if it came over the wire, else the library's own.
    """


@dataclass
class NodeClient:
    """A relying party in a process of its own; ``clients/lines.mjs`` says how to talk with it."""

    questions: IO[str]
    answers: IO[str]

    def do(self, step: str, **asked: Any) -> Any:
        """Return what the library made of one step.

        Raises:
            RefusedError: with the code.
        """
        self.questions.write(json.dumps({"do": step, **asked}) + "\n")
        self.questions.flush()
        ready, _, _ = select.select([self.answers], [], [], _SECONDS)
        line = self.answers.readline() if ready else ""
        said = json.loads(line or '{"broken": "it said nothing"}')
        if "refused" in said:
            raise RefusedError(said["refused"])
        if "broken" in said:
            pytest.fail(f"{step}: {said['broken']}", pytrace=False)
        return said["ok"]


@contextlib.contextmanager
def node_client(library: str) -> Iterator[NodeClient]:
    """Run the relying party that is made of *library* until the end of the block."""
    with subprocess.Popen(
        [need_clients(), FOLDER / f"{library}.mjs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield NodeClient(process.stdin, process.stdout)
        finally:
            process.kill()


@dataclass(frozen=True)
class Provider:
    """A bridge, and the clients that its operator imported, by id."""

    bridge: Bridge
    clients: Mapping[str, Mapping[str, Any]]
    private_key: Mapping[str, Any]
    """Of the client ``signer``: a JWK."""

    @property
    def issuer(self) -> str:
        return self.bridge.issuer


@contextlib.contextmanager
def provider(folder: Path, page_origin: str) -> Iterator[Provider]:
    """Serve a bridge that knows a client of each kind.

    Args:
        page_origin: Where the client lives that runs in a browser.
    """
    bridge = new_bridge(folder, free_port(), registration={"mode": "token"})
    key = ECKey.generate_key("P-256", {"kid": "signer-1", "use": "sig", "alg": "ES256"})
    clients = _clients(key, page_origin)
    listed = folder / "clients.json"
    listed.write_text(json.dumps(clients))
    bridge.run("client", "import", str(listed))
    known = {client["client_id"]: client for client in clients}
    with bridge.serve():
        yield Provider(bridge, known, key.as_dict(private=True))


def _clients(key: ECKey, page_origin: str) -> list[dict[str, Any]]:
    """Return RFC 7591 metadata, one client for each way to say who one is."""
    lasting = {"grant_types": ["authorization_code", "refresh_token"]}
    at_rp = {"redirect_uris": [CALLBACK], "post_logout_redirect_uris": [GOODBYE], **lasting}
    no_secret = {"token_endpoint_auth_method": "none"}
    return [
        {"client_id": "basic", "client_secret": new_secret(), **at_rp},
        {
            "client_id": "poster",
            "client_secret": new_secret(),
            "token_endpoint_auth_method": "client_secret_post",
            "id_token_signed_response_alg": "EdDSA",
            **at_rp,
        },
        {
            "client_id": "signer",
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [key.as_dict(private=False)]},
            "request_object_signing_alg": "ES256",
            "id_token_signed_response_alg": "ES256",
            "userinfo_signed_response_alg": "ES256",
            **at_rp,
        },
        {"client_id": "native", "dpop_bound_access_tokens": True, **no_secret, **at_rp},
        {
            "client_id": "page",
            "client_name": "Page",
            "redirect_uris": [f"{page_origin}/", f"{page_origin}/posted"],
            "post_logout_redirect_uris": [f"{page_origin}/goodbye"],
            **no_secret,
            **lasting,
        },
    ]


@dataclass
class Someone:
    """A person with a wallet of today and a browser of HTTP alone."""

    bridge: Bridge
    person: Person = field(default_factory=new_person)
    browser: PlainBrowser = field(init=False)

    def __post_init__(self) -> None:
        self.browser = PlainBrowser(self.bridge)

    def allow(self, url: str, scope: str = EVERYTHING) -> str:
        """Follow an authorize URL, sign in if asked to, say yes, and return where that leads."""
        answer = self.browser.get(url)
        forms = Forms(answer)
        if forms.text:
            signed = self.person.sign_message(forms.text)
            form = forms.with_field("signature")
            form = form.set("signature", signed["signature"]).set("publicKey", signed["publicKey"])
            answer = self.browser.submit(form)
        if not answer.is_redirect:
            question = Forms(answer).with_field("shown").set("decision", "allow")
            optional = [name for name in scope.split() if name != "openid"]
            answer = self.browser.submit(question.set("scope", *optional))
        return self.led_to(answer)

    def visit(self, url: str) -> str:
        """Follow *url* and return where it leads, outside of the bridge."""
        return self.led_to(self.browser.get(url))

    @staticmethod
    def led_to(answer: requests.Response) -> str:
        assert answer.is_redirect, answer.text
        return answer.headers["Location"]
