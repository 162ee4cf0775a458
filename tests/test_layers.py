"""The house rule: imports run downwards only, and the core is pure.

The table of floors below is the rule. It is read from the source with `ast`, so imports inside
functions count, and nothing has to be installed or imported to hold it.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = "oidc_bridge"
SOURCE = Path(__file__).parents[1] / PACKAGE

# From the ground up. Who stands on a floor may import from those below it, never from beside it.
FLOORS = (
    ("errors",),
    ("seal", "origins"),
    ("sections",),
    ("identity", "ports", "config"),
    ("proofs", "oidc", "matrix"),
    ("apps", "sitting", "naming", "roles"),
    ("storage", "fetch", "deadline", "flow"),
    ("logout", "sightings", "checkup"),
    ("web",),
    ("factory",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
# The folders of `web`, from the ground up likewise; they stand on its files.
WEB_FLOORS = ("oidc", "doors", "signin", "consent", "account", "admin")

PURE = {
    "errors",
    "identity",
    "ports",
    "seal",
    "origins",
    "sections",
    "proofs",
    "oidc",
    "matrix",
    "apps",
    "sitting",
    "naming",
    "roles",
    "flow",
}
# Libraries with the world in them, and the ways to a clock or to the environment.
WORLDLY = {"flask", "flask_sqlalchemy", "werkzeug", "sqlalchemy", "alembic", "requests", "urllib3"}
IMPURE = {
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "datetime.date.today",
    "os.environ",
    "os.getenv",
    "time.monotonic",
    "time.time",
    "time.time_ns",
}


def read_tree() -> dict[str, str]:
    """Return the source of each module by its dotted name."""
    tree = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        tree[name] = path.read_text(encoding="utf-8")
    return tree


TREE = read_tree()


def find_faults(module: str, source: str) -> list[str]:
    """Return what breaks the rule in one module, a line for each."""
    room = module.partition(".")[2].partition(".")[0]
    if room and room not in FLOOR_OF:
        return [f"{module} stands on no floor: give it one"]
    parsed = ast.parse(source)
    found = list(_directions(room, parsed))
    if room == "web" and module != f"{PACKAGE}.web":
        found += _directions_in_web(_web_floor(module), parsed)
    if room in PURE:
        found += _impurities(parsed)
    return [f"{module} {fault}" for fault in found]


def find_all_faults(tree: Mapping[str, str]) -> list[str]:
    return [fault for module, source in tree.items() for fault in find_faults(module, source)]


def _directions(room: str, parsed: ast.AST) -> Iterator[str]:
    for imported in _imports(parsed):
        if imported.startswith("."):
            yield f"imports relatively: {imported}"
        if not room:
            yield f"is the package's face and imports {imported}"
        if imported.partition(".")[0] != PACKAGE:
            continue
        other = imported.partition(".")[2].partition(".")[0]
        if other.startswith("__") and other != "__main__":
            continue  # __version__ of the package itself
        if other not in FLOOR_OF:
            yield f"imports {imported}, which stands on no floor"
        elif room and other != room and FLOOR_OF[other] >= FLOOR_OF[room]:
            yield f"imports {imported}, which is not below it"


def _web_floor(module: str) -> int:
    """Return the floor of a folder of `web`; -1 for a file of it, on which they all stand."""
    folder = module.removeprefix(f"{PACKAGE}.web").lstrip(".").partition(".")[0]
    return WEB_FLOORS.index(folder) if folder in WEB_FLOORS else -1


def _directions_in_web(floor: int, parsed: ast.AST) -> Iterator[str]:
    for imported in _imports(parsed):
        if imported.startswith(f"{PACKAGE}.web.") and _web_floor(imported) > floor:
            yield f"imports {imported}, which is not below it"


def _imports(parsed: ast.AST) -> Iterator[str]:
    """Yield the dotted name of all that is imported, ``from a import b`` as ``a.b``."""
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _impurities(parsed: ast.AST) -> Iterator[str]:
    for imported in _imports(parsed):
        if imported.partition(".")[0] in WORLDLY:
            yield f"is pure and imports {imported}"
        if imported in IMPURE:
            yield f"is pure and imports {imported}"
    known = dict(_bound_names(parsed))
    for node in ast.walk(parsed):
        used = _dotted(node, known)
        if used in IMPURE:
            yield f"is pure and uses {used}"


def _bound_names(parsed: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                yield name, alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _dotted(node: ast.AST, known: Mapping[str, str]) -> str | None:
    """Return what a name or an attribute stands for, its import followed."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, known)
        return f"{owner}.{node.attr}" if owner else None
    return None


@pytest.mark.parametrize("module", sorted(TREE))
def test_a_module_keeps_the_house_rule(module):
    assert find_faults(module, TREE[module]) == []


