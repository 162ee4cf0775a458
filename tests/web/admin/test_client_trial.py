"""Testing a sign-in: what is shown is what a real one tells, and nothing is left behind."""

import html
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from oidc_bridge.oidc.client import ClientMetadata
from oidc_bridge.storage import Base, read
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.people import block
from oidc_bridge.storage.rulings import rule_app
from oidc_bridge.storage.whitelist import AppRule
from tests.driver import CHAT, HOMESERVER, WIKI, Person, enrol, read_id_token, userinfo
from tests.fakes import NOW
from tests.web.admin.conftest import change
from tests.web.admin.many import account_id, add_people, address, name
from tests.web.admin.test_people import HOSTILE, counted
from tests.web.admin.test_team import same_localpart

Admins = Callable[..., Person]
ORIGIN = "https://chat.example"
EACH_TIME = {"iat", "exp", "auth_time", "sid", "nonce", "at_hash"}


def trial(admin: Person, client_id: str = "synapse", **query: str) -> str:
    answer = admin.browser.get(
        f"/admin/clients/{client_id}/trial", query_string=query, base_url="https://bridge.example"
    )
    assert answer.status_code == 200
    return answer.text


def tables(page: str) -> list[dict[str, str]]:
    """Return each table of claims, by their names."""
    found = []
    for table in re.findall(r"<table.*?</table>", page, re.S):
        rows = re.findall(r"<code>([a-z_]+)</code></th>\s*<td[^>]*>(.*?)</td>", table, re.S)
        found.append({row[0]: html.unescape(re.sub("<[^>]*>", "", row[1])) for row in rows})
    return found


def all_rows(app: Flask) -> dict[str, int]:
    with app.app_context(), read() as connection:
        return {
            text: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for text, table in Base.metadata.tables.items()
        }


def as_shown(claims: dict[str, object]) -> dict[str, str]:
    words = {True: "true", False: "false"}
    return {
        claim: "Made at the sign-in"
        if claim in EACH_TIME
        else words[value]
        if isinstance(value, bool)
        else str(value)
        for claim, value in claims.items()
    }


