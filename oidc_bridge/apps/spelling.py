"""How an operator spells apps, people and dates; read once, here, into what rules are kept by.

What is not certainly one thing is refused, with what to write instead: a rule that no app and
nobody ever fits looks like protection and is none.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from oidc_bridge.apps.app import is_app_scheme, key_of
from oidc_bridge.apps.whitelist import Say
from oidc_bridge.errors import BridgeError, ProofError
from oidc_bridge.origins import Origin, read_origin
from oidc_bridge.proofs.addresses import Kind, parse_address
from oidc_bridge.proofs.antelope import read_subject
from oidc_bridge.proofs.names import is_name

MAX_NOTE = 300

_CLIENT = "client:"
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Who:
    """Whom an entry of a list lets in: an address in c32, a name, or a pattern of names."""

    kind: Literal["address", "name", "pattern"]
    text: str


def read_app_name(text: str) -> str:
    """Return the name by which rules know an app: ``https://chat.example``, ``element:`` or
    ``client:<id>``.

    Raises:
        BridgeError: ``app_malformed``.
    """
    if text.startswith(_CLIENT):
        if not _CLIENT_ID.fullmatch(text.removeprefix(_CLIENT)):
            raise _malformed(text, "expected client: and the id of a client")
        return text
    if "*" in text:
        raise _malformed(
            text,
            "an app is named whole, never by a pattern;"
            " for all that no rule names see `oidc-bridge app default`",
        )
    scheme, colon, rest = text.partition(":")
    if colon and not rest and is_app_scheme(scheme.lower()):
        return text.lower()
    return key_of(_read_whole_origin(text))


def guess_app_name(text: str) -> str | None:
    """Return the app that is meant perhaps by what `read_app_name` refuses: by https, without what
    is behind the host, and the host as browsers send it."""
    scheme, has_scheme, rest = text.rpartition("://")
    host = re.split("[/?#]", rest, maxsplit=1)[0].lower()
    try:
        spelt = host.encode("idna")
        # Where that is not the way back, browsers may spell the host otherwise.
        if "." not in host or spelt.decode("idna") != host:
            return None
        return read_app_name(f"{scheme if has_scheme else 'https'}://{spelt.decode()}")
    except (UnicodeError, BridgeError):
        return None


def _read_whole_origin(text: str) -> Origin:
    """Return the origin that *text* is and nothing more; a browser's final slash is no more."""
    if "://" not in text:
        raise _malformed(text, "write the whole origin: https://chat.example (or element:)")
    try:
        origin = read_origin(text)
    except ValueError as error:
        raise _malformed(
            text,
            f"{error}; a host with other letters is written as browsers send it (xn--...)",
        ) from error
    host = text.partition("://")[2].removesuffix("/")
    if set("/?#") & set(host):
        raise _malformed(text, f"an app is an origin without a path: {origin}")
    return origin


def check_say(app: str, say: Say) -> None:
    """Return if *say* can be said of *app*, as `read_app_name` gives it.

    Raises:
        BridgeError: ``app_insecure``: anybody on the way could take the place of what lives at
            plain http. ``alone_impossible``: a client that is itself the app has one ID anyway.
    """
    if say == "alone" and app.startswith(_CLIENT):
        raise BridgeError(
            "alone_impossible", f"{app} is itself the app and has IDs of its own: allow or deny it"
        )
    if say != "deny" and app.startswith("http:") and not read_origin(app).is_trustworthy:
        raise BridgeError(
            "app_insecure",
            f"{app}: anybody on the way can take its place; only https, or http on this machine,"
            f" can be let in. Is it https{app.removeprefix('http')}?",
        )


def read_who(text: str) -> Who:
    """Return whom *text* names; what kind it is of, its shape tells.

    Raises:
        BridgeError: ``who_malformed``, ``who_is_matrix_id``.
    """
    if text.startswith("*."):
        # Of `*.btc` and `*.id.btc` some names must be possible, so the rest is spelt like theirs.
        pattern = text.lower()
        labels = pattern[2:].count(".") + 1
        is_possible = is_name(f"a.{pattern[2:]}") and labels <= 2
        if not (text.isascii() and is_possible):
            raise _nobody(text, "expected a pattern of names: *.btc or *.example.btc")
        return Who("pattern", pattern)
    if read_subject(text) is not None:
        return Who("address", text)
    if text.startswith("@") and ":" in text:
        raise BridgeError(
            "who_is_matrix_id", f"{text!a}: `oidc-bridge person show` tells the address"
        )
    if text.startswith("@") or ":" in text:
        raise _nobody(text, "not a Matrix ID: `oidc-bridge person show` tells the address")
    if "*" in text:
        raise _nobody(text, "a pattern is *. and the end of names; see also --for-everyone")
    if "." in text:
        return Who("name", _read_name(text))
    return Who("address", _read_address(text))


def _read_name(text: str) -> str:
    # Only ASCII has one lower case: the Kelvin sign's is a plain k.
    if not text.isascii() or not is_name(text.lower()):
        raise _nobody(text, "expected a name of two or three labels, as ann.btc")
    if _spells_address(text.partition(".")[0].upper()):
        raise _nobody(text, "a contract signs in nowhere; give an address or a name")
    return text.lower()


def _read_address(text: str) -> str:
    try:
        address = parse_address(text)
    except ProofError as error:
        raise _nobody(
            text, f"expected an address (SP...), a name (ann.btc) or *.btc: {error.detail}"
        ) from error
    if address.kind is not Kind.MAINNET_SINGLE:
        raise _nobody(text, "nobody signs in with an address of this kind; expected SP... or 1...")
    return address.c32


def _spells_address(text: str) -> bool:
    try:
        parse_address(text)
    except ProofError:
        return False
    return True


def read_until(text: str, *, now: datetime) -> datetime:
    """Return the instant at which something ends: a day (``2027-01-31``) counts whole, in UTC; a
    time (``2027-01-31T18:00+01:00``) says its zone.

    Raises:
        BridgeError: ``until_malformed``, ``until_past``.
    """
    refusal = BridgeError(
        "until_malformed", f"{text!a}: expected 2027-01-31 or 2027-01-31T18:00+01:00"
    )
    try:
        if _DAY.fullmatch(text):
            day_after = date.fromisoformat(text) + timedelta(days=1)
            until = datetime.combine(day_after, time(), UTC)
        else:
            until = datetime.fromisoformat(text)
            if until.tzinfo is None:
                raise refusal
            until = until.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise refusal from error
    if until <= now:
        raise BridgeError("until_past", f"{text} is over")
    return until


def last_moment(until: datetime) -> datetime:
    """Return the last minute of what ends at *until*, so that a day that counts whole is named."""
    return until - timedelta(minutes=1) if until.time() == time() else until


def as_typed(until: datetime) -> str:
    """Return an end as `read_until` reads it: a day where it counts whole."""
    return last_moment(until).date().isoformat() if until.time() == time() else until.isoformat()


def read_note(text: str) -> str:
    """Return a note: one line of plain text.

    Raises:
        BridgeError: ``note_malformed``.
    """
    note = " ".join(text.split())
    if len(note) > MAX_NOTE or not note.isprintable():
        raise BridgeError("note_malformed", f"at most {MAX_NOTE} characters that can be seen")
    return note


def _malformed(text: str, hint: str) -> BridgeError:
    return BridgeError("app_malformed", f"{text!a}: {hint}")


def _nobody(text: str, hint: str) -> BridgeError:
    return BridgeError("who_malformed", f"{text!a}: {hint}")
