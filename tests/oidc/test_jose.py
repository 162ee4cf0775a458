"""Whatever others sign is believed by our rules: table J, at every door that takes a JWT.

A DPoP proof is not among the doors: it brings its key by design (RFC 9449 section 4.2), and
``tests/oidc/test_dpop.py`` says what that is worth.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.authorize import read_parameters
from oidc_bridge.oidc.client import ClientMetadata
from oidc_bridge.oidc.client_authentication import check_assertion
from oidc_bridge.oidc.end_session import read_hint
from oidc_bridge.oidc.jose import ANY_ALGORITHM
from oidc_bridge.oidc.keys import SigningKey, subject_of
from oidc_bridge.oidc.policy import check_client
from oidc_bridge.oidc.request_object import open_request_object
from oidc_bridge.seal import digest_of
from tests.driver import ISSUER, WIKI, authorize_query, secret_of
from tests.fakes import NOW

SECONDS = int(NOW.timestamp())
KEY = RSAKey.generate_key(2048, {"kid": "known"})
STRANGER = RSAKey.generate_key(2048, {"kid": "known"})
OURS = [SigningKey("known", KEY, "active", NOW)]
SECRET = secret_of(WIKI)
CLIENT = replace(WIKI, auth_methods=("private_key_jwt",), secret_digests=(digest_of(SECRET),))


@dataclass(frozen=True)
class Door:
    """A place that takes JWTs: claims that it likes, and how it is opened."""

    claims: dict[str, Any]
    opens: Callable[[str, KeySet], object]


def _hint(token: str, keys: KeySet) -> object:
    ours = OURS if keys.keys else []
    return subject_of(token, ours, issuer=ISSUER, audience="wiki")


def _logout_hint(token: str, keys: KeySet) -> object:
    ours = OURS if keys.keys else []
    return read_hint(token, clients={"wiki": WIKI}, keys=ours, issuer=ISSUER)


def _assertion(token: str, keys: KeySet) -> object:
    return check_assertion(token, keys, client=CLIENT, audiences=(ISSUER,), now=NOW)


def _request(token: str, keys: KeySet) -> object:
    parameters = read_parameters([("request", token)])
    return open_request_object(parameters, CLIENT, keys, issuer=ISSUER, now=NOW)


ID_TOKEN = {"iss": ISSUER, "aud": "wiki", "sub": "subject-1", "sid": "sid-1"}
BY_CLIENT = {"iss": "wiki", "sub": "wiki", "aud": ISSUER, "exp": SECONDS + 60, "jti": "j"}
DOORS = {
    "id_token_hint": Door(ID_TOKEN, _hint),
    "id_token_hint of a sign-out": Door(ID_TOKEN, _logout_hint),
    "client_assertion": Door(BY_CLIENT, _assertion),
    "request": Door({**authorize_query(WIKI), **BY_CLIENT}, _request),
}
at_every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


def is_taken(door: Door, token: str, *, keys: KeySet | None = None) -> bool:
    """Return whether the door opens; a crash is none of the answers."""
    try:
        return bool(door.opens(token, KeySet([KEY]) if keys is None else keys))
    except BridgeError:
        return False


def signed(door: Door, key: RSAKey = KEY, **header: object) -> str:
    told = {"alg": "RS256", "kid": "known", "typ": "JWT", **header}
    return jwt.encode(
        {name: value for name, value in told.items() if value is not None},
        door.claims,
        key,
        registry=ANY_ALGORITHM,
    )


def forged(door: Door, secret: bytes = b"", **header: object) -> str:
    """Return a token of any header at all, with an HMAC of *secret* in place of a signature."""
    told = {"alg": "HS256", "kid": "known", "typ": "JWT", **header}
    parts = [json.dumps(part).encode() for part in (told, door.claims)]
    text = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = hmac.new(secret, text, hashlib.sha256).digest() if secret else b""
    return f"{text.decode()}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@at_every_door
def test_a_good_token_opens_every_door(door: Door) -> None:
    """The control: what is refused below is refused for its one fault."""
    assert is_taken(door, signed(door))


THEIRS = STRANGER.as_dict(private=False)


@at_every_door
@pytest.mark.parametrize(
    "header",
    [
        {"jwk": THEIRS},
        {"jwk": THEIRS, "kid": None},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/key.pem"},
        {"x5c": ["MIIB"]},
        {"kid": "another"},
        {"kid": None},
        {"kid": "../../dev/null"},
    ],
    ids=("jwk", "jwk without kid", "jku", "x5u", "x5c", "kid", "no kid", "kid of a file"),
)
def test_j1_a_key_that_the_header_brings_or_names_is_nobodys(
    door: Door, header: dict[str, object]
) -> None:
    token = signed(door, STRANGER, **header)

    assert not is_taken(door, token)
    # CVE-2026-27962 was this: a caller without a key, and a library that looked for one.
    assert not is_taken(door, token, keys=KeySet([]))


@at_every_door
@pytest.mark.parametrize("what", ["long", "deep header", "deep claims", "five parts", "PBES2"])
def test_j2_what_would_cost_much_is_refused(door: Door, what: str) -> None:
    good = signed(door)
    head, body, signature = good.split(".")
    deep = urlsafe_b64encode(b"[" * 5_000).decode()
    pbes2 = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31, "p2s": "AA", "zip": "DEF"}
    jwe = urlsafe_b64encode(json.dumps(pbes2).encode()).rstrip(b"=").decode()
    token = {
        "long": jwt.encode(
            {"alg": "RS256", "kid": "known", "typ": "JWT"},
            {**door.claims, "state": "x" * 20_000},
            KEY,
        ),
        "deep header": f"{deep}.{body}.{signature}",
        "deep claims": f"{head}.{deep}.{signature}",
        "five parts": f"{good}.{body}.{signature}",
        "PBES2": f"{jwe}.AA.AA.AA.AA",
    }[what]

    assert not is_taken(door, token)


@at_every_door
@pytest.mark.parametrize("crit", [["typ"], ["b64"], ["exp"], [], "typ"])
def test_j3_a_header_that_must_be_understood_is_not_ignored(door: Door, crit: object) -> None:
    header = {"alg": "RS256", "kid": "known", "typ": "JWT", "crit": crit, "exp": 1, "b64": True}
    parts = [json.dumps(part).encode() for part in (header, door.claims)]
    text = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = ANY_ALGORITHM.get_alg("RS256").sign(text, KEY)

    token = f"{text.decode()}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    assert not is_taken(door, token)


PUBLIC = {
    "PEM": KEY.as_pem(private=False),
    "PEM without its last line's end": KEY.as_pem(private=False).strip(),
    "DER": KEY.as_der(private=False),
    "JWK": json.dumps(KEY.as_dict(private=False)).encode(),
    "modulus": str(KEY.as_dict(private=False)["n"]).encode(),
}


@at_every_door
@pytest.mark.parametrize("form", PUBLIC)
@pytest.mark.parametrize("alg", ["HS256", "hs256", "RS256"])
def test_j4_the_public_key_is_no_shared_secret(door: Door, form: str, alg: str) -> None:
    assert not is_taken(door, forged(door, PUBLIC[form], alg=alg))


@at_every_door
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, ["none"], {"none": 1}, 0])
def test_j7_what_nobody_signed_is_refused(door: Door, alg: object) -> None:
    assert not is_taken(door, forged(door, alg=alg))


@at_every_door
def test_j7_what_another_has_signed_is_refused(door: Door) -> None:
    assert not is_taken(door, signed(door, STRANGER))


@at_every_door
@pytest.mark.parametrize(
    "secret",
    [SECRET.encode(), digest_of(SECRET).encode(), bytes.fromhex(digest_of(SECRET)), b"\0"],
    ids=["the secret", "its digest in hex", "its digest", "nothing much"],
)
def test_j8_neither_the_client_secret_nor_its_digest_signs(door: Door, secret: bytes) -> None:
    assert not is_taken(door, forged(door, secret))


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512", "none"])
@pytest.mark.parametrize(
    "member",
    [
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
        "introspection_signed_response_alg",
        "request_object_signing_alg",
        "token_endpoint_auth_signing_alg",
    ],
)
def test_j8_no_client_may_register_what_its_secret_would_sign(member: str, alg: str) -> None:
    """We keep a digest of it: whoever reads our database could sign with that (DOT #1737)."""
    with pytest.raises(BridgeError) as caught:
        check_client(replace(WIKI, metadata=ClientMetadata.from_json({member: alg})))

    assert caught.value.code == "invalid_client_metadata"
