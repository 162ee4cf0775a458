"""Blockstack Auth from our side: the request, and each check of the answer."""

import hashlib
import json
import uuid
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from coincurve import PrivateKey

from oidc_bridge.demo.wallet import parse_auth_request
from oidc_bridge.errors import FetchError, ProofError
from oidc_bridge.identity import Identity, Profile, Proof
from oidc_bridge.proofs.addresses import Address, Kind, public_key_to_address
from oidc_bridge.proofs.ecies import encrypt
from oidc_bridge.proofs.jsontokens import CURVE_ORDER, parse, parse_public_key, sign, verify
from oidc_bridge.proofs.profiles import describe
from tests.fakes import (
    HEADER,
    NOW,
    ORIGIN,
    FakeFetch,
    FakeWallet,
    a_blockstack,
    a_challenge,
    sign_raw,
)

ANN = FakeWallet.named("ann", display_name="Ann", email="ann@mail.example")
BOB = FakeWallet.named("bob")
CHALLENGE = a_challenge()
REQUEST = a_blockstack().invite(CHALLENGE).message
TRANSIT = PrivateKey(CHALLENGE.secret).public_key.format()
PROFILE_URL = "https://gaia.example/hub/ann/profile.json"
OLD = (NOW - timedelta(days=1)).timestamp()


def sign_in(text: str | None = None, *, fetch: FakeFetch | None = None, **lies) -> Identity:
    text = ANN.answer(REQUEST, now=NOW, **lies) if text is None else text
    return a_blockstack(fetch).verify(CHALLENGE, {"authResponse": text}, now=NOW)


def refusal_of(text: str | None = None, **lies) -> str:
    fetch = FakeFetch()
    with pytest.raises(ProofError) as refusal:
        sign_in(text, fetch=fetch, **lies)
    assert fetch.calls == []
    return refusal.value.code


# the request


def test_it_is_a_proof():
    proof: Proof = a_blockstack()

    assert proof.method == "blockstack"


def test_the_request_is_the_same_for_the_same_challenge():
    assert a_blockstack().invite(CHALLENGE).message == REQUEST
    assert a_blockstack().invite(a_challenge("two")).message != REQUEST


@pytest.mark.spec("Blockstack Auth", "authRequest")
def test_the_request_says_what_wallets_read():
    token = parse(REQUEST)

    verify(token, parse_public_key(TRANSIT.hex()))
    jti = uuid.UUID(str(token.payload["jti"]))
    assert jti.version == 4
    assert token.payload == {
        "jti": str(jti),
        "iat": int(CHALLENGE.issued_at.timestamp()),
        "exp": int(CHALLENGE.expires_at.timestamp()),
        "iss": public_key_to_address(TRANSIT).did,
        "public_keys": [TRANSIT.hex()],
        "domain_name": ORIGIN,
        "manifest_uri": f"{ORIGIN}/manifest.json",
        "redirect_uri": f"{ORIGIN}/signin/blockstack?challenge={CHALLENGE.id}",
        "version": "1.4.0",
        "do_not_include_profile": True,
        "supports_hub_url": True,
        "scopes": ["store_write"],
        "appDetails": {"name": "Bridge", "icon": f"{ORIGIN}/icon.png"},
    }


def test_the_request_does_not_carry_the_secret():
    assert CHALLENGE.secret.hex() not in json.dumps(dict(parse(REQUEST).payload))
    assert CHALLENGE.secret.hex() not in repr(CHALLENGE)


def test_the_challenge_survives_in_the_wallets_return_address():
    challenge = replace(CHALLENGE, id="a&b=c d")

    url = ANN.answer_url(a_blockstack().invite(challenge).message, now=NOW)

    assert parse_qs(urlsplit(url).query)["challenge"] == ["a&b=c d"]
    assert len(parse_qs(urlsplit(url).query)["authResponse"]) == 1


# a good answer


@pytest.mark.spec("Blockstack Auth", "authResponse")
def test_an_answer_proves_the_identity():
    app_key = PrivateKey(ANN.app_key(ORIGIN)).public_key.format()

    assert sign_in() == Identity(
        method="blockstack",
        subject=ANN.address.c32,
        proved_at=NOW,
        names_host=True,
        profile=Profile("Ann", None, "ann@mail.example"),
        app_key=hashlib.sha256(app_key).hexdigest(),
        unconfirmed=(),
    )


