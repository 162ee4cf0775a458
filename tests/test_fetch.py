"""The guarded fetch, against servers on loopback and addresses that must not be reached.

The only unit tests that open sockets: on 127.0.0.1, which is exempt here, unless it is refused.
"""

import gzip
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from oidc_bridge.deadline import Deadline, PostDeadline
from oidc_bridge.errors import ConfigError, FetchError, RedirectError
from oidc_bridge.fetch import GuardedFetch
from oidc_bridge.ports import Fetch, Fetched

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A web server on loopback that answers as the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = lambda request: send(request, 200, b"hello")
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.done = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.command, self.path, headers, body))
                try:
                    outer.answer(self)
                except OSError:
                    pass
                finally:
                    self.close_connection = True
                    outer.done.set()

            do_POST = do_GET  # noqa: N815

            def log_message(self, *args: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.http.server_port}"


def send(request: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def fetch(server: Server) -> GuardedFetch:
    return GuardedFetch(exempt=frozenset({server.origin}), budget=3.0)


def refusal_of(fetch: Fetch, url: str, *, max_bytes: int = 1000) -> FetchError:
    with pytest.raises(FetchError) as refusal:
        fetch(url, max_bytes=max_bytes)
    return refusal.value


# what comes back


def test_status_and_body_come_back(server, fetch):
    assert fetch(f"{server.origin}/path?query=1", max_bytes=5) == Fetched(200, b"hello")
    assert server.requests[0][:2] == ("GET", "/path?query=1")


@pytest.mark.parametrize("status", [201, 400, 401, 404, 500, 503])
def test_any_status_but_a_redirect_comes_back(server, fetch, status):
    server.answer = lambda request: send(request, status, b"why")

    assert fetch(server.origin, max_bytes=3) == Fetched(status, b"why")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_is_blocked_and_not_followed(server, fetch, status):
    server.answer = lambda request: send(request, status, b"", Location="/elsewhere")

    refusal = refusal_of(fetch, f"{server.origin}/here")

    assert (type(refusal), refusal.code) == (RedirectError, "fetch_blocked")
    assert [path for _, path, _, _ in server.requests] == ["/here"]


def test_the_body_of_a_redirect_is_not_read(server, fetch):
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", "/elsewhere")
        request.end_headers()
        while True:
            request.wfile.write(b"x" * 65536)

    server.answer = endless

    assert refusal_of(fetch, server.origin).code == "fetch_blocked"
    assert server.done.wait(2)


def test_the_request_says_who_asks_and_nothing_more(server, fetch, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    server.answer = lambda request: send(request, 200, b"", Set_Cookie="a=b")

    fetch(server.origin, max_bytes=1)
    fetch(server.origin, max_bytes=1)

    for _, _, headers, _ in server.requests:
        assert headers["user-agent"].startswith("oidc-bridge/")
        assert headers["accept-encoding"] == "identity"
        assert not {"cookie", "authorization", "referer"} & headers.keys()


def test_proxies_of_the_environment_are_ignored(server, fetch, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")

    assert fetch(server.origin, max_bytes=5).body == b"hello"


def test_a_form_is_posted(server, fetch):
    server.answer = lambda request: send(request, 200, b"ok")

    assert fetch.post_form(server.origin, {"logout_token": "a.b&c"}) == Fetched(200, b"ok")
    command, _, headers, body = server.requests[0]
    assert (command, body) == ("POST", b"logout_token=a.b%26c")
    assert headers["content-type"] == "application/x-www-form-urlencoded"


def test_a_posted_form_is_guarded_too(server, fetch):
    server.answer = lambda request: send(request, 307, b"", Location="/elsewhere")
    with pytest.raises(FetchError) as refusal:
        fetch.post_form(server.origin, {"a": "b"})
    assert refusal.value.code == "fetch_blocked"
    assert len(server.requests) == 1

    server.answer = lambda request: send(request, 200, b"x" * 16385)
    with pytest.raises(FetchError) as refusal:
        fetch.post_form(server.origin, {"a": "b"})
    assert refusal.value.code == "fetch_too_large"

    with pytest.raises(FetchError) as refusal:
        fetch.post_form("http://127.0.0.1:1/", {"a": "b"})
    assert refusal.value.code == "fetch_blocked"


def test_a_document_is_posted(server, fetch):
    server.answer = lambda request: send(request, 500, b"no")

    answer = fetch.post_json(server.origin, {"n": 1, "a": "\u00e4"}, max_bytes=2, budget=1.0)

    assert answer == Fetched(500, b"no")
    command, _, headers, body = server.requests[0]
    assert (command, body) == ("POST", b'{"n": 1, "a": "\\u00e4"}')
    assert headers["content-type"] == "application/json"


def test_an_empty_document_is_one_too(server, fetch):
    fetch.post_json(server.origin, {}, max_bytes=10, budget=1.0)

    assert server.requests[0][3] == b"{}"


def test_a_posted_document_is_guarded_too(server, fetch):
    def refusal(url: str, *, budget: float = 1.0) -> str:
        with pytest.raises(FetchError) as refused:
            fetch.post_json(url, {"a": "b"}, max_bytes=10, budget=budget)
        return refused.value.code

    server.answer = lambda request: send(request, 307, b"", Location="/elsewhere")
    assert refusal(server.origin) == "fetch_blocked"
    assert len(server.requests) == 1

    server.answer = lambda request: send(request, 200, b"x" * 11)
    assert refusal(server.origin) == "fetch_too_large"
    assert refusal("http://127.0.0.1:1/") == "fetch_blocked"

    server.answer = lambda request: time.sleep(0.5)
    assert refusal(server.origin, budget=0.1) == "fetch_failed"


def test_all_documents_of_one_sign_in_share_one_budget():
    budgets = []

    def slow(url: str, document: object, *, max_bytes: int, budget: float) -> Fetched:
        budgets.append(budget)
        time.sleep(0.06)
        return Fetched(200, b"")

    post = PostDeadline(slow, 0.1)
    post("https://node.example", {}, 10)
    post("https://node.example", {}, 10)
    with pytest.raises(FetchError) as refused:
        post("https://node.example", {}, 10)

    assert refused.value.code == "fetch_failed"
    assert len(budgets) == 2
    assert 0 < budgets[1] < budgets[0] <= 0.1


# size


def test_the_size_limit_is_exact(server, fetch):
    server.answer = lambda request: send(request, 200, b"x" * 1000)

    assert len(fetch(server.origin, max_bytes=1000).body) == 1000
    assert refusal_of(fetch, server.origin, max_bytes=999).code == "fetch_too_large"


def test_a_body_without_end_is_cut(server, fetch):
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(b"x" * 65536)

    server.answer = endless

    assert refusal_of(fetch, server.origin).code == "fetch_too_large"
    assert server.done.wait(2)


def test_chunks_without_end_are_cut(server, fetch):
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        while True:
            request.wfile.write(b"10\r\n" + b"x" * 16 + b"\r\n")

    server.answer = endless

    assert refusal_of(fetch, server.origin).code == "fetch_too_large"


def test_a_packed_body_counts_as_it_is_unpacked(server, fetch):
    bomb = gzip.compress(bytes(20_000_000))
    server.answer = lambda request: send(request, 200, bomb, Content_Encoding="gzip")

    assert len(bomb) < 20_000
    assert refusal_of(fetch, server.origin, max_bytes=100_000).code == "fetch_too_large"


def test_a_body_shorter_than_it_says_is_no_answer(server, fetch):
    def short(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        request.wfile.write(b"x")

    server.answer = short

    assert refusal_of(fetch, server.origin).code == "fetch_failed"


# time


def trickle_body(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.02)


def trickle_head(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    trickle_body(request)


def stay_silent(request: BaseHTTPRequestHandler) -> None:
    request.connection.settimeout(5)
    request.rfile.read(1)


@pytest.mark.parametrize("slowness", [trickle_body, trickle_head, stay_silent])
def test_an_answer_that_takes_too_long_is_cut(server, slowness):
    fetch = GuardedFetch(exempt=frozenset({server.origin}), budget=0.3)
    server.answer = slowness
    began = time.monotonic()

    assert refusal_of(fetch, server.origin, max_bytes=10**6).code == "fetch_failed"
    assert time.monotonic() - began < 1.5
    # The server sees the line go dead: nothing of ours goes on in the background.
    assert server.done.wait(2)


def test_a_call_may_have_less_time_than_others(server, fetch):
    server.answer = stay_silent
    began = time.monotonic()

    with pytest.raises(FetchError) as refusal:
        fetch(server.origin, max_bytes=10, budget=0.2)

    assert refusal.value.code == "fetch_failed"
    assert time.monotonic() - began < 1.5  # of 3.0
    assert server.done.wait(2)


def test_no_call_has_more_time_than_the_fetch_allows(server):
    server.answer = stay_silent
    fetch = GuardedFetch(exempt=frozenset({server.origin}), budget=0.2)

    with pytest.raises(FetchError) as refusal:
        fetch(server.origin, max_bytes=10, budget=60)

    assert refusal.value.code == "fetch_failed"


def test_all_calls_together_have_one_deadline(server, fetch):
    deadline = Deadline(fetch, 0.5)

    assert deadline(server.origin, max_bytes=5) == Fetched(200, b"hello")
    server.answer = stay_silent
    began = time.monotonic()
    assert refusal_of(deadline, server.origin).code == "fetch_failed"
    assert time.monotonic() - began < 2.0  # of 3.0
    answered = len(server.requests)
    refusal = refusal_of(deadline, server.origin)

    assert (refusal.code, refusal.detail) == ("fetch_failed", "no time is left for it")
    assert len(server.requests) == answered


def test_slow_hosts_do_not_make_others_wait(server):
    fetch = GuardedFetch(exempt=frozenset({server.origin}), budget=5.0, at_once=1)
    go_on, asked = threading.Event(), threading.Event()

    def answer_late(request: BaseHTTPRequestHandler) -> None:
        asked.set()
        go_on.wait(5)
        send(request, 200, b"late")

    server.answer = answer_late
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fetch, server.origin, max_bytes=100)
        assert asked.wait(5)

        refusal = refusal_of(fetch, server.origin)

        go_on.set()
        assert first.result().body == b"late"
    assert refusal.code == "fetch_failed"
    assert "under way" in refusal.detail
    assert fetch(server.origin, max_bytes=100).body == b"late"


def test_what_an_operator_typed_may_be_internal(server):
    server.answer = lambda request: send(request, 200, b"ok")

    assert GuardedFetch().post_form(server.origin, {"a": "b"}, is_operators=True).status == 200
    with pytest.raises(FetchError):
        GuardedFetch().post_form(server.origin, {"a": "b"})


def test_a_slow_resolver_is_cut(monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(5))
    began = time.monotonic()

    refusal = refusal_of(GuardedFetch(budget=0.2), "https://slow.example/")

    answered.set()
    assert refusal.code == "fetch_failed"
    assert time.monotonic() - began < 1.5


def test_nobody_listening_is_no_answer(server, fetch):
    server.http.server_close()

    assert refusal_of(fetch, server.origin).code == "fetch_failed"


def test_noise_is_no_answer(server, fetch):
    server.answer = lambda request: request.wfile.write(b"\x00\xff" * 100) and None

    assert refusal_of(fetch, server.origin).code == "fetch_failed"


# where to


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://127.0.0.1/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "data:,x",
        "//example.com/",
        "example.com",
        "",
        "https://",
        "https:///path",
        "https://ann@example.com/",
        "https://ann:secret@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com\\.example/",
        "https://[::1",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://exämple.com/",
        "https://example.com/\ud800",
        " https://example.com/",
    ],
)
def test_an_address_of_another_form_is_blocked(url, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", no_look_up)

    assert refusal_of(GuardedFetch(), url).code == "fetch_blocked"


def no_look_up(*args: object, **kwargs: object) -> None:
    raise AssertionError("looked up")


PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "100::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


def resolving_to(address: str) -> Callable[..., list[object]]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", (address, 443))]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_inside_is_blocked(address, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to(address))

    assert refusal_of(GuardedFetch(), "https://rebound.example/").code == "fetch_blocked"


@pytest.mark.parametrize(
    "host",
    ["017700000001", "localhost", "LOCALHOST", "127.0.0.1.", "localhost.", "[::ffff:a9fe:a9fe]"],
)
def test_no_name_of_an_inner_address_gets_through(host):
    assert refusal_of(GuardedFetch(), f"https://{host}/").code in ("fetch_blocked", "fetch_failed")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1", "0"]
)
def test_numbers_of_loopback_are_known_as_such(host):
    assert refusal_of(GuardedFetch(), f"https://{host}/").code == "fetch_blocked"


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111"])
def test_the_address_that_was_checked_is_the_one_connected_to(address, monkeypatch):
    looked_up: list[str] = []
    connected: list[object] = []

    def look_up(host: str, *args: object, **kwargs: object) -> list[object]:
        looked_up.append(host)
        return resolving_to(address)()

    def connect(where: tuple[str, int], *args: object, **kwargs: object) -> None:
        connected.append(where)
        raise OSError("far enough")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)

    assert refusal_of(GuardedFetch(), "https://public.example/").code == "fetch_failed"
    assert looked_up == ["public.example"]
    assert [str(host).strip("[]") for host, _ in connected] == [address]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://%00/",
        "https://a..b/",
        f"https://{'a' * 70}.com/",
    ],
)
def test_an_address_that_cannot_be_is_no_answer(url):
    assert refusal_of(GuardedFetch(), url).code in ("fetch_blocked", "fetch_failed")


