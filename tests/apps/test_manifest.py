"""A developer's signed manifest: every rule, and whose signature it is."""

import base64
from datetime import timedelta
from functools import partial

import pytest

from oidc_bridge.apps.manifest import make_statement, open_statement
from oidc_bridge.apps.statement import LONGEST_LIFE
from oidc_bridge.errors import BridgeError, FetchError
from oidc_bridge.oidc.client import SoftwareStatement
from oidc_bridge.proofs.addresses import Address, Kind
from oidc_bridge.proofs.jsontokens import CURVE_ORDER, sign
from oidc_bridge.proofs.named_profile import find_profile
from oidc_bridge.proofs.names import NameService
from tests.fake_names import FakeNames
from tests.fakes import HEADER, NOW, FakeFetch, base64url, sign_raw
from tests.manifests import (
    DAVE,
    HOME,
    MALLORY,
    YEAR,
    a_statement,
    claims_of,
    key_of,
    named_dave,
    profile_url,
)

ISSUER = "https://bridge.example"
NAMES = NameService("https://names.example", frozenset({2}), "v2")
IAT = int(NOW.timestamp())


def opened(
    text: object, *, fetch: object = None, services: tuple[NameService, ...] = (NAMES,)
) -> tuple[SoftwareStatement, dict[str, object]]:
    statement, members = open_statement(
        text,
        audience=ISSUER,
        services=services,
        fetch=fetch or FakeFetch(forbidden=("https://",)),  # type: ignore[arg-type]
        now=NOW,
    )
    return statement, dict(members)


def refused(text: object, **more: object) -> tuple[str, str]:
    with pytest.raises(BridgeError) as caught:
        opened(text, **more)  # type: ignore[arg-type]
    return caught.value.code, caught.value.detail


@pytest.mark.spec("RFC 7591", "2.3")
def test_a_developers_address_signs_and_nobody_is_asked():
    statement, members = opened(a_statement())

    assert statement.developer == DAVE.did
    assert statement.address == DAVE.btc
    assert statement.jti == "statement-1"
    assert statement.expires_at == NOW + timedelta(seconds=YEAR)
    assert statement.required_scopes == ("openid",)
    assert statement.text == a_statement()
    assert members == {
        "software_id": "shop",
        "software_version": "1.0",
        "client_name": "The Signed Shop",
        "client_uri": HOME,
        "redirect_uris": [f"{HOME}/cb"],
        "scope": "openid profile email",
    }


def test_it_survives_being_kept():
    statement, _ = opened(a_statement())

    assert SoftwareStatement.from_json(statement.to_json()) == statement


def test_a_changed_letter_stops_it():
    good = a_statement()

    for place, letter in enumerate(good):
        if letter != ".":
            other = "A" if letter != "A" else "B"
            changed = f"{good[:place]}{other}{good[place + 1 :]}"
            assert refused(changed)[0] == "invalid_software_statement", place


def test_the_mirrored_signature_says_the_same():
    """About half of all honest signatures have their S in the upper half."""
    signed, _, signature = a_statement().rpartition(".")
    numbers = base64.urlsafe_b64decode(signature + "==")
    mirrored = (CURVE_ORDER - int.from_bytes(numbers[32:], "big")).to_bytes(32, "big")

    statement, _ = opened(f"{signed}.{base64url(numbers[:32] + mirrored)}")

    assert statement.address == DAVE.btc


def test_a_statement_by_somebody_else_in_daves_name_is_refused():
    code, detail = refused(a_statement(signed_by="mallory"))

    assert code == "invalid_software_statement"
    assert detail.startswith("iss:")


