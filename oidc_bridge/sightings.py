"""Looks at apps' own sites: whom they name as developers, and how the app's logo looks.

And at the profiles of developers who signed by a name.

Never on the way of a sign-in: when a client registers or is imported, by ``client refresh``, when
an admin adds an app (which keeps nothing), and once a day by ``prune``. Nothing of it can keep a
client from being registered. A site that does not answer leaves what was known; one that answers
otherwise replaces it.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from oidc_bridge.apps.developer import (
    MANIFEST_PATH,
    MAX_MANIFEST,
    NOBODY,
    Developer,
    find_developer,
    home_of,
    is_profile_of,
    name_signed_by,
    read_authors,
)
from oidc_bridge.apps.logo import MAX_FILE, redraw
from oidc_bridge.apps.manifest import open_statement
from oidc_bridge.apps.web_manifest import read_web_manifest
from oidc_bridge.errors import BridgeError, FetchError
from oidc_bridge.oidc.client import Client, SoftwareStatement
from oidc_bridge.origins import read_origin
from oidc_bridge.ports import Fetch
from oidc_bridge.proofs.named_profile import FindProfile
from oidc_bridge.proofs.names import NameService
from oidc_bridge.storage import read, write
from oidc_bridge.storage.developers import (
    SeenProfile,
    all_profiles,
    keep_profile,
    portrait_of,
    remove_profile,
)
from oidc_bridge.storage.sites import (
    Logo,
    Site,
    all_logos,
    all_sites,
    forget_sites,
    keep_logo,
    keep_site,
    note_silence,
    remove_logo,
)

log = logging.getLogger(__name__)

_A_DAY = timedelta(days=1)
# Nobody answered. Every other error is an answer: a redirect, a file that is too large.
_SILENCE = "fetch_failed"


def look_at(client: Client, *, fetch: Fetch, find_profile: FindProfile, now: datetime) -> None:
    """Look at a client's site, logo and developer, and keep what was seen.

    Args:
        fetch: The guard for addresses that strangers name.
        find_profile: Asked for the profile of the name that the developer signed by.
    """
    home, logo_uri = home_of(client), client.metadata.logo_uri
    if home is not None:
        _look_at_site(home, fetch=fetch, now=now)
    if logo_uri is not None:
        _look_at_logo(client.id, logo_uri, fetch=fetch, now=now)
    else:
        write(lambda connection: remove_logo(connection, client.id))
    if name_signed_by(client.statement) is not None:
        _look_at_developer(client, fetch=fetch, find_profile=find_profile, now=now)
    else:
        write(lambda connection: remove_profile(connection, client.id))


def look_again(
    clients: Iterable[Client], *, fetch: Fetch, find_profile: FindProfile, now: datetime
) -> int:
    """Look at what was not looked at for a day; return at how many sites, logos and profiles."""
    known = list(clients)
    homes = {home for home in map(home_of, known) if home is not None}
    write(lambda connection: forget_sites(connection, but=homes))
    with read() as connection:
        sites, logos = all_sites(connection), all_logos(connection)
        profiles = all_profiles(connection)
    due = now - _A_DAY
    old_homes = [home for home in homes if home not in sites or sites[home].tried_at <= due]
    for home in old_homes:
        _look_at_site(home, fetch=fetch, now=now)
    old_logos = [
        (client.id, client.metadata.logo_uri)
        for client in known
        if client.metadata.logo_uri is not None
        and (client.id not in logos or logos[client.id].tried_at <= due)
    ]
    for client_id, uri in old_logos:
        _look_at_logo(client_id, uri, fetch=fetch, now=now)
    # Once the statement has ended, nobody's profile is shown.
    old_profiles = [
        client
        for client in known
        if client.developer_at(now)
        and name_signed_by(client.statement) is not None
        and (client.id not in profiles or profiles[client.id].tried_at <= due)
    ]
    for client in old_profiles:
        _look_at_developer(client, fetch=fetch, find_profile=find_profile, now=now)
    return len(old_homes) + len(old_logos) + len(old_profiles)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What an app's site shows of itself to somebody who has not decided anything yet.

    Attributes:
        name: its own word, ``""`` if there is none.
        icon: as we drew it, a PNG.
        asked, required: the scopes in the signed statement, which hold only if *developer* signed.
        fault: why there is nothing to show: ``fetch_...``, ``not_there``, ``malformed``.
        statement_fault: why the statement at the site does not count.
    """

    name: str = ""
    icon: bytes | None = None
    developer: Developer = NOBODY
    asked: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    fault: BridgeError | None = None
    statement_fault: BridgeError | None = None


