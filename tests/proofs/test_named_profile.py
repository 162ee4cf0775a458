"""A name leads to a key and to what that key signed; to nothing else."""

import json

import pytest

from oidc_bridge.errors import ProofError
from oidc_bridge.proofs.named_profile import NamedProfile, fetch_text, find_profile
from oidc_bridge.proofs.names import NameService
from tests.oichat import (
    CHAT,
    GAIA,
    PEOPLE,
    SERVICES,
    Web,
    name_answer,
    name_url,
    profile_file,
    served,
)
from tests.oichat import zone_file as written_zone_file

ALICE = PEOPLE["alice.id"]
GINA_URL = PEOPLE["gina.id"]["profile_url"]


def find(name: str, web: Web | None = None, **options: object) -> NamedProfile:
    web = web or Web()
    given = {"services": SERVICES, "fetch": web, "strangers": web, "gaia": GAIA, **options}
    return find_profile(name, **given)  # type: ignore[arg-type]


def refused(name: str, over: dict[str, object] | None = None, **options: object) -> str:
    with pytest.raises(ProofError) as caught:
        find(name, Web(over or {}), **options)
    return caught.value.code


def test_a_name_leads_to_its_owners_key_and_profile():
    found = find("alice.id")

    assert found.key_address.btc == ALICE["identity"]["address"]
    assert found.key_address.c32 == ALICE["identity"]["stacks_address"]
    assert found.public_key.hex() == ALICE["identity"]["public_hex"]
    assert found.apps[CHAT] == ALICE["apps"][CHAT]["bucket"]
    assert found.profile.display_name == "Alice Ångström"
    assert found.profile.picture == "https://gaia.example/hub/1avatar/avatar-0"


def test_dates_of_the_profile_are_ignored():
    assert find("dana.id").name == "dana.id"


def test_a_name_that_a_wallet_holds_points_to_a_key_by_its_zone_file():
    found = find("fred.btc")

    assert found.key_address.btc == PEOPLE["fred.btc"]["identity"]["address"]
    assert found.owner != found.key_address.c32


def test_an_operator_can_switch_the_zone_file_rule_off():
    assert refused("fred.btc", gaia=frozenset()) == "profile_key_mismatch"
    assert find("alice.id", gaia=frozenset()).name == "alice.id"


@pytest.mark.parametrize(
    "path",
    [
        "hub/{0}",  # a file of that name
        "{0}/profile.json",
        "hub/x/{0}/profile.json",
        "deep/hub/{0}/profile.json",
        "hub/{0}/../1Evil/profile.json",
        "hub/{0}/%2e%2e/1Evil/profile.json",
        "hub//{0}/profile.json",
        "?/hub/{0}/profile.json",
    ],
)
def test_only_the_keys_own_gaia_folder_is_a_word_of_the_zone_file(path):
    url = "https://gaia.example/" + path.format(PEOPLE["fred.btc"]["identity"]["address"])
    web = {
        name_url("fred.btc"): name_answer("fred.btc", zonefile=written_zone_file(url)),
        url: profile_file("fred.btc"),
    }

    assert refused("fred.btc", web) == "profile_key_mismatch"


def test_a_folder_of_the_same_name_at_a_strangers_server_says_nothing():
    url = f"https://evil.example/hub/{ALICE['identity']['address']}/profile.json"
    web = {
        name_url("fred.btc"): name_answer("fred.btc", zonefile=written_zone_file(url)),
        url: profile_file("alice.id"),  # an old one, perhaps
    }

    assert refused("fred.btc", web) == "profile_key_mismatch"


def test_a_strangers_profile_behind_a_name_is_nobodys():
    web = {GINA_URL: profile_file("bob.id.blockstack")}

    assert refused("gina.id", web) == "profile_key_mismatch"


def test_a_signature_by_another_key_than_the_one_it_names_is_no_profile():
    other = PEOPLE["bob.id.blockstack"]["identity"]["private_hex"]

    assert refused("gina.id", {GINA_URL: profile_file("gina.id", key=other)}) == "profile_invalid"


@pytest.mark.parametrize("body", ["", "[]", "{}", '[{"token": 1}]', "[1]", '[{"token": "a.b.c"}]'])
def test_what_is_no_profile_file_is_refused(body):
    assert refused("gina.id", {GINA_URL: served(body)}) == "profile_invalid"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "malformed_name"),
        ("alice", "malformed_name"),
        ("Alice.id", "malformed_name"),
        ("a.b.c.d", "malformed_name"),
        ("../../admin", "malformed_name"),
        ("alice.id\n", "malformed_name"),
        ("nobody.id", "name_unknown"),
    ],
)
def test_what_is_no_name_or_nobodys_is_refused(name, code):
    assert refused(name) == code


