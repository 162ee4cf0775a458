"""What Synapse is told: YAML that says exactly what is meant, whatever names and secrets hold."""

import pytest
import yaml

from oidc_bridge.errors import BridgeError
from oidc_bridge.matrix.synapse import backchannel_uri, callback_uri, server_name_of, snippet
from tests.driver import ISSUER

SCOPES = ("openid", "profile")
SECRET = ("client_secret", "s3cret_-")


def provider_with(
    *,
    name: str = "Example ID",
    scopes: tuple[str, ...] = SCOPES,
    secret_line: tuple[str, str] = SECRET,
) -> dict[str, object]:
    """Return the only provider of a snippet, as Synapse's own loader reads it."""
    text = snippet("synapse", scopes, issuer=ISSUER, name=name, secret_line=secret_line)
    document = yaml.safe_load(text)
    assert list(document) == ["oidc_providers"]
    (provider,) = document["oidc_providers"]
    return provider


def test_the_snippet_says_what_synapse_must_know():
    assert provider_with() == {
        "idp_id": "stacks",
        "idp_name": "Example ID",
        "issuer": "https://bridge.example",
        "client_id": "synapse",
        "client_secret": "s3cret_-",
        "client_auth_method": "client_secret_basic",
        "pkce_method": "always",
        "scopes": ["openid", "profile"],
        "user_profile_method": "auto",
        "backchannel_logout_enabled": True,
        "passthrough_authorization_parameters": ["redirectUrl"],
        "allow_existing_users": False,
        "enable_registration": True,
        "user_mapping_provider": {
            "config": {
                "subject_template": "{{ user.sub }}",
                "localpart_template": "{{ user.preferred_username }}",
                "display_name_template": "{{ user.name }}",
                "picture_template": "{{ user.picture }}",
            }
        },
    }


def test_the_secret_may_stay_in_a_file():
    line = ("client_secret_path", "/etc/matrix-synapse/oidc.secret")

    provider = provider_with(secret_line=line)

    assert provider["client_secret_path"] == "/etc/matrix-synapse/oidc.secret"
    assert "client_secret" not in provider


HOSTILE = [
    "yes",
    "null",
    "~",
    "0x10",
    "1e3",
    "2026-01-01",
    "a: b",
    "a #b",
    "# a",
    "- a",
    "[a]",
    "{a: b}",
    "{{ user.sub }}",
    "&a",
    "*a",
    "!!python/object:os.system",
    "%a",
    "@a",
    "`a`",
    "'",
    '"',
    "\\",
    "\\n",
    '"\nallow_existing_users: true\n"',
    "a\nallow_existing_users: true",
    "a\r\nb",
    "a\tb",
    "a\0b",
    "a\x07b",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
    "a\ufeffb",
    "a\u202eb",
    "\u00fcml\u00e4ut",
    "\u4f60\u597d",
    "\U0001f511 Example ID",
    " a ",
    "",
    "a" * 4096,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_stays_a_string(text):
    assert provider_with(name=text) == {**provider_with(), "idp_name": text}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("key", ["client_secret", "client_secret_path"])
def test_a_hostile_secret_stays_a_string(key, text):
    provider = provider_with(secret_line=(key, text))

    assert provider[key] == text
    assert provider["allow_existing_users"] is False


@pytest.mark.parametrize("scopes", [SCOPES, ("openid",), (), ("openid", "email", "profile")])
def test_existing_users_are_never_given_away(scopes):
    provider = provider_with(name="allow_existing_users: true", scopes=scopes)

    assert provider["allow_existing_users"] is False


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        (("openid", "profile"), ["openid", "profile"]),
        (("openid",), ["openid"]),
        (("openid", "profile", "email", "offline_access"), ["openid", "profile"]),
        (("openid", "email", "profile"), ["openid", "profile"]),
        (("profile", "openid"), ["openid", "profile"]),
        (("email", "profile", "openid"), ["openid", "profile"]),
        (("openid", "email"), ["openid"]),
    ],
)
def test_synapse_asks_for_the_id_and_the_profile_never_for_an_address(allowed, asked):
    """An e-mail address that Synapse maps is taken from any other account that has it."""
    provider = provider_with(scopes=allowed)

    assert provider["scopes"] == asked


BASES = [
    ("https://matrix.example", "https://matrix.example"),
    ("https://matrix.example/", "https://matrix.example"),
    ("https://matrix.example//", "https://matrix.example"),
    ("https://matrix.example:8448/", "https://matrix.example:8448"),
    ("https://example.org/matrix/", "https://example.org/matrix"),
    ("http://localhost:8448/", "http://localhost:8448"),
]


@pytest.mark.parametrize(("homeserver", "base"), BASES)
def test_synapse_listens_below_its_public_baseurl(homeserver, base):
    assert callback_uri(homeserver) == f"{base}/_synapse/client/oidc/callback"
    assert backchannel_uri(homeserver) == f"{base}/_synapse/client/oidc/backchannel_logout"


@pytest.mark.parametrize(
    "homeserver",
    [
        "",
        "matrix.example",
        "//matrix.example",
        "https://",
        "https:///path",
        "ftp://matrix.example",
        "javascript:alert(1)",
        "https://matrix.example?a=b",
        "https://matrix.example?",
        "https://matrix.example#top",
        "https://matrix.example#",
        "https://[::1",
    ],
)
def test_what_is_no_public_baseurl_is_refused(homeserver):
    for make in (callback_uri, backchannel_uri):
        with pytest.raises(BridgeError) as caught:
            make(homeserver)
        assert caught.value.code == "homeserver_invalid"


def test_a_homeserver_that_says_nothing_else_is_named_for_its_host():
    assert server_name_of("https://matrix.example/") == "matrix.example"
    assert server_name_of("https://matrix.example:8448/x") == "matrix.example:8448"
