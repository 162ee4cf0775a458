"""How operators spell apps, people and dates: one reading, or a code and a hint."""

from datetime import UTC, datetime, timedelta

import pytest

from oidc_bridge.apps.app import which_app
from oidc_bridge.apps.spelling import check_say, read_app_name, read_note, read_until, read_who
from oidc_bridge.errors import BridgeError
from oidc_bridge.proofs.addresses import Address, Kind
from tests.driver import HOMESERVER
from tests.fakes import NOW

HASH = bytes(range(20))
SP, BTC = Address(HASH).c32, Address(HASH).btc

APPS = {
    "https://chat.example": "https://chat.example",
    "https://chat.example/": "https://chat.example",
    "HTTPS://Chat.Example:443": "https://chat.example",
    "https://chat.example.": "https://chat.example",
    "https://chat.example.:8448": "https://chat.example:8448",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
    "http://localhost:8080": "http://localhost:8080",
    "http://[::1]:8080": "http://[::1]:8080",
    "http://chat.example": "http://chat.example",
    "element:": "element:",
    "IO.Element.Desktop:": "io.element.desktop:",
    "client:wiki": "client:wiki",
}


@pytest.mark.parametrize("text", APPS)
def test_an_app_is_named_as_rules_know_it(text):
    assert read_app_name(text) == APPS[text]


@pytest.mark.parametrize("text", [text for text in APPS if not text.startswith("client:")])
def test_an_app_that_asks_is_found_by_the_name_that_an_operator_wrote(text):
    asks = text if text.endswith(":") and "//" not in text else f"{text.removesuffix('/')}/#/login"

    assert which_app(HOMESERVER, HOMESERVER.redirect_uris[0], asks).key == read_app_name(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "whole origin"),
        ("*", "app default"),
        ("https://*.example", "app default"),
        ("chat.example", "whole origin"),
        ("chat.example:8448", "whole origin"),
        ("https://chat.example/app", "without a path"),
        ("https://chat.example/?a", "without a path"),
        ("https://chat.example#/", "without a path"),
        ("https://chat.example//", "without a path"),
        ("https://chat.example@evil.example", "plain host"),
        ("https://evil.example\\@chat.example", "backslashes"),
        ("https://chat.ex\u0430mple", "xn--"),
        ("https://chat.example\u3002evil", "xn--"),
        ("https://chat example", "spaces"),
        ("https://chat.example\n", "printable"),
        ("https://chat.example:99999", "port"),
        ("https://0x7f.1", ""),
        ("ftp://chat.example", "plain host"),
        ("javascript:", "whole origin"),
        ("data:", "whole origin"),
        ("element:login", "whole origin"),
        ("client:", "id of a client"),
        ("client:a b", "id of a client"),
        ("client:w\u0456ki", "id of a client"),
    ],
)
def test_what_is_no_app_for_certain_is_refused_with_a_hint(text, hint):
    with pytest.raises(BridgeError) as refused:
        read_app_name(text)

    assert refused.value.code == "app_malformed"
    assert hint in refused.value.detail


@pytest.mark.parametrize("say", ["allow", "alone"])
def test_an_app_by_plain_http_is_let_in_on_this_machine_alone(say):
    check_say("http://localhost:8080", say)
    check_say("https://chat.example", say)

    with pytest.raises(BridgeError) as refused:
        check_say("http://chat.example:8080", say)

    assert refused.value.code == "app_insecure"
    assert "https://chat.example:8080" in refused.value.detail


def test_an_app_by_plain_http_can_be_denied():
    check_say("http://chat.example", "deny")


def test_a_client_that_is_the_app_cannot_be_alone():
    check_say("client:wiki", "allow")
    check_say("client:wiki", "deny")

    with pytest.raises(BridgeError) as refused:
        check_say("client:wiki", "alone")

    assert refused.value.code == "alone_impossible"


PEOPLE = {
    SP: ("address", SP),
    BTC: ("address", SP),
    "antelope:aca376f206b8fc25a6ed44dbdc66547c:alice.gm": (
        "address",
        "antelope:aca376f206b8fc25a6ed44dbdc66547c:alice.gm",
    ),
    "ann.btc": ("name", "ann.btc"),
    "Ann.BTC": ("name", "ann.btc"),
    "ann.id.blockstack": ("name", "ann.id.blockstack"),
    "*.btc": ("pattern", "*.btc"),
    "*.Example.btc": ("pattern", "*.example.btc"),
}


@pytest.mark.parametrize("text", PEOPLE)
def test_a_persons_shape_tells_what_it_is(text):
    who = read_who(text)

    assert (who.kind, who.text) == PEOPLE[text]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "*",
        "*.",
        "*.*",
        "*.*.btc",
        "a*.btc",
        "ann.*",
        "*.a.b.c",
        "*.a..btc",
        "*.btc\n",
        "*.\u212abtc",
        "ann",
        "ann.",
        ".btc",
        "ann..btc",
        "a.b.c.d",
        "ann.btc ",
        "ann.btc\n",
        "\u0430nn.btc",
        "\u212aim.btc",
        "ann\uff0ebtc",
        "ann\u200b.btc",
        f"{'a' * 49}.btc",
        SP.lower(),
        "antelope:aca376f206b8fc25a6ed44dbdc66547c:alice.",
        "antelope:aca376f206b8fc25a6ed44dbdc6654:alice",
        "antelope:alice",
        SP[:-1],
        f"{SP[:-1]}{'0' if SP[-1] != '0' else '1'}",
        SP.replace("0", "O"),
        f"{SP}.contract",
        f"{SP.lower()}.contract",
        BTC[:-1],
        Address(HASH, Kind.MAINNET_MULTI).c32,
        Address(HASH, Kind.TESTNET_SINGLE).c32,
        "@ann",
        "did:btc-addr:1abc",
        "1" * 5000,
    ],
)
def test_whoever_is_nobody_for_certain_is_refused(text):
    with pytest.raises(BridgeError) as refused:
        read_who(text)

    assert refused.value.code == "who_malformed"


def test_a_matrix_id_is_told_from_what_is_no_address():
    with pytest.raises(BridgeError) as refused:
        read_who("@ann:example.org")

    assert refused.value.code == "who_is_matrix_id"


def test_a_day_counts_whole():
    day = (NOW + timedelta(days=3)).date()

    until = read_until(day.isoformat(), now=NOW)

    assert until == datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    assert read_until(NOW.date().isoformat(), now=NOW) > NOW


def test_a_time_says_its_zone():
    day = (NOW + timedelta(days=3)).date()

    assert read_until(f"{day}T18:00+01:00", now=NOW) == datetime(
        day.year, day.month, day.day, 17, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2099-13-01", "2099-01-01T18:00", "9999-12-31", "31.01.2099"]
)
def test_a_date_that_cannot_be_read_is_refused(text):
    with pytest.raises(BridgeError) as refused:
        read_until(text, now=NOW)

    assert refused.value.code == "until_malformed"


def test_what_would_be_over_already_is_refused():
    with pytest.raises(BridgeError) as refused:
        read_until((NOW - timedelta(days=1)).date().isoformat(), now=NOW)

    assert refused.value.code == "until_past"


def test_a_note_is_one_line():
    assert read_note("  a \n trial ") == "a trial"


@pytest.mark.parametrize("text", ["n" * 301, "a\x00b", "a\u202eb", "a\ud800"])
def test_a_note_that_cannot_be_seen_is_refused(text):
    with pytest.raises(BridgeError) as refused:
        read_note(text)

    assert refused.value.code == "note_malformed"
