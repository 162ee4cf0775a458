"""People and relying parties that go through the bridge's HTTP door as real ones do."""

import base64
import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import Connection
from werkzeug.test import TestResponse

from oidc_bridge.oidc.client import Client
from oidc_bridge.storage import write
from oidc_bridge.storage.apps import add_client, add_secret
from tests.fakes import NOW, FakeWallet

ISSUER = "https://bridge.example"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
HOMESERVER = Client(
    id="synapse",
    name="matrix.example",
    kind="homeserver",
    redirect_uris=("https://matrix.example/_synapse/client/oidc/callback",),
    secret_digests=(),
    auth_methods=("client_secret_basic", "client_secret_post"),
    scopes=("openid", "profile", "email", "offline_access"),
    required_scopes=("openid",),
    server_name="matrix.example",
    backchannel_logout_uri="https://matrix.example/_synapse/client/oidc/backchannel_logout",
    unknown_apps="allow",
)
WIKI = Client(
    id="wiki",
    name="The Wiki",
    kind="web",
    redirect_uris=("https://wiki.example/callback?from=bridge",),
    secret_digests=(),
    auth_methods=("client_secret_basic", "client_secret_post"),
    scopes=("openid", "profile", "email", "offline_access"),
    required_scopes=("openid",),
)
CHAT = "https://chat.example/#/login"


def enrol(app: Flask, client: Client) -> Client:
    """Register one more client; the bridge knows it at once."""

    def register(connection: Connection) -> None:
        add_client(connection, client, now=NOW)
        add_secret(connection, client.id, secret_of(client), now=NOW)

    with app.app_context():
        write(register)
    app.extensions["oidc_bridge"].snapshots.forget()
    return client


def secret_of(client: Client) -> str:
    return f"{client.id}-{'s' * 40}"


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def authorize_query(client: Client = HOMESERVER, **changes: str | None) -> dict[str, str]:
    """Return what a Synapse sends; a change to None leaves a parameter out."""
    query: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": client.redirect_uris[0],
        "scope": "openid profile",
        "state": "state-1",
        "nonce": "nonce-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "redirectUrl": CHAT if client.kind == "homeserver" else None,
    }
    query |= changes
    return {name: value for name, value in query.items() if value is not None}


