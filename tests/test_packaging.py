"""The wheel holds what it must: the package with templates and migrations inside, nothing else."""

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from oidc_bridge import __version__

ROOT = Path(__file__).parents[1]
# What lies beside the package in a checkout and inside it in a wheel.
FORCED = ("templates", "migrations")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the open wheel, built in process from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        yield archive


def files_in(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_wheel_has_the_package_and_its_dist_info_at_the_top_and_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}

    assert tops == {"oidc_bridge", f"oidc_bridge-{__version__}.dist-info"}


@pytest.mark.parametrize("folder", FORCED)
def test_no_template_and_no_migration_is_missing(wheel, folder):
    prefix = f"oidc_bridge/{folder}/"
    packed = {name.removeprefix(prefix) for name in wheel.namelist() if name.startswith(prefix)}

    assert packed == files_in(ROOT / folder)
    assert packed


def test_no_module_is_missing(wheel):
    forced = tuple(f"oidc_bridge/{folder}/" for folder in FORCED)
    packed = {
        name.removeprefix("oidc_bridge/")
        for name in wheel.namelist()
        if name.endswith(".py") and name.startswith("oidc_bridge/") and not name.startswith(forced)
    }

    assert packed == {name for name in files_in(ROOT / "oidc_bridge") if name.endswith(".py")}


def test_static_files_and_the_first_migration_are_in_the_wheel(wheel):
    names = set(wheel.namelist())

    assert "oidc_bridge/templates/static/bridge.css" in names
    assert "oidc_bridge/templates/static/icon.png" in names
    assert "oidc_bridge/migrations/env.py" in names
    assert "oidc_bridge/migrations/versions/0001_initial.py" in names


def test_nothing_that_python_or_an_operator_made_leaks_into_the_wheel(wheel):
    made = ("__pycache__", ".pyc", ".key", ".db", "config.toml", "node_modules")

    assert [name for name in wheel.namelist() if any(part in name for part in made)] == []


def test_the_wheel_has_the_version_and_the_command_of_the_package(wheel):
    info = f"oidc_bridge-{__version__}.dist-info"
    metadata = wheel.read(f"{info}/METADATA").decode()
    entry_points = wheel.read(f"{info}/entry_points.txt").decode()

    assert f"\nVersion: {__version__}\n" in metadata
    assert "oidc-bridge = oidc_bridge.cli:main" in entry_points