def test_the_app_key_differs_between_origins_and_not_between_sign_ins():
    other = replace(a_blockstack(), origin=f"{ORIGIN}/").invite(CHALLENGE).message
    again = a_blockstack().verify(
        a_challenge("two"),
        {"authResponse": ANN.answer(a_blockstack().invite(a_challenge("two")).message, now=NOW)},
        now=NOW,
    )

    assert sign_in(ANN.answer(other, now=NOW)).app_key != sign_in().app_key
    assert again.app_key == sign_in().app_key


@pytest.mark.parametrize(
    "without",
    [
        "jti",
        "associationToken",
        "profile",
        "email",
        "profile_url",
        "hubUrl",
        "version",
        "core_token",
        "blockstackAPIUrl",
        "appPrivateKeyFromWalletSalt",
    ],
)
def test_what_old_wallets_leave_out_is_not_needed(without):
    assert sign_in(without=(without,)).subject == ANN.address.c32


def test_a_key_with_the_compression_mark_is_read():
    marked = encrypt(f"{ANN.app_key(ORIGIN).hex()}01".encode(), TRANSIT)

    assert sign_in(change={"private_key": marked}).app_key == sign_in().app_key


@pytest.mark.parametrize("claimed", [{"mainnet": BOB.address.c32}, BOB.address.c32, 7, None])
def test_a_claimed_stacks_address_changes_nothing(claimed):
    assert sign_in(change={"profile": {"stxAddress": claimed}}).subject == ANN.address.c32


def test_no_server_of_the_token_is_contacted():
    fetch = FakeFetch()
    evil = dict.fromkeys(("blockstackAPIUrl", "hubUrl"), "https://evil.example")

    sign_in(fetch=fetch, change={**evil, "username": "ann.id"})

    assert fetch.calls == []


# each check


def test_an_answer_after_the_challenge_ran_out_is_refused():
    text = ANN.answer(REQUEST, now=NOW)

    with pytest.raises(ProofError) as refusal:
        a_blockstack().verify(CHALLENGE, {"authResponse": text}, now=CHALLENGE.expires_at)

    assert refusal.value.code == "request_expired"


def test_an_answer_at_the_last_moment_is_taken():
    last = CHALLENGE.expires_at - timedelta(microseconds=1)
    text = ANN.answer(REQUEST, now=NOW)

    assert a_blockstack().verify(CHALLENGE, {"authResponse": text}, now=last)


@pytest.mark.parametrize("answer", [{}, {"authResponse": ""}, {"authresponse": "x"}])
def test_no_answer_is_malformed(answer):
    with pytest.raises(ProofError) as refusal:
        a_blockstack().verify(CHALLENGE, answer, now=NOW)

    assert refusal.value.code == "malformed"


def test_a_huge_answer_is_refused():
    assert refusal_of("a" * 65537) == "too_large"


def test_another_algorithm_is_refused():
    assert refusal_of(header=b'{"typ":"JWT","alg":"ES256"}') == "header_alg"


def test_another_signer_is_refused():
    assert refusal_of(sign_with=BOB.identity_key) == "signature"


def test_a_signer_who_names_another_as_issuer_is_refused():
    mallory = BOB.answer(REQUEST, now=NOW, change={"iss": ANN.address.did})

    assert refusal_of(mallory) == "issuer"


UNCOMPRESSED = PrivateKey(ANN.identity_key).public_key.format(compressed=False)


@pytest.mark.parametrize(
    "issuer",
    [
        None,
        "",
        1,
        [ANN.address.did],
        ANN.address.btc,
        ANN.address.c32,
        f"did:btc-addr:{ANN.address.c32}",
        f"did:stack:{ANN.address.btc}",
        f"DID:BTC-ADDR:{ANN.address.btc}",
        f"{ANN.address.did}:x",
        f"{ANN.address.did}\n",
        f" {ANN.address.did}",
        f"did:btc-addr:{Address(ANN.address.hash160, Kind.TESTNET_SINGLE).btc}",
        public_key_to_address(UNCOMPRESSED).did,
    ],
)
def test_any_other_issuer_is_refused(issuer):
    assert refusal_of(change={"iss": issuer}) == "issuer"


OWN_KEY = ANN.identity_public_key.hex()


