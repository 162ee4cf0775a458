"""What signs in at a homeserver by a password: a device of which no browser of ours knows.

It is shown and ended like all else: it has a session, so that the person sees it among the places
where they are signed in, and an authorization whose ``sid`` signs it out.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from oidc_bridge.identity import Profile
from oidc_bridge.matrix.localpart import candidates
from oidc_bridge.oidc.client import Client
from oidc_bridge.oidc.scopes import Person, claims_for
from oidc_bridge.seal import digest_of, new_secret
from oidc_bridge.storage import new_id
from oidc_bridge.storage.accounts import Opened
from oidc_bridge.storage.authorizations import add_authorization
from oidc_bridge.storage.personas import MAIN, Persona, get_main, persona_as
from oidc_bridge.storage.sessions import Session, open_session
from oidc_bridge.web import bridge

# What a homeserver learns of a person by a password: who they are, and what they are called.
SCOPES = ("openid", "profile")


def main_at(connection: Connection, session: Session, client: Client, *, now: datetime) -> Persona:
    """Return as whom a client knows who is signed in, registered by name or address if new."""
    wanted = candidates(session.address, session.name, client.server_name)
    return get_main(connection, session.account_id, client.id, wanted, now=now)


def waits_for_choice(connection: Connection, session: Session, client: Client) -> bool:
    """Tell whether they must first choose, in a sign-in, as whom a client is to know them.

    Who has several names and has chosen none would be called there for ever as they never chose.
    """
    return (
        session.must_choose_name
        and persona_as(connection, session.account_id, client.id, MAIN) is None
    )


def open_device(connection: Connection, opened: Opened, label: str, *, now: datetime) -> Session:
    """Return a session for what is not a browser: nobody has its cookie."""
    return open_session(
        connection,
        opened,
        cookie=new_secret(),
        current=None,
        user_agent=label,
        proved_at=now,
        expires_at=now + timedelta(seconds=bridge().settings.lifetimes.session),
    )


def authorize(
    connection: Connection,
    session: Session,
    client: Client,
    persona: Persona,
    app: str,
    told: Profile,
    *,
    now: datetime,
) -> str:
    """Keep what the homeserver got, as for a code that was spent; return the ``sid`` to end it."""
    person = as_told(persona, told)
    sid = new_id()
    add_authorization(
        connection,
        {
            "id": new_id(),
            "client_id": client.id,
            "account_id": session.account_id,
            "session_id": session.id,
            "persona_id": persona.id,
            "app": app,
            "sid": sid,
            "scopes": list(SCOPES),
            "claims": list(claims_for(SCOPES, person)),
            "redirect_uri": "",
            "code_challenge": "",
            # There is no code: this is the hash of what nobody knows, and it is spent.
            "code_digest": digest_of(new_secret()),
            "code_expires_at": now,
            "code_spent_at": now,
            "authenticated_at": now,
            "created_at": now,
        },
    )
    return sid


def as_told(persona: Persona, told: Profile) -> Person:
    """Return the person as the homeserver is told of them."""
    return Person(persona.sub, persona.localpart, told.display_name, told.picture, None)
