"""Clients and their secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.errors import BridgeError
from oidc_bridge.oidc.app_password import APP_PASSWORD
from oidc_bridge.oidc.client import Client, ClientMetadata, SoftwareStatement, Unknown
from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime
from oidc_bridge.storage.requests import RequestRow


class ClientRow(Base):
    """A registered relying party."""

    __tablename__ = "clients"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    auth_methods: Mapped[list[str]] = mapped_column(JSON)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    required_scopes: Mapped[list[str]] = mapped_column(JSON)
    server_name: Mapped[str | None] = mapped_column(Text)
    backchannel_logout_uri: Mapped[str | None] = mapped_column(Text)
    # Not "metadata": SQLAlchemy keeps that name for itself.
    registered: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")
    unknown_apps: Mapped[str] = mapped_column(Text, server_default="ask")
    statement: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class ClientSecretRow(Base):
    """A client's secret, as a hash; two may be valid while one replaces the other."""

    __tablename__ = "client_secrets"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


# The built-in one has a row only for others to point to; nobody can change or remove it.
_CLIENTS = select(ClientRow.__table__).where(ClientRow.id != APP_PASSWORD.id).order_by(ClientRow.id)
_SECRETS = select(ClientSecretRow.client_id, ClientSecretRow.digest).order_by(
    ClientSecretRow.created_at.desc()
)
_OWNER = select(ClientSecretRow.client_id).where(ClientSecretRow.digest == bindparam("digest"))
_SECRETS_AT_ONCE = 2


def all_clients(connection: Connection) -> Sequence[Client]:
    """Return every registered client with its secrets' digests, in two questions."""
    secrets_of: dict[str, list[str]] = {}
    for client_id, digest in connection.execute(_SECRETS):
        secrets_of.setdefault(client_id, []).append(digest)
    return [
        Client(
            id=row.id,
            name=row.name,
            kind=row.kind,
            redirect_uris=tuple(row.redirect_uris),
            secret_digests=tuple(secrets_of.get(row.id, ())),
            auth_methods=tuple(row.auth_methods),
            scopes=tuple(row.scopes),
            required_scopes=tuple(row.required_scopes),
            server_name=row.server_name,
            backchannel_logout_uri=row.backchannel_logout_uri,
            metadata=ClientMetadata.from_json(row.registered),
            unknown_apps=row.unknown_apps,
            statement=SoftwareStatement.from_json(row.statement) if row.statement else None,
        )
        for row in connection.execute(_CLIENTS)
    ]


def get_client(connection: Connection, client_id: str) -> Client:
    """Return one client.

    Raises:
        BridgeError: ``client_unknown``.
    """
    for client in all_clients(connection):
        if client.id == client_id:
            return client
    raise BridgeError("client_unknown", client_id)


def add_client(connection: Connection, client: Client, *, now: datetime) -> None:
    """Register *client*; its secrets are added apart.

    Raises:
        BridgeError: ``client_exists``.
    """
    if connection.execute(select(ClientRow.id).where(ClientRow.id == client.id)).first():
        raise BridgeError("client_exists", client.id)
    row = {**_to_row(client), "unknown_apps": client.unknown_apps}
    connection.execute(insert(ClientRow), {"id": client.id, **row, "created_at": now})


def update_client(connection: Connection, client: Client) -> None:
    """Put *client* in the place of what is kept under its id; its secrets are changed apart.

    Sign-ins that are open end: each keeps a redirect URI that may have been taken back.

    Raises:
        BridgeError: ``client_unknown``.
    """
    changed = connection.execute(
        update(ClientRow).where(ClientRow.id == client.id).values(_to_row(client))
    )
    if changed.rowcount == 0:
        raise BridgeError("client_unknown", client.id)
    connection.execute(delete(RequestRow).where(RequestRow.client_id == client.id))


def set_unknown_apps(connection: Connection, client_id: str, unknown: Unknown) -> None:
    """Say what holds at a homeserver for apps that no rule names.

    Raises:
        BridgeError: ``client_unknown``, ``not_homeserver``.
    """
    if get_client(connection, client_id).kind != "homeserver":
        raise BridgeError("not_homeserver", f"{client_id} is itself the app")
    connection.execute(
        update(ClientRow).where(ClientRow.id == client_id).values(unknown_apps=unknown)
    )


def _to_row(client: Client) -> dict[str, Any]:
    return {
        "name": client.name,
        "kind": client.kind,
        "redirect_uris": list(client.redirect_uris),
        "auth_methods": list(client.auth_methods),
        "scopes": list(client.scopes),
        "required_scopes": list(client.required_scopes),
        "server_name": client.server_name,
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "registered": client.metadata.to_json(),
        "statement": client.statement.to_json() if client.statement else None,
    }


def add_secret(connection: Connection, client_id: str, secret: str, *, now: datetime) -> None:
    """Make *secret* valid; of the older ones only the latest stays, so that two are valid.

    Raises:
        BridgeError: ``secret_taken`` if a client has it already; an operator may choose secrets.
    """
    client = get_client(connection, client_id)
    digest = digest_of(secret)
    if connection.execute(_OWNER, {"digest": digest}).first():
        raise BridgeError("secret_taken", f"{client_id}: a client has this secret already")
    for outdated in client.secret_digests[_SECRETS_AT_ONCE - 1 :]:
        connection.execute(delete(ClientSecretRow).where(ClientSecretRow.digest == outdated))
    connection.execute(
        insert(ClientSecretRow),
        {"client_id": client_id, "digest": digest, "created_at": now},
    )


@dataclass(frozen=True, slots=True)
class ListedClient:
    """A client in a list; ``server_name`` is a homeserver's."""

    id: str
    name: str
    kind: str
    server_name: str | None
    created_at: datetime


def list_clients(connection: Connection, *, after: str, at_most: int) -> Sequence[ListedClient]:
    """Return registered clients by their ids, from behind *after* on."""
    known = ClientRow
    rows = connection.execute(
        select(known.id, known.name, known.kind, known.server_name, known.created_at)
        .where(known.id > after, known.id != APP_PASSWORD.id)
        .order_by(known.id)
        .limit(at_most)
    )
    return [ListedClient(*row) for row in rows]


def secrets_since(connection: Connection, client_id: str) -> Sequence[datetime]:
    """Return since when each of a client's secrets is valid, the latest first."""
    rows = connection.execute(
        select(ClientSecretRow.created_at)
        .where(ClientSecretRow.client_id == client_id)
        .order_by(ClientSecretRow.created_at.desc())
    )
    return rows.scalars().all()


def remove_secret(connection: Connection, client_id: str, made_at: datetime) -> None:
    """Make the secret of a client that was made at *made_at* invalid."""
    connection.execute(
        delete(ClientSecretRow).where(
            ClientSecretRow.client_id == client_id, ClientSecretRow.created_at == made_at
        )
    )


def remove_secrets(connection: Connection, client_id: str) -> None:
    """Make every secret of a client invalid."""
    connection.execute(delete(ClientSecretRow).where(ClientSecretRow.client_id == client_id))


def remove_client(connection: Connection, client_id: str) -> None:
    """Forget a client with all that people gave it.

    Its register of localparts goes too: people would get new subjects if it came back.
    """
    get_client(connection, client_id)
    connection.execute(delete(ClientRow).where(ClientRow.id == client_id))
