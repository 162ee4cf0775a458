"""The sign-in door: bound to the browser that began, spent once, nothing half-done."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import func, select

from oidc_bridge.storage import read
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.challenges import ChallengeRow
from oidc_bridge.storage.ledger import EventRow
from oidc_bridge.storage.sessions import SessionRow
from tests.conftest import Clock
from tests.driver import ISSUER, Person, fields_of, query_of, read_id_token
from tests.fakes import FakeFetch, FakeWallet


def count(app: Flask, row: type) -> int:
    with app.app_context(), read() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def last_event(app: Flask) -> tuple[str, dict[str, str]]:
    with app.app_context(), read() as connection:
        row = connection.execute(
            select(EventRow.kind, EventRow.detail).order_by(EventRow.at.desc()).limit(1)
        ).one()
        return row.kind, row.detail


def test_a_redirect_wallet_is_a_plain_link(ann: Person) -> None:
    page = ann.get(ann.authorize().location).text

    assert 'href="https://wallet.example/auth?authRequest=eyJ' in page


def test_the_landing_page_changes_nothing_and_posts_the_answer(app: Flask, ann: Person) -> None:
    sign_in_url = ann.authorize().location
    fields, auth_request = ann.read_challenge(sign_in_url)
    answer = ann.wallet.answer(auth_request, now=ann.clock())
    query = urlencode({"challenge": fields["challenge"], "authResponse": answer})

    landing = ann.get(f"/sign-in/answer?{query}")

    assert landing.status_code == 200
    assert landing.headers["Referrer-Policy"] == "strict-origin"
    assert landing.headers["Cache-Control"] == "no-store"
    assert count(app, SessionRow) == 0
    posted = ann.post("/sign-in/answer", dict(fields_of(landing.text, "/sign-in/answer")))
    assert posted.status_code == 303
    assert count(app, SessionRow) == 1


def test_a_wallet_that_comes_back_empty_handed_leads_to_the_choice(ann: Person) -> None:
    sign_in_url = ann.authorize().location
    fields, _ = ann.read_challenge(sign_in_url)

    answer = ann.get(f"/sign-in/answer?challenge={fields['challenge']}")

    assert answer.location == sign_in_url


def test_another_browser_cannot_open_the_request(ann: Person, bob: Person) -> None:
    bob.authorize()

    answer = bob.get(ann.authorize().location)

    assert answer.status_code == 404
    assert "request_unknown" in answer.text


def test_a_browser_without_cookies_is_told_so(ann: Person, bob: Person) -> None:
    answer = bob.get(ann.authorize().location)

    assert answer.status_code == 400
    assert "cookies_missing" in answer.text


def test_a5_another_browser_cannot_post_the_answer(app: Flask, ann: Person, bob: Person) -> None:
    """Log-in CSRF (security W11): Bob's browser is given Ann's finished answer."""
    fields, auth_request = ann.read_challenge(ann.authorize().location)
    answer = ann.wallet.answer(auth_request, now=ann.clock())
    own, _ = bob.read_challenge(bob.authorize().location)

    stolen = bob.post(
        "/sign-in/answer",
        {**own, "challenge": fields["challenge"], "authResponse": answer},
    )

    assert stolen.status_code == 400
    assert "challenge_unknown" in stolen.text
    assert count(app, SessionRow) == 0
    assert ann.post("/sign-in/answer", {**fields, "authResponse": answer}).status_code == 303


def test_another_browser_cannot_land_on_it_either(ann: Person, bob: Person) -> None:
    fields, _ = ann.read_challenge(ann.authorize().location)
    bob.authorize()

    answer = bob.get(f"/sign-in/answer?challenge={fields['challenge']}&authResponse=x")

    assert "challenge_unknown" in answer.text


@pytest.mark.parametrize("csrf", ["", "wrong", None])
def test_a_form_without_its_token_is_refused(app: Flask, ann: Person, csrf: str | None) -> None:
    fields, auth_request = ann.read_challenge(ann.authorize().location)
    answer = ann.wallet.answer(auth_request, now=ann.clock())
    form: dict[str, object] = {**fields, "authResponse": answer}
    del form["csrf"]
    if csrf is not None:
        form["csrf"] = csrf

    refused = ann.post("/sign-in/answer", form)

    assert refused.status_code == 403
    assert "form_foreign" in refused.text
    assert count(app, SessionRow) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_form_from_another_site_is_refused(ann: Person, headers: dict[str, str]) -> None:
    fields, _ = ann.read_challenge(ann.authorize().location)

    refused = ann.post("/sign-in/answer", {**fields, "authResponse": "x"}, **headers)

    assert refused.status_code == 403
    assert "form_foreign" in refused.text


def test_the_same_answer_twice_signs_in_once(app: Flask, ann: Person) -> None:
    fields, auth_request = ann.read_challenge(ann.authorize().location)
    form = {**fields, "authResponse": ann.wallet.answer(auth_request, now=ann.clock())}
    ann.post("/sign-in/answer", form)

    again = ann.post("/sign-in/answer", form)

    assert again.status_code == 400
    assert "replay" in again.text
    assert count(app, SessionRow) == 1


def test_of_fifty_posts_of_one_answer_exactly_one_signs_in(app: Flask, ann: Person) -> None:
    fields, auth_request = ann.read_challenge(ann.authorize().location)
    form = {**fields, "authResponse": ann.wallet.answer(auth_request, now=ann.clock())}
    cookie = ann.browser.get_cookie("__Host-browser", domain="bridge.example")
    assert cookie is not None

    def post(_: int) -> int:
        client = app.test_client()
        client.set_cookie(
            "__Host-browser", cookie.value, domain="bridge.example", secure=True, path="/"
        )
        return client.post("/sign-in/answer", data=form, base_url=ISSUER).status_code

    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(post, range(50)))

    assert sorted(statuses) == [303] + [400] * 49
    assert count(app, SessionRow) == 1
    assert count(app, AccountRow) == 1


def test_two_first_sign_ins_at_once_make_one_account(app: Flask, ann: Person) -> None:
    twins = [Person(app, ann.clock, ann.wallet) for _ in range(8)]
    ready = []
    for twin in twins:
        fields, auth_request = twin.read_challenge(twin.authorize().location)
        answer = twin.wallet.answer(auth_request, now=twin.clock())
        ready.append((twin, {**fields, "authResponse": answer}))

    with ThreadPoolExecutor(8) as pool:
        statuses = list(
            pool.map(lambda one: one[0].post("/sign-in/answer", one[1]).status_code, ready)
        )

    assert statuses == [303] * 8
    assert count(app, AccountRow) == 1
    assert count(app, SessionRow) == 8


def test_a_failed_answer_spends_the_challenge_and_keeps_the_request(
    app: Flask, ann: Person
) -> None:
    sign_in_url = ann.authorize().location

    failed = ann.prove(sign_in_url, sign_with=b"\x07" * 32)

    assert failed.status_code == 400
    assert "signature" in failed.text
    assert last_event(app) == ("sign-in refused", {"code": "signature"})
    with app.app_context(), read() as connection:
        assert connection.execute(select(ChallengeRow.spent_at)).scalar_one() is not None
    again = f"{sign_in_url}/again"
    retried = ann.post(again, dict(fields_of(failed.text, again)))
    assert retried.location == sign_in_url
    assert ann.prove(sign_in_url).status_code == 303


def test_a_spent_challenge_offers_a_fresh_one(ann: Person) -> None:
    sign_in_url = ann.authorize().location
    ann.prove(sign_in_url, sign_with=b"\x07" * 32)

    page = ann.get(sign_in_url)

    assert page.status_code == 200
    assert "challenge_over" in page.text
    assert f"{sign_in_url}/again" in page.text


def test_an_expired_challenge_is_refused(ann: Person, clock: Clock) -> None:
    fields, auth_request = ann.read_challenge(ann.authorize().location)
    answer = ann.wallet.answer(auth_request, now=clock())
    clock.advance(seconds=600)

    late = ann.post("/sign-in/answer", {**fields, "authResponse": answer})

    assert late.status_code == 400
    assert "request_expired" in late.text


def test_an_expired_request_is_a_page_with_a_way_on(ann: Person, clock: Clock) -> None:
    sign_in_url = ann.authorize().location
    clock.advance(hours=1)

    page = ann.get(sign_in_url)

    assert page.status_code == 410
    assert "request_expired" in page.text


def test_the_session_cookie_is_new_at_every_proof(ann: Person) -> None:
    ann.sign_in(remember=True)
    before = ann.browser.get_cookie("__Host-session", domain="bridge.example")

    ann.prove(ann.authorize(prompt="login").location)

    after = ann.browser.get_cookie("__Host-session", domain="bridge.example")
    assert before is not None
    assert after is not None
    assert before.value != after.value


def test_cookies_are_hardened(ann: Person) -> None:
    answer = ann.prove(ann.authorize().location)

    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert attribute in cookie
    assert "Domain" not in cookie


def test_proving_again_keeps_the_session_and_its_devices(app: Flask, ann: Person) -> None:
    ann.sign_in()

    ann.prove(ann.authorize(prompt="login").location)

    assert count(app, SessionRow) == 1


def test_another_account_in_the_same_browser_gets_a_session_of_its_own(
    app: Flask, ann: Person, bob: Person
) -> None:
    ann.sign_in()
    ann.wallet = bob.wallet

    ann.prove(ann.authorize(prompt="login").location)

    assert count(app, SessionRow) == 2


def test_another_app_key_for_a_known_identity_is_refused_and_noted(
    app: Flask, ann: Person, clock: Clock
) -> None:
    """A relayed answer (docs/security.md, A5) has another origin's app key."""
    ann.sign_in()
    clock.advance(seconds=1)

    class Relayed(FakeWallet):
        def app_key(self, origin: str) -> bytes:
            return super().app_key("https://evil.example")

    ann.wallet = Relayed(ann.wallet.identity_key)
    answer = ann.prove(ann.authorize(prompt="login").location)

    assert answer.status_code == 400
    assert "app_key_changed" in answer.text
    kind, detail = last_event(app)
    assert (kind, detail["code"]) == ("sign-in refused", "app_key_changed")