@pytest.mark.parametrize(
    "public_keys",
    [
        None,
        [],
        OWN_KEY,
        {"length": 1, "0": OWN_KEY},
        [OWN_KEY, BOB.identity_public_key.hex()],
        [OWN_KEY, OWN_KEY],
        [None],
        [[OWN_KEY]],
        [OWN_KEY.upper()],
        [f"0x{OWN_KEY}"],
        [UNCOMPRESSED.hex()],
        ["02" + "00" * 31 + "05"],
    ],
)
def test_anything_but_one_compressed_key_is_refused(public_keys):
    assert refusal_of(change={"public_keys": public_keys}) == "public_keys"


def test_an_uncompressed_key_with_its_own_address_is_refused():
    claims = {
        "public_keys": [UNCOMPRESSED.hex()],
        "iss": public_key_to_address(UNCOMPRESSED).did,
    }

    assert refusal_of(change=claims) == "public_keys"


@pytest.mark.parametrize("claim", ["iat", "exp"])
@pytest.mark.parametrize(
    "value", [None, True, False, "1767225600", "2026-01-01T00:00:00Z", [], {}], ids=repr
)
def test_a_time_that_is_no_number_is_refused(claim, value):
    assert refusal_of(change={claim: value}) == "time"


@pytest.mark.parametrize("claim", ["iat", "exp"])
@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_a_time_that_overflows_is_refused(claim, number):
    claims = ANN.make_claims(parse_auth_request(REQUEST), now=NOW) | {claim: "HERE"}
    payload = json.dumps(claims).replace('"HERE"', number)

    assert refusal_of(sign_raw(HEADER, payload.encode(), ANN.identity_key)) == "time"


@pytest.mark.parametrize("claim", ["iat", "exp"])
def test_a_missing_time_is_refused(claim):
    assert refusal_of(without=(claim,)) == "time"


@pytest.mark.parametrize(
    ("seconds_ahead", "is_taken"), [(0, True), (300, True), (301, False), (10**4000, False)]
)
def test_iat_may_be_ahead_by_the_leeway(seconds_ahead, is_taken):
    issued_at = int(NOW.timestamp()) + seconds_ahead
    change = {"iat": issued_at, "exp": issued_at}

    if is_taken:
        assert sign_in(change=change)
    else:
        assert refusal_of(change=change) == "time"


@pytest.mark.parametrize(("seconds_ago", "is_taken"), [(0, True), (300, True), (301, False)])
def test_exp_may_be_past_by_the_leeway(seconds_ago, is_taken):
    change = {"iat": OLD, "exp": NOW.timestamp() - seconds_ago}

    if is_taken:
        assert sign_in(change=change)
    else:
        assert refusal_of(change=change) == "time"


@pytest.mark.parametrize("expires_at", [0, -1, NOW.timestamp() - 200])
def test_exp_before_iat_is_refused(expires_at):
    assert refusal_of(change={"iat": NOW.timestamp(), "exp": expires_at}) == "time"


def test_iat_before_1970_is_refused():
    assert refusal_of(change={"iat": -1}) == "time"


@pytest.mark.parametrize("expires_at", [1e300, 10**300, NOW.timestamp() * 1000])
def test_an_exp_in_the_far_future_is_honoured_as_far_as_it_goes(expires_at):
    # The libraries write a month. It is the transit key that makes an answer fresh.
    assert sign_in(change={"exp": expires_at})


@pytest.mark.parametrize("field", [None, "", "ab" * 32, "AB" * 32, "ab" * 32 + "01"])
def test_an_answer_without_a_sealed_app_key_is_unbound(field):
    assert refusal_of(change={"private_key": field}) == "unbound"


def test_an_answer_without_the_claim_is_unbound():
    assert refusal_of(without=("private_key", "version")) == "unbound"


@pytest.mark.spec("Blockstack Auth", "authResponse")
def test_an_answer_for_another_challenge_is_refused():
    other = a_blockstack().invite(a_challenge("two")).message

    assert refusal_of(ANN.answer(other, now=NOW)) == "binding"


@pytest.mark.parametrize("version", ["0.9.0", "1.0.0", None, 1, ""])
def test_the_version_decides_nothing(version):
    other = parse_auth_request(a_blockstack().invite(a_challenge("two")).message)
    stolen = ANN.make_claims(other, now=NOW)["private_key"]

    assert sign_in(change={"version": version})
    assert refusal_of(change={"version": version, "private_key": stolen}) == "binding"


