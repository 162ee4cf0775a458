"""The consent page: what is shown is what is granted, and only the person grants it."""

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from oidc_bridge.storage import read, write
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.consents import ConsentRow
from tests.conftest import Clock
from tests.driver import HOMESERVER, WIKI, Person, fields_of, query_of, read_id_token
from tests.fakes import FakeWallet


def consent_url(person: Person, **changes: str | None) -> str:
    return str(person.prove(person.authorize(**changes).location).location)


def count(app: Flask, row: type) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def test_the_page_names_app_host_person_and_real_values(ann: Person) -> None:
    page = ann.get(consent_url(ann)).text

    assert "chat.example" in page
    assert "matrix.example" in page
    assert ann.wallet.address.c32 in page
    assert f"@{ann.wallet.address.c32.lower()}:matrix.example" in page.replace("<wbr>", "")
    assert "Ann Example" in page


def test_the_browser_may_follow_the_form_to_client_and_app_and_nowhere_else(ann: Person) -> None:
    policy = ann.get(consent_url(ann)).headers["Content-Security-Policy"]

    assert policy.endswith("form-action 'self' https://matrix.example https://chat.example")


def test_the_browser_may_follow_the_form_to_a_native_app(ann: Person) -> None:
    url = consent_url(ann, redirectUrl="element://vector/webapp/")

    page = ann.get(url)

    assert page.headers["Content-Security-Policy"].endswith("https://matrix.example element:")
    assert "element on this device" in page.text


def test_a5_no_code_exists_before_consent(app: Flask, ann: Person) -> None:
    ann.get(consent_url(ann))

    assert count(app, AuthorizationRow) == 0


def test_a_no_is_sent_to_the_client_and_leaves_nothing(app: Flask, ann: Person) -> None:
    answer = ann.decide(consent_url(ann), "deny")

    assert query_of(answer.location)["error"] == "access_denied"
    assert query_of(answer.location)["error_description"]
    assert count(app, AuthorizationRow) == 0
    assert count(app, ConsentRow) == 0


def test_a5_a_second_press_of_the_button_does_nothing(app: Flask, ann: Person) -> None:
    url = consent_url(ann)
    form = {**fields_of(ann.get(url).text, url), "decision": "allow", "as": "main"}
    ann.post(url, dict(form))

    again = ann.post(url, dict(form))

    assert again.status_code == 404
    assert "request_unknown" in again.text
    assert count(app, AuthorizationRow) == 1


@pytest.mark.parametrize(
    "scopes", [("email",), ("openid",), ("profile", "admin"), ("offline_access",)]
)
def test_a_scope_that_was_not_offered_makes_the_form_invalid(
    app: Flask, ann: Person, scopes: tuple[str, ...]
) -> None:
    answer = ann.decide(consent_url(ann), scopes=scopes)

    assert answer.status_code == 400
    assert "form_malformed" in answer.text
    assert count(app, AuthorizationRow) == 0


def test_a_required_scope_cannot_be_unticked(app: Flask, ann: Person) -> None:
    with app.app_context():
        write(
            lambda connection: connection.execute(
                update(ClientRow).values(required_scopes=["openid", "profile"])
            )
        )
        app.extensions["oidc_bridge"].snapshots.forget()
    url = consent_url(ann)

    page = ann.get(url).text
    answer = ann.decide(url, scopes=())

    assert 'value="profile"' not in page
    assert "code" in query_of(answer.location)
    with app.app_context(), read() as connection:
        assert connection.execute(select(ConsentRow.granted)).scalar_one() == ["openid", "profile"]


@pytest.mark.parametrize("decision", ["", "yes", "ALLOW"])
def test_only_allow_and_deny_are_answers(ann: Person, decision: str) -> None:
    answer = ann.decide(consent_url(ann), decision)

    assert answer.status_code == 400
    assert "form_malformed" in answer.text


@pytest.mark.parametrize("shown", ["", "0" * 64])
def test_a_yes_to_another_question_does_not_count(app: Flask, ann: Person, shown: str) -> None:
    answer = ann.decide(consent_url(ann), shown=shown)

    assert answer.status_code == 400
    assert "consent_changed" in answer.text
    assert count(app, AuthorizationRow) == 0


def test_a_question_that_changed_after_it_was_shown_is_asked_again(app: Flask, ann: Person) -> None:
    url = consent_url(ann)
    form = {**fields_of(ann.get(url).text, url), "decision": "allow"}
    rename_client(app, "evil.example")

    answer = ann.post(url, dict(form))

    assert "consent_changed" in answer.text
    assert ann.decide(url).status_code == 303


def rename_client(app: Flask, name: str) -> None:
    with app.app_context():
        change = update(ClientRow).where(ClientRow.id == HOMESERVER.id).values(name=name)
        write(lambda connection: connection.execute(change))
    app.extensions["oidc_bridge"].snapshots.forget()


def test_a5_another_browser_cannot_open_or_answer_the_question(
    app: Flask, ann: Person, bob: Person
) -> None:
    url = consent_url(ann)
    bob.authorize()

    assert bob.get(url).status_code == 404
    answer = bob.post(url, {"decision": "allow", "csrf": "x"})
    assert answer.status_code == 403
    assert count(app, AuthorizationRow) == 0


