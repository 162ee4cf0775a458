"""What a person goes by: settled once, asked among several, lost with the name."""

import pytest

from oidc_bridge.naming import Naming, settle

NONE = Naming()
ANN = Naming("ann.btc", has_chosen=True)
ADDRESS_ALONE = Naming(None, has_chosen=True)
MUST_CHOOSE = Naming(must_choose=True)


@pytest.mark.parametrize(
    ("before", "owned", "after"),
    {
        "nothing owned": (NONE, [], NONE),
        "one name needs no question": (NONE, ["ann.btc"], ANN),
        "several names are a question": (NONE, ["ann.btc", "ann.id"], MUST_CHOOSE),
        "the question stays open": (MUST_CHOOSE, ["ann.btc", "ann.id"], MUST_CHOOSE),
        "one of several is sold before the answer": (MUST_CHOOSE, ["ann.btc"], ANN),
        "a second name changes nothing": (ANN, ["aaa.btc", "ann.btc"], ANN),
        "a lost name goes": (ANN, [], NONE),
        "another single name takes its place": (ANN, ["ann.id"], Naming("ann.id", True)),
        "among several others they are asked": (ANN, ["ann.id", "bob.id"], MUST_CHOOSE),
        "who chose none is left alone": (ADDRESS_ALONE, ["ann.btc"], ADDRESS_ALONE),
        "also without any": (ADDRESS_ALONE, [], ADDRESS_ALONE),
    }.values(),
)
def test_what_somebody_goes_by_follows_from_what_they_own(before, owned, after):
    assert settle(before, owned) == after
