"""Consents as records, with the words that were said yes to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from oidc_bridge.apps.consent import Consent
from oidc_bridge.storage.consents import ConsentRow, to_consent


@dataclass(frozen=True, slots=True)
class KeptConsent:
    """A consent as a record: it may have been removed, or have made way for a later one.

    Attributes:
        receipt: The words that were shown; None for a yes from before they were kept.
    """

    consent: Consent
    client_id: str
    app: str
    app_title: str
    removed_at: datetime | None
    receipt: Mapping[str, Any] | None


_KEPT = select(ConsentRow.__table__).where(
    ConsentRow.account_id == bindparam("account_id"), ConsentRow.id == bindparam("id")
)


def find_kept_consent(
    connection: Connection, account_id: str, consent_id: str
) -> KeptConsent | None:
    """Return a consent by its number, also a removed one; another account's is as unknown as
    none."""
    row = connection.execute(_KEPT, {"account_id": account_id, "id": consent_id}).first()
    if row is None:
        return None
    return KeptConsent(
        to_consent(row), row.client_id, row.app, row.app_title, row.removed_at, row.receipt
    )
