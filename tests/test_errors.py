"""Errors speak with three voices that never mix; a person never hears the operator's."""

import ast
import re
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import pytest

import oidc_bridge
from oidc_bridge.errors import (
    BridgeError,
    ConfigError,
    FetchError,
    PageError,
    ProofError,
    SentError,
    ShownError,
)
from oidc_bridge.web.explanations import Explanation, explain

SOURCE = Path(oidc_bridge.__file__).parent
DETAIL = "postgresql+psycopg://bridge:hunter2@db"


def raised(*names: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield the code and the call of each error of these names, all over the package."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id in names and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value), node


def codes(*names: str) -> list[str]:
    return sorted({code for code, _ in raised(*names)})


PAGE_DEFAULT = explain(PageError("no such code"))
PROOF_DEFAULT = explain(ProofError("no such code"))
ALL = ("BridgeError", "ConfigError", "FetchError", "ProofError", "PageError", "ShownError")


@pytest.mark.parametrize("code", codes("PageError", "ShownError"))
def test_every_page_error_that_is_raised_is_explained_in_its_own_words(code):
    assert explain(PageError(code)) not in (PAGE_DEFAULT, PROOF_DEFAULT)


@pytest.mark.parametrize("code", codes("ProofError"))
def test_every_proof_error_that_is_raised_is_explained(code):
    explanation = explain(ProofError(code))

    assert explanation != PAGE_DEFAULT
    assert all(astuple(explanation))


@pytest.mark.parametrize("code", [*codes(*ALL, "SentError"), "no such code"])
@pytest.mark.parametrize("kind", [BridgeError, ConfigError, FetchError, ProofError, PageError])
def test_an_explanation_never_holds_the_detail(kind, code):
    told = " ".join(astuple(explain(kind(code, DETAIL))))

    assert DETAIL not in told
    assert "hunter2" not in told
    assert explain(kind(code, DETAIL)) == explain(kind(code, "something else"))


def test_a_proof_error_nobody_has_words_for_says_that_the_sign_in_was_not_verified():
    assert PROOF_DEFAULT.title == "We could not verify this sign-in"


@pytest.mark.parametrize(
    "error", [BridgeError("x"), PageError("x"), FetchError("x"), ConfigError("x")]
)
def test_any_other_error_nobody_has_words_for_says_that_nothing_was_changed(error):
    assert "Nothing was changed" in explain(error).what


def test_codes_are_words_in_lower_case():
    for code in codes(*ALL, "SentError"):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", code), code


def test_no_explanation_is_left_of_an_error_that_nobody_raises():
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in SOURCE.rglob("*.py")
        if path.name != "explanations.py"
    )
    explained = re.findall(
        r'^    "([a-z_]+)": Explanation\(',
        (SOURCE / "web/explanations.py").read_text(encoding="utf-8"),
        re.M,
    )

    assert explained
    assert [code for code in explained if f'"{code}"' not in source] == []


def test_what_is_sent_to_clients_is_a_sentence_that_rfc_6749_allows():
    """Section 5.2: ``error_description`` is ASCII without ``"`` and backslash."""
    for code, call in raised("SentError"):
        detail = call.args[1]
        parts = detail.values if isinstance(detail, ast.JoinedStr) else [detail]
        literal = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
        assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]*\.", literal), (code, literal)


def test_an_error_reads_as_code_and_detail_in_a_log():
    assert str(BridgeError("key_missing", "bridge.key")) == "key_missing: bridge.key"
    assert str(BridgeError("key_missing")) == "key_missing"


def test_shown_and_sent_errors_cannot_be_confused():
    assert not issubclass(ShownError, SentError)
    assert not issubclass(SentError, PageError)
    assert issubclass(ShownError, PageError)


def test_errors_that_are_answered_have_a_status():
    assert PageError("request_unknown").status == 400
    assert PageError("not_found", status=404).status == 404
    assert SentError("invalid_request", "No.").status == 400
    assert SentError("invalid_client", "No.", status=401).status == 401


def test_an_explanation_says_what_happened_and_what_to_do():
    explanation = explain(ShownError("redirect_uri_mismatch", "wiki: 'https://evil.example'"))

    assert isinstance(explanation, Explanation)
    assert "return address is not registered" in explanation.title
    assert "Tell the people who run the app" in explanation.next
