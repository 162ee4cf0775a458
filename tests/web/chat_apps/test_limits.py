"""A chat app's key on the sign-in page: where it is not enough, and how little it opens."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from oidc_bridge.sections import SignInPolicy
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.chat_questions import ChatQuestionRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow, tell_of_app
from oidc_bridge.storage.prune import prune_all
from oidc_bridge.storage.sessions import SessionRow
from oidc_bridge.storage.whitelist import PersonRuleRow
from tests.driver import WIKI, enrol, fields_of
from tests.fakes import FakeWallet
from tests.oichat import CHAT, NOW
from tests.web.chat_apps.page import ADDRESS, ELEMENT, Page
from tests.web.test_oichat import ALICE, SERVER, made

# ---- where it is not enough


@pytest.mark.parametrize("say", ["alone", None])
def test_an_app_that_would_have_to_be_asked_about_needs_the_wallet(page, say):
    """The key of one app lets nobody allow another."""
    other = "https://other.example"
    if say is not None:
        page.world.say(other, say)
    question = page.ask(page.come(redirectUrl=f"{other}/"))
    code = page.answer(question)

    assert page.refused_at_take(question, code) == "chat_app_not_enough"
    assert page.world.count(AccountRow) == 0


def test_an_app_about_which_people_are_asked_needs_the_wallet(page):
    asks = replace(SERVER, id="asks", unknown_apps="ask")
    enrol(page.app, asks)
    question = page.ask(page.come(asks, redirectUrl="https://other.example/"))

    assert page.refused_at_take(question, page.answer(question)) == "chat_app_not_enough"


@pytest.mark.parametrize(
    "changes",
    [{"redirectUrl": None}, {"client": WIKI, "redirectUrl": None}],
    ids=["re-authentication", "another client"],
)
def test_it_is_not_offered_elsewhere(page, changes):
    enrol(page.app, WIKI)
    page.world.say("client:wiki", "allow")
    not_offered(page, page.come(**changes))


def test_it_is_not_offered_at_another_homeserver(page):
    other = replace(SERVER, id="other", server_name="other.example")
    enrol(page.app, other)
    not_offered(page, page.come(other))


def test_it_is_not_offered_for_the_account_page(page):
    not_offered(page, page.alice.begin_account())


@pytest.mark.parametrize("accept", ["message", "both"])
def test_it_is_not_offered_where_proofs_must_name_us(settings, clock, accept):
    policy = SignInPolicy(accept=accept)
    with made(settings.model_copy(update={"sign_in": policy}), clock) as world:
        page = Page(world)
        not_offered(page, page.come())


def test_it_is_not_offered_where_the_door_is_closed(ann):
    sign_in_url = ann.authorize().location

    shown = ann.get(sign_in_url).text
    answer = ann.post(
        f"{sign_in_url}/chat-app", {"csrf": ann.read_question(sign_in_url).fields["csrf"]}
    )

    assert "With a chat app" not in shown
    assert (answer.status_code, "method_refused" in answer.text) == (400, True)
    assert ann.get("/proofs/oichat/page/n").status_code == 404


def not_offered(page: Page, sign_in_url: str) -> None:
    shown = page.alice.get(sign_in_url).text
    csrf = page.alice.read_question(sign_in_url).fields["csrf"]
    answer = page.alice.post(f"{sign_in_url}/chat-app", {"csrf": csrf})

    assert "With a chat app" not in shown
    assert (answer.status_code, "method_refused" in answer.text) == (400, True)
    assert page.world.count(ChatQuestionRow) == 0


def test_an_operator_who_closes_the_page_closes_it_for_answers_too(page):
    question = page.ask(page.come())
    code = page.answer(question)
    parts = page.app.extensions["oidc_bridge"]
    changed = parts.settings.model_copy(update={"sign_in": SignInPolicy(accept="message")})
    page.app.extensions["oidc_bridge"] = replace(parts, settings=changed)

    assert page.refused_at_take(question, code) == "method_refused"


# ---- how little it opens


def test_the_account_page_stays_closed_and_no_cookie_is_given(page):
    question = page.ask(page.come())
    landed = page.type(question, page.answer(question))
    page.claims(landed.location)

    assert "Set-Cookie" not in landed.headers
    assert "/account/begin" in page.alice.account_page()


def test_the_person_is_asked_even_if_they_said_yes_for_long(page):
    by_wallet = page.person()
    by_wallet.wallet = FakeWallet(bytes.fromhex(ALICE["identity"]["private_hex"]))
    landed = by_wallet.prove(by_wallet.authorize(SERVER, redirectUrl=f"{ELEMENT}/").location)
    by_wallet.decide(landed.location, as_whom="main", remember=True)

    assert page.sign_in().startswith("/consent/")


def test_a_yes_is_for_this_once(page):
    consent_url = page.sign_in()
    shown = page.alice.get(consent_url).text
    page.claims(consent_url, remember=True)

    assert "Don’t ask again" not in shown
    assert page.sign_in().startswith("/consent/")


def test_nobody_can_choose_another_id_or_make_a_rule(page):
    consent_url = page.sign_in()

    forged = page.alice.decide(consent_url, **{"as": "alone"})
    page.claims(consent_url)

    assert (forged.status_code, "form_malformed" in forged.text) == (400, True)
    assert page.world.count(PersonRuleRow) == 0


def test_the_person_sees_who_was_let_in_by_which_app(page):
    page.alice.browser.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11; Linux) Firefox/140.0"
    page.claims(page.sign_in())

    by_wallet = page.person()
    by_wallet.wallet = FakeWallet(bytes.fromhex(ALICE["identity"]["private_hex"]))
    by_wallet.prove(by_wallet.begin_account())
    assert "Firefox on Linux, let in by chat.openintents.org" in by_wallet.account_page()


def test_what_nobody_agreed_to_is_over_with_the_request(page):
    page.alice.decide(page.sign_in(), "deny")
    (denied,) = page.sessions()
    page.claims(page.sign_in())
    (given,) = [row for row in page.sessions() if row.id != denied.id]

    assert denied.expires_at - page.world.clock() < given.expires_at - page.world.clock()
    assert (given.expires_at - page.world.clock()).days >= 1
    assert (denied.expires_at - page.world.clock()).total_seconds() <= 3600


def test_an_ended_sign_in_is_not_taken_for_another(page):
    """Alice is signed in here by her wallet too; ending what the app opened leaves nobody."""
    page.alice.wallet = FakeWallet.named("mallory")
    page.alice.prove(page.alice.begin_account())
    consent_url = page.sign_in(prompt="login")
    page.change(update(SessionRow).where(SessionRow.app == CHAT).values(ended_at=NOW))

    assert page.alice.get(consent_url).location.startswith("/sign-in/")


def test_another_account_can_be_used_instead(page):
    consent_url = page.sign_in()
    sign_in_url = page.alice.press_on(consent_url, f"{consent_url}/switch").location
    page.alice.wallet = FakeWallet.named("dora")
    page.world.clock.advance(seconds=1)

    landed = page.alice.prove(sign_in_url)

    shown = page.alice.get(landed.location).text
    assert page.alice.wallet.address.c32 in shown
    assert ADDRESS not in shown


def test_a_wallet_that_answers_later_takes_the_apps_place(page):
    question = page.ask(page.come())
    page.alice.wallet = FakeWallet.named("dora")
    form, auth_request = page.alice.read_challenge(question.sign_in_url)
    page.type(question, page.answer(question))

    answer = page.alice.wallet.answer(auth_request, now=page.world.clock())
    landed = page.alice.post("/sign-in/answer", {**form, "authResponse": answer})

    assert page.alice.wallet.address.c32 in page.alice.get(landed.location).text


def test_going_back_leads_to_consent_again(page):
    consent_url = page.sign_in()
    sign_in_url = consent_url.replace("/consent/", "/sign-in/")

    assert page.alice.get(sign_in_url).location == consent_url


def test_an_app_that_is_denied_meanwhile_leads_in_no_circle(page):
    consent_url = page.sign_in()
    page.world.say(ELEMENT, "deny")
    url, seen = consent_url, []
    while url and url not in seen:
        seen.append(url)
        url = page.alice.get(url).location

    assert url is None, seen


def test_removing_the_chat_app_signs_out_what_its_key_let_in(page):
    claims = page.claims(page.sign_in())
    with page.app.app_context():
        with read() as connection:
            account_id = connection.execute(select(AccountRow.id)).scalar_one()
        write(lambda c: tell_of_app(c, account_id, SERVER.id, CHAT, now=NOW))
        with read() as connection:
            told = connection.execute(select(LogoutDeliveryRow.sub, LogoutDeliveryRow.sid)).all()

    assert [tuple(row) for row in told] == [(claims["sub"], claims["sid"])]


def test_prune_forgets_questions_that_are_over(page):
    page.ask(page.come())
    now = page.world.clock()
    page.world.clock.advance(minutes=11)

    with page.app.app_context():
        gone = dict(prune_all(now=page.world.clock(), token_life=page.world.clock() - now))

    assert gone["questions to chat apps"] == 1


def test_its_forms_are_of_the_page(page):
    question = page.ask(page.come())

    form = fields_of(page.alice.get(question.page).text, f"{question.page}/take")
    assert set(form) == {"csrf"}