def glimpse(
    home: str,
    *,
    audience: str,
    services: tuple[NameService, ...],
    fetch: Fetch,
    strangers: Fetch,
    find_profile: FindProfile,
    now: datetime,
) -> Glimpse:
    """Look at the site of an app, an https origin, and keep nothing.

    Args:
        audience, services, fetch, find_profile: as for `open_statement`.
        strangers: The guard for addresses that strangers name.
    """
    try:
        body = _get(home + MANIFEST_PATH, strangers, max_bytes=MAX_MANIFEST)
        seen = read_web_manifest(body, home=home)
    except BridgeError as error:
        return Glimpse(fault=error)
    try:
        icon = redraw(_get(seen.icon, strangers, max_bytes=MAX_FILE)) if seen.icon else None
    except BridgeError:
        icon = None
    unsigned = Glimpse(seen.name, icon, find_developer(None, seen.authors, now=now))
    if seen.statement is None:
        return unsigned
    try:
        statement, members = open_statement(
            seen.statement,
            audience=audience,
            services=services,
            fetch=fetch,
            now=now,
            find_profile=find_profile,
        )
        if str(read_origin(str(members["client_uri"]))) != home:
            raise BridgeError("invalid_software_statement", "client_uri: is another site's")
    except BridgeError as error:
        return replace(unsigned, statement_fault=error)
    return replace(
        unsigned,
        developer=find_developer(statement, seen.authors, now=now),
        asked=tuple(str(members["scope"]).split()),
        required=statement.required_scopes,
    )


def _look_at_site(home: str, *, fetch: Fetch, now: datetime) -> None:
    try:
        body = _get(home + MANIFEST_PATH, fetch, max_bytes=MAX_MANIFEST)
        seen = Site(read_authors(body), None, now, now)
    except BridgeError as error:
        log.info("site names nobody origin=%s code=%s", home, error.code)
        if error.code == _SILENCE:
            _note_silence(home, str(error), now)
            return
        seen = Site((), str(error), now, now)
    write(lambda connection: keep_site(connection, home, seen))


def _note_silence(home: str, fault: str, now: datetime) -> None:
    def note(connection: Connection) -> None:
        before = all_sites(connection).get(home) or Site((), None, None, now)
        keep_site(connection, home, replace(before, fault=fault, tried_at=now))

    write(note)


def _look_at_logo(client_id: str, uri: str, *, fetch: Fetch, now: datetime) -> None:
    try:
        png = redraw(_get(uri, fetch, max_bytes=MAX_FILE))
    except BridgeError as error:
        log.info("logo not shown client=%s code=%s", client_id, error.code)
        seen = Logo(uri, None, str(error), now)
        is_silent = error.code == _SILENCE
        write(lambda connection: _keep_no_logo(connection, client_id, seen, is_silent=is_silent))
        return
    logo = Logo(uri, hashlib.sha256(png).hexdigest(), None, now)
    write(lambda connection: keep_logo(connection, client_id, logo, png))


def _keep_no_logo(connection: Connection, client_id: str, seen: Logo, *, is_silent: bool) -> None:
    before = all_logos(connection).get(client_id)
    if is_silent and before is not None and before.uri == seen.uri:
        note_silence(connection, client_id, seen)
    else:
        keep_logo(connection, client_id, seen, None)


def _look_at_developer(
    client: Client, *, fetch: Fetch, find_profile: FindProfile, now: datetime
) -> None:
    statement = client.statement
    if statement is None:
        return
    try:
        found = find_profile(statement.developer)
        if not is_profile_of(found, statement):
            raise BridgeError("not_theirs", f"{found.name} leads to another key than signed")
    except BridgeError as error:
        log.info("profile not shown client=%s code=%s", client.id, error.code)
        _keep_no_profile(client.id, statement, error, now)
        return
    png, fault = _fetch_portrait(found.profile.picture, fetch)
    seen = SeenProfile(
        name=statement.developer,
        address=statement.address,
        display_name=found.profile.display_name or "",
        url=found.url,
        digest=hashlib.sha256(png).hexdigest() if png is not None else None,
        fault=fault,
        answered_at=now,
        tried_at=now,
    )
    write(lambda connection: keep_profile(connection, client.id, seen, png))


def _fetch_portrait(url: str | None, fetch: Fetch) -> tuple[bytes | None, str | None]:
    """Return the picture as we draw it, or why there is none."""
    if url is None:
        return None, None
    try:
        return redraw(_get(url, fetch, max_bytes=MAX_FILE)), None
    except BridgeError as error:
        return None, str(error)


def _keep_no_profile(
    client_id: str, statement: SoftwareStatement, error: BridgeError, now: datetime
) -> None:
    none = SeenProfile(
        *(statement.developer, statement.address, "", ""), None, str(error), None, now
    )

    def keep(connection: Connection) -> None:
        before = all_profiles(connection).get(client_id)
        if error.code == _SILENCE and before is not None and before.belongs_to(statement):
            png = portrait_of(connection, client_id)
            seen = replace(before, fault=str(error), tried_at=now)
            keep_profile(connection, client_id, seen, png)
        else:
            keep_profile(connection, client_id, none, None)

    write(keep)


def _get(url: str, fetch: Fetch, *, max_bytes: int) -> bytes:
    """Return what is there.

    Raises:
        FetchError: `_SILENCE` also for the site's own trouble (5xx) and for too many requests.
        BridgeError: ``not_there``.
    """
    answer = fetch(url, max_bytes=max_bytes)
    if answer.status >= 500 or answer.status == 429:
        raise FetchError(_SILENCE, f"status {answer.status}")
    if answer.status != 200:
        raise BridgeError("not_there", f"status {answer.status}")
    return answer.body
