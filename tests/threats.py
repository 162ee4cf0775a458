"""Writes the tables of threats, and which tests hold each row, into docs/security.md.

A test says which row it holds by its name: ``test_k4_…`` holds K4, ``test_k7_p1_…`` both. The names
are read from the source with `ast`, so nothing has to run. ``scripts/specifications`` runs this.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from tests.specifications import TESTS, renew

PAGE = TESTS.parent / "docs" / "security.md"

# What went wrong in software of this kind. The other letters of the research (W wallets, C consent,
# P policy, F fetching …) are told of in the text of the page.
ROWS: Mapping[str, str] = {
    "A1": "a redirect URI is matched loosely",
    "A2": "what we append stands in the redirect URI already",
    "A3": "a redirect before client and URI are known to be good",
    "A4": "`javascript:` and `data:` URIs; script in form_post",
    "A5": "a step of the sign-in is skipped, or done in another browser",
    "A6": "`prompt`, `max_age`, `id_token_hint` do not do what they say",
    "A7": "what was pushed does not count, or counts twice",
    "A8": "repeated, monstrous and unreadable parameters",
    "A9": "answers that can be mixed up, or that hold tokens",
    "A10": "fields of our own forms change the request",
    "K1": "a code that fits in one way and not in all",
    "K2": "a code is redeemed twice",
    "K3": "PKCE is left out, or weakened",
    "K4": "client authentication by odd ways, or in telling time",
    "K5": "a client's assertion is believed before it is verified, or twice",
    "K6": "one kind of token in the place of another",
    "K7": "what may not be any more is not asked again at redemption",
    "K8": "`nonce` or `at_hash` is lost",
    "K9": "a person's claim in the place of the protocol's",
    "K10": "other content types",
    "R1": "a stolen refresh token is not noticed, or a race is taken for one",
    "R2": "what has expired works until somebody tidies up",
    "R3": "scopes are kept, or grow",
    "R4": "a token outlives revocation, sign-out, account or client",
    "I1": "others' tokens are revoked; a failed revocation says yes",
    "I2": "introspection for anybody",
    "I3": "userinfo tells more than was agreed to",
    "I4": "ids are cut, and then are somebody else's",
    "D1": "a management token is good for another client",
    "D2": "anybody may register",
    "D3": "one way to register is held to less than another",
    "D4": "client secrets can be read",
    "D5": "a client chooses its id or secret",
    "D6": "a logo is script",
    "D7": "a name looks like another app's",
    "L1": "a link signs people out, or leads them away",
    "L2": "an old ID token signs people out for ever",
    "L3": "logout tokens that are wrong, lost, or waited for",
    "J1": "the header brings the key",
    "J2": "tokens that cost much to refuse",
    "J3": "`crit` is ignored",
    "J4": "the public key as a shared secret",
    "J5": "private keys are published",
    "J6": "a rotation breaks tokens, or surprises caches",
    "J7": "`none`, and other clients' keys",
    "J8": "HMAC with the digest of a secret",
    "S1": "the session's id survives a sign-in",
    "S2": "pages with cookies are kept by caches",
    "S3": "sessions or caches that unpack code",
    "S4": "a malformed cookie is a crash, or a way in",
    "S5": "`?next=` leads away",
    "S6": "headers of the request are believed",
    "S7": "a session lives on by being used",
    "S8": "a relying party's state is not bound to its session",
}
# Rows that no test of ours can hold, and why; each leaves here when a test comes.
NOT_APPLICABLE: Mapping[str, str] = {}


def read_names() -> dict[str, list[str]]:
    """Return, by row, the tests that hold it, as ``file::name``."""
    held: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        where = path.relative_to(TESTS.parent).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for row in rows_of(node.name):
                    held[row].append(f"{where}::{node.name}")
    return held


def rows_of(name: str) -> Sequence[str]:
    """Return the rows that a test's name begins with."""
    found = re.match(r"test_((?:[a-z][0-9]+_)+)", name)
    return found[1].upper().strip("_").split("_") if found else ()


def render(held: Mapping[str, Sequence[str]]) -> str:
    """Return the table, in the order of `ROWS`."""
    lines = ["| Row | What went wrong elsewhere | Held by |", "|---|---|---|"]
    for row, threat in ROWS.items():
        links = [
            f"[{re.sub(r'^test_(?:[a-z][0-9]+_)+', '', name).replace('_', ' ')}](../{path})"
            for path, name in (test.split("::") for test in held.get(row, ()))
        ]
        told = "; ".join(links) or f"not applicable: {NOT_APPLICABLE.get(row, '')}"
        lines.append(f"| {row} | {threat} | {told} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(renew(PAGE.read_text(encoding="utf-8"), render(read_names())), encoding="utf-8")
