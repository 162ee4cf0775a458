"""Sign-ins as people, wallets and relying parties make them, step by step.

Nothing that the server checks is made beforehand: keys, PKCE pairs, states and nonces are fresh in
every sign-in, the wallet's answer is made from the question on the page, and a sign-in counts only
if the ID token's signature, ``aud`` and ``nonce`` are right and userinfo tells the same ``sub``.
"""

import base64
import hashlib
import html
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.wire import Answer
from oidc_bridge.demo.wallet import Wallet

Send = Callable[[str, str, Mapping[str, str], bytes], Awaitable[Answer]]
Note = Callable[[str, float], None]

_FORM = "application/x-www-form-urlencoded"
_NAVIGATION = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Upgrade-Insecure-Requests": "1",
}
_SERVER_SIDE = {"User-Agent": "Synapse/1.163.0", "Accept": "*/*", "Accept-Encoding": "gzip"}


class FailedError(Exception):
    """A step was not answered as it should be."""


@dataclass(frozen=True)
class Site:
    """The bridge under test and a relying party of it."""

    issuer: str
    client_id: str
    secret: str
    redirect_uri: str
    scopes: tuple[str, ...]
    jwks: Mapping[str, Any]
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """What goes into the ``Host`` header."""
        return urlsplit(self.issuer).netloc

    @property
    def relying_party(self) -> dict[str, str]:
        """Headers by which the relying party's server authenticates."""
        credentials = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        return {"Host": self.host, **_SERVER_SIDE, "Authorization": f"Basic {credentials}"}


@dataclass
class Visitor:
    """One person with a browser and a wallet, and what the relying party got for them."""

    wallet: Wallet
    cookies: dict[str, str] = field(default_factory=dict)
    sub: str = ""
    access_token: str = ""
    refresh_token: str = ""


def new_visitor() -> Visitor:
    """Return somebody whom the bridge has never seen, with a profile of the usual size."""
    tag = secrets.token_hex(8)
    return Visitor(
        Wallet(
            # Half the range is far from the curve's order, so any such number is a key.
            (secrets.randbits(255) | 1).to_bytes(32, "big"),
            display_name=f"Ann Example {tag}",
            picture=f"https://gaia.example/hub/{tag}{tag}/avatar-0",
        )
    )


async def sign_in_first(send: Send, site: Site, visitor: Visitor, note: Note) -> None:
    """Authorize, sign-in page, wallet's answer, consent page, consent, token, userinfo."""
    query, verifier, nonce = _question(site)
    page_url = await _step(send, site, visitor, note, "authorize", 303, f"/authorize?{query}")
    _expect("authorize", page_url.startswith("/sign-in/"), page_url)
    page = await read_page(send, site, visitor, note, "sign-in page", page_url)
    auth_request = html.unescape(_between(page, 'data-auth-request="', '"'))
    fields = {"method": "blockstack", **_hidden(page, "/sign-in/answer")}
    if "challenge" not in fields:
        fields["challenge"] = _between(page, 'data-challenge="', '"')
    fields["authResponse"] = visitor.wallet.answer(auth_request, now=datetime.now(UTC))
    consent_url = await _step(
        send, site, visitor, note, "wallet's answer", 303, "/sign-in/answer", fields
    )
    _expect("wallet's answer", consent_url.startswith("/consent/"), consent_url)
    page = await read_page(send, site, visitor, note, "consent page", consent_url)
    # As oneself, where the page asks as whom.
    decision = _hidden(page, consent_url) | {"decision": "allow", "remember": "yes", "as": "main"}
    chosen = [("scope", scope) for scope in site.scopes if scope != "openid"]
    back = await _step(
        send, site, visitor, note, "consent", 303, consent_url, [*decision.items(), *chosen]
    )
    await _finish(send, site, visitor, note, back, verifier, nonce)


async def sign_in_again(send: Send, site: Site, visitor: Visitor, note: Note) -> None:
    """Authorize (live session, remembered consent: answered at once), token, userinfo."""
    before = visitor.sub
    query, verifier, nonce = _question(site)
    back = await _step(send, site, visitor, note, "authorize", 303, f"/authorize?{query}")
    await _finish(send, site, visitor, note, back, verifier, nonce)
    _expect("userinfo", visitor.sub == before, "another sub than before")


async def refresh(send: Send, site: Site, visitor: Visitor, note: Note) -> None:
    """Change a refresh token for fresh tokens (it is spent by that, the next one is kept)."""
    form = {"grant_type": "refresh_token", "refresh_token": visitor.refresh_token}
    tokens = await _ask_token(send, site, form, note, "refresh")
    claims = _verified(tokens["id_token"], site)
    _expect("refresh", claims["sub"] == visitor.sub, "another sub than before")
    visitor.refresh_token = tokens["refresh_token"]


