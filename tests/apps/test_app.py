"""Which app asks: read once from `redirectUrl`, by scheme and whole host."""

from dataclasses import replace

import pytest

from oidc_bridge.apps.app import App, which_app
from oidc_bridge.errors import SentError
from oidc_bridge.oidc.client import Client
from tests.driver import HOMESERVER, WIKI


# redirectUrl, and the origin that is meant.
def asks(client: Client, redirect_url: str | None) -> App:
    return which_app(client, client.redirect_uris[0], redirect_url)


WEB = [
    ("https://chat.example", "https://chat.example"),
    ("https://chat.example/", "https://chat.example"),
    ("https://chat.example/#/login", "https://chat.example"),
    ("https://chat.example/a/b?loginToken=x#y", "https://chat.example"),
    ("https://chat.example?x", "https://chat.example"),
    ("https://chat.example#x", "https://chat.example"),
    ("https://chat.example/@evil.example", "https://chat.example"),
    ("https://chat.example?@evil.example", "https://chat.example"),
    ("https://chat.example#@evil.example", "https://chat.example"),
    ("https://chat.example//evil.example", "https://chat.example"),
    ("https://chat.example/%5c%00", "https://chat.example"),
    # a browser writes the host in lower case and without the port that goes without saying
    ("HTTPS://Chat.EXAMPLE/", "https://chat.example"),
    ("https://chat.example:443/", "https://chat.example"),
    ("https://chat.example:0443/", "https://chat.example"),
    ("https://chat.example:/", "https://chat.example"),
    ("https://chat.example./", "https://chat.example"),
    ("https://chat.example.:443/", "https://chat.example"),
    ("http://chat.example:80/", "http://chat.example"),
    # other ports are other apps, and http is not https
    ("https://chat.example:8443/", "https://chat.example:8443"),
    ("https://chat.example:80/", "https://chat.example:80"),
    ("http://chat.example:443/", "http://chat.example:443"),
    ("https://chat.example:65535/", "https://chat.example:65535"),
    ("http://chat.example/", "http://chat.example"),
    ("http://localhost:8080/", "http://localhost:8080"),
    # other hosts are other apps
    ("https://evil.chat.example/", "https://evil.chat.example"),
    ("https://chat.example.evil.example/", "https://chat.example.evil.example"),
    ("https://xn--cht-5cd.example/", "https://xn--cht-5cd.example"),
    ("https://127.0.0.1/", "https://127.0.0.1"),
    ("https://[2001:DB8::1]/", "https://[2001:db8::1]"),
    ("https://[2001:db8::1]:443/", "https://[2001:db8::1]"),
    ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
    (f"https://{'a' * 63}.example/", f"https://{'a' * 63}.example"),
    ("https://chat.example/" + "p" * 4075, "https://chat.example"),
]


@pytest.mark.parametrize(("redirect_url", "origin"), WEB)
def test_a_web_app_is_known_by_its_origin(redirect_url, origin):
    app = asks(HOMESERVER, redirect_url)

    host = origin.removeprefix("https://")  # that anybody can listen is not left out
    assert app == App(key=origin, title=host, host=host, kind="web")


NATIVE = [
    ("element://vector/webapp/", "element"),
    ("element:", "element"),
    ("ELEMENT:/", "element"),
    ("io.element.desktop:/vector/webapp/#/x", "io.element.desktop"),
    ("im.fluffychat://login", "im.fluffychat"),
    ("web+matrix:r/x", "web+matrix"),
    ("x-app:", "x-app"),
    ("nheko://chat.example@evil.example", "nheko"),
]


@pytest.mark.parametrize(("redirect_url", "scheme"), NATIVE)
def test_an_app_on_the_device_is_known_by_its_scheme(redirect_url, scheme):
    app = asks(HOMESERVER, redirect_url)

    assert app == App(f"{scheme}:", f"{scheme} on this device", "", "native")