def test_every_room_of_the_table_exists():
    rooms = {name.partition(".")[2].partition(".")[0] for name in TREE} - {""}

    assert rooms == set(FLOOR_OF)


def test_every_folder_of_web_has_a_floor():
    folders = {
        name.split(".")[2]
        for name in TREE
        if name.startswith(f"{PACKAGE}.web.") and name.count(".") > 2
    }

    assert folders == set(WEB_FLOORS)


BAD = {
    "a storey up": ("oidc.tokens", "from oidc_bridge.web import page"),
    "a sibling": ("proofs.names", "from oidc_bridge.oidc.client import Client"),
    "a sibling as a module": ("matrix.synapse", "from oidc_bridge import oidc"),
    "a sibling by import": ("storage.apps", "import oidc_bridge.fetch"),
    "flow reaches for storage": ("flow", "from oidc_bridge.storage import db"),
    "the seal reads settings": ("seal", "from oidc_bridge.config import Settings"),
    "the seal's floor": ("seal", "from oidc_bridge.identity import Identity"),
    "the bridge imports the demo": (
        "web.signin.page",
        "from oidc_bridge.demo.wallet import Wallet",
    ),
    "a page a folder up": ("web.signin.page", "from oidc_bridge.web.account import home"),
    "a folder up": ("web.signin.page", "from oidc_bridge.web import consent"),
    "what pages share reaches for one": ("web.cards", "from oidc_bridge.web.oidc import token"),
    "inside a function": ("apps.app", "def f():\n    from oidc_bridge.storage import db"),
    "for types only": (
        "apps.app",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import oidc_bridge.web",
    ),
    "relative": ("oidc.tokens", "from . import scopes"),
    "relative and up": ("oidc.tokens", "from ..storage import db"),
    "an unknown room": ("oidc.tokens", "from oidc_bridge.utils import helper"),
    "a module on no floor": ("utils", "import re"),
    "the face imports": ("", "from oidc_bridge.errors import BridgeError"),
    "the face imports anything": ("", "import re"),
    "flask in the core": ("apps.app", "import flask.views"),
    "sqlalchemy in the core": ("oidc.keys", "from sqlalchemy import select"),
    "werkzeug in the core": ("errors", "from werkzeug.exceptions import NotFound"),
    "requests in the core": ("proofs.names", "def f():\n    import requests"),
    "now": ("flow", "from datetime import datetime\nx = datetime.now()"),
    "utcnow": ("flow", "import datetime\nx = datetime.datetime.utcnow()"),
    "now by another name": ("flow", "from datetime import datetime as dt\nx = dt.now"),
    "time": ("oidc.tokens", "import time\nx = time.time()"),
    "time by name": ("oidc.tokens", "from time import time"),
    "the environment": ("seal", "import os\nx = os.environ['KEY']"),
    "the environment by name": ("seal", "from os import environ as e"),
    "one variable": ("seal", "import os as system\nx = system.getenv('KEY')"),
}


@pytest.mark.parametrize("case", BAD)
def test_the_rule_sees(case):
    room, source = BAD[case]
    module = f"{PACKAGE}.{room}" if room else PACKAGE

    faults = find_all_faults({module: source})

    assert faults
    assert all(fault.startswith(module) for fault in faults)


GOOD = {
    "a floor down": ("web.signin.page", "from oidc_bridge.storage.accounts import sign_in"),
    "many floors down": ("cli.setup", "from oidc_bridge import errors, storage"),
    "inside one room": ("proofs.names", "from oidc_bridge.proofs.addresses import Address"),
    "a folder down": ("web.account.wallets", "from oidc_bridge.web.signin import naming"),
    "inside one folder": ("web.oidc.par", "from oidc_bridge.web.oidc.asked import Asked"),
    "what pages share": ("web.oidc.par", "from oidc_bridge.web import bridge"),
    "a room's own face": ("storage.apps", "from oidc_bridge.storage import db"),
    "the version": ("fetch", "from oidc_bridge import __version__"),
    "settings hold a seal": ("config", "from oidc_bridge.seal import Seal"),
    "types of time": ("flow", "from datetime import UTC, datetime\nx: datetime"),
    "somebody else's now": ("flow", "from datetime import datetime\ndef f(now_is): now_is.now()"),
    "the world above": ("storage.apps", "import sqlalchemy, os\nx = os.environ"),
    "the face with a version": ("", '"""The bridge."""\n__version__ = "1"'),
}


@pytest.mark.parametrize("case", GOOD)
def test_the_rule_lets_pass(case):
    room, source = GOOD[case]
    module = f"{PACKAGE}.{room}" if room else PACKAGE

    assert find_all_faults({module: source}) == []
