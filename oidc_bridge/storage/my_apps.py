"""One person's apps, a page at a time, and what each of them holds; less of it, if they want so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, bindparam, cast, delete, func, select, update

from oidc_bridge.oidc.scopes import Person
from oidc_bridge.storage import UtcTime
from oidc_bridge.storage.accounts import AccountRow
from oidc_bridge.storage.authorizations import AuthorizationRow, revoke
from oidc_bridge.storage.consents import (
    FACTS,
    AppConsent,
    ConsentRow,
    remove_consent,
    to_consent,
)
from oidc_bridge.storage.outbox import tell_of_app
from oidc_bridge.storage.sessions import SessionRow
from oidc_bridge.storage.tokens import AccessTokenRow, RefreshTokenRow

PAGE = 20


@dataclass(frozen=True, slots=True)
class UsedApp:
    """An app and when it last signed the person in, if it ever did."""

    given: AppConsent
    last_used: datetime | None


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an app has of one person now: browsers it is signed in from, and tokens that work."""

    sessions: int
    access_tokens: int
    refresh_tokens: int


@dataclass(frozen=True, slots=True)
class PastApp:
    """An app whose access was taken back, or given anew later."""

    id: str
    title: str
    app: str
    given_at: datetime
    removed_at: datetime


@dataclass(frozen=True, slots=True)
class AppTitles:
    """What the apps of a session are called: those that are shown, and how many there are."""

    shown: tuple[str, ...]
    total: int


NO_APPS = AppTitles((), 0)


_C, _A, _T, _R = ConsentRow, AuthorizationRow, AccessTokenRow, RefreshTokenRow
_USED = (
    select(_A.client_id, _A.app, func.max(_A.created_at).label("used_at"))
    .where(_A.account_id == bindparam("account_id"))
    .group_by(_A.client_id, _A.app)
    .subquery()
)
_MINE = (
    _C.account_id == bindparam("account_id"),
    _C.removed_at.is_(None),
    # The database lowers both sides: SQLite knows only ASCII's letters, PostgreSQL all.
    func.lower(_C.app_title).like(func.lower(bindparam("like", type_=Text)), escape="/"),
)
_COUNT = select(func.count()).select_from(_C).where(*_MINE)
_PAGE = (
    select(*FACTS, _USED.c.used_at)
    .outerjoin(_USED, (_USED.c.client_id == _C.client_id) & (_USED.c.app == _C.app))
    .where(*_MINE)
    .order_by(func.coalesce(_USED.c.used_at, _C.given_at).desc(), _C.id)
    .limit(bindparam("most"))
    .offset(bindparam("first"))
)
_PAST = (
    select(_C.id, _C.app_title, _C.app, _C.given_at, _C.removed_at)
    .where(_C.account_id == bindparam("account_id"), _C.removed_at.is_not(None))
    .order_by(_C.removed_at.desc(), _C.id)
    .limit(PAGE + 1)
    .offset(bindparam("first"))
)
_OF_APP = (
    _A.account_id == bindparam("of_account"),
    _A.client_id == bindparam("of_client"),
    _A.app == bindparam("of_app"),
    _A.revoked_at.is_(None),
)
_NOW = bindparam("now", type_=UtcTime)
_HOLDINGS = select(
    select(func.count(_A.session_id.distinct()))
    .join(SessionRow, SessionRow.id == _A.session_id)
    .where(
        *_OF_APP,
        _A.code_spent_at.is_not(None),
        SessionRow.ended_at.is_(None),
        SessionRow.expires_at > _NOW,
    )
    .scalar_subquery(),
    select(func.count())
    .select_from(_T)
    .join(_A, _A.id == _T.authorization_id)
    .where(*_OF_APP, _T.expires_at > _NOW)
    .scalar_subquery(),
    select(func.count())
    .select_from(_R)
    .join(_A, _A.id == _R.authorization_id)
    .where(*_OF_APP, _R.spent_at.is_(None), _R.expires_at > _NOW)
    .scalar_subquery(),
)
_LAST_USED = select(func.max(_A.created_at)).where(*_OF_APP[:3])
_SIGNED_IN_TO = (
    select(_A.session_id, _C.app_title)
    .join(
        _C,
        (_C.account_id == _A.account_id)
        & (_C.client_id == _A.client_id)
        & (_C.app == _A.app)
        & _C.removed_at.is_(None),
    )
    .where(
        _A.session_id.in_(bindparam("ids", expanding=True)),
        _A.code_spent_at.is_not(None),
    )
    .distinct()
    .subquery()
)
_NUMBERED = select(
    _SIGNED_IN_TO,
    func.row_number()
    .over(partition_by=_SIGNED_IN_TO.c.session_id, order_by=_SIGNED_IN_TO.c.app_title)
    .label("number"),
    func.count().over(partition_by=_SIGNED_IN_TO.c.session_id).label("total"),
).subquery()
_APPS_OF_SESSIONS = (
    select(_NUMBERED.c.session_id, _NUMBERED.c.app_title, _NUMBERED.c.total)
    .where(_NUMBERED.c.number <= bindparam("most"))
    .order_by(_NUMBERED.c.session_id, _NUMBERED.c.number)
)
_TOLD = select(AccountRow.display_name, AccountRow.picture, AccountRow.email).where(
    AccountRow.id == bindparam("account_id")
)
_NARROW = update(_C).where(
    _C.id == bindparam("consent"), _C.account_id == bindparam("of_account"), _C.removed_at.is_(None)
)
_SCOPES = cast(_A.scopes, Text)
# Thousands of authorizations share a few sets of scopes: one statement for each set.
_SETS = select(func.min(_A.id)).where(*_OF_APP).group_by(_SCOPES)
_SCOPES_OF = select(_A.scopes, _SCOPES.label("text")).where(
    _A.id.in_(bindparam("ids", expanding=True))
)
_LESSEN = update(_A).where(*_OF_APP, bindparam("before", type_=Text) == _SCOPES)
_IDS = select(_A.id).where(*_OF_APP)
_END_REFRESH = delete(_R).where(_R.authorization_id.in_(_IDS))
_END_BEYOND_SESSIONS = (
    update(_A)
    .where(
        *_OF_APP,
        _A.session_id.in_(select(SessionRow.id).where(SessionRow.ended_at.is_not(None))),
    )
    .values(revoked_at=_NOW)
)


