"""The account page: everything is there, can be taken back, and belongs to one person."""

import re

import pytest
from flask import Flask
from sqlalchemy import func, select

from oidc_bridge.storage import read
from oidc_bridge.storage.consents import ConsentRow
from oidc_bridge.storage.outbox import LogoutDeliveryRow
from oidc_bridge.storage.sessions import SessionRow
from oidc_bridge.web.admin.door import RIGHT_OF
from tests.conftest import Clock
from tests.driver import WIKI, Person, fields_of, query_of, read_id_token, redeem, userinfo


def deliveries(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context(), read() as connection:
        row = LogoutDeliveryRow
        rows = connection.execute(select(row.client_id, row.sid, row.sub))
        return [(client, sid, sub) for client, sid, sub in rows]


def live_sessions(app: Flask) -> int:
    with app.app_context(), read() as connection:
        query = select(func.count()).select_from(SessionRow).where(SessionRow.ended_at.is_(None))
        return connection.execute(query).scalar_one()


def test_nobody_sees_anything_before_signing_in(ann: Person) -> None:
    page = ann.get("/account")

    assert page.status_code == 200
    assert "/account/begin" in page.text
    assert "SP" not in page.text


def test_looking_at_the_door_keeps_nothing(app: Flask, ann: Person) -> None:
    ann.get("/account")
    ann.get("/")

    assert live_sessions(app) == 0


def test_the_account_page_can_be_signed_in_to_on_its_own(ann: Person) -> None:
    sign_in = ann.begin_account()

    answer = ann.prove(sign_in)

    assert answer.location == "/account"
    assert ann.wallet.address.c32 in ann.account_page()


def test_an_app_is_listed_with_what_it_gets_and_as_whom(ann: Person) -> None:
    ann.tokens()

    page = ann.account_page()

    assert "chat.example" in page
    assert f"@{ann.wallet.address.c32.lower()}:matrix.example" in page.replace("<wbr>", "")
    assert "Your display name and picture" in page


def test_an_ordinary_client_is_listed_with_its_host(ann: Person) -> None:
    ann.tokens(WIKI)

    page = ann.account_page()

    assert "The Wiki" in page
    assert "wiki.example" in page


def test_removing_access_asks_first(ann: Person, app: Flask) -> None:
    ann.tokens()
    action = re.search(r"/account/apps/[^/]+/remove", ann.account_page())[0]

    asked = ann.press(action)

    assert asked.status_code == 200
    assert "Remove access of chat.example" in asked.text
    assert deliveries(app) == []


def test_removing_access_tells_the_client_and_forgets_the_app(app: Flask, ann: Person) -> None:
    ann.tokens(remember=True)

    answer = ann.remove_first_app()

    assert answer.location == "/account?done=removed"
    assert [client for client, _, _ in deliveries(app)] == ["synapse"]
    assert "Your display name" not in ann.account_page()
    assert ann.authorize().location.startswith("/consent/")


def test_removing_one_app_leaves_another_at_the_same_homeserver(app: Flask, ann: Person) -> None:
    """Synapse ends every device of a sid, so each app has its own."""
    ann.tokens()
    ann.tokens(redirectUrl="https://other.example/")

    ann.remove_first_app()

    told = deliveries(app)
    assert len(told) == 1
    with app.app_context(), read() as connection:
        left = connection.execute(
            select(ConsentRow.app).where(ConsentRow.removed_at.is_(None))
        ).scalars()
        assert len(list(left)) == 1


@pytest.mark.spec("Back-Channel Logout", "2.3")
def test_signing_out_tells_every_client_of_this_session(app: Flask, ann: Person) -> None:
    ann.tokens()
    ann.tokens(redirectUrl="https://other.example/")
    ann.tokens(WIKI)

    page = ann.sign_out()

    told = deliveries(app)
    assert [client for client, _, _ in told] == ["synapse", "synapse"]  # the wiki has no address
    assert len({sid for _, sid, _ in told}) == 2
    assert page.status_code == 303
    assert page.location.startswith("/signed-out/")
    assert live_sessions(app) == 0
    assert "/account/begin" in ann.account_page()


def test_a_code_that_nobody_redeemed_has_no_device_to_sign_out(
    app: Flask, ann: Person, clock: Clock
) -> None:
    ann.sign_in()
    clock.advance(seconds=60)

    ann.sign_out()

    assert deliveries(app) == []


def test_signing_out_here_leaves_other_browsers(app: Flask, ann: Person) -> None:
    elsewhere = Person(app, ann.clock, ann.wallet)
    ann.tokens()
    elsewhere.tokens()

    ann.sign_out()

    assert live_sessions(app) == 1
    assert len(deliveries(app)) == 1
    assert "chat.example" in elsewhere.account_page()


def test_one_of_my_other_browsers_can_be_signed_out(app: Flask, ann: Person) -> None:
    elsewhere = Person(app, ann.clock, ann.wallet)
    elsewhere.tokens()
    ann.tokens()
    page = ann.account_page()
    actions = re.findall(r'action="(/account/sessions/[^"]+)"', page)
    assert len(actions) == 2

    ann.press(next(action for action in actions if action != _own(page)))

    assert live_sessions(app) == 1
    assert "/account/begin" in elsewhere.account_page()
    assert "chat.example" in ann.account_page()


def _own(page: str) -> str:
    own = page[page.index("This device") :]
    found = re.search(r'action="(/account/sessions/[^"]+)"', own)
    assert found
    return found[1]


def test_signing_out_everywhere_asks_then_ends_every_session(app: Flask, ann: Person) -> None:
    elsewhere = Person(app, ann.clock, ann.wallet)
    elsewhere.tokens()
    ann.tokens()

    asked = ann.press("/account/sign-out-everywhere")
    assert live_sessions(app) == 2
    assert "Sign out everywhere" in asked.text
    ann.sign_out_everywhere()

    assert live_sessions(app) == 0
    assert len(deliveries(app)) == 2


def test_nobody_ends_another_persons_session_by_its_number(
    app: Flask, ann: Person, bob: Person
) -> None:
    tokens = ann.tokens()
    bob.tokens()
    foreign = re.search(r'action="(/account/sessions/[^"]+)"', ann.account_page())[1]
    own = re.search(r'action="(/account/sessions/[^"]+)"', bob.account_page())[1]
    token = fields_of(bob.account_page(), own)

    bob.post(foreign, dict(token))

    assert live_sessions(app) == 2
    assert deliveries(app) == []
    assert userinfo(app, str(tokens["access_token"])).status_code == 200


@pytest.mark.parametrize("confirm", ["", "yes"])
def test_nobody_sees_or_removes_another_persons_app_by_its_number(
    app: Flask, ann: Person, bob: Person, confirm: str
) -> None:
    ann.tokens()
    bob.tokens()
    foreign = re.search(r"/account/apps/[^/]+/remove", ann.account_page())[0]
    own = re.search(r"/account/apps/[^/]+/remove", bob.account_page())[0]

    answer = bob.post(foreign, {**fields_of(bob.account_page(), own), "confirm": confirm})

    assert answer.status_code == 404
    assert "chat.example" in ann.account_page()
    assert deliveries(app) == []


POSTS = [
    "/account/begin",
    "/account/sign-out",
    "/account/sign-out-everywhere",
    "/account/sessions/x/sign-out",
    "/account/apps/x/remove",
    "/account/apps/x/scopes",
    "/account/rules",
    "/account/rules/import",
    "/account/rules/import/allow",
    "/sign-in/answer",
    "/sign-in/x/again",
    "/sign-in/x/cancel",
    "/sign-in/x/start-over",
    "/sign-in/message",
    "/sign-in/chain",
    "/sign-in/x/chat-app",
    "/sign-in/x/chat-app/take",
    "/sign-in/x/name",
    "/sign-in/x/as",
    "/sign-in/x/join",
    "/sign-in/x/elsewhere",
    "/sign-in/x/elsewhere/take",
    "/sign-in/for/x/again",
    "/d/x/accept",
    "/d/x/refuse",
    "/account/data/export",
    "/account/data/delete",
    "/account/wallets/add",
    "/account/wallets/name",
    "/account/wallets/x/remove",
    "/account/passwords",
    "/account/passwords/new",
    "/account/passwords/x/end",
    "/account/one-time",
    "/consent/x",
    "/consent/x/switch",
    "/refused/x/ask",
    "/refused/x/leave",
    "/end-session/confirm",
    "/admin/begin",
    "/admin/token",
]


@pytest.mark.parametrize("action", POSTS)
def test_every_form_wants_its_token(app: Flask, ann: Person, action: str) -> None:
    ann.tokens()

    answer = ann.post(action, {"confirm": "yes"})

    assert answer.status_code in (400, 403)
    assert "form_foreign" in answer.text
    assert live_sessions(app) == 1


def test_the_list_of_forms_is_whole(app: Flask) -> None:
    """A new form that is not in the table above fails here."""
    protocol = {"/token", "/userinfo", "/authorize", "/introspect", "/revoke", "/register"}
    protocol |= {"/end-session", "/par", "/c/x", "/proofs/oichat/x", "/proofs/oichat/page/x"}
    protocol |= {"/matrix/password"}
    # These want a bearer token, which no form can send, or are what gives one.
    bearers = ("/widget/", "/_matrix/integrations/")
    posts = {
        re.sub("<[^>]+>", "x", rule.rule)
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ())
        and not rule.rule.startswith(bearers)
        # Those that want a right are all asked by tests/web/admin/test_door.py.
        and rule.endpoint not in RIGHT_OF
    }

    assert posts - protocol == set(POSTS)


def test_a_change_without_a_session_is_refused(ann: Person) -> None:
    ann.tokens()
    page = ann.account_page()
    action = re.search(r"/account/apps/[^/]+/remove", page)[0]
    fields = fields_of(page, action)
    ann.sign_out()

    answer = ann.post(action, {**fields, "confirm": "yes"})

    assert answer.status_code == 401
    assert "signed_out" in answer.text


def test_a_reauthentication_is_told_the_id_and_nothing_else(
    app: Flask, ann: Person, clock: Clock
) -> None:
    first = read_id_token(app, str(ann.tokens()["id_token"]))
    clock.advance(seconds=5)

    again = ann.authorize(redirectUrl=None)
    assert again.location.startswith("/sign-in/")
    assert "Confirm it is you" in ann.get(again.location).text
    clock.advance(seconds=5)
    code = query_of(ann.prove(again.location).location)["code"]

    claims = read_id_token(app, redeem(app, code).get_json()["id_token"])
    assert claims["sub"] == first["sub"]
    assert "name" not in claims
