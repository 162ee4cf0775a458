"""Who an operator lets use an app that is for listed people; each entry that comes, changes or
goes has its event, in the caller's transaction."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from oidc_bridge.apps.spelling import Who
from oidc_bridge.errors import BridgeError
from oidc_bridge.storage import new_id
from oidc_bridge.storage.accounts import IdentityRow
from oidc_bridge.storage.ledger import COMMAND_LINE, record_all
from oidc_bridge.storage.names import NameRow
from oidc_bridge.storage.whitelist import (
    AppRule,
    AppRuleRow,
    Listing,
    ListingRow,
    WhoKind,
    find_rule,
    listings_of,
    unlist_person,
)

_L = ListingRow
Key = tuple[WhoKind, str]
"""What an entry is known by in its list."""
_ENTRIES = select(_L.id, _L.kind, _L.who, _L.until, _L.note).where(_L.app == bindparam("app"))
_HOLD = select(AppRuleRow.name).where(AppRuleRow.name == bindparam("app")).with_for_update()
_DROP = delete(_L).where(_L.id == bindparam("entry"))
_ADD = insert(_L)


def get_rule(connection: Connection, app: str) -> AppRule:
    """Return the operator's rule of an app.

    Raises:
        BridgeError: ``app_unruled``.
    """
    rule = find_rule(connection, app)
    if rule is None:
        raise BridgeError("app_unruled", f"no rule names {app}: see `oidc-bridge app allow`")
    return rule


def hold_list(connection: Connection, app: str) -> None:
    """Let nobody else put people on the list of an app until the transaction ends.

    Raises:
        BridgeError: ``app_unruled``: a list without a rule lets nobody in.
    """
    if connection.execute(_HOLD, {"app": app}).first() is None:
        raise BridgeError("app_unruled", f"no rule names {app}: see `oidc-bridge app allow`")


def in_the_place_of(
    connection: Connection, app: str, entries: Sequence[Listing]
) -> Mapping[Key, Listing]:
    """Return the entries of an app's list that these would replace, or repeat."""
    asked = _ENTRIES.where(_L.who.in_([entry.who for entry in entries]))
    rows = connection.execute(asked, {"app": app})
    known = [Listing(row.kind, row.who, row.until, row.note) for row in rows]
    wanted = {_key(entry) for entry in entries}
    return {_key(one): one for one in known if _key(one) in wanted}


def admit(
    connection: Connection,
    app: str,
    entries: Sequence[Listing],
    *,
    now: datetime,
    by: str = COMMAND_LINE,
) -> int:
    """Put people on an app's list, in the place of earlier entries of theirs; return how many of
    the entries are new or changed. The number of statements does not grow with theirs.

    Raises:
        BridgeError: ``app_unruled``: a list without a rule lets nobody in.
    """
    hold_list(connection, app)
    return _put(connection, app, entries, now, by, is_whole=False)


def replace_list(
    connection: Connection,
    app: str,
    entries: Sequence[Listing],
    *,
    now: datetime,
    by: str = COMMAND_LINE,
) -> int:
    """Make *entries* an app's whole list; return how many entries came, changed or went.

    Raises:
        BridgeError: ``app_unruled``.
    """
    hold_list(connection, app)
    return _put(connection, app, entries, now, by, is_whole=True)


def remove_entry(
    connection: Connection, app: str, kind: WhoKind, who: str, *, now: datetime, by: str
) -> bool:
    """Take one entry off an app's list, of whatever kind; False if it is not there."""
    before = {_key(entry): entry for entry in listings_of(connection, app)}.get((kind, who))
    if before is None or not unlist_person(connection, app, kind, who):
        return False
    lost: dict[Key, tuple[Listing | None, Listing | None]] = {(kind, who): (before, None)}
    _record_entries(connection, "person dismissed", app, lost, now=now, by=by)
    return True


def put_back(
    connection: Connection,
    app: str,
    before: Mapping[Key, Listing | None],
    *,
    now: datetime,
    by: str,
) -> None:
    """Bring entries back to what they were; None for one that was not there.

    Raises:
        BridgeError: ``app_unruled``.
    """
    admit(connection, app, [entry for entry in before.values() if entry], now=now, by=by)
    today = {_key(entry): entry for entry in listings_of(connection, app)}
    gone = [key for key, entry in before.items() if entry is None and key in today]
    take_off(connection, app, {key: today[key] for key in gone}, now=now, by=by)


def listed_for(
    connection: Connection, app: str, people: Sequence[Who]
) -> Mapping[Who, Mapping[Key, Listing]]:
    """Return what an app's list has for each of these people: their own entry, and what an
    approved request put there for them. Three questions, however many they are."""
    known = {_key(entry): entry for entry in listings_of(connection, app)}
    accounts = _accounts_of(connection, people)
    found: dict[Who, Mapping[Key, Listing]] = {}
    for who in people:
        keys: list[Key] = [(who.kind, who.text)]
        keys += [("account", one) for one in accounts.get(who, ())]
        found[who] = {key: known[key] for key in keys if key in known}
    return found


