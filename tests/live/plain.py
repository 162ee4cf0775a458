"""A browser made of HTTP alone: it follows links and redirects, keeps cookies and fills in forms.

For tests that must press one button fifty times at once, which no real browser does.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import requests

from tests.live.bridge import Bridge, ClientCredentials


@dataclass
class Form:
    """A form of a page, filled in as a browser would send it."""

    url: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    def set(self, name: str, *values: str) -> "Form":
        """Return the form with these values of *name* and no others."""
        kept = [(known, value) for known, value in self.fields if known != name]
        return Form(self.url, kept + [(name, value) for value in values])


class Forms(HTMLParser):
    """The forms of one page, by the order in which they stand there, and what wallets are asked."""

    def __init__(self, page: requests.Response) -> None:
        super().__init__()
        self._page_url = page.url
        self.all: list[Form] = []
        self.auth_request = ""
        self.text = ""
        self._inside = False
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.auth_request = found.get("data-auth-request", self.auth_request)
        self.text = found.get("data-text", self.text)
        if tag == "form":
            self._inside = True
            self.all.append(Form(urljoin(self._page_url, found.get("action", ""))))
        elif self._inside and tag in ("input", "textarea") and found.get("name"):
            is_box = found.get("type") in ("checkbox", "radio")
            if not is_box or "checked" in found:
                self.all[-1].fields.append((found["name"], found.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False

    def with_field(self, name: str) -> Form:
        """Return the one form that has a field of this name."""
        (form,) = [form for form in self.all if any(known == name for known, _ in form.fields)]
        return form


@dataclass
class PlainBrowser:
    """A browser profile: cookies, and the habit to say where a form comes from."""

    bridge: Bridge
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, url: str) -> requests.Response:
        """Follow *url* as far as it stays at the bridge."""
        return self._follow(self.session.get(url, allow_redirects=False, timeout=60))

    def submit(self, form: Form) -> requests.Response:
        """Send *form*, and follow where it leads as far as that is at the bridge."""
        return self._follow(self.post(form))

    def post(self, form: Form) -> requests.Response:
        """Send *form* and return the very answer."""
        headers = {"Origin": self.bridge.issuer, "Sec-Fetch-Site": "same-origin"}
        return self.session.post(
            form.url, data=form.fields, headers=headers, allow_redirects=False, timeout=60
        )

    def twin(self) -> "PlainBrowser":
        """Return a browser with the same cookies and a connection of its own."""
        session = requests.Session()
        session.cookies.update(self.session.cookies)
        return PlainBrowser(self.bridge, session)

    def _follow(self, answer: requests.Response) -> requests.Response:
        while answer.is_redirect:
            url = urljoin(answer.url, answer.headers["Location"])
            if not url.startswith(self.bridge.issuer + "/"):
                break
            answer = self.session.get(url, allow_redirects=False, timeout=60)
        return answer


@dataclass
class RelyingParty:
    """A client that is nothing but its redirect URI and its secret."""

    bridge: Bridge
    credentials: ClientCredentials
    redirect_uri: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def __post_init__(self) -> None:
        discovery = f"{self.bridge.issuer}/.well-known/openid-configuration"
        self.metadata: dict[str, Any] = requests.get(discovery, timeout=10).json()

    def authorize_url(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.credentials.id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile offline_access",
            "state": secrets.token_urlsafe(),
            "nonce": secrets.token_urlsafe(),
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "redirectUrl": "https://chat.example/#/login",
        }
        return f"{self.metadata['authorization_endpoint']}?{urlencode(query)}"

    def code_in(self, answer: requests.Response) -> str:
        """Return the code in a redirect to us."""
        location = answer.headers["Location"]
        assert location.startswith(self.redirect_uri), location
        (code,) = parse_qs(urlsplit(location).query)["code"]
        return code

    def redeem(self, code: str) -> requests.Response:
        """Ask for tokens."""
        return requests.post(
            self.metadata["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.redirect_uri,
                "code_verifier": self.verifier,
            },
            auth=(self.credentials.id, self.credentials.secret),
            timeout=60,
        )

    def refresh(self, refresh_token: str) -> requests.Response:
        """Ask for other tokens in place of these."""
        return requests.post(
            self.metadata["token_endpoint"],
            data={"grant_type": "refresh_token", "refresh_token": refresh_token},
            auth=(self.credentials.id, self.credentials.secret),
            timeout=60,
        )

    def userinfo(self, access_token: str) -> requests.Response:
        return requests.get(
            self.metadata["userinfo_endpoint"],
            headers={"Authorization": f"Bearer {access_token}"},
            timeout=60,
        )
