"""One person, several apps at one homeserver: which of them may, and as whom it knows them."""

import json
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.live.loopback import BOT_HOST, CHAT_HOST, SHUT_HOST, TEAM_HOST
from tests.live.person import ALLOW, MatrixSession, SignsAs, Visitor, mxid_of
from tests.live.synapse import SERVER_NAME
from tests.live.test_sign_in import confirmation_url, delete_device, is_signed_in, whoami
from tests.live.wallet import new_person
from tests.live.world import World

MakeVisitor = Callable[..., Visitor]

BOT, SHUT, TEAM = (f"https://{host}" for host in (BOT_HOST, SHUT_HOST, TEAM_HOST))
ONESELF, ALONE = re.compile("^As yourself"), re.compile("^For this app only")


def alone_id(wallet: SignsAs, host: str) -> str:
    """Return the Matrix ID that the app at *host* alone sees."""
    return f"@{wallet.address.lower()}+{host}:{SERVER_NAME}"


def sign_in_to(
    person: Visitor, origin: str, *, as_whom: re.Pattern[str] | None = None, remember: bool = False
) -> MatrixSession:
    """Sign in to another app in a browser that has a session at the bridge."""
    person.come_from_chat(origin)
    if as_whom:
        person.page.get_by_role("radio", name=as_whom).check()
    person.allow(remember=remember)
    return person.arrive()


def main_of(person: Visitor):  # type: ignore[no-untyped-def]
    return person.page.get_by_role("main")


def test_one_person_is_two_matrix_users_and_one_refusal(
    world: World, a_visitor: MakeVisitor
) -> None:
    world.bridge.run("app", "deny", SHUT)
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)

    oneself = ann.sign_in()
    ann.come_from_chat(BOT)
    expect(ann.page.get_by_role("radio", name=ALONE)).to_be_checked()
    expect(main_of(ann)).to_contain_text("This server cannot vouch for apps; you decide.")
    ann.allow()
    alone = ann.arrive()

    assert whoami(world, oneself).json()["user_id"] == oneself.user_id == mxid_of(wallet)
    assert whoami(world, alone).json()["user_id"] == alone.user_id == alone_id(wallet, BOT_HOST)

    ann.come_from_chat(SHUT)
    heading = ann.page.get_by_role("heading", level=1)
    expect(heading).to_have_text(f"{SHUT_HOST} can’t be used here")
    expect(main_of(ann)).to_contain_text(
        f"The people who run Test ID don’t let {SHUT_HOST} sign anybody in. Nothing was shared."
    )
    expect(ann.page.get_by_role("button", name=ALLOW)).to_have_count(0)
    expect(ann.page.get_by_role("button", name="Ask for access")).to_have_count(0)
    ann.page.get_by_role("button", name="Go back to the app").click()
    # Synapse shows what it was told.
    ann.page.wait_for_url(re.compile(re.escape(f"{world.synapse.base_url}_synapse")))
    expect(ann.page.locator("body")).to_contain_text("access_denied")
    expect(ann.page.locator("#errormsg")).to_have_text("This app may not sign this person in.")
    why = world.bridge.run("explain", wallet.address, SHUT, "--client", "synapse")
    assert "result:    no (app_denied)" in why


def test_a_person_lets_an_app_know_them_as_themselves_and_takes_it_back(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    ann.sign_in()
    alone = sign_in_to(ann, BOT)
    assert alone.user_id == alone_id(wallet, BOT_HOST)

    ann.come_from_chat(BOT)
    expect(main_of(ann)).to_contain_text(f"Until now it knew you as {alone.user_id}.")
    expect(main_of(ann)).to_contain_text("it sees a new user: rooms, messages and contacts stay")
    ann.page.get_by_role("radio", name=ONESELF).check()
    ann.allow(remember=True)
    oneself = ann.arrive()
    assert whoami(world, oneself).json()["user_id"] == oneself.user_id == mxid_of(wallet)
    assert is_signed_in(world, alone)  # nothing was moved
    assert "they say:  allow" in world.bridge.run(
        "explain", wallet.address, BOT, "--client", "synapse"
    )
    ann.come_from_chat(BOT)
    assert ann.arrive().user_id == oneself.user_id  # it is their rule now: nobody asks

    ann.page.goto(f"{world.bridge.issuer}/account")
    remove = ann.page.get_by_role("button", name=f"Remove access… {BOT_HOST}")
    remove.click()
    ann.page.get_by_role("button", name="Remove access").click()
    expect(ann.page.get_by_role("heading", name="Your account")).to_be_visible()
    again = sign_in_to(ann, BOT, as_whom=ALONE)

    assert again.user_id == alone.user_id
    assert "they say:  alone" in world.bridge.run(
        "explain", wallet.address, BOT, "--client", "synapse"
    )
    ann.come_from_chat(BOT)
    expect(main_of(ann)).to_contain_text(f"Until now it knew you as {alone.user_id}.")
    expect(ann.page.get_by_role("radio", name=ALONE)).to_be_checked()


def test_what_an_operator_changes_is_told_to_the_person(
    world: World, a_visitor: MakeVisitor
) -> None:
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)
    world.bridge.run("app", "allow", TEAM, "--for-everyone")
    oneself = sign_in_first(ann, TEAM, remember=True)
    assert oneself.user_id == mxid_of(wallet)

    world.bridge.run("app", "alone", TEAM)
    ann.come_from_chat(TEAM)

    expect(ann.page.get_by_role("heading", name="Why we ask again")).to_be_visible()
    expect(main_of(ann)).to_contain_text(f"Until now it knew you as {oneself.user_id}.")
    expect(main_of(ann)).to_contain_text("let this app know you under an ID of its own only")
    ann.allow()
    assert ann.arrive().user_id == alone_id(wallet, TEAM_HOST)
    world.bridge.run("app", "forget", TEAM, "--yes")