def test_a_verified_name_becomes_the_matrix_id(app: Flask, fetch: FakeFetch, clock: Clock) -> None:
    wallet = FakeWallet.named("cleo", username="cleo.id.blockstack")
    cleo = Person(app, clock, wallet)
    owned(fetch, "cleo.id.blockstack", wallet)

    page = cleo.get(cleo.prove(cleo.authorize().location).location).text

    assert "@cleo.id.blockstack:matrix.example" in page.replace("<wbr>", "")


def test_a_name_service_that_is_down_does_not_stop_a_sign_in(
    app: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    wallet = FakeWallet.named("cleo", username="cleo.id.blockstack")
    fetch.answers["https://names.example/v1/names/cleo.id.blockstack"] = (503, "down")

    cleo = Person(app, clock, wallet)

    page = cleo.get(cleo.prove(cleo.authorize().location).location).text
    answer = query_of(cleo.sign_in(scopes=()))

    assert "We could not confirm that it is yours" in page
    assert "code" in answer
    with app.app_context(), read() as connection:
        assert connection.execute(select(AccountRow.name)).scalar_one() is None


def test_a_lost_name_is_not_shown_and_the_matrix_id_stays(
    app: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    wallet = FakeWallet.named("cleo", username="cleo.id.blockstack")
    cleo = Person(app, clock, wallet)
    owned(fetch, "cleo.id.blockstack", wallet)
    before = read_localpart(app, cleo)
    owned(fetch, "cleo.id.blockstack", FakeWallet.named("buyer"))

    cleo.prove(cleo.authorize(prompt="login").location)

    assert before == "cleo.id.blockstack"
    assert read_localpart(app, cleo) == "cleo.id.blockstack"
    with app.app_context(), read() as connection:
        assert connection.execute(select(AccountRow.name)).scalar_one() is None


def test_a_names_buyer_gets_another_matrix_id_and_is_told(
    app: Flask, fetch: FakeFetch, clock: Clock
) -> None:
    seller = Person(app, clock, FakeWallet.named("seller", username="gold.id.blockstack"))
    buyer = Person(app, clock, FakeWallet.named("buyer", username="gold.id.blockstack"))
    owned(fetch, "gold.id.blockstack", seller.wallet)
    read_localpart(app, seller)
    owned(fetch, "gold.id.blockstack", buyer.wallet)

    page = buyer.get(buyer.prove(buyer.authorize().location).location).text

    assert "owned the name before you" in page.replace("\n", " ")
    assert read_localpart(app, buyer) == buyer.wallet.address.c32.lower()


def read_localpart(app: Flask, person: Person) -> str:
    claims = read_id_token(app, str(person.tokens(scopes=())["id_token"]))
    return str(claims["preferred_username"])


def owned(fetch: FakeFetch, name: str, wallet: FakeWallet) -> None:
    fetch.answers[f"https://names.example/v1/names/{name}"] = (
        200,
        {"address": wallet.address.c32, "status": "registered_subdomain"},
    )


@pytest.mark.parametrize(
    "path",
    [
        "/sign-in/nonsense",
        "/sign-in/%00",
        "/sign-in/%ff",
        "/sign-in/" + "x" * 3000,
        "/consent/nonsense",
        "/consent/%00",
        "/sign-in/answer",
        "/sign-in/answer?challenge=%00&authResponse=x",
        "/sign-in/answer?challenge=%ed%a0%80&authResponse=x",
    ],
)
def test_odd_addresses_get_a_page_and_no_crash(ann: Person, path: str) -> None:
    ann.authorize()

    answer = ann.get(path)

    assert answer.status_code in (400, 404)
    assert "<h1>" in answer.text


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\U0001f98a", "a\u202eb", "\x1b[2J"])
@pytest.mark.parametrize("member", ["name", "picture", "email", "username"])
def test_odd_text_in_a_profile_is_no_crash(ann: Person, member: str, text: str) -> None:
    def change(claims: dict[str, object]) -> None:
        if member in ("email", "username"):
            claims[member] = f"{text}@mail.example" if member == "email" else text
        elif member == "name":
            claims["profile"] = {"name": text}
        else:
            claims["profile"] = {"image": [{"contentUrl": f"https://x.example/{text}"}]}

    answer = ann.prove(ann.authorize(scope="openid profile email").location, change=change)

    assert answer.status_code == 303
    assert "code" in query_of(ann.decide(answer.location, scopes=("profile", "email")).location)
    assert ann.get("/account").status_code == 200


@pytest.mark.parametrize("field", ["challenge", "csrf", "authResponse"])
@pytest.mark.parametrize("text", ["", "\0", "\ufffd", "é", "x" * 100_000])
def test_odd_text_in_a_form_is_no_crash(app: Flask, ann: Person, field: str, text: str) -> None:
    fields, _ = ann.read_challenge(ann.authorize().location)

    answer = ann.post("/sign-in/answer", {**fields, "authResponse": "x", field: text})

    assert answer.status_code in (400, 403)
    assert count(app, SessionRow) == 0


@pytest.mark.parametrize("cookie", ["", "x", "é", "a" * 5000, "=", '"', "a;b"])
def test_odd_cookies_count_as_none(app: Flask, cookie: str) -> None:
    client = app.test_client(use_cookies=False)
    headers = {"Cookie": f"__Host-session={cookie}; __Host-browser={cookie}"}

    answer = client.get("/account", base_url=ISSUER, headers=headers)

    assert answer.status_code == 200
    assert "Sign in" in answer.text


def test_cancelling_tells_the_client_so(ann: Person) -> None:
    sign_in_url = ann.authorize().location
    cancel = f"{sign_in_url}/cancel"

    answer = ann.post(cancel, dict(fields_of(ann.get(sign_in_url).text, cancel)))

    assert query_of(answer.location)["error"] == "access_denied"
    assert query_of(answer.location)["state"] == "state-1"
    assert ann.get(sign_in_url).status_code == 404


def test_the_sign_in_page_after_the_proof_leads_to_consent(ann: Person) -> None:
    sign_in_url = ann.authorize().location
    consent_url = ann.prove(sign_in_url).location

    assert ann.get(sign_in_url).location == consent_url


def test_a5_the_consent_page_before_the_proof_leads_to_sign_in(ann: Person) -> None:
    sign_in_url = ann.authorize().location
    request_id = sign_in_url.rpartition("/")[2]

    assert ann.get(f"/consent/{request_id}").location == sign_in_url
