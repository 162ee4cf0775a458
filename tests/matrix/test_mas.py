"""What MAS is told: YAML that says exactly what is meant, and fits what is registered here."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from oidc_bridge.errors import BridgeError
from oidc_bridge.matrix.mas import (
    Mas,
    backchannel_uri,
    callback_uri,
    find_mas,
    new_provider_id,
    snippet,
)
from tests.driver import ISSUER
from tests.matrix.test_synapse import HOSTILE

ULID = "01HFVBY12TMNTYTBV8W921M5FA"
BASE = "https://account.example.org"


def provider_with(
    *, name: str = "Example ID", secret: str = "", scopes: tuple[str, ...] = ("openid",)
) -> dict[str, Any]:
    """Return the only provider of a snippet."""
    text = snippet(
        "mas",
        scopes,
        provider_id=ULID,
        issuer=ISSUER,
        name=name,
        secret=secret,
        algorithm="RS256",
    )
    document = yaml.safe_load(text)
    assert list(document) == ["upstream_oauth2"]
    (provider,) = document["upstream_oauth2"]["providers"]
    return provider


def test_the_snippet_says_what_mas_must_know():
    assert provider_with(scopes=("openid", "profile", "email")) == {
        "id": ULID,
        "issuer": ISSUER,
        "human_name": "Example ID",
        "client_id": "mas",
        "client_secret": "",
        "token_endpoint_auth_method": "client_secret_basic",
        "id_token_signed_response_alg": "RS256",
        "scope": "openid profile",
        "pkce_method": "always",
        "fetch_userinfo": False,
        "on_backchannel_logout": "logout_all",
        "additional_authorization_parameters": {
            "redirectUrl": "{{ params.redirect_uri }}",
            "prompt": "{% if logged_out %}login{% endif %}",
        },
        "claims_imports": {
            "skip_confirmation": True,
            "subject": {"template": "{{ user.sub }}"},
            "localpart": {
                "action": "require",
                "template": "{{ user.preferred_username }}",
                "on_conflict": "fail",
            },
            "displayname": {"action": "force", "template": "{{ user.name }}"},
            "email": {"action": "ignore"},
            "account_name": {"template": "{{ user.preferred_username }}"},
        },
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_or_secret_stays_a_string(text):
    assert provider_with(name=text) == {**provider_with(), "human_name": text}
    assert provider_with(secret=text) == {**provider_with(), "client_secret": text}


def test_nobody_gets_an_account_that_was_anothers():
    assert provider_with(name="on_conflict: add")["claims_imports"]["localpart"] == {
        "action": "require",
        "template": "{{ user.preferred_username }}",
        "on_conflict": "fail",
    }


@pytest.mark.parametrize("base", [BASE, f"{BASE}/", "https://example.org/mas/"])
def test_what_is_registered_is_found_again(base):
    callback = callback_uri(base, ULID)

    assert callback == f"{base.rstrip('/')}/upstream/callback/{ULID}"
    assert backchannel_uri(base, ULID) == f"{base.rstrip('/')}/upstream/backchannel-logout/{ULID}"
    assert find_mas(["https://other.example/", callback]) == Mas(base.rstrip("/"), ULID)


@pytest.mark.parametrize(
    "uri",
    [
        f"{BASE}/upstream/callback/",
        f"{BASE}/upstream/callback/{ULID}x",
        f"{BASE}/upstream/callback/{ULID.lower()}",
        f"{BASE}/upstream/callback/{ULID}?x",
        f"/upstream/callback/{ULID}",
        f"{BASE}/_synapse/client/oidc/callback",
    ],
)
def test_what_only_looks_like_a_mas_is_none(uri):
    assert find_mas([uri]) is None


@pytest.mark.parametrize("wrong", ["", "x", ULID.lower(), f"8{ULID[1:]}", f"{ULID}\n", f"{ULID}/"])
def test_an_id_that_mas_would_not_take_is_refused(wrong):
    for make in (callback_uri, backchannel_uri):
        with pytest.raises(BridgeError) as refused:
            make(BASE, wrong)
        assert refused.value.code == "homeserver_invalid"


@pytest.mark.parametrize(
    "wrong", ["", "account.example.org", f"{BASE}?x", f"{BASE}#x", "ftp://a.b"]
)
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(BridgeError) as refused:
        callback_uri(wrong, ULID)

    assert refused.value.code == "homeserver_invalid"


def test_a_new_id_is_a_ulid_that_tells_its_time():
    """The example of the ULID specification: 01ARYZ6S41 is the 30th of July 2016."""
    at = datetime.fromtimestamp(1469918176.385, UTC)

    assert new_provider_id(at, b"\0" * 10) == "01ARYZ6S41" + "0" * 16
    assert new_provider_id(at, b"\xff" * 10) == "01ARYZ6S41" + "Z" * 16
    assert re.fullmatch("[0-9A-Z]{26}", new_provider_id(at, bytes(range(10))))