@pytest.mark.parametrize("field", ["zz", "not hex", "7b", "ab" * 33, 1, True, [], {"iv": "00"}])
def test_an_app_key_that_does_not_open_is_refused(field):
    assert refusal_of(change={"private_key": field}) == "binding"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"ab" * 31,
        b"ab" * 33,
        b"AB" * 32,
        b"\xff" * 64,
        b"ab" * 32 + b"\n",
        bytes(32),
        b"00" * 32,
        f"{CURVE_ORDER:064x}".encode(),
        b"ff" * 32,
    ],
)
def test_a_sealed_text_that_is_no_private_key_is_refused(text):
    assert refusal_of(change={"private_key": encrypt(text, TRANSIT)}) == "app_key"


def association(signer: FakeWallet = ANN, **changes: object) -> str:
    app_key = PrivateKey(ANN.app_key(ORIGIN)).public_key.format()
    claims: dict[str, object] = {
        "childToAssociate": app_key.hex(),
        "iss": OWN_KEY,
        "iat": NOW.timestamp() - 0.5,
        "exp": NOW.timestamp() + 1000.5,
        "salt": "00" * 16,
    }
    return sign(claims | changes, signer.identity_key)


def test_an_association_by_the_identity_is_taken():
    assert sign_in(change={"associationToken": association()})


@pytest.mark.spec("Blockstack Auth", "association token")
@pytest.mark.parametrize(
    "token",
    {
        "by another": association(BOB),
        "for another key": association(childToAssociate=BOB.identity_public_key.hex()),
        "for no key": association(childToAssociate=None),
        "of another issuer": association(iss=BOB.identity_public_key.hex()),
        "of a DID": association(iss=ANN.address.did),
        "expired": association(iat=OLD, exp=OLD),
        "from the future": association(iat=NOW.timestamp() + 900),
        "without a time": association(exp=None),
        "no token": "x",
        "empty": "",
        "no text": 7,
        "a list": [association()],
        "unsigned": association().rpartition(".")[0] + ".",
    }.items(),
    ids=lambda item: item[0],
)
def test_any_other_association_is_refused(token):
    assert refusal_of(change={"associationToken": token[1]}) == "association"


# names


def test_a_name_is_claimed_and_nobody_is_asked():
    fetch = FakeFetch()

    found = sign_in(change={"username": "ann.id"}, fetch=fetch)

    assert (found.claimed_name, found.unconfirmed) == ("ann.id", ())
    assert found.subject == ANN.address.c32
    assert fetch.calls == []


@pytest.mark.parametrize(
    "username", ["ann id", "ann.id\n", "än.id", "a\ud800", "a" * 129, 7, True, ["ann.id"], {}]
)
def test_a_claim_that_is_no_name_is_left_out(username):
    found = sign_in(change={"username": username})

    assert (found.claimed_name, found.unconfirmed) == (None, ("username_lookup",))


@pytest.mark.parametrize("username", ["", None])
def test_no_name_claims_none(username):
    found = sign_in(change={"username": username})

    assert (found.claimed_name, found.unconfirmed) == (None, ())


# what the wallet is


@pytest.mark.parametrize("version", ["1.1.0", "1.2.0", "1.3.0", "1.3.1", "1.3.9999", "0.9.0"])
def test_an_old_wallets_answer_came_back_to_us(version):
    assert sign_in(change={"version": version}).names_host


@pytest.mark.parametrize(
    "version",
    [
        "1.4.0",
        "1.4.1",
        "1.10.0",
        "2.0.0",
        "1.4",
        "1.3",
        "1",
        "",
        "1.3.1 ",
        "1.3.1\n",
        "v1.3.1",
        "1.3.1-beta",
        "1.3.-1",
        "１.3.1",
        "1.3.99999",
        None,
        1.3,
        ["1.3.1"],
    ],
    ids=repr,
)
def test_any_other_version_counts_as_todays(version):
    assert not sign_in(change={"version": version}).names_host


def test_a_missing_version_counts_as_todays():
    assert not sign_in(without=("version",)).names_host


STX = ANN.stx_address


@pytest.mark.parametrize("claimed", [STX.c32, {"mainnet": STX.c32, "testnet": None}], ids=repr)
def test_a_wallet_may_say_which_address_its_stx_key_has(claimed):
    found = sign_in(change={"profile": {"stxAddress": claimed}})

    assert found.stx_address == STX.c32
    assert found.subject == ANN.address.c32