def sign_in_first(person: Visitor, origin: str, *, remember: bool = False) -> MatrixSession:
    """Sign in to an app in a fresh browser."""
    person.come_from_chat(origin)
    person.choose_wallet()
    person.allow(remember=remember)
    return person.arrive()


def test_who_is_not_on_the_list_asks_and_is_let_in(world: World, a_visitor: MakeVisitor) -> None:
    world.bridge.run("app", "allow", TEAM, "--for-listed-people")
    wallet = SignsAs(new_person())
    ann = a_visitor(signer=wallet)

    ann.come_from_chat(TEAM)
    ann.choose_wallet()
    heading = ann.page.get_by_role("heading", level=1)
    expect(heading).to_have_text(f"You can’t use {TEAM_HOST} yet")
    ann.page.get_by_role("textbox", name="A note to them").fill("I am new here.")
    ann.page.get_by_role("button", name="Ask for access").click()
    expect(ann.page.get_by_role("status").last).to_contain_text("Nobody has decided yet.")
    waiting = json.loads(world.bridge.run("request", "list", "--json"))
    (mine,) = [one for one in waiting if one["note"] == "I am new here."]
    world.bridge.run("request", "approve", mine["id"])

    session = sign_in_to(ann, TEAM)

    assert session.user_id == mxid_of(wallet)
    world.bridge.run("app", "forget", TEAM, "--yes")


# ---- confirming an action, with two personas


@pytest.fixture
def two_sessions(
    world: World, a_visitor: MakeVisitor
) -> tuple[Visitor, MatrixSession, MatrixSession]:
    """Somebody who is themselves in one app, and somebody else in another."""
    ann = a_visitor(signer=SignsAs(new_person()))
    oneself = ann.sign_in(remember=True)
    return ann, oneself, sign_in_to(ann, BOT, remember=True)


@pytest.mark.parametrize("which", ["oneself", "alone"])
def test_an_action_is_confirmed_by_the_id_that_asks_for_it(
    world: World, two_sessions: tuple[Visitor, MatrixSession, MatrixSession], which: str
) -> None:
    ann, *both = two_sessions
    session = both[("oneself", "alone").index(which)]
    uia = ask_to_confirm(world, ann, session)

    choose_id(ann, session.user_id)

    expect(ann.page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert delete_device(world, session, session.device_id, uia).status_code == 200
    assert not is_signed_in(world, session)


@pytest.mark.parametrize("which", ["oneself", "alone"])
def test_an_action_is_not_confirmed_by_another_id_of_the_same_person(
    world: World, two_sessions: tuple[Visitor, MatrixSession, MatrixSession], which: str
) -> None:
    ann, *both = two_sessions
    session = both[("oneself", "alone").index(which)]
    (other,) = [one for one in both if one != session]
    uia = ask_to_confirm(world, ann, session)

    choose_id(ann, other.user_id)

    expect(ann.page.get_by_role("heading", level=1)).to_have_text("That doesn't look right")
    assert delete_device(world, session, session.device_id, uia).status_code == 403
    assert is_signed_in(world, session)


def ask_to_confirm(world: World, person: Visitor, session: MatrixSession) -> str:
    """Do what Element does to delete a device, as far as the question which ID it is."""
    uia: str = delete_device(world, session, session.device_id).json()["session"]
    person.page.goto(confirmation_url(world, uia))
    person.page.get_by_role("link", name="Continue with").click()
    expect(person.page.get_by_role("heading", level=1)).to_have_text("Confirm it is you")
    person.choose_wallet()
    heading = person.page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Which of your IDs is it?")
    return uia


def choose_id(person: Visitor, user_id: str) -> None:
    person.page.get_by_role("radio", name=re.compile(f"^{re.escape(user_id)}")).check()
    person.page.get_by_role("button", name="Continue").click()


# ---- what Chromium holds a form against


def test_forms_lead_to_each_app_that_waits_and_to_no_other(
    world: World, a_visitor: MakeVisitor
) -> None:
    # `form-action` is held against every redirect after a form: here bridge, Synapse, app.
    # `a_visitor` fails at its end if anything of ours was blocked.
    person = new_person()
    ann = a_visitor(signer=SignsAs(person))
    ann.sign_in()
    first = sign_in_to(ann, BOT, remember=True)
    elsewhere = a_visitor(signer=SignsAs(person))

    elsewhere.come_from_chat(BOT)
    policy = form_action_of(elsewhere)
    elsewhere.choose_wallet()  # with a remembered yes, its form leads all the way to the app

    assert elsewhere.arrive().user_id == first.user_id
    assert BOT in policy
    assert not {f"https://{CHAT_HOST}", SHUT, TEAM} & policy


def form_action_of(person: Visitor) -> set[str]:
    """Return where forms of the page may lead, as the page's own header says."""
    answer = person.context.request.get(person.page.url)
    assert urlsplit(person.page.url).path.startswith("/sign-in/")
    policy = answer.headers["content-security-policy"]
    (found,) = [part for part in policy.split(";") if part.strip().startswith("form-action")]
    return set(found.split()[1:])
