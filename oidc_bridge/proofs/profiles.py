"""Profiles: what people say of themselves, in a token or in a signed file.

A profile is a description and proves nothing, signed or not. What leaves this file is short, clean
text that a page can show and a database can keep.

Source: npm ``blockstack``, ``profileTokens``; the file at ``profile_url`` is a JSON list whose
first element holds a token by the identity key with the profile as its ``claim``.
"""

import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import urlsplit

from coincurve import PublicKey

from oidc_bridge.errors import FetchError, ProofError
from oidc_bridge.identity import Profile
from oidc_bridge.ports import Fetch
from oidc_bridge.proofs.jsontokens import parse, parse_json, parse_public_key, verify

_MAX_FILE = 262144
_MAX_URL = 2048
_MAX_NAME = 256
# What HTML calls a valid e-mail address, at least two labels after the @, and RFC 5321's length.
_EMAIL = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)
_URL = re.compile(r"https://[!-~]+")


def fetch_profile(url: str, *, signer: bytes, fetch: Fetch) -> dict[str, object]:
    """Return the profile in the file at *url*, if *signer* signed it.

    Its dates are ignored: wallets write the file once with one year to live and do not renew it.

    Args:
        url: Text of whoever made the token, so https alone; the rest is for *fetch* to guard.
        signer: Public key of the identity, compressed.

    Raises:
        ProofError: ``profile_lookup`` if the file cannot be had; ``profile_token`` if it is not a
            profile signed by *signer*.
    """
    # Security: a Fetch may know addresses of the operator's that it lets pass in clear (a name
    # service on loopback). This URL is a stranger's and must not profit from that.
    if not is_web_address(url):
        raise ProofError("profile_lookup", "profile_url is no https address")
    try:
        fetched = fetch(url, max_bytes=_MAX_FILE)
    except FetchError as error:
        raise ProofError("profile_lookup", str(error)) from error
    if fetched.status != 200:
        raise ProofError("profile_lookup", f"status {fetched.status}")
    try:
        return _verified_claim(fetched.body, signer)
    except ProofError as error:
        raise ProofError("profile_token", str(error)) from error


def describe(profile: Mapping[str, object], *, email: str | None) -> Profile:
    """Return name, picture and e-mail of *profile* as far as they are fit to be shown."""
    return Profile(
        display_name=_clean_name(profile.get("name")),
        picture=_first_picture(profile.get("image")),
        email=email if email is not None and _EMAIL.fullmatch(email) else None,
    )


def read_signed_profile(file: bytes) -> tuple[PublicKey, dict[str, object]]:
    """Return the key that signed the profile in *file*, and the profile.

    Anybody can sign one: whether this key may speak for somebody is for the caller to check.

    Raises:
        ProofError: if it is no profile, or was not signed by the key that it names.
    """
    entries = parse_json(file)
    entry = entries[0] if isinstance(entries, list) and entries else None
    # Beside the token lies decodedToken, an unsigned copy. Never read that.
    text = entry.get("token") if isinstance(entry, dict) else None
    if not isinstance(text, str):
        raise ProofError("malformed", "not a list with a token in its first element")
    token = parse(text)
    issuer = token.payload.get("issuer")
    key = parse_public_key(issuer.get("publicKey") if isinstance(issuer, dict) else None)
    verify(token, key)
    claim = token.payload.get("claim")
    if not isinstance(claim, dict):
        raise ProofError("malformed", "claim is no object")
    return key, claim


def _verified_claim(file: bytes, signer: bytes) -> dict[str, object]:
    key, claim = read_signed_profile(file)
    # Keys with equal hash are equal keys, so this says that the addresses agree.
    if key.format() != signer:
        raise ProofError("issuer", "signed by another key than the identity's")
    return claim


def _clean_name(value: object) -> str | None:
    """Return *value* on one line, without control, bidirectional or invisible characters."""
    if not isinstance(value, str):
        return None
    # Categories C*: controls, formats (bidi overrides, zero width), lone surrogates, unassigned.
    kept = "".join(
        character
        for character in value[: 4 * _MAX_NAME]
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    return " ".join(kept.split())[:_MAX_NAME].rstrip() or None


def _first_picture(images: object) -> str | None:
    if not isinstance(images, list):
        return None
    for image in images:
        url = image.get("contentUrl") if isinstance(image, dict) else None
        if isinstance(url, str) and is_web_address(url):
            return url
    return None


def is_web_address(url: str) -> bool:
    """Return whether *url* is a short https address with a host and no password in it."""
    if len(url) > _MAX_URL or not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and "@" not in parts.netloc