MULTI = Address(DAVE.hash160, Kind.MAINNET_MULTI)
TESTNET = Address(DAVE.hash160, Kind.TESTNET_SINGLE)
# Each breaks one rule, and the detail names the claim.
BROKEN: dict[str, tuple[str, dict[str, object]]] = {
    "no iss": ("iss", {"iss": None}),
    "iss is no text": ("iss", {"iss": 7}),
    "iss is of another method": ("iss", {"iss": "did:web:shop.example"}),
    "iss is an address alone": ("iss", {"iss": DAVE.btc}),
    "iss in Stacks' spelling": ("iss", {"iss": f"did:btc-addr:{DAVE.c32}"}),
    "iss of several keys": ("iss", {"iss": f"did:btc-addr:{MULTI.btc}"}),
    "iss of a testnet": ("iss", {"iss": f"did:btc-addr:{TESTNET.btc}"}),
    "iss with a mistake in it": ("iss", {"iss": DAVE.did[:-1] + "1"}),
    "iss is endless": ("iss", {"iss": "a." + "b" * 300}),
    "iss has a line too many": ("iss", {"iss": "dave.btc\n"}),
    "no iat": ("iat", {"iat": None}),
    "iat in the future": ("iat", {"iat": IAT + 301}),
    "iat is no number": ("iat", {"iat": str(IAT)}),
    "iat is true": ("iat", {"iat": True}),
    "iat is a fraction": ("iat", {"iat": IAT + 0.5}),
    "iat is before time": ("iat", {"iat": -1}),
    "no exp": ("exp", {"exp": None}),
    "exp is now": ("exp", {"iat": IAT - 9, "exp": IAT}),
    "exp is long ago": ("exp", {"iat": IAT - YEAR, "exp": IAT - 1}),
    "exp is before iat": ("exp", {"iat": IAT + 200, "exp": IAT + 100}),
    "exp is too far": ("exp", {"exp": IAT + 400 * 86_400 + 1}),
    "exp is beyond all calendars": ("exp", {"exp": 10**300}),
    "nbf in the future": ("nbf", {"nbf": IAT + 301}),
    "aud is another server": ("aud", {"aud": "https://other.example"}),
    "aud are other servers": ("aud", {"aud": ["https://other.example"]}),
    "aud is odd": ("aud", {"aud": {"a": ISSUER}}),
    "no software_id": ("software_id", {"software_id": None}),
    "software_id is empty": ("software_id", {"software_id": " "}),
    "software_id is endless": ("software_id", {"software_id": "s" * 2001}),
    "software_version is no text": ("software_version", {"software_version": 1}),
    "jti is no text": ("jti", {"jti": 1}),
    "no client_name": ("client_name", {"client_name": None}),
    "client_name turns around": ("client_name", {"client_name": "moc.knab\u202e"}),
    "no client_uri": ("client_uri", {"client_uri": None}),
    "client_uri has a path": ("client_uri", {"client_uri": f"{HOME}/app"}),
    "client_uri has a fragment": ("client_uri", {"client_uri": f"{HOME}#"}),
    "client_uri is http": ("client_uri", {"client_uri": "http://shop.example"}),
    "client_uri is no address": ("client_uri", {"client_uri": "shop.example"}),
    "no redirect_uris": ("redirect_uris", {"redirect_uris": None}),
    "redirect_uris are empty": ("redirect_uris", {"redirect_uris": []}),
    "redirect_uris is a text": ("redirect_uris", {"redirect_uris": f"{HOME}/cb"}),
    "one is no text": ("redirect_uris", {"redirect_uris": [f"{HOME}/cb", 7]}),
    "one is elsewhere": (
        "redirect_uris",
        {"redirect_uris": [f"{HOME}/cb", "https://evil.example/"]},
    ),
    "one is a subdomain": ("redirect_uris", {"redirect_uris": ["https://a.shop.example/cb"]}),
    "one is at another port": ("redirect_uris", {"redirect_uris": [f"{HOME}:8443/cb"]}),
    "one is http": ("redirect_uris", {"redirect_uris": ["http://shop.example/cb"]}),
    "a scheme without a dot": ("redirect_uris", {"redirect_uris": ["shop:/cb"]}),
    "a script": ("redirect_uris", {"redirect_uris": ["javascript:alert(1)"]}),
    "logo_uri elsewhere": ("logo_uri", {"logo_uri": "https://cdn.example/logo.png"}),
    "policy_uri elsewhere": ("policy_uri", {"policy_uri": "https://evil.example/"}),
    "tos_uri elsewhere": ("tos_uri", {"tos_uri": "https://evil.example/"}),
    "tos_uri is no text": ("tos_uri", {"tos_uri": 7}),
    "contacts is a text": ("contacts", {"contacts": "dave@shop.example"}),
    "contacts are no texts": ("contacts", {"contacts": [7]}),
    "no scope": ("scope", {"scope": None}),
    "scope is a list": ("scope", {"scope": ["openid"]}),
    "scope without openid": ("scope", {"scope": "profile"}),
    "required_scopes is a text": ("required_scopes", {"required_scopes": "openid"}),
    "required_scopes are no texts": ("required_scopes", {"required_scopes": [["openid"]]}),
    "required_scopes hold more": (
        "required_scopes",
        {"required_scopes": ["openid", "offline_access"]},
    ),
    "a client's id": ("client_id", {"client_id": "wiki"}),
    "a client's secret": ("client_secret", {"client_secret": "s" * 43}),
    "a statement inside": ("software_statement", {"software_statement": "a.b.c"}),
}


