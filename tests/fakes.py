"""Stand-ins for the world: a network, a wallet. They open no socket and read no clock."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from coincurve import PrivateKey

from oidc_bridge.demo.wallet import Wallet, parse_auth_request
from oidc_bridge.errors import FetchError
from oidc_bridge.identity import Challenge
from oidc_bridge.ports import Fetched
from oidc_bridge.proofs.blockstack import Blockstack
from oidc_bridge.proofs.jsontokens import sign
from oidc_bridge.proofs.stacks import Network, Stacks

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORIGIN = "https://bridge.example"
NAMES = "https://names.example"
HEADER = b'{"typ":"JWT","alg":"ES256K"}'


@dataclass
class FakeFetch:
    """A `Fetch` over canned answers. What is not listed answers 404, as a hub or an API does.

    Attributes:
        answers: By exact URL: status and body (text, bytes, or a JSON value), or an error to raise.
        forbidden: A URL that begins like one of these fails the test.
        calls: The URLs that were asked for, in order.
    """

    answers: dict[str, tuple[int, object] | FetchError] = field(default_factory=dict)
    forbidden: tuple[str, ...] = ()
    calls: list[str] = field(default_factory=list)

    def __call__(self, url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        self.calls.append(url)
        assert not url.startswith(self.forbidden or "\0"), f"{url} must never be contacted"
        answer = self.answers.get(url, (404, {"error": "not found"}))
        if isinstance(answer, FetchError):
            raise answer
        status, body = answer
        if not isinstance(body, bytes):
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        if len(body) > max_bytes:
            raise FetchError("fetch_too_large", f"more than {max_bytes} bytes")
        return Fetched(status, body)


@dataclass(frozen=True, slots=True)
class FakeWallet(Wallet):
    """A `Wallet` that can be told to lie."""

    @classmethod
    def named(cls, label: str, **knobs: str) -> "FakeWallet":
        """Return a wallet whose key belongs to *label* for ever."""
        return cls(hashlib.sha256(f"fake wallet {label}".encode()).digest(), **knobs)

    def answer(
        self,
        auth_request: str,
        *,
        now: datetime,
        change: Mapping[str, object] | Callable[[dict[str, object]], object] | None = None,
        without: tuple[str, ...] = (),
        sign_with: bytes | None = None,
        header: bytes = HEADER,
    ) -> str:
        """Return an ``authResponse`` in which only what was asked for is wrong.

        Args:
            change: Claims to replace, or a function that changes them in place.
            without: Claims to leave out.
            sign_with: Another private key for the signature.
            header: Another header, as JSON text.
        """
        claims = self.make_claims(parse_auth_request(auth_request), now=now)
        if callable(change):
            change(claims)
        else:
            claims |= change or {}
        for name in without:
            del claims[name]
        payload = json.dumps(claims).encode()
        return sign_raw(header, payload, sign_with or self.identity_key)

    def sign_falsely(
        self,
        digest: bytes,
        *,
        change: Callable[[bytearray], object] | None = None,
        sign_with: bytes | None = None,
        shown: bytes | None = None,
    ) -> dict[str, str]:
        """Return an answer to `Stacks` in which only what was asked for is wrong.

        Args:
            digest: What is signed.
            change: Changes the 65 bytes of the signature in place.
            sign_with: Another private key for the signature alone.
            shown: Another public key beside it, in any form.
        """
        signature = bytearray(
            PrivateKey(sign_with or self.stx_key).sign_recoverable(digest, hasher=None)
        )
        if change is not None:
            change(signature)
        key = shown or PrivateKey(self.stx_key).public_key.format()
        return {"signature": signature.hex(), "publicKey": key.hex()}

    def profile_file(self, claim: object, *, sign_with: bytes | None = None) -> list[object]:
        """Return the JSON of a profile file for *claim*."""
        key = sign_with or self.identity_key
        public_key = PrivateKey(key).public_key.format().hex()
        payload = {
            "jti": "0b6fc7f1-485b-4b92-8b18-6da13502694e",
            "iat": "2025-12-31T00:00:00.000Z",
            "exp": "2026-12-31T00:00:00.000Z",
            "subject": {"publicKey": public_key},
            "issuer": {"publicKey": public_key},
            "claim": claim,
        }
        return [{"token": sign(payload, key), "decodedToken": {"payload": {"claim": "unsigned"}}}]


def sign_raw(header: bytes, payload: bytes, private_key: bytes) -> str:
    """Return a token of any header and payload, well formed or not, signed in the usual way."""
    signed = f"{base64url(header)}.{base64url(payload)}"
    signature = PrivateKey(private_key).sign_recoverable(signed.encode())[:64]
    return f"{signed}.{base64url(signature)}"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def a_blockstack(fetch: FakeFetch | None = None) -> Blockstack:
    """Return the proof as a bridge at `ORIGIN` has it."""
    return Blockstack(
        origin=ORIGIN,
        answer_uri=f"{ORIGIN}/signin/blockstack",
        manifest_uri=f"{ORIGIN}/manifest.json",
        app_name="Bridge",
        app_icon=f"{ORIGIN}/icon.png",
        strangers=fetch or FakeFetch(),
    )


def a_stacks(origin: str = ORIGIN, network: Network = "mainnet") -> Stacks:
    """Return the proof by a signed message as a bridge at `ORIGIN` has it."""
    return Stacks(origin, network)


def a_challenge(
    label: str = "one", *, now: datetime = NOW, address: str | None = None
) -> Challenge:
    """Return a challenge that was made a minute ago and has nine to go."""
    return Challenge(
        id=f"challenge-{label}",
        secret=hashlib.sha256(f"transit key {label}".encode()).digest(),
        statement="Sign in to Example ID.",
        issued_at=now - timedelta(minutes=1),
        expires_at=now + timedelta(minutes=9),
        address=address,
    )
