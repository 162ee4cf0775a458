"""Resource servers: clients that may ask what another client's access tokens are worth."""

from collections.abc import Sequence

from sqlalchemy import Connection, ForeignKey, bindparam, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.storage import Base
from oidc_bridge.storage.apps import get_client


class ResourceServerRow(Base):
    """The operator's word that *server_id* may introspect the access tokens of *client_id*.

    A table of its own, and no member of a client's metadata: no client can give itself this right.
    """

    __tablename__ = "resource_servers"

    server_id: Mapped[str] = mapped_column(
        ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True
    )
    client_id: Mapped[str] = mapped_column(
        ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True
    )


_ROW = ResourceServerRow
_MAY = select(_ROW.server_id).where(
    _ROW.server_id == bindparam("server"), _ROW.client_id == bindparam("client")
)
_ALL = select(_ROW.server_id, _ROW.client_id).order_by(_ROW.server_id, _ROW.client_id)


def may_introspect(connection: Connection, server_id: str, client_id: str) -> bool:
    """Return whether one client may ask about another's access tokens."""
    asked = {"server": server_id, "client": client_id}
    return connection.execute(_MAY, asked).first() is not None


def allow_introspection(connection: Connection, server_id: str, client_id: str) -> None:
    """Let *server_id* ask about the access tokens of *client_id*.

    Raises:
        BridgeError: ``client_unknown``.
    """
    get_client(connection, server_id)
    if client_id != APP_PASSWORD.id:
        get_client(connection, client_id)
    if not may_introspect(connection, server_id, client_id):
        connection.execute(insert(_ROW), {"server_id": server_id, "client_id": client_id})


def deny_introspection(connection: Connection, server_id: str, client_id: str) -> bool:
    """Take the permission back; return whether there was one."""
    gone = delete(_ROW).where(_ROW.server_id == server_id, _ROW.client_id == client_id)
    return connection.execute(gone).rowcount == 1


def resource_servers(connection: Connection) -> Sequence[tuple[str, str]]:
    """Return every (resource server, client) that was allowed."""
    return [(server, client) for server, client in connection.execute(_ALL)]