@pytest.mark.spec("RFC 7591", "2.3")
@pytest.mark.parametrize("case", BROKEN)
def test_a_statement_is_refused_by_the_claim_at_fault(case):
    claim, change = BROKEN[case]

    code, detail = refused(a_statement(**change))

    assert code == "invalid_software_statement"
    assert detail.startswith(f"{claim}: ")


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "no statement",
        "e30.e30.c2ln",
        a_statement() + ".e30",
        a_statement().rpartition(".")[0] + ".",
        sign_raw(b'{"typ":"JWT","alg":"none"}', b"{}", key_of("dave")),
        sign_raw(b'{"typ":"JWT","alg":"HS256"}', b"{}", key_of("dave")),
        sign_raw(b'{"typ":"JWT","alg":"ES256K","jwk":{}}', b"{}", key_of("dave")),
        sign_raw(HEADER, b"[]", key_of("dave")),
        sign_raw(HEADER, b'{"iss":"a","iss":"b"}', key_of("dave")),
        sign_raw(HEADER, b"[" * 100_000, key_of("dave")),
    ],
)
def test_what_is_no_es256k_token_is_refused(text):
    assert refused(text)[0] == "invalid_software_statement"


GOOD = {
    "exp as far as may be": {"exp": IAT + LONGEST_LIFE.days * 86_400},
    "iat within the leeway": {"iat": IAT + 300},
    "nbf is past": {"nbf": IAT},
    "aud names us": {"aud": ISSUER},
    "aud names us too": {"aud": ["https://other.example", ISSUER]},
    "client_uri ends with a slash": {"client_uri": f"{HOME}/"},
    "redirect on loopback": {"redirect_uris": ["http://127.0.0.1:8000/cb", "http://[::1]/cb"]},
    "redirect to a private scheme": {"redirect_uris": ["example.shop.app:/cb"]},
    "no version": {"software_version": None},
    "no jti": {"jti": None},
    "pages at home": {"policy_uri": f"{HOME}/privacy", "logo_uri": f"{HOME}/logo.png"},
    "contacts": {"contacts": ["dave@shop.example"]},
}


@pytest.mark.parametrize("case", GOOD)
def test_a_statement_may_have(case):
    statement, _ = opened(a_statement(**GOOD[case]))

    assert statement.address == DAVE.btc


def test_required_scopes_always_hold_openid():
    statement, members = opened(a_statement(required_scopes=["email"]))

    assert statement.required_scopes == ("openid", "email")
    assert "required_scopes" not in members


# --- a developer by name ---


@pytest.fixture
def names() -> FakeNames:
    service = FakeNames(NAMES.url)
    service.give("dave.btc", DAVE.c32)
    return service


def test_the_owner_of_a_name_signs_as_that_name(names):
    statement, _ = opened(a_statement(iss="dave.btc"), fetch=names)

    assert statement.developer == "dave.btc"
    assert statement.address == DAVE.btc


def test_whoever_does_not_own_the_name_is_refused(names):
    names.transfer("dave.btc", MALLORY.c32)

    code, detail = refused(a_statement(iss="dave.btc"), fetch=names)

    assert code == "invalid_software_statement"
    assert "owner of dave.btc" in detail


def test_a_name_that_nobody_owns_approves_nothing(names):
    names.take("dave.btc")

    assert refused(a_statement(iss="dave.btc"), fetch=names)[0] == "unapproved_software_statement"


def test_a_service_that_is_down_approves_nothing():
    down = FakeFetch(answers={f"{NAMES.url}/names/dave.btc": FetchError("fetch_failed")})

    assert refused(a_statement(iss="dave.btc"), fetch=down)[0] == "unapproved_software_statement"


def test_without_a_service_for_the_name_nothing_is_approved_and_nobody_asked():
    text = a_statement(iss="dave.id.blockstack")

    assert refused(text)[0] == "unapproved_software_statement"
    assert refused(text, services=())[0] == "unapproved_software_statement"


