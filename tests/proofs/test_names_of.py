"""All names of one holder: what services list, what they confirm, what they fail to say."""

import hashlib
from dataclasses import dataclass

import pytest

from oidc_bridge.errors import ProofError
from oidc_bridge.identity import Name
from oidc_bridge.ports import Fetched
from oidc_bridge.proofs.addresses import Address, Kind
from oidc_bridge.proofs.names import NameReport, NameService, check_service, look_up, names_of
from tests.fake_names import FakeNames
from tests.fakes import NOW

ANN = Address(hashlib.sha256(b"ann").digest()[:20])
BOB = Address(hashlib.sha256(b"bob").digest()[:20])
NOT_ANN = {
    "somebody else": BOB.c32,
    "the same bytes on testnet": Address(ANN.hash160, Kind.TESTNET_SINGLE).c32,
    "the same bytes as a multi-signature": Address(ANN.hash160, Kind.MAINNET_MULTI).c32,
    "a contract of the holder": f"{ANN.c32}.vault",
    "the same address in base58": ANN.btc,
    "no address": "ann",
    "lower case": ANN.c32.lower(),
}


@dataclass
class World:
    """BNS v2 for two labels, the Stacks API for three."""

    two: FakeNames
    three: FakeNames

    @property
    def services(self) -> tuple[NameService, ...]:
        return (
            NameService(self.two.url, frozenset({2}), self.two.system),
            NameService(self.three.url, frozenset({3}), self.three.system),
        )

    def __call__(self, url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        service = self.two if url.startswith(self.two.url) else self.three
        return service(url, max_bytes=max_bytes, budget=budget)

    def report(
        self, *, claimed: tuple[str, ...] = (), known: tuple[str, ...] = (), holder: Address = ANN
    ) -> NameReport:
        return names_of(
            holder, claimed=claimed, known=known, services=self.services, fetch=self, now=NOW
        )

    def look_up(self, text: str) -> Name:
        return look_up(text, services=self.services, fetch=self, holder=ANN, now=NOW)


@pytest.fixture
def world() -> World:
    return World(FakeNames("https://two.example"), FakeNames("https://three.example", "v1"))


def texts(report: NameReport) -> list[str]:
    return [name.text for name in report.confirmed]


# one name, asked of BNS v2


def test_bns_v2_says_who_owns_a_name(world):
    world.two.give("ann.btc", ANN.c32)

    assert world.look_up("ann.btc") == Name("ann.btc", ANN.c32, NOW)
    assert world.two.asked == ["/names/ann.btc"]


def test_a_name_that_expires_soon_still_holds(world):
    world.two.give("ann.btc", ANN.c32, status="expiring-soon")

    assert world.look_up("ann.btc").text == "ann.btc"


@pytest.mark.parametrize("owner", [*NOT_ANN.values(), ""], ids=[*NOT_ANN, "nothing"])
def test_another_owner_at_bns_v2_is_refused(world, owner):
    world.two.give("ann.btc", owner)

    with pytest.raises(ProofError) as refusal:
        world.look_up("ann.btc")

    assert refusal.value.code == "username_owner"
    assert world.report(claimed=("ann.btc",)).refuted == {"ann.btc"}


FALLEN = [
    {"status": "revoked"},
    {"status": "expired"},
    {"status": "grace-period"},
    {"revoked": True},
]


@pytest.mark.parametrize("changes", FALLEN, ids=str)
def test_a_name_that_fell_at_bns_v2_is_nobodys(world, changes):
    world.two.give("ann.btc", ANN.c32, **changes)

    with pytest.raises(ProofError) as refusal:
        world.look_up("ann.btc")

    assert refusal.value.code == "username_lookup"


UNREADABLE = [
    {"status": None},
    {"status": 1},
    {"status": "Active"},
    {"status": ""},
    {"status": "not_found"},
    {"network": "testnet"},
    {"network": 1},
    {"is_valid": None},
    {"is_valid": False},
    {"is_valid": "true"},
    {"is_valid": 1},
    {"revoked": None},
    {"revoked": "false"},
    {"revoked": 0},
    {"owner": None},
    {"owner": 1},
    {"owner": [ANN.c32]},
    {"full_name": None},
    {"full_name": "ann.id"},
    {"full_name": "ANN.btc"},
]


@pytest.mark.parametrize("changes", UNREADABLE, ids=str)
def test_an_answer_of_bns_v2_that_is_not_understood_decides_nothing(world, changes):
    world.two.give("ann.btc", ANN.c32, **changes)
    world.two.fail("500", paths="/names/address/")  # the list alone would confirm it

    report = world.report(claimed=("ann.btc",))

    assert report.confirmed == ()
    assert report.refuted == frozenset()
    assert report.unconfirmed == ("username_lookup", "names_unavailable")
    assert not report.is_complete


@pytest.mark.parametrize(
    "body", [b'{"status":"active"}', b'{"status":"active","data":[]}', b'{"data":null}']
)
def test_bns_v2_without_data_is_no_answer(world, body):
    def fetch(url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        return Fetched(200, body)

    with pytest.raises(ProofError) as refusal:
        look_up("ann.btc", services=world.services, fetch=fetch, holder=ANN, now=NOW)

    assert refusal.value.code == "username_lookup"


def test_a_name_that_was_sold_on_bns_v2_is_not_asked_of_v1(world):
    world.two.give("ann.btc", BOB.c32)
    world.three.give("ann.btc", ANN.c32)  # the stale owner

    report = world.report(claimed=("ann.btc",), known=("ann.btc",))

    assert report.confirmed == ()
    assert report.refuted == {"ann.btc"}
    assert report.unconfirmed == ("username_owner",)
    assert "/v1/names/ann.btc" not in world.three.asked


# all names of a holder


def test_a_holders_names_are_found_without_a_claim(world):
    world.two.give("zoe.btc", ANN.c32)
    world.two.give("ann.btc", ANN.c32)
    world.two.give("bob.btc", BOB.c32)
    world.three.give("ann.id.blockstack", ANN.c32)

    report = world.report()

    assert report == NameReport(
        confirmed=tuple(
            Name(text, ANN.c32, NOW) for text in ("ann.btc", "ann.id.blockstack", "zoe.btc")
        )
    )
    assert world.two.asked == [f"/names/address/{ANN.c32}/valid"]
    assert world.three.asked == [
        f"/v1/addresses/stacks/{ANN.c32}",
        "/v1/names/ann.id.blockstack",
    ]


def test_a_core_node_is_asked_for_the_bitcoin_address(world):
    world.three.system = "legacy"
    world.three.give("ann.id.blockstack", ANN.btc)

    report = world.report()

    assert report.confirmed == (Name("ann.id.blockstack", ANN.btc, NOW),)
    assert world.three.asked[0] == f"/v1/addresses/bitcoin/{ANN.btc}"


def test_claimed_and_known_names_are_asked_first_and_once(world):
    world.two.give("ann.btc", ANN.c32)
    world.three.give("ann.id.blockstack", ANN.c32)

    report = world.report(
        claimed=("ann.btc", "ann.btc"), known=("ann.id.blockstack", "ann.btc", "ann.id.blockstack")
    )

    assert texts(report) == ["ann.btc", "ann.id.blockstack"]
    assert world.two.asked == ["/names/ann.btc", f"/names/address/{ANN.c32}/valid"]
    assert world.three.asked == [
        "/v1/names/ann.id.blockstack",
        f"/v1/addresses/stacks/{ANN.c32}",
    ]


def test_a_known_name_that_was_transferred_is_refuted_without_a_reproach(world):
    world.two.give("ann.btc", ANN.c32)
    assert texts(world.report()) == ["ann.btc"]
    world.two.transfer("ann.btc", BOB.c32)

    report = world.report(known=("ann.btc",))

    assert report == NameReport(refuted=frozenset({"ann.btc"}))


def test_an_unknown_name_is_refuted_for_certain(world):
    report = world.report(claimed=("gone.btc",), known=("old.id.blockstack",))

    assert report.refuted == {"gone.btc", "old.id.blockstack"}
    assert report.unconfirmed == ("username_lookup",)
    assert report.is_complete


@pytest.mark.parametrize("status", ["name-revoke", "revoked", "expired"])
def test_a_name_that_fell_at_v1_is_refuted(world, status):
    world.three.give("ann.id.blockstack", ANN.c32, status=status)

    assert world.report(known=("ann.id.blockstack",)).refuted == {"ann.id.blockstack"}


FAILURES = [
    "timeout",
    "500",
    "503",
    "504",
    "429",
    "html",
    "html 404",
    "truncated",
    "duplicate keys",
    "list",
    "too large",
    "redirect",
]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_service_that_fails_neither_confirms_nor_refutes(world, failure):
    world.two.give("ann.btc", ANN.c32)
    world.three.give("ann.id.blockstack", ANN.c32)
    world.two.fail(failure)

    report = world.report(claimed=("ann.btc",), known=("bob.btc",))

    assert texts(report) == ["ann.id.blockstack"]
    assert report.refuted == frozenset()
    assert report.unconfirmed == ("username_lookup", "names_unavailable")
    assert not report.is_complete


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_v1_service_neither_confirms_nor_refutes(world, failure):
    world.three.give("ann.id.blockstack", ANN.c32)
    world.three.fail(failure)

    report = world.report(known=("ann.id.blockstack", "bob.id.blockstack"))

    assert (report.confirmed, report.refuted) == ((), frozenset())
    assert not report.is_complete


def test_a_listed_name_that_cannot_be_asked_for_makes_the_report_incomplete(world):
    world.three.give("ann.id.blockstack", ANN.c32)
    world.three.fail("500", paths="/v1/names/")

    report = world.report()

    assert report == NameReport(is_complete=False)


# lists are written by somebody else


STRANGE = [
    "ANN.id.blockstack",
    "аnn.id.blockstack",  # Cyrillic
    "ann.id.blockstack\n",
    "ann.btc",
    "ann",
    "a.b.c.d",
    "",
    None,
    7,
    ["ann.id.blockstack"],
    {"name": "ann.id.blockstack"},
]


def test_a_v1_list_that_holds_strange_names_asks_for_none_of_them(world):
    world.three.list_too(*STRANGE)

    assert world.report() == NameReport()
    assert world.three.asked == [f"/v1/addresses/stacks/{ANN.c32}"]


def test_a_v1_list_alone_confirms_nothing(world):
    world.three.give("bob.id.blockstack", BOB.c32)
    world.three.list_too("bob.id.blockstack", "bob.id.blockstack", "gone.id.blockstack")

    assert world.report() == NameReport()
    assert world.three.asked.count("/v1/names/bob.id.blockstack") == 1


GOOD_ROW = {"full_name": "ann.btc", "owner": ANN.c32, "revoked": False}


def test_a_row_of_bns_v2s_list_confirms_a_name(world):
    world.two.list_too(GOOD_ROW, GOOD_ROW)

    assert texts(world.report()) == ["ann.btc"]


@pytest.mark.parametrize(
    "row",
    [
        *({**GOOD_ROW, "owner": owner} for owner in (*NOT_ANN.values(), None, 1)),
        *({**GOOD_ROW, "revoked": value} for value in (True, None, 0, "false")),
        *({**GOOD_ROW, "full_name": text} for text in STRANGE if text != "ann.btc"),
        {**GOOD_ROW, "full_name": "ann.id.blockstack"},  # three labels are another's
        "ann.btc",
        None,
        [],
    ],
    ids=str,
)
def test_a_row_that_is_not_plainly_the_holders_is_passed_over(world, row):
    world.two.list_too(row)

    assert world.report() == NameReport()


def test_a_list_does_not_overrule_what_was_said_of_the_name_itself(world):
    world.two.give("ann.btc", BOB.c32)
    world.two.list_too(GOOD_ROW)  # lists are cached longer

    report = world.report(known=("ann.btc",))

    assert (report.confirmed, report.refuted) == ((), {"ann.btc"})


def test_a_list_of_testnet_is_no_answer(world):
    def fetch(url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        return Fetched(200, b'{"network":"testnet","total":0,"names":[]}')

    report = names_of(ANN, claimed=(), known=(), services=world.services[:1], fetch=fetch, now=NOW)

    assert not report.is_complete


@pytest.mark.parametrize("body", [b"{}", b'{"names":[]}', b'{"names":{},"total":0}', b"[]"])
def test_a_list_of_another_shape_is_no_answer(world, body):
    def fetch(url: str, *, max_bytes: int, budget: float | None = None) -> Fetched:
        return Fetched(200, body)

    report = names_of(ANN, claimed=(), known=(), services=world.services[:1], fetch=fetch, now=NOW)

    assert report == NameReport(unconfirmed=("names_unavailable",), is_complete=False)


def test_what_the_service_counts_but_does_not_list_is_left_out(world):
    for number in range(70):
        world.two.give(f"n{number:02}.btc", ANN.c32)

    report = world.report()

    assert len(report.confirmed) == 50
    assert report.left_out == 20
    assert report.is_complete


def test_known_names_are_kept_when_there_are_too_many(world):
    for number in range(60):
        world.two.give(f"n{number:02}.btc", ANN.c32)

    report = world.report(known=("n59.btc",))

    assert "n59.btc" in texts(report)
    assert (len(report.confirmed), report.left_out) == (50, 11)


def test_only_a_few_new_names_are_asked_for(world):
    for number in range(9):
        world.three.give(f"n{number}.id.blockstack", ANN.c32)

    report = world.report(known=("n8.id.blockstack",))

    assert texts(report) == [f"n{number}.id.blockstack" for number in (0, 1, 2, 3, 4, 8)]
    assert report.left_out == 3


def test_a_very_long_list_costs_a_few_requests(world):
    world.three.list_too(*(f"{number:x}.a.b" for number in range(5000)))

    report = world.report()

    assert report.left_out == 4995
    assert len(world.three.asked) == 1 + 5


# whose, and whether at all


def test_a_testnet_holder_has_no_names(world):
    tester = Address(ANN.hash160, Kind.TESTNET_SINGLE)
    world.two.give("ann.btc", tester.c32)
    world.three.give("ann.id.blockstack", tester.c32)

    report = world.report(claimed=("ann.btc",), holder=tester)

    assert report.confirmed == ()
    assert report.unconfirmed == ("username_owner",)


@pytest.mark.parametrize("text", ["", "ann", "Ann.btc", "ann.btc\n", "a.b.c.d", "../ann.btc"])
def test_what_is_no_name_is_doubted_and_not_asked_for(world, text):
    report = world.report(claimed=(text,), known=(text,))

    assert report == NameReport(unconfirmed=("username_lookup",))
    assert len(world.two.asked + world.three.asked) == 2


def test_without_a_service_there_is_nothing_to_wait_for(world):
    report = names_of(
        ANN, claimed=("ann.btc",), known=("bob.btc",), services=(), fetch=world, now=NOW
    )

    assert report == NameReport(unconfirmed=("username_lookup",))


# does it speak its system?


@pytest.mark.parametrize("system", ["v1", "v2", "legacy"])
def test_a_service_that_knows_nobody_speaks_its_system(system):
    fake = FakeNames("https://n.example", system)
    service = NameService(fake.url, frozenset({2}), system)

    check_service(service, fetch=fake)

    assert len(fake.asked) == 2


@pytest.mark.parametrize(("system", "other"), [("v1", "v2"), ("v2", "v1"), ("legacy", "v2")])
def test_a_service_of_another_system_is_found_out(system, other):
    fake = FakeNames("https://n.example", other)

    with pytest.raises(ProofError) as refusal:
        check_service(NameService(fake.url, frozenset({2}), system), fetch=fake)

    assert refusal.value.code == "username_lookup"


def test_a_service_that_gives_every_name_an_owner_is_found_out():
    fake = FakeNames("https://n.example")
    fake.give("-_-nobody-asks-for-this-_-.-_-", ANN.c32)

    with pytest.raises(ProofError) as refusal:
        check_service(NameService(fake.url, frozenset({2}), "v2"), fetch=fake)

    assert refusal.value.code == "username_lookup"
