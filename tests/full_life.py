"""Somebody who has used all there is: what a test finds about them must be everything."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask
from sqlalchemy import Connection, select

from oidc_bridge.config import Settings
from oidc_bridge.identity import Identity, Profile
from oidc_bridge.sections import NameLookup, Names
from oidc_bridge.storage import people, read, write
from oidc_bridge.storage.accounts import IdentityRow
from oidc_bridge.storage.admins import set_role
from oidc_bridge.storage.admissions import admit
from oidc_bridge.storage.apps import set_unknown_apps
from oidc_bridge.storage.ledger import record
from oidc_bridge.storage.nonces import announce_own
from oidc_bridge.storage.notes import set_note
from oidc_bridge.storage.outbox import LogoutDelivery, claim_delivery, settle_delivery
from oidc_bridge.storage.requests import keep_proved
from oidc_bridge.storage.whitelist import AppRule, Listing, set_rule
from tests.conftest import Clock
from tests.driver import HOMESERVER, WIKI, Person, fields_of
from tests.fake_names import FakeNames
from tests.fakes import FakeWallet

SERVICE = "https://names.example"
BOT_URL = "https://bot.example/login"
CLOSED = "https://closed.example"
CLOSED_URL = f"{CLOSED}/login"
SECOND = FakeWallet.named("ann's second wallet")
THIRD = FakeWallet.named("ann's third wallet")
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


@dataclass(frozen=True)
class Life:
    """Who it is, and what their browser has open."""

    person: Person
    account_id: str
    open_urls: tuple[str, ...]

    @property
    def traces(self) -> tuple[str, ...]:
        """Every text by which somebody could tell whose a row is."""
        wallets = (self.person.wallet, SECOND, THIRD)
        keys = [
            address for wallet in wallets for address in (wallet.address.c32, wallet.address.btc)
        ]
        keys += [wallet.stx_address.c32 for wallet in wallets]
        said = ("Ann Example", "pictures.example/ann", "ann@mail.example", "ann.btc", "annie.btc")
        return (self.account_id, *keys, *said, "It is me, Ann")


def with_names(settings: Settings) -> Settings:
    """Return settings of a bridge that asks for names."""
    services = (NameLookup(url=SERVICE, labels=frozenset({2}), system="v2"),)
    return settings.model_copy(update={"names": Names(services=services, cache=300)})


def change(app: Flask, work: Callable[[Connection], object]) -> None:
    with app.app_context():
        write(work)
    app.extensions["oidc_bridge"].snapshots.forget()


def account_of(app: Flask, wallet: FakeWallet) -> str:
    known = (wallet.address.c32, wallet.stx_address.c32)
    query = select(IdentityRow.account_id).where(IdentityRow.subject.in_(known))
    with app.app_context(), read() as connection:
        return str(connection.execute(query.limit(1)).scalar_one())


def live(app: Flask, clock: Clock, fetch: FakeNames) -> Life:
    """Let Ann do everything once."""
    wallet = FakeWallet.named(
        "ann",
        display_name="Ann Example",
        picture="https://pictures.example/ann.png",
        email="ann@mail.example",
    )
    ann = Person(app, clock, wallet)
    ann.browser.environ_base["HTTP_USER_AGENT"] = AGENT
    fetch.give("ann.btc", wallet.address.c32)
    fetch.give("annie.btc", SECOND.stx_address.c32)
    change(app, lambda c: set_unknown_apps(c, HOMESERVER.id, "ask"))
    change(app, lambda c: set_rule(c, AppRule(CLOSED, "allow", audience="listed"), now=clock()))
    _use_apps(ann, clock)
    _have_wallets(app, ann, clock)
    account_id = account_of(app, wallet)
    _be_looked_after(app, account_id, wallet, clock)
    ann.prove(ann.begin_account())  # who was blocked is signed out
    ann.tokens()
    form = fields_of(ann.get("/account/passwords").text, "/account/passwords")
    ann.post("/account/passwords", {**form, "label": "agenda", "scope": ["openid"]})
    change(app, lambda c: announce_own(c, "one-time", account_id=account_id, now=clock()))
    _come_and_go(app, ann, clock)
    return Life(ann, account_id, _have_open(app, ann, clock))


def _use_apps(ann: Person, clock: Clock) -> None:
    everything = ("profile", "email", "offline_access")
    scope = "openid profile email offline_access"
    ann.tokens(scope=scope, scopes=everything, as_whom="main", remember=True)
    ann.tokens(redirectUrl=BOT_URL)
    ann.tokens(WIKI, scope=scope, scopes=("email",))
    ann.decide(ann.authorize(redirectUrl="https://never.example/").location, "deny")
    clock.advance(seconds=1)
    ann.tokens(redirectUrl="https://once.example/")
    ann.remove_first_app()


def _have_wallets(app: Flask, ann: Person, clock: Clock) -> None:
    third = Person(app, clock, THIRD)
    third.sign(third.begin_account())
    ann.sign(ann.press("/account/wallets/add").location, wallet=SECOND)
    join = ann.sign(ann.press("/account/wallets/add").location, wallet=THIRD).location
    assert join.endswith("/join")
    ann.press_on(join, join)
    ann.press("/account/wallets/name", name="annie.btc")


def _be_looked_after(app: Flask, account_id: str, wallet: FakeWallet, clock: Clock) -> None:
    entries = (
        Listing("account", account_id),
        Listing("address", wallet.address.c32, note="It is me, Ann"),
        Listing("name", "annie.btc"),
    )

    def look_after(connection: Connection) -> None:
        set_rule(connection, AppRule("https://open.example", "allow", "listed"), now=clock())
        admit(connection, "https://open.example", entries, now=clock())
        people.block(connection, account_id, now=clock())
        people.unblock(connection, account_id, now=clock())
        people.accept_new_wallet(connection, account_id, now=clock())
        people.sign_out_everywhere(connection, account_id, now=clock())
        set_note(connection, account_id, "It is me, Ann", by="x" * 22, version="", now=clock())
        set_role(connection, account_id, "app manager", apps=[CLOSED], now=clock())
        record(connection, "role given", now=clock(), account_id=account_id, role="app manager")
        about = {"person": account_id, "before": "", "after": "It is me, Ann"}
        record(connection, "note changed", now=clock(), by="x" * 22, **about)
        record(connection, "app ruled", now=clock(), by=account_id, app=CLOSED)

    change(app, look_after)


def _come_and_go(app: Flask, ann: Person, clock: Clock) -> None:
    """Sign in in another browser and out of it again, of which one app has been told."""
    elsewhere = Person(app, clock, ann.wallet)
    elsewhere.tokens()
    elsewhere.sign_out()

    def tell(connection: Connection) -> None:
        told = claim_delivery(connection, now=clock(), lease=clock() - clock())
        assert isinstance(told, LogoutDelivery)
        settle_delivery(connection, told, outcome="told", done_at=clock(), next_try_at=clock())

    change(app, tell)


def _have_open(app: Flask, ann: Person, clock: Clock) -> tuple[str, ...]:
    """Have every kind of page open, in this browser and in others."""
    clock.advance(seconds=1)
    again = ann.authorize(redirectUrl=None).location
    clock.advance(seconds=1)  # a proof counts from after the request
    as_whom = ann.prove(again).location
    assert as_whom.endswith("/as"), as_whom
    consent = ann.authorize(redirectUrl="https://new.example/").location
    refused = ann.authorize(redirectUrl=CLOSED_URL).location
    assert refused.startswith("/refused/"), refused
    ann.post(
        f"{refused}/ask",
        {**fields_of(ann.get(refused).text, f"{refused}/ask"), "note": "It is me, Ann"},
    )
    sign_in = ann.authorize(WIKI, prompt="login", login_hint="annie.btc").location
    waits = f"{sign_in}/elsewhere"
    ann.press_on(sign_in, waits)
    link = re.search(r"/d/[A-Za-z0-9_-]+", ann.get(waits).text)
    assert link, "no link for another device"
    _half_way(app, ann, clock)
    return (consent, refused, sign_in, waits, link[0], as_whom)


def _half_way(app: Flask, ann: Person, clock: Clock) -> None:
    """Have proved one thing in another browser, where two are asked for."""
    other = ann.new_browser()
    elsewhere = Person(app, clock, ann.wallet)
    elsewhere.browser = other
    url = elsewhere.authorize(WIKI).location
    request_id = re.split("[/?]", url)[2]
    cookie = other.get_cookie("__Host-browser", domain="bridge.example")
    assert cookie is not None
    profile = Profile("Ann Example", None, "ann@mail.example")
    proved = Identity("blockstack", ann.wallet.address.c32, clock(), True, profile=profile)
    change(app, lambda c: keep_proved(c, request_id, [proved], browser=cookie.value))
