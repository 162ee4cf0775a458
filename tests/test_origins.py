"""Origins are read as browsers read them, or not at all."""

import pytest

from oidc_bridge.origins import read_origin


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://id.example", "https://id.example"),
        ("HTTPS://ID.Example/Path?q#f", "https://id.example"),
        ("https://id.example:443/", "https://id.example"),
        ("https://id.example:/", "https://id.example"),
        ("https://id.example:08443/", "https://id.example:8443"),
        ("http://localhost:8008", "http://localhost:8008"),
        ("http://synapse_main:8008/x", "http://synapse_main:8008"),
        ("https://[2001:DB8:0::1]:8443/", "https://[2001:db8::1]:8443"),
        ("https://127.0.0.1", "https://127.0.0.1"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_scheme_host_and_port(address: str, origin: str) -> None:
    assert str(read_origin(address)) == origin


@pytest.mark.parametrize(
    "address",
    [
        *("", "id.example", "//id.example", "ftp://id.example", "https:id.example", "https://"),
        *("https://user@id.example", "https://:pw@id.example", "https://id.example\\@evil.example"),
        *("https://id example", "https://id.example\n", "https://b\u00fccher.example"),
        *("https://id..example", "https://.example", "https://.", "https://*.example"),
        *("https://id.example;x", "https://id.example'", "https://id%2eexample"),
        *("https://[::1", "https://[id.example]", "https://[::1].evil.example", "https://x[::1]"),
        *("https://2130706433", "https://0x7f.1", "https://127.1", "https://256.0.0.1"),
        *("https://id.example:99999", "https://id.example:-1", "https://id.example:x"),
        "https://" + "a" * 254,
    ],
)
def test_what_two_readers_could_read_differently_is_no_origin(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_origin(address)


@pytest.mark.parametrize(
    ("address", "trustworthy"),
    [
        ("https://id.example", True),
        ("http://localhost:1", True),
        ("http://127.0.0.1", True),
        ("http://[::1]", True),
        ("http://id.example", False),
        ("http://localhost.example", False),
        ("http://127.0.0.2", False),
    ],
)
def test_plain_http_is_for_this_machine_only(address: str, trustworthy: bool) -> None:
    assert read_origin(address).is_trustworthy is trustworthy