def take_off(
    connection: Connection, app: str, gone: Mapping[Key, Listing], *, now: datetime, by: str
) -> None:
    """Take these entries off an app's list; the number of statements does not grow with theirs."""
    if gone:
        ids = {(row.kind, row.who): row.id for row in connection.execute(_ENTRIES, {"app": app})}
        connection.execute(_DROP, [{"entry": ids[key]} for key in gone])
    lost = {key: (entry, None) for key, entry in gone.items()}
    _record_entries(connection, "person dismissed", app, lost, now=now, by=by)


def _put(
    connection: Connection,
    app: str,
    entries: Sequence[Listing],
    now: datetime,
    by: str,
    *,
    is_whole: bool,
) -> int:
    ids: dict[Key, str] = {}
    before: dict[Key, Listing] = {}
    asked = _ENTRIES if is_whole else _ENTRIES.where(_L.who.in_([entry.who for entry in entries]))
    for row in connection.execute(asked, {"app": app}):
        known = Listing(row.kind, row.who, row.until, row.note)
        ids[_key(known)], before[_key(known)] = row.id, known
    wanted = {_key(entry): entry for entry in entries}
    put = {key: entry for key, entry in wanted.items() if before.get(key) != entry}
    gone = [key for key in before if is_whole and key not in wanted]
    if dropped := [{"entry": ids[key]} for key in (*put, *gone) if key in ids]:
        connection.execute(_DROP, dropped)
    if put:
        connection.execute(_ADD, [_row(app, entry, now) for entry in put.values()])
    changes = {key: (before.get(key), entry) for key, entry in put.items()}
    _record_entries(connection, "person admitted", app, changes, now=now, by=by)
    lost = {key: (before[key], None) for key in gone}
    _record_entries(connection, "person dismissed", app, lost, now=now, by=by)
    return len(put) + len(gone)


def dismiss(
    connection: Connection,
    app: str,
    people: Sequence[Who],
    *,
    now: datetime,
    by: str = COMMAND_LINE,
) -> Sequence[Listing]:
    """Take people off an app's list, with what an approved request put there for them; return the
    entries that went.

    Raises:
        BridgeError: ``app_unruled``; ``listing_unknown`` if one of them is not on it.
    """
    get_rule(connection, app)
    gone: dict[Key, Listing] = {}
    for who, found in listed_for(connection, app, people).items():
        if not found:
            raise BridgeError("listing_unknown", f"{who.text} is not on the list of {app}")
        gone |= found
    take_off(connection, app, gone, now=now, by=by)
    return list(gone.values())


def _accounts_of(connection: Connection, people: Sequence[Who]) -> Mapping[Who, Sequence[str]]:
    """Return the accounts that addresses and names open, of those who have one yet."""
    by_key = select(IdentityRow.subject, IdentityRow.account_id).where(
        IdentityRow.subject.in_([who.text for who in people if who.kind == "address"])
    )
    by_name = (
        select(NameRow.text, IdentityRow.account_id)
        .join(IdentityRow, IdentityRow.id == NameRow.identity_id)
        .where(NameRow.text.in_([who.text for who in people if who.kind == "name"]))
    )
    found: dict[Who, list[str]] = {}
    for text, account_id in connection.execute(by_key):
        found.setdefault(Who("address", text), []).append(account_id)
    for text, account_id in connection.execute(by_name):
        found.setdefault(Who("name", text), []).append(account_id)
    return found


def _record_entries(
    connection: Connection,
    kind: str,
    app: str,
    changes: Mapping[Key, tuple[Listing | None, Listing | None]],
    *,
    now: datetime,
    by: str,
) -> None:
    details = [
        {
            "app": app,
            "who": f"{kind_of}:{text}",
            "before": _told(before),
            "after": _told(after),
            "by": by,
        }
        for (kind_of, text), (before, after) in changes.items()
    ]
    record_all(connection, kind, details, now=now)


def _key(entry: Listing) -> Key:
    return entry.kind, entry.who


def _row(app: str, entry: Listing, now: datetime) -> Mapping[str, Any]:
    return {
        "id": new_id(),
        "app": app,
        "kind": entry.kind,
        "who": entry.who,
        "until": entry.until,
        "note": entry.note,
        "added_at": now,
    }


def _told(entry: Listing | None) -> str:
    """Return an entry as an event keeps it: JSON without what the event names itself."""
    if entry is None:
        return ""
    until = entry.until.isoformat() if entry.until else None
    return json.dumps({"until": until, "note": entry.note})
