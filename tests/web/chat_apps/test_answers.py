"""A chat app's key on the sign-in page: the whole way, and each check alone."""

import pytest
from sqlalchemy import select, update

from oidc_bridge.storage import read
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.chat_questions import ChatQuestionRow
from oidc_bridge.storage.ledger import EventRow
from tests.driver import ISSUER
from tests.oichat import CHAT, NOW, PEOPLE
from tests.web.chat_apps.page import ADDRESS
from tests.web.test_oichat import ALICE, BOT, BUCKET, SERVER, by_sso

# ---- the whole way


def test_a_chat_apps_key_signs_in_and_nothing_is_written_or_read_in_the_bucket(page):
    claims = page.claims(page.sign_in())

    assert claims["preferred_username"] == "alice.id"
    assert not [url for url in page.world.web.calls if url.startswith(BUCKET)]


def test_the_consent_page_names_whom_the_key_speaks_for(page):
    shown = page.alice.get(page.sign_in()).text

    assert "@alice.id:chat.example" in shown
    assert ADDRESS in shown


def test_it_is_the_account_that_the_password_opens(page):
    password = page.world.come("alice.id", "n1")

    claims = page.claims(page.sign_in())

    assert (claims["preferred_username"], claims["sub"]) == ("alice.id", password.subject)
    assert page.world.count(AccountRow) == 1


def test_it_is_the_account_that_the_wallet_opens(page):
    localpart, subject = by_sso(page.world)

    claims = page.claims(page.sign_in())

    assert (claims["preferred_username"], claims["sub"]) == (localpart, subject)
    assert page.world.count(AccountRow) == 1


def test_the_app_is_told_what_it_signs_for(page):
    page.alice.browser.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11; Linux) Firefox/140.0"
    question = page.ask(page.come())

    server, here, secret = question.told.pop("challenge").split(" ")
    assert (server, here, len(secret)) == ("chat.example", ISSUER, 43)
    assert question.told == {
        "nonce": question.address.rpartition("/")[2],
        "expires_in": 600,
        "answer_url": question.address,
        "sign_in": {
            "server_name": "chat.example",
            "app": "element.example",
            "device": "Firefox on Linux",
        },
    }


def test_scripts_of_any_origin_may_look_and_answer(page):
    question = page.ask(page.come())

    for answer in (page.look(question.address), page.post(question, origin=CHAT)):
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers


def test_a_person_who_opens_the_address_is_told_what_it_is_for(page):
    question = page.ask(page.come())

    shown = page.look(question.address, "text/html,*/*;q=0.8")
    page.answer(question)
    used = page.look(question.address, "text/html,*/*;q=0.8")

    assert (shown.status_code, shown.mimetype) == (200, "text/html")
    assert "Only if you began this yourself" in shown.text
    assert "element.example" in shown.text
    assert (used.status_code, used.mimetype) == (410, "text/html")


# ---- the code


@pytest.mark.parametrize("how", [str.lower, lambda code: code.replace("-", " "), " {} ".format])
def test_the_code_may_be_typed_as_people_type(page, how):
    question = page.ask(page.come())

    assert page.type(question, how(page.answer(question))).location.startswith("/consent/")


def test_without_the_code_a_good_answer_is_worth_nothing(page):
    """Who made somebody's app sign an address of theirs still lacks it."""
    question = page.ask(page.come())
    code = page.answer(question)

    answer = page.type(question, "222-222")

    assert answer.location == f"{question.page}?wrong=code"
    assert "That is not the code" in page.alice.get(answer.location).text
    assert page.sessions() == []
    assert page.type(question, code).location.startswith("/consent/")


def test_a_code_cannot_be_guessed_for_long(page):
    question = page.ask(page.come())
    code = page.answer(question)
    for _ in range(5):
        page.type(question, "222-222")

    assert page.type(question, code).location == question.page
    assert "challenge_over" in page.alice.get(question.page).text
    assert page.sessions() == []


def test_a_code_before_the_answer_is_no_try(page):
    question = page.ask(page.come())
    for _ in range(6):
        early = page.type(question, "222-222")

    assert early.location == f"{question.page}?wrong=early"
    assert page.type(question, page.answer(question)).location.startswith("/consent/")


def test_the_database_knows_neither_address_nor_code(page):
    question = page.ask(page.come())
    code = page.answer(question)

    with page.app.app_context(), read() as connection:
        kept = str(connection.execute(select(ChatQuestionRow.__table__)).one())
    assert question.told["nonce"] not in kept
    assert code not in kept


# ---- once, for one browser, and for a while


def test_an_answer_is_taken_once(page):
    question = page.ask(page.come())
    code = page.answer(question)
    csrf = page.alice.read_question(question.sign_in_url).fields["csrf"]
    form = {"csrf": csrf, "code": code}
    first = page.alice.post(f"{question.page}/take", form)

    again = page.alice.post(f"{question.page}/take", form)

    assert first.location.startswith("/consent/")
    assert again.location == question.page
    assert len(page.sessions()) == 1


def test_one_answer_is_looked_at_good_or_bad(page):
    good, bad = page.ask(page.come()), page.ask(page.come())
    page.answer(good)
    page.post(bad, ALICE["identity"]["private_hex"])
    asked = len(page.world.web.calls)

    for question in (good, bad):
        answer = page.post(question)
        assert (answer.status_code, answer.json["error"]) == (410, "nonce_used")
    assert len(page.world.web.calls) == asked


