"""Giving roles and taking them: nobody gets one before the owner has seen whom it goes to."""

import html
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Connection, func, insert, select
from werkzeug.test import TestResponse

from oidc_bridge.roles import Admin
from oidc_bridge.storage import read
from oidc_bridge.storage.admins import AdminRow, find_admin, set_role
from oidc_bridge.storage.apps import ClientRow
from oidc_bridge.storage.deletion import delete_account
from oidc_bridge.storage.people import block
from oidc_bridge.storage.personas import PersonaRow
from oidc_bridge.storage.whom import MOST
from tests.conftest import Clock
from tests.driver import HOMESERVER, Person, fields_of
from tests.fakes import NOW
from tests.web.admin.conftest import account_of, change
from tests.web.admin.many import account_id, add_people, address, name
from tests.web.admin.test_people import counted, events_of_kind

Admins = Callable[..., Person]
ROLES, GIVE = "/admin/roles", "/admin/roles/give"


def ask(owner: Person, who: str, role: str, **more: str) -> TestResponse:
    """Fill in the form; what comes is whom it may mean."""
    fields = fields_of(owner.get(ROLES).text, ROLES)
    return owner.post(ROLES, {**fields, "who": who, "role": role, "apps": "", **more})


def give(owner: Person, who: str, role: str, **more: str) -> TestResponse:
    """Say yes to the first who is shown."""
    shown = ask(owner, who, role, **more)
    assert shown.status_code == 200, shown.text
    return owner.post(GIVE, dict(fields_of(shown.text, GIVE)))


def role_of(app: Flask, account: str) -> Admin | None:
    with app.app_context(), read() as connection:
        return find_admin(connection, account)


def count_admins(app: Flask) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(AdminRow)).scalar_one()


def offered(page: str) -> list[str]:
    """Return whom a page has a button for."""
    return re.findall(r'name="account" value="([^"]+)"', page)


def localpart(number: int) -> str:
    return f"user-{number:06d}"


def same_localpart(connection: Connection, account: str, *, at: str, known_as: str) -> None:
    row = {"id": f"p{account}{at}", "account_id": account, "client_id": at, "app": ""}
    connection.execute(
        insert(PersonaRow), {**row, "sub": row["id"], "localpart": known_as, "created_at": NOW}
    )


# ---- giving and taking


def test_an_owner_gives_a_role_and_takes_it_away(app: Flask, an_admin: Admins) -> None:
    owner, bob = an_admin("owner"), an_admin(None)
    apps = "https://chat.example https://bot.example"

    give(owner, bob.wallet.address.c32, "app manager", apps=apps)

    account = account_of(app, bob)
    both = frozenset({"https://chat.example", "https://bot.example"})
    assert role_of(app, account) == Admin(account, "app manager", both)
    by = account_of(app, owner)
    after = "app manager: https://bot.example https://chat.example"
    told = {"by": by, "role": "app manager", "before": "", "after": after}
    assert events_of_kind(app, "role given") == [(account, told)]
    question = owner.press_on(ROLES, f"{ROLES}/{account}/take").text
    assert bob.wallet.address.c32 in question
    assert after in question
    owner.post(f"{ROLES}/{account}/take", fields_of(question, f"{ROLES}/{account}/take"))
    assert bob.get("/admin").status_code == 403
    assert events_of_kind(app, "role taken") == [
        (account, {"by": by, "before": after, "after": ""})
    ]


def test_an_app_is_added_to_those_that_a_manager_has(app: Flask, an_admin: Admins) -> None:
    owner, bob = an_admin("owner"), an_admin("app manager", apps=("https://chat.example",))
    account = account_of(app, bob)

    page = owner.get(f"{ROLES}?change={account}").text
    assert f'value="{bob.wallet.address.c32}"' in page
    assert "<option selected>app manager</option>" in page
    assert 'name="apps" value="https://chat.example"' in page
    give(owner, bob.wallet.address.c32, "app manager", apps="https://chat.example, element:")

    assert role_of(app, account) == Admin(
        account, "app manager", frozenset({"https://chat.example", "element:"})
    )


def test_an_app_is_kept_by_the_name_that_rules_have_for_it(app: Flask, an_admin: Admins) -> None:
    owner, bob = an_admin("owner"), an_admin(None)

    give(owner, bob.wallet.address.c32, "app manager", apps="https://Chat.example:443/,element:")

    found = role_of(app, account_of(app, bob))
    assert found is not None
    assert found.apps == {"https://chat.example", "element:"}


@pytest.mark.parametrize(
    "wrong", ["chat.example", "https://chat.example <b>x</b>", "https://*.a.b"]
)
def test_what_is_no_app_is_told_at_the_field_and_stays_there(
    app: Flask, an_admin: Admins, wrong: str
) -> None:
    owner, bob = an_admin("owner"), an_admin(None)

    answer = ask(owner, bob.wallet.address.c32, "app manager", apps=wrong)

    assert answer.status_code == 400
    assert f'name="apps" value="{html.escape(wrong)}"' in answer.text
    assert 'id="apps-wrong"' in answer.text
    assert count_admins(app) == 1