def test_only_a_service_that_is_trusted_with_such_names_is_asked():
    service = NameService("https://names.example", frozenset({3}))

    assert refused("alice.id", services=(service,)) == "name_unknown"


@pytest.mark.parametrize("status", ["name-revoke", "expired"])
def test_a_name_that_fell_back_is_nobodys(status):
    web = {name_url("gina.id"): name_answer("gina.id", status=status)}

    assert refused("gina.id", web) == "name_unknown"


@pytest.mark.parametrize(
    "answer",
    [served("bad gateway", 502), served("<html>"), served({"address": 1}), served({}, 302)],
)
def test_a_service_that_says_nothing_that_counts_has_failed(answer):
    assert refused("gina.id", {name_url("gina.id"): answer}) == "fetch_failed"


@pytest.mark.parametrize(
    "text",
    [
        None,
        {"owner": "x"},
        "",
        "$ORIGIN gina.id\n",
        '; _http._tcp IN URI 10 1 "https://gaia.example/"\n',
        '_http._tcp IN URI 10 1 ""\n',
        '_http._tcp IN TXT "https://gaia.example/"\n',
        written_zone_file("https://gaia.example/" + "x" * 9000),
    ],
)
def test_a_zone_file_without_a_uri_record_leads_nowhere(text):
    web = {name_url("gina.id"): name_answer("gina.id", zonefile=text)}

    assert refused("gina.id", web) == "zonefile_invalid"


@pytest.mark.parametrize(
    "line",
    [
        '_http._tcp 3600 IN URI 10 1 "{0}"',
        '_http._tcp URI 10 1 "{0}"',
        '_http._tcp\tin\turi\t10\t1\t"{0}"',
        '\tIN URI 10 1 "{0}"',
    ],
)
def test_the_first_record_counts_however_it_is_spelt(line):
    text = line.format(GINA_URL) + '\n_http._tcp IN URI 10 1 "https://evil.example/"\n'
    web = {name_url("gina.id"): name_answer("gina.id", zonefile=text)}

    assert find("gina.id", Web(web)).name == "gina.id"


V2 = NameService("https://v2.example", frozenset({2}), "v2")
V1 = SERVICES[0]


def owned_v2(name: str, owner: str) -> dict[str, object]:
    standing = {"full_name": name, "owner": owner, "is_valid": True, "revoked": False}
    return {V2.url_of_name(name): served({"status": "active", "data": standing})}


def test_where_v2_tells_the_owner_another_service_gives_the_zone_file():
    web = owned_v2("alice.id", ALICE["identity"]["stacks_address"])

    assert find("alice.id", Web(web), services=(V2,), zone_files=V1).apps[CHAT]
    assert refused("alice.id", web, services=(V2,)) == "zonefile_invalid"


def test_a_former_owners_zone_file_speaks_for_nobody():
    fred = json.loads(name_answer("fred.btc")["body"])
    web = owned_v2("fred.btc", fred["address"])

    assert refused("fred.btc", web, services=(V2,), zone_files=V1) == "profile_key_mismatch"


def test_a_profile_that_is_not_there_was_not_had():
    assert refused("gina.id", {GINA_URL: served("", 404)}) == "fetch_failed"
    assert refused("gina.id", {GINA_URL: served("a" * 300_000)}) == "fetch_failed"


def test_buckets_that_are_no_text_are_left_out():
    apps = {CHAT: "https://gaia.example/hub/x/", "https://odd.example": 1}
    web = Web({GINA_URL: profile_file("gina.id", apps=apps)})

    assert list(find("gina.id", web).apps) == [CHAT]
    assert find("gina.id", Web({GINA_URL: profile_file("gina.id", apps=[])})).apps == {}


def test_the_name_service_is_reached_by_one_way_and_strangers_by_another():
    ours, theirs = Web(), Web()
    find("alice.id", fetch=ours, strangers=theirs)

    assert ours.calls == [name_url("alice.id")]
    assert theirs.calls == [ALICE["profile_url"]]


def test_a_strangers_address_in_clear_is_blocked_even_where_the_fetch_would_go():
    with pytest.raises(ProofError) as caught:
        fetch_text("http://names.internal/x", strangers=_all_doors_open, max_bytes=10)

    assert caught.value.code == "blocked_url"


def _all_doors_open(url: str, *, max_bytes: int, budget: float | None = None) -> object:
    raise AssertionError(f"{url} was asked for: {json.dumps(max_bytes)}")
