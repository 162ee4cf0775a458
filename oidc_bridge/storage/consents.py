"""Consents: who said yes to what. A removed one stays, as a record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    Text,
    bindparam,
    case,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.apps.consent import TEXT_VERSION, Consent, Question
from oidc_bridge.apps.whitelist import AsWhom
from oidc_bridge.storage import Base, UtcTime, new_id
from oidc_bridge.storage.authorizations import AuthorizationRow
from oidc_bridge.storage.personas import MAIN, Persona, PersonaRow


class ConsentRow(Base):
    """One yes. At most one per account, client and app is not removed."""

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    app: Mapped[str] = mapped_column(Text)
    app_title: Mapped[str] = mapped_column(Text)
    client_name: Mapped[str] = mapped_column(Text)
    localpart: Mapped[str] = mapped_column(Text)
    as_whom: Mapped[str] = mapped_column(Text, server_default="main")
    scopes: Mapped[list[str]] = mapped_column(JSON)
    claims: Mapped[list[str]] = mapped_column(JSON)
    granted: Mapped[list[str]] = mapped_column(JSON)
    text_version: Mapped[int] = mapped_column(Integer)
    given_at: Mapped[datetime] = mapped_column(UtcTime)
    remembered_until: Mapped[datetime | None] = mapped_column(UtcTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    developer: Mapped[str] = mapped_column(Text, server_default="")
    # The words of the page that was said yes to, for its person to read; see `web.consent.review`.
    receipt: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (
        Index(
            "uq_consents_current",
            "account_id",
            "client_id",
            "app",
            unique=True,
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
        Index(
            "ix_consents_client_id_app",
            "client_id",
            "app",
            "given_at",
            "account_id",
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
    )


@dataclass(frozen=True, slots=True)
class AppConsent:
    """A consent and the app it was given to, for the account page."""

    consent: Consent
    client_id: str
    app: str
    app_title: str


@dataclass(frozen=True, slots=True)
class Known:
    """What a client knows of an account that one of its apps asks for."""

    main: Persona | None
    alone: Persona | None
    consent: Consent | None


@dataclass(frozen=True, slots=True)
class Welcome:
    """A persona, and a consent by which some app knows the account so."""

    persona: Persona
    consent: Consent
    app: str
    app_title: str


_ADD = insert(ConsentRow)
# All but the words, which are long, and read by nobody but their person.
FACTS = tuple(column for column in ConsentRow.__table__.columns if column.name != "receipt")
_CURRENT = select(*FACTS).where(
    ConsentRow.account_id == bindparam("account_id"), ConsentRow.removed_at.is_(None)
)
_C, _P = ConsentRow, PersonaRow
_PERSONA = (_P.id.label("persona_id"), _P.sub, _P.localpart.label("persona"), _P.app.label("of"))
_STANDING = (
    select(*_PERSONA, *FACTS)
    .select_from(_P)
    .outerjoin(
        _C,
        (_C.account_id == _P.account_id)
        & (_C.client_id == _P.client_id)
        & (_C.app == bindparam("app"))
        & _C.removed_at.is_(None),
    )
    .where(
        _P.account_id == bindparam("account_id"),
        _P.client_id == bindparam("client_id"),
        _P.app.in_((MAIN, bindparam("app"))),
    )
)
_WELCOMES = (
    select(*_PERSONA, *FACTS)
    .select_from(_C)
    .join(
        _P,
        (_P.account_id == _C.account_id)
        & (_P.client_id == _C.client_id)
        & (_P.app == case((_C.as_whom == "alone", _C.app), else_=MAIN)),
    )
    .where(
        _C.account_id == bindparam("account_id"),
        _C.client_id == bindparam("client_id"),
        _C.removed_at.is_(None),
    )
    .order_by(_C.given_at.desc())
)
_BY_ID = _CURRENT.where(ConsentRow.id == bindparam("id"))
_LIST = _CURRENT.order_by(ConsentRow.given_at.desc())
_REMOVE = (
    update(ConsentRow)
    .where(
        ConsentRow.account_id == bindparam("of_account"),
        ConsentRow.client_id == bindparam("of_client"),
        ConsentRow.app == bindparam("of_app"),
        ConsentRow.removed_at.is_(None),
    )
    .values(removed_at=bindparam("now"))
)
_AUTHORIZATIONS = select(AuthorizationRow.id).where(
    AuthorizationRow.account_id == bindparam("account_id"),
    AuthorizationRow.client_id == bindparam("client_id"),
    AuthorizationRow.app == bindparam("app"),
    AuthorizationRow.revoked_at.is_(None),
)


def find_known(connection: Connection, account_id: str, client_id: str, app: str) -> Known:
    """Return as whom one app at a client knows an account, or could, and the consent to it.

    One question: without a persona there can be no consent, since the first makes both.
    """
    rows = connection.execute(
        _STANDING, {"account_id": account_id, "client_id": client_id, "app": app}
    ).all()
    personas = {row.of: Persona(row.persona_id, row.sub, row.persona) for row in rows}
    has_consent = bool(rows) and rows[0].id is not None
    return Known(
        main=personas.get(MAIN),
        alone=personas.get(app) if app != MAIN else None,
        consent=to_consent(rows[0]) if has_consent else None,
    )


def find_welcomes(connection: Connection, account_id: str, client_id: str) -> Sequence[Welcome]:
    """Return the consents to apps of a client that stand, latest first, each with the persona by
    which its app knows the account."""
    rows = connection.execute(_WELCOMES, {"account_id": account_id, "client_id": client_id})
    return [
        Welcome(
            Persona(row.persona_id, row.sub, row.persona), to_consent(row), row.app, row.app_title
        )
        for row in rows
    ]


def consents_of(connection: Connection, account_id: str) -> Sequence[AppConsent]:
    """Return every app that an account has said yes to, latest first."""
    rows = connection.execute(_LIST, {"account_id": account_id})
    return [AppConsent(to_consent(r), r.client_id, r.app, r.app_title) for r in rows]


def find_app_consent(connection: Connection, account_id: str, consent_id: str) -> AppConsent | None:
    """Return a consent by its number; another account's is as unknown as none."""
    row = connection.execute(_BY_ID, {"account_id": account_id, "id": consent_id}).first()
    if row is None:
        return None
    return AppConsent(to_consent(row), row.client_id, row.app, row.app_title)


