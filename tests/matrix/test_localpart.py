"""Localparts: what Synapse takes as it stands, and who gets which."""

import pytest

from oidc_bridge.matrix.localpart import account_of, candidates, candidates_alone, is_legal

ADDRESS = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7"


@pytest.mark.spec("Matrix", "localpart grammar")
@pytest.mark.parametrize(
    "localpart",
    [
        "a",
        "ann",
        "muneeb.id",
        "alice.id.stx",
        "a+b",
        "a/b",
        "-dash",
        ".dot",
        "a..b",
        "a_b",
        "a_",
        "1a",
        "1.id",
        "0x7f",
        "1.2",
        "1-2",
        "1_2",
        ADDRESS.lower(),
        f"{ADDRESS.lower()}.2",
    ],
)
def test_synapse_takes_it_as_it_stands(localpart):
    assert is_legal(localpart)


@pytest.mark.parametrize(
    "localpart",
    [
        "",
        # lower-cased by Synapse
        "Alice.BTC",
        "A",
        ADDRESS,
        # written as =xx by Synapse
        "\u00fcmlaut",
        "a b",
        "user@x",
        "a~b",
        "a=b",
        "=",
        "_under",
        "_",
        "a:b",
        "a#b",
        "a%b",
        "a\\b",
        'a"b',
        "a!b",
        # trimmed by Synapse, or worse
        " a",
        "a ",
        "a\n",
        "a\tb",
        "a\0b",
        # reserved by Synapse
        "0",
        "7",
        "123456",
        # letters and digits to Python, but not to Matrix
        "\u0430nn",
        "\uff41nn",
        "\u0661\u0662\u0663",
        "\u00b2",
        "a\u200b",
        "\u017f",
        "\u212a",
    ],
)
def test_synapse_would_change_or_refuse_it(localpart):
    assert not is_legal(localpart)


@pytest.mark.spec("Matrix", "localpart grammar")
@pytest.mark.parametrize("server_name", ["matrix.example", "m.example:8448", "s" * 230])
def test_a_matrix_id_has_at_most_255_characters(server_name):
    room = 255 - len("@:") - len(server_name)

    assert is_legal("a" * room, server_name)
    assert not is_legal("a" * (room + 1), server_name)


def test_the_limit_holds_where_the_server_name_is_not_known():
    assert is_legal("a" * 253)
    assert not is_legal("a" * 254)


def test_a_person_with_a_name_gets_it():
    assert candidates(ADDRESS, "ann.id", "matrix.example")[0] == "ann.id"


def test_a_person_without_a_name_gets_the_address_in_lower_case():
    assert candidates(ADDRESS, None, "matrix.example")[0] == ADDRESS.lower()


def test_behind_a_name_stand_the_address_and_ten_numbers():
    address = ADDRESS.lower()

    assert candidates(ADDRESS, "ann.id") == [
        "ann.id",
        address,
        *(f"{address}.{number}" for number in range(2, 12)),
    ]


@pytest.mark.parametrize("name", ["", "Ann.id", "_ann.id", "ann@id", "1", "\u00e4nn.id", "a" * 254])
def test_a_name_that_synapse_would_change_is_passed_over_for_the_address(name):
    assert candidates(ADDRESS, name)[0] == ADDRESS.lower()


def test_a_name_too_long_for_this_server_is_passed_over_there_alone():
    name = f"{'a' * 48}.{'b' * 48}.{'c' * 20}"

    assert candidates(ADDRESS, name, "matrix.example")[0] == name
    assert candidates(ADDRESS, name, "s" * 140)[0] == ADDRESS.lower()


def test_every_candidate_is_legal_and_no_two_are_the_same():
    for name in (None, "ann.id", "Ann.id", ADDRESS.lower()):
        found = candidates(ADDRESS, name, "matrix.example")
        assert all(is_legal(localpart, "matrix.example") for localpart in found)
        assert len(set(found)) >= 11


def test_nothing_is_a_candidate_where_nothing_fits():
    assert candidates(ADDRESS, "ann.id", "s" * 250) == []


EOS = "antelope:aca376f206b8fc25a6ed44dbdc66547c"
JUNGLE = "antelope:73e4385a2708e6d7048834fbc1079f2f"