def test_another_browser_neither_sees_nor_takes_it(page):
    question = page.ask(page.come())
    code = page.answer(question)
    bob = page.person("bob")
    csrf = bob.read_question(bob.authorize(SERVER).location).fields["csrf"]

    assert bob.get(question.page).status_code == 404
    assert bob.post(f"{question.page}/take", {"csrf": csrf, "code": code}).status_code == 404
    assert page.type(question, code).location.startswith("/consent/")


def test_somebody_elses_answer_leaves_the_person_without_a_code(page):
    """Who photographs the screen and answers first signs nobody in to their own account."""
    question = page.ask(page.come())
    erin = PEOPLE["erin.btc"]["apps"][CHAT]["private_hex"]
    theirs = page.post(question, erin, blockstackId="erin.btc")

    late = page.post(question)

    assert theirs.status_code == 200
    assert late.json["error"] == "nonce_used"
    assert "code" not in late.json


def test_a_new_address_ends_the_one_before(page):
    sign_in_url = page.come()
    first, second = page.ask(sign_in_url), page.ask(sign_in_url)

    assert page.post(first).json["error"] == "nonce_expired"
    assert page.post(second).status_code == 200


def test_cancelling_ends_it(page):
    question = page.ask(page.come())
    page.alice.press_on(question.page, f"{question.sign_in_url}/cancel")

    assert page.post(question).json["error"] == "nonce_expired"


def test_an_address_dies_after_a_while(page):
    question, late = page.ask(page.come()), page.ask(page.come())
    form = {"csrf": page.alice.read_question(question.sign_in_url).fields["csrf"]}
    form["code"] = page.answer(question)
    page.world.clock.advance(minutes=10)

    answer = page.post(late)
    assert (answer.status_code, answer.json["error"]) == (410, "nonce_expired")
    assert page.alice.post(f"{question.page}/take", form).location == question.page
    assert page.sessions() == []


# ---- the two doors are apart


def test_a_pages_nonce_is_no_password(page):
    question = page.ask(page.come())
    page.answer(question)

    password = f"{question.told['nonce']}|{CHAT}|alice.id"
    assert page.world.refused("alice.id", password) == "unknown_nonce"


def test_a_passwords_nonce_is_no_pages(page):
    page.world.ask("n")

    assert page.look(f"{ISSUER}/proofs/oichat/page/n").json["error"] == "unknown_nonce"


def test_what_was_signed_for_a_password_is_no_answer_to_a_page(page):
    question = page.ask(page.come())
    text = page.world.ask("n").json["challenge"]

    assert page.post(question, text=text).json["error"] == "signature_invalid"


# ---- what an app must prove


def test_a_signature_of_something_else_is_refused_and_the_question_stays(page):
    question = page.ask(page.come())

    answer = page.post(question, text="another text")

    assert (answer.status_code, answer.json["error"]) == (400, "signature_invalid")
    assert page.world.web.calls == []
    assert page.post(question).status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": ALICE["identity"]["private_hex"]}, "signature_invalid"),
        ({"key": ALICE["apps"][BOT]["private_hex"]}, "signature_invalid"),
        ({"key": ALICE["apps"][BOT]["private_hex"], "appDomain": BOT}, "app_not_allowed"),
        ({"blockstackId": "nobody.id"}, "name_unknown"),
        ({"appDomain": "https://other.example"}, "app_not_in_profile"),
    ],
)
def test_an_answer_that_proves_nothing_is_told_to_the_app_and_to_the_browser(page, change, code):
    question = page.ask(page.come())

    answer = page.post(question, **change)

    assert (answer.status_code, answer.json["error"]) == (400, code)
    assert code in page.alice.get(question.page).text
    assert page.type(question, "222-222").location == question.page
    assert page.world.count(AccountRow) == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"nonce": "n"}, "malformed_password"),
        ({"appDomain": "chat"}, "malformed_app"),
        ({"blockstackId": "alice"}, "malformed_name"),
        ({"publicKey": "x"}, "signature_invalid"),
        ({"origin": "https://evil.example"}, "challenge_mismatch"),
    ],
)
def test_an_answer_of_another_form_is_refused_and_the_question_stays(page, change, code):
    question = page.ask(page.come())

    assert page.post(question, **change).json["error"] == code
    assert page.post(question).status_code == 200


def test_what_is_no_nonce_is_answered_as_json(page):
    assert page.look(f"{ISSUER}/proofs/oichat/page/nobodys").json["error"] == "unknown_nonce"


# ---- asked once more when it is taken


def test_an_app_that_is_no_longer_allowed_signs_nobody_in(page):
    question = page.ask(page.come())
    code = page.answer(question)
    page.world.say(CHAT, "alone")

    assert page.refused_at_take(question, code) == "app_not_allowed"
    assert page.world.count(AccountRow) == 0


def test_somebody_who_was_blocked_meanwhile_stays_out(page):
    page.world.come("alice.id", "n1")
    question = page.ask(page.come())
    code = page.answer(question)
    before = len(page.sessions())
    page.change(update(AccountRow).values(blocked_at=NOW))

    answer = page.type(question, code)

    assert answer.status_code == 403
    assert "account_blocked" in answer.text
    assert len(page.sessions()) == before


def test_a_blocked_persons_app_is_told_so(page):
    page.world.come("alice.id", "n1")
    page.change(update(AccountRow).values(blocked_at=NOW))

    assert page.post(page.ask(page.come())).json["error"] == "account_blocked"


def test_a_refusal_is_among_the_events(page):
    question = page.ask(page.come())
    code = page.answer(question)
    page.world.say(CHAT, "deny")
    page.refused_at_take(question, code)

    with page.app.app_context(), read() as connection:
        event = connection.execute(select(EventRow).where(EventRow.kind == "sign-in refused")).one()
    assert event.detail["code"] == "app_not_allowed"