def remember_consent(
    connection: Connection,
    account_id: str,
    client_id: str,
    app: str,
    *,
    app_title: str,
    as_whom: AsWhom,
    question: Question,
    granted: Sequence[str],
    remembered_until: datetime | None,
    replaces: Consent | None,
    receipt: Mapping[str, Any] | None,
    now: datetime,
) -> str:
    """Keep a yes and return its id; it takes the place of an earlier one, which stays on record."""
    consent_id = new_id()
    if replaces is not None:
        _remove(connection, account_id, client_id, app, now=now)
    connection.execute(
        _ADD,
        {
            "id": consent_id,
            "account_id": account_id,
            "client_id": client_id,
            "app": app,
            "app_title": app_title,
            "client_name": question.client_name,
            "localpart": question.localpart,
            "as_whom": as_whom,
            "developer": question.developer,
            "scopes": list(question.scopes),
            "claims": list(question.claims),
            "granted": list(granted),
            "text_version": TEXT_VERSION,
            "given_at": now,
            "remembered_until": remembered_until,
            "receipt": receipt,
        },
    )
    return consent_id


def remove_consent(
    connection: Connection, account_id: str, app_consent: AppConsent, *, now: datetime
) -> Sequence[str]:
    """Take a consent back; return the authorizations that live on it, for the caller to end."""
    client_id, app = app_consent.client_id, app_consent.app
    _remove(connection, account_id, client_id, app, now=now)
    return list(
        connection.execute(
            _AUTHORIZATIONS, {"account_id": account_id, "client_id": client_id, "app": app}
        ).scalars()
    )


def _remove(
    connection: Connection, account_id: str, client_id: str, app: str, *, now: datetime
) -> None:
    connection.execute(
        _REMOVE,
        {"of_account": account_id, "of_client": client_id, "of_app": app, "now": now},
    )


def to_consent(row: Row[*tuple[Any, ...]]) -> Consent:
    """Return the consent of a row."""
    question = Question(
        tuple(row.scopes), tuple(row.claims), row.client_name, row.localpart, row.developer
    )
    return Consent(
        id=row.id,
        question=question,
        granted=tuple(row.granted),
        text_version=row.text_version,
        given_at=row.given_at,
        remembered_until=row.remembered_until,
        as_whom=row.as_whom,
    )