def test_a_manager_may_have_many_apps(app: Flask, an_admin: Admins) -> None:
    owner, bob = an_admin("owner"), an_admin(None)
    apps = [f"https://a-rather-long-name-{number}.example" for number in range(200)]

    give(owner, bob.wallet.address.c32, "app manager", apps=" ".join(apps))

    found = role_of(app, account_of(app, bob))
    assert found is not None
    assert len(found.apps) == 200


def test_nothing_is_given_before_the_yes(app: Flask, an_admin: Admins) -> None:
    owner, bob = an_admin("owner"), an_admin(None)

    page = ask(owner, bob.wallet.address.c32, "admin").text

    assert offered(page) == [account_of(app, bob)]
    assert bob.wallet.address.c32 in page
    assert count_admins(app) == 1


def test_the_page_shows_names_addresses_matrix_ids_and_the_role_until_now(
    app: Flask, an_admin: Admins
) -> None:
    owner = an_admin("owner")
    change(app, lambda connection: add_people(connection, 1))
    change(app, lambda c: set_role(c, account_id(0), "auditor", now=NOW))

    page = ask(owner, name(0), "admin").text

    for text in (name(0), address(0), localpart(0), "auditor"):
        assert text in page.replace("<wbr>", "")


@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_an_address_and_a_name_are_found_however_they_are_spelled(
    app: Flask, an_admin: Admins, spell: Callable[[str], str]
) -> None:
    owner = an_admin("owner")
    change(app, lambda connection: add_people(connection, 2))

    mxid = f"@{localpart(1)}:{HOMESERVER.server_name}"
    for who in (address(1), name(1), localpart(1), f"@{localpart(1)}", mxid):
        assert offered(ask(owner, spell(who), "auditor").text) == [account_id(1)]


def test_an_address_is_found_in_its_older_alphabet_too(app: Flask, an_admin: Admins) -> None:
    owner, bob = an_admin("owner"), an_admin(None)

    page = ask(owner, bob.wallet.address.btc, "auditor").text

    assert offered(page) == [account_of(app, bob)]


def test_what_could_be_several_people_lists_them_and_the_yes_says_which(
    app: Flask, an_admin: Admins
) -> None:
    owner = an_admin("owner")
    change(app, lambda connection: add_people(connection, 2))
    change(app, lambda c: same_localpart(c, account_id(1), at="wiki", known_as=name(0)))

    page = ask(owner, name(0), "auditor").text
    assert sorted(offered(page)) == [account_id(0), account_id(1)]
    assert "Whom do you mean?" in page
    assert count_admins(app) == 1

    fields = {**fields_of(page, GIVE), "account": account_id(1)}
    assert owner.post(GIVE, fields).status_code == 303
    assert role_of(app, account_id(0)) is None
    assert role_of(app, account_id(1)) == Admin(account_id(1), "auditor")


def test_a_matrix_id_means_nobody_at_another_server(app: Flask, an_admin: Admins) -> None:
    owner = an_admin("owner")
    change(app, lambda connection: add_people(connection, 1))

    assert ask(owner, f"@{localpart(0)}:evil.example", "owner").status_code == 400


@pytest.mark.parametrize("who", ["nobody", "", "@", "%", "<script>alert(1)</script>", "S" * 200])
def test_whom_nobody_knows_is_said_at_the_field(app: Flask, an_admin: Admins, who: str) -> None:
    answer = ask(an_admin("owner"), who, "auditor", apps="a b")

    assert answer.status_code == 400
    assert "Nobody has signed in here by this" in answer.text
    assert "<script>alert" not in answer.text
    assert count_admins(app) == 1


def test_more_people_than_can_be_shown_are_said_to_be_more(app: Flask, an_admin: Admins) -> None:
    owner = an_admin("owner")
    change(app, lambda connection: add_people(connection, MOST + 1))

    def keep(connection: Connection) -> None:
        for number in range(MOST + 1):
            row = {"id": f"c{number}", "name": "c", "kind": "web", "created_at": NOW}
            lists = ("redirect_uris", "auth_methods", "scopes", "required_scopes")
            connection.execute(insert(ClientRow), {**row, **{one: [] for one in lists}})
            same_localpart(connection, account_id(number), at=row["id"], known_as="sam")

    change(app, keep)
    page = ask(owner, "sam", "auditor").text

    assert len(offered(page)) == MOST
    assert "There are more of them" in page


def test_the_page_asks_as_often_however_many_it_shows(app: Flask, an_admin: Admins) -> None:
    owner = an_admin("owner")
    change(app, lambda connection: add_people(connection, 9))
    fields = fields_of(owner.get(ROLES).text, ROLES)
    form = {**fields, "role": "auditor", "apps": ""}
    change(app, lambda c: same_localpart(c, account_id(1), at="wiki", known_as=name(0)))

    counts = set()
    for who, found in ((name(0), 2), (name(5), 1)):
        with counted(app) as statements:
            page = owner.post(ROLES, {**form, "who": who}).text
        assert len(offered(page)) == found
        counts.add(len(statements))

    assert len(counts) == 1


