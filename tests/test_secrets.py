"""Secrets are compared in constant time or looked up by digest, and nothing unpacks code (K4, S3).

Read from the source with `ast`, so that a comparison which no test happens to run is seen too.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import JSON, PickleType

from oidc_bridge import storage
from oidc_bridge.demo.pages import make_flask

PACKAGE = Path(__file__).parents[1] / "oidc_bridge"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# What an identifier is made of if it may hold something that nobody should be able to guess.
SECRET_WORDS = {
    *("assertion", "ath", "browser", "challenge", "code", "cookie", "csrf", "digest", "hash"),
    *("jkt", "jti", "mac", "nonce", "password", "secret", "shown", "signature", "state"),
    *("token", "verifier"),
}
# Comparisons of such a name that tell an attacker nothing, and why.
HARMLESS = {
    ("cli/homeservers.py", "make_new == (secret_path is not None)"): "two flags",
    (
        "cli/registration.py",
        "before == replace(client, secret_digests=digests)",
    ): "the operator's own file, by hand",
    ("demo/matrix.py", "error['code'] == _ENDED"): "the code of an error",
    (
        "oidc/client_authentication.py",
        "form.get('client_assertion_type') != ASSERTION_TYPE",
    ): "a word of RFC 7523",
    (
        "oidc/client_authentication.py",
        "secret == sent",
    ): "two readings of what one client sent; neither is ours",
    (
        "proofs/auth_response.py",
        "token.payload.get('childToAssociate') != app_public_key.hex()",
    ): "a public key",
    (
        "proofs/auth_response.py",
        "token.payload.get('iss') != identity_key.format().hex()",
    ): "a public key",
    ("proofs/antelope.py", "error.code not in _ELSEWHERE"): "the code of an error",
    (
        "proofs/antelope_node.py",
        "_error_code(answer) == _UNKNOWN_BLOCK",
    ): "the code of a node's error",
    (
        "proofs/antelope_node.py",
        "_error_code(answer) != _UNKNOWN_BLOCK",
    ): "the code of a node's error",
    ("proofs/stacks.py", "address != parse_address(challenge.address)"): "an address is public",
    (
        "storage/challenges.py",
        "ChallengeRow.id == bindparam('challenge_id')",
    ): "its name; its browser must fit",
    (
        "storage/registrations.py",
        "_I.id == token_id",
    ): "the number under which the operator sees a token, not the token",
    (
        "storage/app_passwords.py",
        "_W.id == bindparam('password_id')",
    ): "its name on the person's own page; the secret is found by its digest",
    ("sightings.py", "error.code == _SILENCE"): "the code of an error",
    ("apps/statement.py", "address != Address(address.hash160)"): "an address is public",
    ("web/consent/as_whom.py", "code in session.unconfirmed"): "the code of a note to the person",
    ("web/account/data.py", "answer.status_code != _GIVEN"): "the status of an answer",
    ("web/doors/oichat.py", "words[0] != nonce"): "both were sent by the client that answers",
    ("web/session.py", "find_browser() != browser"): "both were sent by the browser that asks",
}
UNPACKS_CODE = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "jsonpickle"}


def comparisons(source: str) -> Iterator[str]:
    """Yield each comparison of a secret that is neither in constant time nor by digest."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare) or not _tells_by_time(node):
            continue
        sides = [node.left, *node.comparators]
        is_secret = any(_words(side) & SECRET_WORDS for side in sides)
        if is_secret and not any(_is_digest_column(side) for side in sides):
            yield ast.unparse(node)


def found_in(path: Path) -> set[tuple[str, str]]:
    """Return such comparisons with the file that they stand in."""
    where = path.relative_to(PACKAGE).as_posix()
    return {(where, one) for one in comparisons(path.read_text(encoding="utf-8"))}


def _tells_by_time(node: ast.Compare) -> bool:
    sides = [node.left, *node.comparators]
    compares = any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops)
    return compares and not any(isinstance(side, ast.Constant) for side in sides)


def _words(node: ast.expr) -> set[str]:
    """Return the words of all names in *node*, ``secret`` for ``client_secrets`` too."""
    names = [
        text
        for part in ast.walk(node)
        for text in (
            getattr(part, "id", None),
            getattr(part, "attr", None),
            getattr(part, "value", None),
        )
        # A name in capitals is a constant of the program's text.
        if isinstance(text, str) and not text.isupper()
    ]
    words = {word for name in names for word in re.split(r"[^a-z]+", name.lower())}
    return words | {word.removesuffix("s") for word in words}


def _is_digest_column(node: ast.expr) -> bool:
    """The database looks it up: whoever varies a secret cannot steer its digest.

    Of a browser its cookie's digest is kept, never the cookie:
    ``test_d4_secrets_are_kept_as_hashes_only``.
    """
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and re.fullmatch(r"_[A-Z]\w*|\w+Row", node.value.id) is not None
        and re.fullmatch(r"digest|\w+_digest|browser|opened_by", node.attr) is not None
    )


def every_source(test):
    """Run *test* once for each file of the package."""
    return pytest.mark.parametrize(
        "path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix()
    )(test)


@every_source
def test_k4_no_secret_is_compared_but_in_constant_time_or_by_digest(path: Path) -> None:
    assert found_in(path) <= set(HARMLESS)


def test_k4_every_exception_is_still_there() -> None:
    assert set(HARMLESS) <= set().union(*map(found_in, SOURCES))


@pytest.mark.parametrize(
    "source",
    [
        "client_secret == sent",
        "if token != expected: pass",
        "form.get('csrf') == form_token",
        "digest_of(code) in digests",
        "any(known.digest == digest for known in secrets)",
        "_R.token == bindparam('token')",
        "request.cookies['session_cookie'] == cookie",
        "hashlib.sha256(x).hexdigest() == row.mac",
    ],
)
def test_k4_an_ordinary_comparison_of_a_secret_is_found(source: str) -> None:
    assert list(comparisons(source))


@pytest.mark.parametrize(
    "source",
    [
        "compare_digest(token, expected)",
        "_R.digest == bindparam('token')",
        "token is None",
        "len(token) > 4096",
        "kind == 'access_token'",
        "expires_at <= now",
    ],
)
def test_k4_a_proper_comparison_is_left_alone(source: str) -> None:
    assert not list(comparisons(source))


@every_source
def test_s3_nothing_that_unpacks_code_is_imported(path: Path) -> None:
    assert not modules(path.read_text(encoding="utf-8")) & UNPACKS_CODE


def modules(source: str) -> set[str]:
    """Return the first names of all that is imported, wherever in the file."""
    tree = ast.parse(source)
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import))
    froms = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    names = {alias.name for node in imports for alias in node.names}
    names |= {node.module or "" for node in froms}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import marshal as m",
        "from shelve import open",
        "def f():\n  import pickle",
    ],
)
def test_s3_such_an_import_is_found(source: str) -> None:
    assert modules(source) & UNPACKS_CODE


def test_s3_a_session_is_a_row_and_the_demos_are_signed_json(app: Flask) -> None:
    demo = make_flask("chat", service="Example ID", origin="http://localhost:1")

    assert app.secret_key is None  # so Flask's own session cannot even be opened
    for one in (app, demo):
        assert type(one.session_interface) is SecureCookieSessionInterface
        assert type(one.session_interface.serializer) is TaggedJSONSerializer


def test_s3_no_column_is_pickled() -> None:
    kinds = {
        type(column.type)
        for metadata in storage.db.metadatas.values()
        for table in metadata.tables.values()
        for column in table.columns
    }

    assert JSON in kinds
    assert not [kind for kind in kinds if issubclass(kind, PickleType)]
