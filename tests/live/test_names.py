"""Names that are bought and sold, and people with two wallets, at a real Synapse."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.fake_names import FakeNames
from tests.live.person import SignsAs, Visitor, mxid_of
from tests.live.synapse import SERVER_NAME
from tests.live.wallet import new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]


def test_a_sold_name_gives_its_buyer_another_matrix_id(
    a_visitor: MakeVisitor, a_name_service: FakeNames
) -> None:
    seller, buyer = SignsAs(new_person()), SignsAs(new_person())
    at_seller, at_buyer = a_visitor(signer=seller), a_visitor(signer=buyer)
    a_name_service.give("gold.btc", seller.stx_address)
    sold = at_seller.sign_in()

    a_name_service.transfer("gold.btc", buyer.stx_address)
    at_buyer.come_from_chat()
    at_buyer.choose_wallet()
    main = at_buyer.page.get_by_role("main")
    expect(main).to_contain_text("that ID belongs to somebody who owned the name before you")
    at_buyer.allow()
    bought = at_buyer.arrive()
    later = a_visitor(signer=seller).sign_in()

    assert sold.user_id == f"@gold.btc:{SERVER_NAME}"
    assert bought.user_id == mxid_of(buyer)
    assert later.user_id == sold.user_id


def test_of_two_names_the_chosen_one_is_the_matrix_id(
    a_visitor: MakeVisitor, a_name_service: FakeNames
) -> None:
    wallet = SignsAs(new_person())
    a_name_service.give("dora.btc", wallet.stx_address)
    a_name_service.give("dorothea.btc", wallet.stx_address)
    dora = a_visitor(signer=wallet)

    dora.come_from_chat()
    dora.choose_wallet()
    dora.page.get_by_role("radio", name=re.compile(r"^dorothea\.btc")).check()
    dora.page.get_by_role("button", name="Continue").click()
    dora.allow()

    assert dora.arrive().user_id == f"@dorothea.btc:{SERVER_NAME}"


def test_an_added_wallet_is_the_same_matrix_user(world: World, a_visitor: MakeVisitor) -> None:
    first, second = new_person(), new_person()
    wallet = SignsAs(first)
    dora = a_visitor(signer=wallet)
    known = dora.sign_in()

    dora.page.goto(f"{world.bridge.issuer}/account")
    dora.page.get_by_role("button", name="Add a wallet").click()
    wallet.person = second
    dora.choose_wallet()
    expect(dora.page.get_by_role("main")).to_contain_text(second.stx_address)

    assert a_visitor(signer=SignsAs(second)).sign_in().user_id == known.user_id
