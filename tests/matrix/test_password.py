"""Which passwords are ours, and whom a user field means."""

import ast
from pathlib import Path

import pytest

from oidc_bridge.matrix.password import localpart_of, shape_of
from tests.test_layers import SOURCE

ABP = "abp_" + "a2b3" * 8
SHAPES = {
    ABP: "app-password",
    ABP.upper(): "app-password",
    "abp_" + "-".join(["a2b3"] * 8): "app-password",
    " abp_ " + " ".join(["a2b3"] * 8) + "\n": "app-password",
    "alice.id|https://chat.example|3q2-nonce": "oichat",
    "a sentence|2026|SIG_K1_abc": "antelope",
    "a|https://chat.example|SIG_K1_abc": "antelope",
    "": None,
    "hunter2": None,
    "abp_": None,
    ABP[:-1]: None,
    ABP + "a": None,
    ABP.replace("2", "1"): None,
    ABP.replace("a", "\N{KELVIN SIGN}"): None,
    "x" + ABP: None,
    "a|b|c": None,
    "https://chat.example|b|c": None,
    "a|http://chat.example|c": None,
    "a|http://localhost:3000|c": "oichat",
    "a|http://localhost|c": "oichat",
    "a|http://127.0.0.1:8000|c": "oichat",
    "a|http://[::1]:8000|c": "oichat",
    "a|http://localhost.example|c": None,
    "a|http://localhost:3000/|c": None,
    "a|http://localhost:3000\n|c": None,
    "a|http://127.0.0.10|c": None,
    "a|SIG_K1_abc|b": None,
    "a|https://chat.example": None,
    "a|https://chat.example|b|c": None,
    "SIG_K1_abc": None,
    "a|b|sig_k1_abc": None,
}


@pytest.mark.parametrize("password", SHAPES)
def test_three_shapes_are_ours(password: str) -> None:
    assert shape_of(password) == SHAPES[password]


USERS = {
    "ann": "ann",
    " Ann.ID.Blockstack ": "ann.id.blockstack",
    "ANN": "ann",
    "ann.id+chat.example=3a8443": "ann.id+chat.example=3a8443",
    "@ann:matrix.example": "ann",
    "\t@Ann:Matrix.Example\n": "ann",
    # another server's, and one that only begins or ends as ours
    "@ann:other.example": None,
    "@ann:matrix.example:8448": None,
    "@ann:matrix.example.": None,
    "@ann:evil.matrix.example": None,
    "@ann:matrix": None,
    "@ann:bob:matrix.example": None,
    # neither a localpart nor an ID
    "@ann": None,
    "@ann:": None,
    "@:matrix.example": None,
    "@@ann:matrix.example": None,
    "@": None,
    ":": None,
    "": None,
    " ": None,
    "ann:matrix.example": None,
    "ann:other.example": None,
    "ann@matrix.example": None,
    "an n": None,
    "@ann :matrix.example": None,
    "@ann:matrix.example extra": None,
    "ann\nbob": None,
    "ann\0": None,
    "\N{KELVIN SIGN}ate": None,
    "@ann:matri\N{CYRILLIC SMALL LETTER HA}.example": None,
}

# How people spell themselves, and how they do not, at every door that has a user field.
SPELT = ("{user}", " {user} ", "@{user}:{server}", " @{user}:{server}\n")
MISSPELT = ("", "@{user}", "{user}:{server}", "@{user}:{server}.", "@{user}:other.example")


@pytest.mark.spec("Matrix", "m.id.user")
@pytest.mark.parametrize("user", USERS, ids=ascii)
def test_a_user_field_is_a_localpart_or_an_id_of_this_server(user: str) -> None:
    assert localpart_of(user, "matrix.example") == USERS[user]


def test_a_port_belongs_to_the_servers_name_and_case_counts_on_neither_side() -> None:
    assert localpart_of("@ann:matrix.example:8448", "Matrix.example:8448") == "ann"
    assert localpart_of("@ann:matrix.example", "Matrix.example:8448") is None


def test_where_the_servers_name_is_unknown_no_whole_id_is_ours() -> None:
    assert localpart_of("@ann:matrix.example", None) is None
    assert localpart_of("@ann:None", None) is None
    assert localpart_of("ann", None) == "ann"


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_the_module_imports_nothing_of_the_package_and_of_synapse_only_its_module_api() -> None:
    imported = _imports(SOURCE / "matrix" / "synapse_module.py")

    assert not [name for name in imported if name.startswith("oidc_bridge")]
    assert {name for name in imported if name.partition(".")[0] == "synapse"} == {
        "synapse.module_api",
        "synapse.module_api.errors",
    }


def test_nothing_imports_the_module_since_it_needs_synapse() -> None:
    for path in SOURCE.rglob("*.py"):
        assert "oidc_bridge.matrix.synapse_module" not in _imports(path), path


def test_the_package_on_the_modules_way_imports_nothing() -> None:
    assert _imports(SOURCE / "__init__.py") == _imports(SOURCE / "matrix" / "__init__.py") == set()