def test_an_exemption_is_for_exactly_one_origin(server, fetch):
    port = server.http.server_port

    assert fetch(f"{server.origin}/", max_bytes=10).status == 200
    for url in (
        f"http://127.0.0.1:{port + 1}/",
        f"http://127.0.0.2:{port}/",
        f"http://localhost:{port}/",
        f"https://127.0.0.1:{port}/",
        f"{server.origin}0/",
        f"{server.origin}@example.com/",
        f"http://127.0.0.1:{port}.example.com/",
    ):
        assert refusal_of(fetch, url).code == "fetch_blocked"
    assert len(server.requests) == 1


def test_an_exempt_origin_may_not_send_us_elsewhere(server, fetch):
    server.answer = lambda request: send(request, 302, b"", Location=f"{server.origin}/x")

    assert refusal_of(fetch, server.origin).code == "fetch_blocked"


def test_a_certificate_that_nobody_vouches_for_is_no_answer(server, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    origin = server.origin.replace("http:", "https:")

    refusal = refusal_of(GuardedFetch(exempt=frozenset({origin}), budget=2.0), origin)

    assert refusal.code == "fetch_failed"
    assert "CERTIFICATE_VERIFY_FAILED" in str(refusal.__cause__)
    assert server.requests == []


def test_an_operators_own_authority_vouches_for_exempt_origins(server, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority := self_signed(tmp_path))
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    origin = server.origin.replace("http:", "https:")

    fetch = GuardedFetch(exempt=frozenset({origin}), budget=2.0, private_ca=authority)

    assert fetch(origin, max_bytes=10).status == 200
    assert fetch.post_form(origin, {"a": "b"}).status == 200
    assert GuardedFetch(private_ca=authority).post_form(origin, {}, is_operators=True).status == 200
    # The name still has to fit, and nobody else is let in for it.
    elsewhere = origin.replace("127.0.0.1", "localhost")
    by_name = GuardedFetch(exempt=frozenset({elsewhere}), budget=2.0, private_ca=authority)
    assert "CERTIFICATE_VERIFY_FAILED" in str(refusal_of(by_name, elsewhere).__cause__)
    assert refusal_of(GuardedFetch(private_ca=authority), origin).code == "fetch_blocked"


@pytest.mark.parametrize("text", [None, "", "-----BEGIN CERTIFICATE-----\nAA==\n"])
def test_an_authority_that_cannot_be_read_is_told_at_once(tmp_path, text):
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)

    with pytest.raises(ConfigError) as refused:
        GuardedFetch(private_ca=file)

    assert refused.value.code == "private_ca_unusable"
    assert str(file) in refused.value.detail


def self_signed(folder: Path) -> Path:
    """Return a file with a key and its own word that it is 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_many_fetches_at_once_do_not_mix(server, fetch):
    server.answer = lambda request: send(request, 200, request.path.encode())
    found: dict[int, bytes] = {}

    def ask(number: int) -> None:
        found[number] = fetch(f"{server.origin}/{number}", max_bytes=100).body

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {number: f"/{number}".encode() for number in range(20)}