# --- a developer by a name that another key holds ---

OLD_NAMES = (NameService("https://names.example", frozenset({2}), "v1"),)
BY_NAME = a_statement(iss="dave.btc")


def pinned(text: str, answers: dict[str, object], **options: object) -> SoftwareStatement:
    fetch = FakeFetch(answers=answers)  # type: ignore[arg-type]
    find = partial(find_profile, services=OLD_NAMES, fetch=fetch, strangers=fetch, **options)
    return open_statement(
        text, audience=ISSUER, services=OLD_NAMES, fetch=fetch, now=NOW, find_profile=find
    )[0]


def not_pinned(text: str, answers: dict[str, object], **options: object) -> str:
    with pytest.raises(BridgeError) as caught:
        pinned(text, answers, **options)
    assert caught.value.detail.startswith("iss: ")
    return caught.value.code


def test_the_key_of_a_names_profile_signs_as_that_name():
    statement = pinned(BY_NAME, named_dave())

    assert (statement.developer, statement.address) == ("dave.btc", DAVE.btc)


def test_the_owner_signs_and_no_profile_is_asked_for():
    answers = named_dave(owner="dave")
    del answers[profile_url()]

    assert pinned(BY_NAME, answers).address == DAVE.btc


def test_whoever_is_neither_owner_nor_the_profiles_key_is_refused():
    text = a_statement(signed_by="mallory", iss="dave.btc")

    assert not_pinned(text, named_dave()) == "invalid_software_statement"


def test_a_profile_outside_of_its_keys_folder_pins_nothing():
    """Its zone file leads there, but a server of anybody's can hold an old profile of Dave's."""
    elsewhere = named_dave(url=f"https://evil.example/hub/{DAVE.btc}/profile.json")

    assert not_pinned(BY_NAME, elsewhere) == "invalid_software_statement"


def test_a_profile_by_another_key_than_its_folders_pins_nothing():
    text = a_statement(signed_by="mallory", iss="dave.btc")

    assert not_pinned(text, named_dave(signed_by="mallory")) == "invalid_software_statement"


def test_without_hubs_only_the_owner_signs():
    assert not_pinned(BY_NAME, named_dave(), gaia=frozenset()) == "invalid_software_statement"


def test_without_the_means_to_find_profiles_only_the_owner_signs():
    fetch = FakeFetch(answers=named_dave())

    assert refused(BY_NAME, fetch=fetch, services=OLD_NAMES)[0] == "invalid_software_statement"
    assert profile_url() not in fetch.calls


@pytest.mark.parametrize(
    "fault",
    [(200, "[]"), (200, [{"token": "a.b.c"}]), FetchError("fetch_blocked")],
)
def test_what_is_no_profile_pins_nothing(fault):
    answers = named_dave() | {profile_url(): fault}

    assert not_pinned(BY_NAME, answers) == "invalid_software_statement"


@pytest.mark.parametrize("silence", [FetchError("fetch_failed"), (500, "down")])
def test_a_hub_that_is_down_approves_nothing(silence):
    answers = named_dave() | {profile_url(): silence}

    assert not_pinned(BY_NAME, answers) == "unapproved_software_statement"


# --- signing ---


def test_what_is_made_is_opened():
    metadata = {
        name: value for name, value in claims_of().items() if name not in ("iss", "iat", "exp")
    }

    made = make_statement(
        metadata,
        private_key=key_of("dave"),
        address=DAVE,
        name=None,
        now=NOW,
        life=timedelta(days=10),
    )

    assert opened(made)[0].expires_at == NOW + timedelta(days=10)


def test_what_breaks_a_rule_is_not_signed():
    with pytest.raises(BridgeError, match="redirect_uris"):
        make_statement(
            claims_of(redirect_uris=["https://evil.example/"]),
            private_key=key_of("dave"),
            address=DAVE,
            name=None,
            now=NOW,
            life=timedelta(days=10),
        )


def test_a_token_of_the_wallets_is_no_statement():
    """An authResponse is ES256K by the same key: it must never pass for a manifest."""
    answer = sign({"iss": DAVE.did, "iat": IAT, "exp": IAT + 60, "public_keys": []}, key_of("dave"))

    assert refused(answer)[0] == "invalid_software_statement"