async def userinfo(send: Send, site: Site, visitor: Visitor, note: Note) -> None:
    """Ask who stands behind an access token."""
    headers = {"Host": site.host, **_SERVER_SIDE, "Authorization": f"Bearer {visitor.access_token}"}
    answer = await send("GET", "/userinfo", headers, b"")
    note("userinfo", answer.seconds)
    _expect("userinfo", answer.status == 200, answer)
    _expect("userinfo", json.loads(answer.body)["sub"] == visitor.sub, "another sub")


async def fetch(send: Send, site: Site, path: str, note: Note) -> None:
    """Fetch a public document."""
    answer = await send("GET", path, {"Host": site.host, **_SERVER_SIDE}, b"")
    note(path, answer.seconds)
    _expect(path, answer.status == 200 and len(answer.body) > 100, answer)


async def read_page(
    send: Send, site: Site, visitor: Visitor, note: Note, step: str, target: str
) -> str:
    """Let the browser open a page and return it."""
    answer = await send("GET", target, _browser(site, visitor), b"")
    note(step, answer.seconds)
    _expect(step, answer.status == 200, answer)
    return answer.body.decode()


def _question(site: Site) -> tuple[str, str, str]:
    """Return the query of a fresh authorization request, its PKCE verifier and its nonce."""
    verifier, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(20)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = urlencode(
        {
            "response_type": "code",
            "client_id": site.client_id,
            "redirect_uri": site.redirect_uri,
            "scope": " ".join(site.scopes),
            "state": secrets.token_urlsafe(20),
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **site.extra,
        }
    )
    return query, verifier, nonce


async def _finish(
    send: Send, site: Site, visitor: Visitor, note: Note, back: str, verifier: str, nonce: str
) -> None:
    _expect("the way back", back.startswith(site.redirect_uri) and "code=" in back, back)
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "redirect_uri": site.redirect_uri,
        "code_verifier": verifier,
    }
    tokens = await _ask_token(send, site, form, note, "token")
    claims = _verified(tokens["id_token"], site)
    _expect("token", claims["nonce"] == nonce, "another nonce")
    visitor.sub = claims["sub"]
    visitor.access_token = tokens["access_token"]
    visitor.refresh_token = tokens.get("refresh_token", "")
    await userinfo(send, site, visitor, note)


async def _ask_token(
    send: Send, site: Site, form: Mapping[str, str], note: Note, step: str
) -> dict[str, Any]:
    headers = {**site.relying_party, "Content-Type": _FORM}
    answer = await send("POST", "/token", headers, urlencode(form).encode())
    note(step, answer.seconds)
    _expect(step, answer.status == 200, answer)
    tokens: dict[str, Any] = json.loads(answer.body)
    return tokens


def _verified(id_token: str, site: Site) -> dict[str, Any]:
    """Return the claims, having checked signature (RS256), issuer and audience."""
    signed, _, signature = id_token.rpartition(".")
    header, payload = (json.loads(_decode(part)) for part in signed.split("."))
    key = next(known for known in site.jwks["keys"] if known["kid"] == header["kid"])
    numbers = (int.from_bytes(_decode(key[name]), "big") for name in ("e", "n"))
    RSAPublicNumbers(*numbers).public_key().verify(
        _decode(signature), signed.encode(), PKCS1v15(), SHA256()
    )
    _expect("id token", payload["iss"] == site.issuer and payload["aud"] == site.client_id, payload)
    claims: dict[str, Any] = payload
    return claims


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def _step(
    send: Send,
    site: Site,
    visitor: Visitor,
    note: Note,
    step: str,
    status: int,
    target: str,
    form: Any = None,
) -> str:
    """Let the browser make one step and return where it is sent next."""
    headers = _browser(site, visitor)
    if form is None:
        answer = await send("GET", target, headers, b"")
    else:
        headers |= {
            "Content-Type": _FORM,
            "Origin": site.issuer,
            "Sec-Fetch-Site": "same-origin",
        }
        answer = await send("POST", target, headers, urlencode(form).encode())
    note(step, answer.seconds)
    _expect(step, answer.status == status, answer)
    for name, value in answer.headers:
        if name == "set-cookie":
            cookie, _, content = value.partition(";")[0].partition("=")
            visitor.cookies[cookie] = content
    return answer.header("location")


def _browser(site: Site, visitor: Visitor) -> dict[str, str]:
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    return {"Host": site.host, **_NAVIGATION, **({"Cookie": cookies} if cookies else {})}


def _hidden(page: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form that posts to *action*."""
    form = _between(page, f'action="{action}"', "</form>")
    return {
        tag.partition('"')[0]: html.unescape(_between(tag, 'value="', '"'))
        for tag in form.split('<input type="hidden" name="')[1:]
    }


def _between(text: str, before: str, after: str) -> str:
    _, found, rest = text.partition(before)
    if not found:
        raise FailedError(f"{before!r} is not on the page")
    return rest.partition(after)[0]


def _expect(step: str, is_so: bool, came: object) -> None:
    if not is_so:
        if isinstance(came, Answer):
            came = f"{came.status} {came.body[:300]!r}"
        raise FailedError(f"{step}: {came}")