REFUSED = {
    "nothing": "",
    "a word": "chat",
    "a host": "chat.example",
    "a path": "/login",
    "no scheme": "//chat.example/",
    "empty scheme": "://chat.example/",
    "scheme of one letter": "c:/windows",
    "scheme with a digit in front": "1chat:",
    "scheme with an underscore": "my_chat:",
    "scheme too long": "a" * 65 + ":",
    "no host": "https://",
    "empty host and a path": "https:///chat.example/",
    "one slash": "https:/chat.example/",
    "no slash": "https:chat.example",
    "port alone": "https://:443/",
    "dot alone": "https://./",
    "dots alone": "https://../",
    "user": "https://chat.example@evil.example/",
    "user of ours": "https://evil@chat.example/",
    "user and password": "https://chat.example:443@evil.example/",
    "empty user": "https://@chat.example/",
    "encoded slash before the at": "https://chat.example%2f@evil.example/",
    "backslash": "https://chat.example\\",
    "backslash and at": "https://evil.example\\@chat.example/",
    "backslashes after the scheme": "https:\\\\chat.example/",
    "backslash far behind": "https://chat.example/a\\b",
    "space": "https://chat.example/ ",
    "space in front": " https://chat.example/",
    "space in host": "https://chat .example/",
    "tab in host": "https://chat\t.example/",
    "tab in scheme": "java\tscript:alert(1)",
    "line feed": "https://chat.example/\n",
    "NUL": "https://chat.example/\0",
    "control character in front": "\x01javascript:alert(1)",
    "DEL": "https://chat.example/\x7f",
    "umlaut": "https://ch\u00e4t.example/",
    "Cyrillic letter": "https://ch\u0430t.example/",
    "full-width letter": "https://\uff43hat.example/",
    "ideographic full stop": "https://chat\u3002example/",
    "zero-width space": "https://chat\u200b.example/",
    "umlaut in the path": "https://chat.example/\u00fc",
    "percent in host": "https://%63hat.example/",
    "encoded NUL in host": "https://chat.example%00.evil.example/",
    "semicolon in host": "https://chat.example;x/",
    "comma in host": "https://chat.example,evil.example/",
    "wildcard": "https://*.example/",
    "quote in host": "https://chat.example'/",
    "markup in host": "https://<b>chat.example/",
    "exclamation mark in host": "https://chat.example!/",
    "host too long": f"https://{'a' * 254}/",
    "port too big": "https://chat.example:65536/",
    "port negative": "https://chat.example:-1/",
    "port with a plus": "https://chat.example:+443/",
    "port no number": "https://chat.example:port/",
    "two ports": "https://chat.example:443:8443/",
    "bracket open": "https://[::1/",
    "empty brackets": "https://[]/",
    "name in brackets": "https://[chat.example]/",
    "address of version 4 in brackets": "https://[127.0.0.1]/",
    "address of the future in brackets": "https://[v1.chat.example]/",
    "zone": "https://[fe80::1%25eth0]/",
    "address without brackets": "https://2001:db8::1/",
    "name before the bracket": "https://chat.example[::1]/",
    "name behind the bracket": "https://[::1].chat.example/",
    "directive behind the bracket": "https://[::1];sandbox/",
    "very long": "https://chat.example/" + "p" * 4076,
    "very long scheme": "element:" + "p" * 4096,
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_address_that_two_readers_could_read_differently_is_no_app(case):
    with pytest.raises(SentError) as caught:
        asks(HOMESERVER, REFUSED[case])

    assert caught.value.code == "invalid_request"


DANGEROUS = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "javascript://chat.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "intent://chat.example/#Intent;scheme=https;end",
    "file:///etc/passwd",
    "blob:https://chat.example/x",
    "filesystem:https://chat.example/x",
    "about:blank",
    "view-source:https://chat.example/",
    "chrome://settings",
    "resource://x",
    "ftp://chat.example/",
    "ws://chat.example/",
    "wss://chat.example/",
]


@pytest.mark.parametrize("redirect_url", DANGEROUS)
def test_a_scheme_by_which_a_browser_runs_or_shows_something_is_no_app(redirect_url):
    with pytest.raises(SentError) as caught:
        asks(HOMESERVER, redirect_url)

    assert caught.value.code == "invalid_request"


def test_the_refusal_repeats_nothing_of_what_was_sent():
    details = set()

    for redirect_url in (*DANGEROUS, *REFUSED.values()):
        try:
            asks(HOMESERVER, redirect_url)
        except SentError as error:
            details.add(error.detail)

    assert details == {"The address of the app (redirectUrl) cannot be used."}


def test_apps_are_told_apart_by_their_whole_host():
    look_alikes = [
        "https://chat.example/",
        "https://chat.example.evil.example/",
        "https://evil-chat.example/",
        "https://evil.chat.example/",
        "https://chat.example:8443/",
        "http://chat.example/",
        "https://chat-example/",
        "https://chat.examples/",
    ]

    keys = {asks(HOMESERVER, redirect_url).key for redirect_url in look_alikes}

    assert len(keys) == len(look_alikes)


def test_a_native_app_never_has_the_key_of_a_web_app():
    assert asks(HOMESERVER, "chat.example:443").key == "chat.example:"
    assert asks(HOMESERVER, "https://chat.example:443").key == "https://chat.example"


def test_a_homeserver_that_names_no_app_asks_for_a_reauthentication():
    assert asks(HOMESERVER, None) == App("", "matrix.example", "", "unknown")


def test_any_other_client_is_itself_the_app():
    assert asks(WIKI, None) == App("https://wiki.example", "The Wiki", "wiki.example", "client")


def test_a_client_that_is_no_homeserver_cannot_pass_itself_off_as_an_app():
    assert asks(WIKI, "https://chat.example/") == asks(WIKI, None)
    assert asks(WIKI, "javascript:alert(1)") == asks(WIKI, None)


def test_a_client_is_shown_with_the_host_that_the_person_goes_back_to():
    uris = ("https://wiki.example:8443/cb", "https://b.example/cb")

    apps = [which_app(replace(WIKI, redirect_uris=uris), uri, None) for uri in uris]

    assert [app.host for app in apps] == ["wiki.example:8443", "b.example"]
    assert apps[0].key != apps[1].key