@pytest.mark.parametrize(
    ("subject", "localpart"),
    [
        (f"{EOS}:alicetester1", "alicetester1"),
        (f"{EOS}:alice.gm", "eos+alice.gm"),
        (f"{EOS}:alice.tester", "eos+alice.tester"),
        (f"{EOS}:eosio.token", "eos+eosio.token"),
        (f"{EOS}:a", "eos+a"),
        (f"{EOS}:thirteenchara", "eos+thirteenchara"),
        (f"{EOS}:123451234512", "eos+123451234512"),
        (f"{JUNGLE}:alicetester1", "73e4385a+alicetester1"),
        (f"{JUNGLE}:alice.gm", "73e4385a+alice.gm"),
    ],
)
def test_an_account_of_a_chain_gets_its_plain_name_if_that_can_be_nobody_elses(subject, localpart):
    assert candidates(subject, None, "matrix.example")[0] == localpart


@pytest.mark.parametrize("chain", [EOS, JUNGLE])
@pytest.mark.parametrize("account", ["alicetester1", "alice.gm", "a", "thirteenchara", "2", "eos"])
def test_every_localpart_of_an_account_leads_back_to_it_and_so_does_its_name(chain, account):
    for localpart in [account, *candidates(f"{chain}:{account}", None)]:
        assert account_of(localpart) == account


@pytest.mark.parametrize(
    "localpart",
    [
        "eos+alice.gm+chat.example",
        "alicetester1+chat.example",
        "ann.id+alicetester1",
        "eos+",
        "eos++2",
        "eos+alice+2+3",
        "alice9",
        "alice_",
        "",
    ],
)
def test_what_an_account_never_gets_leads_to_none(localpart):
    assert account_of(localpart) == ""


def test_behind_an_accounts_name_stand_numbers_that_no_account_has():
    assert candidates(f"{EOS}:alicetester1", "ann.id")[:4] == [
        "ann.id",
        "alicetester1",
        "eos+alicetester1",
        "eos+alicetester1+2",
    ]
    for account in ("alicetester1", "alice"):
        wanted = candidates(f"{EOS}:{account}", None, "matrix.example")
        assert all(is_legal(localpart, "matrix.example") for localpart in wanted)
        assert len(set(wanted)) == len(wanted) >= 11


def test_two_accounts_never_want_the_same_localpart():
    accounts = ("alicetester1", "alice", "alice.2", "alice.gm", "eos", "alice1", "12345")
    wanted = [candidates(f"{chain}:{one}", None) for chain in (EOS, JUNGLE) for one in accounts]

    found = [localpart for one in wanted for localpart in one]
    assert len(set(found)) == len(found)


ALONE = {
    "https://chat.example": "alice.btc+chat.example",
    "https://chat.example:8443": "alice.btc+chat.example+8443",
    "http://chat.example": "alice.btc+http+chat.example",
    "http://localhost:3000": "alice.btc+http+localhost+3000",
    "https://xn--cht-5cd.example": "alice.btc+xn--cht-5cd.example",
    "https://app": "alice.btc+app",
    "element:": "alice.btc+app+element",
    "app:": "alice.btc+app+app",
    "web+chat:": "alice.btc+app+web+chat",
}


@pytest.mark.parametrize(("app_key", "localpart"), ALONE.items())
def test_an_app_alone_knows_a_person_by_its_own_host(app_key, localpart):
    assert candidates_alone("alice.btc", app_key)[0] == localpart


def test_no_two_apps_want_the_same_localpart():
    assert len(set(ALONE.values())) == len(ALONE)


@pytest.mark.parametrize(
    "app_key",
    ["https://[2001:db8::1]", "https://[2001:db8::1]:8443", f"https://{'a.' * 120}example"],
)
def test_where_the_host_makes_no_localpart_a_digest_takes_its_place(app_key):
    wanted = candidates_alone("alice.btc", app_key, "matrix.example")

    assert wanted
    assert all(is_legal(localpart, "matrix.example") for localpart in wanted)
    assert wanted[0].startswith("alice.btc+")
    assert wanted[0] != candidates_alone("alice.btc", "https://[2001:db8::2]")[0]