@pytest.mark.parametrize(
    "claimed",
    {
        "none": None,
        "a number": 7,
        "a list": [STX.c32],
        "nothing": {},
        "testnet only": {"testnet": STX.c32},
        "no text": {"mainnet": {"p2pkh": STX.c32}},
        "a testnet address": Address(STX.hash160, Kind.TESTNET_SINGLE).c32,
        "a multi-signature address": Address(STX.hash160, Kind.MAINNET_MULTI).c32,
        "Bitcoin's spelling": STX.btc,
        "a contract": f"{STX.c32}.bns",
        "lower case": STX.c32.lower(),
        "not an address": "SP",
    }.items(),
    ids=lambda item: item[0],
)
def test_any_other_stx_address_is_none(claimed):
    found = sign_in(change={"profile": {"stxAddress": claimed[1]}})

    assert (found.stx_address, found.unconfirmed) == (None, ())


def test_an_identity_survives_being_kept():
    wallet = replace(ANN, username="ann.id", picture="https://a.example/1.png")
    identity = replace(
        sign_in(wallet.answer(REQUEST, now=NOW)), stx_address=STX.c32, unconfirmed=("a", "b")
    )

    kept = json.loads(json.dumps(identity.to_json()))

    assert Identity.from_json(kept) == identity


# profiles


def with_file(answer: object, **more: object) -> tuple[Identity, FakeFetch]:
    fetch = FakeFetch({PROFILE_URL: answer})
    change = {"profile": None, "profile_url": PROFILE_URL, **more}
    return sign_in(change=change, fetch=fetch), fetch


def test_a_profile_file_signed_by_the_identity_is_read():
    found, _ = with_file((200, ANN.profile_file({"name": "Ann of the file"})))

    assert found.profile == Profile("Ann of the file", None, "ann@mail.example")
    assert found.unconfirmed == ()


def test_with_an_inline_profile_no_file_is_fetched():
    found, fetch = with_file((200, ANN.profile_file({"name": "File"})), profile={"name": "Inline"})

    assert found.profile.display_name == "Inline"
    assert fetch.calls == []


def test_a_profile_file_tells_no_stx_address():
    # It was signed once, for everybody, and may be another's to bring.
    found, _ = with_file((200, ANN.profile_file({"stxAddress": STX.c32})))

    assert (found.stx_address, found.unconfirmed) == (None, ())


GOOD_FILE = ANN.profile_file({"name": "File"})
GOOD_TOKEN = GOOD_FILE[0]["token"]


@pytest.mark.spec("Blockstack Auth", "profile token")
@pytest.mark.parametrize(
    "file",
    {
        "signed by another": BOB.profile_file({"name": "File"}),
        "of another issuer": [
            {"token": sign({"issuer": {"publicKey": OWN_KEY}, "claim": {}}, BOB.identity_key)}
        ],
        "without issuer": [{"token": sign({"claim": {}}, ANN.identity_key)}],
        "changed": [{"token": GOOD_TOKEN[:-20] + "A" * 20}],
        "unsigned copy only": [{"decodedToken": {"payload": {"claim": {"name": "File"}}}}],
        "no list": GOOD_FILE[0],
        "empty list": [],
        "list of text": [GOOD_TOKEN],
        "token no text": [{"token": 7}],
        "claim no object": ANN.profile_file("File"),
        "no JSON": "<html>",
        "no UTF-8": b"\xff\xfe",
        "deep": b"[" * 100000,
        "token too large": [{"token": "a" * 70000}],
    }.items(),
    ids=lambda item: item[0],
)
def test_a_profile_file_that_does_not_verify_is_left_out(file):
    found, _ = with_file((200, file[1]))

    assert found.profile == Profile(email="ann@mail.example")
    assert found.unconfirmed == ("profile_token",)


@pytest.mark.parametrize(
    "answer",
    [(404, ""), (500, GOOD_FILE), (204, ""), (200, b" " * 262145), FetchError("fetch_blocked")],
)
def test_a_profile_file_that_cannot_be_had_is_left_out(answer):
    found, _ = with_file(answer)

    assert found.profile == Profile(email="ann@mail.example")
    assert found.unconfirmed == ("profile_lookup",)


