"""Small web servers on loopback that play the rest of the world.

A Matrix client, a wallet that lives at a web address, and a host of pictures by https.
"""

import asyncio
import contextlib
import datetime
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Page = tuple[int, str, bytes]
"""Status, media type, body."""


def _takes_nothing(path: str, form: bytes) -> Page:
    return 405, "text/plain", b"nothing to post here"


@contextlib.contextmanager
def served(
    answer: Callable[[str], Page],
    tls: ssl.SSLContext | None = None,
    *,
    take: Callable[[str, bytes], Page] = _takes_nothing,
) -> Iterator[int]:
    """Serve what *answer* makes of each path (with query) and give the port.

    Args:
        take: The same for what is posted there, with its body.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(answer(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._send(take(self.path, body))

        def _send(self, page: Page) -> None:
            status, media_type, body = page
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def behind_tls(certificates: "Certificates", port: int) -> Iterator[int]:
    """Stand before the server on *port*, as a proxy that speaks https; give our own port."""

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", port)
        except OSError:  # it is away, and so are we
            writer.close()
            return
        await asyncio.gather(pass_on(reader, ours), pass_on(theirs, writer))

    begun: Future[tuple[int, Callable[[], None]]] = Future()

    async def stand() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=certificates.server)
        end = partial(loop.call_soon_threadsafe, stop.set)
        begun.set_result((server.sockets[0].getsockname()[1], end))
        await stop.wait()
        server.close()

    # Whatever is open at the end is cut by run().
    thread = threading.Thread(target=lambda: asyncio.run(stand()))
    thread.start()
    own_port, end = begun.result(timeout=10)
    try:
        yield own_port
    finally:
        end()
        thread.join()


CHAT_HOST = "chat.example.org"
# More apps at the same homeserver, each an origin of its own: one that no rule names, one that is
# denied, one for people on a list, and two that admins rule over in Chromium.
BOT_HOST = "bot.example.net"
SHUT_HOST = "shut.example.net"
TEAM_HOST = "team.example.net"
CLUB_HOST = "club.example.net"
GUILD_HOST = "guild.example.net"
CHAT_HOSTS = (CHAT_HOST, BOT_HOST, SHUT_HOST, TEAM_HOST, CLUB_HOST, GUILD_HOST)


@dataclass(frozen=True)
class Certificates:
    """An authority of our own, and what it says of our host."""

    ca_file: Path
    server: ssl.SSLContext


@dataclass(frozen=True)
class ChatClient:
    """The tiny Matrix client. Chromium is told that its hosts are at this port of loopback."""

    port: int

    @property
    def origin(self) -> str:
        return f"https://{CHAT_HOST}"


@contextlib.contextmanager
def chat_client(certificates: Certificates) -> Iterator[ChatClient]:
    """Serve the tiny Matrix client.

    By https and under a name of its own, as in life: for the browser it is another site than the
    bridge and Synapse, and cookies that are for the same site only show their teeth.
    """
    page = Path(__file__).with_name("chat.html").read_bytes()

    def answer(path: str) -> Page:
        return 200, "text/html; charset=utf-8", page

    with served(answer, certificates.server) as port:
        yield ChatClient(port)


@dataclass
class WebWallet:
    """A wallet at a web address: shows the request, and goes back with the answer on a click.

    *answer* is set by the test: what the wallet makes of an authRequest.
    """

    origin: str = ""
    answer: Callable[[str], str] | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.origin}/auth"

    def page(self, path: str) -> Page:
        url = urlsplit(path)
        if url.path != "/auth":
            return 404, "text/plain", b"not here"
        auth_request = parse_qs(url.query)["authRequest"][0]
        self.asked.append(auth_request)
        if self.answer is None:
            return 500, "text/plain", b"nobody told this wallet what to answer"
        back = self.answer(auth_request)
        body = f'<!doctype html><title>Web wallet</title><a href="{escape(back)}">Approve</a>'
        return 200, "text/html; charset=utf-8", body.encode()


@contextlib.contextmanager
def web_wallet() -> Iterator[WebWallet]:
    """Serve a wallet at a web address."""
    wallet = WebWallet()
    with served(wallet.page) as port:
        wallet.origin = f"http://127.0.0.1:{port}"
        yield wallet


def back_to(redirect_uri: str, auth_response: str) -> str:
    """Return where a wallet sends the browser with its answer, as blockstack.js spells it."""
    mark = "&" if "?" in redirect_uri else "?"
    return f"{redirect_uri}{mark}authResponse={quote(auth_response)}"


@dataclass(frozen=True)
class Pictures:
    """A host that answers every path with a small PNG, by https."""

    origin: str
    asked: list[str]


@contextlib.contextmanager
def pictures(certificates: Certificates) -> Iterator[Pictures]:
    """Serve a picture by https on ``localhost``; Synapse fetches avatars from there."""
    asked: list[str] = []

    def answer(path: str) -> Page:
        asked.append(path)
        return 200, "image/png", PNG

    with served(answer, certificates.server) as port:
        yield Pictures(f"https://localhost:{port}", asked)


def _make_png() -> bytes:
    """Return a PNG of 2 by 2 pixels, all of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + b"\x55\x46\xff" * 2 for _ in range(2))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PNG = _make_png()


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and its certificate for localhost, good for a day."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    host_key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def certify(subject: str, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        hosts = [x509.DNSName(host) for host in ("localhost", *CHAT_HOSTS)]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("Test authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    private = host_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    ca_file, chain_file = folder / "ca.pem", folder / "host.pem"
    ca_file.write_bytes(certify("Test authority", authority_key, ca=True))
    chain_file.write_bytes(private + certify("localhost", host_key, ca=False))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain_file)
    return Certificates(ca_file, server)
