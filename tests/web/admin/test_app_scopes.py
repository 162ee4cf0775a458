"""What an operator says of an app's scopes: on its page, and in what a sign-in asks and gives."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from oidc_bridge.apps.scope_rules import ScopeRule, ScopeRules, Word
from oidc_bridge.storage import read
from oidc_bridge.storage.app_scopes import find_scopes
from oidc_bridge.storage.apps import update_client
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.rulings import forget_app, rule_scopes
from oidc_bridge.storage.whitelist import AppRule, set_rule
from tests.conftest import Clock
from tests.driver import (
    ISSUER,
    WIKI,
    Person,
    ask_token,
    fields_of,
    query_of,
    read_id_token,
    redeem,
    secret_of,
    userinfo,
)
from tests.fakes import NOW, FakeWallet
from tests.web.admin.conftest import account_of, change
from tests.web.admin.test_people import counted

Admins = Callable[..., Person]
APP = "client:wiki"
PAGE = f"/admin/apps/scopes?app={APP}"
URL = "/admin/apps/scopes"
SCOPES = ("openid", "profile", "email", "offline_access")
EMPTY = {f"{what}-{scope}": "" for what in ("say", "reason") for scope in SCOPES}


def said_of(app: Flask, name: str = APP) -> ScopeRules:
    with app.app_context(), read() as connection:
        found = find_scopes(connection, name)
    return found.rules if found else ()


def rule(app: Flask, name: str = APP) -> None:
    change(app, lambda connection: set_rule(connection, AppRule(name, "allow"), now=NOW))


def say(app: Flask, *rules: ScopeRule, name: str = APP) -> None:
    rule(app, name)
    change(app, lambda connection: rule_scopes(connection, name, rules, now=NOW))


def clients_word(app: Flask, word: str) -> None:
    """Let the client need the e-mail address, or ask for it, or not."""
    scopes = tuple(scope for scope in WIKI.scopes if scope != "email" or word != "never")
    required = ("openid", "email") if word == "required" else ("openid",)
    client = replace(WIKI, scopes=scopes, required_scopes=required)
    change(app, lambda connection: update_client(connection, client))


def ann_with_email(app: Flask, clock: Clock) -> Person:
    return Person(app, clock, FakeWallet.named("ann", display_name="Ann", email="ann@example.org"))


def asked_on(page: str) -> str:
    """Return how the consent page asks for the e-mail address."""
    if "Your e-mail address" not in page:
        return "not asked"
    return "as they like" if 'name="scope" value="email"' in page else "needed"


ASKS_EMAIL = {"scope": "openid email"}


# ---- each cell of the table in `apps.scope_rules`


@pytest.mark.parametrize(
    ("word", "client", "asked"),
    [
        (None, "required", "needed"),
        (None, "optional", "as they like"),
        (None, "never", "not asked"),
        ("required", "required", "needed"),
        ("required", "optional", "needed"),
        ("required", "never", "not asked"),
        ("optional", "required", "as they like"),
        ("optional", "optional", "as they like"),
        ("optional", "never", "not asked"),
        ("never", "required", "not asked"),
        ("never", "optional", "not asked"),
        ("never", "never", "not asked"),
    ],
)
def test_what_is_said_shows_in_what_is_asked_and_in_what_the_token_holds(
    app: Flask, clock: Clock, word: Word | None, client: str, asked: str
) -> None:
    clients_word(app, client)
    say(app, ScopeRule("email", word))
    ann = ann_with_email(app, clock)
    consent = ann.prove(ann.authorize(WIKI, **ASKS_EMAIL).location).location

    assert asked_on(ann.get(consent).text) == asked

    # Nothing is ticked: only what is needed is given.
    tokens = ann.tokens(WIKI, scopes=(), **ASKS_EMAIL)
    id_token = read_id_token(app, str(tokens["id_token"]))
    told = userinfo(app, str(tokens["access_token"])).get_json()
    is_given = asked == "needed"
    assert ("email" in id_token, "email" in told) == (is_given, is_given)
    assert ("email" in str(tokens["scope"]).split()) == is_given


@pytest.mark.parametrize("word", [None, "required", "optional", "never"])
def test_a_box_is_ticked_only_where_there_is_one(
    app: Flask, clock: Clock, word: Word | None
) -> None:
    say(app, ScopeRule("email", word))
    ann = ann_with_email(app, clock)
    consent = ann.prove(ann.authorize(WIKI, **ASKS_EMAIL).location).location

    answer = ann.decide(consent, scopes=("email",))

    assert answer.status_code == (303 if word in (None, "optional") else 400)


def test_a_single_claim_goes_with_the_scope_that_is_refused(app: Flask, clock: Clock) -> None:
    ann = ann_with_email(app, clock)
    claims = {"claims": '{"id_token": {"email": null, "name": null}}', "scope": "openid"}
    rule(app)
    before = ann.get(ann.prove(ann.authorize(WIKI, **claims).location).location).text
    assert 'value="claim:email"' in before

    say(app, ScopeRule("email", "never"))
    page = ann.get(ann.authorize(WIKI, **claims).location).text

    assert "claim:email" not in page
    assert 'value="claim:name"' in page


def test_a_trial_of_the_sign_in_tells_no_more_than_the_sign_in(
    app: Flask, clock: Clock, an_admin: Admins
) -> None:
    rule(app)
    ann = ann_with_email(app, clock)
    ann.prove(ann.authorize(WIKI, **ASKS_EMAIL).location)
    url = f"/admin/clients/wiki/trial?who={ann.wallet.address.c32}"
    admin = an_admin("owner")
    assert "<code>email</code>" in admin.get(url).text

    say(app, ScopeRule("email", "never"))

    assert "<code>email</code>" not in admin.get(url).text


def test_openid_cannot_be_refused(app: Flask, clock: Clock) -> None:
    say(app, ScopeRule("openid", "optional"))
    ann = ann_with_email(app, clock)

    assert read_id_token(app, str(ann.tokens(WIKI, scopes=(), scope="openid")["id_token"]))


# ---- those who said yes before


def test_what_is_refused_since_is_gone_from_all_that_was_given(app: Flask, clock: Clock) -> None:
    rule(app)
    ann = ann_with_email(app, clock)
    everything = {"scope": "openid profile email offline_access"}
    ticked = ("profile", "email", "offline_access")
    kept = ann.tokens(WIKI, scopes=ticked, **everything)
    code = query_of(ann.sign_in(WIKI, scopes=ticked, **everything))["code"]

    say(app, ScopeRule("email", "never"))

    redeemed = redeem(app, code, WIKI).get_json()
    assert "email" not in read_id_token(app, redeemed["id_token"])
    assert redeemed["scope"] == "openid profile offline_access"
    assert "email" not in userinfo(app, str(kept["access_token"])).get_json()
    refreshed = ask_token(
        app, {"grant_type": "refresh_token", "refresh_token": str(kept["refresh_token"])}, WIKI
    ).get_json()
    assert refreshed["scope"] == "openid profile offline_access"
    shown = app.test_client().post(
        "/introspect",
        data={"token": kept["access_token"]},
        base_url=ISSUER,
        auth=(WIKI.id, secret_of(WIKI)),
    )
    assert shown.get_json()["scope"] == "openid profile offline_access"


def test_without_offline_access_nothing_is_refreshed(app: Flask, clock: Clock) -> None:
    rule(app)
    ann = ann_with_email(app, clock)
    lasting = {"scope": "openid offline_access", "scopes": ("offline_access",)}
    kept = ann.tokens(WIKI, **lasting)

    say(app, ScopeRule("offline_access", "never"))

    form = {"grant_type": "refresh_token", "refresh_token": str(kept["refresh_token"])}
    assert ask_token(app, form, WIKI).get_json()["error"] == "invalid_grant"
    assert "refresh_token" not in ann.tokens(WIKI, scope="openid offline_access", scopes=())


def test_a_remembered_yes_covers_less_and_is_asked_again_for_more(app: Flask, clock: Clock) -> None:
    rule(app)
    ann = ann_with_email(app, clock)
    both = {"scope": "openid profile email"}
    ann.sign_in(WIKI, scopes=("profile",), remember=True, **both)

    # Less is covered.
    say(app, ScopeRule("profile", "never"))
    less = ann.authorize(WIKI, **both)
    assert "code=" in less.location

    # What they left out is not taken: they are asked.
    say(app, ScopeRule("email", "required"))
    more = ann.authorize(WIKI, **both)
    assert "The app now needs something that you left out before." in ann.get(more.location).text
    silent = ann.authorize(WIKI, **both, prompt="none")
    assert query_of(silent.location)["error"] == "consent_required"
    ann.decide(more.location, scopes=(), remember=True)
    assert "code=" in ann.authorize(WIKI, **both).location


def test_a_rule_that_has_run_out_does_not_let_an_app_have_more(app: Flask, clock: Clock) -> None:
    say(app, ScopeRule("email", "never"))
    over = AppRule(APP, "allow", until=NOW - timedelta(days=1))
    change(app, lambda connection: set_rule(connection, over, now=NOW))
    ann = ann_with_email(app, clock)

    page = ann.get(ann.prove(ann.authorize(WIKI, **ASKS_EMAIL).location).location).text

    assert asked_on(page) == "not asked"


def test_it_is_said_of_one_app_of_a_homeserver_alone(app: Flask, clock: Clock) -> None:
    say(app, ScopeRule("profile", "never"), name="https://chat.example")
    ann = ann_with_email(app, clock)

    chat = ann.tokens(scopes=())
    other = ann.tokens(redirectUrl="https://other.example/#/login")

    assert "name" not in read_id_token(app, str(chat["id_token"]))
    assert "name" in read_id_token(app, str(other["id_token"]))


def test_my_apps_shows_what_the_app_can_have_and_keeps_what_is_hidden(
    app: Flask, clock: Clock
) -> None:
    rule(app)
    ann = ann_with_email(app, clock)
    ann.sign_in(WIKI, scopes=("profile", "email"), scope="openid profile email")
    url = re.findall(r"/account/apps/[A-Za-z0-9_-]{22}", ann.account_page())[0]
    say(app, ScopeRule("email", "never"), ScopeRule("profile", "required"))

    page = ann.get(url).text
    assert "Your e-mail address" not in page
    assert 'name="scope"' not in page
    form = {"csrf": fields_of(ann.account_page(), "/account/sign-out")["csrf"]}
    assert ann.post(f"{url}/scopes", {**form, "scope": ["email"]}).status_code == 400
    ann.post(f"{url}/scopes", form)

    say(app)
    assert 'value="email" checked' in ann.get(url).text


# ---- the reason


def test_a_reason_is_read_as_the_operators_words_and_kept_on_the_receipt(
    app: Flask, clock: Clock
) -> None:
    say(app, ScopeRule("email", None, "For <b>news</b> about your account."))
    ann = ann_with_email(app, clock)
    consent = ann.prove(ann.authorize(WIKI, **ASKS_EMAIL).location).location
    words = "Why, in the words of Example ID: “"
    reason = "For &lt;b&gt;news&lt;/b&gt; about your account."

    page = ann.get(consent).text
    assert re.search(rf"{words}\s*<bdi>{reason}</bdi>”", page)
    ann.decide(consent, scopes=("email",))

    receipt = re.findall(r"/account/receipts/[A-Za-z0-9_-]{22}", ann.account_page())[0]
    say(app)
    assert reason in ann.get(receipt).text


def test_a_yes_to_another_reason_than_the_one_shown_does_not_count(
    app: Flask, clock: Clock
) -> None:
    say(app, ScopeRule("email", None, "For news."))
    ann = ann_with_email(app, clock)
    consent = ann.prove(ann.authorize(WIKI, **ASKS_EMAIL).location).location
    fields = fields_of(ann.get(consent).text, consent)
    say(app, ScopeRule("email", None, "For advertising."))

    answer = ann.post(consent, {**fields, "decision": "allow", "scope": ["email"]})

    assert "consent_changed" in answer.text


# ---- the page


def test_what_is_saved_is_an_event_and_can_be_taken_back(app: Flask, an_admin: Admins) -> None:
    rule(app)
    admin = an_admin("admin")
    form = {"say-email": "never", "reason-email": " It  needs none. ", "say-profile": ""}

    saved = admin.press_on(PAGE, URL, **EMPTY | form)

    assert said_of(app) == (ScopeRule("email", "never", "It needs none."),)
    with app.app_context(), read() as connection:
        told = select(EventRow.detail).where(EventRow.kind == "app scopes ruled")
        (event,) = connection.execute(told).scalars()
    assert (event["app"], event["by"], event["before"]) == (APP, account_of(app, admin), "")
    assert "never" in event["after"]

    undone = admin.press_on(saved.location, f"{URL}/undo")

    assert undone.status_code == 303
    assert said_of(app) == ()


def test_who_saves_what_holds_already_has_nothing_to_take_back(
    app: Flask, an_admin: Admins
) -> None:
    say(app, ScopeRule("email", "never"))
    admin = an_admin("admin")

    saved = admin.press_on(PAGE, URL, **EMPTY | {"say-email": "never"})

    assert "Take it back" not in admin.get(saved.location).text


def test_what_somebody_changed_since_is_not_taken_back(app: Flask, an_admin: Admins) -> None:
    rule(app)
    admin = an_admin("admin")
    saved = admin.press_on(PAGE, URL, **EMPTY | {"say-email": "never"})
    form = fields_of(admin.get(saved.location).text, f"{URL}/undo")
    change(app, lambda c: rule_scopes(c, APP, [ScopeRule("email", "optional")], now=NOW))

    assert admin.post(f"{URL}/undo", dict(form)).status_code == 409
    assert said_of(app) == (ScopeRule("email", "optional"),)


def test_the_second_of_two_sees_what_holds_and_keeps_their_form(
    app: Flask, an_admin: Admins
) -> None:
    rule(app)
    one, two = an_admin("admin"), an_admin("owner")
    shown = fields_of(two.get(PAGE).text, URL)
    one.press_on(PAGE, URL, **EMPTY | {"say-email": "never", "reason-email": "Theirs."})

    clash = two.post(URL, {**shown, **EMPTY, "say-email": "required", "reason-email": "Mine."})

    assert clash.status_code == 409
    assert "Somebody was quicker." in clash.text
    holds = r"What holds now: <strong>Never</strong>, because “\s*<bdi>Theirs."
    assert re.search(holds, clash.text)
    assert 'value="Mine."' in clash.text
    assert said_of(app) == (ScopeRule("email", "never", "Theirs."),)
    again = {**fields_of(clash.text, URL), **EMPTY, "say-email": "required"}
    assert two.post(URL, again).status_code == 303
    assert said_of(app) == (ScopeRule("email", "required"),)


@pytest.mark.parametrize(
    ("lie", "status"),
    [
        ({"say-email": "maybe"}, 400),
        ({"reason-email": "\u200b"}, 400),
        ({"reason-email": "x" * 301}, 400),
        ({"reason-email": "x" * 2000}, 400),
        ({"version": "x"}, 400),
        ({"version": "9" * 17}, 409),
        ({"version": "5"}, 409),
        ({"app": "https://unruled.example"}, 400),
    ],
)
def test_a_form_that_cannot_be_ours_changes_nothing(
    app: Flask, an_admin: Admins, lie: dict[str, str], status: int
) -> None:
    rule(app)

    answer = an_admin("admin").press_on(PAGE, URL, **EMPTY | {"say-email": "never"} | lie)

    assert answer.status_code == status
    assert said_of(app) == ()


def test_a_reason_that_cannot_be_taken_is_said_at_its_field(app: Flask, an_admin: Admins) -> None:
    rule(app)

    page = an_admin("admin").press_on(PAGE, URL, **EMPTY | {"reason-email": "x" * 301}).text

    assert '<a href="#reason-email">' in page
    assert 'id="wrong-email"' in page
    assert page.count("aria-invalid") == 1


def test_a_fault_does_not_hide_that_somebody_was_quicker(app: Flask, an_admin: Admins) -> None:
    rule(app)
    admin = an_admin("admin")
    shown = {**fields_of(admin.get(PAGE).text, URL), **EMPTY}
    change(app, lambda c: rule_scopes(c, APP, [ScopeRule("email", "never")], now=NOW))

    faulty = admin.post(URL, {**shown, "reason-email": "x" * 301})
    mended = admin.post(URL, {**shown, **fields_of(faulty.text, URL), "reason-email": "x"})

    assert mended.status_code == 409
    assert said_of(app) == (ScopeRule("email", "never"),)


def test_openid_has_a_reason_and_no_choice(app: Flask, an_admin: Admins) -> None:
    rule(app)
    admin = an_admin("admin")
    assert 'name="say-openid"' not in admin.get(PAGE).text

    admin.press_on(PAGE, URL, **EMPTY | {"say-openid": "never", "reason-openid": "To know you."})

    assert said_of(app) == (ScopeRule("openid", None, "To know you."),)


def test_an_app_without_a_rule_has_no_form(app: Flask, an_admin: Admins, ann: Person) -> None:
    ann.tokens()
    page = an_admin("admin").get(f"{URL}?app=https://chat.example").text

    assert "Make a rule first" in page
    assert "<select" not in page


def test_a_new_rule_with_something_said_of_scopes_is_not_taken_back(
    app: Flask, an_admin: Admins
) -> None:
    admin = an_admin("admin")
    name = "https://new.example"
    form = {"say": "allow", "audience": "everyone", "until": "", "note": ""}
    made = admin.press_on(f"/admin/apps/one?app={name}", "/admin/apps/rule", **form)
    change(app, lambda c: rule_scopes(c, name, [ScopeRule("email", "never")], now=NOW))

    undone = admin.press_on(made.location, "/admin/apps/undo")

    assert undone.status_code == 409
    assert said_of(app, name)


def test_an_app_manager_says_what_their_own_app_is_told(app: Flask, an_admin: Admins) -> None:
    other = "https://other.example"
    rule(app)
    rule(app, other)
    manager = an_admin("app manager", apps=(APP,))
    form = {**fields_of(manager.get(PAGE).text, URL), **EMPTY, "say-email": "never"}

    assert manager.get(f"{URL}?app={other}").status_code == 404
    assert manager.post(URL, {**form, "app": other}).status_code == 404
    assert manager.post(f"{URL}/undo", {**form, "app": other, "at": "1"}).status_code == 404
    assert said_of(app, other) == ()
    assert manager.post(URL, form).status_code == 303


def test_an_auditor_reads_and_says_nothing(app: Flask, an_admin: Admins) -> None:
    say(app, ScopeRule("email", "never", "It needs none."))
    page = an_admin("auditor").get(PAGE).text

    assert "It needs none." in page
    assert "<select" not in page


def test_the_page_asks_a_fixed_number_of_questions(app: Flask, an_admin: Admins) -> None:
    say(app, *(ScopeRule(scope, "never", "x") for scope in ("email", "profile")))
    admin = an_admin("admin")

    with counted(app) as statements:
        admin.get(PAGE)

    assert len(statements) <= 8


def test_forgetting_an_app_forgets_what_was_said_and_tells_so(app: Flask) -> None:
    say(app, ScopeRule("email", "never"))

    change(app, lambda connection: forget_app(connection, APP, now=NOW))

    with app.app_context(), read() as connection:
        told = select(EventRow.detail).where(EventRow.kind == "app scopes ruled")
        events = connection.execute(told).scalars().all()
    assert [event["after"] for event in events][-1] == ""
