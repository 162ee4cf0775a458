"""The first owner: whoever set up the server is shown a token, once."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from oidc_bridge.config import Settings
from oidc_bridge.seal import new_secret
from oidc_bridge.storage import write
from oidc_bridge.storage.admins import add_admin_token
from oidc_bridge.storage.ledger import COMMAND_LINE, record

_LIFE = timedelta(hours=24)


def make_token() -> str:
    """Return a new token, kept as its hash; the database must be open."""
    made, now = new_secret(), datetime.now(UTC)

    def keep(connection: Connection) -> None:
        add_admin_token(connection, made, expires_at=now + _LIFE)
        record(connection, "admin token made", now=now, by=COMMAND_LINE)

    write(keep)
    return made


def how_to_own(settings: Settings, made: str) -> str:
    """Return what whoever set up the server must do to become an owner."""
    return (
        f"To become an owner, open {settings.issuer}/admin/token within a day, sign in, and give"
        f" this token:\n  {made}"
    )
