"""Whose Matrix OpenID token it is: of the homeservers that were named, and of their own people."""

import json

import pytest

from oidc_bridge.errors import FetchError, MatrixTokenError
from oidc_bridge.matrix.openid import (
    MatrixOpenIDToken,
    MatrixUser,
    find_user,
    read_token,
)
from tests.fakes import FakeFetch

INSIDE = "http://10.0.0.7:8008"
SERVERS = {"matrix.example": INSIDE, "port.example:8448": "https://port.example/"}
TOKEN = {
    "access_token": "OpvGYfRJrCwMhGYpQQKCZRRV",
    "token_type": "Bearer",
    "matrix_server_name": "matrix.example",
    "expires_in": 3600,
}
ASKED = f"{INSIDE}/_matrix/federation/v1/openid/userinfo?access_token=OpvGYfRJrCwMhGYpQQKCZRRV"
READ = MatrixOpenIDToken("OpvGYfRJrCwMhGYpQQKCZRRV", "matrix.example")


def code_of(refusal: pytest.ExceptionInfo[MatrixTokenError]) -> str:
    return refusal.value.code


def find(answer: object, *, status: int = 200, token: MatrixOpenIDToken = READ) -> MatrixUser:
    return find_user(token, homeservers=SERVERS, fetch=FakeFetch({ASKED: (status, answer)}))


def test_a_token_as_homeservers_give_it_is_read() -> None:
    assert read_token(json.dumps(TOKEN).encode()) == READ


def test_what_else_a_client_sends_with_it_is_passed_over() -> None:
    assert read_token(json.dumps({**TOKEN, "state": "allowed"}).encode()) == READ


@pytest.mark.parametrize(
    "body",
    [b"", b"no", b"[]", b'"text"', b"null", b"\xff", b"[" * 200_000, b"{" + b'"a":{' * 100_000],
    ids=repr,
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(MatrixTokenError) as refusal:
        read_token(body)

    assert code_of(refusal) == "token_malformed"


@pytest.mark.parametrize("name", TOKEN)
def test_a_token_that_lacks_one_of_the_four_is_refused(name: str) -> None:
    with pytest.raises(MatrixTokenError) as refusal:
        read_token(json.dumps({key: TOKEN[key] for key in TOKEN if key != name}).encode())

    assert code_of(refusal) == "token_malformed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("access_token", ""),
        ("access_token", "a" * 1025),
        ("access_token", "a\nb"),
        ("access_token", "ä"),
        ("access_token", ["a"]),
        ("token_type", "bearer"),
        ("matrix_server_name", None),
        ("matrix_server_name", ["matrix.example"]),
        ("expires_in", "3600"),
        ("expires_in", True),
        ("expires_in", 0),
        ("expires_in", -1),
    ],
)
def test_a_member_that_no_homeserver_writes_so_is_refused(name: str, value: object) -> None:
    with pytest.raises(MatrixTokenError) as refusal:
        read_token(json.dumps({**TOKEN, name: value}).encode())

    assert code_of(refusal) == "token_malformed"


def test_the_homeserver_says_who_it_is() -> None:
    assert find({"sub": "@ann:matrix.example"}) == MatrixUser("ann", "matrix.example")
    assert MatrixUser("ann", "matrix.example").mxid == "@ann:matrix.example"


def test_a_server_name_with_a_port_is_one() -> None:
    address = "https://port.example/_matrix/federation/v1/openid/userinfo?access_token=t"
    fetch = FakeFetch({address: (200, {"sub": "@ann:port.example:8448"})})

    user = find_user(MatrixOpenIDToken("t", "port.example:8448"), homeservers=SERVERS, fetch=fetch)

    assert user == MatrixUser("ann", "port.example:8448")


def test_a_token_changes_nothing_else_of_the_address() -> None:
    fetch = FakeFetch()

    with pytest.raises(MatrixTokenError):
        find_user(
            MatrixOpenIDToken("a&b=c#d/../?e", "matrix.example"), homeservers=SERVERS, fetch=fetch
        )

    (asked,) = fetch.calls
    assert asked.endswith("/userinfo?access_token=a%26b%3Dc%23d%2F..%2F%3Fe")


@pytest.mark.parametrize(
    "name",
    ["evil.example", "Matrix.example", "matrix.example.", "matrix.example:443", "", INSIDE],
)
def test_a_server_that_the_operator_did_not_name_is_asked_nothing(name: str) -> None:
    fetch = FakeFetch()

    with pytest.raises(MatrixTokenError) as refusal:
        find_user(MatrixOpenIDToken("t", name), homeservers=SERVERS, fetch=fetch)

    assert code_of(refusal) == "server_unknown"
    assert fetch.calls == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "token_refused"),
        (403, "token_refused"),
        (404, "server_unready"),
        (500, "server_unreachable"),
        (204, "server_unreachable"),
    ],
)
def test_a_homeserver_that_does_not_say_who_it_is_names_nobody(status: int, code: str) -> None:
    with pytest.raises(MatrixTokenError) as refusal:
        find({"sub": "@ann:matrix.example"}, status=status)

    assert code_of(refusal) == code


@pytest.mark.parametrize("why", ["fetch_blocked", "fetch_failed", "fetch_too_large"])
def test_a_homeserver_that_cannot_be_asked_names_nobody(why: str) -> None:
    fetch = FakeFetch({ASKED: FetchError(why)})

    with pytest.raises(MatrixTokenError) as refusal:
        find_user(READ, homeservers=SERVERS, fetch=fetch)

    assert code_of(refusal) == "server_unreachable"


@pytest.mark.parametrize(
    "answer",
    [
        {"sub": "@ann:evil.example"},
        {"sub": "@ann:matrix.example:8448"},
        {"sub": "@ann:evil.example:matrix.example"},
        {"sub": "@ann:Matrix.example"},
        {"sub": "@:matrix.example"},
        {"sub": "ann:matrix.example"},
        {"sub": "@ann"},
        {"sub": f"@{'a' * 240}:matrix.example"},
        {"sub": ["@ann:matrix.example"]},
        {"sub": None},
        {},
        [],
        "no JSON",
    ],
    ids=repr,
)
def test_who_is_nobody_of_that_homeserver_is_nobody(answer: object) -> None:
    with pytest.raises(MatrixTokenError) as refusal:
        find(answer)

    assert code_of(refusal) == "user_malformed"


def test_no_refusal_tells_the_token() -> None:
    for status in (401, 404, 500):
        with pytest.raises(MatrixTokenError) as refusal:
            find({}, status=status)
        assert READ.access_token not in str(refusal.value)