def fields_of(page: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form that posts to *action*."""
    for form in re.findall(r"<form[^>]*>.*?</form>", page, re.S):
        found = re.search(r'action="([^"]*)"', form)
        if found and html.unescape(found[1]) == action:
            inputs = re.findall(r"<input[^>]*>", form)
            return {
                _attribute(tag, "name"): _attribute(tag, "value")
                for tag in inputs
                if 'type="hidden"' in tag
            }
    raise AssertionError(f"no form posts to {action}")


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


@dataclass(frozen=True)
class Question:
    """What a sign-in page puts to wallets; what is not asked for is empty."""

    fields: dict[str, str]
    auth_request: str
    text: str
    domain: str
    message: str
    address: str


def read_question(page: str) -> Question:
    """Return what a sign-in page puts to wallets."""
    found = re.search(r"<[a-z]+[^>]* id=\"wallets-here\"[^>]*>", page)
    assert found, "no question on the page"
    asked = {
        name: _attribute(found[0], f"data-{name}")
        for name in ("auth-request", "text", "domain", "message", "address")
    }
    csrf = fields_of(page, "/sign-in/answer")["csrf"]
    return Question(
        {"csrf": csrf, "challenge": _attribute(found[0], "data-challenge")},
        asked["auth-request"],
        asked["text"],
        asked["domain"],
        asked["message"],
        asked["address"],
    )


@dataclass
class Person:
    """Somebody with one browser and one wallet."""

    app: Flask
    clock: Callable[[], datetime]
    wallet: FakeWallet
    browser: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.browser = self.new_browser()

    def new_browser(self) -> FlaskClient:
        return self.app.test_client()

    def get(self, url: str) -> TestResponse:
        return self.browser.get(url, base_url=ISSUER)

    def post(self, url: str, data: dict[str, object], **headers: str) -> TestResponse:
        return self.browser.post(url, data=data, base_url=ISSUER, headers=headers)

    def authorize(self, client: Client = HOMESERVER, **changes: str | None) -> TestResponse:
        """Follow a client's link to the bridge."""
        return self.get("/authorize?" + urlencode(authorize_query(client, **changes)))

    def read_question(self, sign_in_url: str) -> Question:
        """Return what a sign-in page puts to wallets."""
        return read_question(self.get(sign_in_url).text)

    def read_challenge(self, sign_in_url: str) -> tuple[dict[str, str], str]:
        """Return the fields of an answer with an ``authResponse``, and the authRequest."""
        question = self.read_question(sign_in_url)
        assert question.auth_request, "no authRequest on the page"
        return {**question.fields, "method": "blockstack"}, question.auth_request

    def prove(self, sign_in_url: str, **lies: object) -> TestResponse:
        """Answer the sign-in page with an ``authResponse``."""
        fields, auth_request = self.read_challenge(sign_in_url)
        answer = self.wallet.answer(auth_request, now=self.clock(), **lies)
        return self.post("/sign-in/answer", {**fields, "authResponse": answer})

    def sign(self, sign_in_url: str, *, wallet: FakeWallet | None = None) -> TestResponse:
        """Answer the sign-in page with a signed message."""
        question = self.read_question(sign_in_url)
        assert question.text, "no text to sign on the page"
        return self.answer_message(question, (wallet or self.wallet).sign_message(question.text))

    def answer_message(
        self, question: Question, signed: dict[str, str], **changes: str
    ) -> TestResponse:
        """Post a signed message."""
        form = {**question.fields, "method": "stacks", "encoding": "text", **signed, **changes}
        return self.post("/sign-in/answer", form)

    def decide(
        self,
        consent_url: str,
        decision: str = "allow",
        *,
        scopes: tuple[str, ...] = ("profile",),
        remember: bool = False,
        as_whom: str | None = None,
        **changes: object,
    ) -> TestResponse:
        """Answer the consent page; ``as_whom`` chooses another ID than the page suggests."""
        page = self.get(consent_url).text
        fields: dict[str, object] = dict(fields_of(page, consent_url))
        suggested = re.search(r'name="as" value="([a-z]+)" checked', page)
        if suggested:
            fields["as"] = as_whom or suggested[1]
        fields |= {"decision": decision, "scope": list(scopes)}
        if remember:
            fields["remember"] = "yes"
        return self.post(consent_url, fields | changes)

    def sign_in(
        self,
        client: Client = HOMESERVER,
        *,
        scopes: tuple[str, ...] = ("profile",),
        remember: bool = False,
        as_whom: str | None = None,
        **changes: str | None,
    ) -> str:
        """Go all the way; return the URL that brings the code to the client."""
        answer = self.authorize(client, **changes)
        if answer.location.startswith("/sign-in/"):
            answer = self.prove(answer.location)
        if answer.location.startswith("/consent/"):
            answer = self.decide(answer.location, scopes=scopes, remember=remember, as_whom=as_whom)
        assert answer.status_code == 303, answer.text
        assert answer.location.startswith(client.redirect_uris[0]), answer.location
        return answer.location

    def tokens(self, client: Client = HOMESERVER, **changes: object) -> dict[str, object]:
        """Sign in and let the client redeem the code."""
        code = query_of(self.sign_in(client, **changes))["code"]  # type: ignore[arg-type]
        answer = redeem(self.app, code, client)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def account_page(self) -> str:
        return self.get("/account").text

    def press(self, action: str, **fields: str) -> TestResponse:
        """Press the account page's button that posts to *action*."""
        return self.post(action, {**fields_of(self.account_page(), action), **fields})

    def press_on(self, page_url: str, action: str, **fields: str) -> TestResponse:
        """Press the button of a page that posts to *action*."""
        return self.post(action, {**fields_of(self.get(page_url).text, action), **fields})

    def sign_out(self) -> TestResponse:
        return self.press("/account/sign-out")

    def sign_out_everywhere(self) -> TestResponse:
        return self.press("/account/sign-out-everywhere", confirm="yes")

    def remove_first_app(self) -> TestResponse:
        found = re.search(r"/account/apps/[^/]+/remove", self.account_page())
        assert found, "no app to remove"
        return self.press(found[0], confirm="yes")

    def begin_account(self) -> str:
        """Open the account page's door; return the sign-in page."""
        page = self.get("/account").text
        return self.post("/account/begin", dict(fields_of(page, "/account/begin"))).location


def redeem(
    app: Flask,
    code: str,
    client: Client = HOMESERVER,
    *,
    secret: str | None = None,
    **changes: str | None,
) -> TestResponse:
    """Redeem a code as the client does."""
    form: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uris[0],
        "code_verifier": VERIFIER,
    }
    form |= changes
    return ask_token(app, {k: v for k, v in form.items() if v is not None}, client, secret=secret)


def ask_token(
    app: Flask, form: dict[str, str], client: Client = HOMESERVER, *, secret: str | None = None
) -> TestResponse:
    return app.test_client().post(
        "/token", data=form, base_url=ISSUER, auth=(client.id, secret or secret_of(client))
    )


def read_id_token(app: Flask, id_token: str) -> dict[str, object]:
    """Return the claims of an ID token, its signature checked against the published keys."""
    keys = app.test_client().get("/jwks", base_url=ISSUER).get_json()
    return jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=["RS256"]).claims


def userinfo(app: Flask, access_token: str) -> TestResponse:
    return app.test_client().get(
        "/userinfo", base_url=ISSUER, headers={"Authorization": f"Bearer {access_token}"}
    )