def count_apps(connection: Connection, account_id: str, words: str = "") -> int:
    """Return how many apps an account has said yes to, of those with *words* in their title."""
    return connection.execute(_COUNT, _asked(account_id, words)).scalar_one()


def apps_page(
    connection: Connection, account_id: str, *, first: int, words: str = "", most: int = PAGE
) -> Sequence[UsedApp]:
    """Return *most* of the apps that an account has said yes to, from *first* on, those newest in
    use before the others."""
    asked = {**_asked(account_id, words), "first": first, "most": most}
    rows = connection.execute(_PAGE, asked)
    return [
        UsedApp(AppConsent(to_consent(row), row.client_id, row.app, row.app_title), row.used_at)
        for row in rows
    ]


def _asked(account_id: str, words: str) -> dict[str, Any]:
    literally = words.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return {"account_id": account_id, "like": f"%{literally}%"}


def past_apps(connection: Connection, account_id: str, *, first: int) -> Sequence[PastApp]:
    """Return the yeses that hold no more, latest first; one more than `PAGE` if there are more."""
    rows = connection.execute(_PAST, {"account_id": account_id, "first": first})
    return [
        PastApp(consent_id, title, app, given_at, removed_at)
        for consent_id, title, app, given_at, removed_at in rows
        if removed_at is not None
    ]


def holdings_of(
    connection: Connection, account_id: str, mine: AppConsent, *, now: datetime
) -> Holdings:
    """Return what an app has of an account now."""
    row = connection.execute(_HOLDINGS, {**_of(account_id, mine), "now": now}).one()
    return Holdings(*row)


def last_used_at(connection: Connection, account_id: str, mine: AppConsent) -> datetime | None:
    """Return when an app last signed an account in."""
    return connection.execute(_LAST_USED, _of(account_id, mine)).scalar_one()


def apps_of_sessions(
    connection: Connection, session_ids: Sequence[str], *, most: int
) -> Mapping[str, AppTitles]:
    """Return, by session, what it signed in to: the first *most* titles, and how many there are."""
    titles: dict[str, AppTitles] = {}
    for row in connection.execute(_APPS_OF_SESSIONS, {"ids": session_ids, "most": most}):
        known = titles.get(row.session_id, NO_APPS)
        titles[row.session_id] = AppTitles((*known.shown, row.app_title), row.total)
    return titles


def told_of(connection: Connection, account_id: str, mine: AppConsent) -> Person:
    """Return what an app may be told of an account: of today's values, those it was asked about."""
    row = connection.execute(_TOLD, {"account_id": account_id}).one()
    question = mine.consent.question
    return Person(
        "",
        question.localpart,
        name=row.display_name if "name" in question.claims else None,
        picture=row.picture if "picture" in question.claims else None,
        email=row.email if "email" in question.claims else None,
    )


def narrow_consent(
    connection: Connection,
    account_id: str,
    mine: AppConsent,
    kept: Collection[str],
    *,
    now: datetime,
) -> None:
    """Let an app have no more than *kept*: in its consent, and in all that lives on that.

    Access tokens need no change of their own, since none gives what its authorization does not
    (`tokens.find_by_access_token`). Without ``offline_access`` no refresh token is left, and
    nothing that outlived the session it came from (OIDC Core section 11).
    """
    granted = [scope for scope in mine.consent.granted if scope in kept]
    found = {"consent": mine.consent.id, "of_account": account_id}
    connection.execute(_NARROW.values(granted=granted), found)
    app = _of(account_id, mine)
    ids = list(connection.execute(_SETS, app).scalars())
    for scopes, text in connection.execute(_SCOPES_OF, {"ids": ids}).all():
        left = [scope for scope in scopes if scope in granted]
        if left != scopes:
            connection.execute(_LESSEN.values(scopes=left), {**app, "before": text})
    if "offline_access" in mine.consent.granted and "offline_access" not in granted:
        connection.execute(_END_REFRESH, app)
        connection.execute(_END_BEYOND_SESSIONS, {**app, "now": now})


def take_back(connection: Connection, account_id: str, mine: AppConsent, *, now: datetime) -> None:
    """End all that an app has, the yes itself too, and tell its client.

    The yes goes because its number names the app's sessions: a sign-in that is made later must not
    be met by a sign-out that is still on its way.
    """
    revoke(connection, remove_consent(connection, account_id, mine, now=now), now=now)
    tell_of_app(connection, account_id, mine.client_id, mine.app, now=now)


def ask_again(connection: Connection, account_id: str, mine: AppConsent) -> None:
    """Let an app ask at its next sign-in, whatever was to be remembered."""
    found = {"consent": mine.consent.id, "of_account": account_id}
    connection.execute(_NARROW.values(remembered_until=None), found)


def _of(account_id: str, mine: AppConsent) -> dict[str, Any]:
    return {"of_account": account_id, "of_client": mine.client_id, "of_app": mine.app}
