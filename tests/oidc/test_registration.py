"""What a client says of itself: taken as it is, or refused by name."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey, OctKey

from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.client import Client, SoftwareStatement
from oidc_bridge.oidc.policy import check_change, check_client, read_keys
from oidc_bridge.oidc.registration import (
    MAX_DOCUMENT,
    check_sector,
    describe,
    read_client,
    read_document,
)
from oidc_bridge.oidc.scopes import SCOPES
from tests.driver import HOMESERVER, WIKI

URI = "https://shop.example/cb"
KEY = ECKey.generate_key("P-256", private=True)
JWK = KEY.as_dict(private=False, kid="one")
FULL = {
    "application_type": "web",
    "backchannel_logout_session_required": True,
    "backchannel_logout_uri": "https://shop.example/logout",
    "client_name": "The Shop",
    "client_uri": "https://shop.example",
    "contacts": ["ann@shop.example"],
    "default_max_age": 3600,
    "dpop_bound_access_tokens": True,
    "grant_types": ["authorization_code", "refresh_token"],
    "id_token_signed_response_alg": "ES256",
    "initiate_login_uri": "https://shop.example/login",
    "introspection_signed_response_alg": "EdDSA",
    "jwks": {"keys": [JWK]},
    "logo_uri": "https://shop.example/logo.png",
    "policy_uri": "https://www.shop.example/privacy",
    "post_logout_redirect_uris": ["https://shop.example/bye"],
    "redirect_uris": [URI],
    "request_object_signing_alg": "RS256",
    "require_auth_time": True,
    "require_pushed_authorization_requests": True,
    "require_signed_request_object": True,
    "response_types": ["code"],
    "scope": "openid email",
    "sector_identifier_uri": "https://sector.example/uris.json",
    "software_id": "shop",
    "software_version": "1.0",
    "subject_type": "pairwise",
    "token_endpoint_auth_method": "private_key_jwt",
    "token_endpoint_auth_signing_alg": "EdDSA",
    "tos_uri": "https://shop.example/terms",
    "userinfo_signed_response_alg": "RS256",
}


def taken(**members: object) -> dict[str, object]:
    described = describe(read_client({"redirect_uris": [URI], **members}, client_id="shop"))
    return json.loads(json.dumps(described))


def refused(**members: object) -> str:
    with pytest.raises(BridgeError) as caught:
        taken(**members)
    return caught.value.code


@pytest.mark.spec("RFC 7591", "3.2.1")
def test_every_member_is_answered_as_it_was_taken():
    assert taken(**FULL) == {**FULL, "client_id": "shop"}


@pytest.mark.spec("RFC 7591", "2")
def test_what_is_not_said_has_the_standards_default():
    assert taken() == {
        "application_type": "web",
        "backchannel_logout_session_required": False,
        "client_id": "shop",
        "client_name": "shop.example",
        "dpop_bound_access_tokens": False,
        "grant_types": ["authorization_code"],
        "id_token_signed_response_alg": "RS256",
        "introspection_signed_response_alg": "RS256",
        "redirect_uris": [URI],
        "require_auth_time": False,
        "require_pushed_authorization_requests": False,
        "require_signed_request_object": False,
        "response_types": ["code"],
        "scope": " ".join(SCOPES),
        "subject_type": "pairwise",
        "token_endpoint_auth_method": "client_secret_basic",
    }


@pytest.mark.spec("RFC 7591", "2")
def test_a_member_that_we_do_not_know_is_ignored_and_not_answered():
    plain = taken()

    assert taken(frontchannel_logout_uri="https://shop.example/x", other={"a": [1]}) == plain
    assert taken(client_name=None, jwks=None, software_statement=None) == plain


@pytest.mark.spec("OIDC Core", "8.1")
def test_the_subject_type_is_answered_truthfully():
    assert taken(subject_type="public")["subject_type"] == "pairwise"


def test_d5_a_client_chooses_neither_its_id_nor_its_secret():
    answered = taken(client_id="admin", client_secret="chosen")

    assert answered["client_id"] == "shop"
    assert "client_secret" not in answered


def test_grants_and_scopes_that_are_not_offered_are_left_out():
    answered = taken(grant_types=["authorization_code", "implicit"], scope="openid admin")

    assert answered["grant_types"] == ["authorization_code"]
    assert answered["scope"] == "openid"


KEYS = {"keys": [JWK]}
BAD = {
    "redirect_uris: none": {"redirect_uris": []},
    "redirect_uris: text": {"redirect_uris": URI},
    "redirect_uris: lists": {"redirect_uris": [[URI]]},
    "redirect_uris: numbers": {"redirect_uris": [1]},
    "redirect_uris: nothing": {"redirect_uris": None},
    "redirect_uris: object": {"redirect_uris": {"a": URI}},
    "redirect_uris: http": {"redirect_uris": ["http://shop.example/cb"]},
    "redirect_uris: fragment": {"redirect_uris": [f"{URI}#x"]},
    "redirect_uris: user": {"redirect_uris": ["https://a@shop.example/cb"]},
    "redirect_uris: javascript": {"redirect_uris": ["javascript:alert(1)"]},
    "redirect_uris: data": {"redirect_uris": ["data:text/html,x"]},
    "redirect_uris: one is bad": {"redirect_uris": [URI, "javascript:alert(1)"]},
    "redirect_uris: too many": {"redirect_uris": [f"{URI}/{n}" for n in range(51)]},
    "redirect_uris: own scheme, but web": {"redirect_uris": ["org.shop.app:/cb"]},
    "redirect_uris: scheme without a dot": {
        "redirect_uris": ["shop:/cb"],
        "application_type": "native",
    },
    "redirect_uris: two slashes": {
        "redirect_uris": ["org.shop.app://cb"],
        "application_type": "native",
    },
    "client_name: long": {"client_name": "x" * 10_000},
    "client_name: just too long": {"client_name": "x" * 201},
    "client_name: empty": {"client_name": ""},
    "client_name: spaces": {"client_name": "   "},
    "client_name: turned around": {"client_name": "moc.knab\u202e"},
    "client_name: unseen": {"client_name": "Sh\u200bop"},
    "client_name: line break": {"client_name": "Shop\nFree"},
    "client_name: NUL": {"client_name": "Shop\0"},
    "client_name: half a sign": {"client_name": "Shop\ud800"},
    "client_name: list": {"client_name": ["Shop"]},
    "client_name: number": {"client_name": 7},
    "contacts: text": {"contacts": "ann@shop.example"},
    "contacts: nested": {"contacts": [[["ann"]]]},
    "client_uri: javascript": {"client_uri": "javascript:alert(1)"},
    "client_uri: http": {"client_uri": "http://shop.example"},
    "logo_uri: javascript": {"logo_uri": "javascript:alert(1)"},
    "logo_uri: data": {"logo_uri": "data:image/svg+xml,<svg onload=alert(1)>"},
    "logo_uri: user": {"logo_uri": "https://a:b@shop.example/logo"},
    "policy_uri: http": {"policy_uri": "http://shop.example/p"},
    "policy_uri: markup": {"policy_uri": 'https://shop.example"><script>'},
    "tos_uri: relative": {"tos_uri": "/terms"},
    "initiate_login_uri: http": {"initiate_login_uri": "http://shop.example/login"},
    "jwks_uri: http": {"jwks_uri": "http://shop.example/jwks"},
    "jwks_uri: file": {"jwks_uri": "file:///etc/passwd"},
    "sector_identifier_uri: http": {"sector_identifier_uri": "http://shop.example/s"},
    "post_logout_redirect_uris: javascript": {"post_logout_redirect_uris": ["javascript:x"]},
    "post_logout_redirect_uris: text": {"post_logout_redirect_uris": URI},
    "backchannel_logout_uri: ftp": {"backchannel_logout_uri": "ftp://shop.example"},
    "backchannel_logout_uri: list": {"backchannel_logout_uri": [URI]},
    "application_type: unknown": {"application_type": "service"},
    "application_type: list": {"application_type": ["web"]},
    "response_types: implicit": {"response_types": ["token"]},
    "response_types: text": {"response_types": "code"},
    "grant_types: none that is offered": {"grant_types": ["password"]},
    "token_endpoint_auth_method: unknown": {"token_endpoint_auth_method": "client_secret_jwt"},
    "token_endpoint_auth_method: list": {"token_endpoint_auth_method": ["none"]},
    "token_endpoint_auth_method: keys missing": {"token_endpoint_auth_method": "private_key_jwt"},
    "id_token_signed_response_alg: none": {"id_token_signed_response_alg": "none"},
    "id_token_signed_response_alg: HS256": {"id_token_signed_response_alg": "HS256"},
    "id_token_signed_response_alg: object": {"id_token_signed_response_alg": {}},
    "userinfo_signed_response_alg: none": {"userinfo_signed_response_alg": "none"},
    "request_object_signing_alg: none": {"request_object_signing_alg": "none"},
    "id_token_encrypted_response_alg": {"id_token_encrypted_response_alg": "RSA-OAEP"},
    "subject_type: unknown": {"subject_type": "private"},
    "default_max_age: negative": {"default_max_age": -1},
    "default_max_age: true": {"default_max_age": True},
    "default_max_age: huge": {"default_max_age": 10**400},
    "default_max_age: text": {"default_max_age": "60"},
    "require_auth_time: text": {"require_auth_time": "true"},
    "scope: no openid": {"scope": "email"},
    "scope: list": {"scope": ["openid"]},
    "jwks: both ways": {"jwks": KEYS, "jwks_uri": "https://shop.example/jwks"},
    "jwks: text": {"jwks": json.dumps(KEYS)},
    "jwks: no keys": {"jwks": {"keys": []}},
    "jwks: keys are text": {"jwks": {"keys": "abc"}},
    "jwks: a key is a list": {"jwks": {"keys": [[JWK]]}},
    "jwks: too many": {"jwks": {"keys": [{**JWK, "kid": str(n)} for n in range(21)]}},
    "jwks: two of one kid": {"jwks": {"keys": [JWK, JWK]}},
    "jwks: a kid is a list": {"jwks": {"keys": [{**JWK, "kid": []}]}},
    "require_signed_request_object: text": {"require_signed_request_object": "true", "jwks": KEYS},
    "require_signed_request_object: no keys": {"require_signed_request_object": True},
    "jwks: private": {"jwks": {"keys": [KEY.as_dict(private=True)]}},
    "jwks: symmetric": {"jwks": {"keys": [OctKey.generate_key(256).as_dict()]}},
    "jwks: only unknown kinds": {"jwks": {"keys": [{"kty": "AKP", "pub": "x"}]}},
    "jwks: off the curve": {"jwks": {"keys": [{**JWK, "x": JWK["y"]}]}},
    "jwks: numbers missing": {"jwks": {"keys": [{"kty": "RSA", "kid": "x"}]}},
    "jwks: numbers are numbers": {"jwks": {"keys": [{"kty": "RSA", "n": 1, "e": 2}]}},
}


@pytest.mark.parametrize("case", BAD)
def test_what_breaks_a_rule_is_refused(case):
    member = case.partition(":")[0]

    expected = "invalid_redirect_uri" if member == "redirect_uris" else "invalid_client_metadata"
    assert refused(**BAD[case]) == expected


STATEMENT = SoftwareStatement(
    text="a.b.c",
    developer="did:btc-addr:19ivfBqUxdwzb5qVsJjdugEQMb936MAzoc",
    address="19ivfBqUxdwzb5qVsJjdugEQMb936MAzoc",
    jti="",
    expires_at=datetime(2027, 1, 1, tzinfo=UTC),
    required_scopes=("openid", "email"),
)


def a_signed_client(statement: SoftwareStatement | None = STATEMENT, **signed: object) -> Client:
    document = {"redirect_uris": [URI], "client_name": "Mine", "scope": "openid"}
    if statement is not None:
        document["software_statement"] = statement.text
    return read_client(document, client_id="shop", statement=statement, signed=signed)


@pytest.mark.spec("RFC 7591", "2.3")
@pytest.mark.parametrize("statement", ["e30.e30.c2ln", "no statement", "", 7, {"a": "b"}])
def test_a_software_statement_that_nobody_verified_is_refused_not_ignored(statement):
    assert refused(software_statement=statement) == "unapproved_software_statement"


def test_a_verified_statement_stands_for_itself_alone():
    with pytest.raises(BridgeError, match="unapproved_software_statement"):
        read_client(
            {"redirect_uris": [URI], "software_statement": "x.y.z"},
            client_id="shop",
            statement=STATEMENT,
            signed={},
        )


@pytest.mark.spec("RFC 7591", "2.3")
def test_what_is_signed_wins_over_what_stands_beside_it():
    client = a_signed_client(client_name="Signed", scope="openid email profile")

    assert client.name == "Signed"
    assert client.scopes == ("openid", "email", "profile")
    assert client.required_scopes == ("openid", "email")


@pytest.mark.spec("RFC 7591", "3.2.1")
def test_a_statement_is_answered_as_it_came():
    assert describe(a_signed_client(scope="openid email"))["software_statement"] == "a.b.c"
    assert "software_statement" not in describe(a_signed_client(None))


def test_what_is_signed_is_held_to_every_other_rule():
    with pytest.raises(BridgeError, match="invalid_client_metadata"):
        a_signed_client(client_name="moc.knab\u202e")


def test_nobody_stands_behind_a_client_when_its_statement_has_ended():
    client = a_signed_client(scope="openid email")

    assert client.developer_at(STATEMENT.expires_at - timedelta(seconds=1)) == STATEMENT.developer
    assert client.developer_at(STATEMENT.expires_at) == ""
    assert a_signed_client(None).developer_at(STATEMENT.expires_at) == ""


OTHER = replace(STATEMENT, text="d.e.f", developer="did:btc-addr:other")
TAKEN_OVER = {
    "by another developer": a_signed_client(OTHER, software_id="shop"),
    "by nobody": a_signed_client(None),
    "by other software of the same developer": a_signed_client(software_id="bank"),
}


@pytest.mark.parametrize("case", TAKEN_OVER)
def test_d3_a_signed_client_cannot_be_taken_over(case):
    with pytest.raises(BridgeError, match="unapproved_software_statement"):
        check_change(a_signed_client(software_id="shop"), TAKEN_OVER[case])


def test_a_client_may_get_its_developers_next_statement():
    newer = replace(STATEMENT, text="g.h.i")

    check_change(a_signed_client(software_id="shop"), a_signed_client(newer, software_id="shop"))
    check_change(a_signed_client(None), a_signed_client(software_id="shop"))


HOME = "https://shop.example"
AWAY = {
    "redirect_uris": ["https://shop.example.evil.example/cb"],
    "post_logout_redirect_uris": ["https://evil.example/bye"],
    "logo_uri": "https://evil.example/logo.png",
    "policy_uri": "https://evilshop.example/privacy",
    "tos_uri": "https://example/terms",
    "initiate_login_uri": "https://evil.example/login",
}


@pytest.mark.spec("MSC2966", "client metadata")
@pytest.mark.parametrize("member", AWAY)
def test_d3_who_names_a_site_as_theirs_lives_there(member):
    assert refused(client_uri=HOME, **{member: AWAY[member]}) == "invalid_client_metadata"


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200f", "\u200b", "\u00ad", "\ufeff", "\n"])
def test_d7_a_name_with_signs_that_turn_text_or_that_nobody_sees_is_refused(sign):
    assert refused(client_name=f"Ba{sign}nk") == "invalid_client_metadata"
    assert taken(client_name="Bank, Bücher & Ко")["client_name"] == "Bank, Bücher & Ко"


def test_a_subdomain_and_loopback_are_at_home():
    assert taken(
        client_uri=HOME,
        redirect_uris=["https://www.shop.example/cb", "http://localhost:3000/cb"],
    )


@pytest.mark.spec("RFC 8252", "7.1")
def test_a_native_app_may_have_a_scheme_of_its_makers_domain():
    native = {"application_type": "native", "client_uri": HOME}

    assert taken(redirect_uris=["example.shop.app:/cb", "example.shop:/cb"], **native)
    assert refused(redirect_uris=["example.shopping:/cb"], **native) == "invalid_client_metadata"


@pytest.mark.spec("RFC 8252", "7.3")
def test_a_native_app_may_answer_at_any_port_of_loopback():
    native = read_client(
        {"redirect_uris": ["http://127.0.0.1/cb"], "application_type": "native"}, client_id="app"
    )
    web = read_client({"redirect_uris": ["http://127.0.0.1/cb"]}, client_id="app")

    assert native.accepts_redirect_uri("http://127.0.0.1:51004/cb")
    assert not web.accepts_redirect_uri("http://127.0.0.1:51004/cb")
    for uri in (
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:51004@evil.example/cb",
        "http://127.0.0.1.evil.example:51004/cb",
        "https://127.0.0.1:51004/cb",
        "http://localhost:51004/cb",
        "http://[::1]:51004/cb",
        "http://127.0.0.1:51004/cb\\",
    ):
        assert not native.accepts_redirect_uri(uri), uri


DOCUMENTS = {
    "nothing": b"",
    "text": b'"x"',
    "a list": b"[{}]",
    "a number": b"7",
    "cut off": b'{"client_name":',
    "not UTF-8": b'{"client_name": "\xff"}',
    "two of one name": b'{"client_name": "a", "client_name": "b"}',
    "two of one name, deep": b'{"jwks": {"keys": [], "keys": []}}',
    "no number": b'{"default_max_age": NaN}',
    "more than any number": b'{"default_max_age": Infinity}',
    "a number of 5000 digits": b'{"default_max_age": ' + b"9" * 5000 + b"}",
    "deep": b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "deep, and hidden by text": b'{"a":"]]]]","b":' + b"[" * 20 + b"]" * 20 + b"}",
    "large": b" " * MAX_DOCUMENT + b"{}",
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_what_is_no_plain_json_object_is_refused(case):
    with pytest.raises(BridgeError) as caught:
        read_document(DOCUMENTS[case])

    assert caught.value.code == "invalid_client_metadata"


@pytest.mark.spec("OIDC Registration", "5")
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'["https://shop.example/other"]', b"[" * 100_000, b"\xff"]
)
def test_a_sector_that_does_not_name_every_redirect_uri_is_refused(body):
    client = read_client({"redirect_uris": [URI]}, client_id="shop")
    check_sector(client, json.dumps([URI, "https://other.example"]).encode())

    with pytest.raises(BridgeError) as caught:
        check_sector(client, body)

    assert caught.value.code == "invalid_client_metadata"


def test_keys_of_kinds_that_we_do_not_know_are_left_out():
    keys = read_keys({"keys": [{"kty": "AKP", "pub": "x"}, JWK]})

    assert [key.kid for key in keys] == ["one"]


def test_a_homeserver_is_never_public():
    check_client(HOMESERVER)
    check_client(replace(WIKI, auth_methods=("none",)))

    with pytest.raises(BridgeError) as caught:
        check_client(replace(HOMESERVER, auth_methods=("none",)))

    assert caught.value.code == "invalid_client_metadata"