def test_with_a_token_of_ones_own_a_foreign_question_is_still_unknown(
    app: Flask, ann: Person, bob: Person
) -> None:
    url, own_url = consent_url(ann), consent_url(bob)
    own = fields_of(bob.get(own_url).text, own_url)

    answer = bob.post(url, {**own, "decision": "allow"})

    assert answer.status_code == 404
    assert count(app, AuthorizationRow) == 0


def test_signed_out_in_between_the_person_signs_in_again(app: Flask, ann: Person) -> None:
    url = consent_url(ann)
    form = {**fields_of(ann.get(url).text, url), "decision": "allow"}
    ann.sign_out()

    answer = ann.post(url, dict(form))

    assert answer.location.startswith("/sign-in/")
    assert count(app, AuthorizationRow) == 0


def test_use_another_account_keeps_the_request_and_asks_for_a_fresh_proof(
    ann: Person, bob: Person, clock: Clock
) -> None:
    url = consent_url(ann)
    switch = f"{url}/switch"
    clock.advance(seconds=2)

    sign_in = ann.post(switch, dict(fields_of(ann.get(url).text, switch))).location

    assert "Confirm it is you" not in ann.get(sign_in).text
    clock.advance(seconds=2)
    ann.wallet = bob.wallet
    page = ann.get(ann.prove(sign_in).location).text
    assert bob.wallet.address.c32 in page


def test_after_switching_the_old_session_cannot_go_on(
    app: Flask, ann: Person, clock: Clock
) -> None:
    url = consent_url(ann)
    form = {**fields_of(ann.get(url).text, url), "decision": "allow"}
    clock.advance(seconds=2)
    switch = f"{url}/switch"
    ann.post(switch, dict(fields_of(ann.get(url).text, switch)))

    answer = ann.post(url, dict(form))

    assert answer.location.startswith("/sign-in/")
    assert count(app, AuthorizationRow) == 0


def test_an_unremembered_consent_is_asked_again(ann: Person) -> None:
    ann.sign_in()

    assert ann.authorize().location.startswith("/consent/")


def test_remember_is_unticked(ann: Person) -> None:
    page = ann.get(consent_url(ann)).text

    box = page[page.index('name="remember"') :].partition(">")[0]
    assert "checked" not in box


@pytest.mark.parametrize(
    ("grow", "says"),
    [
        ("scope", "asks for more"),
        ("claims", "more to share"),
        ("name", "another name"),
        ("age", "has run out"),
    ],
)
def test_a_remembered_consent_is_asked_again_when_it_grows(
    app: Flask, ann: Person, clock: Clock, grow: str, says: str
) -> None:
    ann.sign_in(remember=True)
    changes: dict[str, str | None] = {}
    if grow == "scope":
        changes["scope"] = "openid profile email"
    if grow == "claims":
        picture = "https://pictures.example/ann.png"
        ann.wallet = FakeWallet(ann.wallet.identity_key, display_name="Ann", picture=picture)
        changes["prompt"] = "login"
    if grow == "name":
        rename_client(app, "elsewhere.example")
    if grow == "age":
        clock.advance(days=181)
        changes["prompt"] = "login"
    clock.advance(seconds=1)

    answer = ann.authorize(**changes)
    if answer.location.startswith("/sign-in/"):
        clock.advance(seconds=1)
        answer = ann.prove(answer.location)

    assert answer.location.startswith("/consent/")
    assert says in ann.get(answer.location).text


def test_a_remembered_consent_covers_fewer_scopes(ann: Person) -> None:
    ann.sign_in(remember=True)

    assert "code" in query_of(ann.authorize(scope="openid").location)


def test_what_was_unticked_stays_unticked_in_a_remembered_consent(ann: Person) -> None:
    ann.sign_in(remember=True, scopes=())

    tokens = ann.tokens()

    assert tokens["scope"] == "openid"


def is_ticked(page: str, scope: str) -> bool:
    return "checked" in page[page.index(f'value="{scope}"') :].partition(">")[0]


def test_what_is_optional_starts_unticked(ann: Person) -> None:
    assert not is_ticked(ann.get(consent_url(ann)).text, "profile")


@pytest.mark.parametrize("scopes", [(), ("profile",)])
def test_an_optional_scope_comes_back_as_it_was_left(ann: Person, scopes: tuple[str, ...]) -> None:
    ann.sign_in(scopes=scopes)

    page = ann.get(ann.authorize().location).text

    assert is_ticked(page, "profile") is ("profile" in scopes)


def test_two_clients_know_a_person_by_two_subjects(app: Flask, ann: Person) -> None:
    one = read_id_token(app, str(ann.tokens()["id_token"]))
    other = read_id_token(app, str(ann.tokens(WIKI)["id_token"]))

    assert one["sub"] != other["sub"]
    assert one["sid"] != other["sid"]


HOSTILE = "<script>alert(1)</script>\u202egnp.exe\u200b\"'" + "x" * 10_000


def test_a_hostile_profile_is_harmless_on_the_page(app: Flask, clock: Clock) -> None:
    eve = Person(app, clock, FakeWallet.named("eve", display_name=HOSTILE))

    page = eve.get(eve.prove(eve.authorize().location).location).text

    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "x" * 300 not in page
