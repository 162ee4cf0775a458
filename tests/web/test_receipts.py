"""Consent receipts: the words of that day, for their person alone, also when it is over."""

import re

import pytest
from flask import Flask
from sqlalchemy import Connection, select, update

from oidc_bridge.apps.consent import TEXT_VERSION
from oidc_bridge.storage import read, write
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.consents import ConsentRow
from tests.conftest import Clock
from tests.driver import HOMESERVER, WIKI, Person, query_of
from tests.fakes import FakeWallet


def receipts(app: Flask) -> list[dict[str, object] | None]:
    with app.app_context(), read() as connection:
        query = select(ConsentRow.receipt).order_by(ConsentRow.given_at)
        return list(connection.execute(query).scalars())


def receipt_url(person: Person) -> str:
    """Return the address of the first receipt that the account's page links."""
    found = re.search(r'href="(/account/receipts/[^"]+)"', person.account_page())
    assert found, "no receipt is linked"
    return found[1]


def shown(person: Person, url: str) -> str:
    answer = person.get(url)
    assert answer.status_code == 200
    return re.sub(r"</?bdi>|<wbr>", "", answer.text)


def change(app: Flask, statement: object) -> None:
    def work(connection: Connection) -> None:
        connection.execute(statement)  # type: ignore[call-overload]

    with app.app_context():
        write(work)


def test_a_receipt_has_what_was_shown_and_what_was_answered(app: Flask, ann: Person) -> None:
    scope = "openid profile email"
    ann.tokens(scope=scope, scopes=("profile",), remember=True)

    (kept,) = receipts(app)

    assert kept is not None
    address = ann.wallet.address.c32
    assert kept["app"]["title"] == "chat.example"  # type: ignore[index]
    assert kept["person"]["address"] == address  # type: ignore[index]
    assert kept["as_whom"]["mxid"] == f"@{address.lower()}:matrix.example"  # type: ignore[index]
    rows = {row["scope"]: row for row in kept["rows"]}  # type: ignore[attr-defined]
    assert rows["profile"]["value"] == "Ann Example"
    assert {name: row["granted"] for name, row in rows.items()} == {
        "openid": True,
        "profile": True,
        "email": False,
    }
    assert "Your coins" in kept["does_not_get"]  # type: ignore[operator]
    assert str(kept["remembered_until"]).startswith("2026-")


def test_the_words_of_the_receipt_are_those_of_the_page(app: Flask, ann: Person) -> None:
    consent = ann.prove(ann.authorize(scope="openid profile email").location).location
    page = re.sub(r"</?bdi>|<wbr>", "", ann.get(consent).text)

    ann.decide(consent)

    (kept,) = receipts(app)
    assert kept is not None
    for row in kept["rows"]:  # type: ignore[attr-defined]
        assert row["title"] in page
        assert row["value"] in page
    for sentence in kept["does_not_get"]:  # type: ignore[attr-defined]
        assert sentence in page
    assert kept["as_whom"]["mxid"] in page  # type: ignore[index]


def test_a_receipt_is_shown_to_its_person(ann: Person) -> None:
    ann.tokens()

    page = shown(ann, receipt_url(ann))

    assert "What you allowed chat.example" in page
    assert "Ann Example" in page
    assert f"@{ann.wallet.address.c32.lower()}:matrix.example" in page
    assert f"Text version {TEXT_VERSION}." in page
    assert "No, asked each time" in page
    assert "This is over" not in page


def test_where_there_was_a_choice_it_names_what_was_chosen(app: Flask, ann: Person) -> None:
    change(app, update(ClientRow).values(unknown_apps="ask"))
    app.extensions["oidc_bridge"].snapshots.forget()
    ann.tokens(as_whom="alone")

    page = shown(ann, receipt_url(ann))

    mxid = f"@{ann.wallet.address.c32.lower()}+chat.example:matrix.example"
    assert page.count(mxid) == 2
    assert "A user for this app only" in page
    assert "choose above" not in page


def test_it_says_what_was_said_then_whatever_is_true_today(app: Flask, ann: Person) -> None:
    ann.tokens()
    change(app, update(AccountRow).values(display_name="Somebody Else"))

    page = shown(ann, receipt_url(ann))

    assert "Ann Example" in page
    assert "Somebody Else" not in page


def test_it_stays_when_the_access_is_removed(ann: Person, clock: Clock) -> None:
    ann.tokens()
    url = receipt_url(ann)
    clock.advance(days=1)

    ann.remove_first_app()

    page = shown(ann, url)
    assert "This is over" in page
    assert "2 Jan 2026" in page
    assert "Ann Example" in page
    assert url in ann.get("/account/activity").text


def test_a_later_yes_leaves_the_earlier_receipt(app: Flask, ann: Person, clock: Clock) -> None:
    ann.tokens(scopes=())
    first = receipt_url(ann)
    clock.advance(minutes=1)
    ann.tokens()

    assert len(receipts(app)) == 2
    assert "This is over" in shown(ann, first)
    assert "Not allowed" in shown(ann, first)
    assert "Not allowed" not in shown(ann, receipt_url(ann))


def test_a_yes_from_before_words_were_kept_says_so(app: Flask, ann: Person) -> None:
    ann.tokens(scope="openid profile email")
    change(app, update(ConsentRow).values(receipt=None))

    page = shown(ann, receipt_url(ann))

    assert "The words of the page were not kept then" in page
    assert "Ann Example" not in page
    assert page.count("Not allowed") == 1


def test_nobody_reads_anothers_receipt_by_its_number(ann: Person, bob: Person) -> None:
    ann.tokens()
    bob.tokens()

    answer = bob.get(receipt_url(ann))

    assert answer.status_code == 404
    assert "not_found" in answer.text
    assert "Ann" not in answer.text


def test_somebody_who_is_signed_out_reads_none(ann: Person) -> None:
    ann.tokens()
    url = receipt_url(ann)
    ann.sign_out()

    assert ann.get(url).status_code == 401


@pytest.mark.parametrize("client", [HOMESERVER, WIKI], ids=lambda client: client.id)
def test_a_foreign_form_keeps_no_receipt(app: Flask, ann: Person, client: object) -> None:
    consent = ann.prove(ann.authorize(client).location).location  # type: ignore[arg-type]

    answer = ann.decide(consent, shown="another page")

    assert "consent_changed" in answer.text
    assert receipts(app) == []


def test_a_hostile_name_is_kept_and_shown_as_text(app: Flask, clock: Clock) -> None:
    mallory = Person(app, clock, FakeWallet.named("m", display_name="<script>alert(1)</script>"))
    code = query_of(mallory.sign_in())["code"]

    page = mallory.get(receipt_url(mallory)).text

    assert code
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
