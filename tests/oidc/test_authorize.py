"""Authorization requests: what is shown, what is sent back, and what is carried out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from oidc_bridge.errors import SentError, ShownError
from oidc_bridge.oidc.answer import Target, make_answer, make_error
from oidc_bridge.oidc.authorize import (
    AuthorizationRequest,
    check_request,
    find_target,
    read_parameters,
)
from oidc_bridge.oidc.client import Client, ClientMetadata
from tests.driver import CHALLENGE, CHAT, HOMESERVER, ISSUER, WIKI, authorize_query

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLIENTS = {client.id: client for client in (HOMESERVER, WIKI)}


def authorize(query: dict[str, str] | list[tuple[str, str]]) -> AuthorizationRequest:
    """Go the whole way that the view goes."""
    pairs = query.items() if isinstance(query, dict) else query
    parameters = read_parameters(pairs)
    target = find_target(parameters, CLIENTS.get(parameters.get("client_id", "")))
    return check_request(parameters, target, now=NOW)


def test_what_a_synapse_sends_is_understood():
    request = authorize(authorize_query())

    assert request == AuthorizationRequest(
        target=Target(HOMESERVER, HOMESERVER.redirect_uris[0], "state-1"),
        scopes=("openid", "profile"),
        code_challenge=CHALLENGE,
        nonce="nonce-1",
        redirect_url=CHAT,
        proof_after=None,
        ask_anyway=False,
        silent=False,
    )


def test_state_and_nonce_may_be_left_out():
    request = authorize(authorize_query(state=None, nonce=None))

    assert request.target.state is None
    assert request.nonce is None


def test_unknown_parameters_are_ignored():
    known = authorize(authorize_query())

    assert authorize(authorize_query(ui_locales="de", display="page", foo="bar")) == known


# --- the target: client and redirect URI ---

REGISTERED = "https://wiki.example/callback?from=bridge"
LOOK_ALIKES = {
    "nothing": "",
    "upper-case scheme": "HTTPS://wiki.example/callback?from=bridge",
    "upper-case host": "https://Wiki.example/callback?from=bridge",
    "upper-case top-level domain": "https://wiki.EXAMPLE/callback?from=bridge",
    "upper-case path": "https://wiki.example/Callback?from=bridge",
    "upper-case query name": "https://wiki.example/callback?From=bridge",
    "upper-case query value": "https://wiki.example/callback?from=Bridge",
    "http": "http://wiki.example/callback?from=bridge",
    "no scheme": "//wiki.example/callback?from=bridge",
    "no authority": "https:wiki.example/callback?from=bridge",
    "one slash": "https:/wiki.example/callback?from=bridge",
    "three slashes": "https:///wiki.example/callback?from=bridge",
    "path only": "/callback?from=bridge",
    "javascript": "javascript:alert(1)//https://wiki.example/callback?from=bridge",
    "data": "data:text/html,https://wiki.example/callback?from=bridge",
    "custom scheme": "wiki://wiki.example/callback?from=bridge",
    "scheme in front": "x:https://wiki.example/callback?from=bridge",
    "default port": "https://wiki.example:443/callback?from=bridge",
    "empty port": "https://wiki.example:/callback?from=bridge",
    "other port": "https://wiki.example:8443/callback?from=bridge",
    "port zero": "https://wiki.example:0/callback?from=bridge",
    "trailing dot": "https://wiki.example./callback?from=bridge",
    "leading dot": "https://.wiki.example/callback?from=bridge",
    "double dot": "https://wiki..example/callback?from=bridge",
    "subdomain": "https://evil.wiki.example/callback?from=bridge",
    "www": "https://www.wiki.example/callback?from=bridge",
    "prefix of a host": "https://wiki.example.evil.example/callback?from=bridge",
    "suffix of a host": "https://evilwiki.example/callback?from=bridge",
    "hyphen": "https://wiki-example/callback?from=bridge",
    "regular expression dot": "https://wikixexample/callback?from=bridge",
    "other top-level domain": "https://wiki.example.com/callback?from=bridge",
    "wildcard": "https://*.example/callback?from=bridge",
    "IP address": "https://127.0.0.1/callback?from=bridge",
    "localhost": "http://localhost/callback?from=bridge",
    "user": "https://wiki.example@evil.example/callback?from=bridge",
    "user of ours": "https://evil@wiki.example/callback?from=bridge",
    "empty user": "https://@wiki.example/callback?from=bridge",
    "user and password": "https://wiki.example:443@evil.example/callback?from=bridge",
    "user with slash": "https://evil.example/@wiki.example/callback?from=bridge",
    "encoded at": "https://wiki.example%40evil.example/callback?from=bridge",
    "full-width at": "https://wiki.example＠evil.example/callback?from=bridge",
    "backslash for slash": "https://wiki.example\\callback?from=bridge",
    "backslash and at": "https://evil.example\\@wiki.example/callback?from=bridge",
    "backslashes after scheme": "https:\\\\wiki.example/callback?from=bridge",
    "backslash behind the host": "https://wiki.example\\.evil.example/callback?from=bridge",
    "encoded dot in host": "https://wiki%2eexample/callback?from=bridge",
    "encoded letter in host": "https://%77iki.example/callback?from=bridge",
    "encoded slash": "https://wiki.example%2fcallback?from=bridge",
    "encoded slash in path": "https://wiki.example/%2fcallback?from=bridge",
    "encoded letter in path": "https://wiki.example/c%61llback?from=bridge",
    "encoded question mark": "https://wiki.example/callback%3ffrom=bridge",
    "encoded NUL": "https://wiki.example/callback%00?from=bridge",
    "encoded line break": "https://wiki.example/callback%0d%0a?from=bridge",
    "doubly encoded": "https://wiki.example/%252e%252e/callback?from=bridge",
    "dots": "https://wiki.example/a/../callback?from=bridge",
    "dots behind": "https://wiki.example/callback/../evil?from=bridge",
    "one dot": "https://wiki.example/./callback?from=bridge",
    "encoded dots": "https://wiki.example/a/%2e%2e/callback?from=bridge",
    "dots and semicolon": "https://wiki.example/a/..;/callback?from=bridge",
    "path parameter": "https://wiki.example/callback;x?from=bridge",
    "double slash": "https://wiki.example//callback?from=bridge",
    "trailing slash": "https://wiki.example/callback/?from=bridge",
    "longer path": "https://wiki.example/callback/evil?from=bridge",
    "longer word": "https://wiki.example/callbackevil?from=bridge",
    "shorter path": "https://wiki.example/callbac?from=bridge",
    "no path": "https://wiki.example?from=bridge",
    "root": "https://wiki.example/",
    "no query": "https://wiki.example/callback",
    "empty query": "https://wiki.example/callback?",
    "more query": "https://wiki.example/callback?from=bridge&to=evil",
    "query of another order": "https://wiki.example/callback?to=evil&from=bridge",
    "empty part of query": "https://wiki.example/callback?from=bridge&",
    "encoded query": "https://wiki.example/callback?from=%62ridge",
    "other query": "https://wiki.example/callback?from=evil",
    "a code in the query": "https://wiki.example/callback?from=bridge&code=evil",
    "fragment": "https://wiki.example/callback?from=bridge#evil",
    "empty fragment": "https://wiki.example/callback?from=bridge#",
    "fragment hides a host": "https://evil.example#https://wiki.example/callback?from=bridge",
    "query hides a host": "https://evil.example?https://wiki.example/callback?from=bridge",
    "space in front": " https://wiki.example/callback?from=bridge",
    "space behind": "https://wiki.example/callback?from=bridge ",
    "tab in host": "https://wiki\t.example/callback?from=bridge",
    "tab in scheme": "ht\ttps://wiki.example/callback?from=bridge",
    "line feed behind": "https://wiki.example/callback?from=bridge\n",
    "line break in path": "https://wiki.example/call\r\nback?from=bridge",
    "zero-width space": "https://wiki\u200b.example/callback?from=bridge",
    "soft hyphen": "https://wi\u00adki.example/callback?from=bridge",
    "right-to-left mark": "https://wiki.example/callback\u200f?from=bridge",
    "Cyrillic letter": "https://w\u0456ki.example/callback?from=bridge",
    "its punycode": "https://xn--wki-jlc.example/callback?from=bridge",
    "full-width letter": "https://\uff57iki.example/callback?from=bridge",
    "ideographic full stop": "https://wiki\u3002example/callback?from=bridge",
    "fraction slash": "https://wiki.example\u2044callback?from=bridge",
    "dotless i": "https://w\u0131ki.example/callback?from=bridge",
    "two of them": f"{REGISTERED} {REGISTERED}",
    "another client's": HOMESERVER.redirect_uris[0],
}


def test_a1_the_table_of_look_alikes_is_long_and_has_no_twins():
    assert len(LOOK_ALIKES) >= 80
    assert len(set(LOOK_ALIKES.values())) == len(LOOK_ALIKES)
    assert REGISTERED not in LOOK_ALIKES.values()


def test_the_registered_redirect_uri_is_taken():
    target = find_target({"client_id": "wiki", "redirect_uri": REGISTERED}, WIKI)

    assert target == Target(WIKI, REGISTERED, None)


@pytest.mark.spec("RFC 9700", "2.1")
@pytest.mark.spec("RFC 6749", "3.1.2")
@pytest.mark.parametrize("case", LOOK_ALIKES)
def test_a1_a_look_alike_of_the_registered_redirect_uri_is_never_followed(case):
    query = authorize_query(WIKI, redirect_uri=LOOK_ALIKES[case])

    with pytest.raises(ShownError) as caught:
        authorize(query)

    assert caught.value.code == "redirect_uri_mismatch"


@pytest.mark.parametrize("name", ["code", "state", "iss", "error", "error_description"])
@pytest.mark.parametrize("form", ["{}&{}=evil", "{}#{}=evil", "{}?{}=evil", "{}%26{}=evil"])
def test_a2_what_we_append_cannot_be_sent_along_with_a_registered_uri(name, form):
    query = authorize_query(WIKI, redirect_uri=form.format(REGISTERED, name))

    with pytest.raises(ShownError) as caught:
        authorize(query)

    assert caught.value.code == "redirect_uri_mismatch"


def test_one_of_many_registered_redirect_uris_is_taken_and_no_other():
    wiki = replace(WIKI, redirect_uris=("https://a.example/cb", "https://b.example/cb"))

    target = find_target({"client_id": "wiki", "redirect_uri": "https://b.example/cb"}, wiki)

    assert target.redirect_uri == "https://b.example/cb"
    with pytest.raises(ShownError) as caught:
        find_target({"client_id": "wiki", "redirect_uri": REGISTERED}, wiki)
    assert caught.value.code == "redirect_uri_mismatch"


def test_even_an_only_redirect_uri_must_be_sent():
    with pytest.raises(ShownError) as caught:
        authorize(authorize_query(WIKI, redirect_uri=None))

    assert caught.value.code == "redirect_uri_mismatch"


def test_a_client_without_redirect_uris_has_no_target():
    with pytest.raises(ShownError) as caught:
        find_target({"client_id": "wiki"}, replace(WIKI, redirect_uris=()))

    assert caught.value.code == "redirect_uri_mismatch"


@pytest.mark.parametrize("client_id", [None, "", "nobody", "Wiki", "wiki ", "wiki\t", "wiki,wiki"])
def test_an_unknown_client_is_told_to_the_person(client_id):
    with pytest.raises(ShownError) as caught:
        authorize(authorize_query(WIKI, client_id=client_id))

    assert caught.value.code == "client_unknown"


def test_a_client_is_never_taken_for_another():
    with pytest.raises(ShownError) as caught:
        find_target({"client_id": "wiki", "redirect_uri": REGISTERED}, HOMESERVER)

    assert caught.value.code == "client_unknown"


# Every way to get an error sent back: what is changed in a good query, and the error.
SENT = {
    "no response_type": ({"response_type": None}, "invalid_request"),
    "response_type token": ({"response_type": "token"}, "unsupported_response_type"),
    "response_type id_token": ({"response_type": "id_token"}, "unsupported_response_type"),
    "response_type none": ({"response_type": "none"}, "unsupported_response_type"),
    "response_type hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "response_type Code": ({"response_type": "Code"}, "unsupported_response_type"),
    "response_type code twice": ({"response_type": "code code"}, "unsupported_response_type"),
    "response_type unknown": ({"response_type": "\u2603"}, "unsupported_response_type"),
    "response_mode fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "response_mode jwt": ({"response_mode": "jwt"}, "invalid_request"),
    "request": ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    "request_uri": ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
    "registration": ({"registration": "{}"}, "registration_not_supported"),
    "claims not JSON": ({"claims": "name"}, "invalid_request"),
    "claims no object": ({"claims": "[]"}, "invalid_request"),
    "claims too deep": ({"claims": "[" * 4000}, "invalid_request"),
    "claims with a list": ({"claims": '{"id_token": ["name"]}'}, "invalid_request"),
    "claims with a word": ({"claims": '{"id_token": {"name": "x"}}'}, "invalid_request"),
    "claims essential yes": (
        {"claims": '{"userinfo": {"name": {"essential": "yes"}}}'},
        "invalid_request",
    ),
    "claims values no list": (
        {"claims": '{"id_token": {"sub": {"values": "x"}}}'},
        "invalid_request",
    ),
    "claims sub a number": ({"claims": '{"id_token": {"sub": {"value": 1}}}'}, "login_required"),
    "claims two people": (
        {"claims": '{"id_token": {"sub": {"value": "a"}}, "userinfo": {"sub": {"value": "b"}}}'},
        "login_required",
    ),
    "claims acr essential": (
        {"claims": '{"id_token": {"acr": {"essential": true, "values": ["phr"]}}}'},
        "unmet_authentication_requirements",
    ),
    "dpop_jkt short": ({"dpop_jkt": "x" * 42}, "invalid_request"),
    "dpop_jkt no base64url": ({"dpop_jkt": "+" * 43}, "invalid_request"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "no openid": ({"scope": "profile email"}, "invalid_scope"),
    "scope OpenID": ({"scope": "OpenID"}, "invalid_scope"),
    "scope behind a tab": ({"scope": "profile\topenid"}, "invalid_scope"),
    "scopes with a comma": ({"scope": "openid,profile"}, "invalid_scope"),
    "no challenge": (
        {"code_challenge": None, "code_challenge_method": None},
        "invalid_request",
    ),
    "a method without a challenge": ({"code_challenge": None}, "invalid_request"),
    "no method, so plain": ({"code_challenge_method": None}, "invalid_request"),
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "s256": ({"code_challenge_method": "s256"}, "invalid_request"),
    "S512": ({"code_challenge_method": "S512"}, "invalid_request"),
    "challenge of 42": ({"code_challenge": "c" * 42}, "invalid_request"),
    "challenge of 44": ({"code_challenge": "c" * 44}, "invalid_request"),
    "challenge of 128": ({"code_challenge": "c" * 128}, "invalid_request"),
    "challenge with padding": ({"code_challenge": "c" * 42 + "="}, "invalid_request"),
    "challenge in base64": ({"code_challenge": "c" * 42 + "+"}, "invalid_request"),
    "challenge with a dot": ({"code_challenge": "c" * 42 + "."}, "invalid_request"),
    "challenge with an end of line": ({"code_challenge": "c" * 43 + "\n"}, "invalid_request"),
    "challenge with an umlaut": ({"code_challenge": "c" * 42 + "\u00fc"}, "invalid_request"),
    "prompt unknown": ({"prompt": "create"}, "invalid_request"),
    "prompt None": ({"prompt": "None"}, "invalid_request"),
    "prompt none and login": ({"prompt": "none login"}, "invalid_request"),
    "prompt login and unknown": ({"prompt": "login what"}, "invalid_request"),
    "max_age negative": ({"max_age": "-1"}, "invalid_request"),
    "max_age plus": ({"max_age": "+1"}, "invalid_request"),
    "max_age fraction": ({"max_age": "1.5"}, "invalid_request"),
    "max_age word": ({"max_age": "old"}, "invalid_request"),
    "max_age space": ({"max_age": " 1"}, "invalid_request"),
    "max_age end of line": ({"max_age": "1\n"}, "invalid_request"),
    "max_age Arabic digits": ({"max_age": "\u0661\u0662"}, "invalid_request"),
    "max_age monstrous": ({"max_age": "9" * 4000}, "invalid_request"),
    "nonce too long": ({"nonce": "n" * 513}, "invalid_request"),
    "nonce with an umlaut": ({"nonce": "n\u00fc"}, "invalid_request"),
    "nonce with an end of line": ({"nonce": "n\n"}, "invalid_request"),
    "nonce with DEL": ({"nonce": "n\x7f"}, "invalid_request"),
}


@pytest.mark.parametrize("case", SENT)
def test_what_is_wrong_with_a_request_of_a_known_client_is_sent_to_it(case):
    changes, code = SENT[case]

    with pytest.raises(SentError) as caught:
        authorize(authorize_query(**changes))

    assert caught.value.code == code


@pytest.mark.spec("RFC 6749", "4.1.2.1")
@pytest.mark.parametrize("case", SENT)
@pytest.mark.parametrize(
    ("doubt", "code"),
    [
        ({"client_id": "nobody"}, "client_unknown"),
        ({"client_id": None}, "client_unknown"),
        ({"redirect_uri": "https://evil.example/"}, "redirect_uri_mismatch"),
        ({"redirect_uri": None}, "redirect_uri_mismatch"),
        ({"client_id": "wiki"}, "redirect_uri_mismatch"),
    ],
    ids=["unknown client", "no client", "foreign URI", "no URI", "URI of another client"],
)
def test_a3_nothing_is_ever_sent_while_the_target_is_in_doubt(case, doubt, code):
    changes, _ = SENT[case]

    with pytest.raises(ShownError) as caught:
        authorize(authorize_query(**{**changes, **doubt}))

    assert caught.value.code == code


@pytest.mark.parametrize("case", SENT)
def test_what_is_sent_is_a_description_that_rfc_6749_allows(case):
    changes, _ = SENT[case]

    with pytest.raises(SentError) as caught:
        authorize(authorize_query(**changes))

    assert caught.value.detail.isascii()
    assert caught.value.detail.isprintable()
    assert not {'"', "\\"} & set(caught.value.detail)


# --- PKCE where it is not required ---


def without_pkce(client: Client = WIKI, **changes: str | None) -> AuthorizationRequest:
    changes = {"code_challenge": None, "code_challenge_method": None, **changes}
    parameters = authorize_query(client, **changes)
    target = find_target(parameters, client)
    return check_request(parameters, target, now=NOW, require_pkce=False)


def test_a_client_that_authenticates_may_be_let_off_pkce():
    assert without_pkce().code_challenge == ""


def test_who_may_leave_it_out_may_use_it():
    request = without_pkce(code_challenge=CHALLENGE, code_challenge_method="S256")

    assert request.code_challenge == CHALLENGE


@pytest.mark.parametrize(
    ("client", "changes"),
    [
        pytest.param(replace(WIKI, auth_methods=("none",)), {}, id="a public client"),
        pytest.param(WIKI, {"code_challenge_method": "S256"}, id="a method without a challenge"),
        pytest.param(WIKI, {"code_challenge": CHALLENGE}, id="plain, by saying nothing"),
        pytest.param(WIKI, {"code_challenge": "c" * 42, "code_challenge_method": "S256"}, id="42"),
    ],
)
def test_nobody_is_let_off_a_half(client, changes):
    with pytest.raises(SentError) as caught:
        without_pkce(client, **changes)

    assert caught.value.code == "invalid_request"
    assert "code_challenge" in caught.value.detail


# --- reading parameters ---


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state"])
def test_a8_a_repeated_parameter_that_decides_the_target_is_shown(name):
    query = authorize_query()

    with pytest.raises(ShownError) as caught:
        authorize([*query.items(), (name, query[name])])

    assert caught.value.code == "request_malformed"


@pytest.mark.spec("RFC 6749", "3.1")
@pytest.mark.parametrize(
    "name",
    [
        "response_type",
        "response_mode",
        "scope",
        "nonce",
        "prompt",
        "max_age",
        "code_challenge",
        "code_challenge_method",
        "redirectUrl",
        "login_hint",
        "foo",
    ],
)
def test_a8_any_other_repeated_parameter_is_told_to_the_client(name):
    query = {**authorize_query(), name: authorize_query().get(name, "value")}

    with pytest.raises(SentError) as caught:
        authorize([*query.items(), (name, query[name])])

    assert caught.value.code == "invalid_request"
    assert caught.value.detail == f"The parameter {name} is given twice."


def test_the_name_of_a_repeated_parameter_is_told_in_letters_that_are_allowed():
    name = '"><script>\\\u00fc' + "x" * 100

    with pytest.raises(SentError) as caught:
        authorize([*authorize_query().items(), (name, "1"), (name, "2")])

    assert caught.value.detail == f"The parameter ???script???{'x' * 28} is given twice."


@pytest.mark.spec("RFC 6749", "3.1")
def test_a_parameter_without_a_value_counts_as_not_sent():
    query = authorize_query(prompt="", max_age="", request="", response_mode="", nonce="")

    request = authorize(query)

    assert request == authorize(authorize_query(nonce=None))


def test_an_empty_value_beside_a_real_one_is_no_repetition():
    request = authorize([("state", ""), *authorize_query().items(), ("scope", "")])

    assert request.target.state == "state-1"
    assert request.scopes == ("openid", "profile")


@pytest.mark.parametrize("value", ["a\0b", "\0", "a\ufffdb", "x" * 4097])
@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "nonce", "foo"])
def test_a8_a_value_that_cannot_be_trusted_to_be_read_right_is_shown(name, value):
    with pytest.raises(ShownError) as caught:
        authorize(authorize_query(**{name: value}))

    assert caught.value.code == "request_malformed"


def test_a_state_of_4096_characters_comes_back_whole():
    state = "s" * 4096

    request = authorize(authorize_query(state=state))

    assert request.target.state == state


@pytest.mark.parametrize(("size", "is_read"), [(16_384, True), (16_385, False)])
def test_a_request_object_may_be_longer_than_a_parameter(size, is_read):
    if is_read:
        assert read_parameters([("request", "x" * size)])
        return
    with pytest.raises(ShownError) as caught:
        read_parameters([("request", "x" * size)])
    assert caught.value.code == "request_malformed"


def test_64_parameters_are_read_and_65_are_not():
    query = [*authorize_query().items()]
    fill = [(f"p{number}", "1") for number in range(65)]

    assert authorize(query + fill[: 64 - len(query)])
    with pytest.raises(ShownError) as caught:
        authorize(query + fill[: 65 - len(query)])
    assert caught.value.code == "request_malformed"


def test_empty_parameters_are_counted_too():
    with pytest.raises(ShownError) as caught:
        read_parameters([("x", "")] * 65)

    assert caught.value.code == "request_malformed"


def test_no_error_repeats_more_than_a_bit_of_what_was_sent():
    for changes in ({"client_id": "c" * 4096}, {"redirect_uri": "r" * 4096}):
        with pytest.raises(ShownError) as caught:
            authorize(authorize_query(**changes))
        assert len(caught.value.detail) < 300


# --- scopes ---


@pytest.mark.parametrize(
    ("asked", "scopes"),
    [
        ("openid", ("openid",)),
        ("profile openid", ("profile", "openid")),
        ("openid profile openid profile", ("openid", "profile")),
        ("openid  profile", ("openid", "profile")),
        (" openid ", ("openid",)),
        ("openid unknown admin", ("openid",)),
        ("openid Profile", ("openid",)),
        ("openid email offline_access", ("openid", "email", "offline_access")),
        ("openid urn:matrix:org.matrix.msc2967.client:api:*", ("openid",)),
    ],
)
def test_known_scopes_are_kept_in_order_without_repeats(asked, scopes):
    assert authorize(authorize_query(scope=asked)).scopes == scopes


def test_a_scope_that_the_client_may_not_ask_for_is_left_out():
    few = replace(WIKI, scopes=("openid", "profile"))
    parameters = read_parameters(authorize_query(WIKI, scope="openid profile email").items())

    request = check_request(parameters, find_target(parameters, few), now=NOW)

    assert request.scopes == ("openid", "profile")


@pytest.mark.parametrize(
    ("allowed", "scope", "scopes"),
    [
        (("openid", "email"), "openid", ("openid", "claim:email")),
        (("openid", "email"), "openid email", ("openid", "email")),
        (("openid", "profile"), "openid", ("openid",)),
    ],
)
def test_a_single_claim_is_asked_for_if_a_scope_of_the_client_would_give_it(allowed, scope, scopes):
    wiki = replace(WIKI, scopes=allowed)
    claims = '{"id_token": {"email": null, "phone_number": null}, "userinfo": {"email": null}}'
    parameters = authorize_query(WIKI, scope=scope, claims=claims)

    assert check_request(parameters, find_target(parameters, wiki), now=NOW).scopes == scopes


# --- PKCE ---


@pytest.mark.spec("RFC 7636", "4.4.1")
@pytest.mark.parametrize("client", [HOMESERVER, WIKI, replace(WIKI, auth_methods=("none",))])
def test_k3_pkce_is_required_of_every_client(client: Client):
    target = Target(client, client.redirect_uris[0], None)
    parameters = {"response_type": "code", "scope": "openid"}

    with pytest.raises(SentError) as caught:
        check_request(parameters, target, now=NOW)

    assert caught.value.code == "invalid_request"
    assert "PKCE" in caught.value.detail


@pytest.mark.spec("RFC 7636", "4.3")
@pytest.mark.parametrize("challenge", ["A" * 43, "z9-_" * 10 + "abc", CHALLENGE])
def test_a_sha256_in_base64url_is_a_challenge(challenge):
    assert authorize(authorize_query(code_challenge=challenge)).code_challenge == challenge


# --- prompt, max_age, re-authentication ---


def ago(seconds: int) -> datetime:
    return NOW - timedelta(seconds=seconds)


# What is sent, and then: proof_after, ask_anyway, silent.
PROMPTS = {
    "nothing": ({}, None, False, False),
    "none": ({"prompt": "none"}, None, False, True),
    "login": ({"prompt": "login"}, NOW, False, False),
    "consent": ({"prompt": "consent"}, None, True, False),
    "select_account": ({"prompt": "select_account"}, None, True, False),
    "login consent": ({"prompt": "login consent"}, NOW, True, False),
    "all but none": ({"prompt": "login consent select_account"}, NOW, True, False),
    "login twice": ({"prompt": "login login"}, NOW, False, False),
    "max_age": ({"max_age": "60"}, ago(60), False, False),
    "max_age 0": ({"max_age": "0"}, NOW, False, False),
    "max_age with zeros": ({"max_age": "000000060"}, ago(60), False, False),
    "max_age huge": ({"max_age": "999999999"}, ago(999_999_999), False, False),
    "max_age and login": ({"max_age": "60", "prompt": "login"}, NOW, False, False),
    "max_age and none": ({"max_age": "60", "prompt": "none"}, ago(60), False, True),
    "re-authentication": ({"redirectUrl": None}, NOW, False, False),
    "re-authentication, empty": ({"redirectUrl": ""}, NOW, False, False),
    "re-authentication and max_age": ({"redirectUrl": None, "max_age": "60"}, NOW, False, False),
    "re-authentication and none": ({"redirectUrl": None, "prompt": "none"}, NOW, False, True),
}


@pytest.mark.parametrize("case", PROMPTS)
def test_a6_prompt_and_max_age_come_down_to_three_facts(case):
    changes, proof_after, ask_anyway, silent = PROMPTS[case]

    request = authorize(authorize_query(**changes))

    assert (request.proof_after, request.ask_anyway, request.silent) == (
        proof_after,
        ask_anyway,
        silent,
    )


@pytest.mark.spec("OIDC Registration", "2")
@pytest.mark.parametrize(("sent", "proof_after"), [(None, ago(60)), ("600", ago(600))])
def test_a_max_age_that_is_sent_overrides_the_registered_one(sent, proof_after):
    wiki = replace(WIKI, metadata=ClientMetadata(default_max_age=60))
    parameters = authorize_query(WIKI, max_age=sent)

    request = check_request(parameters, find_target(parameters, wiki), now=NOW)

    assert request.proof_after == proof_after


def test_a_client_that_is_itself_the_app_needs_no_redirect_url():
    request = authorize(authorize_query(WIKI))

    assert request.redirect_url is None
    assert request.proof_after is None


@pytest.mark.parametrize("nonce", ["n", "n" * 512, " !~", "eyJ.-_+/="])
def test_a_nonce_is_kept_byte_for_byte(nonce):
    assert authorize(authorize_query(nonce=nonce)).nonce == nonce


# --- the answer ---


def target_at(redirect_uri: str, *, state: str | None = "state-1") -> Target:
    return Target(replace(WIKI, redirect_uris=(redirect_uri,)), redirect_uri, state)


def query_pairs(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, strict_parsing=True, keep_blank_values=True)


@pytest.mark.parametrize(
    ("redirect_uri", "kept"),
    [
        ("https://wiki.example/cb", []),
        ("https://wiki.example", []),
        ("https://wiki.example/cb?from=bridge", [("from", "bridge")]),
        ("https://wiki.example/cb?a=1&b=", [("a", "1"), ("b", "")]),
        ("https://wiki.example/cb?a=%26code%3Dx", [("a", "&code=x")]),
    ],
)
def test_an_answer_keeps_the_query_that_is_registered(redirect_uri, kept):
    url = make_answer(target_at(redirect_uri), {"code": "abc"}, issuer=ISSUER).url

    assert url.startswith(redirect_uri)
    assert query_pairs(url) == [*kept, ("code", "abc"), ("iss", ISSUER), ("state", "state-1")]


def test_an_answer_fits_behind_a_lone_question_mark():
    url = make_answer(
        target_at("https://wiki.example/cb?", state=None), {"code": "x"}, issuer="i"
    ).url

    assert parse_qsl(urlsplit(url).query) == [("code", "x"), ("iss", "i")]


def test_an_answer_has_no_state_if_none_was_sent():
    url = make_answer(target_at(REGISTERED, state=None), {"code": "abc"}, issuer=ISSUER).url

    assert "state" not in dict(query_pairs(url))


@pytest.mark.parametrize(
    "state", ["&code=evil", "#", "\r\nSet-Cookie: a=b", "\u2603", "a b+c%20", "'\"><script>"]
)
def test_a_state_comes_back_as_it_was_and_adds_nothing(state):
    url = make_answer(target_at(REGISTERED, state=state), {"code": "abc"}, issuer=ISSUER).url

    assert url.isascii()
    assert url.isprintable()
    assert query_pairs(url) == [
        ("from", "bridge"),
        ("code", "abc"),
        ("iss", ISSUER),
        ("state", state),
    ]


def test_an_error_says_who_sends_it_and_why():
    error = SentError("access_denied", "The person said no.")

    url = make_error(target_at(REGISTERED), error, issuer=ISSUER).url

    assert query_pairs(url) == [
        ("from", "bridge"),
        ("error", "access_denied"),
        ("error_description", "The person said no."),
        ("iss", ISSUER),
        ("state", "state-1"),
    ]