@pytest.mark.parametrize(
    "url",
    [
        "http://gaia.example/profile.json",
        "http://127.0.0.1:9000/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https://user@gaia.example/",
        "https://[::1",
        "https://gaia.example/a b",
        "https://gaia.example/\n",
        "https://gäia.example/",
        "https://gaia.example/\ud800",
        "https://gaia.example/" + "a" * 2048,
        "//gaia.example/",
        "x",
    ],
)
def test_a_profile_address_that_is_not_https_is_not_fetched(url):
    fetch = FakeFetch()

    found = sign_in(change={"profile": None, "profile_url": url}, fetch=fetch)

    assert found.unconfirmed == ("profile_lookup",)
    assert fetch.calls == []


@pytest.mark.parametrize("profile", ["text", 7, True, []])
def test_a_profile_of_another_type_is_no_profile(profile):
    assert sign_in(change={"profile": profile}).profile.display_name is None


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Ann", "Ann"),
        ("  Ann \n\t of  Bergen ", "Ann of Bergen"),
        ("Алиса 🦊", "Алиса 🦊"),
        ("Ann\u202egnp.exe", "Anngnp.exe"),
        ("A\u200bn\u2060n\ufeff", "Ann"),
        ("A\0n\x1bn\x7f", "Ann"),
        ("Ann\u2028Bob\u0085Eve", "Ann Bob Eve"),
        ("A\ud800nn", "Ann"),
        ("a" * 300, "a" * 256),
        ("a" * 255 + " b", "a" * 255),
        ("\u200b \u202e", None),
        ("", None),
        (None, None),
        (7, None),
        (["Ann"], None),
        ("<script>", "<script>"),  # escaping is the template's duty
    ],
)
def test_a_display_name_is_one_clean_line(said, shown):
    assert describe({"name": said}, email=None).display_name == shown


@pytest.mark.parametrize(
    ("images", "picture"),
    [
        ([{"contentUrl": "https://a.example/1.png"}], "https://a.example/1.png"),
        (
            [{"contentUrl": "http://a.example/"}, {"contentUrl": "https://b.example/"}],
            "https://b.example/",
        ),
        ([{"contentUrl": "data:image/png;base64,AAAA"}], None),
        ([{"contentUrl": "javascript:alert(1)"}], None),
        ([{"contentUrl": "https://a.example/" + "a" * 2048}], None),
        ([{"contentUrl": 'https://a.example/"onerror="\n'}], None),
        ([{"contentUrl": None}, {}, None, 7, []], None),
        ({"contentUrl": "https://a.example/"}, None),
        ("https://a.example/", None),
        (None, None),
    ],
)
def test_a_picture_is_the_first_https_address(images, picture):
    assert describe({"image": images}, email=None).picture == picture


@pytest.mark.parametrize("email", ["ann@mail.example", "a.b+c@x-y.example.org"])
def test_a_sane_email_is_told(email):
    assert describe({}, email=email).email == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "@mail.example",
        "ann@",
        "ann@mail",
        "ann@mail.example\n",
        "ann@mail.example ",
        "a b@mail.example",
        "ann@@mail.example",
        "ann@mail..example",
        "ann@.example",
        "ann@mail.example,bob@mail.example",
        "<ann@mail.example>",
        "änn@mail.example",
        "a\ud800@mail.example",
        "a" * 65 + "@mail.example",
        "a@" + "b." * 200 + "example",
    ],
)
def test_an_odd_email_is_left_out(email):
    assert describe({}, email=email).email is None


@pytest.mark.parametrize("email", [7, True, ["ann@mail.example"], {}, None])
def test_an_email_of_another_type_is_left_out(email):
    assert sign_in(change={"email": email}).profile.email is None


# the demo's wallet


def test_the_wallet_refuses_a_request_that_is_not_well_signed():
    with pytest.raises(ProofError) as refusal:
        ANN.answer(REQUEST[:-20] + "A" * 20, now=NOW)

    assert refusal.value.code == "signature"


def test_the_wallet_says_what_its_protocol_carries():
    old = parse(replace(ANN, username="ann.id").answer(REQUEST, now=NOW)).payload
    new = parse(replace(ANN, username="ann.id", protocol="1.4.0").answer(REQUEST, now=NOW)).payload

    assert (old["version"], old["username"]) == ("1.3.1", "ann.id")
    assert "stxAddress" not in old["profile"]
    assert new["version"] == "1.4.0"
    assert "username" not in new
    assert new["profile"]["stxAddress"]["mainnet"] == STX.c32


def test_the_wallet_does_not_show_its_key():
    assert ANN.identity_key.hex() not in repr(ANN)
    assert repr(ANN.identity_key) not in repr(ANN)
    assert ANN.stx_key.hex() not in repr(ANN)