def test_what_is_shown_is_what_the_client_is_told(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    two = enrol(app, replace(HOMESERVER, id="two", scopes=("openid", "profile")))
    tokens = ann.tokens(two, remember=True)
    told = read_id_token(app, str(tokens["id_token"]))
    info = userinfo(app, str(tokens["access_token"])).get_json()

    page = trial(an_admin("auditor"), "two", who=ann.wallet.address.c32, app=CHAT)

    id_token, shown = tables(page)
    assert "they have said yes before" in page
    assert id_token == as_shown(told)
    assert shown == as_shown(info)


def test_who_is_new_there_would_be_asked_and_known_in_either_way(
    app: Flask, an_admin: Admins
) -> None:
    change(app, lambda connection: add_people(connection, 1, client_id="wiki"))
    before = all_rows(app)
    auditor = an_admin("auditor")
    signed_in = all_rows(app)

    page = trial(auditor, who=name(0), app=ORIGIN)

    main, _, alone, _ = tables(page)
    assert "after they are asked" in page
    assert main["preferred_username"] == name(0)
    assert alone["preferred_username"] == f"{name(0)}+chat.example"
    assert main["sub"] == alone["sub"] == "Made at the sign-in"
    assert before != signed_in
    assert all_rows(app) == signed_in


def test_who_is_denied_gets_no_tokens_and_it_is_said_why(app: Flask, an_admin: Admins) -> None:
    change(app, lambda connection: add_people(connection, 1))
    change(app, lambda c: rule_app(c, AppRule(ORIGIN, "deny"), now=NOW))

    page = trial(an_admin("auditor"), who=name(0), app=ORIGIN)

    assert "operator’s rule denies it" in html.unescape(page).replace("'", "’")
    assert tables(page) == []


def test_who_is_blocked_gets_no_tokens(app: Flask, an_admin: Admins) -> None:
    change(app, lambda connection: add_people(connection, 1))
    change(app, lambda c: block(c, account_id(0), now=NOW))

    page = trial(an_admin("auditor"), who=name(0), app=ORIGIN)

    assert "No: they are blocked." in page
    assert tables(page) == []


def test_a_reauthentication_tells_an_id_and_no_more(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    ann.tokens()

    page = trial(an_admin("auditor"), who=ann.wallet.address.c32)

    id_token, info = tables(page)
    assert "as a re-authentication" in page
    assert set(info) == {"sub", "preferred_username"}
    assert set(id_token) == {*info, "iss", "aud", *EACH_TIME}


def test_signed_userinfo_says_by_whom_and_for_whom(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    metadata = ClientMetadata(userinfo_signed_response_alg="RS256")
    enrol(app, replace(WIKI, id="signs", metadata=metadata))
    ann.prove(ann.begin_account())

    page = trial(an_admin("auditor"), "signs", who=ann.wallet.address.c32)

    _, info = tables(page)
    assert (info["iss"], info["aud"]) == ("https://bridge.example", "signs")


def test_whom_it_could_be_is_asked_and_the_link_keeps_the_app(app: Flask, an_admin: Admins) -> None:
    change(app, lambda connection: add_people(connection, 2))
    change(app, lambda c: same_localpart(c, account_id(1), at="wiki", known_as=name(0)))
    auditor = an_admin("auditor")

    page = trial(auditor, who=name(0), app=CHAT)
    assert "Whom do you mean?" in page
    assert tables(page) == []

    links = [html.unescape(url) for url in re.findall(r'href="([^"]*[?&]person=[^"]*)"', page)]
    chosen = auditor.get(next(url for url in links if account_id(1) in url)).text
    assert name(1) in chosen
    assert html.escape(CHAT) in chosen
    assert len(tables(chosen)) == 4


@pytest.mark.parametrize("who", ["nobody", "%", *HOSTILE[:3]])
def test_whom_nobody_knows_is_said(an_admin: Admins, who: str) -> None:
    page = trial(an_admin("auditor"), who=who)

    assert "Nobody has signed in here by this" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize("address", ["javascript:alert(1)", "nowhere", "https://", "https://a b"])
def test_what_no_app_can_have_is_said_and_leads_nowhere(an_admin: Admins, address: str) -> None:
    page = trial(an_admin("auditor"), app=address)

    assert "No app can have this address" in page
    assert "login/sso/redirect" not in page


def test_a_client_that_is_unknown_has_no_trial(an_admin: Admins) -> None:
    assert an_admin("auditor").get("/admin/clients/gone/trial").status_code == 404


def test_it_asks_as_often_whoever_it_is(app: Flask, an_admin: Admins) -> None:
    change(app, lambda connection: add_people(connection, 30))
    auditor = an_admin("auditor")

    counts = set()
    for number in (0, 29):
        with counted(app) as statements:
            trial(auditor, who=name(number), app=ORIGIN)
        counts.add(len(statements))

    (count,) = counts
    assert count <= 12


# ---- where the real one begins


def start_on(page: str) -> str | None:
    found = re.search(r'<a class="button" href="([^"]*)" rel="noreferrer">', page)
    return html.unescape(found[1]) if found else None


def test_a_synapses_sign_in_begins_with_the_app_that_was_named(an_admin: Admins) -> None:
    auditor = an_admin("auditor")

    assert start_on(trial(auditor)) is None
    assert start_on(trial(auditor, app="https://app.element.io/?a=b&c")) == (
        "https://matrix.example/_matrix/client/v3/login/sso/redirect/oidc-stacks"
        "?redirectUrl=https%3A%2F%2Fapp.element.io%2F%3Fa%3Db%26c"
    )


def test_a_mas_begins_at_its_own_address_for_us(app: Flask, an_admin: Admins) -> None:
    ulid = "01HFVBY12TMNTYTBV8W921M5FA"
    uris = (f"https://account.example/upstream/callback/{ulid}",)
    enrol(app, replace(HOMESERVER, id="mas", redirect_uris=uris))

    assert start_on(trial(an_admin("auditor"), "mas")) == (
        f"https://account.example/upstream/authorize/{ulid}"
    )


@pytest.mark.parametrize(
    ("metadata", "uris", "start"),
    [
        (ClientMetadata(), WIKI.redirect_uris, "https://wiki.example/"),
        (ClientMetadata(client_uri="https://wiki.example/home"), WIKI.redirect_uris, None),
        (ClientMetadata(initiate_login_uri="https://wiki.example/go"), WIKI.redirect_uris, None),
        (ClientMetadata(application_type="native"), ("org.wiki.app:/callback",), ""),
    ],
)
def test_another_clients_begins_where_it_says(
    app: Flask,
    an_admin: Admins,
    metadata: ClientMetadata,
    uris: tuple[str, ...],
    start: str | None,
) -> None:
    enrol(app, replace(WIKI, id="other", metadata=metadata, redirect_uris=uris))

    begins = start_on(trial(an_admin("auditor"), "other"))

    expected = metadata.initiate_login_uri or metadata.client_uri if start is None else start
    assert begins == (expected or None)


# ---- what else may be asked before


def test_who_must_choose_a_name_is_told_what_it_would_be_now(app: Flask, an_admin: Admins) -> None:
    change(app, lambda connection: add_people(connection, 1, client_id="wiki"))
    undecided = update(AccountRow).where(AccountRow.id == account_id(0))
    change(app, lambda c: c.execute(undecided.values(must_choose_name=True, name=None)))

    page = trial(an_admin("auditor"), who=address(0), app=ORIGIN)

    assert "chosen one of their names" in page
    assert tables(page)[0]["preferred_username"] == address(0).lower()


def test_who_has_several_ids_is_told_of_one_at_a_reauthentication(
    app: Flask, an_admin: Admins, ann: Person
) -> None:
    ann.sign_in(as_whom="main")
    ann.sign_in(redirectUrl="https://other.example/", as_whom="alone")

    page = trial(an_admin("auditor"), who=ann.wallet.address.c32)

    _, info = tables(page)
    assert "chosen as whom they confirm it" in page
    assert set(info) == {"sub", "preferred_username"}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_person_says_of_themselves_is_text(app: Flask, an_admin: Admins, text: str) -> None:
    change(app, lambda connection: add_people(connection, 1))
    said = update(AccountRow).where(AccountRow.id == account_id(0))
    change(app, lambda c: c.execute(said.values(display_name=text, email=text)))

    page = trial(an_admin("auditor"), "wiki", who=name(0))

    assert {"name", "email", "email_verified"} <= set(tables(page)[0])
    assert "<script>alert" not in page
    assert "\u202e" not in page
