"""openid-client and oauth4webapi, the certified libraries of Node, through all they can do."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest

from tests.live.certified import (
    CALLBACK,
    EVERYTHING,
    GOODBYE,
    NodeClient,
    Provider,
    RefusedError,
    Someone,
    node_client,
)


@pytest.fixture(params=["openid-client", "oauth4webapi"])
def client(request: pytest.FixtureRequest) -> Iterator[NodeClient]:
    with node_client(request.param) as client:
        yield client


@pytest.fixture(scope="module")
def ann(a_provider: Provider) -> Someone:
    """Signed in once for all of these tests, but for those that sign somebody out."""
    return Someone(a_provider.bridge)


def start(client: NodeClient, provider: Provider, client_id: str) -> None:
    """Let the library discover the bridge, as the client of this id."""
    metadata = provider.clients[client_id]
    is_signer = metadata.get("token_endpoint_auth_method") == "private_key_jwt"
    key = provider.private_key if is_signer else None
    found = client.do("start", issuer=provider.issuer, metadata=metadata, privateKey=key)
    assert found["issuer"] == provider.issuer


def authorize(client: NodeClient, way: str = "link", **more: str) -> str:
    asked = {"redirect_uri": CALLBACK, "scope": EVERYTHING, **more}
    url = client.do("authorize", way=way, **asked)
    assert isinstance(url, str)
    return url


def sign_in(client: NodeClient, someone: Someone, way: str = "link") -> dict[str, object]:
    """Return what the library says of the tokens that it got and checked."""
    tokens = client.do("callback", url=someone.allow(authorize(client, way)))
    assert isinstance(tokens, dict)
    return tokens


def with_parameter(url: str, **changed: str) -> str:
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changed
    return urlunsplit(parts._replace(query=urlencode(query)))


@pytest.mark.parametrize("client_id", ["basic", "poster"])
def test_a_client_with_a_secret_goes_all_the_way(
    client_id: str, client: NodeClient, a_provider: Provider
) -> None:
    ben = Someone(a_provider.bridge)
    start(client, a_provider, client_id)

    tokens = sign_in(client, ben)
    claims = tokens["claims"]
    told = client.do("userinfo")
    known = client.do("introspect", token="access_token")
    refreshed = client.do("refresh")
    left = ben.visit(client.do("leave", to=GOODBYE, state="bye"))

    assert tokens["token_type"] == "bearer"
    assert set(str(tokens["scope"]).split()) == set(EVERYTHING.split())
    assert isinstance(claims, dict)
    assert claims["aud"] == client_id
    assert claims["preferred_username"] == ben.person.stx_address.lower()
    assert told["sub"] == claims["sub"] == refreshed["claims"]["sub"]
    assert known["active"] is True
    assert known["client_id"] == client_id
    assert left == f"{GOODBYE}?state=bye"
    assert ben.visit(authorize(client, prompt="none")).startswith(
        f"{CALLBACK}?error=login_required"
    )


def test_what_is_revoked_is_over(client: NodeClient, a_provider: Provider, ann: Someone) -> None:
    start(client, a_provider, "basic")
    sign_in(client, ann)

    client.do("revoke", token="access_token")
    assert client.do("introspect", token="access_token") == {"active": False}
    assert client.do("introspect", token="refresh_token")["active"] is True
    with pytest.raises(RefusedError, match=r"^invalid_token$"):
        client.do("userinfo")

    client.do("revoke", token="refresh_token")
    assert client.do("introspect", token="refresh_token") == {"active": False}
    with pytest.raises(RefusedError, match=r"^invalid_grant$"):
        client.do("refresh")


def test_a_pushed_request_of_a_public_client_binds_its_tokens(
    client: NodeClient, a_provider: Provider, ann: Someone
) -> None:
    start(client, a_provider, "native")
    client.do("bind")

    url = authorize(client, "pushed")
    tokens = client.do("callback", url=ann.allow(url))
    told = client.do("userinfo")
    refreshed = client.do("refresh")

    assert set(parse_qs(urlsplit(url).query)) == {"client_id", "request_uri"}
    assert tokens["token_type"] == refreshed["token_type"] == "dpop"
    assert told["sub"] == tokens["claims"]["sub"]
    client.do("bind")  # to another key, as a thief would
    with pytest.raises(RefusedError, match=r"^invalid_token$"):
        client.do("userinfo")
    with pytest.raises(RefusedError, match=r"^invalid_grant$"):
        client.do("refresh")


@pytest.mark.parametrize(("way", "sent"), [("signed", "request"), ("pushed", "request_uri")])
def test_a_client_with_keys_proves_itself_and_gets_signed_claims(
    way: str, sent: str, client: NodeClient, a_provider: Provider, ann: Someone
) -> None:
    start(client, a_provider, "signer")

    url = authorize(client, way)
    tokens = client.do("callback", url=ann.allow(url))
    told = client.do("userinfo")

    assert set(parse_qs(urlsplit(url).query)) == {"client_id", sent}
    assert told["iss"] == a_provider.issuer
    assert told["aud"] == "signer"
    assert told["sub"] == tokens["claims"]["sub"]
    assert client.do("refresh")["claims"]["sub"] == told["sub"]
    assert client.do("introspect", token="access_token")["active"] is True
    client.do("revoke", token="refresh_token")
    with pytest.raises(RefusedError, match=r"^invalid_grant$"):
        client.do("refresh")


def test_a_client_registers_itself_with_a_token_that_is_good_once(
    client: NodeClient, a_provider: Provider, ann: Someone
) -> None:
    initial = a_provider.bridge.run("client", "token", "add").strip()
    metadata = {"redirect_uris": [CALLBACK], "client_name": "Newcomer", "scope": EVERYTHING}
    asked = {
        "issuer": a_provider.issuer,
        "metadata": metadata,
        "initialAccessToken": initial,
    }

    registered = client.do("register", **asked)
    tokens = sign_in(client, ann)

    claims = tokens["claims"]
    assert isinstance(claims, dict)
    assert claims["aud"] == registered["client_id"]
    assert client.do("userinfo")["sub"] == claims["sub"]
    with pytest.raises(RefusedError, match=r"^invalid_token$"):
        client.do("register", **asked)


def test_the_library_refuses_an_answer_of_another_issuer(
    client: NodeClient, a_provider: Provider, ann: Someone
) -> None:
    start(client, a_provider, "basic")
    url = ann.allow(authorize(client))

    with pytest.raises(RefusedError, match=r"^OAUTH_INVALID_RESPONSE$"):
        client.do("callback", url=with_parameter(url, iss="https://mallory.example"))

    assert client.do("callback", url=url)["claims"]["iss"] == a_provider.issuer


def test_the_library_refuses_an_id_token_for_another_nonce(
    client: NodeClient, a_provider: Provider, ann: Someone
) -> None:
    start(client, a_provider, "basic")
    url = ann.allow(authorize(client))

    with pytest.raises(RefusedError, match=r"^OAUTH_JWT_CLAIM_COMPARISON_FAILED$"):
        client.do("callback", url=url, expect={"expectedNonce": "another"})


def test_a_code_without_its_verifier_is_refused(
    client: NodeClient, a_provider: Provider, ann: Someone
) -> None:
    start(client, a_provider, "basic")
    url = ann.allow(authorize(client))
    another = "v" * 43

    with pytest.raises(RefusedError, match=r"^invalid_grant$"):
        expect = {"pkceCodeVerifier": another, "verifier": another}
        client.do("callback", url=url, expect=expect)