# ---- what stands in the way


def test_of_two_owners_the_second_is_told(app: Flask, an_admin: Admins) -> None:
    owner, bob = an_admin("owner"), an_admin(None)
    account = account_of(app, bob)
    form = dict(fields_of(ask(owner, bob.wallet.address.c32, "admin").text, GIVE))
    change(app, lambda c: set_role(c, account, "auditor", now=NOW))

    answer = owner.post(GIVE, form)

    assert answer.status_code == 409
    assert "changed_meanwhile" in answer.text
    assert role_of(app, account) == Admin(account, "auditor")


def test_apps_that_another_owner_gave_meanwhile_are_not_written_over(
    app: Flask, an_admin: Admins
) -> None:
    owner, bob = an_admin("owner"), an_admin("app manager", apps=("https://a.example",))
    account, both = account_of(app, bob), {"https://a.example", "https://b.example"}
    form = dict(fields_of(ask(owner, bob.wallet.address.c32, "app manager").text, GIVE))
    change(app, lambda c: set_role(c, account, "app manager", apps=both, now=NOW))

    assert owner.post(GIVE, form).status_code == 409
    assert role_of(app, account) == Admin(account, "app manager", frozenset(both))


def test_a_role_that_was_not_shown_is_not_taken(app: Flask, an_admin: Admins) -> None:
    owner, bob = an_admin("owner"), an_admin("auditor")
    account = account_of(app, bob)
    url = f"{ROLES}/{account}/take"
    form = dict(fields_of(owner.press_on(ROLES, url).text, url))
    change(app, lambda c: set_role(c, account, "owner", now=NOW))

    assert owner.post(url, form).status_code == 409
    assert role_of(app, account) == Admin(account, "owner")


def test_who_has_gone_meanwhile_gets_no_role(app: Flask, an_admin: Admins) -> None:
    owner, bob = an_admin("owner"), an_admin(None)
    form = dict(fields_of(ask(owner, bob.wallet.address.c32, "admin").text, GIVE))
    account = account_of(app, bob)
    change(app, lambda c: delete_account(c, account, now=NOW, by="person"))

    assert owner.post(GIVE, form).status_code == 404
    assert count_admins(app) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"role": "king"}, {"role": ""}, {"who": "a\0"}, {"apps": "a\0"}, {"apps": "x" * 20_001}],
)
def test_a_form_that_is_not_ours_gives_nothing(
    app: Flask, an_admin: Admins, wrong: dict[str, str]
) -> None:
    owner = an_admin("owner")
    fields = fields_of(owner.get(ROLES).text, ROLES)
    form = {**fields, "who": owner.wallet.address.c32, "role": "app manager", "apps": ""}

    answer = owner.post(ROLES, {**form, **wrong})

    assert answer.status_code == 400
    assert "form_malformed" in answer.text


def test_the_last_owner_stays(app: Flask, an_admin: Admins) -> None:
    owner = an_admin("owner")
    own = f"{ROLES}/{account_of(app, owner)}/take"

    taken = owner.press_on(ROLES, own, confirm="yes")
    given = give(owner, owner.wallet.address.c32, "auditor")

    for answer in (taken, given):
        assert answer.status_code == 400
        assert "last_owner" in answer.text
    assert owner.get("/admin").status_code == 200


@pytest.mark.parametrize("late", [ROLES, GIVE])
def test_a_role_is_not_given_from_a_browser_that_was_left_open(
    app: Flask, clock: Clock, an_admin: Admins, late: str
) -> None:
    owner, bob = an_admin("owner"), an_admin(None)
    form: dict[str, object] = dict(fields_of(owner.get(ROLES).text, ROLES))
    form |= {"who": bob.wallet.address.c32, "role": "owner", "apps": ""}
    if late == GIVE:
        form = dict(fields_of(owner.post(ROLES, form).text, GIVE))
    clock.advance(minutes=6)

    answer = owner.post(late, form)

    assert answer.location.startswith("/sign-in/")
    assert count_admins(app) == 1
    back = owner.prove(answer.location).location
    assert back.startswith(ROLES)
    assert "Thank you, it is you." in owner.get(back).text


def test_a_blocked_admin_can_be_given_another_role(app: Flask, an_admin: Admins) -> None:
    owner, bob = an_admin("owner"), an_admin("admin")
    account = account_of(app, bob)
    change(app, lambda connection: block(connection, account, now=NOW))

    page = ask(owner, bob.wallet.address.c32, "auditor").text
    assert "Blocked since" in page
    assert owner.post(GIVE, dict(fields_of(page, GIVE))).status_code == 303

    assert count_admins(app) == 2
